"""Publishing: a crash at any step resumes, and no size is signed with two roots."""

import os
import signal
import subprocess
import sys
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
    Reason,
    RequestError,
)
from shahrdad.federation.log.guard import SigningGuard
from shahrdad.federation.log.recovery import Finding
from shahrdad.federation.log.writer import (
    CommitPoint,
    DeleteEntry,
    LogWriter,
    PutEntry,
    RedactEntry,
    State,
)
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.federation.verify.tree import Frontier


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


@pytest.mark.parametrize("point", list(CommitPoint)[1:])
def test_crash_during_the_first_start_resumes(world: World, point: CommitPoint) -> None:
    """The genesis is an entry like any other, without a body."""
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


def test_both_keys_of_a_rotation_sign(world: World) -> None:
    """Readers that know only one of them can open every head."""
    new = Signer.from_seed(ORIGIN, bytes(32), Kind.LOG)
    writer = LogWriter(
        world.store,
        world.guard,
        world.signer,
        world.mirror,
        besides=[new],
        clock=lambda: SECONDS,
    )
    writer.start()

    note = world.store.log(ORIGIN).checkpoint
    assert note is not None
    for signer in (world.signer, new):
        checkpoints.open_checkpoint(note, [signer.verifier])
    with pytest.raises(ValueError, match=ORIGIN):
        LogWriter(
            world.store,
            world.guard,
            world.signer,
            world.mirror,
            former=[make_signer("other.example/log").verifier],
        )


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
