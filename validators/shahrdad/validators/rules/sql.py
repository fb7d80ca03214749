"""Rules of tables, answered by DuckDB: sums, keys, sequences, dependencies.

Every query is one of these templates; names are quoted identifiers, values are bound.
Conditions become flag columns before (`Ask.view`), so no condition is ever SQL text.
"""

# Names are quoted identifiers and values are bound: nothing given becomes SQL.
# ruff: noqa: S608

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from shahrdad.validators.rules.asking import listed, quoted, same
from shahrdad.validators.rules.conditions import MalformedError
from shahrdad.validators.rules.found import (
    Ask,
    Found,
    Result,
    SkippedError,
    TableCheck,
    group_text,
    plain,
)
from shahrdad.validators.rules.shape import Rule
from shahrdad.validators.rules.tolerance import number

WIDE = "DECIMAL(38, 6)"  # sums of amounts: exact, far beyond int64


def _where(rule: Rule) -> Any:
    return rule.where if rule.where is not None else rule.params.get("where")


def _sum(column: str, alias: str = "") -> str:
    prefix = f"{alias}." if alias else ""
    return f"sum({prefix}{quoted(column)}::{WIDE})"


def balance(rule: Rule, ask: Ask) -> Result:
    """The signed sums of the terms add to zero in each group."""
    terms = rule.params.get("terms")
    if not isinstance(terms, list) or not terms:
        raise MalformedError("terms")
    by = rule.names("by")
    flags = {f"_w{n}": term.get("where") for n, term in enumerate(terms)}
    view = ask.view({"_where": _where(rule), **flags})
    sums = ", ".join(
        f"coalesce(sum({quoted(t['column'])}::{WIDE}) FILTER (_w{n}), 0), count(*)"
        f" FILTER (_w{n})"
        for n, t in enumerate(terms)
    )
    groups = ask.rows(
        f"SELECT {listed(by)}, {sums} FROM {view} WHERE _where GROUP BY {listed(by)}"
        f" ORDER BY ALL"
    )
    result = Result(groups=len(groups))
    width = max(len(by), 1)
    columns = sorted({str(term["column"]) for term in terms})
    for row in groups:
        totals, counts = row[width::2], row[width + 1 :: 2]
        lacking = any(
            not c and not t.get("optional") for c, t in zip(counts, terms, strict=True)
        )
        if lacking and rule.params.get("if_term_missing") == "skip":
            continue
        signed = [
            number(t.get("sign", 1)) * total
            for t, total in zip(terms, totals, strict=True)
        ]
        left = sum(
            (
                s
                for s, t in zip(signed, terms, strict=True)
                if number(t.get("sign", 1)) > 0
            ),
            Decimal(0),
        )
        right = left - sum(signed, Decimal(0))
        difference = left - right
        if abs(difference) > ask.allowed(rule, columns, right, sum(counts)):
            values = {
                "value": group_text(row[:width]),
                "left": plain(left),
                "right": plain(right),
                "diff": plain(difference),
            }
            result.found.append(Found(column=columns[0], values=values))
    return result


def parent_sum(rule: Rule, ask: Ask) -> Result:
    """A flagged row is the sum of the rows that name it as their parent."""
    by = rule.names("by")
    key, parent, flag = (str(rule.params.get(k)) for k in ("key", "parent", "flag"))
    view = ask.view({"_where": _where(rule)})
    result = Result()
    for column in rule.names("columns"):
        name = quoted(column)
        rows = ask.rows(
            f"SELECT p._row, p.{quoted(key)}, p.{name}::{WIDE}, coalesce(c.total, 0),"
            f" coalesce(c.n, 0)"
            f" FROM {view} p LEFT JOIN (SELECT {listed(by)}, {quoted(parent)} AS k,"
            f" {_sum(column)} AS total,"
            f" count(*) AS n, count({name}) AS given FROM {view} WHERE {quoted(parent)}"
            f" IS NOT NULL"
            f" GROUP BY ALL) c ON c.k = p.{quoted(key)} AND {same(by, 'c', 'p')}"
            f" WHERE p._where AND p.{quoted(flag)} AND p.{name} IS NOT NULL"
            " AND coalesce(c.n, 0) = coalesce(c.given, 0) ORDER BY p._row"
        )
        result.groups = (result.groups or 0) + len(rows)
        for row, code, value, total, count in rows:
            if abs(value - total) > ask.allowed(rule, [column], total, count):
                values = {
                    "value": code,
                    "expected": plain(total),
                    "diff": plain(value - total),
                }
                result.found.append(Found(row, column, values))
    return result


