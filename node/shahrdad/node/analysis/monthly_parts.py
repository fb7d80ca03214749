"""The parts of the monthly report, as its JSON has them.

Amounts in rial are decimal text; a percentage stands beside its two numbers.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from shahrdad.node.analysis import (
    budget,
    counters,
    districts,
    duties,
    projects,
    resolutions,
    scorecard,
    systems,
)
from shahrdad.node.analysis.month import Month
from shahrdad.node.analysis.releases import Gathered, Input, Releases
from shahrdad.node.analysis.share import Share, rounded


@dataclass(frozen=True, slots=True)
class View:
    """What the cities had published at a moment."""

    releases: Releases
    at: date
    year: int | None  # of the budgets
    gathered: dict[str, Gathered]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Every version that is looked at."""
        found = {one for item in self.gathered.values() for one in item.inputs}
        return tuple(sorted(found))


def rial(value: int | None) -> str | None:
    """Return an amount as the report writes it."""
    return None if value is None else str(value)


def fraction(value: Fraction | None, places: int = 2) -> str | None:
    """Return a fraction as decimal text."""
    return None if value is None else plain(rounded(value, places))


def plain(value: Decimal | None) -> str | None:
    """Return a decimal without an exponent."""
    return None if value is None else f"{value:f}"


def duty_dict(one: duties.Judged) -> dict[str, Any]:
    """Return how a duty was met."""
    return {
        "city": one.city,
        "duty": one.due.duty,
        "family": one.due.family,
        "year": one.due.year,
        "period": one.due.period,
        "due": one.due.due.isoformat(),
        "state": one.state,
        "days": one.days,
        "inputs": [one.input.to_dict()] if one.input else [],
    }


def aged_dict(one: duties.Aged) -> dict[str, Any]:
    """Return a dataset that is too old."""
    return {
        "city": one.city,
        "ref": one.ref,
        "family": one.family,
        "published": one.published.isoformat(),
        "days_over": one.days_over,
        "inputs": [one.input.to_dict()],
    }


def counter_list(now: View, then: View) -> list[dict[str, Any]]:
    """Return the headline counters with those of the month before."""
    earlier = {
        (one.name, one.city): one.value for one in counters.counters(then.gathered)
    }
    found = []
    for one in counters.counters(now.gathered):
        previous = earlier.get((one.name, one.city))
        known = one.value is not None and previous is not None
        delta = (one.value or 0) - (previous or 0) if known else None
        found.append(
            {
                "name": one.name,
                "city": one.city,
                "unit": one.unit,
                "value": rial(one.value),
                "previous": rial(previous),
                "delta": rial(delta),
                "declared": one.declared,
                "inputs": [one.input.to_dict()] if one.input else [],
            }
        )
    return found


def system_name(one: systems.System) -> dict[str, Any]:
    """Return what names a system."""
    return {
        "city": one.city,
        "system_id": one.row["system_id"],
        "name_fa": one.row["name_fa"],
        "business_area": one.row["business_area"],
        "ref": one.ref,
        "version": one.version,
    }


def system_dict(now: View, then: View) -> dict[str, Any]:
    """Return the systems: counts by area and city, news, duplicates, candidates."""
    matrix = systems.matrix(now.gathered["active_systems"])
    earlier = {
        (one.city, one.row["system_id"]): one
        for one in systems.matrix(then.gathered["active_systems"]).systems
    }
    had = {one.city for one in earlier.values()}
    current = {(one.city, one.row["system_id"]): one for one in matrix.systems}
    fresh = [
        one for key, one in current.items() if key not in earlier and one.city in had
    ]
    retired = [
        one
        for key, one in current.items()
        if one.row["lifecycle_status"] == "retired"
        and key in earlier
        and earlier[key].row["lifecycle_status"] != "retired"
    ]
    offered = [
        one
        for key, one in current.items()
        if one.offered and key in earlier and not earlier[key].offered
    ]
    return {
        "matrix": [
            {
                "area": area,
                "cities": {city: matrix.running(area, city) for city in matrix.cities},
            }
            for area in matrix.areas
        ],
        "new": [system_name(one) for one in fresh],
        "retired": [system_name(one) for one in retired],
        "newly_offered": [system_name(one) for one in offered],
        "duplicates": [
            duplicate_dict(one) for one in systems.duplicates(matrix.systems)
        ],
        "candidates": [
            {"area": area, "cities": list(cities)}
            for area, cities in systems.candidates(matrix)
        ],
        "inputs": [one.to_dict() for one in matrix.inputs],
    }


def duplicate_dict(one: systems.Duplicate) -> dict[str, Any]:
    """Return a product that several cities run."""
    return {
        "product": one.product,
        "name": one.name,
        "vendor": one.vendor,
        "cities": list(one.cities),
        "cost_fiscal_year": one.year,
        "yearly_cost_rial": {city: str(cost) for city, cost in one.costs.items()},
        "median_rial": rial(one.median),
        "spread": fraction(one.spread),
    }


def project_dict(now: View, then: View) -> dict[str, Any]:
    """Return newly late and newly finished projects, and the late ones by city."""
    current = projects.projects(now.gathered["projects"])
    earlier = {
        (one.city, one.key): one for one in projects.projects(then.gathered["projects"])
    }

    def was(one: projects.Project, what: str) -> bool:
        before = earlier.get((one.city, one.key))
        return before is not None and bool(getattr(before, what))

    newly_late = [
        one
        for one in current
        if one.days_late
        and (one.city, one.key) in earlier
        and not was(one, "days_late")
    ]
    finished = [
        one
        for one in current
        if one.finished and (one.city, one.key) in earlier and not was(one, "finished")
    ]
    late = projects.late(current)
    published = {release.city for release in now.gathered["projects"].releases}
    return {
        "by_city": [
            {
                "city": city,
                "projects": sum(one.city == city for one in current),
                "late": sum(one.city == city for one in late),
                "days_late_max": max(
                    (one.days_late or 0 for one in late if one.city == city), default=0
                ),
            }
            for city in sorted(published)
        ],
        "newly_late": [project_name(one) for one in newly_late],
        "finished": [project_name(one) for one in finished],
        "latest": [project_name(one) for one in late[:10]],
        "inputs": [one.to_dict() for one in now.gathered["projects"].inputs],
    }


