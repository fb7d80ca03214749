"""ListHeads: when a log moves to the end of the list, and when it does not."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from log_world import ORIGIN, SECONDS, Connections, make_signer
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.listing import (
    COSIGNATURE_NEWER_SECONDS,
    COSIGNATURE_PAUSE_SECONDS,
)
from shahrdad.federation.log.schema import (
    Status,
)
from shahrdad.federation.log.store import Appended, LogStore
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import Kind, join

OTHER = "rasht.example.ir/catalog"
TIME = "2026-11-22T09:00:00Z"
LOG = make_signer(ORIGIN)


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    """Return an empty store with one log."""
    made = LogStore(Connections(tmp_path / "node.db").connect)
    made.ensure_log(ORIGIN)
    return made


def put(key: str, body: bytes) -> bytes:
    """Return a put of a body; its `prev` does not matter here."""
    return entries.put(
        key, prev=None, digest=Digest.of(body), size=len(body), time=TIME
    )


def delete(key: str) -> bytes:
    """Return a delete."""
    return entries.delete(key, prev=None, time=TIME, reason="error")


def redact(body: bytes) -> bytes:
    """Return a redact of a body."""
    return entries.redact(Digest.of(body), time=TIME, reason="privacy")


def append(
    store: LogStore, *raws: bytes, bodies: Sequence[bytes] = (), origin: str = ORIGIN
) -> Appended:
    """Append entries, with bodies."""
    growth = grow(store.frontier(origin), raws, origin)
    return store.append(growth, {Digest.of(body): body for body in bodies})


def head(store: LogStore, *cosigned: tuple[str, int], size: int | None = None) -> bytes:
    """Return a signed head of the log, with cosignatures."""
    size = store.log(ORIGIN).size if size is None else size
    text = Checkpoint(ORIGIN, size, store.root_at(ORIGIN, size)).text()
    lines = [
        make_signer(f"{city}.example.ir/witness", Kind.WITNESS).sign(text, seconds=at)
        for city, at in cosigned
    ]
    return join(text, [LOG.sign(text), *lines])


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


def test_heads_are_listed_in_the_order_of_their_changes(store: LogStore) -> None:
    """Only complete heads, oldest change first, from a position on."""
    store.ensure_log(OTHER)
    append(store, b"a")
    assert [] == store.heads_after(0, 9)
    store.put_head(ORIGIN, head(store), seconds=SECONDS)

    (listed,) = store.heads_after(0, 9)

    assert (ORIGIN, 1, head(store)) == (
        listed.origin,
        listed.head_size,
        listed.checkpoint,
    )
    assert [] == store.heads_after(listed.seq, 9)
    assert [] == store.heads_after(0, 9, [OTHER])
    assert [listed] == store.heads_after(0, 9, [ORIGIN, OTHER])
    store.set_status(ORIGIN, Status.FROZEN)
    assert [ORIGIN] == [log.origin for log in store.heads_after(listed.seq, 9)]


def test_listeners_hear_of_each_advance_and_of_nothing_else(store: LogStore) -> None:
    """They wake the long polls."""
    heard: list[int] = []
    stop = store.on_change(lambda: heard.append(store.last_seq()))
    append(store, b"a")
    assert [] == heard
    store.put_head(ORIGIN, head(store), seconds=SECONDS)
    store.put_head(ORIGIN, head(store), seconds=SECONDS)
    assert [store.last_seq()] == heard
    stop()
    store.set_status(ORIGIN, Status.PAUSED)

    assert 1 == len(heard)


def listed_after(store: LogStore, seconds: int, *cosigned: tuple[str, int]) -> bool:
    """Store a head, and return whether it was listed anew."""
    before = store.last_seq()
    store.put_head(ORIGIN, head(store, *cosigned), seconds=seconds)
    return store.last_seq() > before


def test_cosignatures_do_not_echo_between_nodes(store: LogStore) -> None:
    """More witnesses or much newer ones are listed, at most once in ten minutes."""
    append(store, b"a")
    now = SECONDS
    assert listed_after(store, now)
    assert listed_after(store, now, ("a", now))
    assert not listed_after(store, now + 1, ("a", now), ("b", now))
    later = now + COSIGNATURE_PAUSE_SECONDS
    assert 0 == store.list_cosigned(later - 1)
    assert 1 == store.list_cosigned(later)
    assert 0 == store.list_cosigned(later + COSIGNATURE_PAUSE_SECONDS)
    newer = now + COSIGNATURE_NEWER_SECONDS
    assert not listed_after(store, newer, ("a", newer - 1), ("b", now))
    assert listed_after(store, newer, ("a", newer), ("b", now))
    assert not listed_after(store, newer + COSIGNATURE_PAUSE_SECONDS, ("a", newer))


def test_clock_that_was_set_back_does_not_silence_a_log(store: LogStore) -> None:
    """The ten minutes are counted forward only."""
    append(store, b"a")
    listed_after(store, SECONDS)
    listed_after(store, SECONDS, ("a", 1))

    assert listed_after(store, SECONDS - 9_999, ("a", 1), ("b", 1))


def test_head_is_refused_that_our_tree_does_not_have(store: LogStore) -> None:
    """Another root, entries that are not here, a size below the head."""
    append(store, b"a", b"b")
    text = Checkpoint(ORIGIN, 2, bytes(32)).text()
    forged = join(text, [LOG.sign(text)])
    ahead_text = Checkpoint(ORIGIN, 3, bytes(32)).text()
    ahead = join(ahead_text, [LOG.sign(ahead_text)])
    store.put_head(ORIGIN, head(store), seconds=SECONDS)
    cases = [
        (forged, Reason.LOG_FORKED),
        (ahead, Reason.SIZE_AHEAD),
        (head(store, size=1), Reason.OLD_SIZE_CONFLICT),
    ]

    for note, reason in cases:
        with pytest.raises((ConflictError, RequestError)) as caught:
            store.put_head(ORIGIN, note, seconds=SECONDS)
        assert reason is caught.value.reason
    assert 2 == store.log(ORIGIN).head_size


def test_evidence_quarantines_and_is_listed(store: LogStore) -> None:
    """The first evidence stays."""
    append(store, b"a")
    store.put_head(ORIGIN, head(store), seconds=SECONDS)
    seq = store.last_seq()

    store.put_evidence(ORIGIN, b"first")
    store.put_evidence(ORIGIN, b"second")

    (listed,) = store.heads_after(seq, 9)
    assert (Status.QUARANTINED, b"first") == (listed.status, listed.evidence)
