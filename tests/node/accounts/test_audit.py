"""The audit: one chain, in which no row is changed, lost, inserted or swapped."""

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.roles import Actor
from shahrdad.node.database import Database

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ROWS = 6


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return a database whose audit has some rows."""
    found = Database(tmp_path / "node.db")
    by = Actor(1, "m.karimi", address="192.0.2.7", request="01J")
    for number in range(ROWS):
        with found.transaction() as connection:
            at = AT + timedelta(days=number)
            audit.append(connection, by, "draft.submit", f"draft {number}", at=at)
    yield found
    found.close()


def test_chain_holds_and_names_no_one(database: Database) -> None:
    """Rows carry digests of names and addresses; the values lie beside them."""
    connection = database.connect()
    rows = "".join(row for (row,) in connection.execute("SELECT row FROM audit"))

    assert ROWS == audit.verify(connection).seq
    assert "m.karimi" not in rows
    assert "192.0.2.7" not in rows
    entry = next(audit.entries(connection))
    assert ("m.karimi", "192.0.2.7") == (entry.actor, entry.address)


def look(connection: sqlite3.Connection, head: audit.Head) -> None:
    """Verify the chain, and compare it with a head that a signed record carries."""
    audit.verify(connection)
    audit.check_head(connection, head.seq, head.hash.hex())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET row=replace(row, 'draft 2', 'draft 9') WHERE seq=3",
        "DELETE FROM audit WHERE seq=3",
        "DELETE FROM audit WHERE seq=6",
        "UPDATE audit SET hash=zeroblob(32) WHERE seq=6",
        "UPDATE audit SET seq=-3 WHERE seq=3; UPDATE audit SET seq=3 WHERE seq=4;"
        "UPDATE audit SET seq=4 WHERE seq=-3",
        "INSERT INTO audit SELECT 7, row, hash FROM audit WHERE seq=6",
        "UPDATE audit_person SET value='somebody' WHERE seq=2 AND member='actor'",
        "UPDATE audit_person SET seq=2 WHERE seq=5 AND member='x';"
        "INSERT INTO audit_person VALUES(2,'token',x'00','x')",
    ],
)
def test_every_rewriting_is_found(database: Database, statement: str) -> None:
    """Whoever opens the file itself and drops the triggers is found out."""
    connection = database.connect()
    head = audit.head(connection)
    connection.execute("DROP TRIGGER audit_never_changes")
    connection.execute("DROP TRIGGER audit_never_shrinks")
    for part in statement.split(";"):
        connection.execute(part)

    with pytest.raises(PeerError) as caught:
        look(connection, head)
    assert Reason.AUDIT_BROKEN is caught.value.reason


def test_lost_tail_contradicts_the_signed_head(database: Database) -> None:
    """A chain that was cut verifies by itself; the head in the log shows the cut."""
    connection = database.connect()
    head = audit.head(connection)
    connection.execute("DROP TRIGGER audit_never_shrinks")
    connection.execute("DELETE FROM audit WHERE seq=?", (ROWS,))
    connection.execute("DELETE FROM audit_person WHERE seq=?", (ROWS,))

    assert ROWS - 1 == audit.verify(connection).seq
    with pytest.raises(PeerError):
        audit.check_head(connection, head.seq, head.hash.hex())


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET row='{}'", "DELETE FROM audit"]
)
def test_audit_is_append_only(database: Database, statement: str) -> None:
    """The node's own code cannot change a row, by a mistake or otherwise."""
    with pytest.raises(sqlite3.IntegrityError):
        database.connect().execute(statement)


def test_row_is_written_with_its_write_or_not_at_all(database: Database) -> None:
    """Outside a transaction nothing is appended; a rolled back write leaves no row."""
    by = Actor(1, "m.karimi")
    with pytest.raises(RuntimeError):
        audit.append(database.connect(), by, "x", "y", at=AT)
    with contextlib.suppress(ZeroDivisionError), database.transaction() as connection:
        audit.append(connection, by, "x", "y", at=AT)
        raise ZeroDivisionError

    assert ROWS == audit.verify(database.connect()).seq


def test_names_are_forgotten_after_two_years(database: Database) -> None:
    """The values go, the chain stays; one month earlier they are still there."""
    connection = database.connect()
    early = datetime(2028, 11, 30, tzinfo=UTC)

    assert 0 == audit.forget(connection, early)
    assert 2 * ROWS == audit.forget(connection, early + timedelta(days=1))
    assert ROWS == audit.verify(connection).seq
    assert next(audit.entries(connection)).actor is None
