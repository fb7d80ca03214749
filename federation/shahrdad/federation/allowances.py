"""What the forum's rules allow a log: its growth in a day, and how long bodies stay.

Both only widen what every node does by itself. A quota never passes the bounds that a
node sets to a whole log, and retention is never shorter than here: families whose
history is what citizens look for stay for ever, the others 24 months after a newer
version came (federation 10.6).

>>> Retention().keeps("budget_lines", superseded=0, now=10**10)
True
>>> Retention().keeps("news", superseded=0, now=10**10)
False
"""

from dataclasses import dataclass

MONTH_SECONDS = 30 * 86_400 + 37_800  # a twelfth of 365.25 days
SUPERSEDED_MONTHS = 24
FOR_EVER = frozenset(
    {
        "budget_lines",
        "contracts",
        "projects",
        "work_sites",
        "active_systems",
        "resolutions",
    }
)


@dataclass(frozen=True, slots=True)
class Quotas:
    """How much a log may grow in a day; None = what every node allows."""

    entries_day: int | None = None
    body_bytes_day: int | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the body of a version stays after a newer one came."""

    superseded_months: int = SUPERSEDED_MONTHS
    for_ever: frozenset[str] = FOR_EVER

    def keeps(self, family: str | None, superseded: int, now: int) -> bool:
        """Tell whether a body still stays.

        Args:
            family: Its standard; None is kept: nobody knows what it is.
            superseded: Unix time at which a newer version, or the withdrawal, came.
            now: Unix time.
        """
        if family is None or family in self.for_ever:
            return True
        return now - superseded <= self.superseded_months * MONTH_SECONDS


NO_QUOTAS = Quotas()
USUAL_RETENTION = Retention()
