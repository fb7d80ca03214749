"""Tokens: `shahrdad_`, 43 letters of randomness, 6 letters of CRC-32.

The checksum lets a scanner of leaked secrets know one from noise without asking. Of a
token only its HMAC is stored; it is shown once. It acts as its owner, so four eyes hold
for it as for the person.

>>> from shahrdad.node.accounts.tokens import is_token, make
>>> token = make(bytes(32))
>>> len(token), is_token(token), is_token(token[:-1] + "x")
(58, True, False)
"""

import re
import secrets
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.accounts import audit, people
from shahrdad.node.accounts.keys import AccountKey
from shahrdad.node.accounts.limits import (
    SCOPES_MAX,
    TOKEN_DAYS_MAX,
    TOKEN_NAME_LETTERS_MAX,
)
from shahrdad.node.accounts.moments import after, stamp
from shahrdad.node.accounts.people import Account
from shahrdad.node.accounts.roles import Actor, Scope, covers, parse_scope

PREFIX = "shahrdad_"
_BODY, _CHECK = 43, 6
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_BODY + _CHECK}}}")


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; never the token itself."""

    id: int
    account: str
    shown: str
    name: str
    scopes: tuple[Scope, ...]
    created: str
    expires: str
    revoked: str | None
    used_day: str | None
    used_network: str | None

    @property
    def label(self) -> str:
        """What people call it, in one line: its name, and how it begins."""
        return " ".join([*self.name.split(), f"{self.shown}…"])


def make(random: bytes | None = None) -> str:
    """Return a new token."""
    raw = secrets.token_bytes(32) if random is None else random
    body = _base62(int.from_bytes(raw), _BODY)
    return f"{PREFIX}{body}{_base62(zlib.crc32(body.encode()), _CHECK)}"


def is_token(text: str) -> bool:
    """Tell whether a text has the form and the checksum of a token."""
    if not _FORM.fullmatch(text):
        return False
    body, check = text[len(PREFIX) : -_CHECK], text[-_CHECK:]
    return _base62(zlib.crc32(body.encode()), _CHECK) == check


def create(
    connection: sqlite3.Connection,
    key: AccountKey,
    by: Actor,
    owner: Account,
    scopes: Sequence[Scope],
    *,
    days: int,
    name: str,
    at: datetime,
) -> tuple[str, Token]:
    """Make a token; the caller commits, and shows it once.

    Raises:
        RequestError: TOKEN_LIFETIME, SCOPE_WRONG, SCOPE_MISSING, ACCOUNT_KIND,
            ACCOUNT_UNKNOWN, SECOND_FACTOR_NEEDED.
    """
    if not 1 <= days <= TOKEN_DAYS_MAX:
        raise RequestError(Reason.TOKEN_LIFETIME, days=days, days_max=TOKEN_DAYS_MAX)
    if not 1 <= len(scopes) <= SCOPES_MAX:
        raise RequestError(
            Reason.SCOPE_WRONG, scope=f"{len(scopes)} scopes", scopes=f"1–{SCOPES_MAX}"
        )
    if owner.disabled:
        raise RequestError(Reason.ACCOUNT_UNKNOWN, account=owner.name)
    for scope in scopes:
        _check_scope(by, owner, scope)
    text = make()
    shown = text[len(PREFIX) :][:8]
    cursor = connection.execute(
        "INSERT INTO token(account, mac, shown, name, scopes, created, expires)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            owner.id,
            key.mac("token", text.encode()),
            shown,
            name[:TOKEN_NAME_LETTERS_MAX],
            " ".join(map(str, sorted(set(scopes)))),
            stamp(at),
            after(at, days=days),
        ),
    )
    audit.append(
        connection,
        by,
        "token.create",
        f"{owner.name}/{shown}",
        at=at,
        reason=" ".join(map(str, sorted(set(scopes)))),
    )
    return text, by_id(connection, cursor.lastrowid or 0)


def _check_scope(by: Actor, owner: Account, scope: Scope) -> None:
    """Refuse a scope that the owner or the token that asks must not give."""
    if scope.name == "approve" and owner.kind == "service":
        raise RequestError(Reason.ACCOUNT_KIND, account=owner.name, what=str(scope))
    if scope.name == "approve" and not owner.has_second_factor:
        raise RequestError(Reason.SECOND_FACTOR_NEEDED, account=owner.name)
    if by.scopes is not None and not any(
        held.name == scope.name and covers(held.prefix, scope.prefix)
        for held in by.scopes
    ):
        raise RequestError(Reason.SCOPE_MISSING, scope=str(scope))


def resolve(
    connection: sqlite3.Connection, key: AccountKey, text: str, at: datetime
) -> Actor | None:
    """Return who a token acts as, or None: unknown, expired, revoked, shut."""
    if not is_token(text):
        return None
    row = connection.execute(
        "SELECT id, account, scopes FROM token"
        " WHERE mac=? AND revoked IS NULL AND expires>?",
        (key.mac("token", text.encode()), stamp(at)),
    ).fetchone()
    return _acting(connection, row)


def acting(connection: sqlite3.Connection, number: int, at: datetime) -> Actor | None:
    """Return who a token acts as now, by its number, or None as in `resolve`."""
    row = connection.execute(
        "SELECT id, account, scopes FROM token"
        " WHERE id=? AND revoked IS NULL AND expires>?",
        (number, stamp(at)),
    ).fetchone()
    return _acting(connection, row)


def _acting(
    connection: sqlite3.Connection, row: tuple[int, int, str] | None
) -> Actor | None:
    if row is None:
        return None
    number, account, scopes = row
    owner = people.by_id(connection, account)
    if owner.disabled:
        return None
    return Actor(
        owner.id,
        owner.name,
        owner.kind,
        owner.grants,
        tuple(map(parse_scope, scopes.split())),
        token=number,
    )


def note_use(
    connection: sqlite3.Connection, number: int, address: str, at: datetime
) -> None:
    """Remember the day and the network of a token's last use, once a day."""
    connection.execute(
        "UPDATE token SET used_day=?, used_network=? WHERE id=?"
        " AND (used_day IS NOT ? OR used_network IS NOT ?)",
        (stamp(at)[:10], network(address), number, stamp(at)[:10], network(address)),
    )


