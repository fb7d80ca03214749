r"""What a file is, by its content: the format, and the gz or zip around it.

The name is never asked: an `.xls` may hold a zip, and the reverse. An archive is
inflated as a stream and counted while it inflates, since the sizes it declares may lie.

>>> from shahrdad.validators.source import Source
>>> look(Source.of(b"a;b\n1;2\n")).format
'text'
"""

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.byte_facts import HEAD_BYTES
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.source import Source

BLOCK_BYTES = 1 << 16
READABLE: Final = (
    "CSV, TSV, XLSX, XLS, ODS, JSON, JSON Lines, Parquet, or gz or zip of one of them"
)

# First bytes → what people call the format, for those that hold no table we read.
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"SQLite format 3\x00", "SQLite"),
    (b"ARROW1", "Arrow"),
    (b"PARE", "encrypted Parquet"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"{\\rtf", "RTF"),
    (b"<!doctype html", "HTML"),
    (b"<html", "HTML"),
    (b"<?xml", "XML"),
)
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PARQUET, _GZ, _ZIP = b"PAR1", b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_ODS_TYPE = b"application/vnd.oasis.opendocument.spreadsheet"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class Content:
    """What is inside.

    Attributes:
        format: `text`, `json`, `jsonl`, `xlsx`, `xls`, `ods` or `parquet`; `text` is
            CSV of some dialect.
        container: `gz`, `zip` or None.
        head: The first bytes inside.
        open: Opens what is inside from its first byte, inflated and counted.
        inner: A workbook or Parquet that stood in a container, unpacked: these are read
            from any place, while text is inflated as it is read. None for other files.
    """

    format: str
    container: str | None
    head: bytes
    open: Callable[[], BinaryIO]
    inner: Source | None = None


def look(source: Source, limits: Limits = DEFAULT) -> Content:
    """Recognise a file.

    Raises:
        DataError: SOURCE_EMPTY, SOURCE_FORMAT, SOURCE_ENCRYPTED, SOURCE_INFLATES,
            SOURCE_UNREADABLE, SOURCE_TOO_LARGE.
    """
    head = source.head
    if not head:
        raise DataError(Reason.SOURCE_EMPTY, name=source.label)
    if head.startswith(_COMPOUND):
        return _compound(source, limits)
    if head.startswith(_PARQUET):
        return Content("parquet", None, head, source.open)
    if head.startswith(_GZ):
        return _packed(source, "gz", lambda: _gz(source, limits), limits)
    if head.startswith(_ZIP):
        return _zip(source, limits)
    _refuse_foreign(source, head)
    return Content(_text_format(head), None, head, source.open)


def _refuse_foreign(source: Source, head: bytes) -> None:
    """Refuse a format that holds no table.

    Raises:
        DataError: SOURCE_FORMAT.
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:32]
    for magic, found in _FOREIGN:
        if head.startswith(magic) or start.lower().startswith(magic):
            raise _unknown(source, found)


def _unknown(source: Source, found: str) -> DataError:
    return DataError(
        Reason.SOURCE_FORMAT, name=source.label, found=found, expected=READABLE
    )


def _text_format(head: bytes) -> str:
    """Tell JSON, JSON Lines and other text apart by the first bytes.

    A CSV may begin with a bracket too, so what follows it must be JSON.
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if start[:1] == b"[":
        return _array_format(start)
    if start[:1] == b"{" and start[1:].lstrip(b" \t\r\n")[:1] in (b'"', b"}"):
        line, _, rest = start.partition(b"\n")
        following = rest.lstrip(b" \t\r\n")
        whole = line.rstrip(b"\r ,").endswith(b"}")
        return "jsonl" if whole and following[:1] in (b"{", b"") and rest else "json"
    return "text"


