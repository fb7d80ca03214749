"""What is accepted from outside: at each limit, and one above it."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from federation_world import (
    ORIGIN,
    filled,
    mirror,
    new_ingest,
    new_store,
    open_store,
    reading,
    refusal,
    served,
)
from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    UnavailableError,
)
from shahrdad.federation import limits
from shahrdad.federation.grpc_reader import Pace
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import Status
from shahrdad.federation.reader import BodyAbsence, BodyMode, LogChunk, LogStart
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.sync import Syncer, SyncPeer
from simulator import Clock, SimLog, SimPeer, keys_of


@pytest.mark.parametrize(("size", "taken"), [(0, True), (1, False)])
def test_body_bytes(size: int, taken: bool) -> None:
    """A record of 1 MiB is stored; with one byte more its entry is none."""
    log = SimLog(ORIGIN)
    body = b"x" * (limits.BODY_BYTES_MAX + size)
    if taken:
        log.put("ds/large", body)
        ingest = new_ingest(log)
        pulled = ingest.pull(SimPeer("city", [log]), ORIGIN)

        assert pulled.complete
        assert 0 == ingest.store.log(ORIGIN).missing_bodies
    else:
        with pytest.raises(ValueError, match="1048576"):
            log.put("ds/large", body)


@pytest.mark.parametrize("above", [0, 1])
def test_heads_of_one_page(tmp_path: Path, above: int) -> None:
    """A page ends at its number of heads, and says that more are there."""
    logs = [SimLog(f"city-{number}.example.ir/catalog") for number in range(4 + above)]
    answers = StoreReader(mirror(tmp_path / "node.db", *logs).store)
    page = answers.list_heads(page_size=4)

    assert (4, bool(above)) == (len(page.heads), page.more)


def test_heads_page_ends_at_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of many cosignatures stays below what gRPC takes in one message."""
    logs = [SimLog(f"city-{number}.example.ir/catalog") for number in range(6)]
    ingest = new_ingest(*logs)
    for log in logs:
        ingest.pull(SimPeer("city", [log]), log.origin)
    answers = StoreReader(ingest.store)
    one = len(logs[0].note()) + len(logs[0].origin) + 64
    monkeypatch.setattr("shahrdad.federation.store_reader.HEADS_BYTES_MAX", one * 3)
    exact = answers.list_heads()
    monkeypatch.setattr("shahrdad.federation.store_reader.HEADS_BYTES_MAX", one * 3 - 1)
    less = answers.list_heads()

    assert (3, 2) == (len(exact.heads), len(less.heads))
    assert exact.more


@pytest.mark.parametrize(("above", "refused"), [(0, False), (1, True)])
def test_entries_of_a_log(
    monkeypatch: pytest.MonkeyPatch, above: int, refused: bool
) -> None:
    """A log may have so many entries, also at first contact; above it is paused."""
    log = filled(20 + above)
    monkeypatch.setattr("shahrdad.federation.ingest.LOG_ENTRIES_MAX", 21)
    ingest = new_ingest(log)
    peer = SimPeer("city", [log])
    if refused:
        error = refusal(ingest.pull, peer, ORIGIN)

        assert (Reason.ORIGIN_CLOSED, "paused") == (
            error.reason,
            error.values["status"],
        )
        assert 0 == ingest.store.log(ORIGIN).size
        assert Status.PAUSED is ingest.store.log(ORIGIN).status
    else:
        assert ingest.pull(peer, ORIGIN).complete


@pytest.mark.parametrize(("above", "status"), [(0, Status.ACTIVE), (1, Status.PAUSED)])
def test_body_bytes_of_a_log(
    monkeypatch: pytest.MonkeyPatch, above: int, status: Status
) -> None:
    """The bodies of one log have a bound, besides that of a day."""
    log = SimLog(ORIGIN)
    log.put("ds/a", b"a" * 600)
    log.put("ds/b", b"b" * (400 + above))
    monkeypatch.setattr("shahrdad.federation.ingest.LOG_BODY_BYTES_MAX", 1_000)
    ingest = new_ingest(log)
    peer = SimPeer("city", [log])
    peer.chunk_entries = 1
    if above:
        refusal(ingest.pull, peer, ORIGIN)
    else:
        ingest.pull(peer, ORIGIN)

    assert status is ingest.store.log(ORIGIN).status


