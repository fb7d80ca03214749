"""One log of a static mirror, every entry hashed and compared with its checkpoint.

The entries are read once, bundle by bundle, and what is kept of each is what a reader
asks for: key, operation, time, digest. Proofs are made later from the mirror's tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from shahrdad.client import limits
from shahrdad.client.mirror_files import MirrorFiles
from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath, decode_bundle, hash_reader
from shahrdad.federation.verify.tree import (
    HASH_BYTES,
    TILE_WIDTH,
    Frontier,
    inclusion_proof,
)


@dataclass(frozen=True, slots=True)
class Event:
    """What is kept of one put or delete."""

    index: int
    op: str
    key: str
    time: str
    digest: Digest | None
    reason: str | None


@dataclass
class ReplayedLog:
    """A log whose entries have the root that its checkpoint names.

    Attributes:
        origin: Its origin.
        size: Number of entries.
        checkpoint: The note, as it lies in the mirror; its signature is not checked.
        after: Origin of the log that this one continues.
        events: Puts and deletes in order.
        redacted: Digests that the log removed.
    """

    files: MirrorFiles
    origin: str
    size: int
    checkpoint: bytes
    after: str | None = None
    events: list[Event] = field(default_factory=list)
    redacted: set[Digest] = field(default_factory=set)

    def prove(self, index: int) -> tuple[bytes, list[bytes]]:
        """Return an entry's bytes and the proof that it stands in this log."""
        number, at = divmod(index, TILE_WIDTH)
        raw = _bundle(self.files, self.origin, number, self.size)[at]
        return raw, inclusion_proof(index, self.size, hash_reader(self._read_tile))

    def _read_tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile, as far as this size has them."""
        in_level = self.size >> (8 * level)
        width = min(TILE_WIDTH, in_level - number * TILE_WIDTH)
        for name in (
            MirrorPath.tile(self.origin, level, number, width),
            MirrorPath.tile(self.origin, level, number),
        ):
            data = self.files.read(name, TILE_WIDTH * HASH_BYTES)
            if data is not None and len(data) >= width * HASH_BYTES:
                return data[: width * HASH_BYTES]
        raise _incomplete(self.origin, f"tile {level}/{number}")


def replay(files: MirrorFiles, origin: str) -> ReplayedLog:
    """Read a log of a mirror.

    Raises:
        PeerError: BAD_PROOF when the entries have another root than the checkpoint;
            MALFORMED, TOO_LARGE.
    """
    note = files.read(MirrorPath.checkpoint(origin), limits.RECEIPT_BYTES_MAX)
    if note is None:
        raise _incomplete(origin, "checkpoint")
    claimed = checkpoints.peek(note)
    if claimed.origin != origin:
        raise PeerError(
            Reason.MALFORMED, field="checkpoint", detail=f"not of the log {origin}"
        )
    if claimed.size > limits.LOG_ENTRIES_MAX:
        raise PeerError(
            Reason.MALFORMED,
            field="checkpoint",
            detail=f"{claimed.size} entries, at most {limits.LOG_ENTRIES_MAX}",
        )
    log = ReplayedLog(files, origin, claimed.size, note)
    frontier = Frontier()
    for index, raw in enumerate(_read_entries(files, origin, claimed.size)):
        frontier.append(entries.leaf_hash(raw))
        _apply(log, raw, index)
    if frontier.root() != claimed.root:
        raise PeerError(
            Reason.BAD_PROOF, subject=f"entries 0 to {claimed.size} of {origin}"
        )
    return log


def _apply(log: ReplayedLog, raw: bytes, index: int) -> None:
    """Keep what an entry says; one that breaks a rule is hashed and not applied."""
    try:
        said = entries.parse(raw, index, log.origin)
    except PeerError:
        return
    if said.op == "genesis" and said.after is not None:
        log.after = said.after.origin
    elif said.op == "redact" and said.sha256 is not None:
        log.redacted.add(said.sha256)
    elif said.key is not None:
        log.events.append(
            Event(index, said.op, said.key, said.time, said.sha256, said.reason)
        )


def _read_entries(files: MirrorFiles, origin: str, size: int) -> Iterator[bytes]:
    """Yield the entries of a log, oldest first."""
    for number in range(-(-size // TILE_WIDTH)):
        yield from _bundle(files, origin, number, size)


def _bundle(files: MirrorFiles, origin: str, number: int, size: int) -> list[bytes]:
    """Return the entries of a bundle, as far as a size has them.

    A partial bundle may be gone once the full one is written: then that has the prefix.
    """
    width = min(TILE_WIDTH, size - number * TILE_WIDTH)
    for name in (
        MirrorPath.entries(origin, number, width),
        MirrorPath.entries(origin, number),
    ):
        data = files.read(name, limits.TILE_BYTES_MAX)
        if data is not None:
            return decode_bundle(data, width)
    raise _incomplete(origin, f"entries {number}")


def _incomplete(origin: str, part: str) -> PeerError:
    """Return the error of a mirror that lacks a file of a log."""
    return PeerError(Reason.MALFORMED, field="mirror", detail=f"no {part} of {origin}")
