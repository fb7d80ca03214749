"""The sync loop: what peers have that we lack, round by round (federation 8).

A peer's cursor is stored after each page, once its heads are handled: a cut costs one
page. One thread asks one peer: a dead one never delays a live one. A peer that fails is
left alone for a while, longer each time; a log that is wrong is no reason to leave the
peer that shows it.

    syncer.round(peers)               ask everybody once, and report
    syncer.follow(peers, stop, …)     go on with long polls until told to stop
"""

import random
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation.incoming import Pulled
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.limits import PEERS_AT_ONCE_MAX, WAIT_SECONDS_MAX
from shahrdad.federation.log.schema import WrongPrev
from shahrdad.federation.log.store import LogState, PeerState, Problem, Status
from shahrdad.federation.reader import Head, HeadsPage, LogReader
from shahrdad.federation.standing import is_stale
from shahrdad.federation.sync_report import (
    KEYS_LISTED_MAX,
    LogReport,
    PeerReport,
    Refusal,
    SyncReport,
)
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.witness import Witness

BACKOFF_SECONDS = 60
DISK_SECONDS = 60.0  # after which a full disk is tried again
BACKOFF_SECONDS_MAX = 86_400
JITTER_SECONDS = 30
ENTRIES_AT_ONCE = 1_024  # read for the report
MEMBER_PEERS = 3  # asked for the member log before a round; others bring it too
PAGES_MAX = 1_000  # of one peer in one turn: two million heads


@dataclass(frozen=True, slots=True)
class SyncPeer:
    """A peer's name, and how to reach it."""

    name: str
    connect: Callable[[], LogReader]


@dataclass(slots=True)
class _Turn:
    """What one peer's turn found; only its thread writes to it."""

    report: PeerReport
    refused: list[Refusal] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    not_applied: dict[str, int] = field(default_factory=dict)
    wrong_prevs: dict[str, int] = field(default_factory=dict)
    # Origin → size before, and which of the touched keys were live then.
    live_before: dict[str, tuple[int, dict[str, bool]]] = field(default_factory=dict)
    own_ahead: int = 0


