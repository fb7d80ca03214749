"""Real files under the standards, by saved mapping profiles.

`tests/profiles/NAME.json` is the profile of a file; `tests/profiles/accounts/NAME.json`
is what becomes of each of its columns, and every finding with its count. Amounts of
other countries are read as rial, in their smallest unit, so that sums stay exact.
"""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shahrdad.datasets.standards import load
from shahrdad.validators import validate
from shahrdad.validators.importing import open_table
from shahrdad.validators.normalise.columns import Normaliser
from shahrdad.validators.report import Report
from shared_data import ROOT, SHARED, needs_shared

DATA = SHARED / "data"
PROFILES = ROOT / "tests" / "profiles"
ACCOUNTS = PROFILES / "accounts"
FILES: Mapping[str, str] = {
    "albania-treasury": "budget/albania/treasury.csv",
    "berlin-lichtenberg": "budget/berlin/2026_Ausgabetitel_13.json",
    "bonn-plan": "budget/bonn/BonnBudget2017sample.xlsx",
    "ir-expenses-1396": "budget/ir-national/expenses1396.csv",
    "ir-expenses-1398": "budget/ir-national/expenses1398.csv",
    "ir-expenses-1400": "budget/ir-national/expenses1400.csv",
    "ir-expenses-1402": "budget/ir-national/expenses1402.csv",
    "ir-revenues-1396": "budget/ir-national/revenues1396.csv",
    "ir-revenues-1398": "budget/ir-national/revenues1398.csv",
    "ir-revenues-1400": "budget/ir-national/revenues1400.csv",
    "ir-revenues-1402": "budget/ir-national/revenues1402.csv",
    "ir-revenues-1404": "budget/ir-national/revenues1404.csv",
    "ir-table5-1404": "budget/ir-national/Iran_Budget_Table_1404.xlsx",
    "madrid-eliminaciones-gastos": "budget/madrid/2023/gastos_eliminaciones.csv",
    "madrid-gastos": "budget/madrid/2023/gastos.csv",
    "madrid-indicadores": "budget/madrid/2023/indicadores.csv",
    "madrid-ingresos": "budget/madrid/2023/ingresos.csv",
    "madrid-projects": "budget/madrid/2023/inversiones_principales.csv",
    "mashhad-u4ssc-waste": "kpi/mashhad_u4ssc_waste.transcribed.csv",
    "nyc-capital-projects": "projects/nyc/nyc_capital_projects.csv",
    "offener-haushalt": "budget/offenerhaushalt/standard-datensatz-ohh.csv",
    "philadelphia-contracts": "contracts/philadelphia/"
    "professional-services-FY-2020-Q4.csv",
    "san-diego-budget": "budget/san-diego/budget_vs_actuals.parquet",
    "sb272-san-francisco": "systems/sb272/san-francisco_ebux-gcnq.derived.csv",
    "sb272-santa-rosa": "systems/sb272/nrih-k5ag.derived.csv",
    "sill-fr": "systems/sill-fr/sill.derived.json",
    "south-africa-capital": "budget/south-africa/capital_facts_v2.csv",
    "us-ai-inventory-csv": "systems/us-ai-inventory/2024_raw_v2.csv",
    "us-ai-inventory-xls": "systems/us-ai-inventory/2024_raw_v2.xls",
}
CITIES = {"mashhad-u4ssc-waste": "1392"}
RELEASED = "2026-11-22"
MILLIARD_TOMAN = 10**10

pytestmark = needs_shared


def profile_of(name: str) -> dict[str, Any]:
    """Read a profile, with the city that a node would add."""
    profile: dict[str, Any] = json.loads((PROFILES / f"{name}.json").read_text("utf-8"))
    if all(rule["to"] != "city_code" for rule in profile["columns"]):
        profile["columns"].append({"to": "city_code", "constant": "1346"})
    return profile


