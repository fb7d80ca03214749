"""Which person of the city's sign-in service is which account, and sign-ins under way.

An administrator links; signing in never makes an account, a link or a role. A sign-in
is bound to the browser that began it: its state alone, stolen or planted by somebody
else, is worth nothing without the cookie.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from shahrdad.datasets.errors import (
    ConflictError,
    Language,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.node.accounts import audit, people
from shahrdad.node.accounts.keys import AccountKey
from shahrdad.node.accounts.limits import (
    FLOW_SECONDS,
    FLOWS_MAX,
    SUBJECT_LETTERS_MAX,
)
from shahrdad.node.accounts.moments import after, parse, stamp
from shahrdad.node.accounts.people import Account
from shahrdad.node.accounts.roles import Actor


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that a browser began."""

    nonce: str
    verifier: str
    again: bool
    wanted: str
    language: Language


@dataclass(frozen=True, slots=True)
class Half:
    """A sign-in that the service vouched for, before the second factor."""

    account: Account
    proved: datetime | None
    wanted: str


def link(
    connection: sqlite3.Connection,
    by: Actor,
    account: Account,
    issuer: str,
    subject: str,
    at: datetime,
) -> None:
    """Let a person of the service be an account; the caller commits.

    Raises:
        RequestError: ACCOUNT_KIND, MEMBER_WRONG.
        ConflictError: IDENTITY_TAKEN.
    """
    if account.kind == "service":
        raise RequestError(Reason.ACCOUNT_KIND, account=account.name, what="identity")
    if not 1 <= len(subject) <= SUBJECT_LETTERS_MAX or not subject.isprintable():
        raise RequestError(
            Reason.MEMBER_WRONG,
            pointer="/subject",
            expected=f"text, at most {SUBJECT_LETTERS_MAX}",
        )
    connection.execute("DELETE FROM identity WHERE account=?", (account.id,))
    try:
        connection.execute(
            "INSERT INTO identity VALUES (?,?,?,?)",
            (issuer, subject, account.id, stamp(at)),
        )
    except sqlite3.IntegrityError as error:
        raise ConflictError(Reason.IDENTITY_TAKEN, subject=subject) from error
    people.end_sessions(connection, account)
    audit.append(connection, by, "account.link", account.name, at=at, reason=issuer)


def unlink(
    connection: sqlite3.Connection, by: Actor, account: Account, at: datetime
) -> None:
    """Let nobody of the service be an account any more; the caller commits."""
    connection.execute("DELETE FROM identity WHERE account=?", (account.id,))
    people.end_sessions(connection, account)
    audit.append(connection, by, "account.unlink", account.name, at=at)


def account_of(
    connection: sqlite3.Connection, issuer: str, subject: str
) -> Account | None:
    """Return the account that a person of the service is linked with."""
    row = connection.execute(
        "SELECT account FROM identity WHERE issuer=? AND subject=?", (issuer, subject)
    ).fetchone()
    return people.by_id(connection, row[0]) if row else None


def subject_of(connection: sqlite3.Connection, account: int) -> str | None:
    """Return the person of the service that an account is linked with."""
    row = connection.execute(
        "SELECT subject FROM identity WHERE account=?", (account,)
    ).fetchone()
    return str(row[0]) if row else None


def new_secret() -> str:
    """Return 43 letters that nobody can guess."""
    return secrets.token_urlsafe(32)


def begin(
    connection: sqlite3.Connection,
    key: AccountKey,
    state: str,
    browser: str,
    flow: Flow,
    at: datetime,
) -> None:
    """Remember a sign-in that a browser begins; the caller commits.

    Raises:
        UnavailableError: LOGIN_THROTTLED: too many are under way.
    """
    for table in ("sign_in_flow", "sign_in_half"):
        connection.execute(f"DELETE FROM {table} WHERE expires<=?", (stamp(at),))  # noqa: S608
    (count,) = connection.execute("SELECT COUNT(*) FROM sign_in_flow").fetchone()
    if count >= FLOWS_MAX:
        raise UnavailableError(Reason.LOGIN_THROTTLED, wait_seconds=FLOW_SECONDS)
    connection.execute(
        "INSERT INTO sign_in_flow VALUES (?,?,?,?,?,?,?)",
        (
            key.mac("sign-in state", state.encode()),
            key.mac("sign-in browser", browser.encode()),
            key.seal(f"{flow.nonce} {flow.verifier}".encode()),
            flow.again,
            flow.wanted,
            flow.language,
            after(at, seconds=FLOW_SECONDS),
        ),
    )


def take(
    connection: sqlite3.Connection,
    key: AccountKey,
    state: str,
    browser: str,
    at: datetime,
) -> Flow:
    """Return a sign-in once, to the browser that began it; the caller commits.

    Raises:
        RequestError: SIGN_IN_STALE.
    """
    row = connection.execute(
        "DELETE FROM sign_in_flow WHERE state=? AND browser=? AND expires>?"
        " RETURNING sealed, again, wanted, language",
        (
            key.mac("sign-in state", state.encode()),
            key.mac("sign-in browser", browser.encode()),
            stamp(at),
        ),
    ).fetchone()
    opened = key.open(row[0]) if row else None
    if row is None or opened is None:
        raise stale()
    nonce, _, verifier = opened.decode().partition(" ")
    return Flow(nonce, verifier, bool(row[1]), row[2], row[3])


def hold(
    connection: sqlite3.Connection,
    key: AccountKey,
    browser: str,
    half: Half,
    at: datetime,
) -> None:
    """Keep a sign-in until the second factor comes; the caller commits."""
    connection.execute(
        "INSERT OR REPLACE INTO sign_in_half VALUES (?,?,?,?,?)",
        (
            key.mac("sign-in browser", browser.encode()),
            half.account.id,
            stamp(half.proved) if half.proved else None,
            half.wanted,
            after(at, seconds=FLOW_SECONDS),
        ),
    )


def held(
    connection: sqlite3.Connection, key: AccountKey, browser: str, at: datetime
) -> Half:
    """Return the sign-in of a browser that waits for its second factor.

    Raises:
        RequestError: SIGN_IN_STALE.
    """
    row = connection.execute(
        "SELECT account, proved, wanted FROM sign_in_half"
        " WHERE browser=? AND expires>?",
        (key.mac("sign-in browser", browser.encode()), stamp(at)),
    ).fetchone()
    if row is None:
        raise stale()
    account = people.by_id(connection, row[0])
    return Half(account, parse(row[1]) if row[1] else None, row[2])


def drop(connection: sqlite3.Connection, key: AccountKey, browser: str) -> None:
    """Forget a sign-in that is done."""
    connection.execute(
        "DELETE FROM sign_in_half WHERE browser=?",
        (key.mac("sign-in browser", browser.encode()),),
    )


def stale() -> RequestError:
    """Return the error of a sign-in that this browser did not begin, or long ago."""
    return RequestError(Reason.SIGN_IN_STALE, age_minutes_max=FLOW_SECONDS // 60)