def total_row(rule: Rule, ask: Ask) -> Result:
    """The parts of each group add to its total row."""
    by, part = rule.names("by"), str(rule.params.get("part"))
    skip = rule.params.get("skip_if_empty") is True
    view = ask.view({"_where": _where(rule)})
    is_total = f"{quoted(part)} = ?"
    total_value = rule.params.get("total_value")
    result = Result()
    for column in rule.names("columns"):
        name = quoted(column)
        rows = ask.rows(
            f"SELECT min(_row) FILTER ({is_total}), min({name}::{WIDE}) FILTER"
            f" ({is_total}),"
            f" sum({name}::{WIDE}) FILTER ({quoted(part)} <> ?), count(*) FILTER"
            f" ({quoted(part)} <> ?),"
            f" count({name}) FILTER ({quoted(part)} <> ?) FROM {view} WHERE _where"
            f" GROUP BY {listed(by)} ORDER BY 1",
            *[total_value] * 5,
        )
        judged = [r for r in rows if r[0] is not None and r[3] and r[1] is not None]
        result.groups = max(result.groups or 0, len(judged))
        for row, total, parts, count, given in judged:
            if skip and given < count:
                continue
            parts = parts or Decimal(0)
            if abs(total - parts) > ask.allowed(rule, [column], parts, count):
                values = {
                    "value": plain(total),
                    "expected": plain(parts),
                    "diff": plain(total - parts),
                }
                result.found.append(Found(row, column, values))
    return result


def group_sum(rule: Rule, ask: Ask) -> Result:
    """The sum of each group is a given value; an empty cell skips its group."""
    by, column = rule.names("by"), str(rule.params.get("column"))
    expected = number(rule.params.get("value"))
    view = ask.view({"_where": _where(rule)})
    rows = ask.rows(
        f"SELECT min(_row), {_sum(column)}, count(*), list(_row ORDER BY _row)[:20]"
        f" FROM {view} WHERE _where"
        f" GROUP BY {listed(by)} HAVING count(*) = count({quoted(column)}) ORDER BY 1"
    )
    found = [
        Found(
            row,
            column,
            {
                "value": plain(total),
                "expected": plain(expected),
                "diff": plain(total - expected),
            },
            tuple(members),
        )
        for row, total, count, members in rows
        if abs(total - expected) > ask.allowed(rule, [column], expected, count)
    ]
    return Result(found, len(rows))


def declared_amount(given: Any, money: bool) -> Decimal:
    """Return a declared figure, in rial where it is an amount.

    Raises:
        SkippedError: The figure cannot be read, or names no unit.
    """
    if isinstance(given, int):
        return Decimal(given)
    from shahrdad.validators.normalise.amount_words import parse

    amount = parse(str(given))
    if amount.value is None:
        raise SkippedError(f"the declared figure cannot be read: {amount.reason}")
    digits_alone = not any(letter.isalpha() for letter in str(given))
    if money and amount.unit is None and not digits_alone:
        raise SkippedError("the declared figure names no unit")
    return amount.value * (10 if amount.unit == "toman" else 1)


def control_total(rule: Rule, ask: Ask) -> Result:
    """A declared figure equals the sum or count of the table."""
    total = str(rule.params.get("total"))
    if total not in ask.context.given.declared:
        raise SkippedError(f"{total} was not declared")
    measure, column = rule.params.get("measure"), rule.params.get("column")
    summed = ask.plan.field(str(column)) if measure == "sum" else None
    money = summed is not None and summed.kind == "money"
    expected = declared_amount(ask.context.given.declared[total], money)
    measures = {
        "sum": lambda: f"coalesce({_sum(str(column))}, 0)",
        "count": lambda: f"count({quoted(str(column)) if column else '*'})",
        "count-distinct": lambda: f"count(DISTINCT {quoted(str(column))})",
    }
    if measure not in measures:
        raise MalformedError(f"measure {measure}")
    view = ask.view({"_where": _where(rule)})
    [(value, count)] = ask.rows(
        f"SELECT {measures[measure]()}, count(*) FROM {view} WHERE _where"
    )
    value = number(value)
    names = [str(column)] if column else []
    if abs(value - expected) <= ask.allowed(rule, names, expected, count):
        return Result(groups=1)
    values = {
        "value": plain(value),
        "expected": plain(expected),
        "diff": plain(value - expected),
    }
    return Result([Found(column=str(column) if column else None, values=values)], 1)


def unique(rule: Rule, ask: Ask) -> Result:
    """No two rows are equal; rows with an empty part are not judged."""
    names = rule.names("columns")
    return Result(_repeated(rule, ask, names))


