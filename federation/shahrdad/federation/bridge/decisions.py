"""What a look at a portal means for what we hold of it; nothing here asks anybody.

Deleting is what cannot be taken back in front of readers, so it needs three things: a
complete enumeration without the dataset, the portal's own word that it is gone, and a
run that does not delete or change suspiciously much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shahrdad.federation.bridge.limits import (
    CHANGED_FREE,
    CHANGED_PERCENT_MAX,
    DRIFT_FREE,
    DRIFT_PERCENT_MAX,
    GONE_FREE,
    GONE_PERCENT_MAX,
)
from shahrdad.federation.verify.digest import Digest


class Word(StrEnum):
    """What a portal says of one dataset when it is asked by name."""

    HERE = "here"
    GONE = "gone"  # not found, not allowed, or not active
    UNKNOWN = "unknown"  # it did not answer, or not in a way that says either


class Decision(StrEnum):
    """What is to be done with a dataset."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    GONE = "gone"
    KEPT = "kept"  # not enumerated, but nobody said that it is gone


class Brake(StrEnum):
    """Why a person has to look at a run before anything is applied."""

    EMPTY = "empty"
    GONE = "gone"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Datasets by identifier: what was enumerated against what is held."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    missing: tuple[str, ...]


def compare(
    held: Mapping[str, Digest | None], seen: Mapping[str, Digest]
) -> Comparison:
    """Compare what is held with what was enumerated.

    Args:
        held: By identifier, the digest that was last applied; None where the next look
            has to apply again.
        seen: By identifier, the digest of this look.
    """
    return Comparison(
        new=tuple(sorted(seen.keys() - held.keys())),
        changed=tuple(
            sorted(k for k in seen.keys() & held.keys() if held[k] != seen[k])
        ),
        unchanged=tuple(
            sorted(k for k in seen.keys() & held.keys() if held[k] == seen[k])
        ),
        missing=tuple(sorted(held.keys() - seen.keys())),
    )


def is_complete(
    count_before: int | None, count_after: int | None, distinct: int, *, ended: bool
) -> bool:
    """Tell whether an enumeration may say of a dataset that it was not there.

    Args:
        count_before: What the portal counted before the first page.
        count_after: What it counted after the last.
        distinct: Different datasets that were seen.
        ended: The last page was reached, and every page could be read.
    """
    return (
        ended and count_before is not None and count_before == count_after == distinct
    )


def judge_missing(complete: bool, word: Word) -> Decision:
    """Return what becomes of a held dataset that was not enumerated."""
    return Decision.GONE if complete and word is Word.GONE else Decision.KEPT


def brake(*, held: int, seen: int, gone: int, changed: int) -> Brake | None:
    """Return why a run has to wait for a person, or None.

    Args:
        held: Datasets held before the run.
        seen: Datasets enumerated.
        gone: Datasets that would be withdrawn.
        changed: Datasets that would get a new version.
    """
    if held and not seen:
        return Brake.EMPTY
    if gone > max(GONE_FREE, held * GONE_PERCENT_MAX // 100):
        return Brake.GONE
    if changed > max(CHANGED_FREE, held * CHANGED_PERCENT_MAX // 100):
        return Brake.CHANGED
    return None


def worth_asking(differences: int, seen: int) -> bool:
    """Tell whether index and list differ so little that each is asked about."""
    return differences <= max(DRIFT_FREE, seen * DRIFT_PERCENT_MAX // 100)
