"""Conditions, which are data: `{"column", "op", "value"}`, `all`, `any`, `not`.

Nothing is evaluated as code. The logic has three values: a comparison with an empty
cell is unknown; the place says what that counts for (`standards.md` 5.2): false in
`where` and `if`, true in `then`.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.cells import Mask, as_mask


class Values(Protocol):
    """What a condition looks at: typed columns by name."""

    def column(self, name: str) -> pa.Array:
        """Return a column of n values."""


class UnknownValueError(Exception):
    """A condition needs a value of the context that was not given."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class MalformedError(Exception):
    """A condition or a parameter does not have the shape of the vocabulary."""


Lookup = Callable[[str], Any]  # the value of `@name`, or UnknownValueError

_COMPARE = {
    "=": pc.equal,
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def compare(op: str, left: pa.Array, right: Any) -> pa.BooleanArray:
    """Return left op right, null where an operand is."""
    if op not in _COMPARE:
        raise MalformedError(f"operator {op}")
    return _COMPARE[op](left, right)


def columns_in(condition: Any) -> set[str]:
    """Return the columns that a condition looks at."""
    if not isinstance(condition, Mapping):
        return set()
    names: set[str] = set()
    for key in ("all", "any"):
        for part in condition.get(key) or ():
            names |= columns_in(part)
    if "not" in condition:
        names |= columns_in(condition["not"])
    return names | {str(condition[k]) for k in ("column", "column2") if k in condition}


def holds(condition: Any, values: Values, lookup: Lookup) -> pa.BooleanArray:
    """Return where a condition holds: true, false, or null for unknown.

    Raises:
        UnknownValueError: The context lacks a value.
        MalformedError: The condition is none.
    """
    if not isinstance(condition, Mapping):
        raise MalformedError(str(condition))
    if "all" in condition or "any" in condition:
        key = "all" if "all" in condition else "any"
        parts = [holds(part, values, lookup) for part in condition[key]]
        if not parts:
            raise MalformedError(f"{key} without conditions")
        joined = parts[0]
        for part in parts[1:]:
            joined = (
                pc.and_kleene(joined, part)
                if key == "all"
                else pc.or_kleene(joined, part)
            )
        return joined
    if "not" in condition:
        return pc.invert(holds(condition["not"], values, lookup))
    if "column" not in condition or "op" not in condition:
        raise MalformedError(str(dict(condition)))
    return _atom(condition, values, lookup)


def _atom(
    condition: Mapping[str, Any], values: Values, lookup: Lookup
) -> pa.BooleanArray:
    column = values.column(str(condition["column"]))
    op = str(condition["op"])
    if op == "empty":
        return column.is_null()
    if op == "not-empty":
        return column.is_valid()
    if "column2" in condition:
        left, right = alike(column, values.column(str(condition["column2"])))
        return compare(op, left, right)
    value = condition.get("value")
    if isinstance(value, str) and value.startswith("@"):
        value = lookup(value[1:])
    if op in ("in", "not-in"):
        items = value if isinstance(value, list | tuple | set | frozenset) else [value]
        allowed = pa.array([literal(item, column.type) for item in items], column.type)
        found = pc.is_in(column, value_set=allowed)
        if op == "not-in":
            found = pc.invert(found)
        return _unknown_where_null(found, column)
    if op == "matches":
        return pc.match_substring_regex(column, f"^(?:{value})$")
    if op == "starts-with":
        return pc.starts_with(column, str(value))
    if op == "in-jalali-year":
        years = jalali_years(column)
        return pc.equal(years, literal(value, pa.int64()))
    return compare(op, column, pa.scalar(literal(value, column.type), column.type))


def _unknown_where_null(found: pa.BooleanArray, column: pa.Array) -> pa.BooleanArray:
    if not column.null_count:
        return found
    return pc.if_else(column.is_valid(), found, pa.scalar(None, pa.bool_()))


def alike(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return two columns in one type, so that they can be compared."""
    if left.type == right.type:
        return left, right
    if pa.types.is_floating(left.type) or pa.types.is_floating(right.type):
        return left.cast(pa.float64(), safe=False), right.cast(pa.float64(), safe=False)
    return left.cast(pa.string()), right.cast(pa.string())


def literal(value: Any, type_: pa.DataType) -> Any:
    """Return a value of a rule as a column's type has it.

    Raises:
        MalformedError: It cannot be of that type.
    """
    try:
        if pa.types.is_date32(type_):
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        if pa.types.is_boolean(type_):
            return (
                value
                if isinstance(value, bool)
                else {"true": True, "false": False}[str(value)]
            )
        if pa.types.is_integer(type_):
            return int(value)
        if pa.types.is_floating(type_):
            return float(value)
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedError(f"{value!r} is not of type {type_}") from error
    return str(value)


def nowruz_days() -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """Return the first day of each Jalali year, since 1970, and the first year."""
    from shahrdad.datasets import jalali

    epoch = date(1970, 1, 1)
    first = jalali.JALALI_YEAR_MIN
    years = range(first, jalali.JALALI_YEAR_MAX + 1)
    days = [(jalali.to_gregorian(year, 1, 1) - epoch).days for year in years]
    return np.array(days, np.int64), first


def jalali_years(column: pa.Array) -> pa.Array:
    """Return the Jalali year of each date; null outside 1300 to 1499."""
    starts, first = nowruz_days()
    days = column.cast(pa.int32()).fill_null(-(2**30)).to_numpy(zero_copy_only=False)
    places = np.searchsorted(starts, days, side="right")
    outside = (places == 0) | (days >= starts[-1] + 366)
    return pa.array(places + first - 1, pa.int64(), mask=outside)


def certain(found: pa.BooleanArray, *, unknown: bool) -> Mask:
    """Return a mask; unknown counts as given."""
    return as_mask(found.fill_null(unknown) if found.null_count else found)


__all__ = [
    "Lookup",
    "MalformedError",
    "UnknownValueError",
    "Values",
    "alike",
    "certain",
    "columns_in",
    "compare",
    "holds",
    "jalali_years",
    "literal",
]
