"""What a round costs, in calls and bytes (federation 15, bar 2)."""

import json
import os
import zlib
from pathlib import Path

import pytest

from federation_world import ORIGIN, mirror, new_ingest, new_store, reading, served
from shahrdad.federation import wire
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.reader import BodyMode, Head, LogChunk, LogStart
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.stream import LogStream
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.note import Kind, Signer, join
from shahrdad.federation.verify.tree import TILE_WIDTH
from shahrdad.proto.v1 import federation_pb2 as pb
from simulator import Clock, SimLog, SimPeer, keys_of, seed
from synthetic_log import body_of, put_of, tail_of

LONG = bool(os.environ.get("SHAHRDAD_LONG"))
ENTRIES = 1_000_000 if LONG else 20_000
MILLION = 1_000_000
CHANGES = 100
CONTROL_BYTES_MAX = 2_048  # besides the entries
WHOLE_BYTES_MAX = 8_192  # with gzip
SENT_BYTES_MAX = 20_480  # all that a round with a hundred changes sends, unpacked


class Counted(StoreReader):
    """A reader that counts calls and the bytes of their messages."""

    calls = 0
    payload = 0

    def list_heads(self, *arguments, **named):  # type: ignore[no-untyped-def]
        """List heads, as the wire carries them."""
        page = super().list_heads(*arguments, **named)
        self.calls += 1
        cursor = arguments[0] if arguments else ""
        request = pb.ListHeadsRequest(cursor=cursor, wait_seconds=50)
        answer = pb.ListHeadsResponse(
            heads=[wire.head_to_wire(head) for head in page.heads],
            next_cursor=page.next_cursor,
            more=page.more,
        )
        self.payload += request.ByteSize() + answer.ByteSize()
        return page

    def read_log(self, *arguments, **named):  # type: ignore[no-untyped-def]
        """Count a call that must not come."""
        self.calls += 1
        return super().read_log(*arguments, **named)


def test_round_without_changes_over_a_thousand_logs() -> None:
    """One call and less than 300 bytes of payload tell that nothing changed."""
    logs = [SimLog(f"city-{number}.example.ir/catalog") for number in range(1_000)]
    source = new_ingest(*logs)
    for log in logs:
        source.pull(SimPeer("city", [log]), log.origin)
    node = Ingest(new_store(), keys_of(logs), clock=Clock())
    peer = Counted(source.store, name="mirror")
    syncer = Syncer(node)
    syncer.round([SyncPeer("mirror", lambda: peer)])
    assert 1_000 == len(node.store.logs())
    peer.calls = peer.payload = 0
    report = syncer.round([SyncPeer("mirror", lambda: peer)])

    assert report.ok
    assert 1 == peer.calls
    assert peer.payload < 300


def bytes_of(parts: list[LogStart | LogChunk]) -> tuple[int, int, int]:
    """Return bytes of the messages, of their entries, and deflated."""
    messages = [
        pb.ReadLogResponse(start=wire.start_to_wire(part))
        if isinstance(part, LogStart)
        else pb.ReadLogResponse(chunk=wire.chunk_to_wire(part))
        for part in parts
    ]
    raws = [raw for part in parts if isinstance(part, LogChunk) for raw in part.entries]
    packed = sum(len(zlib.compress(m.SerializeToString())) for m in messages)
    return sum(m.ByteSize() for m in messages), sum(map(len, raws)), packed


@pytest.mark.parametrize("witnesses", [3])
def test_hundred_changes_of_a_large_log(tmp_path: Path, witnesses: int) -> None:
    """A hundred changes cost their entries and at most 2 KB; 8 KB in all with gzip."""
    log = SimLog(ORIGIN)
    for number in range(ENTRIES - 1):
        log.put(f"ds/record-{number % 5_000}", b"%d" % number)
    size = log.size
    for number in range(CHANGES):
        log.put(f"ds/record-{number}", json.dumps({"n": number}).encode())
    names = [f"w{number}.example.ir/witness" for number in range(witnesses)]
    signers = [Signer.from_seed(name, seed(name), Kind.WITNESS) for name in names]
    for signer in signers:
        log.cosign(signer, Clock()())
    store = mirror(tmp_path / "node.db", log, keys=keys_of([log], signers)).store
    with served(store) as port, reading(port) as reader:
        parts = list(reader.read_log(ORIGIN, size, BodyMode.NONE))
    whole, entries, packed = bytes_of(parts)

    assert CHANGES == sum(
        len(part.entries) for part in parts if isinstance(part, LogChunk)
    )
    assert whole - entries <= CONTROL_BYTES_MAX + 3 * CHANGES  # protobuf's own lengths
    assert packed <= WHOLE_BYTES_MAX


def test_hundred_changes_of_a_million_records() -> None:
    """They cost at most 20 KB and one stream, and every byte of it is verified."""
    raws = [put_of(n, body_of(-n), prev=900_000 + n) for n in range(CHANGES)]
    frontier, read = tail_of(MILLION, raws)
    size = MILLION + CHANGES
    head = SimLog(ORIGIN)
    signers = [
        Signer.from_seed(name, seed(name), Kind.WITNESS)
        for name in ("qom.example.ir/witness", "rasht.example.ir/witness", "w/witness")
    ]
    checkpoint = Checkpoint(ORIGIN, size, tree.root_at(size, read))
    text = checkpoint.text()
    lines = [head.signer.sign(text)]
    lines += [signer.sign(text, seconds=Clock()()) for signer in signers]
    edge = (MILLION // TILE_WIDTH + 1) * TILE_WIDTH
    parts: list[LogStart | LogChunk] = [
        LogStart(
            Head(ORIGIN, size, join(text, lines)),
            MILLION,
            frontier.root(),
            tuple(tree.consistency_proof(MILLION, size, read)),
        )
    ]
    for start, end in ((MILLION, min(edge, size)), (edge, size)):
        if start < end:
            proof = tree.consistency_proof(end, size, read) if end < size else []
            own = tuple(raws[start - MILLION : end - MILLION])
            parts.append(LogChunk(start, own, (), tuple(proof)))
    stream = LogStream(ORIGIN, frontier)
    for part in parts:
        if isinstance(part, LogStart):
            stream.start(part, checkpoint)
        else:
            stream.chunk(part)
    stream.end()
    whole, inner, packed = bytes_of(parts)

    assert stream.complete
    assert whole <= SENT_BYTES_MAX
    assert whole - inner <= CONTROL_BYTES_MAX + 3 * CHANGES
    assert packed <= WHOLE_BYTES_MAX
