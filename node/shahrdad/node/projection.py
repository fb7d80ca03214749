"""The catalog follows the logs: entries in, rows of the catalog out.

Each log is applied in index order, some hundred entries a transaction, together with
how far it came; so a kill leaves a shorter catalog, never a wrong one, and the next
`follow` goes on. A version is shown only once its record is held. What a record says
of its own city is not believed: the city is the one whose log it stands in.

Nothing here can fail on a record: bytes of another city that are no sound descriptor
give a dataset without a title, not an error.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shahrdad.datasets.alphabet import sort_key
from shahrdad.datasets.errors import ShahrdadError
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.entry import Entry, parse
from shahrdad.node import card_schema, catalog_schema, record, tally_schema
from shahrdad.node.cards import Cards
from shahrdad.node.database import Database
from shahrdad.node.limits import RECORD_BYTES_MAX, TITLE_LETTERS_MAX
from shahrdad.node.search import index as search_index
from shahrdad.node.store.collection import note_rebuilt

BATCH_ENTRIES = 500
KEY_PREFIX = "ds/"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the catalog shows of a record; every member is safe to show."""

    title_fa: str
    title_en: str
    family: str | None
    license: str | None
    fiscal_year: int | None
    rows: int | None
    bytes: int
    change: Mapping[str, Any] | None
    facets: tuple[tuple[str, str], ...]
    body: Mapping[str, Any]


def facts_of(body: Mapping[str, Any], slug: str) -> Facts:
    """Read a record leniently; what has the wrong type is left out."""
    ours = _mapping(body.get("shahrdad"))
    resources = [_mapping(item) for item in _list(body.get("resources"))]
    tables = [
        item
        for item in resources
        if _mapping(item.get("shahrdad")).get("role", "table") == "table"
    ]
    rows = [_integer(_mapping(item.get("shahrdad")).get("rows")) for item in tables]
    licenses = [_mapping(item).get("name") for item in _list(body.get("licenses"))]
    change = ours.get("change")
    family = _text(ours.get("family"))
    license_ = _text(licenses[0]) if licenses else None
    keywords = [*_list(body.get("keywords")), *_list(body.get("keywords_en"))]
    facets = {("keyword", word) for word in keywords if isinstance(word, str)}
    return Facts(
        title_fa=_text(body.get("title")) or slug,
        title_en=_text(body.get("title_en")) or slug,
        family=family,
        license=license_,
        fiscal_year=_integer(ours.get("fiscal_year")),
        rows=sum(n for n in rows if n is not None) if rows else None,
        bytes=sum(_integer(item.get("bytes")) or 0 for item in tables),
        change=change if isinstance(change, dict) else None,
        facets=tuple(sorted(facets)),
        body=body,
    )


