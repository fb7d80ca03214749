"""Filters of the rows query (interfaces 4.1): what a row must be, batch by batch.

A filter is a column, an operator and a value; filters are ANDed, and the members of one
`or` are alternatives. A null matches only `isnull`. Text is compared by what people
mean: Arabic letters as Persian ones, `contains` and `startswith` by the search fold,
less and greater by the Persian alphabet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.alphabet import sort_key
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.table.limits import LIST_VALUES_MAX
from shahrdad.node.table.literals import (
    bound,
    literal,
    plain_text,
    spellings,
    split_list,
)

EQUAL = ("exact", "differs", "in", "notin")
FOLDED = ("contains", "notcontains", "startswith")
ORDERED = ("less", "greater", "strictly_less", "strictly_greater")
NULLS = ("isnull", "isnotnull")
OPERATORS = (*EQUAL, *FOLDED, *ORDERED, *NULLS)
COMPARE = {
    "less": "less_equal",
    "greater": "greater_equal",
    "strictly_less": "less",
    "strictly_greater": "greater",
}
REMEMBERED_TEXTS_MAX = 65_536  # remembered; titles repeat from row to row
Mask = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class Filter:
    """One condition on one column.

    Attributes:
        column: Its name.
        operator: One of `OPERATORS`.
        value: What was typed; None for `isnull` and `isnotnull`.
        mask: From n cells to n booleans without nulls.
        low: The least value that can match, for choosing parts; None for no bound.
        high: The largest.
    """

    column: str
    operator: str
    value: str | None
    mask: Mask
    low: Any = None
    high: Any = None


def make_filter(
    schema: pa.Schema, column: str, operator: str, value: str | None
) -> Filter:
    """Return a checked filter.

    Raises:
        RequestError: COLUMN_UNKNOWN, OPERATOR_UNKNOWN, FILTER_VALUE, PARAMETER_VALUE.
    """
    if column not in schema.names:
        raise RequestError(Reason.COLUMN_UNKNOWN, column=column[:100])
    kind = schema.field(column).type
    possible = operators_of(kind)
    if operator not in possible:
        raise RequestError(
            Reason.OPERATOR_UNKNOWN,
            column=column,
            operator=operator[:100],
            possible=", ".join(possible),
        )
    if operator in NULLS:
        test = pc.is_null if operator == "isnull" else pc.is_valid
        return Filter(column, operator, None, test)
    text = plain_text(f"{column}__{operator}", value or "")
    if operator in EQUAL:
        return equality(column, kind, operator, text)
    if operator in FOLDED:
        return Filter(column, operator, text, folded_mask(kind, operator, text))
    if pa.types.is_string(kind):
        return Filter(column, operator, text, alphabet_mask(operator, text))
    end = operator in ("less", "strictly_greater")
    limit = bound(column, kind, text, end=end)
    name = COMPARE[operator]
    low, high = (None, limit) if "less" in operator else (limit, None)
    scalar = scalar_of(limit, kind)
    return Filter(
        column, operator, text, lambda cells: compared(name, cells, scalar), low, high
    )


def operators_of(kind: pa.DataType) -> tuple[str, ...]:
    """Return the operators that a column's type can be asked with."""
    if pa.types.is_list(kind):
        return ("contains", "notcontains", *NULLS)
    if pa.types.is_string(kind):
        return OPERATORS
    if pa.types.is_boolean(kind):
        return (*EQUAL, *NULLS)
    return (*EQUAL, *ORDERED, *NULLS)


def equality(column: str, kind: pa.DataType, operator: str, text: str) -> Filter:
    """Return a filter by equal values."""
    parameter = f"{column}__{operator}"
    many = operator in ("in", "notin")
    texts = split_list(parameter, text) if many else [text]
    if len(texts) > LIST_VALUES_MAX:
        raise RequestError(
            Reason.PARAMETER_VALUE,
            parameter=parameter,
            value=f"{len(texts)} values",
            expected=f"at most {LIST_VALUES_MAX}",
        )
    if pa.types.is_string(kind):
        texts = [form for one in texts for form in spellings(one)]
    values = [literal(column, kind, one) for one in texts]
    wanted = pa.array(values, wide(kind))
    positive = operator in ("exact", "in")

    def mask(cells: pa.Array) -> pa.Array:
        found = pc.is_in(cells.cast(wide(kind)), value_set=wanted)
        chosen = found if positive else pc.invert(found)
        return pc.and_(chosen, pc.is_valid(cells))

    if not positive:
        return Filter(column, operator, text, mask)
    return Filter(column, operator, text, mask, min(values), max(values))


