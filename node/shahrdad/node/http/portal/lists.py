"""Lists over all cities of one family each: resolutions, ideas, studies, and others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis import permits, resolutions, suppliers
from shahrdad.node.analysis.releases import Gathered, Row
from shahrdad.node.http.answers import Call
from shahrdad.node.http.languages import TEHRAN, now
from shahrdad.node.http.pages_of_lists import page as list_page
from shahrdad.node.http.parameters import CURSOR, Parameter
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.list_order import key_of, next_sort, sorts
from shahrdad.node.http.portal.viewing import (
    TableLinks,
    analysis,
    by_code,
    choice,
    grounds,
    label,
    name_of,
    options,
    releases,
    text,
    whole_family,
)
from shahrdad.node.http.previews import cell
from shahrdad.node.http.rendering import page
from shahrdad.node.http.texts import say

SHOWN = 36  # with the other figures of a page, below 1,500 elements
UNFILTERED = ("sort", "cursor")  # parameters that choose no rows
MORE_TABLES = {
    "permit_stats": ("permit-speed",),
    "contracts": ("suppliers", "contract-totals"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A list page.

    Attributes:
        name: Of its address and texts.
        title: The column that names a row.
        columns: Shown besides.
        filters: Columns of codes that its form filters by.
        searched: Columns that `q` looks through.
        order: What rows are sorted by, before city and key.
    """

    name: str
    family: str
    title: str
    columns: tuple[str, ...]
    filters: tuple[str, ...]
    searched: tuple[str, ...]
    order: Callable[[Row], tuple[Any, ...]]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of its form."""
        sort = choice("sort", *sorts(self.family, (self.title, *self.columns)))
        return (text("q"), text("city"), *map(text, self.filters), sort, CURSOR)


LISTS = (
    Listed(
        "ideas",
        "ideas",
        "title_fa",
        ("event_title_fa", "smart_domain", "submitter_type", "status", "rank", "votes",
         "project_id"),
        ("status", "smart_domain", "submitter_type"),
        ("title_fa", "summary_fa"),
        lambda row: (row["rank"] or 10**9, str(row["event_id"])),
    ),
    Listed(
        "studies",
        "studies",
        "title_fa",
        ("study_type", "publication_date", "smart_domain", "creators",
         "benchmark_cities", "strengths_fa", "weaknesses_fa", "lessons_fa"),
        ("study_type", "smart_domain"),
        ("title_fa", "strengths_fa", "weaknesses_fa", "lessons_fa"),
        lambda row: (-row["publication_date"].toordinal(),),
    ),
    Listed(
        "indicators",
        "kpi_values",
        "title_fa",
        ("framework", "indicator_code", "period_end", "value", "unit", "numerator",
         "denominator", "target", "verification"),
        ("framework", "verification"),
        ("title_fa", "indicator_code"),
        lambda row: (str(row["framework"]), str(row["indicator_code"])),
    ),
    Listed(
        "contracts",
        "contracts",
        "subject_fa",
        ("contract_id", "contract_type", "method", "size_class", "supplier_name",
         "sign_date", "amount_rial", "registered_setad", "status"),
        ("method", "contract_type", "status"),
        ("subject_fa", "supplier_name", "contract_id"),
        lambda row: (-(row["sign_date"] or date.min).toordinal(),),
    ),
    Listed(
        "work-sites",
        "work_sites",
        "title_fa",
        ("site_status", "district_no", "street_fa", "start_date", "planned_end_date",
         "vehicle_impact"),
        ("site_status", "vehicle_impact", "district_no"),
        ("title_fa", "street_fa"),
        lambda row: (str(row["planned_end_date"] or "9999"),),
    ),
    Listed(
        "permits",
        "permit_stats",
        "service_code",
        ("period_start", "period_end", "district_no", "received", "completed",
         "median_days", "p90_days", "legal_limit_days", "within_limit_pct",
         "online_pct"),
        ("service_code", "district_no"),
        ("service_code",),
        lambda row: (str(row["service_code"]), -row["period_end"].toordinal(),
                     row["district_no"]),
    ),
)  # fmt: skip


SITES = next(one for one in LISTS if one.family == "work_sites")


def page_of(listed: Listed) -> Callable[[Call, Language], Response]:
    """Return the function that shows a list."""

    def show(call: Call, language: Language) -> Response:
        gathered = releases(call).gather(listed.family)
        values = call.values
        rows = found_rows(call, listed)

        sort = values["sort"] or ""
        column, falls = sort.removeprefix("-"), sort.startswith("-")

        def key(item: dict[str, Any]) -> tuple[Any, ...]:
            row = item["row"]
            if column:
                own: tuple[Any, ...] = key_of(row[column], largest_first=falls)
            else:
                own = listed.order(row)
            return (*own, item["city"], item["number"])

        rows.sort(key=key)
        found, after = list_page(
            rows, key, kind=listed.name + sort, cursor=values["cursor"], limit=SHOWN
        )
        return page(
            call,
            "portal/list.html",
            language,
            listed=listed,
            rows=[view(call, listed, item, language) for item in found],
            heads=heads(listed, found, language, sort),
            title_sort=next_sort(listed.family, listed.title, sort),
            total=len(rows),
            after=after,
            given={name: v for name, v in values.items() if name != "cursor"},
            is_filtered=any(v for name, v in values.items() if name not in UNFILTERED),
            filters=[
                (
                    name,
                    title(listed.family, name, language),
                    options(listed.family, name, language)
                    or numbers(call, listed, name, language),
                )
                for name in listed.filters
            ],
            feed=f"/{language}/work-sites.atom" if listed is SITES else "",
            **speed_of(call, listed, language),
            **totals_of(call, listed, language),
            **ends(call, gathered, tables_of(listed, language)),
        )

    return show


def found_rows(call: Call, listed: Listed) -> list[dict[str, Any]]:
    """Return the rows of a list that the filters of the address let through."""
    reader = releases(call)
    gathered = reader.gather(listed.family)
    every = reader.once(("numbered", listed.family), partial(numbered, gathered))
    return [
        item
        for item in every
        if passes(item, call.values, listed.filters, listed.searched)
    ]


def numbers(
    call: Call, listed: Listed, name: str, language: Language
) -> list[tuple[str, str]]:
    """Return the numbers of districts that any row of a list has, as choices."""
    reader = releases(call)
    gathered = reader.gather(listed.family)
    found = reader.once(
        ("numbers", listed.family, name),
        lambda: sorted(
            {row[name] for one in gathered.releases for row in one.rows(name)} - {None}
        ),
    )
    return [
        (
            str(one),
            say(language, "portal.district", n=one)
            if one
            else say(language, "portal.whole_city"),
        )
        for one in found
    ]


def speed_of(call: Call, listed: Listed, language: Language) -> dict[str, Any]:
    """Return what the page of permits has above its list; nothing on other pages."""
    if listed.family != "permit_stats":
        return {"speed": {}}
    reader = releases(call)
    found = reader.once("speeds", lambda: permits.speeds(reader.gather(listed.family)))
    wanted = call.values["city"]
    if wanted:
        found = {
            service: {wanted: cities[wanted]}
            for service, cities in found.items()
            if wanted in cities
        }
    else:  # the districts of thirty cities would be a thousand lines
        found = {
            service: {city: listed[:1] for city, listed in cities.items()}
            for service, cities in found.items()
        }
    return {
        "speed": found,
        "money": amounts,
        "service_name": lambda code: label(
            listed.family, "service_code", code, language
        ),
        "city_of": lambda slug: name_of(call, slug).name(language),
    }


def totals_of(call: Call, listed: Listed, language: Language) -> dict[str, Any]:
    """Return what the contracts that pass the filters come to; None on other pages."""
    if listed.family != "contracts":
        return {"totals": None}
    reader = releases(call)
    every = reader.once(
        "contracts", lambda: suppliers.contracts(reader.gather(listed.family))
    )
    found = [
        one
        for one in every
        if passes(
            {"city": one.city, "row": one.row},
            call.values,
            listed.filters,
            listed.searched,
        )
    ]
    return {
        "totals": suppliers.totals(found) if found else None,
        "breakdowns": suppliers.BREAKDOWNS,
        "money": amounts,
        "code": lambda field, value: label(listed.family, field, value, language),
        "field_title": lambda name: title(listed.family, name, language),
    }


def numbered(gathered: Gathered) -> list[dict[str, Any]]:
    """Return the rows of all cities with where they come from."""
    return [
        {"city": release.city, "release": release, "row": row, "number": number}
        for release in gathered.releases
        for number, row in enumerate(release.rows())
    ]


def passes(
    item: dict[str, Any], values: Any, filters: Sequence[str], searched: Sequence[str]
) -> bool:
    """Tell whether a row is among those that the form asks for."""
    from shahrdad.node.table.filters import fold_text

    if values["city"] and item["city"] != values["city"]:
        return False
    row = item["row"]
    if any(values[name] and str(row[name]) != values[name] for name in filters):
        return False
    words = fold_text(values["q"]).split() if values["q"] else []
    if not words:
        return True
    whole = fold_text(" ".join(str(row[name] or "") for name in searched))
    return all(word in whole for word in words)


def title(family: str, name: str, language: Language) -> str:
    """Return a column's title."""
    from shahrdad.datasets.standards import load

    return load(family).field(name).title(language)


