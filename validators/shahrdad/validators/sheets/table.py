"""A sheet of an XLSX as columns of text, read in one pass over its bytes.

The bytes are inflated once, counted; cells become texts without an object of their own.
What the pass finds beside the cells is what `sheet_scan` finds. Numbers whose meaning
depends on their style are asked of the reader of sheets, each distinct one once.
"""

import re
import zipfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.cells import Mask, as_mask, lengths, mask_array
from shahrdad.validators.limits import Limits
from shahrdad.validators.sheets import cells as sheet_cells
from shahrdad.validators.sheets import scan as sheet_scan
from shahrdad.validators.sheets import strings as sheet_strings
from shahrdad.validators.sheets.cells import Cells, NotPlainError, Stored
from shahrdad.validators.sheets.samples import Samples
from shahrdad.validators.sheets.scan import (
    COLUMN_BITS,
    SHARED_STRINGS,
    SheetFacts,
    SheetInfo,
    WorkbookFacts,
)
from shahrdad.validators.sheets.values import number_text, text_of
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import CellKind, Kinds, TextBatch

BLOCK_BYTES = 4 << 20
ROW_BYTES_MAX = 64 << 20  # XML of one row, and of all that is not rows
BATCH_ROWS = 65_536
# Fifteen digits at most, as a spreadsheet shows them: such a text is the number's own.
_SHOWN_NUMBER: Final = (
    r"^(?:0|-?[1-9][0-9]{0,13}|-?(?:0|[1-9][0-9]{0,12})\.[0-9]{0,12}[1-9])$"
)
_SHOWN_BYTES_MAX: Final = 16
_STYLE_PROBE: Final = "45000.5"
_ROWS_START: Final = b"<sheetData>"
_ROWS_END: Final = b"</sheetData>"
_HIDDEN: Final = re.compile(rb'\bhidden="(?:1|true)"')


@dataclass(frozen=True, slots=True)
class Part:
    """The cells with a text of some rows.

    Attributes:
        last: The last row that it covers; the part before tells the first.
        rows: Row of each cell, never falling.
        columns: Column of each cell, rising within a row.
        texts: Its text, never empty.
        kinds: `CellKind` of each cell.
    """

    last: int
    rows: sheet_cells.Numbers
    columns: sheet_cells.Numbers
    texts: pa.StringArray
    kinds: Kinds

    def between(self, first: int, last: int) -> "Part":
        """Return the cells of some rows."""
        start, end = np.searchsorted(self.rows, (first, last + 1)).tolist()
        return Part(
            last,
            self.rows[start:end],
            self.columns[start:end],
            self.texts[start:end],
            self.kinds[start:end],
        )


@dataclass(slots=True)
class CutTable:
    """The cells of a sheet, from row 1 to the last one with a text.

    Attributes:
        parts: Its cells.
        rows: The last row with a text.
        columns: The last column with a value.
    """

    parts: list[Part] = field(default_factory=list)
    rows: int = 0
    columns: int = 0

    def head(self, count: int) -> list[list[str]]:
        """Return the first rows as texts."""
        rows = [[""] * self.columns for _ in range(min(count, self.rows))]
        for part in self.parts:
            found = part.between(1, len(rows))
            for row, column, text in zip(
                found.rows.tolist(),
                found.columns.tolist(),
                found.texts.to_pylist(),
                strict=True,
            ):
                rows[row - 1][column - 1] = text
            if part.last >= len(rows):
                break
        return rows

    def column(self, number: int, below: int) -> Iterator[Part]:
        """Yield the cells of one column, from 1, below a row."""
        for part in self.parts:
            if part.last > below:
                chosen = np.flatnonzero((part.columns == number) & (part.rows > below))
                texts = part.texts.take(pa.array(chosen))
                rows, kinds = part.rows[chosen], part.kinds[chosen]
                yield Part(part.last, rows, part.columns[chosen], texts, kinds)

    def batches(self, width: int, start: int) -> Iterator[TextBatch]:
        """Yield the rows from a row on, cut to a number of columns."""
        first = start
        for part in self.parts:
            last = min(part.last, self.rows)
            while first <= last:
                end = min(last, first + BATCH_ROWS - 1)
                yield _batch(part.between(first, end), width, first, end)
                first = end + 1


