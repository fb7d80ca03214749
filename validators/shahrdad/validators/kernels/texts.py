"""String, boolean and list columns, and every type whose value is its text."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.answers import Answer, Kernel, all_unsure, any_of, both
from shahrdad.validators.kernels.cells import Mask, as_mask, lengths, valid_mask
from shahrdad.validators.kernels.shapes import shape_of
from shahrdad.validators.plan import FieldPlan

_FORMS = {
    "uuid": r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    "uri": (
        r"^https?://[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
        r"(:[0-9]{1,4})?(/[A-Za-z0-9._~-]*)*$"
    ),
    "email": (
        r"^[a-z0-9]+([._-][a-z0-9]+)*@([a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\.)+[a-z]{2,10}$"
    ),
}
_TEXT_FORMS = {
    "yearmonth": r"^[0-9]{4}-(0[1-9]|1[0-2])$",
    "time": r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$",
}


def string_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of a string column; values are the cells themselves."""
    if field.type == "string" and field.format not in ("default", *_FORMS):
        return lambda cells: _only_unsure(cells)
    form = _FORMS.get(field.format) if field.type == "string" else None
    pattern = None if field.pattern is None else f"^(?:{field.pattern})$"
    shape = None if field.pattern is None else shape_of(field.pattern)
    allowed = field.enum if field.enum is not None else field.categories
    value_set = (
        None if allowed is None else pa.array([str(v) for v in allowed], pa.string())
    )

    def read(cells: pa.StringArray) -> Answer:
        unsure = _lengths_unsure(cells, field)
        if form is not None:
            unsure = both(unsure, _unmatched(cells, form))
        if pattern is not None and not (shape is not None and shape.all_match(cells)):
            unsure = both(unsure, _unmatched(cells, pattern))
        if value_set is not None:
            unsure = both(unsure, _not_in(cells, value_set))
        return Answer(cells, unsure)

    return read


def text_form_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of a type that has a form and is stored as its text."""
    form = _TEXT_FORMS.get(field.type)
    if (
        form is None
        or field.bounds
        or field.enum
        or field.categories
        or field.format != "default"
    ):
        return _only_unsure
    regex = form
    return lambda cells: Answer(cells, _unmatched(cells, regex))


def _only_unsure(cells: pa.StringArray) -> Answer:
    """Leave every cell to the reference; its value is its text."""
    return Answer(cells, all_unsure(cells, pa.string()).unsure)


def boolean_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of a boolean column."""
    texts = pa.array([*field.true_values, *field.false_values], pa.string())
    trues = len(field.true_values)

    def read(cells: pa.StringArray) -> Answer:
        places = pc.index_in(cells, value_set=texts)
        values = pc.less(places, trues)
        if places.null_count == cells.null_count:
            return Answer(values)
        found = as_mask(places.is_valid())
        return Answer(values, any_of(~found & as_mask(cells.is_valid())))

    return read


def list_kernel(field: FieldPlan) -> Kernel:
    """Return the kernel of a list column; values are list<string>."""
    type_ = pa.list_(pa.string())
    sure = field.item_type == "string" and field.enum is None
    sure = sure and field.min_length is None and field.max_length is None

    def read(cells: pa.StringArray) -> Answer:
        if not sure:
            return all_unsure(cells, type_)
        return Answer(pc.split_pattern(cells, field.delimiter).cast(type_))

    return read


def _lengths_unsure(cells: pa.StringArray, field: FieldPlan) -> Mask | None:
    """Return the cells whose number of characters is not surely within its bounds."""
    if field.min_length is None and field.max_length is None:
        return None
    sizes = lengths(cells)
    least, most = field.min_length or 0, field.max_length
    # A character has 1 to 4 bytes, so bytes decide most cells without decoding.
    surely = sizes >= least * 4
    if most is not None:
        surely &= sizes <= most
    if surely.all():
        return None
    counts = pc.utf8_length(cells)
    doubtful = as_mask(pc.less(counts, least))
    if most is not None:
        doubtful |= as_mask(pc.greater(counts, most))
    return any_of(doubtful)


def _unmatched(cells: pa.StringArray, regex: str) -> Mask | None:
    matched = pc.match_substring_regex(cells, regex)
    if matched.true_count == len(cells) - cells.null_count:
        return None
    return any_of(~as_mask(matched) & _present(cells))


def _not_in(cells: pa.StringArray, value_set: pa.Array) -> Mask | None:
    found = pc.is_in(cells, value_set=value_set)
    if found.true_count == len(cells) - cells.null_count:
        return None
    return any_of(~as_mask(found) & _present(cells))


def _present(cells: pa.StringArray) -> Mask:
    valid = valid_mask(cells)
    return np.ones(len(cells), bool) if valid is None else valid


__all__ = ["boolean_kernel", "list_kernel", "string_kernel", "text_form_kernel"]