class Projection:
    """Writes the catalog of a node.

    Args:
        database: The node's database.
        city_of: The city slug of a log's origin, or None when the log is no city's.
        cards: What writes the lists' view of each dataset.
    """

    def __init__(
        self,
        database: Database,
        city_of: Callable[[str], str | None],
        cards: Cards,
    ) -> None:
        self._database = database
        self._city_of = city_of
        self._cards = cards
        self._filled = False

    def follow(self) -> int:
        """Apply what the logs have and the catalog has not.

        Returns:
            The number of entries applied.
        """
        applied = 0
        if not self._filled:
            self._cards.fill(self._database)
            self._filled = True
        # Read to the end first: an open cursor would hold an old snapshot, and a write
        # on top of it is refused while another process writes.
        logs = self._database.connect().execute(
            "SELECT id, origin FROM log ORDER BY id"
        )
        for log, origin in logs.fetchall():
            city = self._city_of(origin)
            if city is None:
                continue
            while count := self._apply_batch(log, origin, city):
                applied += count
        self._adopt_arrived_bodies()
        return applied

    def rebuild(self) -> int:
        """Drop the catalog and build it again from the logs and bodies."""
        with self._database.transaction() as connection:
            parts = (catalog_schema, card_schema, tally_schema)
            for statement in "".join(part.CLEAR for part in parts).split(";"):
                if statement.strip():
                    connection.execute(statement)
            # Until all is applied again, objects look unnamed that are not.
            note_rebuilt(connection, datetime.now(UTC))
        return self.follow()

    def renew_cards(self) -> int:
        """Make the cards again that another release or configuration made."""
        return self._cards.renew(self._database)

    def epoch(self) -> str:
        """Return the random name of this feed; after a rebuild it has another."""
        row = self._database.connect().execute("SELECT epoch FROM feed_epoch")
        return str(row.fetchone()[0])

    def _apply_batch(self, log: int, origin: str, city: str) -> int:
        """Apply some hundred entries of one log in one transaction."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT size FROM projection WHERE log=?", (log,)
            ).fetchone()
            start = row[0] if row else 0
            entries = connection.execute(
                "SELECT idx, raw FROM entry WHERE log=? AND idx>=? AND idx<?"
                " ORDER BY idx",
                (log, start, start + BATCH_ENTRIES),
            ).fetchall()
            for index, raw in entries:
                try:
                    entry = parse(raw, index, origin)
                except ShahrdadError:
                    continue  # stored and relayed, and not applied: federation 4.2
                self._apply(connection, log, city, entry)
            if entries:
                connection.execute(
                    "INSERT INTO projection VALUES (?, ?)"
                    " ON CONFLICT(log) DO UPDATE SET size=excluded.size",
                    (log, start + len(entries)),
                )
        return len(entries)

    def _apply(
        self, connection: sqlite3.Connection, log: int, city: str, entry: Entry
    ) -> None:
        """Apply one sound entry."""
        if entry.op == "redact" and entry.sha256 is not None:
            connection.execute(
                "UPDATE dataset_version SET state='redacted' WHERE log=? AND sha256=?",
                (log, entry.sha256.raw),
            )
            for (dataset,) in connection.execute(
                "SELECT id FROM dataset WHERE log=? AND sha256=?",
                (log, entry.sha256.raw),
            ).fetchall():
                self._cards.write(connection, dataset)
            return
        if entry.key is None or not entry.key.startswith(KEY_PREFIX):
            return
        slug = entry.key.removeprefix(KEY_PREFIX)
        if entry.op == "put":
            self._put(connection, log, f"{city}/{slug}", entry)
        elif entry.op == "delete":
            self._withdraw(connection, log, f"{city}/{slug}", entry)

    def _put(
        self, connection: sqlite3.Connection, log: int, ref: str, entry: Entry
    ) -> None:
        """Add a version, and show it when its record is held."""
        if entry.sha256 is None:
            raise RuntimeError("a sound put names a record")
        dataset = _dataset_id(connection, log, ref, entry)
        (newest,) = connection.execute(
            "SELECT COALESCE(MAX(n), 0) FROM dataset_version WHERE dataset=?",
            (dataset,),
        ).fetchone()
        n = newest + 1
        connection.execute(
            "INSERT INTO dataset_version(dataset, n, log, idx, time, sha256, state)"
            " VALUES (?, ?, ?, ?, ?, ?, 'missing')",
            (dataset, n, log, entry.index, entry.time, entry.sha256.raw),
        )
        _tell(connection, log, ref, entry, n)
        connection.execute(
            "UPDATE dataset SET reason=NULL, replaced_by=NULL, updated=?,"
            " state=CASE version WHEN 0 THEN 'pending' ELSE 'live' END WHERE id=?",
            (entry.time, dataset),
        )
        _adopt(connection, dataset, n, ref, entry.sha256.raw)
        self._cards.write(connection, dataset)

    def _withdraw(
        self, connection: sqlite3.Connection, log: int, ref: str, entry: Entry
    ) -> None:
        """Mark a dataset withdrawn; its versions stay."""
        row = connection.execute(
            "SELECT id, version FROM dataset WHERE ref=?", (ref,)
        ).fetchone()
        if row is None:
            return
        connection.execute(
            "UPDATE dataset SET state='withdrawn', reason=?, replaced_by=?, updated=?"
            " WHERE id=?",
            (entry.reason, entry.by, entry.time, row[0]),
        )
        search_index.remove(connection, row[0])
        _tell(connection, log, ref, entry, row[1])
        self._cards.write(connection, row[0])

    def _adopt_arrived_bodies(self) -> None:
        """Show the versions whose records arrived after their entries."""
        connection = self._database.connect()
        arrived = connection.execute(
            "SELECT v.dataset, v.n, d.ref, v.sha256 FROM dataset_version v"
            " JOIN dataset d ON d.id=v.dataset JOIN body b ON b.sha256=v.sha256"
            " WHERE v.state='missing' ORDER BY v.dataset, v.n"
        ).fetchall()
        for dataset, n, ref, sha256 in arrived:
            with self._database.transaction() as writer:
                _adopt(writer, dataset, n, ref, sha256)
                self._cards.write(writer, dataset)


def _dataset_id(
    connection: sqlite3.Connection, log: int, ref: str, entry: Entry
) -> int:
    """Return the row number of a dataset, making the row at its first put."""
    row = connection.execute("SELECT id FROM dataset WHERE ref=?", (ref,)).fetchone()
    if row is not None:
        return int(row[0])
    city, _, slug = ref.partition("/")
    cursor = connection.execute(
        "INSERT INTO dataset(log, key, ref, city, slug, state, version, idx,"
        " first_published, updated, title_fa, title_en, sort_fa)"
        " VALUES (?, ?, ?, ?, ?, 'pending', 0, ?, ?, ?, ?, ?, ?)",
        (
            log,
            entry.key,
            ref,
            city,
            slug,
            entry.index,
            entry.time,
            entry.time,
            slug,
            slug,
            sort_key(slug),
        ),
    )
    if cursor.lastrowid is None:
        raise RuntimeError("SQLite gave no row number for an INSERT")
    return cursor.lastrowid


def _adopt(
    connection: sqlite3.Connection, dataset: int, n: int, ref: str, sha256: bytes
) -> None:
    """Show version `n` of a dataset, if its record is held."""
    row = connection.execute(
        "SELECT content FROM body WHERE sha256=?", (sha256,)
    ).fetchone()
    if row is None:
        return
    body = _body(row[0])
    facts = facts_of(body, ref.partition("/")[2])
    connection.execute(
        "UPDATE dataset_version SET state='held', rows=?, change=?"
        " WHERE dataset=? AND n=?",
        (facts.rows, json.dumps(facts.change) if facts.change else None, dataset, n),
    )
    for item in _objects(body):
        connection.execute(
            "INSERT OR IGNORE INTO object_ref(area, sha256, kind, owner, at)"
            " VALUES (?, ?, 'body', ?, strftime('%Y-%m-%dT%H:%M:%SZ','now'))",
            ("object" if item.public else "private", item.digest.raw, f"{ref}@{n}"),
        )
    _show(connection, dataset, n, facts)


def bodies(
    connection: sqlite3.Connection, numbers: Sequence[int]
) -> dict[int, Mapping[str, Any]]:
    """Return the records of datasets, by row number, as the catalog reads them.

    Args:
        connection: To the node's database.
        numbers: Of datasets; one whose record is not held is left out.
    """
    found = {}
    for number in numbers:
        row = connection.execute(
            "SELECT b.content FROM dataset d JOIN body b ON b.sha256=d.sha256"
            " WHERE d.id=?",
            (number,),
        ).fetchone()
        if row is not None:
            found[number] = _body(row[0])
    return found


def _body(content: bytes) -> Mapping[str, Any]:
    """Return a record; of one that is spoilt, nothing."""
    try:
        return strict_json.loads(content, bytes_max=RECORD_BYTES_MAX)
    except ShahrdadError:
        return {}


def _show(connection: sqlite3.Connection, dataset: int, n: int, facts: Facts) -> None:
    """Make version `n` the one the catalog shows, unless a newer one is."""
    changed = connection.execute(
        "UPDATE dataset SET version=v.n, idx=v.idx, sha256=v.sha256, family=?,"
        " license=?, fiscal_year=?, rows=?, bytes=?, title_fa=?, title_en=?, sort_fa=?,"
        " state=CASE dataset.state WHEN 'pending' THEN 'live' ELSE dataset.state END"
        " FROM dataset_version v WHERE dataset.id=? AND v.dataset=dataset.id AND v.n=?"
        " AND dataset.version < v.n",
        (
            facts.family,
            facts.license,
            facts.fiscal_year,
            facts.rows,
            facts.bytes,
            facts.title_fa,
            facts.title_en,
            sort_key(facts.title_fa),
            dataset,
            n,
        ),
    )
    if changed.rowcount == 0:
        return
    connection.execute("DELETE FROM dataset_facet WHERE dataset=?", (dataset,))
    connection.executemany(
        "INSERT OR IGNORE INTO dataset_facet VALUES (?, ?, ?)",
        [(facet, value, dataset) for facet, value in facts.facets],
    )
    (state,) = connection.execute(
        "SELECT state FROM dataset WHERE id=?", (dataset,)
    ).fetchone()
    if state == "live":
        search_index.write(connection, dataset, facts.body)


def _tell(
    connection: sqlite3.Connection, log: int, ref: str, entry: Entry, n: int | None
) -> None:
    """Note a change in this node's own order."""
    connection.execute(
        "INSERT INTO change_feed(ref, op, version, log, idx, time, sha256, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            ref,
            entry.op,
            n,
            log,
            entry.index,
            entry.time,
            entry.sha256.raw if entry.sha256 else None,
            entry.reason,
        ),
    )


def _objects(body: Mapping[str, Any]) -> list[record.NamedObject]:
    """Return a record's objects; none of a spoilt record."""
    try:
        return record.objects(body)
    except (ShahrdadError, AttributeError, TypeError, ValueError):
        return []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value[:TITLE_LETTERS_MAX] if isinstance(value, str) and value else None


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None