def _repeated(rule: Rule, ask: Ask, names: Sequence[str]) -> list[Found]:
    view = ask.view({"_where": _where(rule)})
    given = " AND ".join(f"{quoted(n)} IS NOT NULL" for n in names)
    rows = ask.rows(
        f"SELECT _row, before, {listed(names)} FROM (SELECT _row, {listed(names)},"
        f" lag(_row) OVER (PARTITION BY {listed(names)} ORDER BY _row) AS before"
        f" FROM {view} WHERE _where AND {given}) WHERE before IS NOT NULL ORDER BY _row"
    )
    return [
        Found(
            row,
            names[-1],
            {"value": group_text(tuple(key)), "expected": before},
            (before,),
        )
        for row, before, *key in rows
    ]


def functional_dependency(rule: Rule, ask: Ask) -> Result:
    """Equal determinants have equal dependents, those of the group's first row."""
    left, right = rule.names("determinant"), rule.names("dependent")
    view = ask.view({"_where": _where(rule)})
    given = " AND ".join(f"{quoted(n)} IS NOT NULL" for n in [*left, *right])
    firsts = ", ".join(
        f"first_value({quoted(n)}) OVER (PARTITION BY {listed(left)} ORDER BY _row) AS"
        f" f{i}"
        for i, n in enumerate(right)
    )
    differs = " OR ".join(f"{quoted(n)} <> f{i}" for i, n in enumerate(right))
    rows = ask.rows(
        f"SELECT _row, first, {listed(left)}, {listed(right)} FROM (SELECT _row,"
        f" {listed(left)}, {listed(right)},"
        f" first_value(_row) OVER (PARTITION BY {listed(left)} ORDER BY _row) AS first,"
        f" {firsts}"
        f" FROM {view} WHERE _where AND {given}) WHERE {differs} ORDER BY _row"
    )
    return Result(
        [
            Found(
                row,
                right[0],
                {
                    "value": group_text(tuple(rest[: len(left)])),
                    "expected": group_text(tuple(rest[len(left) :])),
                },
                (first,),
            )
            for row, first, *rest in rows
        ]
    )


def contiguous(rule: Rule, ask: Ask) -> Result:
    """The values of each group are start, start + 1, … without a gap."""
    by, column = rule.names("by"), str(rule.params.get("column"))
    start = int(rule.params.get("start", 1))
    view = ask.view({"_where": _where(rule)})
    name = quoted(column)
    rows = ask.rows(
        f"SELECT min(_row), min({name}), max({name}), count(DISTINCT {name}),"
        f" {listed(by)} FROM {view}"
        f" WHERE _where AND {name} IS NOT NULL GROUP BY {listed(by)} ORDER BY 1"
    )
    found = [
        Found(
            row,
            column,
            {
                "value": group_text(tuple(key)),
                "expected": f"{start}…{start + count - 1}",
                "left": low,
                "right": high,
            },
        )
        for row, low, high, count, *key in rows
        if low != start or high - low + 1 != count
    ]
    return Result(found, len(rows))


def count_between(rule: Rule, ask: Ask) -> Result:
    """The number of matching rows of each group is within bounds."""
    by = rule.names("by")
    least, most = rule.params.get("min"), rule.params.get("max")
    view = ask.view({"_where": rule.where, "_match": rule.params.get("where")})
    rows = ask.rows(
        f"SELECT count(*) FILTER (_match), min(_row) FILTER (_match), {listed(by)} FROM"
        f" {view} WHERE _where"
        f" GROUP BY {listed(by)} ORDER BY ALL"
    )
    found = [
        Found(
            row,
            None,
            {
                "value": count,
                "expected": f"{least}…{most}",
                "left": group_text(tuple(key)),
            },
        )
        for count, row, *key in rows
        if (least is not None and count < int(least))
        or (most is not None and count > int(most))
    ]
    return Result(found, len(rows))


def max_gap_days(rule: Rule, ask: Ask) -> Result:
    """Consecutive dates of each group are not too far apart."""
    by, column = rule.names("by"), str(rule.params.get("column"))
    days = int(rule.params.get("days", 0))
    view = ask.view({"_where": _where(rule)})
    name = quoted(column)
    rows = ask.rows(
        f"SELECT row, day, before FROM (SELECT min(_row) AS row, {name} AS day,"
        f" lag({name}) OVER"
        f" (PARTITION BY {listed(by)} ORDER BY {name}) AS before FROM {view} WHERE"
        f" _where AND {name} IS NOT NULL"
        f" GROUP BY {listed(by)}, {name}) WHERE day - before > ? ORDER BY row",
        days,
    )
    return Result(
        [
            Found(
                row,
                column,
                {
                    "value": (day - before).days,
                    "expected": days,
                    "left": before,
                    "right": day,
                },
            )
            for row, day, before in rows
        ]
    )


