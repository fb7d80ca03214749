"""The rows of the tables over all cities, one function a table; `tables` lists them.

Each yields its rows in an order that is its own and never changes for the same
releases. A value that is not known is None, and a city that published nothing has no
row: nothing is not 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from shahrdad.node.analysis import (
    budget,
    counters,
    districts,
    duties,
    permits,
    projects,
    resolutions,
    scorecard,
    suppliers,
    systems,
)
from shahrdad.node.analysis.releases import Gathered, Input, Release, Releases, Row
from shahrdad.node.analysis.share import Share, rounded

SCORECARD_FAMILIES = ("org_units", "active_systems", "projects", "permit_stats")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a table is asked for.

    Attributes:
        today: The day on which lateness is judged.
        year: Of budgets; None for every year, and for the newest where one counts.
        city: Only its rows; None for all.
        by: A dimension of budgets.
    """

    today: date
    year: int | None = None
    city: str | None = None
    scope: str = "municipality"
    side: Literal["source", "use"] = "use"
    by: str = "class"


def statements(releases: Releases, asked: Asked) -> Iterator[budget.Statement]:
    """Yield the budgets that are asked for, by city and year."""
    gathered = releases.gather("budget_lines", asked.year)
    for release in sorted(
        gathered.releases, key=lambda one: (one.city, one.fiscal_year or 0, one.ref)
    ):
        chosen = budget.statement(release, asked.scope)
        if chosen is not None:
            yield chosen


def percent(share: Share | None, places: int = 2) -> str | None:
    """Return a share in per cent, as decimal text."""
    found = share.percent(places) if share else None
    return None if found is None else f"{found:f}"


def decimal(value: Fraction | None, places: int = 2) -> str | None:
    """Return a fraction as decimal text."""
    return None if value is None else f"{rounded(value, places):f}"


