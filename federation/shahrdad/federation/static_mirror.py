"""Writing the static mirror: logs as files, checkable without Shahrdad software.

    heads                                 one line per log: origin SP size LF; a hint
    log/<sha256 of the origin>/…          entry bundles, tiles, checkpoint, evidence
    body/<2 hex>/<sha256>                 records

Order: bodies, entry bundles, tiles, then `checkpoint`, then `heads`. A crash at any
point leaves a mirror of the former checkpoint, and files that the next writing writes
again with the same bytes. Only `checkpoint`, `heads` and `evidence` ever change.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from shahrdad.datasets.errors import PeerError
from shahrdad.federation.limits import HEADS_FILE_BYTES_MAX, NOTE_BYTES_MAX
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.log.schema import LogState
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import applied
from shahrdad.federation.verify.tile import (
    MirrorPath,
    encode_bundle,
    layout,
    proof_tiles,
)
from shahrdad.federation.verify.tree import HASH_BYTES, TILE_WIDTH

_HEAD_LINE = re.compile(r"(\S+) (0|[1-9][0-9]{0,18})")


class NamedStore(Protocol):
    """Where the files of a mirror go.

    Durable: when `write_named` returns, the file survives a crash.
    Whole: a reader sees the former content or the new one, never a part.
    Repeatable: all may be repeated after any error.
    """

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Write a file, or replace it."""
        ...

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file of at most `limit` bytes, or None when there is none."""
        ...

    def delete_named(self, path: MirrorPath) -> None:
        """Delete a file; absent is success."""
        ...


class StaticMirror:
    """The static mirror of one node.

    Args:
        store: Where the files go.
    """

    def __init__(self, store: NamedStore) -> None:
        self._store = store

    def checkpoint(self, origin: str) -> bytes | None:
        """Return a log's checkpoint as it is on the mirror; nothing is verified."""
        return self._store.read_named(MirrorPath.checkpoint(origin), NOTE_BYTES_MAX)

    def sizes(self) -> dict[str, int]:
        """Return the size of each log that the mirror lists; a hint."""
        held = self._store.read_named(MirrorPath.heads(), HEADS_FILE_BYTES_MAX) or b""
        return dict(parse_heads(held))

    def write_bodies(self, bodies: Mapping[Digest, bytes]) -> None:
        """Write records."""
        for digest, content in bodies.items():
            self._store.write_named(MirrorPath.body(digest), content)

    def remove_bodies(self, digests: Iterable[Digest]) -> None:
        """Delete records that were redacted or pruned."""
        for digest in digests:
            self._store.delete_named(MirrorPath.body(digest))

    def write_log(
        self,
        logs: LogReading,
        origin: str,
        *,
        since: int | None = None,
        bodies: bool = True,
    ) -> None:
        """Bring a log's files up to its complete head.

        Args:
            logs: Where the log is held.
            origin: The log.
            since: Size that the files are written from; None for what the mirror's own
                checkpoint does not cover yet, 0 to write everything again.
            bodies: Whether the bodies of the entries are written too.
        """
        log = logs.log(origin)
        if log.checkpoint is None:
            return
        old = self._written(logs, log) if since is None else since
        if bodies:
            self._write_bodies_of(logs, origin, old, log.head_size)
        self._write_entries(logs, origin, old, log.head_size)
        self._write_tiles(logs, origin, old, log.head_size, whole=since is not None)
        if log.evidence is not None:
            self._store.write_named(MirrorPath.evidence(origin), log.evidence)
        self._store.write_named(MirrorPath.checkpoint(origin), log.checkpoint)
        self._write_heads(origin, log.head_size)

    def _written(self, logs: LogReading, log: LogState) -> int:
        """Return the size that the mirror has whole: that of its own checkpoint.

        One that is not of our tree says nothing, and everything is written again.
        """
        note = self.checkpoint(log.origin)
        if note is None:
            return 0
        try:
            written = checkpoints.peek(note)
        except PeerError:
            return 0
        if written.origin != log.origin or written.size > log.head_size:
            return 0
        ours = logs.root_at(log.origin, written.size)
        return written.size if ours == written.root else 0

    def _write_bodies_of(
        self, logs: LogReading, origin: str, start: int, end: int
    ) -> None:
        """Write the held bodies of some entries, and delete what they redact.

        A body that another log still holds stays: one city must not erase another's.
        """
        for first in range(start, end, TILE_WIDTH):
            last = min(end, first + TILE_WIDTH)
            named: dict[str, list[Digest]] = {"put": [], "redact": []}
            for entry in applied(logs.entries(origin, first, last), first, origin):
                if entry.sha256 is not None:
                    named[entry.op].append(entry.sha256)
            self.write_bodies(logs.bodies(named["put"]))
            held = logs.bodies(named["redact"])
            self.remove_bodies(one for one in named["redact"] if one not in held)

    def _write_entries(self, logs: LogReading, origin: str, old: int, new: int) -> None:
        """Write the entry bundles that a tree of size `old` lacks."""
        for span in layout(new, old):
            if span.level == 0:
                start = span.number * TILE_WIDTH
                raws = logs.entries(origin, start, start + span.width)
                path = MirrorPath.entries(origin, span.number, span.width)
                self._store.write_named(path, encode_bundle(raws))

    def _write_tiles(
        self, logs: LogReading, origin: str, old: int, new: int, *, whole: bool
    ) -> None:
        """Write the tiles that a tree of size `old` lacks, or all that proofs need."""
        for span in proof_tiles(new, old) if whole else layout(new, old):
            hashes = logs.tile(origin, span.level, span.number)
            path = MirrorPath.tile(origin, span.level, span.number, span.width)
            self._store.write_named(path, hashes[: span.width * HASH_BYTES])

    def _write_heads(self, origin: str, size: int) -> None:
        """Put a log's size into the list of the mirror's logs."""
        sizes = self.sizes()
        sizes[origin] = size
        text = "".join(f"{name} {count}\n" for name, count in sorted(sizes.items()))
        self._store.write_named(MirrorPath.heads(), text.encode("utf-8"))


def parse_heads(content: bytes) -> list[tuple[str, int]]:
    """Read the list of a mirror's logs; a line that is none is passed over.

    It is a hint and never trusted: the checkpoints say what is there.
    """
    matches = map(_HEAD_LINE.fullmatch, content.decode("utf-8", "replace").split("\n"))
    return [(match[1], int(match[2])) for match in matches if match is not None]
