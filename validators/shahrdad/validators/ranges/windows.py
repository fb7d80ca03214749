r"""Where a large text is cut into ranges that can be judged apart.

A line feed may lie within quotes, so a range cannot begin at any of them. One look at
all bytes counts the quotes before each line feed: those with an even number before them
end records. That is right as long as every quote opens or closes a cell, or is doubled
within one; a text with any other quote is not cut.

Ranges follow the blocks in which the whole text would be parsed. So each batch of a
range is a batch of the whole, and whatever depends on batches (which of many samples is
shown) comes out the same. Cuts depend on the text alone, never on who works on it.

>>> text = b'a,b\n1,"x\ny"\n2,z\n3,w\n'
>>> [one.rows_before for one in cut(io.BytesIO(text), ",", 2, 1, 8, 1) or ()]
[1, 2]
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from shahrdad.validators.byte_facts import fill

RANGE_BYTES = 16 << 20
_LF, _CR, _QUOTE = 0x0A, 0x0D, 0x22

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Range:
    """Consecutive records of a text.

    Attributes:
        start: Where its first record begins.
        end: Where its last record ends.
        rows_before: Records before it, those of the header too.
        first_block: How many of its bytes lie in the block before; 0 for none.
    """

    start: int
    end: int
    rows_before: int
    first_block: int


@dataclass(frozen=True, slots=True)
class Window:
    """The records that are read of a text, in UTF-8.

    Attributes:
        rows_before: As in `Range`.
        open: Opens them; the stream has `first_block`.
    """

    rows_before: int
    open: Callable[[], BinaryIO]


class WindowStream(io.BufferedReader):
    """The bytes of a range, and how many of them Arrow must parse by themselves.

    Args:
        stream: Gives exactly the range's bytes.
        first_block: As in `Range`.
    """

    def __init__(self, stream: io.RawIOBase | io.BytesIO, first_block: int) -> None:
        super().__init__(cast("io.RawIOBase", stream), 1 << 20)
        self.first_block = first_block


def cut(
    stream: BinaryIO,
    delimiter: str,
    width: int,
    header_rows: int,
    block_bytes: int,
    blocks: int,
) -> list[Range] | None:
    """Cut a text into ranges.

    Args:
        stream: The text in UTF-8, without a byte order mark.
        delimiter: What separates cells, one byte.
        width: Cells that a record should have. A batch does not end with a record of
            another number, so no range does.
        header_rows: Records above the data.
        block_bytes: Bytes that are parsed at a time.
        blocks: Of which a range has so many, or a few more.

    Returns:
        The ranges, rising; None when the text cannot be cut.
    """
    looking = _Looking(delimiter)
    head = _Head(looking, header_rows, block_bytes)
    data_start = head.read(stream)
    if data_start is None:
        return None
    found: list[Range] = []
    start, rows, first_block = data_start, header_rows, 0
    edge, held, previous = data_start, 0, b""
    block = head.rest + _up_to(stream, block_bytes - len(head.rest))
    while block:
        if not looking.at(edge, block) or looking.longest > block_bytes:
            return None
        edge, held = edge + len(block), held + 1
        cells = looking.last_cells(previous + block, edge)
        previous, block = block, _up_to(stream, block_bytes)
        # A line feed in the next block belongs to the record before it; and what is
        # left of the last block is parsed with it.
        if held >= blocks and cells == width and previous[-1] != _CR and block:
            found.append(Range(start, looking.last_end, rows, first_block))
            start, rows = looking.last_end, looking.ends
            first_block, held = edge - start, 0
    if not looking.ended(edge) or looking.longest > block_bytes:
        return None
    if edge > start:
        found.append(Range(start, edge, rows, first_block))
    return found


class _Head:
    """Reads the records above the data."""

    def __init__(self, looking: "_Looking", rows: int, block_bytes: int) -> None:
        self._looking, self._rows, self._block_bytes = looking, rows, block_bytes
        self.rest = b""

    def read(self, stream: BinaryIO) -> int | None:
        """Return where the data begins; what was read beyond it is `rest`."""
        if not self._rows:
            return 0
        text = b""
        while block := _up_to(stream, self._block_bytes):
            text += block
            ends = _Looking(self._looking.delimiter).ends_of(text)
            if ends is None:
                return None
            if len(ends) >= self._rows:
                start = int(ends[self._rows - 1])
                self.rest = text[start:]
                self._looking.begin(start, self._rows)
                return start
            if len(text) > 64 * self._block_bytes:
                return None
        return None


class _Looking:
    """Finds where records end, block by block."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self._beside = np.zeros(256, bool)
        self._beside[[ord(delimiter), _LF, _CR, _QUOTE]] = True
        self._inside = False  # within quotes
        self._last = _LF  # the byte before
        self.last_end = 0  # where the last whole record ends
        self._last_start = 0
        self.ends = 0  # records so far
        self.longest = 0  # bytes of a record

    def begin(self, start: int, rows: int) -> None:
        """Go on below the header."""
        self.last_end, self.ends = start, rows

    def ends_of(self, text: bytes) -> Places | None:
        """Return the ends of the records of a beginning; None for a bare quote."""
        return self._ends(np.frombuffer(text, np.uint8))

    def at(self, offset: int, block: bytes) -> bool:
        """Look at the next block; tell whether the text can still be cut."""
        ends = self._ends(np.frombuffer(block, np.uint8))
        if ends is None:
            return False
        if len(ends):
            places = ends + offset
            gaps = np.diff(places, prepend=self.last_end)
            self.longest = max(self.longest, int(gaps.max()))
            self.ends += len(ends)
            self._last_start = int(places[-2]) if len(places) > 1 else self.last_end
            self.last_end = int(places[-1])
        return True

    def last_cells(self, text: bytes, edge: int) -> int:
        """Return how many cells the last whole record has; the text ends at `edge`."""
        start, end = self._last_start - edge, self.last_end - edge
        if start < -len(text) or start == end:
            return 0
        record = text[start : end or None]
        plain = record.split(b'"')[::2]
        return 1 + sum(part.count(self.delimiter.encode()) for part in plain)

    def ended(self, size: int) -> bool:
        """Tell whether the text ended outside quotes and with no lone return."""
        if size > self.last_end:
            self.longest = max(self.longest, size - self.last_end)
        return not self._inside and self._last != _CR

    def _ends(self, data: Bytes) -> Places | None:
        """Return where records end, behind their line feeds."""
        before, self._last = self._last, int(data[-1])
        quotes = np.flatnonzero(data == _QUOTE)
        feeds = np.flatnonzero(data == _LF)
        opening = self._inside
        if not self._quotes_fit(data, quotes, before):
            return None
        outside = np.searchsorted(quotes, feeds) % 2 == opening
        if not self._returns_fit(data, quotes, before, opening):
            return None
        ends: Places = feeds[outside] + 1
        return ends

    def _quotes_fit(self, data: Bytes, quotes: Places, before: int) -> bool:
        """Tell whether each quote opens, closes or is doubled; goes on to the next."""
        # A quote that closed at the end of the block before must be followed so, too.
        closed = before == _QUOTE and not self._inside
        if closed and not self._beside[data[0]]:
            return False
        if not len(quotes):
            return True
        inside = (np.arange(len(quotes)) + self._inside) % 2 == 1
        opens, closes = quotes[~inside], quotes[inside]
        self._inside = bool((len(quotes) + self._inside) % 2)
        ahead = np.where(opens > 0, data[np.maximum(opens - 1, 0)], before)
        behind = closes[closes + 1 < len(data)]
        return bool(self._beside[ahead].all() and self._beside[data[behind + 1]].all())

    def _returns_fit(
        self, data: Bytes, quotes: Places, before: int, opening: bool
    ) -> bool:
        """Tell whether each carriage return between records has its line feed."""
        if before == _CR and not opening and data[0] != _LF:
            return False
        returns = np.flatnonzero(data == _CR)
        returns = returns[np.searchsorted(quotes, returns) % 2 == opening]
        inner = returns[returns + 1 < len(data)]
        return bool((data[inner + 1] == _LF).all())


def _up_to(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes, fewer only at the end."""
    if size <= 0:
        return b""
    buffer = bytearray(size)
    return bytes(buffer[: fill(stream, memoryview(buffer))])


__all__ = ["RANGE_BYTES", "Range", "Window", "WindowStream", "cut"]
