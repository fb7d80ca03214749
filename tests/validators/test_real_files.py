"""Real files: each is read, or refused with its cause, in bounded memory and time."""

import csv
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.datasets.standards import load
from shahrdad.validators.importing import open_table
from shahrdad.validators.normalise import dates, numbers
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.options import Options
from shahrdad.validators.text_table import TextTable
from shared_data import SHARED, needs_shared

DATA = SHARED / "data"
TABLES = (
    ".csv",
    ".tsv",
    ".xlsx",
    ".xls",
    ".parquet",
    ".json",
    ".pb",
    ".md",
    ".yaml",
    ".yml",
)
SECONDS_MAX = 30  # CPU of one file; the largest takes 2 s on an idle core
GROWTH_MIB_MAX = 400

CP1252 = Options(encoding="cp1252")
ASKS_ENCODING = Reason.SOURCE_ENCODING, "cp1252 «"

# What becomes of every file. Rows of data where it is read without an answer; else what
# is asked or why it is refused, and the rows once that was answered.
ROWS: dict[str, int] = {
    "budget/albania/treasury.csv": 40,
    "budget/berlin/2026_Ausgabetitel_13.json": 1198,
    "budget/bonn/BonnBudget2017sample.xlsx": 2000,
    "budget/ir-national/expenses1396.csv": 1081,
    "budget/ir-national/expenses1398.csv": 1364,
    "budget/ir-national/expenses1400.csv": 1568,
    "budget/ir-national/expenses1402.csv": 1035,
    "budget/ir-national/revenues1396.csv": 227,
    "budget/ir-national/revenues1398.csv": 257,
    "budget/ir-national/revenues1400.csv": 292,
    "budget/ir-national/revenues1402.csv": 1508,
    "budget/ir-national/revenues1404.csv": 18,
    "budget/madrid/2023/actividades.csv": 7394,
    "budget/madrid/2023/indicadores.csv": 12165,
    "budget/madrid/2023/inversiones_principales.csv": 203,
    "budget/mexico/Gasto Federalizado_Avance Financiero_Puebla_Q1_2016.xlsx": 5454,
    "budget/nyc/fy19_transparency_all.csv": 7090,
    "budget/offenerhaushalt/standard-datensatz-ohh.csv": 99,
    "budget/san-diego/budget_vs_actuals.parquet": 5109,
    "budget/south-africa/capital_facts_v2.csv": 3981,
    "catalogs/iran-opendata/government.csv": 63,
    "contracts/philadelphia/professional-services-FY-2020-Q4.csv": 1975,
    "kpi/mashhad_u4ssc_waste.transcribed.csv": 6,
    "messy/derived/expenses1396.cp1256.csv": 1081,
    "messy/derived/revenues1396.utf16le-bom.tsv": 227,
    "messy/frictionless/issue-277.csv": 75,
    "messy/persian/Airport_Isfahan.xlsx": 52527,
    "messy/xloader/german_sample.csv": 7,
    "messy/xloader/sample_with_mixed_quotes.csv": 2,
    "messy/xloader/simple.xls": 6,
    "projects/nyc/nyc_capital_projects.csv": 12587,
    "reference/cofog.csv": 188,
    "reference/iran-geo/hkaghazi/city.csv": 1245,
    "reference/iran-geo/typhoon/cities.csv": 1354,
    "reference/iran-geo/typhoon/city_coordinates.csv": 1354,
    "reference/iran-geo/typhoon/counties.csv": 448,
    "reference/iran-geo/typhoon/provinces.csv": 31,
    "services/canada/qa_issues_descriptions.csv": 14,
    "services/canada/si_2024.csv": 1752,
    "systems/os2kitos/valid_it_contract_example.xlsx": 4,
    "systems/sb272/nrih-k5ag.derived.csv": 10,
    "systems/sb272/san-francisco_ebux-gcnq.derived.csv": 10,
    "systems/sill-fr/sill.derived.json": 238,
    "systems/us-ai-inventory/2023_raw.csv": 710,
    "systems/us-ai-inventory/2024_raw_v2.xls": 2133,
}


@dataclass(frozen=True)
class Asked:
    """A file that is asked about: reason, a candidate, the answer, the rows then."""

    reason: Reason
    candidate: str
    answer: Options
    rows: int


