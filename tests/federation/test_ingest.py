"""What a peer says of a log becomes ours once it is verified, chunk by chunk."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from federation_world import (
    ORIGIN,
    check_prefix,
    filled,
    new_ingest,
    new_store,
    open_store,
    refusal,
)
from shahrdad.datasets.errors import (
    PeerError,
    Reason,
)
from shahrdad.federation import limits
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.keyring import ConfiguredKeys
from shahrdad.federation.log.store import BodyState
from shahrdad.federation.reader import (
    Body,
    BodyAbsence,
    BodyMode,
    LogReader,
)
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import Kind, Signer
from simulator import Clock, SimLog, SimPeer, keys_of, seed


def test_whole_log_is_mirrored() -> None:
    """Entries, live bodies, keys, tree and head arrive as the city has them."""
    log = filled(300)
    ingest = new_ingest(log)
    pulled = ingest.pull(SimPeer("a", [log]), ORIGIN)
    held = ingest.store.log(ORIGIN)

    assert (301, True, []) == (pulled.size, pulled.complete, pulled.refused)
    assert (301, 301) == (held.size, held.head_size)
    assert log.note() == held.checkpoint
    assert 0 == held.missing_bodies
    assert log.live_digests() == {digest for digest, _ in ingest.store.held_bodies()}
    check_prefix(ingest, log)


def test_only_what_is_new_is_read() -> None:
    """The log's index is the cursor: one stream brings what came since."""
    log = filled(300)
    ingest = new_ingest(log)
    peer = SimPeer("a", [log])
    ingest.pull(peer, ORIGIN)
    log.fill(5, start=300)
    pulled = ingest.pull(peer, ORIGIN)

    assert (301, 306, 5) == (pulled.first, pulled.size, pulled.entries)
    check_prefix(ingest, log)


def test_nothing_new_is_no_change() -> None:
    """A second pull stores nothing and lists nothing."""
    log = filled()
    ingest = new_ingest(log)
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    seq = ingest.store.last_seq()
    pulled = ingest.pull(SimPeer("b", [log]), ORIGIN)

    assert 0 == pulled.entries
    assert seq == ingest.store.last_seq()


def test_interrupted_stream_goes_on_with_another_peer() -> None:
    """Each chunk is stored at once; whoever answers next continues it."""
    log = filled(20)
    ingest = new_ingest(log)
    cut = SimPeer("cut", [log])
    cut.chunk_entries, cut.stop_after = 3, 4
    error = refusal(ingest.pull, cut, ORIGIN)

    assert isinstance(error, PeerError)
    assert (Reason.SHORT_STREAM, "cut") == (error.reason, error.values["peer"])
    assert (9, 0) == (
        ingest.store.log(ORIGIN).size,
        ingest.store.log(ORIGIN).head_size,
    )
    pulled = ingest.pull(SimPeer("other", [log]), ORIGIN)

    assert (9, 21, True) == (pulled.first, pulled.size, pulled.complete)
    check_prefix(ingest, log)


def test_callback_follows_each_commit() -> None:
    """The node's projection sees every entry once, in order, after it is durable."""
    log = filled(8)
    spans: list[tuple[str, int, int]] = []
    peer = SimPeer("a", [log])
    peer.chunk_entries = 4
    ingest = Ingest(
        new_store(),
        keys_of([log]),
        clock=Clock(),
        entries_at_once=4,
        on_entries=lambda *span: spans.append(span),
    )
    ingest.pull(peer, ORIGIN)

    assert [(ORIGIN, 0, 4), (ORIGIN, 4, 8), (ORIGIN, 8, 9)] == spans


def test_entry_of_a_newer_version_never_stops_mirroring() -> None:
    """What this version cannot apply is stored, relayed and counted."""
    log = filled(3)
    log.append(b'{"v":2,"op":"put"}')
    log.append(b"\xff not JSON")
    log.fill(2, start=3)
    ingest = new_ingest(log)
    pulled = ingest.pull(SimPeer("a", [log]), ORIGIN)

    assert [4, 5] == [index for index, _ in pulled.refused]
    assert log.size == pulled.size
    check_prefix(ingest, log)


