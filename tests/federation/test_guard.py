"""The signing guard and the key file: what must survive, and what is refused."""

from pathlib import Path

import pytest

from log_world import ORIGIN, World
from shahrdad.datasets.errors import (
    ConflictError,
    Reason,
    RequestError,
)
from shahrdad.federation.keyfile import create_signer, load_signer
from shahrdad.federation.log.guard import Guarded, SigningGuard
from shahrdad.federation.verify.tree import EMPTY_ROOT


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a city that never published."""
    return World(tmp_path / "kerman")


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