@pytest.mark.parametrize(("above", "held"), [(0, False), (1, True)])
def test_mass_withdrawal(above: int, held: bool) -> None:
    """Half of a catalog may go in one stream; one record more is held for a person."""
    log = SimLog(ORIGIN)
    for number in range(60):
        log.put(f"ds/table-{number}", b"%d" % number)
    ingest = new_ingest(log)
    peer = SimPeer("city", [log])
    peer.chunk_entries = 7
    ingest.pull(peer, ORIGIN)
    for number in range(30 + above):
        log.delete(f"ds/table-{number}")
    if held:
        error = refusal(ingest.pull, peer, ORIGIN)

        assert (Reason.MASS_WITHDRAWAL, 60) == (error.reason, error.values["live"])
        assert Status.PAUSED is ingest.store.log(ORIGIN).status
        assert 30 <= len(ingest.store.live(ORIGIN))
    else:
        ingest.pull(peer, ORIGIN)

        assert 30 == len(ingest.store.live(ORIGIN))


@pytest.mark.parametrize(
    ("withdrawn", "held"),
    [(limits.WITHDRAWALS_FREE, False), (limits.WITHDRAWALS_FREE + 1, True)],
)
def test_small_catalogs_change_freely(withdrawn: int, held: bool) -> None:
    """Below a number that a person can look through, nothing is held."""
    log = SimLog(ORIGIN)
    for number in range(withdrawn):
        log.put(f"ds/table-{number}", b"%d" % number)
    ingest = new_ingest(log)
    peer = SimPeer("city", [log])
    ingest.pull(peer, ORIGIN)
    for number in range(withdrawn):
        log.delete(f"ds/table-{number}")
    if held:
        refusal(ingest.pull, peer, ORIGIN)
    else:
        ingest.pull(peer, ORIGIN)

    assert held == (ingest.store.log(ORIGIN).status is Status.PAUSED)


def slowly(ingest: Ingest, log: SimLog, clock: Clock, *, hours: float) -> int:
    """Withdraw ten records a stream, until the log is held; return how many went."""
    for first in range(0, 60, 10):
        clock.pass_hours(hours)
        for number in range(first, first + 10):
            log.delete(f"ds/table-{number}")
        with suppress(ConflictError):
            ingest.pull(SimPeer("city", [log]), ORIGIN)
        if ingest.store.log(ORIGIN).status is Status.PAUSED:
            return first
    return 60


def table_log() -> tuple[SimLog, Ingest, Clock]:
    """Return a mirror of sixty records that came two days ago."""
    log = SimLog(ORIGIN)
    for number in range(60):
        log.put(f"ds/table-{number}", b"%d" % number)
    clock = Clock()
    ingest = Ingest(new_store(), keys_of([log]), clock=clock)
    ingest.pull(SimPeer("city", [log]), ORIGIN)
    clock.pass_hours(48)
    return log, ingest, clock


@pytest.mark.parametrize(("hours", "gone"), [(1, 30), (25, 60)])
def test_withdrawals_of_a_day_are_counted_together(hours: float, gone: int) -> None:
    """Many small streams of one day are held as a large one; a week of them is not."""
    log, ingest, clock = table_log()

    assert gone == slowly(ingest, log, clock, hours=hours)
    assert 60 - gone == len(ingest.store.live(ORIGIN))


def test_what_comes_back_within_the_day_is_not_withdrawn() -> None:
    """A record that is published again was not withdrawn."""
    log, ingest, clock = table_log()
    for _ in range(4):
        clock.pass_hours(1)
        for number in range(25):
            log.delete(f"ds/table-{number}")
            log.put(f"ds/table-{number}", b"again")
        ingest.pull(SimPeer("city", [log]), ORIGIN)

    assert 60 == len(ingest.store.live(ORIGIN))


def test_day_begins_anew_when_a_person_looked() -> None:
    """What was let through is not counted a second time."""
    log, ingest, clock = table_log()
    slowly(ingest, log, clock, hours=1)
    ingest.store.set_status(ORIGIN, Status.ACTIVE)
    ingest.store.begin_day(ORIGIN, clock())
    ingest.pull(SimPeer("city", [log]), ORIGIN)

    assert 20 == len(ingest.store.live(ORIGIN))


def test_withdrawn_in_the_same_stream_is_not_counted() -> None:
    """A new mirror takes a history of withdrawals: nothing of it was live here."""
    log = SimLog(ORIGIN)
    for number in range(50):
        log.put(f"ds/table-{number}", b"%d" % number)
    for number in range(50):
        log.delete(f"ds/table-{number}")
    ingest = new_ingest(log)

    assert ingest.pull(SimPeer("city", [log]), ORIGIN).complete


