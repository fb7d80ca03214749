"""Receipts: what holds of a file, offline and years later, and what does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from log_world import ORIGIN, SECONDS, make_signer
from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import NOTE_BYTES_MAX, PROOF_HASHES_MAX
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify import receipt, tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import leaf_hash
from shahrdad.federation.verify.note import Kind, join
from shahrdad.federation.verify.policy import Policy
from shahrdad.federation.verify.receipt import Outcome, StepName

FILE = b"PAR1 any bytes PAR1"
BODY = (
    f'{{"name":"budget-1404","resources":[{{"bytes":{len(FILE)},'
    f'"hash":"sha256:{Digest.of(FILE)}"}}]}}'
).encode()
TIME = "2026-11-22T09:00:00Z"
RAWS = [
    entries.genesis(ORIGIN, "shahrdad/test", time=TIME),
    entries.put(
        "ds/budget-1404", prev=None, digest=Digest.of(BODY), size=len(BODY), time=TIME
    ),
    entries.delete("ds/budget-1404", prev=1, time=TIME, reason="error"),
]
LOG = make_signer(ORIGIN)
WITNESSES = {
    city: make_signer(f"{city}.example.ir/witness", Kind.WITNESS)
    for city in ("mashhad", "rasht", "shiraz")
}


def read(height: int, n: int) -> bytes:
    """Return the hashes of the log."""
    frontier = tree.Frontier()
    frontier.extend(leaf_hash(raw) for raw in RAWS[n << height : (n + 1) << height])
    return frontier.root()


HEAD = Checkpoint(ORIGIN, 3, tree.root_at(3, read))
NOTE = join(
    HEAD.text(),
    [
        LOG.sign(HEAD.text()),
        *(
            WITNESSES[city].sign(HEAD.text(), seconds=SECONDS)
            for city in ("mashhad", "rasht")
        ),
    ],
)
RECEIPT = receipt.make(RAWS[1], 1, tree.inclusion_proof(1, 3, read), NOTE)


def policy(quorum: int) -> Policy:
    """Return a policy that wants some of the three witnesses."""
    named = {city: signer.verifier for city, signer in WITNESSES.items()}
    return Policy.of([LOG.verifier], named, quorum)


def outcomes(verdict: receipt.Verdict) -> dict[str, str]:
    """Return how each step ended."""
    return {step.name.value: step.outcome.value for step in verdict.steps}


def test_file_body_entry_log_and_witnesses_all_hold() -> None:
    """The chain from the file on a citizen's disk to the witnesses of the policy."""
    verdict = receipt.verify(
        RECEIPT, policy=policy(2), body=BODY, file_digest=Digest.of(FILE)
    )

    assert dict.fromkeys(StepName, Outcome.HOLDS) == outcomes(verdict)
    assert verdict
    assert verdict.anchored
    assert (1, "ds/budget-1404", HEAD) == (
        verdict.index,
        verdict.entry.key,
        verdict.checkpoint,
    )
    assert (
        ("mashhad.example.ir/witness", SECONDS),
        ("rasht.example.ir/witness", SECONDS),
    ) == verdict.cosigned


def test_without_a_policy_it_is_signed_and_not_anchored() -> None:
    """A log's own signature alone does not rule out a second history."""
    verdict = receipt.verify(RECEIPT, verifiers=[LOG.verifier], body=BODY)

    assert verdict
    assert verdict.signed
    assert not verdict.anchored
    assert Outcome.UNCHECKED is verdict.outcome(StepName.QUORUM)


def test_without_a_key_nothing_is_proven() -> None:
    """A verdict without a signature is false, though no step failed."""
    verdict = receipt.verify(RECEIPT)

    assert not verdict
    assert Outcome.HOLDS is verdict.outcome(StepName.INCLUSION)
    assert Outcome.UNCHECKED is verdict.outcome(StepName.SIGNATURE)


def test_too_few_witnesses_fail() -> None:
    """Two cosigned; the policy wants three."""
    verdict = receipt.verify(RECEIPT, policy=policy(3))

    assert verdict.signed
    assert not verdict
    assert Outcome.FAILS is verdict.outcome(StepName.QUORUM)


def test_cosignatures_from_the_future_do_not_count() -> None:
    """A witness whose clock runs ahead is not counted yet."""
    verdict = receipt.verify(RECEIPT, policy=policy(2), now=SECONDS - 601)

    assert Outcome.FAILS is verdict.outcome(StepName.QUORUM)
    assert receipt.verify(RECEIPT, policy=policy(2), now=SECONDS - 600).anchored


