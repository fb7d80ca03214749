"""The files of a static mirror, on a disk, in a ZIP bundle or on a web server.

Only computed names are opened (`MirrorPath`); nothing is listed or extracted. What
comes back is bounded and otherwise believed by nobody: `replay` and the chain check it.
"""

import io
import zipfile
from pathlib import Path
from threading import Lock
from typing import Protocol

from shahrdad.client import limits
from shahrdad.client.web import Web
from shahrdad.datasets.errors import PeerError, Reason, RequestError, UnavailableError
from shahrdad.federation.verify.tile import MirrorPath

_ZIP_END_BYTES_MAX = 65_557  # the last record, with the longest comment


class MirrorFiles(Protocol):
    """Named files of one mirror.

    Concurrent: every method may be called from several threads.
    Errors: `PeerError(TOO_LARGE)`, `UnavailableError`; an absent file is None.
    """

    name: str

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file of at most `limit` bytes, or None when it is absent."""
        ...

    def read_range(self, path: MirrorPath, offset: int, length: int) -> bytes | None:
        """Return a range of a file; None where ranges save nothing."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class FolderFiles:
    """A mirror in a folder.

    Args:
        folder: The one that holds `heads`.
    """

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file, or None when it is absent."""
        try:
            with (self._folder / str(path)).open("rb") as file:
                return _bounded(file.read(limit + 1), limit)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(self.name, error) from error

    def read_range(self, path: MirrorPath, offset: int, length: int) -> None:
        """Return None: a local file is read whole, and so verified."""

    def close(self) -> None:
        """Nothing is open."""


class ZipFiles:
    """A mirror in one ZIP file.

    Args:
        file: Its path.

    Raises:
        PeerError: TOO_LARGE, MALFORMED.
    """

    def __init__(self, file: Path) -> None:
        self.name = str(file)
        self._lock = Lock()
        try:
            _check_directory(file)
            self._zip = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            raise _no_zip(self.name, str(error)) from error
        except OSError as error:
            raise _unreadable(self.name, error) from error
        files = self._zip.infolist()
        if len(files) > limits.ZIP_FILES_MAX:
            raise _no_zip(self.name, f"more than {limits.ZIP_FILES_MAX} files")
        names = {info.filename for info in files}
        if len(names) != len(files):
            raise _no_zip(self.name, "one name twice")
        heads = [name for name in names if name == "heads" or name.endswith("/heads")]
        if not heads:
            raise RequestError(Reason.PLACE_UNKNOWN, place=self.name)
        # A bundle may hold its mirror in a folder of its own.
        self._prefix = min(heads, key=len).removesuffix("heads")
        self._names = names

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file, or None when it is absent."""
        name = f"{self._prefix}{path}"
        if name not in self._names:
            return None
        try:
            with self._lock, self._zip.open(name) as file:
                return _bounded(file.read(limit + 1), limit)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise _no_zip(self.name, str(error)) from error
        except OSError as error:
            raise _unreadable(self.name, error) from error

    def read_range(self, path: MirrorPath, offset: int, length: int) -> None:
        """Return None: a local file is read whole, and so verified."""

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


class WebFiles:
    """A mirror on a web server.

    Args:
        web: The host; its address ends where `heads` begins.
        prefix: A path between the two.
    """

    def __init__(self, web: Web, prefix: str = "") -> None:
        self.name = f"{web.address}{prefix}"
        self._web = web
        self._prefix = prefix

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file, or None when it is absent."""
        try:
            return self._web.get(f"{self._prefix}/{path}", limit)
        except RequestError:
            return None

    def read_range(self, path: MirrorPath, offset: int, length: int) -> bytes | None:
        """Return a range of a file, or None when the file is absent."""
        try:
            return self._web.range(f"{self._prefix}/{path}", offset, length)
        except RequestError:
            return None

    def close(self) -> None:
        """Let the connections go."""
        self._web.close()


def _bounded(data: bytes, limit: int) -> bytes:
    """Refuse more bytes than a file of its kind can have."""
    if len(data) > limit:
        raise PeerError(Reason.TOO_LARGE, size_bytes=len(data), size_bytes_max=limit)
    return data


def _check_directory(file: Path) -> None:
    """Refuse a ZIP whose list of files would fill the memory, before it is read.

    Raises:
        PeerError: TOO_LARGE.
    """
    with file.open("rb") as opened:
        size = opened.seek(0, io.SEEK_END)
        opened.seek(max(0, size - _ZIP_END_BYTES_MAX))
        tail = opened.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 16:
        return  # no ZIP: what opens it says so
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if length > limits.ZIP_DIRECTORY_BYTES_MAX:
        raise PeerError(
            Reason.TOO_LARGE,
            size_bytes=length,
            size_bytes_max=limits.ZIP_DIRECTORY_BYTES_MAX,
        )


def _no_zip(name: str, detail: str) -> PeerError:
    """Return the error of a bundle that is no bundle."""
    return PeerError(Reason.MALFORMED, field=name, detail=detail)


def _unreadable(name: str, error: OSError) -> UnavailableError:
    """Return the error of a disk that does not answer."""
    detail = error.strerror or str(error)
    return UnavailableError(Reason.PEER_UNREACHABLE, peer=name, detail=detail)
