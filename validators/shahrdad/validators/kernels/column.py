"""Reads one column: kernels where they are sure, the reference elsewhere.

A text that the kernel is not sure of goes to the reference once: a bounded cache keeps
the answers. So the result never depends on what a kernel can or cannot do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.answers import Answer, Kernel, all_unsure
from shahrdad.validators.kernels.cells import mask_array, missing_mask, with_nulls
from shahrdad.validators.kernels.dates import date_kernel, datetime_kernel
from shahrdad.validators.kernels.numbers import (
    integer_kernel,
    number_kernel,
    year_kernel,
)
from shahrdad.validators.kernels.texts import (
    boolean_kernel,
    list_kernel,
    string_kernel,
    text_form_kernel,
)
from shahrdad.validators.plan import FieldPlan
from shahrdad.validators.reference import Reading, reader

CACHE_TEXTS_MAX = 200_000  # answers kept for a column
FINE = 0  # the verdict of a cell without anything wrong

Verdicts = npt.NDArray[np.int16]

_TYPES: dict[str, tuple[pa.DataType, Callable[[FieldPlan], Kernel]]] = {
    "integer": (pa.int64(), integer_kernel),
    "year": (pa.int64(), year_kernel),
    "number": (pa.float64(), number_kernel),
    "boolean": (pa.bool_(), boolean_kernel),
    "date": (pa.date32(), date_kernel),
    "datetime": (pa.timestamp("us", "UTC"), datetime_kernel),
    "list": (pa.list_(pa.string()), list_kernel),
    "string": (pa.string(), string_kernel),
    "any": (pa.string(), string_kernel),
}


def arrow_type(field: FieldPlan) -> pa.DataType:
    """Return the Arrow type of a field's values (`storage.md` 4.3)."""
    return _TYPES[field.type][0] if field.type in _TYPES else pa.string()


def kernel_of(field: FieldPlan) -> Kernel:
    """Return the kernel of a field; one without choices that it cannot judge."""
    choices = field.enum is not None or field.categories is not None
    if field.json_schema is not None or (
        choices and field.type not in ("string", "any")
    ):
        if field.type in ("integer", "year"):
            return _with_choices(field)
        return lambda cells: all_unsure(cells, arrow_type(field))
    if field.type in _TYPES:
        return _TYPES[field.type][1](field)
    return text_form_kernel(field)


def _with_choices(field: FieldPlan) -> Kernel:
    """Return the kernel of whole numbers of which only some are allowed."""
    inner = _TYPES[field.type][1](field)
    given = field.enum if field.enum is not None else field.categories
    allowed = pa.array(sorted({int(value) for value in given or ()}), pa.int64())

    def read(cells: pa.StringArray) -> Answer:
        answer = inner(cells)
        found = pc.is_in(answer.values, value_set=allowed)
        if found.true_count == len(cells) - cells.null_count:
            return answer
        return all_unsure(cells, pa.int64())

    return read


@dataclass(frozen=True, slots=True)
class Column:
    """A column that was read.

    Attributes:
        values: n typed values, null where there is none or the cell is wrong.
        verdicts: n numbers into `ColumnReader.codes`, or None when all are fine.
        missing: Which cells hold no value, or None for none of them.
    """

    values: pa.Array
    verdicts: Verdicts | None
    missing: npt.NDArray[np.bool_] | None


