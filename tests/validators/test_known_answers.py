"""Answers that were computed apart from this program come out of its own reading."""

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from shahrdad.validators import validate
from shahrdad.validators.importing import open_table
from shahrdad.validators.normalise import dates, numbers
from shahrdad.validators.options import Options
from shared_data import SHARED, needs_shared

DATA = SHARED / "data"
LAW_1404 = DATA / "budget" / "ir-national" / "Iran_Budget_Table_1404.xlsx"
MILLION_RIAL = 10**6

pytestmark = needs_shared


def columns(
    source: Path | bytes, options: Options | None = None
) -> dict[str, list[str]]:
    """Read a table to its end, as texts by label."""
    table = open_table(source, options=options)
    batches = list(table.batches)
    return {
        label: [cell for batch in batches for cell in batch.columns[at].to_pylist()]
        for at, label in enumerate(table.labels)
    }


def total(cells: list[str], decimal: str = ".") -> Decimal:
    """Add up what the number grammar reads; an empty cell is no number."""
    values = [numbers.parse(cell, decimal=decimal).value for cell in cells if cell]
    assert None not in values
    return sum((value for value in values if value is not None), Decimal(0))


def law(label: str, sheet: str = "Table 1") -> int:
    """Return an amount of the law for 1404 in million rial, by the label beside it."""
    rows = openpyxl.load_workbook(LAW_1404, data_only=True)[sheet].iter_rows(
        values_only=True
    )
    for row in rows:
        for at, cell in enumerate(row):
            if isinstance(cell, str) and cell.strip() == label:
                beside = row[at - 1] if at else row[at + 1]
                assert isinstance(beside, int | float)
                return int(beside)
    raise AssertionError(label)


def test_consolidation_of_the_law_for_1404_holds() -> None:
    """53,844.55 + 63,773.759 − 4,823 = 112,795.309 thousand milliard rial is B6.

    What is counted twice stands among the municipality's rows as a transfer. With it
    left in the consolidated rows the rule fails, by just that amount.
    """
    general, companies = (
        law("مصارف بودجه عمومی دولت"),
        law("مصارف شرکت\u200cهای دولتی، موسات انتفاعی وابسته به دولت و بانک\u200cها"),
    )
    twice = law("کسر میشود ارقامی که دوباره منظور شده است")
    whole = law("مصارف بودجه کل کشور")

    assert (53_844_550_000, 63_773_759_000) == (general, companies)
    assert (4_823_000_000, 112_795_309_000) == (twice, whole)
    assert [] == b6(general, companies, twice, whole)
    assert [twice * MILLION_RIAL] == [
        abs(diff) for diff in b6(general, companies, twice, whole + twice)
    ]


def b6(general: int, companies: int, twice: int, whole: int) -> list[int]:
    """Judge a budget of these amounts in million rial; return by how much B6 fails."""
    head = (
        "city_code,fiscal_year,budget_stage,as_of_date,budget_scope,org_unit_id,side,"
        "economic_class,line_code,line_title,is_intra_transfer,approved_rial\n"
    )
    lines = [
        ("municipality", "a", "false", general - twice),
        ("municipality", "b", "true", twice),
        ("affiliates", "c", "false", companies),
        ("consolidated", "d", "false", whole),
    ]
    rows = "".join(
        f"1346,1404,approved,2025-03-21,{scope},mali,use,current_expense,{code},x,"
        f"{intra},{amount}\n"
        for scope, code, intra, amount in lines
    )
    report = validate(
        (head + rows).encode(),
        schema="budget_lines",
        profile={"money_unit": "million_rial", "calendar": "gregorian"},
        context={"city_code": "1346", "release_date": "2025-10-01"},
    )
    found = [issue for issue in report.issues if issue.rule == "B6"]
    return [int(str(issue.values["diff"]).replace(",", "")) for issue in found]


def test_two_sheets_of_the_law_disagree_about_revenue() -> None:
    """One table says 24,464,550,000 million rial, the other ten million less."""
    assert 24_464_550_000 == law("درآمد")
    assert 24_464_549_990 == law("درآمد ها", "table 2")


def test_both_sides_of_the_law_are_equal() -> None:
    """Sources equal uses, for the general budget and for the whole."""
    assert law("مصارف بودجه کل کشور") == law("منابع بودجه کل کشور")
    assert law("مصارف بودجه عمومی دولت") == law("منابع بودجه عمومی دولت")


