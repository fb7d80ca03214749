"""The rows query as an address holds it (interfaces 4.1 and 4.2), read and checked.

    query      = *( filter / "or=(" filter-list ")" / "fields=" names / "sort=" keys
                  / "limit=" n / "cursor=" c / "subtotals=include" )
    filter     = column "__" operator [ "=" value ]

No SQL is ever built: a query becomes values and functions.

>>> import pyarrow as pa
>>> schema = pa.schema([("city_code", pa.string()), ("approved_rial", pa.int64())])
>>> asked = [("approved_rial__greater", "۱۰"), ("sort", "-approved_rial")]
>>> query = parse(asked, schema)
>>> [(one.column, one.operator) for one in query.filters], query.sort
([('approved_rial', 'greater')], (('approved_rial', True),))
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import pyarrow as pa

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import sent_json
from shahrdad.node.table.filters import OPERATORS, Filter, make_filter
from shahrdad.node.table.limits import (
    FILTERS_MAX,
    GROUP_COLUMNS_MAX,
    PAGE_ROWS_DEFAULT,
    PAGE_ROWS_MAX,
    QUERY_BYTES_MAX,
    SORT_COLUMNS_MAX,
)
from shahrdad.node.table.literals import INT64_MAX, plain_text, split_list

AGGREGATES = ("sum", "avg", "min", "max", "count", "countdistinct")
GROUP = "groupby"
PLAIN = ("fields", "sort", "limit", "cursor", "or", "subtotals")
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: after a row.

    Attributes:
        table: Which table's rows are numbered: its parts' identity.
        values: Of the sort columns in that row, as JSON.
        row: Its number in the published order, or the number of a group.
        total: The rows of the whole answer, counted for the first page.
    """

    table: str
    values: tuple[Any, ...]
    row: int
    total: int


@dataclass(frozen=True, slots=True)
class Query:
    """A checked query.

    Attributes:
        filters: All must hold.
        ors: Of each, one must hold.
        fields: The columns of the answer.
        sort: Columns and whether the largest come first.
        limit: Rows of a page; 0 asks for the total alone.
        groups: Columns to group by.
        aggregates: Columns and functions over each group.
        subtotals: Whether rows that are totals count in aggregates.
        position: Where the page begins; None for the first.
        pairs: What was asked, without the cursor, for the next one.
    """

    filters: tuple[Filter, ...]
    ors: tuple[tuple[Filter, ...], ...]
    fields: tuple[str, ...]
    sort: tuple[tuple[str, bool], ...]
    limit: int
    groups: tuple[str, ...]
    aggregates: tuple[tuple[str, str], ...]
    subtotals: bool
    position: Position | None
    pairs: tuple[tuple[str, str], ...]

    @property
    def grouped(self) -> bool:
        """Whether the answer has groups in place of rows."""
        return bool(self.groups or self.aggregates)

    def filter_columns(self) -> list[str]:
        """Return the columns that decide which rows match."""
        every = [*self.filters, *(one for either in self.ors for one in either)]
        return list(dict.fromkeys(one.column for one in every))


