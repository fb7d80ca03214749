"""Tables for tests: budget lines made from a number, the same on every machine."""

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from shahrdad.node.table.parquet import TableInfo

KEY = ("city_code", "fiscal_year", "line_code")
SCHEMA = pa.schema(
    [
        ("city_code", pa.string()),
        ("fiscal_year", pa.int64()),
        ("line_code", pa.string()),
        ("title", pa.string()),
        ("org_unit_id", pa.string()),
        ("approved_rial", pa.int64()),
        ("actual_rial", pa.int64()),
        ("as_of_date", pa.date32()),
        ("is_subtotal", pa.bool_()),
    ]
)
INFO = TableInfo(
    family="budget_lines",
    family_version="1.0.0",
    ref="kerman/budget-1404",
    resource="budget",
    primary_key=KEY,
    columns={
        "approved_rial": {
            "title_fa": "مصوب",
            "title_en": "Approved",
            "unit": "rial",
            "source_unit": "million_rial",
        },
        "title": {"title_fa": "شرح", "title_en": "Title"},
    },
)
TITLES = ("بهسازی معابر", "نگهداری فضای سبز", "خرید اتوبوس", "روشنایی", "آسفالت")


def budget(rows: int, seed: int = 1404) -> pa.Table:
    """Return budget lines, in no particular order."""
    rng = random.Random(seed)
    numbers = rng.sample(range(10 * rows), rows)
    return pa.table(
        {
            "city_code": [f"{1340 + number % 7}" for number in numbers],
            "fiscal_year": [1400 + number % 5 for number in numbers],
            "line_code": [f"{number:08d}" for number in numbers],
            "title": [
                f"{TITLES[number % 5]} {number % 997}" if number % 50 else None
                for number in numbers
            ],
            "org_unit_id": [f"org-{number % 40}" for number in numbers],
            "approved_rial": [rng.randrange(10**6) * 10**6 for _ in numbers],
            "actual_rial": [
                rng.randrange(10**12) if number % 9 else None for number in numbers
            ],
            "as_of_date": [20_000 + number % 365 for number in numbers],
            "is_subtotal": [number % 30 == 0 for number in numbers],
        },
        schema=SCHEMA.set(7, pa.field("as_of_date", pa.int32())),
    ).cast(SCHEMA)


def edited(table: pa.Table, edit: Callable[[list[dict[str, Any]]], object]) -> pa.Table:
    """Return a table whose rows, as a list of mappings, were edited."""
    rows = table.to_pylist()
    edit(rows)
    return pa.Table.from_pylist(rows, table.schema)
