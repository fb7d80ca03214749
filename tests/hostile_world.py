"""A peer whose messages and files are altered on their way, and what must still hold.

    peer = WiredPeer(SimPeer("liar", [log]), alter)
    check_harmless(ingest, log, ask(ingest, lambda: peer))

`alter` gets the name of a call and its serialised answers, and returns what arrives.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from federation_world import ORIGIN, check_prefix
from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.federation import wire
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.reader import (
    Body,
    BodyMode,
    ConsistencyProof,
    HeadsPage,
    LogChunk,
    LogReader,
    LogStart,
    NodeFacts,
)
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.sync_report import SyncReport
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.proto.v1 import federation_pb2 as pb
from simulator import SimLog, SimPeer

M = TypeVar("M", bound=Message)
Alter = Callable[[str, list[bytes]], Sequence[bytes]]


class WiredPeer:
    """A `LogReader` over an honest one, whose messages are altered on their way.

    Args:
        honest: Who answers.
        alter: Name of a call and its serialised answers → what arrives of them.
    """

    def __init__(self, honest: LogReader, alter: Alter) -> None:
        self._honest = honest
        self._alter = alter

    @property
    def name(self) -> str:
        """The name that errors must say."""
        return self._honest.name

    def node(self) -> NodeFacts:
        """Return who it says it is."""
        message = wire.node_to_wire(self._honest.node())
        return wire.node_from_wire(self._one("GetNode", message))

    def list_heads(
        self, cursor: str = "", wait_seconds: int = 0, origins: Sequence[str] = ()
    ) -> HeadsPage:
        """List heads."""
        page = self._honest.list_heads(cursor, wait_seconds, origins)
        heads = [wire.head_to_wire(head) for head in page.heads]
        message = pb.ListHeadsResponse(heads=heads, next_cursor=page.next_cursor)
        return wire.page_from_wire(self._one("ListHeads", message))

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Stream a log."""
        messages = [
            pb.ReadLogResponse(start=wire.start_to_wire(part))
            if isinstance(part, LogStart)
            else pb.ReadLogResponse(chunk=wire.chunk_to_wire(part))
            for part in self._honest.read_log(origin, from_size, body_mode)
        ]
        for message in self._call("ReadLog", pb.ReadLogResponse, messages):
            yield wire.part_from_wire(message)

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Answer each digest, or not."""
        messages = [
            pb.ReadBodiesResponse(bodies=[wire.body_to_wire(body)])
            for body in self._honest.read_bodies(digests)
        ]
        for message in self._call("ReadBodies", pb.ReadBodiesResponse, messages):
            for body in message.bodies:
                yield wire.body_from_wire(body)

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Prove two sizes, or pretend to."""
        proof = self._honest.consistency_proof(origin, from_size, to_size)
        message = pb.GetConsistencyProofResponse(
            from_root=proof.from_root, to_root=proof.to_root, proof=proof.proof
        )
        return wire.consistency_from_wire(self._one("GetConsistencyProof", message))

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _one(self, call: str, message: M) -> M:
        for arrived in self._call(call, type(message), [message]):
            return arrived
        raise UnavailableError(Reason.TIMEOUT, peer=self.name)

    def _call(self, call: str, kind: type[M], messages: Iterable[M]) -> Iterator[M]:
        """Yield what arrives; what cannot be read ends the call, as gRPC ends it."""
        sent = [message.SerializeToString() for message in messages]
        for content in self._alter(call, sent):
            try:
                yield kind.FromString(content)
            except DecodeError as error:
                raise UnavailableError(
                    Reason.PEER_UNREACHABLE, peer=self.name, detail="not protobuf"
                ) from error


class MemoryFiles:
    """A `NamedStore`, and the `MirrorFiles` of what was written, in memory."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = {} if files is None else files

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Write a file."""
        self.files[str(path)] = content

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file."""
        del limit
        return self.files.get(str(path))

    def delete_named(self, path: MirrorPath) -> None:
        """Delete a file."""
        self.files.pop(str(path), None)

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file."""
        return self.read_named(path, limit)

    def close(self) -> None:
        """Do nothing."""


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return bytes with a bit flipped, a part cut off, dropped or repeated."""
    if not content:
        return content
    place = chance.randrange(len(content))
    match chance.randrange(4):
        case 0:
            return flipped(content, place, chance.randrange(8))
        case 1:
            return content[:place]
        case 2:
            end = min(len(content), place + chance.randrange(1, 64))
            return content[:place] + content[end:]
        case _:
            end = min(len(content), place + chance.randrange(1, 64))
            return content[:end] + content[place:]


def flipped(content: bytes, place: int, bit: int) -> bytes:
    """Return bytes with one bit of one of them changed."""
    changed = content[place] ^ (1 << bit)
    return content[:place] + bytes([changed]) + content[place + 1 :]


def ask(ingest: Ingest, *readers: Callable[[], LogReader]) -> SyncReport:
    """Run a round with some readers, all of them the peer "liar"."""
    peers = [SyncPeer("liar", reader) for reader in readers]
    return Syncer(ingest, chance=random.Random(1)).round(peers, full=True, force=True)


def blamed_peers(report: SyncReport) -> set[str]:
    """Return who is named for anything that was wrong in a round."""
    named = {line.peer for line in report.refused}
    return named | {peer.name for peer in report.peers if peer.error}


def check_harmless(ingest: Ingest, log: SimLog, report: SyncReport) -> None:
    """Assert that nothing wrong is held, and who is to blame; then heal."""
    check_prefix(ingest, log)
    assert blamed_peers(report) <= {"liar"}
    held = ingest.store.find_log(ORIGIN)
    assert held is None or held.evidence is None
    ask(ingest, lambda: SimPeer("honest", [log]))

    assert log.size == ingest.store.log(ORIGIN).head_size
    assert 0 == ingest.store.log(ORIGIN).missing_bodies
    check_prefix(ingest, log)
