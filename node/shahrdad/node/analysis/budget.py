"""Budgets: totals and parts, approved, amended, actual; shares, comparison (9.3, 9.9).

Only leaf lines count: a subtotal among them would be counted twice. Amounts are whole
rial; an amount that no line gives is None, never 0. "Current" is the amended amount of
a line, or the approved one where there is no amendment.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shahrdad.datasets.codelists import city as listed_city
from shahrdad.datasets.codelists import code_list
from shahrdad.node.analysis.releases import Gathered, Input, Release, Row
from shahrdad.node.analysis.share import Share, per

SCOPES = ("municipality", "affiliates", "consolidated")
SIDES = ("source", "use")
DIMENSIONS = ("class", "mission", "unit", "line", "district", "program")
CAPITAL = "capital_asset_acquisition"
CURRENT = "current_expense"
NONE = ""  # the part of lines that do not say
COLUMNS = (
    "report_period", "budget_stage", "budget_scope", "org_unit_id", "district_no",
    "side", "economic_class", "line_code", "line_title", "parent_line_code",
    "is_subtotal", "mission_code",
    "program_code", "program_title", "project_id", "payment_nature", "stability",
    "is_intra_transfer", "approved_rial", "amended_rial", "actual_rial", "as_of_date",
)  # fmt: skip


@dataclass(slots=True)
class Amounts:
    """Sums over lines.

    Attributes:
        lines: How many lines.
        current: Amended, else approved.
        actual: None where no line gives it.
        actual_of: `current` of the lines that give an actual amount.
    """

    lines: int = 0
    approved: int = 0
    amended: int | None = None
    current: int = 0
    actual: int | None = None
    actual_of: int = 0

    def add(self, row: Row) -> None:
        """Add a line."""
        current = current_of(row)
        self.lines += 1
        self.approved += row["approved_rial"] or 0
        self.current += current
        if row["amended_rial"] is not None:
            self.amended = (self.amended or 0) + row["amended_rial"]
        if row["actual_rial"] is not None:
            self.actual = (self.actual or 0) + row["actual_rial"]
            self.actual_of += current

    @property
    def realised(self) -> Share | None:
        """The actual share of what the same lines were given; None without actuals."""
        if self.actual is None or self.actual_of <= 0:
            return None
        return Share(self.actual, self.actual_of)


@dataclass(slots=True)
class Part:
    """One part of a side: a class, a mission, a unit, a line."""

    key: str
    title: str
    amounts: Amounts = field(default_factory=Amounts)


@dataclass(frozen=True, slots=True)
class Statement:
    """The lines of one city's year that belong together.

    Attributes:
        period: Of `report_period`; the longest that was published.
        scope: Of `budget_scope`.
        rows: Leaf lines of both sides.
        subtotals: The lines that sum up others.
    """

    city: str
    year: int | None
    period: str
    scope: str
    periods: tuple[str, ...]
    scopes: tuple[str, ...]
    rows: tuple[Row, ...]
    subtotals: tuple[Row, ...]
    input: Input
    time: str
    example: bool

    def side(self, side: str) -> list[Row]:
        """Return the lines of a side."""
        return [row for row in self.rows if row["side"] == side]

    def total(self, side: str) -> Amounts:
        """Return the sums of a side."""
        return total(self.side(side))

    @property
    def population(self) -> int | None:
        """Inhabitants by the census of 1395; None where no figure is confirmed."""
        known = listed_city(self.city)
        return known.population if known else None


def current_of(row: Row) -> int:
    """Return the amended amount of a line, else the approved one."""
    amended = row["amended_rial"]
    return int(amended if amended is not None else row["approved_rial"] or 0)


def total(rows: Iterable[Row]) -> Amounts:
    """Return the sums over lines."""
    found = Amounts()
    for row in rows:
        found.add(row)
    return found


def ranks() -> Mapping[str, tuple[int, bool]]:
    """Return how much of the year each period covers; the whole year wins ties."""
    return {
        row["period"]: (int(row["rank"]), row["period"] == "annual")
        for row in code_list("report_period").rows
    }


def statement(
    release: Release, scope: str | None = None, period: str | None = None
) -> Statement | None:
    """Return one statement of a release; None where scope or period has none.

    Args:
        release: Of `budget_lines`.
        scope: The municipality's by default, else the first that was published.
        period: The longest by default.
    """
    every = release.rows(*COLUMNS)
    leaves = [row for row in every if not row["is_subtotal"]]
    scopes = tuple(
        one for one in SCOPES if any(row["budget_scope"] == one for row in leaves)
    )
    if not scopes or (scope is not None and scope not in scopes):
        return None
    chosen = scope or scopes[0]
    leaves = [row for row in leaves if row["budget_scope"] == chosen]
    rank = ranks()
    periods = tuple(
        sorted(
            {str(row["report_period"]) for row in leaves},
            key=lambda one: rank.get(one, (0, False)),
            reverse=True,
        )
    )
    if period is not None and period not in periods:
        return None
    wanted = period or periods[0]
    return Statement(
        city=release.city,
        year=release.fiscal_year,
        period=wanted,
        scope=chosen,
        periods=periods,
        scopes=scopes,
        rows=tuple(row for row in leaves if row["report_period"] == wanted),
        subtotals=tuple(
            row
            for row in every
            if row["is_subtotal"]
            and (row["budget_scope"], row["report_period"]) == (chosen, wanted)
        ),
        input=release.input,
        time=release.time,
        example=release.example,
    )


KEYS: Mapping[str, Callable[[Row], tuple[str, str]]] = {
    "class": lambda row: (row["economic_class"], ""),
    "mission": lambda row: (row["mission_code"] or NONE, ""),
    "unit": lambda row: (row["org_unit_id"], ""),
    "line": lambda row: (row["line_code"], row["line_title"]),
    "district": lambda row: (str(row["district_no"] or NONE), ""),
    "program": lambda row: (row["program_code"], row["program_title"] or ""),
}


def parts(rows: Iterable[Row], dimension: str) -> list[Part]:
    """Return the parts of lines by a dimension, the largest first."""
    key_of = KEYS[dimension]
    found: dict[str, Part] = {}
    for row in rows:
        key, title = key_of(row)
        found.setdefault(key, Part(key, title)).amounts.add(row)
    return sorted(found.values(), key=lambda part: (-part.amounts.current, part.key))


def within(rows: Iterable[Row], dimension: str, key: str) -> list[Row]:
    """Return the lines of one part."""
    key_of = KEYS[dimension]
    return [row for row in rows if key_of(row)[0] == key]


@dataclass(frozen=True, slots=True)
class SmartShare:
    """Report 9.3 of one city."""

    city: str
    scope: str
    narrow: Share
    wide: Share
    fell_back: bool  # the consolidated budget says neither project nor mission
    inputs: tuple[Input, ...]


def smart_share(budget: Release, projects: Release | None) -> SmartShare | None:
    """Return the smart-city share of a budget (9.3); None where there are no uses.

    Args:
        budget: Of `budget_lines`.
        projects: Of the same city; without it no project is known to be smart.
    """
    chosen = statement(budget, "consolidated") or statement(budget, "municipality")
    if chosen is None:
        return None
    fell_back = False
    uses = smart_uses(chosen)
    if chosen.scope == "consolidated" and not any(
        row["project_id"] or row["mission_code"] for row in uses
    ):
        municipal = statement(budget, "municipality")
        if municipal is not None:
            chosen, uses, fell_back = municipal, smart_uses(municipal), True
    if not uses:
        return None
    smart: set[str] = set()
    inputs = [budget.input]
    if projects is not None:
        inputs.append(projects.input)
        smart = {
            row["project_id"]
            for row in projects.rows("project_id", "is_smart_city")
            if row["is_smart_city"]
        }
    whole = sum(map(current_of, uses))
    narrow = sum(current_of(row) for row in uses if row["project_id"] in smart)
    wide = sum(
        current_of(row)
        for row in uses
        if row["project_id"] in smart or row["mission_code"] == "management_smart"
    )
    return SmartShare(
        budget.city,
        chosen.scope,
        Share(narrow, whole),
        Share(wide, whole),
        fell_back,
        tuple(inputs),
    )


def smart_uses(chosen: Statement) -> list[Row]:
    """Return the uses that are not paid from one purse of the city to another."""
    return [row for row in chosen.side("use") if not row["is_intra_transfer"]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Report 9.9 of one city; amounts are of uses, in rial."""

    city: str
    period: str
    scope: str
    uses: Amounts
    sources: Amounts
    per_resident: int | None
    population: int | None
    current_share: Share
    capital_share: Share
    sustainable_share: Share | None
    cash_share: Share | None
    inputs: tuple[Input, ...]


