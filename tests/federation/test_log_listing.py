"""ListHeads: when a log moves to the end of the list, and when it does not."""

from pathlib import Path

import pytest

from log_store_world import LOG, OTHER, append, head, store_in
from log_world import ORIGIN, SECONDS
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.listing import (
    COSIGNATURE_NEWER_SECONDS,
    COSIGNATURE_PAUSE_SECONDS,
)
from shahrdad.federation.log.schema import Status
from shahrdad.federation.log.store import LogStore
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.note import join


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    """Make an empty store with one log."""
    return store_in(tmp_path)


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
