"""Objects and records that were read once, by the SHA-256 of their bytes.

Verified: `get` hashes what it read; damaged bytes are removed and count as absent.
Shared: several processes use one folder without a lock. A file is written beside and
renamed, so nobody sees a part of it; a reader that loses a file to another's eviction
finds nothing and downloads again.
Crash-safe: what a kill leaves is a temporary file, which the next eviction removes.
Bounded: beyond `bytes_max` the files that were used longest ago go first.

A full or read-only disk never fails a read: then nothing is kept.

>>> import tempfile
>>> from pathlib import Path
>>> from shahrdad.client.cache import Cache
>>> from shahrdad.federation.verify.digest import Digest
>>> with tempfile.TemporaryDirectory() as folder:
...     cache = Cache(Path(folder))
...     cache.put(Digest.of(b"a"), b"a")
...     cache.get(Digest.of(b"a")), cache.get(Digest.of(b"b"))
(b'a', None)
"""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from shahrdad.client import limits
from shahrdad.federation.verify.digest import Digest

_TEMPORARY = ".tmp-"
_KEPT_SHARE = 0.9  # evict a little more than needed, or every put would evict again


class Cache:
    """A folder of immutable files; a folder of None keeps nothing.

    Args:
        folder: Made on first use.
        bytes_max: Size above which old files go.
    """

    def __init__(
        self, folder: Path | None, bytes_max: int = limits.CACHE_BYTES_MAX
    ) -> None:
        self.folder = folder
        self.bytes_max = bytes_max

    def get(self, digest: Digest) -> bytes | None:
        """Return the bytes of a digest, or None when they are not here."""
        path = self._path(digest)
        if path is None:
            return None
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if Digest.of(data) != digest:
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # the time of last use, also where atime is off
        return data

    def put(self, digest: Digest, data: bytes) -> None:
        """Keep bytes that were verified; raises nothing when the disk refuses.

        Raises:
            ValueError: the bytes have another digest.
        """
        if Digest.of(data) != digest:
            raise ValueError("the bytes have another digest")
        path = self._path(digest)
        if path is None or len(data) > self.bytes_max:
            return
        temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            return
        self._evict(path)

    def _path(self, digest: Digest) -> Path | None:
        """Return where a digest's file lies."""
        if self.folder is None:
            return None
        return self.folder / "object" / digest.hex[:2] / digest.hex

    def _evict(self, newest: Path) -> None:
        """Remove what was used longest ago, until the folder is within its bound."""
        files = []
        for path in newest.parent.parent.glob("*/*"):
            with suppress(OSError):  # another process may have removed it
                stat = path.stat()
                files.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in files)
        crowded = total > self.bytes_max
        now = time.time()
        for used, size, path in sorted(files):
            left_behind = (
                path.name.startswith(_TEMPORARY)
                and now - used > limits.CACHE_TEMPORARY_SECONDS_MAX
            )
            surplus = (
                crowded and total > self.bytes_max * _KEPT_SHARE and path != newest
            )
            if left_behind or surplus:
                with suppress(OSError):
                    path.unlink()
                    total -= size
