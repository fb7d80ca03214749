"""The datasets that the demonstration publishes, and what their import needs to know.

`examples/demo/demo.json` lists them in the order in which they refer to each other. A
dataset with `example` is invented, says so in both titles («نمونه», "Example"), and is
never presented as a city's own; the others come from published texts and name them.

>>> from shahrdad.datasets.demo_set import demo_datasets
>>> first = demo_datasets()[0]
>>> first.city, first.family, first.path.name, first.example
('kerman', 'org_units', 'org-units.csv', True)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parent / "examples"


@dataclass(frozen=True, slots=True, eq=False)
class DemoDataset:
    """One file of the demonstration.

    Attributes:
        city: Slug of the city that the rows are of; `forum` for the forum itself.
        published_by: Slug of the node that publishes it; the city, but for the forum.
        city_code: What rule G1 expects in every row.
        path: The file as the city has it, with its own layout.
        profile: The mapping profile of this layout; None for a filled template, which
            needs none.
        declared: Announced figures, by name of the control total, as people say them.
        expect: `published`, or `refused` for the file with errors on purpose.
        expect_errors: For a refused file: row of the file, field, code and reason.
        notes: What a reader should know, in both languages.
    """

    city: str
    published_by: str
    city_code: str
    slug: str
    family: str
    path: Path
    title_fa: str
    title_en: str
    description_fa: str
    description_en: str
    keywords_fa: tuple[str, ...]
    keywords_en: tuple[str, ...]
    license: str
    example: bool
    fiscal_year: int | None
    sources: tuple[Mapping[str, str], ...]
    declared: Mapping[str, str]
    profile: Mapping[str, Any] | None
    expect: Literal["published", "refused"]
    expect_errors: tuple[Mapping[str, Any], ...]
    notes: tuple[Mapping[str, str], ...]


@cache
def manifest() -> dict[str, Any]:
    """Return `demo.json`; do not change it, it is shared."""
    text = (FOLDER / "demo" / "demo.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def release_date() -> str:
    """Return the ISO day on which the demonstration's data count as released."""
    return str(manifest()["release_date"])


@cache
def demo_datasets() -> tuple[DemoDataset, ...]:
    """Return the datasets of the demonstration, in publishing order."""
    publishers = {
        city["slug"]: city.get("published_by", city["slug"])
        for city in manifest()["cities"]
    }
    return tuple(_dataset(item, publishers) for item in manifest()["datasets"])


def open_examples() -> Path:
    """Return the folder of open data of others, with its `datapackage.json`."""
    return FOLDER / "open"


def texts() -> dict[str, Any]:
    """Return the figures and inconsistencies of the five source texts."""
    text = (FOLDER / "texts" / "figures.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _dataset(item: Mapping[str, Any], publishers: Mapping[str, str]) -> DemoDataset:
    return DemoDataset(
        city=item["city"],
        published_by=publishers[item["city"]],
        city_code=item["city_code"],
        slug=item["slug"],
        family=item["family"],
        path=FOLDER / "demo" / item["file"],
        title_fa=item["title_fa"],
        title_en=item["title_en"],
        description_fa=item["description_fa"],
        description_en=item["description_en"],
        keywords_fa=tuple(item["keywords_fa"]),
        keywords_en=tuple(item["keywords_en"]),
        license=item["license"],
        example=item["example"],
        fiscal_year=item["fiscal_year"],
        sources=tuple(item["sources"]),
        declared=item["declared"],
        profile=item["profile"],
        expect=item["expect"],
        expect_errors=tuple(item.get("expect_errors", ())),
        notes=tuple(item.get("notes", ())),
    )
