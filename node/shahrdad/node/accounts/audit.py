"""The audit: a row for each write and each refused write, chained by hashes.

    hash = SHA-256(hash before ‖ JCS(row))

Who acted and from where enters a row as a salted digest; the values lie beside it and
are dropped after two years, and the chain still holds. Every record that four eyes
published carries the chain's head of that moment in the signed log, so that nobody can
write the chain anew without the log contradicting it.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shahrdad.datasets.errors import PeerError, Reason, ShahrdadError
from shahrdad.federation.verify import strict_json
from shahrdad.node.accounts.limits import PERSONAL_MONTHS
from shahrdad.node.accounts.moments import stamp
from shahrdad.node.accounts.roles import Actor
from shahrdad.node.database import Database

START = bytes(32)
ROW_BYTES_MAX = 65_536
_SALT_BYTES = 16
Decision = Literal["allowed", "refused"]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row of the chain."""

    seq: int
    hash: bytes

    def to_dict(self) -> dict[str, Any]:
        """Return it as a record carries it."""
        return {"seq": self.seq, "hash": self.hash.hex()}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row, with the personal values that are still held."""

    seq: int
    row: dict[str, Any]
    hash: bytes
    actor: str | None
    address: str | None


def head(connection: sqlite3.Connection) -> Head:
    """Return the newest row; seq 0 before the first."""
    row = connection.execute(
        "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return Head(row[0], row[1]) if row else Head(0, START)


def append(
    connection: sqlite3.Connection,
    actor: Actor,
    action: str,
    subject: str,
    *,
    at: datetime,
    decision: Decision = "allowed",
    reason: str = "",
    before: str | None = None,
    after: str | None = None,
) -> Head:
    """Append a row, in the transaction of the write that it tells of.

    Args:
        connection: In a write transaction, else two rows could follow the same one.
        actor: Who acted.
        action: What was done, for example `draft.approve`.
        subject: What it was done to: a draft, a dataset, an account.
        at: When.
        decision: Whether it was allowed.
        reason: Why it was refused, or the reason that the actor gave.
        before: Hex digest of what was there.
        after: Hex digest of what is there now.
    """
    if not connection.in_transaction:
        raise RuntimeError("the audit is written in the transaction of its write")
    last = head(connection)
    seq = last.seq + 1
    people = {
        member: (os.urandom(_SALT_BYTES), value)
        for member, value in (("actor", actor.name), ("address", actor.address))
        if value
    }
    row: dict[str, Any] = {
        "seq": seq,
        "time": stamp(at),
        "action": action,
        "object": subject,
        "decision": decision,
    }
    optional: dict[str, Any] = {
        **{member: _digest(*salted) for member, salted in people.items()},
        "account": actor.account,
        "token": actor.token,
        "request": actor.request or None,
        "reason": reason or None,
        "before": before,
        "after": after,
    }
    row |= {name: value for name, value in optional.items() if value is not None}
    content = strict_json.canonical(row)
    found = Head(seq, chain(last.hash, content))
    connection.execute(
        "INSERT INTO audit VALUES (?, ?, ?)", (seq, content.decode(), found.hash)
    )
    connection.executemany(
        "INSERT INTO audit_person VALUES (?, ?, ?, ?)",
        [(seq, member, salt, value) for member, (salt, value) in people.items()],
    )
    return found


def refuse(
    database: Database,
    actor: Actor,
    action: str,
    subject: str,
    error: ShahrdadError,
    at: datetime,
) -> None:
    """Append a row for a write that was refused, in a transaction of its own."""
    with database.transaction() as connection:
        append(
            connection,
            actor,
            action,
            subject,
            at=at,
            decision="refused",
            reason=error.reason.value,
        )


def chain(before: bytes, row: bytes) -> bytes:
    """Return the hash of a row after the one before it."""
    return hashlib.sha256(before + row).digest()


def entries(
    connection: sqlite3.Connection, *, after: int = 0, limit: int = 1_000
) -> Iterator[Entry]:
    """Yield rows in order, from the one after `after`."""
    rows = connection.execute(
        "SELECT a.seq, a.row, a.hash,"
        " (SELECT value FROM audit_person p WHERE p.seq=a.seq AND member='actor'),"
        " (SELECT value FROM audit_person p WHERE p.seq=a.seq AND member='address')"
        " FROM audit a WHERE a.seq>? ORDER BY a.seq LIMIT ?",
        (after, limit),
    )
    for seq, row, hash_, actor, address in rows:
        content = strict_json.loads(row.encode(), bytes_max=ROW_BYTES_MAX)
        yield Entry(seq, content, hash_, actor, address)


def verify(connection: sqlite3.Connection) -> Head:
    """Walk the whole chain, and compare the personal values that are still held.

    Returns:
        The head that was reached.

    Raises:
        PeerError: AUDIT_BROKEN: a row was changed, removed, inserted or swapped.
    """
    last = Head(0, START)
    people: dict[int, list[tuple[str, bytes, str]]] = {}
    for seq, member, salt, value in connection.execute(
        "SELECT seq, member, salt, value FROM audit_person"
    ):
        people.setdefault(seq, []).append((member, salt, value))
    for seq, row, hash_ in connection.execute(
        "SELECT seq, row, hash FROM audit ORDER BY seq"
    ):
        if seq != last.seq + 1:
            raise _broken(last.seq + 1, f"row {seq} follows row {last.seq}")
        if chain(last.hash, row.encode()) != hash_:
            raise _broken(seq, "its hash is another")
        content = strict_json.loads(row.encode(), bytes_max=ROW_BYTES_MAX)
        if content.get("seq") != seq:
            raise _broken(seq, f"it was row {content.get('seq')}")
        for member, salt, value in people.pop(seq, ()):
            if content.get(member) != _digest(salt, value):
                raise _broken(seq, f"another {member} is named")
        last = Head(seq, hash_)
    if people:
        raise _broken(min(people), "it is gone")
    return last


def check_head(connection: sqlite3.Connection, seq: int, hash_: str) -> None:
    """Compare the chain with a head that a signed record carries.

    Raises:
        PeerError: AUDIT_BROKEN: the chain was written anew after that record.
    """
    if seq == 0:
        return
    row = connection.execute("SELECT hash FROM audit WHERE seq=?", (seq,)).fetchone()
    if row is None or row[0].hex() != hash_:
        raise _broken(seq, "a signed record says otherwise")


def forget(connection: sqlite3.Connection, at: datetime) -> int:
    """Drop names and addresses of rows older than two years; the caller commits.

    Returns:
        The number of values dropped.
    """
    month = at.year * 12 + at.month - 1 - PERSONAL_MONTHS
    bound = f"{month // 12:04}-{month % 12 + 1:02}"
    gone = connection.execute(
        "DELETE FROM audit_person WHERE seq IN"
        " (SELECT seq FROM audit WHERE json_extract(row, '$.time') < ?)",
        (bound,),
    )
    return gone.rowcount


def _digest(salt: bytes, value: str) -> str:
    return hashlib.sha256(salt + value.encode()).hexdigest()


def _broken(row: int, cause: str) -> PeerError:
    """Return the error of a chain that does not hold; no reader can mend it."""
    return PeerError(Reason.AUDIT_BROKEN, row=row, cause=cause)