def ordered_indicators(rule: Rule, ask: Ask) -> Result:
    """For each pair of a list, the value of the lower is at most that of the upper."""
    by, key, column = (
        rule.names("by"),
        str(rule.params.get("key")),
        str(rule.params.get("column")),
    )
    pairs = ask.context.list_rows(str(rule.params.get("list")))
    if pairs is None:
        raise SkippedError(f"list {rule.params.get('list')} is not known")
    view = ask.view({"_where": _where(rule)})
    result = Result()
    for pair in pairs:
        rows = ask.rows(
            f"SELECT a._row, a.{quoted(column)}, b.{quoted(column)}, b._row FROM {view}"
            f" a JOIN {view} b"
            f" ON {same(by, 'a', 'b')} WHERE a._where AND b._where AND a.{quoted(key)}"
            f" = ? AND b.{quoted(key)} = ?"
            f" AND a.{quoted(column)} > b.{quoted(column)} ORDER BY 1",
            str(pair["lower"]),
            str(pair["upper"]),
        )
        result.found += [
            Found(
                row,
                column,
                {
                    "value": plain(low),
                    "expected": plain(high),
                    "left": str(pair["lower"]),
                    "right": str(pair["upper"]),
                },
                (other,),
            )
            for row, low, high, other in rows
        ]
    return result


def small_cells(rule: Rule, ask: Ask) -> Result:
    """No small count is shown, and none can be computed back."""
    least, most = int(rule.params.get("min", 1)), int(rule.params.get("max", 4))
    marker, by = str(rule.params.get("marker")), rule.names("secondary_by")
    view = ask.view({"_where": _where(rule)})
    result = Result()
    for column in rule.names("columns"):
        rows = ask.rows(
            f"SELECT _row, {quoted(column)} FROM {view} WHERE _where AND"
            f" {quoted(column)} BETWEEN ? AND ? ORDER BY _row",
            least,
            most,
        )
        # The count itself is what must not be shown, not even in the report.
        result.found += [
            Found(row, column, {"value": f"{least}…{most}"}) for row, _ in rows
        ]
    rows = ask.rows(
        f"SELECT min(_row) FILTER ({quoted(marker)}) FROM {view} WHERE _where GROUP BY"
        f" {listed(by)}"
        f" HAVING count(*) FILTER ({quoted(marker)}) = 1 ORDER BY 1"
    )
    result.found += [Found(row, marker, {"value": 1}) for (row,) in rows]
    return result


def per_capita_band(rule: Rule, ask: Ask) -> Result:
    """The sum per inhabitant lies in the year's band; a slip of ten is graver."""
    by, column = rule.names("by"), str(rule.params.get("column"))
    bands = {
        int(row["fiscal_year"]): (number(row["low_rial"]), number(row["high_rial"]))
        for row in ask.context.list_rows(str(rule.params.get("band"))) or ()
    }
    slip = number(rule.params.get("slip_factor", 10))
    view = ask.view({"_where": _where(rule)})
    groups = ask.rows(
        f"SELECT {_sum(column)}, {listed(by)} FROM {view} WHERE _where AND"
        f" {quoted(column)} IS NOT NULL"
        f" GROUP BY {listed(by)} ORDER BY ALL"
    )
    result = Result(groups=0)
    unknown: set[str] = set()  # cities without a population
    for total, *key in groups:
        group = dict(zip(by, key, strict=False))
        city = ask.context.cities.get(str(group.get("city_code")), {})
        people, band = city.get("population"), bands.get(group.get("fiscal_year", 0))
        if not people:
            unknown.add(str(group.get("city_code")))
        if not people or band is None:
            continue
        result.groups = (result.groups or 0) + 1
        figure = total / int(people)
        low, high = band
        if low <= figure <= high:
            continue
        slipped = any(low <= moved <= high for moved in (figure * slip, figure / slip))
        severity = (
            None if slipped else str(rule.params.get("outside_severity", rule.severity))
        )
        values = {
            "value": int(figure),
            "expected": f"{int(low):,}…{int(high):,}",
            "left": group_text(tuple(key)),
        }
        result.found.append(Found(None, column, values, (), severity))
    if not result.groups and unknown:
        listed_cities = ", ".join(sorted(unknown))
        raise SkippedError(f"the population is not known of: {listed_cities}")
    if not result.groups:
        raise SkippedError("there is no band for the years of these groups")
    return result


CHECKS: dict[str, TableCheck] = {
    "balance": balance,
    "parent-sum": parent_sum,
    "total-row": total_row,
    "group-sum-value": group_sum,
    "control-total": control_total,
    "unique": unique,
    "functional-dependency": functional_dependency,
    "contiguous": contiguous,
    "count-between": count_between,
    "max-gap-days": max_gap_days,
    "ordered-indicators": ordered_indicators,
    "small-cells": small_cells,
    "per-capita-band": per_capita_band,
}

__all__ = ["CHECKS"]
