r"""The month's root of roots: what every log was when a month ended (federation 10.7).

    {"forum":"forum.example.ir/members","logs":[{"origin":…,"root":…,"size":5},…],
     "month":"1404-08"}

One line of JCS, logs by origin, under `roots/<month>` in the member log, which signs
it. Its SHA-256, 64 digits in groups of eight, goes into the minutes on paper: who holds
the minutes and any mirror can tell, years later, whether a past entry was changed.

`make` takes of each log the entries that its confirmed head covers, up to the last one
not later than the month's end, so that every node that holds them makes the same bytes.
`check` hashes the stored entries again, one by one, and trusts no tile.

>>> content = MonthRoots("f.example/members", "1404-08", ()).content()
>>> content
b'{"forum":"f.example/members","logs":[],"month":"1404-08"}'
>>> read(content).month, groups(Digest.of(content))[:17]
('1404-08', '07ea3a94 0be9b8dd')
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, NoReturn

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.keyring import KeyRing
from shahrdad.federation.limits import BODY_BYTES_MAX, SIZE_MAX
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.log.schema import LogState, Status
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tree import Frontier

PREFIX = "roots/"
ENTRIES_AT_ONCE = 4_096
GROUP_DIGITS = 8

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_ROOT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class LogRoot:
    """A log's size and root when the month ended."""

    origin: str
    size: int
    root: str  # 64 lower-case hexadecimal digits


@dataclass(frozen=True, slots=True)
class MonthRoots:
    """The roots of a Jalali month, by origin."""

    forum: str
    month: str  # 1404-08
    logs: tuple[LogRoot, ...]

    @property
    def key(self) -> str:
        """The key in the member log."""
        return PREFIX + self.month

    def content(self) -> bytes:
        """Return the body: one line of JCS.

        Raises:
            RequestError: TOO_LARGE: a body holds some 7,000 logs.
        """
        logs = [
            {"origin": log.origin, "size": log.size, "root": log.root}
            for log in self.logs
        ]
        content = strict_json.canonical(
            {"forum": self.forum, "month": self.month, "logs": logs}
        )
        if len(content) > BODY_BYTES_MAX:
            raise RequestError(
                Reason.TOO_LARGE,
                size_bytes=len(content),
                size_bytes_max=BODY_BYTES_MAX,
            )
        return content


@dataclass(frozen=True, slots=True)
class Made:
    """Roots, and the logs that are not among them because nobody confirmed them."""

    roots: MonthRoots
    unconfirmed: tuple[str, ...]


class Agreement(StrEnum):
    """What a node finds of one line."""

    SAME = "same"
    DIFFERS = "differs"  # the entries held here have another root
    NOT_HELD = "not held"  # so many entries are not held here


@dataclass(frozen=True, slots=True)
class Checked:
    """One line of the roots, and what this node holds there."""

    published: LogRoot
    agreement: Agreement
    root_held: str | None = None


def make(logs: LogReading, keys: KeyRing, forum: str, month: str, until: str) -> Made:
    """Return the roots of a month.

    Quarantined logs are left out: they have two histories.

    Args:
        logs: What this node holds.
        keys: Which logs are followed, and whether a quorum confirms heads.
        forum: Origin of the member log.
        month: Jalali, `1404-08`.
        until: The month's last second, as entries write times.
    """
    found, unconfirmed = [], []
    for origin in sorted(keys.origins()):
        log = logs.find_log(origin)
        if log is None or log.status is Status.QUARANTINED:
            continue
        covered = _covered(log, keys.quorum)
        if covered is None:
            unconfirmed.append(origin)
            continue
        size = size_at(logs, origin, covered, until)
        if size:
            found.append(LogRoot(origin, size, logs.root_at(origin, size).hex()))
    return Made(MonthRoots(forum, month, tuple(found)), tuple(unconfirmed))


