"""Receipts: one entry, its place in a log, and a checkpoint (C2SP tlog-proof).

A receipt verifies offline and alone: the entry travels in its `extra` line. What is
checked, in this order (federation 10.8): the file against the body, the body against
the entry, the entry against the root, the log's signature, the quorum of a policy.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import (
    BODY_BYTES_MAX,
    NOTE_BYTES_MAX,
    PROOF_HASHES_MAX,
)
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.checkpoint import (
    Checkpoint,
    decode_hash,
    encode_hash,
    parse_size,
)
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import Entry
from shahrdad.federation.verify.note import Verifier
from shahrdad.federation.verify.policy import Policy
from shahrdad.federation.verify.tree import verify_inclusion

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as read; nothing of it is verified yet."""

    entry: bytes  # the extra line
    index: int
    proof: tuple[bytes, ...]
    note: bytes


class StepName(StrEnum):
    """What a verdict checked, in its order."""

    FILE = "file"  # SHA-256 of the file = a `resources[].hash` of the body
    BODY = "body"  # SHA-256 and length of the body = those of the entry
    INCLUSION = "inclusion"  # the entry is under the root
    SIGNATURE = "signature"  # the log signed the root
    QUORUM = "quorum"  # enough witnesses of the policy saw it


class Outcome(StrEnum):
    """How a step ended."""

    HOLDS = "holds"
    FAILS = "fails"
    UNCHECKED = "unchecked"  # what it needs was not given


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a verdict; `detail` says why it failed or what was missing."""

    name: StepName
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holds of a receipt: true when nothing failed and the log's signature holds.

    Attributes:
        steps: The five steps, in order.
        checkpoint: The root that it stands on.
        entry: What was published.
        cosigned: Names of the policy's witnesses that cosigned, and the Unix time.
    """

    steps: tuple[Step, ...]
    checkpoint: Checkpoint
    entry: Entry
    index: int
    cosigned: tuple[tuple[str, int], ...]

    def outcome(self, name: StepName) -> Outcome:
        """Return how a step ended."""
        return next(step.outcome for step in self.steps if step.name is name)

    @property
    def signed(self) -> bool:
        """Whether the log signed it."""
        return self.outcome(StepName.SIGNATURE) is Outcome.HOLDS

    @property
    def anchored(self) -> bool:
        """Whether independent witnesses saw it too, as the policy wants."""
        return bool(self) and self.outcome(StepName.QUORUM) is Outcome.HOLDS

    def __bool__(self) -> bool:
        """Return whether no step failed and the signature holds."""
        return self.signed and all(
            step.outcome is not Outcome.FAILS for step in self.steps
        )


