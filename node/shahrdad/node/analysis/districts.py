"""Equity by district: what each district has, per 1,000 inhabitants (9.6)."""

from dataclasses import dataclass
from fractions import Fraction

from shahrdad.datasets.codelists import city as listed_city
from shahrdad.datasets.codelists import code_list
from shahrdad.node.analysis.budget import CAPITAL, current_of, statement
from shahrdad.node.analysis.projects import FINISHED
from shahrdad.node.analysis.releases import Input, Release
from shahrdad.node.analysis.share import Share

MEASURES = ("projects", "sites", "capital")


@dataclass(frozen=True, slots=True)
class District:
    """One district; a measure is None where its family is not published."""

    number: int
    population: int | None
    projects: int | None
    sites: int | None
    capital: int | None

    def per_thousand(self, measure: str) -> Fraction | None:
        """Return a measure per 1,000 inhabitants; None without a known population."""
        value: int | None = getattr(self, measure)
        if value is None or not self.population:
            return None
        return Fraction(value * 1000, self.population)


@dataclass(frozen=True, slots=True)
class Equity:
    """Report 9.6 of one city.

    Attributes:
        placeless: By measure, the share that no district is named for.
        ratio: By measure, highest over lowest per 1,000 inhabitants.
    """

    city: str
    districts: tuple[District, ...]
    placeless: dict[str, Share]
    ratio: dict[str, Fraction]
    inputs: tuple[Input, ...]


def equity(
    city: str,
    projects: Release | None,
    sites: Release | None,
    budget: Release | None,
) -> Equity | None:
    """Return the districts of a city; None where no family names one."""
    found: dict[str, list[tuple[int | None, int]]] = {}
    if projects is not None:
        found["projects"] = [
            (row["district_no"], 1)
            for row in projects.rows("district_no", "status")
            if row["status"] in FINISHED
        ]
    if sites is not None:
        found["sites"] = [
            (row["district_no"], 1)
            for row in sites.rows("district_no", "site_status")
            if row["site_status"] == "active"
        ]
    chosen = statement(budget, "municipality") if budget else None
    if chosen is not None:
        found["capital"] = [
            (row["district_no"], current_of(row))
            for row in chosen.side("use")
            if row["economic_class"] == CAPITAL
        ]
    numbers = sorted({no for pairs in found.values() for no, _ in pairs if no})
    if not numbers:
        return None
    people = populations(city)
    districts = tuple(
        District(
            number,
            people.get(number),
            *(
                sum(value for no, value in found[measure] if no == number)
                if measure in found
                else None
                for measure in MEASURES
            ),
        )
        for number in numbers
    )
    return Equity(
        city,
        districts,
        {name: placeless(pairs) for name, pairs in found.items()},
        ratios(districts),
        tuple(one.input for one in (projects, sites, budget) if one is not None),
    )


def populations(city: str) -> dict[int, int]:
    """Return the inhabitants of districts, where the list gives them."""
    known = listed_city(city)
    code = known.code if known else ""
    return {
        int(row["district_no"]): int(row["population"])
        for row in code_list("districts").rows
        if row["city_code"] == code and row["population"]
    }


def placeless(pairs: list[tuple[int | None, int]]) -> Share:
    """Return the share of a measure that names no district."""
    whole = sum(value for _, value in pairs)
    return Share(sum(value for no, value in pairs if not no), whole)


def ratios(districts: tuple[District, ...]) -> dict[str, Fraction]:
    """Return highest over lowest of each measure; without one above 0, nothing."""
    found = {}
    for measure in MEASURES:
        values = [district.per_thousand(measure) for district in districts]
        known = [value for value in values if value is not None]
        if len(known) == len(districts) > 1 and min(known) > 0:
            found[measure] = max(known) / min(known)
    return found
