"""A file far away, read where a reader looks: between pyarrow and HTTP."""

import io
from collections.abc import Callable

ReadRange = Callable[[int, int], bytes]  # offset, length


class RangeFile(io.RawIOBase):
    """A read-only file over ranges.

    Args:
        size: Its length, as its record says.
        read_range: Returns exactly the asked bytes.
    """

    def __init__(self, size: int, read_range: ReadRange) -> None:
        super().__init__()
        self._size = size
        self._read_range = read_range
        self._at = 0
        self.bytes_read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def size(self) -> int:
        """Return the length: pyarrow asks for it by this name."""
        return self._size

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, in one request."""
        left = max(0, self._size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        data = self._read_range(self._at, length) if length else b""
        self._at += length
        self.bytes_read += length
        return data
