"""A file far away, read where a reader looks: between pyarrow and HTTP."""

import io
from collections.abc import Callable
from dataclasses import dataclass

from shahrdad.datasets.lending import Loan

ReadRange = Callable[[int, int], bytes]  # offset, length


@dataclass(frozen=True)
class Ranges:
    """A file that is there in parts.

    Attributes:
        size: Its length in bytes, as its record says.
        read: Returns exactly the asked bytes.
    """

    size: int
    read: ReadRange


class RangeFile(io.RawIOBase):
    """A read-only file over ranges, for Arrow.

    Args:
        ranges: The bytes.
        loan: What Arrow is given of it, and when that is let go.
    """

    def __init__(self, ranges: Ranges, loan: Loan) -> None:
        super().__init__()
        self._ranges, self._loan = ranges, loan
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def size(self) -> int:
        """Return the length: pyarrow asks for it by this name."""
        return self._ranges.size

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        places = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size()}
        self._at = max(0, places[whence] + offset)
        return self._at

    def read(self, size: int = -1) -> memoryview:
        """Return the next bytes, in one request."""
        left = max(0, self.size() - self._at)
        length = left if size is None or size < 0 else min(size, left)
        data = self._ranges.read(self._at, length) if length else b""
        self._at += length
        lent: memoryview = self._loan.lend(memoryview(data))
        return lent