def test_another_file_fails() -> None:
    """A file whose digest the body does not name."""
    verdict = receipt.verify(
        RECEIPT, policy=policy(2), body=BODY, file_digest=Digest.of(b"other")
    )

    assert not verdict
    assert Outcome.FAILS is verdict.outcome(StepName.FILE)


@pytest.mark.parametrize("body", [BODY + b" ", b"{}", b"no JSON", b'{"resources":[1]}'])
def test_another_body_fails(body: bytes) -> None:
    """A record that the entry does not name."""
    verdict = receipt.verify(
        RECEIPT, policy=policy(2), body=body, file_digest=Digest.of(FILE)
    )

    assert not verdict
    assert Outcome.FAILS is verdict.outcome(StepName.BODY)


def test_delete_names_no_body() -> None:
    """The receipt of a withdrawal proves the withdrawal, and nothing of a file."""
    text = receipt.make(RAWS[2], 2, tree.inclusion_proof(2, 3, read), NOTE)

    assert receipt.verify(text, policy=policy(2)).anchored
    assert not receipt.verify(text, policy=policy(2), body=BODY)


def test_another_entry_is_not_included() -> None:
    """An entry that stands at another index, or nowhere."""
    for raw, index in ((RAWS[2], 1), (RAWS[1], 2), (RAWS[1], 9)):
        text = receipt.make(raw, index, tree.inclusion_proof(1, 3, read), NOTE)
        verdict = receipt.verify(text, policy=policy(2))

        assert Outcome.FAILS is verdict.outcome(StepName.INCLUSION)
        assert not verdict


def test_another_log_key_fails() -> None:
    """The policy names the keys; a receipt cannot bring its own."""
    other = make_signer("rasht.example.ir/catalog")

    verdict = receipt.verify(RECEIPT, verifiers=[other.verifier])

    assert Outcome.FAILS is verdict.outcome(StepName.SIGNATURE)
    assert not verdict


@pytest.mark.parametrize(
    "text",
    [
        b"",
        RECEIPT.replace(b"tlog-proof@v1", b"tlog-proof@v2"),
        RECEIPT.replace(b"\n\n", b"\n", 1),
        RECEIPT.replace(b"extra ", b"extra:"),
        RECEIPT.replace(b"extra ", b"extra *"),
        RECEIPT.replace(b"index 1\n", b""),
        RECEIPT.replace(b"index 1\n", b"index 01\n"),
        RECEIPT.replace(b"index 1\n", "index \u06f1\n".encode()),
        RECEIPT.replace(b"index 1\n", b"index 1\nAAAA\n"),
        receipt.make(RAWS[1], 1, [bytes(32)] * (PROOF_HASHES_MAX + 1), NOTE),
        receipt.make(b"no JSON", 1, [], NOTE),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_is_no_receipt_is_refused(text: bytes) -> None:
    """These are not receipts at all, so there is no verdict."""
    with pytest.raises(PeerError) as caught:
        receipt.verify(text, policy=policy(2))

    assert Reason.MALFORMED is caught.value.reason


def test_longest_proof_is_read_and_the_longest_receipt() -> None:
    """63 hashes; 64 KiB."""
    nodes = [bytes(32)] * PROOF_HASHES_MAX
    parsed = receipt.parse(receipt.make(RAWS[1], 1, nodes, NOTE))

    assert PROOF_HASHES_MAX == len(parsed.proof)
    receipt.parse(RECEIPT + b"\n" * (NOTE_BYTES_MAX - len(RECEIPT)))
    with pytest.raises(PeerError) as caught:
        receipt.parse(RECEIPT + b"\n" * (NOTE_BYTES_MAX - len(RECEIPT) + 1))
    assert Reason.TOO_LARGE is caught.value.reason


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(RECEIPT) - 1), bit=st.integers(0, 7))
def test_changed_bit_never_proves_anything_else(at: int, bit: int) -> None:
    """A flipped bit is refused, fails, or leaves what is proven as it was."""
    changed = bytearray(RECEIPT)
    changed[at] ^= 1 << bit

    try:
        verdict = receipt.verify(bytes(changed), policy=policy(2), body=BODY)
    except PeerError:
        return

    if verdict.anchored:
        assert (RAWS[1], 1, HEAD) == (
            verdict.entry.raw,
            verdict.index,
            verdict.checkpoint,
        )
