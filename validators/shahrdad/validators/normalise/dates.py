"""The date grammar (`standards.md` 4.4): a declared calendar, and real days only.

`1404-06-08` is a legal Gregorian date for every library, and a Jalali date for its
author. So text goes through this grammar alone, and a year of the other calendar is an
error unless the column is declared mixed.

>>> parse("۱۴۰۴/۰۶/۰۸").value
datetime.date(2025, 8, 30)
>>> parse("1404-06-08", calendar="gregorian").reason
'jalali-in-gregorian-column'
"""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.datasets import jalali
from shahrdad.validators.kernels.digits import cell_bytes
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.normalise.digits import to_ascii

Calendar = Literal["jalali", "gregorian", "mixed"]
Order = Literal["ymd", "dmy"]

JALALI_YEAR_MIN = jalali.JALALI_YEAR_MIN
JALALI_YEAR_MAX = jalali.JALALI_YEAR_MAX
GREGORIAN_YEAR_MIN = jalali.GREGORIAN_YEAR_MIN
GREGORIAN_YEAR_MAX = jalali.GREGORIAN_YEAR_MAX
STORED_JALALI_YEAR_MAX = 1699  # a typed date of an earlier year is Jalali in disguise

REASONS: Final = (
    "jalali-in-gregorian-column",
    "gregorian-in-jalali-column",
    "two-digit-year",
    "day-first",
    "excel-serial",
    "no-such-day",
    "not-a-date",
    "date-time",
    "year-out-of-range",
    "mixed-separators",
    "excel-date-mangled",
)

_NUMERIC = re.compile(r"([0-9]+)([/.\-])([0-9]+)([/.\-])([0-9]+)")
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_SERIAL = re.compile(r"[0-9]{5}(\.[0-9]+)?")
_DATE_TIME = re.compile(r"[0-9]{1,4}[/.\-][0-9]{1,2}[/.\-][0-9]{1,4}[T ]+[0-9]{1,2}:.*")
_WORDS = re.compile(r"(?:(\D*?)[،,]? )?([0-9]{1,2}) ([^\W\d]+)(?: ماه)? ([0-9]{4})")

_MONTHS = {forms.key(name): n for n, name in enumerate(jalali.MONTHS_FA, start=1)}
_MONTHS[forms.key("امرداد")] = 5
_WEEKDAYS = {
    forms.key(name).replace(" ", ""): n for n, name in enumerate(jalali.WEEKDAYS_FA)
}


@dataclass(frozen=True, slots=True)
class Day:
    """What a text says as a date.

    Attributes:
        value: The Gregorian day; None when refused.
        reason: Why it was refused, one of `REASONS`; None when not.
        warnings: `weekday-mismatch`, `jalali-stored-as-gregorian`.
    """

    value: date | None = None
    reason: str | None = None
    warnings: tuple[str, ...] = ()


def parse(
    text: str,
    *,
    calendar: Calendar = "jalali",
    century: int | None = None,
    order: Order = "ymd",
) -> Day:
    """Read a date in text.

    Args:
        text: The cell as the publisher wrote it.
        calendar: The declared calendar of its column.
        century: 1300 or 1400 for years of two digits; None refuses them.
        order: `dmy` where the day stands first.

    Returns:
        The day, or the reason for which the text is none.
    """
    plain = _prepare(text)
    if numeric := _NUMERIC.fullmatch(plain):
        return _from_numeric(numeric, calendar, century, order)
    if compact := _COMPACT.fullmatch(plain):
        return _judge(int(compact[1]), int(compact[2]), int(compact[3]), calendar)
    if _SERIAL.fullmatch(plain):
        return Day(reason="excel-serial")
    if _DATE_TIME.fullmatch(plain):
        return Day(reason="date-time")
    if words := _WORDS.fullmatch(plain):
        return _from_words(words, calendar)
    return Day(reason="not-a-date")


def _prepare(text: str) -> str:
    """Apply steps 1 to 7 and 10."""
    if text.isascii():
        return text.strip(" \t")
    for _, step in forms.CLEAN_STEPS[:7]:
        text = step(text)
    return to_ascii(text).replace("\u200c", "")


