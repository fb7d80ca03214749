"""Which language an answer is in, and numbers and days as people of it write them.

>>> from shahrdad.node.http.languages import number, preferred
>>> preferred("en-GB,en;q=0.8,fa;q=0.9")
'en'
>>> preferred("de")
'fa'
>>> number(28_371_400, "fa")
'۲۸٬۳۷۱٬۴۰۰'
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from shahrdad.datasets.errors import Language
from shahrdad.datasets.jalali import format_fa, format_long

LANGUAGES: tuple[Language, ...] = ("fa", "en")
TEHRAN = ZoneInfo("Asia/Tehran")
_PERSIAN = str.maketrans("0123456789,.%", "۰۱۲۳۴۵۶۷۸۹٬٫٪")
_PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_UNITS = {
    "fa": ("بایت", "کیلوبایت", "مگابایت", "گیگابایت", "ترابایت"),
    "en": ("B", "kB", "MB", "GB", "TB"),
}


def preferred(header: str | None, default: Language = "fa") -> Language:
    """Return the language of ours that an Accept-Language header likes best."""
    best: tuple[float, Language] = (0.0, default)
    for item in (header or "").split(","):
        tag, _, rest = item.partition(";")
        quality = quality_of(rest)
        for language in LANGUAGES:
            if tag.strip().lower().split("-")[0] == language and quality > best[0]:
                best = (quality, language)
    return best[1]


def quality_of(parameters: str) -> float:
    """Return the q-value among an item's parameters: 1 when there is none."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def digits(text: object, language: Language) -> str:
    """Return a text with the digits of a language."""
    return str(text).translate(_PERSIAN_DIGITS) if language == "fa" else str(text)


def number(value: float | None, language: Language, places: int = 0) -> str:
    """Return a number with separators and digits of a language; a dash for None."""
    if value is None:
        return "–"
    # A whole number keeps every digit: through a float, 2^53 + 1 would lose its last.
    whole = isinstance(value, int) and not places
    text = f"{value:,}" if whole else f"{value:,.{places}f}"
    return text.translate(_PERSIAN) if language == "fa" else text


def size(count: int | None, language: Language) -> tuple[str, str]:
    """Return a number of bytes as (number, unit), in powers of 1,000."""
    if count is None:
        return "–", ""
    value, step = float(count), 0
    while value >= 999.5 and step < 4:
        value /= 1000
        step += 1
    places = 1 if step and value < 100 else 0
    return number(value, language, places), _UNITS[language][step]


def instant(text: str) -> datetime:
    """Return an RFC 3339 time of the log."""
    return datetime.fromisoformat(text)


def day_of(text: str) -> date:
    """Return the day in Tehran of an RFC 3339 time, or the day of a date."""
    if "T" not in text:
        return date.fromisoformat(text)
    return instant(text).astimezone(TEHRAN).date()


def day(text: str | None, language: Language) -> str:
    """Return a day as tables show it: Jalali in Persian, ISO in English."""
    if not text:
        return "–"
    return format_fa(day_of(text)) if language == "fa" else day_of(text).isoformat()


def day_in_words(text: str | None, language: Language) -> str:
    """Return a day as prose shows it: `۲۹ آبان ۱۴۰۴`, or `20 November 2025`."""
    if not text:
        return "–"
    when = day_of(text)
    if language == "fa":
        return format_long(when)
    return f"{when.day} {when.strftime('%B %Y')}"


def day_elsewhere(text: str | None, language: Language) -> str:
    """Return a day in the other calendar, for the title of a `time` element."""
    if not text:
        return ""
    when = day_of(text)
    return when.isoformat() if language == "fa" else format_long(when, "en")


def now() -> datetime:
    """Return the present, UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def rfc3339(when: datetime) -> str:
    """Return a time as the log writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