def budgets(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield report 9.9: a line for each budget."""
    for chosen in statements(releases, asked):
        one = budget.comparison(chosen)
        yield {
            "city": one.city,
            "fiscal_year": chosen.year,
            "period": one.period,
            "scope": one.scope,
            "approved_rial": one.uses.approved,
            "amended_rial": one.uses.amended,
            "current_rial": one.uses.current,
            "actual_rial": one.uses.actual,
            "realised_percent": percent(one.uses.realised),
            "sources_approved_rial": one.sources.approved,
            "sources_actual_rial": one.sources.actual,
            "population": one.population,
            "per_resident_rial": one.per_resident,
            "operating_percent": percent(one.current_share),
            "capital_percent": percent(one.capital_share),
            "sustainable_percent": percent(one.sustainable_share),
            "cash_percent": percent(one.cash_share),
            "ref": chosen.input.ref,
            "version": chosen.input.version,
        }


def budget_parts(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield the parts of one side of each budget, the largest first."""
    for chosen in statements(releases, asked):
        lines = chosen.side(asked.side)
        whole = budget.total(lines).current
        for part in budget.parts(lines, asked.by):
            sums = part.amounts
            yield {
                "city": chosen.city,
                "fiscal_year": chosen.year,
                "period": chosen.period,
                "scope": chosen.scope,
                "side": asked.side,
                "dimension": asked.by,
                "code": part.key or None,
                "title": part.title or None,
                "lines": sums.lines,
                "approved_rial": sums.approved,
                "amended_rial": sums.amended,
                "current_rial": sums.current,
                "actual_rial": sums.actual,
                "share_percent": percent(Share(sums.current, whole)),
                "ref": chosen.input.ref,
                "version": chosen.input.version,
            }


def smart_share(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield report 9.3: the smart-city share of each city's budget of a year."""
    gathered = releases.gather("budget_lines", asked.year or newest_year(releases))
    for release in first_of_each(gathered):
        share = smart_of(releases, release)
        if share is None:
            continue
        yield {
            "city": share.city,
            "fiscal_year": release.fiscal_year,
            "scope": share.scope,
            "narrow_rial": share.narrow.numerator,
            "wide_rial": share.wide.numerator,
            "whole_rial": share.narrow.denominator,
            "narrow_percent": percent(share.narrow),
            "wide_percent": percent(share.wide),
            "fell_back_to_municipality": share.fell_back,
            "ref": release.ref,
            "version": release.version,
        }


def smart_of(releases: Releases, release: Release) -> budget.SmartShare | None:
    """Return the smart-city share of a budget, with its city's projects."""
    return budget.smart_share(release, releases.gather("projects").first(release.city))


def newest_year(releases: Releases) -> int:
    """Return the newest year with a budget; 0 where there is none."""
    return next(iter(releases.years()), 0)


def first_of_each(gathered: Gathered) -> list[Release]:
    """Return the first release of each city, by city."""
    first: dict[str, Release] = {}
    for release in gathered.releases:
        first.setdefault(release.city, release)
    return [first[city] for city in sorted(first)]


def system_list(releases: Releases, _: Asked) -> Iterator[Row]:
    """Yield report 9.1 in full: every system of the matrix, cell by cell."""
    matrix = systems.matrix(releases.gather("active_systems"))
    for area in matrix.areas:
        for city in sorted(matrix.published):
            for one in matrix.cells.get((area, city), ()):
                row = one.row
                yield {
                    "business_area": area,
                    "city": city,
                    "system_id": row["system_id"],
                    "name_fa": row["name_fa"],
                    "product": one.product,
                    "product_name": None if one.name_only else row["product_name"],
                    "vendor_name": None if one.name_only else row["vendor_name"],
                    "lifecycle_status": row["lifecycle_status"],
                    "is_running": one.running,
                    "has_api": row["has_api"],
                    "is_offered": one.offered,
                    "has_lessons": bool(row["lessons_fa"]),
                    "cost_fiscal_year": row["cost_fiscal_year"],
                    "yearly_cost_rial": row["yearly_cost_rial"],
                    "internal_users": row["internal_users"],
                    "ref": one.ref,
                    "version": one.version,
                }


def duplicates(releases: Releases, _: Asked) -> Iterator[Row]:
    """Yield report 9.2: products that two cities or more run, and what each pays."""
    found = systems.duplicates(systems.systems(releases.gather("active_systems")))
    for one in found:
        for city in one.cities:
            yield {
                "product": one.product,
                "product_name": one.name,
                "vendor_name": one.vendor or None,
                "cities": len(one.cities),
                "city": city,
                "cost_fiscal_year": one.year,
                "yearly_cost_rial": one.costs.get(city),
                "per_user_rial": one.per_user(city),
                "median_rial": one.median,
                "spread": decimal(one.spread),
            }


def suppliers_by_city(releases: Releases, _: Asked) -> Iterator[Row]:
    """Yield what each city buys from each supplier: contracts and systems."""
    found = suppliers.suppliers(
        releases.gather("contracts"), releases.gather("active_systems")
    )
    for one in found.values():
        for city in one.cities:
            number, amount = one.of(city)
            yield {
                "supplier": one.key,
                "name": one.name,
                "city": city,
                "contracts": number,
                "amount_rial": amount,
                "systems": sum(system.city == city for system in one.systems),
            }


def contract_totals(releases: Releases, _: Asked) -> Iterator[Row]:
    """Yield what each city's contracts come to by method, type and size."""
    gathered = releases.gather("contracts")
    every = suppliers.contracts(gathered)
    for city in sorted({one.city for one in every}):
        found = suppliers.totals([one for one in every if one.city == city])
        for dimension, listed in found.breakdowns.items():
            for total in listed:
                yield {
                    "city": city,
                    "dimension": dimension,
                    "code": total.code,
                    "contracts": total.number,
                    "amount_rial": total.amount,
                }


def joint_purchase(releases: Releases, _: Asked) -> Iterator[Row]:
    """Yield the areas that three cities or more serve without a product in common."""
    matrix = systems.matrix(releases.gather("active_systems"))
    for area, cities in systems.candidates(matrix):
        for city in cities:
            yield {"business_area": area, "cities": len(cities), "city": city}


def delays(releases: Releases, _: Asked) -> Iterator[Row]:
    """Yield report 9.11: every project with its days late (P15), the latest first."""
    for one in projects.projects(releases.gather("projects")):
        row = one.row
        yield {
            "city": one.city,
            "project_id": one.key,
            "title_fa": row["title_fa"],
            "status": row["status"],
            "district_no": row["district_no"],
            "physical_progress": row["physical_progress"],
            "planned_end_date": row["planned_end_date"],
            "actual_end_date": row["actual_end_date"],
            "as_of_date": row["as_of_date"],
            "days_late": one.days_late,
            "is_finished": one.finished,
            "ref": one.ref,
            "version": one.version,
        }


def promises(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield what each release said of each project: the history of promised ends."""
    for release in releases.gather("projects").releases:
        if asked.city not in {None, release.city}:
            continue
        for key, said in sorted(projects.promises(releases, release.ref).items()):
            for one in said:
                yield {
                    "city": release.city,
                    "project_id": key,
                    "version": one.version,
                    "time": one.time,
                    "planned_end_date": one.planned_end,
                    "physical_progress": one.physical,
                    "status": one.status,
                    "ref": release.ref,
                }


def counter_list(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield report 9.5: headline counters beside the announced figures."""
    gathered = {family: releases.gather(family) for family in counters.FAMILIES}
    year = asked.year or newest_year(releases)
    gathered["budget_lines"] = releases.gather("budget_lines", year)
    for one in counters.counters(gathered):
        if one.input is None:
            continue
        yield {
            "name": one.name,
            "city": one.city,
            "unit": one.unit,
            "value": None if one.value is None else str(one.value),
            "declared": one.declared,
            "ref": one.input.ref,
            "version": one.input.version,
        }


def equity(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield report 9.6: what each district has, and per 1,000 inhabitants."""
    year = asked.year or newest_year(releases)
    for city in releases.cities():
        found = districts.equity(
            city,
            releases.gather("projects").first(city),
            releases.gather("work_sites").first(city),
            releases.gather("budget_lines", year).first(city),
        )
        for one in found.districts if found else ():
            yield {
                "city": city,
                "district_no": one.number,
                "population": one.population,
                "projects_completed": one.projects,
                "sites_active": one.sites,
                "capital_rial": one.capital,
                "projects_per_thousand": decimal(one.per_thousand("projects"), 3),
                "sites_per_thousand": decimal(one.per_thousand("sites"), 3),
                "capital_per_thousand_rial": decimal(one.per_thousand("capital"), 0),
            }


def permit_speed(releases: Releases, _: Asked) -> Iterator[Row]:
    """Yield report 9.10: how long each service takes, by city and district."""
    for cities in permits.speeds(releases.gather("permit_stats")).values():
        for city in sorted(cities):
            for one in cities[city]:
                yield {
                    "service_code": one.service,
                    "city": city,
                    "district_no": one.district,
                    "period_start": one.first,
                    "period_end": one.last,
                    "is_suppressed": one.is_suppressed,
                    "received": one.received,
                    "completed": one.completed,
                    "median_days": one.median,
                    "p90_days": one.p90,
                    "legal_limit_days": one.limit,
                    "within_limit_pct": one.within,
                    "online_pct": one.online,
                    "ref": one.input.ref,
                    "version": one.input.version,
                }


def duty_list(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield report 9.7: the duties of the last twelve months, met, late or missing."""
    since = date.fromordinal(asked.today.toordinal() - duties.YEAR_DAYS + 1)
    for one in duties.judge(releases, asked.today, since):
        yield {
            "city": one.city,
            "duty": one.due.duty,
            "family": one.due.family,
            "year": one.due.year,
            "period": one.due.period,
            "due": one.due.due,
            "state": one.state,
            "days": one.days,
            "ref": one.input.ref if one.input else None,
            "version": one.input.version if one.input else None,
        }


def scorecards(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield report 9.4: every figure of a scorecard with the two numbers behind it."""
    gathered = {family: releases.gather(family) for family in SCORECARD_FAMILIES}
    since = date.fromordinal(asked.today.toordinal() - duties.YEAR_DAYS + 1)
    judged = duties.judge(releases, asked.today, since)
    year = asked.year or newest_year(releases)
    for city in releases.cities():
        release = releases.gather("budget_lines", year).first(city)
        smart = smart_of(releases, release) if release else None
        card = scorecard.scorecard(city, gathered, smart, judged)
        if card.inputs:
            yield from measures_of(card)


def measures_of(card: scorecard.Scorecard) -> Iterator[Row]:
    """Yield the measures of a scorecard that could be computed."""
    counts = {
        "systems_operational": card.systems,
        "projects_active": card.projects_active,
        "projects_completed": card.projects_completed,
        "headcount": card.headcount,
    }
    shares = {
        "with_api": card.with_api,
        "with_lessons": card.with_lessons,
        "offered": card.offered,
        "integrations": card.integrations,
        "budget_narrow": card.budget_narrow,
        "on_time": card.on_time,
    }
    online = decimal(card.online_pct)
    for name, count in counts.items():
        if count is not None:
            yield measure(card.city, name, value=str(count))
    for name, share in shares.items():
        if share is not None:
            value = percent(share)
            yield measure(
                card.city, name, str(share.numerator), str(share.denominator), value
            )
    if online is not None:
        yield measure(card.city, "online", value=online)


def measure(
    city: str,
    name: str,
    numerator: str | None = None,
    denominator: str | None = None,
    value: str | None = None,
) -> Row:
    """Return a measure of a city; a share is in per cent beside its two numbers."""
    return {
        "city": city,
        "measure": name,
        "numerator": numerator,
        "denominator": denominator,
        "value": value,
    }


def resolution_counts(releases: Releases, asked: Asked) -> Iterator[Row]:
    """Yield report 9.8: what is open of each body, by responsible city."""
    followed = resolutions.follow(releases.gather("resolutions"), asked.today)
    for one in followed.counts:
        yield {
            "body": one.body,
            "city_code": one.city_code or None,
            "open": one.number,
            "overdue": one.overdue,
            "oldest": one.oldest,
        }


def inputs_of(found: list[Gathered]) -> tuple[Input, ...]:
    """Return the versions of all these releases, each once."""
    return tuple(sorted({one for gathered in found for one in gathered.inputs}))
