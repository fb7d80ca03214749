"""`/status`: whether this node works, in words; the same facts that /readyz asks."""

from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis.month import Month
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import Call
from shahrdad.node.http.languages import TEHRAN, now, rfc3339
from shahrdad.node.http.portal.refusals import refusals
from shahrdad.node.http.portal.report import month_name
from shahrdad.node.http.portal.viewing import name_of
from shahrdad.node.http.rendering import page

GOOD = frozenset({"signed", "confirmed"})


def show(call: Call, language: Language) -> Response:
    """Show the parts of the node, and how each stands."""
    connection = call.node.database.connect()
    datasets, rows, versions = holdings.totals(connection)
    status = call.node.federation_status()
    logs = [
        {"log": log, "city": name_of(call, str(log.get("city") or ""))}
        for log in status.get("logs") or []
    ]
    troubled = [one for one in logs if one["log"].get("state") not in GOOD]
    silent = [peer for peer in status.get("peers") or [] if peer.get("error")]
    checks: list[dict[str, Any]] = [
        {"name": "database", "holds": holdings.answers(connection)},
        {"name": "logs", "holds": not troubled, "items": troubled},
        {"name": "peers", "holds": not silent, "items": silent},
    ]
    month = Month.of(now().astimezone(TEHRAN).date())
    return page(
        call,
        "portal/status.html",
        language,
        checks=checks,
        at=rfc3339(now()),
        datasets=datasets,
        rows=rows,
        versions=versions,
        logs=logs,
        months=[
            {"one": one, "name": month_name(one.month, language)}
            for one in refusals(connection, month)
        ],
    )
