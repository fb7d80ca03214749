"""The rows that a mapping reads, and what every mapping says alike."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.limits import MAPPED_ROWS_MAX
from shahrdad.node.http.record_view import TableView

CURRENCY = "IRR"
Row = Mapping[str, Any]


def rows_of(shown: Shown) -> list[dict[str, Any]]:
    """Return the rows of a version's first table.

    Raises:
        RequestError: NO_TABLE; EXPORT_TOO_LARGE: more rows than are mapped at once.
    """
    table = next((one for one in shown.record.tables if one.parts), None)
    if table is None:
        raise RequestError(Reason.NO_TABLE, ref=shown.ref, resource=shown.dataset.slug)
    check_rows(table)
    found: list[dict[str, Any]] = []
    for batch in reader(shown, table).batches():
        found += batch.to_pylist()
    return found


def check_rows(table: TableView) -> None:
    """Refuse a table with more rows than are mapped at once."""
    rows = table.rows or 0
    if rows > MAPPED_ROWS_MAX:
        raise RequestError(Reason.EXPORT_TOO_LARGE, rows=rows, rows_max=MAPPED_ROWS_MAX)


def filled(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without the members that nothing is known of."""
    return {
        name: value
        for name, value in members.items()
        if value not in (None, "", [], {})
    }


def money(amount: int | None) -> dict[str, Any] | None:
    """Return an amount of rial as open contracting writes it."""
    return None if amount is None else {"amount": amount, "currency": CURRENCY}


def instant(day: date | None) -> str | None:
    """Return the first moment of a day, where a standard wants a time."""
    return None if day is None else f"{day.isoformat()}T00:00:00Z"


def period(start: date | None, end: date | None) -> dict[str, Any] | None:
    """Return a period, with the ends that are known."""
    found = filled({"startDate": instant(start), "endDate": instant(end)})
    return found or None


def publisher(shown: Shown) -> str:
    """Return the name of who publishes, Persian."""
    return shown.record.publisher["fa"] or shown.dataset.city
