"""Permits and services: how long they take, city beside city (report 9.10).

A city's newest period of each service counts. What a city suppressed, so that nobody is
recognised in a small number, stays suppressed: it is None here and said in words there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from shahrdad.node.analysis.releases import Gathered, Input, Row

WHOLE_CITY = 0


@dataclass(frozen=True, slots=True)
class Speed:
    """One service of a city, or of one of its districts, in its newest period.

    Attributes:
        district: 0 for the whole city.
        median: Days; half of the cases took no longer.
        p90: Days; nine of ten cases took no longer.
        within: Per cent of the cases inside the legal limit.
        online: Per cent of the cases for which nobody had to come.
    """

    city: str
    service: str
    district: int
    first: date
    last: date
    is_suppressed: bool
    received: int | None
    completed: int | None
    median: float | None
    p90: float | None
    limit: float | None
    within: float | None
    online: float | None
    input: Input


def speeds(gathered: Gathered) -> dict[str, dict[str, list[Speed]]]:
    """Return the newest period of each service and city: whole city, then districts."""
    found: dict[str, dict[str, list[Speed]]] = {}
    for release in gathered.releases:
        by_service: dict[str, list[Row]] = {}
        for row in release.rows():
            by_service.setdefault(str(row["service_code"]), []).append(row)
        for service, rows in sorted(by_service.items()):
            listed = [speed(release.city, row, release.input) for row in newest(rows)]
            listed.sort(key=lambda one: one.district)
            found.setdefault(service, {})[release.city] = listed
    return dict(sorted(found.items()))


def newest(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the newest period; the longest of those that end together."""
    last = max(row["period_end"] for row in rows)
    first = min(row["period_start"] for row in rows if row["period_end"] == last)
    return [
        row for row in rows if (row["period_start"], row["period_end"]) == (first, last)
    ]


def speed(city: str, row: Row, used: Input) -> Speed:
    """Return one row as a speed."""
    hidden = bool(row["is_suppressed"])

    def told(name: str) -> float | None:
        return None if hidden else row[name]

    return Speed(
        city,
        str(row["service_code"]),
        int(row["district_no"]),
        row["period_start"],
        row["period_end"],
        hidden,
        None if hidden else row["received"],
        None if hidden else row["completed"],
        told("median_days"),
        told("p90_days"),
        row["legal_limit_days"],
        told("within_limit_pct"),
        told("online_pct"),
        used,
    )
