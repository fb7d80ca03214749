"""Whose signature counts, at which size: the keys that a node trusts.

Every verification asks a `KeyRing`. `ConfiguredKeys` holds what an operator wrote down;
`members.MemberKeys` holds what the member log says. A key signs a range of sizes, so
that old checkpoints keep their key for ever (federation 10.3).

>>> from shahrdad.federation.verify.note import Kind, Signer
>>> signer = Signer.from_seed("a.example/catalog", bytes(32), Kind.LOG)
>>> keys = ConfiguredKeys([LogKey("a.example/catalog", signer.vkey, until_size=9)])
>>> [len(keys.verifiers("a.example/catalog", size)) for size in (9, 10)]
[1, 0]
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.allowances import (
    NO_QUOTAS,
    USUAL_RETENTION,
    Quotas,
    Retention,
)
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.evidence import OriginKeys, RetiredKey
from shahrdad.federation.verify.note import Kind, Verifier

STALE_HOURS = 48


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key of a log: it signs `from_size` ≤ size ≤ `until_size`, None = open.

    A key with an `until_size` is retired. What it signs still opens old notes; as
    evidence it counts only when a witness dates it before `retired_at` (Unix time),
    else a stolen old key could quarantine its city.
    """

    origin: str
    vkey: str
    from_size: int = 0
    until_size: int | None = None
    retired_at: int = 0

    def signs(self, size: int) -> bool:
        """Tell whether this key may sign a head of a size."""
        return self.from_size <= size and (
            self.until_size is None or size <= self.until_size
        )


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A key that counts as a witness of a city: dated, and by its city's name."""

    city: str
    vkey: str
    since: int = 0  # Unix time
    until: int | None = None

    def counts(self, seconds: int) -> bool:
        """Tell whether a cosignature of that time counts."""
        return self.since <= seconds and (self.until is None or seconds <= self.until)


class KeyRing(Protocol):
    """Which keys count.

    Concurrent: every method may be called from several threads.
    Current: an answer may change between two calls, when a member entry is applied.
    """

    @property
    def quorum(self) -> int:
        """How many witnesses, not counting the city's own, confirm a head."""
        ...

    @property
    def stale_hours(self) -> int:
        """After how many hours without a cosignature a head is stale."""
        ...

    @property
    def quotas(self) -> Quotas:
        """How much a log may grow in a day."""
        ...

    @property
    def retention(self) -> Retention:
        """How long the bodies of superseded versions stay."""
        ...

    def origins(self) -> Sequence[str]:
        """Return the origins of the logs that are followed, in order."""
        ...

    def verifiers(self, origin: str, size: int) -> Sequence[Verifier]:
        """Return the keys that may sign a head of a log at a size.

        Empty when the log is not known, or no key of it is valid at that size.
        """
        ...

    def evidence_keys(self, checkpoint: Checkpoint) -> OriginKeys:
        """Return the keys by which evidence about a log is judged."""
        ...

    def frozen_size(self, origin: str) -> int | None:
        """Return the size above which no head of a log is taken; None = no bound."""
        ...

    def witnesses(self) -> Sequence[WitnessKey]:
        """Return the witnesses whose cosignatures count."""
        ...

    def city(self, origin: str) -> str:
        """Return whose log it is; empty when that is not known."""
        ...


