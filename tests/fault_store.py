"""A store that fails on command, around a real one (storage 11.1).

Every method can fail before it acts, act and report a failure all the same, be slow,
or, when it reads, end too early. A plan says which call of which method does what.
"""

import io
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum, auto
from typing import BinaryIO

from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node.store.contract import Area, ObjectStat, ObjectStore
from shahrdad.node.store.stream import open_stream

SLOW_SECONDS = 0.05


class Fault(Enum):
    """What goes wrong in one call."""

    FAILS = auto()  # nothing was done
    DONE_BUT_FAILS = auto()  # it was done, and an error is reported
    SLOW = auto()
    TRUNCATES = auto()  # a reading ends early


class FaultStore:
    """An `ObjectStore` that breaks where the plan says.

    Args:
        store: What is behind it.
        plan: (method, number of its call from 0) → what goes wrong there.
    """

    def __init__(
        self, store: ObjectStore, plan: dict[tuple[str, int], Fault] | None = None
    ) -> None:
        self.store = store
        self.plan = plan or {}
        self.calls: Counter[str] = Counter()

    def put(self, area: Area, digest: Digest, source: BinaryIO, size: int) -> None:
        """Store, or fail."""
        fault = self._before("put")
        self.store.put(area, digest, source, size)
        self._after("put", fault)

    def open(
        self, area: Area, digest: Digest, offset: int = 0, length: int | None = None
    ) -> BinaryIO:
        """Open, or fail; a truncated reading raises before its end."""
        fault = self._before("open")
        file = self.store.open(area, digest, offset, length)
        if fault is Fault.TRUNCATES:
            with file:
                data = file.read()
            half = io.BytesIO(data[: len(data) // 2])
            return open_stream(half.read, len(data), half.close, None)
        self._after("open", fault, file)
        return file

    def stat(self, area: Area, digest: Digest) -> ObjectStat | None:
        """Look, or fail."""
        fault = self._before("stat")
        stat = self.store.stat(area, digest)
        self._after("stat", fault)
        return stat

    def list(self, area: Area, prefix: str = "") -> Iterator[tuple[Digest, ObjectStat]]:
        """List, or fail; a truncated listing fails in its middle."""
        fault = self._before("list")
        entries = list(self.store.list(area, prefix))
        if fault is Fault.TRUNCATES:
            yield from entries[: len(entries) // 2]
            raise failure("list")
        self._after("list", fault)
        yield from entries

    def delete(self, area: Area, digest: Digest) -> None:
        """Delete, or fail."""
        fault = self._before("delete")
        self.store.delete(area, digest)
        self._after("delete", fault)

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Write, or fail."""
        fault = self._before("write_named")
        self.store.write_named(path, content)
        self._after("write_named", fault)

    def delete_named(self, path: MirrorPath) -> None:
        """Pass the call on, or fail."""
        fault = self._before("delete_named")
        self.store.delete_named(path)
        self._after("delete_named", fault)

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Read, or fail."""
        fault = self._before("read_named")
        content = self.store.read_named(path, limit)
        self._after("read_named", fault)
        return content

    def public_url(self, digest: Digest, ttl: timedelta) -> str | None:
        """Return the address; this needs no store."""
        return self.store.public_url(digest, ttl)

    def claim(self, origin: str) -> None:
        """Claim the place, or fail."""
        fault = self._before("claim")
        self.store.claim(origin)
        self._after("claim", fault)

    def _before(self, method: str) -> Fault | None:
        fault = self.plan.get((method, self.calls[method]))
        self.calls[method] += 1
        if fault is Fault.FAILS:
            raise failure(method)
        if fault is Fault.SLOW:
            time.sleep(SLOW_SECONDS)
        return fault

    def _after(
        self, method: str, fault: Fault | None, file: BinaryIO | None = None
    ) -> None:
        if fault in (Fault.DONE_BUT_FAILS, Fault.TRUNCATES):
            if file is not None:
                file.close()
            raise failure(method)


def failure(method: str) -> UnavailableError:
    """Return the error of a store that does not answer."""
    return UnavailableError(Reason.STORE_UNREACHABLE, act=method, detail="planned")