def make(entry: bytes, index: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Write a receipt, a `.tlog-proof`."""
    lines = [
        _FIRST_LINE,
        f"extra {base64.b64encode(entry).decode('ascii')}",
        f"index {index}",
        *(encode_hash(node) for node in proof),
        "",
        "",
    ]
    return "\n".join(lines).encode("ascii") + note


def parse(receipt: bytes) -> Receipt:
    """Read a receipt; nothing is verified.

    Raises:
        PeerError: TOO_LARGE; MALFORMED, also without the entry in its extra line.
    """
    if len(receipt) > NOTE_BYTES_MAX:
        raise PeerError(
            Reason.TOO_LARGE, size_bytes=len(receipt), size_bytes_max=NOTE_BYTES_MAX
        )
    head, blank, note = receipt.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        _refuse("not ASCII above the checkpoint")
    if not blank or lines[0] != _FIRST_LINE:
        _refuse(f"it does not begin with {_FIRST_LINE}")
    if len(lines) < 3 or not lines[1].startswith("extra "):
        _refuse("the entry is not in an extra line")
    if not lines[2].startswith("index "):
        _refuse("no index")
    if len(lines) - 3 > PROOF_HASHES_MAX:
        _refuse("a proof too long")
    try:
        entry = base64.b64decode(lines[1].removeprefix("extra "), validate=True)
    except (binascii.Error, ValueError):
        _refuse("the extra line is not base64")
    index = parse_size(lines[2].removeprefix("index "))
    return Receipt(entry, index, tuple(map(decode_hash, lines[3:])), note)


def verify(
    receipt: bytes,
    *,
    verifiers: Sequence[Verifier] = (),
    policy: Policy | None = None,
    body: bytes | None = None,
    file_digest: Digest | None = None,
    now: int | None = None,
) -> Verdict:
    """Check a receipt, offline.

    Args:
        receipt: A `.tlog-proof` file.
        verifiers: Keys of the log besides those of the policy.
        policy: Logs, witnesses and quorum; without one the quorum stays unchecked.
        body: The record that the entry names.
        file_digest: SHA-256 of the data file that the body names.
        now: Unix time; a cosignature from the future does not count.

    Raises:
        PeerError: TOO_LARGE or MALFORMED: this is no receipt. What does not hold is in
            the verdict, not raised.
    """
    parsed = parse(receipt)
    checkpoint = checkpoints.peek(parsed.note)
    entry = entries.parse(parsed.entry, parsed.index, checkpoint.origin)
    keys = (*verifiers, *(policy.verifiers if policy is not None else ()))
    signature, cosigned, quorum = _check_note(parsed.note, keys, policy, now)
    steps = (
        _check_file(body, file_digest),
        _check_body(entry, body),
        _check_inclusion(parsed, checkpoint),
        signature,
        quorum,
    )
    return Verdict(steps, checkpoint, entry, parsed.index, cosigned)


def _check_file(body: bytes | None, file_digest: Digest | None) -> Step:
    """Compare the file with the resources that the body names."""
    if body is None or file_digest is None:
        return Step(StepName.FILE, Outcome.UNCHECKED, "no file or no body was given")
    try:
        resources = strict_json.loads(body, bytes_max=BODY_BYTES_MAX).get("resources")
    except PeerError as error:
        return Step(StepName.FILE, Outcome.FAILS, str(error))
    hashes = [
        resource.get("hash")
        for resource in (resources if isinstance(resources, list) else [])
        if isinstance(resource, dict)
    ]
    if f"sha256:{file_digest}" in hashes:
        return Step(StepName.FILE, Outcome.HOLDS)
    return Step(StepName.FILE, Outcome.FAILS, "the body names no such file")


def _check_body(entry: Entry, body: bytes | None) -> Step:
    """Compare the body with the entry."""
    if body is None:
        return Step(StepName.BODY, Outcome.UNCHECKED, "no body was given")
    if entry.op != "put":
        return Step(StepName.BODY, Outcome.FAILS, f"a {entry.op} entry names no body")
    if entry.sha256 == Digest.of(body) and entry.bytes == len(body):
        return Step(StepName.BODY, Outcome.HOLDS)
    return Step(StepName.BODY, Outcome.FAILS, "the entry names another body")


def _check_inclusion(receipt: Receipt, checkpoint: Checkpoint) -> Step:
    """Check the place of the entry under the root."""
    leaf = entries.leaf_hash(receipt.entry)
    try:
        verify_inclusion(
            receipt.index, checkpoint.size, leaf, checkpoint.root, receipt.proof
        )
    except PeerError as error:
        return Step(StepName.INCLUSION, Outcome.FAILS, str(error))
    return Step(StepName.INCLUSION, Outcome.HOLDS)


def _check_note(
    note: bytes, keys: Sequence[Verifier], policy: Policy | None, now: int | None
) -> tuple[Step, tuple[tuple[str, int], ...], Step]:
    """Check the log's signature, and the quorum of the policy."""
    if not keys:
        nothing = "no key was given"
        return (
            Step(StepName.SIGNATURE, Outcome.UNCHECKED, nothing),
            (),
            Step(StepName.QUORUM, Outcome.UNCHECKED, nothing),
        )
    try:
        _, opened = checkpoints.open_checkpoint(note, keys, now=now)
    except PeerError as error:
        failed = str(error)
        return (
            Step(StepName.SIGNATURE, Outcome.FAILS, failed),
            (),
            Step(StepName.QUORUM, Outcome.UNCHECKED, "the signature does not hold"),
        )
    signature = Step(StepName.SIGNATURE, Outcome.HOLDS)
    cosigned = tuple(sorted(checkpoints.cosignature_times(opened).items()))
    if policy is None:
        quorum = Step(StepName.QUORUM, Outcome.UNCHECKED, "no policy was given")
    elif policy.satisfied(opened.signatures):
        quorum = Step(StepName.QUORUM, Outcome.HOLDS)
    else:
        quorum = Step(
            StepName.QUORUM, Outcome.FAILS, f"{len(cosigned)} witnesses are too few"
        )
    return signature, cosigned, quorum


def _refuse(detail: str) -> NoReturn:
    """Say why this is no receipt."""
    raise PeerError(Reason.MALFORMED, field="receipt", detail=detail)