def project_name(one: projects.Project) -> dict[str, Any]:
    """Return what names a project."""
    return {
        "city": one.city,
        "project_id": one.key,
        "title_fa": one.row["title_fa"],
        "days_late": one.days_late,
        "ref": one.ref,
        "version": one.version,
    }


def smart_of(now: View, city: str) -> budget.SmartShare | None:
    """Return the smart-city share of a city."""
    release = now.gathered["budget_lines"].first(city)
    if release is None:
        return None
    return budget.smart_share(release, now.gathered["projects"].first(city))


def smart_list(now: View) -> list[dict[str, Any]]:
    """Return the smart-city shares."""
    found = []
    for city in now.releases.cities():
        share = smart_of(now, city)
        if share is not None:
            found.append(
                {
                    "city": city,
                    "scope": share.scope,
                    "narrow": share_dict(share.narrow),
                    "wide": share_dict(share.wide),
                    "fell_back_to_municipality": share.fell_back,
                    "inputs": [one.to_dict() for one in share.inputs],
                }
            )
    return found


def share_dict(share: Share | None) -> dict[str, Any] | None:
    """Return a share with its two numbers as text."""
    if share is None:
        return None
    return {
        "numerator": str(share.numerator),
        "denominator": str(share.denominator),
        "percent": plain(share.percent()),
    }


def comparison_list(now: View, then: View) -> list[dict[str, Any]]:
    """Return the budgets side by side, with the change since the month before."""
    earlier = {one.city: one for one in budget.compare(then.gathered["budget_lines"])}
    found = []
    for one in budget.compare(now.gathered["budget_lines"]):
        before = earlier.get(one.city)
        found.append(
            {
                "city": one.city,
                "period": one.period,
                "scope": one.scope,
                "uses_approved_rial": rial(one.uses.approved),
                "uses_amended_rial": rial(one.uses.amended),
                "uses_actual_rial": rial(one.uses.actual),
                "uses_current_rial": rial(one.uses.current),
                "change_rial": rial(one.uses.current - before.uses.current)
                if before
                else None,
                "realised": share_dict(one.uses.realised),
                "per_resident_rial": rial(one.per_resident),
                "population": one.population,
                "current_share": share_dict(one.current_share),
                "capital_share": share_dict(one.capital_share),
                "sustainable_share": share_dict(one.sustainable_share),
                "cash_share": share_dict(one.cash_share),
                "inputs": [item.to_dict() for item in one.inputs],
            }
        )
    return found


def scorecard_list(now: View, judged: list[duties.Judged]) -> list[dict[str, Any]]:
    """Return the scorecards of the cities' ICT organisations."""
    found = []
    for city in now.releases.cities():
        card = scorecard.scorecard(city, now.gathered, smart_of(now, city), judged)
        if not card.inputs:
            continue
        found.append(
            {
                "city": city,
                "unit": card.unit,
                "systems_operational": card.systems,
                "with_api": share_dict(card.with_api),
                "with_lessons": share_dict(card.with_lessons),
                "offered": share_dict(card.offered),
                "integrations": share_dict(card.integrations),
                "projects_active": card.projects_active,
                "projects_completed": card.projects_completed,
                "online_percent": fraction(card.online_pct),
                "budget_narrow": share_dict(card.budget_narrow),
                "headcount": card.headcount,
                "staff_per_hundred": fraction(card.staff_per_hundred, 1),
                "on_time": share_dict(card.on_time),
                "inputs": [one.to_dict() for one in card.inputs],
            }
        )
    return found


def resolution_dict(now: View, month: Month) -> dict[str, Any]:
    """Return what is open and what was done this month."""
    followed = resolutions.follow(now.gathered["resolutions"], now.at)
    done = resolutions.done_between(followed, month.first, month.last)
    return {
        "open": [
            {
                "body": one.body,
                "city_code": one.city_code,
                "number": one.number,
                "overdue": one.overdue,
                "oldest": one.oldest.isoformat() if one.oldest else None,
            }
            for one in followed.counts
        ],
        "done": [
            {
                "body": one.row["body"],
                "session_no": one.row["session_no"],
                "section_no": one.row["section_no"],
                "item_no": one.row["item_no"],
                "text_fa": one.row["text_fa"],
            }
            for one in done
        ],
        "inputs": [one.to_dict() for one in followed.inputs],
    }


def equity_list(now: View) -> list[dict[str, Any]]:
    """Return the districts of each city."""
    found = []
    for city in now.releases.cities():
        one = districts.equity(
            city,
            now.gathered["projects"].first(city),
            now.gathered["work_sites"].first(city),
            now.gathered["budget_lines"].first(city),
        )
        if one is None:
            continue
        found.append(
            {
                "city": city,
                "districts": [
                    {
                        "district_no": district.number,
                        "population": district.population,
                        "projects_completed": district.projects,
                        "sites_active": district.sites,
                        "capital_rial": rial(district.capital),
                    }
                    for district in one.districts
                ],
                "without_district": {
                    name: share_dict(share) for name, share in one.placeless.items()
                },
                "ratio": {name: fraction(value) for name, value in one.ratio.items()},
                "inputs": [item.to_dict() for item in one.inputs],
            }
        )
    return found
