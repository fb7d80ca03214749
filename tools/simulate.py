"""Run the federation at scale, on virtual time: the real core, no sockets.

    .venv/bin/python tools/simulate.py lost-cursor [origins] [records]
    .venv/bin/python tools/simulate.py months [cities] [publishers] [months] [steps]

`lost-cursor`: a node meets a mirror of so many logs of small records, asks again
without a change, and once more after its cursor was lost. Prints bytes on the wire and
CPU of each, beside a peer that lists every record's name and digest.

`months`: so many cities with steps in each month; sleepers, liars, relays that
withhold, clocks that differ, key rotations, and each month one city that signs a second
history. After each month the whole world is checked.
"""

import json
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from federation_world import open_store  # noqa: E402
from shahrdad.federation import wire  # noqa: E402
from shahrdad.federation.ingest import Ingest  # noqa: E402
from shahrdad.federation.keyring import ConfiguredKeys, LogKey  # noqa: E402
from shahrdad.federation.limits import HEADS_DEFAULT  # noqa: E402
from shahrdad.federation.reader import (  # noqa: E402
    Body,
    BodyMode,
    ConsistencyProof,
    Head,
    HeadsPage,
    LogChunk,
    LogStart,
    NodeFacts,
)
from shahrdad.federation.sync import Syncer, SyncPeer  # noqa: E402
from shahrdad.federation.verify.digest import Digest  # noqa: E402
from shahrdad.proto.v1 import federation_pb2 as pb  # noqa: E402
from simulated_network import City, Network  # noqa: E402
from simulator import Clock  # noqa: E402
from synthetic_log import (  # noqa: E402
    TIME,
    SyntheticLog,
    body_of,
    put_of,
    signer_of,
)

HOURS_A_MONTH = 30 * 24


def origin_of(number: int) -> str:
    """Return the origin of a city's log."""
    return f"city{number:05}.example.ir/catalog"


