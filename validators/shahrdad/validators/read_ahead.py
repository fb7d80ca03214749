r"""Bounds how far Arrow reads ahead of what it parses.

`pyarrow.csv` reads up to 32 blocks ahead on a thread of its own, however slowly they
are parsed. With blocks of 2 MiB that is 64 MB, with those that a record of 60 MiB needs
it is 2 GB. Here a block is read when fewer than `BLOCKS` of those before are alive.

>>> ahead = ReadAhead(io.BytesIO(b"a,b\n1,2\n"))
>>> bytes(ahead.read(4)), bytes(ahead.read(9)), bytes(ahead.read(9))
(b'a,b\n', b'1,2\n', b'')
"""

import io
import threading
import weakref
from typing import Any, BinaryIO

import numpy as np

from shahrdad.validators.byte_facts import fill

BLOCKS = 3  # one parsed, with the end of the one before, and one more looked at
PATIENCE_SECONDS = 1.0  # then a block is read all the same: slower is better than never


class ReadAhead(io.RawIOBase):
    """A stream for `pyarrow.csv`; each block is counted until Arrow lets it go.

    Args:
        stream: The bytes; its owner closes it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._first = getattr(stream, "first_block", 0)  # of a window: its beginning
        self._room = threading.Semaphore(BLOCKS)
        self._released = False

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def release(self) -> None:
        """Wait no more: nobody asks for batches any longer."""
        self._released = True
        self._room.release(BLOCKS)

    def read(self, size: int = -1) -> Any:
        """Return the next bytes, as a buffer whose end of life is noticed."""
        if self._released:
            return b""
        size, self._first = self._first or size, 0
        counted = self._room.acquire(timeout=PATIENCE_SECONDS)
        block = np.empty(max(size, 0), np.uint8)
        count = fill(self._stream, block.data)
        if counted:
            weakref.finalize(block, self._room.release)
        return block if count == len(block) else block[:count]


__all__ = ["ReadAhead"]
