"""The write side over real gRPC: cosignatures on request, and logs that are pushed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from federation_world import ORIGIN, filled, mirror, open_store, reading, refusal
from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.federation import limits
from shahrdad.federation.grpc_reader import GrpcReader
from shahrdad.federation.grpc_writer import GrpcWriter, Pushed
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import Status
from shahrdad.federation.mirror_service import WriteSide
from shahrdad.federation.push import push_log
from shahrdad.federation.reader import BodyMode, LogChunk, LogStart, NodeFacts
from shahrdad.federation.server import FederationServer, ServerSettings, serving
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.note import Kind, Signer, Verifier
from shahrdad.federation.witness import Witness
from shahrdad.proto.v1 import federation_pb2 as pb
from shahrdad.proto.v1 import federation_pb2_grpc as rpc
from simulator import Clock, SimLog, SimPeer, keys_of, seed

NAME = "qom.example.ir/witness"
SIGNER = Signer.from_seed(NAME, seed(NAME), Kind.WITNESS)


class Receiver:
    """A node that is pushed to, and a connection to it."""

    def __init__(self, ingest: Ingest, reader: GrpcReader) -> None:
        self.ingest = ingest
        self.store = ingest.store
        self.reader = reader
        self.writer = GrpcWriter(reader)


@contextmanager
def receiver(
    path: Path, *logs: SimLog, window_seconds: float = 60.0, witness: bool = True
) -> Iterator[Receiver]:
    """Serve an empty node that follows some logs and takes what is pushed."""
    keys = keys_of(logs, [SIGNER], quorum=1)
    ingest = Ingest(open_store(path), keys, clock=Clock())
    signer = Witness(ingest.store, keys, SIGNER, clock=Clock()) if witness else None
    side = WriteSide(ingest, signer, window_seconds=window_seconds)
    facts = NodeFacts(features=("push", "witness") if witness else ("push",))
    answers = StoreReader(ingest.store, facts)
    server = FederationServer(ServerSettings(), answers, ingest.store, side)
    with serving(server) as port, reading(port, "mirror") as reader:
        yield Receiver(ingest, reader)


def parts(log: SimLog, size: int = 0, chunk: int = 256) -> list[LogStart | LogChunk]:
    """Return a log from a size on, as its city would push it."""
    city = SimPeer("city", [log])
    city.chunk_entries = chunk
    return list(city.read_log(log.origin, size, BodyMode.ALL))


def test_pushed_log_is_held_and_cosigned(tmp_path: Path) -> None:
    """A city behind a wall is mirrored whole, and takes a cosignature home."""
    log = filled(300)
    city = mirror(tmp_path / "city.db", log, keys=keys_of([log], [SIGNER], quorum=1))
    with receiver(tmp_path / "node.db", log) as node:
        report = push_log(city, ORIGIN, node.reader, node.writer)
        held = node.store.log(ORIGIN)

    assert (0, log.size, True) == (report.size_before, report.size, report.cosigned)
    assert (log.size, 0) == (held.head_size, held.missing_bodies)
    assert city.store.state_digest(ORIGIN) == node.store.state_digest(ORIGIN)
    assert city.store.log(ORIGIN).confirmed is not None


def test_push_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    """What came before a cut stays; the receiver's own size says where to go on."""
    log = filled(20)
    city = mirror(tmp_path / "city.db", log)
    with receiver(tmp_path / "node.db", log) as node:
        cut = node.writer.push_log(iter(parts(log, chunk=4)[:3]))
        report = push_log(city, ORIGIN, node.reader, node.writer)
        head = node.store.log(ORIGIN).head_size

    assert 8 == cut.next_index
    assert b"" == cut.cosignatures
    assert (8, log.size, log.size) == (report.size_before, report.size, head)


def test_push_of_nothing_new_asks_for_a_cosignature(tmp_path: Path) -> None:
    """An unchanged log is cosigned on request (AddCheckpoint), with one call."""
    log = filled(5)
    keys = keys_of([log], [SIGNER], quorum=1)
    city = mirror(tmp_path / "city.db", log, keys=keys)
    with receiver(tmp_path / "node.db", log) as node:
        node.ingest.pull(SimPeer("city", [log]), ORIGIN)
        report = push_log(city, ORIGIN, node.reader, node.writer)

    assert (0, True) == (report.entries, report.cosigned)
    assert city.store.log(ORIGIN).confirmed is not None


def test_wrong_start_is_told_the_size(tmp_path: Path) -> None:
    """A push that does not start where the receiver ends is refused with its size."""
    log = filled(9)
    with receiver(tmp_path / "node.db", log) as node:
        node.writer.push_log(iter(parts(log)))
        error = refusal(node.writer.push_log, iter(parts(log, 3)))

    assert (Reason.OLD_SIZE_CONFLICT, log.size) == (error.reason, error.values["size"])
    assert isinstance(error, ConflictError)


