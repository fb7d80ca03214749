"""`/d/{ref}/charts`: a table as bars or a line, with its numbers below (portal 2.3).

The state is the address: what is counted or summed, by which column, and the filters of
the rows query, so that a chart can be sent to somebody. The groups are those of `/v1`'s
aggregates: exact sums, no rows that are totals, a large table in a process of its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.datasets.jalali import from_gregorian, month_days, to_gregorian
from shahrdad.datasets.standards import Field
from shahrdad.node.analysis.limits import TABLE_ROWS_MAX
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_api import find
from shahrdad.node.http.dataset_object import show
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.languages import digits
from shahrdad.node.http.parameters import split
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.rows import chips, filter_text
from shahrdad.node.http.portal.shapes import Line, line
from shahrdad.node.http.previews import cell
from shahrdad.node.http.rendering import page
from shahrdad.node.http.texts import say

if TYPE_CHECKING:
    import pyarrow as pa

    from shahrdad.node.table.query import Query
    from shahrdad.node.table.reading import TableReader
    from shahrdad.node.table.rows import Page

BARS_MAX = 24  # the rest together
POINTS_MAX = 60  # of a line: five years of months
DAYS_MAX = 1_000  # different days of a large table: one page of its query
BAR_WIDTH = 1000
STEPS = ("year", "month")
PLACES = frozenset({"lat", "lon"})  # numbers whose sum and average mean nothing
PROSE = ("_fa", "_en")  # texts that name or tell of one row
NO_FILTER = frozenset({"groupby", "sum", "avg", "min", "max", "count", "countdistinct"})
SUBTOTAL = "is_subtotal"  # such a row is in no group
UNIT_IN_TITLE = re.compile(r" \((?:ریال|rial|٪|%)\)$")
# Both sides of a budget, and a city with and without its companies, are no sum.
USUAL = {
    "budget_lines": (("side__exact", "use"), ("budget_scope__exact", "municipality")),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the form offers.

    Attributes:
        groups: Columns whose values are the bars.
        times: Columns of a year or a day.
        sums, means: Columns that are added, and those of which the average is told.
    """

    groups: tuple[str, ...]
    times: tuple[str, ...]
    sums: tuple[str, ...]
    means: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for.

    Attributes:
        by: A column of the choice.
        of: A column that is measured; "" counts rows.
        step: Of a day: `year` or `month`.
        filters: In the grammar of the rows query.
    """

    by: str
    of: str
    step: str
    filters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A bar or a point.

    Attributes:
        value: None where there is nothing to average.
        values: How many cells or rows went into it.
        rows: The filters of the rows behind it; None of what is left over.
    """

    title: str
    value: Decimal | None
    values: int
    rows: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class Chart:
    """The groups of an address.

    Attributes:
        groups: The largest first; of time, the earliest.
        others: What is not drawn: the rest, and rows without a value to group by.
        total: Of all rows; None of averages.
        left: How many groups the rest is, or how many periods lie before.
        is_cut: More different days than can be told apart; nothing is drawn.
    """

    groups: tuple[Group, ...]
    others: tuple[Group, ...]
    total: Decimal | None
    left: int = 0
    is_cut: bool = False

    @property
    def every(self) -> tuple[Group, ...]:
        """What the table has."""
        return (*self.groups, *self.others)

    @property
    def largest(self) -> Decimal:
        """The longest bar."""
        values = [one.value for one in self.groups if one.value is not None]
        return max([*values, Decimal(0)])

    def bar(self, group: Group) -> int:
        """Return the length of a group's bar."""
        return max(0, int((group.value or 0) * BAR_WIDTH / (self.largest or 1)))

    def share(self, group: Group) -> Decimal | None:
        """Return a group's share in per cent; None where shares mean nothing."""
        if not self.total or group.value is None or self.total < 0:
            return None
        return group.value * 100 / self.total

    def line(self, language: Language) -> Line:
        """Return the groups as a line."""
        return line([one.value for one in self.groups], language)


