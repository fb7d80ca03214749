"""Notices by e-mail: optional, chosen by each person, and never needed.

    a draft changes state ──▶ notice ──▶ one letter for each who chose it ──▶ SMTP
    a delivery fails first ──┤            (tried again for two days, then given up)
    a token is about to end ─┘

Of drafts and deliveries the database itself queues a notice, in the transaction of what
it is about, so no door can forget it and a crash loses none. A token's end is looked
for each time letters are sent, and told `TOKEN_DAYS` before, once each. A letter names
the dataset or the token and the page on the desk, and nothing of its content: mail is
read by others. It may come twice after a crash, with the same `Message-ID`.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import structlog

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node.accounts import people, tokens
from shahrdad.node.accounts.moments import after, parse, stamp
from shahrdad.node.accounts.people import Account
from shahrdad.node.accounts.roles import Action, Actor, Role
from shahrdad.node.accounts.tokens import Token
from shahrdad.node.desk import drafts
from shahrdad.node.http.languages import day

if TYPE_CHECKING:
    from shahrdad.node.city import Node

LOG = structlog.get_logger("shahrdad.notices")
Kind = Literal["submitted", "returned", "published", "delivery-failed", "token-ends"]
ADDRESS_LETTERS_MAX = 254  # RFC 5321, 4.5.3.1
LETTERS_AT_ONCE = 100
TOKEN_DAYS = (14, 2)  # before its end, at which a token's people are told
WAITS_MINUTES = (1, 5, 15, 60, 180, 360, 720, 1440)  # after each failed try
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}"
    r"@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a person wants notices, in which language."""

    address: str
    language: Language


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice for one person."""

    seq: int
    account: int
    kind: Kind
    subject: str
    at: str
    tries: int


def choice_of(connection: sqlite3.Connection, account: int) -> Choice | None:
    """Return what a person chose; None: no notices."""
    row = connection.execute(
        "SELECT address, language FROM mail_choice WHERE account=?", (account,)
    ).fetchone()
    return Choice(*row) if row else None


def choose(
    connection: sqlite3.Connection,
    account: int,
    choice: Choice | None,
    at: datetime,
) -> None:
    """Keep what a person chose; None ends it, waiting letters too.

    Raises:
        RequestError: MEMBER_WRONG: not an address.
    """
    if choice is None:
        connection.execute("DELETE FROM mail_choice WHERE account=?", (account,))
        connection.execute("DELETE FROM letter WHERE account=?", (account,))
        return
    if len(choice.address) > ADDRESS_LETTERS_MAX or not _ADDRESS.fullmatch(
        choice.address
    ):
        raise RequestError(
            Reason.MEMBER_WRONG, pointer="address", expected="name@example.org"
        )
    connection.execute(
        "INSERT OR REPLACE INTO mail_choice VALUES (?,?,?,?)",
        (account, choice.address, choice.language, stamp(at)),
    )


def run(node: "Node", at: datetime) -> int:
    """Make letters of what happened, and send those that are due.

    Returns:
        How many went out.
    """
    connection = node.database.connect()
    if not node.config.mail.host:
        connection.execute("DELETE FROM notice")
        connection.execute("DELETE FROM letter")
        return 0
    _note_tokens(node, at)
    _address(node)
    due = waiting(connection, at)
    return _send(node, due, at) if due else 0


def waiting(connection: sqlite3.Connection, at: datetime) -> list[Letter]:
    """Return the letters that are due, the oldest first."""
    rows = connection.execute(
        "SELECT seq, account, kind, subject, at, tries FROM letter WHERE due<=?"
        " ORDER BY seq, account LIMIT ?",
        (stamp(at), LETTERS_AT_ONCE),
    )
    return [Letter(*row) for row in rows]


def people_of_token(connection: sqlite3.Connection, token: Token) -> Iterator[Account]:
    """Yield whom a token's end concerns: its owner; of a program's, administrators."""
    owner = people.find(connection, token.account)
    if owner.disabled:
        return
    if owner.kind == "person":
        yield owner
        return
    for account in people.every(connection):
        if not account.disabled and _acting(account).holds(frozenset({Role.ADMIN}), ""):
            yield account


def _note_tokens(node: "Node", at: datetime) -> None:
    """Queue a notice of each token that ends soon and whose people want letters.

    One that was made for no longer than that is not told of: it was meant so.
    """
    with node.database.transaction() as connection:
        for token in tokens.expiring(connection, at, max(TOKEN_DAYS)):
            days = min(
                one for one in TOKEN_DAYS if token.expires <= after(at, days=one)
            )
            if token.created >= after(parse(token.expires), days=-days) or not any(
                choice_of(connection, one.id) is not None
                for one in people_of_token(connection, token)
            ):
                continue
            first = connection.execute(
                "INSERT INTO token_notice VALUES (?,?) ON CONFLICT(token)"
                " DO UPDATE SET days=excluded.days WHERE days>excluded.days",
                (token.id, days),
            )
            if first.rowcount:
                connection.execute(
                    "INSERT INTO notice(kind, subject, at) VALUES('token-ends',?,?)",
                    (str(token.id), stamp(at)),
                )


def _address(node: "Node") -> None:
    """Make a letter of each notice for each person whom it concerns."""
    with node.database.transaction() as connection:
        rows = connection.execute(
            "SELECT seq, kind, subject, at FROM notice ORDER BY seq"
        ).fetchall()
        for seq, kind, subject, happened in rows:
            connection.executemany(
                "INSERT OR IGNORE INTO letter VALUES (?,?,?,?,?,0,?)",
                [
                    (seq, account.id, kind, subject, happened, happened)
                    for account in _concerned(node, connection, kind, subject)
                    if choice_of(connection, account.id) is not None
                ],
            )
            connection.execute("DELETE FROM notice WHERE seq=?", (seq,))


def _concerned(
    node: "Node", connection: sqlite3.Connection, kind: Kind, subject: str
) -> Iterable[Account]:
    """Yield whom a notice concerns: who is to act, or who waits for the answer."""
    if kind == "token-ends":
        yield from people_of_token(connection, tokens.by_id(connection, int(subject)))
        return
    active = [one for one in people.every(connection) if not one.disabled]
    if kind == "delivery-failed":
        slug = _slug_of(node, subject)
        for account in active:
            actor = _acting(account)
            if actor.holds(frozenset({Role.ADMIN}), "") or actor.holds(
                frozenset({Role.PUBLISHER}), slug
            ):
                yield account
        return
    draft = drafts.get(connection, subject)
    hands = {draft.author, draft.submitter, *draft.writers}
    redaction = draft.now.kind == "redact"
    right = Action.REDACT_APPROVE if redaction else Action.APPROVE
    for account in active:
        decides = account.id not in hands and _acting(account).may(
            right, draft.now.slug
        )
        if decides if kind == "submitted" else account.id in hands:
            yield account


def _slug_of(node: "Node", delivery: str) -> str | None:
    """Return the dataset of a delivery, where the configuration still has it."""
    from shahrdad.node.incoming.handing import default_slug

    for one in node.config.deliveries:
        if one.name == delivery:
            return one.slug or default_slug(one.family, one.fiscal_year or None)
    return None


def _acting(account: Account) -> Actor:
    return Actor(account.id, account.name, account.kind, account.grants)


def _send(node: "Node", letters: list[Letter], at: datetime) -> int:
    """Send letters over one connection; what fails is tried again later."""
    from shahrdad.node.desk import mail

    connection = node.database.connect()
    sent = 0
    with mail.outbox(node.config.mail) as post:
        for letter in letters:
            choice = choice_of(connection, letter.account)
            about = "" if choice is None else _about(node, letter, choice.language, at)
            if choice is None or not about:
                _drop(connection, letter)
                continue
            message = mail.compose(node.config, letter, choice, about)
            outcome = post(message)
            if outcome.sent:
                _drop(connection, letter)
                sent += 1
            else:
                _postpone(connection, letter, outcome, at)
    return sent


def _about(node: "Node", letter: Letter, language: Language, at: datetime) -> str:
    """Return what a letter is about: a dataset's address, a delivery, a token's name.

    Nothing of a token that was revoked or ended while its letter waited.
    """
    connection = node.database.connect()
    if letter.kind == "delivery-failed":
        return letter.subject
    if letter.kind == "token-ends":
        token = tokens.by_id(connection, int(letter.subject))
        over = token.revoked is not None or token.expires <= stamp(at)
        return "" if over else f"{token.label} ({day(token.expires, language)})"
    draft = drafts.get(connection, letter.subject)
    return f"{node.config.node.city}/{draft.now.slug}"


def _drop(connection: sqlite3.Connection, letter: Letter) -> None:
    connection.execute(
        "DELETE FROM letter WHERE seq=? AND account=?", (letter.seq, letter.account)
    )


def _postpone(
    connection: sqlite3.Connection, letter: Letter, outcome: "Outcome", at: datetime
) -> None:
    """Try a letter again later; one that is refused for good, or too often, is over."""
    tries = letter.tries + 1
    over = outcome.final or tries > len(WAITS_MINUTES)
    LOG.warning(
        "letter",
        seq=letter.seq,
        account=letter.account,
        tries=tries,
        detail=outcome.detail,
        given_up=over,
    )
    if over:
        _drop(connection, letter)
        return
    due = stamp(at + timedelta(minutes=WAITS_MINUTES[tries - 1]))
    connection.execute(
        "UPDATE letter SET tries=?, due=? WHERE seq=? AND account=?",
        (tries, due, letter.seq, letter.account),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter.

    Attributes:
        final: It was refused for good.
        detail: The kind of the fault and the server's code, never its text: that may
            hold an address.
    """

    sent: bool
    final: bool = False
    detail: str = ""
