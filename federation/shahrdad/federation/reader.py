"""What a node reads another node's logs through: gRPC, a bucket, a disk or a bundle.

Every reader gives the same plain values, and one verifier (`ingest`) judges them all. A
reader only carries: it promises neither that an answer is true nor that it is complete.
It does bound what it accepts, and it raises the peer's refusals as our own errors.

    grpc_reader.GrpcReader       another node, by its federation service
    static_reader.StaticReader   a static mirror: web server, bucket, folder or ZIP
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from shahrdad.federation.verify.digest import Digest


class BodyMode(IntEnum):
    """Which bodies a stream carries; the numbers are those of the wire."""

    LIVE = 1  # the newest version of each record that is live at the head
    ALL = 2  # every version still held
    NONE = 3


class BodyAbsence(IntEnum):
    """Why a body is not sent; the numbers are those of the wire."""

    PRESENT = 0
    UNKNOWN = 1
    REDACTED = 2
    PRUNED = 3


@dataclass(frozen=True, slots=True)
class Head:
    """Newest signed state of one log, as a node lists it.

    `size` repeats the checkpoint and is never trusted; `evidence` is empty when the
    node holds none.
    """

    origin: str
    size: int
    checkpoint: bytes
    verified_at: str = ""  # RFC 3339; informative
    missing_bodies: int = 0
    evidence: bytes = b""


@dataclass(frozen=True, slots=True)
class HeadsPage:
    """Heads that changed since a cursor, oldest change first.

    `next_cursor` is valid once the heads of the page are handled. With `more`, ask
    again at once.
    """

    heads: tuple[Head, ...]
    next_cursor: str
    more: bool = False


@dataclass(slots=True)  # not frozen: a first contact makes a million of them
class Body:
    """A content-addressed body, or the reason why it is not sent."""

    sha256: bytes
    content: bytes = b""
    absence: BodyAbsence = BodyAbsence.PRESENT


@dataclass(frozen=True, slots=True)
class LogStart:
    """First part of a stream: fixes the head that the stream is verified against."""

    head: Head
    from_size: int
    from_root: bytes = b""  # the sender's root at from_size; empty for 0
    proof: tuple[bytes, ...] = ()  # from_size → head.size; empty for 0 and for equal


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Consecutive entries that do not cross a multiple of 256."""

    start_index: int
    entries: tuple[bytes, ...]
    bodies: tuple[Body, ...] = ()
    proof: tuple[bytes, ...] = ()  # start_index + len(entries) → head.size


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """A node's answer about two sizes of its tree of one log."""

    from_root: bytes
    to_root: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Who a node says it is. Informative: what counts comes from the member log."""

    origin: str = ""
    member_log_origin: str = ""
    vkeys: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    software: str = ""
    entry_bytes_max: int = 0
    body_bytes_max: int = 0
    message_bytes_max: int = 0
    chunk_entries_max: int = 0


class LogReader(Protocol):
    """One peer, read.

    Repeatable: every method may be called again with the same arguments.
    Verified: nothing; the caller does that.
    Bounded: no answer is larger than `limits` allow, before it is handed on.
    Concurrent: one thread at a time.
    Errors: `PeerError` for an answer that breaks a limit or the format, with `peer`
    among its values; `RequestError`, `ConflictError` and `UnavailableError` for a
    refusal that the peer gave a reason for; `UnavailableError(PEER_UNREACHABLE)` and
    `(TIMEOUT)` when it did not answer.
    """

    @property
    def name(self) -> str:
        """The peer's name, for the ledger."""
        ...

    def node(self) -> NodeFacts:
        """Return who the peer says it is."""
        ...

    def list_heads(
        self, cursor: str = "", wait_seconds: int = 0, origins: Sequence[str] = ()
    ) -> HeadsPage:
        """Return the heads that changed since a cursor of the same peer.

        Args:
            cursor: `next_cursor` of an earlier page; empty lists every head.
            wait_seconds: How long the peer may wait while nothing changed, 0 to 50.
            origins: Only these logs, at most 100; empty means all.
        """
        ...

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Yield one start, then the chunks from `from_size` to the peer's head."""
        ...

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Yield one body, present or absent, for each digest, in that order."""
        ...

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Return the peer's proof between two sizes of its tree, 1 ≤ from ≤ to."""
        ...

    def close(self) -> None:
        """Let connections go; the reader is not used again."""
        ...
