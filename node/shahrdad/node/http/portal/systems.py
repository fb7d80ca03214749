"""`/systems`: which city runs what, what it costs, who shares it (portal 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.datasets.jalali import from_gregorian
from shahrdad.node.analysis import systems
from shahrdad.node.analysis.suppliers import supplier_key
from shahrdad.node.analysis.systems import Matrix, System
from shahrdad.node.http.answers import Call, answer
from shahrdad.node.http.cities import CityName
from shahrdad.node.http.languages import digits
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.viewing import (
    analysis,
    choice,
    grounds,
    label,
    name_of,
    options,
    releases,
    text,
)
from shahrdad.node.http.rendering import page
from shahrdad.node.http.texts import say

FAMILY = "active_systems"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PARAMETERS = (
    text("area"),
    text("vendor"),
    text("product"),
    text("domain"),
    text("city"),
    choice("offered", "yes"),
    choice("api", "yes"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """The matrix of an address: all of it, or what the filters let through."""

    matrix: Matrix
    cities: tuple[CityName, ...]
    areas: tuple[str, ...]
    cells: dict[tuple[str, str], list[System]]

    def cell(self, area: str, city: str) -> list[System]:
        """Return the systems of a cell."""
        return self.cells.get((area, city), [])

    def total(self, city: str, what: str) -> int:
        """Return how many systems of a city are shown: all, with API, with lessons."""
        found = [
            one for (_, at), cell in self.cells.items() if at == city for one in cell
        ]
        if what == "api":
            return sum(one.row["has_api"] is True for one in found)
        if what == "lessons":
            return sum(bool(one.row["lessons_fa"]) for one in found)
        return len(found)


def matrix_of(call: Call) -> Matrix:
    """Return the matrix of all cities."""
    reader = releases(call)
    return reader.once("matrix", lambda: systems.matrix(reader.gather(FAMILY)))


def shown(call: Call) -> Shown:
    """Return the matrix that an address asks for."""
    matrix = matrix_of(call)
    values = call.values
    cells = {
        key: kept
        for key, cell in matrix.cells.items()
        if (kept := [one for one in cell if passes(one, values)])
    }
    filtered = any(values.values())
    areas = tuple(
        area
        for area in matrix.areas
        if not filtered or any(at == area for at, _ in cells)
    )
    cities = [name_of(call, city) for city in matrix.cities]
    if values["city"]:
        cities = [city for city in cities if city.slug == values["city"]]
    return Shown(matrix, tuple(cities), areas, cells)


def passes(one: System, values: Any) -> bool:
    """Tell whether a system is among those that the filters let through."""
    row = one.row
    return (
        (not values["area"] or row["business_area"] == values["area"])
        and (not values["domain"] or row["smart_domain"] == values["domain"])
        and (not values["vendor"] or row["vendor_name"] == values["vendor"])
        and (not values["product"] or one.product == values["product"])
        and (not values["offered"] or one.offered)
        and (not values["api"] or row["has_api"] is True)
        and (not values["city"] or one.city == values["city"])
    )


def index(call: Call, language: Language) -> Response:
    """Show the matrix, the duplicates and the candidates for joint purchase."""
    found, reader = shown(call), releases(call)
    everything = found.matrix.systems
    return page(
        call,
        "portal/systems.html",
        language,
        shown=found,
        given=call.values,
        vendors=sorted(
            {s.row["vendor_name"] for s in everything if s.row["vendor_name"]}
        ),
        areas=options(FAMILY, "business_area", language),
        domains=options(FAMILY, "smart_domain", language),
        duplicates=reader.once("duplicates", lambda: systems.duplicates(everything)),
        candidates=systems.candidates(found.matrix),
        offered=[one for one in everything if one.offered],
        name_of=lambda slug: name_of(call, slug),
        grounds=grounds(
            call,
            found.matrix.inputs,
            tables=[
                analysis(language, name)
                for name in ("systems", "duplicates", "joint-purchase")
            ],
        ),
        **labels(language),
    )


def labels(language: Language) -> dict[str, Any]:
    """Return what templates call codes with."""
    return {
        "code": lambda field, value: label(FAMILY, field, value, language),
        "money": amounts,
        "year_of": lambda day: digits(year_of(day, language), language),
    }


def year_of(day: date, language: Language) -> int:
    """Return the year of a day: Jalali on Persian pages."""
    return from_gregorian(day)[0] if language == "fa" else day.year


def area(call: Call, language: Language) -> Response:
    """Show all systems of a business area."""
    wanted = call.path["area"]
    matrix = matrix_of(call)
    found = [one for one in matrix.systems if one.row["business_area"] == wanted]
    if not found:
        raise RequestError(Reason.ADDRESS_UNKNOWN, path=call.request.url.path[:200])
    return listing(
        call, language, label(FAMILY, "business_area", wanted, language), found, matrix
    )


def product(call: Call, language: Language) -> Response:
    """Show who runs a product, and who replaced it."""
    wanted = call.path["product"]
    matrix = matrix_of(call)
    found = [one for one in matrix.systems if one.product == wanted]
    if not found:
        raise RequestError(Reason.PRODUCT_UNKNOWN, product=wanted[:100])
    named = next(
        (one.row["product_name"] for one in found if one.row["product_name"]), ""
    )
    return listing(call, language, named or wanted, found, matrix)


def listing(
    call: Call,
    language: Language,
    title: str,
    found: Sequence[System],
    matrix: Matrix,
) -> Response:
    """Show some systems as cards, with their costs."""
    return page(
        call,
        "portal/system_list.html",
        language,
        heading=title,
        systems=sorted(found, key=lambda one: (one.city, systems.order(one))),
        duplicates=[
            one
            for one in systems.duplicates(found)
            if {system.product for system in found} & {one.product}
        ],
        name_of=lambda slug: name_of(call, slug),
        supplier_key=supplier_key,
        grounds=grounds(
            call,
            [
                one
                for one in matrix.inputs
                if one.ref in {system.ref for system in found}
            ],
        ),
        **labels(language),
    )


def workbook(call: Call, language: Language) -> Response:
    """Answer with the matrix as a workbook that keeps its shape."""
    from xlsxwriter import Workbook

    found, file = shown(call), BytesIO()
    with Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet(say(language, "systems.sheet"))
        if language == "fa":
            sheet.right_to_left()
        head = book.add_format({"bold": True, "bg_color": "#F0EDE5"})
        wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        sheet.write_row(0, 0, [say(language, "systems.area")], head)
        sheet.write_row(0, 1, [city.name(language) for city in found.cities], head)
        sheet.freeze_panes(1, 1)
        sheet.set_column(0, len(found.cities), 28)
        for number, code in enumerate(found.areas, 1):
            sheet.write_string(
                number, 0, label(FAMILY, "business_area", code, language), wrapped
            )
            for column, city in enumerate(found.cities, 1):
                cell = [one.row["name_fa"] for one in found.cell(code, city.slug)]
                words = "\n".join(cell) or empty_words(found, city.slug, language)
                sheet.write_string(number, column, words, wrapped)
    headers = {"Content-Disposition": 'attachment; filename="systems.xlsx"'}
    return answer(call, file.getvalue(), XLSX, headers, strong=None)


def empty_words(found: Shown, city: str, language: Language) -> str:
    """Return what an empty cell says: it is not "has none"."""
    published = city in found.matrix.published
    return say(
        language, "systems.not_reported" if published else "portal.not_published"
    )
