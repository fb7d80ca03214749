"""A node that mirrors a large network: many cities with many datasets, for measuring.

Every city publishes the demonstration's families, its budget of three years, and local
datasets without a standard up to the number that is asked for; those share one object.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import http_world
from http_world import World
from portal_world import FIRST, SECOND, postpone, rows
from shahrdad.datasets.codelists import cities
from shahrdad.datasets.demo_set import DemoDataset, demo_datasets
from shahrdad.federation.verify import entry, strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.projection import Projection

YEARS = (1402, 1403, 1404)


class Waiting:
    """Stands for the projection while entries are written: it follows at the end."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection

    def follow(self) -> None:
        """Do nothing yet."""


def make_big_world(folder: Path, cities_count: int, datasets: int) -> World:
    """Return a node with so many cities, each with so many datasets."""
    known = sorted(cities(), key=lambda one: one.slug != "kerman")[:cities_count]
    for one in known:
        http_world.CODES[one.slug] = one.code
        http_world.NAMES[one.slug] = (one.name_fa, one.name_en)
    world = http_world.make_world(folder)
    projection, world.projection = world.projection, Waiting(world.projection)  # type: ignore[assignment]
    examples = [one for one in demo_datasets() if one.expect == "published"]
    for city in known:
        made = sum(publish_example(world, city.slug, one) for one in chosen(examples))
        fill(world, city.slug, datasets - made)
    world.projection = projection
    projection.follow()
    world.status = {
        "logs": [
            {
                "origin": origin, "city": origin.split(".")[0], "size": frontier.size,
                "state": "confirmed", "cosignatures": 3, "vkeys": [],
            }
            for origin, frontier in sorted(world.frontiers.items())
        ],
        "peers": [],
    }  # fmt: skip
    return world


def chosen(examples: list[DemoDataset]) -> list[DemoDataset]:
    """Return one example of each family, and the budget once a year."""
    found: dict[str, DemoDataset] = {}
    for one in examples:
        found.setdefault(one.family, one)
    budget = found.pop("budget_lines")
    return [
        *found.values(),
        *(replace(budget, slug=f"budget-{y}", fiscal_year=y) for y in YEARS),
    ]


def publish_example(world: World, city: str, one: DemoDataset) -> int:
    """Publish an example as another city's; return how many datasets that made."""
    listed = [{**row, **recoded(one, city)} for row in read(one.path)]
    title = (f"{one.title_fa} {city}", f"{one.title_en} {city}")
    facts: dict[str, Any] = {"title": title, "fiscal_year": one.fiscal_year}
    world.publish(city, one.slug, one.family, listed, time=FIRST, **facts)
    if one.family == "projects":
        for row in listed:
            postpone(row)
        world.publish(city, one.slug, one.family, listed, time=SECOND, **facts)
    return 1


@cache
def read(path: Path) -> tuple[dict[str, Any], ...]:
    """Return the rows of a demonstration file, which is read once."""
    one = next(one for one in demo_datasets() if one.path == path)
    return tuple(rows(one))


def recoded(one: DemoDataset, city: str) -> dict[str, Any]:
    """Return the columns in which another city's rows differ."""
    if one.family == "resolutions":
        return {}
    found: dict[str, Any] = {"city_code": http_world.CODES[city]}
    if one.family == "budget_lines":
        found["fiscal_year"] = one.fiscal_year
    return found


def fill(world: World, city: str, count: int) -> None:
    """Publish local datasets, which follow no standard and share one object."""
    table, attachments = world._objects(
        "kerman", "shared", "org_units", http_world.example_rows("org_units", "kerman")
    )
    origin = f"{city}.example/catalog"
    entries, bodies = [], {}
    for number in range(count):
        slug = f"local-{number:03}"
        body = record.build(
            slug=slug,
            city=city,
            city_code=http_world.CODES[city],
            publisher_fa=f"شهرداری {http_world.NAMES[city][0]}",
            publisher_en=f"Municipality of {http_world.NAMES[city][1]}",
            family=None,
            standard=None,
            description=record.Description(
                title_fa=f"فهرست محلی {number} {http_world.NAMES[city][0]}",
                title_en=f"Local list {number} of {http_world.NAMES[city][1]}",
            ),
            tables=[table],
            attachments=attachments,
            provenance={"approval": "four-eyes"},
            version=1,
            time=FIRST,
        )
        content = strict_json.canonical(body)
        digest = Digest.of(content)
        bodies[digest] = content
        key = f"ds/{slug}"
        entries.append(
            entry.put(key, prev=None, digest=digest, size=len(content), time=FIRST)
        )
    for raw, (digest, content) in zip(entries, bodies.items(), strict=True):
        world.append(origin, raw, {digest: content})
