"""The federation service over real gRPC: semantics, limits, errors, polls."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from federation_world import ORIGIN, mirror, reading, served
from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation import limits
from shahrdad.federation.grpc_reader import GrpcReader
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.quotas import ClientQuotas, client_address
from shahrdad.federation.reader import (
    BodyAbsence,
    BodyMode,
    LogChunk,
    LogStart,
    NodeFacts,
)
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify.digest import Digest
from shahrdad.proto.v1 import federation_pb2 as pb
from shahrdad.proto.v1 import federation_pb2_grpc as rpc
from simulator import SimLog, SimPeer


class Node:
    """A node that mirrors one city and is served."""

    def __init__(self, ingest: Ingest, log: SimLog, reader: GrpcReader) -> None:
        self.ingest = ingest
        self.store = ingest.store
        self.log = log
        self.reader = reader

    def grow(self, count: int) -> None:
        """Let the city publish, and the node pull it."""
        self.log.fill(count, start=self.log.size)
        self.ingest.pull(SimPeer("city", [self.log]), ORIGIN)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Serve a mirror of a log of 300 entries."""
    log = SimLog(ORIGIN)
    log.fill(299)
    ingest = mirror(tmp_path / "node.db", log)
    facts = NodeFacts(origin=ORIGIN, features=("witness",), software="shahrdad/1")
    with served(ingest.store, facts) as port, reading(port) as reader:
        yield Node(ingest, log, reader)


def refusal(call: object, *arguments: object, **named: object) -> ShahrdadError:
    """Return the error of a call that is refused."""
    try:
        answer = call(*arguments, **named)  # type: ignore[operator]
        if isinstance(answer, Iterator):
            list(answer)
    except ShahrdadError as error:
        return error
    raise AssertionError("the call was not refused")


def test_node_says_who_it_is_and_its_limits(node: Node) -> None:
    """A peer learns what may be sent before it sends."""
    facts = node.reader.node()

    assert (ORIGIN, ("witness",)) == (facts.origin, facts.features)
    assert limits.MESSAGE_BYTES_MAX == facts.message_bytes_max
    assert limits.ENTRY_BYTES_MAX == facts.entry_bytes_max


def test_head_travels_as_the_bytes_that_were_signed(node: Node) -> None:
    """The checkpoint is relayed verbatim, its size beside it."""
    page = node.reader.list_heads()
    (head,) = page.heads

    assert (ORIGIN, 300, node.log.note()) == (head.origin, head.size, head.checkpoint)
    assert head.verified_at.endswith("Z")
    assert not page.more


def test_nothing_new_is_a_small_answer(node: Node) -> None:
    """A no-change round costs one call and next to no bytes."""
    cursor = node.reader.list_heads().next_cursor
    page = node.reader.list_heads(cursor)

    assert ((), cursor) == (page.heads, page.next_cursor)
    assert len(pb.ListHeadsResponse(next_cursor=cursor).SerializeToString()) < 40


def test_cursor_lists_only_changes(node: Node) -> None:
    """A cursor is complete knowledge: what follows it is what changed."""
    cursor = node.reader.list_heads().next_cursor
    node.grow(3)
    (head,) = node.reader.list_heads(cursor).heads

    assert 303 == head.size


@pytest.mark.parametrize(
    "cursor", ["0000:1", "nonsense", "{epoch}:999999", "{epoch}:01"]
)
def test_cursor_of_another_database_expires(node: Node, cursor: str) -> None:
    """A cursor from before a restore, or from ahead of it, starts again."""
    epoch = node.store.epoch()
    error = refusal(node.reader.list_heads, cursor.format(epoch=epoch))

    assert isinstance(error, RequestError)
    assert (Reason.CURSOR_EXPIRED, "peer") == (error.reason, error.values["peer"])


def test_pages(tmp_path: Path) -> None:
    """A page ends at its size; `more` says so, and its cursor goes on."""
    logs = [SimLog(f"city-{number}.example.ir/catalog") for number in range(5)]
    store = mirror(tmp_path / "node.db", *logs).store
    answers = StoreReader(store)
    seen, cursor, more = [], "", True
    while more:
        page = answers.list_heads(cursor, page_size=2)
        seen.append([head.origin for head in page.heads])
        cursor, more = page.next_cursor, page.more

    assert [2, 2, 1] == [len(page) for page in seen]
    assert {log.origin for log in logs} == {origin for page in seen for origin in page}


