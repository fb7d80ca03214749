"""The rows query: what cannot be asked is refused, and nothing breaks it."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_fixture import ask, lines, outcome, table
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.table import grouping, limits, rows
from shahrdad.node.table.grouping import answer
from shahrdad.node.table.query import make_cursor, open_cursor, parse
from shahrdad.node.table.reading import TableReader

__all__ = ["lines", "table"]


LONG_LIST = ",".join(["1"] * limits.LIST_VALUES_MAX)
SAME = [("count__exact", "1")]
FOUR_GROUPS = [(f"{c}__groupby", "") for c in ("word", "open", "day", "count")]


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([("colour__exact", "1")], Reason.COLUMN_UNKNOWN),
        ([("count__like", "1")], Reason.OPERATOR_UNKNOWN),
        ([("count__contains", "1")], Reason.OPERATOR_UNKNOWN),
        ([("tags__exact", "1")], Reason.OPERATOR_UNKNOWN),
        ([("open__less", "true")], Reason.OPERATOR_UNKNOWN),
        ([("word__sum", "")], Reason.OPERATOR_UNKNOWN),
        ([("tags__countdistinct", "")], Reason.OPERATOR_UNKNOWN),
        ([("count__exact", "1,000")], Reason.FILTER_VALUE),
        ([("count__exact", "12abc")], Reason.FILTER_VALUE),
        ([("count__exact", str(2**63))], Reason.FILTER_VALUE),
        ([("open__exact", "yes")], Reason.FILTER_VALUE),
        ([("day__exact", "1404/12/31")], Reason.FILTER_VALUE),
        ([("at__exact", "1404/06/31")], Reason.FILTER_VALUE),
        ([("degrees__exact", "nan")], Reason.FILTER_VALUE),
        ([("word__exact", "a\0b")], Reason.PARAMETER_VALUE),
        ([("word__exact", "\ud800")], Reason.PARAMETER_VALUE),
        ([("colour", "1")], Reason.PARAMETER_UNKNOWN),
        ([("limit", "1001")], Reason.PARAMETER_VALUE),
        ([("limit", "-1")], Reason.PARAMETER_VALUE),
        ([("limit", "1"), ("limit", "1")], Reason.PARAMETER_VALUE),
        ([("sort", "colour")], Reason.COLUMN_UNKNOWN),
        ([("sort", "tags")], Reason.PARAMETER_VALUE),
        ([("fields", "colour")], Reason.COLUMN_UNKNOWN),
        ([("or", "count__exact.1")], Reason.PARAMETER_VALUE),
        ([("or", "(count)")], Reason.PARAMETER_VALUE),
        ([("subtotals", "yes")], Reason.PARAMETER_VALUE),
        ([("cursor", "not-a-cursor")], Reason.CURSOR_MALFORMED),
        ([("cursor", "آ")], Reason.CURSOR_MALFORMED),
        ([("cursor", "e30")], Reason.CURSOR_MALFORMED),
        (FOUR_GROUPS, Reason.PARAMETER_VALUE),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(
    table: TableReader, pairs: list[tuple[str, str]], reason: Reason
) -> None:
    """Each mistake is named by a reason, before anything is read."""
    with pytest.raises(RequestError) as caught:
        parse(pairs, table.schema)

    assert reason == caught.value.reason
    assert caught.value.text("fa")


@pytest.mark.parametrize(
    ("accepted", "refused"),
    [
        (SAME * limits.FILTERS_MAX, SAME * (limits.FILTERS_MAX + 1)),
        ([("count__in", LONG_LIST[:999])], [("count__in", f"{LONG_LIST},1")]),
        (
            [("word__exact", "a" * limits.VALUE_LETTERS_MAX)],
            [("word__exact", "a" * (limits.VALUE_LETTERS_MAX + 1))],
        ),
        (
            [("word__exact", "a" * 489)] * 100,
            [("word__exact", "a" * 490)] * 100,
        ),
        ([("limit", "1000")], [("limit", "1001")]),
        (
            [("sort", "code,word,count,amount,degrees,day,at,open")],
            [("sort", "code,word,count,amount,degrees,day,at,open,is_subtotal")],
        ),
    ],
)
def test_limits_of_a_query(
    table: TableReader,
    accepted: list[tuple[str, str]],
    refused: list[tuple[str, str]],
) -> None:
    """Each bound is accepted, and one above it refused."""
    parse(accepted, table.schema)
    with pytest.raises(RequestError):
        parse(refused, table.schema)


def test_limits_of_the_work(
    table: TableReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups, different values and files have bounds too, accepted at and not above."""
    monkeypatch.setattr(grouping, "GROUPS_MAX", 300)
    monkeypatch.setattr(grouping, "DISTINCT_VALUES_MAX", 300)
    monkeypatch.setattr(rows, "FILES_MAX", len(table.parts))
    asked = "code__groupby&code__countdistinct&subtotals=include"
    assert 300 == len(ask(table, asked))
    for module, name in ((grouping, "GROUPS_MAX"), (rows, "FILES_MAX")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, getattr(module, name) - 1)
            with pytest.raises(RequestError) as caught:
                ask(table, asked)
            assert Reason.QUERY_TOO_EXPENSIVE == caught.value.reason
    monkeypatch.setattr(grouping, "DISTINCT_VALUES_MAX", 299)
    with pytest.raises(RequestError) as caught:
        ask(table, "code__countdistinct&subtotals=include")
    assert Reason.QUERY_TOO_EXPENSIVE == caught.value.reason