def compare(budgets: Gathered, scope: str = "municipality") -> list[Comparison]:
    """Return the budgets side by side, cities without one left out."""
    found = []
    for release in budgets.releases:
        chosen = statement(release, scope)
        if chosen is not None:
            found.append(comparison(chosen))
    return found


def comparison(chosen: Statement) -> Comparison:
    """Return one city's line of the comparison."""
    uses, sources = chosen.total("use"), chosen.total("source")
    classes = {part.key: part.amounts for part in parts(chosen.side("use"), "class")}
    told = [row for row in chosen.side("source") if row["stability"]]
    sustainable = [row for row in told if row["stability"] == "sustainable"]
    paid = [row for row in chosen.rows if row["payment_nature"] in {"cash", "noncash"}]
    cash = [row for row in paid if row["payment_nature"] == "cash"]
    empty = Amounts()
    return Comparison(
        city=chosen.city,
        period=chosen.period,
        scope=chosen.scope,
        uses=uses,
        sources=sources,
        per_resident=per(uses.current, chosen.population),
        population=chosen.population,
        current_share=Share(classes.get(CURRENT, empty).current, uses.current),
        capital_share=Share(classes.get(CAPITAL, empty).current, uses.current),
        sustainable_share=share_of(sustainable, told),
        cash_share=share_of(cash, paid),
        inputs=(chosen.input,),
    )


