"""Policy files: which logs and witnesses to trust, and how many (C2SP tlog-policy).

    log kerman.example.ir/catalog+8c2f5cdd+Ac84jO9x…
    witness shiraz shiraz.example.ir/witness+099d1f71+BJpgov…
    witness mashhad mashhad.example.ir/witness+0a557d9e+BB+18W…
    group cities 2 shiraz mashhad
    quorum cities

A verifier that knows nothing of the member log needs such a file alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.limits import (
    NOTE_BYTES_MAX,
    POLICY_GROUPS_MAX,
    POLICY_LOGS_MAX,
    POLICY_WITNESSES_MAX,
)
from shahrdad.federation.verify.note import Kind, Signature, Verifier

NOBODY = "none"
POLICY_BYTES_MAX = 4 * NOTE_BYTES_MAX

_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Group:
    """Some witnesses or groups, of which `threshold` must have cosigned."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, named witnesses, groups of them, and the name that makes the quorum."""

    logs: tuple[Verifier, ...]
    witnesses: tuple[tuple[str, Verifier], ...]
    groups: tuple[Group, ...]
    quorum: str = NOBODY

    @classmethod
    def of(
        cls, logs: Iterable[Verifier], witnesses: Mapping[str, Verifier], quorum: int
    ) -> "Policy":
        """Make the policy that wants any `quorum` of some witnesses."""
        named = tuple(sorted(witnesses.items()))
        if not quorum:
            return cls(tuple(logs), named, ())
        if not quorum <= len(named):
            raise ValueError(f"a quorum of {quorum} among {len(named)} witnesses")
        group = "quorum-of-witnesses"
        members = tuple(name for name, _ in named)
        return cls(tuple(logs), named, (Group(group, quorum, members),), group)

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """All keys, to open a note with."""
        return (*self.logs, *(verifier for _, verifier in self.witnesses))

    def satisfied(self, signatures: Iterable[Signature]) -> bool:
        """Return whether verified signatures make the quorum."""
        lines = {(line.name, line.key_id) for line in signatures}
        witnessed = {NOBODY} | {
            name
            for name, verifier in self.witnesses
            if (verifier.name, verifier.key_id) in lines
        }
        for group in self.groups:  # each names only what stands above it
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return self.quorum in witnessed

    def text(self) -> bytes:
        """Return the policy file."""
        lines = [
            *(f"log {verifier.vkey}" for verifier in self.logs),
            *(f"witness {name} {verifier.vkey}" for name, verifier in self.witnesses),
            *(
                f"group {group.name} {group.threshold} {' '.join(group.members)}"
                for group in self.groups
            ),
            f"quorum {self.quorum}",
        ]
        return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def parse(data: bytes) -> Policy:
    """Read a policy file.

    Raises:
        RequestError: MALFORMED or TOO_LARGE.
    """
    if len(data) > POLICY_BYTES_MAX:
        raise RequestError(
            Reason.TOO_LARGE, size_bytes=len(data), size_bytes_max=POLICY_BYTES_MAX
        )
    if _CONTROL.search(data):
        _refuse(0, "a control character")
    reading = _Reading()
    # Names are octets to the format, so bytes that are not UTF-8 are kept as they are.
    for number, line in enumerate(
        data.decode("utf-8", "surrogateescape").split("\n"), start=1
    ):
        words = [word for word in re.split("[ \t]+", line) if word]
        if words and not words[0].startswith("#"):
            reading.line(number, words)
    return reading.policy()


class _Reading:
    """A policy as far as it is read."""

    def __init__(self) -> None:
        self._logs: list[Verifier] = []
        self._witnesses: list[tuple[str, Verifier]] = []
        self._groups: list[Group] = []
        self._quorum: str | None = None
        self._names = {NOBODY}
        self._keys: dict[Kind, set[bytes]] = {kind: set() for kind in Kind}
        self._members: set[str] = set()

    def line(self, number: int, words: Sequence[str]) -> None:
        """Read one line."""
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self._logs.append(self._verifier(number, vkey, Kind.LOG))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                verifier = self._verifier(number, vkey, Kind.WITNESS)
                self._define(number, name)
                self._witnesses.append((name, verifier))
            case ["group", name, threshold, *members] if members:
                self._group(number, name, threshold, members)
            case ["quorum", name] if self._quorum is None:
                if name not in self._names:
                    _refuse(number, f"{name} is not defined above")
                self._quorum = name
            case _:
                _refuse(number, "not a line of a policy")

    def policy(self) -> Policy:
        """Return the policy, which must have said its quorum."""
        if self._quorum is None:
            _refuse(0, "no quorum line")
        bounds = (
            (self._logs, POLICY_LOGS_MAX),
            (self._witnesses, POLICY_WITNESSES_MAX),
            (self._groups, POLICY_GROUPS_MAX),
        )
        if any(len(lines) > most for lines, most in bounds):
            _refuse(0, "more logs, witnesses or groups than are accepted")
        return Policy(
            tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum
        )

    def _verifier(self, number: int, vkey: str, kind: Kind) -> Verifier:
        """Read a key; none may come twice, under whatever name."""
        try:
            verifier = Verifier.parse(vkey)
        except RequestError as error:
            _refuse(number, str(error))
        if verifier.kind is not kind or verifier.public_key in self._keys[kind]:
            _refuse(number, "a key of the wrong type, or one that came before")
        self._keys[kind].add(verifier.public_key)
        return verifier

    def _define(self, number: int, name: str) -> None:
        """Take a name for a witness or a group."""
        if name in self._names:
            _refuse(number, f"{name} is defined already")
        self._names.add(name)

    def _group(
        self, number: int, name: str, threshold: str, members: Sequence[str]
    ) -> None:
        """Read a group; each name counts in one group at most, and once."""
        unknown = set(members) - (self._names - {NOBODY})
        if unknown or len(set(members)) < len(members) or set(members) & self._members:
            _refuse(number, "members that are not defined above, or that come twice")
        least = {"any": "1", "all": str(len(members))}.get(threshold, threshold)
        if not _COUNT.fullmatch(least) or int(least) > len(members):
            _refuse(number, f"not 1 to {len(members)} members")
        self._define(number, name)
        self._members.update(members)
        self._groups.append(Group(name, int(least), tuple(members)))


def _refuse(number: int, detail: str) -> NoReturn:
    """Say which line is wrong; 0 stands for the whole file."""
    raise RequestError(
        Reason.MALFORMED, field="policy", detail=f"line {number}: {detail}"
    )
