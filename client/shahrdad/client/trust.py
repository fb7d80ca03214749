"""Whose keys a reader believes: a policy's, remembered ones, or those a node names.

The first of these that is there decides alone: beside a policy no other key counts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from shahrdad.client import limits
from shahrdad.client.chain import Asked, Keys, check
from shahrdad.client.memory import Memory
from shahrdad.client.source import Found, Source
from shahrdad.client.verdict import Trust, Verdict
from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import policy as policies
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify.note import Kind, Verifier
from shahrdad.federation.verify.policy import Policy


def read_policy(given: str | Path | bytes | Policy | None) -> Policy | None:
    """Return the policy in a file, in bytes, or as it is.

    Raises:
        RequestError: FILE_NOT_FOUND, MALFORMED, TOO_LARGE.
    """
    if given is None or isinstance(given, Policy):
        return given
    if isinstance(given, bytes):
        return policies.parse(given)
    return policies.parse(read_file(Path(given), limits.POLICY_BYTES_MAX))


def read_file(path: Path, limit: int) -> bytes:
    """Return a small file that the caller named.

    Raises:
        RequestError: FILE_NOT_FOUND, TOO_LARGE.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(path)) from error
    if len(data) > limit:
        raise RequestError(Reason.TOO_LARGE, size_bytes=len(data), size_bytes_max=limit)
    return data


class Anchor:
    """What one reader believes.

    Args:
        policy: Logs, witnesses and quorum; None to believe less.
        memory: Where first-seen keys are kept; None to keep nothing.
        cities: City → origin, where the caller knows.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        memory: Memory | None = None,
        cities: Mapping[str, str] | None = None,
    ) -> None:
        self.policy = policy
        self._memory = memory
        self._cities = dict(cities or {})

    def check(self, found: Found, source: Source, asked: Asked) -> Verdict:
        """Return the verdict on what a source gave.

        Raises:
            PeerError: CITY_CLAIMED, KEY_ABSENT, KEY_CHANGED; MALFORMED, TOO_LARGE.
        """
        city = asked.ref.partition("/")[0]
        origin = checkpoints.peek(receipts.parse(found.receipt).note).origin
        known = self._cities.get(city) or (
            self._memory.origin(city) if self._memory is not None else None
        )
        if known is not None and known != origin:
            raise PeerError(
                Reason.CITY_CLAIMED, origin=origin, city=city, origin_known=known
            )
        keys = self._keys(origin, city, source)
        verdict = check(found.receipt, keys, record=found.record, asked=asked)
        if self._memory is not None:
            self._remember(verdict, city, keys)
        return verdict

    @property
    def remembered(self) -> Path | bool:
        """The folder of the keys that were met first; False where none are kept."""
        return False if self._memory is None else self._memory.folder

    def _keys(self, origin: str, city: str, source: Source) -> Keys:
        """Return the keys that decide about a log."""
        if self.policy is not None:
            return Keys.of_policy(self.policy)
        if self._memory is not None:
            remembered = self._memory.keys(origin)
            if remembered:
                return Keys(_log_keys(remembered, origin), None, Trust.REMEMBERED)
        named = _log_keys(source.keys(origin, city), origin)
        if not named:
            raise PeerError(Reason.KEY_ABSENT, origin=origin)
        return Keys(named, None, Trust.UNANCHORED)

    def _remember(self, verdict: Verdict, city: str, keys: Keys) -> None:
        """Keep what was seen first, or say that it changed."""
        memory = self._memory
        if memory is None:
            return
        failed = verdict.failed
        if keys.trust is Trust.REMEMBERED and failed and failed.name == "signature":
            self._changed(memory, verdict.origin)
        if verdict:
            shown = keys.verifiers or tuple(
                verifier
                for verifier in (self.policy.logs if self.policy is not None else ())
                if verifier.name == verdict.origin
            )
            memory.remember(
                city, verdict.origin, tuple(verifier.vkey for verifier in shown)
            )

    def _changed(self, memory: Memory, origin: str) -> NoReturn:
        """Raise that a log signs with other keys than those remembered."""
        raise PeerError(
            Reason.KEY_CHANGED, origin=origin, path=str(memory.path_of_log(origin))
        )


def _log_keys(vkeys: tuple[str, ...], origin: str) -> tuple[Verifier, ...]:
    """Return the keys of a log among some texts; the rest is of no use here."""
    found = []
    for vkey in vkeys:
        try:
            verifier = Verifier.parse(vkey)
        except RequestError:
            continue
        if verifier.name == origin and verifier.kind is Kind.LOG:
            found.append(verifier)
    return tuple(found)
