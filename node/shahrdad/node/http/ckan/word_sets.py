"""Which datasets have a common word: one bit a dataset, kept while the catalog changes.

FTS5 needs a twentieth of a second to read a word that a third of a million datasets
have, and SQLite several times as long to count and order what was found. So the
datasets of common words are kept as bits by row number: 46 KB a word, and two words at
once are an AND. The most frequent ones are read before anybody asks; a dataset that was
published or withdrawn since is looked up alone.
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shahrdad.node.database import Database

SETS_MAX = 256
WARM_MAX = 128  # of them, read before anybody asks
KEPT_MIN = 5_000  # datasets of a set that is kept
CHANGES_MAX = 2_000  # more since, and the whole set is read anew
SPAN = 131_072  # row numbers that are read at once, so that others go on meanwhile
_LAST = "SELECT COALESCE(MAX(id), 0) FROM dataset"
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Finding:
    """How a set is read.

    Attributes:
        sql: A statement that gives row numbers; a condition on them may follow.
        column: What it calls them.
        values: For its marks.
    """

    sql: str
    column: str
    values: tuple[str | int, ...]
    in_order: bool = False  # of row numbers, so that it can be read in spans


def of_match(match: str) -> Finding:
    """Return the set of what the index of words finds, all of it live."""
    sql = "SELECT rowid AS number FROM search WHERE search MATCH ?"
    return Finding(sql, "rowid", (match,), in_order=True)


def of_owners(column: str, values: Sequence[str | int]) -> Finding:
    """Return the set of the live datasets whose card has one of some values.

    Args:
        column: Of the card: `city` or `family`.
        values: At least one.
    """
    marks = ",".join("?" * len(values))
    sql = (
        "SELECT dataset AS number FROM card"  # noqa: S608 - a column of ours
        f" WHERE {column} IN ({marks}) AND +state = 'active'"
    )
    return Finding(sql, "dataset", tuple(values))


@dataclass(frozen=True, slots=True)
class _Kept:
    epoch: str
    change: int  # the last one of the index that is in it
    packed: npt.NDArray[np.uint8]
    size: int


def of_term(term: int) -> Finding:
    """Return the set of a keyword or format, withdrawn datasets among it."""
    sql = "SELECT dataset AS number FROM card_posting WHERE term = ?"
    return Finding(sql, "dataset", (term,), in_order=True)


LIVE = Finding(
    "SELECT dataset AS number FROM card WHERE state = 'active'", "dataset", ()
)


class WordSets:
    """The sets of one application; serves many threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Finding, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def find(
        self,
        connection: sqlite3.Connection,
        state: tuple[str, int],
        groups: Sequence[Sequence[Finding]],
    ) -> Bits:
        """Return the datasets that are in a set of each group, by row number.

        Args:
            connection: To the database; in the snapshot that is answered from.
            state: Epoch of the catalog, and the last change of its index.
            groups: At least one, none of them empty.
        """
        (last,) = connection.execute(_LAST).fetchone()
        found = np.ones(last + 1, np.bool_)
        for group in groups:
            one = np.zeros(last + 1, np.bool_)
            for finding in group:
                bits = self._of(connection, state, finding)[: last + 1]
                one[: len(bits)] |= bits
            found &= one
        return found

    def warm(self, database: Database, findings: Sequence[Finding]) -> None:
        """Read sets in a thread of their own."""
        if findings:
            run = (database, tuple(findings))
            threading.Thread(target=self._read_all, args=run, daemon=True).start()

    def _read_all(self, database: Database, findings: tuple[Finding, ...]) -> None:
        connection = database.connect()
        try:
            for one in findings:
                self._of(connection, state_of(connection), one)
        except sqlite3.Error:
            return  # each is read when it is asked for
        finally:
            database.close()

    def _of(
        self, connection: sqlite3.Connection, state: tuple[str, int], finding: Finding
    ) -> Bits:
        epoch, change = state
        with self._lock:
            known = self._kept.get(finding)
        if known is not None and known.epoch == epoch and known.change <= change:
            bits: Bits = np.unpackbits(known.packed, count=known.size).view(np.bool_)
            if known.change == change:
                return bits
            changed = _changed(connection, known.change)
            if len(changed) <= CHANGES_MAX:
                bits = _patched(connection, bits, changed, finding, known.change)
                self._keep(finding, epoch, change, bits)
                return bits
        bits = _read(connection, finding)
        self._keep(finding, epoch, change, bits)
        return bits

    def _keep(self, finding: Finding, epoch: str, change: int, bits: Bits) -> None:
        if np.count_nonzero(bits) < KEPT_MIN:
            return  # read again as fast
        kept = _Kept(epoch, change, np.packbits(bits), len(bits))
        with self._lock:
            self._kept[finding] = kept
            self._kept.move_to_end(finding)
            while len(self._kept) > SETS_MAX:
                self._kept.popitem(last=False)


def state_of(connection: sqlite3.Connection) -> tuple[str, int]:
    """Return what the index of words is a state of."""
    epoch, change = connection.execute(
        "SELECT (SELECT epoch FROM feed_epoch),"
        " (SELECT COALESCE(MAX(seq), 0) FROM search_change)"
    ).fetchone()
    return str(epoch), int(change)


def _read(connection: sqlite3.Connection, finding: Finding) -> Bits:
    """Return a set, read span by span."""
    (last,) = connection.execute(_LAST).fetchone()
    bits = np.zeros(last + 1, np.bool_)
    sql, step = finding.sql, last + 1
    if finding.in_order:
        sql, step = f"{sql} AND {finding.column} BETWEEN ? AND ?", SPAN
    # One text is much faster than as many rows.
    sql = f"SELECT group_concat(number) FROM ({sql})"  # noqa: S608 - constants
    for start in range(0, last + 1, step):
        span = (start, start + step - 1) if finding.in_order else ()
        (text,) = connection.execute(sql, (*finding.values, *span)).fetchone()
        if text is not None:
            bits[np.fromstring(str(text), np.int64, sep=",")] = True
    return bits


def _changed(connection: sqlite3.Connection, since: int) -> list[int]:
    rows = connection.execute(
        "SELECT dataset FROM search_change WHERE seq > ? LIMIT ?",
        (since, CHANGES_MAX + 1),
    )
    return [number for (number,) in rows]


def _patched(
    connection: sqlite3.Connection,
    bits: Bits,
    changed: Sequence[int],
    finding: Finding,
    since: int,
) -> Bits:
    """Return a set in which the datasets changed since are as they are now."""
    size = max(len(bits), max(changed) + 1)
    found = np.zeros(size, np.bool_)
    found[: len(bits)] = bits
    found[np.array(changed)] = False
    rows = connection.execute(
        f"{finding.sql} AND {finding.column} IN"  # noqa: S608 - constants
        " (SELECT dataset FROM search_change WHERE seq > ?)",
        (*finding.values, since),
    )
    for (number,) in rows:
        found[number] = True
    return found
