"""Rounds: every peer is asked, changes are told, and a bad peer costs only itself."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from federation_world import mirror, open_store, reading, served
from shahrdad.datasets.errors import Reason
from shahrdad.federation.dialler import Dialler
from shahrdad.federation.grpc_reader import GrpcPeer, GrpcReader
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import Status
from shahrdad.federation.reader import BodyMode, LogChunk, LogReader, LogStart
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import put
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.witness import Witness
from simulator import Clock, SimLog, SimPeer, keys_of, seed

KERMAN = "kerman.example.ir/catalog"
QOM = "qom.example.ir/catalog"


def peer(reader: LogReader) -> SyncPeer:
    """Return a reader as a peer that is always reachable."""
    return SyncPeer(reader.name, lambda: reader)


def syncer(path: Path, *logs: SimLog, clock: Clock | None = None) -> Syncer:
    """Return a syncer over an empty store that follows these logs."""
    ingest = Ingest(open_store(path), keys_of(logs), clock=clock or Clock())
    return Syncer(ingest, chance=random.Random(7))


def grown(origin: str, count: int = 6) -> SimLog:
    """Return a log with some records."""
    log = SimLog(origin)
    log.fill(count)
    return log


def test_round_reports_what_changed(tmp_path: Path) -> None:
    """New, changed and withdrawn keys are told for each log, in both languages."""
    log = SimLog(KERMAN)
    log.put("ds/budget", b"1")
    log.put("ds/projects", b"2")
    node = syncer(tmp_path / "node.db", log)
    city = SimPeer("kerman", [log])
    first = node.round([peer(city)])
    log.put("ds/budget", b"3")
    log.put("ds/contracts", b"4")
    log.delete("ds/projects")
    second = node.round([peer(city)])
    (before,) = first.logs
    (line,) = second.logs

    assert ["ds/budget", "ds/projects"] == before.new
    assert (["ds/contracts"], ["ds/budget"], ["ds/projects"]) == (
        line.new,
        line.changed,
        line.withdrawn,
    )
    assert (3, True) == (second.entries, second.ok)
    assert "kerman (kerman.example.ir/catalog)" in second.text("en")
    assert "- ds/projects" in second.text("fa")
    assert 3 == second.to_dict()["entries"]


def test_wrong_prev_is_applied_with_a_warning(tmp_path: Path) -> None:
    """It counts in the report, stands in the ledger, and changes nothing else.

    At first contact and later; also of keys that are new, or were deleted before.
    """
    log = SimLog(KERMAN)
    first_put = log.put("ds/budget", b"1")
    append_put(log, "ds/budget", None)
    node = syncer(tmp_path / "node.db", log)
    city = SimPeer("kerman", [log])
    first = node.round([peer(city)])
    deleted = log.delete("ds/budget")
    append_put(log, "ds/budget", deleted)
    append_put(log, "ds/budget", first_put)
    append_put(log, "ds/new", first_put)
    second = node.round([peer(city)])
    ledger = [(line.index, line.reason) for line in node.ingest.store.problems(10)]

    assert [1, 2] == [report.logs[0].wrong_prevs for report in (first, second)]
    assert first.ok
    assert second.ok
    assert ["ds/new"] == second.logs[0].new
    assert "2 entries with a wrong prev" in second.text("en")
    assert "2 درایه با prev نادرست" in second.text("fa")
    assert [(6, "PREV_WRONG"), (5, "PREV_WRONG"), (2, "PREV_WRONG")] == ledger


def append_put(log: SimLog, key: str, prev: int | None) -> None:
    """Append a put that names any entry as the one of its key before it."""
    body = b"%d" % log.size
    digest = Digest.of(body)
    log.bodies[digest] = body
    time = "2026-11-22T10:00:00Z"
    log.append(put(key, prev=prev, digest=digest, size=len(body), time=time))


def test_round_without_a_change_says_so(tmp_path: Path) -> None:
    """One call to each peer, nothing stored, one sentence."""
    log = grown(KERMAN)
    node = syncer(tmp_path / "node.db", log)
    city = SimPeer("kerman", [log])
    node.round([peer(city)])
    city.calls.clear()
    report = node.round([peer(city)])

    assert ["list_heads"] == city.calls
    assert "Nothing changed." in report.text("en")
    assert "چیزی تغییر نکرده است." in report.text("fa")


def test_dead_peer_costs_itself(tmp_path: Path) -> None:
    """What one peer has is stored, whatever another does; the report names it."""
    log = grown(KERMAN)
    node = syncer(tmp_path / "node.db", log)
    dead = SimPeer("dead", [log])
    dead.offline = True
    report = node.round([peer(dead), peer(SimPeer("alive", [log]))])

    assert [("dead", False), ("alive", True)] == [
        (line.name, line.answered) for line in report.peers
    ]
    assert log.size == node.ingest.store.log(KERMAN).head_size
    assert not report.ok
    assert "dead: did not answer (PEER_UNREACHABLE)" in report.text("en")


def test_backoff_doubles_and_ends_with_success(tmp_path: Path) -> None:
    """A failing peer is left alone for longer and longer, and forgiven at once."""
    log, clock = grown(KERMAN), Clock()
    node = syncer(tmp_path / "node.db", log, clock=clock)
    weak = SimPeer("weak", [log])
    weak.offline = True
    states = []
    for _ in range(3):
        node.round([peer(weak)], force=True)
        states.append(node.ingest.store.peer("weak"))
    skipped = node.round([peer(weak)])
    clock.pass_hours(24)
    weak.offline = False
    node.round([peer(weak)])
    healed = node.ingest.store.peer("weak")

    assert [1, 2, 3] == [state.failures for state in states]
    assert states[2].next_try == skipped.peers[0].skipped_until
    assert (0, None) == (healed.failures, healed.next_try)
    assert healed.last_ok is not None


def test_liar_is_in_the_ledger_and_the_truth_arrives(tmp_path: Path) -> None:
    """A relay that alters entries is refused by name; the next peer serves them."""
    log = grown(KERMAN)
    node = syncer(tmp_path / "node.db", log)
    liar = SimPeer("liar", [log])
    liar.change = lambda part: [
        replace(part, entries=part.entries[::-1])
        if isinstance(part, LogChunk)
        else part
    ]
    first = node.round([peer(liar)])
    second = node.round([peer(liar), peer(SimPeer("honest", [log]))], force=True)
    problems = node.ingest.store.problems(10)

    assert [("liar", KERMAN, "BAD_PROOF")] == [
        (line.peer, line.origin, line.reason) for line in first.refused
    ]
    assert "liar" in first.text("fa")
    assert log.size == node.ingest.store.log(KERMAN).head_size
    assert {("liar", "BAD_PROOF")} == {(line.peer, line.reason) for line in problems}
    assert 6 + 1 == second.entries + first.entries


def test_peer_that_ends_early_is_asked_again_from_there(tmp_path: Path) -> None:
    """The cursor of a peer that failed does not advance: nothing is skipped."""
    log = grown(KERMAN, 20)
    node = syncer(tmp_path / "node.db", log)
    short = SimPeer("short", [log])
    short.chunk_entries, short.stop_after = 4, 3
    node.round([peer(short)])
    size = node.ingest.store.log(KERMAN).size
    short.stop_after = None
    node.round([peer(short)], force=True)

    assert 8 == size
    assert log.size == node.ingest.store.log(KERMAN).head_size


def test_unknown_log_is_skipped(tmp_path: Path) -> None:
    """A peer may list what we do not follow; it is told, not taken."""
    followed, stranger = grown(KERMAN), grown("stranger.example.ir/catalog")
    node = syncer(tmp_path / "node.db", followed)
    report = node.round([peer(SimPeer("a", [stranger, followed]))])

    assert [KERMAN] == [log.origin for log in node.ingest.store.logs()]
    assert [Reason.ORIGIN_UNKNOWN] == [line.reason for line in report.refused]


def test_member_log_comes_first(tmp_path: Path) -> None:
    """Keys are learned before the heads that need them."""
    logs = [grown("a.example.ir/catalog"), grown("z.example.ir/members")]
    node = syncer(tmp_path / "node.db", *logs)
    first = Syncer(node.ingest, member_origin="z.example.ir/members")
    city = SimPeer("a", logs)
    order: list[str] = []
    real = city.read_log

    def read_log(
        origin: str, size: int, mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        order.append(origin)
        return real(origin, size, mode)

    city.read_log = read_log  # type: ignore[assignment,method-assign]
    first.round([peer(city)])

    assert ["z.example.ir/members", "a.example.ir/catalog"] == order


def test_followed_log_that_nobody_has_is_missing(tmp_path: Path) -> None:
    """The report says which city was never seen."""
    log, absent = grown(KERMAN), SimLog(QOM)
    node = syncer(tmp_path / "node.db", log, absent)
    report = node.round([peer(SimPeer("a", [log]))])
    line = next(item for item in report.logs if item.origin == QOM)

    assert not line.held
    assert "never seen yet" in report.text("en")
    assert "هنوز دیده نشده" in report.text("fa")


def test_missing_bodies_come_from_another_peer(tmp_path: Path) -> None:
    """A peer without bodies is completed by one that has them."""
    log = grown(KERMAN)
    node = syncer(tmp_path / "node.db", log)
    bare = SimPeer("bare", [log])
    bare.with_bodies = False
    bare.change_body = lambda body: replace(body, content=b"", absence=1)  # type: ignore[arg-type]
    node.round([peer(bare)])
    missing = node.ingest.store.log(KERMAN).missing_bodies
    report = node.round([peer(SimPeer("full", [log]))])

    assert missing == report.peers[0].bodies > 0
    assert 0 == node.ingest.store.log(KERMAN).missing_bodies


def test_fork_seen_between_two_peers_quarantines(tmp_path: Path) -> None:
    """Two peers that show two histories convict the log in one round."""
    log = grown(KERMAN)
    twin = log.fork(4)
    twin.fill(3, start=90)
    node = syncer(tmp_path / "node.db", log)
    node.round([peer(SimPeer("a", [log]))])
    report = node.round([peer(SimPeer("b", [twin]))])
    held = node.ingest.store.log(KERMAN)

    assert [KERMAN] == report.quarantined
    assert Status.QUARANTINED is held.status
    assert held.evidence
    assert "two histories" in report.text("en")


def test_own_log_is_compared_and_never_pulled(tmp_path: Path) -> None:
    """A larger head of our own log means a restored backup: it is told, not read."""
    log = grown(KERMAN)
    node = syncer(tmp_path / "node.db", log)
    node.ingest.store.ensure_log(KERMAN, own=True)
    shown: list[bytes] = []
    own = Syncer(node.ingest, on_own_head=shown.append)
    city = SimPeer("mirror", [log])
    report = own.round([peer(city)])

    assert log.size == report.own_ahead
    assert [log.note()] == shown
    assert "read_log" not in city.calls
    assert 0 == node.ingest.store.log(KERMAN).size


def test_cursor_of_a_restored_peer_is_taken_anew(tmp_path: Path) -> None:
    """A peer whose database is another one is listed from the start, without fuss."""
    log = grown(KERMAN)
    node = syncer(tmp_path / "node.db", log)
    for name in ("one.db", "two.db"):
        other = mirror(tmp_path / name, log)
        report = node.round([peer(StoreReader(other.store, name="b"))])

        assert report.ok, report.text("en")
        assert 1 == report.peers[0].heads


def test_three_cities_where_two_never_meet(tmp_path: Path) -> None:
    """A → B → C over gRPC: one state digest, and C's cosignature reaches B."""
    log = grown(KERMAN, 30)
    name = "qom.example.ir/witness"
    signer = Signer.from_seed(name, seed(name), Kind.WITNESS)
    keys = keys_of([log], [signer], quorum=1)
    middle = mirror(tmp_path / "b.db", log, keys=keys)
    last = Ingest(open_store(tmp_path / "c.db"), keys, clock=Clock())
    witness = Witness(last.store, keys, signer, clock=Clock())
    with served(middle.store) as port:
        address = f"127.0.0.1:{port}"

        def connect() -> GrpcReader:
            return GrpcReader(
                GrpcPeer("b", address, insecure=True), Dialler(["127.0.0.0/8"])
            )

        report = Syncer(last, witness=witness).round([SyncPeer("b", connect)])
    with served(last.store) as port, reading(port, "c") as reader:
        Syncer(middle).round([peer(reader)])

    assert report.ok, report.text("en")
    assert middle.store.state_digest(KERMAN) == last.store.state_digest(KERMAN)
    assert last.store.log(KERMAN).confirmed == middle.store.log(KERMAN).confirmed
    assert middle.store.log(KERMAN).confirmed is not None


