r"""The month's root of roots: what every log was when a month ended (federation 10.7).

    {"forum":"forum.example.ir/members","logs":[{"origin":…,"root":…,"size":5},…],
     "month":"1404-08"}

One line of JCS, logs by origin, under `roots/<month>` in the member log, which signs
it. Its SHA-256, 64 digits in groups of eight, goes into the minutes on paper: who holds
the minutes and any mirror can tell, years later, whether a past entry was changed.

A body holds some 7,000 logs. When there are more, each part holds as many as fit, under
`roots/<month>/<number>`, and the month's own body names the parts by hash, so that its
64 digits pin them all:

    {"forum":…,"month":"1404-08","parts":[{"logs":7000,"sha256":…},…]}
    {"forum":…,"logs":[…],"month":"1404-08","part":1}

`make` takes of each log the entries that its confirmed head covers, up to the last one
not later than the month's end, so that every node that holds them makes the same bytes.
`check` hashes the stored entries again, one by one, and trusts no tile.

>>> ((key, content),) = MonthRoots("f.example/members", "1404-08", ()).bodies()
>>> key, content
('roots/1404-08', b'{"forum":"f.example/members","logs":[],"month":"1404-08"}')
>>> read(content).month, groups(Digest.of(content))[:17]
('1404-08', '07ea3a94 0be9b8dd')
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, NoReturn

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.keyring import KeyRing
from shahrdad.federation.limits import BODY_BYTES_MAX, MONTH_PARTS_MAX, SIZE_MAX
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

    def bodies(self) -> list[tuple[str, bytes]]:
        """Return key and body of each entry to publish; the month's own is the last.

        Raises:
            RequestError: TOO_LARGE: more parts than anybody reads.
        """
        whole = self._line(logs=list(map(_line_of, self.logs)))
        if len(whole) <= BODY_BYTES_MAX:
            return [(self.key, whole)]
        parts = list(self._parts())
        if len(parts) > MONTH_PARTS_MAX:
            raise RequestError(
                Reason.TOO_LARGE,
                size_bytes=len(whole),
                size_bytes_max=MONTH_PARTS_MAX * BODY_BYTES_MAX,
            )
        contents = [
            self._line(logs=lines, part=number) for number, lines in enumerate(parts, 1)
        ]
        named = [
            {"logs": len(lines), "sha256": Digest.of(content).hex}
            for lines, content in zip(parts, contents, strict=True)
        ]
        own = (self.key, self._line(parts=named))
        return [
            *((f"{self.key}/{n}", content) for n, content in enumerate(contents, 1)),
            own,
        ]

    def _parts(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the lines of one part after another, each as many as fit."""
        # A number of fewer digits leaves some room; every node leaves the same.
        frame = len(self._line(logs=[], part=MONTH_PARTS_MAX))
        lines: list[dict[str, Any]] = []
        room = BODY_BYTES_MAX - frame
        for line in map(_line_of, self.logs):
            size = len(strict_json.canonical(line)) + len(",")
            if lines and size > room + len(","):  # no comma follows the last
                yield lines
                lines, room = [], BODY_BYTES_MAX - frame
            lines.append(line)
            room -= size
        yield lines

    def _line(self, **fields: object) -> bytes:
        """Return a body of this month: one line of JCS."""
        return strict_json.canonical(
            {"forum": self.forum, "month": self.month, **fields}
        )


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


