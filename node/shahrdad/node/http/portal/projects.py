"""`/projects`: what is built, how far it is, how late it is (portal 7)."""

from collections.abc import Callable
from datetime import date
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node.analysis import counters, projects
from shahrdad.node.analysis.projects import Project, Promise
from shahrdad.node.http.answers import Call
from shahrdad.node.http.pages_of_lists import page as list_page
from shahrdad.node.http.parameters import CURSOR
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.shapes import Axis
from shahrdad.node.http.portal.viewing import (
    analysis,
    choice,
    grounds,
    label,
    name_of,
    options,
    releases,
    text,
)
from shahrdad.node.http.rendering import page

FAMILY = "projects"
SHOWN = 40
PARAMETERS = (
    text("q"),
    text("city"),
    text("status"),
    text("domain"),
    choice("late", "yes"),
    choice("smart", "yes"),
    choice("sort", "late", "title", "end", "budget"),
    CURSOR,
)


def index(call: Call, language: Language) -> Response:
    """Show the projects as a list and on a time line."""
    reader = releases(call)
    gathered = reader.gather(FAMILY)
    every = reader.once("projects", lambda: projects.projects(gathered))
    values = call.values
    found = sorted((one for one in every if passes(one, values)), key=order(values))
    rows, after = list_page(
        found,
        order(values),
        kind=f"projects {values['sort'] or ''}",
        cursor=values["cursor"],
        limit=SHOWN,
    )
    days = [day for one in rows for day in days_of(one)]
    axis = Axis(min(days), max(days), language) if days else None
    published = {release.city for release in gathered.releases}
    return page(
        call,
        "portal/projects.html",
        language,
        rows=[{"one": one, "bars": bars(one, axis)} for one in rows],
        axis=axis,
        years=years(axis) if axis else [],
        found=len(found),
        total=len(every),
        late=len(projects.late(every)),
        given={name: value for name, value in values.items() if name != "cursor"},
        after=after,
        cities=[name_of(call, city) for city in gathered.cities],
        missing=[name_of(call, c) for c in gathered.cities if c not in published],
        statuses=options(FAMILY, "status", language),
        domains=options(FAMILY, "smart_domain", language),
        counters=reader.once("completed", lambda: completed(call, gathered)),
        name_of=lambda slug: name_of(call, slug),
        code=lambda field, value: label(FAMILY, field, value, language),
        money=amounts,
        grounds=grounds(
            call,
            gathered.inputs,
            gathered.excluded,
            [
                analysis(language, "delays", city=call.values["city"]),
                analysis(language, "promises", city=call.values["city"]),
            ],
        ),
    )


def passes(one: Project, values: Any) -> bool:
    """Tell whether a project is among those that the filters let through."""
    from shahrdad.node.table.filters import fold_text

    row = one.row
    words = fold_text(values["q"]).split() if values["q"] else []
    title = ""
    if words:
        title = fold_text(f"{row['title_fa']} {row['title_en'] or ''} {one.key}")
    return (
        (not values["city"] or one.city == values["city"])
        and (not values["status"] or row["status"] == values["status"])
        and (not values["domain"] or row["smart_domain"] == values["domain"])
        and (not values["late"] or bool(one.days_late))
        and (not values["smart"] or row["is_smart_city"] is True)
        and all(word in title for word in words)
    )


def order(values: Any) -> Any:
    """Return the order that an address asks for; every key ends in city and id."""
    keys: dict[str, Callable[[Project], tuple[Any, ...]]] = {
        "title": lambda one: (str(one.row["title_fa"]),),
        "end": lambda one: (str(one.row["planned_end_date"] or "9999"),),
        "budget": lambda one: (-(one.row["budget_rial"] or 0),),
        "late": lambda one: (-(one.days_late or 0),),
    }
    first = keys[values["sort"] or "late"]
    return lambda one: (*first(one), one.city, one.key)


def days_of(one: Project) -> list[date]:
    """Return the days of a project that its bar needs."""
    names = ("start_date", "planned_end_date", "actual_end_date", "as_of_date")
    days = [one.row[name] for name in names]
    return [day for day in days if day is not None]


def bars(one: Project, axis: Axis | None) -> dict[str, Any]:
    """Return the planned bar, the filled one and the day the release speaks of."""
    row = one.row
    start, planned = row["start_date"], row["planned_end_date"]
    if axis is None or start is None:
        return {}
    until = row["actual_end_date"] or row["as_of_date"]
    found: dict[str, Any] = {
        "filled": axis.span(start, max(start, until)),
        "planned": None,
        "late": None,
    }
    if planned is not None:
        found["planned"] = axis.span(start, max(start, planned))
        if one.days_late:
            found["late"] = axis.span(planned, row["as_of_date"])
    return found


def years(axis: Axis) -> list[tuple[int, int]]:
    """Return the Jalali years of the axis with their places."""
    from shahrdad.datasets.jalali import from_gregorian, to_gregorian

    first, last = from_gregorian(axis.first)[0], from_gregorian(axis.last)[0]
    step = max(1, (last - first + 1) // 8)
    return [
        (year, axis.at(to_gregorian(year, 1, 1)))
        for year in range(first + 1, last + 1, step)
    ]


def completed(call: Call, gathered: Any) -> list[dict[str, Any]]:
    """Return the completed projects of the year, each beside the declared number."""
    return [
        {
            "city": name_of(call, release.city),
            "value": counters.completed(release),
            "declared": release.declared.get("projects_completed"),
            "input": release.input,
        }
        for release in gathered.releases
    ]


def project(call: Call, language: Language) -> Response:
    """Show one project: its facts, and what each release promised."""
    reader = releases(call)
    release = reader.gather(FAMILY).first(call.path["city"])
    key = call.path["project"]
    rows = projects.projects_of(release) if release else []
    one = next((row for row in rows if row.key == key), None)
    if release is None or one is None:
        city = call.path["city"][:64]
        raise RequestError(Reason.PROJECT_UNKNOWN, city=city, project=key[:100])
    contracts = reader.gather("contracts").first(release.city)
    sites = reader.gather("work_sites").first(release.city)
    history: list[Promise] = projects.promises(reader, release.ref).get(key, [])
    days = days_of(one)
    axis = Axis(min(days), max(days), language) if days else None
    used = [release.input]
    used += [other.input for other in (contracts, sites) if other is not None]
    return page(
        call,
        "portal/project.html",
        language,
        one=one,
        bars=bars(one, axis),
        years=years(axis) if axis else [],
        history=history,
        contracts=related(contracts, key),
        sites=related(sites, key),
        name_of=lambda slug: name_of(call, slug),
        code=lambda field, value: label(FAMILY, field, value, language),
        money=amounts,
        grounds=grounds(call, used),
    )


def related(release: Any, key: str) -> list[dict[str, Any]]:
    """Return the rows of another family that name a project."""
    if release is None:
        return []
    return [row for row in release.rows() if row["project_id"] == key]
