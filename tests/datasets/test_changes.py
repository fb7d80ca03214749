"""The class of a change is computed; a minor version accepts what the old one did."""

import copy
import csv
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets.changes import Level, compare, declared_level, next_version
from shahrdad.datasets.standards import (
    Standard,
    examples,
    families,
    load,
    parse,
    versions,
)

Schema = dict[str, Any]


def field(schema: Schema, name: str) -> dict[str, Any]:
    """Return the descriptor of a column."""
    found: dict[str, Any] = next(f for f in schema["fields"] if f["name"] == name)
    return found


def rule(schema: Schema, rule_id: str) -> dict[str, Any]:
    """Return the descriptor of a rule."""
    found: dict[str, Any] = next(
        r for r in schema["custom_checks"] if r["id"] == rule_id
    )
    return found


def add_code(schema: Schema) -> None:
    """Add a code to the list of stages."""
    status = field(schema, "status")
    status["categories"].append(
        {"value": "paused", "label": "مانده", "label_en": "Paused"}
    )
    status["constraints"]["enum"].append("paused")


def remove_code(schema: Schema) -> None:
    """Take a code out of the list of stages."""
    status = field(schema, "status")
    status["categories"].pop()
    status["constraints"]["enum"].pop()


def add_rule(severity: str) -> Callable[[Schema], None]:
    """Return a change that adds a rule of a severity."""
    new = {"id": "P99", "name": "row-condition", "severity": severity, "params": {}}
    return lambda schema: schema["custom_checks"].append(new)


CHANGES: list[tuple[Level, str, Callable[[Schema], Any]]] = [
    (Level.PATCH, "text-changed", lambda s: s.update(title_en="Works")),
    (Level.PATCH, "title-fa-changed", lambda s: field(s, "lat").update(title="عرض")),
    (
        Level.PATCH,
        "synonyms-changed",
        lambda s: field(s, "lat").update(shahrdad={"synonyms": ["ع"]}),
    ),
    (Level.PATCH, "rule-dropped", lambda s: s["custom_checks"].remove(rule(s, "P15"))),
    (
        Level.PATCH,
        "severity-changed",
        lambda s: rule(s, "P1").update(severity="warning"),
    ),
    (Level.PATCH, "waivable-changed", lambda s: rule(s, "P1").update(waivable=True)),
    (Level.PATCH, "message-changed", lambda s: rule(s, "P1").update(message_en="No.")),
    (
        Level.PATCH,
        "labels-changed",
        lambda s: field(s, "status")["categories"][0].update(label="دیگر"),
    ),
    (
        Level.MINOR,
        "optional-column-added",
        lambda s: s["fields"].append({"name": "colour", "type": "string"}),
    ),
    (Level.MINOR, "code-added", add_code),
    (Level.MINOR, "rule-added", add_rule("warning")),
    (Level.MINOR, "rule-added", add_rule("info")),
    (
        Level.MINOR,
        "required-loosened",
        lambda s: field(s, "title_fa").pop("constraints"),
    ),
    (
        Level.MINOR,
        "maximum-loosened",
        lambda s: field(s, "financial_progress")["constraints"].update(maximum=200),
    ),
    (
        Level.MINOR,
        "minimum-loosened",
        lambda s: field(s, "lat")["constraints"].update(minimum=20),
    ),
    (Level.MINOR, "order-changed", lambda s: s["fields"].insert(0, s["fields"].pop())),
    (Level.MINOR, "changed", lambda s: s["shahrdad"].update(maxAgeDays=90)),
    (Level.MINOR, "rule-changed", lambda s: rule(s, "P8")["params"].update(max=2)),
    (Level.MAJOR, "column-removed", lambda s: s["fields"].remove(field(s, "lat"))),
    (
        Level.MAJOR,
        "required-column-added",
        lambda s: s["fields"].append(
            {"name": "shade", "type": "string", "constraints": {"required": True}}
        ),
    ),
    (Level.MAJOR, "code-removed", remove_code),
    (Level.MAJOR, "rule-added", add_rule("error")),
    (Level.MAJOR, "severity-changed", lambda s: rule(s, "P2").update(severity="error")),
    (Level.MAJOR, "waivable-changed", lambda s: rule(s, "P18").update(waivable=False)),
    (Level.MAJOR, "rule-changed", lambda s: rule(s, "P3")["params"].update(op=">")),
    (Level.MAJOR, "type-changed", lambda s: field(s, "lat").update(type="string")),
    (
        Level.MAJOR,
        "unit-changed",
        lambda s: field(s, "budget_rial")["shahrdad"].update(unit="toman"),
    ),
    (
        Level.MAJOR,
        "maximum-tightened",
        lambda s: field(s, "district_no")["constraints"].update(maximum=22),
    ),
    (
        Level.MAJOR,
        "pattern-tightened",
        lambda s: field(s, "title_en").update(constraints={"pattern": ".+"}),
    ),
    (
        Level.MAJOR,
        "required-tightened",
        lambda s: field(s, "lon")["constraints"].update(required=True),
    ),
    (Level.MAJOR, "key-changed", lambda s: s.update(primaryKey=["project_id"])),
    (Level.MAJOR, "changed", lambda s: s.update(missingValues=["", "-"])),
]


