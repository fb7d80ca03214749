"""Filling in what a person did not say about a file: slug, titles, licence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shahrdad.datasets import standards
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.config import Config
from shahrdad.node.incoming import profiles
from shahrdad.node.publish import Handed
from shahrdad.node.record import LICENSES, Description


def default_slug(family: str, fiscal_year: int | None) -> str:
    """Return the default slug of a family: `projects`, `active-systems`, `budget-1404`.

    A family that has one dataset a year needs the year.

    Raises:
        RequestError: YEAR_NEEDED.
    """
    standard = standards.load(family)
    name = "budget" if family == "budget_lines" else family.replace("_", "-")
    if standard.dataset_per == "city":
        return name
    if fiscal_year is None:
        raise RequestError(Reason.YEAR_NEEDED, family=family)
    return f"{name}-{fiscal_year}"


def handed_of(
    config: Config,
    file: Path,
    *,
    family: str,
    slug: str | None = None,
    title_fa: str | None = None,
    title_en: str | None = None,
    description_fa: str = "",
    description_en: str = "",
    license: str | None = None,  # noqa: A002
    fiscal_year: int | None = None,
    sources: tuple[str, ...] = (),
    note_fa: str = "",
    example: bool = False,
    profile: Mapping[str, Any] | None = None,
    declared: Mapping[str, str] | None = None,
    waived: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Handed:
    """Return a file ready to be handed in, with sensible defaults.

    Raises:
        RequestError: STANDARD_UNKNOWN, YEAR_NEEDED, LICENSE_UNKNOWN.
    """
    standard = standards.load(family)
    license_ = license or config.publish.license
    if license_ not in LICENSES:
        raise RequestError(
            Reason.LICENSE_UNKNOWN, license=license_, licenses=", ".join(LICENSES)
        )
    year_fa = f" {fiscal_year}" if fiscal_year else ""
    city_fa = config.node.name_fa or config.node.city
    city_en = config.node.name_en or config.node.city.title()
    context: dict[str, Any] = {}
    if declared:
        context["declared"] = dict(declared)
    if waived:
        context["waived"] = dict(waived)
    return Handed(
        file=file,
        slug=slug or default_slug(family, fiscal_year),
        family=family,
        description=Description(
            title_fa=title_fa or f"{standard.title_fa}{year_fa}، {city_fa}",
            title_en=title_en or f"{standard.title_en}{year_fa}, {city_en}",
            description_fa=description_fa or standard.description_fa,
            description_en=description_en or standard.description_en,
            license=license_,
            fiscal_year=fiscal_year,
            sources=tuple({"title": source} for source in sources),
            note_fa=note_fa,
            example=example,
        ),
        profile=with_constants(profile or {}, standard, config, fiscal_year),
        context=context,
        options={
            name: value for name, value in (options or {}).items() if value is not None
        },
    )


def with_constants(
    profile: Mapping[str, Any],
    standard: standards.Standard,
    config: Config,
    fiscal_year: int | None,
) -> dict[str, Any]:
    """Add to a profile what the node itself knows: the city, and the year.

    They are constants of columns that the profile says nothing about. Where it names no
    column of the file at all, one of the file's wins over a constant.
    """
    known = {"city_code": config.node.city_code}
    if fiscal_year is not None:
        known["fiscal_year"] = str(fiscal_year)
    constants = [
        {"to": name, "constant": value}
        for name, value in known.items()
        if name in standard.field_names
    ]
    return profiles.with_constants(profile, constants)
