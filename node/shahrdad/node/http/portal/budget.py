"""`/budget`: budgets side by side; one city's year, drawn and told (portal 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node.analysis import budget as budgets
from shahrdad.node.analysis.budget import Amounts, Part, Statement
from shahrdad.node.analysis.prices import PriceIndex, at_prices, price_index
from shahrdad.node.analysis.releases import Release, Releases, Row
from shahrdad.node.analysis.share import Share, per
from shahrdad.node.http.answers import Call
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.shapes import (
    NODES_MAX,
    PARTS_MAX,
    SERIES,
    YEARS_MAX,
    Drawn,
    flow,
    treemap,
    year_groups,
)
from shahrdad.node.http.portal.viewing import (
    TableLinks,
    analysis,
    choice,
    grounds,
    label,
    listed,
    name_of,
    releases,
    rows_link,
    text,
)
from shahrdad.node.http.rendering import page
from shahrdad.node.http.texts import say

PARAMETERS = (
    choice("side", *budgets.SIDES),
    choice("by", *budgets.DIMENSIONS),
    choice("in", *budgets.DIMENSIONS),
    text("part"),
    text("q"),
    choice("scope", *budgets.SCOPES),
    text("period"),
    choice("sort", "title", "approved", "actual", "realised"),
    choice("prices", "real"),
)
INDEX_PARAMETERS = (text("year"), choice("scope", *budgets.SCOPES))
DEFAULT_BY = {"source": "line", "use": "mission"}
CLASSES = (
    "revenue", "capital_asset_disposal", "financial_asset_disposal",
    "current_expense", "capital_asset_acquisition", "financial_asset_acquisition",
)  # fmt: skip
FIELDS = {"class": "economic_class", "mission": "mission_code"}
CELL_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table below the drawing."""

    part: Part
    title: str
    colour: int
    share: str
    bar: int
    realised: str
    link: str
    link_down: str


def index(call: Call, language: Language) -> Response:
    """Show all cities' budgets of a year side by side (9.9)."""
    reader = releases(call)
    years = reader.years()
    asked = call.values["year"]
    year = int(asked) if asked and asked.isdecimal() else None
    chosen = year if year in years else (years[0] if years else None)
    scope = call.values["scope"] or "municipality"
    gathered = reader.gather("budget_lines", chosen or 0)
    found = reader.once(
        ("compare", chosen, scope), lambda: budgets.compare(gathered, scope)
    )
    largest = max([one.per_resident or 0 for one in found], default=0) or 1
    published = {one.city for one in found}
    return page(
        call,
        "portal/budgets.html",
        language,
        years=years,
        year=chosen,
        scope=scope,
        lines=[
            {
                "one": one,
                "city": name_of(call, one.city),
                "bar": (one.per_resident or 0) * CELL_WIDTH // largest,
                "period": listed("report_period", one.period, language),
            }
            for one in sorted(
                found, key=lambda one: (-(one.per_resident or 0), one.city)
            )
        ],
        missing=[name_of(call, c) for c in gathered.cities if c not in published],
        grounds=grounds(
            call,
            gathered.inputs,
            gathered.excluded,
            [analysis(language, "budgets", year=chosen, scope=scope)],
        ),
        money=amounts,
    )


def city_year(call: Call, language: Language) -> Response:
    """Show one city's budget of a year."""
    reader = releases(call)
    release = find(reader, call.path["city"], int(call.path["year"]))
    chosen = statement_of(release, call.values)
    view = View(call, language, chosen)
    units = reader.gather("org_units").first(release.city)
    view.units = unit_names(units)
    years = over_years(reader, view, index_of(call, reader))
    used = [release.input]
    if years["real"]:
        used.append(years["index"].input)
    return page(
        call,
        "portal/budget.html",
        language,
        view=view,
        statement=chosen,
        city=name_of(call, release.city),
        year=release.fiscal_year,
        years=reader.years(release.city),
        declared=release.declared.get("budget_municipality_rial"),
        checks=[told(check, language) for check in budgets.checks(chosen)],
        over_years=years,
        grounds=grounds(call, used, (), view.tables()),
        money=amounts,
    )


