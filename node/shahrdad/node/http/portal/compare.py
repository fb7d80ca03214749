"""`/compare`: cities side by side, one measure at a time, on one scale (portal 8)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis import budget, counters, projects
from shahrdad.node.analysis.prices import PriceIndex
from shahrdad.node.analysis.releases import Input, Releases
from shahrdad.node.analysis.share import Share
from shahrdad.node.http.answers import Call
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.budget import index_of
from shahrdad.node.http.portal.viewing import (
    analysis,
    choice,
    grounds,
    listed,
    name_of,
    releases,
)
from shahrdad.node.http.rendering import page

BAR_WIDTH = 1000
CITIES_MAX = 6
YEARS_MAX = 6  # of the table over years


@dataclass(frozen=True, slots=True)
class Value:
    """A measure of a city, with what it was computed from."""

    number: Decimal
    share: Share | None
    inputs: tuple[Input, ...]
    note: str = ""


Measure = Callable[[Releases, str, int], Value | None]


def _budget(reader: Releases, city: str, year: int) -> budget.Comparison | None:
    release = reader.gather("budget_lines", year).first(city)
    chosen = budget.statement(release, "municipality") if release else None
    return budget.comparison(chosen) if chosen else None


def _amount(name: str) -> Measure:
    def measure(reader: Releases, city: str, year: int) -> Value | None:
        found = _budget(reader, city, year)
        if found is None:
            return None
        number = found.per_resident if name == "per_resident" else found.uses.current
        if number is None:
            return None
        return Value(Decimal(number), None, found.inputs, found.period)

    return measure


def _share(name: str) -> Measure:
    def measure(reader: Releases, city: str, year: int) -> Value | None:
        found = _budget(reader, city, year)
        if found is None:
            return None
        share = found.uses.realised if name == "realised" else getattr(found, name)
        return shared(share, found.inputs, found.period)

    return measure


def shared(
    share: Share | None, inputs: tuple[Input, ...], note: str = ""
) -> Value | None:
    """Return a share as a value; None of nothing."""
    percent = share.percent() if share else None
    return None if percent is None else Value(percent, share, inputs, note)


def _smart(reader: Releases, city: str, year: int) -> Value | None:
    release = reader.gather("budget_lines", year).first(city)
    if release is None:
        return None
    found = budget.smart_share(release, reader.gather("projects").first(city))
    return shared(found.narrow, found.inputs) if found else None


def _late(reader: Releases, city: str, _: int) -> Value | None:
    release = reader.gather("projects").first(city)
    if release is None:
        return None
    judged = [one for one in projects.projects_of(release) if one.days_late is not None]
    late = Share(sum(bool(one.days_late) for one in judged), len(judged))
    return shared(late, (release.input,))


def _completed(reader: Releases, city: str, _: int) -> Value | None:
    release = reader.gather("projects").first(city)
    if release is None:
        return None
    return Value(Decimal(counters.completed(release)), None, (release.input,))


def _systems(reader: Releases, city: str, _: int) -> Value | None:
    release = reader.gather("active_systems").first(city)
    if release is None:
        return None
    return Value(Decimal(counters.running_systems(release)), None, (release.input,))


MEASURES: dict[str, tuple[str, Measure]] = {  # name: (unit, how)
    "per_resident": ("toman", _amount("per_resident")),
    "uses": ("rial", _amount("uses")),
    "realised": ("percent", _share("realised")),
    "capital": ("percent", _share("capital_share")),
    "sustainable": ("percent", _share("sustainable_share")),
    "smart": ("percent", _smart),
    "projects_late": ("percent", _late),
    "projects_completed": ("count", _completed),
    "systems": ("count", _systems),
}
TABLES = {  # the analysis that has a measure
    **dict.fromkeys(MEASURES, "budgets"),
    "smart": "smart-share",
    "projects_late": "delays",
    "projects_completed": "counters",
    "systems": "counters",
}
PARAMETERS = (
    choice("measure", *MEASURES),
    Parameter("city", "text", "", repeated=True),
    Parameter("year", "text", ""),
    choice("prices", "real"),
)
MONEY = ("toman", "rial")  # the units that prices matter to


def index(call: Call, language: Language) -> Response:
    """Show a measure of up to six cities on one scale."""
    reader = releases(call)
    name = call.values["measure"] or "per_resident"
    unit, measure = MEASURES[name]
    years = reader.years()
    asked = call.values["year"] or ""
    year = (
        int(asked)
        if asked.isdecimal() and int(asked) in years
        else next(iter(years), 0)
    )
    known = reader.cities()
    wanted = [city for city in call.values["city"] if city in known][:CITIES_MAX]
    chosen = wanted or list(known)[:CITIES_MAX]
    found = {
        city: reader.once(
            ("measure", name, city, year), partial(measure, reader, city, year)
        )
        for city in chosen
    }
    published = {city for city, value in found.items() if value is not None}
    prices = real_terms(call, reader, unit, call.values["prices"] == "real")
    if prices.real:
        found = {city: prices.value(value, year) for city, value in found.items()}
    numbers = [value.number for value in found.values() if value is not None]
    scale = max([*numbers, Decimal(100 if unit == "percent" else 1)])
    return page(
        call,
        "portal/compare.html",
        language,
        measure=name,
        measures=list(MEASURES),
        unit=unit,
        year=year,
        years=years,
        known=[name_of(call, city) for city in known],
        chosen=chosen,
        lines=[
            {
                "city": name_of(call, city),
                "value": value,
                "published": city in published,
                "text": written(value, unit, language),
                "cell": plain(value, unit),
                "bar": max(0, int(value.number * BAR_WIDTH / scale)) if value else 0,
                "period": listed("report_period", value.note, language)
                if value and value.note
                else "",
            }
            for city, value in found.items()
        ],
        shares=any(value is not None and value.share for value in found.values()),
        differing=differing(found),
        prices=prices,
        history=over_years(reader, name, chosen, years, prices)
        if unit in MONEY
        else None,
        given={"measure": name, "year": year or None, "city": wanted},
        named={city: name_of(call, city) for city in chosen},
        plain=partial(plain, unit=unit),
        grounds=grounds(
            call,
            [one for value in found.values() if value for one in value.inputs]
            + ([prices.index.input] if prices.index and prices.real else []),
            tables=[analysis(language, TABLES[name], **year_of(name, year))],
        ),
    )


@dataclass(frozen=True, slots=True)
class Prices:
    """Whose prices the amounts of a page are at.

    Attributes:
        index: None where the node names none, or it knows no year with a budget.
        base: The newest year that has a budget and stands in the index.
        real: Whether amounts are at the prices of that year.
        unknown: Years with a budget that the index does not know.
    """

    index: PriceIndex | None
    base: int
    real: bool
    unknown: tuple[int, ...]

    def value(self, value: Value | None, year: int) -> Value | None:
        """Return an amount of a year as the page has it; None where that is unknown."""
        if value is None or not self.real or self.index is None:
            return value
        rial = self.index.real(int(value.number), year, self.base)
        return None if rial is None else replace(value, number=Decimal(rial))


def real_terms(call: Call, reader: Releases, unit: str, is_asked: bool) -> Prices:
    """Return the prices of a page; shares and numbers of things have none."""
    index = index_of(call, reader) if unit in MONEY else None
    years = reader.years()
    known = [one for one in years if index is not None and one in index.levels]
    if not known:
        return Prices(None, 0, False, ())
    unknown = tuple(sorted(set(years) - set(known)))
    return Prices(index, known[0], is_asked, unknown)


def over_years(
    reader: Releases,
    name: str,
    cities: Sequence[str],
    years: Sequence[int],
    prices: Prices,
) -> dict[str, Any] | None:
    """Return an amount of each city in each year; None where there is one year only."""
    shown = list(years[:YEARS_MAX])
    if len(shown) < 2:
        return None
    measure = MEASURES[name][1]
    cells = {}
    for city in cities:
        for year in shown:
            value = reader.once(
                ("measure", name, city, year), partial(measure, reader, city, year)
            )
            cells[city, year] = prices.value(value, year)
    return {"years": shown, "cells": cells}


def year_of(measure: str, year: int) -> dict[str, int]:
    """Return the year that the analysis of a measure is asked for."""
    return {} if TABLES[measure] == "delays" else {"year": year}


def written(value: Value | None, unit: str, language: Language) -> str:
    """Return a value with its unit."""
    if value is None:
        return ""
    if unit == "percent":
        return amounts.percent(value.number, language)
    if unit == "toman":
        return " ".join(amounts.toman_in_words(int(value.number), language))
    if unit == "rial":
        return " ".join(amounts.rial_in_words(int(value.number), language))
    return amounts.number_of(value.number, 0, language)


def plain(value: Value | None, unit: str) -> str:
    """Return a value as a cell of a table has it: the unit stands in the head."""
    if value is None:
        return ""
    if unit == "toman":
        return f"{round(value.number / 10):,}"
    if unit == "rial":
        return amounts.milliard(int(value.number))
    places = 1 if unit == "percent" else 0
    return f"{value.number:,.{places}f}"


def differing(found: dict[str, Any]) -> bool:
    """Tell whether the cities' budgets are of different periods."""
    return len({value.note for value in found.values() if value and value.note}) > 1
