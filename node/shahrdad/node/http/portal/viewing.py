"""What the pages of figures have alike: releases, labels, links to the rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from shahrdad.datasets.codelists import city as listed_city
from shahrdad.datasets.codelists import code_list
from shahrdad.datasets.errors import Language, RequestError
from shahrdad.datasets.standards import load
from shahrdad.node.analysis.releases import (
    Excluded,
    Input,
    Releases,
    Tables,
    inputs_digest,
)
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import CityName, city_name
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.texts import say
from shahrdad.node.http.view import NodeView

FILES = {"Excel": "xlsx", "CSV": "csv", "Parquet": "parquet"}


class Reading:
    """Keeps the reader of the newest releases until the logs or their states change.

    Figures over all cities are computed once for each state of the catalog, not once a
    request.
    """

    def __init__(self) -> None:
        self._tables = Tables()
        self._kept: tuple[object, Releases] | None = None

    def newest(self, node: NodeView) -> Releases:
        """Return a reader of what the node holds now."""
        connection = node.database.connect()
        logs = node.federation_status().get("logs") or []
        states = tuple((log.get("origin"), log.get("state")) for log in logs)
        key = (holdings.epoch(connection), holdings.newest_change(connection), states)
        kept = self._kept
        if kept is None or kept[0] != key:
            kept = (key, Releases(node, tables=self._tables))
            self._kept = kept
        return kept[1]


def releases(call: Call) -> Releases:
    """Return a reader of the newest releases."""
    reading: Reading = call.request.app.state.reading
    return reading.newest(call.node)


def label(family: str, field: str, value: object, language: Language) -> str:
    """Return a code's label; an unknown code is its own label."""
    if value is None:
        return ""
    return labels(family, field, language).get(str(value), str(value))


@cache
def labels(family: str, field: str, language: Language) -> Mapping[str, str]:
    """Return the codes of a field with their labels."""
    return dict(options(family, field, language))


def listed(name: str, value: str, language: Language) -> str:
    """Return the label of a code of a list in a file."""
    try:
        return code_list(name).label(value, language)
    except RequestError:
        return value


def options(family: str, field: str, language: Language) -> list[tuple[str, str]]:
    """Return the codes of a field with their labels, for a filter."""
    return [
        (one.value, one.label(language)) for one in load(family).field(field).categories
    ]


def name_of(call: Call, slug: str) -> CityName:
    """Return a city's name."""
    return city_name(slug, call.node.config)


def by_code(code: str, language: Language) -> str:
    """Return the name of a city by its code."""
    found = listed_city(code)
    return found.name(language) if found else code


def rows_link(language: Language, one: Input, **filters: object) -> str:
    """Return the address of the rows behind a figure, at the version that was used."""
    query = urlencode({name: str(value) for name, value in filters.items()})
    address = f"/{language}/d/{one.ref}/v/{one.version}/rows"
    return f"{address}?{query}" if query else address


@dataclass(frozen=True, slots=True)
class TableLinks:
    """Where the figures of a page lie as a table: title, and each format's address."""

    title: str
    files: tuple[tuple[str, str], ...]


def analysis(language: Language, name: str, **asked: object) -> TableLinks:
    """Return the links of an analysis, asked for what a page shows."""
    given = {key: str(value) for key, value in asked.items() if value}
    query = f"?{urlencode(given)}" if given else ""
    address = f"/v1/analyses/{name}"
    return TableLinks(
        say(language, f"analyses.{name}"),
        (
            *((label, f"{address}.{ext}{query}") for label, ext in FILES.items()),
            ("JSON", f"{address}{query}"),
        ),
    )


def whole_family(language: Language, family: str) -> TableLinks:
    """Return the links of a standard's table over all cities."""
    address = f"/v1/families/{family}"
    return TableLinks(
        load(family).title(language),
        (
            *((label, f"{address}/export.{ext}") for label, ext in FILES.items()),
            ("JSON", f"{address}/rows"),
        ),
    )


def grounds(
    call: Call,
    inputs: Iterable[Input],
    excluded: Iterable[Excluded] = (),
    tables: Sequence[TableLinks] = (),
) -> dict[str, Any]:
    """Return what stands below every page of figures.

    Args:
        call: The request.
        inputs: The versions that the page used.
        excluded: What was left out.
        tables: The same figures as tables.
    """
    used = tuple(sorted(set(inputs)))
    return {
        "tables": tables if used else (),
        "inputs": used,
        "digest": inputs_digest(used),
        "excluded": [{"one": one, "city": name_of(call, one.city)} for one in excluded],
    }


def text(name: str) -> Parameter:
    """Return a parameter of a page's filter form."""
    return Parameter(name, "text", "")


def choice(name: str, *choices: str) -> Parameter:
    """Return a parameter of a form with choices; an empty one means none."""
    return Parameter(name, "choice", "", choices=("", *choices))
