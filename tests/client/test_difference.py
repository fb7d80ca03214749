"""What changed between two tables, found the slow way and ours."""

from collections import Counter
from datetime import date
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.client.difference import compare

SCHEMA = pa.schema(
    [
        ("a", pa.string()),
        ("b", pa.int64()),
        ("text", pa.string()),
        ("rial", pa.int64()),
        ("tags", pa.list_(pa.string())),
    ]
)
ROW = st.tuples(
    st.sampled_from(["x", "y", None]),
    st.integers(0, 2),
    st.sampled_from(["", "ی", None]),
    st.sampled_from([None, 0, 2**60]),
    st.sampled_from([None, [], ["p"], ["p", "q"]]),
)


def table(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Return rows as a table."""
    names = SCHEMA.names
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows], SCHEMA
    )


def keyed(rows: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return the last row of each key."""
    return {row[:2]: row for row in rows}


@settings(max_examples=80, deadline=None)
@given(st.lists(ROW, max_size=8), st.lists(ROW, max_size=8))
def test_keyed_difference_is_that_of_dictionaries(
    old: list[tuple[Any, ...]], new: list[tuple[Any, ...]]
) -> None:
    """Null keys, null cells and lists are compared as Python compares them."""
    before, after = keyed(old), keyed(new)
    found = compare(
        table(list(before.values())), table(list(after.values())), ["a", "b"]
    )
    changed = [key for key in before if key in after and before[key] != after[key]]
    cells = sum(
        x != y for key in changed for x, y in zip(before[key], after[key], strict=True)
    )

    assert {
        "added": len(after.keys() - before.keys()),
        "removed": len(before.keys() - after.keys()),
        "changed": len(changed),
    } == found.counts
    assert cells == found.changed.num_rows
    assert (before != after) == bool(found)


@settings(max_examples=80, deadline=None)
@given(st.lists(ROW, max_size=8), st.lists(ROW, max_size=8))
def test_difference_without_a_key_is_that_of_multisets(
    old: list[tuple[Any, ...]], new: list[tuple[Any, ...]]
) -> None:
    """A row that occurs twice and then once was removed once."""
    found = compare(table(old), table(new), [])
    before, after = (Counter(map(repr, rows)) for rows in (old, new))

    assert {
        "added": (after - before).total(),
        "removed": (before - after).total(),
        "changed": 0,
    } == found.counts


def test_columns_that_came_and_went_are_named_once() -> None:
    """A new column is no change of every row."""
    old = pa.table({"k": [1, 2], "gone": ["a", "b"], "v": [1, 2]})
    new = pa.table({"k": [1, 2], "v": [1, 3], "come": ["a", "b"]})
    found = compare(old, new, ["k"])

    assert (("come",), ("gone",)) == (found.columns_added, found.columns_removed)
    assert [
        {"k": 2, "column": "v", "old": "2", "new": "3"}
    ] == found.changed.to_pylist()


def test_wider_type_is_no_change() -> None:
    """A number that became wider is the same number; a day is not a text."""
    old = pa.table({"k": ["a"], "v": pa.array([1], pa.int32())})
    new = pa.table({"k": ["a"], "v": pa.array([1], pa.int64())})
    day = pa.table({"k": ["a"], "v": [date(2026, 2, 1)]})
    text = pa.table({"k": ["a"], "v": ["2026-02-02"]})

    assert not compare(old, new, ["k"])
    assert ["2026-02-01"] == compare(day, text, ["k"]).changed["old"].to_pylist()
    assert "<Difference: 0 added, 0 removed, 1 changed>" == repr(
        compare(day, text, ["k"])
    )
