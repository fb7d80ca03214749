"""A file that arrives in pieces, and goes on after the line broke (tus 1.0.0).

The pieces lie in `uploads/<number>.part` until the last one came; then the file goes
into the private area like any other, under the same number. How far it came is the
length of that file, so a kill loses no acknowledged byte. What nobody goes on with is
removed after two days.
"""

import os
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.accounts.moments import after, stamp
from shahrdad.node.accounts.roles import Actor
from shahrdad.node.desk import uploads
from shahrdad.node.http.identity import ulid
from shahrdad.node.http.write.limits import UPLOAD_BYTES_MAX, UPLOAD_HOURS

if TYPE_CHECKING:
    from shahrdad.node.city import Node

FOLDER = "uploads"
OPEN_MAX = 20  # unfinished ones of one account


@dataclass(frozen=True, slots=True)
class Resumable:
    """A file on its way."""

    id: str
    account: int
    file_name: str
    bytes: int
    expires: str
    offset: int

    @property
    def whole(self) -> bool:
        """Whether its last byte came."""
        return self.offset == self.bytes


def begin(node: "Node", by: Actor, name: str, size: int, at: datetime) -> Resumable:
    """Announce a file.

    Raises:
        RequestError: TOO_LARGE.
        ConflictError: UPLOADS_OPEN.
    """
    if not 1 <= size <= UPLOAD_BYTES_MAX:
        raise RequestError(
            Reason.TOO_LARGE, size_bytes=size, size_bytes_max=UPLOAD_BYTES_MAX
        )
    number = ulid()
    with node.database.transaction() as connection:
        (count,) = connection.execute(
            "SELECT COUNT(*) FROM resumable WHERE account=?", (by.account,)
        ).fetchone()
        if count >= OPEN_MAX:
            raise ConflictError(Reason.UPLOADS_OPEN, count=count, count_max=OPEN_MAX)
        connection.execute(
            "INSERT INTO resumable VALUES (?,?,?,?,?)",
            (number, by.account, name, size, after(at, seconds=UPLOAD_HOURS * 3600)),
        )
    part = _part(node, number)
    part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part.touch(mode=0o600)
    return find(node, by, number)


def find(node: "Node", by: Actor, number: str) -> Resumable:
    """Return a file on its way, or one that arrived, of this account.

    Raises:
        RequestError: UPLOAD_UNKNOWN.
    """
    row = (
        node.database.connect()
        .execute(
            "SELECT id, account, file_name, bytes, expires FROM resumable"
            " WHERE id=? AND account=?",
            (number.upper(), by.account),
        )
        .fetchone()
    )
    if row is None:
        done = uploads.find(node, by, number)
        return Resumable(
            done.id, done.account, done.file_name, done.bytes, done.created, done.bytes
        )
    upload, account, file_name, size, expires = row
    part = _part(node, upload)
    offset = part.stat().st_size if part.exists() else 0
    return Resumable(upload, account, file_name, size, expires, offset)


def append(
    node: "Node", by: Actor, number: str, offset: int, piece: Path, at: datetime
) -> Resumable:
    """Take the next piece; with the last one the file is kept as an upload.

    Raises:
        RequestError: UPLOAD_UNKNOWN, TOO_LARGE.
        ConflictError: UPLOAD_OFFSET: the piece does not follow what is there.
    """
    with node.database.exclusive(f"upload-{find(node, by, number).id}"):
        found = find(node, by, number)
        size = piece.stat().st_size
        if offset != found.offset or (found.whole and size):
            raise ConflictError(
                Reason.UPLOAD_OFFSET, offset=found.offset, offset_given=offset
            )
        if offset + size > found.bytes:
            raise RequestError(
                Reason.TOO_LARGE, size_bytes=offset + size, size_bytes_max=found.bytes
            )
        part = _part(node, found.id)
        with part.open("ab") as target, piece.open("rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        found = find(node, by, number)
        if found.whole:
            _keep(node, by, found, part, at)
    lock = node.database.path.with_name(f".upload-{found.id}.lock")
    if found.whole:
        lock.unlink(missing_ok=True)
    return found


def _keep(node: "Node", by: Actor, found: Resumable, part: Path, at: datetime) -> None:
    """Keep a whole file as an upload; a kill before the last step is repeated."""
    connection = node.database.connect()
    known = connection.execute("SELECT 1 FROM upload WHERE id=?", (found.id,))
    if known.fetchone() is None:
        uploads.keep(node, by, part, found.file_name, at, found.id)
    connection.execute("DELETE FROM resumable WHERE id=?", (found.id,))
    part.unlink()


def give_up(node: "Node", by: Actor, number: str) -> None:
    """Forget a file that did not arrive.

    Raises:
        RequestError: UPLOAD_UNKNOWN.
    """
    found = find(node, by, number)
    node.database.connect().execute("DELETE FROM resumable WHERE id=?", (found.id,))
    _part(node, found.id).unlink(missing_ok=True)


def forget_old(node: "Node", connection: sqlite3.Connection, at: datetime) -> int:
    """Remove what nobody went on with for two days; the caller commits.

    Returns:
        How many files.
    """
    rows = connection.execute(
        "SELECT id FROM resumable WHERE expires<?", (stamp(at),)
    ).fetchall()
    for (number,) in rows:
        connection.execute("DELETE FROM resumable WHERE id=?", (number,))
        _part(node, number).unlink(missing_ok=True)
        node.database.path.with_name(f".upload-{number}.lock").unlink(missing_ok=True)
    return len(rows)


def _part(node: "Node", number: str) -> Path:
    return node.config.data / FOLDER / f"{number}.part"