class Refusing:
    """A `LogWriterSide` that refuses everything, and names a size."""

    def __init__(self, size: int | str) -> None:
        self.size = size

    def add_checkpoint(
        self, old_size: int, proof: Sequence[bytes], note: bytes
    ) -> bytes:
        """Refuse."""
        del proof, note
        raise self._refusal(old_size)

    def push_log(self, parts: Iterator[LogStart | LogChunk]) -> Pushed:
        """Refuse."""
        del parts
        raise self._refusal(0)

    def _refusal(self, given: int) -> ConflictError:
        return ConflictError(
            Reason.OLD_SIZE_CONFLICT, origin=ORIGIN, size=self.size, size_given=given
        )


@pytest.mark.parametrize("size", ["-5", "۵", "abc", "", -1])
def test_refusal_without_a_size_is_the_peers_fault(
    tmp_path: Path, size: int | str
) -> None:
    """What it names is from outside: `int` would read a sign and other digits."""
    log = filled(5)
    city = mirror(tmp_path / "city.db", log)
    error = refusal(push_log, city, ORIGIN, SimPeer("liar", []), Refusing(size))

    assert isinstance(error, PeerError)
    assert (Reason.MALFORMED, "liar") == (error.reason, error.values["peer"])


def test_peer_that_holds_more_of_our_log_is_pushed_nothing(tmp_path: Path) -> None:
    """A size above our own ends the push with the peer's own refusal."""
    log = filled(5)
    city = mirror(tmp_path / "city.db", log)
    error = refusal(push_log, city, ORIGIN, SimPeer("ahead", []), Refusing(99))

    assert Reason.OLD_SIZE_CONFLICT is error.reason


def altered(log: SimLog, change: Callable[[LogChunk], LogChunk]) -> list[object]:
    """Return a push with its chunks changed."""
    return [change(part) if isinstance(part, LogChunk) else part for part in parts(log)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda part: replace(part, entries=part.entries[::-1]), Reason.BAD_PROOF),
        (lambda part: replace(part, start_index=1), Reason.MALFORMED),
        (lambda part: replace(part, proof=(b"x" * 32,)), Reason.BAD_PROOF),
        (
            lambda part: replace(
                part, bodies=(replace(part.bodies[0], content=b"another"),)
            ),
            Reason.DIGEST_MISMATCH,
        ),
        (lambda part: replace(part, entries=part.entries[:-1]), Reason.BAD_PROOF),
    ],
)
def test_pushed_lies_are_refused(
    tmp_path: Path, change: Callable[[LogChunk], LogChunk], reason: Reason
) -> None:
    """A push is verified like a pull: nothing of a wrong part is stored."""
    log = filled(12)
    with receiver(tmp_path / "node.db", log) as node:
        error = refusal(node.writer.push_log, iter(altered(log, change)))
        held = node.store.find_log(ORIGIN)

    assert reason is error.reason
    assert held is not None
    assert 0 == held.size


def test_push_without_start_and_of_strangers_is_refused(tmp_path: Path) -> None:
    """Only logs that are followed are taken, and a stream begins with its head."""
    log, stranger = filled(3), SimLog("stranger.example.ir/catalog")
    forged = SimLog(ORIGIN, key_name="thief")
    with receiver(tmp_path / "node.db", log) as node:
        found = [
            refusal(node.writer.push_log, iter(stream)).reason
            for stream in ([], parts(log)[1:], parts(stranger), parts(forged))
        ]

    assert [
        Reason.MALFORMED,
        Reason.MALFORMED,
        Reason.ORIGIN_UNKNOWN,
        Reason.BAD_SIGNATURE,
    ] == found


def test_closed_log_takes_no_push(tmp_path: Path) -> None:
    """A quarantined log grows for nobody."""
    log = filled(3)
    with receiver(tmp_path / "node.db", log) as node:
        node.store.ensure_log(ORIGIN)
        node.store.set_status(ORIGIN, Status.QUARANTINED)
        error = refusal(node.writer.push_log, iter(parts(log)))

    assert (Reason.ORIGIN_CLOSED, "quarantined") == (
        error.reason,
        error.values["status"],
    )


def test_trickling_push_is_given_up(tmp_path: Path) -> None:
    """A sender that says nothing holds its slot for a window, not for ever."""
    log = filled(20)
    done = threading.Event()

    def slowly() -> Iterator[LogStart | LogChunk]:
        yield from parts(log, chunk=4)[:2]
        done.wait(20)

    with receiver(tmp_path / "node.db", log, window_seconds=0.2) as node:
        try:
            error = refusal(node.writer.push_log, slowly())
        finally:
            done.set()
        held = node.store.log(ORIGIN).size

    assert Reason.TIMEOUT is error.reason
    assert 4 == held


def test_third_push_at_a_time_is_refused(tmp_path: Path) -> None:
    """Of three pushes that a client holds open, one is refused and two end well."""
    log = filled(8)
    refused = threading.Event()
    reasons: list[Reason] = []

    def held_open() -> Iterator[LogStart | LogChunk]:
        yield parts(log)[0]
        refused.wait(20)

    def push() -> None:
        try:
            node.writer.push_log(held_open())
        except UnavailableError as error:
            reasons.append(error.reason)
            refused.set()

    with receiver(tmp_path / "node.db", log) as node:
        running = [
            threading.Thread(target=push) for _ in range(limits.CLIENT_PUSH_LOG_MAX + 1)
        ]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        after = node.writer.push_log(iter(parts(log)))

    assert [Reason.QUOTA_EXCEEDED] == reasons
    assert log.size == after.next_index