class ColumnReader:
    """Reads the cells of one field.

    Attributes:
        codes: What a verdict means: a tuple of codes; that of `FINE` is empty.
    """

    def __init__(self, field: FieldPlan, *, kernels: bool = True) -> None:
        self.field = field
        self.type = arrow_type(field)
        self.codes: list[tuple[str, ...]] = [()]
        self._numbers: dict[tuple[str, ...], int] = {(): FINE}
        self._matched = False
        self._read = reader(
            field, None if field.pattern is None else lambda _: self._matched
        )
        self._regex = None if field.pattern is None else f"^(?:{field.pattern})$"
        self._cache: dict[str, tuple[Any, int]] = {}
        self._kernel = (
            kernel_of(field) if kernels else lambda cells: all_unsure(cells, self.type)
        )
        absent = self._read(None)
        self._absent = self._number(absent.codes)

    def _number(self, codes: tuple[str, ...]) -> int:
        if codes not in self._numbers:
            self._numbers[codes] = len(self.codes)
            self.codes.append(codes)
        return self._numbers[codes]

    def read(self, cells: pa.StringArray) -> Column:
        """Read n cells; a null cell has no value."""
        missing = missing_mask(cells, self.field.missing)
        if missing is not None:
            cells = with_nulls(cells, missing)
        answer = self._kernel(cells)
        verdicts: Verdicts | None = None
        if missing is not None and self._absent != FINE:
            verdicts = np.where(missing, np.int16(self._absent), np.int16(FINE))
        if answer.unsure is None:
            return Column(answer.values, verdicts, missing)
        values, found = self._ask(cells, answer)
        if found is not None:
            verdicts = found if verdicts is None else verdicts + found
        return Column(values, verdicts, missing)

    def _ask(
        self, cells: pa.StringArray, answer: Answer
    ) -> tuple[pa.Array, Verdicts | None]:
        """Ask the reference about the cells that the kernel is not sure of."""
        chosen = answer.unsure
        if chosen is None:
            return answer.values, None
        unsure = mask_array(chosen)
        distinct = cells.filter(unsure).dictionary_encode()
        readings = self._readings(distinct.dictionary)
        numbers = np.array([number for _, number in readings], np.int16)
        indices = distinct.indices.to_numpy(zero_copy_only=False)
        verdicts = None
        if numbers.any():
            verdicts = np.zeros(len(cells), np.int16)
            verdicts[chosen] = numbers[indices]
        if self.type == pa.string():
            texts = distinct.dictionary
            if numbers.any():
                texts = with_nulls(texts, numbers != FINE)
            picked = texts.take(distinct.indices)
        else:
            typed = [self._storable(value) for value, _ in readings]
            picked = pa.array(typed, self.type).take(distinct.indices)
        if self.type == pa.list_(pa.string()):
            return _replace(answer.values, unsure, picked), verdicts
        return pc.replace_with_mask(answer.values, unsure, picked), verdicts

    def _readings(self, texts: pa.StringArray) -> list[tuple[Any, int]]:
        """Return value and verdict of distinct texts."""
        matched: list[bool] | None = None
        if self._regex is not None:
            # RE2 judges patterns: in a foreign schema, Python's `re` might never end.
            matched = pc.match_substring_regex(texts, self._regex).to_pylist()
        found: list[tuple[Any, int]] = []
        cache = self._cache
        for place, text in enumerate(texts.to_pylist()):
            known = cache.get(text)
            if known is None:
                self._matched = matched is None or matched[place]
                reading: Reading = self._read(text)
                value = None if reading.codes else reading.value
                known = (value, self._number(reading.codes))
                if len(cache) < CACHE_TEXTS_MAX:
                    cache[text] = known
            found.append(known)
        return found

    def _storable(self, value: Any) -> Any:
        """Return an oracle's value as Arrow takes it."""
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, list):
            return [item if isinstance(item, str) else _text(item) for item in value]
        return value


def _text(item: Any) -> str:
    """Return an item of a list as text."""
    if isinstance(item, bool):
        return "true" if item else "false"
    return item.isoformat() if isinstance(item, date | datetime) else str(item)


def _replace(values: pa.Array, mask: pa.BooleanArray, picked: pa.Array) -> pa.Array:
    """Return values with the masked ones replaced, where Arrow cannot do it."""
    places = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
    order = np.arange(len(values))
    order[places] = len(values) + np.arange(len(picked))
    return pa.concat_arrays([values, picked]).take(pa.array(order))


__all__ = ["FINE", "Column", "ColumnReader", "Verdicts", "arrow_type", "kernel_of"]
