"""Objects are read again and again, and a flipped bit is found and mended."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from collection_fixture import Clock, Connect, database
from fault_store import Fault, FaultStore
from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.collection import refer
from shahrdad.node.store.contract import Area, put_bytes, read_bytes
from shahrdad.node.store.local import LocalStore
from shahrdad.node.store.scrub import Rate, Scrub, problems_since, trim_quarantine


class Mirror:
    """A source: a peer that holds some objects, right or wrong."""

    def __init__(self, name: str, objects: dict[Digest, bytes] | None = None) -> None:
        self.name = name
        self.objects = objects or {}
        self.asked = 0

    def __call__(self, area: Area, digest: Digest) -> BinaryIO | None:
        """Return what the peer says an object is."""
        self.asked += 1
        data = self.objects.get(digest)
        return None if data is None else io.BytesIO(data)


class Broken(Mirror):
    """A peer that does not answer."""

    def __call__(self, area: Area, digest: Digest) -> BinaryIO | None:
        """Fail."""
        self.asked += 1
        raise UnavailableError(Reason.STORE_UNREACHABLE, act="read", detail="away")


@pytest.fixture
def clock() -> Clock:
    """Return a clock that shows the present."""
    return Clock()


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    """Return a way to an empty database."""
    return database(tmp_path / "node.db")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Return an empty store."""
    return LocalStore(tmp_path / "objects")


def no_wait(size: int) -> None:
    """Go as fast as can be."""


def named(store: LocalStore, connect: Connect, *contents: bytes) -> list[Digest]:
    """Put objects that a body names."""
    digests = [put_bytes(store, Area.OBJECT, data) for data in contents]
    for digest in digests:
        refer(connect(), Area.OBJECT, digest, "body", "kerman/budget@1")
    return digests


def flip(store: LocalStore, digest: Digest, position: int = 0) -> bytes:
    """Change one bit of an object on disk, and return what it is now."""
    path = store.root / "object" / digest.hex[:2] / digest.hex
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    return bytes(data)


def test_a_flipped_bit_is_healed_by_a_peer(
    store: LocalStore, connect: Connect, clock: Clock
) -> None:
    """The bad bytes go to quarantine, the right ones come from whoever has them."""
    good, hurt, short = named(store, connect, b"good", b"to be hurt", b"s")
    bad = flip(store, hurt, 9), flip(store, short)
    away, liar = Broken("away"), Mirror("liar", {hurt: b"something else"})
    peer = Mirror("peer", {hurt: b"to be hurt", short: b"s"})
    scrub = Scrub(connect, store, clock, [away, liar, peer], pace=no_wait)
    done = scrub.check_all()

    assert b"to be hurt" == read_bytes(store, Area.OBJECT, hurt, 100)
    assert b"s" == read_bytes(store, Area.OBJECT, short, 100)
    assert b"good" == read_bytes(store, Area.OBJECT, good, 100)
    assert {
        (hurt, "damaged", "repaired", "peer"),
        (short, "damaged", "repaired", "peer"),
    } == {(p.digest, p.found, p.outcome, p.source) for p in done.problems}
    assert sorted(map(Digest.of, bad)) == [
        digest for digest, _ in store.list(Area.QUARANTINE)
    ]
    assert (3, True) == (done.objects, done.finished)
    assert 2 == scrub.failures()
    assert () == scrub.check_all().problems


@pytest.mark.parametrize("peers", [[], [Mirror("liar")]])
def test_what_nobody_has_is_lost_and_said(
    store: LocalStore, connect: Connect, clock: Clock, peers: list[Mirror]
) -> None:
    """A missing object stays named; when it can be had again it is put back."""
    gone, stays = named(store, connect, b"gone", b"stays")
    store.delete(Area.OBJECT, gone)
    before = clock.now - timedelta(seconds=1)
    scrub = Scrub(connect, store, clock, peers, pace=no_wait)
    problems = scrub.check_all().problems

    assert [(gone, "missing", "lost")] == [
        (one.digest, one.found, one.outcome) for one in problems
    ]
    assert [(Area.OBJECT, gone)] == scrub.lost()
    assert list(problems) == problems_since(connect(), before)
    clock.pass_hours(1)
    again = Scrub(
        connect, store, clock, [Mirror("late", {gone: b"gone"})], pace=no_wait
    )
    again.check_all()
    assert [] == again.lost()
    assert b"gone" == read_bytes(store, Area.OBJECT, gone, 4)
    assert b"stays" == read_bytes(store, Area.OBJECT, stays, 5)


