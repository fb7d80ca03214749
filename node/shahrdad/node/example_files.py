"""The example files that come with the software, and how each is handed in.

Invented data says so in its title and its record; what comes from published texts names
its source. Nothing here is presented as a city's own data.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.publish import Handed
from shahrdad.node.record import Description

FOLDER = files("shahrdad.datasets") / "examples" / "demo"


@dataclass(frozen=True, slots=True)
class Example:
    """One example file.

    Attributes:
        city: Whose node publishes it.
        name: The file's name without ending; also what the command calls it.
        refused: Whether it has errors on purpose.
    """

    city: str
    city_code: str
    name: str
    slug: str
    family: str
    path: Path
    description: Description
    profile: Mapping[str, Any] | None
    declared: Mapping[str, str]
    refused: bool

    def handed(self, file: Path | None = None) -> Handed:
        """Return the file ready to be handed in.

        Args:
            file: A copy of it, which may have been changed.
        """
        context: dict[str, Any] = {"city_code": self.city_code}
        if self.declared:
            context["declared"] = dict(self.declared)
        return Handed(
            file=file or self.path,
            slug=self.slug,
            family=self.family,
            description=self.description,
            profile=self.profile or {},
            context=context,
        )


@cache
def examples() -> tuple[Example, ...]:
    """Return the example files, in the order in which they can be published."""
    manifest = json.loads((FOLDER / "demo.json").read_text("utf-8"))
    publishers = {
        city["slug"]: city.get("published_by", city["slug"])
        for city in manifest["cities"]
    }
    return tuple(
        Example(
            city=publishers[item["city"]],
            city_code=item["city_code"],
            name=Path(item["file"]).stem,
            slug=item["slug"],
            family=item["family"],
            path=Path(str(FOLDER / item["file"])),
            description=Description(
                title_fa=item["title_fa"],
                title_en=item["title_en"],
                description_fa=item["description_fa"],
                description_en=item["description_en"],
                keywords_fa=tuple(item["keywords_fa"]),
                keywords_en=tuple(item["keywords_en"]),
                license=item["license"],
                fiscal_year=item["fiscal_year"],
                sources=tuple(item["sources"]),
                example=item["example"],
            ),
            profile=item["profile"],
            declared=item["declared"],
            refused=item["expect"] == "refused",
        )
        for item in manifest["datasets"]
    )


def find_example(city: str, name: str) -> Example:
    """Return an example by city and name.

    Raises:
        RequestError: EXAMPLE_UNKNOWN.
    """
    for example in examples():
        if (example.city, example.name) == (city, name):
            return example
    known = ", ".join(f"{example.city} {example.name}" for example in examples())
    raise RequestError(Reason.EXAMPLE_UNKNOWN, city=city, name=name, examples=known)
