"""What the reader of sheets would lose of an XLS: error cells and what is hidden.

An XLS is a compound file whose stream `Workbook` is a row of records: number, length,
content. Only those of error cells, rows and columns are looked at.

Sources: [MS-CFB] 2 (compound file), [MS-XLS] 2.4 (records; 2.4.221 Row, 2.4.53
ColInfo), 2.5.10 (BErr).
"""

import struct
from collections.abc import Iterator
from typing import Final

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.sheets.scan import SheetFacts
from shahrdad.validators.source import Source

ERRORS: Final = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}
_ROW, _COLUMNS, _HIDDEN_ROW, _HIDDEN_COLUMN = 0x0208, 0x007D, 0x20, 0x01
_BOUND_SHEET, _BOOL_ERROR, _FORMULA, _END = 0x0085, 0x0205, 0x0006, 0x000A
_FREE = 0xFFFFFFFA  # sector numbers from here on mean something else
_STREAM_NAMES = ("Workbook", "Book")
_MINI_SECTOR = 64


def scan(source: Source) -> dict[int, SheetFacts]:
    """Return error cells, hidden rows and hidden columns of each sheet.

    Returns:
        By number of the sheet from 0.

    Raises:
        DataError: SOURCE_UNREADABLE; the file is damaged.
    """
    with source.open() as stream:
        content = stream.read()
    try:
        workbook = _Compound(content).stream(_STREAM_NAMES)
        return {
            number: _facts_at(workbook, start)
            for number, start in enumerate(_sheet_starts(workbook))
        }
    except (struct.error, IndexError, ValueError) as error:
        detail = str(error) or type(error).__name__
        raise DataError(
            Reason.SOURCE_UNREADABLE, name=source.label, detail=detail
        ) from error


class _Compound:
    """A compound file: sectors, chained by a table."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        (shift,) = struct.unpack_from("<H", content, 30)
        if shift not in (9, 12):
            raise ValueError(f"a sector of 2^{shift} bytes")
        self._size = 1 << shift
        self._table = self._fat()
        (directory,) = struct.unpack_from("<I", content, 48)
        self._entries = self._chain(directory)

    def _sector(self, number: int) -> bytes:
        start = (number + 1) * self._size
        return self._content[start : start + self._size]

    def _fat(self) -> list[int]:
        """Read the table of chains, whose own sectors the header and a chain list."""
        numbers = list(struct.unpack_from("<109I", self._content, 76))
        (following,) = struct.unpack_from("<I", self._content, 68)
        seen = 0
        while following < _FREE and seen <= len(self._content) // self._size:
            listed = struct.unpack(f"<{self._size // 4}I", self._sector(following))
            numbers += listed[:-1]
            following = listed[-1]
            seen += 1
        table: list[int] = []
        for number in numbers:
            if number < _FREE:
                sector = self._sector(number)
                table += struct.unpack(
                    f"<{len(sector) // 4}I", sector[: len(sector) // 4 * 4]
                )
        return table

    def _chain(self, number: int) -> bytes:
        parts: list[bytes] = []
        while number < _FREE:
            if len(parts) > len(self._table):
                raise ValueError("a chain of sectors without end")
            parts.append(self._sector(number))
            number = self._table[number]
        return b"".join(parts)

    def stream(self, names: tuple[str, ...]) -> bytes:
        """Return the content of the first stream with one of the names."""
        entries = [
            self._entries[at : at + 128]
            for at in range(0, len(self._entries) - 127, 128)
        ]
        root = entries[0]
        for entry in entries:
            (length,) = struct.unpack_from("<H", entry, 64)
            if entry[: max(length - 2, 0)].decode("utf-16-le", "replace") in names:
                start, size = struct.unpack_from("<II", entry, 116)
                (limit,) = struct.unpack_from("<I", self._content, 56)
                if size >= limit:
                    return self._chain(start)[:size]
                return self._mini(start, size, root)
        raise ValueError("no stream of a workbook")

    def _mini(self, number: int, size: int, root: bytes) -> bytes:
        """Read a short stream, which lies in sectors of 64 bytes inside another."""
        (start,) = struct.unpack_from("<I", root, 116)
        held = self._chain(start)
        (first,) = struct.unpack_from("<I", self._content, 60)
        packed = self._chain(first)
        table = struct.unpack(f"<{len(packed) // 4}I", packed)
        parts: list[bytes] = []
        while number < _FREE:
            if len(parts) > len(table):
                raise ValueError("a chain of sectors without end")
            parts.append(held[number * _MINI_SECTOR : (number + 1) * _MINI_SECTOR])
            number = table[number]
        return b"".join(parts)[:size]


def _sheet_starts(workbook: bytes) -> Iterator[int]:
    """Yield where the records of each worksheet begin."""
    at = 0
    while at + 4 <= len(workbook):
        record, length = struct.unpack_from("<HH", workbook, at)
        if record == _BOUND_SHEET:
            start, _, kind = struct.unpack_from("<IBB", workbook, at + 4)
            if kind == 0:
                yield start
        if record == _END:
            return
        at += 4 + length


def _facts_at(workbook: bytes, at: int) -> SheetFacts:
    """Search the records of one sheet; a chart inside begins and ends of its own."""
    facts, depth = SheetFacts(), 0
    while at + 4 <= len(workbook):
        record, length = struct.unpack_from("<HH", workbook, at)
        body = at + 4
        if record in (_BOOL_ERROR, _FORMULA):
            _note_error(workbook, record, body, length, facts)
        elif record == _ROW and length >= 16 and depth == 1:
            row, flags = struct.unpack_from("<H10xH", workbook, body)
            if flags & _HIDDEN_ROW:
                facts.hidden_rows.append((row + 1, row + 1))
        elif record == _COLUMNS and length >= 10 and depth == 1:
            first, last, flags = struct.unpack_from("<HH4xH", workbook, body)
            if flags & _HIDDEN_COLUMN:
                facts.hidden_columns.append((first + 1, last + 1))
        elif record & 0xFF == 0x09 and record in (0x0009, 0x0209, 0x0409, 0x0809):
            depth += 1
        elif record == _END:
            depth -= 1
            if depth == 0:
                break
        at = body + length
    return facts


def _note_error(
    workbook: bytes, record: int, body: int, length: int, facts: SheetFacts
) -> None:
    """Remember a cell, or the result of a formula, that is an error."""
    if record == _BOOL_ERROR and length >= 8:
        row, column, _, code, is_error = struct.unpack_from("<HHHBB", workbook, body)
        if is_error:
            facts.errors[row + 1, column + 1] = ERRORS.get(code, "#ERROR!")
    elif record == _FORMULA and length >= 14:
        row, column = struct.unpack_from("<HH", workbook, body)
        result = workbook[body + 6 : body + 14]
        if result[6:] == b"\xff\xff" and result[0] == 2:
            facts.errors[row + 1, column + 1] = ERRORS.get(result[2], "#ERROR!")
