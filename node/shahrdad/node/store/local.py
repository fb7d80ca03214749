"""Objects in a directory: the default store, which needs no service (storage 2.3).

Life of an object:

    open   <dir>/.tmp-<random>   O_CREAT | O_EXCL, in the same directory
    write, compare digest        a mismatch unlinks the temporary file
    fsync  the file              its bytes survive a power cut
    link   final name            appears whole or not at all; EEXIST is success
    unlink the temporary name
    fsync  the directory         its name survives a power cut; so for a new parent

A crash leaves at most a temporary file, which `sweep` removes after the grace. `O_EXCL`
on the final name would show a partial file to readers.

What remains: a filesystem that lies about fsync. Use one that does not.
"""

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node.store.contract import Area, ObjectStat
from shahrdad.node.store.limits import TEMPORARY_AGE_MAX
from shahrdad.node.store.stream import check_range, copy_checked, open_stream

CLOSED_AREAS = frozenset({Area.PRIVATE, Area.QUARANTINE})
NAME = re.compile(r"[0-9a-f]{64}")
PREFIX = re.compile(r"[0-9a-f]{0,64}")
TEMPORARY = ".tmp-"
MARKER = "node"
# exFAT, some SMB and some overlay mounts refuse hard links in these ways.
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class LocalStore:
    """An `ObjectStore` in a directory.

    Args:
        root: The directory; made when absent.
        url: The address under which a web server shows `root`, for `serve = "public"`.
    """

    def __init__(self, root: Path, url: str | None = None) -> None:
        self.root = root
        self._url = url
        root.mkdir(parents=True, exist_ok=True)

    def put(self, area: Area, digest: Digest, source: BinaryIO, size: int) -> None:
        """Store verified bytes; see `ObjectStore.put`."""
        path = self._path(area, digest)
        with guarded("store an object"):
            known = self.stat(area, digest)
            if known is not None and known.size == size:
                return
            self._make_folder(path.parent)
            # An object of another size is a damaged one: it is replaced.
            finish = link if known is None else os.replace
            self._write(path, source, size, digest, finish)

    def open(
        self, area: Area, digest: Digest, offset: int = 0, length: int | None = None
    ) -> BinaryIO:
        """Open an object or a range of it; see `ObjectStore.open`."""
        with guarded("read an object"):
            try:
                file = self._path(area, digest).open("rb")
            except FileNotFoundError as error:
                raise RequestError(
                    Reason.OBJECT_UNKNOWN, digest=digest.hex, area=area.value
                ) from error
            size = os.fstat(file.fileno()).st_size
            try:
                wanted = check_range(offset, length, size)
            except RequestError:
                file.close()
                raise
            file.seek(offset)
            expected = (area, digest) if offset == 0 and length is None else None
            return open_stream(file.read, wanted, file.close, expected, file.readinto)

    def stat(self, area: Area, digest: Digest) -> ObjectStat | None:
        """Return size and time, or None; see `ObjectStore.stat`."""
        with guarded("look for an object"):
            try:
                return stat_of(self._path(area, digest).stat())
            except FileNotFoundError:
                return None

    def list(self, area: Area, prefix: str = "") -> Iterator[tuple[Digest, ObjectStat]]:
        """Yield objects in the order of their names; see `ObjectStore.list`."""
        if not PREFIX.fullmatch(prefix):
            raise ValueError(f"not the beginning of a digest: {prefix!r}")
        folder = self.root / area.value
        names = [prefix[:2]] if len(prefix) >= 2 else entries(folder)
        for name in sorted(name for name in names if name.startswith(prefix[:2])):
            for file in sorted(entries(folder / name)):
                if NAME.fullmatch(file) and file.startswith(prefix):
                    # A file may be deleted while we walk.
                    with suppress(FileNotFoundError):
                        stat = stat_of((folder / name / file).stat())
                        yield Digest(bytes.fromhex(file)), stat

    def delete(self, area: Area, digest: Digest) -> None:
        """Delete an object; see `ObjectStore.delete`."""
        path = self._path(area, digest)
        with guarded("delete an object"):
            try:
                path.unlink()
            except FileNotFoundError:
                return
            sync_folder(path.parent)

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Replace a file of the static mirror; see `ObjectStore.write_named`."""
        target = self.root / str(path)
        with guarded("write the static mirror"):
            self._make_folder(target.parent)
            source = BytesIO(content)
            digest = Digest.of(content)
            self._write(target, source, len(content), digest, os.replace)

    def delete_named(self, path: MirrorPath) -> None:
        """Delete a file of the static mirror; see `ObjectStore.delete_named`."""
        target = self.root / str(path)
        with guarded("delete from the static mirror"):
            target.unlink(missing_ok=True)
            if target.parent.is_dir():
                sync_folder(target.parent)

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file of the static mirror; see `ObjectStore.read_named`."""
        with guarded("read the static mirror"):
            try:
                with (self.root / str(path)).open("rb") as file:
                    content = file.read(limit + 1)
            except (FileNotFoundError, NotADirectoryError):
                return None
        if len(content) > limit:
            raise RequestError(
                Reason.TOO_LARGE, size_bytes=len(content), size_bytes_max=limit
            )
        return content

    def public_url(self, digest: Digest, ttl: timedelta) -> str | None:
        """Return an address below the configured one; the lifetime is not needed."""
        if self._url is None:
            return None
        return f"{self._url.rstrip('/')}/object/{digest.hex[:2]}/{digest.hex}"

    def claim(self, origin: str) -> None:
        """Write or compare the file `node`; see `ObjectStore.claim`."""
        path = self.root / MARKER
        with guarded("mark the place"):
            try:
                found = path.read_text("utf-8").strip()
            except FileNotFoundError:
                content = f"{origin}\n".encode()
                digest = Digest.of(content)
                self._write(path, BytesIO(content), len(content), digest, link)
                found = path.read_text("utf-8").strip()
        if found != origin:
            raise RequestError(Reason.STORE_FOREIGN, origin_found=found, origin=origin)

    def sweep(self, now: datetime, age_max: timedelta = TEMPORARY_AGE_MAX) -> int:
        """Remove temporary files that a crash left; return how many.

        Args:
            now: The present, in UTC.
            age_max: Younger ones may belong to a running process.
        """
        oldest = (now - age_max).timestamp()
        swept = 0
        for path in self.root.rglob(f"{TEMPORARY}*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    swept += 1
        return swept

    def _path(self, area: Area, digest: Digest) -> Path:
        return self.root / area.value / digest.hex[:2] / digest.hex

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and what is above it, each durable in its own parent."""
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        closed = folder.relative_to(self.root).parts[0] in CLOSED_AREAS
        with suppress(FileExistsError):
            folder.mkdir()
            # Explicitly, since the umask would have its way in mkdir.
            folder.chmod(0o700 if closed else 0o755)
        sync_folder(folder.parent)

    def _write(
        self,
        path: Path,
        source: BinaryIO,
        size: int,
        digest: Digest,
        finish: Callable[[Path, Path], None],
    ) -> None:
        temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
        # 0600 until it is whole: nobody reads it before, and nobody writes it after.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                copy_checked(source, file.write, digest, size)
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
            finish(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        sync_folder(path.parent)


def link(temporary: Path, path: Path) -> None:
    """Give a whole file its name, unless another process was first."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # Replacing is harmless: what has this name has these bytes.
        temporary.rename(path)


def stat_of(stat: os.stat_result) -> ObjectStat:
    """Return what the store says of a file."""
    return ObjectStat(stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))


def entries(folder: Path) -> list[str]:
    """Return the names in a folder; an absent one has none."""
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def guarded(act: str) -> Iterator[None]:
    """Turn what the operating system says into the store's own errors.

    Args:
        act: What is being done, for the sentence.
    """
    try:
        yield
    except OSError as error:
        # Without the path: sentences reach people outside.
        detail = os.strerror(error.errno) if error.errno else type(error).__name__
        if error.errno in FULL:
            raise UnavailableError(Reason.STORE_FULL, act=act) from error
        if error.errno in DENIED:
            raise UnavailableError(
                Reason.STORE_DENIED, act=act, detail=detail
            ) from error
        raise UnavailableError(
            Reason.STORE_UNREACHABLE, act=act, detail=detail
        ) from error
