r"""The file as it came: its bytes, its length, its hash, read again as often as needed.

A path is opened anew each time; bytes are a view; a file object is rewound, or copied
to a temporary file where it cannot be. The hash is of exactly the bytes that are read
later.

>>> source = Source.of(b"a,b\n1,2\n", name="small.csv")
>>> source.size, source.head[:3]
(8, b'a,b')
"""

import io
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.byte_facts import ByteFacts, look_at
from shahrdad.validators.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from shahrdad.validators.ranges.windows import Window

BLOCK_BYTES = 1 << 20
SPOOL_BYTES = 16 << 20  # a stream that cannot be rewound goes to disk beyond this

Given = Path | str | bytes | IO[bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it came.

    Attributes:
        name: Its name without folders; None for nameless bytes.
        facts: What its bytes are: their number, their hash, whether they are UTF-8.
        open: Opens it from its first byte; each call gives a stream of its own, but for
            a file object, which only one reader may use at a time.
        window: The records that are read; None for all below the header.
    """

    name: str | None
    facts: ByteFacts
    open: Callable[[], BinaryIO]
    window: "Window | None" = None

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.facts.size

    @property
    def sha256(self) -> str | None:
        """Its hash, lower-case hexadecimal; None when it was not asked for."""
        return self.facts.sha256

    @property
    def head(self) -> bytes:
        """Its first bytes, at most `byte_facts.HEAD_BYTES`."""
        return self.facts.head

    @property
    def label(self) -> str:
        """What errors call it."""
        return self.name or "(bytes)"

    @classmethod
    def of(
        cls,
        given: Given,
        *,
        name: str | None = None,
        limits: Limits = DEFAULT,
        hashed: bool = True,
    ) -> "Source":
        """Take a source in: measure and hash it.

        Args:
            given: A path, the bytes themselves, or a binary file object.
            name: Its name for reports; a path has one already.
            limits: The bounds.
            hashed: Whether its hash is wanted.

        Raises:
            DataError: SOURCE_TOO_LARGE.
            OSError: the path cannot be opened.
        """
        opened: Callable[[], BinaryIO]
        if isinstance(given, str | Path):
            path = Path(given)
            name, opened = name or path.name, lambda: path.open("rb")
        elif isinstance(given, bytes | bytearray | memoryview):
            held = bytes(given)
            opened = partial(io.BytesIO, held)
        elif hasattr(given, "read"):
            opened = _rewinding(given, limits, name or "(bytes)")
        else:
            raise ValueError("a source is a path, bytes or a binary file object")
        with opened() as stream:
            grown = partial(check_size, limits=limits, name=name or "(bytes)")
            return cls(name, look_at(stream, hashed=hashed, grown=grown), opened)


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

    def __init__(self, stream: IO[bytes], start: int) -> None:
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
        # A block at a time: what is asked for may be large, and would be held twice.
        view = memoryview(buffer)[:BLOCK_BYTES]  # type: ignore[arg-type]
        self._stream.seek(self._start + self._place)
        block = self._stream.read(len(view))
        view[: len(block)] = block
        self._place += len(block)
        return len(block)


def _rewinding(stream: IO[bytes], limits: Limits, name: str) -> Callable[[], BinaryIO]:
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
