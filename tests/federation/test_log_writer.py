"""Publishing: a crash at any step resumes, and no size is signed with two roots."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from log_world import ORIGIN, SECONDS, World, make_signer, publish, record
from shahrdad.datasets.errors import (
    ConflictError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.federation.guard import Guarded, SigningGuard
from shahrdad.federation.keyfile import create_signer, load_signer
from shahrdad.federation.log_schema import Status
from shahrdad.federation.log_writer import (
    CommitPoint,
    DeleteEntry,
    LogWriter,
    PutEntry,
    RedactEntry,
    State,
)
from shahrdad.federation.recovery import Finding
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import evidence as evidences
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import join
from shahrdad.federation.verify.state import LiveEntry, apply
from shahrdad.federation.verify.tile import MirrorPath, decode_bundle, layout
from shahrdad.federation.verify.tree import EMPTY_ROOT, Frontier


class Killed(BaseException):
    """The process ended here."""


def killer(point: CommitPoint, times: int = 1) -> Callable[[CommitPoint], None]:
    """Return what ends the process the n-th time that a step is done."""
    seen: list[CommitPoint] = []

    def reached(done: CommitPoint) -> None:
        seen.append(done)
        if done is point and seen.count(point) == times:
            raise Killed

    return reached


def check(world: World) -> None:
    """Check the whole world: the log, its tiles, its head, the guard and the mirror."""
    log = world.store.log(ORIGIN)
    assert log.checkpoint is not None
    head, _ = checkpoints.open_checkpoint(log.checkpoint, [world.signer.verifier])
    raws = world.store.entries(ORIGIN, 0, log.size)
    growth = grow(Frontier(), raws, ORIGIN)
    assert growth.frontier == world.store.frontier(ORIGIN)
    assert (log.size, growth.frontier.root()) == (head.size, head.root)
    assert Guarded(head.size, head.root) == world.guard.read()
    live: dict[str, LiveEntry] = {}
    for entry in growth.entries:
        assert entry is not None
        apply(live, entry)
    assert live == world.store.live(ORIGIN)
    check_mirror(world, head, raws)


def check_mirror(world: World, head: Checkpoint, raws: list[bytes]) -> None:
    """Check that the mirror holds the same head, entries and tiles."""
    note = world.files.read_named(MirrorPath.checkpoint(ORIGIN), 65_536)
    assert note is not None
    assert head == checkpoints.peek(note)
    assert f"{ORIGIN} {head.size}\n".encode() == world.files.read_named(
        MirrorPath.heads(), 65_536
    )
    for span in layout(head.size):
        tile = MirrorPath.tile(ORIGIN, span.level, span.number, span.width)
        hashes = world.files.read_named(tile, 8_192)
        assert world.store.tile(ORIGIN, span.level, span.number) == hashes
        if span.level == 0:
            path = MirrorPath.entries(ORIGIN, span.number, span.width)
            bundle = world.files.read_named(path, 2_000_000)
            assert bundle is not None
            start = span.number * 256
            assert raws[start : start + span.width] == decode_bundle(bundle, span.width)


def signed_roots(*worlds: World) -> dict[int, set[bytes]]:
    """Return every root that was ever made public, by size."""
    roots: dict[int, set[bytes]] = {}
    for world in worlds:
        note = world.store.log(ORIGIN).checkpoint
        for found in (
            note,
            world.files.read_named(MirrorPath.checkpoint(ORIGIN), 65_536),
        ):
            if found is not None:
                head = checkpoints.peek(found)
                roots.setdefault(head.size, set()).add(head.root)
    return roots


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a city that never published."""
    return World(tmp_path / "kerman")


def test_first_start_opens_the_log_with_its_genesis(world: World) -> None:
    """A new log has one entry, a signed head, a guard and a mirror."""
    recovery = world.writer().start()

    assert (State.READY, Finding.FRESH) == (recovery.state, recovery.finding)
    assert 1 == world.store.log(ORIGIN).size
    check(world)


def test_publishing_gives_indexes_and_a_signed_head(world: World) -> None:
    """What `publish` returns is public: its root is that of the entries."""
    writer = world.writer()
    writer.start()
    put, bodies = record(1)

    head = writer.publish([put], bodies)

    assert (2, (1,), 1) == (head.size, head.indexes, head.appended)
    assert world.store.root_at(ORIGIN, 2) == head.root
    assert bodies[put.sha256] == world.store.body(put.sha256)
    check(world)


def test_publishing_the_same_body_again_appends_nothing(world: World) -> None:
    """A repeated call, after whatever error, is harmless."""
    writer = world.writer()
    writer.start()
    put, bodies = record(1)
    first = writer.publish([put], bodies)

    again = writer.publish([put, put], bodies)

    assert (first.size, (1, 1), 0) == (again.size, again.indexes, again.appended)
    assert first.note == again.note