def _batch(part: Part, width: int, first: int, last: int) -> TextBatch:
    """Lay the cells of some rows out as columns; blank rows are numbered."""
    inside = part.columns <= width
    rows = part.rows[inside]
    numbers = rows[np.append(True, rows[1:] != rows[:-1])] if len(rows) else rows
    blank = np.setdiff1d(np.arange(first, last + 1), numbers, assume_unique=True)
    places = np.searchsorted(numbers, part.rows)
    order = np.argsort(part.columns, kind="stable")
    bounds = np.searchsorted(part.columns[order], np.arange(1, width + 2))
    texts = pa.concat_arrays([part.texts, pa.array([""], pa.string())])
    columns: list[pa.StringArray] = []
    kinds: list[Kinds | None] = []
    for at in range(width):
        chosen = order[bounds[at] : bounds[at + 1]]
        picks = chosen
        if len(chosen) < len(numbers):
            picks = np.full(len(numbers), len(texts) - 1)
            picks[places[chosen]] = chosen
        columns.append(texts.take(pa.array(picks)))
        kind = np.zeros(len(numbers), np.uint8)
        kind[places[chosen]] = part.kinds[chosen]
        kinds.append(kind if kind.any() else None)
    return TextBatch.of(
        numbers, columns, kinds=tuple(kinds), blank=tuple(blank.tolist())
    )


def read(
    source: Source, info: SheetInfo, workbook: WorkbookFacts, limits: Limits
) -> tuple[SheetFacts, CutTable]:
    """Read a sheet in one pass.

    Raises:
        NotPlainError: A slower reader has to read it.
        DataError: SOURCE_INFLATES, SOURCE_UNREADABLE.
    """
    with source.open() as stream, sheet_scan.archive_of(source, stream) as archive:
        reading = _Reading(source, archive, info, workbook, limits)
        return reading.read()


def check_rising(cells: Cells, above: int) -> None:
    """Refuse rows that do not follow the rows above.

    Raises:
        NotPlainError: Their numbers do not rise.
    """
    if int(cells.row_numbers[0]) <= above:
        raise NotPlainError("the order of rows or cells")


def _calamine_values(stream: BinaryIO, name: str) -> Iterator[Any]:
    """Yield the first cell of each row of a sheet, as the reader of sheets gives it."""
    import python_calamine as calamine

    sheet = calamine.CalamineWorkbook.from_filelike(stream).get_sheet_by_name(name)
    return (row[0] for row in sheet.iter_rows())