def _array_format(start: bytes) -> str:
    """Tell an array of rows, JSON Lines of arrays and a CSV in brackets apart."""
    line, _, rest = start.partition(b"\n")
    inside = start[1:].lstrip(b" \t\r\n")[:1]
    if inside in (b"{", b"[", b"]"):
        return "json"
    if inside == b'"' or inside.isdigit() or inside in (b"-", b"t", b"f", b"n"):
        whole = line.rstrip(b"\r ").endswith(b"]")
        if whole and rest.lstrip(b" \t\r\n")[:1] in (b"[", b""):
            return "jsonl"
    return "text"


def _compound(source: Source, limits: Limits) -> Content:
    """Judge an OLE file: a BIFF workbook, or a workbook behind a password."""
    if source.size > limits.biff_bytes_max:
        raise DataError(
            Reason.SOURCE_TOO_LARGE,
            name=source.label,
            found=source.size,
            unit="bytes (XLS)",
            found_max=limits.biff_bytes_max,
        )
    with source.open() as stream:
        if _ENCRYPTED_PACKAGE in stream.read():
            raise DataError(Reason.SOURCE_ENCRYPTED, name=source.label)
    return Content("xls", None, source.head, source.open)


def _packed(
    source: Source, container: str, opened: Callable[[], BinaryIO], limits: Limits
) -> Content:
    """Judge what is inside a gz or zip: a table, and nothing packed again."""
    with opened() as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        raise DataError(Reason.SOURCE_EMPTY, name=source.label)
    if head.startswith(_GZ):
        raise _unknown(source, f"gz in {container}")
    if head.startswith((_COMPOUND, _PARQUET, *_ZIP)):
        return _unpacked(source, container, opened, limits)
    _refuse_foreign(source, head)
    return Content(_text_format(head), container, head, opened)


def _unpacked(
    source: Source, container: str, opened: Callable[[], BinaryIO], limits: Limits
) -> Content:
    """Unpack a workbook or Parquet, counted, into memory or a temporary file."""
    with opened() as stream:
        inner = Source.of(stream, name=source.name, limits=limits, hashed=False)
    if inner.head.startswith(_PARQUET):
        found = Content("parquet", None, inner.head, inner.open)
    elif inner.head.startswith(_COMPOUND):
        found = _compound(inner, limits)
    else:
        found = _zip(inner, limits, inside=container)
    return Content(found.format, container, found.head, found.open, inner)


def _zip(source: Source, limits: Limits, *, inside: str | None = None) -> Content:
    """Judge a zip: a workbook, or a container of one table."""
    names, encrypted = zip_members(source, limits)
    if encrypted:
        raise DataError(Reason.SOURCE_ENCRYPTED, name=source.label)
    if "xl/workbook.xml" in names:
        return Content("xlsx", None, source.head, source.open)
    if "xl/workbook.bin" in names:
        raise _unknown(source, "XLSB")
    if any(name.startswith("word/") for name in names):
        raise _unknown(source, "DOCX")
    if "mimetype" in names and "content.xml" in names:
        with _member(source, "mimetype", limits) as stream:
            kind = stream.read(len(_ODS_TYPE) + 1).strip()
        if kind != _ODS_TYPE:
            raise _unknown(source, kind.decode("ascii", "replace"))
        return Content("ods", None, source.head, source.open)
    data = [
        name
        for name in names
        if not name.endswith("/")
        and not name.startswith("__MACOSX/")
        and not name.rpartition("/")[2].startswith(".")
    ]
    if not data:
        raise DataError(Reason.SOURCE_EMPTY, name=source.label)
    if len(data) > 1:
        raise _unknown(source, f"zip ({len(data)}: {', '.join(data[:3])})")
    if inside is not None:
        raise _unknown(source, f"zip in {inside}")
    return _packed(source, "zip", lambda: _member(source, data[0], limits), limits)


def zip_members(source: Source, limits: Limits) -> tuple[list[str], bool]:
    """Return the names of a zip's members, and whether any is encrypted.

    Raises:
        DataError: SOURCE_UNREADABLE, SOURCE_TOO_LARGE.
    """
    try:
        with source.open() as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError) as error:
        raise _unreadable(source, error) from error
    if len(members) > limits.zip_members_max:
        raise DataError(
            Reason.SOURCE_TOO_LARGE,
            name=source.label,
            found=len(members),
            unit="members",
            found_max=limits.zip_members_max,
        )
    return [one.filename for one in members], any(one.flag_bits & 1 for one in members)