def index(call: Call, language: Language) -> Response:
    """Show a table as a chart."""
    shown = show(call.node, *find(call, withdrawn_readable=True))
    if not shown.record.tables:
        raise RequestError(Reason.NO_TABLE, ref=shown.ref, resource="–")
    view = shown.record.tables[0]
    table = reader(shown, view)
    known = {one.name: one for one in shown.standard.fields} if shown.standard else {}
    offered = choice(table.schema, known, table.key_columns())
    given = split(call.request.scope["query_string"])
    preview = call.request.app.state.previews.get(shown, view, language)
    varying = [one.name for one in preview.columns] if preview else []
    lively = sorted(
        varying, key=lambda name: not (name in known and known[name].categories)
    )
    asked = read(given, offered, lively, family=shown.dataset.family)
    asking = Asking(call, table, asked, offered, known, language)
    dataset = shown.dataset
    return page(
        call,
        "portal/charts.html",
        language,
        shown=shown,
        resource=view.name,
        title=dataset.title_fa if language == "fa" else dataset.title_en,
        city=city_name(dataset.city, call.node.config),
        asked=asked,
        offered=offered,
        titled=lambda name: titled(name, known, language),
        steps=STEPS,
        filters=chips(asking.query([]), asked.filters, known, language),
        choices=chosen(asked),
        asking=asking,
        chart=asking.chart() if asked.by else Chart((), (), None),
        address=lambda pairs: f"?{urlencode(pairs)}",
        money=amounts,
    )


def choice(
    schema: "pa.Schema", known: Mapping[str, Field], key: Sequence[str]
) -> Choice:
    """Return what can be drawn of a table: by its standard, else by its types.

    Args:
        schema: Its columns.
        known: The fields of its standard, by name.
        key: Its primary key; a column that alone tells rows apart is no category.
    """
    import pyarrow as pa

    apart = [name for name in key if name != "city_code"]
    alone = apart[0] if len(apart) == 1 else "city_code"
    groups, times, sums, means = [], [], [], []
    for one in schema:
        name, kind, field = one.name, one.type, known.get(one.name)
        bounds = field.constraints if field else {}
        low, high = bounds.get("minimum"), bounds.get("maximum")
        if pa.types.is_date(kind):
            times.append(name)
        elif name in {alone, "city_code"}:
            continue
        elif pa.types.is_boolean(kind) or (pa.types.is_string(kind) and is_group(name)):
            groups.append(name)
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            continue
        elif field is not None and field.unit == "rial":
            sums.append(name)
        elif pa.types.is_integer(kind) and high is not None and low is not None:
            (times if low >= 1000 else groups).append(name)
        elif pa.types.is_integer(kind) and (field is None or low == 0):
            sums.append(name)
        elif name not in PLACES:
            means.append(name)
    return Choice(*(tuple(found) for found in (groups, times, sums, means)))


def is_group(name: str) -> bool:
    """Tell whether a text's values are worth a bar each: codes and names, no prose."""
    return not name.endswith((*PROSE, "_url"))


def is_day(schema: "pa.Schema", name: str) -> bool:
    """Tell whether a column holds days; else it holds years."""
    import pyarrow as pa

    return bool(pa.types.is_date(schema.field(name).type))


def read(
    given: Sequence[tuple[str, str]],
    offered: Choice,
    preferred: Sequence[str],
    *,
    family: str | None,
) -> Asked:
    """Return what an address asks for; what it leaves open is chosen for it.

    Args:
        given: The pairs of the address.
        offered: What the table can be drawn by.
        preferred: Columns with more than one value, those with codes first.
        family: The standard of the dataset.

    Raises:
        RequestError: PARAMETER_VALUE.
    """
    own = {name: value for name, value in given if name in {"by", "of", "step"}}
    filters = tuple(
        pair
        for pair in given
        if pair[0] == "or"
        or ("__" in pair[0] and pair[0].rpartition("__")[2] not in NO_FILTER)
    )
    by_all, of_all = (*offered.groups, *offered.times), (*offered.sums, *offered.means)
    for name, known in (("by", by_all), ("of", ("", *of_all)), ("step", STEPS)):
        if own.get(name, known[0] if known else "") not in (known or ("",)):
            raise RequestError(
                Reason.PARAMETER_VALUE,
                parameter=name,
                value=own[name][:100],
                expected=" | ".join(one for one in known if one),
            )
    if not given:
        filters = USUAL.get(family or "", ())
    fixed = {name.rpartition("__")[0] for name, _ in filters}
    lively = [one for one in preferred if one in by_all and one not in fixed]
    by = own.get("by") or next(iter([*lively, *by_all]), "")
    of = own.get("of", "" if own.get("by") else next(iter(offered.sums), ""))
    return Asked(by, of, own.get("step", STEPS[0]), filters)