def test_only_the_logs_that_are_asked_for(tmp_path: Path) -> None:
    """A head is found by its origin; at most 100 of them."""
    logs = [SimLog(f"city-{number}.example.ir/catalog") for number in range(3)]
    store = mirror(tmp_path / "node.db", *logs).store
    with served(store) as port, reading(port) as reader:
        page = reader.list_heads(origins=[logs[1].origin])
        most = reader.list_heads(origins=["a.example/x"] * limits.HEADS_ORIGINS_MAX)
        error = refusal(
            reader.list_heads, origins=["a.example/x"] * (limits.HEADS_ORIGINS_MAX + 1)
        )

    assert [logs[1].origin] == [head.origin for head in page.heads]
    assert () == most.heads
    assert Reason.MALFORMED is error.reason


def test_long_poll_returns_at_the_change(node: Node) -> None:
    """A waiting poll answers as soon as a head grows."""
    cursor = node.reader.list_heads().next_cursor
    thread = threading.Timer(0.3, node.grow, [1])
    begun = time.monotonic()
    thread.start()
    page = node.reader.list_heads(cursor, wait_seconds=20)
    thread.join()

    assert [301] == [head.size for head in page.heads]
    assert time.monotonic() - begun < 15


def test_long_poll_ends_with_its_time(node: Node) -> None:
    """A poll that sees nothing returns its cursor."""
    cursor = node.reader.list_heads().next_cursor
    page = node.reader.list_heads(cursor, wait_seconds=1)

    assert ((), cursor) == (page.heads, page.next_cursor)


def test_many_polls_hold_no_thread(node: Node) -> None:
    """Fifty polls wait at once, and other calls are still answered."""
    cursor = node.reader.list_heads().next_cursor
    stub = rpc.FederationServiceStub(node.reader.channel)
    request = pb.ListHeadsRequest(cursor=cursor, wait_seconds=30)
    polls = [stub.ListHeads.future(request, timeout=40) for _ in range(50)]

    assert ORIGIN == node.reader.node().origin
    node.grow(1)
    assert {301} == {poll.result().heads[0].size for poll in polls}


def test_polls_of_one_client_are_bounded(node: Node) -> None:
    """The 65th waiting poll of one address is refused, the 64th is not."""
    cursor = node.reader.list_heads().next_cursor
    stub = rpc.FederationServiceStub(node.reader.channel)
    request = pb.ListHeadsRequest(cursor=cursor, wait_seconds=2)
    polls = [
        stub.ListHeads.future(request, timeout=40)
        for _ in range(limits.CLIENT_POLLS_MAX + 1)
    ]
    codes = sorted(str(poll.code()) for poll in polls)

    assert ["StatusCode.OK"] * 64 + ["StatusCode.RESOURCE_EXHAUSTED"] == codes


def test_log_streams_in_chunks_that_keep_to_tiles(node: Node) -> None:
    """A start, then chunks of at most 256 entries that cross no tile."""
    start, *chunks = node.reader.read_log(ORIGIN, 0)

    assert isinstance(start, LogStart)
    assert (0, b"", ()) == (start.from_size, start.from_root, start.proof)
    assert [(0, 256), (256, 44)] == [
        (chunk.start_index, len(chunk.entries))
        for chunk in chunks
        if isinstance(chunk, LogChunk)
    ]


def test_from_the_head_is_a_start_alone(node: Node) -> None:
    """Who has everything gets the head and no entries."""
    (start,) = node.reader.read_log(ORIGIN, 300)

    assert isinstance(start, LogStart)
    assert (300, node.log.root(300), ()) == (
        start.from_size,
        start.from_root,
        start.proof,
    )


def test_size_ahead_of_the_server(node: Node) -> None:
    """A client that has more is sent to another peer, with the size."""
    error = refusal(node.reader.read_log, ORIGIN, 301)

    assert Reason.SIZE_AHEAD is error.reason
    assert 301 == error.values["size"]


@pytest.mark.parametrize("size", [2**63, 2**64 - 1])
def test_sizes_that_no_log_has(node: Node, size: int) -> None:
    """A number that the database has no room for is refused, not an accident."""
    assert Reason.MALFORMED is refusal(node.reader.read_log, ORIGIN, size).reason


def test_unknown_log(node: Node) -> None:
    """A log that is not held is said to be so."""
    error = refusal(node.reader.read_log, "qom.example.ir/catalog", 0)

    assert (Reason.ORIGIN_UNKNOWN, "qom.example.ir/catalog") == (
        error.reason,
        error.values["origin"],
    )


