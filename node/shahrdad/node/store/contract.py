"""What every object store promises (storage 2.1 and 2.2).

One conformance suite, `tests/node/store_suite.py`, holds each implementation to it.

>>> from io import BytesIO
>>> from pathlib import Path
>>> from tempfile import mkdtemp
>>> from shahrdad.node.store.local import LocalStore
>>> store = LocalStore(Path(mkdtemp()))
>>> digest = put_bytes(store, Area.OBJECT, b"Kerman")
>>> store.stat(Area.OBJECT, digest).size
6
>>> read_bytes(store, Area.OBJECT, digest, size_max=10)
b'Kerman'
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node.store.limits import CHUNK_BYTES


class Area(StrEnum):
    """A part of the store with one rule for who may read it."""

    OBJECT = (
        "object"  # public: Parquet parts, reports, originals that a family lets out
    )
    PRIVATE = "private"  # never public: uploads, drafts' parts, marked workbooks
    QUARANTINE = "quarantine"  # never public: bytes that failed, named by what they are
    DERIVED = "derived"  # served by the node only; may be dropped and made again


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a store knows of an object without reading it.

    Attributes:
        size: Bytes.
        modified: When it was written, by the store's clock, in UTC.
    """

    size: int
    modified: datetime


class ObjectStore(Protocol):
    """Immutable objects, named by the SHA-256 of their bytes, and the mirror's files.

    Durable: when `put` or `write_named` returns, the bytes survive a kill of the
        process; in a local directory also a power cut.
    Visible: at once for a key just written; `list` may lag, and decides nothing.
    Repeatable: `put`, `delete` and `write_named` may be repeated after any error.
        Putting what is there already succeeds and uploads nothing.
    Verified: `put` hashes what it is given. `open` without a range yields bytes that
        match the name, or raises before the last of them; with a length or an offset
        nothing is compared, even when the range is the whole.
    Concurrent: every method may be called from several threads.
    Errors: `RequestError` OBJECT_UNKNOWN, RANGE_INVALID; `DataError` DIGEST_MISMATCH,
        SIZE_MISMATCH; `UnavailableError` for the store itself, whose retries are its
        own matter.
    """

    def put(self, area: Area, digest: Digest, source: BinaryIO, size: int) -> None:
        """Store the bytes of `source`, which must have this digest and this size.

        Raises:
            DataError: The bytes are others; nothing is left under the name.
        """
        ...

    def open(
        self, area: Area, digest: Digest, offset: int = 0, length: int | None = None
    ) -> BinaryIO:
        """Open an object, or exactly a range of it, to be read forward and closed.

        Raises:
            RequestError: OBJECT_UNKNOWN; RANGE_INVALID when the range is not within it.
        """
        ...

    def stat(self, area: Area, digest: Digest) -> ObjectStat | None:
        """Return size and time of an object, or None when it is not held."""
        ...

    def list(self, area: Area, prefix: str = "") -> Iterator[tuple[Digest, ObjectStat]]:
        """Yield the objects whose name begins with these digits, in its order."""
        ...

    def delete(self, area: Area, digest: Digest) -> None:
        """Delete an object; one that is absent is deleted already."""
        ...

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Write a file of the static mirror (federation 4.7) whole, replacing it."""
        ...

    def delete_named(self, path: MirrorPath) -> None:
        """Delete a file of the static mirror, after a redaction; absent is success."""
        ...

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file of the static mirror, or None.

        Raises:
            RequestError: TOO_LARGE: it has more than `limit` bytes.
        """
        ...

    def public_url(self, digest: Digest, ttl: timedelta) -> str | None:
        """Return an address for a public object that needs no node, or None.

        Such an address is never stored, logged, cached, or put into a record.
        """
        ...

    def claim(self, origin: str) -> None:
        """Mark the place as this log's own, or make sure that it is.

        Two nodes in one place would each collect the other's objects.

        Raises:
            RequestError: STORE_FOREIGN: it belongs to another log.
        """
        ...


def put_bytes(store: ObjectStore, area: Area, data: bytes) -> Digest:
    """Store bytes under their digest, and return it."""
    digest = Digest.of(data)
    store.put(area, digest, BytesIO(data), len(data))
    return digest


def put_file(store: ObjectStore, area: Area, path: Path) -> Digest:
    """Store a file under its digest, and return it; the file is read twice."""
    sha256 = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            sha256.update(chunk)
            size += len(chunk)
        file.seek(0)
        digest = Digest(sha256.digest())
        store.put(area, digest, file, size)
    return digest


def read_bytes(store: ObjectStore, area: Area, digest: Digest, size_max: int) -> bytes:
    """Return a whole object, verified.

    Raises:
        RequestError: OBJECT_UNKNOWN, or TOO_LARGE above `size_max` bytes.
        UnavailableError: OBJECT_DAMAGED: the bytes do not match the name.
    """
    pieces: list[bytes] = []
    size = 0
    with store.open(area, digest) as file:
        # In pieces: one read of the bound would reserve that much memory beforehand.
        while piece := file.read(CHUNK_BYTES):
            size += len(piece)
            if size > size_max:
                raise RequestError(
                    Reason.TOO_LARGE, size_bytes=size, size_bytes_max=size_max
                )
            pieces.append(piece)
    return b"".join(pieces)


def copy(store: ObjectStore, digest: Digest, source: Area, target: Area) -> None:
    """Copy an object from one area to another, verified on the way.

    This is how a draft's parts become public at approval (storage 2.1).
    """
    known = store.stat(source, digest)
    if known is None:
        raise RequestError(Reason.OBJECT_UNKNOWN, digest=digest.hex, area=source.value)
    with store.open(source, digest) as file:
        store.put(target, digest, file, known.size)
