"""Nothing that is named is ever collected, and what is not named goes in the end."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection_fixture import Clock, Connect, database
from fault_store import Fault, FaultStore
from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.collection import (
    Collector,
    note_rebuilt,
    refer,
    release,
)
from shahrdad.node.store.contract import Area, ObjectStat, ObjectStore, put_bytes
from shahrdad.node.store.limits import GRACE, GRACE_MIN
from shahrdad.node.store.local import LocalStore
from store_fixture import StoreMaker, make_store

__all__ = ["make_store"]


@pytest.fixture
def clock() -> Clock:
    """Return a clock that shows the present."""
    return Clock()


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    """Return a way to a database with the tables of collection."""
    return database(tmp_path / "node.db")


@pytest.fixture
def store(make_store: StoreMaker, tmp_path: Path) -> ObjectStore:
    """Return an empty store."""
    return make_store(tmp_path / "objects")


def filled(store: ObjectStore, connect: Connect, count: int = 30) -> list[Digest]:
    """Put objects that a body names."""
    digests = [
        put_bytes(store, Area.OBJECT, f"named {n}".encode()) for n in range(count)
    ]
    for digest in digests:
        refer(connect(), Area.OBJECT, digest, "body", "kerman/budget@1")
    return digests


def test_an_orphan_goes_after_two_runs(
    store: ObjectStore, connect: Connect, clock: Clock
) -> None:
    """First the grace, then a note, then a day: only then is an object deleted."""
    named = filled(store, connect)
    orphan = put_bytes(store, Area.PRIVATE, b"an abandoned draft")
    collector = Collector(connect, store, clock)
    steps = [(71, 0, 0), (2, 1, 0), (23, 1, 0), (2, 1, 1), (1, 0, 0)]
    for hours, candidates, deleted in steps:
        clock.pass_hours(hours)
        found = collector.run()

        assert (candidates, deleted) == (found.candidates, found.deleted)
    assert store.stat(Area.PRIVATE, orphan) is None
    assert sorted(named) == [digest for digest, _ in store.list(Area.OBJECT)]


def test_a_reference_counts_in_its_area(
    store: ObjectStore, connect: Connect, clock: Clock
) -> None:
    """A published part's copy among the drafts is not protected by publication."""
    filled(store, connect)
    copy = put_bytes(store, Area.PRIVATE, b"named 1")
    collector = Collector(connect, store, clock)
    for _ in range(2):
        clock.pass_hours(100)
        collector.run()

    assert store.stat(Area.PRIVATE, copy) is None
    assert store.stat(Area.OBJECT, copy) is not None


def test_a_dry_run_changes_nothing(
    store: ObjectStore, connect: Connect, clock: Clock
) -> None:
    """It tells how many, how much and how old, and notes nothing."""
    filled(store, connect)
    put_bytes(store, Area.DERIVED, b"12345")
    collector = Collector(connect, store, clock)
    for _ in range(3):
        clock.pass_hours(100)
        found = collector.run(dry_run=True)

        assert (31, 1, 5, 0, 0) == (
            found.objects_total,
            found.candidates,
            found.candidates_bytes,
            found.due,
            found.deleted,
        )
        assert found.oldest is not None
    assert 0 == connect().execute("SELECT count(*) FROM gc_candidate").fetchone()[0]


@pytest.mark.parametrize(("orphans", "refused"), [(3, False), (4, True)])
def test_the_brake(
    store: ObjectStore, connect: Connect, clock: Clock, orphans: int, refused: bool
) -> None:
    """One object in ten may go at once; above that a person confirms."""
    filled(store, connect)  # 30 named: 3 of 33 is below a tenth, 4 of 34 above
    for number in range(orphans):
        put_bytes(store, Area.OBJECT, f"orphan {number}".encode())
    collector = Collector(connect, store, clock)
    clock.pass_hours(100)
    collector.run()
    clock.pass_hours(25)
    if refused:
        with pytest.raises(RequestError) as caught:
            collector.run()
        assert Reason.COLLECTION_TOO_LARGE == caught.value.reason
        assert 30 + orphans == len(list(store.list(Area.OBJECT)))

    assert orphans == collector.run(confirmed=True).deleted


def test_not_while_the_references_are_incomplete(
    store: ObjectStore, connect: Connect, clock: Clock
) -> None:
    """A lagging projection, a recovery or a rebuild stops collection."""
    causes: list[str | None] = ["the projection lags", None, None]
    collector = Collector(connect, store, clock, hindrance=lambda: causes[0])
    with pytest.raises(UnavailableError) as caught:
        collector.run()
    assert "the projection lags" == caught.value.values["cause"]
    causes.pop(0)
    note_rebuilt(connect(), clock.now)
    clock.pass_hours(GRACE.total_seconds() / 3600 - 1)
    with pytest.raises(UnavailableError) as caught:
        collector.run()
    assert Reason.COLLECTION_NOT_READY == caught.value.reason
    clock.pass_hours(2)

    assert 0 == collector.run().deleted


