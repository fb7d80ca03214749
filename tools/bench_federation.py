"""Measure synchronisation (bars of federation 15) beside listing everything.

    .venv/bin/python tools/bench_federation.py [entries] [changes]

One log of that many records, served over gRPC on loopback by a process of its own. Each
reader is a process of its own too, so that its CPU and memory are known: the stream
alone; the stream written into one plain table, unverified; verified and stored, without
and with bodies. Then a round without a change, one with some changes, and what the same
changes cost a peer that lists every record's name and digest and compares (the way of a
harvest). Bytes, ratios and entries a second of CPU matter, not the clock.
"""

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from federation_world import open_store  # noqa: E402
from shahrdad.datasets.errors import Reason, UnavailableError  # noqa: E402
from shahrdad.federation import wire  # noqa: E402
from shahrdad.federation.dialler import Dialler  # noqa: E402
from shahrdad.federation.grpc_reader import GrpcPeer, GrpcReader  # noqa: E402
from shahrdad.federation.ingest import Ingest  # noqa: E402
from shahrdad.federation.keyring import ConfiguredKeys, LogKey  # noqa: E402
from shahrdad.federation.log.store import LogStore  # noqa: E402
from shahrdad.federation.reader import BodyMode, LogChunk, LogStart  # noqa: E402
from shahrdad.federation.server import (  # noqa: E402
    FederationServer,
    ServerSettings,
    serving,
)
from shahrdad.federation.store_reader import StoreReader  # noqa: E402
from shahrdad.federation.sync import Syncer, SyncPeer  # noqa: E402
from shahrdad.federation.verify import checkpoint as checkpoints  # noqa: E402
from shahrdad.federation.verify.digest import Digest  # noqa: E402
from shahrdad.federation.verify.growth import grow  # noqa: E402
from shahrdad.federation.verify.note import join  # noqa: E402
from shahrdad.proto.v1 import federation_pb2 as pb  # noqa: E402
from synthetic_log import TIME, body_of, put_of, signer_of  # noqa: E402

ORIGIN = "bench.example/catalog"
SIGNER = signer_of(ORIGIN)
KEYS = ConfiguredKeys([LogKey(ORIGIN, SIGNER.vkey)])
AT_ONCE = 256


def publish(store: LogStore, numbers: range, version: int = 0) -> None:
    """Append a record under each number's key, and sign the head."""
    store.ensure_log(ORIGIN)
    frontier = store.frontier(ORIGIN)
    for start in range(0, len(numbers), AT_ONCE):
        raws, bodies = [], {}
        for number in numbers[start : start + AT_ONCE]:
            body = body_of(number + version)
            bodies[Digest.of(body)] = body
            raws.append(put_of(number, body))
        growth = grow(frontier, raws, ORIGIN)
        store.append(growth, bodies)
        frontier = growth.frontier
    size = frontier.size
    text = checkpoints.Checkpoint(ORIGIN, size, frontier.root()).text()
    store.put_head(ORIGIN, join(text, [SIGNER.sign(text)]), seconds=int(time.time()))


def serve(path: Path) -> None:
    """Serve a store until standard input ends; print the port."""
    store = open_store(path)
    server = FederationServer(ServerSettings(), StoreReader(store), store)
    with serving(server) as port:
        print(port, flush=True)
        sys.stdin.read()


def reader_of(port: int) -> GrpcReader:
    """Return a reader of the node at a port of loopback."""
    peer = GrpcPeer("bench", f"127.0.0.1:{port}", insecure=True)
    return GrpcReader(peer, Dialler(["127.0.0.0/8"]))


def listen(port: int, path: Path) -> None:
    """Read the stream, and do nothing with it."""
    del path
    for _ in reader_of(port).read_log(ORIGIN, 0, BodyMode.NONE):
        pass


def keep(port: int, path: Path) -> None:
    """Write the stream into one table, a transaction a chunk, unverified."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE plain(idx INTEGER PRIMARY KEY, raw BLOB)")
    for part in reader_of(port).read_log(ORIGIN, 0, BodyMode.NONE):
        if isinstance(part, LogChunk):
            connection.execute("BEGIN")
            rows = enumerate(part.entries, part.start_index)
            connection.executemany("INSERT INTO plain VALUES(?,?)", rows)
            connection.execute("COMMIT")
    connection.close()


def ingest(port: int, path: Path) -> None:
    """Verify and store the entries."""
    modest = Ingest(open_store(path), KEYS, body_mode=lambda _: BodyMode.NONE)
    while True:
        try:
            modest.pull(reader_of(port), ORIGIN)
        except UnavailableError:
            continue  # a slow machine needs more than one stream's time: it goes on
        return


def ingest_bodies(port: int, path: Path) -> None:
    """Verify and store entries and bodies, as a round does."""
    syncer = Syncer(Ingest(open_store(path), KEYS))
    peer = SyncPeer("bench", lambda: reader_of(port))
    while not (report := syncer.round([peer], force=True)).ok:
        if any(one.reason != Reason.TIMEOUT for one in report.refused):
            raise SystemExit(report.text("en"))


MEASURES: dict[str, Callable[[int, Path], None]] = {
    "listen": listen,
    "keep": keep,
    "ingest": ingest,
    "ingest_bodies": ingest_bodies,
}


def measure(name: str, port: int, path: Path) -> None:
    """Run one reader in this process, and print what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    MEASURES[name](port, path)
    found = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(found))


