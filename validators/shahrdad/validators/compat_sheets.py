"""Workbooks in compat mode: the rows that frictionless would get from openpyxl.

A cell of a sheet may be a number, a boolean or a date, and frictionless' fields judge
it as that. A text is given to the kernels as it is. A number stands for its own text
where the field reads both alike: that of an integer or number, written as Python writes
it. Every other value is a *mark*, a text that begins with NUL, which XML cannot hold;
the oracle is asked about what it stands for. Dates are asked of openpyxl itself.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from frictionless.formats.excel import ExcelControl
from frictionless.resources import TableResource

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.compat_reading import FallbackError, Reading
from shahrdad.validators.kernels.cells import as_mask, mask_array
from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.oracle import MARK
from shahrdad.validators.sheets import cells as sheet_cells
from shahrdad.validators.sheets import scan as sheet_scan
from shahrdad.validators.sheets import table as sheet_table
from shahrdad.validators.sheets.cells import Cells, NotPlainError, Stored
from shahrdad.validators.sheets.samples import Samples
from shahrdad.validators.sheets.scan import SheetInfo, WorkbookFacts
from shahrdad.validators.source import Source
from shahrdad.validators.tokenize import RaggedRow, TokenBatch

_NUMBER, _BOOLEAN, _DATED = "n", "b", "d"
_STYLE_PROBE: Final = "45000.5"
EMPTY_COLUMNS_MAX = 1_000  # that an extent alone may name, beside those with cells
_EMPTY_ROWS_MAX = 100_000  # between two rows that the sheet mentions
# The texts of numbers that Python writes back letter by letter.
_INTEGER: Final = r"^(?:0|-?[1-9][0-9]{0,17})$"
_DECIMAL: Final = r"^-?(?:0|[1-9][0-9]{0,8})\.(?:[0-9]{0,3}[1-9]|0)$"
_DIMENSION: Final = re.compile(
    rb'<dimension ref="([A-Z]{1,3})([0-9]{1,7})(?::([A-Z]{1,3})([0-9]{1,7}))?"\s*/>'
)
_USUAL_ROOT: Final = re.compile(
    rb'<worksheet(?: [^>]*)? xmlns="'
    rb'http://schemas\.openxmlformats\.org/spreadsheetml/2006/main"'
)
_UNUSUAL: Final = ("fillMergedCells", "preserveFormatting", "workbookCache",
                   "adjustFloatingPointError", "stringified")  # fmt: skip

Codes = npt.NDArray[np.uint8]


def cast_number(text: str) -> float:
    """Return a number as openpyxl reads it."""
    return float(text) if any(mark in text for mark in ".eE") else int(text)


@dataclass(slots=True)
class SheetBatch(TokenBatch):
    """Consecutive rows of a sheet.

    Attributes:
        numbers: For each column, which cells hold a number that stands for itself.
        reading: What marks stand for.
    """

    numbers: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    reading: "SheetReading | None" = None

    def value(self, place: int, index: int) -> Any:
        """Return the value of a cell as openpyxl gives it."""
        text = self.columns[place][index].as_py()
        if text is not None and self.numbers[place][index]:
            return cast_number(text)
        if self.reading is not None and text is not None and text.startswith(MARK):
            return self.reading.decode(text)
        return text


@dataclass(frozen=True, slots=True)
class _Extent:
    """What the sheet says of itself: the last column and row; None without a word."""

    columns: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class OpenedWorkbook:
    """A workbook within the bounds, before frictionless opens it."""

    source: Source
    facts: WorkbookFacts

    @classmethod
    def of(cls, resource: TableResource) -> "OpenedWorkbook":
        """Inflate every part once, counted.

        Raises:
            FallbackError: It is no workbook that is understood here.
            DataError: SOURCE_INFLATES, SOURCE_TOO_LARGE; openpyxl knows no bounds.
        """
        if resource.normpath is None:
            raise FallbackError("format:xlsx")
        try:
            source = Source.of(Path(resource.normpath), hashed=False)
            return cls(source, sheet_scan.scan_workbook(source))
        except DataError as error:
            if error.reason in (Reason.SOURCE_INFLATES, Reason.SOURCE_TOO_LARGE):
                raise
            raise FallbackError("format:xlsx") from error
        except OSError as error:
            raise FallbackError("format:xlsx") from error


class SheetReading(Reading):
    """The rows of an opened XLSX resource.

    Args:
        resource: Opened once, so that its header is known.
        workbook: What its parts say of themselves.
    """

    def __init__(self, resource: TableResource, workbook: "OpenedWorkbook") -> None:
        self.resource = resource
        control = ExcelControl.from_dialect(resource.dialect)
        if any(control.to_descriptor().get(name) for name in _UNUSUAL):
            raise FallbackError("format:xlsx")
        self._lay_out()
        self.exact = True  # a row without cells is known to be one
        self._fields = resource.header.get_expected_fields()
        self._values: dict[str, Any] = {}
        self._dated: dict[int, bool] = {}
        self._shared: pa.StringArray | None = None
        self._workbook = workbook
        self._sheets = workbook.facts.sheets
        self._info = _sheet_of(self._sheets, control.sheet)

    def again(self) -> "SheetReading":
        """Return another reading of the same rows."""
        return SheetReading(self.resource, self._workbook)

    def raw(self) -> BinaryIO:
        """Open the bytes as they came."""
        return self._workbook.source.open()

    def has_blank_line(self) -> bool:
        """A sheet has no lines."""
        return False

    def decode(self, mark: str) -> Any:
        """Return what a mark stands for."""
        return self._values[mark]

    def batches(self) -> Iterator[TokenBatch]:
        """Yield the content rows."""
        try:
            yield from self._batches()
        except (NotPlainError, DataError) as error:
            raise FallbackError("format:xlsx") from error

    def _batches(self) -> Iterator[TokenBatch]:
        source, limits = self._workbook.source, DEFAULT
        with source.open() as stream, sheet_scan.archive_of(source, stream) as archive:
            self._archive = archive
            self._samples = Samples(archive, self._info.name, self._info.part, _values)
            if not {one.part for one in self._sheets} <= set(archive.namelist()):
                raise FallbackError("format:xlsx")
            extent, first, last = _Extent(), 1, 0
            for is_rows, block in sheet_table.blocks(
                source, archive, self._info, limits
            ):
                if not is_rows:
                    extent = _extent(block) if first == 1 else extent
                    continue
                cells = sheet_cells.cut(block)
                sheet_table.check_rising(cells, last)
                _check_gaps(cells, last)
                last = int(cells.row_numbers[-1])
                if extent.rows is not None:
                    last = min(last, extent.rows)
                start = max(first, self.skip + 1)
                if start <= last:
                    yield self._batch(cells, start, last, extent)
                first = last + 1
                if extent.rows is not None and last >= extent.rows:
                    return

    def _batch(
        self, cells: Cells, first: int, last: int, extent: _Extent
    ) -> SheetBatch:
        """Lay rows out as the oracle's columns."""
        named = int(cells.columns.max(initial=0))
        if extent.columns is not None and extent.columns > named + EMPTY_COLUMNS_MAX:
            raise FallbackError("sheet-extent")
        texts, codes = self._texts(cells)
        count = last - first + 1
        inside = (cells.rows >= first) & (cells.rows <= last)
        widths = _widths(cells, first, count, extent)
        if extent.columns is not None:
            inside &= cells.columns <= extent.columns
        batch = SheetBatch(first, [], (), [], self)
        with_none = pa.concat_arrays([texts, pa.nulls(1, pa.string())])
        for place in range(self.width):
            chosen = np.flatnonzero(inside & (cells.columns == place + 1))
            picks = np.full(count, len(texts))
            picks[cells.rows[chosen] - first] = chosen
            kinds = np.full(count, Stored.EMPTY, np.uint8)
            kinds[cells.rows[chosen] - first] = codes[chosen]
            column, numbers = self._column(
                place, with_none.take(pa.array(picks)), kinds,
                cells.styles[np.minimum(picks, len(cells.styles) - 1)]
                if len(cells.styles) else picks,
            )  # fmt: skip
            batch.columns.append(column)
            batch.numbers.append(numbers)
        odd = np.flatnonzero(widths != self.width)
        if len(odd):
            batch.ragged = tuple(
                self._ragged(cells, texts, codes, int(at), first, int(widths[at]))
                for at in odd
            )
        return batch

    def _texts(self, cells: Cells) -> tuple[pa.StringArray, Codes]:
        """Return each cell as text, null where openpyxl has None, and its `Stored`."""
        texts, codes = cells.texts, cells.stored.copy()
        mask = codes == Stored.SHARED
        if mask.any():
            if self._shared is None:
                self._shared = self._shared_strings()
            strings = sheet_table.taken(self._shared, texts.filter(mask_array(mask)))
            texts = pc.replace_with_mask(texts, mask_array(mask), strings)
            codes[mask] = Stored.TEXT
        codes[codes == Stored.ERROR] = Stored.TEXT
        empty = (
            as_mask(pc.equal(texts, "")) & ~cells.inline & (cells.stored == Stored.TEXT)
        )
        codes[empty] = Stored.EMPTY
        none = codes == Stored.EMPTY
        if none.any():
            texts = pc.if_else(mask_array(none), pa.scalar(None, pa.string()), texts)
        return texts, codes

    def _shared_strings(self) -> pa.StringArray:
        with self._archive.open("[Content_Types].xml") as part:
            types = part.read(1 << 20)
        if b'PartName="/xl/sharedStrings.xml"' not in types:
            raise NotPlainError("shared strings in another part")
        found = sheet_table.shared_strings(
            self._workbook.source, self._archive, DEFAULT, trimmed=False
        )
        # openpyxl takes these letters out of shared strings.
        if pc.any(pc.match_substring(found, "x005F_")).as_py():
            raise NotPlainError("a character that XML forbids")
        return found

    def _column(
        self, place: int, texts: pa.StringArray, codes: Codes, styles: Any
    ) -> tuple[pa.StringArray, npt.NDArray[np.bool_]]:
        """Return a column for the kernels, and which cells are their own numbers."""
        numbers = codes == Stored.NUMBER
        typed = numbers | (codes == Stored.BOOLEAN)
        if not typed.any():
            return texts, typed
        dated = numbers & self._is_dated(styles, numbers)
        plain = numbers & ~dated & self._is_own_text(place, texts)
        marked = np.flatnonzero(typed & ~plain)
        if not len(marked):
            return texts, plain
        marks = [
            self._mark(code, style, is_dated, text)
            for code, style, is_dated, text in zip(
                codes[marked].tolist(),
                styles[marked].tolist(),
                dated[marked].tolist(),
                texts.take(pa.array(marked)).to_pylist(),
                strict=True,
            )
        ]
        mask = np.zeros(len(texts), bool)
        mask[marked] = True
        found = pc.replace_with_mask(
            texts, mask_array(mask), pa.array(marks, pa.string())
        )
        return found, plain

    def _is_dated(self, styles: Any, numbers: Any) -> npt.NDArray[np.bool_]:
        """Tell which numbers are dates to openpyxl, by their style."""
        present = np.unique(styles[numbers]).tolist()
        asked = [style for style in present if style not in self._dated]
        values = self._samples.values([(style, _STYLE_PROBE) for style in asked])
        for style, value in zip(asked, values, strict=True):
            self._dated[style] = type(value) is not float
        return np.isin(styles, [style for style in present if self._dated[style]])

    def _is_own_text(self, place: int, texts: pa.StringArray) -> Any:
        """Tell which numbers the field reads as it reads their texts."""
        known: Any = self._fields[place]
        if known.type not in ("integer", "number"):
            return np.zeros(len(texts), bool)
        if known.type == "number" and (
            known.group_char or known.decimal_char != "." or known.float_number
        ):
            return np.zeros(len(texts), bool)
        found = as_mask(pc.match_substring_regex(texts, _INTEGER))
        if known.type == "number":
            found |= as_mask(pc.match_substring_regex(texts, _DECIMAL))
        return found

    def _mark(self, code: int, style: int, dated: bool, text: str) -> str:
        """Return the mark of a value, and remember what it stands for."""
        kind = _DATED if dated else _BOOLEAN if code == Stored.BOOLEAN else _NUMBER
        mark = f"{MARK}{kind}{style if dated else ''}:{text}"
        if mark not in self._values:
            self._values[mark] = self._value(kind, style, text)
        return mark

    def _value(self, kind: str, style: int, text: str) -> Any:
        if kind == _DATED:
            [value] = self._samples.values([(style, text)])
            return value
        if kind == _BOOLEAN:
            if text not in ("0", "1"):
                raise NotPlainError("a boolean")
            return text == "1"
        try:
            return cast_number(text)
        except ValueError as error:
            raise NotPlainError("a number that is none") from error

    def _ragged(
        self, cells: Cells, texts: pa.StringArray, codes: Codes, at: int, first: int,
        width: int,
    ) -> RaggedRow:  # fmt: skip
        """Return a row that is not as wide as the header, as values."""
        found: list[Any] = [None] * width
        chosen = np.flatnonzero((cells.rows == first + at) & (cells.columns <= width))
        for place in chosen.tolist():
            text, style = texts[place].as_py(), int(cells.styles[place])
            code = int(codes[place])
            if code in (Stored.NUMBER, Stored.BOOLEAN):
                alone = np.array([style])
                number = np.array([code == Stored.NUMBER])
                dated = bool(number[0] and self._is_dated(alone, number)[0])
                text = self._values[self._mark(code, style, dated, text)]
            found[int(cells.columns[place]) - 1] = text
        return RaggedRow(at, tuple(found))