def test_read_log_slots(tmp_path: Path) -> None:
    """A client address reads eight streams at a time; the next is told to wait."""
    log = SimLog(ORIGIN)
    for number in range(30):  # more than the connection holds on its way
        log.put(f"ds/table-{number}", random.Random(number).randbytes(1_000_000))
    store = mirror(tmp_path / "node.db", log).store
    with served(store) as port, reading(port) as reader:
        running: list[Iterator[LogStart | LogChunk]] = []
        for _ in range(limits.CLIENT_READ_LOG_MAX):
            parts = reader.read_log(ORIGIN, 0, BodyMode.ALL)
            next(parts)
            running.append(parts)
        error = refusal(lambda: list(reader.read_log(ORIGIN, 0)))
        running.clear()  # who leaves a stream frees its slot
        after = refusal_free(lambda: next(reader.read_log(ORIGIN, 0, BodyMode.NONE)))

    assert Reason.QUOTA_EXCEEDED is error.reason
    assert isinstance(after, LogStart)


def refusal_free(call: Callable[[], object], seconds: float = 20.0) -> object:
    """Return the answer of a call that is refused for a while."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except UnavailableError:
            if time.monotonic() > end:
                raise
            threading.Event().wait(0.1)


def test_trickling_stream_is_given_up() -> None:
    """Too few bytes in a window end the call."""
    cancelled = threading.Event()
    slow = Pace(cancelled.set, seconds=0.1)
    slow.came(limits.STREAM_BYTES_MIN - 1)
    slow.wait()

    assert cancelled.wait(10)
    assert slow.slow
    slow.stop()


def test_steady_stream_goes_on() -> None:
    """A peer that sends enough in each window, or waits for us, is left alone."""
    cancelled = threading.Event()
    steady = Pace(cancelled.set, seconds=0.5)
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        steady.came(limits.STREAM_BYTES_MIN)
        steady.wait()
        threading.Event().wait(0.02)
    slow = steady.slow
    steady.stop()
    cancelled.clear()
    working = Pace(cancelled.set, seconds=0.05)
    working.came(1)  # and now we work on it
    gave_up = cancelled.wait(0.3)
    working.stop()

    assert (False, False, False) == (slow, gave_up, working.slow)


def test_bodies_that_a_peer_lacks_do_not_hide_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pages of digests go past what the peer has not, to what it has."""
    monkeypatch.setattr("shahrdad.federation.ingest.BODIES_DIGESTS_MAX", 4)
    log = SimLog(ORIGIN)
    for number in range(20):
        log.put(f"ds/table-{number}", b"%d" % number)
    ingest = Ingest(new_store(), keys_of([log]), clock=Clock())
    peer = SimPeer("late", [log])
    peer.with_bodies = False
    lacked = {digest for _, digest in zip(range(12), log.bodies, strict=False)}
    peer.change_body = lambda body: (
        replace(body, content=b"", absence=BodyAbsence.UNKNOWN)
        if any(body.sha256 == digest.raw for digest in lacked)
        else body
    )
    Syncer(ingest).round([SyncPeer("late", lambda: peer)])

    assert 12 == ingest.store.log(ORIGIN).missing_bodies
    assert 5 == peer.calls.count("read_bodies")


def test_more_peers_than_threads_are_all_followed(tmp_path: Path) -> None:
    """In continuous mode eight threads share twenty peers, and none is forgotten."""
    logs = [SimLog(f"city-{number}.example.ir/catalog") for number in range(20)]
    ingest = Ingest(open_store(tmp_path / "node.db"), keys_of(logs), clock=Clock())
    syncer = Syncer(ingest, chance=random.Random(3))
    peers = [
        SyncPeer(log.origin, lambda log=log: SimPeer(log.origin, [log]))  # type: ignore[misc]
        for log in logs
    ]
    stop = threading.Event()
    thread = threading.Thread(target=syncer.follow, args=(peers, stop))
    thread.start()
    try:
        end = time.monotonic() + 40
        while len(ingest.store.logs()) < 20 and time.monotonic() < end:
            threading.Event().wait(0.05)
    finally:
        stop.set()
        thread.join(timeout=30)

    assert not thread.is_alive()
    assert {1} == {log.head_size for log in ingest.store.logs()}
    assert 20 == len(ingest.store.logs())


def test_message_above_the_limit_is_the_peers_fault() -> None:
    """A chunk whose entries are too many, or too long, is refused by name."""
    log = filled(300)
    for change in (
        lambda part: replace(part, entries=(b"x" * (limits.ENTRY_BYTES_MAX + 1),)),
        lambda part: replace(part, entries=part.entries * 2),
    ):
        ingest = new_ingest(log)
        liar = SimPeer("liar", [log])
        liar.change = lambda part, change=change: [
            change(part) if isinstance(part, LogChunk) else part
        ]
        with pytest.raises(PeerError) as caught:
            ingest.pull(liar, ORIGIN)

        assert "liar" == caught.value.values["peer"]
        assert 0 == ingest.store.log(ORIGIN).size
