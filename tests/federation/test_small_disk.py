"""A disk that is full, for real: what was stored stands, and with room all comes."""

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation_world import ORIGIN, check_prefix, filled, mirror, open_store
from log_world import World, check, publish
from shahrdad.datasets.errors import Reason
from shahrdad.federation import sync
from shahrdad.federation.bundle import export_bundle, open_bundle
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.writer import State
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.sync_report import SyncReport
from simulator import Clock, SimLog, SimPeer, keys_of
from small_disk import CANNOT, SmallDisk, small_disk

DISK_BYTES = 16 * 1_048_576
# What is left when it fills up: nothing; a page or two; some of what comes.
LEFT_BYTES = [0, 12_288, 200_000]
ENTRIES = 700
SECONDS_MAX = 60.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Return an empty small disk."""
    with small_disk(tmp_path / "disk", DISK_BYTES) as found:
        if found is None:
            pytest.skip(CANNOT)
        yield found


def pull(ingest: Ingest, log: SimLog, folder: Path) -> None:
    """Synchronise with the city."""
    del folder
    Syncer(ingest).round([SyncPeer("city", lambda: SimPeer("city", [log]))], force=True)


def push(ingest: Ingest, log: SimLog, folder: Path) -> None:
    """Take what the city pushes."""
    del folder
    found = ingest.store.find_log(ORIGIN)
    incoming = ingest.incoming(ORIGIN, "pusher")
    try:
        for part in SimPeer("city", [log]).read_log(ORIGIN, found.size if found else 0):
            incoming.take(part)
        incoming.end()
    finally:
        incoming.keep()


def take_bundle(ingest: Ingest, log: SimLog, folder: Path) -> None:
    """Import what a stick brings."""
    stick = folder / "logs.zip"
    if not stick.exists():
        export_bundle(mirror(folder / "city.db", log).store, {ORIGIN: 0}, stick)
    peer = SyncPeer("bundle", lambda: open_bundle([stick]))
    Syncer(ingest).round([peer], full=True, force=True)


@pytest.mark.parametrize("left", LEFT_BYTES)
@pytest.mark.parametrize("way", [pull, push, take_bundle])
def test_full_disk_leaves_a_prefix_and_the_rest_comes(
    tmp_path: Path,
    disk: SmallDisk,
    way: Callable[[Ingest, SimLog, Path], None],
    left: int,
) -> None:
    """Sync, push, bundle: with room again the state is that of an undisturbed run."""
    log = filled(ENTRIES)
    keys = keys_of([log])
    calm = Ingest(open_store(tmp_path / "calm.db"), keys, clock=Clock())
    way(calm, log, tmp_path)
    store = open_store(disk.root / "node.db")
    ingest = Ingest(store, keys, clock=Clock(), entries_at_once=256)
    disk.leave(left)
    with pytest.raises(sqlite3.OperationalError, match=r"full|disk I/O"):
        way(ingest, log, tmp_path)
    check_prefix(ingest, log)
    disk.give_back()
    way(ingest, log, tmp_path)
    check_prefix(ingest, log)

    assert log.size == store.log(ORIGIN).head_size
    assert calm.store.state_digest(ORIGIN) == store.state_digest(ORIGIN)
    assert 0 == store.log(ORIGIN).missing_bodies


@pytest.mark.parametrize("left", LEFT_BYTES)
def test_full_disk_while_publishing(tmp_path: Path, disk: SmallDisk, left: int) -> None:
    """Database, guard and the mirror's files fill up; nothing is signed twice."""
    calm = World(tmp_path / "calm")
    calm_writer = calm.writer()
    calm_writer.start()
    publish(calm_writer, *range(ENTRIES))
    world = World(disk.root / "kerman")
    writer = world.writer()
    writer.start()
    disk.leave(left)
    with pytest.raises((sqlite3.OperationalError, OSError), match=r"full|disk|space"):
        publish(writer, *range(ENTRIES))
    disk.give_back()
    again = world.writer()
    assert State.READY is again.start().state
    publish(again, *range(ENTRIES))
    check(world)

    assert calm.store.log(ORIGIN).checkpoint == world.store.log(ORIGIN).checkpoint
    assert calm.store.state_digest(ORIGIN) == world.store.state_digest(ORIGIN)


def test_full_stick_keeps_the_bundle_before(tmp_path: Path, disk: SmallDisk) -> None:
    """An export that does not fit leaves what was on the stick, and no half of it."""
    log = filled(40)
    city = mirror(tmp_path / "city.db", log)
    stick = disk.root / "logs.zip"
    export_bundle(city.store, {ORIGIN: 0}, stick)
    before = stick.read_bytes()
    disk.leave(0)
    with pytest.raises(OSError, match="No space"):
        export_bundle(city.store, {ORIGIN: 0}, stick)
    left = [file.name for file in disk.root.iterdir() if file.name != "ballast"]
    disk.give_back()

    assert before == stick.read_bytes()
    assert ["logs.zip"] == left
    export_bundle(city.store, {ORIGIN: 0}, stick)
    assert before == stick.read_bytes()


def test_follower_goes_on_when_there_is_room_again(
    disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends no thread for good, and is not held against the peer."""
    monkeypatch.setattr(sync, "DISK_SECONDS", 0.05)
    log = filled(ENTRIES)
    store = open_store(disk.root / "node.db")
    syncer = Syncer(Ingest(store, keys_of([log])), chance=random.Random(1))
    stop, full = threading.Event(), threading.Event()

    def on_report(report: SyncReport) -> None:
        if report.peers[0].error == Reason.DISK_FULL:
            full.set()
        if report.entries:
            stop.set()

    disk.leave(0)
    peers = [SyncPeer("city", lambda: SimPeer("city", [log]))]
    thread = threading.Thread(target=syncer.follow, args=(peers, stop, on_report))
    thread.start()
    try:
        assert full.wait(SECONDS_MAX)
        disk.give_back()
        assert stop.wait(SECONDS_MAX)
    finally:
        stop.set()
        thread.join()

    assert log.size == store.log(ORIGIN).head_size
    assert 0 == store.peer("city").failures