def test_log_that_nobody_follows_is_not_taken() -> None:
    """A peer cannot fill our store with logs of its own making."""
    log = filled()
    ingest = new_ingest()

    assert Reason.ORIGIN_UNKNOWN is refusal(ingest.offer, log.head(), "a").reason
    assert (
        Reason.ORIGIN_UNKNOWN
        is refusal(ingest.pull, SimPeer("a", [log]), ORIGIN).reason
    )
    assert [] == ingest.store.logs()


def test_key_is_valid_only_at_its_sizes() -> None:
    """A rotated key signs no larger head."""
    log = filled(5)
    ingest = new_ingest(log)
    ingest.keys = ConfiguredKeys([replace(log.key, until_size=log.size - 1)])
    error = refusal(ingest.pull, SimPeer("a", [log]), ORIGIN)

    assert (Reason.BAD_SIGNATURE, "a") == (error.reason, error.values["peer"])


def test_head_of_another_log_is_refused() -> None:
    """A relay cannot pass one city's head for another's."""
    log, other = filled(), SimLog("qom.example.ir/catalog")
    ingest = new_ingest(log, other)
    crossed = replace(other.head(), origin=ORIGIN)

    assert Reason.BAD_SIGNATURE is refusal(ingest.offer, crossed, "a").reason


def test_size_beside_the_note_is_not_trusted() -> None:
    """The size in the message must be the signed one."""
    log = filled()
    head = replace(log.head(), size=log.size + 1)

    assert Reason.MALFORMED is refusal(new_ingest(log).offer, head, "a").reason


def test_missing_bodies_come_later_from_another_peer() -> None:
    """A peer without bodies is no dead end."""
    log = filled(9)
    ingest = new_ingest(log)
    bare = SimPeer("bare", [log])
    bare.with_bodies = False
    ingest.pull(bare, ORIGIN)
    missing = ingest.store.log(ORIGIN).missing_bodies
    came = ingest.fetch_bodies(SimPeer("full", [log]), ORIGIN)

    assert missing == came == len(log.live_digests())
    assert 0 == ingest.store.log(ORIGIN).missing_bodies
    assert 0 == ingest.fetch_bodies(SimPeer("full", [log]), ORIGIN)


def test_wrong_body_is_refused() -> None:
    """A body must have the digest that was asked for."""
    log = filled(3)
    ingest = new_ingest(log)
    bare = SimPeer("bare", [log])
    bare.with_bodies = False
    ingest.pull(bare, ORIGIN)
    bare.change_body = lambda body: replace(body, content=b"lie")
    error = refusal(ingest.fetch_bodies, bare, ORIGIN)

    assert (Reason.DIGEST_MISMATCH, "bare") == (error.reason, error.values["peer"])
    assert [] == list(ingest.store.held_bodies())