def test_small_chunks_on_demand(node: Node) -> None:
    """A chunk ends before it passes the bytes asked for, with one entry at least."""
    answers = StoreReader(node.store)
    parts = list(answers.read_log(ORIGIN, 0, BodyMode.ALL, chunk_bytes=1_000))
    chunks = [part for part in parts if isinstance(part, LogChunk)]
    sizes = [
        sum(map(len, chunk.entries)) + sum(len(body.content) for body in chunk.bodies)
        for chunk in chunks
    ]

    assert max(sizes) <= 1_000
    assert 300 == sum(len(chunk.entries) for chunk in chunks)
    assert all(
        1 == len(part.entries)
        for part in answers.read_log(ORIGIN, 0, chunk_bytes=1)
        if isinstance(part, LogChunk)
    )


def test_body_modes(node: Node) -> None:
    """LIVE sends what is live at the head, ALL what is held, NONE nothing."""
    counts = {}
    for mode in BodyMode:
        parts = node.reader.read_log(ORIGIN, 0, mode)
        counts[mode] = sum(
            len(part.bodies) for part in parts if isinstance(part, LogChunk)
        )

    assert len(node.log.live_digests()) == counts[BodyMode.LIVE]
    assert counts[BodyMode.LIVE] <= counts[BodyMode.ALL]
    assert 0 == counts[BodyMode.NONE]


def test_bodies_in_order_with_the_reason_of_absence(node: Node) -> None:
    """Every digest asked gets its answer, at its place."""
    held = next(iter(node.log.live_digests()))
    unknown = Digest.of(b"nowhere")
    node.log.redact(held)
    bodies = list(node.reader.read_bodies([unknown, held, unknown]))

    assert [unknown.raw, held.raw, unknown.raw] == [body.sha256 for body in bodies]
    assert [BodyAbsence.UNKNOWN, BodyAbsence.PRESENT, BodyAbsence.UNKNOWN] == [
        body.absence for body in bodies
    ]
    node.ingest.pull(SimPeer("city", [node.log]), ORIGIN)
    (body,) = node.reader.read_bodies([held])

    assert (BodyAbsence.REDACTED, b"") == (body.absence, body.content)


def test_most_digests_and_one_above(node: Node) -> None:
    """One call asks for at most 1,000 bodies, and for one at least."""
    digests = [Digest.of(str(number).encode()) for number in range(1_001)]

    assert 1_000 == len(list(node.reader.read_bodies(digests[:1_000])))
    assert Reason.MALFORMED is refusal(node.reader.read_bodies, digests).reason
    assert Reason.MALFORMED is refusal(node.reader.read_bodies, []).reason


def test_large_bodies_are_parted_into_messages(tmp_path: Path) -> None:
    """The largest bodies pass: each message stays below gRPC's limit."""
    log = SimLog(ORIGIN)
    for number in range(6):
        log.put(f"ds/large-{number}", bytes([48 + number]) * limits.BODY_BYTES_MAX)
    store = mirror(tmp_path / "node.db", log).store
    with served(store) as port, reading(port) as reader:
        bodies = list(reader.read_bodies(list(log.bodies)))
        parts = list(reader.read_log(ORIGIN, 0))

    assert list(log.bodies.values()) == [body.content for body in bodies]
    assert 7 == len([part for part in parts if isinstance(part, LogChunk)])


def test_consistency_proof(node: Node) -> None:
    """The proof between two sizes is that of the city's own tree."""
    answer = node.reader.consistency_proof(ORIGIN, 100, 300)

    assert node.log.root(100) == answer.from_root
    assert node.log.root(300) == answer.to_root
    assert node.log.proof(100, 300) == answer.proof


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ((0, 5), Reason.MALFORMED),
        ((6, 5), Reason.MALFORMED),
        ((1, 301), Reason.SIZE_AHEAD),
    ],
)
def test_consistency_proof_that_cannot_be(
    node: Node, sizes: tuple[int, int], reason: Reason
) -> None:
    """From 0 nothing can be proven, nor above the head."""
    assert reason is refusal(node.reader.consistency_proof, ORIGIN, *sizes).reason


def test_receipt_verifies_alone(node: Node) -> None:
    """What a citizen keeps needs no node to be checked."""
    receipt = node.reader.receipt(ORIGIN, 7)
    verdict = receipts.verify(receipt, verifiers=[node.log.signer.verifier])

    assert verdict
    assert 7 == verdict.index
    assert Reason.ENTRY_UNKNOWN is refusal(node.reader.receipt, ORIGIN, 300).reason


