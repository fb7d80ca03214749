"""Tables in many parts to ask questions of, and a short way to ask."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.store.contract import Area
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table import layout
from shahrdad.node.table.grouping import answer
from shahrdad.node.table.parquet import TableInfo, write_table
from shahrdad.node.table.query import parse
from shahrdad.node.table.reading import TableReader, open_table
from table_fixture import INFO, budget

WORDS = [
    None,
    "",
    "آب",
    "پارک",
    "یزد",
    "\u0643رمان",
    "کرمان",
    "Kerman",
    "خیابان‌ها",
    "a,b",
]
MIXED = pa.schema(
    [
        ("code", pa.string()),
        ("word", pa.string()),
        ("count", pa.int64()),
        ("amount", pa.decimal128(12, 2)),
        ("degrees", pa.float64()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("open", pa.bool_()),
        ("tags", pa.list_(pa.string())),
        ("is_subtotal", pa.bool_()),
    ]
)
START = datetime(2025, 9, 20, 20, 0, tzinfo=UTC)


def mixed(count: int) -> pa.Table:
    """Return rows with every type, nulls in every column but the key."""
    made = [
        {
            "code": f"{n:05d}",
            "word": WORDS[n % len(WORDS)],
            "count": None if n % 7 == 0 else (n * 37) % 101 - 50,
            "amount": None if n % 11 == 0 else Decimal((n * 31) % 977) / 100,
            "degrees": None if n % 13 == 0 else float("nan") if n % 17 == 0 else n / 8,
            "day": None if n % 9 == 0 else date(2025, 3, 21) + timedelta(days=n % 300),
            "at": None if n % 8 == 0 else START + timedelta(hours=n),
            "open": None if n % 5 == 0 else n % 2 == 0,
            "tags": None if n % 6 == 0 else ["آب", "برق"][: n % 3],
            "is_subtotal": n % 10 == 3,
        }
        for n in range(count)
    ]
    return pa.Table.from_pylist(made, MIXED)


def reader(table: pa.Table, folder: str, info: TableInfo) -> TableReader:
    """Write a table in small parts, and open it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "SINGLE_ROWS_MAX", 50)
        patch.setattr(layout, "CUT_ROWS_MIN", 16)
        store = LocalStore(Path(folder))
        written = write_table(
            table.to_batches(), table.schema, info, store, Area.OBJECT
        )
    return open_table(store, written.parts)


@pytest.fixture(scope="module")
def table() -> Iterator[TableReader]:
    """Return 300 rows of all types, in parts."""
    with tempfile.TemporaryDirectory() as folder:
        yield reader(mixed(300), folder, TableInfo("", "", "c/d", "t", ("code",)))


@pytest.fixture(scope="module")
def lines() -> Iterator[TableReader]:
    """Return 2,000 budget lines, in parts, with a key of three columns."""
    with tempfile.TemporaryDirectory() as folder:
        yield reader(budget(2_000), folder, INFO)


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Return the names and values of `a__exact=1&b__isnull`."""
    parts = [part.partition("=") for part in text.split("&") if part]
    return [(name, value) for name, _, value in parts]


def ask(table: TableReader, text: str, **more: str) -> list[dict[str, Any]]:
    """Return the rows of the first page of a query like `a__exact=1&b__isnull`."""
    asked = [*pairs_of(text), *more.items()]
    if "limit" not in dict(asked):
        asked.append(("limit", "1000"))
    page = answer(table, parse(asked, table.schema))
    found: list[dict[str, Any]] = page.rows.to_pylist()
    return found


def codes(table: TableReader, text: str, **more: str) -> list[str]:
    """Return the keys of the answer's rows."""
    return [row["code"] for row in ask(table, text, **more)]


def everything(table: TableReader) -> pa.Table:
    """Return all rows."""
    return pa.Table.from_batches(table.batches(), table.schema)


def outcome(
    table: TableReader, pairs: list[tuple[str, str]]
) -> tuple[Reason | None, int]:
    """Return why a query was refused, or how many rows its page has."""
    try:
        page = answer(table, parse(pairs, table.schema))
    except RequestError as error:
        return error.reason, 0
    return None, page.rows.num_rows
