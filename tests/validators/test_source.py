"""Files as they come: measured, hashed, read again, and bounded."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.source import Given, Source


class Pipe(io.RawIOBase):
    """A stream that cannot be rewound."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Give the next bytes, few at a time."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        block = self._rest.read(min(7, len(view)))
        view[: len(block)] = block
        return len(block)


CONTENT = b"a,b\n1,2\n" * 50


def shifted() -> BinaryIO:
    """Return a file object whose owner stands in its middle."""
    stream = io.BytesIO(b"skipped" + CONTENT)
    stream.seek(7)
    return stream


@pytest.mark.parametrize("sort", ["path", "bytes", "file", "pipe"])
def test_source_is_read_again(sort: str, tmp_path: Path) -> None:
    """Whatever a source is, every opening gives the bytes that were hashed."""
    path = tmp_path / "small.csv"
    path.write_bytes(CONTENT)
    given: dict[str, Given] = {
        "path": path,
        "bytes": CONTENT,
        "file": shifted(),
        "pipe": cast(BinaryIO, io.BufferedReader(Pipe(CONTENT))),
    }
    source = Source.of(given[sort])

    assert hashlib.sha256(CONTENT).hexdigest() == source.sha256
    assert len(CONTENT) == source.size
    for _ in range(2):
        with source.open() as stream:
            assert CONTENT == stream.read()
    assert ("small.csv" if sort == "path" else None) == source.name


def test_length_is_bounded() -> None:
    """A file at the bound is read; one byte more is refused before the rest is read."""
    limits = replace(DEFAULT, source_bytes_max=len(CONTENT))

    assert len(CONTENT) == Source.of(CONTENT, limits=limits).size
    with pytest.raises(DataError) as caught:
        Source.of(CONTENT + b"x", limits=limits)
    assert Reason.SOURCE_TOO_LARGE == caught.value.reason


def test_misuse_is_not_the_publishers_fault() -> None:
    """What is no source at all is a mistake of the caller."""
    with pytest.raises(ValueError, match="path, bytes or a binary file object"):
        Source.of(cast(bytes, 7))
