"""A store with one log, and the entries and heads that its tests put into it."""

from collections.abc import Sequence
from pathlib import Path

from log_world import ORIGIN, Connections, make_signer
from shahrdad.federation.log.store import Appended, LogStore
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import Kind, join

OTHER = "rasht.example.ir/catalog"
TIME = "2026-11-22T09:00:00Z"
LOG = make_signer(ORIGIN)


def store_in(folder: Path) -> LogStore:
    """Return a new store with one log, which is empty."""
    made = LogStore(Connections(folder / "node.db").connect)
    made.ensure_log(ORIGIN)
    return made


def put(key: str, body: bytes) -> bytes:
    """Return a put of a body; its `prev` does not matter here."""
    return entries.put(
        key, prev=None, digest=Digest.of(body), size=len(body), time=TIME
    )


def delete(key: str) -> bytes:
    """Return a delete."""
    return entries.delete(key, prev=None, time=TIME, reason="error")


def redact(body: bytes) -> bytes:
    """Return a redact of a body."""
    return entries.redact(Digest.of(body), time=TIME, reason="privacy")


def append(
    store: LogStore, *raws: bytes, bodies: Sequence[bytes] = (), origin: str = ORIGIN
) -> Appended:
    """Append entries, with bodies."""
    growth = grow(store.frontier(origin), raws, origin)
    return store.append(growth, {Digest.of(body): body for body in bodies})


def head(store: LogStore, *cosigned: tuple[str, int], size: int | None = None) -> bytes:
    """Return a signed head of the log, with cosignatures."""
    size = store.log(ORIGIN).size if size is None else size
    text = Checkpoint(ORIGIN, size, store.root_at(ORIGIN, size)).text()
    lines = [
        make_signer(f"{city}.example.ir/witness", Kind.WITNESS).sign(text, seconds=at)
        for city, at in cosigned
    ]
    return join(text, [LOG.sign(text), *lines])