def statement_of(release: Release, values: Mapping[str, Any]) -> Statement:
    """Return the lines of a budget that an address asks for.

    Raises:
        RequestError: PARAMETER_VALUE where the budget has no such scope or period.
    """
    found = budgets.statement(release, values["scope"], values["period"] or None)
    if found is None:
        raise RequestError(
            Reason.PARAMETER_VALUE,
            parameter="scope",
            value=f"{values['scope'] or ''} {values['period'] or ''}".strip(),
            expected=" | ".join(budgets.SCOPES),
        )
    return found


def told(check: budgets.Check, language: Language) -> dict[str, Any]:
    """Return a check with its sentence."""
    if check.name == "unit":
        amount = " ".join(amounts.toman_in_words(check.rial, language))
    else:
        amount = amounts.number_text(amounts.milliard(abs(check.rial)), language)
    key = f"budget.check_{check.name}_{'holds' if check.holds else 'fails'}"
    return {"holds": check.holds, "sentence": say(language, key, amount=amount)}


def index_of(call: Call, reader: Releases) -> PriceIndex | None:
    """Return the price index that this node names, where it is held."""
    named = call.node.config.portal
    if not named.price_index:
        return None
    return reader.once(
        "price_index",
        lambda: price_index(reader, named.price_index, named.price_indicator),
    )


def over_years(
    reader: Releases, view: "View", index: PriceIndex | None
) -> dict[str, Any]:
    """Return the years of the same city, scope and side, drawn and as numbers.

    Real terms are at the prices of the page's year, where the index knows it.
    """
    statement = view.statement
    years = reader.once(
        ("over_years", statement.city, statement.scope, view.side),
        lambda: budgets.over_years(
            reader.gather("budget_lines"), statement.city, statement.scope, view.side
        ),
    )[-YEARS_MAX:]
    base = statement.year or 0
    usable = index if index is not None and base in index.levels else None
    real = usable is not None and view.given.get("prices") == "real"
    every = {one.year for one in years}
    if usable is not None and real:
        years = at_prices(usable, years, base)
    groups = year_groups([(one.approved, one.actual) for one in years], view.language)
    return {
        "years": years,
        "groups": groups,
        "index": usable,
        "real": real,
        "unknown": sorted(every - {one.year for one in years}),
    }


def find(reader: Releases, city: str, year: int) -> Release:
    """Return a city's budget of a year.

    Raises:
        RequestError: BUDGET_UNKNOWN.
    """
    release = reader.gather("budget_lines", year).first(city)
    if release is None:
        years = ", ".join(map(str, reader.years(city))) or "–"
        raise RequestError(Reason.BUDGET_UNKNOWN, city=city, year=year, years=years)
    return release


def unit_names(units: Release | None) -> dict[str, str]:
    """Return the names of a city's units."""
    if units is None:
        return {}
    return {
        row["org_unit_id"]: row["name_fa"]
        for row in units.rows("org_unit_id", "name_fa")
    }


