"""A witness never cosigns two histories, and says so in the protocol's order."""

from pathlib import Path

import pytest

from federation_world import ORIGIN, filled, mirror, open_store, refusal
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.keyring import ConfiguredKeys
from shahrdad.federation.log.store import Status
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.note import Kind, Signer, Verifier, join
from shahrdad.federation.witness import AGAIN_SECONDS, Witness
from simulator import Clock, SimLog, keys_of, seed

NAME = "qom.example.ir/witness"
SIGNER = Signer.from_seed(NAME, seed(NAME), Kind.WITNESS)


def witness(path: Path, *logs: SimLog, clock: Clock | None = None) -> Witness:
    """Return a witness that holds nothing yet."""
    store = open_store(path / "witness.db")
    return Witness(store, keys_of(logs), SIGNER, clock=clock or Clock())


def test_cosignature_verifies_and_has_its_time(tmp_path: Path) -> None:
    """What a witness says is a line that anyone checks with its vkey."""
    log, clock = filled(), Clock()
    line = witness(tmp_path, log, clock=clock).add_checkpoint(0, (), log.note())
    note = join(
        log.checkpoint().text(), [log.signer.sign(log.checkpoint().text()), line]
    )
    keys = [log.signer.verifier, Verifier.parse(SIGNER.vkey)]
    _, opened = checkpoints.open_checkpoint(note, keys)

    assert {NAME: clock()} == checkpoints.cosignature_times(opened)


def test_growth_is_cosigned_with_its_proof(tmp_path: Path) -> None:
    """Each head extends the one before."""
    log = filled()
    city = witness(tmp_path, log)
    city.add_checkpoint(0, (), log.note())
    old = log.size
    log.fill(9, start=20)
    city.add_checkpoint(old, log.proof(old, log.size), log.note())
    city.add_checkpoint(log.size, (), log.note())  # unchanged: cosigned again

    recorded = city._store.witnessed(ORIGIN)

    assert recorded is not None
    assert (log.size, log.root()) == (recorded.size, recorded.root)


def test_other_history_is_not_cosigned(tmp_path: Path) -> None:
    """Neither a fork with a proof of its own, nor another root of the same size."""
    log = filled()
    twin = log.fork(3)
    twin.fill(log.size - 3, start=50)
    city = witness(tmp_path, log)
    city.add_checkpoint(0, (), log.note())
    same = refusal(city.add_checkpoint, log.size, (), twin.note())
    twin.fill(4, start=90)
    proof = twin.proof(log.size, twin.size)
    larger = refusal(city.add_checkpoint, log.size, proof, twin.note())

    assert (Reason.BAD_PROOF, Reason.BAD_PROOF) == (same.reason, larger.reason)


def test_order_of_the_checks(tmp_path: Path) -> None:
    """A sender gets the first reason of the protocol's list that holds."""
    log, stranger = filled(), SimLog("stranger.example.ir/catalog")
    city = witness(tmp_path, log)
    forged = SimLog(ORIGIN, key_name="thief")
    small = log.note(3)
    city.add_checkpoint(0, (), log.note())
    store = city._store
    cases = [
        ((0, (), b"no note"), Reason.MALFORMED),
        ((0, (), stranger.note()), Reason.ORIGIN_UNKNOWN),
        ((99, (), forged.note()), Reason.BAD_SIGNATURE),
        ((log.size, (), small), Reason.MALFORMED),
        ((2, (), log.note()), Reason.OLD_SIZE_CONFLICT),
        ((log.size, (b"x" * 32,), log.note()), Reason.BAD_PROOF),
    ]
    found = [refusal(city.add_checkpoint, *arguments) for arguments, _ in cases]
    store.ensure_log(ORIGIN)
    store.set_status(ORIGIN, Status.QUARANTINED)
    closed = refusal(city.add_checkpoint, 99, (), log.note())

    assert [reason for _, reason in cases] == [error.reason for error in found]
    assert Reason.ORIGIN_CLOSED is closed.reason
    assert isinstance(found[4], ConflictError)
    assert log.size == found[4].values["size"]
    assert all(isinstance(error, RequestError) for error in found[:4])


