"""One stream of a log, judged part by part: federation 7.1, 7.2, 7.4 and 7.5.

Bytes in, verdict out; who stores what was verified, and what is done about a fork, is
the matter of `ingest`. Whatever the sender changes (a byte, a hash, an order, a
message) either leaves a true prefix of the log that its head signs, or is refused.

    stream = LogStream(origin, frontier)
    stream.start(start, checkpoint)         the peer is honest about its own tree
    stream.forked                           its tree is not ours: read no chunk
    for chunk in …: stream.chunk(chunk)     entries that may be stored at once
    stream.end()                            the peer kept its word
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import CHUNK_ENTRIES_MAX, ENTRY_BYTES_MAX
from shahrdad.federation.reader import Body, BodyAbsence, LogChunk, LogStart
from shahrdad.federation.verify import growth as growths
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import Growth, grow
from shahrdad.federation.verify.tree import Frontier, verify_consistency


@dataclass(frozen=True, slots=True)
class VerifiedChunk:
    """Entries that stand in the tree of the stream's head, with bodies that match."""

    growth: Growth
    bodies: Mapping[Digest, bytes]


def joined(chunks: Sequence[VerifiedChunk]) -> VerifiedChunk:
    """Return consecutive chunks of one stream as one."""
    bodies: dict[Digest, bytes] = {}
    for chunk in chunks:
        bodies |= chunk.bodies
    return VerifiedChunk(growths.joined([chunk.growth for chunk in chunks]), bodies)


class LogStream:
    """The state of one stream.

    Args:
        origin: The log that was asked for.
        frontier: That of the entries that we hold; it is not changed.
    """

    def __init__(self, origin: str, frontier: Frontier) -> None:
        self.origin = origin
        self.size_before = frontier.size
        self.checkpoint: Checkpoint | None = None
        self.forked = False
        self._frontier = frontier.copy()

    @property
    def size(self) -> int:
        """How many entries are held and verified by now."""
        return self._frontier.size

    @property
    def complete(self) -> bool:
        """Whether every entry of the stream's head is verified."""
        return self.checkpoint is not None and self.size == self.checkpoint.size

    def start(self, start: LogStart, checkpoint: Checkpoint) -> None:
        """Take the first part: the peer proves that it is honest about its own tree.

        `forked` tells afterwards whether that tree goes on where ours ends. A head that
        is smaller than ours is no error: nothing is to be read.

        Args:
            start: As it came.
            checkpoint: The one in `start.head`, opened with keys of the origin.

        Raises:
            PeerError: MALFORMED, BAD_PROOF.
        """
        if checkpoint.origin != self.origin or checkpoint.size != start.head.size:
            raise _malformed("start", "the head is not that of the checkpoint")
        size = self.size_before
        if start.from_size != size:
            raise _malformed("start", f"from_size {start.from_size}, expected {size}")
        self.checkpoint = checkpoint
        if checkpoint.size < size:
            return
        if size == 0:
            if start.from_root or start.proof:
                raise _malformed("start", "a proof from size 0")
            return
        verify_consistency(
            size, checkpoint.size, start.from_root, checkpoint.root, start.proof
        )
        self.forked = start.from_root != self._frontier.root()

    def chunk(self, chunk: LogChunk) -> VerifiedChunk:
        """Take the next chunk; once this returns, it may be stored.

        Raises:
            PeerError: MALFORMED, TOO_LARGE, BAD_PROOF, DIGEST_MISMATCH; the stream is
                not used again.
            RuntimeError: there was no start, or the log forked (a mistake of the
                caller).
        """
        if self.checkpoint is None or self.forked:
            raise RuntimeError("no chunk may be read")
        head_size = self.checkpoint.size
        start, size = chunk.start_index, chunk.start_index + len(chunk.entries)
        if start != self.size:
            raise _malformed("chunk", f"start_index {start}, expected {self.size}")
        if not 1 <= len(chunk.entries) <= CHUNK_ENTRIES_MAX or size > head_size:
            raise _malformed("chunk", f"{len(chunk.entries)} entries at {start}")
        if start // CHUNK_ENTRIES_MAX != (size - 1) // CHUNK_ENTRIES_MAX:
            raise _malformed("chunk", f"crosses a multiple of {CHUNK_ENTRIES_MAX}")
        for entry in chunk.entries:
            if not 1 <= len(entry) <= ENTRY_BYTES_MAX:
                raise PeerError(
                    Reason.TOO_LARGE,
                    size_bytes=len(entry),
                    size_bytes_max=ENTRY_BYTES_MAX,
                )
        growth = grow(self._frontier, chunk.entries, self.origin)
        # Equal sizes are RFC 9162's own case: an empty proof and equal roots.
        verify_consistency(
            size, head_size, growth.frontier.root(), self.checkpoint.root, chunk.proof
        )
        bodies = _matched(chunk.bodies, growth)
        self._frontier = growth.frontier
        return VerifiedChunk(growth, bodies)

    def end(self) -> None:
        """Take the end of the stream.

        Raises:
            PeerError: SHORT_STREAM: entries below the head are missing.
        """
        if self.checkpoint is None:
            raise _malformed("stream", "empty")
        if self.size < self.checkpoint.size and not self.forked:
            raise PeerError(
                Reason.SHORT_STREAM,
                origin=self.origin,
                size=self.size,
                size_expected=self.checkpoint.size,
            )


def _matched(bodies: Sequence[Body], growth: Growth) -> dict[Digest, bytes]:
    """Check each body against an entry of the same chunk that names it."""
    if not bodies:
        return {}
    named = _named(growth)
    found: dict[Digest, bytes] = {}
    for body in bodies:
        if body.absence is not BodyAbsence.PRESENT:
            raise _malformed("body", "absent bodies are left out of a chunk")
        raw = sha256(body.content).digest()
        if raw != body.sha256:
            raise PeerError(
                Reason.DIGEST_MISMATCH, expected=body.sha256.hex(), actual=raw.hex()
            )
        if (raw, len(body.content)) not in named:
            raise _malformed("body", f"no entry of the chunk names {raw.hex()}")
        found[Digest(raw)] = body.content
    return found


def _named(growth: Growth) -> set[tuple[bytes, int]]:
    """Return digest and length of each body that a put names."""
    named = set(zip(growth.puts.digests, growth.puts.sizes, strict=True))
    for entry in growth.others:
        if entry.sha256 is not None and entry.bytes is not None:
            named.add((entry.sha256.raw, entry.bytes))
    return named


def _malformed(field: str, detail: str) -> PeerError:
    return PeerError(Reason.MALFORMED, field=field, detail=detail)