@contextmanager
def served(path: Path) -> Iterator[int]:
    """Serve a store in another process."""
    program = [sys.executable, __file__, "serve", str(path)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise SystemExit("the server has no pipes")
        yield int(process.stdout.readline())
        process.stdin.close()


def measured(name: str, port: int, path: Path) -> dict[str, float]:
    """Run one reader in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "measure", name, str(port), str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


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
    """Return bytes, deflated bytes and CPU seconds of listing all names and digests."""
    start = time.process_time()
    listed = [
        {"name": key, "modified": TIME, "sha256": live.sha256.hex}
        for key, live in store.live(ORIGIN).items()
    ]
    content = json.dumps(listed).encode()
    packed = len(zlib.compress(content))
    return len(content), packed, time.process_time() - start


def main(count: int, changes: int) -> None:
    """Run all measurements and print a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        city = open_store(folder / "city.db")
        publish(city, range(count))
        print(f"entries {count:,}, changes {changes:,}")
        with served(folder / "city.db") as port:
            taken = {}
            for name in MEASURES:
                one = taken[name] = measured(name, port, folder / f"{name}.db")
                print(
                    f"{name:14} {count / one['wall']:10,.0f} entries/s"
                    f" {count / one['cpu']:10,.0f} a second of CPU"
                    f" {one['resident']:6,.0f} MB resident",
                    flush=True,
                )
            print_parts(taken)
            changed(city, folder / "ingest_bodies.db", port, range(changes), count)


def print_parts(taken: dict[str, dict[str, float]]) -> None:
    """Print each reader as a part of the stream alone, and of the plain table."""
    for name in ("keep", "ingest", "ingest_bodies"):
        clock = taken["listen"]["wall"] / taken[name]["wall"]
        plain = taken["keep"]["cpu"] / taken[name]["cpu"]
        print(
            f"{name:14} {clock:.3f} of the stream's rate (bar: 0.15),"
            f" {plain:.3f} of the plain table's CPU"
        )


def changed(city: LogStore, path: Path, port: int, numbers: range, count: int) -> None:
    """Measure a round with some changes, and one without."""
    node = open_store(path)
    publish(city, numbers, version=count)
    parts = list(reader_of(port).read_log(ORIGIN, count, BodyMode.NONE))
    syncer = Syncer(Ingest(node, KEYS))
    peer = SyncPeer("bench", lambda: reader_of(port))
    seconds = []
    for _ in ("with the changes", "without one"):
        start = time.process_time()
        syncer.round([peer])
        seconds.append(time.process_time() - start)
    if city.state_digest(ORIGIN) != node.state_digest(ORIGIN):
        raise SystemExit("the two stores do not agree")
    cursor = node.peer("bench").cursor
    answer = pb.ListHeadsResponse(next_cursor=cursor).ByteSize()
    request = pb.ListHeadsRequest(cursor=cursor, wait_seconds=50).ByteSize()
    sent, inner, packed = stream_bytes(parts)
    listed, listed_packed, cpu = list_everything(city)
    print(
        f"round without a change   {request + answer:12,} B, 1 call,"
        f" {seconds[1]:.3f} s CPU"
    )
    print(f"round with {len(numbers):,} changes  {sent:12,} B, {seconds[0]:.3f} s CPU")
    print(f"  besides the entries    {sent - inner:12,} B")
    print(f"  deflated               {packed:12,} B")
    print(f"listing everything       {listed:12,} B, {cpu:.3f} s CPU to make")
    print(f"  deflated               {listed_packed:12,} B")
    print(f"  times the changes      {listed / sent:12.1f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", path]:
            serve(Path(path))
        case ["measure", name, port, path]:
            measure(name, int(port), Path(path))
        case texts:
            arguments = [int(text) for text in texts]
            main(*(arguments + [50_000, 100][len(arguments) :]))