def heads(
    listed: Listed, found: Sequence[dict[str, Any]], language: Language, sort: str
) -> list[dict[str, Any]]:
    """Return the columns that hold something in these rows, and how each sorts."""
    from shahrdad.datasets.standards import load

    kept = []
    for name in listed.columns:
        if all(item["row"][name] is None for item in found):
            continue
        known = load(listed.family).field(name)
        kept.append(
            {
                "name": name,
                "title": known.title(language),
                "unit": known.unit,
                "number": known.type in {"integer", "number"},
                "sort": next_sort(listed.family, name, sort),
                "sorted": {name: "ascending", f"-{name}": "descending"}.get(sort, ""),
            }
        )
    return kept


def view(
    call: Call, listed: Listed, item: dict[str, Any], language: Language
) -> dict[str, Any]:
    """Return a row as the template shows it."""
    from shahrdad.datasets.standards import load

    standard = load(listed.family)
    row = item["row"]
    path = ""
    if listed.family == "contracts" and row["supplier_type"] != suppliers.PERSON:
        path = f"/{language}/suppliers/{suppliers.supplier_key(row['supplier_name'])}"
    return {
        "city": name_of(call, item["city"]),
        "links": {"supplier_name": path} if path else {},
        "title": cell(row[listed.title], standard.field(listed.title), language).text,
        "cells": {
            name: cell(row[name], standard.field(name), language)
            for name in listed.columns
        },
    }


