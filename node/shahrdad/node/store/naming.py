"""A store that names every object before it is looked for or written (storage 3.7).

An object that lies there already, unnamed, may be noted for collection. Whoever only
found it and wrote nothing would lose it; so the name comes first and is committed, and
collection, which looks again under the database's lock, leaves the object alone.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import BinaryIO

from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node.store.collection import Connect, refer
from shahrdad.node.store.contract import Area, ObjectStat, ObjectStore


class Naming:
    """An `ObjectStore` whose every `put` is named first.

    Args:
        store: Where the objects go.
        connect: Returns this thread's connection to the node's database; no transaction
            is open on it, or the name would be committed too late.
        kind: `draft`, `job` or `original`; the names of a job end after a week.
        owner: What names the objects.
    """

    def __init__(
        self, store: ObjectStore, connect: Connect, kind: str, owner: str
    ) -> None:
        self._store, self._connect = store, connect
        self._kind, self._owner = kind, owner

    def put(self, area: Area, digest: Digest, source: BinaryIO, size: int) -> None:
        """Name the object, then store it."""
        refer(self._connect(), area, digest, self._kind, self._owner)
        self._store.put(area, digest, source, size)

    def open(
        self, area: Area, digest: Digest, offset: int = 0, length: int | None = None
    ) -> BinaryIO:
        """Open an object of the store."""
        return self._store.open(area, digest, offset, length)

    def stat(self, area: Area, digest: Digest) -> ObjectStat | None:
        """Look for an object in the store."""
        return self._store.stat(area, digest)

    def list(self, area: Area, prefix: str = "") -> Iterator[tuple[Digest, ObjectStat]]:
        """List the store's objects."""
        return self._store.list(area, prefix)

    def delete(self, area: Area, digest: Digest) -> None:
        """Delete an object; its name ends with its owner."""
        self._store.delete(area, digest)

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Write a file of the static mirror."""
        self._store.write_named(path, content)

    def delete_named(self, path: MirrorPath) -> None:
        """Delete a file of the static mirror."""
        self._store.delete_named(path)

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Read a file of the static mirror."""
        return self._store.read_named(path, limit)

    def public_url(self, digest: Digest, ttl: timedelta) -> str | None:
        """Return the store's address for an object."""
        return self._store.public_url(digest, ttl)

    def claim(self, origin: str) -> None:
        """Claim the store's place."""
        self._store.claim(origin)
