"""A file on the publisher's desk: what was handed in, and what was answered of it.

    reading ──▶ read ──▶ match ──▶ unit ──▶ judging ──▶ drafted
       ▲                                                   │
       └──────────────── another file ◀────────────────────┘

A stage that has nothing to ask is left out. All of it stands in the database, so the
desk may be left at any stage and found again the next day. An intake and the draft that
it becomes have the same number.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.standards import Standard
from shahrdad.node.accounts.moments import present, stamp
from shahrdad.node.http.identity import ulid

Stage = Literal["reading", "read", "match", "unit", "judging", "drafted"]
_COLUMNS = (
    "id, account, upload, family, slug, fiscal_year, stage, said, outline, updated"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a person answered.

    Attributes:
        options: How the file is read: sheet, header_row, encoding, delimiter, unit,
            calendar.
        read: Whether the reading was confirmed.
        labels: The header that the columns were matched with.
        columns: Field by label; None leaves a column out.
        keep: Labels that are carried as columns of the city's own.
        constants: Text by field that no column is.
        values: Code by text of a cell, by field.
        source: Kind, sheet and header rows, as a profile has them.
        stated: Units that the file states.
        known: The saved profile that knew the layout.
        description: Titles, notes, licence: members of `record.Description`.
        declared: Figures that the city announced, by name.
        waived: Reason by rule.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    read: bool = False
    labels: tuple[str, ...] = ()
    columns: Mapping[str, str | None] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    stated: tuple[str, ...] = ()
    known: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)
    waived: Mapping[str, str] = field(default_factory=dict)

    @property
    def matched(self) -> bool:
        """Whether the columns were matched."""
        return bool(self.labels)

    def unmatched(self) -> "Said":
        """Return this without what was said of the layout of another file."""
        return replace(
            self,
            read=False,
            labels=(),
            columns={},
            keep=(),
            constants={},
            values={},
            known=None,
        )

    def profile(self, standard: Standard) -> dict[str, Any]:
        """Return the mapping profile of these answers; {} before there are any."""
        from shahrdad.node.incoming.profiles import name_for
        from shahrdad.validators.questions import Answers, to_profile

        if not self.matched:
            return {}
        answers = Answers(
            columns=self.columns,
            keep=self.keep,
            constants=self.constants,
            values=self.values,
            money_unit=self.options.get("unit"),
            calendar=self.options.get("calendar"),
        )
        name = name_for(standard.family, self.labels, self.source.get("sheet"))
        return to_profile(
            name,
            standard.family,
            standard.version,
            self.labels,
            {},
            answers,
            self.source,
            stated=self.stated,
        )


@dataclass(frozen=True, slots=True)
class Intake:
    """A file on the desk, as it is stored."""

    id: str
    account: int
    upload: str
    family: str
    slug: str
    fiscal_year: int | None
    stage: Stage
    said: Said
    outline: Mapping[str, Any] | None
    updated: str


def begin(
    connection: sqlite3.Connection,
    account: int,
    upload: str,
    family: str,
    slug: str,
    fiscal_year: int | None,
) -> Intake:
    """Put a file on the desk; the caller commits."""
    number, at = ulid(), stamp(present())
    connection.execute(
        "INSERT INTO intake VALUES (?,?,?,?,?,?,'reading',?,NULL,?,?)",
        (number, account, upload, family, slug, fiscal_year, _text(Said()), at, at),
    )
    return get(connection, number, account)


def get(connection: sqlite3.Connection, number: str, account: int) -> Intake:
    """Return a file of this account.

    Raises:
        RequestError: INTAKE_UNKNOWN: also for somebody else's.
    """
    found = find(connection, number)
    if found is None or found.account != account:
        raise RequestError(Reason.INTAKE_UNKNOWN, number=number[:40])
    return found


def find(connection: sqlite3.Connection, number: str) -> Intake | None:
    """Return a file on anybody's desk, or None: the draft came through another door."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM intake WHERE id=? AND stage<>'discarded'",  # noqa: S608
        (number.upper(),),
    ).fetchone()
    return _intake(row) if row else None


def waiting(connection: sqlite3.Connection, account: int) -> list[Intake]:
    """Return the files of an account that are no draft yet, the newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM intake WHERE account=?"  # noqa: S608
        " AND stage NOT IN('drafted','discarded')"
        " AND NOT EXISTS(SELECT 1 FROM draft WHERE draft.id=intake.id)"
        " ORDER BY updated DESC LIMIT 100",
        (account,),
    )
    return [_intake(row) for row in rows]


def keep(connection: sqlite3.Connection, intake: Intake) -> Intake:
    """Store an intake that was changed; the caller commits."""
    connection.execute(
        "UPDATE intake SET upload=?, stage=?, said=?, outline=?, updated=?"
        " WHERE id=? AND stage<>'discarded'",
        (
            intake.upload,
            intake.stage,
            _text(intake.said),
            json.dumps(intake.outline, ensure_ascii=False)
            if intake.outline is not None
            else None,
            stamp(present()),
            intake.id,
        ),
    )
    return intake


def discard(connection: sqlite3.Connection, intake: Intake) -> None:
    """Take a file off the desk; the caller commits."""
    connection.execute("UPDATE intake SET stage='discarded' WHERE id=?", (intake.id,))


@dataclass(frozen=True, slots=True)
class Try:
    """One revision of a draft that was judged."""

    revision: int
    verdict: str
    report: bytes | None
    file_name: str | None
    at: str


def tries(connection: sqlite3.Connection, draft: str) -> list[Try]:
    """Return every judged revision of a draft, the newest first."""
    rows = connection.execute(
        "SELECT revision, verdict, report, file_name, at FROM draft_try"
        " WHERE draft=? ORDER BY revision DESC",
        (draft,),
    )
    return [Try(*row) for row in rows]


def next_stage(said: Said, outline: Mapping[str, Any]) -> Stage:
    """Return what is to be asked next of a file that was looked at.

    >>> asked = {"proposed": [], "asked": ["x"], "missing": [], "money": None}
    >>> seen = {"error": None, "known": None, "questions": {**asked, "calendar": None}}
    >>> next_stage(Said(), seen), next_stage(Said(read=True), seen)
    ('read', 'match')
    >>> next_stage(Said(), {**seen, "known": "budget-lines-1"})
    'judging'
    >>> next_stage(Said(), {**seen, "known": "budget-lines-1", "unknown": [{}]})
    'unit'
    """
    if outline["error"] is not None:
        return "read"
    unknown = bool(outline.get("unknown"))
    if outline.get("known"):
        return "unit" if unknown else "judging"
    asked = outline["questions"] or {}
    columns = any(asked.get(name) for name in ("proposed", "asked", "missing"))
    values = unknown or any(asked.get(name) for name in ("money", "calendar"))
    if not columns and not values:
        return "judging"
    if not said.read:
        return "read"
    return "match" if columns and not said.matched else "unit" if values else "judging"


def _text(said: Said) -> str:
    return json.dumps(asdict(said), ensure_ascii=False)


def _intake(row: tuple[Any, ...]) -> Intake:
    number, account, upload, family, slug, year, stage, said, outline, updated = row
    members = json.loads(said)
    for name in ("labels", "keep", "stated"):
        members[name] = tuple(members[name])
    return Intake(
        number,
        account,
        upload,
        family,
        slug,
        year,
        stage,
        Said(**members),
        json.loads(outline) if outline else None,
        updated,
    )
