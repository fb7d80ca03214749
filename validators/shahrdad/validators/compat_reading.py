"""The bytes, the dialect and the content rows of an opened frictionless resource."""

import gzip
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from frictionless.formats.csv import CsvControl
from frictionless.resources import TableResource

from shahrdad.validators.kernels.cells import Mask
from shahrdad.validators.tokenize import BLOCK_BYTES, Dialect, TokenBatch, tokenize

UTF8 = frozenset({"utf-8", "utf8", "utf-8-sig", "utf_8"})


class FallbackError(Exception):
    """The kernels cannot promise the oracle's report; the oracle runs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def cells_at(
    batch: TokenBatch, ragged: Mapping[int, tuple[Any, ...]], index: int
) -> list[Any]:
    """Return the cells of one row as `csv.reader` cut them."""
    if index in ragged:
        return list(ragged[index])
    return [batch.value(place, index) for place in range(len(batch.columns))]


def cells_of_rows(
    batch: TokenBatch, indices: npt.NDArray[np.int64]
) -> Iterator[list[Any]]:
    """Yield the cells of some rows of a batch, as `cells_at` gives them."""
    if not len(indices):
        return
    ragged = {row.index: row.cells for row in batch.ragged}
    if type(batch) is not TokenBatch:  # its cells are more than texts
        yield from (cells_at(batch, ragged, index) for index in indices.tolist())
        return
    places = pa.array(indices)
    columns = [column.take(places).to_pylist() for column in batch.columns]
    for index, cells in zip(indices.tolist(), zip(*columns, strict=True), strict=True):
        yield list(ragged.get(index, cells))


class Reading:
    """The bytes and the dialect of an opened resource, and its content rows.

    Args:
        resource: Opened once, so that its dialect is known.
        exact: Whether `csv.reader` has to cut the text.
        block_bytes: Bytes that Arrow parses at a time.
    """

    def __init__(
        self, resource: TableResource, *, exact: bool, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self.resource = resource
        self._block_bytes = block_bytes
        control = CsvControl.from_dialect(resource.dialect).to_python()
        self.dialect = Dialect(
            control.delimiter,
            control.quotechar or None,
            bool(control.doublequote),
            control.escapechar,
            bool(control.skipinitialspace),
        )
        self._lay_out()
        self.encoding = (resource.encoding or "utf-8").lower()
        # A filter sees the cells of a blank line, which only `csv.reader` tells apart.
        self.exact = exact or self.filtered or self._starts_with_mark()

    def _lay_out(self) -> None:
        """Learn which rows are content, and how many cells the header promises."""
        layout: Any = self.resource.dialect
        self.skip = int(layout.create_first_content_row()) - 1
        self.width = len(self.resource.header.get_expected_fields())
        if not self.width:
            raise FallbackError("oracle-raises")
        self._comment = layout.create_comment_filter()
        self._blank = layout.create_blank_filter()
        # The last row of a batch, and the content rows so far.
        self._counted: list[tuple[int, int]] = []

    def again(self) -> "Reading":
        """Return another reading of the same rows."""
        return Reading(self.resource, exact=self.exact, block_bytes=self._block_bytes)

    def decode(self, mark: str) -> Any:
        """Return the value that a text stands for, where a cell is more than text."""
        return mark

    @property
    def filtered(self) -> bool:
        """Whether the dialect leaves rows out."""
        return self._comment is not None or self._blank is not None

    def _starts_with_mark(self) -> bool:
        """Whether a byte order mark is part of the text, which Arrow would drop."""
        if self.encoding == "utf-8-sig" or self.encoding not in UTF8:
            return False
        if self.skip:
            return False
        with self.opened() as file:
            return file.read(3) == b"\xef\xbb\xbf"

    def has_blank_line(self) -> bool:
        """Whether two line ends follow each other, or one begins the text."""
        before = b"\n"
        with self.opened() as file:
            while chunk := file.read(1 << 20):
                text = before + chunk
                if any(pair in text for pair in (b"\n\n", b"\n\r", b"\r\r")):
                    return True
                before = text[-2:]
        return False

    def raw(self) -> BinaryIO:
        """Open the bytes as they came."""
        if isinstance(self.resource.data, bytes):
            return io.BytesIO(self.resource.data)
        return Path(str(self.resource.normpath)).open("rb")

    def inflated(self) -> BinaryIO:
        """Open the bytes unpacked."""
        raw = self.raw()
        if self.resource.compression == "gz":
            return _Packed.buffered(gzip.GzipFile(fileobj=raw), raw)
        if self.resource.compression == "zip":
            archive = zipfile.ZipFile(raw)
            name = self.resource.innerpath or archive.namelist()[0]
            return _Packed.buffered(archive.open(str(name)), archive, raw)
        return raw

    def opened(self) -> BinaryIO:
        """Open the text as UTF-8 bytes."""
        plain = self.encoding in UTF8
        if plain and self.resource.format == "csv":
            file = self.inflated()
            if self.encoding == "utf-8-sig" and file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            return file
        # The oracle opens everything but csv with universal newlines, so `\r\n` and
        # `\r` become `\n` inside quotes, too.
        newline = "" if self.resource.format == "csv" else None
        text = io.TextIOWrapper(self.inflated(), self.encoding, newline=newline)
        return io.BufferedReader(Transcoder(text), 1 << 20)

    def batches(self) -> Iterator[TokenBatch]:
        """Yield the content records."""
        return tokenize(
            self.opened,
            self.dialect,
            self.width,
            skip=self.skip,
            block_bytes=self._block_bytes,
            exact=self.exact,
        )

    def content(self, batch: TokenBatch) -> Mask | None:
        """Return which records of a batch are content; None when all are."""
        if not self.filtered:
            self._count(batch, batch.rows)
            return None
        ragged = {row.index: row.cells for row in batch.ragged}
        keep = np.ones(batch.rows, bool)
        for index in range(batch.rows):
            cells = cells_at(batch, ragged, index)
            if self._comment is not None:
                keep[index] = self._comment(batch.first_row + index, cells)
            if keep[index] and self._blank is not None:
                keep[index] = self._blank(cells)
        self._count(batch, int(keep.sum()), keep)
        return keep

    def _count(self, batch: TokenBatch, content: int, keep: Mask | None = None) -> None:
        before = self._counted[-1][1] if self._counted else 0
        if keep is None:
            self._counted.append((batch.first_row + batch.rows - 1, before + content))
            return
        rows = batch.first_row + np.flatnonzero(keep)
        self._counted += [(int(row), before + n) for n, row in enumerate(rows, start=1)]

    def ordinal(self, number: int) -> int:
        """Return how many content rows there are up to a row."""
        for last, count in self._counted:
            if number <= last:
                return count - (last - number) if not self.filtered else count
        raise ValueError(number)


class _Packed(io.RawIOBase):
    """An unpacked stream that closes what it was unpacked from."""

    def __init__(self, inner: Any, *owned: Any) -> None:
        super().__init__()
        self._inner = inner
        self._owned = owned

    @classmethod
    def buffered(cls, inner: Any, *owned: Any) -> BinaryIO:
        return io.BufferedReader(cls(inner, *owned), 1 << 20)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def readinto(self, buffer: Any) -> int:
        block = self._inner.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        if not self.closed:
            for stream in (self._inner, *self._owned):
                stream.close()
        super().close()


class Transcoder(io.RawIOBase):
    """Text as a stream of UTF-8 bytes."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        super().__init__()
        self._text = text
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = self._text.read(1 << 18).encode("utf-8", "surrogatepass")
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        self._text.close()
        super().close()


__all__ = ["FallbackError", "Reading", "cells_at", "cells_of_rows"]
