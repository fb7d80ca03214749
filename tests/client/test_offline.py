"""A file, a receipt, a record, a policy, and no network: what a citizen keeps."""

from pathlib import Path

import pytest

from client_city import City, Transport, budget, flipped, parquet, reader
from shahrdad.client import NotFound, Trust, VerificationError, verify
from shahrdad.client.memory import Memory
from shahrdad.federation.verify.receipt import Outcome

REF = "kerman/budget-1404"
STEPS = ["file", "body", "inclusion", "signature", "quorum"]


def kept(folder: Path) -> tuple[City, Path, Path, Path]:
    """Save a dataset; returns the city, the file, the receipt and the policy."""
    city = City()
    city.publish()
    dataset = reader(Transport(city), policy=city.policy()).dataset(REF)
    file, _, receipt = dataset.save(folder)
    policy = folder / "forum.policy"
    policy.write_bytes(city.policy().text())
    return city, file, receipt, policy


def test_saved_file_verifies(tmp_path: Path) -> None:
    """What `save` wrote is enough, years later, without the node."""
    _, file, receipt, policy = kept(tmp_path)
    verdict = verify(file, receipt=receipt, policy=policy)

    assert bool(verdict)
    assert STEPS == [step.name for step in verdict.steps]
    assert {Outcome.HOLDS} == {step.outcome for step in verdict.steps}
    assert Trust.CONFIRMED is verdict.trust
    assert "holds: confirmed" in repr(verdict)
    assert 6 == len(str(verdict).splitlines())


def test_changed_file_fails_at_file(tmp_path: Path) -> None:
    """One bit of the table is enough."""
    _, file, receipt, policy = kept(tmp_path)
    file.write_bytes(flipped(file.read_bytes()))
    verdict = verify(file, receipt=receipt, policy=policy)

    assert not verdict
    assert verdict.failed is not None
    assert "file" == verdict.failed.name
    assert "FAILS at file" in repr(verdict)


def test_changed_record_fails_at_body(tmp_path: Path) -> None:
    """A record that names the changed file is not the one that was signed."""
    city, file, receipt, policy = kept(tmp_path)
    other = parquet(budget(9))
    file.write_bytes(other)
    old = next(iter(city.objects))
    forged = city.record("budget-1404", 1).replace(
        old.hex.encode(), _digest(other).encode()
    )
    verdict = verify(file, receipt=receipt, policy=policy, record=forged)

    assert verdict.failed is not None
    assert "body" == verdict.failed.name


def _digest(data: bytes) -> str:
    """Return a digest as text."""
    from hashlib import sha256

    return sha256(data).hexdigest()


def test_wrong_place_fails_at_inclusion(tmp_path: Path) -> None:
    """A proof holds for one place only."""
    _, file, receipt, policy = kept(tmp_path)
    raw = receipt.read_bytes().replace(b"index 1\n", b"index 0\n")
    verdict = verify(file, receipt=raw, policy=policy)

    assert verdict.failed is not None
    assert "inclusion" == verdict.failed.name


def test_other_log_fails_at_signature(tmp_path: Path) -> None:
    """A policy of other cities says nothing of this one."""
    _, file, receipt, _ = kept(tmp_path)
    other = City(origin="rasht.example.ir/catalog").policy()
    verdict = verify(file, receipt=receipt, policy=other)

    assert verdict.failed is not None
    assert "signature" == verdict.failed.name


def test_missing_witnesses_fail_at_quorum(tmp_path: Path) -> None:
    """A checkpoint that only one witness saw may have been shown to one reader."""
    city = City()
    policy = city.policy()
    city.witnesses = city.witnesses[:1]
    city.publish()
    dataset = reader(Transport(city)).dataset(REF)
    file, _, receipt = dataset.save(tmp_path)
    verdict = verify(file, receipt=receipt, policy=policy)

    assert verdict.failed is not None
    assert "quorum" == verdict.failed.name


