"""What fails, fails whole: every transaction and file, done or not, and full disks.

A step may fail before it is done, or be done and be reported as failed all the same.
Both are tried at each transaction of the database and each file of the mirror, in
publishing, synchronising, pushing and exporting; the same call again then ends where an
undisturbed run ends.
"""

import errno
import random
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

import pytest

from federation_world import ORIGIN, check_prefix, filled, mirror
from log_world import SECONDS, Files, World, check, publish
from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.federation.bundle import export_bundle, open_bundle
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import MIGRATIONS, LogStore
from shahrdad.federation.log.writer import LogWriter, State
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.federation.witness import Witness
from simulator import Clock, SimLog, SimPeer, keys_of, seed

SIGNER = Signer.from_seed("w.example.ir/witness", seed("w"), Kind.WITNESS)
STEPS_MAX = 40  # more than any of these stories has


class Fault(Enum):
    """What goes wrong in one step."""

    NOT_DONE = auto()
    DONE_ALL_THE_SAME = auto()


class Plan:
    """Lets one step of a story fail: the n-th, before or after it is done."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.left = number
        self.fault = fault
        self.failed = False

    @contextmanager
    def step(self) -> Iterator[None]:
        """Run a step, or let it fail.

        Raises:
            UnavailableError: it is this step's turn.
        """
        self.left -= 1
        mine = self.left == 0
        if mine and self.fault is Fault.NOT_DONE:
            self._fail()
        yield
        if mine:
            self._fail()

    def _fail(self) -> None:
        self.failed = True
        raise UnavailableError(
            Reason.STORE_UNREACHABLE, act="write", detail="as planned"
        )


class FaultyStore(LogStore):
    """A log store whose transactions fail as planned."""

    plan: Plan | None = None

    @contextmanager
    def _write(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Open a transaction that may fail, committed or not."""
        plan = self.plan
        if plan is None:
            with super()._write(durable=durable) as connection:
                yield connection
            return
        with plan.step(), super()._write(durable=durable) as connection:
            yield connection


class FaultyFiles(Files):
    """Mirror files whose writing fails as planned."""

    plan: Plan | None = None

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Write a file, or fail."""
        if self.plan is None:
            super().write_named(path, content)
            return
        with self.plan.step():
            super().write_named(path, content)


def faulty_world(root: Path) -> tuple[World, FaultyStore, FaultyFiles]:
    """Return a city whose database and mirror can be told to fail."""
    world = World(root)
    store = FaultyStore(world.connections.connect)
    files = FaultyFiles(root / "mirror")
    world.store, world.files, world.mirror = store, files, StaticMirror(files)
    return world, store, files


def story(writer: LogWriter) -> None:
    """Publish twice."""
    publish(writer, 1, 2)
    publish(writer, 3)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("part", ["store", "files"])
def test_publishing_survives_every_fault(
    tmp_path: Path, part: str, fault: Fault
) -> None:
    """Whatever transaction or file fails: the same calls again end as undisturbed."""
    calm = World(tmp_path / "calm")
    calm_writer = calm.writer()
    calm_writer.start()
    story(calm_writer)
    wanted = calm.store.log(ORIGIN)
    failures = 0
    for number in range(1, STEPS_MAX):
        world, store, files = faulty_world(tmp_path / f"kerman-{number}")
        writer = world.writer()
        writer.start()
        target: FaultyStore | FaultyFiles = store if part == "store" else files
        target.plan = plan = Plan(number, fault)
        try:
            story(writer)
        except UnavailableError:
            failures += 1
        target.plan = None
        writer = world.writer()
        assert State.READY is writer.start().state
        story(writer)
        check(world)
        log = world.store.log(ORIGIN)

        assert (wanted.size, wanted.checkpoint) == (log.size, log.checkpoint)
        assert calm.store.state_digest(ORIGIN) == world.store.state_digest(ORIGIN)
        if not plan.failed:
            break
    assert failures == number - 1 > 3


def faulty_store() -> FaultyStore:
    """Return an empty store that can be told to fail."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for script in MIGRATIONS:
        connection.executescript(script)
    return FaultyStore(lambda: connection)


def node_of(log: SimLog) -> tuple[Syncer, FaultyStore]:
    """Return a witness that can be told to fail."""
    store = faulty_store()
    keys = keys_of([log], [SIGNER], quorum=1)
    ingest = Ingest(store, keys, clock=Clock())
    witness = Witness(store, keys, SIGNER, clock=Clock())
    return Syncer(ingest, witness=witness, chance=random.Random(1)), store


@pytest.mark.parametrize("fault", list(Fault))
def test_synchronising_survives_every_fault(fault: Fault) -> None:
    """Whatever transaction of a round fails: the next round ends as undisturbed."""
    log = filled(300)
    peer = SyncPeer("city", lambda: SimPeer("city", [log]))
    failures = 0
    for number in range(1, STEPS_MAX):
        syncer, store = node_of(log)
        store.plan = plan = Plan(number, fault)
        try:
            failures += not syncer.round([peer], force=True).ok
        except UnavailableError:
            failures += 1
        store.plan = None
        check_prefix(syncer.ingest, log)
        syncer.round([peer], force=True, full=True)
        held = store.log(ORIGIN)
        recorded = store.witnessed(ORIGIN)

        assert (log.size, 0) == (held.head_size, held.missing_bodies)
        assert held.confirmed is not None
        assert recorded is not None
        assert (log.size, log.root()) == (recorded.size, recorded.root)
        check_prefix(syncer.ingest, log)
        if not plan.failed:
            break
    assert failures == number - 1 > 3


