"""Verified chunks are stored some at a time: what is held in the end is the same."""

import sqlite3
from itertools import count
from pathlib import Path

import pytest

from federation_world import (
    ORIGIN,
    check_prefix,
    filled,
    new_store,
    refusal,
)
from log_world import Connections
from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation import incoming as incomings
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log import applying
from shahrdad.federation.log.store import MIGRATIONS, BodyState, LogStore
from shahrdad.federation.reader import LogChunk
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow, joined
from shahrdad.federation.verify.tree import Frontier
from simulator import Clock, SimLog, SimPeer, keys_of

CHUNK = 3


def varied() -> SimLog:
    """Return a log in which keys are renewed, withdrawn, published again, redacted."""
    log = filled(9)
    again = Digest.of(b"public by mistake")
    log.put("ds/mistake", b"public by mistake")
    log.put("ds/other", b"kept")
    log.delete("ds/other")
    log.redact(again)
    log.put("ds/other", b"kept, and back")
    log.put("ds/mistake", b"public by mistake")
    log.append(b"no JSON")
    log.put("ds/mistake", b"corrected")
    log.fill(5, start=50)
    return log


def ingest_of(log: SimLog, entries_at_once: int) -> Ingest:
    """Return an ingest over an empty store."""
    return Ingest(
        new_store(), keys_of([log]), clock=Clock(), entries_at_once=entries_at_once
    )


def rows(store: LogStore) -> dict[str, list[tuple[object, ...]]]:
    """Return all that is held of logs, table by table."""
    connection = store._connect()
    applying.settle_refs(connection)
    tables = ("entry", "tile", "live", "gone", "body", "body_ref", "absent")
    return {
        table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)
        for table in tables
    }


@pytest.mark.parametrize("entries_at_once", [4, 7, 1_000])
def test_state_does_not_depend_on_how_many_are_stored_at_once(
    entries_at_once: int,
) -> None:
    """Row by row, one transaction a chunk and one for many end alike."""
    log = varied()
    held = []
    for number in (1, entries_at_once):
        ingest = ingest_of(log, number)
        peer = SimPeer("a", [log])
        peer.chunk_entries = CHUNK
        pulled = ingest.pull(peer, ORIGIN)
        check_prefix(ingest, log)
        held.append((rows(ingest.store), pulled.size, pulled.refused))

    assert held[0] == held[1]


@pytest.mark.parametrize("waiting_max", [1, 5, 10**6])
def test_state_does_not_depend_on_how_many_references_wait(
    waiting_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they are sorted in at once or late, the same bodies are here or gone."""
    monkeypatch.setattr(applying, "REFS_WAITING_MAX", waiting_max)
    log = varied()
    ingest = ingest_of(log, 3)
    peer = SimPeer("a", [log])
    peer.chunk_entries = 3
    ingest.pull(peer, ORIGIN)
    (waiting,) = (
        ingest.store._connect()
        .execute("SELECT count(*) FROM body_ref_waiting")
        .fetchone()
    )
    at_once = ingest_of(log, 1_000)
    at_once.pull(SimPeer("a", [log]), ORIGIN)

    assert waiting < waiting_max
    assert BodyState.REDACTED is ingest.store.body_state(
        Digest.of(b"public by mistake")
    )
    assert rows(at_once.store) == rows(ingest.store)


def test_bad_chunk_leaves_all_that_was_verified_before() -> None:
    """What waits to be stored is not lost because the next message is wrong."""
    log = filled(20)
    ingest = ingest_of(log, 1_000)
    peer = SimPeer("liar", [log])
    peer.chunk_entries = CHUNK
    numbers = count()

    def spoil(part: object) -> list[object]:
        if isinstance(part, LogChunk) and next(numbers) == 4:
            return [LogChunk(part.start_index, part.entries[::-1], (), part.proof)]
        return [part]

    peer.change = spoil  # type: ignore[assignment]
    error = refusal(ingest.pull, peer, ORIGIN)

    assert isinstance(error, PeerError)
    assert (Reason.BAD_PROOF, "liar") == (error.reason, error.values["peer"])
    assert 4 * CHUNK == ingest.store.log(ORIGIN).size
    check_prefix(ingest, log)


def test_bodies_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large bodies are stored sooner, so that a stream takes a bounded memory."""
    monkeypatch.setattr(incomings, "BYTES_AT_ONCE", 2_000)
    log = SimLog(ORIGIN)
    for number in range(12):
        log.put(f"ds/{number}", b"%d" % number * 500)
    spans: list[int] = []
    ingest = Ingest(
        new_store(),
        keys_of([log]),
        clock=Clock(),
        on_entries=lambda origin, first, size: spans.append(size - first),
    )
    peer = SimPeer("a", [log])
    peer.chunk_entries = 1
    ingest.pull(peer, ORIGIN)

    assert log.size == sum(spans)
    assert 5 >= max(spans)
    assert 3 <= len(spans)


def test_growths_join_only_in_order() -> None:
    """One growth after another is the growth of all; a gap is a mistake of ours."""
    raws = filled(12).raws
    first = grow(Frontier(), raws[:5], ORIGIN)
    second = grow(first.frontier, raws[5:], ORIGIN)

    assert grow(Frontier(), raws, ORIGIN) == joined([first, second])
    with pytest.raises(ValueError, match="follow"):
        joined([second, first])


def test_database_of_before_says_the_same(tmp_path: Path) -> None:
    """States of bodies move to their own table; nothing is asked again of peers."""
    connection = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
    connection.executescript(MIGRATIONS[0])
    log = filled(4)
    raws = [raw for raw in log.raws if b'"put"' in raw]
    digests = [
        Digest(bytes.fromhex(raw.decode().split('"sha256":"')[1][:64])) for raw in raws
    ]
    states = ("held", "missing", "redacted", "pruned")
    connection.execute("INSERT INTO log(origin,seq) VALUES(?,1)", (ORIGIN,))
    for index, (digest, state) in enumerate(zip(digests, states, strict=True)):
        connection.execute(
            "INSERT INTO body_ref VALUES(?,1,?,?)", (digest.raw, index, state)
        )
        connection.execute(
            "INSERT INTO live VALUES(1,?,?,?)", (f"ds/{index}", index, digest.raw)
        )
    connection.execute("INSERT INTO body VALUES(?,x'00')", (digests[0].raw,))
    for script in MIGRATIONS[1:]:
        connection.executescript(script)
    store = LogStore(lambda: connection)

    assert list(map(BodyState, states)) == [store.body_state(one) for one in digests]
    assert [digests[1]] == store.missing_live(ORIGIN, 9)


def test_failed_commit_is_rolled_back(tmp_path: Path) -> None:
    """A disk that is full at the very commit does not leave a transaction open."""
    connections = Connections(tmp_path / "node.db")
    store = LogStore(connections.connect)
    store.ensure_log(ORIGIN)
    connection = connections.connect()
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(
        "CREATE TABLE late("
        "log INTEGER REFERENCES log(id) DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(sqlite3.IntegrityError), store._write(durable=False) as writing:
        writing.execute("INSERT INTO late VALUES(99)")

    assert not connection.in_transaction
    store.ensure_log("rasht.example.ir/catalog")
    other = LogStore(Connections(tmp_path / "node.db").connect)
    assert other.find_log("rasht.example.ir/catalog") is not None
