"""Writing the cards of datasets, in the transaction that changes the dataset.

A card is what lists send of a dataset: made once, when its record is shown, instead of
by each reader. Nothing here can fail on a record: of one that no card can be made of,
there is none, and the lists go without it.
"""

import json
import sqlite3
from functools import cached_property
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.catalog import Catalog, Dataset
from shahrdad.node.config import Config
from shahrdad.node.database import Database
from shahrdad.node.made_files import made_of
from shahrdad.node.search import index as search_index

if TYPE_CHECKING:
    from shahrdad.node.http.card_making import Card

BATCH = 500
UNMAKEABLE = (ShahrdadError, ValueError, TypeError, KeyError, AttributeError)
_TABLES = ("card_package", "card_document", "card_posting", "card_resource", "card")
_MISSING = (
    "SELECT d.id FROM dataset d LEFT JOIN card c ON c.dataset=d.id"
    " WHERE c.dataset IS NULL AND d.version > 0 AND d.id > ? ORDER BY d.id LIMIT ?"
)
_OTHERWISE = (
    "SELECT dataset FROM card WHERE mark <> ? AND dataset > ? ORDER BY dataset LIMIT ?"
)


class Cards:
    """Writes the cards of one node; one thread at a time.

    Args:
        config: Of the node.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    @cached_property
    def mark(self) -> str:
        """The form that cards are made in now."""
        from shahrdad.node.http.card_making import mark_of

        return mark_of(self._config)

    def fill(self, database: Database) -> int:
        """Make the cards that are missing: of a catalog older than cards."""
        return self._all(database, _MISSING, ())

    def renew(self, database: Database) -> int:
        """Make the cards again that were made in another form."""
        count = self._all(database, _OTHERWISE, (self.mark,))
        with database.transaction() as connection:
            connection.execute(
                "DELETE FROM card_form WHERE mark <> ? AND NOT EXISTS"
                " (SELECT 1 FROM card WHERE card.mark = card_form.mark)",
                (self.mark,),
            )
        return count

    def _all(self, database: Database, sql: str, values: tuple[str, ...]) -> int:
        last = count = 0
        while True:
            with database.transaction() as connection:
                rows = connection.execute(sql, (*values, last, BATCH)).fetchall()
                for (dataset,) in rows:
                    self.write(connection, dataset)
            if not rows:
                return count
            last, count = rows[-1][0], count + len(rows)

    def write(self, connection: sqlite3.Connection, dataset: int) -> None:
        """Make the card of a dataset anew; none of one whose record is not held."""
        _remove(connection, dataset)
        row = connection.execute(
            "SELECT b.content, d.log, d.fiscal_year, d.sort_fa,"
            " (SELECT MAX(f.idx) FROM change_feed f"
            "  WHERE d.state='withdrawn' AND f.ref=d.ref AND f.op='delete')"
            " FROM dataset d JOIN body b ON b.sha256=d.sha256"
            " JOIN dataset_version v ON v.dataset=d.id AND v.n=d.version"
            " WHERE d.id=? AND v.state='held'",
            (dataset,),
        ).fetchone()
        if row is None:
            return
        connection.execute(
            "INSERT OR IGNORE INTO card_form VALUES (?, ?)",
            (self.mark, self._config.public_url),
        )
        content, log, fiscal_year, title_key, withdrawal = row
        (found,) = Catalog(lambda: connection).by_ids([dataset])
        try:
            card, body = self._made(connection, found, content, withdrawal)
        except UNMAKEABLE:
            return
        _put(connection, self.mark, found, card, (log, fiscal_year, title_key))
        connection.execute(
            "UPDATE dataset SET score=? WHERE id=?", (card.score, dataset)
        )
        if found.state == "withdrawn":
            connection.execute(
                "INSERT INTO card_gone(rowid, title, keywords, fields, description)"
                " VALUES (?, ?, ?, ?, ?)",
                (dataset, *search_index.tokens(body)[0]),
            )

    def _made(
        self,
        connection: sqlite3.Connection,
        dataset: Dataset,
        content: bytes,
        withdrawal: int | None,
    ) -> "tuple[Card, dict[str, object]]":
        from shahrdad.node.http.card_making import make

        body = json.loads(content)
        _, version = Catalog(lambda: connection).version(dataset.ref)
        if dataset.state == "withdrawn" and withdrawal is None:
            withdrawal = dataset.index
        files = made_of(connection, version.digest)
        return make(self._config, dataset, version, body, withdrawal, files), body


def _remove(connection: sqlite3.Connection, dataset: int) -> None:
    """Take a card away; absent is fine."""
    row = connection.execute(
        "SELECT city, state FROM card WHERE dataset=?", (dataset,)
    ).fetchone()
    if row is None:
        return
    terms = connection.execute(
        "SELECT term FROM card_posting WHERE dataset=?", (dataset,)
    ).fetchall()
    connection.executemany(
        "UPDATE card_count SET datasets=datasets-1 WHERE term=? AND city=? AND state=?",
        [(term, *row) for (term,) in terms],
    )
    for table in _TABLES:
        connection.execute(
            f"DELETE FROM {table} WHERE dataset=?",  # noqa: S608 - constants
            (dataset,),
        )
    connection.execute("DELETE FROM card_gone WHERE rowid=?", (dataset,))


def _put(
    connection: sqlite3.Connection,
    mark: str,
    dataset: Dataset,
    card: "Card",
    more: tuple[int, int | None, bytes],
) -> None:
    """Insert a card; there is none of this dataset."""
    log, fiscal_year, title_key = more
    connection.execute(
        "INSERT INTO card(dataset, mark, uid, ref, name, city, family, license,"
        " fiscal_year, state, title, title_key, created, modified, updated, tags,"
        " resources, version, log, idx, due, objects)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            *(dataset.id, mark, card.uid, dataset.ref, dataset.name, dataset.city),
            *(dataset.family, dataset.license, fiscal_year),
            "active" if dataset.state == "live" else "deleted",
            *(card.title, title_key, card.created, card.modified, dataset.updated),
            *(card.tags, len(card.resources), dataset.version, log, dataset.index),
            *(card.due, card.objects),
        ),
    )
    for table, text in (
        ("card_package", card.package),
        ("card_document", card.document),
    ):
        connection.execute(
            f"INSERT INTO {table} VALUES (?, ?)",  # noqa: S608 - constants
            (dataset.id, text),
        )
    connection.executemany(
        "INSERT OR IGNORE INTO card_resource VALUES (?, ?, ?, ?)",
        [(one.uid, dataset.id, one.name, one.format) for one in card.resources],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO card_term(field, value, folded) VALUES (?, ?, ?)",
        [(field, value, value.casefold()) for field, value in card.postings],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO card_posting SELECT id, ? FROM card_term"
        " WHERE field=? AND value=?",
        [(dataset.id, field, value) for field, value in card.postings],
    )
    connection.execute(
        "INSERT INTO card_count SELECT p.term, c.city, c.state, 1 FROM card c"
        " JOIN card_posting p ON p.dataset=c.dataset WHERE c.dataset=?"
        " ON CONFLICT DO UPDATE SET datasets=datasets+1",
        (dataset.id,),
    )