def test_prev_names_the_newest_entry_of_the_key_of_any_op(world: World) -> None:
    """After a delete the next put names the delete, in one call and across calls."""
    writer = world.writer()
    writer.start()
    put, bodies = record(1)
    writer.publish([put, DeleteEntry(put.key, "error")], bodies)

    writer.publish([put], bodies)

    growth = grow(Frontier(), world.store.entries(ORIGIN, 0, 4), ORIGIN)
    assert [None, 1, 2] == [entry.prev for entry in growth.entries[1:] if entry]
    check(world)


def test_delete_of_what_is_not_live_appends_nothing(world: World) -> None:
    """A withdrawal is repeatable too."""
    writer = world.writer()
    writer.start()

    head = writer.publish([DeleteEntry("ds/none", "withdrawn")], {})

    assert (1, (None,), 0) == (head.size, head.indexes, head.appended)


def test_entries_that_nobody_would_accept_are_refused(world: World) -> None:
    """A wrong key and an empty body are the caller's fault, and nothing is stored."""
    writer = world.writer()
    writer.start()
    put, bodies = record(1)
    for wrong in (PutEntry("Ds/x", put.sha256), PutEntry("ds/x", Digest.of(b""))):
        with pytest.raises(RequestError) as caught:
            writer.publish([put, wrong], bodies)

        assert Reason.MALFORMED is caught.value.reason
    assert 1 == world.store.log(ORIGIN).size


def test_body_with_another_digest_is_a_mistake(world: World) -> None:
    """Bodies are verified before anything is written."""
    writer = world.writer()
    writer.start()
    put, _ = record(1)

    with pytest.raises(ValueError, match=put.sha256.hex):
        writer.publish([put], {put.sha256: b"other"})


def test_redaction_takes_the_body_from_store_and_mirror(world: World) -> None:
    """The digest stays in the log; the content is gone."""
    writer = world.writer()
    writer.start()
    put, bodies = record(1)
    writer.publish([put], bodies)
    path = MirrorPath.body(put.sha256)
    assert world.files.read_named(path, 100) is not None

    head = writer.publish(
        [RedactEntry(put.sha256, "privacy"), DeleteEntry(put.key, "legal")], {}
    )

    assert (put.sha256,) == head.dropped
    assert world.store.body(put.sha256) is None
    assert world.files.read_named(path, 100) is None
    check(world)


@pytest.mark.parametrize("point", CommitPoint)
@pytest.mark.parametrize("reopened", [True, False])
def test_crash_after_each_step_of_publishing_resumes(
    world: World, tmp_path: Path, point: CommitPoint, reopened: bool
) -> None:
    """After a restart, or a retry in the process, the end is the undisturbed one."""
    calm = World(tmp_path / "calm")
    for one in (world, calm):
        one.writer().start()
    publish_all = [(1, 2), (3,)]
    undisturbed = calm.writer()
    undisturbed.start()
    for numbers in publish_all:
        publish(undisturbed, *numbers)

    # A start passes MIRROR and LISTED once; then publishing passes them to finish what
    # was left undone, and again for its own entries.
    times = 3 if point in (CommitPoint.MIRROR, CommitPoint.LISTED) else 1
    writer = world.writer(killer(point, times))
    writer.start()
    with pytest.raises(Killed):
        publish(writer, 1, 2)
    if reopened:
        world.connections.close()
        world = World(world.root)
        writer = world.writer()
        writer.start()
    for numbers in publish_all:
        publish(writer, *numbers)

    check(world)
    ours, theirs = world.store.log(ORIGIN), calm.store.log(ORIGIN)
    assert theirs.checkpoint == ours.checkpoint
    assert calm.store.state_digest(ORIGIN) == world.store.state_digest(ORIGIN)


@pytest.mark.parametrize("point", CommitPoint)
def test_crash_during_the_first_start_resumes(world: World, point: CommitPoint) -> None:
    """The genesis is an entry like any other."""
    if point is CommitPoint.BODIES:
        pytest.skip("a genesis has no body, so this step is not there")
    with pytest.raises(Killed):
        world.writer(killer(point)).start()
    world = World(world.root)

    assert State.READY is world.writer().start().state
    check(world)


