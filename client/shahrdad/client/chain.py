"""From a record to its city, without I/O: bytes and keys in, a verdict out.

The receipt's own steps are those of `federation.verify.receipt`; here come the
question whether entry and record are of the dataset that was asked for, and whose keys
were used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shahrdad.client import limits
from shahrdad.client.verdict import Step, Trust, Verdict
from shahrdad.datasets.errors import PeerError
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import Entry
from shahrdad.federation.verify.note import Verifier
from shahrdad.federation.verify.policy import NOBODY, Policy
from shahrdad.federation.verify.receipt import Outcome, StepName


@dataclass(frozen=True, slots=True)
class Asked:
    """What entry and record must be of; None where any will do."""

    ref: str
    version: int | None = None
    moment: str | None = None  # not published later than this


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys to check with, and whose word they are.

    `trust` is what a signature by these keys is worth without a quorum.
    """

    verifiers: tuple[Verifier, ...] = ()
    policy: Policy | None = None
    trust: Trust = Trust.NONE

    @classmethod
    def of_policy(cls, policy: Policy) -> "Keys":
        """Return the keys of a policy, and no others."""
        return cls((), policy, Trust.SIGNED)


def check(
    receipt: bytes,
    keys: Keys,
    *,
    record: bytes | None,
    file_digest: Digest | None = None,
    asked: Asked | None = None,
    file_needed: bool = False,
    now: int | None = None,
) -> Verdict:
    """Check a receipt with its record and file.

    Args:
        receipt: A `.tlog-proof`.
        keys: What to trust.
        record: The body that the entry names.
        file_digest: SHA-256 of the data file.
        asked: Which dataset it must be.
        file_needed: Whether an unchecked file makes the verdict false.
        now: Unix time; cosignatures from the future do not count.

    Raises:
        PeerError: TOO_LARGE, MALFORMED: this is no receipt.
    """
    found = receipts.verify(
        receipt,
        verifiers=keys.verifiers,
        policy=keys.policy,
        body=record,
        file_digest=file_digest,
        now=now,
    )
    steps = [
        Step(str(step.name), step.outcome, step.detail)
        for step in found.steps
        if asked is None or step.name is not StepName.FILE or file_needed
    ]
    if asked is not None:
        at = next(n for n, step in enumerate(steps) if step.name == StepName.BODY) + 1
        steps.insert(at, check_name(found.entry, record, asked))
    trust = keys.trust if found.signed else Trust.NONE
    wants_witnesses = keys.policy is not None and keys.policy.quorum != NOBODY
    if found.signed and wants_witnesses:
        quorum = found.outcome(StepName.QUORUM)
        trust = Trust.CONFIRMED if quorum is Outcome.HOLDS else Trust.UNANCHORED
    return Verdict(
        tuple(steps),
        trust,
        found.checkpoint.origin,
        found.entry.key or "",
        found.index,
        found.checkpoint.size,
        found.entry.time,
        found.cosigned,
        file_needed,
    )


def check_name(entry: Entry, record: bytes | None, asked: Asked) -> Step:
    """Return whether entry and record are of the dataset and version asked for.

    A node could answer with another dataset, or with an older version: both are truly
    signed.
    """
    city, _, slug = asked.ref.partition("/")
    if entry.key != f"ds/{slug}":
        return _name(f"the entry is of {entry.key}, not of ds/{slug}")
    if asked.moment is not None and entry.time > asked.moment:
        return _name(f"published at {entry.time}, later than {asked.moment}")
    try:
        body = strict_json.loads(record or b"", bytes_max=limits.RECORD_BYTES_MAX)
    except PeerError as error:
        return _name(str(error))
    ours = body.get("shahrdad")
    ours = ours if type(ours) is dict else {}
    if ours.get("city") != city or ours.get("ref", asked.ref) != asked.ref:
        said = ours.get("ref", ours.get("city"))
        return _name(f"the record is of {said}, not of {asked.ref}")
    version = str(body.get("version", ""))
    # Our publisher writes the number; a city with other software may write "1.0.0".
    numbered = version.isascii() and version.isdigit()
    if asked.version is not None and numbered and version != str(asked.version):
        return _name(f"the record is version {version}")
    return Step("name", Outcome.HOLDS)


def objects(record: dict[str, Any], role: str) -> Sequence[dict[str, Any]]:
    """Return the resources of a record that have a role."""
    return [
        resource
        for resource in record.get("resources", [])
        if type(resource) is dict
        and type(resource.get("shahrdad")) is dict
        and resource["shahrdad"].get("role") == role
    ]


def _name(detail: str) -> Step:
    """Return the failed step."""
    return Step("name", Outcome.FAILS, detail)