def network(address: str) -> str:
    """Return the /24 or /48 of an address; the rest would be a person's own.

    >>> network("192.0.2.77"), network("")
    ('192.0.2.0/24', '')
    """
    try:
        bits = 24 if ip_address(address).version == 4 else 48
    except ValueError:
        return ""
    return str(ip_network(f"{address}/{bits}", strict=False))


def revoke(
    connection: sqlite3.Connection, by: Actor, token: Token, at: datetime
) -> None:
    """Let a token count no more; its row stays. The caller commits."""
    connection.execute(
        "UPDATE token SET revoked=COALESCE(revoked, ?) WHERE id=?",
        (stamp(at), token.id),
    )
    subject = f"{token.account}/{token.shown}"
    audit.append(connection, by, "token.revoke", subject, at=at)


def by_id(connection: sqlite3.Connection, number: int) -> Token:
    """Return a token by number.

    Raises:
        RequestError: TOKEN_UNKNOWN.
    """
    found = _select(connection, "t.id=?", number)
    if not found:
        raise RequestError(Reason.TOKEN_UNKNOWN, token=str(number))
    return found[0]


def find(connection: sqlite3.Connection, shown: str) -> Token:
    """Return a token by its first eight characters, or by its number.

    Raises:
        RequestError: TOKEN_UNKNOWN.
    """
    found = _select(connection, "t.shown=?", shown)
    if not found and shown.isascii() and shown.isdigit() and len(shown) < 10:
        found = _select(connection, "t.id=?", int(shown))
    if not found:
        raise RequestError(Reason.TOKEN_UNKNOWN, token=shown[:20])
    return found[0]


def every(connection: sqlite3.Connection, account: int | None = None) -> list[Token]:
    """Return all tokens, or those of an account."""
    if account is None:
        return _select(connection, "1=?", 1)
    return _select(connection, "t.account=?", account)


def expiring(connection: sqlite3.Connection, at: datetime, days: int) -> list[Token]:
    """Return the tokens in force that end within so many days."""
    return [
        token
        for token in every(connection)
        if not token.revoked and stamp(at) < token.expires <= after(at, days=days)
    ]


def _select(connection: sqlite3.Connection, where: str, value: object) -> list[Token]:
    rows = connection.execute(
        "SELECT t.id, a.name, t.shown, t.name, t.scopes, t.created, t.expires,"  # noqa: S608
        " t.revoked, t.used_day, t.used_network FROM token t"
        f" JOIN account a ON a.id=t.account WHERE {where} ORDER BY t.id",
        (value,),
    ).fetchall()
    return [
        Token(row[0], row[1], row[2], row[3], _scopes(row[4]), *row[5:]) for row in rows
    ]


def _scopes(text: str) -> tuple[Scope, ...]:
    return tuple(map(parse_scope, text.split()))


def _base62(number: int, letters: int) -> str:
    """Return a number in 62 digits, with zeros before it."""
    found = ""
    while number:
        number, digit = divmod(number, 62)
        found = _LETTERS[digit] + found
    return found.rjust(letters, _LETTERS[0])
