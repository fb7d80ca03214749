"""When a log moves to the end of ListHeads, so that peers see it again.

Cosignatures travel by the same pull as heads. If each of them advanced `seq`, two
nodes would show each other the same head for ever; so one that changes nothing else
counts only when it says more, and at most once in ten minutes (federation 6).
"""

from dataclasses import dataclass

COSIGNATURE_NEWER_SECONDS = 6 * 3_600
COSIGNATURE_PAUSE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Cosigned:
    """How far a head is witnessed: by how many, and the newest Unix time."""

    cosigners: int
    newest: int


def says_more(now: Cosigned, listed: Cosigned) -> bool:
    """Return whether cosignatures are worth listing: more witnesses, or much newer."""
    return (
        now.cosigners > listed.cosigners
        or now.newest - listed.newest >= COSIGNATURE_NEWER_SECONDS
    )


def may_list(seconds: int, listed_at: int) -> bool:
    """Return whether cosignatures alone may advance `seq` again.

    A clock that was set back must not silence a log for as long.
    """
    return not 0 <= seconds - listed_at < COSIGNATURE_PAUSE_SECONDS
