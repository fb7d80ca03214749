"""`/report/{month}`: the month of all cities: page, JSON, workbook (portal 12)."""

import hashlib
import threading
from collections import OrderedDict
from io import BytesIO
from typing import Any

from starlette.responses import RedirectResponse, Response

from shahrdad.datasets.errors import Language, RequestError
from shahrdad.datasets.jalali import MONTHS_EN, MONTHS_FA
from shahrdad.node.analysis import checkpoints, month_note, monthly
from shahrdad.node.analysis.month import Month, instant
from shahrdad.node.http.answers import JSON, Call, answer
from shahrdad.node.http.languages import TEHRAN, digits, now
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.systems import XLSX
from shahrdad.node.http.portal.viewing import by_code, label, listed, name_of
from shahrdad.node.http.rendering import page

KEPT_MAX = 24


class Reports:
    """Makes reports, and keeps them while the logs that they stand on do not grow."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, call: Call, month: Month) -> dict[str, Any]:
        """Return the report of a month.

        Raises:
            RequestError: MONTH_UNKNOWN.
        """
        at = now()
        logs = call.node.federation_status().get("logs", [])
        sizes = tuple(sorted((log["origin"], log.get("size")) for log in logs))
        # A month under way is computed for the minute, so that pages agree.
        minute = at.replace(second=0) if month.end > instant(at) else None
        key = (month.text, sizes, minute)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = monthly.compute(call.node, month, minute or at)
                while len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
            return self._kept[key]


def newest(call: Call, language: Language) -> Response:
    """Lead to the report of the last month that is over, if anything was held then."""
    current = Month.of(now().astimezone(TEHRAN).date())
    last = current.before
    # A network younger than a month has a report of the month under way alone.
    held = checkpoints.checkpoints(call.node, last.end)
    month = last if held else current
    headers = {"Cache-Control": "no-cache"}
    return RedirectResponse(f"/{language}/report/{month.text}", 303, headers)


def month_name(month: Month, language: Language) -> str:
    """Return a month in words."""
    names = MONTHS_FA if language == "fa" else MONTHS_EN
    return f"{names[month.month - 1]} {digits(month.year, language)}"


def show(call: Call, language: Language) -> Response:
    """Show the report as a page."""
    return shown(call, language, "portal/report.html")


def agenda(call: Call, language: Language) -> Response:
    """Show the agenda of the month's meeting, and minutes to be filled in by hand."""
    return shown(call, language, "portal/agenda.html")


def shown(call: Call, language: Language, template: str) -> Response:
    """Answer with a page made of the report."""
    month = Month.parse(call.path["month"])
    report = call.request.app.state.reports.get(call, month)
    current = Month.of(now().astimezone(TEHRAN).date())
    return page(
        call,
        template,
        language,
        report=report,
        month=month,
        month_name=month_name(month, language),
        before=month.before,
        before_name=month_name(month.before, language),
        after=month.after if month.text < current.text else None,
        after_name=month_name(month.after, language),
        digest=hashlib.sha256(monthly.content(report)).hexdigest(),
        code_groups=month_note.grouped(report["code"]),
        name_of=lambda slug: name_of(call, slug),
        by_code=lambda code: by_code(code, language),
        code=lambda family, field, value: label(family, field, value, language),
        owed=owed(report),
        dataset=dataset_of(call, month),
        listed=lambda name, value: listed(name, value, language),
        duty=lambda code: listed("duties", code, language),
        family=lambda name: _family(name, language),
        money=amounts,
        counters=by_name(report["counters"]),
        late_cities={one["city"]: one for one in report["projects"]["by_city"]},
    )


def dataset_of(call: Call, month: Month) -> str:
    """Return the dataset that this node published the report as; "" for none."""
    ref = f"{call.node.config.node.city}/monthly-report-{month.text}"
    try:
        return call.node.catalog.get(ref).ref
    except RequestError:
        return ""


def owed(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the duties that are late or missing, for the agenda."""
    return [one for one in report["duties"] if one["state"] != "met"]


def _family(name: str, language: Language) -> str:
    from shahrdad.datasets.standards import load

    return load(name).title(language)


def by_name(counters: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the counters by name and city."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for one in counters:
        found.setdefault(one["name"], {})[one["city"]] = one
    return found


def as_json(call: Call) -> Response:
    """Answer with the report's JSON: the bytes whose digest the page names."""
    month = Month.parse(call.path["month"])
    report = call.request.app.state.reports.get(call, month)
    return answer(call, monthly.content(report), JSON)


def as_workbook(call: Call, language: Language) -> Response:
    """Answer with the report as a workbook."""
    month = Month.parse(call.path["month"])
    report = call.request.app.state.reports.get(call, month)
    file = BytesIO()
    from shahrdad.node.analysis.workbook import write

    write(report, file, language)
    name = f"shahrdad-report-{month.text}.xlsx"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return answer(call, file.getvalue(), XLSX, headers)