class Syncer:
    """Keeps the logs of a node up to date; one at a time for each store.

    Args:
        ingest: Verifies and stores.
        witness: Cosigns what is held; None = this node is no witness.
        member_origin: The log that is read first: it says which keys count.
        on_own_head: Called with each validly signed head of our own log that a peer
            shows; the log writer compares it (federation 4.6).
        chance: For jitter and backoff.
    """

    def __init__(
        self,
        ingest: Ingest,
        *,
        witness: Witness | None = None,
        member_origin: str = "",
        on_own_head: Callable[[bytes], None] = lambda note: None,
        chance: random.Random | None = None,
    ) -> None:
        self.ingest = ingest
        self._store = ingest.store
        self._witness = witness
        self._member_origin = member_origin
        self._on_own_head = on_own_head
        self._chance = chance or random.Random()  # noqa: S311 - only spreads load
        self._reporting = threading.Lock()
        self._open: set[LogReader] = set()
        self._listing = 0  # grows when everything must be listed again
        self._listed: dict[str, int] = {}  # peer → the listing it was asked for last

    def round(
        self,
        peers: Sequence[SyncPeer],
        wait_seconds: int = 0,
        *,
        full: bool = False,
        force: bool = False,
    ) -> SyncReport:
        """Ask every peer once, at most eight at a time.

        Args:
            peers: Whom to ask.
            wait_seconds: How long a peer may wait while nothing changed.
            full: List every head, also those that did not change since the last round.
            force: Ask also peers that are in backoff.
        """
        report = SyncReport(started=self._now())
        turns = []
        due: list[tuple[SyncPeer, _Turn]] = []
        for peer in peers:
            turn = _Turn(PeerReport(peer.name))
            turns.append(turn)
            state = self._store.peer(peer.name)
            if not force and state.next_try and state.next_try > self._now():
                turn.report.skipped_until = state.next_try
            else:
                due.append((peer, turn))
        if self._member_origin and due:
            self._ask_members(due)
        if len(due) == 1:
            self._guarded(*due[0], wait_seconds, full)
        elif due:
            with ThreadPoolExecutor(min(PEERS_AT_ONCE_MAX, len(due))) as threads:
                running = [
                    threads.submit(self._guarded, peer, turn, wait_seconds, full)
                    for peer, turn in due
                ]
            for done in running:
                done.result()  # an error that is no peer's is ours: let it be seen
        self._store.list_cosigned(self.ingest.clock())
        self._fill(report, turns)
        return report

    def follow(
        self,
        peers: Sequence[SyncPeer],
        stop: threading.Event,
        on_report: Callable[[SyncReport], None] = lambda report: None,
    ) -> None:
        """Ask peers again and again with long polls, until `stop` is set.

        Each of at most eight threads asks its share of the peers in turn. A report is
        handed over whenever a turn brought or refused something.

        Args:
            peers: Whom to ask.
            stop: Ends it at once: the polls that run are given up.
            on_report: Called from several threads, one at a time.
        """
        if not peers:
            stop.wait()
            return
        count = min(PEERS_AT_ONCE_MAX, len(peers))
        shares = [peers[start::count] for start in range(count)]
        threads = [
            threading.Thread(
                target=self._follow_share,
                args=(share, stop, on_report),
                name=f"sync-{share[0].name}",
            )
            for share in shares
        ]
        for thread in threads:
            thread.start()
        stop.wait()
        for thread in threads:
            while thread.is_alive():
                for reader in list(self._open):
                    reader.close()  # it ends the poll that waits there
                thread.join(timeout=0.1)

    def list_again(self) -> None:
        """Let every peer list all its heads at its next turn.

        A head that was passed over is not listed twice: so when a city was admitted, or
        a log may go on, what peers listed before must be looked at again.
        """
        self._listing += 1
        for peer in self._store.peers():
            self._store.put_peer(replace(peer, cursor=""))

    def _follow_share(
        self,
        peers: Sequence[SyncPeer],
        stop: threading.Event,
        on_report: Callable[[SyncReport], None],
    ) -> None:
        """Ask some peers in turn; a peer in backoff is passed over."""
        stop.wait(self._chance.uniform(0, min(JITTER_SECONDS, 1 + len(peers))))
        wait = WAIT_SECONDS_MAX // len(peers)
        while not stop.is_set():
            asked = 0
            for peer in peers:
                state = self._store.peer(peer.name)
                if stop.is_set() or (state.next_try or "") > self._now():
                    continue
                asked += 1
                turn = _Turn(PeerReport(peer.name))
                try:
                    self._guarded(peer, turn, wait, full=False, stop=stop)
                except sqlite3.OperationalError:
                    # Our disk is full; the peer did nothing, and room may come.
                    _blame(turn.report, UnavailableError(Reason.DISK_FULL))
                    stop.wait(DISK_SECONDS)
                if stop.is_set() and not turn.report.answered:
                    return  # we hung up, the peer did not
                if turn.report.entries or turn.refused or not turn.report.answered:
                    report = SyncReport(started=self._now())
                    with self._reporting:
                        self._fill(report, [turn])
                        on_report(report)
            self._store.list_cosigned(self.ingest.clock())
            if not asked or not wait:
                stop.wait(1)

    def _ask_members(self, due: Sequence[tuple[SyncPeer, _Turn]]) -> None:
        """Bring the member log up to date before any city's log is read.

        Else a head that a suspended city's key signed could be taken from one peer
        while another brings the suspension.
        """
        for peer, turn in self._chance.sample(due, min(len(due), MEMBER_PEERS)):
            try:
                reader = peer.connect()
                try:
                    page = reader.list_heads("", 0, [self._member_origin])
                    for head in page.heads:
                        if head.origin == self._member_origin:
                            self._handle(reader, head, turn)
                    self._fetch_missing(reader, (), turn)
                finally:
                    reader.close()
            except ShahrdadError:
                continue  # its own turn comes, and says so

    def _guarded(
        self,
        peer: SyncPeer,
        turn: _Turn,
        wait_seconds: int,
        full: bool,
        stop: threading.Event | None = None,
    ) -> None:
        """Give a peer its turn; whatever it does costs that peer alone."""
        state = self._store.peer(peer.name)
        listing = self._listing
        full = full or self._listed.get(peer.name, 0) != listing
        cursor = "" if full else state.cursor
        try:
            reader = peer.connect()
            self._open.add(reader)
            try:
                cursor = self._ask(reader, cursor, wait_seconds, turn)
            finally:
                self._open.discard(reader)
                reader.close()
        except ValueError:  # of a channel that `follow` closed
            if stop is None or not stop.is_set():
                raise
        except ShahrdadError as error:
            if stop is not None and stop.is_set():
                return
            _blame(turn.report, error)
            self._note(turn, peer.name, "", error)
            self._store.put_peer(self._failed(state))
        else:
            turn.report.answered = True
            self._listed[peer.name] = listing
            self._store.put_peer(PeerState(peer.name, cursor, 0, None, self._now()))

    def _ask(
        self, reader: LogReader, cursor: str, wait_seconds: int, turn: _Turn
    ) -> str:
        """Handle page after page; return the cursor behind the last.

        Raises:
            ShahrdadError: of the peer; what was handled before stays.
        """
        page = self._list(reader, cursor, wait_seconds)
        for _ in range(PAGES_MAX):
            heads = sorted(
                page.heads, key=lambda head: head.origin != self._member_origin
            )
            for head in heads:
                turn.report.heads += 1
                self._handle(reader, head, turn)
            self._fetch_missing(reader, heads, turn)
            state = self._store.peer(reader.name)
            self._store.put_peer(
                PeerState(
                    reader.name,
                    page.next_cursor,
                    state.failures,
                    state.next_try,
                    state.last_ok,
                )
            )
            if not page.more or page.next_cursor == cursor:
                break
            cursor = page.next_cursor
            page = self._list(reader, cursor, 0)
        return page.next_cursor

    def _list(self, reader: LogReader, cursor: str, wait_seconds: int) -> HeadsPage:
        """List heads; a cursor that expired starts again from nothing."""
        try:
            return reader.list_heads(cursor, wait_seconds)
        except RequestError as error:
            if error.reason is not Reason.CURSOR_EXPIRED or not cursor:
                raise
        return reader.list_heads("", wait_seconds)

    def _handle(self, reader: LogReader, head: Head, turn: _Turn) -> None:
        """Do what one head calls for.

        Raises:
            PeerError, UnavailableError: of a stream: the peer's turn is over.
        """
        origin = head.origin
        try:
            if head.evidence and self.ingest.take_evidence(head, reader.name):
                turn.quarantined.append(origin)
            offered = self.ingest.offer(head, reader.name)
        except ShahrdadError as error:
            self._note(turn, reader.name, origin, error)
            return  # the head is skipped, the peer is not
        log = self._store.log(origin)
        if log.own:
            self._compare_own(log, offered.checkpoint.size, head.checkpoint, turn)
        elif offered.ahead and log.status is Status.ACTIVE:
            self._pull(reader, origin, turn)
        self._cosign(origin)

    def _pull(self, reader: LogReader, origin: str, turn: _Turn) -> None:
        log = self._store.log(origin)
        _, before = turn.live_before.setdefault(origin, (log.size, {}))
        try:
            pulled = self.ingest.pull(reader, origin, live_before=before)
        except (ConflictError, RequestError) as error:
            self._note(turn, reader.name, origin, error)
            return
        finally:
            turn.report.entries += self._store.log(origin).size - log.size
        self._count(pulled, turn)

    def _count(self, pulled: Pulled, turn: _Turn) -> None:
        origin = pulled.origin
        if pulled.dropped:
            dropped = turn.dropped.get(origin, 0) + len(pulled.dropped)
            turn.dropped[origin] = dropped
        if pulled.refused:
            refused = turn.not_applied.get(origin, 0) + len(pulled.refused)
            turn.not_applied[origin] = refused
        if pulled.wrong_prevs:
            wrong = turn.wrong_prevs.get(origin, 0) + pulled.wrong_prevs
            turn.wrong_prevs[origin] = wrong
        for index, detail in pulled.refused[:10]:
            self._store.add_problem(
                Problem(self._now(), "", origin, index, Reason.MALFORMED.value, detail)
            )
        for one in pulled.first_wrong_prevs:
            self._store.add_problem(_warning(self._now(), origin, one))

    def _compare_own(self, log: LogState, size: int, note: bytes, turn: _Turn) -> None:
        """Compare our own log; it is never pulled here (federation 4.6)."""
        self._on_own_head(note)
        if size > log.size:
            turn.own_ahead = max(turn.own_ahead, size)

    def _fetch_missing(
        self, reader: LogReader, heads: Sequence[Head], turn: _Turn
    ) -> None:
        """Ask for live bodies that are missing, first those of this page's heads."""
        origins = dict.fromkeys([self._member_origin, *(h.origin for h in heads)])
        origins |= dict.fromkeys(
            log.origin for log in self._store.logs() if log.missing_bodies
        )
        for origin in origins:
            log = self._store.find_log(origin)
            wanted = log and (log.missing_bodies or self.ingest.also_wanted(origin))
            if not wanted:
                continue
            asked: set[Digest] = set()
            while True:
                count = len(asked)
                came = self.ingest.fetch_bodies(reader, origin, asked=asked)
                turn.report.bodies += came
                if len(asked) == count:
                    break

    def _cosign(self, origin: str) -> None:
        """Add our line to a head that is held with all its entries."""
        if self._witness is None:
            return
        line = self._witness.cosign(origin)
        if line is not None:
            self.ingest.put_cosignature(origin, line)

    def _note(self, turn: _Turn, peer: str, origin: str, error: ShahrdadError) -> None:
        """Write a line of the ledger."""
        named = str(error.values.get("origin", origin)) or origin
        if error.reason is Reason.EQUIVOCATION:
            turn.quarantined.append(named)
        if not isinstance(error, UnavailableError) or origin:
            index = error.values.get("index")
            turn.refused.append(
                Refusal(
                    peer,
                    named,
                    index if isinstance(index, int) else None,
                    error.reason.value,
                    error.text("fa"),
                    error.text("en"),
                )
            )
        self._store.add_problem(
            Problem(
                self._now(),
                peer,
                named,
                None,
                error.reason.value,
                error.text("en")[:500],
                error.text("fa")[:500],
            )
        )

    def _failed(self, state: PeerState) -> PeerState:
        """Return the state of a peer that failed: full jitter, doubling to a day."""
        latest = self._store.peer(state.name)
        failures = state.failures + 1
        most = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2 ** min(failures - 1, 20))
        moment = self._moment() + timedelta(seconds=self._chance.uniform(0, most))
        return PeerState(
            state.name, latest.cursor, failures, _text(moment), state.last_ok
        )

    def _fill(self, report: SyncReport, turns: Sequence[_Turn]) -> None:
        """Put together what the turns found and what the store says now."""
        dropped: dict[str, int] = {}
        not_applied: dict[str, int] = {}
        wrong_prevs: dict[str, int] = {}
        before: dict[str, tuple[int, dict[str, bool]]] = {}
        for turn in turns:
            report.peers.append(turn.report)
            report.refused.extend(turn.refused)
            report.quarantined.extend(turn.quarantined)
            report.own_ahead = max(report.own_ahead, turn.own_ahead)
            for total, part in (
                (dropped, turn.dropped),
                (not_applied, turn.not_applied),
                (wrong_prevs, turn.wrong_prevs),
            ):
                for origin, count in part.items():
                    total[origin] = total.get(origin, 0) + count
            for origin, (size, keys) in turn.live_before.items():
                # Of two peers' threads, the first one saw the log as it was.
                size_first, first = before.get(origin, (size, {}))
                both = {**keys, **first} if size_first <= size else {**first, **keys}
                before[origin] = (min(size_first, size), both)
        report.quarantined = sorted(set(report.quarantined))
        held = {log.origin: log for log in self._store.logs()}
        for origin in sorted({*held, *self.ingest.keys.origins()}):
            line = self._log_report(origin, held.get(origin), before.get(origin))
            line.redacted = dropped.get(origin, 0)
            line.not_applied = not_applied.get(origin, 0)
            line.wrong_prevs = wrong_prevs.get(origin, 0)
            report.logs.append(line)
        report.finished = self._now()

    def _log_report(
        self,
        origin: str,
        log: LogState | None,
        before: tuple[int, dict[str, bool]] | None,
    ) -> LogReport:
        """Tell what changed in a log since the round began."""
        city = self.ingest.keys.city(origin)
        if log is None:
            return LogReport(origin, city)
        report = LogReport(
            origin,
            city,
            size_before=log.size,
            size=log.size,
            status=log.status.value,
            missing_bodies=log.missing_bodies,
            stale=is_stale(self.ingest.keys, log, self.ingest.clock()),
        )
        if before is not None:
            report.size_before, keys = before
            self._fill_keys(report, keys)
        return report

    def _fill_keys(self, report: LogReport, live_before: dict[str, bool]) -> None:
        """Replay the new entries over the keys that were live before."""
        if not report.size_before:  # a million keys need not be in memory at once
            report.new = self._store.live_keys(report.origin, KEYS_LISTED_MAX)
            report.new_keys = self._store.live_count(report.origin)
            return
        touched: set[str] = set()
        before = {key for key, live in live_before.items() if live}
        live = set(before)
        for start in range(report.size_before, report.size, ENTRIES_AT_ONCE):
            end = min(start + ENTRIES_AT_ONCE, report.size)
            raws = self._store.entries(report.origin, start, end)
            for entry in entries.applied(raws, start, report.origin):
                if entry.key is None:
                    continue
                touched.add(entry.key)
                (live.add if entry.op == "put" else live.discard)(entry.key)
        new, changed = touched & live - before, touched & live & before
        withdrawn = touched & before - live
        report.new, report.new_keys = _listed(new), len(new)
        report.changed, report.changed_keys = _listed(changed), len(changed)
        report.withdrawn, report.withdrawn_keys = _listed(withdrawn), len(withdrawn)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.ingest.clock(), UTC)

    def _now(self) -> str:
        return _text(self._moment())


def _blame(report: PeerReport, error: ShahrdadError) -> None:
    """Say in a peer's line what ended its turn."""
    report.error = error.reason.value
    report.error_fa, report.error_en = error.text("fa"), error.text("en")


def _listed(keys: set[str]) -> list[str]:
    """Return the keys that a report lists."""
    return sorted(keys)[:KEYS_LISTED_MAX]


def _text(moment: datetime) -> str:
    """Return a time as RFC 3339, which sorts as text."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _warning(at: str, origin: str, wrong: WrongPrev) -> Problem:
    """Return the line of the ledger about an entry with a wrong `prev`."""
    given, actual = (
        "null" if index is None else index for index in (wrong.given, wrong.actual)
    )
    said = PeerError(
        Reason.PREV_WRONG,
        index=wrong.index,
        key=wrong.key,
        given=given,
        actual=actual,
    )
    texts = said.text("en"), said.text("fa")
    return Problem(at, "", origin, wrong.index, said.reason.value, *texts)