class _Reading:
    """One pass over a sheet."""

    def __init__(
        self,
        source: Source,
        archive: zipfile.ZipFile,
        info: SheetInfo,
        workbook: WorkbookFacts,
        limits: Limits,
    ) -> None:
        self._source, self._archive, self._info = source, archive, info
        self._workbook, self._limits = workbook, limits
        self._samples = Samples(archive, info.name, info.part, _calamine_values)
        self._shared: pa.StringArray | None = None
        self._dated: dict[int, bool] = {}
        self._numbers: dict[str, str] = {}
        self._facts = SheetFacts()
        self._coloured_left = limits.coloured_cells_max

    def read(self) -> tuple[SheetFacts, CutTable]:
        """Read all rows, then what stands around them."""
        table = CutTable()
        around: list[bytes] = []
        hidden: list[tuple[int, int]] = []
        for is_rows, block in blocks(
            self._source, self._archive, self._info, self._limits
        ):
            if not is_rows:
                around.append(block)
                continue
            cells = sheet_cells.cut(block)
            check_rising(cells, table.parts[-1].last if table.parts else 0)
            self._note(cells)
            hidden += _hidden_rows(cells)
            part = self._part(cells, table)
            if len(part.rows):
                table.rows = int(part.rows[-1])
            table.parts.append(part)
        found = self._facts
        self._look_around(around)
        found.hidden_rows = _joined(hidden)
        return found, table

    def _look_around(self, around: list[bytes]) -> None:
        """Find what is written before and after the rows, as the scan finds it."""
        content = iter(((_ROWS_START + _ROWS_END).join(around), b""))
        rest = sheet_scan.scan_xml(
            self._source, self._workbook, self._limits, lambda _: next(content)
        )
        found = self._facts
        found.hidden_columns, found.merged = rest.hidden_columns, rest.merged
        found.filtered, found.right_to_left = rest.filtered, rest.right_to_left

    def _note(self, cells: Cells) -> None:
        """Note what the report says of single cells."""
        found = self._facts
        valued = cells.stored != Stored.EMPTY
        found.values += int(valued.sum())
        found.columns = max(found.columns, int(cells.columns.max(initial=0)))
        if valued.any():
            found.rows = int(cells.rows[np.flatnonzero(valued)[-1]])
        for at in np.flatnonzero(cells.formulas & ~valued).tolist():
            found.empty_formulas.append((int(cells.rows[at]), int(cells.columns[at])))
        dated = np.isin(cells.styles, list(self._workbook.date_styles))
        dated &= cells.stored == Stored.NUMBER
        if dated.any():
            dated &= as_mask(pc.equal(cells.texts, "60"))
            for at in np.flatnonzero(dated).tolist():
                found.leap_days.append((int(cells.rows[at]), int(cells.columns[at])))
        self._note_colours(cells)

    def _note_colours(self, cells: Cells) -> None:
        """Remember the places of coloured cells with a value."""
        found, colours = self._facts, self._workbook.colours
        if not colours or found.colours_cut:
            return
        chosen = np.flatnonzero(np.isin(cells.styles, list(colours)) & cells.open)
        if len(chosen) > self._coloured_left:
            found.colours_cut = True
            chosen = chosen[: self._coloured_left]
        self._coloured_left -= len(chosen)
        packed = cells.rows[chosen] << COLUMN_BITS | cells.columns[chosen]
        styles = cells.styles[chosen]
        for colour in {colours[style] for style in np.unique(styles).tolist()}:
            same = [style for style, other in colours.items() if other == colour]
            places = found.colours.setdefault(colour, array("Q"))
            places.frombytes(packed[np.isin(styles, same)].astype("<u8").tobytes())

    def _part(self, cells: Cells, table: CutTable) -> Part:
        """Return the texts of some rows as the publisher would read them."""
        texts, kinds = self._texts(cells)
        last = int(cells.row_numbers[-1])
        seen = cells.stored != Stored.EMPTY
        table.columns = max(table.columns, int(cells.columns[seen].max(initial=0)))
        filled = lengths(texts) > 0
        if filled.all():
            return Part(last, cells.rows, cells.columns, texts, kinds)
        return Part(
            last,
            cells.rows[filled],
            cells.columns[filled],
            texts.filter(mask_array(filled)),
            kinds[filled],
        )

    def _texts(self, cells: Cells) -> tuple[pa.StringArray, Kinds]:
        stored, texts = cells.stored, sheet_strings.trim(cells.texts, cells.loose)
        kinds = np.zeros(len(stored), np.uint8)
        kinds[stored == Stored.ERROR] = CellKind.ERROR
        for kind, tell in (
            (Stored.SHARED, self._shared_texts),
            (Stored.BOOLEAN, _boolean_texts),
        ):
            mask = stored == kind
            if mask.any():
                texts = _replaced(texts, mask, tell(texts.filter(mask_array(mask))))
        kinds[stored == Stored.BOOLEAN] = CellKind.BOOLEAN
        numbers = stored == Stored.NUMBER
        if numbers.any():
            texts = self._number_texts(cells, texts, numbers, kinds)
        return texts, kinds

    def _shared_texts(self, numbers: pa.StringArray) -> pa.StringArray:
        """Return the shared strings that cells name by number."""
        if self._shared is None:
            self._shared = shared_strings(self._source, self._archive, self._limits)
        return taken(self._shared, numbers)

    def _number_texts(
        self, cells: Cells, texts: pa.StringArray, numbers: Mask, kinds: Kinds
    ) -> pa.StringArray:
        """Return numbers as a spreadsheet shows them, and those that are dates."""
        kinds[numbers] = CellKind.NUMBER
        styles = np.unique(cells.styles[numbers]).tolist()
        asked = [style for style in styles if style not in self._dated]
        values = self._samples.values([(style, _STYLE_PROBE) for style in asked])
        for style, value in zip(asked, values, strict=True):
            self._dated[style] = type(value) not in (float, int)
        dated = [style for style in styles if self._dated[style]]
        if dated:
            mask = numbers & np.isin(cells.styles, dated)
            texts = self._dates(cells, texts, mask, kinds)
            numbers = numbers & ~mask
        percents = list(self._workbook.percent_styles.intersection(styles))
        if percents:
            kinds[numbers & np.isin(cells.styles, percents)] = CellKind.PERCENT
        chosen = texts.filter(mask_array(numbers))
        shown = as_mask(pc.match_substring_regex(chosen, _SHOWN_NUMBER))
        shown &= lengths(chosen) <= _SHOWN_BYTES_MAX
        if shown.all():
            return texts
        odd = numbers.copy()
        odd[numbers] = ~shown
        distinct = texts.filter(mask_array(odd)).dictionary_encode()
        found = [self._number_text(text) for text in distinct.dictionary.to_pylist()]
        return _replaced(
            texts, odd, pa.array(found, pa.string()).take(distinct.indices)
        )

    def _number_text(self, text: str) -> str:
        if text not in self._numbers:
            self._numbers[text] = number_text(_float(text))
        return self._numbers[text]

    def _dates(
        self, cells: Cells, texts: pa.StringArray, mask: Mask, kinds: Kinds
    ) -> pa.StringArray:
        """Return what the reader of sheets makes of numbers with a style of dates."""
        raw = texts.filter(mask_array(mask)).to_pylist()
        pairs = list(zip(cells.styles[mask].tolist(), raw, strict=True))
        answers = [text_of(value) for value in self._samples.values(pairs)]
        kinds[mask] = [kind for _, kind in answers]
        return _replaced(
            texts, mask, pa.array([text for text, _ in answers], pa.string())
        )