def test_the_grace_has_a_minimum(store: ObjectStore, connect: Connect) -> None:
    """A day is accepted, a second less is a mistake."""
    Collector(connect, store, Clock(), GRACE_MIN)
    with pytest.raises(ValueError, match="at least"):
        Collector(connect, store, Clock(), GRACE_MIN - timedelta(seconds=1))


def test_named_again_in_time(
    store: ObjectStore, connect: Connect, clock: Clock
) -> None:
    """A restored version names an old object again: its note is dropped."""
    filled(store, connect)
    old = put_bytes(store, Area.OBJECT, b"an old part")
    collector = Collector(connect, store, clock)
    clock.pass_hours(100)
    collector.run()
    refer(connect(), Area.OBJECT, old, "draft", "d1")
    clock.pass_hours(100)
    collector.run()
    release(connect(), "draft", "d1")
    clock.pass_hours(1)

    assert (1, 0) == (collector.run().candidates, collector.run().deleted)
    assert store.stat(Area.OBJECT, old) is not None


def test_a_writer_between_looking_and_deleting(
    tmp_path: Path, connect: Connect, clock: Clock
) -> None:
    """A reference that comes while the run is on saves its object."""
    store = LocalStore(tmp_path / "objects")
    filled(store, connect)
    late = put_bytes(store, Area.OBJECT, b"restored meanwhile")

    class Late(FaultStore):
        def list(
            self, area: Area, prefix: str = ""
        ) -> Iterator[tuple[Digest, ObjectStat]]:
            """List, and let a writer name the object right afterwards."""
            yield from self.store.list(area, prefix)
            if area is Area.DERIVED and self.plan:
                refer(second_connection(tmp_path), Area.OBJECT, late, "draft", "d1")

    watched = Late(store)
    collector = Collector(connect, watched, clock)
    clock.pass_hours(100)
    collector.run()
    clock.pass_hours(100)
    watched.plan = {("nothing", 0): Fault.SLOW}
    found = collector.run()

    assert (1, 0) == (found.due, found.deleted)
    assert store.stat(Area.OBJECT, late) is not None


def second_connection(tmp_path: Path) -> sqlite3.Connection:
    """Return a second connection, as another process would have it."""
    return sqlite3.connect(tmp_path / "node.db", isolation_level=None, timeout=30)


@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.DONE_BUT_FAILS])
def test_a_failed_deletion_is_made_good(
    tmp_path: Path, connect: Connect, clock: Clock, fault: Fault
) -> None:
    """A store that fails in the middle loses nothing named, and the rest goes later."""
    store = LocalStore(tmp_path / "objects")
    named = filled(store, connect)
    for number in range(3):
        put_bytes(store, Area.OBJECT, f"orphan {number}".encode())
    broken = FaultStore(store, {("delete", 1): fault})
    collector = Collector(connect, broken, clock)
    clock.pass_hours(100)
    collector.run()
    clock.pass_hours(25)
    with pytest.raises(UnavailableError):
        collector.run()
    collector.run()

    assert sorted(named) == [digest for digest, _ in store.list(Area.OBJECT)]
    collector.run()
    assert 0 == connect().execute("SELECT count(*) FROM gc_candidate").fetchone()[0]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 5)),
        st.tuples(st.just("withdraw"), st.integers(0, 5)),
        st.tuples(st.just("abandon"), st.integers(0, 5)),
        st.tuples(st.just("hours"), st.integers(1, 80)),
        st.tuples(st.just("collect"), st.just(0)),
    ),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_any_order_of_events(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """Whatever is published, withdrawn and collected, what is named is held."""
    folder = tmp_path_factory.mktemp("gc")
    connect, clock = database(folder / "node.db"), Clock()
    store = LocalStore(folder / "objects")
    collector = Collector(connect, store, clock)
    live: set[int] = set()
    held: set[Digest] = set()
    for step, number in [
        *steps,
        ("hours", 80),
        ("collect", 0),
        ("hours", 25),
        ("collect", 0),
    ]:
        data = f"object {number}".encode()
        if step == "publish":
            refer(connect(), Area.OBJECT, Digest.of(data), "body", str(number))
            put_bytes(store, Area.OBJECT, data)
            live.add(number)
        elif step == "withdraw":
            release(connect(), "body", str(number))
            live.discard(number)
        elif step == "abandon":
            put_bytes(store, Area.OBJECT, data)
        elif step == "hours":
            clock.pass_hours(number)
        else:
            collector.run(confirmed=True)
        held = {digest for digest, _ in store.list(Area.OBJECT)}

        assert {Digest.of(f"object {n}".encode()) for n in live} <= held
    assert {Digest.of(f"object {n}".encode()) for n in live} == held
    connect().close()