def _from_numeric(
    found: re.Match[str], calendar: Calendar, century: int | None, order: Order
) -> Day:
    """Judge three numbers with separators."""
    first, separator, month, separator_2, last = found.groups()
    lengths = len(first), len(month), len(last)
    if separator != separator_2:
        return Day(reason="mixed-separators")
    if lengths[0] == 4 and max(lengths[1:]) <= 2:
        return _judge(int(first), int(month), int(last), calendar)
    if lengths[2] == 4 and max(lengths[:2]) <= 2:
        if order != "dmy":
            return Day(reason="day-first")
        return _judge(int(last), int(month), int(first), calendar)
    if max(lengths) > 2:
        return Day(reason="not-a-date")
    year, day = (last, first) if order == "dmy" else (first, last)
    if century is None or len(year) != 2:
        return Day(reason="two-digit-year")
    return _judge(century + int(year), int(month), int(day), calendar)


def _from_words(found: re.Match[str], calendar: Calendar) -> Day:
    """Judge a day with the name of its month, and perhaps of its weekday."""
    weekday_name, day, month_name, year = found.groups()
    name = forms.key(month_name)
    month = _MONTHS.get(name) or _MONTHS.get(name.removesuffix(forms.key("ماه")))
    weekday = None
    if weekday_name:
        weekday = _WEEKDAYS.get(forms.key(weekday_name).replace(" ", ""))
        if weekday is None:
            return Day(reason="not-a-date")
    if month is None:
        return Day(reason="not-a-date")
    if GREGORIAN_YEAR_MIN <= int(year) <= GREGORIAN_YEAR_MAX:
        return Day(reason="not-a-date")  # a Jalali month of a Gregorian year
    judged = _judge(int(year), month, int(day), calendar)
    if judged.value is None or weekday is None or judged.value.weekday() == weekday:
        return judged
    return Day(judged.value, warnings=("weekday-mismatch",))


def _judge(year: int, month: int, day: int, calendar: Calendar) -> Day:
    """Judge year, month and day in the declared calendar."""
    if JALALI_YEAR_MIN <= year <= JALALI_YEAR_MAX:
        if calendar == "gregorian":
            return Day(reason="jalali-in-gregorian-column")
        return _jalali_day(year, month, day)
    if not GREGORIAN_YEAR_MIN <= year <= GREGORIAN_YEAR_MAX:
        return Day(reason="year-out-of-range")
    if calendar == "jalali":
        return Day(reason="gregorian-in-jalali-column")
    try:
        return Day(date(year, month, day))
    except ValueError:
        return Day(reason="no-such-day")


def _jalali_day(year: int, month: int, day: int) -> Day:
    """Return the day of a Jalali date of 1300 to 1499."""
    if not (1 <= month <= 12 and 1 <= day <= int(_month_days(year)[month])):
        return Day(reason="no-such-day")
    starts, _ = _years()
    ordinal = int(starts[year - JALALI_YEAR_MIN]) + _DAYS_BEFORE[month] + day - 1
    return Day(date.fromordinal(ordinal + _EPOCH))


def parse_typed(stored: date, *, calendar: Calendar, jalali_text: bool = False) -> Day:
    """Judge what a file stored as a date, not as text.

    Args:
        stored: The date as its type says, Gregorian.
        calendar: The declared calendar of the column: that of its texts. A typed date
            is Gregorian by its type, so it is right in a Jalali column too.
        jalali_text: Whether other cells of the column hold Jalali dates as text: then a
            spreadsheet has made a date of a text such as 99/12/29.

    Returns:
        The day; a year before 1700 is read again as Jalali, with a warning.
    """
    if stored.year <= STORED_JALALI_YEAR_MAX:
        if not JALALI_YEAR_MIN <= stored.year <= JALALI_YEAR_MAX:
            return Day(reason="year-out-of-range")
        read = _jalali_day(stored.year, stored.month, stored.day)
        if read.value is None:
            return read
        return Day(read.value, warnings=("jalali-stored-as-gregorian",))
    if jalali_text and calendar != "mixed":
        return Day(reason="excel-date-mangled")
    if not GREGORIAN_YEAR_MIN <= stored.year <= GREGORIAN_YEAR_MAX:
        return Day(reason="year-out-of-range")
    return Day(stored)


_EPOCH = date(1970, 1, 1).toordinal()
_LENGTHS = (0, 31, 31, 31, 31, 31, 31, 30, 30, 30, 30, 30, 30)
_DAYS_BEFORE = np.concatenate(([0], np.cumsum(_LENGTHS[:-1])))  # by month, from 1
_DAYS_BEFORE.setflags(write=False)
Days = npt.NDArray[np.int32]


