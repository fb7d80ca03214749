"""Two histories of one log are found, proven and told; honest logs never convicted."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from federation_world import (
    ORIGIN,
    check_prefix,
    filled,
    new_ingest,
    refusal,
)
from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
)
from shahrdad.federation.log.store import Status
from shahrdad.federation.reader import (
    Head,
)
from shahrdad.federation.store_reader import StoreReader
from simulator import SimLog, SimPeer


def test_equal_size_and_another_root_is_evidence() -> None:
    """Two signed heads of one size with two roots convict the log at once."""
    log = filled(6)
    twin = log.fork(4)
    twin.fill(log.size - 4, start=90)
    ingest = new_ingest(log)
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    error = refusal(ingest.offer, twin.head(), "b")
    held = ingest.store.log(ORIGIN)

    assert Reason.EQUIVOCATION is error.reason
    assert (Status.QUARANTINED, True) == (held.status, held.evidence is not None)
    check_prefix(ingest, log)


def test_smaller_head_of_another_history_is_evidence() -> None:
    """A peer that is behind us convicts too: our own tree has the proof."""
    log = filled(9)
    twin = log.fork(3)
    twin.fill(2, start=90)
    ingest = new_ingest(log)
    ingest.pull(SimPeer("a", [log]), ORIGIN)

    assert Reason.EQUIVOCATION is refusal(ingest.offer, twin.head(), "b").reason
    assert ingest.store.log(ORIGIN).evidence is not None


def test_larger_head_of_another_history_is_evidence_by_the_peers_proof() -> None:
    """The peer is honest about its tree; the log is not: it is asked for the proof."""
    log = filled(6)
    twin = log.fork(3)
    twin.fill(20, start=90)
    ingest = new_ingest(log)
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    error = refusal(ingest.pull, SimPeer("b", [twin]), ORIGIN)

    assert Reason.EQUIVOCATION is error.reason
    assert log.size == ingest.store.log(ORIGIN).size
    check_prefix(ingest, log)


def test_quarantined_log_takes_nothing_more() -> None:
    """The branch seen first stays readable; nothing is added to it."""
    log = filled(6)
    twin = log.fork(3)
    twin.fill(3, start=90)
    ingest = new_ingest(log)
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    refusal(ingest.offer, twin.head(), "b")
    log.fill(1, start=7)
    error = refusal(ingest.pull, SimPeer("a", [log]), ORIGIN)

    assert Reason.ORIGIN_CLOSED is error.reason
    assert not ingest.offer(log.head(), "a").ahead
    assert log.raws[:7] == ingest.store.entries(ORIGIN, 0, 99)


def test_evidence_travels() -> None:
    """A node that saw one history only believes the proof, not the peer."""
    log = filled(6)
    twin = log.fork(3)
    twin.fill(3, start=90)
    first, second = new_ingest(log), new_ingest(log)
    first.pull(SimPeer("a", [log]), ORIGIN)
    second.pull(SimPeer("a", [log]), ORIGIN)
    refusal(first.offer, twin.head(), "b")
    (head,) = StoreReader(first.store).list_heads().heads

    assert second.take_evidence(head, "first")
    assert Status.QUARANTINED is second.store.log(ORIGIN).status
    assert not second.take_evidence(head, "first")


def test_false_evidence_convicts_nobody() -> None:
    """Two heads of one history are no evidence, whoever says so."""
    log = filled(6)
    small, large = log.note(3), log.note()
    from shahrdad.federation.verify import evidence as evidences

    text = evidences.make(small, large, log.root(3), log.proof(3, log.size))
    ingest = new_ingest(log)
    error = refusal(
        ingest.take_evidence, Head(ORIGIN, 7, large, evidence=text), "framer"
    )

    assert (Reason.BAD_PROOF, "framer") == (error.reason, error.values["peer"])
    assert Status.ACTIVE is ingest.store.log(ORIGIN).status


def test_interrupted_sync_does_not_change_branch_unnoticed() -> None:
    """A head seen before the cut is compared before another peer's entries are read."""
    log = filled(20)
    twin = log.fork(10)
    twin.fill(25, start=90)
    ingest = new_ingest(log)
    cut = SimPeer("cut", [log])
    cut.chunk_entries, cut.stop_after = 4, 3
    refusal(ingest.pull, cut, ORIGIN)
    assert 8 == ingest.store.log(ORIGIN).size
    error = refusal(ingest.pull, SimPeer("b", [twin]), ORIGIN)

    assert Reason.EQUIVOCATION is error.reason
    assert 8 == ingest.store.log(ORIGIN).size


@settings(max_examples=80, deadline=None)
@given(
    common=st.integers(1, 30),
    ours=st.integers(1, 30),
    theirs=st.integers(1, 30),
    cut=st.integers(1, 30),
)
def test_random_forks_are_found(common: int, ours: int, theirs: int, cut: int) -> None:
    """Wherever a log forks, also in mid-sync, the second history convicts it."""
    log = SimLog(ORIGIN)
    log.fill(common - 1)
    twin = log.fork(common)
    log.fill(ours, start=100)
    twin.fill(theirs, start=200)
    ingest = new_ingest(log)
    first = SimPeer("first", [log])
    first.chunk_entries, first.stop_after = 3, cut
    for _ in range(2):
        try:
            ingest.pull(first, ORIGIN)
        except PeerError:
            first.stop_after = None
    second = SimPeer("second", [twin])

    def see_both() -> None:
        ingest.offer(twin.head(), "second")
        ingest.pull(second, ORIGIN)

    error = refusal(see_both)
    held = ingest.store.log(ORIGIN)

    assert Reason.EQUIVOCATION is error.reason
    assert Status.QUARANTINED is held.status
    check_prefix(ingest, log)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=5), cuts=st.randoms())
def test_honest_log_is_never_convicted(sizes: list[int], cuts: random.Random) -> None:
    """Peers that lag, cut off and differ in size give no alarm."""
    log = SimLog(ORIGIN)
    ingest = new_ingest(log)
    reasons: set[Reason] = set()
    for number, count in enumerate(sizes):
        old = log.fork(log.size)
        log.fill(count, start=100 * number)
        peers = [SimPeer("new", [log]), SimPeer("old", [old])]
        cuts.shuffle(peers)
        for peer in peers:
            peer.chunk_entries = cuts.randrange(1, 9)
            peer.stop_after = cuts.choice([None, 1, 2, 3])
            try:
                ingest.offer(peer.list_heads().heads[0], peer.name)
                ingest.pull(peer, ORIGIN)
            except (PeerError, RequestError) as error:
                reasons.add(error.reason)
    ingest.pull(SimPeer("last", [log]), ORIGIN)

    assert reasons <= {Reason.SHORT_STREAM, Reason.SIZE_AHEAD}
    assert Status.ACTIVE is ingest.store.log(ORIGIN).status
    check_prefix(ingest, log)