def changed(*edits: Callable[[Schema], Any]) -> Standard:
    """Return the projects standard after some edits."""
    schema = copy.deepcopy(load("projects").schema)
    for edit in edits:
        edit(schema)
    return parse(schema)


@pytest.mark.parametrize(
    ("level", "what", "edit"),
    CHANGES,
    ids=lambda value: "" if callable(value) else str(value),
)
def test_each_kind_of_change(
    level: Level, what: str, edit: Callable[[Schema], Any]
) -> None:
    """One edit is one change, of the class that governance gives it."""
    comparison = compare(load("projects"), changed(edit))

    assert [(level, what)] == [(c.level, c.what) for c in comparison.changes]
    assert level == comparison.level


def test_no_change() -> None:
    """A version equals itself."""
    assert () == compare(load("projects"), changed()).changes
    assert Level.NONE == compare(load("projects"), changed()).level


TAKING = {"column-removed", "code-removed", "order-changed"}  # undo what others do
APART = [change for change in CHANGES if change[1] not in TAKING]


@given(
    st.lists(st.sampled_from(APART), min_size=1, max_size=4, unique_by=lambda c: c[1])
)
@settings(max_examples=60)
def test_the_gravest_change_decides(
    picked: list[tuple[Level, str, Callable[[Schema], Any]]],
) -> None:
    """Many small changes never hide a large one."""
    comparison = compare(load("projects"), changed(*(edit for _, _, edit in picked)))
    expected = sorted((level, what) for level, what, _ in picked)

    assert expected == sorted((c.level, c.what) for c in comparison.changes)
    assert expected[-1][0] == comparison.level == comparison.changes[0].level
    assert {c.level for c in comparison.breaking} <= {Level.MAJOR}


def refused(standard: Standard, row: dict[str, str]) -> list[str]:
    """Return the columns of a row that a standard's constraints refuse."""
    bad = []
    for column in standard.fields:
        cell, limits = row.get(column.name, ""), column.constraints
        if cell == "":
            if column.required and column.import_default is None:
                bad.append(column.name)
            continue
        number = float(cell) if column.type in {"integer", "number"} else None
        low, high = limits.get("minimum"), limits.get("maximum")
        if (
            ("enum" in limits and cell not in limits["enum"])
            or ("pattern" in limits and not re.fullmatch(limits["pattern"], cell))
            or (number is not None and low is not None and number < low)
            or (number is not None and high is not None and number > high)
        ):
            bad.append(column.name)
    return bad


@given(
    st.lists(
        st.sampled_from([edit for level, _, edit in CHANGES if level < Level.MAJOR]),
        max_size=5,
        unique_by=id,
    )
)
@settings(max_examples=40)
def test_a_minor_version_accepts_the_data_of_the_old(
    edits: list[Callable[[Schema], Any]],
) -> None:
    """Rows that the old version takes, every minor or patch version takes."""
    new = changed(*edits)
    with examples("projects").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert compare(load("projects"), new).level < Level.MAJOR
    assert [] == [problem for row in rows for problem in refused(new, row)]


def test_versions_follow_the_class() -> None:
    """The smallest number that a change may carry, and what two numbers claim."""
    assert "1.4.2" == next_version("1.4.2", Level.NONE)
    assert "1.4.3" == next_version("1.4.2", Level.PATCH)
    assert "1.5.0" == next_version("1.4.2", Level.MINOR)
    assert "2.0.0" == next_version("1.4.2", Level.MAJOR)
    assert Level.PATCH == declared_level("1.4.2", "1.4.10")
    assert Level.MINOR == declared_level("1.9.0", "1.10.0")
    assert Level.MAJOR == declared_level("1.9.9", "2.0.0")
    with pytest.raises(ValueError, match="not above"):
        declared_level("1.4.2", "1.4.2")
    with pytest.raises(ValueError, match=r"1\.4"):
        next_version("1.4", Level.PATCH)


@pytest.mark.parametrize("family", families())
def test_shipped_versions_keep_their_promise(family: str) -> None:
    """A version that ships beside an older one claims no less than it changes."""
    known = versions(family)
    for old, new in itertools.pairwise(known):
        level = compare(load(family, old), load(family, new)).level

        assert level <= declared_level(old, new)
