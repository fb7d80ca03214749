"""The code lists that standards and importers refer to, with where they come from.

A list is a CSV file in `codelists/`; `codelists/datapackage.json` says for each what it
holds, which columns are its key and its labels, its version, sources, licences and
attribution. A list that lives inside a schema, as the categories of a field, is found
by the same call.

>>> from shahrdad.datasets.codelists import code_list, cities
>>> code_list("money_units").label("milliard_toman", "fa")
'میلیارد تومان'
>>> "kerman" in code_list("service_code").values
False
>>> next(city for city in cities() if city.slug == "kerman").code
'1346'
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from shahrdad.datasets.errors import Language, Reason, RequestError

FOLDER = Path(__file__).parent / "codelists"
FORUM_CODE = "0000"  # the forum of cities itself
SAMPLE_CODE = "9999"  # the sample city of examples and tests; never publishable


@dataclass(frozen=True, slots=True)
class CodeList:
    """A list of codes.

    Attributes:
        name: As in a schema's `codeList` or a rule's `list`.
        version: Semantic version; a new code is a new minor version.
        key: The column of the code.
        rows: One mapping a code, from column to text.
    """

    name: str
    version: str
    title_fa: str
    title_en: str
    key: str
    label_fa: str
    label_en: str
    rows: tuple[Mapping[str, str], ...]

    @property
    def values(self) -> frozenset[str]:
        """The codes."""
        return frozenset(row[self.key] for row in self.rows)

    def row(self, value: str) -> Mapping[str, str] | None:
        """Return the row of a code, or None."""
        return next((row for row in self.rows if row[self.key] == value), None)

    def label(self, value: str, language: Language) -> str:
        """Return a code's label; an unknown code is its own label.

        Readers keep codes that they do not know: a newer minor version has them.
        """
        row = self.row(value)
        if row is None:
            return value
        return row[self.label_fa if language == "fa" else self.label_en] or value


@dataclass(frozen=True, slots=True)
class City:
    """A city of the network.

    Attributes:
        code: Four digits, the short SCI code; the key of every table.
        slug: What addresses use.
        iso: ISO 3166-2 code of its province; empty for forum and sample.
        population: Census of 1395, or None where no published table was read.
        publishable: False for the sample city alone.
    """

    code: str
    slug: str
    name_fa: str
    name_en: str
    iso: str
    province_fa: str
    province_en: str
    lat: float | None
    lon: float | None
    population: int | None
    publishable: bool

    def name(self, language: Language) -> str:
        """Return the name in a language."""
        return self.name_fa if language == "fa" else self.name_en


@cache
def lists() -> tuple[str, ...]:
    """Return the names of all lists, those inside schemas too."""
    return tuple(sorted({*_resources(), *_categories()}))


@cache
def code_list(name: str) -> CodeList:
    """Return a list; a file of this name wins over categories of this name.

    Raises:
        RequestError: CODE_LIST_UNKNOWN.
    """
    if name in _resources():
        return _from_file(_resources()[name])
    if name in _categories():
        return _categories()[name]
    raise RequestError(Reason.CODE_LIST_UNKNOWN, name=name, names=", ".join(lists()))


@cache
def cities() -> tuple[City, ...]:
    """Return the 31 capitals of provinces, the forum and the sample city."""
    return tuple(
        City(
            code=row["city_code"],
            slug=row["slug"],
            name_fa=row["name_fa"],
            name_en=row["name_en"],
            iso=row["iso_3166_2"],
            province_fa=row["province_fa"],
            province_en=row["province_en"],
            lat=float(row["lat"]) if row["lat"] else None,
            lon=float(row["lon"]) if row["lon"] else None,
            population=int(row["population"]) if row["population"] else None,
            publishable=row["city_code"] != SAMPLE_CODE,
        )
        for row in code_list("cities").rows
    )


def city(key: str) -> City | None:
    """Return a city by code or slug, or None."""
    return next((city for city in cities() if key in {city.code, city.slug}), None)


def sidecar(name: str) -> Mapping[str, Any]:
    """Return the Data Package resource of a list in a file: sources, licences, fields.

    Raises:
        RequestError: CODE_LIST_UNKNOWN, also for a list that lives in a schema.
    """
    if name not in _resources():
        raise RequestError(
            Reason.CODE_LIST_UNKNOWN, name=name, names=", ".join(sorted(_resources()))
        )
    return _resources()[name]


@cache
def _resources() -> dict[str, dict[str, Any]]:
    package = json.loads((FOLDER / "datapackage.json").read_text("utf-8"))
    return {resource["name"]: resource for resource in package["resources"]}


def _from_file(resource: Mapping[str, Any]) -> CodeList:
    with (FOLDER / resource["path"]).open(encoding="utf-8", newline="") as file:
        rows = tuple(csv.DictReader(file))
    ours = resource["shahrdad"]
    return CodeList(
        name=resource["name"],
        version=resource["version"],
        title_fa=resource["title"],
        title_en=resource["title_en"],
        key=ours["key"],
        label_fa=ours["label"],
        label_en=ours["label_en"],
        rows=rows,
    )


@cache
def _categories() -> dict[str, CodeList]:
    # Imported here: a standard needs no list to be read, a list may need standards.
    from shahrdad.datasets.standards import families, load

    found: dict[str, CodeList] = {}
    for family in families():
        for field in load(family).fields:
            if field.code_list is None or not field.categories:
                continue
            found[field.code_list] = CodeList(
                name=field.code_list,
                version=load(family).version,
                title_fa=field.title_fa,
                title_en=field.title_en,
                key="value",
                label_fa="label",
                label_en="label_en",
                rows=tuple(
                    {"value": c.value, "label": c.label_fa, "label_en": c.label_en}
                    for c in field.categories
                ),
            )
    return found
