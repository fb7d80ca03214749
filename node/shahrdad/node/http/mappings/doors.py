"""Which dataset is offered in the words of which standard: `/d/{ref}.{suffix}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.mappings import (
    budget,
    contracts,
    ideas,
    projects,
    services,
    systems,
    work_sites,
)

JSON = "application/json"
GEOJSON = "application/geo+json"


@dataclass(frozen=True, slots=True)
class Door:
    """A form of the datasets of some standards.

    Attributes:
        families: The standards that have it.
        make: From a version and the parameters of the address to bytes.
        parameter: One that the address may have; "" for none.
    """

    families: frozenset[str]
    media_type: str
    make: Callable[[Shown, Mapping[str, str]], bytes]
    parameter: str = ""


def _of(*families: str) -> frozenset[str]:
    return frozenset(families)


DOORS: Mapping[str, Door] = {
    "oc4ids.json": Door(_of("projects"), JSON, projects.oc4ids),
    "ocds.json": Door(_of("contracts"), JSON, contracts.ocds),
    "publiccode.yml": Door(
        _of("active_systems"), "application/yaml", systems.publiccode, "system"
    ),
    "fiscal.datapackage.json": Door(
        _of("budget_lines"),
        "application/vnd.datapackage+json",
        budget.fiscal_package,
    ),
    "fiscal.csv": Door(
        _of("budget_lines"),
        "text/csv; charset=utf-8; header=present",
        budget.fiscal_csv,
    ),
    "geojson": Door(_of("projects", "work_sites"), GEOJSON, work_sites.geojson),
    "wzdx.geojson": Door(_of("work_sites"), GEOJSON, work_sites.wzdx),
    "cpsv.ttl": Door(_of("permit_stats"), "text/turtle", services.cpsv("ttl")),
    "cpsv.jsonld": Door(
        _of("permit_stats"), "application/ld+json", services.cpsv("jsonld")
    ),
    "pb": Door(_of("ideas"), "text/plain; charset=utf-8", ideas.pabulib, "event"),
}


def doors_of(family: str | None) -> dict[str, Door]:
    """Return the forms that datasets of a standard have, by suffix."""
    return {suffix: door for suffix, door in DOORS.items() if family in door.families}
