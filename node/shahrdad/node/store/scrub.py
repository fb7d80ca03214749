"""Re-reading every named object against its digest, and repairing what is bad (3.8).

Disks and buckets lose and change bytes in silence. The scrub reads at a set rate,
remembers in the database how far it is, and on a bad or missing object keeps the bad
bytes in quarantine, asks each source for the right ones, verifies, writes, and notes a
problem. An object that no source has stays named: its record is still true.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Protocol, cast

from shahrdad.datasets.errors import RequestError, ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.collection import Clock, Connect, Named, parse, stamp
from shahrdad.node.store.contract import Area, ObjectStore
from shahrdad.node.store.limits import (
    CHUNK_BYTES,
    QUARANTINE_AGE_MAX,
    QUARANTINE_BYTES_MAX,
    SCRUB_BYTES_PER_SECOND,
    SCRUB_PERIOD,
    SPOOL_BYTES_MAX,
)

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE object_check(
      area TEXT NOT NULL, sha256 BLOB NOT NULL, checked TEXT NOT NULL,
      state TEXT NOT NULL CHECK(state IN ('good','lost')),
      PRIMARY KEY(sha256, area)) STRICT, WITHOUT ROWID;
    CREATE TABLE object_problem(
      id INTEGER PRIMARY KEY, at TEXT NOT NULL, area TEXT NOT NULL,
      sha256 BLOB NOT NULL, found TEXT NOT NULL CHECK(found IN ('damaged','missing')),
      outcome TEXT NOT NULL CHECK(outcome IN ('repaired','lost')),
      source TEXT) STRICT
    """,
)
FULL_CHECK = "full check began"


class Source(Protocol):
    """Somewhere to get an object back from: a peer, a static prefix, its making."""

    name: str

    def __call__(self, area: Area, digest: Digest) -> BinaryIO | None:
        """Return the object's bytes, unverified, or None when it is not to be had."""
        ...


class Pace(Protocol):
    """Keeps a reader at a rate."""

    def __call__(self, size: int) -> None:
        """Wait until so many more bytes may have been read."""
        ...


