"""The recovery table: what a log's writer does when its memories disagree."""

import subprocess
from pathlib import Path

import pytest

from log_world import (
    ORIGIN,
    SECONDS,
    Killed,
    World,
    check,
    killer,
    make_signer,
    publish,
    record,
    signed_roots,
)
from shahrdad.datasets.errors import (
    ConflictError,
    Reason,
    UnavailableError,
)
from shahrdad.federation.log.guard import Guarded
from shahrdad.federation.log.recovery import Finding, Held, Shown, decide
from shahrdad.federation.log.schema import Status
from shahrdad.federation.log.writer import (
    CommitPoint,
    State,
)
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import evidence as evidences
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import join
from shahrdad.federation.verify.tile import MirrorPath


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a city that never published."""
    return World(tmp_path / "kerman")


def test_restored_database_refuses_to_sign_and_names_the_head_to_pull(
    world: World,
) -> None:
    """A backup forgot what was signed; the mirror and the guard did not."""
    writer = world.writer()
    writer.start()
    publish(writer, 1)
    old = world.copy("backup")
    publish(writer, 2)
    newest = world.store.log(ORIGIN).checkpoint
    assert newest is not None
    for kept in ("signer.db", "mirror"):
        move(world, old, kept)

    restored = World(old.root)
    writer = restored.writer()
    recovery = writer.start()

    assert State.RECOVERING is recovery.state
    assert checkpoints.peek(newest) == recovery.head
    with pytest.raises(UnavailableError) as caught:
        publish(writer, 3)
    assert Reason.NOT_READY is caught.value.reason


def move(source: World, target: World, name: str) -> None:
    """Put a file or folder of one world in the place of another's."""
    subprocess.run(["rm", "-rf", str(target.root / name)], check=True)
    subprocess.run(
        ["cp", "-r", str(source.root / name), str(target.root / name)], check=True
    )


def pull(source: World, target: World) -> None:
    """Copy entries, bodies and head, as syncing does once all is verified."""
    have = target.store.log(ORIGIN).size
    log = source.store.log(ORIGIN)
    raws = source.store.entries(ORIGIN, have, log.head_size)
    growth = grow(target.store.frontier(ORIGIN), raws, ORIGIN)
    named = [entry.sha256 for entry in growth.entries if entry and entry.sha256]
    target.store.append(growth, source.store.bodies(named))
    assert log.checkpoint is not None
    target.store.put_head(ORIGIN, log.checkpoint, seconds=SECONDS)


def test_restored_database_and_guard_heal_from_a_peer(world: World) -> None:
    """Peers are the backup: the log comes back, and an unsigned tail is appended."""
    writer = world.writer()
    writer.start()
    publish(writer, 1)
    old = world.copy("backup")
    publish(writer, 2, 3)
    note = world.store.log(ORIGIN).checkpoint
    assert note is not None
    # The restored node committed an entry that it never signed.
    tail = old.writer(killer(CommitPoint.ENTRIES))
    tail.start()
    with pytest.raises(Killed):
        publish(tail, 9)

    healed = World(old.root)
    writer = healed.writer()
    waiting = writer.start([], peers_configured=3, peers_compared=1)
    recovery = writer.start([note], peers_configured=3, peers_compared=2)
    sent_back = writer.prepare_recovery()
    pull(world, healed)
    ready = writer.start([note], peers_configured=3, peers_compared=2)

    assert State.WAITING is waiting.state
    assert (State.RECOVERING, Finding.ENTRIES_LOST) == (
        recovery.state,
        recovery.finding,
    )
    assert 1 == sent_back
    assert (State.READY, 1) == (ready.state, ready.outbox)
    assert [] == healed.store.outbox()
    assert {"ds/table-1", "ds/table-2", "ds/table-3", "ds/table-9"} == set(
        healed.store.live(ORIGIN)
    )
    check(healed)
    roots = signed_roots(world, healed)
    assert {1} == {len(found) for found in roots.values()}


def test_outbox_keeps_a_put_whose_body_is_not_held(world: World) -> None:
    """Nothing that waits to be published is lost for want of its body."""
    writer = world.writer()
    writer.start()
    _, bodies = record(1)
    (digest,) = bodies
    world.store.add_outbox([f'{{"op":"put","key":"ds/x","sha256":"{digest}"}}'])

    recovery = world.writer().start()

    assert (State.READY, 0) == (recovery.state, recovery.outbox)
    assert 1 == len(world.store.outbox())


def test_head_that_contradicts_ours_quarantines_with_evidence(world: World) -> None:
    """A second history of ours stops the signing, and anyone can check why."""
    writer = world.writer()
    writer.start()
    publish(writer, 1)
    twin = world.copy("twin")
    twin_writer = twin.writer()
    twin_writer.start()
    publish(twin_writer, 5)
    note = twin.store.log(ORIGIN).checkpoint
    assert note is not None
    publish(writer, 2)
    publish(writer, 3)

    recovery = writer.compare([note])

    assert (State.QUARANTINED, Finding.FORKED) == (recovery.state, recovery.finding)
    log = world.store.log(ORIGIN)
    assert Status.QUARANTINED is log.status
    assert log.evidence is not None
    keys = evidences.OriginKeys([world.signer.verifier])
    conflict = evidences.verify(log.evidence, lambda _: keys)
    assert (3, 4) == (conflict.small.size, conflict.large.size)
    with pytest.raises(UnavailableError):
        publish(writer, 4)
    assert State.QUARANTINED is World(world.root).writer().start().state


