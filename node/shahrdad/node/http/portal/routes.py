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
    charts,
    compare,
    difference,
    due_calendar,
    embedding,
    feedback,
    lists,
    project_map,
    projects,
    prose,
    reference,
    report,
    reuses,
    row,
    rows,
    site_feed,
    social_card,
    status,
    suppliers,
    systems,
    verify,
)
from shahrdad.node.http.portal.keeping import kept

Build = Callable[[Call, Language], Any]
REF = "/d/{city}/{slug}"
# Pages that follow from their address and what the node holds alone.
KEPT = {
    "Budgets", "Budget", "Systems", "SystemArea", "SystemProduct", "Projects",
    "Suppliers", "Supplier", "ProjectMap", "Project", "Compare", "Diff", "Resolutions",
    "Rows", "RowsOfVersion", "Charts", "ChartsOfVersion", "Reference",
    *(f"List{one.name.title()}" for one in lists.LISTS),
}  # fmt: skip


def pages() -> list[tuple[str, str, Build, Sequence[Parameter] | None]]:
    """Return name, path, function and parameters of every page; None reads its own."""
    found: list[tuple[str, str, Build, Sequence[Parameter] | None]] = [
        ("Budgets", "/budget", budget.index, budget.INDEX_PARAMETERS),
        ("Budget", "/budget/{city}/{year:int}", budget.city_year, budget.PARAMETERS),
        ("Systems", "/systems", systems.index, systems.PARAMETERS),
        ("SystemsSheet", "/systems.xlsx", systems.workbook, systems.PARAMETERS),
        ("SystemArea", "/systems/areas/{area}", systems.area, ()),
        ("SystemProduct", "/systems/products/{product}", systems.product, ()),
        ("Suppliers", "/suppliers", suppliers.index, suppliers.PARAMETERS),
        ("Supplier", "/suppliers/{supplier}", suppliers.one, ()),
        ("Projects", "/projects", projects.index, projects.PARAMETERS),
        ("ProjectMap", "/projects/map", project_map.index, project_map.PARAMETERS),
        ("ProjectPlaces", "/projects/map.geojson", project_map.geojson,
         project_map.PARAMETERS),
        ("Project", "/projects/{city}/{project}", projects.project, ()),
        ("Compare", "/compare", compare.index, compare.PARAMETERS),
        ("Diff", f"{REF}/diff", difference.index, difference.PARAMETERS),
        ("Rows", f"{REF}/rows", rows.index, None),
        ("Row", f"{REF}/row", row.show, None),
        ("RowsOfVersion", f"{REF}/v/{{n}}/rows", rows.index, None),
        ("Charts", f"{REF}/charts", charts.index, None),
        ("ChartsOfVersion", f"{REF}/v/{{n}}/charts", charts.index, None),
        ("EmbeddedTable", f"/embed{REF}", embedding.dataset,
         embedding.DATASET_PARAMETERS),
        ("EmbeddedVersion", f"/embed{REF}/v/{{n}}", embedding.dataset,
         embedding.DATASET_PARAMETERS),
        ("EmbeddedBudget", "/embed/budget/{city}/{year:int}", embedding.treemap,
         embedding.BUDGET_PARAMETERS),
        ("SocialCard", f"{REF}/card.png", social_card.show, None),
        ("Feedback", f"{REF}/feedback", feedback.show, None),
        ("Reuses", "/reuses", reuses.show, reuses.PARAMETERS),
        ("Resolutions", "/resolutions", lists.resolution_list,
         lists.RESOLUTION_PARAMETERS),
        ("ResolutionCalendar", "/resolutions.ics", due_calendar.show, ()),
        ("SiteFeed", "/work-sites.atom", site_feed.show, site_feed.PARAMETERS),
        ("Verify", "/verify", verify.form, verify.PARAMETERS),
        ("Status", "/status", status.show, ()),
        ("Reference", "/api/reference", reference.show, ()),
        ("Style", "/style", prose.style, ()),
        ("Problems", "/problems", prose.problems, ()),
        ("Report", "/report", report.newest, ()),
        ("ReportOfMonth", "/report/{month}", report.show, ()),
        ("ReportAgenda", "/report/{month}/agenda", report.agenda, ()),
        ("ReportSheet", "/report/{month}/xlsx", report.as_workbook, ()),
    ]  # fmt: skip
    found += [
        (f"Prose{name.title()}", f"/{name}", prose.page_of(name), ())
        for name in prose.PROSE
    ]
    found += [
        (f"List{one.name.title()}", f"/{one.name}", lists.page_of(one), one.parameters)
        for one in lists.LISTS
    ]
    return found


def forms() -> list[tuple[str, str, Build]]:
    """Return name, path and function of every form that is sent."""
    return [
        ("CheckReceipt", "/verify/receipt", verify.check_receipt),
        ("CheckFile", "/verify/file", verify.check_file),
        ("SendFeedback", f"{REF}/feedback", feedback.box().receive),
        ("SendReuse", "/reuses", reuses.box().receive),
    ]


def operations() -> list[Operation]:
    """Return every page of figures, twice: in Persian and in English."""
    found, sent = [], forms()
    for language in LANGUAGES:
        for name, path, build, parameters in pages():
            found.append(
                Operation(
                    f"page{name}{language.title()}",
                    f"/{language}{path}",
                    _in(language, keeping(name, build)),
                    "",
                    parameters or (),
                    tolerant=parameters is None,
                )
            )
        found += [
            Operation(
                f"page{name}{language.title()}",
                f"/{language}{path}",
                _waiting(language, build),
                "",
                methods=("POST",),
                tolerant=True,
            )
            for name, path, build in sent
        ]
    return found


def keeping(name: str, build: Build) -> Build:
    """Return a page's function, over kept pages where that is allowed."""
    if name in {"ReportOfMonth", "ReportAgenda"}:
        return kept(build, each_minute=True)
    return kept(build) if name in KEPT else build


def api_operations() -> list[Operation]:
    """Return what programs read."""
    return [
        reuses.operation(),
        Operation(
            "getMonthlyReport",
            "/v1/reports/{month}",
            report.as_json,
            "The report of a Jalali month, `1404-08`: canonical JSON that every node"
            " computes alike from the checkpoints that it lists.",
            media_type=JSON,
        ),
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