ASKED: dict[str, Asked] = {
    "budget/ir-national/1404-table5.xlsx": Asked(
        Reason.SOURCE_SHEET, "Sheet1 (2)", Options(sheet="1404"), 224
    ),
    "budget/ir-national/Iran_Budget_Table_1404.xlsx": Asked(
        Reason.SOURCE_SHEET, "Table 1", Options(sheet="Table 1", header_row=2), 11
    ),
    "budget/ustecky/ustecky_region_2014_XI.xls": Asked(
        Reason.SOURCE_SHEET, "II.", Options(sheet="II.", header_row=6), 1017
    ),
    "messy/persian/form-5.xlsx": Asked(
        Reason.SOURCE_SHEET, "Sheet3", Options(sheet="Sheet1", header_row=2), 84
    ),
    "reference/iran_capitals_31.compiled.csv": Asked(
        Reason.SOURCE_DIALECT, "comma (15), semicolon (2)", Options(delimiter=","), 31
    ),
    "budget/madrid/2023/gastos.csv": Asked(*ASKS_ENCODING, CP1252, 9211),
    "budget/madrid/2023/gastos_eliminaciones.csv": Asked(*ASKS_ENCODING, CP1252, 31),
    "budget/madrid/2023/ingresos.csv": Asked(*ASKS_ENCODING, CP1252, 278),
    "budget/madrid/2023/ingresos_eliminaciones.csv": Asked(*ASKS_ENCODING, CP1252, 21),
    "budget/madrid/2023/inversiones.csv": Asked(*ASKS_ENCODING, CP1252, 3743),
    "messy/frictionless/issue-811.csv": Asked(*ASKS_ENCODING, CP1252, 7904),
    "messy/xloader/non_utf8_sample.csv": Asked(*ASKS_ENCODING, CP1252, 266),
    "systems/us-ai-inventory/2024_raw_v2.csv": Asked(*ASKS_ENCODING, CP1252, 2133),
}
# JSON that is no table, and text that is none.
NO_TABLE = [
    "budget/albania/datapackage.json",
    "catalogs/gsa-dcat-us/data.json",
    "contracts/ocds/ocds-213czf-000-00001.json",
    "projects/oc4ids/blank.json",
    "projects/oc4ids/example.json",
    "reference/cofog.datapackage.json",
    "schemas/infos-travaux.schema.json",
    "schemas/oc4ids-project-schema.json",
    "schemas/scdl-budget.schema.json",
    "schemas/scdl-catalog" + "ue.schema.json",
    "schemas/scdl-deliberations.schema.json",
    "schemas/scdl-subventions.schema.json",
    "schemas/wzdx-4.2-RoadEventFeature.json",
]
NO_COLUMNS = [
    "ideas/pabulib/france_toulouse_2019_.pb",
    "ideas/pabulib/poland_gdansk_2020_osowa.pb",
    "schemas/publiccode.example.yml",
    "systems/sb272/nrih-k5ag.md",
    "systems/sb272/san-francisco_ebux-gcnq.md",
    "systems/us-ai-inventory/data_dictionary.yaml",
]
REFUSED: dict[str, Reason] = {
    **dict.fromkeys(NO_TABLE, Reason.SOURCE_FORMAT),
    **dict.fromkeys(NO_COLUMNS, Reason.SOURCE_DIALECT),
}

pytestmark = needs_shared


def files() -> set[str]:
    """Return every file of the index that could hold a table."""
    return {
        path.relative_to(DATA).as_posix()
        for path in DATA.rglob("*")
        if path.suffix in TABLES
        and "csv-suites" not in path.parts
        and path.name != "INDEX.md"
    }


def columns(table: TextTable) -> dict[str, list[Any]]:
    """Read a table to its end."""
    batches = list(table.batches)
    return {
        name: [cell for batch in batches for cell in batch.columns[at].to_pylist()]
        for at, name in enumerate(table.names)
    }


def rows_of(table: TextTable) -> int:
    """Count the rows of a table; a ragged one counts."""
    return sum(batch.rows_count + len(batch.ragged) for batch in table.batches)


def amount(cell: str, decimal: str = ".") -> Decimal:
    """Read an amount by the grammar; an empty cell is 0 in these sums."""
    if not cell:
        return Decimal(0)
    value = numbers.parse(cell, decimal=decimal).value
    assert value is not None, cell
    return value