def test_capital_projects_of_new_york() -> None:
    """12,587 projects, each with an id of its own; planned amounts add up."""
    cells = columns(DATA / "projects" / "nyc" / "nyc_capital_projects.csv")

    assert 12_587 == len(set(cells["maprojid"])) == len(cells["maprojid"])
    assert 191_873_745_000 == total(cells["totalplannedcommit"])
    assert Decimal("80978615089.25") == total(cells["spent_total"])


def test_rows_that_repeat_in_new_york() -> None:
    """74 rows are copies of another row, down to the last cell."""
    cells = columns(DATA / "budget" / "nyc" / "fy19_transparency_all.csv")
    rows = Counter(zip(*cells.values(), strict=True))

    assert (7_090, 74) == (rows.total(), rows.total() - len(rows))


MADRID = [
    ("gastos.csv", "C_AUTORIZADO", "5942495157.67"),
    ("gastos.csv", "C_DISPUESTO", "5936002373.47"),
    ("gastos.csv", "OBL_RECONOC", "5817577154.50"),
    ("ingresos.csv", 6, "6161081568"),
    ("ingresos.csv", 8, "6705823271.32"),
]


@pytest.mark.parametrize(("name", "column", "expected"), MADRID)
def test_sums_of_madrid(name: str, column: str | int, expected: str) -> None:
    """Decimal commas add up to the cent; uses and sources are different totals."""
    options = Options(encoding="cp1252")
    cells = columns(DATA / "budget" / "madrid" / "2023" / name, options)
    label = list(cells)[column] if isinstance(column, int) else column

    assert Decimal(expected) == total(cells[label], ",")


PABULIB = [
    ("france_toulouse_2019_.pb", 30, 1_494, 1_000_000),
    ("poland_gdansk_2020_osowa.pb", 10, 1_134, 490_000),
]


@pytest.mark.parametrize(("name", "projects", "votes", "budget"), PABULIB)
def test_sections_of_a_participatory_budget(
    name: str, projects: int, votes: int, budget: int
) -> None:
    """Each section of a .pb file is a table: its counts are those of its header."""
    text = (DATA / "ideas" / "pabulib" / name).read_text("utf-8")
    head, _, rest = text.partition("\nPROJECTS\n")
    listed, _, cast = rest.partition("\nVOTES\n")
    parts = [part.encode() for part in (head.partition("\n")[2], listed, cast)]
    options = Options(delimiter=";")
    said, ideas, ballots = (columns(part, options) for part in parts)
    facts = dict(zip(said["key"], said["value"], strict=True))

    assert (projects, votes) == (len(ideas["project_id"]), len(ballots["voter_id"]))
    assert (projects, votes) == (int(facts["num_projects"]), int(facts["num_votes"]))
    assert budget == int(facts["budget"])


def test_dates_of_isfahan_are_no_gregorian_dates() -> None:
    """51,808 texts are legal Gregorian dates, 719 are not; none is taken for one."""
    cells = columns(DATA / "messy" / "persian" / "Airport_Isfahan.xlsx")
    texts = next(
        found for found in cells.values() if found and found[0].startswith("1397/01/01")
    )
    days = [dates.parse(text[:10], calendar="jalali").value for text in texts]
    read = [dates.parse(text[:10], calendar="gregorian").value for text in set(texts)]

    assert 52_527 == len(texts)
    assert (51_808, 719) == (
        sum(map(_is_gregorian, texts)),
        sum(not _is_gregorian(text) for text in texts),
    )
    assert [] == [value for value in read if value is not None]
    assert 24 == days.count(date(2021, 3, 20))  # 1399/12/30


def _is_gregorian(text: str) -> bool:
    year, month, day = map(int, text[:10].split("/"))
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def test_national_revenues_of_1398_and_1400() -> None:
    """Totals of the law's tables, in milliard toman, as printed."""
    found = {}
    for year in (1398, 1400):
        cells = columns(DATA / "budget" / "ir-national" / f"revenues{year}.csv")
        found[year] = {
            numbers.parse(cell).value for cell in cells[str(year)] if cell.strip()
        }

    assert Decimal("478626.383") in found[1398]
    assert Decimal("1450340.93") in found[1400]
