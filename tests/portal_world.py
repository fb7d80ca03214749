"""A node that holds three cities' demonstration data, for the pages of figures.

The files are read apart from the importer, and published at days of our choosing.
"""

from collections.abc import Callable
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
from shahrdad.node.store.contract import Area

FIRST = "2025-10-25T08:00:00Z"  # 3 Aban 1404
SECOND = "2025-11-24T08:00:00Z"  # 3 Azar 1404
CITIES = ("kerman", "shiraz", "mashhad")


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


def make_portal_world(folder: Path) -> World:
    """Return a node with the demonstration's data, one dataset in two versions."""
    for slug in CITIES:
        known = city(slug)
        assert known is not None
        http_world.CODES[slug] = known.code
        http_world.NAMES[slug] = (known.name_fa, known.name_en)
    world = http_world.make_world(folder)
    examples = [one for one in demo_datasets() if one.expect == "published"]
    for one in examples:
        publish(world, one, FIRST)
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


def parquet(world: World, ref: str, n: int | None = None) -> str:
    """Return the path of a version's only Parquet object."""
    from shahrdad.node.publish import published_parts

    _, version = world.catalog.version(ref, n)
    (part,) = published_parts(world.catalog.body(version.digest))
    assert world.store.stat(Area.OBJECT, part.digest) is not None
    return str(next(world.store.root.rglob(part.digest.hex)))
