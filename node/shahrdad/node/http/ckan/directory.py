"""Where each dataset stands in the facade's orders, without its dictionary.

CKAN's clients page by offset through everything, by identifier or by time, and ask for
one organization or for what changed since. An index in memory answers these; only the
datasets of the page become dictionaries. It follows the change feed: what is new costs
what is new, and another epoch begins it anew.

Queries that need a dictionary (words, tags, formats) are answered by reading them all
(`search.search`), up to `SCANNED_MAX` datasets.
"""

import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shahrdad.datasets.alphabet import sort_key
from shahrdad.node.http import holdings, identity
from shahrdad.node.http.ckan.dictionaries import moment
from shahrdad.node.http.ckan.query import bound_of
from shahrdad.node.http.languages import now, rfc3339
from shahrdad.node.http.view import NodeView

DELETED_DAYS_MAX = 400
SCANNED_MAX = 20_000
BATCH = 10_000
COUNTS_MAX = 1_000
_TABLE = """
CREATE TABLE entry(
  id TEXT PRIMARY KEY, dataset INTEGER NOT NULL, ref TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, organization TEXT NOT NULL, groups TEXT, license_id TEXT,
  title BLOB NOT NULL, metadata_created TEXT NOT NULL,
  metadata_modified TEXT NOT NULL, updated TEXT NOT NULL, state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_organization ON entry(organization, state, id);
CREATE INDEX entry_modified ON entry(metadata_modified, id);
"""
_COLUMNS = (
    "id, ref, city, slug, family, license, title_fa, first_published, updated, idx,"
    " state"
)
_SQL_SORTS = {
    "id": "id",
    "name": "name",
    "title": "title",
    "title_string": "title",
    "metadata_created": "metadata_created",
    "metadata_modified": "metadata_modified",
}
_UNRANKED = frozenset({"score", "views_recent"})
_EQUAL = re.compile(
    r"\+?(organization|groups|license_id|name|id|state|type|dataset_type|capacity)"
    r":(?:\"([^\"\\*]+)\"|([\w.-]+))"
)
_RANGE = re.compile(
    r"\+?(metadata_modified|metadata_created|id):([\[{])([^\]}]*?) TO ([^\]}]*)([\]}])"
)
_ALWAYS = {"type": "dataset", "dataset_type": "dataset", "capacity": "public"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A search that the index can answer.

    Attributes:
        where: SQL over `entry`, with a mark for each value.
        values: For the marks.
        order: SQL; its last column is the identifier.
    """

    where: str
    values: tuple[str, ...]
    order: str


class Directory:
    """The index of one node; many threads may ask."""

    def __init__(self) -> None:
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        self._index.executescript(_TABLE)
        self._lock = threading.Lock()
        self._epoch = ""
        self._seq = 0
        self._counts: dict[
            tuple[str, ...], int
        ] = {}  # of searches, since the last change

    def page(
        self, node: NodeView, asked: Asked, start: int, rows: int
    ) -> tuple[int, list[str]]:
        """Return how many datasets there are, and the references of a page."""
        with self._lock:
            self._follow(node)
            count = self._count(asked)
            found = self._index.execute(
                f"SELECT ref FROM entry WHERE {asked.where}"  # noqa: S608 - made here
                f" ORDER BY {asked.order} LIMIT ? OFFSET ?",
                (*asked.values, rows, start),
            )
            return count, [ref for (ref,) in found]

    def _count(self, asked: Asked) -> int:
        """Return how many datasets a search finds; who pages asks again and again."""
        key = (asked.where, *asked.values)
        if key not in self._counts:
            if len(self._counts) >= COUNTS_MAX:
                self._counts.clear()
            (count,) = self._index.execute(
                f"SELECT COUNT(*) FROM entry WHERE {asked.where}",  # noqa: S608
                asked.values,
            ).fetchone()
            self._counts[key] = int(count)
        return self._counts[key]

    def ref(self, node: NodeView, wanted: str) -> str | None:
        """Return the reference of an identifier or a name."""
        with self._lock:
            self._follow(node)
            row = self._index.execute(
                "SELECT ref FROM entry WHERE id=? OR ref=?",
                (wanted, wanted.replace("--", "/", 1)),
            ).fetchone()
        return None if row is None else str(row[0])

    def size(self, node: NodeView) -> int:
        """Return how many datasets there are."""
        with self._lock:
            self._follow(node)
            (count,) = self._index.execute("SELECT COUNT(*) FROM entry").fetchone()
        return int(count)

    def _follow(self, node: NodeView) -> None:
        """Take in what changed; the caller holds the lock."""
        connection = node.database.connect()
        epoch, newest = holdings.epoch(connection), holdings.newest_change(connection)
        if (epoch, newest) == (self._epoch, self._seq):
            return
        self._counts.clear()
        if epoch != self._epoch:
            self._index.execute("DELETE FROM entry")
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM dataset"  # noqa: S608 - a constant
                " WHERE state<>'pending'"
            )
        else:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM dataset"  # noqa: S608 - a constant
                " WHERE state<>'pending' AND ref IN"
                " (SELECT DISTINCT ref FROM change_feed WHERE seq > ?)",
                (self._seq,),
            )
        marks = ",".join("?" * 12)
        while batch := rows.fetchmany(BATCH):
            self._index.executemany(
                f"INSERT OR REPLACE INTO entry VALUES({marks})",
                _entries(connection, batch),
            )
        self._index.commit()
        self._epoch, self._seq = epoch, newest


def _entries(
    connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    """Yield the index's rows of the catalog's."""
    for (
        number,
        ref,
        city,
        slug,
        family,
        license_,
        title,
        first,
        updated,
        idx,
        state,
    ) in rows:
        if state == "withdrawn":
            changes = holdings.newest_changes(connection, ref, 1)
            idx = changes[0].index if changes else idx
        yield (
            str(identity.uid(ref)),
            number,
            ref,
            f"{city}--{slug}",
            city,
            family,
            license_,
            sort_key(title or slug),
            moment(first, 0),
            moment(updated, idx),
            updated,
            "active" if state == "live" else "deleted",
        )


def plan(node: NodeView, base: str, queries: Sequence[str], order: str) -> Asked | None:
    """Return a search for the index, or None for one that it cannot answer.

    Args:
        node: Whose catalog.
        base: `own`, `all` or `harvest`.
        queries: `q` and every `fq`.
        order: `sort`.
    """
    where, values = _base(node, base)
    for query in queries:
        for clause in _clauses(query):
            found = _condition(clause)
            if found is None:
                return None
            where.append(found[0])
            values += found[1]
    sorts = _order(order)
    return None if sorts is None else Asked(" AND ".join(where), tuple(values), sorts)


def _base(node: NodeView, base: str) -> tuple[list[str], list[str]]:
    """Return the condition of a base."""
    where, values = ["1=1"], []
    if base != "all":
        where.append("organization=?")
        values.append(node.config.node.city)
    if base == "harvest":
        oldest = rfc3339(now() - timedelta(days=DELETED_DAYS_MAX))
        where.append("(state='active' OR updated >= ?)")
        values.append(oldest)
    else:
        where.append("state='active'")
    return where, values


def _clauses(query: str) -> list[str]:
    """Return the clauses of a query; a range keeps its spaces."""
    plain = query.replace("%20", " ").strip()
    return re.findall(r"[^\s\[{]+[\[{][^\]}]*[\]}]|\S+\"[^\"]*\"|\S+", plain)


def _condition(clause: str) -> tuple[str, list[str]] | None:
    """Return the SQL of a clause; None for one that needs a dictionary."""
    if clause in {"*:*", "*", "AND", "&&"}:
        return "1=1", []
    equal = _EQUAL.fullmatch(clause)
    if equal is not None:
        field, value = equal[1], equal[2] or equal[3]
        if field in _ALWAYS:
            return ("1=1" if value.casefold() == _ALWAYS[field] else "1=0"), []
        # Names are lower-case, licences are not; a folded column would miss its index.
        if field == "license_id":
            return "license_id = ? COLLATE NOCASE", [value]
        return f"{field} = ?", [value.lower()]
    span = _RANGE.fullmatch(clause)
    if span is None:
        return None
    conditions, values = [], []
    for text, signs, is_open in (
        (span[3], (">=", ">"), span[2] == "{"),
        (span[4], ("<=", "<"), span[5] == "}"),
    ):
        bound = bound_of(text)
        if bound is not None:
            conditions.append(f"{span[1]} {signs[is_open]} ?")
            values.append(bound)
    return " AND ".join(conditions) or "1=1", values


def _order(order: str) -> str | None:
    """Return the SQL of an order; None where the index has none of it."""
    found = []
    for clause in order.split(","):
        name, _, direction = clause.strip().partition(" ")
        direction = direction.strip().lower() or "asc"
        if direction not in {"asc", "desc"}:
            return None
        if name in _UNRANKED:
            continue
        if name not in _SQL_SORTS:
            return None
        found.append(f"{_SQL_SORTS[name]} {direction}")
    if not any(one.startswith("id ") for one in found):
        found.append("id asc")
    return ", ".join(found)


def facets_asked(values: Mapping[str, Any]) -> bool:
    """Tell whether counts of values are wanted, which need every dictionary."""
    return bool(values.get("facet.field"))
