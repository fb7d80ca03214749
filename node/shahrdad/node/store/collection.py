"""Deleting objects that nothing names any more (storage 3.7).

The table `object_ref` says what names an object. A writer inserts its reference and
commits **before** it looks or writes, so that every object in flight is protected
without looking at clocks. An object without a reference is first noted, and deleted by
a run at least a day later, in a transaction that a writer's insert waits for.

A crash in the middle leaves objects that are gone and still noted: the next run drops
the notes.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.log.transaction import write_transaction
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStat, ObjectStore
from shahrdad.node.store.limits import (
    BRAKE_SHARE,
    CANDIDATE_AGE_MIN,
    DELETE_BATCH_MAX,
    GRACE,
    GRACE_MIN,
    JOB_AGE_MAX,
)

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE object_ref(
      area TEXT NOT NULL, sha256 BLOB NOT NULL CHECK(length(sha256)=32),
      kind TEXT NOT NULL CHECK(kind IN ('body','draft','job','original','derived')),
      owner TEXT NOT NULL, at TEXT NOT NULL,
      PRIMARY KEY(sha256, area, kind, owner)) STRICT, WITHOUT ROWID;
    CREATE INDEX object_ref_owner ON object_ref(kind, owner);
    CREATE TABLE gc_candidate(
      area TEXT NOT NULL, sha256 BLOB NOT NULL, since TEXT NOT NULL,
      PRIMARY KEY(sha256, area)) STRICT, WITHOUT ROWID;
    CREATE TABLE store_fact(
      name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID
    """,
)
# Quarantine has bounds of its own, and the static mirror no objects.
COLLECTED = (Area.OBJECT, Area.PRIVATE, Area.DERIVED)
REBUILT = "references rebuilt"
Connect = Callable[[], sqlite3.Connection]
Clock = Callable[[], datetime]
Named = tuple[Area, Digest]


def refer(
    connection: sqlite3.Connection, area: Area, digest: Digest, kind: str, owner: str
) -> None:
    """Name an object, before it is looked for or written; the caller commits.

    Args:
        connection: To the node's database.
        area: Where the object will be.
        digest: Which it is.
        kind: `body`, `draft`, `job`, `original` or `derived`.
        owner: What names it, so that `release` finds it.
    """
    connection.execute(
        "INSERT INTO object_ref(area, sha256, kind, owner, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT(sha256, area, kind, owner) DO UPDATE SET at=excluded.at",
        (area.value, digest.raw, kind, owner, stamp(datetime.now(UTC))),
    )


def release(connection: sqlite3.Connection, kind: str, owner: str) -> None:
    """Drop all references of an owner; the caller commits."""
    connection.execute("DELETE FROM object_ref WHERE kind=? AND owner=?", (kind, owner))


def release_dead_jobs(connection: sqlite3.Connection, now: datetime) -> int:
    """Drop the names of jobs that ended or died long ago; the caller commits.

    What a job published is named by its record since then, and a job that goes on
    names its objects anew.

    Returns:
        How many names were dropped.
    """
    cursor = connection.execute(
        "DELETE FROM object_ref WHERE kind='job' AND at < ?",
        (stamp(now - JOB_AGE_MAX),),
    )
    return cursor.rowcount


def note_rebuilt(connection: sqlite3.Connection, now: datetime) -> None:
    """Remember that the references were made anew: nothing is collected for a while."""
    connection.execute(
        "INSERT INTO store_fact(name, value) VALUES (?, ?)"
        " ON CONFLICT(name) DO UPDATE SET value=excluded.value",
        (REBUILT, stamp(now)),
    )


