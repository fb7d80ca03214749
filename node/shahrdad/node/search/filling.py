"""Making the full-text index again, of a million datasets in minutes.

    1 beside    a second index is filled by thousands of datasets a transaction, while
                searches and publishing go on with the first one
    2 merged    it becomes one run of words, so that a search reads one place a word
    3 changed   with the database held for the only time: what was published or
                withdrawn since 1 is put right, and the second index takes the name of
                the first

Word counts are counted in memory and written once. A kill before 3 leaves the index as
it was, and a second one that the next run drops.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shahrdad.node import catalog_schema
from shahrdad.node.database import Database
from shahrdad.node.search import index as search_index

Body = Mapping[str, Any]
Bodies = Callable[[Sequence[int]], Mapping[int, Body]]
BESIDE = "search_next"
BATCH_DATASETS = 10_000
# FTS5 writes what it holds in memory when a transaction ends, or at so many bytes.
HELD_BYTES, HELD_BYTES_USUAL = 64 * 1024**2, 1024**2
RUNS_MERGED_USUAL = 4  # FTS5's own `automerge`
MERGED_PAGES = 2_000  # of a step of merging, each its own transaction
CHANGES_LEFT = 2  # a step of merging that changed fewer rows had nothing left to do


def fill(database: Database, bodies: Bodies) -> int:
    """Make the index of the live datasets again.

    Args:
        database: The node's database.
        bodies: Returns the records of some datasets, by row number.

    Returns:
        The number of datasets in it.
    """
    with database.exclusive("index"):
        mark = _begin(database.connect(), database)
        counts = _Counts()
        last = 0
        while numbers := _live(database.connect(), last):
            # Words are read with the database free, for others to write.
            rows = [_row(number, body) for number, body in bodies(numbers).items()]
            counts.add(rows, 1)
            with database.transaction() as connection:
                _insert(connection, BESIDE, rows)
            last = numbers[-1]
        _merge(database)
        with database.transaction() as connection:
            _catch_up(connection, mark, bodies, counts)
            return _take_over(connection, counts)


class _Counts:
    """In how many datasets each word is, of the two tables of words."""

    def __init__(self) -> None:
        self.tables: dict[str, Counter[str]] = {
            "term": Counter(),
            "term_key": Counter(),
        }

    def add(self, rows: Sequence[tuple[Any, ...]], times: int) -> None:
        """Count the words of rows, or with -1 take them away."""
        for _, *texts in rows:
            half = len(texts) // 2
            for table, parts in (("term", texts[half:]), ("term_key", texts[:half])):
                words = {word for text in parts for word in text.split()}
                counted = self.tables[table]
                for word in words:
                    counted[word] += times

    def write(self, connection: sqlite3.Connection) -> None:
        """Write both tables anew."""
        for table, counted in self.tables.items():
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from here
            connection.executemany(
                f"INSERT INTO {table} VALUES (?, ?)",  # noqa: S608
                sorted(pair for pair in counted.items() if pair[1] > 0),
            )


def _begin(connection: sqlite3.Connection, database: Database) -> int:
    """Make an empty index beside the one in use; return the last change of that."""
    with database.transaction():
        connection.execute(f"DROP TABLE IF EXISTS {BESIDE}")
        connection.execute(catalog_schema.search_table(BESIDE))
        _set(connection, "hashsize", HELD_BYTES)
        _set(connection, "automerge", 0)
        (mark,) = connection.execute(
            "SELECT COALESCE(MAX(seq), 0) FROM search_change"
        ).fetchone()
    return int(mark)


def _set(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Give FTS5 a setting, or an order, with a number."""
    connection.execute(
        f"INSERT INTO {BESIDE}({BESIDE}, rank) VALUES (?, ?)",  # noqa: S608
        (name, value),
    )


def _live(connection: sqlite3.Connection, last: int) -> list[int]:
    """Return the row numbers of the next live datasets."""
    rows = connection.execute(
        "SELECT id FROM dataset WHERE state='live' AND id>? ORDER BY id LIMIT ?",
        (last, BATCH_DATASETS),
    )
    return [number for (number,) in rows]


def _row(number: int, body: Body) -> tuple[Any, ...]:
    stemmed, folded = search_index.tokens(body)
    return (number, *stemmed, *folded)


def _insert(
    connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    connection.executemany(search_index.insertion(table), rows)


def _merge(database: Database) -> None:
    """Merge the index's runs of words into one, some pages a transaction."""
    pages = -MERGED_PAGES  # the first step says that all runs are meant
    while True:
        with database.transaction() as connection:
            before = connection.total_changes
            _set(connection, "merge", pages)
            if connection.total_changes - before < CHANGES_LEFT:
                return
        pages = MERGED_PAGES


def _catch_up(
    connection: sqlite3.Connection, mark: int, bodies: Bodies, counts: _Counts
) -> None:
    """Put right what changed while the index was filled."""
    rows = connection.execute(
        "SELECT c.dataset, d.state FROM search_change c"
        " LEFT JOIN dataset d ON d.id=c.dataset WHERE c.seq>?",
        (mark,),
    ).fetchall()
    for number, _ in rows:
        old = connection.execute(
            f"SELECT rowid, * FROM {BESIDE} WHERE rowid=?",  # noqa: S608
            (number,),
        ).fetchall()
        counts.add(old, -1)
        connection.execute(
            f"DELETE FROM {BESIDE} WHERE rowid=?",  # noqa: S608
            (number,),
        )
    live = sorted(number for number, state in rows if state == "live")
    new = [_row(number, body) for number, body in bodies(live).items()]
    counts.add(new, 1)
    _insert(connection, BESIDE, new)


def _take_over(connection: sqlite3.Connection, counts: _Counts) -> int:
    """Put the new index in the place of the old one."""
    _set(connection, "hashsize", HELD_BYTES_USUAL)
    _set(connection, "automerge", RUNS_MERGED_USUAL)
    connection.execute("DROP TABLE search")
    connection.execute(f"ALTER TABLE {BESIDE} RENAME TO search")
    counts.write(connection)
    # An index beside the database goes by these, and begins anew.
    connection.execute("DELETE FROM search_change")
    connection.execute(
        "INSERT INTO search_change(dataset) SELECT id FROM search_docsize ORDER BY id"
    )
    (count,) = connection.execute("SELECT COUNT(*) FROM search_docsize").fetchone()
    return int(count)