def parse(pairs: Pairs, schema: pa.Schema) -> Query:
    """Read a query.

    Args:
        pairs: Names and values, percent-decoded; unknown names are refused.
        schema: The columns of the table.

    Raises:
        RequestError: PARAMETER_UNKNOWN, PARAMETER_VALUE, COLUMN_UNKNOWN,
            OPERATOR_UNKNOWN, FILTER_VALUE, CURSOR_MALFORMED.
    """
    check_size(pairs)
    pairs, position = from_cursor(pairs)
    filters: list[Filter] = []
    ors: list[tuple[Filter, ...]] = []
    groups: list[str] = []
    aggregates: list[tuple[str, str]] = []
    plain: dict[str, str] = {}
    for name, value in pairs:
        column, separator, operator = name.rpartition("__")
        if name == "or":
            ors.append(alternatives(value, schema))
        elif name in PLAIN:
            if name in plain:
                raise wrong(name, value, "once")
            plain[name] = plain_text(name, value)
        elif not separator:
            raise unknown(name, schema)
        elif operator == GROUP:
            groups.append(known(column, schema))
        elif operator in AGGREGATES:
            aggregates.append(aggregate(column, operator, schema))
        else:
            filters.append(make_filter(schema, column, operator, value))
    every = len(filters) + sum(map(len, ors))
    if every > FILTERS_MAX or len(groups) > GROUP_COLUMNS_MAX:
        raise wrong("filters", str(every), f"{FILTERS_MAX}, {GROUP_COLUMNS_MAX} groups")
    return Query(
        filters=tuple(filters),
        ors=tuple(ors),
        fields=field_names(plain.get("fields"), schema),
        sort=sort_columns(plain.get("sort"), schema),
        limit=page_rows(plain.get("limit")),
        groups=tuple(dict.fromkeys(groups)),
        aggregates=tuple(dict.fromkeys(aggregates)),
        subtotals=choice("subtotals", plain.get("subtotals"), ("include",)),
        position=position,
        pairs=tuple(pairs),
    )


def check_size(pairs: Pairs) -> None:
    """Refuse a query that is too long, or has a character that is none."""
    size = 0
    for name, value in pairs:
        size += len(name.encode("utf-8", "replace"))
        size += len(value.encode("utf-8", "replace"))
        plain_text("query", name)
    if size > QUERY_BYTES_MAX:
        raise wrong("query", f"{size} bytes", f"at most {QUERY_BYTES_MAX} bytes")


def alternatives(value: str, schema: pa.Schema) -> tuple[Filter, ...]:
    """Return the filters of `or=(a__exact.1,b__isnull)`."""
    if not (value.startswith("(") and value.endswith(")")):
        raise wrong("or", value, "(column__operator.value,…)")
    found: list[Filter] = []
    for member in split_list("or", value[1:-1]):
        name, _, text = member.partition(".")
        column, separator, operator = name.rpartition("__")
        if not separator:
            raise wrong("or", member, "column__operator.value")
        found.append(make_filter(schema, column, operator, text))
    return tuple(found)


def known(column: str, schema: pa.Schema) -> str:
    """Return a column's name, when the table has it."""
    if column not in schema.names:
        raise RequestError(Reason.COLUMN_UNKNOWN, column=column[:100])
    return column


def aggregate(column: str, function: str, schema: pa.Schema) -> tuple[str, str]:
    """Return a checked aggregate: sums of numbers, extremes of what has an order."""
    kind = schema.field(known(column, schema)).type
    number = (
        pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_floating(kind)
    )
    instant = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    possible = [
        *(("sum", "avg") if number else ()),
        *(("min", "max") if number or instant else ()),
        "count",
        *(() if pa.types.is_list(kind) else ("countdistinct",)),
    ]
    if function not in possible:
        raise RequestError(
            Reason.OPERATOR_UNKNOWN,
            column=column,
            operator=function,
            possible=", ".join(possible),
        )
    return column, function


