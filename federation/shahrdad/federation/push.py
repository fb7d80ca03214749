"""Bringing our log to a peer: for cities that cannot be reached from outside.

    1  what does the peer hold of it?              ListHeads with the origin
    2  the entries above that, with their bodies   PushLog
    3  its cosignature, when it is a witness       in that answer, else AddCheckpoint

Each step may be cut off and repeated. What the peer says of its size is only where the
push begins: the peer verifies everything itself, and refuses what does not fit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    UnavailableError,
)
from shahrdad.federation.grpc_writer import Pushed
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.reader import BodyMode, Head, LogChunk, LogReader, LogStart
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.verify import checkpoint as checkpoints

ATTEMPTS = 2  # the second with the size that the peer named
FEATURE_WITNESS = "witness"


class LogWriterSide(Protocol):
    """A peer that takes logs."""

    def add_checkpoint(
        self, old_size: int, proof: Sequence[bytes], note: bytes
    ) -> bytes:
        """Ask for a cosignature."""
        ...

    def push_log(self, parts: Iterator[LogStart | LogChunk]) -> Pushed:
        """Push one start and its chunks."""
        ...


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push came to; `cosigned` tells whether the peer vouches for our head."""

    origin: str
    peer: str
    size_before: int
    size: int
    cosigned: bool = False

    @property
    def entries(self) -> int:
        """How many entries the peer took."""
        return max(0, self.size - self.size_before)


def push_log(
    ingest: Ingest, origin: str, reader: LogReader, writer: LogWriterSide
) -> PushReport:
    """Bring a log that is held here to a peer, and take its cosignature home.

    Args:
        ingest: Over the store that holds the log; it verifies the cosignature.
        origin: The log.
        reader: The peer, read.
        writer: The same peer, written to.

    Raises:
        RequestError: ORIGIN_UNKNOWN: here, or the peer does not follow this log.
        ConflictError, PeerError, UnavailableError: of the peer.
    """
    store = ingest.store
    head = store.log(origin)
    facts = reader.node()
    page = reader.list_heads("", 0, [origin])
    theirs = next((item for item in page.heads if item.origin == origin), None)
    if theirs is not None:
        ingest.offer(theirs, reader.name)  # its lines, and whether it is our history
    size = before = min(theirs.size if theirs else 0, head.head_size)
    cosignatures = b""
    if size < head.head_size:
        pushed, before = _push(store_reader(ingest), origin, size, writer, reader.name)
        size, cosignatures = pushed.next_index, pushed.cosignatures
    if not cosignatures and FEATURE_WITNESS in facts.features:
        cosignatures = _ask(ingest, origin, size, writer, reader.name)
    cosigned = bool(cosignatures) and merge(ingest, origin, cosignatures, reader.name)
    return PushReport(origin, reader.name, before, size, cosigned)


def store_reader(ingest: Ingest) -> StoreReader:
    """Return a reader of our own store."""
    return StoreReader(ingest.store)


def merge(ingest: Ingest, origin: str, lines: bytes, peer: str) -> bool:
    """Put cosignature lines to our head; only those that verify stay.

    Returns:
        Whether the head has more cosigners now, or newer ones.

    Raises:
        PeerError: MALFORMED, BAD_SIGNATURE.
    """
    before = ingest.store.log(origin)
    note = (before.checkpoint or b"") + lines
    ingest.offer(Head(origin, before.head_size, note), peer)
    return ingest.store.log(origin).checkpoint != before.checkpoint


def _push(
    answers: StoreReader, origin: str, size: int, writer: LogWriterSide, peer: str
) -> tuple[Pushed, int]:
    """Push from a size; once more from the one that the peer names instead."""
    held = answers.store.log(origin).head_size
    for attempt in range(ATTEMPTS):
        try:
            parts = answers.read_log(origin, size, BodyMode.ALL)
            return writer.push_log(parts), size
        except ConflictError as error:
            if error.reason is not Reason.OLD_SIZE_CONFLICT or attempt:
                raise
            size = _named_size(error, peer)
            if size > held:
                raise  # it holds more than we do: there is nothing to push
    raise RuntimeError("the last attempt returns or raises")


def _ask(
    ingest: Ingest, origin: str, size: int, writer: LogWriterSide, peer: str
) -> bytes:
    """Ask a witness for its line; the proof is made again once (tlog-witness 409)."""
    store = ingest.store
    log = store.log(origin)
    note = log.checkpoint or b""
    head = checkpoints.peek(note)
    old = min(size, head.size)
    for attempt in range(ATTEMPTS):
        proof: list[bytes] = []
        if 0 < old < head.size:
            proof = store.consistency_proof(origin, old, head.size)
        try:
            return writer.add_checkpoint(old, proof, note)
        except ConflictError as error:
            if error.reason is not Reason.OLD_SIZE_CONFLICT or attempt:
                raise
            old = _named_size(error, peer)
            if old > head.size:
                return b""  # it cosigned a larger head, of which we know nothing yet
        except UnavailableError:
            return b""  # it stopped being a witness; the entries are there
    return b""


def _named_size(error: ConflictError, peer: str) -> int:
    """Return the size that a peer names in a refusal.

    Raises:
        PeerError: MALFORMED: it names none. `int()` would read Persian digits and a
            sign, which no size has.
    """
    size = error.values.get("size")
    if not isinstance(size, int) or size < 0:
        raise PeerError(
            Reason.MALFORMED, field="size", detail="not a size", peer=peer
        ) from error
    return size
