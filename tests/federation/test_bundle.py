"""Offline bundles: what is written into a ZIP is read by the ordinary reader."""

import zipfile
from pathlib import Path

import pytest

from log_world import ORIGIN, World, publish, record
from shahrdad.datasets.errors import RequestError, UnavailableError
from shahrdad.federation.bundle import write_bundle
from shahrdad.federation.log_writer import RedactEntry
from shahrdad.federation.reader import BodyMode, LogChunk, LogStart
from shahrdad.federation.static_reader import open_static
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.tree import Frontier


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a city with 520 entries."""
    made = World(tmp_path_factory.mktemp("bundle") / "kerman")
    writer = made.writer()
    writer.start()
    for start in range(0, 519, 173):
        publish(writer, *range(start, start + 173))
    return made


@pytest.mark.parametrize("since", [0, 1, 255, 256, 257, 300, 512, 519, 520])
def test_bundle_since_a_size_brings_the_rest(
    world: World, tmp_path: Path, since: int
) -> None:
    """Entries, bodies and every proof from there, and nothing older."""
    path = tmp_path / "kerman.zip"
    written = write_bundle(world.store, [ORIGIN], path, since={ORIGIN: since})

    assert path.stat().st_size == written
    reader = open_static(path)
    frontier = grow(Frontier(), world.store.entries(ORIGIN, 0, since), ORIGIN).frontier
    root = world.store.root_at(ORIGIN, 520)
    for part in reader.read_log(ORIGIN, since, BodyMode.ALL):
        if isinstance(part, LogStart):
            if since:
                assert frontier.root() == part.from_root
            if 0 < since < 520:
                tree.verify_consistency(since, 520, part.from_root, root, part.proof)
            continue
        assert isinstance(part, LogChunk)
        growth = grow(frontier, part.entries, ORIGIN)
        frontier = growth.frontier
        puts = [entry for entry in growth.entries if entry and entry.op == "put"]
        assert len(puts) == len(part.bodies)
        if frontier.size < 520:
            tree.verify_consistency(
                frontier.size, 520, frontier.root(), root, part.proof
            )
    assert root == frontier.root()
    reader.close()


def test_receiver_that_is_behind_the_bundle_is_told_which_file_lacks(
    world: World, tmp_path: Path
) -> None:
    """A part can be imported alone if its start is not above our size."""
    path = tmp_path / "kerman.zip"
    write_bundle(world.store, [ORIGIN], path, since={ORIGIN: 512})
    reader = open_static(path)

    with pytest.raises(UnavailableError) as caught:
        list(reader.read_log(ORIGIN, 5))

    assert "no file" in str(caught.value)
    reader.close()


def test_same_logs_give_the_same_bytes(world: World, tmp_path: Path) -> None:
    """So a bundle can be compared, and its digest read out."""
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    write_bundle(world.store, [ORIGIN], one)
    write_bundle(world.store, [ORIGIN], two)

    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as file:
        names = file.namelist()
    assert len(set(names)) == len(names)


def test_bundle_without_bodies_is_small(world: World, tmp_path: Path) -> None:
    """Entries alone are enough to verify and to know what is live."""
    path = tmp_path / "kerman.zip"
    write_bundle(world.store, [ORIGIN], path, bodies=False)

    with zipfile.ZipFile(path) as file:
        assert [] == [name for name in file.namelist() if name.startswith("body/")]


def test_failed_bundle_leaves_the_former_one(world: World, tmp_path: Path) -> None:
    """The ZIP is replaced as a whole, and no part stays behind."""
    path = tmp_path / "kerman.zip"
    path.write_bytes(b"former")

    with pytest.raises(RequestError):
        write_bundle(world.store, [ORIGIN, "none/x"], path)

    assert b"former" == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_redacted_bodies_are_in_no_bundle(tmp_path: Path) -> None:
    """What was removed does not travel on by stick."""
    world = World(tmp_path / "kerman")
    writer = world.writer()
    writer.start()
    put, bodies = record(1)
    writer.publish([put], bodies)
    writer.publish([RedactEntry(put.sha256, "privacy")], {})
    path = tmp_path / "kerman.zip"
    write_bundle(world.store, [ORIGIN], path)

    with zipfile.ZipFile(path) as file:
        assert [] == [name for name in file.namelist() if name.startswith("body/")]