def test_bodies_before_a_wrong_one_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stored together, and who follows the log is told of them."""
    log = filled(9)
    told: list[int] = []
    ingest = Ingest(
        new_store(),
        keys_of([log]),
        clock=Clock(),
        on_entries=lambda origin, first, size: told.append(size - first),
    )
    bare = SimPeer("bare", [log])
    bare.with_bodies = False
    ingest.pull(bare, ORIGIN)
    stored: list[int] = []
    put_bodies = ingest.store.put_bodies

    def count(bodies: Mapping[Digest, bytes]) -> list[Digest]:
        stored.append(len(bodies))
        return put_bodies(bodies)

    monkeypatch.setattr(ingest.store, "put_bodies", count)
    wanted = ingest.store.missing_live(ORIGIN, 9)
    bare.change_body = lambda body: (
        replace(body, content=b"lie") if body.sha256 == wanted[-1].raw else body
    )
    told.clear()
    error = refusal(ingest.fetch_bodies, bare, ORIGIN)

    assert Reason.DIGEST_MISMATCH is error.reason
    assert [len(wanted) - 1] == stored
    assert [0] == told
    assert wanted[-1:] == ingest.store.missing_live(ORIGIN, 9)


@pytest.mark.parametrize("count", [0, 5])
def test_answers_are_one_for_each_digest(count: int) -> None:
    """Too few or too many bodies are a fault of the peer."""
    log = filled(3)
    ingest = new_ingest(log)
    bare = SimPeer("bare", [log])
    bare.with_bodies = False
    ingest.pull(bare, ORIGIN)

    class Miscounting(SimPeer):
        def read_bodies(self, digests):  # type: ignore[no-untyped-def]
            body = Body(digests[0].raw, absence=BodyAbsence.UNKNOWN)
            return iter([body] * count)

    assert (
        Reason.MALFORMED
        is refusal(ingest.fetch_bodies, Miscounting("bad", [log]), ORIGIN).reason
    )


def test_deleted_dataset_is_gone_in_one_round_and_its_tombstone_stays() -> None:
    """A withdrawal reaches every mirror with the next pull."""
    log = SimLog(ORIGIN)
    log.put("ds/budget", b"{}")
    ingest = new_ingest(log)
    peer = SimPeer("a", [log])
    ingest.pull(peer, ORIGIN)
    log.delete("ds/budget")
    ingest.pull(peer, ORIGIN)

    assert {} == ingest.store.live(ORIGIN)
    assert 2 == ingest.store.newest_index(ORIGIN, "ds/budget")


def test_redacted_body_is_dropped_and_answered_as_redacted() -> None:
    """The content goes; its digest and the reason stay."""
    body = b'{"n":1}'
    log = SimLog(ORIGIN)
    log.put("ds/budget", body)
    dropped: list[Digest] = []
    ingest = Ingest(
        new_store(),
        keys_of([log]),
        clock=Clock(),
        on_dropped=lambda origin, digests: dropped.extend(digests),
    )
    peer = SimPeer("a", [log])
    ingest.pull(peer, ORIGIN)
    log.redact(Digest.of(body))
    pulled = ingest.pull(peer, ORIGIN)
    (answer,) = StoreReader(ingest.store).read_bodies([Digest.of(body)])

    assert [Digest.of(body)] == dropped == pulled.dropped
    assert BodyAbsence.REDACTED is answer.absence
    assert BodyState.REDACTED is ingest.store.body_state(Digest.of(body))


def test_one_city_cannot_redact_anothers_record() -> None:
    """A redaction reaches its own log alone."""
    body = b'{"shared":1}'
    log, other = SimLog(ORIGIN), SimLog("qom.example.ir/catalog")
    log.put("ds/budget", body)
    other.redact(Digest.of(body))
    ingest = new_ingest(log, other)
    peer = SimPeer("a", [log, other])
    ingest.pull(peer, log.origin)
    ingest.pull(peer, other.origin)

    assert body == ingest.store.body(Digest.of(body))


def witness(city: str) -> Signer:
    """Return a witness key of a city."""
    name = f"{city}.example.ir/witness"
    return Signer.from_seed(name, seed(name), Kind.WITNESS)


def test_cosignatures_are_merged_and_confirm_a_head() -> None:
    """Lines of several peers end in one note; a quorum of other cities confirms it."""
    log = filled(3)
    qom, rasht, kerman = witness("qom"), witness("rasht"), witness("kerman")
    ingest = new_ingest(log, witnesses=[qom, rasht, kerman], quorum=2)
    clock = Clock()
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    notes = []
    for signer in (kerman, qom, rasht):
        log.cosignatures = []
        log.cosign(signer, clock())
        ingest.offer(log.head(), "b")
        notes.append(ingest.store.log(ORIGIN).confirmed)
    held = ingest.store.log(ORIGIN)

    assert held.checkpoint is not None
    assert 4 == held.checkpoint.count(b"\xe2\x80\x94")
    assert [True, True, False] == [note is None for note in notes]
    assert held.checkpoint == held.confirmed


def test_cosignature_of_a_stranger_is_not_stored() -> None:
    """Only lines that were verified are kept."""
    log = filled(3)
    ingest = new_ingest(log)
    log.cosign(witness("qom"), Clock()())
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    held = ingest.store.log(ORIGIN).checkpoint

    assert held is not None
    assert b"witness" not in held


def test_false_line_of_a_known_witness_refuses_the_note() -> None:
    """A relay that spoils a note only loses this client."""
    log = filled(3)
    qom = witness("qom")
    ingest = new_ingest(log, witnesses=[qom])
    log.cosignatures = [qom.sign("other\n", seconds=Clock()())]
    error = refusal(ingest.pull, SimPeer("spoiler", [log]), ORIGIN)

    assert (Reason.BAD_SIGNATURE, "spoiler") == (error.reason, error.values["peer"])


def test_cosignature_from_the_future_does_not_count() -> None:
    """A witness cannot make a head look fresh for ever; and it is no error."""
    log = filled(3)
    qom = witness("qom")
    clock = Clock()
    ingest = new_ingest(log, witnesses=[qom], quorum=1)
    log.cosign(qom, clock() + limits.COSIGNATURE_AHEAD_SECONDS_MAX + 1)
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    assert ingest.store.log(ORIGIN).confirmed is None
    log.cosignatures = []
    log.cosign(qom, clock() + limits.COSIGNATURE_AHEAD_SECONDS_MAX)
    ingest.offer(log.head(), "a")

    assert ingest.store.log(ORIGIN).confirmed is not None


@pytest.mark.parametrize(("extra", "status"), [(0, "active"), (1, "paused")])
def test_flood_pauses_a_log(
    extra: int, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that grows faster than its quota is paused; others go on."""
    monkeypatch.setattr("shahrdad.federation.ingest.GROWTH_ENTRIES_DAY_MAX", 20)
    log = filled(30)
    clock = Clock()
    ingest = Ingest(new_store(), keys_of([log]), clock=clock)
    peer = SimPeer("a", [log])
    ingest.pull(peer, ORIGIN)  # first contact: only the total bounds it
    clock.pass_hours(30)
    log.fill(20 + extra, start=100)
    if extra:
        assert Reason.ORIGIN_CLOSED is refusal(ingest.pull, peer, ORIGIN).reason
    else:
        ingest.pull(peer, ORIGIN)

    assert status == ingest.store.log(ORIGIN).status
    check_prefix(ingest, log)


