"""Publishing duties and ages: what was due, what came, how late (standards 8; 9.7).

A duty is met when some version covers its period and was published by the due date. Due
dates are Jalali. Only enabled duties are judged, and none that fell due before a city's
first publication.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from shahrdad.datasets.codelists import code_list
from shahrdad.datasets.jalali import from_gregorian, month_days, to_gregorian
from shahrdad.datasets.standards import load
from shahrdad.node.analysis.budget import ranks
from shahrdad.node.analysis.limits import VERSIONS_MAX
from shahrdad.node.analysis.releases import Input, Release, Releases
from shahrdad.node.download import TEHRAN

State = Literal["met", "late", "missing"]
SETTLED = frozenset({"performance", "settled"})
YEAR_DAYS = 366


@dataclass(frozen=True, slots=True)
class Due:
    """A duty of one period.

    Attributes:
        first: The first day that a release must speak of to cover the period.
        half: 1 or 2 for a half-year's budget, 0 for others.
    """

    duty: str
    family: str
    title_fa: str
    title_en: str
    year: int
    period: str
    due: date
    first: date
    half: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """How a city met a duty.

    Attributes:
        days: How late it came, or is.
        input: The version that met it.
    """

    city: str
    due: Due
    state: State
    days: int
    input: Input | None


@dataclass(frozen=True, slots=True)
class Aged:
    """A dataset whose newest version is older than its standard allows."""

    city: str
    ref: str
    family: str
    published: date
    days_over: int
    input: Input


def month_after(year: int, month: int) -> tuple[int, int]:
    """Return the next Jalali month."""
    return (year + 1, 1) if month == 12 else (year, month + 1)


def due_of(year: int, month: int) -> date:
    """Return the 15th of the month after a month."""
    return to_gregorian(*month_after(year, month), 15)


def dues(year: int) -> Iterator[Due]:
    """Yield the enabled duties for the periods of a Jalali year."""
    for row in code_list("duties").rows:
        if row["enabled"] != "true":
            continue
        facts = (row["duty"], row["family"], row["title"], row["title_en"], year)
        if row["period"] in {"h1", "h2"}:
            half = int(row["period"][1])
            month = 6 * half
            first = to_gregorian(year, month, 1)
            is_budget = row["family"] == "budget_lines"
            yield Due(
                *facts, row["period"], due_of(year, month), first, half * is_budget
            )
        elif row["period"] == "quarter":
            for quarter in range(1, 5):
                month = 3 * quarter
                first = to_gregorian(year, month, 1)
                yield Due(*facts, f"q{quarter}", due_of(year, month), first)
        elif row["period"] == "month":
            for month in range(1, 13):
                first = to_gregorian(year, month, 1)
                yield Due(*facts, f"m{month:02}", due_of(year, month), first)


def covers(release: Release, due: Due) -> bool:
    """Tell whether a version covers the period of a duty."""
    if due.half:
        rank = ranks()
        needed = 6 * due.half
        return release.fiscal_year == due.year and any(
            row["budget_stage"] in SETTLED
            and rank.get(row["report_period"], (0, False))[0] >= needed
            for row in release.rows("budget_stage", "report_period")
        )
    days = [row["as_of_date"] for row in release.rows("as_of_date")]
    return max((day for day in days if day), default=date.min) >= due.first


def day_of(time: str) -> date:
    """Return the day in Tehran of an entry's time."""
    return datetime.fromisoformat(time).astimezone(TEHRAN).date()


def judge(
    releases: Releases,
    at: date,
    since: date,
    *,
    newest_only: bool = False,
    cities: tuple[str, ...] | None = None,
) -> list[Judged]:
    """Return how each city met the duties that fell due in a time.

    Args:
        releases: Up to the moment of the report.
        at: The last day; what is due later is not judged.
        since: The first day.
        newest_only: Of each duty only the newest period.
        cities: All by default.
    """
    joined = joining(releases)
    year = from_gregorian(at)[0]
    wanted = [
        due
        for one in (year - 2, year - 1, year)
        for due in dues(one)
        if since <= due.due <= at
    ]
    if newest_only:
        newest = {due.duty: due for due in sorted(wanted, key=lambda due: due.due)}
        wanted = list(newest.values())
    found = []
    for city in releases.cities() if cities is None else cities:
        if city not in joined:
            continue
        found += [
            judge_one(releases, city, due, at)
            for due in sorted(wanted, key=lambda one: (one.due, one.duty))
            if due.due >= joined[city]
        ]
    return found


def joining(releases: Releases) -> dict[str, date]:
    """Return the day of each city's first publication."""
    found: dict[str, date] = {}
    for ref, listed in releases.history().items():
        city = ref.split("/")[0]
        for change in listed:
            day = day_of(change.time)
            if city not in found or day < found[city]:
                found[city] = day
    return found


def judge_one(releases: Releases, city: str, due: Due, at: date) -> Judged:
    """Return how a city met a duty: by its earliest version that covers the period."""
    best: tuple[date, Input] | None = None
    for ref in versions_of(releases, city, due.family):
        for change in releases.versions(ref)[-VERSIONS_MAX:]:
            day = day_of(change.time)
            if best is not None and day >= best[0]:
                break
            release = releases.version(ref, change.version or 0)
            if release is not None and covers(release, due):
                best = (day, release.input)
                break
    if best is None:
        return Judged(city, due, "missing", (at - due.due).days, None)
    days = max(0, (best[0] - due.due).days)
    return Judged(city, due, "late" if days else "met", days, best[1])


def versions_of(releases: Releases, city: str, family: str) -> list[str]:
    """Return the datasets of a city and family."""
    return sorted(one.ref for one in releases.gather(family).of(city))


def aged(releases: Releases, families: tuple[str, ...], at: date) -> list[Aged]:
    """Return what is older than its standard allows, the oldest first."""
    found = []
    for family in families:
        days_max = load(family).max_age_days
        if not days_max:
            continue
        for release in releases.gather(family).releases:
            day = day_of(release.time)
            over = (at - day - timedelta(days=days_max)).days
            if over > 0:
                found.append(
                    Aged(release.city, release.ref, family, day, over, release.input)
                )
    return sorted(found, key=lambda one: (-one.days_over, one.ref))


def month_bounds(year: int, month: int) -> tuple[date, date]:
    """Return the first and last day of a Jalali month."""
    return (
        to_gregorian(year, month, 1),
        to_gregorian(year, month, month_days(year, month)),
    )
