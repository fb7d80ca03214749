"""`/d/{ref}/diff`: what changed between two versions, row by row (portal 9).

The address holds the pair, and both versions never change, so a page of changes is
named by the number of its first one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.datasets.standards import Field
from shahrdad.node.analysis.limits import TABLE_ROWS_MAX
from shahrdad.node.catalog import Version
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_object import Shown, show
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.viewing import choice, text
from shahrdad.node.http.previews import cell
from shahrdad.node.http.rendering import page

SHOWN = 100
PARAMETERS = (
    Parameter("from", "integer", "", minimum=0, default=None),
    Parameter("to", "integer", "", minimum=1, default=None),
    text("column"),
    choice("kind", "added", "removed", "changed"),
    Parameter("start", "integer", "", default=0),
)


@dataclass(slots=True)
class RowChange:
    """One row that came, went or changed, with its changed cells."""

    op: str
    key: dict[str, Any]
    cells: list[dict[str, Any]] = field(default_factory=list)


def index(call: Call, language: Language) -> Response:
    """Show the changes between two versions."""
    dataset = call.node.catalog.get(call.ref)
    versions = call.node.catalog.versions(call.ref)
    to = call.values["to"] or dataset.version
    since = call.values["from"]
    since = max(0, to - 1) if since is None else since
    new = shown(call, versions, to)
    old = shown(call, versions, since) if since else None
    diff = table_diff(old, new)
    kind, column = call.values["kind"], call.values["column"] or ""
    start = call.values["start"]
    rows = [one for one in row_changes(diff) if wanted(one, kind, column)]
    found = list(islice(rows, start, start + SHOWN))
    known = {one.name: one for one in new.standard.fields} if new.standard else {}
    for one in found:
        complete(one, known, language)
    return page(
        call,
        "portal/diff.html",
        language,
        dataset=dataset,
        title=dataset.title_fa if language == "fa" else dataset.title_en,
        city=city_name(dataset.city, call.node.config),
        versions=[one for one in reversed(versions) if one.state == "held"],
        since=since,
        to=to,
        summary=diff.summary,
        columns=column_sums(diff.summary.columns),
        schema_changes=diff.schema_changes,
        keys=key_columns(diff.key, found),
        titles={name: one.title(language) for name, one in known.items()},
        rows=found,
        start=start,
        total=len(rows),
        following=start + SHOWN if start + SHOWN < len(rows) else None,
        before=max(0, start - SHOWN) if start else None,
        kind=kind or "",
        column=column,
        inputs=[one for one in (old, new) if one is not None],
    )


def shown(call: Call, versions: list[Version], n: int) -> Shown:
    """Return a version with its record.

    Raises:
        RequestError: VERSION_UNKNOWN, RECORD_NOT_HELD, TABLE_TOO_LARGE_TO_SHOW.
    """
    version = next((one for one in versions if one.n == n), None)
    if version is None:
        raise RequestError(
            Reason.VERSION_UNKNOWN,
            ref=call.ref,
            version=n,
            version_max=versions[0].n if versions else 0,
        )
    if (version.rows or 0) > TABLE_ROWS_MAX:
        raise RequestError(
            Reason.TABLE_TOO_LARGE_TO_SHOW,
            rows=version.rows or 0,
            rows_max=TABLE_ROWS_MAX,
        )
    return show(call.node, call.node.catalog.get(call.ref), version)


def table_diff(old: Shown | None, new: Shown) -> Any:
    """Return the difference of two versions' first tables.

    Raises:
        RequestError: NO_TABLE, TABLES_NOT_COMPARABLE.
    """
    from shahrdad.node.table.diff import TableDiff

    return TableDiff(first_table(old) if old else None, first_table(new))


def first_table(one: Shown) -> Any:
    """Return a reader of a version's first table.

    Raises:
        RequestError: NO_TABLE.
    """
    if not one.record.tables:
        raise RequestError(Reason.NO_TABLE, ref=one.ref, resource="–")
    return reader(one, one.record.tables[0])


def row_changes(diff: Any) -> Iterator[RowChange]:
    """Yield the changes row by row: cells of one row stand beside each other."""
    last: RowChange | None = None
    names = [
        one for one in diff.schema.names if one not in {"op", "column", "old", "new"}
    ]
    for batch in diff.records():
        for record in batch.to_pylist():
            key = {name: record[name] for name in names}
            if record["op"] != "changed":
                if last is not None:
                    yield last
                last = RowChange(record["op"], key)
                continue
            if last is None or last.op != "changed" or last.key != key:
                if last is not None:
                    yield last
                last = RowChange("changed", key)
            last.cells.append({name: record[name] for name in ("column", "old", "new")})
    if last is not None:
        yield last


def wanted(one: RowChange, kind: str | None, column: str) -> bool:
    """Tell whether a change is among those asked for."""
    if kind and one.op != kind:
        return False
    return not column or any(item["column"] == column for item in one.cells)


def complete(one: RowChange, known: dict[str, Field], language: Language) -> None:
    """Add to each changed cell what a reader sees: title, difference, per cent."""
    one.key = {
        name: cell(value, known.get(name), language) for name, value in one.key.items()
    }
    percent = "٪" if language == "fa" else "%"
    for item in one.cells:
        field_of = known.get(item["column"])
        item["title"] = field_of.title(language) if field_of else item["column"]
        old, new = number(item["old"], field_of), number(item["new"], field_of)
        item["number"] = old is not None or new is not None
        item["difference"] = item["percent"] = None
        for side, value in (("old", old), ("new", new)):
            if value is not None:
                item[side] = amounts.number_text(f"{value:,}", language)
            elif item[side] is not None:
                item[side] = said(item[side], field_of, language)
        if old is not None and new is not None:
            item["difference"] = signed(new - old, language)
            if old:
                change = (100 * (new - old) / abs(old)).quantize(Decimal("0.1"))
                item["percent"] = signed(change, language) + percent


def signed(value: Decimal, language: Language) -> str:
    """Return a change with its sign."""
    return amounts.number_text(f"{value:+,}".replace("-", "−"), language)


def said(value: str, known: Field | None, language: Language) -> str:
    """Return a changed text as people read it: codes by label, days by calendar."""
    from datetime import date

    if known is not None and known.type == "date":
        return cell(date.fromisoformat(value), known, language).text
    return cell(value, known, language).text


def number(value: str | None, known: Field | None) -> Decimal | None:
    """Return a changed cell's number; None where the column has none."""
    if value is None or known is None or known.type not in {"integer", "number"}:
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def column_sums(columns: Any) -> list[dict[str, Any]]:
    """Return how each column changed, the most changed first."""
    found = [
        {
            "name": name,
            "changed": one.changed,
            "old": None if one.sum_old is None else f"{one.sum_old:,f}",
            "new": None if one.sum_new is None else f"{one.sum_new:,f}",
        }
        for name, one in columns.items()
    ]
    return sorted(found, key=lambda one: (-one["changed"], one["name"]))


def key_columns(key: tuple[str, ...], rows: list[RowChange]) -> list[str]:
    """Return the key's columns that differ among the rows; at least one."""
    names = list(key) or list(rows[0].key if rows else ())
    several = [
        name
        for name in names
        if name != "city_code" and len({str(row.key.get(name)) for row in rows}) > 1
    ]
    return several or names[-1:]
