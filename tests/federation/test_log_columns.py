"""Rows that are inserted by column are the rows that were meant, in their order."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shahrdad.federation.log.columns import insert_rows


def table() -> sqlite3.Connection:
    """Return a database with a table of every kind of column."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        "CREATE TABLE kept(log INTEGER NOT NULL, n INTEGER NOT NULL UNIQUE,"
        " key TEXT NOT NULL, raw BLOB NOT NULL) STRICT"
    )
    return connection


ROW = st.tuples(
    st.integers(0, 2**63 - 1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.binary(),
)


@given(st.lists(ROW, min_size=1, max_size=20, unique_by=lambda row: row[0]))
def test_rows_are_those_of_executemany(rows: list[tuple[int, str, bytes]]) -> None:
    """Any integers, texts and bytes, also with empty cells among them."""
    rows = [*rows, (max(row[0] for row in rows) // 2 + 1, "ب", b"\0")]
    rows = list({row[0]: row for row in rows}.values())
    many, columns = table(), table()
    many.executemany("INSERT INTO kept VALUES(7,?,?,?)", rows)
    insert_rows(columns, "kept", 7, *map(list, zip(*rows, strict=True)))

    sql = "SELECT rowid,log,n,key,raw,typeof(raw) FROM kept"
    assert many.execute(sql).fetchall() == columns.execute(sql).fetchall()


def test_no_rows_are_no_statement() -> None:
    """A log without puts gives columns without cells."""
    connection = table()
    insert_rows(connection, "kept", 7, [], [], [])

    assert [] == connection.execute("SELECT * FROM kept").fetchall()


def test_one_bad_row_stores_none() -> None:
    """A statement is all of its rows, or nothing: also the good ones before it."""
    connection = table()
    with pytest.raises(sqlite3.IntegrityError):
        insert_rows(connection, "kept", 7, [1, 2, 1], ["a", "b", "c"], [b"a"] * 3)

    assert [] == connection.execute("SELECT * FROM kept").fetchall()


def test_what_is_there_may_be_left_or_replaced() -> None:
    """The end of the statement says what a conflict means."""
    connection = table()
    insert_rows(connection, "kept", 7, [1], ["a"], [b"a"])
    insert_rows(
        connection, "kept", 7, [1, 2], ["b", "b"], [b"b"] * 2,
        then="ON CONFLICT(n) DO UPDATE SET key=excluded.key",
    )  # fmt: skip

    found = connection.execute("SELECT n,key,raw FROM kept ORDER BY n").fetchall()
    assert [(1, "b", b"a"), (2, "b", b"b")] == found
