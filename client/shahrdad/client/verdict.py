"""What holds of a file, a record and a receipt, step by step.

    file        SHA-256 of the file = a hash that the record names
    body        SHA-256 of the record = that of the log entry
    name        entry and record are of the dataset and version that were asked for
    inclusion   the entry stands under the root of the checkpoint
    signature   the city's log signed the checkpoint
    quorum      enough independent witnesses saw the same checkpoint

A signature proves who, the quorum that everybody was shown the same. Without a policy
there is nobody to count, so the verdict then is `signed, not anchored` at best.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.verify.receipt import Outcome


class Trust(StrEnum):
    """Whose word a signature rests on."""

    CONFIRMED = "confirmed"  # the policy's quorum cosigned
    SIGNED = "signed"  # a key of the policy, which wants no witnesses
    REMEMBERED = "signed, remembered key"
    UNANCHORED = "signed, not anchored"
    NONE = "not signed by a known key"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `detail` says why it failed, or what it lacked."""

    name: str
    outcome: Outcome
    detail: str = ""

    def __str__(self) -> str:
        """Return the step as a line."""
        return (
            f"{self.name}: {self.outcome}{f' ({self.detail})' if self.detail else ''}"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The answer to "is this what the city published?"; true or false, and why.

    Attributes:
        steps: In the order of the chain.
        trust: Whose word it rests on.
        origin: The log.
        key: Key of the entry, for example "ds/budget-1404".
        index: Index of the entry.
        size: Size of the log at the checkpoint.
        time: When the city says it published.
        cosigners: Witnesses whose cosignature counts, with its Unix time.
        file_needed: Whether the question was about a file.
    """

    steps: tuple[Step, ...]
    trust: Trust
    origin: str
    key: str
    index: int
    size: int
    time: str
    cosigners: tuple[tuple[str, int], ...] = ()
    file_needed: bool = False

    @property
    def failed(self) -> Step | None:
        """The first step that does not hold though the answer depends on it."""
        for step in self.steps:
            if step.outcome is Outcome.FAILS:
                return step
        needed = {"body", "inclusion", "signature"} | (
            {"file"} if self.file_needed else set()
        )
        for step in self.steps:
            if step.name in needed and step.outcome is not Outcome.HOLDS:
                return step
        return None

    def __bool__(self) -> bool:
        """Return whether every step that the answer depends on holds."""
        return self.failed is None

    def raise_failure(self) -> NoReturn:
        """Raise the step that does not hold.

        Raises:
            PeerError: VERIFICATION_FAILED, with the step's name as `subject`.
        """
        step = self.failed
        if step is None:
            raise ValueError("every step holds")
        raise PeerError(
            Reason.VERIFICATION_FAILED,
            subject=step.name,
            detail=step.detail or str(step.outcome),
        )

    def __str__(self) -> str:
        """Return the verdict and its steps, a line each."""
        return "\n".join([repr(self), *(f"  {step}" for step in self.steps)])

    def __repr__(self) -> str:
        """Return the verdict in a line that promises no more than was checked."""
        entry = f"entry {self.index} of {self.origin}"
        step = self.failed
        if step is not None:
            word = "FAILS" if step.outcome is Outcome.FAILS else "not verified"
            return f"<Verdict {word} at {step.name}: {step.detail} ({entry})>"
        return f"<Verdict holds: {self.trust} ({entry})>"