def field_names(text: str | None, schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns of the answer; all by default."""
    if text is None:
        return tuple(schema.names)
    names = [known(name, schema) for name in text.split(",")]
    return tuple(dict.fromkeys(names))


def sort_columns(text: str | None, schema: pa.Schema) -> tuple[tuple[str, bool], ...]:
    """Return the columns of `sort`, each with whether the largest come first."""
    keys: dict[str, bool] = {}
    for part in text.split(",") if text else ():
        # The result of an aggregate can be sorted by too: `approved_rial__sum`.
        name = part.removeprefix("-")
        column, separator, function = name.rpartition("__")
        known(column if separator and function in AGGREGATES else name, schema)
        if not separator and pa.types.is_list(schema.field(name).type):
            raise wrong("sort", name, "a column with an order")
        keys.setdefault(name, part.startswith("-"))
    if len(keys) > SORT_COLUMNS_MAX:
        raise wrong("sort", f"{len(keys)} columns", f"at most {SORT_COLUMNS_MAX}")
    return tuple(keys.items())


def page_rows(text: str | None) -> int:
    """Return the rows of a page: 0 to 1,000."""
    if text is None:
        return PAGE_ROWS_DEFAULT
    if not (text.isdecimal() and len(text) <= 6 and int(text) <= PAGE_ROWS_MAX):
        raise wrong("limit", text, f"0-{PAGE_ROWS_MAX}")
    return int(text)


def choice(name: str, text: str | None, values: tuple[str, ...]) -> bool:
    """Return whether one of the values was given."""
    if text is not None and text not in values:
        raise wrong(name, text, " | ".join(values))
    return text is not None


def make_cursor(query: Query, position: Position) -> str:
    """Return the text that the next page is asked with; it holds the whole query."""
    held = {
        "q": [list(pair) for pair in query.pairs],
        "t": position.table,
        "k": list(position.values),
        "r": position.row,
        "n": position.total,
    }
    text = json.dumps(held, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(pairs: Pairs) -> tuple[Pairs, Position | None]:
    """Return the query of a cursor, and where it goes on.

    The cursor alone suffices. Beside it, `limit` may change; anything else must be what
    the first page was asked with.
    """
    cursors = [value for name, value in pairs if name == "cursor"]
    if not cursors:
        return pairs, None
    beside = [pair for pair in pairs if pair[0] != "cursor"]
    asked, position = open_cursor(cursors[0])
    limits = [pair for pair in beside if pair[0] == "limit"]
    if limits:
        asked = [pair for pair in asked if pair[0] != "limit"] + limits
    if len(cursors) > 1 or not set(beside) <= set(asked):
        raise malformed(cursors[0])
    check_size(asked)
    return asked, position


def open_cursor(text: str) -> tuple[list[tuple[str, str]], Position]:
    """Return what a cursor holds; it comes from outside, so nothing in it is trusted.

    Raises:
        RequestError: CURSOR_MALFORMED.
    """
    if len(text) > 2 * QUERY_BYTES_MAX:
        raise malformed(text)
    try:
        data = base64.b64decode(
            (text + "=" * (-len(text) % 4)).encode("ascii"), b"-_", validate=True
        )
        held = sent_json.loads(data)
        pairs = [(str(name), str(value)) for name, value in held["q"]]
        table, values = held["t"], held["k"]
        row, total = held["r"], held["n"]
    except (
        binascii.Error, UnicodeError, ValueError, KeyError, TypeError, RecursionError
    ) as error:  # fmt: skip
        raise malformed(text) from error
    plain = (str, int, float, bool, type(None))
    if (
        not isinstance(table, str)
        or type(row) is not int
        or type(total) is not int
        or not 0 <= min(row, total) <= max(row, total) <= INT64_MAX
        or not isinstance(values, list)
        or not all(isinstance(value, plain) for value in values)
        or any(type(one) is int and abs(one) > INT64_MAX for one in values)
        or any(name == "cursor" for name, _ in pairs)
    ):
        raise malformed(text)
    return pairs, Position(table, tuple(values), row, total)


def malformed(text: str) -> RequestError:
    """Return the error for a cursor that is none of ours."""
    shown = text[:40].encode("ascii", "replace").decode()
    return RequestError(Reason.CURSOR_MALFORMED, cursor=shown)


def wrong(parameter: str, value: str, expected: str) -> RequestError:
    """Return the error for a parameter's value."""
    return RequestError(
        Reason.PARAMETER_VALUE,
        parameter=parameter,
        value=value[:100].encode("utf-8", "replace").decode(),
        expected=expected,
    )


def unknown(name: str, schema: pa.Schema) -> RequestError:
    """Return the error for a parameter that nothing knows, with the nearest name."""
    names = [
        *PLAIN,
        *(f"{column}__{op}" for column in schema.names for op in OPERATORS),
    ]
    near = get_close_matches(name, names, 1, 0.5)
    return RequestError(
        Reason.PARAMETER_UNKNOWN,
        parameter=name[:100],
        nearest=near[0] if near else ", ".join(PLAIN),
    )