def bounded(work: Callable[[], Any]) -> Any:
    """Do something, within the bounds of CPU and memory."""
    started = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = work()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

    assert time.process_time() - started < SECONDS_MAX
    assert grown < GROWTH_MIB_MAX
    return done


def test_every_file_has_an_outcome() -> None:
    """The outcomes below are those of all files, and of no others."""
    assert files() == {*ROWS, *ASKED, *REFUSED}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_read_without_an_answer(name: str) -> None:
    """These files are read as they are, and have as many rows as the index says."""
    table, rows = bounded(lambda: (table := open_table(DATA / name), rows_of(table)))

    assert ROWS[name] == rows
    assert (DATA / name).stat().st_size == table.source.bytes


@pytest.mark.parametrize("name", sorted(ASKED))
def test_asked_then_read(name: str) -> None:
    """These files are asked about, naming what would answer; then they are read."""
    asked = ASKED[name]
    with pytest.raises(DataError) as caught:
        open_table(DATA / name)
    table, rows = bounded(
        lambda: (table := open_table(DATA / name, options=asked.answer), rows_of(table))
    )

    assert asked.reason == caught.value.reason
    assert asked.candidate in str(caught.value.values["candidates"])
    assert asked.rows == rows
    assert table.names


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused(name: str) -> None:
    """These files hold no table; the refusal says so in both languages."""
    with pytest.raises(DataError) as caught:
        open_table(DATA / name)
    assert REFUSED[name] == caught.value.reason
    assert Path(name).name in caught.value.text("fa")


def test_bonn_is_cut_and_says_so() -> None:
    """One value in row 835,225 is reported; the 2,000 rows of the table are read."""
    table = open_table(DATA / "budget/bonn/BonnBudget2017sample.xlsx")
    stray = next(
        found for found in table.findings if found.code == "source-stray-cells"
    )

    assert (2001, 835_225) == (stray.values["last_row_read"], stray.values["last_row"])


def test_isfahan_dates() -> None:
    """52,527 Jalali texts are 2,191 days, each of six years, read as Jalali alone."""
    cells = columns(open_table(DATA / "messy/persian/Airport_Isfahan.xlsx"))
    column = next(iter(cells.values()))
    days = {text: dates.parse(text) for text in set(column)}
    found = {day.value for day in days.values()}
    start, end = date(2018, 3, 21), date(2024, 3, 19)
    as_gregorian = [dates.parse(text, calendar="gregorian").reason for text in days]

    assert 52_527 == len(column)
    assert {start + timedelta(days=at) for at in range((end - start).days + 1)} == found
    assert 2_191 == len(found)
    assert 24 == sum(days[text].value == date(2021, 3, 20) for text in column)
    assert {"jalali-in-gregorian-column"} == set(as_gregorian)


def test_windows_1256_equals_the_original() -> None:
    """Normalised, the derived file is the original but for its 8 lost characters."""
    original = columns(open_table(DATA / "budget/ir-national/expenses1396.csv"))
    derived = columns(open_table(DATA / "messy/derived/expenses1396.cp1256.csv"))
    pairs = [
        (forms.key(one), forms.key(other))
        for column, copy in zip(original.values(), derived.values(), strict=True)
        for one, other in zip(column, copy, strict=True)
    ]
    lost = sum(
        sum(0x10FC00 <= ord(letter) <= 0x10FCFF for letter in cell)
        for column in original.values()
        for cell in column
    )
    different = [(one, other) for one, other in pairs if one != other]

    assert 8 == lost
    assert all(any(ord(letter) >= 0x10FC00 for letter in one) for one, _ in different)


def test_utf_16_equals_the_original() -> None:
    """Excel's Unicode text is the same table as the CSV that it was made from."""
    original = columns(open_table(DATA / "budget/ir-national/revenues1396.csv"))
    derived = columns(open_table(DATA / "messy/derived/revenues1396.utf16le-bom.tsv"))

    assert list(original.values()) == list(derived.values())


