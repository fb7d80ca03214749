"""Date and datetime columns.

Arrow's `strptime` is never used: it makes 1 March of 30 February.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.answers import Answer, Kernel, all_unsure, any_of, both
from shahrdad.validators.kernels.cells import (
    Mask,
    as_mask,
    byte_max,
    lengths,
    valid_mask,
)
from shahrdad.validators.plan import FieldPlan
from shahrdad.validators.reference import constraint_value

_EPOCH = date(1970, 1, 1)
_DAY_FIRST = (date(1, 1, 1) - _EPOCH).days  # Arrow reads the year 0000, Python does not
_JALALI_FIRST = (date(1300, 1, 1) - _EPOCH).days
_JALALI_END = (date(1500, 1, 1) - _EPOCH).days
_AFTER_JALALI_YEARS = pa.scalar(_JALALI_END * 86_400_000_000, pa.int64()).cast(
    pa.timestamp("us", "UTC")
)
_DATE_FORM = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_UTC_FORM = (
    r"^[0-9]{4}-[0-9]{2}-[0-2][0-9]T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?Z$"
)


def date_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of a date column; values are date32."""
    if field.format not in ("default", "any"):
        return lambda cells: all_unsure(cells, pa.date32())
    within = _bounds(field)

    def read(cells: pa.StringArray) -> Answer:
        answer = _cast_dates(cells)
        days = _days(answer.values)
        if days is None:
            return answer
        present = valid_mask(answer.values)
        if present is None:
            low, high = int(days.min()), int(days.max())
            if low >= max(within[0], _JALALI_END) and high <= within[1]:
                return answer
        doubtful = (
            (days < max(within[0], _DAY_FIRST))
            | (days > within[1])
            | ((days >= _JALALI_FIRST) & (days < _JALALI_END))
        )
        if present is not None:
            doubtful &= present
        return Answer(answer.values, both(answer.unsure, any_of(doubtful)))

    return read


def _cast_dates(cells: pa.StringArray) -> Answer:
    valid = valid_mask(cells)
    sizes = lengths(cells)
    tens = (
        bool((sizes == 10).all()) if valid is None else bool((sizes[valid] == 10).all())
    )
    # Ten bytes, none above '9', that Arrow can cast are surely digits and two marks:
    # the cast checks the marks, the days of the month and that nothing follows.
    if tens and byte_max(cells) <= 0x39:
        try:
            return Answer(cells.cast(pa.date32()))
        except pa.ArrowInvalid:
            pass
    sure = pc.match_substring_regex(cells, _DATE_FORM)
    picked = pc.if_else(sure, cells, pa.scalar(None, pa.string()))
    present = np.ones(len(cells), bool) if valid is None else valid
    try:
        values = picked.cast(pa.date32())
    except pa.ArrowInvalid:
        values, sure = _cast_real_days(picked)
    return Answer(values, any_of(~as_mask(sure) & present))


def _cast_real_days(cells: pa.StringArray) -> tuple[pa.Array, pa.BooleanArray]:
    """Cast texts of the right form of which some are no real day."""
    # Days up to 28 exist in every month; the few others are left to the reference.
    real = pc.match_substring_regex(cells, r"-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$")
    return pc.if_else(real, cells, pa.scalar(None, pa.string())).cast(pa.date32()), real


def _days(values: pa.Array) -> np.ndarray[Any, np.dtype[np.int32]] | None:
    """Return the days since 1970 of date32 values; None without any."""
    if not len(values) or values.null_count == len(values):
        return None
    return np.frombuffer(values.buffers()[1], np.int32, len(values), values.offset * 4)


def _bounds(field: FieldPlan) -> tuple[int, int]:
    """Return the first and last day, since 1970, within the bounds."""
    least, greatest = -(2**31), 2**31 - 1
    for key, given in field.bounds.items():
        day = (constraint_value(FieldPlan(field.name, "date"), given) - _EPOCH).days
        if key in ("minimum", "exclusiveMinimum"):
            least = max(least, day + (key == "exclusiveMinimum"))
        else:
            greatest = min(greatest, day - (key == "exclusiveMaximum"))
    return least, greatest


def datetime_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of a datetime column; values are timestamp[us, UTC]."""
    type_ = pa.timestamp("us", "UTC")
    limits = _instants(field.bounds, field)

    def read(cells: pa.StringArray) -> Answer:
        if field.format not in ("default", "any"):
            return all_unsure(cells, type_)
        sure = pc.match_substring_regex(cells, _UTC_FORM)
        picked = pc.if_else(sure, cells, pa.scalar(None, pa.string()))
        try:
            values = picked.cast(type_)
        except pa.ArrowInvalid:
            return all_unsure(cells, type_)
        valid = valid_mask(cells)
        present: Mask = np.ones(len(cells), bool) if valid is None else valid
        doubtful = ~as_mask(sure) & present
        doubtful |= as_mask(pc.less(values, _AFTER_JALALI_YEARS))
        for key, limit in limits.items():
            compare = pc.less if "inimum" in key else pc.greater
            doubtful |= as_mask(compare(values, limit)) | as_mask(
                pc.equal(values, limit)
            )
        return Answer(values, any_of(doubtful))

    return read


def _instants(bounds: Mapping[str, Any], field: FieldPlan) -> dict[str, pa.Scalar]:
    plain = FieldPlan(field.name, "datetime")
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001
    found: dict[str, pa.Scalar] = {}
    for key, given in bounds.items():
        value = constraint_value(plain, given).replace(tzinfo=None)
        micro = (value - epoch) // timedelta(microseconds=1)
        found[key] = pa.scalar(micro, pa.int64()).cast(pa.timestamp("us", "UTC"))
    return found


__all__ = ["date_kernel", "datetime_kernel"]