@cache
def judged(name: str) -> Report:
    """Judge a file by its profile."""
    profile = profile_of(name)
    return validate(
        DATA / FILES[name],
        schema=profile["family"],
        profile=profile,
        context={"city_code": CITIES.get(name, "1346"), "release_date": RELEASED},
    )


@cache
def normalised(name: str) -> pa.Table:
    """Return all rows of a file as the texts that are judged, refused ones too."""
    profile = profile_of(name)
    standard = load(profile["family"])
    fields = {field.name: field for field in standard.fields}
    table = open_table(DATA / FILES[name], standard=standard, profile=profile)
    normaliser = Normaliser(
        table.names,
        [fields.get(column) for column in table.names],
        table.settings,
        table.audit,
        standard=True,
    )
    batches = [normaliser.apply(batch).columns for batch in table.batches]
    return pa.Table.from_batches(
        [pa.RecordBatch.from_arrays(list(b), list(table.names)) for b in batches]
    )


def amounts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whole rials; a text that is no amount raises."""
    return pc.if_else(pc.equal(column, ""), None, column).cast(pa.int64())


def rules(name: str) -> dict[str, int]:
    """Return how often each violated rule is violated."""
    found = judged(name).to_dict()["shahrdad"]["rules"]
    return {
        rule["id"]: rule["count"] for rule in found if rule["outcome"] == "violated"
    }


def account(name: str) -> dict[str, Any]:
    """Return what became of each column of a file, and what was found in it."""
    report = judged(name)
    profile = profile_of(name)
    standard = load(profile["family"])
    table = open_table(DATA / FILES[name], standard=standard, profile=profile)
    counts = Counter(
        (issue.code, issue.field or "", issue.severity) for issue in report.issues
    )
    changed: dict[str, dict[str, int]] = {}
    for entry in report.to_dict()["shahrdad"]["normalisation"]:
        changed.setdefault(entry["column"], {})[entry["step"]] = entry["changed"]
    made = {rule["to"]: rule for rule in profile["columns"]}
    columns = {}
    for column, origin in zip(table.names, table.origins, strict=True):
        rule = made.get(column, {})
        source = rule.get("path") or rule.get("concat")
        if origin is not None:
            source = table.labels[origin]
        refused = sum(
            count
            for (code, field, severity), count in counts.items()
            if field == column and severity == "error" and not code.startswith("rule:")
        )
        facts = {
            "from": source,
            "converted": changed.get(column, {}),
            "refused": refused,
        }
        columns[column] = {key: value for key, value in facts.items() if value}
    used = {label for rule in profile["columns"] for label in _labels(rule)}
    return {
        "file": FILES[name],
        "rows": report.rows,
        "valid": report.valid,
        "columns": columns,
        "left": [
            label
            for label in table.labels
            if label.strip() and label not in {*used, *profile["keep"]}
        ],
        "findings": {
            " ".join(filter(None, (severity, code, field))): count
            for (code, field, severity), count in sorted(counts.items())
        },
    }


def _labels(rule: Mapping[str, Any]) -> list[str]:
    """Return the labels that a column is made of."""
    single = [rule["from"]] if "from" in rule else []
    return [*single, *rule.get("concat", ()), *rule.get("path", ())]


def total(name: str, column: str) -> int:
    """Add up a column of the typed rows."""
    return int(pc.sum(amounts(normalised(name)[column])).as_py())


def test_every_profile_has_a_file_and_an_account() -> None:
    """No profile and no account is left untried."""
    assert set(FILES) == {path.stem for path in PROFILES.glob("*.json")}
    assert set(FILES) == {path.stem for path in ACCOUNTS.glob("*.json")}


@pytest.mark.parametrize("name", sorted(FILES))
def test_account_of_every_column(name: str) -> None:
    """Each column is mapped, converted, refused, kept or left, as the account says."""
    expected = json.loads((ACCOUNTS / f"{name}.json").read_text("utf-8"))

    assert expected == account(name)


def test_madrid_adds_up_in_9209_of_9211_lines() -> None:
    """Two lines of 9,211 break B3 by four cents; 2,162 exceed their credit, legally."""
    report = judged("madrid-gastos")
    found = rules("madrid-gastos")
    rows = [issue.row for issue in report.issues if issue.code == "rule:B3"]

    assert 9_211 == report.rows
    assert (2, 2_162, 9_211 - 8_637) == (found["B3"], found["B4"], found["G2"])
    assert [223, 2573] == rows
    assert 581_757_715_450 == total("madrid-gastos", "actual_rial")
    assert 572_177_627_400 == total("madrid-gastos", "approved_rial")
    assert 626_651_797_730 == total("madrid-gastos", "amended_rial")
    assert 593_600_237_347 == total("madrid-gastos", "committed_rial")


def test_madrid_does_not_balance() -> None:
    """Uses and sources are different totals: B1 fails, and names the difference."""
    assert 616_108_156_800 == total("madrid-ingresos", "approved_rial")
    assert 670_582_327_132 == total("madrid-ingresos", "amended_rial")
    assert 1 == rules("madrid-ingresos")["B1"] == rules("madrid-gastos")["B1"]


# A line under a heading that is misspelt, so that it stands alone; B2 misses it below
# the right one.
STRAY = {"ir-expenses-1402": 2_350_620_000_000}
YEARS = {1396: "371123.694", 1398: "478626.38", 1400: "1450340.93", 1402: "2263491.811"}


@pytest.mark.parametrize(("year", "figure"), YEARS.items())
def test_national_sources_equal_uses(year: int, figure: str) -> None:
    """The sums of the first level are equal on both sides, within a million toman.

    The hierarchy is found in the level columns: leaf, subtotal and parent. A plain sum
    of all rows would be several times the budget.
    """
    sides = [_top(f"ir-revenues-{year}"), _top(f"ir-expenses-{year}")]
    expected = int(Decimal(figure) * MILLIARD_TOMAN)
    plain = total(f"ir-expenses-{year}", "approved_rial")

    assert all(abs(side - expected) <= MILLIARD_TOMAN // 100 for side in sides)
    assert plain > 3 * expected


def _top(name: str) -> int:
    """Add up the rows that belong to no other, the first of each code.

    One file gives its grand total the code of its first heading, which G2 reports.
    """
    table = normalised(name)
    rows = table.filter(pc.equal(table["parent_line_code"], ""))
    first: dict[str, int] = {}
    cells = amounts(rows["approved_rial"]).to_pylist()
    for code, amount in zip(rows["line_code"].to_pylist(), cells, strict=True):
        first.setdefault(code, amount)
    return sum(first.values()) - STRAY.get(name, 0)


# Rows whose three parts do not add up to the total: beyond rounding, and exactly.
PART_SUMS = {
    "expenses1396": (3, 56),
    "expenses1398": (0, 97),
    "expenses1400": (0, 89),
    "expenses1402": (0, 82),
    "revenues1396": (1, 5),
    "revenues1398": (0, 0),
    "revenues1402": (3, 16),
}


@pytest.mark.parametrize("name", sorted(PART_SUMS))
def test_part_sums_beyond_rounding(name: str) -> None:
    """Amounts printed with few decimals are judged by what rounding allows.

    Exact comparison would refuse dozens of rows a year; the tolerance finds the ones
    that are wrong.
    """
    year = name[-4:]
    money = [*(f"SIDEBAR{n}" for n in (1, 2, 3)), year]
    found = []
    for tolerance in ({"abs": 1, "rounding": 1}, {"abs": 1}):
        schema = {
            "fieldsMatch": "subset",
            "fields": [
                {
                    "name": field,
                    "type": "integer",
                    "shahrdad": {"kind": "money", "unit": "rial"},
                }
                for field in money
            ],
            "custom_checks": [
                {
                    "id": "parts",
                    "name": "sum-columns-value",
                    "params": {
                        "column": year,
                        "columns": money[:3],
                        "tolerance": tolerance,
                    },
                }
            ],
        }
        report = validate(
            DATA / f"budget/ir-national/{name}.csv",
            schema=schema,
            profile={"money_unit": "milliard_toman"},
        )
        found.append(sum(issue.code == "rule:parts" for issue in report.issues))

    assert PART_SUMS[name] == tuple(found)


def test_ai_inventory_97_rows_retired_in_one_column_alone() -> None:
    """97 rows have something in Date Retired, but another stage than Retired."""
    schema = {
        "fieldsMatch": "subset",
        "fields": [
            {"name": "Date Retired", "type": "string"},
            {"name": "Stage of Development", "type": "string"},
        ],
        "custom_checks": [
            {
                "id": "retired",
                "name": "row-condition",
                "params": {
                    "if": {
                        "column": "Date Retired",
                        "op": "matches",
                        "value": "(.|\n)*[^ \n](.|\n)*",
                    },
                    "then": {
                        "column": "Stage of Development",
                        "op": "=",
                        "value": "Retired",
                    },
                },
            }
        ],
    }
    report = validate(
        DATA / FILES["us-ai-inventory-csv"],
        schema=schema,
        profile={"source": {"encoding": "cp1252", "delimiter": ","}},
    )

    assert 97 == sum(issue.code == "rule:retired" for issue in report.issues)


def test_ai_inventory_of_both_formats() -> None:
    """The BIFF copy and the CSV give the same rows, but for 8 texts Excel changed."""
    text, sheet = normalised("us-ai-inventory-csv"), normalised("us-ai-inventory-xls")
    names = ["name_fa", "owner_unit_id", "lifecycle_status", "personal_data"]
    changed = pc.sum(pc.not_equal(text["function_fa"], sheet["function_fa"]))

    assert 2_133 == text.num_rows == sheet.num_rows
    assert all(text[name].equals(sheet[name]) for name in names)
    assert 8 == changed.as_py()


def test_philadelphia_repeats_65_contracts() -> None:
    """65 ids come again, 48 contracts are paid above their amount, none ends early."""
    found = rules("philadelphia-contracts")

    assert (65, 48) == (found["G2"], found["C9"])
    assert 349_412_738_044 == total("philadelphia-contracts", "amount_rial")
    zeros = pc.equal(normalised("philadelphia-contracts")["amount_rial"], "0")

    assert 183 == pc.sum(zeros).as_py()


SUMS = [
    ("nyc-capital-projects", "spent_total_rial", 8_097_861_508_925),
    ("south-africa-capital", "actual_rial", 29_188_236_946),
    ("berlin-lichtenberg", "approved_rial", 1_176_484_600),
    ("san-diego-budget", "approved_rial", 114_934_047_210),
    ("san-diego-budget", "actual_rial", 80_950_294_897),
]


@pytest.mark.parametrize(("name", "column", "expected"), SUMS)
def test_sums_of_real_files(name: str, column: str, expected: int) -> None:
    """Sums come out to the last unit after mapping and typing."""
    assert expected == total(name, column)


def test_waste_of_mashhad_adds_up_to_98_37() -> None:
    """The six parts of a published indicator miss 100: K3 warns, and says the sum."""
    report = judged("mashhad-u4ssc-waste")
    cells = normalised("mashhad-u4ssc-waste")["value"].to_pylist()
    (found,) = [issue for issue in report.issues if issue.code == "rule:K3"]

    assert Decimal("98.37") == sum(map(Decimal, cells))
    assert "98.37" in str(found.values)
    assert ("warning", True) == (found.severity, report.valid)


def test_finished_projects_without_a_date_of_completion() -> None:
    """Madrid gives a year where P1 wants a date: each of 56 finished projects fails."""
    assert 56 == rules("madrid-projects")["P1"]


def write_accounts(folder: Path = ACCOUNTS) -> None:
    """Write the accounts anew, to be read before they are kept."""
    folder.mkdir(exist_ok=True)
    for name in FILES:
        text = json.dumps(account(name), ensure_ascii=False, indent=1)
        (folder / f"{name}.json").write_text(text + "\n", "utf-8")
