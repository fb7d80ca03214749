"""The example files that come with the software, and how each is handed in.

Invented data says so in its title and its record; what comes from published texts names
its source. Nothing here is presented as a city's own data.
"""

from pathlib import Path
from typing import Any

from shahrdad.datasets.demo_set import DemoDataset, demo_datasets
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.publish import Handed
from shahrdad.node.record import Description


def find_example(city: str, name: str) -> DemoDataset:
    """Return the example that a city's node publishes, by its file's name.

    Raises:
        RequestError: EXAMPLE_UNKNOWN.
    """
    for example in demo_datasets():
        if (example.published_by, example.path.stem) == (city, name):
            return example
    known = ", ".join(
        f"{item.published_by} {item.path.stem}" for item in demo_datasets()
    )
    raise RequestError(Reason.EXAMPLE_UNKNOWN, city=city, name=name, examples=known)


def handed(example: DemoDataset, file: Path | None = None) -> Handed:
    """Return an example ready to be handed in.

    Args:
        example: Which one.
        file: A copy of its file, which may have been changed.
    """
    context: dict[str, Any] = {"city_code": example.city_code}
    if example.declared:
        context["declared"] = dict(example.declared)
    return Handed(
        file=file or example.path,
        slug=example.slug,
        family=example.family,
        description=Description(
            title_fa=example.title_fa,
            title_en=example.title_en,
            description_fa=example.description_fa,
            description_en=example.description_en,
            keywords_fa=example.keywords_fa,
            keywords_en=example.keywords_en,
            license=example.license,
            fiscal_year=example.fiscal_year,
            sources=example.sources,
            example=example.example,
        ),
        profile=example.profile or {},
        context=context,
    )
