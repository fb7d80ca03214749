"""Row rules over typed columns: comparisons, sums, bands, dates, places.

Each takes the rule, the batch and the context, and returns the rows that violate it.
Arithmetic on whole numbers is exact in int64 where that cannot overflow; everything
that floats cannot decide is decided row by row in decimals.
"""

import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.cells import Mask, as_mask
from shahrdad.validators.rules.conditions import (
    MalformedError,
    alike,
    certain,
    compare,
    holds,
    jalali_years,
)
from shahrdad.validators.rules.context import RuleContext
from shahrdad.validators.rules.shape import Rule
from shahrdad.validators.rules.tolerance import allowed, number
from shahrdad.validators.rules.view import Hits, View

Check = Callable[[Rule, View, RuleContext], list[Hits]]

EARTH_RADIUS_KM = 6371.0088
_INT64_SAFE = 2**62


def row_condition(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """If `if` holds, `then` must."""
    applies = view.judged
    if "if" in rule.params:
        applies = applies & certain(
            holds(rule.params["if"], view, context.value), unknown=False
        )
    then = rule.params.get("then")
    passed = certain(holds(then, view, context.value), unknown=True)
    column = _first_column(then)

    def describe(index: int) -> dict[str, Any]:
        return {} if column is None else {"value": _shown(view, column, index)}

    return [Hits(applies & ~passed, column, describe)]


def _first_column(condition: Any) -> str | None:
    while isinstance(condition, dict):
        if "column" in condition:
            return str(condition["column"])
        inner = condition.get("all") or condition.get("any") or [condition.get("not")]
        condition = inner[0]
    return None


def _shown(view: View, column: str, index: int) -> Any:
    value = view.value(column, index)
    return "" if value is None else value


def needs_confirmation(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """Rows that the approver has to tick; none when that was done."""
    if rule.id in context.given.confirmed:
        return []
    found = certain(holds(rule.params.get("if"), view, context.value), unknown=False)
    return [Hits(view.judged & found, _first_column(rule.params.get("if")))]


def compare_columns(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """Column op column2, or else_column2 where column2 is empty."""
    name, op, name2 = (str(rule.params.get(k)) for k in ("column", "op", "column2"))
    column, other = view.column(name), view.column(name2)
    if "else_column2" in rule.params:
        other = pc.coalesce(other, view.column(str(rule.params["else_column2"])))
    left, right = alike(column, other)
    passed = certain(compare(op, left, right), unknown=True)

    def describe(index: int) -> dict[str, Any]:
        expected = other[index].as_py()
        return {
            "value": _shown(view, name, index),
            "expected": expected,
            "right": expected,
        }

    return [Hits(view.judged & ~passed, name, describe)]


def _floats(column: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    # Not safe: whole numbers beyond 2^53 are rounded here, and decided exactly later.
    rounded = column.cast(pa.float64(), safe=False).fill_null(np.nan)
    floats: np.ndarray[Any, np.dtype[np.float64]] = rounded.to_numpy(
        zero_copy_only=False
    )
    return floats


def _differs(
    view: View, name: str, plus: list[str], minus: list[str], bound: float
) -> Mask:
    """Return rows whose sum may differ from the column by more than a bound.

    Whole numbers are decided exactly, unless they could overflow; floats with a margin.
    """
    names = [name, *plus, *minus]
    signs = [1, *[-1] * len(plus), *[1] * len(minus)]
    columns = [view.column(n) for n in names]
    given: Mask = np.logical_and.reduce([view.given(n) for n in names])
    given &= view.judged
    whole = all(pa.types.is_integer(column.type) for column in columns)
    if whole and not any(_large(column, len(names)) for column in columns):
        total = np.zeros(len(view), np.int64)
        for sign, column in zip(signs, columns, strict=True):
            total += sign * column.fill_null(0).to_numpy(zero_copy_only=False)
        given &= np.abs(total) > bound
        return given
    floats = [_floats(column) for column in columns]
    with np.errstate(invalid="ignore"):
        difference = sum(
            sign * array for sign, array in zip(signs, floats, strict=True)
        )
        margin = 1e-12 * sum(np.abs(array) for array in floats)
        given &= ~(np.abs(difference) + margin <= bound)
    return given


def _large(column: pa.Array, count: int) -> bool:
    found = pc.min_max(column).as_py()
    return (
        found["min"] is not None
        and max(-found["min"], found["max"]) > _INT64_SAFE // count
    )


def sum_columns(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """Column = sum of columns - sum of minus, within the tolerance."""
    name = str(rule.params.get("column"))
    plus, minus = rule.names("columns"), rule.names("minus")
    tolerance = rule.params.get("tolerance")
    bound = float((tolerance or {}).get("abs", 0))
    mask = _differs(view, name, plus, minus, bound)
    sums: dict[int, Decimal] = {}
    for index in np.flatnonzero(mask).tolist():
        expected = sum((view.exact(n, index) for n in plus), Decimal(0))
        expected -= sum((view.exact(n, index) for n in minus), Decimal(0))
        step = view.step(
            [name, *plus, *minus], index, context.settings.decimal, context.unit_factor
        )
        most = allowed(tolerance, expected, len(plus) + len(minus), step)
        if abs(view.exact(name, index) - expected) <= most:
            mask[index] = False
        else:
            sums[index] = expected

    def describe(index: int) -> dict[str, Any]:
        value = view.value(name, index)
        return {
            "value": value,
            "expected": _plain(sums[index]),
            "diff": _plain(number(value) - sums[index]),
        }

    return [Hits(mask, name, describe)]


def _plain(value: Decimal) -> int | str:
    """Return a decimal as people write it: whole when it is."""
    return int(value) if value == value.to_integral_value() else str(value.normalize())


def ratio(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """Column = scale x numerator / denominator; a denominator of 0 is not judged."""
    name, top, bottom = (
        str(rule.params.get(k)) for k in ("column", "numerator", "denominator")
    )
    scale = number(rule.params.get("scale", 1))
    mask = view.judged & view.given(name) & view.given(top) & view.given(bottom)
    expected: dict[int, Decimal] = {}
    for index in np.flatnonzero(mask).tolist():
        divisor = view.exact(bottom, index)
        mask[index] = False
        if divisor == 0 or not divisor.is_finite():
            continue
        figure = scale * view.exact(top, index) / divisor
        value = view.exact(name, index)
        step = view.step([name], index, context.settings.decimal, context.unit_factor)
        if abs(value - figure) > allowed(rule.params.get("tolerance"), figure, 1, step):
            mask[index] = True
            expected[index] = figure

    def describe(index: int) -> dict[str, Any]:
        figure = _plain(expected[index].quantize(Decimal("0.0001")))
        return {"value": view.value(name, index), "expected": figure}

    return [Hits(mask, name, describe)]


def band(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """Min x reference <= column <= max x reference."""
    name, reference = str(rule.params.get("column")), str(rule.params.get("reference"))
    given = view.judged & view.given(name) & view.given(reference)
    values, references = _floats(view.column(name)), _floats(view.column(reference))
    ends = [
        (1, rule.params[k]) if k == "min" else (-1, rule.params[k])
        for k in ("min", "max")
        if k in rule.params
    ]
    doubtful = np.zeros(len(view), bool)
    for sign, factor in ends:
        with np.errstate(invalid="ignore"):
            margin = 1e-9 * np.abs(references)
            doubtful |= sign * (values - float(factor) * references) < margin
    mask = given & doubtful
    for index in np.flatnonzero(mask).tolist():
        value, base = view.exact(name, index), view.exact(reference, index)
        mask[index] = any(
            sign * (value - number(factor) * base) < 0 for sign, factor in ends
        )

    def describe(index: int) -> dict[str, Any]:
        return {
            "value": view.value(name, index),
            "expected": view.value(reference, index),
        }

    return [Hits(mask, name, describe)]


def cohesive(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """All given or all empty."""
    names = [str(rule.params.get("column")), *rule.names("othercolumns")]
    given = np.stack([view.given(name) for name in names])
    mask = view.judged & given.any(axis=0) & ~given.all(axis=0)
    return [Hits(mask, names[0], lambda _: {"value": ", ".join(names)})]


def one_of_required(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """At least one of two is given."""
    first, second = str(rule.params.get("column1")), str(rule.params.get("column2"))
    mask = view.judged & ~view.given(first) & ~view.given(second)
    return [Hits(mask, first, lambda _: {"value": f"{first}, {second}"})]


def _value_at(view: View, name: str, index: int) -> dict[str, Any]:
    return {"value": _shown(view, name, index)}


def columns_empty(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """All are empty."""
    return [
        Hits(
            view.judged & view.given(name),
            name,
            partial(_value_at, view, name),
        )
        for name in rule.names("columns")
    ]


def allowed_pairs(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """Column2 is, or starts with, a value listed for column."""
    name, name2 = str(rule.params.get("column")), str(rule.params.get("column2"))
    pairs = rule.params.get("pairs")
    if not isinstance(pairs, dict):
        raise MalformedError("pairs")
    prefix = rule.params.get("match") == "prefix"
    column, other = view.column(name), view.column(name2)
    mask = np.zeros(len(view), bool)
    for value, listed in pairs.items():
        chosen = as_mask(pc.equal(column, str(value)).fill_null(False))
        if not chosen.any():
            continue
        if prefix:
            fits = np.zeros(len(view), bool)
            for start in listed:
                fits |= as_mask(pc.starts_with(other, str(start)).fill_null(False))
        else:
            fits = as_mask(
                pc.is_in(other, value_set=pa.array([str(v) for v in listed]))
            )
        mask |= chosen & ~fits
    mask &= view.judged & view.given(name2)

    def describe(index: int) -> dict[str, Any]:
        return {
            "value": _shown(view, name2, index),
            "expected": _shown(view, name, index),
        }

    return [Hits(mask, name2, describe)]


def jalali_year_of(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """The Jalali year of a date differs from a year by one of the offsets."""
    name, year = str(rule.params.get("column")), str(rule.params.get("year_column"))
    offsets = pa.array([int(n) for n in rule.params.get("offsets") or [0]], pa.int64())
    differences = pc.subtract(jalali_years(view.column(name)), view.column(year))
    fits = as_mask(pc.is_in(differences, value_set=offsets))
    mask = view.judged & view.given(name) & view.given(year) & ~fits

    def describe(index: int) -> dict[str, Any]:
        return {
            "value": _shown(view, name, index),
            "expected": _shown(view, year, index),
        }

    return [Hits(mask, name, describe)]


@lru_cache(maxsize=4096)
def is_jalali_period(start: date, end: date, lengths: tuple[str, ...]) -> bool:
    """Return whether two days bound exactly a Jalali month, quarter, half or year."""
    from shahrdad.datasets.jalali import from_gregorian, to_gregorian

    year, month, day = from_gregorian(start)
    if day != 1:
        return False
    for length in lengths:
        months = {"month": 1, "quarter": 3, "half": 6, "year": 12}[length]
        if (month - 1) % months:
            continue
        next_year, next_month = divmod(month - 1 + months, 12)
        if end == to_gregorian(year + next_year, next_month + 1, 1) - timedelta(days=1):
            return True
    return False


def jalali_period(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """Start and end bound exactly a Jalali period."""
    start, end = str(rule.params.get("start")), str(rule.params.get("end"))
    lengths = tuple(str(n) for n in rule.params.get("lengths") or ("month",))
    mask = view.judged & view.given(start) & view.given(end)
    firsts, lasts = view.column(start).to_pylist(), view.column(end).to_pylist()
    for index in np.flatnonzero(mask).tolist():
        mask[index] = not is_jalali_period(firsts[index], lasts[index], lengths)
    return [Hits(mask, start, lambda i: {"value": firsts[i], "expected": lasts[i]})]


def inside_city(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """The great-circle distance to the city's centre is within the radius."""
    lat, lon, city = (str(rule.params.get(k)) for k in ("lat", "lon", "city"))
    radius = float(rule.params.get("radius_km", 0))
    centres = context.cities
    codes = view.column(city).to_pylist()
    known = np.array(
        [
            bool(code in centres and centres[code].get("lat") is not None)
            for code in codes
        ]
    )
    mask = view.judged & view.given(lat) & view.given(lon) & known
    if not mask.any():
        return []
    at = [
        centres[code] if k else {"lat": 0, "lon": 0}
        for code, k in zip(codes, known, strict=True)
    ]
    lat0 = np.radians(np.array([float(c["lat"]) for c in at]))
    lon0 = np.radians(np.array([float(c["lon"]) for c in at]))
    lat1, lon1 = (
        np.radians(_floats(view.column(lat))),
        np.radians(_floats(view.column(lon))),
    )
    with np.errstate(invalid="ignore"):
        h = np.sin((lat1 - lat0) / 2) ** 2
        h += np.cos(lat0) * np.cos(lat1) * np.sin((lon1 - lon0) / 2) ** 2
        distance = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(h, 0, 1)))
        mask &= distance > radius
    return [
        Hits(
            mask, lat, lambda i: {"value": math.floor(distance[i]), "expected": radius}
        )
    ]


def year_interval(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """`YYYY` where allowed, or `YYYY/YYYY` with the first not after the second."""
    name = str(rule.params.get("column"))
    alone = rule.params.get("allow-year-only") in ("yes", True)
    texts = view.column(name).cast(pa.string()).to_pylist()

    def fits(text: str | None) -> bool:
        if text is None:
            return True
        parts = text.split("/")
        if not all(len(p) == 4 and p.isascii() and p.isdigit() for p in parts):
            return False
        return (len(parts) == 1 and alone) or (len(parts) == 2 and parts[0] <= parts[1])

    verdicts = {text: fits(text) for text in set(texts)}
    mask = view.judged & ~np.array([verdicts[text] for text in texts], bool)
    return [Hits(mask, name, lambda i: {"value": texts[i]})]


CHECKS: dict[str, Check] = {
    "row-condition": row_condition,
    "needs-confirmation": needs_confirmation,
    "compare-columns-value": compare_columns,
    "sum-columns-value": sum_columns,
    "ratio-value": ratio,
    "band-value": band,
    "cohesive-columns-value": cohesive,
    "one-of-required": one_of_required,
    "columns-empty": columns_empty,
    "allowed-pairs": allowed_pairs,
    "jalali-year-of": jalali_year_of,
    "jalali-period": jalali_period,
    "inside-city": inside_city,
    "year-interval-value": year_interval,
}

__all__ = ["CHECKS", "Check", "is_jalali_period"]
