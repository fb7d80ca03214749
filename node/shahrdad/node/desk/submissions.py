"""What was handed in for publication: every file, its report and what became of it.

A row is written before the file is judged, so a file with errors is never lost: its
bytes lie in the private area under `original`, its report under `report`.
"""

import sqlite3
from dataclasses import dataclass

from shahrdad.federation.verify.digest import Digest


@dataclass(frozen=True, slots=True)
class Submission:
    """One file handed in."""

    id: int
    at: str
    ref: str
    family: str
    file_name: str
    original: Digest
    report: Digest | None
    state: str
    version: int | None


def receive(
    connection: sqlite3.Connection,
    *,
    at: str,
    ref: str,
    family: str,
    file_name: str,
    original: Digest,
) -> int:
    """Note a file before it is judged, and return the submission's number."""
    cursor = connection.execute(
        "INSERT INTO submission(at, ref, family, file_name, original, state)"
        " VALUES (?, ?, ?, ?, ?, 'received')",
        (at, ref, family, file_name, original.raw),
    )
    if cursor.lastrowid is None:
        raise RuntimeError("SQLite gave no row number for an INSERT")
    return cursor.lastrowid


def settle(
    connection: sqlite3.Connection,
    number: int,
    *,
    state: str,
    report: Digest | None = None,
    version: int | None = None,
) -> None:
    """Note what became of a submission."""
    connection.execute(
        "UPDATE submission SET state=?, report=COALESCE(?, report), version=?"
        " WHERE id=?",
        (state, report.raw if report else None, version, number),
    )


def newest(connection: sqlite3.Connection, limit: int) -> list[Submission]:
    """Return the newest submissions, newest first."""
    rows = connection.execute(
        "SELECT id, at, ref, family, file_name, original, report, state, version"
        " FROM submission ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return [
        Submission(
            number,
            at,
            ref,
            family,
            name,
            Digest(original),
            Digest(report) if report else None,
            state,
            version,
        )
        for number, at, ref, family, name, original, report, state, version in rows
    ]
