"""Measure synchronisation (bars of federation 15) beside listing everything.

    .venv/bin/python tools/bench_federation.py [entries] [changes]

One log of that many records, served over gRPC on loopback. Prints: a cold start with
and without verifying; a round without a change; a round with some changes; and what
the same changes cost a peer that lists every record's name and digest and compares
(the way of a harvest), over the same store. Bytes and ratios matter, not seconds.
"""

import json
import sqlite3
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shahrdad.federation import wire
from shahrdad.federation.dialler import Dialler
from shahrdad.federation.grpc_reader import GrpcPeer, GrpcReader
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.keyring import ConfiguredKeys, LogKey
from shahrdad.federation.log_store import MIGRATIONS, LogStore
from shahrdad.federation.reader import BodyMode, LogChunk, LogStart
from shahrdad.federation.server import FederationServer, ServerSettings, serving
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import Kind, Signer, join
from shahrdad.proto.v1 import federation_pb2 as pb

ORIGIN = "bench.example/catalog"
SIGNER = Signer.from_seed(ORIGIN, bytes(32), Kind.LOG)
KEYS = ConfiguredKeys([LogKey(ORIGIN, SIGNER.vkey)])
AT_ONCE = 256
TIME = "2026-11-22T09:00:00Z"


def open_store(path: Path) -> LogStore:
    """Open a log store in a file."""
    local = threading.local()

    def connect() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(path, isolation_level=None, timeout=20)
            local.connection.execute("PRAGMA journal_mode=WAL")
        connection: sqlite3.Connection = local.connection
        return connection

    for script in MIGRATIONS:
        connect().executescript(script)
    return LogStore(connect)


def publish(store: LogStore, keys: Sequence[str]) -> None:
    """Append a record under each key, and sign the head."""
    store.ensure_log(ORIGIN)
    for start in range(0, len(keys), AT_ONCE):
        size = store.log(ORIGIN).size
        raws, bodies = [], {}
        for number, key in enumerate(keys[start : start + AT_ONCE], size):
            body = json.dumps({"title": f"رکورد شمارهٔ {number}", "n": number}).encode()
            digest = Digest.of(body)
            bodies[digest] = body
            raws.append(
                entries.put(key, prev=None, digest=digest, size=len(body), time=TIME)
            )
        store.append(grow(store.frontier(ORIGIN), raws, ORIGIN), bodies)
    size = store.log(ORIGIN).size
    text = checkpoints.Checkpoint(ORIGIN, size, store.root_at(ORIGIN, size)).text()
    store.put_head(ORIGIN, join(text, [SIGNER.sign(text)]), seconds=int(time.time()))


@contextmanager
def reading(store: LogStore) -> Iterator[GrpcReader]:
    """Serve a store, and read it."""
    server = FederationServer(ServerSettings(), StoreReader(store), store)
    with serving(server) as port:
        peer = GrpcPeer("bench", f"127.0.0.1:{port}", insecure=True)
        reader = GrpcReader(peer, Dialler(["127.0.0.0/8"]))
        try:
            yield reader
        finally:
            reader.close()


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def stream_bytes(parts: Sequence[LogStart | LogChunk]) -> tuple[int, int, int]:
    """Return bytes of the messages, of the entries in them, and deflated."""
    whole = inner = packed = 0
    for part in parts:
        if isinstance(part, LogStart):
            message = pb.ReadLogResponse(start=wire.start_to_wire(part))
        else:
            message = pb.ReadLogResponse(chunk=wire.chunk_to_wire(part))
            inner += sum(map(len, part.entries))
        content = message.SerializeToString()
        whole += len(content)
        packed += len(zlib.compress(content))
    return whole, inner, packed


def list_everything(store: LogStore) -> tuple[int, int, float]:
    """Return bytes, deflated bytes and seconds of listing all names and digests."""
    start = time.perf_counter()
    listed = [
        {"name": key, "modified": TIME, "sha256": live.sha256.hex}
        for key, live in store.live(ORIGIN).items()
    ]
    content = json.dumps(listed).encode()
    packed = len(zlib.compress(content))
    return len(content), packed, time.perf_counter() - start


def main(count: int, changes: int) -> None:
    """Run all measurements and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        city = open_store(Path(folder) / "city.db")
        publish(city, [f"ds/record-{number}" for number in range(count)])
        node = open_store(Path(folder) / "node.db")
        ingest = Ingest(node, KEYS)
        with reading(city) as reader:
            bare = timed(lambda: list(reader.read_log(ORIGIN, 0, BodyMode.NONE)))
            whole = timed(lambda: list(reader.read_log(ORIGIN, 0, BodyMode.LIVE)))
            cold = timed(lambda: ingest.pull(reader, ORIGIN))
            spare = open_store(Path(folder) / "spare.db")
            bare_ingest = Ingest(spare, KEYS, body_mode=lambda _: BodyMode.NONE)
            bare_cold = timed(lambda: bare_ingest.pull(reader, ORIGIN))
        before = city.log(ORIGIN).size
        publish(city, [f"ds/record-{number}" for number in range(changes)])
        with reading(city) as reader:
            parts = list(reader.read_log(ORIGIN, before, BodyMode.NONE))

            def connect() -> GrpcReader:
                peer = reader.peer
                return GrpcReader(peer, Dialler(["127.0.0.0/8"]))

            syncer = Syncer(ingest)
            peer = SyncPeer("bench", connect)
            warm = timed(lambda: syncer.round([peer]))
            idle = timed(lambda: syncer.round([peer]))
            cursor = node.peer("bench").cursor
        if city.state_digest(ORIGIN) != node.state_digest(ORIGIN):
            raise SystemExit("the two stores do not agree")
        answer = pb.ListHeadsResponse(next_cursor=cursor).ByteSize()
        request = pb.ListHeadsRequest(cursor=cursor, wait_seconds=50).ByteSize()
        sent, inner, packed = stream_bytes(parts)
        listed, listed_packed, seconds = list_everything(city)
    print(f"entries {count:,}, changes {changes:,}")
    print(f"stream, entries alone      {count / bare:12,.0f} entries/s")
    print(f"  verified and stored      {count / bare_cold:12,.0f} entries/s")
    print(f"  as a part of the stream  {bare / bare_cold:12.3f}  (bar: 0.15)")
    print(f"stream with bodies         {count / whole:12,.0f} entries/s")
    print(f"  verified and stored      {count / cold:12,.0f} entries/s")
    print(f"  as a part of the stream  {whole / cold:12.3f}")
    print(f"round without a change     {request + answer:12,} B, 1 call, {idle:.3f} s")
    print(f"round with the changes     {sent:12,} B, {warm:.3f} s")
    print(f"  of these besides entries {sent - inner:12,} B")
    print(f"  deflated                 {packed:12,} B")
    print(f"listing everything         {listed:12,} B, {seconds:.3f} s to make")
    print(f"  deflated                 {listed_packed:12,} B")
    print(f"  times the changes' bytes {listed / sent:12.1f}")


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:3]]
    main(*(arguments + [50_000, 100][len(arguments) :]))
