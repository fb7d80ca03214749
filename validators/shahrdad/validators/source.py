r"""The file as it came: its bytes, its length, its hash, read again as often as needed.

A path is opened anew each time; bytes are a view; a file object is rewound, or copied
to a temporary file where it cannot be. The hash is of exactly the bytes that are read
later.

>>> source = Source.of(b"a,b\n1,2\n", name="small.csv")
>>> source.size, source.head[:3]
(8, b'a,b')
"""

import hashlib
import io
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.limits import DEFAULT, Limits

HEAD_BYTES = 4_096
BLOCK_BYTES = 1 << 20
SPOOL_BYTES = 16 << 20  # a stream that cannot be rewound goes to disk beyond this

Given = Path | str | bytes | BinaryIO


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it came.

    Attributes:
        name: Its name without folders; None for nameless bytes.
        size: Its length in bytes.
        sha256: Its hash, lower-case hexadecimal.
        head: Its first bytes, at most `HEAD_BYTES`.
        open: Opens it from its first byte; each call gives a stream of its own, but for
            a file object, which only one reader may use at a time.
    """

    name: str | None
    size: int
    sha256: str
    head: bytes
    open: Callable[[], BinaryIO]

    @property
    def label(self) -> str:
        """What errors call it."""
        return self.name or "(bytes)"

    @classmethod
    def of(
        cls, given: Given, *, name: str | None = None, limits: Limits = DEFAULT
    ) -> "Source":
        """Take a source in: measure and hash it.

        Args:
            given: A path, the bytes themselves, or a binary file object.
            name: Its name for reports; a path has one already.
            limits: The bounds.

        Raises:
            DataError: SOURCE_TOO_LARGE.
            OSError: the path cannot be opened.
        """
        if isinstance(given, str | Path):
            path = Path(given)
            return cls._measured(name or path.name, lambda: path.open("rb"), limits)
        if isinstance(given, bytes | bytearray | memoryview):
            held = bytes(given)
            return cls._measured(name, lambda: io.BytesIO(held), limits)
        if not hasattr(given, "read"):
            raise ValueError("a source is a path, bytes or a binary file object")
        return cls._measured(name, _rewinding(given, limits, name or "(bytes)"), limits)

    @classmethod
    def _measured(
        cls, name: str | None, opened: Callable[[], BinaryIO], limits: Limits
    ) -> "Source":
        """Read a source once for its length, hash and head."""
        digest = hashlib.sha256()
        size, head = 0, b""
        with opened() as stream:
            while block := stream.read(BLOCK_BYTES):
                if not head:
                    head = block[:HEAD_BYTES]
                size += len(block)
                check_size(size, limits, name or "(bytes)")
                digest.update(block)
        return cls(name, size, digest.hexdigest(), head, opened)


def check_size(size: int, limits: Limits, name: str) -> None:
    """Refuse a source that is too long.

    Raises:
        DataError: SOURCE_TOO_LARGE.
    """
    if size > limits.source_bytes_max:
        raise DataError(
            Reason.SOURCE_TOO_LARGE,
            name=name,
            found=size,
            unit="bytes",
            found_max=limits.source_bytes_max,
        )


class _Unclosed(io.RawIOBase):
    """A view of a stream whose owner closes it; reading starts at its beginning."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self._stream, self._start, self._place = stream, start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            self._place = self._stream.seek(0, 2) - self._start + offset
        else:
            self._place = offset + (self._place if whence == 1 else 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        self._stream.seek(self._start + self._place)
        block = self._stream.read(len(view))
        view[: len(block)] = block
        self._place += len(block)
        return len(block)


def _rewinding(stream: BinaryIO, limits: Limits, name: str) -> Callable[[], BinaryIO]:
    """Return an opener for a stream; one that cannot be rewound is copied first."""
    if getattr(stream, "seekable", lambda: False)():
        start = stream.tell()
        return lambda: cast(BinaryIO, io.BufferedReader(_Unclosed(stream, start)))
    copy = cast(BinaryIO, tempfile.SpooledTemporaryFile(SPOOL_BYTES))  # noqa: SIM115
    size = 0
    while block := stream.read(BLOCK_BYTES):
        size += len(block)
        check_size(size, limits, name)
        shutil.copyfileobj(io.BytesIO(block), copy)

    def opened() -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(_Unclosed(copy, 0)))

    # The copy lives as long as someone can open it.
    weakref.finalize(opened, copy.close)
    return opened
