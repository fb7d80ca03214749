"""What people type into a filter, as values of a column's type.

Persian and Arabic digits are digits; a date may be of either calendar. No text of a
query ever becomes part of a program: it ends here, as a value.

>>> import pyarrow as pa
>>> literal("approved_rial", pa.int64(), "۱۲۳")
123
>>> literal("as_of_date", pa.date32(), "1404/06/31")
datetime.date(2025, 9, 22)
"""

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from shahrdad.datasets.errors import DataError, Reason, RequestError
from shahrdad.datasets.jalali import parse_date_either
from shahrdad.node.table.limits import VALUE_LETTERS_MAX

TEHRAN = ZoneInfo("Asia/Tehran")
INT64_MAX = 2**63 - 1
DECIMAL_DIGITS_MAX = 38
_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,8})?")
_FLOAT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?(e[+-]?[0-9]{1,3})?")
_PUBLISHED = str.maketrans("\u064a\u0643", "\u06cc\u06a9")


def plain_text(parameter: str, text: str) -> str:
    """Return a text that is safe to compare with.

    Raises:
        RequestError: PARAMETER_VALUE: too long, NUL, or half of a character.
    """
    half = any("\ud800" <= letter <= "\udfff" for letter in text)
    if len(text) > VALUE_LETTERS_MAX or "\0" in text or half:
        raise RequestError(
            Reason.PARAMETER_VALUE,
            parameter=parameter.encode("utf-8", "replace").decode()[:100],
            value=text[:100].encode("utf-8", "replace").decode().replace("\0", "?"),
            expected=f"text of at most {VALUE_LETTERS_MAX} letters",
        )
    return text


def spellings(text: str) -> list[str]:
    """Return a text and its published form: Arabic yeh and kaf become Persian."""
    published = text.translate(_PUBLISHED)
    return [text] if published == text else [text, published]


def literal(column: str, kind: pa.DataType, text: str) -> Any:
    """Return a typed value.

    Raises:
        RequestError: FILTER_VALUE.
    """
    if pa.types.is_string(kind):
        return text
    plain = text.strip().translate(_DIGITS)
    value: Any = None
    expected = "text"
    if pa.types.is_integer(kind):
        expected = "1404 | -5"
        if _INTEGER.fullmatch(plain) and abs(int(plain)) <= INT64_MAX:
            value = int(plain)
    elif pa.types.is_decimal(kind):
        expected = "12.50"
        value = Decimal(plain) if _DECIMAL.fullmatch(plain) else None
    elif pa.types.is_floating(kind):
        expected = "12.5"
        value = float(plain) if _FLOAT.fullmatch(plain) else None
    elif pa.types.is_boolean(kind):
        expected = "true | false"
        value = {"true": True, "false": False}.get(plain)
    elif pa.types.is_date(kind):
        expected = "1404-06-31 | 2025-09-22"
        value = day(plain)
    elif pa.types.is_timestamp(kind):
        expected = "2025-09-22T08:30:00Z"
        value = instant(plain)
    if value is None:
        raise RequestError(
            Reason.FILTER_VALUE, column=column, value=text[:100], expected=expected
        )
    return value


def day(text: str) -> date | None:
    """Return a day of either calendar, or None."""
    try:
        return parse_date_either(text).date
    except DataError:
        return None


def instant(text: str) -> datetime | None:
    """Return an instant with its zone, or None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and "T" in text else None


def bound(column: str, kind: pa.DataType, text: str, *, end: bool) -> Any:
    """Return the bound of an interval: for instants a day means its start or its end.

    Args:
        column: For the error.
        kind: The column's type.
        text: What was typed.
        end: Whether the last microsecond of a day is meant.
    """
    if pa.types.is_timestamp(kind):
        found = day(text.strip())
        if found is not None:
            return datetime.combine(found, time.max if end else time.min, TEHRAN)
    return literal(column, kind, text)


def split_list(parameter: str, text: str, escape: str = "\\") -> list[str]:
    """Return the members of a list: a comma parts them, an escaped one is a comma.

    >>> split_list("x__in", "a,b~,c", escape="~")
    ['a', 'b,c']
    """
    members = [""]
    letters = iter(text)
    for letter in letters:
        if letter == escape:
            members[-1] += next(letters, "")
        elif letter == ",":
            members.append("")
        else:
            members[-1] += letter
    return members
