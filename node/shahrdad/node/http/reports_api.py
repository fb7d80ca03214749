"""`/v1/reports`: the months that a report can be asked of, newest first."""

from datetime import datetime
from typing import Any

from starlette.responses import Response

from shahrdad.node.analysis.month import Month, instant
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import Call
from shahrdad.node.http.languages import LANGUAGES, TEHRAN, now
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.pages_of_lists import list_answer, page
from shahrdad.node.http.parameters import CURSOR, LIMIT


def list_reports(call: Call) -> Response:
    """Answer with the months since the first entry that this node holds."""
    months = _months(call)
    shown, following = page(
        months,
        lambda month: (-month.year, -month.month),
        kind="reports",
        cursor=call.values["cursor"],
        limit=call.values["limit"],
    )
    present = instant(now())
    items = [_report(call, month, present) for month in shown]
    return list_answer(call, items, len(months), following)


def _months(call: Call) -> list[Month]:
    """Return the months of which anything is held, newest first."""
    first = holdings.first_change(call.node.database.connect())
    if first is None:
        return []
    oldest = Month.of(datetime.fromisoformat(first).astimezone(TEHRAN).date())
    month = Month.of(now().astimezone(TEHRAN).date())
    found = []
    while month.text >= oldest.text:
        found.append(month)
        month = month.before
    return found


def _report(call: Call, month: Month, present: str) -> dict[str, Any]:
    """Return where a month's report lies; one under way is provisional."""
    pages = {
        language: call.public.page(language, f"/report/{month.text}")
        for language in LANGUAGES
    }
    return {
        "month": month.text,
        "start": month.start,
        "end": month.end,
        "final": month.end < present,
        "links": {
            "self": f"{call.public.root}/v1/reports/{month.text}",
            "html": pages,
            "xlsx": {name: f"{address}.xlsx" for name, address in pages.items()},
        },
    }


def operation() -> Operation:
    """Return the operation."""
    return Operation(
        "listReports",
        "/v1/reports",
        list_reports,
        "The months that a report can be asked of, newest first.",
        (LIMIT, CURSOR),
        schema="Page",
    )