def test_head_without_fresh_cosignatures_is_stale(tmp_path: Path) -> None:
    """Silence of the witnesses shows after the hours that the rules give."""
    log, clock = grown(KERMAN), Clock()
    name = "qom.example.ir/witness"
    signer = Signer.from_seed(name, seed(name), Kind.WITNESS)
    keys = keys_of([log], [signer], quorum=1)
    log.cosign(signer, clock())
    node = Syncer(Ingest(open_store(tmp_path / "n.db"), keys, clock=clock))
    city = SimPeer("a", [log])
    stale = []
    for hours in (0, 48, 1):
        clock.pass_hours(hours)
        stale.append(node.round([peer(city)]).logs[0].stale)

    assert [False, False, True] == stale


def until(met: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Poll until something is so; return whether it came to be."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if met():
            return True
        threading.Event().wait(0.02)
    return met()


def test_follow_brings_a_change_within_the_poll(tmp_path: Path) -> None:
    """In continuous mode a new entry arrives without a round being started."""
    log = grown(KERMAN)
    city = mirror(tmp_path / "city.db", log)
    node = syncer(tmp_path / "node.db", log)
    stop = threading.Event()
    reports: list[int] = []
    with served(city.store) as port:

        def connect() -> GrpcReader:
            return GrpcReader(
                GrpcPeer("city", f"127.0.0.1:{port}", insecure=True),
                Dialler(["127.0.0.0/8"]),
            )

        thread = threading.Thread(
            target=node.follow,
            args=([SyncPeer("city", connect)], stop),
            kwargs={"on_report": lambda report: reports.append(report.entries)},
        )
        thread.start()
        try:
            store = node.ingest.store
            assert until(
                lambda: bool(store.logs()) and store.log(KERMAN).head_size == 7
            )
            log.fill(2, start=50)
            city.pull(SimPeer("city", [log]), KERMAN)
            assert until(lambda: store.log(KERMAN).head_size == 9)
            stop.set()
            log.fill(1, start=60)
            city.pull(SimPeer("city", [log]), KERMAN)  # wakes the last poll
        finally:
            stop.set()
            thread.join(timeout=60)

    assert not thread.is_alive()
    assert [7, 2] == reports[:2]


def test_error_of_our_own_is_not_hidden(tmp_path: Path) -> None:
    """A mistake in this node's code ends the round instead of looking like a peer's."""
    log = grown(KERMAN)

    def broken() -> LogReader:
        raise ZeroDivisionError

    node = syncer(tmp_path / "node.db", log)
    with pytest.raises(ZeroDivisionError):
        node.round([SyncPeer("a", broken)])


def test_refusals_have_both_languages(tmp_path: Path) -> None:
    """Each line of the ledger can be read by either side."""
    log = grown(KERMAN)
    node = syncer(tmp_path / "node.db", log)
    bad = SimPeer("bad", [log])
    bad.change_head = lambda head: replace(head, checkpoint=b"no note")
    report = node.round([peer(bad)])
    (line,) = report.refused

    assert line.detail_fa != line.detail_en
    assert line.detail_en in report.text("en")
    assert line.detail_fa in report.text("fa")
