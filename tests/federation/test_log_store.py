"""The logs on disk: one transaction an append, and every reading agrees with it."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from log_store_world import (
    LOG,
    OTHER,
    TIME,
    append,
    delete,
    head,
    put,
    redact,
    store_in,
)
from log_world import ORIGIN, SECONDS, Connections
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.limits import SEEN_HEADS_MAX
from shahrdad.federation.log.schema import (
    BodyState,
    PeerState,
    Problem,
    SignedHead,
    Status,
    WrongPrev,
)
from shahrdad.federation.log.store import MIGRATIONS, LogStore
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify import receipt, tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import Growth, grow
from shahrdad.federation.verify.state import LiveEntry, apply, state_digest
from shahrdad.federation.verify.tile import layout
from shahrdad.federation.verify.tree import Frontier


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    """Make an empty store with one log."""
    return store_in(tmp_path)


def test_log_that_was_never_seen_is_unknown(store: LogStore) -> None:
    """Asking for it is the caller's error; finding it gives nothing."""
    assert store.find_log(OTHER) is None
    with pytest.raises(RequestError) as caught:
        store.entries(OTHER, 0, 1)

    assert Reason.ORIGIN_UNKNOWN is caught.value.reason


def test_making_a_log_again_changes_nothing(store: LogStore) -> None:
    """But a log may become our own."""
    first = store.log(ORIGIN)

    assert first == store.ensure_log(ORIGIN)
    assert store.ensure_log(ORIGIN, own=True).own
    assert store.ensure_log(ORIGIN).own


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_store_agrees_with_the_definition_after_any_appends(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the chunks: entries, tiles, frontier, live keys, proofs, warnings."""
    folder = tmp_path_factory.mktemp("logs")
    store = LogStore(Connections(folder / "node.db").connect)
    store.ensure_log(ORIGIN)
    raws: list[bytes] = []
    warned: list[WrongPrev] = []
    for _ in range(data.draw(st.integers(1, 6))):
        count = data.draw(st.sampled_from([1, 2, 3, 100, 255, 256, 257, 600]))
        part = []
        for number in range(count):
            key = f"ds/{(len(raws) + number) % 7}"
            kind = data.draw(st.integers(0, 3)) if count < 4 else number % 4
            part.append(
                [put(key, b"%d" % number), delete(key), b"bad", put(key, b"x")][kind]
            )
        warned += append(store, *part).wrong_prevs
        raws += part

    check(store, raws)
    assert wrong_prevs(raws) == warned


def wrong_prevs(raws: list[bytes]) -> list[WrongPrev]:
    """Return the entries that misname the one of their key before them."""
    newest: dict[str, int] = {}
    wrong = []
    for entry in entries.applied(raws, 0, ORIGIN):
        if entry.key is None:
            continue
        before = newest.get(entry.key)
        if entry.prev != before:
            wrong.append(WrongPrev(entry.index, entry.key, entry.prev, before))
        newest[entry.key] = entry.index
    return wrong


def check(store: LogStore, raws: list[bytes]) -> None:
    """Compare everything that is stored with what the entries say."""
    growth = grow(Frontier(), raws, ORIGIN)
    size = len(raws)
    assert size == store.log(ORIGIN).size
    assert raws == store.entries(ORIGIN, 0, size + 5)
    assert growth.frontier == store.frontier(ORIGIN)
    newest: dict[str, int] = {}
    live: dict[str, LiveEntry] = {}
    for entry in growth.entries:
        if entry is not None:
            apply(live, entry)
            newest[entry.key or ""] = entry.index
    assert live == store.live(ORIGIN)
    assert state_digest(live) == store.state_digest(ORIGIN)
    assert newest == {key: store.newest_index(ORIGIN, key) for key in newest}
    by_index = {at.index: at.sha256.raw for at in live.values()}
    held = {index: sha256 for index, sha256, _ in store.live_bodies(ORIGIN, 0, size)}
    assert held.items() <= by_index.items()
    for span in layout(size):
        tile = store.tile(ORIGIN, span.level, span.number)
        assert span.width * 32 == len(tile)
    for old in sorted({1, size // 3, size // 2, size} & set(range(1, size + 1))):
        roots = store.root_at(ORIGIN, old), growth.frontier.root()
        proof = store.consistency_proof(ORIGIN, old, size)
        tree.verify_consistency(old, size, *roots, proof)
        inclusion = store.inclusion_proof(ORIGIN, old - 1, size)
        leaf = entries.leaf_hash(raws[old - 1])
        tree.verify_inclusion(old - 1, size, leaf, roots[1], inclusion)


def test_growth_that_starts_elsewhere_is_refused(store: LogStore) -> None:
    """Two syncs of one log: the slower one stores nothing."""
    growth = grow(Frontier(), [b"a"], ORIGIN)
    store.append(growth, {})

    with pytest.raises(ConflictError) as caught:
        store.append(growth, {})

    assert Reason.OLD_SIZE_CONFLICT is caught.value.reason
    assert 1 == caught.value.values["size"]


def test_growth_from_another_history_is_refused(store: LogStore) -> None:
    """The size alone does not say that it goes on from here."""
    append(store, b"a")
    other = grow(Frontier(), [b"b"], ORIGIN).frontier

    with pytest.raises(ConflictError):
        store.append(grow(other, [b"c"], ORIGIN), {})

    check(store, [b"a"])


def test_error_within_a_transaction_leaves_nothing(store: LogStore) -> None:
    """Entries, tiles and live keys come together or not at all."""
    growth = grow(Frontier(), [put("ds/a", b"x"), put("ds/b", b"y")], ORIGIN)
    broken = Growth(
        growth.origin,
        growth.before,
        growth.frontier,
        growth.raws,
        growth.puts._replace(indexes=[1, 1]),  # missing, and that twice
        (),
        (),
        growth.leaves,
        growth.completed,
    )

    with pytest.raises(sqlite3.IntegrityError):
        store.append(broken, {Digest.of(b"x"): b"x"})

    assert 0 == store.log(ORIGIN).size
    assert b"" == store.tile(ORIGIN, 0, 0)
    assert store.body(Digest.of(b"x")) is None
    check(store, [])


def test_nothing_is_added_to_a_quarantined_log(store: LogStore) -> None:
    """Reading goes on."""
    append(store, b"a")
    store.set_status(ORIGIN, Status.QUARANTINED)

    with pytest.raises(ConflictError) as caught:
        append(store, b"b")

    assert Reason.ORIGIN_CLOSED is caught.value.reason
    assert [b"a"] == store.entries(ORIGIN, 0, 9)


def test_bodies_are_held_missing_or_elsewhere(store: LogStore) -> None:
    """A body that another log brought need not come again."""
    store.ensure_log(OTHER)
    append(store, put("ds/a", b"A"), bodies=[b"A"], origin=OTHER)

    append(
        store, put("ds/a", b"A"), put("ds/b", b"B"), put("ds/c", b"C"), bodies=[b"C"]
    )

    assert [Digest.of(b"B")] == store.missing_live(ORIGIN, 9)
    states = [store.body_state(Digest.of(body)) for body in (b"A", b"B", b"C", b"D")]
    assert [
        BodyState.HELD,
        BodyState.MISSING,
        BodyState.HELD,
        BodyState.MISSING,
    ] == states


def test_missing_body_is_stored_when_it_comes(store: LogStore) -> None:
    """And peers learn that this node is now a full source."""
    append(store, put("ds/a", b"A"), put("ds/b", b"B"))
    store.put_head(ORIGIN, head(store), seconds=SECONDS)
    assert 2 == store.log(ORIGIN).missing_bodies
    seq = store.last_seq()

    assert [] == store.put_bodies({Digest.of(b"X"): b"X"})
    assert [Digest.of(b"A")] == store.put_bodies({Digest.of(b"A"): b"A"})
    assert seq == store.last_seq()
    store.put_bodies({Digest.of(b"B"): b"B"})

    assert 0 == store.log(ORIGIN).missing_bodies
    assert seq < store.last_seq()
    assert store.body(Digest.of(b"X")) is None
    assert [] == store.missing_live(ORIGIN, 9)


def test_body_with_another_digest_is_a_mistake(store: LogStore) -> None:
    """It is checked once more before it is stored."""
    append(store, put("ds/a", b"A"))

    with pytest.raises(ValueError, match="body"):
        store.put_bodies({Digest.of(b"A"): b"B"})


def test_missing_bodies_of_superseded_versions_do_not_count(store: LogStore) -> None:
    """A node that holds every newest version lacks nothing that it needs."""
    append(store, put("ds/a", b"A"), put("ds/a", b"B"), bodies=[b"B"])
    store.put_head(ORIGIN, head(store), seconds=SECONDS)

    assert 0 == store.log(ORIGIN).missing_bodies
    assert [] == store.missing_live(ORIGIN, 9)
    assert BodyState.MISSING is store.body_state(Digest.of(b"A"))


def test_redaction_drops_the_body_of_its_own_log(store: LogStore) -> None:
    """Digest, reason and date stay; content that comes again is not stored."""
    append(store, put("ds/a", b"A"), bodies=[b"A"])

    appended = append(store, redact(b"A"))

    assert (Digest.of(b"A"),) == appended.dropped
    assert store.body(Digest.of(b"A")) is None
    assert BodyState.REDACTED is store.body_state(Digest.of(b"A"))
    assert [] == store.put_bodies({Digest.of(b"A"): b"A"})
    again = append(store, put("ds/b", b"A"), bodies=[b"A"])
    assert [] == store.missing_live(ORIGIN, 9)
    assert again.size == store.log(ORIGIN).size
    assert store.body(Digest.of(b"A")) is None


def test_redaction_reaches_no_other_log(store: LogStore) -> None:
    """Else one city could erase another's records by naming their digests."""
    store.ensure_log(OTHER)
    append(store, put("ds/a", b"A"), bodies=[b"A"], origin=OTHER)
    append(store, put("ds/a", b"A"))

    appended = append(store, redact(b"A"))

    assert () == appended.dropped
    assert b"A" == store.body(Digest.of(b"A"))
    append(store, redact(b"A"), origin=OTHER)
    assert store.body(Digest.of(b"A")) is None


def test_redaction_of_the_same_chunk_stores_nothing(store: LogStore) -> None:
    """A mirror that syncs late never holds what was redacted."""
    append(store, put("ds/a", b"A"), redact(b"A"), delete("ds/a"), bodies=[b"A"])

    assert store.body(Digest.of(b"A")) is None
    assert BodyState.REDACTED is store.body_state(Digest.of(b"A"))


def test_pruning_drops_what_no_entry_holds(store: LogStore) -> None:
    """Retention removes an old version, unless a newer entry names the same body."""
    append(
        store,
        put("ds/a", b"A"),
        put("ds/a", b"B"),
        put("ds/b", b"A"),
        bodies=[b"A", b"B"],
    )

    assert [] == store.prune(ORIGIN, [0])
    assert [Digest.of(b"A")] == store.prune(ORIGIN, [2])
    assert BodyState.PRUNED is store.body_state(Digest.of(b"A"))
    assert [] == store.prune(ORIGIN, [0, 99])


def test_receipt_stands_on_the_newest_confirmed_head(store: LogStore) -> None:
    """Else on the newest head; an entry that no head covers has none."""
    append(store, put("ds/a", b"A"), put("ds/b", b"B"), bodies=[b"A", b"B"])
    confirmed = head(store, ("a", SECONDS), ("b", SECONDS))
    store.put_head(ORIGIN, confirmed, seconds=SECONDS)
    store.put_confirmed(ORIGIN, confirmed)
    append(store, put("ds/c", b"C"), put("ds/d", b"D"))
    store.put_head(ORIGIN, head(store, size=3), seconds=SECONDS)

    old = receipt.verify(store.receipt(ORIGIN, 1), verifiers=[LOG.verifier], body=b"B")
    new = receipt.verify(store.receipt(ORIGIN, 2), verifiers=[LOG.verifier])

    assert old
    assert new
    assert (2, 3) == (old.checkpoint.size, new.checkpoint.size)
    with pytest.raises(RequestError) as caught:
        store.receipt(ORIGIN, 3)
    assert Reason.ENTRY_UNKNOWN is caught.value.reason


def test_proofs_of_sizes_that_are_not_here_are_refused(store: LogStore) -> None:
    """With the reason that the wire knows."""
    append(store, b"a", b"b")
    cases: list[tuple[Callable[[], object], Reason]] = [
        (lambda: store.root_at(ORIGIN, 3), Reason.SIZE_AHEAD),
        (lambda: store.consistency_proof(ORIGIN, 1, 3), Reason.SIZE_AHEAD),
        (lambda: store.consistency_proof(ORIGIN, 0, 2), Reason.MALFORMED),
        (lambda: store.consistency_proof(ORIGIN, 2, 1), Reason.MALFORMED),
        (lambda: store.inclusion_proof(ORIGIN, 2, 2), Reason.ENTRY_UNKNOWN),
        (lambda: store.entry(ORIGIN, 2), Reason.ENTRY_UNKNOWN),
    ]

    for ask, reason in cases:
        with pytest.raises(RequestError) as caught:
            ask()
        assert reason is caught.value.reason


def test_newest_seen_heads_stay(store: LogStore) -> None:
    """16 sizes a log; they are kept until they are settled."""
    store.ensure_log(OTHER)
    for size in range(1, SEEN_HEADS_MAX + 2):
        for origin in (ORIGIN, OTHER):
            store.add_seen_head(origin, Checkpoint(origin, size, bytes(32)), b"note")

    seen = store.seen_heads(ORIGIN, 0, 99)

    assert list(range(2, SEEN_HEADS_MAX + 2)) == [one.size for one in seen]
    assert SEEN_HEADS_MAX == len(store.seen_heads(OTHER, 0, 99))
    assert [6, 7] == [one.size for one in store.seen_heads(ORIGIN, 5, 7)]
    store.drop_seen_heads(ORIGIN, 16)
    assert [17] == [one.size for one in store.seen_heads(ORIGIN, 0, 99)]


def test_witness_never_goes_back_nor_aside(store: LogStore) -> None:
    """The check and the record are one step: of two, one wins."""
    first, second = SignedHead(5, b"5" * 32, b"n"), SignedHead(7, b"7" * 32, b"n")
    store.put_witnessed(ORIGIN, 0, first)
    store.put_witnessed(ORIGIN, 5, first)
    store.put_witnessed(ORIGIN, 5, second)
    cases = [
        (5, SignedHead(9, bytes(32), b"n"), Reason.OLD_SIZE_CONFLICT),
        (0, first, Reason.OLD_SIZE_CONFLICT),
        (7, first, Reason.OLD_SIZE_CONFLICT),
        (7, SignedHead(7, b"x" * 32, b"n"), Reason.LOG_FORKED),
    ]

    for old, state, reason in cases:
        with pytest.raises(ConflictError) as caught:
            store.put_witnessed(ORIGIN, old, state)
        assert reason is caught.value.reason
        assert 7 == caught.value.values["size"]
    assert second == store.witnessed(ORIGIN)
    assert store.witnessed(OTHER) is None


def test_peers_problems_and_outbox_are_remembered(store: LogStore) -> None:
    """What a round needs to know of the one before."""
    assert PeerState("rasht") == store.peer("rasht")
    store.put_peer(PeerState("rasht", "e:7", 2, TIME, None))
    store.put_peer(PeerState("rasht", "e:9", 0, None, TIME))
    store.add_problem(Problem(TIME, "rasht", ORIGIN, 4, "BAD_PROOF", "…"))
    store.add_problem(Problem(TIME, "rasht", ORIGIN, None, "TIMEOUT", ""))
    store.add_outbox(["one", "two"])
    (first, _), second = store.outbox()
    store.drop_outbox([first])

    assert [PeerState("rasht", "e:9", 0, None, TIME)] == store.peers()
    assert ["TIMEOUT", "BAD_PROOF"] == [one.reason for one in store.problems(9)]
    assert 1 == len(store.problems(1))
    assert [second] == store.outbox()


def test_tail_that_was_never_signed_can_be_taken_back(store: LogStore) -> None:
    """Live keys, tiles and frontier are those of the shorter log."""
    store.ensure_log(ORIGIN, own=True)
    raws = [put(f"ds/{number}", b"A") for number in range(300)]
    append(store, *raws, bodies=[b"A"])
    store.put_head(ORIGIN, head(store), seconds=SECONDS)
    epoch = store.epoch()
    tail = [delete("ds/1"), put("ds/2", b"B"), *raws[:220]]
    append(store, *tail, bodies=[b"B"])

    assert tail == store.cut_tail(ORIGIN, 300)

    check(store, raws)
    assert epoch != store.epoch()
    append(store, *tail)
    check(store, raws + tail)


@pytest.mark.parametrize("size", [0, 3])
def test_signed_entries_are_never_taken_back(store: LogStore, size: int) -> None:
    """Nor those of another city's log."""
    append(store, b"a", b"b")
    with pytest.raises(ValueError, match="tail"):
        store.cut_tail(ORIGIN, 1)
    store.ensure_log(ORIGIN, own=True)
    store.put_head(ORIGIN, head(store, size=1), seconds=SECONDS)

    with pytest.raises(ValueError, match="tail"):
        store.cut_tail(ORIGIN, size)


def test_growth_of_a_day_is_known(store: LogStore) -> None:
    """Entries and body bytes above what was held 24 hours earlier."""
    day = 24 * 3_600

    def grown_by(raw: bytes, body: bytes, seconds: int) -> tuple[int, int]:
        growth = grow(store.frontier(ORIGIN), [raw], ORIGIN)
        store.append(growth, {Digest.of(body): body}, seconds=seconds)
        return store.grown(ORIGIN, seconds)

    assert (1, 1) == grown_by(put("ds/a", b"A"), b"A", SECONDS)
    assert (2, 3) == grown_by(put("ds/b", b"BB"), b"BB", SECONDS + 7_200)
    assert (2, 5) == grown_by(put("ds/c", b"CCC"), b"CCC", SECONDS + day + 3_600)
    assert (0, 0) == store.grown(ORIGIN, SECONDS + 3 * day)


def test_all_bodies_held_can_be_read_one_after_another(store: LogStore) -> None:
    """For projections and for the collection of garbage."""
    bodies = [b"%d" % number for number in range(250)]
    append(store, *[put(f"ds/{body.decode()}", body) for body in bodies], bodies=bodies)

    held = dict(store.held_bodies())

    assert {Digest.of(body): body for body in bodies} == held
    assert held == store.bodies([*held, Digest.of(b"none")])


def test_readers_go_on_while_a_writer_writes(tmp_path: Path) -> None:
    """Several threads append to their logs and read the others', and all is whole."""
    connections = Connections(tmp_path / "node.db")
    store = LogStore(connections.connect)
    origins = [f"city{number}.example.ir/catalog" for number in range(4)]
    for origin in origins:
        store.ensure_log(origin)
    failures: list[BaseException] = []

    def work(origin: str) -> None:
        try:
            for number in range(20):
                append(store, put(f"ds/{number}", b"A"), bodies=[b"A"], origin=origin)
                for other in origins:
                    size = store.log(other).size
                    assert size <= len(store.entries(other, 0, 99))
                    store.root_at(other, size)
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close()

    threads = [threading.Thread(target=work, args=(origin,)) for origin in origins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [] == failures
    assert [20] * 4 == [store.log(origin).size for origin in origins]


def test_migrations_make_strict_tables(tmp_path: Path) -> None:
    """A value of the wrong type is refused by the database itself."""
    connection = Connections(tmp_path / "node.db").connect()
    names = [
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_master"
            " WHERE type='table' AND sql NOT LIKE '%STRICT%'"
        )
    ]

    assert [] == names
    assert MIGRATIONS
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO entry VALUES(1,1,'text')")


def test_ingest_keeps_up_with_the_target(tmp_path: Path) -> None:
    """Growing and storing chunks of 256: a tenth of the target at the very least.

    The target is 20,000 entries a second on an idle core; a loaded machine that tests
    run on must not make this fail.
    """
    store = LogStore(Connections(tmp_path / "node.db").connect)
    store.ensure_log(ORIGIN)
    raws = [put(f"ds/{number}", b"%d" % number) for number in range(5_120)]
    started = time.process_time()
    for start in range(0, len(raws), 256):
        append(store, *raws[start : start + 256])
    seconds = time.process_time() - started

    assert len(raws) / seconds > 2_000
