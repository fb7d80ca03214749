"""Keys as the member log says them: a `KeyRing` that follows that log.

    keys = MemberKeys(store, trust)
    keys.refresh()                  after the member log grew, or a body of it came

What is applied is what a complete head covers. A body that has not come yet stops the
replay where it is missing, since later entries may depend on it; `wanted` names it.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence

from shahrdad.datasets.errors import PeerError
from shahrdad.federation.allowances import Quotas, Retention
from shahrdad.federation.keyring import ConfiguredKeys, LogKey, WitnessKey
from shahrdad.federation.log.store import BodyState, LogStore, Status
from shahrdad.federation.member_records import Standing
from shahrdad.federation.membership import Judged, Membership, Trust
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.evidence import OriginKeys
from shahrdad.federation.verify.note import Verifier

ENTRIES_AT_ONCE = 256


class MemberKeys:
    """The keys of the member log's present state; a `KeyRing`.

    Args:
        store: Holds the member log, as any other.
        trust: What it is checked against.
        extra: Keys besides, our own among them; the member log goes before them.
        cities: Origin → city, of `extra`.

    Raises:
        RequestError: MALFORMED: a trust that could never approve anything.
    """

    def __init__(
        self,
        store: LogStore,
        trust: Trust,
        *,
        extra: Iterable[LogKey] = (),
        cities: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._extra = tuple(extra)
        self._extra_cities = dict(cities or {})
        self._lock = threading.Lock()
        self._size = 0  # entries of the member log that were looked at
        self.membership = Membership(trust)
        self.wanted: tuple[Digest, ...] = ()
        self._keys, self._frozen = self._snapshot()

    @property
    def forum(self) -> str:
        """Origin of the member log."""
        return self.membership.trust.forum

    @property
    def quorum(self) -> int:
        """How many witnesses, not counting the city's own, confirm a head."""
        return self._keys.quorum

    @property
    def stale_hours(self) -> int:
        """After how many hours without a cosignature a head is stale."""
        return self._keys.stale_hours

    @property
    def quotas(self) -> Quotas:
        """How much a log may grow in a day."""
        return self._keys.quotas

    @property
    def retention(self) -> Retention:
        """How long the bodies of superseded versions stay."""
        return self._keys.retention

    def refresh(self) -> list[Judged]:
        """Apply what the member log has beyond what was applied.

        Returns:
            What became of each new entry about members.
        """
        with self._lock:
            judged = self._replay()
            if judged:
                self._keys, self._frozen = self._snapshot()
        return judged

    def origins(self) -> Sequence[str]:
        """Return the origins of the logs that are followed, in order."""
        return self._keys.origins()

    def verifiers(self, origin: str, size: int) -> Sequence[Verifier]:
        """Return the keys that may sign a head of a log at a size."""
        return self._keys.verifiers(origin, size)

    def evidence_keys(self, checkpoint: Checkpoint) -> OriginKeys:
        """Return the keys by which evidence about a log is judged."""
        return self._keys.evidence_keys(checkpoint)

    def frozen_size(self, origin: str) -> int | None:
        """Return the size above which no head of a log is taken; None = no bound."""
        return self._frozen.get(origin)

    def witnesses(self) -> Sequence[WitnessKey]:
        """Return the witnesses whose cosignatures count."""
        return self._keys.witnesses()

    def city(self, origin: str) -> str:
        """Return whose log it is; empty when that is not known."""
        return self._keys.city(origin)

    def set_statuses(self) -> list[str]:
        """Freeze, close and reopen the logs that are held, as the members say.

        A log is stopped once it is held up to its frozen size: a node that joins later
        must still be able to fetch what was published before.

        Returns:
            The origins whose status changed.
        """
        changed = []
        for member, log in self.membership.logs():
            held = self._store.find_log(log.origin)
            if held is None or held.own:
                continue
            wanted = Status.ACTIVE
            if log.frozen_size is not None and held.size >= log.frozen_size:
                stopped = member.standing is not Standing.ACTIVE
                wanted = Status.FROZEN if stopped or not log.closed else Status.CLOSED
            fixed = {Status.QUARANTINED, Status.PAUSED}
            if held.status in fixed and wanted is not Status.CLOSED:
                continue
            if held.status is not wanted:
                self._store.set_status(log.origin, wanted)
                changed.append(log.origin)
        return changed

    def _replay(self) -> list[Judged]:
        """Apply entries up to the complete head, or to a body that is missing."""
        log = self._store.find_log(self.forum)
        judged: list[Judged] = []
        self.wanted = ()
        if log is None or log.status is Status.QUARANTINED:
            return judged
        while self._size < log.head_size and not self.wanted:
            end = min(self._size + ENTRIES_AT_ONCE, log.head_size)
            for raw in self._store.entries(self.forum, self._size, end):
                if not self._apply(raw, judged):
                    break
                self._size += 1
        return judged

    def _apply(self, raw: bytes, judged: list[Judged]) -> bool:
        """Apply one entry; return False when its body has not come yet."""
        try:
            entry = entries.parse(raw, self._size, self.forum)
        except PeerError:
            return True  # stored and relayed, and never applied (4.2)
        body = None
        if entry.op == "put" and entry.sha256 is not None:
            body = self._store.body(entry.sha256)
            if body is None:
                state = self._store.body_state(entry.sha256)
                if state is BodyState.MISSING:
                    self.wanted = (entry.sha256,)
                    return False
        found = self.membership.apply(entry, body)
        if found is not None:
            judged.append(found)
        return True

    def _snapshot(self) -> tuple[ConfiguredKeys, dict[str, int]]:
        """Return keys and frozen sizes of the present state, for readers' threads."""
        keys = list(self.membership.log_keys())
        taken = {(key.origin, key.vkey) for key in keys}
        owners = {Verifier.parse(key.vkey).public_key for key in keys}
        named = {key.origin for key in keys}
        for key in self._extra:
            public = Verifier.parse(key.vkey).public_key
            own = (key.origin, key.vkey) in taken
            # A log that the members name has the keys that they name, and no others.
            if not own and key.origin not in named and public not in owners:
                keys.append(key)
        frozen = {}
        cities = dict(self._extra_cities)
        for member, log in self.membership.logs():
            cities[log.origin] = member.city
            if log.frozen_size is not None:
                frozen[log.origin] = log.frozen_size
        rules = self.membership.rules
        made = ConfiguredKeys(
            keys,
            witnesses=self.membership.witness_keys(),
            quorum=rules.quorum,
            stale_hours=rules.stale_hours,
            cities=cities,
            quotas=rules.quotas,
            retention=rules.retention,
        )
        return made, frozen