class ConfiguredKeys:
    """Keys from the configuration, checked once.

    Args:
        keys: Of the logs that are followed.
        witnesses: Whose cosignatures count.
        quorum: How many of them confirm a head; 0 = none are needed.
        stale_hours: See `KeyRing.stale_hours`.
        cities: Origin → city.
        quotas: See `KeyRing.quotas`.
        retention: See `KeyRing.retention`.

    Raises:
        RequestError: MALFORMED: an origin or a key that is none, a key of the wrong
            kind, or one key of two logs.
    """

    def __init__(
        self,
        keys: Iterable[LogKey],
        *,
        witnesses: Iterable[WitnessKey] = (),
        quorum: int = 0,
        stale_hours: int = STALE_HOURS,
        cities: dict[str, str] | None = None,
        quotas: Quotas = NO_QUOTAS,
        retention: Retention = USUAL_RETENTION,
    ) -> None:
        self.quorum = quorum
        self.stale_hours = stale_hours
        self.quotas = quotas
        self.retention = retention
        self._keys: dict[str, list[tuple[LogKey, Verifier]]] = {}
        self._witnesses = tuple(witnesses)
        self._cities = dict(cities or {})
        owners: dict[bytes, str] = {}
        for key in keys:
            verifier = log_verifier(key)
            if owners.setdefault(verifier.public_key, key.origin) != key.origin:
                raise _malformed(key.origin, "its key belongs to another log")
            self._keys.setdefault(key.origin, []).append((key, verifier))
        self._origins = tuple(sorted(self._keys))
        self._witness_verifiers = [witness_verifier(item) for item in self._witnesses]

    @classmethod
    def from_vkeys(
        cls,
        logs: Iterable[tuple[str, str, Sequence[str]]],
        *,
        quorum: int = 0,
        stale_hours: int = STALE_HOURS,
    ) -> "ConfiguredKeys":
        """Make keys from (origin, city, vkeys): a vkey tells itself what it signs.

        Raises:
            RequestError: MALFORMED.
        """
        keys: list[LogKey] = []
        witnesses: list[WitnessKey] = []
        cities: dict[str, str] = {}
        for origin, city, vkeys in logs:
            cities[origin] = city
            for vkey in vkeys:
                if Verifier.parse(vkey).kind is Kind.WITNESS:
                    witnesses.append(WitnessKey(city, vkey))
                else:
                    keys.append(LogKey(origin, vkey))
        return cls(
            keys,
            witnesses=witnesses,
            quorum=quorum,
            stale_hours=stale_hours,
            cities=cities,
        )

    def origins(self) -> Sequence[str]:
        """Return the origins of the logs that are followed, in order."""
        return self._origins

    def verifiers(self, origin: str, size: int) -> Sequence[Verifier]:
        """Return the keys that may sign a head of a log at a size."""
        held = self._keys.get(origin, [])
        return [verifier for key, verifier in held if key.signs(size)]

    def evidence_keys(self, checkpoint: Checkpoint) -> OriginKeys:
        """Return the keys by which evidence about a log is judged."""
        held = self._keys.get(checkpoint.origin, [])
        return origin_keys(held, checkpoint.size, self._witness_verifiers)

    def frozen_size(self, origin: str) -> int | None:
        """Return None: the configuration freezes nothing."""
        return None

    def witnesses(self) -> Sequence[WitnessKey]:
        """Return the witnesses whose cosignatures count."""
        return self._witnesses

    def city(self, origin: str) -> str:
        """Return whose log it is; empty when that is not known."""
        return self._cities.get(origin, "")


def origin_keys(
    held: Iterable[tuple[LogKey, Verifier]],
    size: int,
    witnesses: Sequence[Verifier],
) -> OriginKeys:
    """Part the keys that may sign a size into current and retired ones."""
    valid = [(key, verifier) for key, verifier in held if key.signs(size)]
    return OriginKeys(
        current=[verifier for key, verifier in valid if key.until_size is None],
        retired=[
            RetiredKey(verifier, key.retired_at)
            for key, verifier in valid
            if key.until_size is not None
        ],
        witnesses=witnesses,
    )


def log_verifier(key: LogKey) -> Verifier:
    """Return the verifier of a log's key.

    Raises:
        RequestError: MALFORMED.
    """
    if not checkpoints.valid_origin(key.origin):
        raise _malformed(key.origin, "expected host/path")
    verifier = Verifier.parse(key.vkey)
    if verifier.kind is not Kind.LOG or verifier.name != key.origin:
        raise _malformed(key.origin, "the key is not one of this log")
    return verifier


@lru_cache(maxsize=1_024)
def witness_verifier(key: WitnessKey) -> Verifier:
    """Return the verifier of a witness's key.

    Raises:
        RequestError: MALFORMED.
    """
    verifier = Verifier.parse(key.vkey)
    if verifier.kind is not Kind.WITNESS:
        raise _malformed(verifier.name, "the key is not one of a witness")
    return verifier


def witness_verifiers(keys: KeyRing) -> list[Verifier]:
    """Return the verifiers of every witness that counts."""
    return [witness_verifier(witness) for witness in keys.witnesses()]


def _malformed(origin: str, detail: str) -> RequestError:
    return RequestError(Reason.MALFORMED, field=f"key of {origin}", detail=detail)