class PushDoor:
    """The write side of a node in this process, as who pushes reaches it."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def push(self, log: SimLog) -> int:
        """Take what a city pushes, from the size that is held on."""
        held = self._ingest.store.find_log(ORIGIN)
        size = held.size if held else 0
        incoming = self._ingest.incoming(ORIGIN, "pusher")
        for part in SimPeer("pusher", [log]).read_log(ORIGIN, size):
            incoming.take(part)
        return incoming.end().size


@pytest.mark.parametrize("fault", list(Fault))
def test_pushes_survive_every_fault(fault: Fault) -> None:
    """Whatever transaction of a push fails: pushing again goes on where it ended."""
    log = filled(300)
    failures = 0
    for number in range(1, STEPS_MAX):
        syncer, store = node_of(log)
        door = PushDoor(syncer.ingest)
        store.plan = plan = Plan(number, fault)
        try:
            door.push(log)
        except UnavailableError:
            failures += 1
        store.plan = None
        check_prefix(syncer.ingest, log)

        assert log.size == door.push(log)
        assert log.size == store.log(ORIGIN).head_size
        check_prefix(syncer.ingest, log)
        if not plan.failed:
            break
    assert failures == number - 1 > 2


@pytest.mark.parametrize("fault", list(Fault))
def test_bundles_survive_every_fault(
    tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the export fails: no half bundle is left, and the next one is whole."""
    log = filled(40)
    city = mirror(tmp_path / "city.db", log)
    export_bundle(city.store, {ORIGIN: 0}, tmp_path / "calm.zip")
    wanted = (tmp_path / "calm.zip").read_bytes()
    real = zipfile.ZipFile.writestr
    target = tmp_path / "logs.zip"
    for number in (1, 2, 20, 10_000):
        plan = Plan(number, fault)

        def failing(zipped, info, content, plan=plan):  # type: ignore[no-untyped-def]
            with plan.step():
                real(zipped, info, content)

        monkeypatch.setattr(zipfile.ZipFile, "writestr", failing)
        try:
            export_bundle(city.store, {ORIGIN: 0}, target)
        except UnavailableError:
            assert not list(tmp_path.glob("*logs*"))
        monkeypatch.setattr(zipfile.ZipFile, "writestr", real)
        export_bundle(city.store, {ORIGIN: 0}, target)

        assert wanted == target.read_bytes()
        assert not list(tmp_path.glob(".*partly"))
        target.unlink()
    assert not plan.failed


def test_full_disk_ends_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stick that is full keeps the bundle that was on it before."""
    log = filled(40)
    city = mirror(tmp_path / "city.db", log)
    target = tmp_path / "logs.zip"
    export_bundle(city.store, {ORIGIN: 0}, target)
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="No space"):
        export_bundle(city.store, {ORIGIN: 0}, target)

    assert before == target.read_bytes()
    assert not list(tmp_path.glob(".*partly"))


def bounded(world: World, pages: int) -> None:
    """Let the database grow by so many pages: SQLite says that the disk is full."""
    connection = world.connections.connect()
    (now,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={now + pages}")


@pytest.mark.parametrize("pages", [0, 1, 2, 4])
def test_full_disk_while_publishing(tmp_path: Path, pages: int) -> None:
    """What does not fit is not published; with room again, all of it is."""
    world = World(tmp_path / "kerman")
    writer = world.writer()
    writer.start()
    before = world.store.log(ORIGIN).size
    bounded(world, pages)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        publish(writer, *range(500))
    assert world.store.log(ORIGIN).size in {before, before + 500}
    bounded(world, 2**30)
    publish(writer, *range(500))
    check(world)

    assert before + 500 == world.store.log(ORIGIN).head_size


@pytest.mark.parametrize("pages", [0, 8, 40])
def test_full_disk_while_synchronising(tmp_path: Path, pages: int) -> None:
    """A prefix stays; with room again the rest comes, from any peer."""
    log = filled(700)
    world = World(tmp_path / "node")
    ingest = Ingest(world.store, keys_of([log]), clock=lambda: SECONDS)
    world.store.ensure_log(ORIGIN)
    bounded(world, pages)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        ingest.pull(SimPeer("city", [log]), ORIGIN)
    check_prefix(ingest, log)
    bounded(world, 2**30)
    ingest.pull(SimPeer("another", [log]), ORIGIN)
    check_prefix(ingest, log)

    assert log.size == world.store.log(ORIGIN).head_size


def test_bundle_that_ends_early_leaves_a_prefix(tmp_path: Path) -> None:
    """Import stops where a transaction fails; the same stick brings the rest."""
    log = filled(600)
    city = mirror(tmp_path / "city.db", log)
    export_bundle(city.store, {ORIGIN: 0}, tmp_path / "logs.zip")
    syncer, store = node_of(log)
    reader = SyncPeer("bundle", lambda: open_bundle([tmp_path / "logs.zip"]))
    store.plan = Plan(3, Fault.DONE_ALL_THE_SAME)
    try:
        syncer.round([reader], full=True, force=True)
    except UnavailableError:
        assert store.plan.failed
    store.plan = None
    check_prefix(syncer.ingest, log)
    syncer.round([reader], full=True, force=True)

    assert log.size == store.log(ORIGIN).head_size