def share_of(part: Sequence[Row], whole: Sequence[Row]) -> Share | None:
    """Return the share of some lines among those that say; None where none says."""
    if not whole:
        return None
    return Share(sum(map(current_of, part)), sum(map(current_of, whole)))


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a statement that its page shows as a sentence.

    Attributes:
        name: "balance", "parts" or "unit".
        rial: By how much it fails; of "unit" the approved amount for each resident.
    """

    name: str
    holds: bool
    rial: int


def checks(chosen: Statement) -> list[Check]:
    """Return the checks that this statement can be put to, approved amounts.

    Sources equal uses (B1). Subtotals equal the sum of their lines (B2), where there
    are subtotals. The amount for each resident is one that a city can have (B7), where
    the whole year and the population are known: a table in another unit is not.
    """
    difference = chosen.total("source").approved - chosen.total("use").approved
    found = [Check("balance", difference == 0, difference)]
    if chosen.subtotals:
        missed = parts_missed(chosen)
        found.append(Check("parts", missed == 0, missed))
    band = per_resident_band(chosen.year)
    head = per(chosen.total("use").approved, chosen.population)
    whole_year = chosen.period == "annual" and chosen.scope != "affiliates"
    if band is not None and head is not None and whole_year:
        found.append(Check("unit", band[0] <= head <= band[1], head))
    return found


def parts_missed(chosen: Statement) -> int:
    """Return by how much subtotals differ from the sums of their lines, in rial."""
    wanted: dict[tuple[str, str], int] = {}
    summed: dict[tuple[str, str], int] = {}
    for row in chosen.subtotals:
        key = (row["side"], row["line_code"])
        wanted[key] = wanted.get(key, 0) + (row["approved_rial"] or 0)
    for row in (*chosen.rows, *chosen.subtotals):
        key = (row["side"], row["parent_line_code"])
        if key in wanted:
            summed[key] = summed.get(key, 0) + (row["approved_rial"] or 0)
    return sum(abs(amount - summed.get(key, 0)) for key, amount in wanted.items())


def per_resident_band(year: int | None) -> tuple[int, int] | None:
    """Return the least and the most rial for each resident that a year can have."""
    for row in code_list("per_capita_band").rows:
        if row["fiscal_year"] == str(year):
            return int(row["low_rial"]), int(row["high_rial"])
    return None


@dataclass(frozen=True, slots=True)
class Year:
    """One year of a city's budgets, uses or sources."""

    year: int
    period: str
    approved: int
    actual: int | None
    input: Input


def over_years(budgets: Gathered, city: str, scope: str, side: str) -> list[Year]:
    """Return a side of a city's budgets, year by year, the earliest first.

    Of a year with several datasets the first by reference counts, as on its page.
    """
    found: dict[int, Year] = {}
    for release in budgets.of(city):
        chosen = statement(release, scope)
        if (
            release.fiscal_year is None
            or chosen is None
            or release.fiscal_year in found
        ):
            continue
        sums = chosen.total(side)
        found[release.fiscal_year] = Year(
            release.fiscal_year,
            chosen.period,
            sums.approved,
            sums.actual,
            release.input,
        )
    return [found[year] for year in sorted(found)]