def size_at(logs: LogReading, origin: str, size: int, until: str) -> int:
    """Return one more than the last index below a size whose entry is not later.

    Entries that cannot be read have no time, and go with those before them.
    """
    end = size
    while end:
        start = max(0, end - ENTRIES_AT_ONCE)
        raws = logs.entries(origin, start, end)
        for entry in reversed(list(entries.applied(raws, start, origin))):
            if entry.time <= until:
                return entry.index + 1
        end = start
    return 0


def check(logs: LogReading, roots: MonthRoots) -> Iterator[Checked]:
    """Yield what this node's own entries say of each line."""
    for line in roots.logs:
        held = logs.find_log(line.origin)
        if held is None or held.size < line.size:
            yield Checked(line, Agreement.NOT_HELD)
            continue
        root = _root_of_entries(logs, line.origin, line.size).hex()
        same = Agreement.SAME if root == line.root else Agreement.DIFFERS
        yield Checked(line, same, root)


def read(content: bytes) -> MonthRoots:
    """Read the roots of a month; unknown fields are ignored.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    fields = strict_json.loads(content, bytes_max=BODY_BYTES_MAX, floats=False)
    forum, month, listed = (fields.get(name) for name in ("forum", "month", "logs"))
    if not isinstance(forum, str) or not isinstance(listed, list):
        _refuse("forum is a text and logs a list")
    if not isinstance(month, str) or not _MONTH.fullmatch(month):
        _refuse("month is not such as 1404-08")
    logs = tuple(map(_read_line, listed))
    if any(one.origin >= other.origin for one, other in pairwise(logs)):
        _refuse("its logs are not sorted, or one comes twice")
    return MonthRoots(forum, month, logs)


def published(logs: LogReading, forum: str, month: str) -> tuple[int, bytes] | None:
    """Return index and body of a month's roots in the member log; None: not closed."""
    if logs.find_log(forum) is None:
        return None
    live = logs.live_entry(forum, PREFIX + month)
    body = None if live is None else logs.body(live.sha256)
    return None if live is None or body is None else (live.index, body)


def months(logs: LogReading, forum: str) -> list[str]:
    """Return the months that are closed, in order."""
    if logs.find_log(forum) is None:
        return []
    keys = sorted(key for key in logs.live(forum) if key.startswith(PREFIX))
    return [key.removeprefix(PREFIX) for key in keys]


def groups(digest: Digest) -> str:
    """Return the digits of a digest as the minutes have them, in groups of eight."""
    text = digest.hex
    places = range(0, len(text), GROUP_DIGITS)
    return " ".join(text[place : place + GROUP_DIGITS] for place in places)


def _covered(log: LogState, quorum: int) -> int | None:
    """Return the size of the newest head that counts; None: no quorum confirmed one."""
    note = log.confirmed if quorum else log.checkpoint
    return None if note is None else checkpoints.peek(note).size


def _root_of_entries(logs: LogReading, origin: str, size: int) -> bytes:
    """Return the root of the entries as they are stored now."""
    frontier = Frontier()
    while frontier.size < size:
        end = min(size, frontier.size + ENTRIES_AT_ONCE)
        raws = logs.entries(origin, frontier.size, end)
        frontier.extend(map(entries.leaf_hash, raws))
        if frontier.size != end:
            return b""  # an entry is gone
    return frontier.root()


def _read_line(fields: Any) -> LogRoot:
    """Read one log's line."""
    if not isinstance(fields, dict):
        _refuse("a log is an object")
    origin, size, root = (fields.get(name) for name in ("origin", "size", "root"))
    if not isinstance(origin, str) or not checkpoints.valid_origin(origin):
        _refuse("an origin is none")
    if type(size) is not int or not 1 <= size <= SIZE_MAX:
        _refuse(f"the size of {origin} is none")
    if not isinstance(root, str) or not _ROOT.fullmatch(root):
        _refuse(f"the root of {origin} is not 64 lower-case hex digits")
    return LogRoot(origin, size, root)


def _refuse(detail: str) -> NoReturn:
    raise PeerError(Reason.MALFORMED, field="roots of a month", detail=detail)
