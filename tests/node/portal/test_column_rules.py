"""What a page says of a column: its rules in words, and what is known of its cells."""

import json
import re
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from http_world import World
from portal_world import parquet
from shahrdad.datasets.standards import Standard, families, load
from shahrdad.node.http import limits
from shahrdad.node.http.column_figures import ReportFigures, judged
from shahrdad.node.http.portal.column_rules import (
    PATTERNS,
    Column,
    few,
    of_standard,
    of_table,
)
from shahrdad.node.http.texts import texts


def told(**field: Any) -> Column:
    """Return what is told of a column that no standard describes."""
    (found,) = of_table({"fields": [{"name": "a", **field}]}, None, "en")
    return found


def test_every_pattern_of_a_standard_is_told_in_words() -> None:
    """Nobody has to read a regular expression; no word is left for a lost pattern."""
    used = {
        field.constraints["pattern"]
        for family in families()
        for field in load(family).fields
        if "pattern" in field.constraints
    }

    assert used == set(PATTERNS)
    for language in ("fa", "en"):
        assert {f"column.{key}" for key in PATTERNS.values()} <= set(texts(language))


@pytest.mark.parametrize("family", families())
def test_every_column_of_a_standard_is_told(family: str) -> None:
    """Required columns, keys, code lists and rules are those of the schema."""
    standard: Standard = load(family)
    found = of_standard(standard, "fa")

    assert list(found) == list(standard.field_names)
    for field in standard.fields:
        column = found[field.name]
        assert column.required == field.required
        assert column.is_key == (field.name in standard.primary_key)
        assert [code for code, _ in column.codes] == [
            one.value for one in field.categories
        ]
        assert {"minimum", "minLength", "pattern"}.isdisjoint(field.constraints) or (
            column.limits
        )
        assert set(column.checks) <= {rule.id for rule in standard.rules}


def test_rules_are_sentences() -> None:
    """Bounds, days, codes and what an empty cell means, in both languages."""
    projects, budget = load("projects"), load("budget_lines")

    english = of_standard(projects, "en")
    assert ("from 0 to 100",) == english["physical_progress"].limits
    assert ("not before 1921-03-21",) == english["start_date"].limits
    assert ("at least 0",) == english["budget_rial"].limits
    assert "Amount · rial" == english["budget_rial"].kind
    assert ("org_units", load("org_units").title("en")) == english[
        "owner_unit_id"
    ].refers
    persian = of_standard(budget, "fa")
    assert ("از ۱۳۸۰ تا ۱۴۵۰",) == persian["fiscal_year"].limits
    assert ("خانهٔ خالی یعنی «نه»",) == persian["is_subtotal"].limits
    assert few([("a", "A"), ("b", "B")], "en") == "A, B"
    assert few([("a", "A")] * 9, "en").endswith("A …")


def test_a_table_without_a_standard_has_the_rules_of_its_record() -> None:
    """A meaning, a foreign pattern and a list of values are told as written."""
    found = told(
        type="string",
        description_en="What it is.",
        constraints={"pattern": "x+", "enum": ["x", "xx"], "unique": True},
    )

    assert ("What it is.", "x+", True) == (found.meaning, found.pattern, found.unique)
    assert ("one of: x, xx",) == found.limits


@pytest.mark.parametrize(
    "field",
    [
        {"type": "evil"},
        {"type": ["string"]},
        {"constraints": 7},
        {"constraints": {"minimum": 1e300, "maximum": {}, "pattern": ["x"]}},
        {"constraints": {"minLength": "x", "enum": [[]]}},
        {"shahrdad": {"kind": "evil", "unit": [], "codeList": {}}},
        {"title": ["x"], "description": 5, "categories": "no"},
        {"constraints": {"maximum": 2**80}},
    ],
)
def test_a_hostile_record_breaks_no_page(field: dict[str, Any]) -> None:
    """What has the wrong shape is left out or told as text."""
    assert "a" == told(**field).name
    assert [] == of_table({"fields": "x"}, None, "fa")


def test_the_page_counts_empty_cells_as_duckdb_does(
    client: TestClient, world: World
) -> None:
    """The figures of a column are those of the published file."""
    path = parquet(world, "kerman/projects")
    ((empty, rows),) = duckdb.sql(
        f"select count(*) - count(lat), count(*) from read_parquet('{path}')"
    ).fetchall()
    page = client.get("/en/d/kerman/projects").text
    row = page[page.index("#field-lat") :].partition("</tr>")[0]

    assert empty
    assert f"{empty} of {rows} cells empty" in row
    assert "from 24 to 40.5" in row


def test_every_column_leads_to_its_place_in_the_standard(client: TestClient) -> None:
    """The link of a column on a dataset's page is a row of the standard's page."""
    page = client.get("/fa/d/kerman/active-systems").text
    standard = client.get("/fa/standards/active_systems").text
    links = re.findall(r'href="/fa/standards/active_systems#([\w-]+)"', page)

    assert len(load("active_systems").fields) == len(links)
    assert all(f'id="{one}"' in standard for one in links)
    for one in re.findall(r'href="#(rule-\w+)"', standard):
        assert f'id="{one}"' in standard


def test_a_report_counts_by_column() -> None:
    """Warnings by column, and changes of spelling; a cut list tells nothing."""
    ours = {
        "counts": {"truncated": False},
        "notices": [{"fieldName": "a"}, {"fieldName": "a"}, {"row": 1}, 5],
        "normalisation": [
            {"column": "a", "changed": 3, "step": "digits"},
            {"column": "a", "changed": 4, "step": "date"},
        ],
    }
    found = judged(json.dumps({"shahrdad": ours}).encode())

    assert found is not None
    assert ({"a": 2}, {"a": 7}) == (found.warnings, found.mended)
    ours["counts"] = {"truncated": True}
    assert judged(json.dumps({"shahrdad": ours}).encode()) is None
    assert judged(b"[1]") is None
    assert judged(b"not JSON") is None


@pytest.mark.parametrize("above", [0, 1])
def test_a_large_report_is_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch, above: int
) -> None:
    """At the limit it is read, one byte above it is left alone."""
    from shahrdad.node.http.dataset_object import show

    shown = show(world, *world.catalog.version("kerman/projects", None))
    report = shown.record.attachment("report")
    assert report is not None
    read: list[object] = []

    def reading(*asked: object) -> bytes:
        read.append(asked)
        return b"{}"

    monkeypatch.setattr(limits, "REPORT_BYTES_MAX", report.bytes - above)
    monkeypatch.setattr("shahrdad.node.http.column_figures.read_bytes", reading)

    assert ReportFigures().get(shown) is None
    assert 1 - above == len(read)