@pytest.mark.parametrize("point", CommitPoint)
def test_kill_minus_nine_after_each_step_resumes(
    tmp_path: Path, point: CommitPoint
) -> None:
    """The same with a process of its own that is killed by the system."""
    world = World(tmp_path / "kerman")
    world.writer().start()
    times = 3 if point in (CommitPoint.MIRROR, CommitPoint.LISTED) else 1
    code = f"""
import os, signal
from pathlib import Path
from log_world import World, publish
seen = []
def reached(done):
    seen.append(done.value)
    if seen.count({point.value!r}) == {times}:
        os.kill(os.getpid(), signal.SIGKILL)
writer = World(Path({str(world.root)!r})).writer(reached)
writer.start()
publish(writer, 1, 2)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    run = subprocess.run([sys.executable, "-c", code], env=environment)
    assert -signal.SIGKILL == run.returncode

    world = World(world.root)
    writer = world.writer()
    writer.start()
    publish(writer, 1, 2)

    check(world)
    assert 3 == world.store.log(ORIGIN).size


def start_and_publish(writer: LogWriter) -> None:
    """Start, and publish one record."""
    writer.start()
    publish(writer, 1)


@pytest.mark.parametrize("point", list(CommitPoint)[1:])
def test_no_size_is_signed_with_two_roots(tmp_path: Path, point: CommitPoint) -> None:
    """A crash, a restart and other entries after it never sign a size a second time."""
    world = World(tmp_path / "kerman")
    world.writer().start()
    writer = world.writer(killer(point))
    with pytest.raises(Killed):
        start_and_publish(writer)
    before = signed_roots(world)
    world = World(world.root)
    writer = world.writer()
    writer.start()
    publish(writer, 2)
    publish(writer, 3)

    after = signed_roots(world)
    for size, roots in before.items():
        assert {world.store.root_at(ORIGIN, size)} == roots | after.get(size, set())
    check(world)


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


def test_two_signers_on_one_log_cannot_both_sign(world: World) -> None:
    """The guard serialises them: the second one's state is old."""
    first, second = SigningGuard(world.root / "g.db"), SigningGuard(world.root / "g.db")
    start = Guarded(0, EMPTY_ROOT)
    first.create(ORIGIN, start)
    first.swap(start, Guarded(1, b"1" * 32))

    with pytest.raises(ConflictError) as caught:
        second.swap(start, Guarded(1, b"2" * 32))

    assert Reason.GUARD_CONFLICT is caught.value.reason
    assert Guarded(1, b"1" * 32) == second.read()
    first.swap(start, Guarded(1, b"1" * 32))  # a repeated step is success


def test_guard_of_another_log_is_refused(world: World) -> None:
    """A file that was mixed up between two nodes signs nothing."""
    world.guard.create("other.example/catalog", Guarded(0, EMPTY_ROOT))

    with pytest.raises(RequestError) as caught:
        world.writer().start()

    assert Reason.SIGNING_KEY is caught.value.reason


def test_guard_only_goes_forward(world: World) -> None:
    """Going back is the operator's `lower`, under its own name."""
    world.guard.create(ORIGIN, Guarded(2, bytes(32)))

    with pytest.raises(ValueError, match="forward"):
        world.guard.swap(Guarded(2, bytes(32)), Guarded(1, bytes(32)))

    world.guard.lower(Guarded(2, bytes(32)), Guarded(1, bytes(32)))
    assert Guarded(1, bytes(32)) == world.guard.read()


def test_key_file_is_private_and_round_trips(tmp_path: Path) -> None:
    """The seed is readable by its owner alone, and gives the same key again."""
    path = tmp_path / "signing.key"

    made = create_signer(path, ORIGIN)

    assert 0o600 == path.stat().st_mode & 0o777
    assert made.vkey == load_signer(path, ORIGIN).vkey
    with pytest.raises(RequestError):
        create_signer(path, ORIGIN)


def test_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Whoever reads the seed signs as the city."""
    path = tmp_path / "signing.key"
    create_signer(path, ORIGIN)
    path.chmod(0o640)

    with pytest.raises(RequestError) as caught:
        load_signer(path, ORIGIN)

    assert Reason.SIGNING_KEY is caught.value.reason


@pytest.mark.parametrize("content", ["", "ab" * 31, "AB" * 32, "ab" * 32 + "\nx"])
def test_key_file_without_a_seed_is_refused(tmp_path: Path, content: str) -> None:
    """A truncated or foreign file makes no key."""
    path = tmp_path / "signing.key"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(RequestError):
        load_signer(path, ORIGIN)


def test_writer_of_a_second_origin_does_not_touch_the_first(tmp_path: Path) -> None:
    """Two logs of one node share tables and mirror, and nothing else."""
    world = World(tmp_path / "kerman")
    world.writer().start()
    before = world.store.log(ORIGIN)
    other = make_signer("forum.example.ir/members")
    writer = LogWriter(
        world.store,
        SigningGuard(world.root / "forum.db"),
        other,
        world.mirror,
        clock=lambda: SECONDS,
    )
    writer.start()
    writer.publish(*_as_list(record(1)))

    assert before == world.store.log(ORIGIN)
    heads = world.files.read_named(MirrorPath.heads(), 1_000)
    assert f"forum.example.ir/members 2\n{ORIGIN} 1\n".encode() == heads


def _as_list(
    made: tuple[PutEntry, dict[Digest, bytes]],
) -> tuple[list[PutEntry], dict[Digest, bytes]]:
    """Return the arguments of `publish`."""
    put, bodies = made
    return [put], bodies
