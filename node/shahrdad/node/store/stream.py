"""Reading an object forward, with its size and its digest checked on the way.

A whole object is hashed while it is read, and the last chunk is held back until the
digest is right: whoever copies the stream to a reader never completes a wrong answer.
"""

import hashlib
import io
from collections.abc import Callable
from typing import BinaryIO, cast

from shahrdad.datasets.errors import DataError, Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area
from shahrdad.node.store.limits import CHUNK_BYTES


class Stream(io.RawIOBase):
    """The bytes of an object or of a range; see `open_stream`."""

    def __init__(
        self,
        read: Callable[[int], bytes],
        size: int,
        close: Callable[[], None],
        expected: tuple[Area, Digest] | None,
        fill: Callable[[memoryview], int] | None,
    ) -> None:
        self._read = read
        self._fill = fill
        self._left = size
        self._size = size
        self._close = close
        self._expected = expected
        self._sha256 = hashlib.sha256()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer; the last bytes come only when the whole is right."""
        view = memoryview(cast("bytearray", buffer)).cast("B")
        wanted = min(len(view), self._left)
        if wanted == 0:
            if self._size == 0 and self._expected is not None:
                check_name(self._expected, self._sha256.digest())
            return 0
        if self._fill is not None and self._expected is None:
            count = self._fill(view[:wanted])
            if count:
                self._left -= count
                return count
        chunk = self._read(wanted)
        if not chunk:
            raise UnavailableError(
                Reason.STORE_WRONG_ANSWER,
                act="read",
                detail=f"{self._left} of {self._size} bytes missing",
            )
        self._left -= len(chunk)
        if self._expected is not None:
            self._sha256.update(chunk)
            if self._left == 0:
                check_name(self._expected, self._sha256.digest())
        view[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        """Release the file or the connection; a second time does nothing."""
        if not self.closed:
            try:
                self._close()
            finally:
                super().close()


def check_name(expected: tuple[Area, Digest], actual: bytes) -> None:
    """Refuse bytes that do not match their name."""
    area, digest = expected
    if actual != digest.raw:
        raise UnavailableError(
            Reason.OBJECT_DAMAGED,
            digest=digest.hex,
            area=area.value,
            actual=actual.hex(),
        )


def open_stream(
    read: Callable[[int], bytes],
    size: int,
    close: Callable[[], None],
    expected: tuple[Area, Digest] | None,
    fill: Callable[[memoryview], int] | None = None,
) -> BinaryIO:
    """Return a buffered reader of `size` bytes.

    Args:
        read: Returns at most so many bytes, and none at the end.
        size: How many bytes must come; fewer raise STORE_WRONG_ANSWER.
        close: Releases what `read` reads from.
        expected: The name that a whole object must match; None for a range.
        fill: Reads straight into a buffer where that is possible, for ranges.
    """
    return io.BufferedReader(Stream(read, size, close, expected, fill), CHUNK_BYTES)


def copy_checked(
    source: BinaryIO, write: Callable[[bytes], object], digest: Digest, size: int
) -> None:
    """Copy a stream, and make sure that it is what was announced.

    Raises:
        DataError: SIZE_MISMATCH as soon as more came, or at the end; DIGEST_MISMATCH.
    """
    sha256 = hashlib.sha256()
    copied = 0
    while chunk := source.read(CHUNK_BYTES):
        copied += len(chunk)
        if copied > size:
            break
        sha256.update(chunk)
        write(chunk)
    if copied != size:
        raise DataError(
            Reason.SIZE_MISMATCH, size_bytes=copied, size_bytes_expected=size
        )
    if sha256.digest() != digest.raw:
        raise DataError(
            Reason.DIGEST_MISMATCH, expected=digest.hex, actual=sha256.hexdigest()
        )


def check_range(offset: int, length: int | None, size: int) -> int:
    """Return how many bytes a range has.

    Raises:
        RequestError: RANGE_INVALID: it is not within `size` bytes.
    """
    wanted = size - offset if length is None else length
    if offset < 0 or wanted < 0 or offset + wanted > size:
        raise RequestError(
            Reason.RANGE_INVALID, offset=offset, length=wanted, size_bytes=size
        )
    return wanted
