"""What the front page shows besides the newest datasets: headlines, cities, the month.

All of it is computed once for each state of the catalog and day, not once a request.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis import counters
from shahrdad.node.analysis.month import Month
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.http import freshness, holdings
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.languages import TEHRAN, day_of, now
from shahrdad.node.http.portal.report import month_name
from shahrdad.node.http.portal.viewing import releases

MONTHS = 12
HEADLINES = {  # counter: the page that shows it city by city
    "projects_completed": ("projects", "/projects"),
    "contracts_setad": ("contracts", "/contracts"),
}


@dataclass(frozen=True, slots=True)
class Activity:
    """What all cities did in a month."""

    month: Month
    published: int
    changed: int
    withdrawn: int


def headlines(reader: Releases) -> list[dict[str, Any]]:
    """Return the headlines of 9.5, summed over the cities that publish them.

    A headline that no city publishes is left out: it is not 0.
    """
    found = []
    for name, (family, path) in HEADLINES.items():
        *_, how = counters.COUNTERS[name]
        values = [how(one) for one in reader.gather(family).releases]
        told = [value for value in values if value is not None]
        if told:
            found.append({"name": name, "value": sum(told), "path": path})
    return found


def front(call: Call, language: Language) -> dict[str, Any]:
    """Return counters and the card of the month."""
    reader = releases(call)
    today = now().astimezone(TEHRAN).date()
    found = reader.once(("front", today), lambda: _front(call, reader, today))
    activity: Activity = found["activity"]
    return {**found, "month_name": month_name(activity.month, language)}


def _front(call: Call, reader: Releases, today: date) -> dict[str, Any]:
    datasets, rows, versions = holdings.totals(call.node.database.connect())
    return {
        "counters": {"datasets": datasets, "rows": rows, "versions": versions},
        "headlines": headlines(reader),
        "activity": activity_of(reader, Month.of(today).before, Month.of(today)),
    }


def activity_of(reader: Releases, last: Month, current: Month) -> Activity:
    """Return the activity of the last month, or of the newest one with any.

    A younger network has only this month; one that sleeps shows when it last woke.
    """
    found = activity_in(reader, last)
    if found.published or found.changed or found.withdrawn:
        return found
    times = [one.time for listed in reader.history().values() for one in listed]
    if not times:
        return found
    newest = Month.of(day_of(max(times)))
    return activity_in(reader, min(newest, current, key=lambda one: one.text))


def activity_in(reader: Releases, month: Month) -> Activity:
    """Return what all cities did in a month."""
    changes = [one for listed in reader.history().values() for one in listed]
    inside = [one for one in changes if month.start <= one.time <= month.end]
    puts = [one for one in inside if one.op == "put"]
    fresh = sum(one.version == 1 for one in puts)
    gone = sum(one.op == "delete" for one in inside)
    return Activity(month, fresh, len(puts) - fresh, gone)


def cities(call: Call) -> list[dict[str, Any]]:
    """Return the cities with what the table of the front page says of them."""
    reader = releases(call)
    today = now().astimezone(TEHRAN).date()
    found: list[dict[str, Any]] = reader.once(("cities", today), lambda: _cities(call))
    return found


def _cities(call: Call) -> list[dict[str, Any]]:
    connection, at = call.node.database.connect(), now()
    months = freshness.months_before(at, MONTHS)
    puts = holdings.monthly_puts(connection, months[0])
    late: dict[str, int] = {}
    for dataset in call.node.catalog.list():
        if freshness.days_late(dataset, at):
            late[dataset.city] = late.get(dataset.city, 0) + 1
    known = holdings.cities(connection)
    known.setdefault(call.node.config.node.city, (0, ""))
    found = []
    for slug, (count, updated) in known.items():
        counts = [puts.get((slug, month), 0) for month in months]
        found.append(
            {
                "name": city_name(slug, call.node.config),
                "count": count,
                "updated": updated,
                "late": late.get(slug, 0),
                "months": counts,
                "points": freshness.sparkline(counts),
            }
        )
    return sorted(found, key=lambda city: (-city["count"], city["name"].slug))
