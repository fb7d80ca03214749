"""The files of a static mirror, wherever it lies: a folder, a ZIP, a web prefix.

Only computed names are opened (`MirrorPath`); nothing is listed or extracted, and
nothing is read beyond the caller's limit.
"""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import ZIP_DIRECTORY_BYTES_MAX, ZIP_FILES_MAX
from shahrdad.federation.verify.tile import MirrorPath

_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_LOCATOR_64 = b"PK\x06\x07"
_END_BYTES = 22
_END_64_BYTES = 56
_LOCATOR_64_BYTES = 20
_COMMENT_BYTES_MAX = 65_535
_ENCRYPTED = 0x1


class MirrorFiles(Protocol):
    """Named files to read; each answer is whole, and verified by nobody yet."""

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file, or None when there is none.

        Raises:
            PeerError: TOO_LARGE: it is longer than `limit` bytes; MALFORMED.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class FolderFiles:
    """A mirror in a folder, perhaps on a stick that somebody brought.

    Args:
        root: The folder that holds `heads` and `log`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a regular file; links and devices are not followed."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            handle = os.open(self._root / str(path), flags)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return None
        with os.fdopen(handle, "rb") as file:
            return bounded(file, limit)

    def close(self) -> None:
        """Nothing stays open."""


class ZipFiles:
    """A mirror in one ZIP, stored or deflated: an offline bundle.

    Args:
        path: The ZIP.

    Raises:
        PeerError: MALFORMED: no ZIP; TOO_LARGE: its directory would fill the memory.
    """

    def __init__(self, path: Path) -> None:
        check_directory(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            raise _no_zip(str(error)) from error

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a member, inflated only as far as the limit goes."""
        try:
            member = self._zip.getinfo(str(path))
        except KeyError:
            return None
        if member.flag_bits & _ENCRYPTED:
            raise _no_zip("a member is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _no_zip("a member is neither stored nor deflated")
        try:
            with self._zip.open(member) as file:
                return bounded(file, limit)
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            RuntimeError,
        ) as error:
            raise _no_zip(str(error)) from error

    def close(self) -> None:
        """Close the ZIP."""
        self._zip.close()


class WebFiles:
    """A mirror below an https prefix.

    Args:
        prefix: From an approved entry of the member log, without a final slash.
        fetch: Returns the body of a GET, at most so many bytes (PeerError TOO_LARGE
            above), None for 404; follows no redirects, inflates with a bound.
    """

    def __init__(self, prefix: str, fetch: Callable[[str, int], bytes | None]) -> None:
        self._prefix = prefix.rstrip("/")
        self._fetch = fetch

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file."""
        content = self._fetch(f"{self._prefix}/{path}", limit)
        if content is not None and len(content) > limit:
            raise _too_large(len(content), limit)
        return content

    def close(self) -> None:
        """The fetcher belongs to the caller."""


def bounded(file: IO[bytes], limit: int) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        PeerError: TOO_LARGE, after reading one byte more than that.
    """
    parts, left = [], limit + 1
    while left and (part := file.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if not left:
        raise _too_large(limit + 1, limit)
    return b"".join(parts)


def check_directory(path: Path) -> None:
    """Refuse a ZIP whose central directory would fill the memory when it is opened.

    Raises:
        PeerError: MALFORMED or TOO_LARGE.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _COMMENT_BYTES_MAX - _END_BYTES - _LOCATOR_64_BYTES)
            file.seek(start)
            tail = file.read()
            at = tail.rfind(_END)
            if at < 0 or len(tail) - at < _END_BYTES:
                raise _no_zip("no end of a central directory")
            files, length = struct.unpack_from("<HI", tail, at + 10)
            if tail[at - _LOCATOR_64_BYTES : at].startswith(_LOCATOR_64):
                locator = at - _LOCATOR_64_BYTES
                (offset,) = struct.unpack_from("<Q", tail, locator + 8)
                files, length = _read_end_64(file, offset, size)
    except OSError as error:
        raise _no_zip(str(error)) from error
    if length > ZIP_DIRECTORY_BYTES_MAX:
        raise _too_large(length, ZIP_DIRECTORY_BYTES_MAX)
    if files > ZIP_FILES_MAX:
        raise _no_zip(f"{files} files, at most {ZIP_FILES_MAX}")


def _read_end_64(file: BinaryIO, offset: int, size: int) -> tuple[int, int]:
    """Return number of files and directory length from the 64-bit end record."""
    if offset > size - _END_64_BYTES:
        raise _no_zip("its 64-bit directory lies elsewhere")
    file.seek(offset)
    record = file.read(_END_64_BYTES)
    if not record.startswith(_END_64):
        raise _no_zip("its 64-bit directory lies elsewhere")
    files, length = struct.unpack_from("<QQ", record, 32)
    return files, length


def _no_zip(detail: str) -> PeerError:
    """Say why a ZIP is refused."""
    return PeerError(Reason.MALFORMED, field="ZIP", detail=detail)


def _too_large(size: int, limit: int) -> PeerError:
    """Say that a file is too long."""
    return PeerError(Reason.TOO_LARGE, size_bytes=size, size_bytes_max=limit)
