"""What a peer says of a log becomes ours, once it is verified (federation 7).

One verifier for every reader: gRPC, a static mirror, a bundle, a push. It keeps no
state of its own, and there is no staging area: verified chunks are stored some at a
time, in one transaction, so that a kill at any point resumes at a verified index, also
with another peer.

    ingest.offer(head, peer)        is this signed head of the history that we hold?
    ingest.pull(reader, origin)     entries and bodies up to the peer's head
    ingest.incoming(origin, peer)   the same, part by part, of a peer that pushes
    ingest.fetch_bodies(…)          live bodies that were missing
    ingest.take_evidence(head, …)   a proof by others that a log has two histories

A fault is a `PeerError` with `peer` and `origin` among its values, and of that peer
nothing more is read. A log with two histories is not the peer's fault: `ConflictError`
LOG_FORKED while it cannot be proven, EQUIVOCATION once it is, with the evidence kept.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from shahrdad.datasets.errors import ConflictError, PeerError, Reason, RequestError
from shahrdad.federation.forks import Forks
from shahrdad.federation.incoming import (
    BYTES_AT_ONCE,
    ENTRIES_AT_ONCE,
    Incoming,
    Pulled,
    blamed,
    blaming,
)
from shahrdad.federation.keyring import KeyRing, witness_verifier
from shahrdad.federation.limits import (
    BODIES_ASKED_MAX,
    BODIES_DIGESTS_MAX,
    GROWTH_BODY_BYTES_DAY_MAX,
    GROWTH_ENTRIES_DAY_MAX,
    LOG_BODY_BYTES_MAX,
    LOG_ENTRIES_MAX,
    WITHDRAWN_PERCENT_MAX,
)
from shahrdad.federation.log.store import LogState, LogStore, Status
from shahrdad.federation.reader import (
    Body,
    BodyAbsence,
    BodyMode,
    Head,
    LogReader,
)
from shahrdad.federation.stream import VerifiedChunk
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import note as notes
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import Growth, grow
from shahrdad.federation.verify.note import Opened, Verifier

BODIES_AT_ONCE = 128  # that were missing, in one transaction

OnEntries = Callable[[str, int, int], None]
OnDropped = Callable[[str, tuple[Digest, ...]], None]


@dataclass(frozen=True, slots=True)
class Offered:
    """A head with a valid signature of its log, and what is known of it.

    `ahead` says that it is larger than what is held.
    """

    checkpoint: Checkpoint
    opened: Opened
    ahead: bool


class Ingest:
    """Verifies what peers say and stores what holds; safe from several threads.

    Args:
        store: The node's logs.
        keys: Whose signatures count.
        clock: Unix time.
        body_mode: Origin → which bodies to ask for.
        withdrawn_percent_max: How much of its live records a log may withdraw in one
            stream; above it the log is paused until a person lets it go on.
        also_wanted: Origin → bodies to ask for although no live entry names them: the
            member log is replayed from its start.
        entries_at_once: How many verified entries are stored in one transaction.
        on_entries: Called after each commit with origin, first index and new size;
            both are the size when bodies came that were missing.
        on_dropped: Called with the digests whose content a redaction removed here.
        on_head: Called after a complete head, or its cosignatures, changed.
    """

    def __init__(
        self,
        store: LogStore,
        keys: KeyRing,
        *,
        clock: Callable[[], int] = lambda: int(time.time()),
        body_mode: Callable[[str], BodyMode] = lambda origin: BodyMode.LIVE,
        withdrawn_percent_max: Callable[[str], int] = lambda _: WITHDRAWN_PERCENT_MAX,
        also_wanted: Callable[[str], Sequence[Digest]] = lambda origin: (),
        entries_at_once: int = ENTRIES_AT_ONCE,
        on_entries: OnEntries = lambda origin, first, size: None,
        on_dropped: OnDropped = lambda origin, digests: None,
        on_head: Callable[[str], None] = lambda origin: None,
    ) -> None:
        self.store = store
        self.keys = keys
        self.clock = clock
        self.also_wanted = also_wanted
        self._body_mode = body_mode
        self.withdrawn_percent_max = withdrawn_percent_max
        self.entries_at_once = entries_at_once
        self.on_entries = on_entries
        self._on_dropped = on_dropped
        self._on_head = on_head
        self.forks = Forks(store, keys)
        self._heads = threading.Lock()  # notes are read, merged and written back

    def open(self, head: Head, peer: str) -> tuple[Checkpoint, Opened]:
        """Read a head that its log signed; only verified lines are left in it.

        Raises:
            RequestError: ORIGIN_UNKNOWN: no log that this node follows.
            PeerError: MALFORMED, TOO_LARGE, BAD_SIGNATURE.
        """
        verifiers = self.keys.verifiers(head.origin, head.size)
        if not verifiers and head.origin not in self.keys.origins():
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=head.origin[:128])
        try:
            known = [*verifiers, *map(witness_verifier, self.keys.witnesses())]
            checkpoint, opened = self._open(head.checkpoint, known)
            if (checkpoint.origin, checkpoint.size) != (head.origin, head.size):
                raise PeerError(
                    Reason.MALFORMED,
                    field="head",
                    detail=f"it says {head.origin[:128]} {head.size}, not the note",
                )
        except PeerError as error:
            raise blamed(error, peer, head.origin) from error
        return checkpoint, opened

    def offer(self, head: Head, peer: str) -> Offered:
        """Compare a peer's head with what is held; nothing is requested.

        Also heads of peers that are behind us are compared: that is free, and two
        histories meet here first.

        Raises:
            RequestError: ORIGIN_UNKNOWN.
            PeerError: MALFORMED, TOO_LARGE, BAD_SIGNATURE.
            ConflictError: LOG_FORKED, EQUIVOCATION.
        """
        known = self._known(head)
        if known is not None:
            return known
        checkpoint, opened = self.open(head, peer)
        log = self.store.ensure_log(head.origin)
        return self.offer_opened(log, checkpoint, opened)

    def pull(
        self,
        reader: LogReader,
        origin: str,
        *,
        recovering: bool = False,
        live_before: dict[str, bool] | None = None,
    ) -> Pulled:
        """Read a log from a peer up to its head.

        Args:
            reader: The peer.
            origin: The log; one that was offered before, or is followed.
            recovering: Whether our own log may be read: only after a restored backup.
            live_before: Filled with each key touched and whether it was live before,
                also when the stream fails.

        Raises:
            PeerError: the peer broke the protocol; verified chunks before stay.
            ConflictError: ORIGIN_CLOSED, LOG_FORKED, EQUIVOCATION.
            RequestError, UnavailableError: as the reader.
        """
        log = self._readable(origin, recovering)
        parts = reader.read_log(origin, log.size, self._body_mode(origin))

        def prove(old: int, new: int) -> tuple[bytes, bytes, tuple[bytes, ...]]:
            answer = reader.consistency_proof(origin, old, new)
            return answer.from_root, answer.to_root, answer.proof

        incoming = Incoming(self, log, reader.name, prove)
        if live_before is not None:
            incoming.pulled.live_before = live_before
        try:
            with blaming(reader.name, origin):
                for part in parts:
                    incoming.take(part)
                    if not incoming.wanted:
                        break
                return incoming.end()
        finally:
            incoming.keep()

    def incoming(self, origin: str, peer: str) -> "Incoming":
        """Begin to take a log that somebody pushes: the same rules, roles swapped.

        Raises:
            RequestError: ORIGIN_UNKNOWN.
            ConflictError: ORIGIN_CLOSED.
        """
        return Incoming(self, self._readable(origin, False), peer, None)

    def fetch_bodies(
        self,
        reader: LogReader,
        origin: str,
        bodies_max: int = BODIES_DIGESTS_MAX,
        asked: set[Digest] | None = None,
    ) -> int:
        """Ask a peer for live bodies that are not held.

        Args:
            reader: The peer.
            origin: The log.
            bodies_max: How many to ask for.
            asked: What this peer was asked for already, and is not asked for again:
                it grows, so that bodies which the peer lacks do not hide the others.

        Returns:
            How many came.

        Raises:
            PeerError: MALFORMED, DIGEST_MISMATCH.
        """
        asked = set() if asked is None else asked
        if len(asked) >= BODIES_ASKED_MAX:
            return 0
        most = min(bodies_max, BODIES_DIGESTS_MAX)
        missing = [
            *self.also_wanted(origin),
            *self.store.missing_live(origin, len(asked) + most),
        ]
        wanted = [digest for digest in missing if digest not in asked][:most]
        asked.update(wanted)
        if not wanted:
            return 0
        waiting = _Bodies(self.store)
        try:
            answers = zip(wanted, reader.read_bodies(wanted), strict=True)
            for digest, body in answers:
                content = _matched(digest, body)
                if content is not None:
                    waiting.add(digest, content)
        except ValueError as error:  # of zip: too few answers, or too many
            malformed = PeerError(
                Reason.MALFORMED, field="bodies", detail="not one for each digest"
            )
            raise blamed(malformed, reader.name, origin) from error
        except PeerError as error:
            raise blamed(error, reader.name, origin) from error
        finally:  # what came before a fault was verified, and stays
            waiting.keep()
            if waiting.stored:
                size = self.store.log(origin).size
                self.on_entries(origin, size, size)
        return waiting.stored

    def take_evidence(self, head: Head, peer: str) -> bool:
        """Check evidence that a peer lists; quarantine the log when it holds.

        Returns:
            Whether the log was quarantined now.

        Raises:
            RequestError: ORIGIN_UNKNOWN.
            PeerError: MALFORMED, BAD_SIGNATURE; BAD_PROOF: it is no evidence.
        """
        if head.origin not in self.keys.origins():
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=head.origin[:128])
        log = self.store.ensure_log(head.origin)
        if log.evidence is not None:
            return False
        try:
            self.forks.judge(head.origin, head.evidence)
        except PeerError as error:
            raise blamed(error, peer, head.origin) from error
        self.store.put_evidence(head.origin, head.evidence)
        return True

    def put_cosignature(self, origin: str, line: notes.Signature) -> None:
        """Add a verified cosignature to the complete head, if it is one of it."""
        with self._heads:
            log = self.store.log(origin)
            if log.checkpoint is None:
                return
            text, lines = notes.split(log.checkpoint)
            self._write_head(log, [Opened(text, (*lines, line))])

    def _known(self, head: Head) -> Offered | None:
        """Return a head that says nothing besides what is stored, else None.

        Every line of the stored note was verified; of a thousand logs that a peer lists
        again, most are such, and their signatures need not be checked once more.
        """
        log = self.store.find_log(head.origin)
        if log is None or log.checkpoint is None or log.head_size != head.size:
            return None
        if head.origin not in self.keys.origins():
            return None
        if log.confirmed != log.checkpoint and self._is_confirmed(
            log.origin, log.checkpoint
        ):
            return None  # a kill came before it was recorded as confirmed
        try:
            text, lines = _split(head.checkpoint)
        except PeerError:
            return None  # `open` says what is wrong with it
        held_text, held = _split(log.checkpoint)
        if text != held_text or not set(lines) <= set(held):
            return None
        return Offered(checkpoints.parse(text), Opened(text, lines), ahead=False)

    def _open(self, note: bytes, known: list[Verifier]) -> tuple[Checkpoint, Opened]:
        """Open a note; cosignatures outside their witness's term do not count."""
        checkpoint, opened = checkpoints.open_checkpoint(note, known, now=self.clock())
        terms = {
            (verifier.name, verifier.key_id): key
            for key in self.keys.witnesses()
            for verifier in (witness_verifier(key),)
        }
        lines = tuple(
            line
            for line in opened.signatures
            if line.seconds is None
            or (line.name, line.key_id) not in terms
            or terms[line.name, line.key_id].counts(line.seconds)
        )
        return checkpoint, Opened(opened.text, lines)

    def offer_opened(
        self, log: LogState, checkpoint: Checkpoint, opened: Opened
    ) -> Offered:
        """Compare an opened head; merge its cosignatures, or keep it for later."""
        if log.status is Status.QUARANTINED:
            return Offered(checkpoint, opened, ahead=False)
        self.forks.offer(log, checkpoint, opened)
        if checkpoint.size > log.size:
            return Offered(checkpoint, opened, ahead=True)
        # Our own larger heads are the log writer's matter: it recovers (4.6).
        least = log.size if log.own else max(log.head_size, 1)
        if checkpoint.size >= least:
            with self._heads:
                self._write_head(self.store.log(log.origin), [opened])
            self.forks.settle(log.origin)
        return Offered(checkpoint, opened, ahead=False)

    def _readable(self, origin: str, recovering: bool) -> LogState:
        """Return a log that may grow by what others send.

        Raises:
            RequestError: ORIGIN_UNKNOWN.
            ConflictError: ORIGIN_CLOSED.
        """
        if origin not in self.keys.origins():
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin[:128])
        log = self.store.ensure_log(origin)
        if log.status is not Status.ACTIVE or (log.own and not recovering):
            status = "own" if log.own else log.status.value
            raise ConflictError(Reason.ORIGIN_CLOSED, origin=origin, status=status)
        return log

    def store_chunk(self, chunk: VerifiedChunk, pulled: Pulled) -> None:
        """Store chunks in one transaction, unless another peer's thread did.

        Two peers may send the same log at once: whoever is second finds its entries
        held, or a part of them, and stores the rest.
        """
        growth = chunk.growth
        bodies = chunk.bodies
        while True:
            try:
                appended = self.store.append(growth, bodies, seconds=self.clock())
            except ConflictError as error:
                if error.reason is not Reason.OLD_SIZE_CONFLICT:
                    raise
            else:
                pulled.warn(appended.wrong_prevs)
                pulled.dropped.extend(appended.dropped)
                if appended.dropped:
                    self._on_dropped(growth.origin, appended.dropped)
                return
            growth = self._rest(chunk)
            named = {entry.sha256 for entry in growth.entries if entry}
            held = {key: body for key, body in bodies.items() if key not in named}
            if held:  # the other thread may have stored their entries without them
                self.store.put_bodies(held)
            if not growth.raws:
                return
            bodies = {key: body for key, body in bodies.items() if key in named}

    def complete(self, opened: Opened, origin: str) -> None:
        """Store a head whose entries are all held, and settle what waited for it."""
        with self._heads:
            self._write_head(self.store.log(origin), [opened])
        self.forks.settle(origin)

    def _rest(self, chunk: VerifiedChunk) -> Growth:
        """Return what is not held yet of a chunk.

        Raises:
            ConflictError: LOG_FORKED: what is held is not what the chunk has.
        """
        whole = chunk.growth
        frontier = self.store.frontier(whole.origin)
        if frontier.size >= whole.end:
            root = self.store.root_at(whole.origin, whole.end)
            rest = grow(frontier, (), whole.origin)
        else:
            raws = whole.raws[frontier.size - whole.start :]
            rest = grow(frontier, raws, whole.origin)
            root = rest.frontier.root()
        if root != whole.frontier.root():
            raise ConflictError(Reason.LOG_FORKED, origin=whole.origin, size=whole.end)
        return rest

    def check_frozen(self, log: LogState, checkpoint: Checkpoint) -> None:
        """Refuse heads above the size at which a key was suspended."""
        frozen = self.keys.frozen_size(log.origin)
        if frozen is not None and checkpoint.size > frozen:
            raise ConflictError(
                Reason.ORIGIN_CLOSED, origin=log.origin, status=Status.FROZEN.value
            )

    def check_growth(self, log: LogState, size: int, body_bytes: int) -> None:
        """Pause a log that grows above its quota; an operator lets it go on.

        Raises:
            ConflictError: ORIGIN_CLOSED.
        """
        entries_day, bytes_day = self.store.grown(log.origin, self.clock())
        first_contact = log.size == entries_day
        quotas = self.keys.quotas
        entries_max = quotas.entries_day or GROWTH_ENTRIES_DAY_MAX
        bytes_max = quotas.body_bytes_day or GROWTH_BODY_BYTES_DAY_MAX
        total = (
            size > LOG_ENTRIES_MAX or log.body_bytes + body_bytes > LOG_BODY_BYTES_MAX
        )
        daily = not first_contact and (
            size - (log.size - entries_day) > entries_max
            or bytes_day + body_bytes > bytes_max
        )
        if total or daily:
            self.store.set_status(log.origin, Status.PAUSED)
            raise ConflictError(
                Reason.ORIGIN_CLOSED, origin=log.origin, status=Status.PAUSED.value
            )

    def _write_head(self, log: LogState, opened: list[Opened]) -> None:
        """Merge notes into the complete head and store it, if it says more.

        Called with the lock held.
        """
        size = checkpoints.parse(opened[0].text).size
        if size < log.head_size:
            return  # another thread completed a larger head meanwhile
        if size == log.head_size and log.checkpoint is not None:
            text, lines = notes.split(log.checkpoint)
            opened = [Opened(text, tuple(lines)), *opened]
        witnesses = {witness_verifier(key).name for key in self.keys.witnesses()}
        note = checkpoints.assemble(opened, witnesses)
        changed = note != log.checkpoint
        if changed:
            self.store.put_head(
                log.origin, note, seconds=self.clock(), verified_at=self._now()
            )
        # Also of an unchanged head: a kill may have come between the two.
        if note != log.confirmed and self._is_confirmed(log.origin, note):
            self.store.put_confirmed(log.origin, note)
            changed = True
        if changed:
            self._on_head(log.origin)

    def _is_confirmed(self, origin: str, note: bytes) -> bool:
        """Tell whether a quorum cosigned a note."""
        return 0 < self.keys.quorum <= self._cosigners(origin, note)

    def _cosigners(self, origin: str, note: bytes) -> int:
        """Count the cities whose witnesses cosigned, without the log's own city."""
        city = self.keys.city(origin)
        cities = {witness_verifier(key).name: key.city for key in self.keys.witnesses()}
        names = checkpoints.stored_cosignature_times(note)
        return len({cities[name] for name in names if name in cities} - {city})

    def _now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4_096)
