"""Moments as accounts store them: RFC 3339, UTC, whole seconds; text sorts by time."""

from datetime import UTC, datetime, timedelta

FORM = "%Y-%m-%dT%H:%M:%SZ"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """Return a moment as text."""
    return moment.astimezone(UTC).strftime(FORM)


def parse(text: str) -> datetime:
    """Return the moment of a text that `stamp` wrote."""
    return datetime.strptime(text, FORM).replace(tzinfo=UTC)


def after(moment: datetime, *, seconds: int = 0, days: int = 0) -> str:
    """Return a later moment as text."""
    return stamp(moment + timedelta(seconds=seconds, days=days))


def present() -> datetime:
    """Return the present."""
    return datetime.now(UTC)
