"""The figures of the pages as tables over all cities: reports 9.1 to 9.11 for programs.

    table = compute(find("budgets"), releases, Asked(today, year=1404))

A table has named, typed columns and says which versions it rests on, what was left out
and why, and which cities published nothing of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from shahrdad.node.analysis import budget, counters, table_rows
from shahrdad.node.analysis.releases import (
    Excluded,
    Gathered,
    Input,
    Releases,
    Row,
    inputs_digest,
)
from shahrdad.node.analysis.table_rows import Asked

Type = Literal["string", "integer", "decimal", "number", "boolean", "date"]
Make = Callable[[Releases, Asked], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        type: A `decimal` is exact, and text in JSON; so is an `integer` in rial, which
            may pass 2^53. A `number` is as its city published it.
        unit: "rial", "percent", "days", or "" for none.
    """

    name: str
    type: Type = "string"
    unit: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"name": self.name, "type": self.type, "unit": self.unit or None}


@dataclass(frozen=True, slots=True)
class Analysis:
    """A table that can be asked for.

    Attributes:
        name: Of its address and its title.
        report: Its number in the standards, "" for none.
        page: The page that shows the same figures.
        families: What it is computed from; cities that published none are missing.
        besides: What it looks at where a city published it.
        asks: The attributes of `Asked` that it looks at, besides `city` and `today`.
    """

    name: str
    report: str
    page: str
    families: tuple[str, ...]
    columns: tuple[Column, ...]
    make: Make
    asks: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """An analysis that was computed."""

    analysis: Analysis
    rows: tuple[Row, ...]
    inputs: tuple[Input, ...]
    excluded: tuple[Excluded, ...]
    missing: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What pins its figures."""
        return inputs_digest(self.inputs)


def columns(*described: str) -> tuple[Column, ...]:
    """Return columns of `name`, `name:type`, or `name:type:unit`.

    A name that ends in `_rial` is of whole rial, one in `_percent` of exact per cent.
    """
    found = []
    for text in described:
        name, _, rest = text.partition(":")
        kind, _, unit = rest.partition(":")
        if not rest and name.endswith("_rial"):
            kind, unit = "integer", "rial"
        elif not rest and name.endswith("_percent"):
            kind, unit = "decimal", "percent"
        found.append(Column(name, kind or "string", unit))  # type: ignore[arg-type]
    return tuple(found)


SOURCE = ("ref", "version:integer")
ANALYSES: tuple[Analysis, ...] = (
    Analysis(
        "budgets", "9.9", "/budget", ("budget_lines",),
        columns(
            "city", "fiscal_year:integer", "period", "scope", "approved_rial",
            "amended_rial", "current_rial", "actual_rial", "realised_percent",
            "sources_approved_rial", "sources_actual_rial", "population:integer",
            "per_resident_rial", "operating_percent", "capital_percent",
            "sustainable_percent", "cash_percent", *SOURCE,
        ),
        table_rows.budgets, ("year", "scope"),
    ),
    Analysis(
        "budget-parts", "", "/budget", ("budget_lines",),
        columns(
            "city", "fiscal_year:integer", "period", "scope", "side", "dimension",
            "code", "title", "lines:integer", "approved_rial", "amended_rial",
            "current_rial", "actual_rial", "share_percent", *SOURCE,
        ),
        table_rows.budget_parts, ("year", "scope", "side", "by"),
    ),
    Analysis(
        "smart-share", "9.3", "/compare", ("budget_lines",),
        columns(
            "city", "fiscal_year:integer", "scope", "narrow_rial", "wide_rial",
            "whole_rial", "narrow_percent", "wide_percent",
            "fell_back_to_municipality:boolean", *SOURCE,
        ),
        table_rows.smart_share, ("year",), besides=("projects",),
    ),
    Analysis(
        "systems", "9.1", "/systems", ("active_systems",),
        columns(
            "business_area", "city", "system_id", "name_fa", "product", "product_name",
            "vendor_name", "lifecycle_status", "is_running:boolean", "has_api:boolean",
            "is_offered:boolean", "has_lessons:boolean", "cost_fiscal_year:integer",
            "yearly_cost_rial", "internal_users:integer", *SOURCE,
        ),
        table_rows.system_list,
    ),
    Analysis(
        "duplicates", "9.2", "/systems", ("active_systems",),
        columns(
            "product", "product_name", "vendor_name", "cities:integer", "city",
            "cost_fiscal_year:integer", "yearly_cost_rial", "per_user_rial",
            "median_rial", "spread:decimal",
        ),
        table_rows.duplicates,
    ),
    Analysis(
        "suppliers", "", "/suppliers", ("contracts",),
        columns(
            "supplier", "name", "city", "contracts:integer", "amount_rial",
            "systems:integer",
        ),
        table_rows.suppliers_by_city, besides=("active_systems",),
    ),
    Analysis(
        "contract-totals", "", "/contracts", ("contracts",),
        columns("city", "dimension", "code", "contracts:integer", "amount_rial"),
        table_rows.contract_totals,
    ),
    Analysis(
        "joint-purchase", "9.2", "/systems", ("active_systems",),
        columns("business_area", "cities:integer", "city"),
        table_rows.joint_purchase,
    ),
    Analysis(
        "delays", "9.11", "/projects", ("projects",),
        columns(
            "city", "project_id", "title_fa", "status", "district_no:integer",
            "physical_progress:number:percent", "planned_end_date:date",
            "actual_end_date:date", "as_of_date:date", "days_late:integer:days",
            "is_finished:boolean", *SOURCE,
        ),
        table_rows.delays,
    ),
    Analysis(
        "promises", "9.11", "/projects", ("projects",),
        columns(
            "city", "project_id", "version:integer", "time", "planned_end_date:date",
            "physical_progress:number:percent", "status", "ref",
        ),
        table_rows.promises,
    ),
    Analysis(
        "counters", "9.5", "/", counters.FAMILIES,
        columns("name", "city", "unit", "value:decimal", "declared", *SOURCE),
        table_rows.counter_list, ("year",),
    ),
    Analysis(
        "equity", "9.6", "/cities", ("projects", "work_sites", "budget_lines"),
        columns(
            "city", "district_no:integer", "population:integer",
            "projects_completed:integer", "sites_active:integer", "capital_rial",
            "projects_per_thousand:decimal", "sites_per_thousand:decimal",
            "capital_per_thousand_rial:decimal:rial",
        ),
        table_rows.equity, ("year",),
    ),
    Analysis(
        "permit-speed", "9.10", "/permits", ("permit_stats",),
        columns(
            "service_code", "city", "district_no:integer", "period_start:date",
            "period_end:date", "is_suppressed:boolean", "received:integer",
            "completed:integer", "median_days:number:days", "p90_days:number:days",
            "legal_limit_days:number:days", "within_limit_pct:number:percent",
            "online_pct:number:percent", *SOURCE,
        ),
        table_rows.permit_speed,
    ),
    Analysis(
        "duties", "9.7", "/report",
        ("budget_lines", "active_systems", "projects"),
        columns(
            "city", "duty", "family", "year:integer", "period", "due:date", "state",
            "days:integer:days", *SOURCE,
        ),
        table_rows.duty_list,
    ),
    Analysis(
        "scorecards", "9.4", "/cities",
        (*table_rows.SCORECARD_FAMILIES, "budget_lines"),
        columns(
            "city", "measure", "numerator:decimal", "denominator:decimal",
            "value:decimal",
        ),
        table_rows.scorecards, ("year",),
    ),
    Analysis(
        "open-resolutions", "9.8", "/resolutions", ("resolutions",),
        columns("body", "city_code", "open:integer", "overdue:integer", "oldest:date"),
        table_rows.resolution_counts,
    ),
)  # fmt: skip
CHOICES = {"scope": budget.SCOPES, "side": budget.SIDES, "by": budget.DIMENSIONS}


def compute(analysis: Analysis, releases: Releases, asked: Asked) -> Table:
    """Return a table.

    A filter by city chooses rows alone: what a figure rests on, such as the median of a
    product over all cities, stays the same.
    """
    needed, more = (
        [sources(analysis, releases, asked, name) for name in names]
        for names in (analysis.families, analysis.besides)
    )
    rows = tuple(
        row
        for row in analysis.make(releases, asked)
        if asked.city is None or row.get("city", asked.city) == asked.city
    )
    published = {one.city for gathered in needed for one in gathered.releases}
    return Table(
        analysis,
        rows,
        table_rows.inputs_of([*needed, *more]),
        tuple(one for gathered in (*needed, *more) for one in gathered.excluded),
        tuple(sorted(set(releases.cities()) - published)),
    )


def sources(
    analysis: Analysis, releases: Releases, asked: Asked, family: str
) -> Gathered:
    """Return the releases of a family that an analysis looks at."""
    if family != "budget_lines" or "year" not in analysis.asks:
        return releases.gather(family)
    every_year = "scope" in analysis.asks and asked.year is None
    year = asked.year or table_rows.newest_year(releases)
    return releases.gather(family, None if every_year else year)
