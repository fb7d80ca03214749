"""Rules that look into another release or another family, pinned by hash."""

# Names are quoted identifiers and values are bound: nothing given becomes SQL.
# ruff: noqa: S608

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.cells import mask_array
from shahrdad.validators.rules.asking import listed, quoted
from shahrdad.validators.rules.conditions import MalformedError, certain, holds
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
from shahrdad.validators.rules.tee import ROW, TableValues
from shahrdad.validators.rules.tolerance import number

# Months from the start of the year that a period's cumulative figure covers.
PERIOD_RANKS = {
    "q1": 3,
    "h1": 6,
    "q2": 6,
    "q3": 9,
    "h2": 12,
    "q4": 12,
    "annual": 12,
    **{f"m{month:02}": month for month in range(1, 13)},
}


def _other(rule: Rule, ask: Ask) -> pa.Table | None:
    """Return the family that a rule looks into: its release, or the table itself."""
    family = str(rule.params.get("family"))
    if family == ask.plan.name:
        return ask.table
    found = ask.context.ref(family)
    if found is None:
        if rule.params.get("if_family_missing") == "fail":
            return None
        raise SkippedError(f"no release of {family}")
    return found


def _need(table: pa.Table, names: list[str], what: str) -> None:
    lacking = [name for name in names if name not in table.column_names]
    if lacking:
        raise SkippedError(f"{what} has no column {lacking[0]}")


def reference_exists(rule: Rule, ask: Ask) -> Result:
    """Every value, or part of it, occurs in the other family, in the same group."""
    column, other, by = (
        str(rule.params.get("column")),
        str(rule.params.get("column2")),
        rule.names("by"),
    )
    family, separator = str(rule.params.get("family")), rule.params.get("separator")
    table = _other(rule, ask)
    if table is None:
        return Result([Found(None, column, {"value": family, "expected": family})])
    _need(table, [other, *by], family)
    view, target = ask.view({"_where": rule.where}), ask.register(table)
    part = (
        quoted(column)
        if separator is None
        else f"unnest(string_split({quoted(column)}, ?))"
    )
    equal = " AND ".join(f"t.{quoted(n)} = s.{quoted(n)}" for n in by) or "true"
    given = " AND ".join(f"{quoted(n)} IS NOT NULL" for n in by) or "true"
    rows = ask.rows(
        f"SELECT s._row, s._part FROM (SELECT _row, {listed(by)}, trim({part}::VARCHAR)"
        f" AS _part FROM {view}"
        f" WHERE _where AND {quoted(column)} IS NOT NULL AND {given}) s WHERE s._part"
        f" <> '' AND NOT EXISTS"
        f" (SELECT 1 FROM {target} t WHERE t.{quoted(other)}::VARCHAR = s._part AND"
        f" {equal}) ORDER BY s._row",
        *([] if separator is None else [str(separator)]),
    )
    return Result(
        [
            Found(row, column, {"value": value, "expected": family})
            for row, value in rows
        ]
    )


def cross_condition(rule: Rule, ask: Ask) -> Result:
    """Where `if` holds, the joined row of the other family satisfies `then_other`."""
    table = _other(rule, ask)
    family = str(rule.params.get("family"))
    if table is None:
        return Result([Found(None, None, {"value": family})])
    on = rule.params.get("on")
    pairs = dict(on) if isinstance(on, dict) else {}
    _need(table, [str(name) for name in pairs.values()], family)
    passed = certain(
        holds(rule.params.get("then_other"), TableValues(table), ask.context.value),
        unknown=True,
    )
    view = ask.view({"_where": rule.where, "_if": rule.params.get("if")})
    target = ask.register(table.append_column("_passed", mask_array(passed)))
    equal = " AND ".join(
        f"t.{quoted(str(o))} = s.{quoted(str(n))}" for n, o in pairs.items()
    )
    rows = ask.rows(
        f"SELECT s._row FROM {view} s WHERE s._where AND s._if AND EXISTS (SELECT 1"
        f" FROM {target} t"
        f" WHERE {equal} AND NOT t._passed) ORDER BY s._row"
    )
    column = next(iter(pairs), None)
    return Result([Found(row, column, {"value": family}) for (row,) in rows])


def _previous(ask: Ask) -> pa.Table | None:
    return ask.context.ref("@previous")


def previous_ratio(rule: Rule, ask: Ask) -> Result:
    """The sum of a group, divided by that of one step earlier, is in bounds."""
    column, by = str(rule.params.get("column")), rule.names("by")
    step = rule.params.get("step") or {}
    along, size = str(step.get("column")), int(step.get("by", 1))
    earlier: dict[tuple[Any, ...], Any] = {}
    sources = [ask.context.ref(ask.plan.name), _previous(ask), ask.table]
    tables = [table for table in sources if table is not None]
    own: dict[tuple[Any, ...], Any] = {}
    for table in tables:
        if {column, along, *by} - set(table.column_names):
            continue
        view = ask.view({"_where": rule.where or rule.params.get("where")}, table)
        own = {
            tuple(key): total
            for total, *key in ask.rows(
                f"SELECT sum({quoted(column)}::DECIMAL(38, 6)), {listed([along, *by])}"
                f" FROM {view}"
                f" WHERE _where AND {quoted(column)} IS NOT NULL AND {quoted(along)} IS"
                f" NOT NULL GROUP BY ALL ORDER BY ALL"
            )
        }
        earlier |= own
    least, most = rule.params.get("min"), rule.params.get("max")
    result = Result(groups=0)
    for key, total in own.items():
        base = earlier.get((key[0] - size, *key[1:]))
        if not base:
            continue
        result.groups = (result.groups or 0) + 1
        ratio = total / base
        if (least is not None and ratio < number(least)) or (
            most is not None and ratio > number(most)
        ):
            values = {
                "value": str(round(ratio, 2)),
                "left": plain(total),
                "right": plain(base),
                "expected": f"{least}…{most}",
            }
            result.found.append(Found(None, column, values))
    if not result.groups:
        raise SkippedError("no earlier group")
    return result