def chosen(asked: Asked) -> list[tuple[str, str]]:
    """Return the pairs of an address without its filters."""
    pairs = [("by", asked.by), ("of", asked.of)]
    return [*pairs, ("step", asked.step)] if asked.step != STEPS[0] else pairs


def titled(name: str, known: Mapping[str, Field], language: Language) -> str:
    """Return a column's title without its unit, which stands beside the values."""
    title = known[name].title(language) if name in known else name
    return UNIT_IN_TITLE.sub("", title)


class Asking:
    """Answers what an address asks for, and writes the values.

    Args:
        call: The request.
        table: The rows.
        asked: What is asked for.
        offered: What the table can be drawn by.
        known: The fields of its standard.
        language: Of the page.
    """

    def __init__(
        self,
        call: Call,
        table: "TableReader",
        asked: Asked,
        offered: Choice,
        known: Mapping[str, Field],
        language: Language,
    ) -> None:
        self._call = call
        self._table = table
        self._asked = asked
        self._field = known.get(asked.by)
        self.language: Language = language
        self.is_time = asked.by in offered.times
        self.is_day = self.is_time and is_day(table.schema, asked.by)
        self.is_mean = asked.of in offered.means
        measured = known.get(asked.of)
        unit = measured.unit if measured else None
        self.unit: str = unit or ("number" if asked.of else "count")
        # A key is never empty, so that counting it counts rows.
        self._counted = asked.of or next(iter(table.key_columns()), asked.by)

    def query(self, extra: Sequence[tuple[str, str]]) -> "Query":
        """Return the query of the filters and these pairs."""
        from shahrdad.node.table.query import parse

        return parse([*self._asked.filters, *extra], self._table.schema)

    def chart(self) -> Chart:
        """Return the groups.

        Raises:
            RequestError: QUERY_TOO_EXPENSIVE, and as `query.parse`.
        """
        return self._over_time() if self.is_time else self._by_value()

    def _page(self, groups: Sequence[str], sort: str = "", most: int = 0) -> "Page":
        """Return the groups of the address, with the sum and the count of each."""
        from shahrdad.node.table.grouping import aggregate

        functions = ["sum", *(["avg"] if self.is_mean else [])]
        functions = functions if self._asked.of else ["count"]
        pairs = [(f"{name}__groupby", "") for name in groups]
        pairs += [(f"{self._counted}__{one}", "") for one in functions]
        pairs += [("sort", sort)] if sort else []
        pairs += [("limit", str(min(most or DAYS_MAX, DAYS_MAX)))]
        query = self.query(pairs)
        if self._table.rows > TABLE_ROWS_MAX:
            queries = self._call.request.app.state.queries
            asked: Page = queries.answer(self._table, [*self._asked.filters, *pairs])
            return asked
        return aggregate(self._table, replace(query, limit=most or TABLE_ROWS_MAX))

    def _read(self, row: Mapping[str, Any]) -> tuple[Decimal | None, int]:
        """Return the sum and the count of a group; no sum of no value."""
        count = int(row[f"{self._counted}__count"])
        if not self._asked.of:
            return Decimal(count), count
        found = row[f"{self._counted}__sum"]
        return (None if found is None else Decimal(str(found))), count

    def _told(self, total: Decimal | None, count: int) -> Decimal | None:
        """Return what is shown of a group: its average, or its sum."""
        if self.is_mean:
            return total / count if total is not None and count else None
        return total if total is not None else Decimal(0)

    def _by_value(self) -> Chart:
        by, measure = self._asked.by, "avg" if self.is_mean else "sum"
        measure = measure if self._asked.of else "count"
        answer = self._page([by], f"-{self._counted}__{measure}", BARS_MAX)
        found = [
            self._group(row[by], *self._read(row)) for row in answer.rows.to_pylist()
        ]
        left_out = answer.total - len(found)
        if self.is_mean:
            return Chart(tuple(found), (), None, left_out)
        (whole,) = self._page([]).rows.to_pylist()
        total, count = self._read(whole)
        total = total or Decimal(0)
        rest = Group(
            say(self.language, "chart.rest", count=left_out),
            total - sum(one.value or 0 for one in found),
            count - sum(one.values for one in found),
            None,
        )
        return Chart(tuple(found), (rest,) if left_out else (), total, left_out)

    def _group(self, value: Any, total: Decimal | None, count: int) -> Group:
        if value is None:
            title = say(self.language, "chart.not_told")
            rows = (f"{self._asked.by}__isnull", "")
        else:
            text = cell(value, self._field, self.language)
            title = text.text
            if text.kind == "number":
                title = amounts.number_text(title, self.language)
            rows = (f"{self._asked.by}__exact", filter_text(value))
        return Group(title, self._told(total, count), count, (rows,))

    def _over_time(self) -> Chart:
        by = self._asked.by
        answer = self._page([by])
        if answer.total > answer.rows.num_rows:
            return Chart((), (), None, answer.total, is_cut=True)
        sums: dict[int, tuple[Decimal | None, int]] = {}
        others: list[Group] = []
        for row in answer.rows.to_pylist():
            total, count = self._read(row)
            if row[by] is None:
                others.append(self._group(None, total, count))
                continue
            period = self._period(row[by])
            before, counted = sums.get(period, (None, 0))
            both = before if total is None else total + (before or 0)
            sums[period] = both, counted + count
        periods = range(min(sums), max(sums) + 1) if sums else range(0)
        shown = periods[-POINTS_MAX:]
        groups = tuple(
            self._in_time(one, *sums[one])
            if one in sums
            else Group(self._named(one), self._told(None, 0), 0, None)
            for one in shown
        )
        every = [total for total, _ in sums.values() if total is not None]
        every += [one.value for one in others if one.value is not None]
        whole = None if self.is_mean else sum(every, Decimal(0))
        return Chart(groups, tuple(others), whole, len(periods) - len(shown))

    def _period(self, value: date | int) -> int:
        """Return the number of a value's period: a year, or months since year 0."""
        if isinstance(value, int):
            return value
        year, month, _ = from_gregorian(value)
        return year if self._asked.step == "year" else year * 12 + month - 1

    def _in_time(self, period: int, total: Decimal | None, count: int) -> Group:
        by, title, value = self._asked.by, self._named(period), self._told(total, count)
        if not self.is_day:
            return Group(title, value, count, ((f"{by}__exact", str(period)),))
        if self._asked.step == "year":
            year, first, last = period, 1, 12
        else:
            year, month = divmod(period, 12)
            first = last = month + 1
        start = to_gregorian(year, first, 1)
        end = to_gregorian(year, last, month_days(year, last))
        rows = (
            (f"{by}__greater", start.isoformat()),
            (f"{by}__less", end.isoformat()),
        )
        return Group(title, value, count, rows)

    def _named(self, period: int) -> str:
        """Return what a period is called: `1404`, or `1404/08`."""
        year, month = divmod(period, 12)
        is_month = self.is_day and self._asked.step == "month"
        title = f"{year}/{month + 1:02}" if is_month else str(period)
        return digits(title, self.language)

    def text(self, value: Decimal | None) -> str:
        """Return a value with its unit, as prose has it."""
        if value is None:
            return "–"
        if self.unit == "rial":
            return " ".join(amounts.rial_in_words(round(value), self.language))
        if self.unit == "percent":
            return amounts.percent(value, self.language)
        return amounts.number_of(value, 2, self.language)

    def mark(self, value: Decimal | None) -> str:
        """Return a value as it stands beside a mark: the unit is in the caption."""
        return amounts.number_text(self.cell(value), self.language)

    def cell(self, value: Decimal | None) -> str:
        """Return a value as a cell of the table has it: the unit is in the caption."""
        if value is None:
            return "–"
        if self.unit == "rial":
            return amounts.milliard(round(value))
        return amounts.number_of(value, 1 if self.unit == "percent" else 2, "en")

    def rows(self, group: Group | None = None) -> str:
        """Return the query of the rows behind a group, or behind all of them."""
        extra = list(group.rows) if group and group.rows else []
        if SUBTOTAL in self._table.schema.names:
            extra.append((f"{SUBTOTAL}__differs", "true"))
        return urlencode([*self._asked.filters, *extra])

    def api(self) -> str:
        """Return the query that `/v1` answers with the same groups."""
        function = "avg" if self.is_mean else "sum" if self._asked.of else "count"
        pairs = [
            (f"{self._asked.by}__groupby", ""),
            (f"{self._counted}__{function}", ""),
        ]
        return urlencode([*self._asked.filters, *pairs])
