"""What the month brought, as rows: each publication, and how well the tables read.

The counts on top of the report are the lengths of these lists, so that every one of
them is explained down to the entries of the logs.
"""

from typing import Any

from shahrdad.node.analysis.limits import MONTH_CHANGES_MAX
from shahrdad.node.analysis.month import Month
from shahrdad.node.analysis.monthly_parts import View

KINDS = ("published", "changed", "withdrawn")


def changes(now: View, month: Month, as_of: str) -> list[dict[str, Any]]:
    """Return what was published, changed and withdrawn, in order of time.

    Only entries below the pinned sizes count, whatever the node holds besides.
    """
    sizes = now.releases.moment.sizes if now.releases.moment else {}
    cities = set(now.releases.cities())
    found = [
        {
            "city": ref.split("/")[0],
            "ref": ref,
            "kind": kind,
            "version": change.version,
            "index": change.index,
            "time": change.time,
        }
        for ref, listed in now.releases.history().items()
        if ref.split("/")[0] in cities
        for change in listed
        if month.start <= change.time <= as_of
        and change.index < sizes.get(now.releases.origin(ref), 0)
        and (kind := kind_of(change.op, change.version))
    ]
    found.sort(key=lambda one: (str(one["time"]), str(one["ref"]), one["index"]))
    return found


def kind_of(op: str, version: int | None) -> str:
    """Return what an entry does to a dataset; "" for what is no publication."""
    if op == "delete":
        return "withdrawn"
    if op != "put":
        return ""
    return "published" if version == 1 else "changed"


def counts(listed: list[dict[str, Any]], city: str) -> dict[str, int]:
    """Return how many of each kind a city has."""
    own = [one["kind"] for one in listed if one["city"] == city]
    return {kind: own.count(kind) for kind in KINDS}


def shortened(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the newest of so many changes as a report carries."""
    return listed[-MONTH_CHANGES_MAX:]


def quality(now: View, then: View) -> list[dict[str, Any]]:
    """Return the warnings that each city's tables left, and those a month before.

    Published tables have no errors: a file with errors is refused at the door. A city
    that had published nothing a month before has no figure for then.
    """
    before = {city: warnings(then, city) for city in then.releases.cities()}
    found = []
    for city in now.releases.cities():
        listed = releases_of(now, city)
        if not listed:
            continue
        rows = sum(one.table.num_rows for one in listed)
        found.append(
            {
                "city": city,
                "datasets": len(listed),
                "rows": rows,
                "warnings": warnings(now, city),
                "previous": before.get(city),
                "inputs": [one.input.to_dict() for one in listed],
            }
        )
    return found


def releases_of(view: View, city: str) -> list[Any]:
    """Return the releases of a city that the report is made of."""
    return [one for item in view.gathered.values() for one in item.of(city)]


def warnings(view: View, city: str) -> int | None:
    """Return the warnings that stand in the records of a city; None where none says."""
    told = [one.warnings for one in releases_of(view, city) if one.warnings is not None]
    return sum(told) if told else None