def test_what_is_not_mirrored_is_not_missing(
    store: LocalStore, connect: Connect, clock: Clock
) -> None:
    """Other cities' objects are named by their bodies and absent by choice."""
    (foreign,) = named(store, connect, b"not mirrored here")
    store.delete(Area.OBJECT, foreign)
    scrub = Scrub(
        connect, store, clock, expected=lambda area, digest: False, pace=no_wait
    )

    assert () == scrub.check_all().problems
    assert [] == scrub.lost()


def test_a_stopped_check_goes_on(
    store: LocalStore, connect: Connect, clock: Clock
) -> None:
    """Nothing is read twice in one check of the store, whatever stops it."""
    named(store, connect, *(bytes([n]) for n in range(10)))
    left = [3, 4, 100]
    read = []
    while True:
        budget = [left.pop(0)]

        def stop(budget: list[int] = budget) -> bool:
            budget[0] -= 1
            return budget[0] < 0

        clock.pass_hours(1)
        done = Scrub(connect, store, clock, pace=no_wait).check_all(stop)
        read.append(done.objects)
        if done.finished:
            break

    assert [3, 4, 3] == read
    clock.pass_hours(1)
    assert 10 == Scrub(connect, store, clock, pace=no_wait).check_all().objects


def test_a_store_that_fails_stops_the_check_only(
    store: LocalStore, connect: Connect, clock: Clock
) -> None:
    """A store that is away is no damaged object: the check goes on later."""
    named(store, connect, b"1", b"2", b"3")
    broken = FaultStore(store, {("stat", 1): Fault.FAILS})
    scrub = Scrub(connect, broken, clock, pace=no_wait)
    with pytest.raises(UnavailableError):
        scrub.check_all()

    clock.pass_hours(1)
    assert 3 == scrub.check_all().objects + 1
    assert 0 == scrub.failures()


def test_due_objects_are_the_ones_read_longest_ago(
    store: LocalStore, connect: Connect, clock: Clock
) -> None:
    """Each object is read at least every 30 days, and not much oftener."""
    named(store, connect, b"1", b"2")
    scrub = Scrub(connect, store, clock, pace=no_wait)

    assert 2 == scrub.check_due().objects
    clock.pass_hours(29 * 24)
    assert 0 == scrub.check_due().objects
    named(store, connect, b"3")
    assert 1 == scrub.check_due().objects
    clock.pass_hours(25)
    assert 2 == scrub.check_due().objects


def test_the_rate_is_kept() -> None:
    """20 MB take a second at 20 MB/s, and a pause gives no credit for a burst."""
    now = [100.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    rate = Rate(20_000_000, lambda: now[0], sleep)
    rate(20_000_000)
    rate(10_000_000)
    now[0] += 60
    rate(20_000_000)

    assert [1.0, 0.5, 1.0] == [round(seconds, 6) for seconds in slept]


def test_quarantine_has_bounds(store: LocalStore) -> None:
    """The newest stay, up to a size, and none beyond an age."""
    for number in range(4):
        put_bytes(store, Area.QUARANTINE, bytes([number]) * 10)
    now = datetime.now(UTC)

    assert 0 == trim_quarantine(store, now, bytes_max=40)
    assert 1 == trim_quarantine(store, now, bytes_max=39)
    month = timedelta(days=30)
    assert 0 == trim_quarantine(store, now + month - timedelta(minutes=5))
    assert 3 == trim_quarantine(store, now + month + timedelta(minutes=5))