def read(
    content: bytes, held: Callable[[Digest], bytes | None] = lambda _: None
) -> MonthRoots:
    """Read the roots of a month; unknown fields are ignored.

    Args:
        content: The month's own body.
        held: Returns the body of a part; `published` found all of them held.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    fields = _fields(content)
    forum, month = fields["forum"], fields["month"]
    inner = _lines_of_parts(fields, held) if "parts" in fields else _lines(fields)
    logs = tuple(map(_read_line, inner))
    if any(one.origin >= other.origin for one, other in pairwise(logs)):
        _refuse("its logs are not sorted, or one comes twice")
    return MonthRoots(forum, month, logs)


def published(logs: LogReading, forum: str, month: str) -> tuple[int, bytes] | None:
    """Return index and body of a month's roots in the member log.

    None: it is not closed, or not all of its bodies came yet.

    Raises:
        PeerError: MALFORMED, TOO_LARGE: what was published is none.
    """
    if logs.find_log(forum) is None:
        return None
    live = logs.live_entry(forum, PREFIX + month)
    body = None if live is None else logs.body(live.sha256)
    if live is None or body is None:
        return None
    if any(logs.body(digest) is None for digest in part_digests(body)):
        return None
    return live.index, body


def part_digests(content: bytes) -> list[Digest]:
    """Return which parts a month's own body names, in order; none when it is whole.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    fields = _fields(content)
    return [digest for digest, _ in _named(fields)] if "parts" in fields else []


def months(logs: LogReading, forum: str) -> list[str]:
    """Return the months that are closed, in order."""
    if logs.find_log(forum) is None:
        return []
    keys = (key for key in logs.live(forum) if key.startswith(PREFIX))
    found = (key.removeprefix(PREFIX) for key in keys)
    return sorted(month for month in found if _MONTH.fullmatch(month))  # and no part


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


def _fields(content: bytes) -> dict[str, Any]:
    """Read a body of a month: its forum and its month are what they must be."""
    fields = strict_json.loads(content, bytes_max=BODY_BYTES_MAX, floats=False)
    if not isinstance(fields.get("forum"), str):
        _refuse("its forum is no text")
    month = fields.get("month")
    if not isinstance(month, str) or not _MONTH.fullmatch(month):
        _refuse("month is not such as 1404-08")
    if "parts" in fields and "logs" in fields:
        _refuse("it has both logs and parts")
    return fields


def _lines(fields: dict[str, Any]) -> list[Any]:
    """Return the lines of a body, unread."""
    listed = fields.get("logs")
    if not isinstance(listed, list):
        _refuse("logs is no list")
    return listed


def _named(fields: dict[str, Any]) -> list[tuple[Digest, int]]:
    """Return digest and number of lines of each part that a body names."""
    named = fields["parts"]
    if not isinstance(named, list) or not 1 <= len(named) <= MONTH_PARTS_MAX:
        _refuse(f"not 1 to {MONTH_PARTS_MAX} parts")
    found = []
    for part in named:
        digest, logs = (
            (part.get("sha256"), part.get("logs"))
            if isinstance(part, dict)
            else (None, None)
        )
        if not isinstance(digest, str) or not _ROOT.fullmatch(digest):
            _refuse("the sha256 of a part is not 64 lower-case hex digits")
        if type(logs) is not int:
            _refuse("a part does not say how many logs it has")
        found.append((Digest.parse(digest), logs))
    return found


def _lines_of_parts(
    fields: dict[str, Any], held: Callable[[Digest], bytes | None]
) -> Iterator[Any]:
    """Yield the lines of the parts that a body names, unread.

    Each part must be of the same month, at its own place, and as long as is said:
    else two bodies could share a part that means something else in each.
    """
    for number, (digest, logs) in enumerate(_named(fields), 1):
        content = held(digest)
        if content is None or Digest.of(content) != digest:
            _refuse(f"part {number} is not here")
        part = _fields(content)
        expected = (fields["forum"], fields["month"], number)
        if (part["forum"], part["month"], part.get("part")) != expected:
            _refuse(f"part {number} is another one")
        lines = _lines(part)
        if len(lines) != logs:
            _refuse(f"part {number} has {len(lines)} logs, not {logs}")
        yield from lines


def _line_of(log: LogRoot) -> dict[str, Any]:
    """Return one log's line, as JCS writes it."""
    return {"origin": log.origin, "size": log.size, "root": log.root}


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