def test_a_cursor_of_another_version(table: TableReader, lines: TableReader) -> None:
    """Row numbers of one version mean nothing in another: the reader is told."""
    page = answer(table, parse([("limit", "5")], table.schema))
    assert page.next_cursor is not None
    with pytest.raises(RequestError) as caught:
        answer(lines, parse([("cursor", page.next_cursor)], lines.schema))

    assert Reason.CURSOR_EXPIRED == caught.value.reason


def test_a_cursor_beside_another_query(table: TableReader) -> None:
    """Beside a cursor stands what the first page was asked with, or nothing."""
    pairs = [("count__greater", "0"), ("limit", "5")]
    page = answer(table, parse(pairs, table.schema))
    assert page.next_cursor is not None
    cursor = ("cursor", page.next_cursor)

    assert 5 == parse([cursor, ("count__greater", "0")], table.schema).limit
    assert 9 == parse([cursor, ("limit", "9")], table.schema).limit
    with pytest.raises(RequestError) as caught:
        parse([cursor, ("count__greater", "1")], table.schema)
    assert Reason.CURSOR_MALFORMED == caught.value.reason


@given(st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["q", "t", "k", "r", "n"]), inner, max_size=5
    ),
    max_leaves=12,
))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_a_forged_cursor_is_an_error_of_the_request(
    table: TableReader, held: Any
) -> None:
    """Whatever a cursor is made of, the answer is a page or a reason, never a crash."""
    text = base64.urlsafe_b64encode(json.dumps(held).encode()).decode().rstrip("=")
    with pytest.raises(RequestError):
        answer(table, parse([("cursor", text)], table.schema))


@given(st.lists(st.sampled_from([None, True, 1, "x", 1.5, 10**30]), max_size=2))
@settings(max_examples=40, deadline=None)
def test_forged_sort_values(table: TableReader, values: list[Any]) -> None:
    """Sort values that do not fit their columns are refused, or just another place."""
    page = answer(table, parse([("sort", "count,day"), ("limit", "5")], table.schema))
    assert page.next_cursor is not None
    pairs, position = open_cursor(page.next_cursor)
    query = parse(pairs, table.schema)
    forged = type(position)(position.table, tuple(values), position.row, position.total)
    cursor = make_cursor(query, forged)
    reason, found = outcome(table, [("cursor", cursor)])

    assert reason in (None, Reason.CURSOR_MALFORMED)
    assert found <= 5


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_query_is_answered_or_refused(
    table: TableReader, pairs: list[tuple[str, str]]
) -> None:
    """Nothing that can be typed is an error of ours."""
    reason, found = outcome(table, pairs)

    assert (reason is None) == (found > 0)
