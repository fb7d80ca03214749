"""Cells as texts: what CSV, JSON and workbooks write of the types of a table."""

import json
import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

GUARDED = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes these for formulas


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose columns CSV can hold: times in RFC 3339, lists as JSON."""
    columns = [_plain_column(column) for column in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)


def _plain_column(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_timestamp(kind):
        # Arrow would write a space for the T.
        instants = column.cast(pa.timestamp("us", tz="UTC"))
        return pa.array(
            [None if at is None else rfc3339(at) for at in instants.to_pylist()],
            pa.string(),
        )
    if pa.types.is_list(kind):
        return pa.array(
            [None if item is None else list_text(item) for item in column.to_pylist()],
            pa.string(),
        )
    return column


def guard(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose texts no spreadsheet takes for a formula."""
    columns = []
    for column in batch.columns:
        if pa.types.is_string(column.type):
            cells = column.to_pylist()
            columns.append(
                pa.array(
                    [f"'{c}" if c and c.startswith(GUARDED) else c for c in cells],
                    pa.string(),
                )
            )
        else:
            columns.append(column)
    return pa.record_batch(columns, names=batch.schema.names)


def json_value(value: Any) -> Any:
    """Return a cell as JSON holds it; a decimal keeps its digits as text."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def rfc3339(at: datetime) -> str:
    """Return an instant with the fraction that it has."""
    text = at.replace(tzinfo=None).isoformat()
    return f"{text}Z"


def list_text(items: list[Any]) -> str:
    """Return a list cell as JSON text."""
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))