def test_receipt_by_key(node: Node) -> None:
    """The newest entry of a key is the subject when no index is given."""
    stub = rpc.FederationServiceStub(node.reader.channel)
    answer = stub.GetReceipt(pb.GetReceiptRequest(origin=ORIGIN, key="ds/record-1"))
    index = receipts.parse(answer.tlog_proof).index

    assert node.log.newest("ds/record-1") == index


def test_node_pulls_from_a_node(node: Node, tmp_path: Path) -> None:
    """One verifier for every reader: over gRPC the mirror ends with the same state."""
    other = mirror(tmp_path / "other.db", keys=node.ingest.keys)
    pulled = other.pull(node.reader, ORIGIN)

    assert (300, True) == (pulled.size, pulled.complete)
    assert node.store.state_digest(ORIGIN) == other.store.state_digest(ORIGIN)
    assert 0 == other.store.log(ORIGIN).missing_bodies


def test_dead_peer_is_unreachable_within_the_connect_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An address where nobody listens costs seconds, not the deadline of a poll."""
    monkeypatch.setattr("shahrdad.federation.grpc_reader.CONNECT_SECONDS_MAX", 0.5)
    begun = time.monotonic()
    with reading(1) as reader:
        error = refusal(reader.list_heads, wait_seconds=50)

    assert isinstance(error, UnavailableError)
    assert (Reason.PEER_UNREACHABLE, "peer") == (error.reason, error.values["peer"])
    assert time.monotonic() - begun < 10


def test_message_above_the_limit_is_the_peers_fault(tmp_path: Path) -> None:
    """What inflates above 4 MiB is refused by gRPC before it is memory."""
    bomb = pb.ReadBodiesResponse(bodies=[pb.Body(content=bytes(5_000_000))])

    def explode(
        request: pb.ReadBodiesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadBodiesResponse]:
        context.set_compression(grpc.Compression.Gzip)
        yield bomb

    handler = grpc.unary_stream_rpc_method_handler(
        explode,
        pb.ReadBodiesRequest.FromString,
        pb.ReadBodiesResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler(
        "shahrdad.proto.v1.FederationService", {"ReadBodies": handler}
    )

    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((service,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with reading(port, "bomber") as reader:
            error = refusal(reader.read_bodies, [Digest.of(b"a")])
        server.stop(None).wait()

    assert isinstance(error, PeerError)
    assert (Reason.TOO_LARGE, "bomber") == (error.reason, error.values["peer"])


def test_health_and_reflection(node: Node) -> None:
    """Load balancers and people with grpcurl find their way."""
    health: Any = health_pb2_grpc.HealthStub(node.reader.channel)
    answer = health.Check(
        health_pb2.HealthCheckRequest(service="shahrdad.proto.v1.FederationService")
    )
    mirrors: Any = reflection_pb2_grpc.ServerReflectionStub(node.reader.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (services,) = mirrors.ServerReflectionInfo(iter([request]))
    names = {item.name for item in services.list_services_response.service}

    assert health_pb2.HealthCheckResponse.SERVING == answer.status
    assert "shahrdad.proto.v1.FederationService" in names


def test_quota_of_requests() -> None:
    """The last request of a minute passes, the next waits for the next minute."""
    now = [0.0]
    quotas = ClientQuotas(clock=lambda: now[0])
    for _ in range(limits.CLIENT_REQUESTS_MINUTE_MAX):
        quotas.count("a", "requests", limits.CLIENT_REQUESTS_MINUTE_MAX)
    with pytest.raises(UnavailableError) as caught:
        quotas.count("a", "requests", limits.CLIENT_REQUESTS_MINUTE_MAX)
    quotas.count("b", "requests", limits.CLIENT_REQUESTS_MINUTE_MAX)
    now[0] = 60.0
    quotas.count("a", "requests", limits.CLIENT_REQUESTS_MINUTE_MAX)

    assert Reason.QUOTA_EXCEEDED is caught.value.reason
    assert 61 == caught.value.values["seconds"]


def test_clients_are_told_apart_by_address() -> None:
    """A port is no client of its own; an IPv6 network is one client."""
    assert client_address("ipv4:192.0.2.7:1") == client_address("ipv4:192.0.2.7:2")
    assert client_address("ipv6:%5B2001:db8::1%5D:1") == client_address(
        "ipv6:[2001:db8::2]:9"
    )
    assert client_address("ipv4:192.0.2.7:1") != client_address("ipv4:192.0.2.8:1")
