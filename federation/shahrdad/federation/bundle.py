"""Writing offline bundles: logs as one ZIP, for a stick, a mail or an archive.

A bundle is the tree of a static mirror, so any reader of mirrors reads it, and any
verifier checks it. One file, because 50,000 small ones on a stick with clusters of
128 KiB take 6.4 GB. With `since`, older entries are left out, and the tiles that proofs
from there need are kept.
"""

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from shahrdad.federation.log_reading import LogReading
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.verify.tile import MirrorPath

_TIME = (1980, 1, 1, 0, 0, 0)  # the same logs give the same bytes


class ZipStore:
    """A `NamedStore` that gathers a mirror's files into one ZIP."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._written: set[str] = set()
        self._changing: dict[str, bytes] = {}

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Write a file once; those that change are kept back until the end."""
        name = str(path)
        if not path.immutable:
            self._changing[name] = content
        elif name not in self._written:
            self._written.add(name)
            self._add(name, content)

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file that is kept back."""
        content = self._changing.get(str(path))
        if content is not None and len(content) > limit:
            raise ValueError(f"{path} is longer than {limit} bytes")
        return content

    def delete_named(self, path: MirrorPath) -> None:
        """Nothing to do: a redacted body is not held, so it was never written."""

    def finish(self) -> None:
        """Write what was kept back."""
        for name, content in sorted(self._changing.items()):
            self._add(name, content)

    def _add(self, name: str, content: bytes) -> None:
        """Add a member."""
        member = zipfile.ZipInfo(name, _TIME)
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = 0o644 << 16
        self._file.writestr(member, content)


def write_bundle(
    logs: LogReading,
    origins: Sequence[str],
    path: Path,
    *,
    since: Mapping[str, int] | None = None,
    bodies: bool = True,
) -> int:
    """Write logs, up to their complete heads, into a ZIP.

    Args:
        logs: Where they are held.
        origins: Which logs.
        path: The ZIP; replaced as a whole when the bundle is complete.
        since: Sizes that the receiver has already, by origin; 0 where there is none.
        bodies: Whether the records are written too.

    Returns:
        Bytes of the ZIP.

    Raises:
        RequestError: ORIGIN_UNKNOWN.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as raw:
            with zipfile.ZipFile(raw, "w") as file:
                store = ZipStore(file)
                for origin in origins:
                    start = (since or {}).get(origin, 0)
                    StaticMirror(store).write_log(
                        logs, origin, since=start, bodies=bodies
                    )
                store.finish()
            raw.flush()
            os.fsync(raw.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path.stat().st_size
