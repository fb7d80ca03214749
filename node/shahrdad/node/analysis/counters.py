"""Headline counters (9.5), each beside the figure that its city announced."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from shahrdad.datasets.jalali import from_gregorian
from shahrdad.node.analysis.budget import statement
from shahrdad.node.analysis.releases import Gathered, Input, Release

SELECTED = frozenset({"selected", "piloting", "implemented"})


@dataclass(frozen=True, slots=True)
class Counter:
    """A headline figure of a city.

    Attributes:
        value: None where the city has not published what it needs.
        declared: What was announced, as people said it; None where nothing was.
        unit: "count" or "rial".
    """

    name: str
    city: str
    value: int | None
    declared: str | None
    unit: str
    input: Input | None


def jalali_year(days: list[date]) -> int | None:
    """Return the Jalali year of the newest day; None of no day."""
    return from_gregorian(max(days))[0] if days else None


def completed(release: Release) -> int:
    """Count projects completed in the year that the release speaks of (P18)."""
    rows = release.rows("status", "actual_end_date", "as_of_date")
    year = jalali_year([row["as_of_date"] for row in rows if row["as_of_date"]])
    return sum(
        row["status"] in {"completion", "maintenance"}
        and row["actual_end_date"] is not None
        and from_gregorian(row["actual_end_date"])[0] == year
        for row in rows
    )


def active_sites(release: Release) -> int:
    """Count active work sites (W10)."""
    return sum(row["site_status"] == "active" for row in release.rows("site_status"))


def setad_contracts(release: Release) -> int:
    """Count contracts that are registered in SETAD (C14)."""
    rows = release.rows("contract_id", "registered_setad")
    return len({row["contract_id"] for row in rows if row["registered_setad"]})


def running_systems(release: Release) -> int:
    """Count systems that run."""
    rows = release.rows("lifecycle_status")
    return sum(row["lifecycle_status"] == "operational" for row in rows)


def ideas(release: Release) -> int:
    """Count ideas (I5)."""
    return int(release.table.num_rows)


def selected_ideas(release: Release) -> int:
    """Count selected ideas (I6)."""
    return sum(row["status"] in SELECTED for row in release.rows("status"))


def budget_total(release: Release) -> int | None:
    """Return the approved uses of the municipality, in rial (B18)."""
    chosen = statement(release, "municipality")
    return chosen.total("use").approved if chosen else None


COUNTERS: dict[str, tuple[str, str, str, Callable[[Release], int | None]]] = {
    # name: (family, declared total, unit, how)
    "budget": ("budget_lines", "budget_municipality_rial", "rial", budget_total),
    "projects_completed": ("projects", "projects_completed", "count", completed),
    "work_sites_active": ("work_sites", "work_sites_active", "count", active_sites),
    "contracts_setad": ("contracts", "contracts_setad", "count", setad_contracts),
    "systems_operational": ("active_systems", "", "count", running_systems),
    "ideas_submitted": ("ideas", "ideas_submitted", "count", ideas),
    "ideas_selected": ("ideas", "ideas_selected", "count", selected_ideas),
}
FAMILIES = tuple(dict.fromkeys(family for family, *_ in COUNTERS.values()))


def counters(gathered: dict[str, Gathered]) -> list[Counter]:
    """Return the counters of every city.

    Args:
        gathered: By family, all of `FAMILIES`; of budgets those of one year.
    """
    found = []
    for name, (family, total, unit, how) in COUNTERS.items():
        for city in gathered[family].cities:
            release = gathered[family].first(city)
            found.append(
                Counter(
                    name=name,
                    city=city,
                    value=how(release) if release else None,
                    declared=release.declared.get(total) if release else None,
                    unit=unit,
                    input=release.input if release else None,
                )
            )
    return found
