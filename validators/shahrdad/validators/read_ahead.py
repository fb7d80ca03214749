r"""Bounds how far Arrow reads ahead of what it parses.

`pyarrow.csv` reads up to 32 blocks ahead on a thread of its own, however slowly they
are parsed. With blocks of 2 MiB that is 64 MB, with those that a record of 60 MiB needs
it is 2 GB. Here a block is read when fewer than `BLOCKS` of those before are alive.

>>> file = ReadAhead(io.BytesIO(b"a,b\n1,2\n")).file()
>>> [bytes(file.read(size)) for size in (4, 9, 9)]
[b'a,b\n', b'1,2\n', b'']
"""

import io
import threading
import time
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from shahrdad.datasets.lending import PATIENCE_SECONDS, Loan
from shahrdad.validators.byte_facts import fill

BLOCKS = 3  # one parsed, with the end of the one before, and one more looked at


class ReadAhead:
    """A stream for `pyarrow.csv`; each block is counted until Arrow lets it go.

    Leaving waits until Arrow's thread has ended with it; the reader has to be gone.

    Args:
        stream: The bytes; its owner closes it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._first = getattr(stream, "first_block", 0)  # of a window: its beginning
        self._loan = Loan()
        self._besides = 0  # lent as long as there is a reader, beside blocks
        self._reading = threading.Lock()
        self._left = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until a block that is being read is there, and all are given back."""
        self._left = True
        self._loan.wake()
        if self._reading.acquire(timeout=PATIENCE_SECONDS):
            self._reading.release()
        self._loan.__exit__(kind, error, trace)

    def file(self) -> Any:
        """Return what Arrow shall read; nobody else may keep it."""
        return self.lend(_File(self))

    def lend(self, thing: Any) -> Any:
        """Return an object for the reader; nobody else may keep it."""
        self._besides += 1
        return self._loan.lend(thing)

    def block(self, size: int) -> Any:
        """Return the next bytes; after `PATIENCE_SECONDS` without waiting for room."""
        with self._reading:
            size, self._first = self._first or size, 0
            until = time.monotonic() + PATIENCE_SECONDS
            while len(self._loan) >= BLOCKS + self._besides and not self._left:
                if not self._loan.take_back(until - time.monotonic()):
                    break
            block = np.empty(0 if self._left else max(size, 0), np.uint8)
            count = fill(self._stream, block.data) if len(block) else 0
            return self._loan.lend(block)[:count]


class _File(io.RawIOBase):
    """The side of it that Arrow reads and lets go of."""

    def __init__(self, ahead: ReadAhead) -> None:
        self._ahead = ahead

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> Any:
        """Return the next bytes."""
        return self._ahead.block(size)


__all__ = ["ReadAhead"]
