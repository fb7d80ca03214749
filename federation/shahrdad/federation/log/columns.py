"""Many rows in one statement: SQLite takes a column as one blob, and cuts it itself.

`executemany` gives one row at a time, and takes Python's lock again for each: of a
million entries that was a third of the time of storing them.

>>> import sqlite3
>>> from shahrdad.federation.log.columns import insert_rows
>>> connection = sqlite3.connect(":memory:")
>>> _ = connection.execute("CREATE TABLE kept(log INTEGER, key TEXT, raw BLOB) STRICT")
>>> insert_rows(connection, "kept", 7, ["a", "b"], [b"one", b"two"])
>>> connection.execute("SELECT * FROM kept").fetchall()
[(7, 'a', b'one'), (7, 'b', b'two')]
"""

import sqlite3
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias, cast

Column: TypeAlias = int | Sequence[int] | Sequence[str] | Sequence[bytes]

ROWS = (
    "WITH RECURSIVE row(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM row WHERE n+1<:rows)"
)
DIGITS = 19  # of the largest integer of SQLite


def insert_rows(
    connection: sqlite3.Connection, table: str, *columns: Column, then: str = ""
) -> None:
    """Insert rows that are given by column, in their order.

    Args:
        connection: Of the transaction.
        table: Its name.
        columns: All that the table has. An integer stands in every row; the others have
            one length: integers from 0 on, texts, or bytes, not all of them empty.
        then: What follows in the statement: ON CONFLICT.
    """
    rows = max(len(column) for column in columns if not isinstance(column, int))
    if not rows:
        return
    values: dict[str, int | bytes] = {"rows": rows}
    cells = []
    for number, column in enumerate(columns):
        cell, parameters = _column(f"c{number}", column)
        cells.append(cell)
        values |= parameters
    connection.execute(
        f"{ROWS} INSERT INTO {table} SELECT {','.join(cells)} FROM row WHERE true {then}",  # noqa: E501, S608 - names of our own
        values,
    )


def _column(name: str, column: Column) -> tuple[str, dict[str, int | bytes]]:
    """Return the expression of a column's cell in row `n`, and its parameters."""
    if isinstance(column, int):
        return f":{name}", {name: column}
    if isinstance(column[0], int):
        return _number(name, "n"), {name: _decimal(cast("Sequence[int]", column))}
    if isinstance(column[0], str):
        texts = [text.encode() for text in cast("Sequence[str]", column)]
        cell, parameters = _column(name, texts)
        return f"CAST({cell} AS TEXT)", parameters
    whole = cast("Sequence[bytes]", column)
    starts = [*accumulate(map(len, whole), initial=1)]  # and the end of the last
    first, end = _number(f"{name}_starts", "n"), _number(f"{name}_starts", "n+1")
    return (
        f"substr(:{name},{first},{end}-{first})",
        {name: b"".join(whole), f"{name}_starts": _decimal(starts)},
    )


def _number(name: str, row: str) -> str:
    """Return the expression of the integer that `_decimal` wrote for a row."""
    return f"CAST(substr(:{name},1+{DIGITS}*({row}),{DIGITS}) AS INTEGER)"


def _decimal(numbers: Sequence[int]) -> bytes:
    """Return integers as digits of one width: SQL finds the n-th by counting."""
    return b"%019d" * len(numbers) % tuple(numbers)
