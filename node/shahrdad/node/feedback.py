"""What readers say of a dataset: a question, a fault, a wish; shown once it was read.

    a reader writes ──▶ waiting ──▶ shown, with the answer of the publisher
                                └─▶ refused, which nobody but the desk sees

A remark names the version that was read and, where the reader says so, row and column.
Its answer may name the version that mended the fault. Neither the address of a reader
nor anything that would lead to it is kept; a name is what the reader signs with.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node import moderation
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import stamp
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.moderation import QUEUE_MAX, SHOWN_MAX, State

Kind = Literal["question", "fault", "wish"]
KINDS: tuple[Kind, ...] = ("question", "fault", "wish")
MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE feedback(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  ref TEXT NOT NULL,
  version INTEGER NOT NULL,          -- that the reader saw
  kind TEXT NOT NULL CHECK(kind IN('question','fault','wish')),
  place TEXT NOT NULL,               -- row and column, in the reader's words
  words TEXT NOT NULL,
  name TEXT NOT NULL,                -- as signed; may be empty
  language TEXT NOT NULL CHECK(language IN('fa','en')),
  received TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK(state IN('waiting','shown','refused')),
  answer TEXT NOT NULL DEFAULT '',
  mended INTEGER,                    -- the version without the fault
  decided TEXT
) STRICT;
CREATE INDEX feedback_of ON feedback(ref, state)
""",
)
_COLUMNS = (
    "seq, ref, version, kind, place, words, name, language, received, state, answer,"
    " mended, decided"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a reader wrote."""

    ref: str
    version: int
    kind: Kind
    place: str
    words: str
    name: str
    language: Language


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark with what was decided on it; times are RFC 3339."""

    seq: int
    ref: str
    version: int
    kind: Kind
    place: str
    words: str
    name: str
    language: Language
    received: str
    state: State
    answer: str
    mended: int | None
    decided: str | None

    @property
    def slug(self) -> str:
        """Of the dataset."""
        return self.ref.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a publisher decides: an answer belongs to a remark that is shown."""

    seq: int
    state: State
    answer: str = ""
    mended: int | None = None


def add(connection: sqlite3.Connection, said: Said, at: datetime) -> None:
    """Keep a remark until somebody reads it; the same one twice is kept once.

    Raises:
        RequestError: RATE_LIMITED: too many wait already.
    """
    twice = connection.execute(
        "SELECT 1 FROM feedback"
        " WHERE ref=? AND words=? AND place=? AND state='waiting'",
        (said.ref, said.words, said.place),
    ).fetchone()
    if twice:
        return
    moderation.check_room(connection, "feedback")
    connection.execute(
        "INSERT INTO feedback(ref, version, kind, place, words, name, language,"
        " received) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            said.ref, said.version, said.kind, said.place, said.words, said.name,
            said.language, stamp(at),
        ),
    )  # fmt: skip


def shown(connection: sqlite3.Connection, ref: str) -> list[Remark]:
    """Return what everybody may read of a dataset, the newest first."""
    return _read(
        connection,
        "ref=? AND state='shown' ORDER BY seq DESC LIMIT ?",
        (ref, SHOWN_MAX),
    )


def queue(connection: sqlite3.Connection, actor: Actor) -> list[Remark]:
    """Return what an actor may decide: what waits first, then the latest decided."""
    found = _read(connection, moderation.QUEUE, ())
    allowed = [one for one in found if actor.may(Action.FEEDBACK, one.slug)]
    return allowed[:QUEUE_MAX]


def decide(
    connection: sqlite3.Connection, decision: Decision, by: Actor, at: datetime
) -> Remark:
    """Show a remark with an answer, or refuse it; a later decision replaces this one.

    Args:
        connection: In a write transaction.
        decision: About one remark.
        by: Who decides; must be a publisher of the dataset, or an administrator.
        at: When.

    Raises:
        RequestError: ADDRESS_UNKNOWN: no such remark; FORBIDDEN.
    """
    found = _read(connection, "seq=?", (decision.seq,))
    if not found:
        raise RequestError(Reason.ADDRESS_UNKNOWN, path=f"feedback {decision.seq}")
    by.check(Action.FEEDBACK, found[0].slug)
    is_shown = decision.state == "shown"
    connection.execute(
        "UPDATE feedback SET state=?, answer=?, mended=?, decided=? WHERE seq=?",
        (
            decision.state,
            decision.answer if is_shown else "",
            decision.mended if is_shown else None,
            stamp(at),
            decision.seq,
        ),
    )
    subject = f"{found[0].ref} {decision.seq} {decision.state}"
    audit.append(connection, by, Action.FEEDBACK.value, subject, at=at)
    return _read(connection, "seq=?", (decision.seq,))[0]


def _read(
    connection: sqlite3.Connection, where: str, values: tuple[object, ...]
) -> list[Remark]:
    """Return the remarks that a condition of this module chooses."""
    query = f"SELECT {_COLUMNS} FROM feedback WHERE {where}"  # noqa: S608
    return [Remark(*row) for row in connection.execute(query, values)]
