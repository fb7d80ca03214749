"""What a log's writer does at start: the recovery table of federation 4.6, without I/O.

A node signs from three memories that may disagree after a crash, a restored backup or
a race: the stored entries with their newest signed head, the guard, and what others
show of us (the static mirror, peers). `decide` compares them and says what to do; it
never says to sign a second root for a size.

>>> from shahrdad.federation.verify.tree import EMPTY_ROOT
>>> held = Held(size=0, head_size=0, root_at=lambda size: EMPTY_ROOT)
>>> decide(held, guard=None, shown=[]).finding
<Finding.FRESH: 'fresh'>
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shahrdad.federation.log.guard import Guarded
from shahrdad.federation.verify.checkpoint import Checkpoint


class Finding(StrEnum):
    """A row of the recovery table."""

    FRESH = "fresh"  # nothing was ever signed: make the guard, open the log
    COMPLETE = "complete"  # guard and signed head are one, no entries beyond
    UNSIGNED_TAIL = "unsigned_tail"  # entries beyond the guard: continue at step 3
    UNSIGNED_HEAD = "unsigned_head"  # the guard is ahead, entries here: step 5
    SHOWN_HEAD = "shown_head"  # a head that we signed is ahead, entries here: store it
    GUARD_BEHIND = "guard_behind"  # an old guard was restored: raise it to the head
    ENTRIES_LOST = "entries_lost"  # a head that we signed is ahead: pull, then go on
    FORKED = "forked"  # one of them differs from our root at its size
    GUARD_AHEAD = "guard_ahead"  # its entries are gone, and no mirror shows them
    GUARD_MISSING = "guard_missing"  # a log without a guard: the operator confirms


@dataclass(frozen=True, slots=True)
class Shown:
    """A head of our log that our own key signed, and the note that says so."""

    head: Checkpoint
    note: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """What is stored.

    Attributes:
        size: Entries stored.
        head_size: Size of the newest signed head stored; 0 when there is none.
        root_at: Root of the first entries, for sizes up to `size`.
    """

    size: int
    head_size: int
    root_at: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was found, and the head that it is about, when it is about one."""

    finding: Finding
    shown: Shown | None = None


def decide(held: Held, guard: Guarded | None, shown: Sequence[Shown]) -> Decision:
    """Compare what is stored with the guard and with what others show of us.

    Args:
        held: What is stored.
        guard: The last state that was about to be signed; None when it is missing.
        shown: Heads from the static mirror and from peers, each validly signed by us.
    """
    forked = find_fork(held, guard, shown)
    if forked is not None:
        return forked
    ahead = max(
        (one for one in shown if one.head.size > held.head_size),
        key=lambda one: one.head.size,
        default=None,
    )
    if guard is None:
        empty = not held.size and not held.head_size and ahead is None
        return Decision(Finding.FRESH if empty else Finding.GUARD_MISSING, ahead)
    if ahead is not None:
        here = has(held, ahead.head.size, ahead.head.root)
        return Decision(Finding.SHOWN_HEAD if here else Finding.ENTRIES_LOST, ahead)
    if guard.size > held.head_size:
        here = has(held, guard.size, guard.root)
        return Decision(Finding.UNSIGNED_HEAD if here else Finding.GUARD_AHEAD)
    if guard.size < held.head_size:
        return Decision(Finding.GUARD_BEHIND)
    if held.size > held.head_size:
        return Decision(Finding.UNSIGNED_TAIL)
    return Decision(Finding.COMPLETE)


def find_fork(
    held: Held, guard: Guarded | None, shown: Sequence[Shown]
) -> Decision | None:
    """Return FORKED when something we signed is not of the history that is stored.

    Entries above the signed head do not count: this node never signed them, so where
    others show another history there, theirs is ours.
    """
    roots: dict[int, bytes] = {}
    for one in shown:
        size, root = one.head.size, one.head.root
        if size <= held.head_size and held.root_at(size) != root:
            return Decision(Finding.FORKED, one)
        if roots.setdefault(size, root) != root:
            return Decision(Finding.FORKED, one)
    if (
        guard is not None
        and guard.size <= held.head_size
        and held.root_at(guard.size) != guard.root
    ):
        return Decision(Finding.FORKED)
    return None


def has(held: Held, size: int, root: bytes) -> bool:
    """Return whether the stored entries have a root at a size."""
    return size <= held.size and held.root_at(size) == root