class Rate:
    """A pace of so many bytes a second.

    Args:
        bytes_per_second: The rate.
        monotonic: A clock that never goes back.
        sleep: Waits.
    """

    def __init__(
        self,
        bytes_per_second: int = SCRUB_BYTES_PER_SECOND,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._next = monotonic()

    def __call__(self, size: int) -> None:
        """Wait until so many more bytes may have been read; pauses give no credit."""
        now = self._monotonic()
        self._next = max(self._next, now) + size / self._rate
        if self._next > now:
            self._sleep(self._next - now)


@dataclass(frozen=True, slots=True)
class Problem:
    """A bad object, and what became of it.

    Attributes:
        area: Where it is.
        digest: Its name.
        found: `damaged` or `missing`.
        outcome: `repaired` or `lost`.
        source: Who had the right bytes, or None.
    """

    area: Area
    digest: Digest
    found: str
    outcome: str
    source: str | None


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What a run did.

    Attributes:
        objects: Read and compared.
        bytes: Read.
        problems: In the order found.
        finished: Whether all that was due was read.
    """

    objects: int
    bytes: int
    problems: tuple[Problem, ...]
    finished: bool


class Scrub:
    """Checks named objects; may be stopped at any object and goes on from there.

    Args:
        connect: Returns this thread's connection to the node's database.
        store: Where the objects are.
        clock: Returns the present, in UTC.
        sources: Asked in turn for a bad or missing object.
        expected: Tells whether a missing object should be held: objects of datasets
            that this node does not mirror are named, and absent by choice.
        pace: Keeps the rate.
    """

    def __init__(
        self,
        connect: Connect,
        store: ObjectStore,
        clock: Clock,
        sources: Sequence[Source] = (),
        expected: Callable[[Area, Digest], bool] = lambda area, digest: True,
        pace: Pace | None = None,
    ) -> None:
        self._connect = connect
        self._store = store
        self._clock = clock
        self._sources = sources
        self._expected = expected
        self._pace = pace or Rate()

    def check_all(self, stop: Callable[[], bool] = lambda: False) -> Scrubbed:
        """Check the whole store, going on with a check that was stopped."""
        connection = self._connect()
        row = connection.execute(
            "SELECT value FROM store_fact WHERE name=?", (FULL_CHECK,)
        ).fetchone()
        began = stamp(self._clock()) if row is None else str(row[0])
        connection.execute(
            "INSERT OR IGNORE INTO store_fact(name, value) VALUES (?, ?)",
            (FULL_CHECK, began),
        )
        done = self._run(parse(began), stop)
        if done.finished:
            connection.execute("DELETE FROM store_fact WHERE name=?", (FULL_CHECK,))
        return done

    def check_due(
        self,
        period: timedelta = SCRUB_PERIOD,
        stop: Callable[[], bool] = lambda: False,
    ) -> Scrubbed:
        """Check what was not read for a period, the longest ago first."""
        return self._run(self._clock() - period, stop)

    def lost(self) -> list[Named]:
        """Return the objects that nobody had when they were last looked for."""
        rows = self._connect().execute(
            "SELECT area, sha256 FROM object_check WHERE state='lost'"
            " ORDER BY sha256, area"
        )
        return [(Area(area), Digest(raw)) for area, raw in rows]

    def failures(self) -> int:
        """Return how many objects ever failed: `_object_verify_failures_total`."""
        row = self._connect().execute("SELECT count(*) FROM object_problem").fetchone()
        return int(row[0])

    def _run(self, before: datetime, stop: Callable[[], bool]) -> Scrubbed:
        objects = size = 0
        problems: list[Problem] = []
        for area, digest in self._due(before):
            if stop():
                return Scrubbed(objects, size, tuple(problems), finished=False)
            read, found = self._read(area, digest)
            objects += 1
            size += read
            problem = None
            if found == "damaged" or (found and self._expected(area, digest)):
                problem = self._repair(area, digest, found)
                problems.append(problem)
            self._note(area, digest, problem)
        return Scrubbed(objects, size, tuple(problems), finished=True)

    def _due(self, before: datetime) -> Iterator[Named]:
        """Yield named objects last checked before an instant, or never."""
        rows = (
            self._connect()
            .execute(
                "SELECT DISTINCT r.area, r.sha256, coalesce(c.checked, '')"
                " FROM object_ref r LEFT JOIN object_check c USING (area, sha256)"
                " WHERE c.checked IS NULL OR c.checked < ? ORDER BY 3, 2, 1",
                (stamp(before),),
            )
            .fetchall()
        )
        yield from ((Area(area), Digest(raw)) for area, raw, _ in rows)

    def _read(self, area: Area, digest: Digest) -> tuple[int, str | None]:
        """Return the bytes read, and `damaged` or `missing` when it is."""
        known = self._store.stat(area, digest)
        if known is None:
            return 0, "missing"
        with SpooledTemporaryFile(SPOOL_BYTES_MAX) as spool:
            hashed = sha256()
            try:
                for chunk in raw_chunks(self._store, area, digest, known.size):
                    self._pace(len(chunk))
                    hashed.update(chunk)
                    spool.write(chunk)
            except RequestError:
                return 0, "missing"  # deleted, or cut, since we looked
            actual = Digest(hashed.digest())
            if actual == digest:
                return known.size, None
            spool.seek(0)
            # Kept for whoever wants to know what the disk did.
            self._store.put(
                Area.QUARANTINE, actual, cast("BinaryIO", spool), known.size
            )
        return known.size, "damaged"

    def _repair(self, area: Area, digest: Digest, found: str) -> Problem:
        for source in self._sources:
            if self._fetch(source, area, digest):
                return Problem(area, digest, found, "repaired", source.name)
        return Problem(area, digest, found, "lost", None)

    def _fetch(self, source: Source, area: Area, digest: Digest) -> bool:
        """Put an object back from a source; bytes that do not match are refused."""
        with SpooledTemporaryFile(SPOOL_BYTES_MAX) as spool:
            hashed = sha256()
            size = 0
            try:
                answer = source(area, digest)
                if answer is None:
                    return False
                with answer:
                    while chunk := answer.read(CHUNK_BYTES):
                        hashed.update(chunk)
                        size += len(chunk)
                        spool.write(chunk)
            except ShahrdadError:
                return False
            if hashed.digest() != digest.raw:
                return False
            spool.seek(0)
            # First gone, then put: an object of the right size would be left alone.
            self._store.delete(area, digest)
            self._store.put(area, digest, cast("BinaryIO", spool), size)
        return True

    def _note(self, area: Area, digest: Digest, problem: Problem | None) -> None:
        now = stamp(self._clock())
        lost = problem is not None and problem.outcome == "lost"
        connection = self._connect()
        connection.execute(
            "INSERT INTO object_check(area, sha256, checked, state) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(sha256, area) DO UPDATE"
            " SET checked=excluded.checked, state=excluded.state",
            (area.value, digest.raw, now, "lost" if lost else "good"),
        )
        if problem is not None:
            connection.execute(
                "INSERT INTO object_problem(at, area, sha256, found, outcome, source)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    now,
                    area.value,
                    digest.raw,
                    problem.found,
                    problem.outcome,
                    problem.source,
                ),
            )


def raw_chunks(
    store: ObjectStore, area: Area, digest: Digest, size: int
) -> Iterator[bytes]:
    """Yield an object's bytes as they are: a range is not compared with the name."""
    with store.open(area, digest, 0, size) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def trim_quarantine(
    store: ObjectStore,
    now: datetime,
    bytes_max: int = QUARANTINE_BYTES_MAX,
    age_max: timedelta = QUARANTINE_AGE_MAX,
) -> int:
    """Delete what is too old or too much in quarantine; the newest stays longest.

    Returns:
        How many objects were deleted.
    """
    kept = deleted = 0
    found = sorted(
        store.list(Area.QUARANTINE), key=lambda one: one[1].modified, reverse=True
    )
    for digest, stat in found:
        kept += stat.size
        if kept > bytes_max or stat.modified < now - age_max:
            kept -= stat.size
            store.delete(Area.QUARANTINE, digest)
            deleted += 1
    return deleted


def problems_since(connection: sqlite3.Connection, since: datetime) -> list[Problem]:
    """Return the problems noted since an instant, for `doctor`."""
    rows = connection.execute(
        "SELECT area, sha256, found, outcome, source FROM object_problem"
        " WHERE at >= ? ORDER BY id",
        (stamp(since),),
    )
    return [
        Problem(Area(area), Digest(raw), found, outcome, source)
        for area, raw, found, outcome, source in rows
    ]
