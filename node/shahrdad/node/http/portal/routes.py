"""The addresses of the pages of figures, in both languages."""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.http.answers import JSON, Call
from shahrdad.node.http.languages import LANGUAGES
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.portal import (
    budget,
    compare,
    difference,
    lists,
    projects,
    report,
    rows,
    systems,
    verify,
)

Build = Callable[[Call, Language], Any]
REF = "/d/{city}/{slug}"


def pages() -> list[tuple[str, str, Build, Sequence[Parameter] | None]]:
    """Return name, path, function and parameters of every page; None reads its own."""
    found: list[tuple[str, str, Build, Sequence[Parameter] | None]] = [
        ("Budgets", "/budget", budget.index, budget.INDEX_PARAMETERS),
        ("Budget", "/budget/{city}/{year:int}", budget.city_year, budget.PARAMETERS),
        ("Systems", "/systems", systems.index, systems.PARAMETERS),
        ("SystemsSheet", "/systems.xlsx", systems.workbook, systems.PARAMETERS),
        ("SystemArea", "/systems/areas/{area}", systems.area, ()),
        ("SystemProduct", "/systems/products/{product}", systems.product, ()),
        ("Projects", "/projects", projects.index, projects.PARAMETERS),
        ("Project", "/projects/{city}/{project}", projects.project, ()),
        ("Compare", "/compare", compare.index, compare.PARAMETERS),
        ("Diff", f"{REF}/diff", difference.index, difference.PARAMETERS),
        ("Rows", f"{REF}/rows", rows.index, None),
        ("RowsOfVersion", f"{REF}/v/{{n}}/rows", rows.index, None),
        ("Resolutions", "/resolutions", lists.resolution_list,
         lists.RESOLUTION_PARAMETERS),
        ("Verify", "/verify", verify.form, verify.PARAMETERS),
        ("Report", "/report", report.newest, ()),
        ("ReportOfMonth", "/report/{month}", report.show, ()),
        ("ReportSheet", "/report/{month}/xlsx", report.as_workbook, ()),
    ]  # fmt: skip
    found += [
        (f"List{one.name.title()}", f"/{one.name}", lists.page_of(one), one.parameters)
        for one in lists.LISTS
    ]
    return found


def operations() -> list[Operation]:
    """Return every page of figures, twice: in Persian and in English."""
    found = []
    for language in LANGUAGES:
        for name, path, build, parameters in pages():
            found.append(
                Operation(
                    f"page{name}{language.title()}",
                    f"/{language}{path}",
                    _in(language, build),
                    "",
                    parameters or (),
                    tolerant=parameters is None,
                )
            )
        found.append(
            Operation(
                f"pageCheckReceipt{language.title()}",
                f"/{language}/verify/receipt",
                _waiting(language, verify.check_receipt),
                "",
                methods=("POST",),
                tolerant=True,
            )
        )
    return found


def api_operations() -> list[Operation]:
    """Return what programs read."""
    return [
        Operation(
            "getMonthlyReport",
            "/v1/reports/{month}",
            report.as_json,
            "The report of a Jalali month, `1404-08`: canonical JSON that every node"
            " computes alike from the checkpoints that it lists.",
            media_type=JSON,
        )
    ]


def _in(language: Language, build: Build) -> Callable[[Call], Response]:
    def answer(call: Call) -> Response:
        found: Response = build(call, language)
        return found

    return answer


def _waiting(language: Language, build: Build) -> Callable[[Call], Any]:
    async def answer(call: Call) -> Response:
        found: Response = await build(call, language)
        return found

    return answer
