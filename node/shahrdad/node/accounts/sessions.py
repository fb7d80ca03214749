"""Signing in: password and second factor give a session of eight hours.

Wrong tries are counted by name, known or not, before the password is looked at, so
guesses in parallel count too. After five, each next one waits twice as long, up to a
quarter of an hour. What is answered, and how long it takes, is the same for a name that
does not exist.
"""

import base64
import secrets
import sqlite3
from datetime import datetime

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.node.accounts import audit, passwords, people, second_factor
from shahrdad.node.accounts.keys import AccountKey
from shahrdad.node.accounts.limits import (
    LOGIN_DELAY_SECONDS_MAX,
    LOGIN_TRIES,
    REAUTHENTICATION_SECONDS,
    SESSION_SECONDS,
)
from shahrdad.node.accounts.moments import after, parse, stamp
from shahrdad.node.accounts.people import Account
from shahrdad.node.accounts.roles import FRESH, Action, Actor
from shahrdad.node.database import Database

COOKIE = "__Host-session"


def authenticate(
    database: Database,
    key: AccountKey,
    name: str,
    password: str,
    code: str,
    *,
    asker: Actor,
    at: datetime,
) -> Account:
    """Return the account whose password and second factor these are.

    Args:
        database: The node's.
        key: What second factors are kept under.
        name: The account's name.
        password: Its password.
        code: Six digits or a recovery code; "" when the account has none.
        asker: Address and request, for the audit.
        at: When.

    Raises:
        RequestError: LOGIN_REFUSED, SECOND_FACTOR_NEEDED.
        UnavailableError: LOGIN_THROTTLED.
    """
    who = key.mac("login", name.encode())
    _count_try(database, who, at)
    account = _known(database.connect(), name)
    stored = None
    if account is not None and not account.disabled:
        (stored,) = (
            database.connect()
            .execute("SELECT password FROM account WHERE id=?", (account.id,))
            .fetchone()
        )
    right = passwords.matches(stored, password)  # as long for nobody as for somebody
    with database.transaction() as connection:
        if account is None or not right:
            proved = False
        else:
            proved = _second(connection, key, account, code, at)
        _settle_try(connection, who, account, asker, proved=proved, at=at)
    if not proved or account is None:
        raise RequestError(Reason.LOGIN_REFUSED)
    check_second_factor(account)
    return account


def authenticate_second(
    database: Database,
    key: AccountKey,
    account: Account,
    code: str,
    *,
    asker: Actor,
    at: datetime,
) -> None:
    """Check the second factor of a person whom the sign-in service vouched for.

    Wrong codes are counted as wrong passwords are.

    Raises:
        RequestError: LOGIN_REFUSED, SECOND_FACTOR_NEEDED.
        UnavailableError: LOGIN_THROTTLED.
    """
    check_second_factor(account)
    who = key.mac("login", account.name.encode())
    _count_try(database, who, at)
    with database.transaction() as connection:
        proved = not account.disabled and _second(connection, key, account, code, at)
        _settle_try(connection, who, account, asker, proved=proved, at=at)
    if not proved:
        raise RequestError(Reason.LOGIN_REFUSED)


def check_second_factor(account: Account) -> None:
    """Refuse an account whose roles need a second factor that it does not have.

    Raises:
        RequestError: SECOND_FACTOR_NEEDED.
    """
    if account.needs_second_factor and not account.has_second_factor:
        raise RequestError(Reason.SECOND_FACTOR_NEEDED, account=account.name)


def _settle_try(
    connection: sqlite3.Connection,
    who: bytes,
    account: Account | None,
    asker: Actor,
    *,
    proved: bool,
    at: datetime,
) -> None:
    """Forget the wrong tries before a right one; note a refusal in the audit."""
    if proved:
        connection.execute("DELETE FROM login_try WHERE who=?", (who,))
        return
    audit.append(
        connection,
        asker,
        "login",
        account.name if account else "unknown",
        at=at,
        decision="refused",
        reason=Reason.LOGIN_REFUSED.value,
    )