def _values(stream: BinaryIO, name: str) -> Iterator[Any]:
    """Yield the first cell of each row of a sheet, as openpyxl gives it."""
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles, and dates that are none
        workbook = openpyxl.load_workbook(
            stream, read_only=True, data_only=True, keep_links=False
        )
        yield from [row[0].value for row in workbook[name].iter_rows()]


def _sheet_of(sheets: tuple[SheetInfo, ...], wanted: str | int) -> SheetInfo:
    """Return the sheet that frictionless takes."""
    if not all(one.part.startswith("xl/worksheets/") for one in sheets):
        raise FallbackError("format:xlsx")  # a chart counts for nobody but openpyxl
    for number, one in enumerate(sheets, start=1):
        if wanted in (one.name, number):
            return one
    raise FallbackError("format:xlsx")


def _extent(head: bytes) -> _Extent:
    """Return the extent that a sheet declares, by which openpyxl goes."""
    if _USUAL_ROOT.search(head) is None:
        raise NotPlainError("another namespace")
    found = _DIMENSION.search(head)
    if found is None:
        if b"dimension" in head:
            raise NotPlainError("an extent")
        return _Extent()
    column, row = (found[3] or found[1]), (found[4] or found[2])
    return _Extent(sheet_scan.column_number(column), int(row))


def _check_gaps(cells: Cells, above: int) -> None:
    """Leave sheets alone whose rows are mostly missing."""
    steps = np.diff(cells.row_numbers, prepend=above)
    if int(steps.max(initial=0)) > _EMPTY_ROWS_MAX:
        raise FallbackError("sheet-extent")


def _widths(
    cells: Cells, first: int, count: int, extent: _Extent
) -> npt.NDArray[np.int64]:
    """Return how many cells openpyxl gives of each row."""
    if extent.columns is not None:
        return np.full(count, extent.columns, np.int64)
    widths = np.zeros(count, np.int64)
    inside = (cells.rows >= first) & (cells.rows < first + count)
    widths[cells.rows[inside] - first] = cells.columns[inside]  # the last one stays
    return widths


__all__ = ["OpenedWorkbook", "SheetBatch", "SheetReading", "cast_number"]
