"""Whether datasets are in time, by the age that their standard allows."""

from datetime import date, datetime, timedelta

from shahrdad.datasets.errors import RequestError
from shahrdad.datasets.standards import load
from shahrdad.node.catalog import Dataset
from shahrdad.node.http.languages import TEHRAN, day_of


def due(dataset: Dataset) -> date | None:
    """Return when the next version is expected; None where age does not matter."""
    if dataset.family is None:
        return None
    try:
        days = load(dataset.family).max_age_days
    except RequestError:  # a family of a newer release
        return None
    return day_of(dataset.updated) + timedelta(days=days) if days else None


def days_late(dataset: Dataset, at: datetime) -> int:
    """Return how many days a dataset is late; 0 when it is in time."""
    expected = due(dataset)
    today = at.astimezone(TEHRAN).date()
    return max(0, (today - expected).days) if expected else 0


def months_before(at: datetime, count: int) -> list[str]:
    """Return the last months, the present one last, as `2025-11`."""
    found, year, month = [], at.year, at.month
    for _ in range(count):
        found.append(f"{year:04}-{month:02}")
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    return found[::-1]


def sparkline(values: list[int], width: int = 104, height: int = 28) -> str:
    """Return the points of an SVG polyline through values, first to last."""
    top = max([*values, 1])
    step = (width - 8) / max(1, len(values) - 1)
    points = []
    for place, value in enumerate(values):
        down = height - 4 - value / top * (height - 8)
        points.append(f"{4 + place * step:.1f},{down:.1f}")
    return " ".join(points)
