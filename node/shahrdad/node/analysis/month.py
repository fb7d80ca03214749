"""A Jalali month, and its bounds as the log's times.

>>> from shahrdad.node.analysis.month import Month
>>> Month.parse("1404-08").end
'2025-11-21T20:29:59Z'
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.jalali import from_gregorian, month_days, to_gregorian
from shahrdad.node.analysis import duties
from shahrdad.node.download import TEHRAN


@dataclass(frozen=True, slots=True)
class Month:
    """A Jalali month."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read `1404-08`.

        Raises:
            RequestError: MONTH_UNKNOWN.
        """
        year, _, month = text.partition("-")
        plain = year.isascii() and year.isdecimal() and len(year) == 4
        if not plain or month not in {f"{n:02}" for n in range(1, 13)}:
            raise RequestError(Reason.MONTH_UNKNOWN, month=text[:20])
        if not 1300 <= int(year) <= 1498:
            raise RequestError(Reason.MONTH_UNKNOWN, month=text[:20])
        return cls(int(year), int(month))

    @classmethod
    def of(cls, day: date) -> "Month":
        """Return the month of a day."""
        year, month, _ = from_gregorian(day)
        return cls(year, month)

    @property
    def text(self) -> str:
        """Return `1404-08`."""
        return f"{self.year:04}-{self.month:02}"

    @property
    def before(self) -> "Month":
        """The month before."""
        if self.month == 1:
            return Month(self.year - 1, 12)
        return Month(self.year, self.month - 1)

    @property
    def after(self) -> "Month":
        """The month after."""
        return Month(*duties.month_after(self.year, self.month))

    @property
    def first(self) -> date:
        """Its first day."""
        return to_gregorian(self.year, self.month, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return to_gregorian(self.year, self.month, month_days(self.year, self.month))

    @property
    def start(self) -> str:
        """Its first second in Tehran, as an entry's time."""
        return instant(datetime.combine(self.first, time(), TEHRAN))

    @property
    def end(self) -> str:
        """Its last second in Tehran."""
        return instant(datetime.combine(self.last, time(23, 59, 59), TEHRAN))


def instant(when: datetime) -> str:
    """Return a time as the log writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
