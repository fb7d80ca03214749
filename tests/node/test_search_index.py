"""The full-text index: what a person types finds what a person means."""

import sqlite3
from typing import Any

import pytest

from shahrdad.node import catalog_schema
from shahrdad.node.search import index as search_index

BODIES: list[dict[str, Any]] = [
    {
        "name": "active-systems",
        "title": "سامانه‌های فعال شهرداری",
        "title_en": "Active systems",
        "keywords": ["فاوا"],
    },
    {
        "name": "budget-1404",
        "title": "بودجهٔ ۱۴۰۴ کرمان",
        "title_en": "Budget 1404",
        "resources": [{"schema": {"fields": [{"title": "مصوب (ریال)"}]}}],
    },
    {"name": "ideas", "title": "ایده‌ها", "description": "هفتهٔ خلاقیت کارکنان"},
]


@pytest.fixture
def connection() -> sqlite3.Connection:
    """Return a database with the three records indexed."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(catalog_schema.MIGRATIONS[0])
    for number, body in enumerate(BODIES, 1):
        search_index.write(connection, number, body)
    return connection


def found(connection: sqlite3.Connection, text: str) -> list[int]:
    """Return the records that a query finds, best first."""
    match = search_index.read_query(text).match
    if match is None:
        return []
    rows = connection.execute(
        f"SELECT rowid FROM search WHERE search MATCH ?"
        f" ORDER BY bm25(search, {search_index.WEIGHTS})",
        (match,),
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("سامانه", [1]),
        ("سامانههای فعال", [1]),
        ("شهردار\u064a", [1]),
        ("1404", [2]),
        ("۱۴۰۴ بودجه", [2]),
        ("مصوب", [2]),
        ("خلاقیت", [3]),
        ("فاوا", [1]),
        ('"سامانه‌های فعال"', [1]),
        ('"فعال سامانه"', []),
        ("1404 -کرمان", []),
        ("", []),
        ("-فعال", []),
        ('NEAR("a" b) * : OR AND ^ "', []),
    ],
)
def test_query_finds(
    connection: sqlite3.Connection, text: str, expected: list[int]
) -> None:
    """Words AND, phrases, minus; FTS5's own syntax is only words."""
    assert expected == found(connection, text)


def test_removed_record_is_not_found(connection: sqlite3.Connection) -> None:
    """A withdrawn dataset leaves index and word counts."""
    search_index.remove(connection, 2)

    assert [] == found(connection, "1404")
    assert (
        0
        == connection.execute("SELECT COUNT(*) FROM term WHERE word='1404'").fetchone()[
            0
        ]
    )
