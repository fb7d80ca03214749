"""Resolutions: open ones by city and body, overdue ones, done this month (9.8)."""

from dataclasses import dataclass
from datetime import date

from shahrdad.node.analysis.releases import Gathered, Input, Row

OPEN = frozenset({"open", "in_progress"})


@dataclass(frozen=True, slots=True)
class Resolution:
    """One item, and the dataset that says so."""

    ref: str
    version: int
    row: Row

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.row["status"] in OPEN

    def days_overdue(self, at: date) -> int:
        """Return the days past its due date; 0 when it is done, not due or undated."""
        due = self.row["due_date"]
        if not self.is_open or due is None:
            return 0
        days: int = (at - due).days
        return max(0, days)

    @property
    def since(self) -> date | None:
        """The day of its session, where it is told."""
        found: date | None = self.row["session_date"]
        return found


@dataclass(frozen=True, slots=True)
class OpenCount:
    """What is open of one body for one city; "" is for all cities."""

    body: str
    city_code: str
    number: int
    overdue: int
    oldest: date | None


@dataclass(frozen=True, slots=True)
class Followed:
    """Report 9.8."""

    resolutions: tuple[Resolution, ...]
    counts: tuple[OpenCount, ...]
    inputs: tuple[Input, ...]


def follow(gathered: Gathered, at: date) -> Followed:
    """Return the resolutions, overdue first, and what is open.

    Args:
        gathered: Of `resolutions`.
        at: The day on which lateness is judged.
    """
    found = [
        Resolution(release.ref, release.version, row)
        for release in gathered.releases
        for row in release.rows()
    ]
    found.sort(
        key=lambda one: (-one.days_overdue(at), not one.is_open, *place(one.row))
    )
    groups: dict[tuple[str, str], list[Resolution]] = {}
    for one in found:
        if one.is_open:
            key = (str(one.row["body"]), str(one.row["responsible_city"] or ""))
            groups.setdefault(key, []).append(one)
    counts = tuple(
        OpenCount(
            body,
            city,
            len(listed),
            sum(one.days_overdue(at) > 0 for one in listed),
            min((one.since for one in listed if one.since), default=None),
        )
        for (body, city), listed in sorted(groups.items())
    )
    return Followed(tuple(found), counts, gathered.inputs)


def place(row: Row) -> tuple[str, int, int, int]:
    """Return where an item stands: newest session first."""
    return (
        str(row["body"]),
        -int(row["session_no"]),
        int(row["section_no"]),
        int(row["item_no"]),
    )


def done_between(found: Followed, first: date, last: date) -> list[Resolution]:
    """Return what was done in a time, with evidence."""
    return [
        one
        for one in found.resolutions
        if one.row["status"] == "done"
        and one.row["done_date"] is not None
        and first <= one.row["done_date"] <= last
        and (one.row["evidence_url"] or one.row["linked_dataset"])
    ]
