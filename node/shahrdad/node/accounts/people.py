"""Accounts: a name, a kind, roles; a password and a second factor for people.

An account is never deleted, since the audit names its number; it is disabled.
"""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.accounts import audit, passwords
from shahrdad.node.accounts.limits import NAME_LETTERS_MAX
from shahrdad.node.accounts.moments import stamp
from shahrdad.node.accounts.roles import (
    SECOND_FACTOR_ROLES,
    AccountKind,
    Actor,
    Grant,
    Role,
)

NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_COLUMNS = "id, name, kind, password IS NOT NULL, totp IS NOT NULL, created, disabled"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, or some program, that the node knows."""

    id: int
    name: str
    kind: AccountKind
    has_password: bool
    has_second_factor: bool
    created: str
    disabled: str | None
    grants: tuple[Grant, ...]

    @property
    def needs_second_factor(self) -> bool:
        """Whether a role of it is only for people with a second factor."""
        return any(grant.role in SECOND_FACTOR_ROLES for grant in self.grants)


def add(
    connection: sqlite3.Connection,
    by: Actor,
    name: str,
    grants: Sequence[Grant],
    *,
    kind: AccountKind,
    at: datetime,
) -> Account:
    """Make an account without a password; the caller commits.

    Raises:
        RequestError: ACCOUNT_NAME, ACCOUNT_KIND.
        ConflictError: ACCOUNT_EXISTS.
    """
    if not NAME.fullmatch(name) or not 2 <= len(name) <= NAME_LETTERS_MAX:
        raise RequestError(Reason.ACCOUNT_NAME, account=name[:80])
    try:
        cursor = connection.execute(
            "INSERT INTO account(name, kind, created) VALUES (?, ?, ?)",
            (name, kind, stamp(at)),
        )
    except sqlite3.IntegrityError as error:
        raise ConflictError(Reason.ACCOUNT_EXISTS, account=name) from error
    _grant(connection, cursor.lastrowid or 0, name, kind, grants)
    audit.append(
        connection,
        by,
        "account.add",
        name,
        at=at,
        reason=" ".join(map(str, sorted(grants))),
    )
    return find(connection, name)


def set_grants(
    connection: sqlite3.Connection,
    by: Actor,
    account: Account,
    grants: Sequence[Grant],
    at: datetime,
) -> None:
    """Give an account exactly these roles; its sessions end; the caller commits.

    Raises:
        RequestError: ACCOUNT_KIND.
    """
    connection.execute("DELETE FROM role_grant WHERE account=?", (account.id,))
    _grant(connection, account.id, account.name, account.kind, grants)
    end_sessions(connection, account)
    audit.append(
        connection,
        by,
        "account.role",
        account.name,
        at=at,
        reason=" ".join(map(str, sorted(grants))),
    )


def set_password(
    connection: sqlite3.Connection,
    by: Actor,
    account: Account,
    password: str,
    at: datetime,
) -> None:
    """Give a person a new password; all sessions end; the caller commits.

    Raises:
        RequestError: PASSWORD_WEAK, ACCOUNT_KIND.
    """
    if account.kind == "service":
        raise _not_for_services(account.name, "password")
    passwords.check_strength(password, account.name)
    connection.execute(
        "UPDATE account SET password=? WHERE id=?",
        (passwords.make_hash(password), account.id),
    )
    end_sessions(connection, account)
    audit.append(connection, by, "account.password", account.name, at=at)


def disable(
    connection: sqlite3.Connection, by: Actor, account: Account, at: datetime
) -> None:
    """Shut an account: no session, token or role of it counts any more."""
    connection.execute(
        "UPDATE account SET disabled=COALESCE(disabled, ?) WHERE id=?",
        (stamp(at), account.id),
    )
    end_sessions(connection, account)
    audit.append(connection, by, "account.disable", account.name, at=at)


def find(connection: sqlite3.Connection, name: str) -> Account:
    """Return an account by name, a disabled one too.

    Raises:
        RequestError: ACCOUNT_UNKNOWN.
    """
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM account WHERE name=?",  # noqa: S608
        (name,),
    ).fetchone()
    if row is None:
        raise RequestError(Reason.ACCOUNT_UNKNOWN, account=name[:80])
    return _account(connection, row)


def by_id(connection: sqlite3.Connection, number: int) -> Account:
    """Return an account by number.

    Raises:
        RequestError: ACCOUNT_UNKNOWN.
    """
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM account WHERE id=?",  # noqa: S608
        (number,),
    ).fetchone()
    if row is None:
        raise RequestError(Reason.ACCOUNT_UNKNOWN, account=str(number))
    return _account(connection, row)


def every(connection: sqlite3.Connection) -> list[Account]:
    """Return all accounts by name."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM account ORDER BY name"  # noqa: S608
    ).fetchall()
    return [_account(connection, row) for row in rows]


def name_of(connection: sqlite3.Connection, number: int | None) -> str | None:
    """Return the name of an account, or None."""
    row = connection.execute(
        "SELECT name FROM account WHERE id=?", (number,)
    ).fetchone()
    return row[0] if row else None


def _account(connection: sqlite3.Connection, row: tuple[object, ...]) -> Account:
    number, name, kind, password, totp, created, disabled = row
    grants = connection.execute(
        "SELECT role, prefix FROM role_grant WHERE account=? ORDER BY role, prefix",
        (number,),
    )
    return Account(
        id=int(str(number)),
        name=str(name),
        kind="service" if kind == "service" else "person",
        has_password=bool(password),
        has_second_factor=bool(totp),
        created=str(created),
        disabled=None if disabled is None else str(disabled),
        grants=tuple(Grant(Role(role), prefix) for role, prefix in grants),
    )


def _grant(
    connection: sqlite3.Connection,
    account: int,
    name: str,
    kind: AccountKind,
    grants: Sequence[Grant],
) -> None:
    """Write roles; a program neither approves nor administers."""
    for grant in grants:
        if kind == "service" and grant.role in SECOND_FACTOR_ROLES:
            raise _not_for_services(name, str(grant.role))
        connection.execute(
            "INSERT OR IGNORE INTO role_grant VALUES (?, ?, ?)",
            (account, grant.role.value, grant.prefix),
        )


def end_sessions(connection: sqlite3.Connection, account: Account) -> None:
    """Let no session of an account count any more; the caller commits."""
    connection.execute("DELETE FROM session WHERE account=?", (account.id,))


def _not_for_services(name: str, what: str) -> RequestError:
    return RequestError(Reason.ACCOUNT_KIND, account=name, what=what)