def _float(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise NotPlainError("a number that is none") from error
    if not np.isfinite(value) or "_" in text or text != text.strip():
        raise NotPlainError("a number that is none")
    return value


def _replaced(
    texts: pa.StringArray, mask: Mask, others: pa.StringArray
) -> pa.StringArray:
    if mask.all():
        return others
    return pc.replace_with_mask(texts, mask_array(mask), others)


def _boolean_texts(texts: pa.StringArray) -> pa.StringArray:
    found = as_mask(pc.equal(texts, "1"))
    if not (found | as_mask(pc.equal(texts, "0"))).all():
        raise NotPlainError("a boolean")
    return pa.array(["false", "true"]).take(pa.array(found.astype(np.int64)))


def _hidden_rows(cells: Cells) -> list[tuple[int, int]]:
    """Return the hidden rows, each as a run of one."""
    rests = cells.row_attributes.dictionary.to_pylist()
    hidden = [bool(_HIDDEN.search(rest.encode())) for rest in rests]
    if not any(hidden):
        return []
    chosen = np.array(hidden)[cells.row_attributes.indices.to_numpy()]
    return [(row, row) for row in cells.row_numbers[chosen].tolist()]


def _joined(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join runs that follow each other."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined


def taken(shared: pa.StringArray, numbers: pa.StringArray) -> pa.StringArray:
    """Return shared strings by the texts of their numbers.

    Raises:
        NotPlainError: There is no such string.
    """
    if not as_mask(pc.match_substring_regex(numbers, "^[0-9]{1,9}$")).all():
        raise NotPlainError("the number of a shared string")
    places = numbers.cast(pa.int64())
    if pc.max(places).as_py() >= len(shared):
        raise NotPlainError("the number of a shared string")
    return shared.take(places)


def _info(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(name)
    except KeyError as error:
        raise NotPlainError(f"no {name}") from error


def shared_strings(
    source: Source, archive: zipfile.ZipFile, limits: Limits, *, trimmed: bool = True
) -> pa.StringArray:
    """Return the shared strings of a workbook, as `sheet_strings.shared` does.

    Raises:
        NotPlainError: They are written in an unusual way.
        DataError: SOURCE_INFLATES.
    """
    member = _info(archive, SHARED_STRINGS)
    content = bytearray()
    most = limits.shared_strings_bytes_max
    with sheet_scan.member_of(source, archive, member, most, limits) as stream:
        while block := stream.read(BLOCK_BYTES):
            content += block
    return sheet_strings.shared(bytes(content), trimmed=trimmed)


def blocks(
    source: Source, archive: zipfile.ZipFile, info: SheetInfo, limits: Limits
) -> Iterator[tuple[bool, bytes]]:
    """Yield the XML of a sheet: what is before the rows, whole rows, what is after.

    Yields:
        Whether it is rows, and the bytes.
    """
    member = _info(archive, info.part)
    most = limits.workbook_member_bytes_max
    with sheet_scan.member_of(source, archive, member, most, limits) as stream:
        yield from split_rows(stream.read)


def split_rows(
    read_block: Callable[[int], bytes | None],
) -> Iterator[tuple[bool, bytes]]:
    """Part the XML of a sheet into its head, blocks of whole rows, and its end.

    Raises:
        NotPlainError: It is not laid out as spreadsheets do.
    """
    rest = b""
    while (start := rest.find(_ROWS_START)) < 0:
        block = read_block(BLOCK_BYTES)
        if not block or len(rest) > ROW_BYTES_MAX:
            raise NotPlainError("no rows")
        rest += block
    head = rest[:start]
    sheet_strings.check_head(head)
    yield False, head
    rest = rest[start + len(_ROWS_START) :]
    searched = 0
    while (end := rest.find(_ROWS_END, searched)) < 0:
        cut = max(rest.rfind(b"</row>") + 6, rest.rfind(b"<row "), 6)
        if cut > 6:
            yield True, rest[:cut].strip()
            rest = rest[cut:]
        searched = max(0, len(rest) - len(_ROWS_END))
        block = read_block(BLOCK_BYTES)
        if not block or len(rest) > ROW_BYTES_MAX:
            raise NotPlainError("a row without an end")
        rest += block
    if rows := rest[:end].strip():
        yield True, rows
    rest = rest[end + len(_ROWS_END) :]
    while block := read_block(BLOCK_BYTES):
        rest += block
        if len(rest) > ROW_BYTES_MAX:
            raise NotPlainError("much after the rows")
    if b"<row " in rest or b"<!" in rest:
        raise NotPlainError("rows after the rows")
    yield False, rest


__all__ = [
    "CutTable",
    "Part",
    "blocks",
    "check_rising",
    "read",
    "shared_strings",
    "taken",
]