def test_own_log_is_never_pulled_unless_recovering() -> None:
    """Our own log comes from its writer; after a restored backup from the mirrors."""
    log = filled(5)
    ingest = new_ingest(log)
    ingest.store.ensure_log(ORIGIN, own=True)
    peer = SimPeer("a", [log])

    assert Reason.ORIGIN_CLOSED is refusal(ingest.pull, peer, ORIGIN).reason
    assert log.size == ingest.pull(peer, ORIGIN, recovering=True).size


def test_two_peers_at_once(tmp_path: Path) -> None:
    """Two threads that read one log end with it whole, each entry once."""
    log = filled(200)
    store = open_store(tmp_path / "node.db")
    ingest = Ingest(store, keys_of([log]), clock=Clock())
    errors: list[BaseException] = []

    def run(chunk_entries: int) -> None:
        peer = SimPeer(f"peer-{chunk_entries}", [log])
        peer.chunk_entries = chunk_entries
        try:
            ingest.pull(peer, ORIGIN)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(size,)) for size in (3, 7, 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert log.size == store.log(ORIGIN).head_size
    assert 0 == store.log(ORIGIN).missing_bodies
    check_prefix(ingest, log)


def test_relay_of_a_relay_gives_the_same_log() -> None:
    """A → B → C where C never meets A: one state, byte for byte."""
    log = filled(40)
    log.delete("ds/record-1")
    middle, last = new_ingest(log), new_ingest(log)
    middle.pull(SimPeer("a", [log]), ORIGIN)
    relay: LogReader = StoreReader(middle.store, name="b")
    last.pull(relay, ORIGIN)

    assert middle.store.state_digest(ORIGIN) == last.store.state_digest(ORIGIN)
    assert log.raws == last.store.entries(ORIGIN, 0, 99)
    assert 0 == last.store.log(ORIGIN).missing_bodies


@pytest.mark.parametrize("mode", [BodyMode.ALL, BodyMode.NONE])
def test_body_modes(mode: BodyMode) -> None:
    """A node may keep every version, or none."""
    log = filled(9)
    ingest = Ingest(
        new_store(), keys_of([log]), clock=Clock(), body_mode=lambda origin: mode
    )
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    held = {digest for digest, _ in ingest.store.held_bodies()}

    assert (set(log.bodies) if mode is BodyMode.ALL else set()) == held
