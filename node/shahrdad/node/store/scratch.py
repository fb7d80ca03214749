"""A store for trying something out: it reads another one, and writes beside it.

>>> from pathlib import Path
>>> from tempfile import mkdtemp
>>> from shahrdad.node.store.contract import put_bytes, read_bytes
>>> below = LocalStore(Path(mkdtemp()))
>>> known = put_bytes(below, Area.OBJECT, b"Kerman")
>>> scratch = ScratchStore(Path(mkdtemp()), below)
>>> tried = put_bytes(scratch, Area.OBJECT, b"Shiraz")
>>> [read_bytes(scratch, Area.OBJECT, one, 10) for one in (known, tried)]
[b'Kerman', b'Shiraz']
>>> below.stat(Area.OBJECT, tried)
"""

from pathlib import Path
from typing import BinaryIO

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStat, ObjectStore
from shahrdad.node.store.local import LocalStore


class ScratchStore(LocalStore):
    """A local store that finds what it lacks in another, and never writes there.

    Args:
        root: Its own directory, which its user removes.
        below: What it reads; an object that is there is not written again.
    """

    def __init__(self, root: Path, below: ObjectStore) -> None:
        super().__init__(root)
        self._below = below

    def open(
        self, area: Area, digest: Digest, offset: int = 0, length: int | None = None
    ) -> BinaryIO:
        """Open an object of either; see `ObjectStore.open`."""
        if super().stat(area, digest) is None:
            return self._below.open(area, digest, offset, length)
        return super().open(area, digest, offset, length)

    def stat(self, area: Area, digest: Digest) -> ObjectStat | None:
        """Look for an object in both; see `ObjectStore.stat`."""
        return super().stat(area, digest) or self._below.stat(area, digest)
