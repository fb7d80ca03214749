"""Files on their way into a draft: kept privately, and only for who sent them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import stamp
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.desk.drafting import original_file
from shahrdad.node.http.identity import ulid
from shahrdad.node.store.contract import Area, put_file
from shahrdad.node.store.naming import Naming

if TYPE_CHECKING:
    from shahrdad.node.city import Node


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent."""

    id: str
    account: int
    file_name: str
    digest: Digest
    bytes: int
    created: str

    def to_dict(self) -> dict[str, Any]:
        """Return the members that the API shows."""
        return {
            "id": self.id,
            "file_name": self.file_name,
            "sha256": self.digest.hex,
            "bytes": self.bytes,
            "created": self.created,
        }


def keep(
    node: "Node",
    by: Actor,
    file: Path,
    name: str,
    at: datetime,
    number: str | None = None,
) -> Upload:
    """Store a file in the private area, under a new number or a given one."""
    number, size = number or ulid(), file.stat().st_size
    named = Naming(node.store, node.database.connect, "draft", number)
    digest = put_file(named, Area.PRIVATE, file)
    with node.database.transaction() as connection:
        connection.execute(
            "INSERT INTO upload VALUES (?, ?, ?, ?, ?, ?)",
            (number, by.account, name, digest.raw, size, stamp(at)),
        )
        audit.append(
            connection, by, Action.UPLOAD.value, number, at=at, after=digest.hex
        )
    return find(node, by, number)


def find(node: "Node", by: Actor, number: str) -> Upload:
    """Return a file that this account sent.

    Raises:
        RequestError: UPLOAD_UNKNOWN: also for what somebody else sent.
    """
    row = (
        node.database.connect()
        .execute(
            "SELECT id, account, file_name, sha256, bytes, created FROM upload"
            " WHERE id=? AND account=?",
            (number.upper(), by.account),
        )
        .fetchone()
    )
    if row is None:
        raise RequestError(Reason.UPLOAD_UNKNOWN, upload=number[:40])
    return Upload(row[0], row[1], row[2], Digest(row[3]), row[4], row[5])


@contextmanager
def opened(node: "Node", by: Actor, number: str) -> Iterator[Path]:
    """Give a file that this account sent, under its own name.

    Raises:
        RequestError: UPLOAD_UNKNOWN.
    """
    found = find(node, by, number)
    with original_file(node, found.digest, found.file_name) as file:
        yield file
