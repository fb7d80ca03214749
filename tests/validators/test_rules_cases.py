"""Every case of the standards' examples raises exactly the rules that it names."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shahrdad.validators import Context, Options, Ref, Report, validate
from shared_data import SHARED, needs_shared

SCHEMAS = SHARED / "schemas"
CASES: dict[str, Any] = (
    json.loads((SCHEMAS / "examples" / "cases.json").read_text("utf-8"))
    if (SCHEMAS / "examples" / "cases.json").exists()
    else {"cases": [], "context": {}}
)
FAMILIES = sorted(path.stem for path in (SCHEMAS / "examples").glob("*.csv"))


def table(family: str) -> list[list[str]]:
    """Return an example table, header first."""
    path = SCHEMAS / "examples" / f"{family}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def as_csv(rows: list[list[str]]) -> bytes:
    """Return rows as a file."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def changed(rows: list[list[str]], changes: Mapping[str, Mapping[str, str]]) -> None:
    """Set cells by data row, from 0, and column."""
    for number, cells in changes.items():
        for name, text in cells.items():
            rows[int(number) + 1][rows[0].index(name)] = text


def run(family: str, case: Mapping[str, Any], folder: Path) -> Report:
    """Validate the example of a family with the changes of a case."""
    rows = table(family)
    changed(rows, case.get("set", {}))
    for name in case.get("scale", {}).get("columns", ()):
        place = rows[0].index(name)
        for row in rows[1:]:
            row[place] = (
                str(int(row[place]) * case["scale"]["by"]) if row[place] else ""
            )
    previous = None
    if "previous" in case:
        before = table(family)
        changed(before, case["previous"])
        (folder / "before.csv").write_bytes(as_csv(before))
        previous = Ref(folder / "before.csv")
    given = CASES["context"]
    return validate(
        as_csv(rows),
        schema=family,
        profile={"money_unit": given["source_unit"], "calendar": "gregorian"},
        refs={
            f: Ref(SCHEMAS / "examples" / f"{f}.csv") for f in FAMILIES if f != family
        },
        context=Context(
            city_code=given["city_code"].get(family, given["city_code"]["default"]),
            release_date=given["release_date"],
            jalali_year=given["jalali_year"],
            declared=case.get("declared", {}),
            cities=given["cities"],
            lists=given["lists"],
            previous=previous,
        ),
        options=Options(normalise=False),
    )


@needs_shared
def test_there_are_as_many_cases_as_the_document_says() -> None:
    """An empty folder does not pass for success."""
    assert (125, 11) == (len(CASES["cases"]), len(FAMILIES))


@needs_shared
@pytest.mark.parametrize("family", FAMILIES)
def test_examples_violate_nothing(family: str, tmp_path: Path) -> None:
    """The example table of every family is valid, and no rule stays unrun."""
    report = run(family, {}, tmp_path)

    assert report.valid
    assert [] == [r for r in report.rules if r.outcome in ("violated", "not-run")]


@needs_shared
@pytest.mark.parametrize(
    "case", CASES["cases"], ids=lambda case: f"{case['family']}-{case['rule']}"
)
def test_case_raises_the_rules_it_names(case: dict[str, Any], tmp_path: Path) -> None:
    """A change of the example is found by the rules that the case names alone."""
    report = run(case["family"], case, tmp_path)

    found = sorted(rule.id for rule in report.rules if rule.outcome == "violated")
    assert sorted(case["expect"]) == found