def wide(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column is compared with a typed value."""
    if pa.types.is_decimal(kind):
        return pa.decimal256(76, max(8, kind.scale))
    return kind


def scalar_of(value: Any, kind: pa.DataType) -> pa.Scalar:
    """Return a value to compare a column with."""
    return pa.scalar(value, wide(kind))


def compared(name: str, cells: pa.Array, limit: pa.Scalar) -> pa.Array:
    """Compare cells with a bound; a null compares as false."""
    result = pc.call_function(name, [cells.cast(limit.type), limit])
    return pc.fill_null(result, False)


@lru_cache(REMEMBERED_TEXTS_MAX)
def rank_text(text: str) -> bytes:
    """Return what a text sorts by in the Persian alphabet."""
    return sort_key(text)


@lru_cache(REMEMBERED_TEXTS_MAX)
def fold_text(text: str) -> str:
    """Return a text as `contains` compares it: the search fold, and no joiners."""
    # Only here: the fold is the validators', and few queries need it.
    from shahrdad.validators.normalise.search_key import fold

    return fold(text).replace("\u200c", "")


def folded_mask(kind: pa.DataType, operator: str, text: str) -> Mask:
    """Return a mask of folded comparison, on texts or on the members of lists."""
    wanted = fold_text(text)
    negative = operator == "notcontains"

    @lru_cache(REMEMBERED_TEXTS_MAX)
    def matches(cell: str) -> bool:
        folded = fold_text(cell)
        if operator == "startswith":
            return folded.startswith(wanted)
        return (wanted in folded) != negative

    if not pa.types.is_list(kind):
        return lambda cells: by_value(cells, matches)

    def mask(cells: pa.Array) -> pa.Array:
        found = [
            cell is not None
            and any(wanted in fold_text(one) for one in cell if one) != negative
            for cell in cells.to_pylist()
        ]
        return pa.array(found, pa.bool_())

    return mask


def alphabet_mask(operator: str, text: str) -> Mask:
    """Return a mask that compares texts by the Persian alphabet."""
    limit = rank_text(text)
    tests: dict[str, Callable[[bytes], bool]] = {
        "less": lambda key: key <= limit,
        "greater": lambda key: key >= limit,
        "strictly_less": lambda key: key < limit,
        "strictly_greater": lambda key: key > limit,
    }
    test = tests[operator]
    return lambda cells: by_value(cells, lambda cell: test(rank_text(cell)))


def by_value(cells: pa.Array, test: Callable[[str], bool]) -> pa.Array:
    """Test each different text once, and give its cells the answer; null is false."""
    coded = cells.dictionary_encode()
    answers = pa.array(
        [test(text) for text in coded.dictionary.to_pylist()], pa.bool_()
    )
    return pc.fill_null(answers.take(coded.indices), False)


def combined(
    batch: pa.RecordBatch, filters: Sequence[Filter], ors: Sequence[Sequence[Filter]]
) -> pa.Array | None:
    """Return which rows pass all filters, or None when all do.

    Args:
        batch: Rows with the columns of the filters.
        filters: All must hold.
        ors: Of each, one must hold.
    """
    masks = [one.mask(batch.column(one.column)) for one in filters]
    for alternatives in ors:
        either: pa.Array | None = None
        for one in alternatives:
            mask = one.mask(batch.column(one.column))
            either = mask if either is None else pc.or_(either, mask)
        if either is not None:
            masks.append(either)
    result: pa.Array | None = None
    for mask in masks:
        result = mask if result is None else pc.and_(result, mask)
    return result
