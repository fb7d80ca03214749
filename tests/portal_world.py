"""A node that holds three cities' demonstration data, for the pages of figures.

The files are read apart from the importer, and published at days of our choosing.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import demo_tables
import http_world
from http_world import World
from shahrdad.datasets.codelists import city
from shahrdad.datasets.demo_set import DemoDataset, demo_datasets
from shahrdad.datasets.standards import load
from shahrdad.node.http.portal.lists import LISTS
from shahrdad.node.http.portal.prose import PROSE
from shahrdad.node.store.contract import Area

FIRST = "2025-10-25T08:00:00Z"  # 3 Aban 1404
SECOND = "2025-11-24T08:00:00Z"  # 3 Azar 1404
CITIES = ("kerman", "shiraz", "mashhad")
PATHS = (
    "/budget",
    "/budget/kerman/1404",
    "/budget/kerman/1404?side=source",
    "/budget/kerman/1404?side=use&by=class",
    "/budget/kerman/1404?side=use&by=line&in=mission&part=transport&sort=actual",
    "/budget/shiraz/1404?by=unit",
    "/budget/kerman/1404?side=use&q=نگهداری",
    "/systems",
    "/systems?offered=yes&api=yes",
    "/systems?vendor=nobody",
    "/systems/areas/revenue",
    "/projects",
    "/projects?late=yes&city=kerman&sort=title&q=بوستان",
    "/projects/kerman/P-1400-041",
    "/compare",
    "/compare?measure=realised&city=kerman&city=mashhad",
    "/d/kerman/projects/diff",
    "/d/kerman/projects/diff?from=0&to=1&kind=added",
    "/d/kerman/projects/rows?sort=-physical_progress&card=physical_progress",
    "/d/kerman/projects/v/1/rows?status__exact=implementation&card=status",
    "/resolutions",
    "/resolutions?status=open&q=داده",
    "/verify",
    "/verify?sha256=nonsense",
    "/verify?ref=kerman/projects&n=1",
    "/work-sites?district_no=2",
    "/report/1404-08",
    "/report/1404-08/agenda",
    "/cities/kerman",
    "/budget/kerman/1403?side=source",
    "/api/reference",
    "/suppliers",
    "/suppliers?q=نمونه&city=kerman",
    "/suppliers/شرکت-نمونه-رایانه-شهر",
    "/contracts?city=kerman&method=open",
    "/d/kerman/projects/row?project_id=P-1400-041",
    "/d/kerman/projects/rows?fields=project_id,title_fa",
    "/d/kerman/projects/charts",
    "/d/kerman/projects/charts?of=physical_progress&by=start_date&step=month",
    "/datasets?quality=A&theme=ECON&updated_after=1404-01-01",
    "/federation",
    "/projects/map",
    "/projects/map?city=shiraz",
    "/reuses",
    "/reuses?kind=app&ref=kerman/projects",
    "/permits?city=shiraz",
    "/status",
    "/style",
    "/problems",
    *(f"/{name}" for name in PROSE),
    "/",
    *(f"/{one.name}" for one in LISTS),
)


def plain(family: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as `World.publish` takes it."""
    found = {}
    for field in load(family).fields:
        value = row.get(field.name)
        if value in {None, ""}:
            value = None
        elif field.type == "integer":
            value = int(value)
        elif field.type == "number":
            value = float(Decimal(str(value)))
        elif field.type == "boolean":
            value = value in {True, "true"}
        elif isinstance(value, date):
            value = value.isoformat()
        found[field.name] = value
    return found


def rows(dataset: DemoDataset) -> list[dict[str, Any]]:
    """Return the rows of a demonstration file."""
    return [plain(dataset.family, row) for row in demo_tables.rows_of(dataset)]


def publish(
    world: World,
    dataset: DemoDataset,
    time: str,
    change: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Publish a demonstration file, perhaps with changed rows."""
    listed = rows(dataset)
    for row in listed if change else ():
        change(row)  # type: ignore[misc]
    world.publish(
        dataset.published_by,
        dataset.slug,
        dataset.family,
        listed,
        time=time,
        title=(dataset.title_fa, dataset.title_en),
        fiscal_year=dataset.fiscal_year,
    )


def postpone(row: dict[str, Any]) -> None:
    """Change a project under way: a later end, more progress, or finished."""
    if row["project_id"] == "P-1400-041":
        row["planned_end_date"] = "2026-06-15"
        row["physical_progress"] = 88.0


def last_year(row: dict[str, Any]) -> None:
    """Change a line of a budget to the year before: four fifths of every amount."""
    row["fiscal_year"] = 1403
    for name, value in row.items():
        if name.endswith("_rial") and value is not None:
            row[name] = value * 4 // 5


def make_portal_world(folder: Path, first_city: str = "Kerman") -> World:
    """Return a node with the demonstration's data, one dataset in two versions.

    Args:
        folder: Where it lives.
        first_city: Kerman's English name in its records: another makes another past.
    """
    for slug in CITIES:
        known = city(slug)
        assert known is not None
        http_world.CODES[slug] = known.code
        name_en = first_city if slug == "kerman" else known.name_en
        http_world.NAMES[slug] = (known.name_fa, name_en)
    world = http_world.make_world(folder)
    examples = [one for one in demo_datasets() if one.expect == "published"]
    for one in examples:
        publish(world, one, FIRST)
    budget = next(one for one in examples if (one.city, one.family) == BUDGET)
    before = replace(budget, slug="budget-1403", fiscal_year=1403)
    publish(world, before, FIRST, last_year)
    projects = next(one for one in examples if (one.city, one.family) == KERMAN)
    publish(world, projects, SECOND, postpone)
    world.status = {
        "logs": [
            {
                "origin": origin,
                "city": origin.split(".")[0],
                "size": frontier.size,
                "state": "signed",
                "vkeys": [],
            }
            for origin, frontier in sorted(world.frontiers.items())
        ],
        "peers": [],
    }
    return world


KERMAN = ("kerman", "projects")
BUDGET = ("kerman", "budget_lines")


def parquet(world: World, ref: str, n: int | None = None) -> str:
    """Return the path of a version's only Parquet object."""
    from shahrdad.node.publish import published_parts

    _, version = world.catalog.version(ref, n)
    (part,) = published_parts(world.catalog.body(version.digest))
    assert world.store.stat(Area.OBJECT, part.digest) is not None
    return str(next(world.store.root.rglob(part.digest.hex)))
