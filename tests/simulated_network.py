"""Many cities in virtual time: the real store, verifier, syncer, witness and members.

Only the wire is missing: a city reads another one's store through a `Relay`, which may
be cut off or lie. After every step `check` looks at the whole world: what a city holds
of a log is a true prefix of a history that this log's key signed, and no honest log is
ever accused.

    network = Network(100, publishers=8, seed=1)
    network.step(hours=1)           every city that is awake asks some peers
"""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from forum_world import (
    FORUM,
    Forum,
    city_log,
    city_record,
    key_span,
    log_signer,
    origin_of,
    rules_record,
    witness,
)
from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import MIGRATIONS, LogStore, Status
from shahrdad.federation.members import MemberKeys
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
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.sync_report import SyncReport
from shahrdad.federation.verify import evidence as evidences
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.witness import Witness
from simulator import Clock, SimLog, SimPeer, changed

PEERS_A_ROUND = 2
WITNESSES = ("city0", "city1", "city2", "city3")
STATEMENTS_KEPT = 96  # of each city's database: ten thousand cities in one process


class SkewedClock:
    """A city's own idea of the time."""

    def __init__(self, clock: Clock, skew_seconds: int) -> None:
        self._clock = clock
        self._skew = skew_seconds

    def __call__(self) -> int:
        """Return the Unix time, as this city believes."""
        return self._clock() + self._skew


class Relay:
    """One city as another one reaches it; a `LogReader` that may fail or lie."""

    def __init__(self, city: "City", chance: random.Random) -> None:
        self._city = city
        self._chance = chance
        self._answers: LogReader = StoreReader(city.store, name=city.name)

    @property
    def name(self) -> str:
        """The city's name."""
        return self._city.name

    def node(self) -> NodeFacts:
        """Return who it says it is."""
        return self._reached().node()

    def list_heads(
        self, cursor: str = "", wait_seconds: int = 0, origins: Sequence[str] = ()
    ) -> HeadsPage:
        """Return its heads; one that withholds shows nothing."""
        if self._city.withholds:
            return HeadsPage((), cursor)
        return self._reached().list_heads(cursor, wait_seconds, origins)

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Stream a log; a liar alters one part in two."""
        for part in self._reached().read_log(origin, from_size, body_mode):
            yield self._lie(part) if self._city.lies else part

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Answer each digest."""
        for body in self._reached().read_bodies(digests):
            if self._city.lies and body.content:
                yield replace(body, content=changed(body.content, self._chance))
            else:
                yield body

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Prove two sizes of its tree."""
        return self._reached().consistency_proof(origin, from_size, to_size)

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _reached(self) -> LogReader:
        self._city.asked += 1
        if self._city.offline:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=self.name, detail="offline"
            )
        return self._answers

    def _lie(self, part: LogStart | LogChunk) -> LogStart | LogChunk:
        if self._chance.random() < 0.5:
            return part
        if isinstance(part, LogStart):
            note = changed(part.head.checkpoint, self._chance)
            return replace(part, head=replace(part.head, checkpoint=note))
        raws = list(part.entries)
        place = self._chance.randrange(len(raws))
        raws[place] = changed(raws[place], self._chance)
        return replace(part, entries=tuple(raws))


@lru_cache(maxsize=1)
def _empty_database() -> bytes:
    """Return the bytes of a database without any log: all cities begin with it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA page_size=1024")
    for script in MIGRATIONS:
        connection.executescript(script)
    return connection.serialize()


class City:
    """A node: what it holds, what it follows, how it behaves."""

    def __init__(self, network: "Network", name: str, skew_seconds: int = 0) -> None:
        self.name = name
        self.offline = False
        self.lies = False
        self.withholds = False
        self.asked = 0
        self.last_report: SyncReport | None = None
        connection = sqlite3.connect(
            ":memory:", isolation_level=None, cached_statements=STATEMENTS_KEPT
        )
        connection.deserialize(_empty_database())
        self.store = LogStore(lambda: connection)
        self.keys = MemberKeys(self.store, network.forum.trust)
        clock = SkewedClock(network.clock, skew_seconds)
        self.ingest = Ingest(
            self.store,
            self.keys,
            clock=clock,
            body_mode=lambda origin: BodyMode.ALL,
            on_head=self._on_head,
        )
        self.witness = None
        if name in WITNESSES:
            self.witness = Witness(self.store, self.keys, witness(name), clock=clock)
        self.syncer = Syncer(
            self.ingest,
            witness=self.witness,
            member_origin=FORUM,
            chance=network.chance,
        )

    def ask(self, readers: Sequence[LogReader]) -> None:
        """Ask peers, one after another."""
        for reader in readers:
            peer = SyncPeer(reader.name, lambda reader=reader: reader)  # type: ignore[misc]
            self.last_report = self.syncer.round([peer])
        if self._judged or self.keys.set_statuses():
            self._judged = False
            self.syncer.list_again()

    _judged = False

    def _on_head(self, origin: str) -> None:
        if origin == FORUM and self.keys.refresh():
            self._judged = True


