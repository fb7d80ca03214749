"""What the bridge remembers: sources, runs, one row an object; all its SQL.

A run is resumable: its cursor is stored with every page, and each dataset is settled
once it is published, so a kill repeats at most one. The log is the truth; a ledger that
was lost is adopted again from the records.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.bridge.decisions import Brake, Decision
from shahrdad.federation.bridge.listing import Cursor
from shahrdad.federation.bridge.packages import Known
from shahrdad.federation.log.transaction import write_transaction
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.bridge.rows import (
    Conversion,
    Held,
    KeptFile,
    Outcome,
    Run,
    Seen,
    Settings,
    Source,
)

RUNS_KEPT = 20
NUMBER_MAX = 2**63 - 1  # that SQLite takes


class Ledger:
    """Reads and writes what the bridge remembers.

    Args:
        connect: Gives the calling thread's connection, in autocommit mode.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect

    # --- sources

    def add(self, name: str, url: str, settings: Settings) -> None:
        """Add a source, or change the settings of one with the same address.

        Raises:
            ConflictError: SOURCE_EXISTS: the name belongs to another address.
        """
        for source in self.sources():
            if source.name == name and source.url != url:
                raise ConflictError(Reason.SOURCE_EXISTS, source=name, url=source.url)
        self._connect().execute(
            "INSERT INTO bridge_source(name, url, settings) VALUES (?, ?, ?)"
            " ON CONFLICT(name) DO UPDATE SET settings=excluded.settings",
            (name, url, json.dumps(asdict(settings))),
        )

    def sources(self) -> list[Source]:
        """Return all sources, by name."""
        rows = self._connect().execute(
            "SELECT id, name, url, settings FROM bridge_source ORDER BY name"
        )
        return [
            Source(id_, name, url, _settings(text)) for id_, name, url, text in rows
        ]

    def source(self, name: str | int) -> Source:
        """Return a source by name or number.

        Raises:
            RequestError: SOURCE_UNKNOWN.
        """
        found = self.sources()
        for source in found:
            if name in {source.name, source.id}:
                return source
        names = ", ".join(source.name for source in found)
        raise RequestError(Reason.SOURCE_UNKNOWN, source=name, sources=names)

    # --- runs

    def open_run(self, source: int) -> Run | None:
        """Return the run of a source that has not ended, if there is one."""
        rows = self._runs("source=? AND ended IS NULL ORDER BY id DESC LIMIT 1", source)
        return rows[0] if rows else None

    def run(self, number: int) -> Run:
        """Return a run.

        Raises:
            RequestError: RUN_UNKNOWN.
        """
        rows = self._runs("id=?", number) if number <= NUMBER_MAX else []
        if not rows:
            raise RequestError(Reason.RUN_UNKNOWN, run=number)
        return rows[0]

    def runs(self, source: int) -> list[Run]:
        """Return the runs of a source, newest first."""
        return self._runs("source=? ORDER BY id DESC", source)

    def begin(self, source: int, at: str) -> Run:
        """Begin a run; very old ones are forgotten, unless their drafts wait."""
        connection = self._connect()
        waiting = "SELECT DISTINCT run FROM bridge_draft WHERE source=?"
        needed = {run for (run,) in connection.execute(waiting, (source,))}
        old = [run for run in self.runs(source)[RUNS_KEPT:] if run.id not in needed]
        for run in old:
            connection.execute("DELETE FROM bridge_seen WHERE run=?", (run.id,))
            connection.execute("DELETE FROM bridge_run WHERE id=?", (run.id,))
        row = connection.execute(
            "INSERT INTO bridge_run(source, started, state, cursor)"
            " VALUES (?, ?, 'listing', ?)",
            (source, at, json.dumps(Cursor().to_json())),
        )
        return self.run(row.lastrowid or 0)

    def set_state(
        self,
        run: int,
        state: str,
        *,
        ended: str | None = None,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """Note how far a run is."""
        self._connect().execute(
            "UPDATE bridge_run SET state=?, ended=COALESCE(?, ended),"
            " report=COALESCE(?, report) WHERE id=?",
            (state, ended, json.dumps(report) if report else None, run),
        )

    def note_page(
        self, run: int, cursor: Cursor, page: Iterable[tuple[str, str, Digest | None]]
    ) -> None:
        """Store a page with the cursor behind it, in one transaction.

        Args:
            run: The run.
            cursor: Where to go on.
            page: Identifier, name and digest of each dataset; no digest for one that
                is not for everybody.
        """
        connection = self._connect()
        with write_transaction(connection):
            connection.executemany(
                "INSERT INTO bridge_seen(run, package, name, digest, turns)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT(run, package) DO UPDATE SET"
                " name=excluded.name, digest=excluded.digest,"
                " turns=turns|excluded.turns",
                [
                    (run, package, name, digest.raw if digest else None, cursor.turn)
                    for package, name, digest in page
                ],
            )
            self._set_cursor(connection, run, cursor)

    def move(self, run: int, cursor: Cursor, *, forget: bool = False) -> None:
        """Store a cursor, and forget what was seen when the method changed."""
        connection = self._connect()
        with write_transaction(connection):
            if forget:
                connection.execute("DELETE FROM bridge_seen WHERE run=?", (run,))
            self._set_cursor(connection, run, cursor)

    def new_on_page(self, run: int, packages: Iterable[str], turn: int) -> int:
        """Count the datasets of a page that this turn had not seen."""
        connection = self._connect()
        wanted = set(packages)
        seen = sum(
            connection.execute(
                "SELECT COUNT(*) FROM bridge_seen"
                " WHERE run=? AND package=? AND turns & ?",
                (run, package, turn),
            ).fetchone()[0]
            for package in wanted
        )
        return len(wanted) - int(seen)

    def seen_in_all_turns(self, run: int, turns: int) -> bool:
        """Tell whether every dataset was seen in each turn."""
        (odd,) = (
            self._connect()
            .execute(
                "SELECT COUNT(*) FROM bridge_seen WHERE run=? AND turns<>?",
                (run, turns),
            )
            .fetchone()
        )
        return int(odd) == 0

    def decide(
        self,
        run: int,
        rows: Iterable[tuple[str, str, Digest | None, Decision]],
        *,
        complete: bool,
        brake: Brake | None,
    ) -> None:
        """Store what is to be done with each dataset, and whether a person is asked."""
        connection = self._connect()
        with write_transaction(connection):
            connection.executemany(
                "INSERT INTO bridge_seen(run, package, name, digest, decision)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT(run, package) DO UPDATE SET"
                " decision=excluded.decision, digest=excluded.digest",
                [
                    (run, package, name, digest.raw if digest else None, decision.value)
                    for package, name, digest, decision in rows
                ],
            )
            connection.execute(
                "UPDATE bridge_run SET complete=?, state=?, brake=? WHERE id=?",
                (int(complete), "held" if brake else "applying", brake, run),
            )

    def seen(self, run: int) -> list[Seen]:
        """Return what a run saw and decided, by identifier."""
        rows = self._connect().execute(
            "SELECT package, name, digest, decision, outcome, error, detail, faults"
            " FROM bridge_seen WHERE run=? ORDER BY package",
            (run,),
        )
        return [
            Seen(
                package,
                name,
                Digest(digest) if digest else None,
                Decision(decision) if decision else None,
                outcome,
                error,
                detail,
                tuple(json.loads(faults)) if faults else (),
            )
            for package, name, digest, decision, outcome, error, detail, faults in rows
        ]

    def settle(
        self,
        run: Run,
        package: str,
        outcome: Outcome,
        *,
        digest: Digest | None = None,
        error: str | None = None,
        detail: str | None = None,
        faults: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Note what became of a dataset, in the run and for the next ones."""
        connection = self._connect()
        with write_transaction(connection):
            connection.execute(
                "UPDATE bridge_seen SET outcome=?, error=?, detail=?, faults=?"
                " WHERE run=? AND package=?",
                (
                    outcome,
                    error,
                    detail,
                    json.dumps(list(faults)) if faults else None,
                    run.id,
                    package,
                ),
            )
            if outcome in {"published", "unchanged"}:
                connection.execute(
                    "UPDATE bridge_object SET digest=?, live=1, error=NULL, detail=NULL"
                    " WHERE source=? AND package=?",
                    (digest.raw if digest else None, run.source, package),
                )
            elif outcome == "withdrawn":
                connection.execute(
                    "UPDATE bridge_object SET digest=NULL, live=0, error=NULL,"
                    " detail=NULL WHERE source=? AND package=?",
                    (run.source, package),
                )
            elif outcome == "failed":
                connection.execute(
                    "UPDATE bridge_object SET digest=NULL, error=?, detail=?"
                    " WHERE source=? AND package=?",
                    (error, detail, run.source, package),
                )

    # --- objects and files

    def held(self, source: int) -> dict[str, Held]:
        """Return what is known of the datasets of a source, by identifier."""
        rows = self._connect().execute(
            "SELECT package, slug, name, digest, live, error, detail"
            " FROM bridge_object WHERE source=? ORDER BY package",
            (source,),
        )
        return {
            package: Held(
                package,
                slug,
                name,
                Digest(digest) if digest else None,
                bool(live),
                error,
                detail,
            )
            for package, slug, name, digest, live, error, detail in rows
        }

    def keep(self, source: int, package: str, slug: str, name: str, live: bool) -> None:
        """Note a dataset with its slug, or its newest name."""
        self._connect().execute(
            "INSERT INTO bridge_object(source, package, slug, name, live)"
            " VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT(source, package) DO UPDATE SET name=excluded.name",
            (source, package, slug, name, int(live)),
        )

    def files(self, source: int, package: str) -> dict[str, KeptFile]:
        """Return the fetched files of a dataset, by resource."""
        rows = self._connect().execute(
            "SELECT resource, url, etag, modified, sha256, size, media_type, area"
            " FROM bridge_file WHERE source=? AND package=?",
            (source, package),
        )
        return {
            resource: KeptFile(
                resource, url, Known(etag, modified), Digest(sha256), size, kind, area
            )
            for resource, url, etag, modified, sha256, size, kind, area in rows
        }

    def keep_file(self, source: int, package: str, file: KeptFile) -> None:
        """Note a fetched file."""
        self._connect().execute(
            "INSERT OR REPLACE INTO bridge_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                source,
                package,
                file.resource,
                file.url,
                file.known.etag,
                file.known.modified,
                file.digest.raw,
                file.size,
                file.media_type,
                file.area,
            ),
        )

    def drop_files(self, source: int, package: str, resources: Iterable[str]) -> None:
        """Forget files that a dataset has no longer."""
        self._connect().executemany(
            "DELETE FROM bridge_file WHERE source=? AND package=? AND resource=?",
            [(source, package, resource) for resource in resources],
        )

    def refer(self, area: str, digest: Digest, kind: str, ref: str, at: str) -> None:
        """Protect an object from collection, before it is written (storage 3.7)."""
        self._connect().execute(
            "INSERT OR IGNORE INTO object_ref(area, sha256, kind, owner, at)"
            " VALUES (?, ?, ?, ?, ?)",
            (area, digest.raw, kind, ref, at),
        )

    def set_live(self, source: int, package: str, live: bool) -> None:
        """Note what the log says of a dataset, where the ledger says otherwise."""
        self._connect().execute(
            "UPDATE bridge_object SET live=?, digest=NULL WHERE source=? AND package=?",
            (int(live), source, package),
        )

    # --- what was given

    def pushed(self, source: int) -> dict[str, Digest | None]:
        """Return by reference the digest of what a portal was given."""
        rows = self._connect().execute(
            "SELECT ref, digest FROM bridge_pushed WHERE source=?", (source,)
        )
        return {ref: Digest(digest) if digest else None for ref, digest in rows}

    def note_pushed(
        self,
        source: int,
        ref: str,
        digest: Digest | None,
        *,
        error: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Note that a portal was given a dataset, or refused it."""
        self._connect().execute(
            "INSERT OR REPLACE INTO bridge_pushed VALUES (?, ?, ?, ?, ?)",
            (source, ref, digest.raw if digest else None, error, detail),
        )

    def _runs(self, where: str, *values: int) -> list[Run]:
        columns = "id, source, started, ended, state, cursor, complete, brake, report"
        rows = self._connect().execute(
            f"SELECT {columns} FROM bridge_run WHERE {where}",  # noqa: S608
            values,
        )
        return [
            Run(
                number,
                source,
                started,
                ended,
                state,
                Cursor(**json.loads(cursor)),
                bool(complete),
                brake,
                json.loads(report) if report else None,
            )
            for (
                number,
                source,
                started,
                ended,
                state,
                cursor,
                complete,
                brake,
                report,
            ) in rows
        ]

    def _set_cursor(
        self, connection: sqlite3.Connection, run: int, cursor: Cursor
    ) -> None:
        connection.execute(
            "UPDATE bridge_run SET cursor=? WHERE id=?",
            (json.dumps(cursor.to_json()), run),
        )


def _settings(text: str) -> Settings:
    """Return stored settings."""
    values = json.loads(text)
    maps = tuple(Conversion(**item) for item in values.pop("maps", ()))
    return Settings(**values, maps=maps)