def _unreadable(source: Source, error: Exception) -> DataError:
    detail = str(error) or type(error).__name__
    return DataError(Reason.SOURCE_UNREADABLE, name=source.label, detail=detail)


def _gz(source: Source, limits: Limits) -> BinaryIO:
    """Open the inside of a gz, counted."""
    packed = source.open()
    return cast(
        BinaryIO,
        io.BufferedReader(
            Inflating(cast(BinaryIO, _GzStream(packed)), source, source.size, limits),
            BLOCK_BYTES,
        ),
    )


def _member(source: Source, name: str, limits: Limits) -> BinaryIO:
    """Open a member of a zip, counted."""
    packed = source.open()
    try:
        archive = zipfile.ZipFile(packed)
        info = archive.getinfo(name)
        stream = cast(BinaryIO, archive.open(info))
    except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
        packed.close()
        raise _unreadable(source, error) from error
    counted = Inflating(stream, source, info.compress_size, limits, owner=packed)
    return cast(BinaryIO, io.BufferedReader(counted, BLOCK_BYTES))


class Inflating(io.RawIOBase):
    """A stream that inflates, and refuses to inflate without end.

    Args:
        stream: Gives the inflated bytes.
        source: The file, for errors.
        packed: Length of the packed bytes.
        limits: The bounds.
        owner: What to close beside the stream.
        total_max: Bytes that may come out, where lower than the bound for archives.
        part: What is being inflated, for errors.
    """

    def __init__(
        self,
        stream: BinaryIO,
        source: Source,
        packed: int,
        limits: Limits,
        *,
        owner: BinaryIO | None = None,
        total_max: int | None = None,
        part: str = "gz, zip",
    ) -> None:
        self._owner = owner
        self._stream, self._source, self._packed = stream, source, max(packed, 1)
        self._limits, self._part, self.total = limits, part, 0
        self._total_max = limits.inflated_bytes_max if total_max is None else total_max

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def close(self) -> None:
        """Close the stream and its owner."""
        self._stream.close()
        if self._owner is not None:
            self._owner.close()
        super().close()

    def readinto(self, buffer: object) -> int:
        """Give the next bytes, and count them."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            block = self._stream.read(len(view))
        except (
            zlib.error,
            zipfile.BadZipFile,
            EOFError,
            OSError,
            RuntimeError,
        ) as error:
            raise _unreadable(self._source, error) from error
        self.total += len(block)
        allowed = min(
            self._total_max,
            max(
                self._limits.inflation_free_bytes,
                self._packed * self._limits.inflation_ratio_max,
            ),
        )
        if self.total > allowed:
            raise DataError(
                Reason.SOURCE_INFLATES,
                name=self._source.label,
                size_bytes_max=allowed,
                part=self._part,
            )
        view[: len(block)] = block
        return len(block)


class _GzStream(io.RawIOBase):
    """Inflates gz members one after another, at most a block at a time.

    `gzip.GzipFile` would do, but takes trailing zeros and reads ahead of its owner.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._inflater = zlib.decompressobj(wbits=31)
        self._rest = b""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def close(self) -> None:
        self._packed.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` inflated bytes; none at the end."""
        while True:
            if self._inflater.eof:
                self._rest = self._inflater.unused_data or self._packed.read(
                    BLOCK_BYTES
                )
                if not self._rest.strip(b"\x00"):
                    return b""
                self._inflater = zlib.decompressobj(wbits=31)
            if not self._rest:
                self._rest = self._packed.read(BLOCK_BYTES)
            if not self._rest and not self._inflater.unconsumed_tail:
                raise EOFError("the gz ends too early")
            block = self._inflater.decompress(self._rest, max(size, 1))
            self._rest = self._inflater.unconsumed_tail
            if block:
                return block