def tables_of(listed: Listed, language: Language) -> list[TableLinks]:
    """Return where a list lies as a table over all cities."""
    more = MORE_TABLES.get(listed.family, ())
    return [
        whole_family(language, listed.family),
        *(analysis(language, name) for name in more),
    ]


def ends(
    call: Call, gathered: Gathered, tables: Sequence[TableLinks]
) -> dict[str, Any]:
    """Return what every list page has: cities, those without data, versions used."""
    published = {release.city for release in gathered.releases}
    return {
        "cities": [name_of(call, city) for city in gathered.cities],
        "missing": [name_of(call, c) for c in gathered.cities if c not in published],
        "grounds": grounds(call, gathered.inputs, gathered.excluded, tables),
    }


RESOLUTION_PARAMETERS = (
    text("q"),
    text("body"),
    text("status"),
    choice("overdue", "yes"),
)


def resolution_list(call: Call, language: Language) -> Response:
    """Show the resolutions by session, the overdue ones first (9.8)."""
    gathered = releases(call).gather("resolutions")
    today = now().astimezone(TEHRAN).date()
    followed = resolutions.follow(gathered, today)
    values = call.values
    found = [
        one
        for one in followed.resolutions
        if passes(
            {"city": "", "row": one.row},
            {**values, "city": ""},
            ("body", "status"),
            ("text_fa", "section_title_fa", "responsible"),
        )
        and (not values["overdue"] or one.days_overdue(today))
    ]
    return page(
        call,
        "portal/resolutions.html",
        language,
        found=found,
        followed=followed,
        today=today,
        given=values,
        bodies=options("resolutions", "body", language),
        statuses=options("resolutions", "status", language),
        code=lambda field, value: label("resolutions", field, value, language),
        by_code=lambda code: by_code(code, language),
        **ends(
            call,
            gathered,
            [
                whole_family(language, "resolutions"),
                analysis(language, "open-resolutions"),
            ],
        ),
    )