def test_xls_equals_its_csv() -> None:
    """The BIFF copy has the cells of the CSV, but for what each of them typed."""
    path = DATA / "systems/us-ai-inventory"
    sheet = list(columns(open_table(path / "2024_raw_v2.xls")).values())
    text = list(columns(open_table(path / "2024_raw_v2.csv", options=CP1252)).values())
    same = sum(
        one == other
        for column, copy in zip(sheet, text, strict=True)
        for one, other in zip(column, copy, strict=True)
    )

    assert (62, 62) == (len(sheet), len(text))
    assert same > 0.95 * 62 * 2133


SUMS: list[tuple[str, str, str, str]] = [
    ("budget/madrid/2023/gastos.csv", "CRED_INICIAL", ",", "5721776274"),
    ("budget/madrid/2023/gastos.csv", "MOD_CREDITO", ",", "544741703.36"),
    ("budget/madrid/2023/gastos.csv", "C_DEFINITIVO", ",", "6266517977.30"),
    ("budget/south-africa/capital_facts_v2.csv", "amount", ".", "29188236946"),
    ("budget/berlin/2026_Ausgabetitel_13.json", "betrag", ".", "1176484600"),
    (
        "budget/san-diego/budget_vs_actuals.parquet",
        "budget_amount",
        ".",
        "114934047210",
    ),
    ("budget/san-diego/budget_vs_actuals.parquet", "actual_amount", ".", "80950294897"),
    (
        "contracts/philadelphia/professional-services-FY-2020-Q4.csv",
        "amt",
        ".",
        "3494127380.44",
    ),
]


@pytest.mark.parametrize(("name", "column", "decimal", "total"), SUMS)
def test_sums_by_the_number_grammar(
    name: str, column: str, decimal: str, total: str
) -> None:
    """Sums of real columns come out to the last decimal."""
    options = CP1252 if "madrid" in name else Options()
    cells = columns(open_table(DATA / name, options=options))

    assert Decimal(total) == sum(
        (amount(cell, decimal) for cell in cells[column]), Decimal(0)
    )


def test_finished_projects_of_madrid() -> None:
    """203 filled rows: 147 in progress, 56 finished; three blank ones are numbered."""
    table = open_table(DATA / "budget/madrid/2023/inversiones_principales.csv")
    batches = list(table.batches)
    state = next(
        at for at, label in enumerate(table.labels) if "ESTADO" in label.upper()
    )
    cells = [
        cell.strip() for batch in batches for cell in batch.columns[state].to_pylist()
    ]

    assert (147, 56) == (cells.count("EN PROCESO"), cells.count("FINALIZADO"))
    assert 3 == sum(len(batch.blank) for batch in batches)


@pytest.mark.parametrize(
    ("sheet", "unit"), [("Table 1", "million_rial"), ("table 14", "milliard_rial")]
)
def test_units_of_a_real_workbook_differ_by_sheet(sheet: str, unit: str) -> None:
    """Each sheet states its own unit near its header; it is proposed, never taken."""
    path = DATA / "budget/ir-national/Iran_Budget_Table_1404.xlsx"
    rows = {"Table 1": 2, "table 14": 2}
    columns_ = [{"to": "approved_rial", "from": "مبلغ"}] if sheet == "table 14" else [
        {"to": "approved_rial", "from": "منابع (میلیون ریال)"}
    ]  # fmt: skip
    profile = {
        "source": {"sheet": sheet, "header_rows": [rows[sheet]]},
        "columns": columns_,
    }
    table = open_table(path, standard=load("budget_lines"), profile=profile)

    assert table.questions is not None
    assert table.questions.money is not None
    assert unit == table.questions.money.proposals[0].unit
    assert "money-unit-missing" in [found.code for found in table.findings]


def test_cells_equal_those_of_the_csv_module() -> None:
    """Every CSV that is read has the cells that Python's reader gives."""
    for name in (
        name for name in sorted(ROWS) if name.endswith(".csv") and "derived" not in name
    ):
        table = open_table(DATA / name)
        assert table.source.dialect is not None
        with (DATA / name).open(encoding="utf-8-sig", newline="") as file:
            records = list(csv.reader(file, delimiter=table.source.dialect.delimiter))[
                1:
            ]
        width = len(table.labels)
        expected = [row for row in records if any(row) and len(row) == width]
        found = list(zip(*columns(table).values(), strict=True))
        assert expected == [list(row) for row in found], name
