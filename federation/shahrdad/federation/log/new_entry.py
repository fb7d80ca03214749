"""What a publisher asks for, and the entries that follow from it.

A request that would change nothing becomes no entry: the same body again, or the delete
of a key that is not live. So whoever repeats a request after an error does no harm.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import DeleteReason, RedactReason


@dataclass(frozen=True, slots=True)
class PutEntry:
    """Make a body the newest version of a key."""

    key: str
    sha256: Digest


@dataclass(frozen=True, slots=True)
class DeleteEntry:
    """Withdraw a key; `by` is the key of its replacement."""

    key: str
    reason: DeleteReason
    by: str | None = None


@dataclass(frozen=True, slots=True)
class RedactEntry:
    """Remove a body from every mirror; follow it with a put or a delete."""

    sha256: Digest
    reason: RedactReason


NewEntry = PutEntry | DeleteEntry | RedactEntry


@dataclass(frozen=True, slots=True)
class Drafted:
    """Entries to append, and the index of each request: its entry's, or what it had."""

    raws: tuple[bytes, ...]
    indexes: tuple[int | None, ...]


def draft(
    store: LogReading,
    origin: str,
    new: Sequence[NewEntry],
    bodies: Mapping[Digest, bytes],
    at: str,
) -> Drafted:
    """Write the entries that change something, and tell the index of each.

    Args:
        store: Where the log is held; its next entry gets its size as index.
        origin: The log.
        new: In order.
        bodies: The bodies of the puts; one that is held may be left out.
        at: `YYYY-MM-DDThh:mm:ssZ`.

    Raises:
        RequestError: MALFORMED: a key, a body without content, or one too large.
    """
    size = store.log(origin).size
    raws: list[bytes] = []
    indexes: list[int | None] = []
    newest: dict[str, tuple[int | None, Digest | None]] = {}
    for one in new:
        if isinstance(one, RedactEntry):
            raws.append(entries.redact(one.sha256, time=at, reason=one.reason))
            indexes.append(size + len(raws) - 1)
            continue
        index, live = newest.get(one.key) or _newest(store, origin, one.key)
        wanted = one.sha256 if isinstance(one, PutEntry) else None
        if live == wanted:
            indexes.append(index if wanted is not None else None)
            continue
        raws.append(_write(store, one, index, at, bodies))
        newest[one.key] = (size + len(raws) - 1, wanted)
        indexes.append(size + len(raws) - 1)
    return Drafted(tuple(raws), tuple(indexes))


def ask_again(store: LogReading, text: str) -> NewEntry | None:
    """Return what an entry of the outbox asks for; its index is given anew.

    Returns:
        None for a put whose body is not held: it waits until the body is back.
    """
    fields = json.loads(text)
    if fields["op"] == "delete":
        return DeleteEntry(fields["key"], fields["reason"], fields.get("by"))
    digest = Digest.parse(fields["sha256"])
    if fields["op"] == "redact":
        return RedactEntry(digest, fields["reason"])
    return None if store.body(digest) is None else PutEntry(fields["key"], digest)


def format_time(seconds: int) -> str:
    """Return a Unix time as entries write it, `YYYY-MM-DDThh:mm:ssZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _newest(
    store: LogReading, origin: str, key: str
) -> tuple[int | None, Digest | None]:
    """Return the index of a key's newest entry, and its body while it is live."""
    live = store.live_entry(origin, key)
    if live is not None:
        return live.index, live.sha256
    return store.newest_index(origin, key), None


def _write(
    store: LogReading,
    one: PutEntry | DeleteEntry,
    prev: int | None,
    at: str,
    bodies: Mapping[Digest, bytes],
) -> bytes:
    """Serialise a put or a delete."""
    try:
        if isinstance(one, DeleteEntry):
            return entries.delete(
                one.key, prev=prev, time=at, reason=one.reason, by=one.by
            )
        body = bodies.get(one.sha256) or store.body(one.sha256) or b""
        return entries.put(
            one.key, prev=prev, digest=one.sha256, size=len(body), time=at
        )
    except ValueError as error:
        raise RequestError(
            Reason.MALFORMED, field="entry", detail=str(error)
        ) from error