@cache
def _years() -> tuple[Days, npt.NDArray[np.bool_]]:
    """Return the day of each Nowruz since 1970, and which years are leap years."""
    starts = np.array(
        [
            jalali.to_gregorian(year, 1, 1).toordinal() - _EPOCH
            for year in range(JALALI_YEAR_MIN, JALALI_YEAR_MAX + 2)
        ],
        np.int32,
    )
    return starts[:-1], np.diff(starts) == 366


def _month_days(year: int) -> tuple[int, ...]:
    """Return the lengths of the months of a Jalali year, by number."""
    _, leap = _years()
    return _LENGTHS if leap[year - JALALI_YEAR_MIN] else (*_LENGTHS[:-1], 29)


def column_days(
    column: pa.StringArray, calendar: Calendar
) -> tuple[Days, npt.NDArray[np.bool_]]:
    """Read the common form, `YYYY/MM/DD` in ASCII digits, a whole column at a time.

    Args:
        column: n cells, digits already ASCII.
        calendar: The declared calendar of the column.

    Returns:
        n days since 1970, and n flags: true where the day is certain. Where false, the
        cell is of another form or no date, and `parse` tells.
    """
    data, offsets = cell_bytes(column)
    days = np.zeros(len(column), np.int32)
    sure = np.zeros(len(column), bool)
    at = np.flatnonzero(np.diff(offsets) == 10)
    if not len(at):
        return days, sure
    cells = data[offsets[at][:, None] + np.arange(10, dtype=np.int32)]
    separator = cells[:, 4]
    digits = cells[:, [0, 1, 2, 3, 5, 6, 8, 9]].astype(np.int32) - 0x30
    formed = (
        ((digits >= 0) & (digits <= 9)).all(axis=1)
        & (separator == cells[:, 7])
        & np.isin(separator, np.frombuffer(b"/-.", np.uint8))
    )
    year = digits[:, :4] @ np.array([1000, 100, 10, 1], np.int32)
    month = digits[:, 4] * 10 + digits[:, 5]
    day = digits[:, 6] * 10 + digits[:, 7]
    found = np.zeros(len(at), np.int32)
    good = np.zeros(len(at), bool)
    if calendar != "gregorian":
        _jalali_days(year, month, day, formed, found, good)
    if calendar != "jalali":
        _gregorian_days(year, month, day, formed, found, good)
    days[at], sure[at] = found, good
    return days, sure


def _jalali_days(
    year: Days,
    month: Days,
    day: Days,
    formed: npt.NDArray[np.bool_],
    found: Days,
    good: npt.NDArray[np.bool_],
) -> None:
    """Fill in the days of the Jalali dates among n dates."""
    starts, leap = _years()
    inside = (year >= JALALI_YEAR_MIN) & (year <= JALALI_YEAR_MAX)
    inside &= (month >= 1) & (month <= 12) & formed
    place = np.where(inside, year - JALALI_YEAR_MIN, 0)
    safe_month = np.where(inside, month, 1)
    length = np.array(_LENGTHS, np.int32)[safe_month]
    length = np.where((safe_month == 12) & ~leap[place], 29, length)
    inside &= (day >= 1) & (day <= length)
    ordinal = starts[place] + _DAYS_BEFORE[safe_month] + day - 1
    found[inside] = ordinal[inside]
    good |= inside


def _gregorian_days(
    year: Days,
    month: Days,
    day: Days,
    formed: npt.NDArray[np.bool_],
    found: Days,
    good: npt.NDArray[np.bool_],
) -> None:
    """Fill in the days of the Gregorian dates among n dates."""
    inside = (year >= GREGORIAN_YEAR_MIN) & (year <= GREGORIAN_YEAR_MAX)
    inside &= (month >= 1) & (month <= 12) & formed
    months = np.where(inside, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[D]").astype(np.int64)
    inside &= (day >= 1) & (day <= following - first)
    found[inside] = (first + day - 1)[inside]
    good |= inside


def are_iso(column: pa.StringArray) -> bool:
    """Tell whether all cells that may be dates of ten bytes are parted by hyphens.

    The text of such a Gregorian date, where it is one, is `to_text` of its day.
    """
    data, offsets = cell_bytes(column)
    starts = offsets[:-1][np.diff(offsets) == 10]
    return bool((data[starts + 4] == 0x2D).all() and (data[starts + 7] == 0x2D).all())


def to_text(days: Days) -> pa.StringArray:
    """Return days since 1970 as ISO dates, `YYYY-MM-DD`."""
    return pa.array(days, pa.int32()).cast(pa.date32()).cast(pa.string())
