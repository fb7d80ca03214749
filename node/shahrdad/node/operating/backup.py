"""Backup of what no mirror holds, and the way back.

    node.db         VACUUM INTO: accounts, drafts, audit, and the logs with them
    shahrdad.toml   the configuration
    private/        the files handed in, each under its SHA-256
    manifest.json   the SHA-256 of each of these, and the head of the log

Never in it: the keys, which belong into a safe, and `signer.db`:
a restored guard could let the node sign a second history. A restored node has none, so
it refuses to sign until it was compared with its peers and its operator confirmed.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import ConflictError, PeerError, Reason
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.accounts.moments import present, stamp
from shahrdad.node.config import FILE_NAME
from shahrdad.node.store.collection import note_rebuilt
from shahrdad.node.store.contract import Area, put_file

if TYPE_CHECKING:
    from shahrdad.node.city import Node

FORMAT = "shahrdad-backup/1"
MANIFEST = "manifest.json"
DATABASE = "node.db"
PRIVATE = "private"
NEVER = ("signing.key", "witness.key", "accounts.key", "signer.db")
_CHUNK_BYTES = 1 << 20
_FORGET = ("session", "login_try", "idempotency")  # nobody stays signed in by a restore


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds."""

    folder: Path
    time: str
    origin: str
    size: int  # entries of the city's log that were signed then
    files: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest."""
        return {
            "format": FORMAT,
            "time": self.time,
            "origin": self.origin,
            "size": self.size,
            "files": dict(self.files),
        }


def make(node: "Node", target: Path) -> Backup:
    """Write a backup into a new folder; a kill leaves a folder ending in `.part`.

    Raises:
        ConflictError: PATH_EXISTS.
    """
    if target.exists():
        raise ConflictError(Reason.PATH_EXISTS, path=str(target))
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / PRIVATE).mkdir(mode=0o700, parents=True)
    part.chmod(0o700)
    node.database.connect().execute("VACUUM INTO ?", (str(part / DATABASE),))
    for digest, _ in node.store.list(Area.PRIVATE):
        with (
            node.store.open(Area.PRIVATE, digest) as source,
            (part / PRIVATE / digest.hex).open("wb") as file,
        ):
            shutil.copyfileobj(source, file, _CHUNK_BYTES)
    configuration = node.config.folder / FILE_NAME
    if configuration.is_file():
        shutil.copyfile(configuration, part / FILE_NAME)
    own = node.own_log()
    files = {
        str(path.relative_to(part)): _sha256(path)
        for path in sorted(part.rglob("*"))
        if path.is_file()
    }
    origin = node.config.federation.origin
    size = own.head_size if own else 0
    backup = Backup(target, stamp(present()), origin, size, files)
    (part / MANIFEST).write_text(json.dumps(backup.to_dict(), indent=1) + "\n", "utf-8")
    for path in part.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            _sync(path)
    part.rename(target)
    _sync(target.parent)
    return backup


def check(folder: Path) -> Backup:
    """Compare a backup with its manifest, and look into its database.

    Raises:
        PeerError: BACKUP_DAMAGED.
    """
    try:
        tree = json.loads((folder / MANIFEST).read_text("utf-8"))
        backup = Backup(
            folder, tree["time"], tree["origin"], tree["size"], dict(tree["files"])
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(MANIFEST, type(error).__name__) from error
    for name, digest in backup.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise _damaged(name, "absent")
        if _sha256(path) != digest:
            raise _damaged(name, "SHA-256")
    if DATABASE not in backup.files:
        raise _damaged(DATABASE, "absent")
    connection = sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise _damaged(DATABASE, str(error)) from error
    finally:
        connection.close()
    if verdict != "ok":
        raise _damaged(DATABASE, str(verdict))
    return backup


def restore(folder: Path, target: Path) -> "Node":
    """Make a node in a new folder from a backup; it may not sign yet.

    Args:
        folder: The backup; it is checked first.
        target: Where the node will live: its configuration, and its data below it.

    Returns:
        The node, open. Put the keys from the safe beside its database, then confirm.

    Raises:
        PeerError: BACKUP_DAMAGED.
        ConflictError: PATH_EXISTS, DATABASE_NEWER.
    """
    from shahrdad.node.city import Node
    from shahrdad.node.config import load

    backup = check(folder)
    if target.exists():
        raise ConflictError(Reason.PATH_EXISTS, path=str(target))
    target.mkdir(mode=0o700, parents=True)
    shutil.copyfile(folder / FILE_NAME, target / FILE_NAME)
    config = load(target)
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(folder / DATABASE, config.data / DATABASE)
    (config.data / DATABASE).chmod(0o600)
    node = Node(config)
    for name in backup.files:
        if name.startswith(f"{PRIVATE}/"):
            digest = put_file(node.store, Area.PRIVATE, folder / name)
            if digest != Digest.parse(name.removeprefix(f"{PRIVATE}/")):
                raise _damaged(name, "SHA-256")
    with node.database.transaction() as connection:
        for table in _FORGET:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
        note_rebuilt(connection, present())
    node.logs.renew_epoch()
    return node


def confirm(node: "Node") -> int:
    """Let a restored node sign again, after a comparison with its peers.

    Returns:
        The size of the log.

    Raises:
        UnavailableError: SIGNING_WAITS: too few peers answered, or one of them holds
            entries that this node has lost.
        RequestError: KEY_NOT_FOUND.
    """
    with node.database.exclusive("publish"):
        node.start_signing(confirmed=True)
    own = node.own_log()
    return own.size if own else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _damaged(file: str, cause: str) -> PeerError:
    return PeerError(Reason.BACKUP_DAMAGED, file=file, cause=cause)
