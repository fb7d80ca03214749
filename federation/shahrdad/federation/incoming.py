"""One stream of a log on its way in, part by part (federation 7).

Who pulls asks a reader and hands on its parts; who serves a push hands on what comes.
Some verified chunks wait for each other, and are stored in one transaction: the pages
of a large index are then written once for many entries. Leaving the stream at any
point leaves a verified prefix, and `keep` stores what waits of it.

    incoming = ingest.incoming(origin, peer)
    try:
        incoming.take(start)
        while incoming.wanted: incoming.take(chunk)
        incoming.end()
    finally:
        incoming.keep()
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from shahrdad.datasets.errors import ConflictError, PeerError, Reason
from shahrdad.federation.forks import Prove
from shahrdad.federation.limits import WITHDRAWALS_FREE
from shahrdad.federation.log.schema import WrongPrev
from shahrdad.federation.log.store import LogState, Status
from shahrdad.federation.reader import LogChunk, LogStart
from shahrdad.federation.stream import LogStream, VerifiedChunk, joined
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import Growth
from shahrdad.federation.verify.note import Opened
from shahrdad.federation.withdrawals import DayWithdrawals, above

if TYPE_CHECKING:
    from shahrdad.federation.ingest import Ingest

# What waits to be stored at once, at most; a kill costs that much of a stream, which is
# read again. A transaction of so many holds up other writers for less than a second.
ENTRIES_AT_ONCE = 8_192
BYTES_AT_ONCE = 16_777_216  # of bodies
WARNINGS_KEPT = 10  # of one stream


@dataclass(slots=True)
class Pulled:
    """What one stream brought."""

    origin: str
    first: int = 0  # index of the first new entry
    size: int = 0  # entries held now
    complete: bool = False
    dropped: list[Digest] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)  # never applied
    wrong_prevs: int = 0  # entries, applied all the same
    first_wrong_prevs: list[WrongPrev] = field(default_factory=list)
    # Each key that the stream touched, and whether it was live before; empty at first
    # contact, when none was.
    live_before: dict[str, bool] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """How many entries are new."""
        return self.size - self.first

    def warn(self, wrong: Sequence[WrongPrev]) -> None:
        """Count wrong `prev`s, and keep the first of them for the ledger."""
        self.wrong_prevs += len(wrong)
        self.first_wrong_prevs += wrong[: WARNINGS_KEPT - len(self.first_wrong_prevs)]


class Incoming:
    """One stream of a log on its way in, part by part; see `Ingest.incoming`.

    Leaving the stream after any part is fine: what is stored is a verified prefix.

    Args:
        ingest: Verifies and stores.
        log: As it was when the peer was asked, or began to push.
        peer: Who sends, for the ledger.
        prove: Asks the peer for a proof; None: who pushes cannot be asked, and a fork
            stays unproven until two heads meet.
    """

    def __init__(
        self, ingest: "Ingest", log: LogState, peer: str, prove: Prove | None
    ) -> None:
        self.pulled = Pulled(log.origin, log.size, log.size)
        self.wanted = True  # whether more parts are
        self._ingest = ingest
        self._log = log
        self._peer = peer
        self._prove = prove
        # As it was when the peer was asked: another peer's thread may have added
        # entries since, and that is nobody's fault.
        held = tree.frontier_at(log.size, ingest.store.hashes(log.origin))
        self._stream = LogStream(log.origin, held)
        self._opened: Opened | None = None
        self._waiting: list[VerifiedChunk] = []
        self._waiting_bytes = 0
        self._withdrawn = 0
        self._live: int | None = None  # before the stream; counted when it matters
        entries_day, _ = ingest.store.grown(log.origin, ingest.clock())
        self._day = DayWithdrawals(ingest.store, log.origin, log.size - entries_day)

    def take(self, part: LogStart | LogChunk) -> None:
        """Verify one part; it is stored now, or by a later `take`, `keep` or `end`.

        Raises:
            PeerError: the sender broke the protocol.
            ConflictError: ORIGIN_CLOSED, LOG_FORKED, EQUIVOCATION, MASS_WITHDRAWAL;
                OLD_SIZE_CONFLICT: what is pushed does not start where the log ends.
        """
        with blaming(self._peer, self._log.origin):
            if self._opened is None:
                if not isinstance(part, LogStart):
                    raise _malformed("it begins with no start")
                self._start(part)
            elif not isinstance(part, LogChunk):
                raise _malformed("a second start")
            else:
                self._chunk(part)

    def end(self) -> Pulled:
        """Take the end of the stream: the head is complete, or the sender at fault.

        Raises:
            PeerError: SHORT_STREAM; MALFORMED: there was not even a start.
            ConflictError: EQUIVOCATION.
        """
        if not self.wanted:
            return self.pulled
        self.keep()
        with blaming(self._peer, self._log.origin):
            self._stream.end()
        if self._opened is not None:
            self._ingest.complete(self._opened, self._log.origin)
            self.pulled.complete = True
        return self.pulled

    @property
    def complete(self) -> bool:
        """Whether every entry of the stream's head is stored."""
        return self._stream.complete

    def _start(self, start: LogStart) -> None:
        """Take the first part: is it a history that goes on where ours ends?"""
        ingest, log = self._ingest, self._log
        if self._prove is None and start.from_size != log.size:
            raise ConflictError(
                Reason.OLD_SIZE_CONFLICT,
                origin=log.origin,
                size=log.size,
                size_given=start.from_size,
            )
        checkpoint, self._opened = ingest.open(start.head, self._peer)
        self._stream.start(start, checkpoint)
        ingest.check_frozen(log, checkpoint)
        offered = ingest.offer_opened(log, checkpoint, self._opened)
        if self._stream.forked:
            ingest.forks.prove_fork(log, checkpoint, self._opened, self._prove)
        self.wanted = offered.ahead
        if offered.ahead:
            ingest.check_growth(log, checkpoint.size, 0)
            ingest.forks.check_seen(log, checkpoint, self._opened, self._prove)

    def keep(self) -> None:
        """Store what was verified and waits, in one transaction."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not waiting:
            return
        ingest, pulled = self._ingest, self.pulled
        chunk = joined(waiting)
        ingest.store_chunk(chunk, pulled)
        pulled.refused.extend(chunk.growth.refused)
        pulled.size = chunk.growth.end
        ingest.on_entries(pulled.origin, chunk.growth.start, chunk.growth.end)

    def _chunk(self, part: LogChunk) -> None:
        """Take some entries."""
        ingest = self._ingest
        chunk = self._stream.chunk(part)
        bodies = sum(map(len, chunk.bodies.values()))
        if bodies:
            log = ingest.store.log(self.pulled.origin)
            ingest.check_growth(log, self._stream.size, self._waiting_bytes + bodies)
        withdraws = any(entry.op == "delete" for entry in chunk.growth.others)
        if withdraws:
            self.keep()  # the brake compares with what is stored
        self._brake(chunk.growth)
        self._waiting.append(chunk)
        self._waiting_bytes += bodies
        entries = chunk.growth.end - self._waiting[0].growth.start
        if (
            withdraws
            or entries >= ingest.entries_at_once
            or self._waiting_bytes >= BYTES_AT_ONCE
        ):
            self.keep()

    def _brake(self, growth: Growth) -> None:
        """Hold a log that withdraws much of what it published, at once or in a day.

        A stolen key, or a mistake, would empty a city's catalog on every mirror within
        one round; a person looks first.

        Raises:
            ConflictError: MASS_WITHDRAWAL; the log is paused.
        """
        ingest, origin = self._ingest, self._log.origin
        if not self._log.size:
            return  # first contact: nothing that it withdraws was ever live here
        percent = ingest.withdrawn_percent_max(origin)
        withdrawn, live = self._day.take(growth.entries)
        if above(withdrawn, live, percent):
            self._hold(withdrawn, live)
        before = self.pulled.live_before
        stored = self._withdrawn
        touched = [(entry.key, entry.op) for entry in growth.entries if entry]
        keys = {key for key, _ in touched if key is not None} - before.keys()
        live_keys = ingest.store.live_among(origin, keys)
        before.update({key: key in live_keys for key in keys})
        self._withdrawn += sum(
            op == "delete" and before[key] for key, op in touched if key is not None
        )
        if self._withdrawn <= WITHDRAWALS_FREE:
            return
        if self._live is None:
            self._live = ingest.store.live_count(origin) + stored
        if above(self._withdrawn, self._live, percent):
            self._hold(self._withdrawn, self._live)

    def _hold(self, withdrawn: int, live: int) -> NoReturn:
        """Pause the log until a person lets it go on."""
        origin = self._log.origin
        self._ingest.store.set_status(origin, Status.PAUSED)
        raise ConflictError(
            Reason.MASS_WITHDRAWAL, origin=origin, withdrawn=withdrawn, live=live
        )


@contextmanager
def blaming(peer: str, origin: str) -> Iterator[None]:
    """Give the errors of a peer its name and that of the log."""
    try:
        yield
    except PeerError as error:
        raise blamed(error, peer, origin) from error


def _malformed(detail: str) -> PeerError:
    return PeerError(Reason.MALFORMED, field="stream", detail=detail)


def blamed(error: PeerError, peer: str, origin: str) -> PeerError:
    """Return an error with the peer and the log among its values."""
    return PeerError(
        error.reason, **{"origin": origin[:128], **error.values, "peer": peer}
    )
