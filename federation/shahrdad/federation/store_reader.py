"""What a node answers from its log store, to its server and to readers in-process.

One set of answers, whoever asks: the gRPC service carries them, and a `LogReader`
within the same process (tests, a bundle's writer) gets them without a network.

>>> from shahrdad.federation.store_reader import parse_cursor
>>> parse_cursor("3f2a:17", epoch="3f2a", last_seq=20)
17
"""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.limits import (
    BODIES_DIGESTS_MAX,
    BODY_BYTES_MAX,
    CHUNK_BYTES_MAX,
    CHUNK_ENTRIES_MAX,
    ENTRY_BYTES_MAX,
    HEADS_BYTES_MAX,
    HEADS_DEFAULT,
    HEADS_MAX,
    HEADS_ORIGINS_MAX,
    MESSAGE_BYTES_MAX,
)
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.log.schema import BodyState, LogState
from shahrdad.federation.reader import (
    Body,
    BodyAbsence,
    BodyMode,
    ConsistencyProof,
    Head,
    HeadsPage,
    LogChunk,
    LogStart,
    NodeFacts,
)
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import applied
from shahrdad.federation.verify.tree import ReadHash, consistency_proof, root_at

CURSOR = re.compile(r"([0-9a-f]{1,64}):(0|[1-9][0-9]{0,17})")
HEAD_BYTES = 64  # of a head in a message, besides its texts
_NO_BODY = (-1, b"", b"")  # no entry has this index
ABSENCES = {
    BodyState.MISSING: BodyAbsence.UNKNOWN,
    BodyState.REDACTED: BodyAbsence.REDACTED,
    BodyState.PRUNED: BodyAbsence.PRUNED,
}


def parse_cursor(cursor: str, *, epoch: str, last_seq: int) -> int:
    """Return the `seq` that a cursor of this database stands for.

    Raises:
        RequestError: CURSOR_EXPIRED: it is of another database, or ahead of this one
            (which was restored from a backup).
    """
    if not cursor:
        return 0
    match = CURSOR.fullmatch(cursor)
    if match is None or match[1] != epoch or int(match[2]) > last_seq:
        raise RequestError(Reason.CURSOR_EXPIRED, cursor=cursor[:80])
    return int(match[2])