def _split(note: bytes) -> tuple[str, tuple[notes.Signature, ...]]:
    """Part a note, unverified; of a thousand logs most are listed again unchanged.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    text, lines = notes.split(note)
    return text, tuple(lines)


class _Bodies:
    """Verified bodies that were missing, stored some at a time in one transaction.

    A kill leaves those that waited as missing as they were; a next round asks again.
    """

    def __init__(self, store: LogStore) -> None:
        self.stored = 0
        self._store = store
        self._waiting: dict[Digest, bytes] = {}
        self._bytes = 0

    def add(self, digest: Digest, content: bytes) -> None:
        """Take a body; it is stored now or by `keep`."""
        self._waiting[digest] = content
        self._bytes += len(content)
        if len(self._waiting) >= BODIES_AT_ONCE or self._bytes >= BYTES_AT_ONCE:
            self.keep()

    def keep(self) -> None:
        """Store what waits."""
        waiting, self._waiting, self._bytes = self._waiting, {}, 0
        if waiting:
            self.stored += len(self._store.put_bodies(waiting))


def _matched(digest: Digest, body: Body) -> bytes | None:
    """Return the content of an answer to one digest, None when it is absent.

    Raises:
        PeerError: MALFORMED, DIGEST_MISMATCH.
    """
    if body.sha256 != digest.raw:
        raise PeerError(Reason.MALFORMED, field="bodies", detail="not in order")
    if body.absence is not BodyAbsence.PRESENT:
        return None
    actual = Digest.of(body.content)
    if actual != digest:
        raise PeerError(Reason.DIGEST_MISMATCH, expected=digest.hex, actual=actual.hex)
    return body.content
