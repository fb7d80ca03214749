"""How much of its catalog a log withdrew within a day (federation 8).

A stolen key, or a mistake, would empty a city's catalog on every mirror; so much at
once is held for a person. One stream could stay below any share and the next go on: so
what was live a day ago is compared with what of it is live now, however many streams
came between. What a log says of itself (`prev`, `time`) is not asked.

>>> from shahrdad.federation.withdrawals import above
>>> above(21, live=40, percent_max=50), above(20, live=20, percent_max=50)
(True, False)
"""

from collections.abc import Iterable, Iterator

from shahrdad.federation.limits import WITHDRAWALS_FREE
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.entry import Entry

ENTRIES_AT_ONCE = 4_096


class DayWithdrawals:
    """What of a log's state a day ago is gone, while a stream of it comes.

    Args:
        logs: Where the log is held.
        origin: The log.
        base: Entries that were held a day ago.
    """

    def __init__(self, logs: LogReading, origin: str, base: int) -> None:
        self._logs = logs
        self._origin = origin
        self._base = base
        self._deletes: int | None = None  # since `base`; counted when the first comes
        self._before: set[str] | None = None  # live a day ago, when it matters
        self._gone: set[str] = set()

    def take(self, coming: Iterable[Entry | None]) -> tuple[int, int]:
        """Count with the next entries of the stream.

        Returns:
            How many of the keys that were live a day ago are not any more, and how many
            were live; (0, 0) while fewer were deleted than a person can look through.
        """
        applied = [entry for entry in coming if entry is not None and entry.key]
        deletes = sum(entry.op == "delete" for entry in applied)
        if self._deletes is None:
            if not deletes or not self._base:
                return 0, 0  # nothing is withdrawn, or nothing was live a day ago
            self._deletes = sum(entry.op == "delete" for entry in self._stored())
        self._deletes += deletes
        if self._before is None:
            if self._deletes <= WITHDRAWALS_FREE:
                return 0, 0
            self._begin()
        self._apply(applied)
        return len(self._gone), len(self._before or ())

    def _begin(self) -> None:
        """Replay the state of a day ago, and what was stored since."""
        live: set[str] = set()
        for entry in self._read(0, self._base):
            _apply(entry, live)
        self._before = live
        self._apply(self._stored())

    def _apply(self, coming: Iterable[Entry]) -> None:
        before = self._before or set()
        for entry in coming:
            if entry.key in before:
                (self._gone.add if entry.op == "delete" else self._gone.discard)(
                    entry.key
                )

    def _stored(self) -> Iterator[Entry]:
        """Yield what was stored within the day."""
        return self._read(self._base, self._logs.log(self._origin).size)

    def _read(self, start: int, end: int) -> Iterator[Entry]:
        """Yield the stored entries that have a key."""
        for first in range(start, end, ENTRIES_AT_ONCE):
            last = min(end, first + ENTRIES_AT_ONCE)
            raws = self._logs.entries(self._origin, first, last)
            for entry in entries.applied(raws, first, self._origin):
                if entry.key is not None:
                    yield entry


def above(withdrawn: int, live: int, percent_max: int) -> bool:
    """Tell whether so many withdrawals of so many keys are held for a person."""
    return withdrawn > WITHDRAWALS_FREE and withdrawn * 100 > live * percent_max


def _apply(entry: Entry, live: set[str]) -> None:
    """Apply an entry to the live keys."""
    if entry.key is not None:
        (live.add if entry.op == "put" else live.discard)(entry.key)
