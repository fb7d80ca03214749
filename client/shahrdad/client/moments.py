"""A time that a caller names: an instant, or a day of either calendar.

A day means its end in Tehran, so `as_of="1404-06-31"` includes what was published on
that day. The same text gives the same instant here as on every node.

>>> from shahrdad.client.moments import instant
>>> instant("1404-06-31"), instant("2025-09-22")
('2025-09-22T20:29:59Z', '2025-09-22T20:29:59Z')
>>> instant("2026-01-01T12:00:00+03:30")
'2026-01-01T08:30:00Z'
"""

from datetime import UTC, date, datetime, time

from shahrdad.datasets.errors import DataError, Reason, RequestError

_EXPECTED = "1404-06-31 | 2025-09-22 | 2025-09-22T20:29:59Z"


def instant(given: str | date) -> str:
    """Return a time as RFC 3339 in UTC, whole seconds.

    Raises:
        RequestError: PARAMETER_VALUE.
    """
    if isinstance(given, datetime):
        return _utc(given, given.isoformat())
    if isinstance(given, date):
        return _end_of(given)
    if "T" in given:
        try:
            return _utc(datetime.fromisoformat(given), given)
        except ValueError as error:
            raise _wrong(given) from error
    # Loaded here: the calendar's package takes a while, and few name a day.
    from shahrdad.datasets.jalali import parse_date_either

    try:
        return _end_of(parse_date_either(given).date)
    except DataError as error:
        raise _wrong(given) from error


def _end_of(day: date) -> str:
    """Return the last second of a day in Tehran."""
    from zoneinfo import ZoneInfo

    end = datetime.combine(day, time(23, 59, 59), ZoneInfo("Asia/Tehran"))
    return _utc(end, str(day))


def _utc(moment: datetime, given: str) -> str:
    """Return a moment in UTC; one without a zone is nobody's."""
    if moment.tzinfo is None:
        raise _wrong(given)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _wrong(given: str) -> RequestError:
    """Return the error of a text that is no time."""
    return RequestError(
        Reason.PARAMETER_VALUE, parameter="as_of", value=given[:100], expected=_EXPECTED
    )
