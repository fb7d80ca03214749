"""Integer, number and year columns.

"All bytes up to '9'" is what makes an Arrow cast trustworthy: it leaves out hexadecimal
digits, exponents, nan, inf, underscores and every digit that is not ASCII.
"""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.answers import Answer, Kernel, all_unsure, any_of, both
from shahrdad.validators.kernels.cells import (
    Mask,
    as_mask,
    byte_max,
    data,
    lengths,
    mask_array,
    offsets,
    valid_mask,
)
from shahrdad.validators.plan import FieldPlan
from shahrdad.validators.reference import INTEGER_MAX, INTEGER_MIN, constraint_value

_NINE = 0x39
_INTEGER = r"^-?[0-9]{1,18}$"
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$"
_YEAR = r"^[0-9]{4}$"
_BARE_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"  # nothing at its edges that would be taken off


def integer_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of an integer column; values are int64."""
    outside = _integer_bounds(field)

    def read(cells: pa.StringArray) -> Answer:
        answer = _cast(cells, pa.int64(), _INTEGER, field.bare_number)
        return _bounded(answer, outside)

    return read


def year_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of a year column; values are int64."""
    outside = _integer_bounds(field)

    def read(cells: pa.StringArray) -> Answer:
        return _bounded(_cast(cells, pa.int64(), _YEAR, False), outside)

    return read


def number_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of a number column; values are float64."""
    outside = _number_bounds(field, inclusive=False)
    outside_short = _number_bounds(field, inclusive=True)
    plain = field.bare_number and field.decimal_char == "."
    form = _NUMBER if field.bare_number else _BARE_NUMBER

    def read(cells: pa.StringArray) -> Answer:
        if field.group_char:
            cells = without(cells, field.group_char)
        if field.decimal_char != ".":
            cells = _with_point(cells, field.decimal_char)
        sizes = lengths(cells)
        short = len(sizes) > 0 and int(sizes.max()) <= EXACT_BYTES_MAX
        return _bounded(
            _cast(cells, pa.float64(), form, plain), outside_short if short else outside
        )

    return read


def without(cells: pa.StringArray, mark: str) -> pa.StringArray:
    """Return the cells without a mark, by moving bytes where the mark is one byte."""
    code = mark.encode()
    content = data(cells)
    if len(code) != 1:
        return pc.replace_substring(cells, mark, "")
    keep = content != code[0]
    if keep.all():
        return cells
    starts = offsets(cells)
    kept_before = np.concatenate(([0], np.cumsum(keep, dtype=np.int32)))
    moved = kept_before[starts - starts[0]].astype(np.int32)
    valid = valid_mask(cells)
    bits = None if valid is None else mask_array(valid).buffers()[1]
    return pa.StringArray.from_buffers(
        len(cells),
        pa.py_buffer(moved.tobytes()),
        pa.py_buffer(content[keep].tobytes()),
        bits,
    )


def _with_point(cells: pa.StringArray, mark: str) -> pa.StringArray:
    """Return the cells with a decimal point; one that has a point already is spoilt."""
    spoilt = pc.replace_substring(cells, ".", "x")
    return pc.replace_substring(spoilt, mark, ".")


def _cast(cells: pa.StringArray, type_: pa.DataType, form: str, whole: bool) -> Answer:
    """Cast a column at once where that is trustworthy, else by its form."""
    if whole and byte_max(cells) <= _NINE:
        try:
            return Answer(cells.cast(type_))
        except pa.ArrowInvalid:
            pass
    sure = pc.match_substring_regex(cells, form)
    if sure.true_count == len(cells):
        picked = cells
        unsure = None
    else:
        picked = pc.if_else(sure, cells, pa.scalar(None, pa.string()))
        unsure = any_of(~as_mask(sure) & _present(cells))
    try:
        return Answer(picked.cast(type_), unsure)
    except pa.ArrowInvalid:
        return all_unsure(cells, type_)


def _present(cells: pa.StringArray) -> Mask:
    valid = valid_mask(cells)
    return np.ones(len(cells), bool) if valid is None else valid


Bounds = tuple[Any, Any]


def _integer_bounds(field: FieldPlan) -> Bounds:
    """Return the least and the greatest value that are surely within the bounds."""
    least, greatest = INTEGER_MIN, INTEGER_MAX
    for key, given in field.bounds.items():
        bound = int(constraint_value(FieldPlan(field.name, field.type), given))
        if key in ("minimum", "exclusiveMinimum"):
            least = max(least, bound + (key == "exclusiveMinimum"))
        else:
            greatest = min(greatest, bound - (key == "exclusiveMaximum"))
    return least, greatest


EXACT_BYTES_MAX = 15  # a decimal of at most 15 digits has a float of its own


def _number_bounds(field: FieldPlan, *, inclusive: bool) -> Bounds:
    """Return the least and the greatest float that is surely within the bounds.

    Rounding is monotonic, so a float strictly within the rounded bound is surely within
    the bound. An equal one is sure only where the texts are so short that no two
    decimals share a float; else it is left to the reference, per distinct text.
    """
    least, greatest = -np.inf, np.inf
    for key, given in field.bounds.items():
        value = Decimal(constraint_value(FieldPlan(field.name, field.type), given))
        bound = float(value)
        sure = inclusive and len(str(value)) <= EXACT_BYTES_MAX and "clusive" not in key
        if key in ("minimum", "exclusiveMinimum"):
            least = max(least, bound if sure else float(np.nextafter(bound, np.inf)))
        else:
            greatest = min(
                greatest, bound if sure else float(np.nextafter(bound, -np.inf))
            )
    return least, greatest


def _bounded(answer: Answer, bounds: Bounds) -> Answer:
    """Leave what is outside the bounds, NaN included, to the reference."""
    least, greatest = bounds
    values = answer.values
    if len(values) == values.null_count:
        return answer
    if isinstance(least, int):
        if least == INTEGER_MIN and greatest == INTEGER_MAX:
            return answer
        if least > greatest:
            return all_unsure_of(answer)
    elif least == -np.inf and greatest == np.inf:
        return answer
    found = pc.min_max(values).as_py()
    if found["min"] >= least and found["max"] <= greatest:
        return answer
    inside = pc.and_(pc.greater_equal(values, least), pc.less_equal(values, greatest))
    outside = ~as_mask(inside) & _valid_or_all(values)
    return Answer(values, both(answer.unsure, any_of(outside)))


def _valid_or_all(values: pa.Array) -> Mask:
    valid = valid_mask(values)
    return np.ones(len(values), bool) if valid is None else valid


def all_unsure_of(answer: Answer) -> Answer:
    """Return the answer with every value left to the reference."""
    return Answer(
        answer.values, both(answer.unsure, any_of(_valid_or_all(answer.values)))
    )


__all__ = ["integer_kernel", "number_kernel", "without", "year_kernel"]
