"""Jalali and Gregorian days, and the date texts that people in Iran write.

A day is stored as a Gregorian `datetime.date` and shown Jalali first. Text is read by
the grammar of the dataset standards alone: a date parser of a library would take
`1404-06-08` for a day of the year 1404 AD.

    date = Y SEP M SEP D     SEP: "/", "-" or ".", twice the same; Y has four digits
         | YYYYMMDD
         | [weekday] D month-name ["ماه"] Y

1300-1499 is a Jalali year and 1900-2100 a Gregorian one; anything else is refused, and
so is a year of two digits, because its century would be a guess.

>>> from shahrdad.datasets.jalali import format_fa, parse_date_either, to_gregorian
>>> to_gregorian(1404, 6, 31)
datetime.date(2025, 9, 22)
>>> parse_date_either("۸ شهریور ۱۴۰۴").date
datetime.date(2025, 8, 30)
>>> format_fa(parse_date_either("2025-08-30").date)
'۱۴۰۴/۰۶/۰۸'
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from persiantools.jdatetime import JalaliDate

from shahrdad.datasets.errors import DataError, Reason

Calendar = Literal["jalali", "gregorian"]

JALALI_YEAR_MIN = 1300
JALALI_YEAR_MAX = 1499
GREGORIAN_YEAR_MIN = 1900
GREGORIAN_YEAR_MAX = 2100
FIRST_DAY = date(1921, 3, 21)  # 1300/01/01; no standard has an earlier date

MONTHS_FA = (
    "فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور",
    "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند",
)  # fmt: skip
MONTHS_EN = (
    "Farvardin", "Ordibehesht", "Khordad", "Tir", "Mordad", "Shahrivar",
    "Mehr", "Aban", "Azar", "Dey", "Bahman", "Esfand",
)  # fmt: skip
WEEKDAYS_FA = (
    "دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه",
)  # fmt: skip
WEEKDAYS_EN = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_LETTERS = {0x064A: 0x06CC, 0x0643: 0x06A9, 0x200C: None}
_NUMERIC = re.compile(r"([0-9]{4})([/.-])([0-9]{1,2})\2([0-9]{1,2})")
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_WORDS = re.compile(r"(?:(\D+?) )?([0-9]{1,2}) ([^\W\d]+)(?: ماه)? ([0-9]{4})")
_TWO_DIGIT_YEAR = re.compile(r"[0-9]{1,2}([/.-])[0-9]{1,2}\1[0-9]{1,2}")
_MONTH_NUMBERS = {name: n for n, name in enumerate(MONTHS_FA, start=1)} | {"امرداد": 5}
_WEEKDAY_NUMBERS = {
    name.replace("\u200c", "").replace(" ", ""): n for n, name in enumerate(WEEKDAYS_FA)
}


@dataclass(frozen=True, slots=True)
class ParsedDate:
    """What a text said.

    Attributes:
        date: The day.
        calendar: The calendar in which it was written.
        weekday_mismatch: The text names another weekday than the day has.
    """

    date: date
    calendar: Calendar
    weekday_mismatch: bool = False


def to_gregorian(year: int, month: int, day: int) -> date:
    """Return the day of a Jalali date.

    Raises:
        DataError: DATE_NO_SUCH_DAY; Esfand 30 exists in leap years alone.
    """
    try:
        jalali = JalaliDate(year, month, day)  # type: ignore[no-untyped-call]
        converted: date = jalali.to_gregorian()
    except ValueError as error:
        text = f"{year:04}/{month:02}/{day:02}"
        raise DataError(Reason.DATE_NO_SUCH_DAY, text=text) from error
    return converted


def from_gregorian(day: date) -> tuple[int, int, int]:
    """Return the Jalali year, month and day of a day."""
    jalali = JalaliDate.to_jalali(  # type: ignore[no-untyped-call]
        day.year, day.month, day.day
    )
    return jalali.year, jalali.month, jalali.day


def is_leap(year: int) -> bool:
    """Tell whether Esfand of a Jalali year has 30 days."""
    return bool(JalaliDate.is_leap(year))


def month_days(year: int, month: int) -> int:
    """Return how many days a Jalali month has."""
    if month <= 6:
        return 31
    return 30 if month <= 11 or is_leap(year) else 29


def format_iso(day: date) -> str:
    """Return a day as Jalali text with ASCII digits, `1404/06/31`."""
    year, month, number = from_gregorian(day)
    return f"{year:04}/{month:02}/{number:02}"


def format_fa(day: date) -> str:
    """Return a day as Jalali text with Persian digits, `۱۴۰۴/۰۶/۳۱`."""
    return format_iso(day).translate(_PERSIAN)


def format_long(day: date, language: Literal["fa", "en"] = "fa") -> str:
    """Return a day in words: `۳۱ شهریور ۱۴۰۴`, or `31 Shahrivar 1404`."""
    year, month, number = from_gregorian(day)
    if language == "en":
        return f"{number} {MONTHS_EN[month - 1]} {year}"
    return f"{number} {MONTHS_FA[month - 1]} {year}".translate(_PERSIAN)


def parse_date_either(text: str) -> ParsedDate:
    """Read a date of either calendar; the year tells which.

    Raises:
        DataError: DATE_NOT_READ, no date of the grammar above; DATE_TWO_DIGIT_YEAR;
            DATE_YEAR_OUT_OF_RANGE; DATE_NO_SUCH_DAY.
    """
    plain = " ".join(text.translate(_DIGITS).translate(_LETTERS).split())
    weekday: int | None = None
    if match := _NUMERIC.fullmatch(plain):
        year, month, day = int(match[1]), int(match[3]), int(match[4])
    elif match := _COMPACT.fullmatch(plain):
        year, month, day = int(match[1]), int(match[2]), int(match[3])
    elif match := _WORDS.fullmatch(plain):
        weekday = _weekday(match[1], text)
        year, month, day = int(match[4]), _month(match[3], text), int(match[2])
    elif _TWO_DIGIT_YEAR.fullmatch(plain):
        raise DataError(Reason.DATE_TWO_DIGIT_YEAR, text=text)
    else:
        raise DataError(Reason.DATE_NOT_READ, text=text)
    parsed, calendar = _day(year, month, day, text)
    mismatch = weekday is not None and parsed.weekday() != weekday
    return ParsedDate(parsed, calendar, weekday_mismatch=mismatch)


def _weekday(name: str | None, text: str) -> int | None:
    if name is None:
        return None
    number = _WEEKDAY_NUMBERS.get(name.replace(" ", "").rstrip("،,"))
    if number is None:
        raise DataError(Reason.DATE_NOT_READ, text=text)
    return number


def _month(name: str, text: str) -> int:
    number = _MONTH_NUMBERS.get(name) or _MONTH_NUMBERS.get(name.removesuffix("ماه"))
    if number is None:
        raise DataError(Reason.DATE_NOT_READ, text=text)
    return number


def _day(year: int, month: int, day: int, text: str) -> tuple[date, Calendar]:
    if JALALI_YEAR_MIN <= year <= JALALI_YEAR_MAX:
        return to_gregorian(year, month, day), "jalali"
    if not GREGORIAN_YEAR_MIN <= year <= GREGORIAN_YEAR_MAX:
        raise DataError(Reason.DATE_YEAR_OUT_OF_RANGE, text=text, year=year)
    try:
        return date(year, month, day), "gregorian"
    except ValueError as error:
        raise DataError(Reason.DATE_NO_SUCH_DAY, text=text) from error