def test_note_that_our_key_did_not_sign_changes_nothing(world: World) -> None:
    """Anyone can write a note about our log."""
    writer = world.writer()
    writer.start()
    text = Checkpoint(ORIGIN, 9, bytes(32)).text()
    forged = join(text, [make_signer("mallory.example/catalog").sign(text)])

    recovery = writer.compare([forged, b"no note"])

    assert State.READY is recovery.state
    publish(writer, 1)
    check(world)


def test_larger_head_of_ours_at_a_peer_stops_the_signing(world: World) -> None:
    """A peer that knows more than we do is believed, since our key signed it."""
    writer = world.writer()
    writer.start()
    text = Checkpoint(ORIGIN, 9, bytes(32)).text()
    note = join(text, [world.signer.sign(text)])

    recovery = writer.compare([note])

    assert State.RECOVERING is recovery.state
    assert Checkpoint(ORIGIN, 9, bytes(32)) == recovery.head
    with pytest.raises(UnavailableError):
        publish(writer, 1)


def test_lost_guard_needs_the_operator(world: World) -> None:
    """Without the guard nobody knows what was signed last, but a person may say so."""
    writer = world.writer()
    writer.start()
    publish(writer, 1)
    (world.root / "signer.db").unlink()

    refused = world.writer().start()
    confirmed = world.writer().start(confirmed=True)

    assert (State.OPERATOR, Finding.GUARD_MISSING) == (refused.state, refused.finding)
    assert State.READY is confirmed.state
    check(world)


def test_guard_ahead_of_everything_needs_the_operator(world: World) -> None:
    """Its entries are gone, no mirror has them: only a person may go on."""
    writer = world.writer()
    writer.start()
    held = world.guard.read()
    assert held is not None
    world.guard.swap(held, Guarded(7, bytes(32)))

    refused = world.writer().start()
    confirmed = world.writer().start(confirmed=True)

    assert (State.OPERATOR, Finding.GUARD_AHEAD) == (refused.state, refused.finding)
    assert State.READY is confirmed.state
    check(world)


def test_restored_guard_is_raised_to_the_signed_head(world: World) -> None:
    """An old guard beside a newer database is no reason to stop."""
    writer = world.writer()
    writer.start()
    old = world.copy("backup")
    publish(writer, 1)
    move(old, world, "signer.db")

    recovery = world.writer().start()

    assert (State.READY, Finding.GUARD_BEHIND) == (recovery.state, recovery.finding)
    check(world)


def test_forgotten_head_is_stored_again_when_its_entries_are_here(
    world: World,
) -> None:
    """The database lost its newest head, and the mirror still shows it."""
    writer = world.writer()
    writer.start()
    first = world.store.log(ORIGIN).checkpoint
    publish(writer, 1)
    note = world.store.log(ORIGIN).checkpoint
    connection = world.connections.connect()
    connection.execute("UPDATE log SET head_size=1,checkpoint=?", (first,))

    recovery = world.writer().start()

    assert (State.READY, Finding.SHOWN_HEAD) == (recovery.state, recovery.finding)
    assert note == world.store.log(ORIGIN).checkpoint
    check(world)


def test_two_shown_heads_of_one_size_are_a_fork() -> None:
    """Even above everything that is stored here, one of them is a second history."""
    held = Held(size=5, head_size=5, root_at=lambda size: b"r" * 32)
    guard = Guarded(5, b"r" * 32)
    one, two = (
        Shown(Checkpoint(ORIGIN, 9, root), b"") for root in (b"1" * 32, b"2" * 32)
    )

    assert Finding.FORKED is decide(held, guard, [one, two]).finding
    assert Finding.ENTRIES_LOST is decide(held, guard, [one, one]).finding


def test_guard_of_another_history_is_a_fork() -> None:
    """A bit that rotted in a signed prefix is never signed again."""
    held = Held(size=5, head_size=5, root_at=lambda size: b"r" * 32)

    assert Finding.FORKED is decide(held, Guarded(5, b"x" * 32), []).finding
    assert Finding.COMPLETE is decide(held, Guarded(5, b"r" * 32), []).finding


def test_shown_history_above_the_signed_head_is_ours_to_pull() -> None:
    """An unsigned tail that differs was never our word; what we signed is."""
    held = Held(size=7, head_size=5, root_at=lambda size: b"r" * 32)
    shown = Shown(Checkpoint(ORIGIN, 6, b"x" * 32), b"")

    decision = decide(held, Guarded(5, b"r" * 32), [shown])

    assert (Finding.ENTRIES_LOST, shown) == (decision.finding, decision.shown)


def test_damaged_entry_is_never_signed(world: World) -> None:
    """The root is computed again from what is stored before the guard moves."""
    writer = world.writer(killer(CommitPoint.ENTRIES))
    world.writer().start()
    writer.start()
    with pytest.raises(Killed):
        publish(writer, 1)
    connection = world.connections.connect()
    connection.execute("UPDATE entry SET raw=x'20' WHERE idx=1")

    with pytest.raises(ConflictError) as caught:
        world.writer().start()

    assert Reason.LOG_FORKED is caught.value.reason
    assert 1 == world.store.log(ORIGIN).head_size
    held = world.guard.read()
    assert held is not None
    assert 1 == held.size


def test_mirror_is_repaired_from_the_log(world: World) -> None:
    """A lost static checkpoint is written again at the next start."""
    writer = world.writer()
    writer.start()
    publish(writer, 1)
    (world.files.root / str(MirrorPath.checkpoint(ORIGIN))).unlink()
    (world.files.root / "heads").unlink()

    world.writer().start()

    check(world)
