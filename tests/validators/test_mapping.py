"""Columns of a file become those of a standard; every change is counted."""

from typing import Any

import pyarrow as pa
import pytest

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.datasets.standards import load
from shahrdad.validators.mapping import build, used
from shahrdad.validators.profile import Profile
from shahrdad.validators.text_table import Audit, TextBatch

FIELDS = load("budget_lines").fields


def mapped(
    table: dict[str, list[str]],
    columns: list[dict[str, Any]],
    audit: Audit | None = None,
    **rest: Any,
) -> dict[str, list[str]]:
    """Map one table by a profile, in two batches, and return its columns."""
    mapping = build(list(table), FIELDS, Profile.of({"columns": columns, **rest}))
    count = len(next(iter(table.values())))
    batches: list[TextBatch] = []
    for start, end in ((0, count // 2), (count // 2, count)):
        cells = [pa.array(column[start:end], pa.string()) for column in table.values()]
        batches.append(TextBatch.of(range(start + 2, end + 2), cells))
    mapping.look_ahead(batches)
    parts = [mapping.apply(batch, audit or Audit()) for batch in batches]
    return {
        name: [cell for part in parts for cell in part.columns[at].to_pylist()]
        for at, name in enumerate(mapping.names)
    }


@pytest.mark.parametrize(
    ("rule", "cells"),
    [
        ({"from": "a"}, ["10-x", "", "20-y", "z"]),
        ({"constant": "use"}, ["use"] * 4),
        ({"from": "a", "extract": "^([0-9]+)-"}, ["10", "", "20", "z"]),
        ({"from": "a", "split": "-"}, ["10", "", "20", "z"]),
        ({"from": "a", "split": "-", "part": -1}, ["x", "", "y", "z"]),
        ({"from": "a", "split": "-", "part": 2}, ["x", "", "y", ""]),
        ({"from": "a", "fill_down": True}, ["10-x", "10-x", "20-y", "z"]),
        ({"from": "a", "values": {"Z": "zed"}}, ["10-x", "", "20-y", "zed"]),
        ({"from": "b", "scale": "0.1"}, ["1.0", "-0.5", "120.0", "x"]),
        (
            {"concat": ["a", "b"], "separator": "/"},
            ["10-x/10", "-5", "20-y/1,200", "z/x"],
        ),
    ],
)
def test_operations(rule: dict[str, Any], cells: list[str]) -> None:
    """Each operation makes its column; what it does not apply to stays."""
    table = {"a": ["10-x", "", "20-y", "z"], "b": ["10", "-5", "1,200", "x"]}

    assert cells == mapped(table, [{"to": "line_title", **rule}])["line_title"]


def test_changes_are_counted() -> None:
    """The audit shows what a rule changed, with the row and both texts."""
    audit = Audit()
    rule = {"to": "org_unit_id", "from": "a", "values": {"سازمان فاوا": "fava"}}
    found = mapped({"a": ["سازمان فاوا", "سازمان\u200cفاوا", "mali"]}, [rule], audit)

    assert ["fava", "fava", "mali"] == found["org_unit_id"]
    assert (2, {"row": 2, "before": "سازمان فاوا", "after": "fava"}) == (
        audit.changed("org_unit_id", "profile"),
        audit.to_list()[0]["samples"][0],
    )


def test_path_makes_codes_and_parents() -> None:
    """Level columns become ordinal codes; a row with rows below it is a subtotal.

    A parent is the nearest level that has a row of its own: a code without a row would
    be a parent that nobody finds.
    """
    table = {
        "سرفصل": ["درآمد", "", "", "هزینه", ""],
        "زیر": ["", "عوارض", "", "", "حقوق"],
        "ردیف": ["", "", "نوسازی", "", "رسمی"],
    }
    found = mapped(
        table,
        [
            {"to": "parent_line_code", "path": ["سرفصل", "زیر", "ردیف"]},
            {"to": "line_title", "concat": ["سرفصل", "زیر", "ردیف"]},
        ],
    )

    assert ["", "1", "1.1", "", "2"] == found["parent_line_code"]
    assert ["true", "true", "false", "true", "false"] == found["is_subtotal"]
    assert ["1", "1.1", "1.1.1", "2", "2.1.1"] == found["line_code"]


def test_path_where_the_sum_comes_last_and_levels_end_early() -> None:
    """The order of rows and the depth of a level do not matter; no code is lost.

    So real files are: the sum of a level below its parts, parts of different depth,
    two parts of one name, a part that has no level cell of its own.
    """
    table = {
        "سرفصل": ["درآمد", "", "درآمد", "درآمد", "درآمد", "هزینه"],
        "زیر": ["عوارض", "", "فروش", "فروش", "", ""],
    }
    found = mapped(table, [{"to": "parent_line_code", "path": ["سرفصل", "زیر"]}])

    assert ["1.1", "1.1.1", "1.2", "1.3", "1", "2"] == found["line_code"]
    assert ["1", "1.1", "1", "1", "", ""] == found["parent_line_code"]
    assert ["true", "false", "false", "false", "true", "false"] == found["is_subtotal"]


def test_constants_fill_what_no_column_of_the_file_is() -> None:
    """Constants beside matched columns: a column of the file wins over a constant."""
    table = {"کد ردیف": ["1"], "شرح ردیف": ["a"]}
    rules = [{"to": "line_code", "constant": "9"}, {"to": "side", "constant": "use"}]
    found = mapped(table, rules)

    assert (["1"], ["use"]) == (found["line_code"], found["side"])


def test_kept_columns() -> None:
    """Kept columns become x_ columns, each with its own name."""
    table = {"کد": ["1"], "موضوع": ["a"], "x_note": ["b"], "": ["c"], "other": ["d"]}
    found = mapped(
        table, [{"to": "line_code", "from": "کد"}], keep=["موضوع"], ignore=["other"]
    )

    assert ["line_code", "x_موضوع", "x_note"] == list(found)


def test_unknown_labels_are_refused() -> None:
    """A profile that names a column or a field that is not there is not followed."""
    for rule in ({"to": "line_code", "from": "نیست"}, {"to": "no_field", "from": "a"}):
        with pytest.raises(DataError) as caught:
            mapped({"a": ["1"]}, [rule])
        assert Reason.PROFILE_INVALID == caught.value.reason


def test_matching_without_a_profile() -> None:
    """Certain headers are taken, in the standard's order; the rest is left open."""
    mapping = build(
        ["شرح ردیف", "کد ردیف", "زیر موضوع", "درصد تحقق"], FIELDS, Profile.of({})
    )

    assert ("line_code", "line_title") == mapping.names
    assert {"شرح ردیف": "line_title", "کد ردیف": "line_code"} == used(mapping)
    assert ["certain", "certain", "proposed", "unknown"] == [
        use.use for use in mapping.uses
    ]