def _second(
    connection: sqlite3.Connection,
    key: AccountKey,
    account: Account,
    code: str,
    at: datetime,
) -> bool:
    """Tell whether the second factor is right, for an account that has one."""
    if not account.has_second_factor:
        return True
    return second_factor.spend(connection, key, account.id, code, at)


def _count_try(database: Database, who: bytes, at: datetime) -> None:
    """Count a try as failed until it is known to be right.

    Raises:
        UnavailableError: LOGIN_THROTTLED.
    """
    with database.transaction() as connection:
        row = connection.execute(
            "SELECT failures, until FROM login_try WHERE who=?", (who,)
        ).fetchone()
        failures, until = row or (0, "")
        if until > stamp(at):
            wait = int((parse(until) - at).total_seconds()) + 1
            raise UnavailableError(Reason.LOGIN_THROTTLED, wait_seconds=wait)
        failures += 1
        over = failures - LOGIN_TRIES
        delay = 0 if over < 0 else min(2 ** (over + 1), LOGIN_DELAY_SECONDS_MAX)
        connection.execute(
            "INSERT INTO login_try VALUES (?, ?, ?) ON CONFLICT(who)"
            " DO UPDATE SET failures=excluded.failures, until=excluded.until",
            (who, failures, after(at, seconds=delay)),
        )
        connection.execute(  # names that nobody tried for a day are forgotten
            "DELETE FROM login_try WHERE until<?", (after(at, days=-1),)
        )


def _known(connection: sqlite3.Connection, name: str) -> Account | None:
    try:
        return people.find(connection, name)
    except RequestError:
        return None


def open_session(
    database: Database,
    key: AccountKey,
    account: Account,
    asker: Actor,
    at: datetime,
    proved: datetime | None = None,
) -> str:
    """Begin a session of an authenticated account, and return its secret.

    Args:
        database: The node's.
        key: What sessions are kept under.
        account: Whose it is.
        asker: Address and request, for the audit.
        at: When.
        proved: When the password was given, where that is longer ago.
    """
    text = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    with database.transaction() as connection:
        connection.execute("DELETE FROM session WHERE expires<=?", (stamp(at),))
        connection.execute(
            "INSERT INTO session VALUES (?, ?, ?, ?, ?)",
            (
                key.mac("session", text.encode()),
                account.id,
                stamp(at),
                stamp(proved or at),
                after(at, seconds=SESSION_SECONDS),
            ),
        )
        audit.append(connection, asker, "login", account.name, at=at)
    return text


def resolve(
    connection: sqlite3.Connection, key: AccountKey, text: str, at: datetime
) -> Actor | None:
    """Return who a session belongs to, or None when it ended."""
    row = connection.execute(
        "SELECT account, authenticated FROM session WHERE mac=? AND expires>?",
        (key.mac("session", text.encode()), stamp(at)),
    ).fetchone()
    if row is None:
        return None
    account = people.by_id(connection, row[0])
    if account.disabled:
        return None
    if account.needs_second_factor and not account.has_second_factor:
        return None
    return Actor(
        account.id,
        account.name,
        account.kind,
        account.grants,
        authenticated=parse(row[1]),
    )


def close_session(connection: sqlite3.Connection, key: AccountKey, text: str) -> None:
    """End a session; one that is over is ended already."""
    connection.execute(
        "DELETE FROM session WHERE mac=?", (key.mac("session", text.encode()),)
    )


def check_fresh(actor: Actor, action: Action, at: datetime) -> None:
    """Ask for the password again before what matters most.

    Raises:
        RequestError: REAUTHENTICATION_NEEDED.
    """
    if action not in FRESH or actor.authenticated is None:
        return
    if (at - actor.authenticated).total_seconds() > REAUTHENTICATION_SECONDS:
        raise RequestError(
            Reason.REAUTHENTICATION_NEEDED,
            age_minutes_max=REAUTHENTICATION_SECONDS // 60,
        )