def test_cosignature_over_grpc_verifies(tmp_path: Path) -> None:
    """AddCheckpoint answers lines of cosignature/v1 that anyone can check."""
    log = filled(6)
    with receiver(tmp_path / "node.db", log) as node:
        lines = node.writer.add_checkpoint(0, (), log.note())
        recorded = node.store.witnessed(ORIGIN)
    keys = [log.signer.verifier, Verifier.parse(SIGNER.vkey)]
    _, opened = checkpoints.open_checkpoint(log.note() + lines, keys)

    assert {NAME} == set(checkpoints.cosignature_times(opened))
    assert recorded is not None
    assert log.size == recorded.size


def test_reasons_of_add_checkpoint_over_grpc(tmp_path: Path) -> None:
    """The first reason of the protocol's order comes back, with its values."""
    log, stranger = filled(6), SimLog("stranger.example.ir/catalog")
    forged = SimLog(ORIGIN, key_name="thief")
    with receiver(tmp_path / "node.db", log) as node:
        ask = node.writer.add_checkpoint
        ask(0, (), log.note())
        found = [
            refusal(ask, *arguments)
            for arguments in (
                (0, (), b"no note"),
                (0, (), stranger.note()),
                (0, (), forged.note()),
                (log.size + 1, (), log.note()),
                (2, (), log.note()),
                (log.size, (b"x" * 32,), log.note()),
                (log.size, (b"x" * 31,), log.note()),
            )
        ]

    assert [
        Reason.MALFORMED,
        Reason.ORIGIN_UNKNOWN,
        Reason.BAD_SIGNATURE,
        Reason.MALFORMED,
        Reason.OLD_SIZE_CONFLICT,
        Reason.BAD_PROOF,
        Reason.MALFORMED,
    ] == [error.reason for error in found]
    assert log.size == found[4].values["size"]


def test_fork_brought_for_a_cosignature_is_evidence(tmp_path: Path) -> None:
    """A head of another history is convicted by what is held, not cosigned."""
    log = filled(9)
    twin = log.fork(4)
    twin.fill(2, start=70)
    with receiver(tmp_path / "node.db", log) as node:
        node.writer.push_log(iter(parts(log)))
        with node.store._write(durable=True) as connection:
            connection.execute("DELETE FROM witnessed")  # it cosigned nothing yet
        error = refusal(node.writer.add_checkpoint, 0, (), twin.note())
        held = node.store.log(ORIGIN)

    assert Reason.EQUIVOCATION is error.reason
    assert (Status.QUARANTINED, True) == (held.status, bool(held.evidence))


def test_add_checkpoint_quota(tmp_path: Path) -> None:
    """Ten requests a minute for one log are answered, the next is not."""
    log = filled(2)
    with receiver(tmp_path / "node.db", log) as node:
        for _ in range(limits.ADD_CHECKPOINT_MINUTE_MAX):
            size = node.store.witnessed(ORIGIN)
            node.writer.add_checkpoint(size.size if size else 0, (), log.note())
        error = refusal(node.writer.add_checkpoint, log.size, (), log.note())

    assert Reason.QUOTA_EXCEEDED is error.reason


def test_node_without_a_witness_key_says_so(tmp_path: Path) -> None:
    """A pure mirror takes pushes and cosigns nothing."""
    log = filled(3)
    city = mirror(tmp_path / "city.db", log)
    with receiver(tmp_path / "node.db", log, witness=False) as node:
        report = push_log(city, ORIGIN, node.reader, node.writer)
        with pytest.raises(grpc.RpcError) as caught:
            rpc.MirrorServiceStub(node.reader.channel).AddCheckpoint(
                pb.AddCheckpointRequest(checkpoint=log.note()), timeout=10
            )

    assert (log.size, False) == (report.size, report.cosigned)
    assert grpc.StatusCode.UNIMPLEMENTED is caught.value.code()


def test_own_log_is_never_pushed_into_a_node(tmp_path: Path) -> None:
    """Nobody grows a city's own log from outside."""
    log = filled(3)
    with receiver(tmp_path / "node.db", log) as node:
        node.store.ensure_log(ORIGIN, own=True)
        error = refusal(node.writer.push_log, iter(parts(log)))

    assert (Reason.ORIGIN_CLOSED, "own") == (error.reason, error.values["status"])


def test_push_of_an_unknown_log_is_the_callers_fault(tmp_path: Path) -> None:
    """A log that is not held here cannot be pushed."""
    log = filled(3)
    ingest = Ingest(open_store(tmp_path / "empty.db"), keys_of([log]), clock=Clock())
    with (
        receiver(tmp_path / "node.db", log) as node,
        pytest.raises(RequestError) as caught,
    ):
        push_log(ingest, ORIGIN, node.reader, node.writer)

    assert Reason.ORIGIN_UNKNOWN is caught.value.reason