class StoreReader:
    """Answers from a log store; a `LogReader`, also for several threads.

    Args:
        store: The node's logs.
        facts: Who the node says it is; limits are filled in.
        name: The peer's name, for a reader in the same process.
    """

    def __init__(
        self, store: LogReading, facts: NodeFacts | None = None, name: str = "self"
    ) -> None:
        self.store = store
        self._name = name
        self._facts = replace(
            facts or NodeFacts(),
            entry_bytes_max=ENTRY_BYTES_MAX,
            body_bytes_max=BODY_BYTES_MAX,
            message_bytes_max=MESSAGE_BYTES_MAX,
            chunk_entries_max=CHUNK_ENTRIES_MAX,
        )

    @property
    def name(self) -> str:
        """The name in a ledger."""
        return self._name

    def node(self) -> NodeFacts:
        """Return who this node says it is."""
        return self._facts

    def list_heads(
        self,
        cursor: str = "",
        wait_seconds: int = 0,
        origins: Sequence[str] = (),
        *,
        page_size: int = 0,
    ) -> HeadsPage:
        """Return heads that changed since a cursor; waiting is the caller's matter.

        Raises:
            RequestError: CURSOR_EXPIRED; MALFORMED: too many origins.
        """
        if len(origins) > HEADS_ORIGINS_MAX:
            detail = f"{len(origins)}, at most {HEADS_ORIGINS_MAX}"
            raise RequestError(Reason.MALFORMED, field="origins", detail=detail)
        if page_size < 0:
            raise RequestError(Reason.MALFORMED, field="page_size", detail="negative")
        limit = min(page_size or HEADS_DEFAULT, HEADS_MAX)
        epoch = self.store.epoch()
        seq = parse_cursor(cursor, epoch=epoch, last_seq=self.store.last_seq())
        heads: list[Head] = []
        bytes_left = HEADS_BYTES_MAX
        more = False
        for log in self.store.heads_after(seq, limit + 1, origins):
            head = head_of(log)
            size = HEAD_BYTES + len(head.origin)
            size += len(head.checkpoint) + len(head.evidence)
            if len(heads) == limit or (heads and size > bytes_left):
                more = True
                break
            heads.append(head)
            bytes_left -= size
            seq = log.seq
        return HeadsPage(tuple(heads), f"{epoch}:{seq}", more)

    def read_log(
        self,
        origin: str,
        from_size: int,
        body_mode: BodyMode = BodyMode.LIVE,
        *,
        chunk_bytes: int = 0,
    ) -> Iterator[LogStart | LogChunk]:
        """Yield one start, then the chunks up to the complete head.

        Raises:
            RequestError: ORIGIN_UNKNOWN, SIZE_AHEAD.
        """
        log = self.store.log(origin)
        if log.checkpoint is None:
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin)
        size = log.head_size
        if from_size > size:
            raise RequestError(
                Reason.SIZE_AHEAD, origin=origin, size=from_size, size_max=size
            )
        read = self.store.hashes(origin)
        from_root = root_at(from_size, read) if from_size else b""
        proof = _proof(from_size, size, read)
        yield LogStart(head_of(log), from_size, from_root, proof)
        if log.size != size and body_mode is BodyMode.LIVE:
            # `live` is ahead of this head: what it dropped may be live at the head.
            body_mode = BodyMode.ALL
        if not 0 < chunk_bytes <= CHUNK_BYTES_MAX:
            chunk_bytes = CHUNK_BYTES_MAX
        index = from_size
        while index < size:
            end = min(size, (index // CHUNK_ENTRIES_MAX + 1) * CHUNK_ENTRIES_MAX)
            raws = self.store.entries(origin, index, end)
            while raws:
                # Closed here: the next part may be made in another thread, which has a
                # connection of its own.
                with closing(self._bodies(origin, index, raws, body_mode)) as bodies:
                    chunk = _chunk(index, raws, bodies, chunk_bytes)
                index += len(chunk.entries)
                raws = raws[len(chunk.entries) :]
                yield replace(chunk, proof=_proof(index, size, read))

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Yield one body, present or absent, for each digest, in that order.

        Raises:
            RequestError: MALFORMED: none, or too many.
        """
        if not 1 <= len(digests) <= BODIES_DIGESTS_MAX:
            detail = f"{len(digests)}, not 1 to {BODIES_DIGESTS_MAX}"
            raise RequestError(Reason.MALFORMED, field="sha256", detail=detail)
        for digest in digests:
            content = self.store.body(digest)
            if content is not None:
                yield Body(digest.raw, content)
                continue
            state = self.store.body_state(digest)
            # It can have come between the two questions; a moment ago it was unknown.
            yield Body(digest.raw, absence=ABSENCES.get(state, BodyAbsence.UNKNOWN))

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Return the proof between two sizes, 1 ≤ from ≤ to ≤ head.

        Raises:
            RequestError: ORIGIN_UNKNOWN, SIZE_AHEAD, MALFORMED.
        """
        log = self.store.log(origin)
        if to_size > log.head_size:
            raise RequestError(
                Reason.SIZE_AHEAD, origin=origin, size=to_size, size_max=log.head_size
            )
        if not 1 <= from_size <= to_size:
            detail = f"{from_size}, not 1 to {to_size}"
            raise RequestError(Reason.MALFORMED, field="from_size", detail=detail)
        read = self.store.hashes(origin)
        return ConsistencyProof(
            root_at(from_size, read),
            root_at(to_size, read),
            _proof(from_size, to_size, read),
        )

    def receipt(self, origin: str, subject: int | str) -> bytes:
        """Return the receipt of an entry by index, or of the newest one of a key.

        Raises:
            RequestError: ORIGIN_UNKNOWN, ENTRY_UNKNOWN.
        """
        if isinstance(subject, int):
            return self.store.receipt(origin, subject)
        index = self.store.newest_index(origin, subject)
        if index is None:
            raise RequestError(
                Reason.ENTRY_UNKNOWN, origin=origin, subject=subject[:255]
            )
        return self.store.receipt(origin, index)

    def close(self) -> None:
        """Do nothing: the store is not this reader's."""

    def _bodies(
        self, origin: str, start: int, raws: Sequence[bytes], mode: BodyMode
    ) -> Generator[tuple[int, bytes, bytes], None, None]:
        """Yield index, digest and content of the bodies that go with some entries."""
        if mode is BodyMode.LIVE:
            yield from self.store.live_bodies(origin, start, start + len(raws))
        elif mode is BodyMode.ALL:
            for entry in applied(raws, start, origin):
                if entry.op == "put" and entry.sha256 is not None:
                    content = self.store.body(entry.sha256)
                    if content is not None:
                        yield entry.index, entry.sha256.raw, content


def _chunk(
    start: int,
    raws: Sequence[bytes],
    held: Iterator[tuple[int, bytes, bytes]],
    chunk_bytes: int,
) -> LogChunk:
    """Return the longest chunk within the bound; of `held` no more is read."""
    bodies: dict[bytes, Body] = {}
    bytes_left = chunk_bytes
    count = 0
    index, sha256, content = next(held, _NO_BODY)
    for count, raw in enumerate(raws):
        size = len(raw)
        wanted = index == start + count
        if wanted and sha256 not in bodies:
            size += len(content)
        if count and size > bytes_left:
            break
        if wanted:
            bodies.setdefault(sha256, Body(sha256, content))
            index, sha256, content = next(held, _NO_BODY)
        bytes_left -= size
    else:
        count = len(raws)
    return LogChunk(start, tuple(raws[:count]), tuple(bodies.values()))


def head_of(log: LogState) -> Head:
    """Return the complete head of a log, as it is listed."""
    return Head(
        origin=log.origin,
        size=log.head_size,
        checkpoint=log.checkpoint or b"",
        verified_at=log.verified_at or "",
        missing_bodies=log.missing_bodies,
        evidence=log.evidence or b"",
    )


def _proof(old: int, new: int, read: ReadHash) -> tuple[bytes, ...]:
    """Return the consistency proof; empty from 0 and between equal sizes."""
    return () if old in {0, new} else tuple(consistency_proof(old, new, read))
