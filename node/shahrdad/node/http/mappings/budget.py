"""Budgets as a Fiscal Data Package 1.0rc1 (standards 7.3).

A row of ours has one amount for each stage; there each is a row, with the kind of the
amount beside it. Totals are left out, since the standard's readers add rows up.
"""

import csv
import io
from collections.abc import Mapping
from typing import Any

from shahrdad.node.http.answers import dump
from shahrdad.node.http.dataset_object import Shown, period
from shahrdad.node.http.mappings.rows import CURRENCY, rows_of
from shahrdad.node.http.package import descriptor

PROFILE = "fiscal-data-package"
KINDS = {  # column → its kind of amount
    "approved_rial": "approved",
    "amended_rial": "amended",
    "allocated_rial": "allocated",
    "committed_rial": "committed",
    "actual_rial": "actual",
}
ADDED: tuple[Mapping[str, Any], ...] = (
    {"name": "value", "type": "integer", "columnType": "value"},
    {"name": "value_kind", "type": "string", "columnType": "value-kind:code"},
    {"name": "value_currency", "type": "string", "columnType": "value-currency:code"},
)
TYPES = {"integer": "integer", "boolean": "boolean", "date": "date"}


def fiscal_package(shown: Shown, _: Mapping[str, str]) -> bytes:
    """Return the descriptor; its one resource is the CSV beside it."""
    address = shown.addresses.dataset(shown.ref, shown.version.n)
    found = {
        **descriptor(shown),
        "profile": PROFILE,
        "countryCode": "IR",
        "granularity": "aggregated",
        "resources": [
            {
                "name": "fiscal",
                "profile": "tabular-data-resource",
                "path": f"{address}.fiscal.csv",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "dialect": {"lineTerminator": "\r\n"},
                "schema": {"fields": _fields(shown), "missingValues": [""]},
            }
        ],
    }
    year = period(shown.record.ours.get("fiscal_year"))
    if year is not None:
        found["fiscalPeriod"] = {"start": year["start"], "end": year["end"]}
    # The profile is of the specification's first version.
    found.pop("$schema", None)
    return dump(found)


def fiscal_csv(shown: Shown, _: Mapping[str, str]) -> bytes:
    """Return a row for each line and amount that is known."""
    names = [name for name, _ in _columns(shown)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*names, *(one["name"] for one in ADDED)])
    for row in rows_of(shown):
        if row.get("is_subtotal"):
            continue
        cells = [_cell(row.get(name)) for name in names]
        for column, kind in KINDS.items():
            if row.get(column) is not None:
                writer.writerow([*cells, row[column], kind, CURRENCY])
    return out.getvalue().encode()


def _columns(shown: Shown) -> list[tuple[str, str]]:
    """Return the columns that the standard knows, with what they are to it."""
    standard = shown.standard
    return [
        (one.name, one.column_type)
        for one in (standard.fields if standard else ())
        if one.column_type and one.name not in KINDS
    ]


def _fields(shown: Shown) -> list[dict[str, Any]]:
    standard = shown.standard
    known = {one.name: one for one in standard.fields} if standard else {}
    own = [
        {
            "name": name,
            "type": TYPES.get(known[name].type, "string"),
            "title": known[name].title_fa,
            "columnType": kind,
        }
        for name, kind in _columns(shown)
    ]
    return [*own, *map(dict, ADDED)]


def _cell(value: Any) -> Any:
    """Return a cell as CSV has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value