class View:
    """What the page of a budget shows of a statement.

    Args:
        call: The request: side, dimension, part.
        language: Of the page.
        statement: The lines.
    """

    def __init__(self, call: Call, language: Language, statement: Statement) -> None:
        values = call.values
        self.language: Language = language
        self.statement = statement
        self.side: str = values["side"] or "use"
        self.inside: str = values["in"] or ""
        self.part: str = values["part"] or ""
        self.q: str = values["q"] or ""
        # Words are looked for in the lines: what people know a budget by.
        self.by: str = "line" if self.q else values["by"] or DEFAULT_BY[self.side]
        self.sort: str = values["sort"] or ""
        self.units: dict[str, str] = {}
        self.given = {name: value for name, value in values.items() if value}

    @property
    def rows(self) -> list[Row]:
        """The lines that are shown: of the side, and of the part that was opened."""
        rows = self.statement.side(self.side)
        return budgets.within(rows, self.inside, self.part) if self.inside else rows

    @property
    def total(self) -> Amounts:
        """Their sums."""
        return budgets.total(self.rows)

    @property
    def head(self) -> Amounts:
        """The sums of the whole side."""
        return self.statement.total(self.side)

    def tables(self) -> list[TableLinks]:
        """Return where this side of the budget and its story lie as tables."""
        asked = {"city": self.statement.city, "scope": self.statement.scope}
        year = self.statement.year
        by = {"year": year, "side": self.side, "by": self.by}
        return [
            analysis(self.language, "budget-parts", **asked, **by),
            analysis(self.language, "budgets", **asked),
        ]

    @property
    def per_resident(self) -> int | None:
        """Current amount for each inhabitant, in rial."""
        return per(self.head.current, self.statement.population)

    @property
    def period_label(self) -> str:
        """The title of the report period."""
        return listed("report_period", self.statement.period, self.language)

    @property
    def inside_title(self) -> str:
        """The title of the part that was opened."""
        if not self.inside:
            return ""
        parts = budgets.parts(self.statement.side(self.side), self.inside)
        found = next((one for one in parts if one.key == self.part), None)
        return self.title(self.inside, found) if found else self.part

    def title(self, by: str, part: Part) -> str:
        """Return what a part is called."""
        if by in FIELDS and part.key:
            return label("budget_lines", FIELDS[by], part.key, self.language)
        if by == "unit":
            return self.units.get(part.key, part.key)
        if by == "district" and part.key:
            return say(self.language, "portal.district", n=int(part.key))
        if by == "program" and part.key == "0":
            return say(self.language, "budget.no_program")
        return part.title or part.key or say(self.language, "budget.not_told")

    def address(self, **changes: object) -> str:
        """Return this page with other choices."""
        merged = {**self.given, **changes}
        query = urlencode({name: str(v) for name, v in merged.items() if v})
        return f"?{query}" if query else "?"

    def lines(self) -> list[Line]:
        """Return the rows of the table, as the address sorts them."""
        parts = budgets.parts(self.rows, self.by)
        whole = sum(part.amounts.current for part in parts)
        largest = max([part.amounts.current for part in parts], default=0) or 1
        colours = self._colours(parts)
        found = [
            Line(
                part,
                self.title(self.by, part),
                colours[part.key],
                amounts.percent(
                    Share(part.amounts.current, whole).percent(1), self.language
                ),
                max(0, part.amounts.current) * CELL_WIDTH // largest,
                self._realised(part.amounts),
                self._rows_link(part),
                self._down(part),
            )
            for part in parts
        ]
        found = [line for line in found if self._is_asked(line.title)]
        orders: dict[str, Any] = {
            "title": lambda line: line.title,
            "approved": lambda line: -line.part.amounts.approved,
            "actual": lambda line: -(line.part.amounts.actual or 0),
            "realised": lambda line: -(percent_of(line.part.amounts) or Decimal(-1)),
        }
        return sorted(found, key=orders[self.sort]) if self.sort in orders else found

    def _is_asked(self, title: str) -> bool:
        """Tell whether a title has every word that is looked for."""
        from shahrdad.node.table.filters import fold_text

        folded = fold_text(title)
        return all(word in folded for word in fold_text(self.q).split())

    def tiles(self) -> list[Any]:
        """Return the treemap: at most 24 parts, the rest together."""
        lines = sorted(self.lines(), key=lambda line: -line.part.amounts.current)
        drawn = [self._drawn(line) for line in lines[:PARTS_MAX]]
        rest = sum(max(0, line.part.amounts.current) for line in lines[PARTS_MAX:])
        if rest:
            other = say(self.language, "budget.other")
            drawn.append(Drawn(rest, other, "", other, "#table", 0))
            drawn.sort(key=lambda one: -one.value)
        return treemap(drawn, self.language)

    def negative(self) -> list[Line]:
        """Return the parts that cannot be drawn: nothing or less."""
        return [line for line in self.lines() if line.part.amounts.current <= 0]

    def flow(self) -> dict[str, Any]:
        """Return sources and uses as a drawing and as two lists."""
        sources = self._flow_side("source", "class")
        uses = self._flow_side("use", "mission")
        if not sources or not uses:
            return {"nodes": [], "bands": [], "sources": [], "uses": []}
        nodes, bands = flow(sources, uses, self.language)
        return {"nodes": nodes, "bands": bands, "sources": sources, "uses": uses}

    def _flow_side(self, side: str, by: str) -> list[Drawn]:
        rows = self.statement.side(side)
        if by == "mission" and not any(row["mission_code"] for row in rows):
            by = "class"
        order = [*CLASSES, *self._codes()]
        parts = [one for one in budgets.parts(rows, by) if one.amounts.current > 0]
        # Fixed by code, not by size, so that years compare.
        parts = parts[:NODES_MAX]
        parts.sort(key=lambda one: order.index(one.key) if one.key in order else 99)
        whole = sum(part.amounts.current for part in parts)
        return [
            Drawn(
                part.amounts.current,
                self.title(by, part),
                amounts.percent(
                    Share(part.amounts.current, whole).percent(0), self.language, 0
                ),
                "",
                self.address(side=side, by="line", part=part.key, **{"in": by}),
                place + 1 if place < SERIES else 0,
            )
            for place, part in enumerate(parts)
        ]

    def _codes(self) -> list[str]:
        from shahrdad.datasets.standards import load

        field = load("budget_lines").field("mission_code")
        return [one.value for one in field.categories]

    def _drawn(self, line: Line) -> Drawn:
        number, unit = amounts.rial_in_words(line.part.amounts.current, self.language)
        figure = f"{number} · {line.share}"
        joiner = "، " if self.language == "fa" else ", "
        hint = f"{line.title}: {number} {unit}{joiner}{line.share}"
        return Drawn(
            line.part.amounts.current,
            line.title,
            figure,
            hint,
            line.link_down or line.link,
            line.colour,
        )

    def _colours(self, parts: Sequence[Part]) -> dict[str, int]:
        """Return a colour for each part: lines by their class, others by size."""
        if self.by == "line":
            classes: dict[str, str] = {}
            for row in self.rows:
                classes.setdefault(row["line_code"], row["economic_class"])
            sums = budgets.parts(self.rows, "class")
            order = [one.key for one in sums]
            if len(order) > 1:
                return {one.key: order.index(classes[one.key]) + 1 for one in parts}
        return {
            one.key: place + 1 if place < SERIES else 0
            for place, one in enumerate(parts)
        }

    def _realised(self, sums: Amounts) -> str:
        return amounts.percent(percent_of(sums), self.language, 0)

    def _rows_link(self, part: Part) -> str:
        columns = {
            "class": "economic_class", "mission": "mission_code", "unit": "org_unit_id",
            "line": "line_code", "district": "district_no", "program": "program_code",
        }  # fmt: skip
        filters: dict[str, object] = {"side__exact": self.side}
        if self.inside and self.part:
            filters[f"{columns[self.inside]}__exact"] = self.part
        if part.key:
            filters[f"{columns[self.by]}__exact"] = part.key
        else:
            filters[f"{columns[self.by]}__isnull"] = ""
        return rows_link(self.language, self.statement.input, **filters)

    def _down(self, part: Part) -> str:
        """Return the page of a part's lines; lines have none below them."""
        if self.by == "line" or self.inside or not part.key:
            return ""
        changes = {"in": self.by, "part": part.key, "by": "line", "sort": ""}
        return self.address(side=self.side, **changes)


def percent_of(sums: Amounts) -> Decimal | None:
    """Return the realised share in per cent."""
    return sums.realised.percent(1) if sums.realised else None
