"""What `doctor` asks of a store at the start, one line a question (storage 3.2).

The lines are data; whoever shows them has the sentences.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import DataError, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStore, put_bytes
from shahrdad.node.store.limits import CLOCK_SECONDS_MAX
from shahrdad.node.store.local import LocalStore

if TYPE_CHECKING:
    from shahrdad.node.store.s3 import S3Store

PROBE_BYTES = 64


class State(StrEnum):
    """How a question was answered."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class ProbeLine:
    """One question and its answer.

    Attributes:
        name: What was asked: `bucket <name>`, `put`, `stat`, `range`, `list`, `delete`,
            `versioning`, `lifecycle <bucket>`, `private-closed`,
            `object-as-configured`, `clock`, `owner`, `hard-links`.
        state: How it was answered.
        detail: What was found, in words of the field.
    """

    name: str
    state: State
    detail: str


def probe(store: ObjectStore, origin: str | None, now: datetime) -> list[ProbeLine]:
    """Ask a store everything that a node relies on.

    Args:
        store: A local directory or S3.
        origin: The node's log, which then owns the place; None to leave that out.
        now: The present, in UTC.
    """
    owners = [] if origin is None else [origin]
    if isinstance(store, LocalStore):
        lines = [*exercise(store), *(owner(store, one) for one in owners)]
        return [*lines, hard_links(store.root)]
    # Only here: with a local store the S3 client is never imported.
    from shahrdad.node.store.s3 import S3Store

    if not isinstance(store, S3Store):
        return [*exercise(store), *(owner(store, one) for one in owners)]
    # The buckets first: SeaweedFS makes a missing one when something is put.
    lines = bucket_lines(store)
    if all(line.state is State.GOOD for line in lines):
        lines += exercise(store)
        lines += [owner(store, one) for one in owners]
        lines += s3_lines(store, now)
    return lines


def exercise(store: ObjectStore) -> Iterator[ProbeLine]:
    """Put, look at, read, list and delete a private object that nobody names."""
    data = secrets.token_bytes(PROBE_BYTES)
    digest = Digest.of(data)

    def put() -> str:
        put_bytes(store, Area.PRIVATE, data)
        return f"{PROBE_BYTES} bytes"

    def stat() -> str:
        found = store.stat(Area.PRIVATE, digest)
        if found is None or found.size != PROBE_BYTES:
            raise ValueError(f"found {found}")
        return f"{found.size} bytes"

    def read() -> str:
        with store.open(Area.PRIVATE, digest, 8, 16) as file:
            if file.read() != data[8:24]:
                raise ValueError("other bytes came")
        return "16 bytes from byte 8"

    def listing() -> str:
        if digest not in [found for found, _ in store.list(Area.PRIVATE, digest.hex)]:
            raise ValueError("not in the listing")
        return "found"

    def delete() -> str:
        store.delete(Area.PRIVATE, digest)
        if store.stat(Area.PRIVATE, digest) is not None:
            raise ValueError("still there")
        return "gone"

    steps: list[tuple[str, Callable[[], str]]] = [
        ("put", put),
        ("stat", stat),
        ("range", read),
        ("list", listing),
        ("delete", delete),
    ]
    for name, step in steps:
        yield asked(name, step)


def asked(name: str, step: Callable[[], str]) -> ProbeLine:
    """Return the line of a step: what it says, or why it failed."""
    try:
        return ProbeLine(name, State.GOOD, step())
    except (DataError, RequestError, UnavailableError, ValueError) as error:
        return ProbeLine(name, State.BAD, str(error))


def owner(store: ObjectStore, origin: str) -> ProbeLine:
    """Make sure that no other node keeps its objects here."""

    def claim() -> str:
        store.claim(origin)
        return origin

    return asked("owner", claim)


def hard_links(root: Path) -> ProbeLine:
    """Tell whether a file can get its name without replacing another."""
    first = root / f".tmp-{secrets.token_hex(8)}"
    second = root / f".tmp-{secrets.token_hex(8)}"
    try:
        first.write_bytes(b"")
        os.link(first, second)
    except OSError as error:
        return ProbeLine("hard-links", State.WARNING, type(error).__name__)
    finally:
        first.unlink(missing_ok=True)
        second.unlink(missing_ok=True)
    return ProbeLine("hard-links", State.GOOD, "")


def bucket_lines(store: "S3Store") -> list[ProbeLine]:
    """Tell whether the buckets exist."""
    return [
        asked(f"bucket {bucket}", partial(exists, store, bucket))
        for bucket in buckets_of(store)
    ]


def buckets_of(store: "S3Store") -> list[str]:
    """Return the one bucket of a store, or its two."""
    return sorted({store.bucket(Area.OBJECT), store.bucket(Area.PRIVATE)})


def exists(store: "S3Store", bucket: str) -> str:
    """Raise unless the bucket exists."""
    if not store.bucket_exists(bucket):
        raise ValueError("no such bucket")
    return "exists"


def s3_lines(store: "S3Store", now: datetime) -> list[ProbeLine]:
    """Ask what only a bucket can have wrong."""
    return [
        asked("versioning", partial(unversioned, store)),
        *(lifecycle(store, bucket) for bucket in buckets_of(store)),
        asked("private-closed", partial(closed, store)),
        anonymous_object(store),
        clock(store, now),
    ]


def unversioned(store: "S3Store") -> str:
    """Raise when old versions are kept: a redacted object would stay readable."""
    status = store.versioning(store.bucket(Area.OBJECT))
    if status == "Enabled":
        raise ValueError("versioning is on: a redaction would leave the old bytes")
    return "off"


def lifecycle(store: "S3Store", bucket: str) -> ProbeLine:
    """Tell whether the server deletes or moves away by itself what we keep."""
    name = f"lifecycle {bucket}"
    try:
        found = store.harmful_rules(bucket)
    except (UnavailableError, ValueError) as error:
        # Reading the rules is another right than reading objects, and not all have it.
        return ProbeLine(name, State.WARNING, str(error))
    if found:
        return ProbeLine(name, State.BAD, "; ".join(found))
    return ProbeLine(name, State.GOOD, "no rule touches objects")


def closed(store: "S3Store") -> str:
    """Raise when a reader without keys gets a private object."""
    digest = put_bytes(store, Area.PRIVATE, b"closed to readers without keys")
    status = store.anonymous_status(Area.PRIVATE, digest)
    store.delete(Area.PRIVATE, digest)
    if status < 400:
        raise ValueError(f"anybody can read private objects: HTTP {status}")
    return f"HTTP {status}"


def anonymous_object(store: "S3Store") -> ProbeLine:
    """Tell whether a reader without keys gets a public object, as `serve` wants."""

    def ask() -> str:
        digest = put_bytes(store, Area.OBJECT, b"public if the bucket is")
        status = store.anonymous_status(Area.OBJECT, digest)
        store.delete(Area.OBJECT, digest)
        if store.place.serve == "public" and status != 200:
            raise ValueError(f'serve = "public", but HTTP {status}')
        return f"HTTP {status}"

    return asked("object-as-configured", ask)


def clock(store: "S3Store", now: datetime) -> ProbeLine:
    """Compare the clocks: S3 refuses requests that are 15 minutes off."""
    try:
        ahead = store.clock_ahead(now)
    except UnavailableError as error:
        return ProbeLine("clock", State.BAD, str(error))
    if ahead is None:
        return ProbeLine("clock", State.WARNING, "the server says no Date")
    state = State.GOOD if abs(ahead) < CLOCK_SECONDS_MAX else State.BAD
    return ProbeLine("clock", state, f"{ahead:.0f} s ahead")