def test_without_a_key_nothing_is_proven(tmp_path: Path) -> None:
    """No policy, no key: the verdict is false, and says what is missing."""
    _, file, receipt, _ = kept(tmp_path)
    verdict = verify(file, receipt=receipt)

    assert not verdict
    assert Trust.NONE is verdict.trust
    assert "not verified at signature: no key was given" in repr(verdict)


def test_a_bare_key_is_not_an_anchor(tmp_path: Path) -> None:
    """With the log's key alone it is signed, and nobody says who else saw it."""
    city, file, receipt, _ = kept(tmp_path)
    verdict = verify(file, receipt=receipt, keys=[city.signer.vkey])

    assert bool(verdict)
    assert "signed, not anchored" in repr(verdict)


def test_remembered_key_serves_offline(tmp_path: Path) -> None:
    """What `connect(remember=…)` kept answers later, by that name."""
    city, file, receipt, _ = kept(tmp_path)
    Memory(tmp_path / "m").remember("kerman", city.origin, (city.signer.vkey,))

    assert Trust.REMEMBERED is verify(file, receipt, remembered=tmp_path / "m").trust


def test_missing_record_is_said(tmp_path: Path) -> None:
    """Without the record the file hangs in the air, and the verdict says so."""
    _, file, receipt, policy = kept(tmp_path)
    for path in tmp_path.glob("*.record.json"):
        path.unlink()
    verdict = verify(file, receipt=receipt, policy=policy)

    assert verdict.failed is not None
    assert (False, "file") == (bool(verdict), verdict.failed.name)


@pytest.mark.parametrize("name", ["record.json", "../record.json"])
def test_record_of_a_package_is_found(name: str, tmp_path: Path) -> None:
    """In an unpacked data package the record lies above the data."""
    city, file, receipt, policy = kept(tmp_path)
    for path in tmp_path.glob("*.record.json"):
        path.unlink()
    data = tmp_path / "data"
    data.mkdir()
    moved = file.rename(data / "budget.parquet")
    (data / name).write_bytes(city.record("budget-1404", 1))

    assert verify(moved, receipt=receipt, policy=policy)


def test_record_itself_can_be_verified(tmp_path: Path) -> None:
    """The record is a file too."""
    _, file, receipt, policy = kept(tmp_path)
    record = file.with_suffix(".record.json")
    verdict = verify(record, receipt=receipt, policy=policy)

    assert bool(verdict)
    assert "the file is the record" == verdict.steps[0].detail


def test_saved_receipt_brings_its_record(tmp_path: Path) -> None:
    """`receipt().save` is enough to verify a file that came another way."""
    city = City()
    city.publish()
    dataset = reader(Transport(city), policy=city.policy()).dataset(REF)
    receipt = dataset.receipt()
    receipt.save(tmp_path / "b.tlog-proof")
    file = tmp_path / "from-a-friend.parquet"
    file.write_bytes(next(iter(city.objects.values())))

    assert verify(file, receipt=tmp_path / "b.tlog-proof", policy=city.policy())
    assert receipt.text.startswith("c2sp.org/tlog-proof@v1\n")


def test_future_cosignature_does_not_count(tmp_path: Path) -> None:
    """A witness whose clock is years ahead is not counted."""
    _, file, receipt, policy = kept(tmp_path)
    verdict = verify(file, receipt=receipt, policy=policy, now=1_700_000_000)

    assert verdict.failed is not None
    assert "quorum" == verdict.failed.name


def test_absent_files_and_broken_receipts_are_errors(tmp_path: Path) -> None:
    """What cannot be judged at all is an error, not a verdict."""
    _, file, receipt, policy = kept(tmp_path)

    with pytest.raises(NotFound):
        verify(tmp_path / "none.parquet", receipt=receipt, policy=policy)
    with pytest.raises(NotFound):
        verify(file, receipt=tmp_path / "none", policy=policy)
    with pytest.raises(VerificationError):
        verify(file, receipt=b"no receipt", policy=policy)
    with pytest.raises(NotFound):
        verify(file, receipt=receipt, policy=b"no policy")