def test_first_head_needs_no_proof_and_takes_none(tmp_path: Path) -> None:
    """From size 0 nothing can be proven."""
    log = filled()
    city = witness(tmp_path, log)

    assert (
        Reason.BAD_PROOF
        is refusal(city.add_checkpoint, 0, (b"x" * 32,), log.note()).reason
    )
    assert city.add_checkpoint(0, (), log.note()).seconds


def test_held_head_is_cosigned_once_in_twelve_hours(tmp_path: Path) -> None:
    """An idle city stays provably fresh, and no cosignature echoes."""
    log, clock = filled(), Clock()
    keys = keys_of([log], [SIGNER])
    ingest = mirror(tmp_path / "node.db", log, keys=keys)
    ingest.clock = clock
    city = Witness(ingest.store, keys, SIGNER, clock=clock)
    times = []
    for seconds in (0, AGAIN_SECONDS - 1, 1):
        clock.seconds += seconds
        line = city.cosign(ORIGIN)
        times.append(line is not None)
        if line is not None:
            ingest.put_cosignature(ORIGIN, line)

    assert [True, False, True] == times


def test_held_head_that_contradicts_the_record_is_not_cosigned(tmp_path: Path) -> None:
    """A branch that was cosigned by AddCheckpoint binds also what is pulled later."""
    log = filled()
    twin = log.fork(3)
    twin.fill(1, start=50)
    keys = keys_of([log], [SIGNER])
    ingest = mirror(tmp_path / "node.db", log, keys=keys)
    city = Witness(ingest.store, keys, SIGNER, clock=Clock())
    city.add_checkpoint(0, (), twin.note())

    assert city.cosign(ORIGIN) is None


def test_own_and_quarantined_logs_are_not_cosigned(tmp_path: Path) -> None:
    """A city is no witness of itself, nor of a log with two histories."""
    log = filled()
    keys = keys_of([log], [SIGNER])
    ingest = mirror(tmp_path / "node.db", log, keys=keys)
    city = Witness(ingest.store, keys, SIGNER, clock=Clock())
    ingest.store.set_status(ORIGIN, Status.QUARANTINED)
    quarantined = city.cosign(ORIGIN)
    ingest.store.set_status(ORIGIN, Status.ACTIVE)
    ingest.store.ensure_log(ORIGIN, own=True)

    assert (None, None) == (quarantined, city.cosign(ORIGIN))


@pytest.mark.parametrize("vkey", ["", "a+b", "a.example/log+00000000+AAAA"])
def test_configured_keys_are_checked(vkey: str) -> None:
    """A key that is none is refused when it is read, not when it is needed."""
    with pytest.raises(RequestError):
        ConfiguredKeys.from_vkeys([(ORIGIN, "kerman", [vkey])])


def test_configured_keys_tell_their_kind() -> None:
    """One list of vkeys holds a city's log key and its witness key."""
    log = filled(1)
    keys = ConfiguredKeys.from_vkeys(
        [(ORIGIN, "kerman", [log.signer.vkey, SIGNER.vkey])], quorum=1
    )

    assert [log.signer.verifier] == list(keys.verifiers(ORIGIN, 5))
    assert ["kerman"] == [key.city for key in keys.witnesses()]
    assert ((ORIGIN,), "kerman", 1) == (keys.origins(), keys.city(ORIGIN), keys.quorum)


def test_one_key_is_of_one_log() -> None:
    """A key that two logs claim would let one city sign for another."""
    from shahrdad.federation.keyring import LogKey

    log = filled(1)
    other = "qom.example.ir/catalog"
    stolen = Signer.from_seed(other, seed(ORIGIN), Kind.LOG)

    with pytest.raises(RequestError):
        ConfiguredKeys([log.key, LogKey(other, stolen.vkey)])