class ManyLogs:
    """A mirror of many logs, each made when it is listed; a `LogReader`.

    It counts the bytes of its messages, and its own CPU, which is not the client's.
    """

    name = "mirror"

    def __init__(self, origins: int, records: int) -> None:
        self.origins = origins
        self.records = records
        self.bytes = self.packed = self.calls = 0
        self.cpu = 0.0
        self._logs: dict[int, SyntheticLog] = {}  # of the page that was listed last
        self._heads: dict[int, Head] = {}

    def reset(self) -> None:
        """Begin to count anew."""
        self.bytes = self.packed = self.calls = 0
        self.cpu = 0.0

    def node(self) -> NodeFacts:
        """Return who it is."""
        return NodeFacts()

    def list_heads(
        self, cursor: str = "", wait_seconds: int = 0, origins: Sequence[str] = ()
    ) -> HeadsPage:
        """List the heads behind a cursor, in pages as a node lists them."""
        del wait_seconds, origins
        started = time.process_time()
        self.calls += 1
        first = int(cursor or 0)
        last = min(self.origins, first + HEADS_DEFAULT)
        heads = tuple(map(self._head, range(first, last)))
        page = HeadsPage(heads, str(last), last < self.origins)
        self._count(
            pb.ListHeadsResponse(
                heads=[wire.head_to_wire(head) for head in heads],
                next_cursor=page.next_cursor,
                more=page.more,
            ).SerializeToString()
        )
        self.cpu += time.process_time() - started
        return page

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Stream a log."""
        self.calls += 1
        started = time.process_time()
        log = self._of(int(origin[4:9]))
        for part in log.read_log(origin, from_size, body_mode):
            if isinstance(part, LogStart):
                message = pb.ReadLogResponse(start=wire.start_to_wire(part))
            else:
                message = pb.ReadLogResponse(chunk=wire.chunk_to_wire(part))
            self._count(message.SerializeToString())
            self.cpu += time.process_time() - started
            yield part
            started = time.process_time()
        self.cpu += time.process_time() - started

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Answer that none is held."""
        return self._of(0).read_bodies(digests)

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Prove two sizes."""
        return self._of(int(origin[4:9])).consistency_proof(origin, from_size, to_size)

    def close(self) -> None:
        """Do nothing."""

    def _of(self, number: int) -> SyntheticLog:
        if number not in self._logs:
            if len(self._logs) == HEADS_DEFAULT:
                self._logs.clear()
            self._logs[number] = SyntheticLog(
                origin_of(number), self.records + 1, above=number * self.records
            )
        return self._logs[number]

    def _head(self, number: int) -> Head:
        if number not in self._heads:
            self._heads[number] = self._of(number).head
        return self._heads[number]

    def _count(self, content: bytes) -> None:
        self.bytes += len(content)
        self.packed += len(zlib.compress(content, 1))


def lost_cursor(origins: int, records: int) -> None:
    """Measure a first contact, an idle round, and a round from a lost cursor."""
    keys = ConfiguredKeys(
        LogKey(origin_of(number), signer_of(origin_of(number)).vkey)
        for number in range(origins)
    )
    mirror = ManyLogs(origins, records)
    print(f"origins {origins:,}, records of each {records:,}")
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "node.db")
        ingest = Ingest(store, keys, clock=Clock())
        syncer = Syncer(ingest)
        peer = SyncPeer(mirror.name, lambda: mirror)
        for title in ("first contact", "idle round", "cursor lost"):
            if title == "cursor lost":
                syncer.list_again()
            mirror.reset()
            wall, cpu = time.perf_counter(), time.process_time()
            report = syncer.round([peer], force=True)
            used = time.process_time() - cpu - mirror.cpu
            if report.refused:
                raise SystemExit(str(report.refused[0]))
            print(
                f"{title:14} {report.entries:>10,} entries {mirror.calls:>7,} calls"
                f" {mirror.bytes:>13,} B {mirror.packed:>13,} B deflated"
                f" {used:8.1f} s CPU {time.perf_counter() - wall:8.1f} s",
                flush=True,
            )
    listed = json.dumps(
        [
            {
                "name": f"{origin_of(0)}/ds/record-{n}",
                "modified": TIME,
                "sha256": sha256(put_of(n, body_of(n))).hexdigest(),
            }
            for n in range(records)
        ]
    ).encode()
    packed = len(zlib.compress(listed, 1))
    print(
        f"listing everything: {len(listed) * origins:,} B,"
        f" {packed * origins:,} B deflated, each time"
    )
    _print_memory()


def months(cities: int, publishers: int, count: int, steps: int) -> None:
    """Run a network for some months, with all that goes wrong in them."""
    started = time.process_time()
    network = Network(cities, publishers)
    chance = network.chance
    for name in network.logs:
        network.publish(name, 4)
    print(
        f"cities {cities:,}, publishers {publishers}, months {count}, steps in each"
        f" {steps}; made in {time.process_time() - started:.0f} s CPU",
        flush=True,
    )
    for month in range(1, count + 1):
        cpu = time.process_time()
        _change_moods(network, publishers)
        names = list(network.logs)
        network.rotate(names[month % publishers])
        for name in chance.sample(names, max(1, publishers // 2)):
            if network.logs[name].origin not in network.forked:
                network.publish(name, 2)
        victim = _fork(network, names[-month % publishers])
        for _ in range(steps):
            network.step(hours=HOURS_A_MONTH / steps)
        network.check()
        honest = network.honest()
        behind = {
            origin: network.lagging(origin)
            for origin in network.branches
            if origin not in network.forked
        }
        accusing = {origin: network.accusing(origin) for origin in network.forked}
        print(
            f"month {month}: {len(honest):,} honest awake,"
            f" behind {sum(behind.values()):,} of {len(behind) * len(honest):,} logs,"
            f" forks known {sum(accusing.values()):,} of"
            f" {len(accusing) * len(honest):,} (shown to {victim}),"
            f" {time.process_time() - cpu:.0f} s CPU",
            flush=True,
        )
    asked = sum(city.asked for city in network.cities)
    print(f"asked {asked:,} times; {time.process_time() - started:.0f} s CPU in all")
    _print_memory()


def _change_moods(network: Network, publishers: int) -> None:
    """Let other cities sleep, lie and withhold than in the month before."""
    for city in network.cities[publishers:]:
        kind = network.chance.random()
        city.offline = kind < 0.2
        city.lies = 0.2 <= kind < 0.3
        city.withholds = 0.3 <= kind < 0.4


def _fork(network: Network, name: str) -> str:
    """Let a city sign a second history, and show it to one city; return which."""
    log = network.logs[name]
    victim: City = network.chance.choice(network.honest())
    if log.origin in network.forked:
        return "nobody"
    twin = network.fork(name, at=2)
    twin.fill(log.size + 1, start=network.chance.randrange(10**9))
    network.deliver(twin, victim.name)
    return victim.name


def _print_memory() -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"resident at most: {peak // 1024:,} MB")


def main(arguments: Sequence[str]) -> None:
    """Run one of the two."""
    numbers = [int(text) for text in arguments[1:]]
    match arguments[0] if arguments else "":
        case "lost-cursor":
            lost_cursor(*[*numbers, *[10_000, 500][len(numbers) :]])
        case "months":
            months(*[*numbers, *[10_000, 6, 3, 8][len(numbers) :]])
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
