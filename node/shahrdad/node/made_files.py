"""What is known of the files that were made of a version's tables: size and digest.

A CSV follows from the Parquet objects and from the software that writes it, so its
digest can be told before anyone takes it. It is noted when the file is first made; a
list says what was noted, and makes nothing. A workbook is not noted: one address has a
Persian and an English one, and a digest would be wrong for half of its readers.
"""

import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version

from shahrdad.federation.verify.digest import Digest

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE made_file(
  record BLOB NOT NULL,              -- digest of the version's record
  resource TEXT NOT NULL,
  ext TEXT NOT NULL,
  exporter TEXT NOT NULL,            -- what wrote it: another may write other bytes
  sha256 BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY(record, resource, ext)) STRICT, WITHOUT ROWID;
""",
)
EXPORTER = 1  # counts on when `http.exports` writes other bytes of equal tables
NEGOTIATED = frozenset({"xlsx"})  # one address, a file for each language


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file made of a table."""

    digest: Digest
    bytes: int


@lru_cache(maxsize=1)
def exporter() -> str:
    """Return the name of what writes files now."""
    return f"{EXPORTER} pyarrow {version('pyarrow')}"


def made_of(
    connection: sqlite3.Connection, record: Digest
) -> dict[tuple[str, str], MadeFile]:
    """Return the known files of a version, by table and format."""
    rows = connection.execute(
        "SELECT resource, ext, sha256, bytes FROM made_file"
        " WHERE record=? AND exporter=?",
        (record.raw, exporter()),
    )
    return {
        (resource, ext): MadeFile(Digest(sha256), size)
        for resource, ext, sha256, size in rows
    }


def note(
    connection: sqlite3.Connection,
    record: Digest,
    resource: str,
    ext: str,
    made: MadeFile,
) -> None:
    """Note a file that was made."""
    connection.execute(
        "INSERT OR REPLACE INTO made_file VALUES (?, ?, ?, ?, ?, ?)",
        (record.raw, resource, ext, exporter(), made.digest.raw, made.bytes),
    )


def forget_redacted(connection: sqlite3.Connection) -> None:
    """Forget the files of records that are gone: a digest could confirm a guess."""
    connection.execute(
        "DELETE FROM made_file WHERE NOT EXISTS"
        " (SELECT 1 FROM body WHERE body.sha256=made_file.record)"
    )