def discard(
    connection: sqlite3.Connection, store: ObjectStore, kind: str, owner: str
) -> int:
    """End an owner's names, and delete at once what nothing else names.

    For what only its maker ever knew, such as steps on the way of one job: an object
    that another may be about to rely on is left to collection and its grace.

    Returns:
        How many objects were deleted.
    """
    rows = connection.execute(
        "SELECT area, sha256 FROM object_ref WHERE kind=? AND owner=?"
        " ORDER BY area, sha256",
        (kind, owner),
    ).fetchall()
    deleted = 0
    for start in range(0, len(rows), DELETE_BATCH_MAX):
        with write_transaction(connection):
            for area, raw in rows[start : start + DELETE_BATCH_MAX]:
                connection.execute(
                    "DELETE FROM object_ref WHERE area=? AND sha256=? AND kind=?"
                    " AND owner=?",
                    (area, raw, kind, owner),
                )
                if not named(connection, Area(area), Digest(raw)):
                    store.delete(Area(area), Digest(raw))
                    deleted += 1
    return deleted


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run found and did.

    Attributes:
        objects_total: Objects in the collected areas.
        bytes_total: Their bytes.
        candidates: Objects that nothing names, older than the grace.
        candidates_bytes: Their bytes.
        oldest: When the oldest of them was written.
        due: Those noted long enough ago to be deleted now.
        deleted: Those deleted; none in a dry run.
        deleted_bytes: Their bytes.
    """

    objects_total: int
    bytes_total: int
    candidates: int
    candidates_bytes: int
    oldest: datetime | None
    due: int
    deleted: int
    deleted_bytes: int


class Collector:
    """Collects unnamed objects; safe beside any number of writers.

    Args:
        connect: Returns this thread's connection to the node's database.
        store: Where the objects are.
        clock: Returns the present, in UTC.
        grace: How long an unnamed object is left alone.
        hindrance: Says why nothing may be collected now (the projection lags a log, the
            node recovers), or None.

    Raises:
        ValueError: A grace below 24 hours.
    """

    def __init__(
        self,
        connect: Connect,
        store: ObjectStore,
        clock: Clock,
        grace: timedelta = GRACE,
        hindrance: Callable[[], str | None] = lambda: None,
    ) -> None:
        if grace < GRACE_MIN:
            raise ValueError(f"a grace of {grace}; at least {GRACE_MIN}")
        self._connect = connect
        self._store = store
        self._clock = clock
        self._grace = grace
        self._hindrance = hindrance

    def run(self, *, dry_run: bool = False, confirmed: bool = False) -> Collected:
        """Note what nothing names, and delete what was noted long enough ago.

        Args:
            dry_run: Changes nothing, neither objects nor notes.
            confirmed: Deletes even more than one object in ten.

        Raises:
            UnavailableError: COLLECTION_NOT_READY.
            RequestError: COLLECTION_TOO_LARGE.
        """
        now = self._clock()
        self._check_ready(now)
        if not dry_run:
            release_dead_jobs(self._connect(), now)
        total, unnamed = self._look(now)
        noted = self._noted()
        due = {
            name: stat
            for name, stat in unnamed.items()
            if name in noted and noted[name] <= now - CANDIDATE_AGE_MIN
        }
        objects, size = total
        deleted: dict[Named, ObjectStat] = {}
        if not dry_run:
            if len(due) * BRAKE_SHARE > objects and not confirmed:
                raise RequestError(
                    Reason.COLLECTION_TOO_LARGE, objects=len(due), objects_total=objects
                )
            self._note(unnamed, noted, now)
            deleted = self._delete(due)
        return Collected(
            objects_total=objects,
            bytes_total=size,
            candidates=len(unnamed),
            candidates_bytes=sum(stat.size for stat in unnamed.values()),
            oldest=min((stat.modified for stat in unnamed.values()), default=None),
            due=len(due),
            deleted=len(deleted),
            deleted_bytes=sum(stat.size for stat in deleted.values()),
        )

    def _check_ready(self, now: datetime) -> None:
        cause = self._hindrance()
        row = (
            self._connect()
            .execute("SELECT value FROM store_fact WHERE name=?", (REBUILT,))
            .fetchone()
        )
        if cause is None and row is not None and parse(row[0]) > now - self._grace:
            cause = f"the references were rebuilt at {row[0]}"
        if cause is not None:
            raise UnavailableError(Reason.COLLECTION_NOT_READY, cause=cause)

    def _look(self, now: datetime) -> tuple[tuple[int, int], dict[Named, ObjectStat]]:
        """Return count and bytes of all objects, and those that nothing names."""
        objects = size = 0
        unnamed: dict[Named, ObjectStat] = {}
        connection = self._connect()
        for area in COLLECTED:
            for digest, stat in self._store.list(area):
                objects += 1
                size += stat.size
                if stat.modified < now - self._grace and not named(
                    connection, area, digest
                ):
                    unnamed[area, digest] = stat
        return (objects, size), unnamed

    def _noted(self) -> dict[Named, datetime]:
        rows = self._connect().execute("SELECT area, sha256, since FROM gc_candidate")
        return {(Area(area), Digest(raw)): parse(at) for area, raw, at in rows}

    def _note(
        self,
        unnamed: Iterable[Named],
        noted: dict[Named, datetime],
        now: datetime,
    ) -> None:
        """Note new candidates, and forget those that were named or are gone."""
        candidates = set(unnamed)
        fresh = [
            (area.value, digest.raw, stamp(now))
            for area, digest in candidates - noted.keys()
        ]
        gone = [(area.value, digest.raw) for area, digest in noted.keys() - candidates]
        connection = self._connect()
        with write_transaction(connection):
            connection.executemany("INSERT INTO gc_candidate VALUES (?, ?, ?)", fresh)
            connection.executemany(
                "DELETE FROM gc_candidate WHERE area=? AND sha256=?", gone
            )

    def _delete(self, due: dict[Named, ObjectStat]) -> dict[Named, ObjectStat]:
        names = sorted(due, key=lambda name: (name[0].value, name[1]))
        deleted: dict[Named, ObjectStat] = {}
        for start in range(0, len(names), DELETE_BATCH_MAX):
            batch = names[start : start + DELETE_BATCH_MAX]
            for name in self._delete_batch(batch):
                deleted[name] = due[name]
        return deleted

    def _delete_batch(self, batch: list[Named]) -> list[Named]:
        """Delete some objects while no writer can begin to rely on one of them."""
        connection = self._connect()
        with write_transaction(connection):
            # Again, under the lock: a writer may have named one meanwhile.
            free = [name for name in batch if not named(connection, *name)]
            for area, digest in free:
                self._store.delete(area, digest)
            connection.executemany(
                "DELETE FROM gc_candidate WHERE area=? AND sha256=?",
                [(area.value, digest.raw) for area, digest in batch],
            )
        return free


def named(connection: sqlite3.Connection, area: Area, digest: Digest) -> bool:
    """Tell whether anything names an object."""
    row = connection.execute(
        "SELECT 1 FROM object_ref WHERE sha256=? AND area=? LIMIT 1",
        (digest.raw, area.value),
    ).fetchone()
    return row is not None


def stamp(moment: datetime) -> str:
    """Return an instant as it stands in the database."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """Return an instant of the database."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
