"""What others built with the data: named by its maker, shown once it was looked at.

    a maker writes ──▶ waiting ──▶ shown in the gallery and on the datasets' pages
                               └─▶ refused, which nobody but the desk sees

A reuse names the datasets that it stands on; at least one is of this node's city, whose
publisher decides. Of the maker a name is kept and nothing else.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node import moderation
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import stamp
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.moderation import QUEUE_MAX, SHOWN_MAX, State

Kind = Literal["app", "study", "article", "map", "teaching", "other"]
KINDS: tuple[Kind, ...] = ("app", "study", "article", "map", "teaching", "other")
MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE reuses(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL
    CHECK(kind IN('app','study','article','map','teaching','other')),
  title TEXT NOT NULL,
  address TEXT NOT NULL,             -- where it is to be seen
  words TEXT NOT NULL,
  maker TEXT NOT NULL,
  language TEXT NOT NULL CHECK(language IN('fa','en')),
  received TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK(state IN('waiting','shown','refused')),
  decided TEXT
) STRICT;
CREATE TABLE reuse_data(
  seq INTEGER NOT NULL REFERENCES reuses(seq) ON DELETE CASCADE,
  ref TEXT NOT NULL,
  PRIMARY KEY(seq, ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX reuse_data_of ON reuse_data(ref)
""",
)
_COLUMNS = (
    "seq, kind, title, address, words, maker, language, received, state, decided,"
    " (SELECT group_concat(ref, ' ') FROM"
    " (SELECT ref FROM reuse_data WHERE reuse_data.seq=reuses.seq ORDER BY ref))"
)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a maker tells of a reuse."""

    kind: Kind
    title: str
    address: str
    words: str
    maker: str
    language: Language
    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reuse:
    """A reuse with what was decided on it; times are RFC 3339."""

    seq: int
    kind: Kind
    title: str
    address: str
    words: str
    maker: str
    language: Language
    received: str
    state: State
    decided: str | None
    data: str  # references with a space between

    @property
    def refs(self) -> tuple[str, ...]:
        """The datasets that it stands on."""
        return tuple(self.data.split())

    def slugs(self, city: str) -> tuple[str, ...]:
        """Return the datasets of a city among them, whose publishers decide."""
        parted = (ref.partition("/") for ref in self.refs)
        return tuple(slug for owner, _, slug in parted if owner == city)


def add(connection: sqlite3.Connection, offered: Offered, at: datetime) -> None:
    """Keep a reuse until somebody looks at it; the same address waits once.

    Raises:
        RequestError: RATE_LIMITED: too many wait already.
    """
    twice = connection.execute(
        "SELECT 1 FROM reuses WHERE address=? AND state='waiting'", (offered.address,)
    ).fetchone()
    if twice:
        return
    moderation.check_room(connection, "reuses")
    cursor = connection.execute(
        "INSERT INTO reuses(kind, title, address, words, maker, language, received)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            offered.kind, offered.title, offered.address, offered.words, offered.maker,
            offered.language, stamp(at),
        ),
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO reuse_data(seq, ref) VALUES (?, ?)",
        [(cursor.lastrowid, ref) for ref in offered.refs],
    )


def shown(
    connection: sqlite3.Connection, *, kind: str = "", ref: str = ""
) -> list[Reuse]:
    """Return what everybody may see, the newest first.

    Args:
        connection: Of the node.
        kind: Only of this kind.
        ref: Only what stands on this dataset.
    """
    return _read(
        connection,
        "state='shown' AND ?1 IN ('', kind) AND (?2='' OR EXISTS(SELECT 1 FROM"
        " reuse_data WHERE reuse_data.seq=reuses.seq AND ref=?2))"
        " ORDER BY seq DESC LIMIT ?3",
        (kind, ref, SHOWN_MAX),
    )


def queue(connection: sqlite3.Connection, actor: Actor, city: str) -> list[Reuse]:
    """Return what an actor may decide: what waits first, then the latest decided."""
    found = _read(connection, moderation.QUEUE, ())
    return [one for one in found if may_decide(one, actor, city)][:QUEUE_MAX]


def may_decide(one: Reuse, actor: Actor, city: str) -> bool:
    """Tell whether an actor publishes one of the city's datasets that it stands on."""
    return any(actor.may(Action.FEEDBACK, slug) for slug in one.slugs(city))


def decide(
    connection: sqlite3.Connection,
    seq: int,
    state: State,
    by: Actor,
    city: str,
    at: datetime,
) -> Reuse:
    """Show a reuse, or refuse it; a later decision replaces this one.

    Args:
        connection: In a write transaction.
        seq: Which.
        state: What is decided.
        by: Who decides: a publisher of one of its datasets, or an administrator.
        city: Of this node.
        at: When.

    Raises:
        RequestError: ADDRESS_UNKNOWN: no such reuse; FORBIDDEN.
    """
    found = _read(connection, "seq=?", (seq,))
    if not found:
        raise RequestError(Reason.ADDRESS_UNKNOWN, path=f"reuse {seq}")
    if not may_decide(found[0], by, city):
        by.check(Action.FEEDBACK, next(iter(found[0].slugs(city)), ""))
    connection.execute(
        "UPDATE reuses SET state=?, decided=? WHERE seq=?", (state, stamp(at), seq)
    )
    audit.append(connection, by, Action.FEEDBACK.value, f"reuse {seq} {state}", at=at)
    return _read(connection, "seq=?", (seq,))[0]


def _read(
    connection: sqlite3.Connection, where: str, values: Sequence[object]
) -> list[Reuse]:
    """Return the reuses that a condition of this module chooses."""
    query = f"SELECT {_COLUMNS} FROM reuses WHERE {where}"  # noqa: S608
    return [Reuse(*row) for row in connection.execute(query, values)]