class Network:
    """Cities, the logs of those that publish, the forum, and the time.

    Args:
        cities: How many nodes.
        publishers: How many of them publish; all of them mirror.
        seed: Of everything that happens by chance.
        skew_seconds: How far clocks differ, at most, either way.
    """

    def __init__(
        self, cities: int, publishers: int, *, seed: int = 1, skew_seconds: int = 300
    ) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.forum = Forum()
        self.logs = {
            f"city{number}": SimLog(origin_of(f"city{number}"))
            for number in range(publishers)
        }
        self.branches: dict[str, list[SimLog]] = {
            log.origin: [log] for log in self.logs.values()
        }
        self.forked: set[str] = set()
        since = "2026-01-01T00:00:00Z"
        self.forum.publish(
            "rules",
            rules_record(
                witnesses=[
                    {"city": n, "vkey": witness(n).vkey, "since": since, "until": None}
                    for n in WITNESSES
                ]
            ),
        )
        for name in self.logs:
            self.forum.publish(f"city/{name}", city_record(name))
        self.cities = [
            City(self, f"city{n}", self.chance.randint(-skew_seconds, skew_seconds))
            for n in range(cities)
        ]
        self.relays = [Relay(city, self.chance) for city in self.cities]

    def publish(self, name: str, count: int = 1) -> None:
        """Let a city publish, and its own node hold it."""
        log = self.logs[name]
        log.fill(count, start=self.chance.randrange(10**9))
        self.deliver(log, name)

    def deliver(self, log: SimLog, *names: str) -> None:
        """Show a log to the nodes of some cities directly."""
        for city in self.cities:
            if city.name in names:
                city.ask([SimPeer("forum itself", [self.forum.log])])
                city.ask([SimPeer(f"{log.origin} itself", [log])])

    def fork(self, name: str, at: int) -> SimLog:
        """Let a city sign a second history; return it."""
        log = self.logs[name]
        twin = log.fork(at)
        self.branches[log.origin].append(twin)
        self.forked.add(log.origin)
        return twin

    def rotate(self, name: str) -> None:
        """Let the forum approve another key of a city, which signs from now on."""
        log = self.logs[name]
        new = log_signer(log.origin, f"{name}, rotated")
        spans = [key_span(log.signer, 0, log.size), key_span(new, log.size)]
        self.forum.publish(
            f"city/{name}", city_record(name, logs=[city_log(name, keys=spans)])
        )
        log.signer = new

    def step(self, hours: float = 1) -> None:
        """Let time pass, and every city that is awake ask some peers."""
        self.clock.pass_hours(hours)
        order = list(self.cities)
        self.chance.shuffle(order)
        for city in order:
            if city.offline:
                continue
            peers = self.chance.sample(self.relays, PEERS_A_ROUND + 1)
            city.ask([peer for peer in peers if peer.name != city.name][:PEERS_A_ROUND])

    def honest(self) -> list[City]:
        """Return the cities that are awake and true."""
        return [
            city
            for city in self.cities
            if not (city.offline or city.lies or city.withholds)
        ]

    def lagging(self, origin: str) -> int:
        """Return how many honest cities do not hold the whole of a log."""
        size = self.branches[origin][0].size
        stores = [city.store.find_log(origin) for city in self.honest()]
        return sum(log is None or log.head_size != size for log in stores)

    def accusing(self, origin: str) -> int:
        """Return how many honest cities hold evidence against a log."""
        stores = [city.store.find_log(origin) for city in self.honest()]
        return sum(log is not None and log.evidence is not None for log in stores)

    def check(self) -> None:
        """Assert that nothing wrong is held anywhere."""
        for city in self.cities:
            for log in city.store.logs():
                if log.origin == FORUM:
                    branches = [self.forum.log]
                else:
                    branches = self.branches[log.origin]
                raws = city.store.entries(log.origin, 0, log.size)

                assert any(raws == branch.raws[: log.size] for branch in branches)
                if log.origin not in self.forked:
                    assert log.evidence is None
                    assert log.status is not Status.QUARANTINED
                if log.evidence is not None:
                    evidences.verify(log.evidence, city.keys.evidence_keys)
