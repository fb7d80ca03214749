"""Publishing into the city's own log: seven steps, each of which may be the last.

    1 BODIES      the records are on the mirror, verified by digest
    2 ENTRIES     one transaction: entries, tiles, live, bodies, frontier. Indexes are
                  given here
    3 ROOT        the root, computed again from the stored entries, is the stored one
    4 GUARD       compare-and-swap of the guard to (size, root): from here on, no other
                  root of this size is ever signed
    5 CHECKPOINT  signed and stored; Ed25519 gives the same bytes when it is repeated
    6 MIRROR      the static files, `checkpoint` and `heads` last
    7 LISTED      `seq` advances, long polls wake

A crash after 1 leaves bodies that nobody names. After 2 and 3 the entries are an
unsigned tail: `start` goes on at 3. After 4, at 5; after 5, at 6; after 6, at 7. Each
step may be repeated. `start` also compares with the static mirror and with what peers
show, and refuses to sign when this node has forgotten something that it signed: see
`recovery`.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version

from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.federation.log.guard import Guarded, SigningGuard
from shahrdad.federation.log.new_entry import (
    DeleteEntry,
    NewEntry,
    PutEntry,
    RedactEntry,
    ask_again,
    draft,
    format_time,
)
from shahrdad.federation.log.recovery import Decision, Finding, Held, Shown, decide
from shahrdad.federation.log.schema import LogState, Status
from shahrdad.federation.log.store import LogStore
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify import evidence as evidences
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import After
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import Signer, Verifier, join

PEERS_COMPARED_MIN = 2  # or all, where fewer are configured
_CHECK_ENTRIES = 4_096  # at a time, when the root is computed again


class CommitPoint(StrEnum):
    """A step of publishing that is done and survives a crash."""

    BODIES = "bodies"
    ENTRIES = "entries"
    ROOT = "root"
    GUARD = "guard"
    CHECKPOINT = "checkpoint"
    MIRROR = "mirror"
    LISTED = "listed"


class State(StrEnum):
    """Whether this node may sign."""

    STARTING = "starting"  # nothing was compared yet
    READY = "ready"
    WAITING = "waiting for peers"  # too few of them were compared with
    RECOVERING = "recovering"  # entries that we signed must be pulled from a mirror
    OPERATOR = "waiting for its operator"
    QUARANTINED = "quarantined"  # we signed two histories: a new log is the way out


@dataclass(frozen=True, slots=True)
class Recovery:
    """What `start` found and whether this node may sign now.

    Attributes:
        state: READY, or why not.
        finding: The last row of the recovery table that applied.
        head: The head to pull up to, while RECOVERING.
        outbox: Entries of an unsigned tail that were published again.
    """

    state: State
    finding: Finding | None
    head: Checkpoint | None = None
    outbox: int = 0


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """The signed head after publishing.

    Attributes:
        indexes: Of each entry asked for, its index; of a no-op, the index that the
            key already had, or None.
        appended: How many entries were new.
        dropped: Bodies whose content a redaction removed from this node.
    """

    origin: str
    size: int
    root: bytes
    note: bytes
    indexes: tuple[int | None, ...]
    appended: int
    dropped: tuple[Digest, ...] = ()


class LogWriter:
    """The one signer of a log; no second one may run on the same files.

    Args:
        store: Where the log is held.
        guard: What was signed last.
        signer: The log's key; its name is the origin.
        mirror: The static mirror.
        besides: Further keys of the log that sign too, during a rotation.
        former: Earlier keys of the log, whose heads are ours too.
        software: Name and version, for the genesis.
        clock: Returns Unix time.
        reached: Called after each step; a test raises or kills there.
    """

    def __init__(
        self,
        store: LogStore,
        guard: SigningGuard,
        signer: Signer,
        mirror: StaticMirror,
        *,
        besides: Sequence[Signer] = (),
        former: Sequence[Verifier] = (),
        software: str | None = None,
        clock: Callable[[], int] = lambda: int(time.time()),
        reached: Callable[[CommitPoint], None] = lambda _: None,
    ) -> None:
        self.origin = signer.name
        self.state = State.STARTING
        self._store = store
        self._guard = guard
        self._signers = (signer, *besides)
        self._mirror = mirror
        self._verifiers = (*(one.verifier for one in self._signers), *former)
        if any(verifier.name != self.origin for verifier in self._verifiers):
            raise ValueError(f"a key of {self.origin} has that name")
        self._software = software or f"shahrdad/{version('shahrdad')}"
        self._clock = clock
        self._reached = reached
        self._lock = threading.RLock()

    def start(
        self,
        heads: Sequence[bytes] = (),
        *,
        peers_configured: int = 0,
        peers_compared: int = 0,
        offline: bool = False,
        confirmed: bool = False,
        after: After | None = None,
    ) -> Recovery:
        """Compare what this node remembers, and finish what a crash left undone.

        Call it again after each thing that it waits for. An empty log is opened with
        its genesis.

        Args:
            heads: Notes about this log that peers show.
            peers_configured: How many peers there are.
            peers_compared: How many of them answered, with or without a head.
            offline: The operator's word that no peer can be asked.
            confirmed: The operator's word that a missing guard is made anew, or one
                whose entries no mirror has is lowered. Give it only after a full round
                with all peers: what was signed beyond is lost, and if it turns up, it
                is evidence.
            after: For the genesis of a log that continues a closed one.

        Raises:
            RequestError: SIGNING_KEY: the guard is that of another log.
            ConflictError: GUARD_CONFLICT: another signer runs.
        """
        with self._lock:
            self._guard.check(self.origin)
            self._store.ensure_log(self.origin, own=True)
            if self._log().status is Status.QUARANTINED:
                return self._become(State.QUARANTINED, Finding.FORKED)
            shown = self._ours([self._mirror.checkpoint(self.origin), *heads])
            wanted = min(PEERS_COMPARED_MIN, peers_configured)
            if peers_compared < wanted and not offline:
                decision = self._decide(shown)
                if decision.finding not in (Finding.FORKED, Finding.ENTRIES_LOST):
                    return self._become(State.WAITING, decision.finding)
            return self._settle(shown, confirmed=confirmed, after=after)

    def compare(self, heads: Sequence[bytes]) -> Recovery:
        """Compare with what a peer shows of this log, at any time after the start.

        Notes that our keys did not sign are passed over: anyone can write those.
        """
        with self._lock:
            if self.state is not State.READY:
                return Recovery(self.state, None)
            decision = self._decide(self._ours(heads))
            if decision.finding in (Finding.FORKED, Finding.ENTRIES_LOST):
                return self._stop(decision)
            return Recovery(self.state, decision.finding)

    def prepare_recovery(self) -> int:
        """Put an unsigned tail back into the outbox, before the own log is pulled.

        Then pull the log with the ordinary verifier, and call `start` again.

        Returns:
            How many entries went back.
        """
        with self._lock:
            log = self._log()
            if log.size > log.head_size:
                # The outbox first: a crash between the two leaves entries twice, and
                # publishing what is live already does nothing.
                tail = self._store.entries(self.origin, log.head_size, log.size)
                self._store.add_outbox(
                    [
                        raw.decode("utf-8")
                        for index, raw in enumerate(tail, log.head_size)
                        if self._again_possible(raw, index)
                    ]
                )
                self._store.cut_tail(self.origin, log.head_size)
            self._store.renew_epoch()
            return log.size - log.head_size

    def publish(
        self, new: Sequence[NewEntry], bodies: Mapping[Digest, bytes]
    ) -> PublishedHead:
        """Append entries and sign the new head; when it returns, they are public.

        An entry that would change nothing appends nothing: a body that its key already
        has, a delete of a key that is not live.

        Args:
            new: In order.
            bodies: The bodies of the puts, by digest; one that is held may be left out.

        Raises:
            RequestError: MALFORMED: a key, a body without content, or one too large.
            UnavailableError: NOT_READY: this node may not sign; see `start`.
            ConflictError: GUARD_CONFLICT: another signer runs. Nothing was signed.
        """
        with self._lock:
            if self.state is not State.READY:
                raise UnavailableError(Reason.NOT_READY, state=self.state.value)
            self._finish()  # what an error in an earlier call left undone
            return self._publish(new, bodies)

    def refresh_mirror(self) -> None:
        """Write the static files of the stored head, after cosignatures came."""
        with self._lock:
            self._mirror.write_log(self._store, self.origin)

    def _publish(
        self, new: Sequence[NewEntry], bodies: Mapping[Digest, bytes]
    ) -> PublishedHead:
        """Run the seven steps."""
        for digest, body in bodies.items():
            if Digest.of(body) != digest:
                raise ValueError(f"the body is not {digest}")
        at = format_time(self._clock())
        drafted = draft(self._store, self.origin, new, bodies, at)
        raws, indexes = drafted.raws, drafted.indexes
        dropped: tuple[Digest, ...] = ()
        if raws:
            named = {one.sha256 for one in new if isinstance(one, PutEntry)}
            bodies = {one: body for one, body in bodies.items() if one in named}
            self._mirror.write_bodies(bodies)
            self._reached(CommitPoint.BODIES)
            dropped = self._append(raws, bodies)
        self._finish()
        log = self._log()
        head = checkpoints.peek(log.checkpoint or b"")
        return PublishedHead(
            self.origin,
            head.size,
            head.root,
            log.checkpoint or b"",
            indexes,
            len(raws),
            dropped,
        )

    def _append(
        self, raws: Sequence[bytes], bodies: Mapping[Digest, bytes]
    ) -> tuple[Digest, ...]:
        """Commit entries (step 2), and take redacted bodies off the mirror."""
        growth = grow(self._store.frontier(self.origin), raws, self.origin)
        if growth.refused:
            raise RequestError(
                Reason.MALFORMED, field="entry", detail=growth.refused[0][1]
            )
        appended = self._store.append(growth, bodies, durable=True)
        self._reached(CommitPoint.ENTRIES)
        return appended.dropped

    def _finish(self) -> None:
        """Run the steps 3 to 7 as far as they are not done."""
        log = self._log()
        former = self._guard.read()
        if former is None:
            raise UnavailableError(Reason.NOT_READY, state=State.OPERATOR.value)
        if log.size > log.head_size or log.checkpoint is None:
            root = self._check_root(log, former)
            self._reached(CommitPoint.ROOT)
            self._guard.swap(former, Guarded(log.size, root))
            self._reached(CommitPoint.GUARD)
            self._sign(log.size, root)
        self._mirror.write_log(self._store, self.origin)
        self._reached(CommitPoint.MIRROR)
        self._store.list_head(self.origin)
        self._reached(CommitPoint.LISTED)

    def _sign(self, size: int, root: bytes) -> None:
        """Sign a guarded state and store its checkpoint (step 5)."""
        text = Checkpoint(self.origin, size, root).text()
        note = join(text, [signer.sign(text) for signer in self._signers])
        now = self._clock()
        self._store.put_head(
            self.origin,
            note,
            seconds=now,
            verified_at=format_time(now),
            durable=True,
            listed=False,
        )
        self._reached(CommitPoint.CHECKPOINT)

    def _check_root(self, log: LogState, former: Guarded) -> bytes:
        """Compute the root again from what is stored above the signed head (step 3).

        Raises:
            ConflictError: LOG_FORKED: disk or memory lost a bit. Nothing is signed.
        """
        read = self._store.hashes(self.origin)
        frontier = tree.frontier_at(log.head_size, read)
        signed = former.size != log.head_size or frontier.root() == former.root
        while frontier.size < log.size:
            end = min(log.size, frontier.size + _CHECK_ENTRIES)
            raws = self._store.entries(self.origin, frontier.size, end)
            if len(raws) != end - frontier.size:
                signed = False
                break
            frontier.extend([entries.leaf_hash(raw) for raw in raws])
        root = frontier.root()
        stored = self._store.frontier(self.origin).root()
        if not signed or root != stored or tree.root_at(log.size, read) != root:
            raise ConflictError(Reason.LOG_FORKED, origin=self.origin, size=log.size)
        return root

    def _settle(
        self, shown: Sequence[Shown], *, confirmed: bool, after: After | None
    ) -> Recovery:
        """Go through the rows of the recovery table until one ends the start."""
        finding = None
        while True:
            decision = self._decide(shown)
            finding = finding or decision.finding
            log, guard = self._log(), self._guard.read()
            match decision.finding:
                case Finding.FRESH:
                    self._guard.create(self.origin, Guarded(0, tree.EMPTY_ROOT))
                case Finding.GUARD_MISSING if confirmed:
                    head = self._largest(log, decision.shown)
                    self._guard.create(self.origin, head)
                case Finding.SHOWN_HEAD if decision.shown and guard:
                    self._adopt(decision.shown, guard)
                case Finding.UNSIGNED_HEAD if guard:
                    self._sign(guard.size, guard.root)
                case Finding.GUARD_BEHIND if guard:
                    self._guard.swap(guard, self._largest(log, None))
                case Finding.GUARD_AHEAD if confirmed and guard:
                    self._guard.lower(guard, self._largest(log, None))
                case Finding.GUARD_MISSING | Finding.GUARD_AHEAD:
                    return self._become(State.OPERATOR, decision.finding)
                case Finding.FORKED | Finding.ENTRIES_LOST:
                    return self._stop(decision)
                case _:
                    return self._resume(finding, after)

    def _resume(self, finding: Finding, after: After | None) -> Recovery:
        """Finish an unsigned tail, open an empty log, and empty the outbox."""
        if self._log().size == 0:
            raw = entries.genesis(
                self.origin,
                self._software,
                time=format_time(self._clock()),
                after=after,
            )
            self._append([raw], {})
        self._finish()
        again = [
            (number, ask_again(self._store, text))
            for number, text in self._store.outbox()
        ]
        done = [(number, one) for number, one in again if one is not None]
        if done:
            self._publish([one for _, one in done], {})
            self._store.drop_outbox([number for number, _ in done])
        self._become(State.READY, finding)
        return Recovery(State.READY, finding, outbox=len(done))

    def _adopt(self, shown: Shown, guard: Guarded) -> None:
        """Store a head that we signed and forgot; its entries are here."""
        head = Guarded(shown.head.size, shown.head.root)
        if guard.size <= head.size:
            self._guard.swap(guard, head)
        _, opened = checkpoints.open_checkpoint(shown.note, self._verifiers)
        self._store.put_head(
            self.origin,
            checkpoints.assemble([opened]),
            seconds=self._clock(),
            durable=True,
            listed=False,
        )

    def _largest(self, log: LogState, shown: Shown | None) -> Guarded:
        """Return the largest state that we are known to have signed."""
        if shown is not None:
            return Guarded(shown.head.size, shown.head.root)
        root = self._store.root_at(self.origin, log.head_size)
        return Guarded(log.head_size, root)

    def _stop(self, decision: Decision) -> Recovery:
        """Stop signing: entries must be pulled, or the log is quarantined."""
        if decision.finding is Finding.ENTRIES_LOST:
            head = decision.shown.head if decision.shown else None
            self.state = State.RECOVERING
            return Recovery(self.state, decision.finding, head)
        proof = self._evidence(decision.shown)
        if proof is not None:
            self._store.put_evidence(self.origin, proof)
        else:
            self._store.set_status(self.origin, Status.QUARANTINED)
        return self._become(State.QUARANTINED, decision.finding)

    def _evidence(self, shown: Shown | None) -> bytes | None:
        """Return evidence against ourselves, when two signed heads show it."""
        note = self._log().checkpoint
        if shown is None or note is None:
            return None
        small = evidences.log_signed(shown.note, self._verifiers)
        large = evidences.log_signed(note, self._verifiers)
        size, new = shown.head.size, checkpoints.peek(note).size
        if not 1 <= size <= new:
            return None
        if size == new:
            return evidences.make(small, large)
        return evidences.make(
            small,
            large,
            self._store.root_at(self.origin, size),
            self._store.consistency_proof(self.origin, size, new),
        )

    def _ours(self, notes: Sequence[bytes | None]) -> list[Shown]:
        """Return the heads among some notes that our own keys signed."""
        shown = []
        for note in notes:
            if note is None:
                continue
            try:
                head, _ = checkpoints.open_checkpoint(note, self._verifiers)
            except PeerError:
                continue  # anyone can write a note; only our signature is our word
            if head.origin == self.origin and head.size:
                shown.append(Shown(head, note))
        return shown

    def _decide(self, shown: Sequence[Shown]) -> Decision:
        """Compare what is stored with the guard and with heads that we signed."""
        log = self._log()
        read = self._store.hashes(self.origin)
        held = Held(log.size, log.head_size, lambda size: tree.root_at(size, read))
        return decide(held, self._guard.read(), shown)

    def _again_possible(self, raw: bytes, index: int) -> bool:
        """Return whether an entry of our own tail can be published again.

        A genesis cannot: the recovered log has its own.
        """
        try:
            return entries.parse(raw, index, self.origin).op != "genesis"
        except PeerError:
            return False

    def _log(self) -> LogState:
        """Return our log as it is stored now."""
        return self._store.log(self.origin)

    def _become(self, state: State, finding: Finding | None) -> Recovery:
        """Change the state."""
        self.state = state
        return Recovery(state, finding)


__all__ = [
    "CommitPoint",
    "DeleteEntry",
    "LogWriter",
    "NewEntry",
    "PublishedHead",
    "PutEntry",
    "Recovery",
    "RedactEntry",
    "State",
    "format_time",
]