def _ranks(rule: Rule, ask: Ask, order: dict[str, Any]) -> pa.Table:
    listed_rows = ask.context.given.lists.get(str(order.get("ranks")))
    ranks = dict(listed_rows) if isinstance(listed_rows, dict) else PERIOD_RANKS
    return pa.table(
        {"code": list(ranks), "rank": pa.array(list(ranks.values()), pa.int64())}
    )


def not_decreasing(rule: Rule, ask: Ask) -> Result:
    """Not below the row of the same key in the release before, or a period before."""
    column, key = str(rule.params.get("column")), rule.names("key")
    order = rule.params.get("order")
    previous = _previous(ask)
    if order == "release":
        if previous is None:
            raise SkippedError("no previous release")
        rank = "0"
        ranks = None
    else:
        if not isinstance(order, dict):
            raise MalformedError("order")
        ranks = ask.register(_ranks(rule, ask, order))
        period = quoted(str(order["column"]))
        rank = f"(SELECT rank FROM {ranks} r WHERE r.code = {period})"
    view = ask.view(
        {"_where": rule.where, "_unless": rule.params.get("unless") or _NEVER(ask)}
    )
    older = _older(
        ask, rule, previous, column, key, rank, view if order != "release" else None
    )
    equal = " AND ".join(f"o.{quoted(n)} = s.{quoted(n)}" for n in key)
    later = "" if order == "release" else " AND o._rank < s._rank"
    rows = ask.rows(
        f"SELECT s._row, s.v, max(o.v) FROM (SELECT *, {quoted(column)}::DECIMAL(38, 6)"
        f" AS v, {rank} AS _rank"
        f" FROM {view} WHERE _where AND NOT _unless AND {quoted(column)} IS NOT NULL) s"
        f" JOIN ({older}) o ON {equal}{later} GROUP BY s._row, s.v HAVING s.v <"
        f" max(o.v) ORDER BY s._row"
    )
    return Result(
        [
            Found(
                row,
                column,
                {
                    "value": plain(value),
                    "expected": plain(before),
                    "diff": plain(value - before),
                },
            )
            for row, value, before in rows
        ]
    )


def _NEVER(ask: Ask) -> Any:  # noqa: N802
    """Return a condition that holds nowhere."""
    return {"column": ROW, "op": "<", "value": 0}


def _older(
    ask: Ask,
    rule: Rule,
    previous: pa.Table | None,
    column: str,
    key: list[str],
    rank: str,
    own: str | None,
) -> str:
    """Return the SQL of the rows to compare with: key, value `v` and `_rank`."""
    order = rule.params.get("order")
    names = [*key, *([str(order["column"])] if isinstance(order, dict) else [])]
    sources = [] if own is None else [own]
    if previous is not None:
        _need(previous, [column, *names], "the previous release")
        sources.append(ask.register(previous))
    name = quoted(column)
    return " UNION ALL ".join(
        f"SELECT {listed(key)}, {name}::DECIMAL(38, 6) AS v, {rank} AS _rank"
        f" FROM {source} WHERE {name} IS NOT NULL"
        for source in sources
    )


def key_persistence(rule: Rule, ask: Ask) -> Result:
    """The keys of the previous release are still there."""
    previous, key = _previous(ask), list(ask.plan.primary_key)
    if previous is None or not key:
        raise SkippedError("no previous release" if key else "no primary key")
    _need(previous, key, "the previous release")
    _need(ask.table, key, "the table")
    target = ask.register(previous)
    view = ask.register(ask.table)
    equal = " AND ".join(
        f"t.{quoted(n)} IS NOT DISTINCT FROM p.{quoted(n)}" for n in key
    )
    rows = ask.rows(
        f"SELECT {listed(key, 'p')} FROM {target} p WHERE NOT EXISTS"
        f" (SELECT 1 FROM {view} t WHERE {equal}) ORDER BY ALL"
    )
    if not rows:
        return Result(groups=previous.num_rows)
    first = group_text(rows[0])
    return Result(
        [Found(None, None, {"value": len(rows), "expected": first})], previous.num_rows
    )


def max_age(rule: Rule, ask: Ask) -> Result:
    """The newest date is not too old at the release; a limit of 0 is none."""
    column = str(rule.params.get("column"))
    days = rule.params.get("days")
    limit = int(
        ask.context.value(days[1:])
        if isinstance(days, str) and days.startswith("@")
        else days or 0
    )
    if not limit:
        raise SkippedError("no limit of age")
    released = ask.context.value("release_date")
    newest = pc.max(ask.table.column(column)).as_py() if ask.table.num_rows else None
    if newest is None:
        raise SkippedError(f"{column} is empty")
    age = (released - newest).days
    if age <= limit:
        return Result(groups=1)
    return Result([Found(None, column, {"value": age, "expected": limit})], 1)


CHECKS: dict[str, TableCheck] = {
    "reference-exists": reference_exists,
    "cross-condition": cross_condition,
    "previous-ratio": previous_ratio,
    "not-decreasing": not_decreasing,
    "key-persistence": key_persistence,
    "max-age": max_age,
}

__all__ = ["CHECKS", "PERIOD_RANKS"]
