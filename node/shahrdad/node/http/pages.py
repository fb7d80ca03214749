"""The pages of a node, in Persian and English: `/fa/…` and `/en/…`, the same paths.

Every page is whole without JavaScript; every act is a link or a form.
"""

import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shahrdad.datasets import standards
from shahrdad.datasets.codelists import city as listed_city
from shahrdad.datasets.errors import Language, Reason, RequestError, ShahrdadError
from shahrdad.node.analysis.tables import ANALYSES
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import freshness, holdings, problems, quality
from shahrdad.node.http.answers import Call
from shahrdad.node.http.catalog_api import FILTERS, wanted
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_api import find as find_version
from shahrdad.node.http.dataset_object import document, quality_of, show, verification
from shahrdad.node.http.in_browser import browser_parts
from shahrdad.node.http.languages import LANGUAGES, now, preferred
from shahrdad.node.http.listing import Wanted, find_page
from shahrdad.node.http.operations import Operation, request_id
from shahrdad.node.http.parameters import CURSOR
from shahrdad.node.http.portal import column_rules, front, network
from shahrdad.node.http.portal.facets import facets, family_title
from shahrdad.node.http.portal.profile import profile
from shahrdad.node.http.portal.viewing import releases
from shahrdad.node.http.problem_types import STATUS
from shahrdad.node.http.rendering import PAGE_HEADERS, page, render
from shahrdad.node.http.snippets import snippets
from shahrdad.node.http.view import NodeView

NEWS = 6
RESULTS = 20
FIGURES = {  # the page of figures of each standard
    "active_systems": "systems", "budget_lines": "budget", "contracts": "contracts",
    "ideas": "ideas", "kpi_values": "indicators", "permit_stats": "permits",
    "projects": "projects", "resolutions": "resolutions", "studies": "studies",
    "work_sites": "work-sites",
}  # fmt: skip
ELSEWHERE = 6  # datasets of other cities that a dataset's page leads to
# The page takes what `/v1/datasets` takes; it always has facets and live datasets.
LIST_FILTERS = (
    *(one for one in FILTERS if one.name not in {"facets", "state"}),
    CURSOR,
)
PLACEHOLDER = re.compile(r"\{+\w+\}+")
Build = Callable[[Call, Language], Response]


def card(call: Call, dataset: Dataset) -> dict[str, Any]:
    """Return what a card shows of a dataset."""
    return {
        "dataset": dataset,
        "city": city_name(dataset.city, call.node.config),
        "verification": verification(call.node, dataset.origin, dataset.index),
        "late": freshness.days_late(dataset, now()),
    }


def home(call: Call, language: Language) -> Response:
    """Show the front page."""
    newest = find_page(call, Wanted(order="-updated"), limit=NEWS).datasets
    cities = front.cities(call)
    return page(
        call,
        "home.html",
        language,
        cities_count=len([city for city in cities if city["count"]]),
        news=[card(call, dataset) for dataset in newest],
        cities=cities,
        **front.front(call, language),
    )


def datasets(call: Call, language: Language) -> Response:
    """Show the list with its filters."""
    values = call.values
    asked = wanted({**values, "state": "live"})
    found = find_page(call, asked, cursor=values["cursor"], limit=RESULTS, facets=True)
    given = {name: value for name, value in values.items() if name != "cursor"}
    return page(
        call,
        "datasets.html",
        language,
        results=[card(call, dataset) for dataset in found.datasets],
        total=found.total,
        folded=found.folded,
        facets=facets(call, asked, found.facets, language),
        given=given,
        after=found.next_cursor,
        order=found.order,
        did_you_mean=found.did_you_mean,
    )


def dataset(call: Call, language: Language) -> Response:
    """Show one version of a dataset."""
    current = call.node.catalog.get(call.ref)
    if current.state == "withdrawn" and "n" not in call.path:
        return _withdrawn(call, current, language)
    shown = show(call.node, *find_version(call, withdrawn_readable=True))
    facts = document(shown)
    state = call.request.app.state
    tables = [
        {
            "table": table,
            "preview": state.previews.get(shown, table, language),
            "columns": column_rules.of_table(table.schema, shown.standard, language),
            "empty": state.previews.empty(shown, table),
            "facts": resource,
            "parts": browser_parts(shown, table),
        }
        for table, resource in zip(shown.record.tables, facts["resources"], strict=True)
    ]
    return page(
        call,
        "dataset.html",
        language,
        shown=shown,
        facts=facts,
        tables=tables,
        judged=state.report_figures.get(shown),
        few=column_rules.few,
        city=city_name(current.city, call.node.config),
        family=family_title(current.family, language) if current.family else "",
        versions=call.node.catalog.versions(call.ref)[:5],
        elsewhere=elsewhere(call, current),
        figures=figures_of(current),
        is_newest=shown.version.n == current.version,
        snippets=snippets(shown),
        graded=quality_of(shown),
    )


def figures_of(current: Dataset) -> str:
    """Return the page that tells what a dataset's rows come to; "" without one."""
    name = FIGURES.get(current.family or "")
    if not name:
        return ""
    if name == "budget":
        year = current.fiscal_year
        return f"/budget/{current.city}/{year}" if year else "/budget"
    return f"/{name}?city={current.city}" if name != "resolutions" else "/resolutions"


def elsewhere(call: Call, current: Dataset) -> list[dict[str, Any]]:
    """Return the same standard's datasets of other cities, those of its year first."""
    if current.family is None:
        return []
    others = [
        one
        for one in call.node.catalog.list(family=current.family)
        if one.city != current.city
    ]
    others.sort(key=lambda one: one.fiscal_year != current.fiscal_year)
    return [
        {"dataset": one, "city": city_name(one.city, call.node.config)}
        for one in others[:ELSEWHERE]
    ]


def _withdrawn(call: Call, current: Dataset, language: Language) -> Response:
    """Show that a dataset was withdrawn, with status 410."""
    body = render(
        call,
        "withdrawn.html",
        language,
        dataset=current,
        city=city_name(current.city, call.node.config),
        versions=call.node.catalog.versions(call.ref),
    )
    headers = {**PAGE_HEADERS, "Cache-Control": "no-cache"}
    return Response(body, 410, headers=headers, media_type="text/html")


def versions(call: Call, language: Language) -> Response:
    """Show every version of a dataset."""
    current = call.node.catalog.get(call.ref)
    rows = []
    for version in call.node.catalog.versions(call.ref):
        note = letter = ""
        if version.state == "held":
            shown = show(call.node, current, version)
            both = shown.record.ours.get("note")
            note = str(both.get(language, "")) if isinstance(both, dict) else ""
            letter = quality.grade(quality.score(quality_of(shown)))
        rows.append({"version": version, "note": note, "grade": letter})
    title = current.title_fa if language == "fa" else current.title_en
    return page(
        call,
        "versions.html",
        language,
        dataset=current,
        title=title,
        city=city_name(current.city, call.node.config),
        rows=rows,
    )


def cities(call: Call, language: Language) -> Response:
    """Show the cities."""
    return page(call, "cities.html", language, cities=front.cities(call))


def city(call: Call, language: Language) -> Response:
    """Show one city."""
    slug = call.path["city"]
    known = holdings.cities(call.node.database.connect())
    if slug not in known and slug != call.node.config.node.city:
        raise RequestError(Reason.CITY_UNKNOWN, city=slug[:64])
    published = releases(call).once(
        ("published", slug), lambda: call.node.catalog.list(city=slug)
    )
    mandatory = [
        (standards.load(family), [d for d in published if d.family == family])
        for family in standards.families()
        if standards.load(family).mandatory
    ]
    logs = call.node.federation_status().get("logs", [])
    return page(
        call,
        "city.html",
        language,
        city=city_name(slug, call.node.config),
        listed=listed_city(slug),
        is_own=slug == call.node.config.node.city,
        results=[card(call, item) for item in foremost(published)],
        total=len(published),
        mandatory=mandatory,
        logs=[
            {**log, "keys": network.keys_of(log)}
            for log in logs
            if log.get("city") == slug
        ],
        profile=profile(call, slug, language),
    )


def foremost(published: list[Dataset]) -> list[Dataset]:
    """Return the datasets that a city's page shows: those with a standard first."""
    return sorted(published, key=lambda one: one.family is None)[:RESULTS]


def standard_list(call: Call, language: Language) -> Response:
    """Show the standards."""
    counts = find_page(call, Wanted(), facets=True).facets["family"]
    families = [
        (standards.load(family), counts.get(family, 0))
        for family in standards.families()
    ]
    return page(call, "standards.html", language, families=families)


def standard(call: Call, language: Language) -> Response:
    """Show one standard."""
    found = standards.load(call.path["family"])
    published = [
        card(call, item) for item in call.node.catalog.list(family=found.family)
    ]
    return page(
        call,
        "standard.html",
        language,
        standard=found,
        columns=list(column_rules.of_standard(found, language).values()),
        published=published,
        # A report fills in the cell's own value; here nothing has one.
        sentence=lambda rule: PLACEHOLDER.sub("…", rule.message(language)),
    )


def developers(call: Call, language: Language) -> Response:
    """Show what a program can read."""
    return page(
        call,
        "developers.html",
        language,
        city=call.node.config.node.city,
        analyses=[one.name for one in ANALYSES],
    )


def problem(call: Call, language: Language) -> Response:
    """Show one problem type and its reasons."""
    kind = call.path["kind"]
    if kind not in STATUS:
        raise RequestError(Reason.PROBLEM_UNKNOWN, type=kind[:64])
    sentences = [(r.value, _sentence(r, language)) for r in problems.reasons_of(kind)]
    return page(
        call,
        "problem.html",
        language,
        kind=kind,
        urn=problems.URN + kind,
        status=STATUS[kind],
        reasons=sentences,
    )


def _sentence(reason: Reason, language: Language) -> str:
    from shahrdad.datasets.errors import messages

    return messages(language)[reason]


def show_fault(node: NodeView, request: Request, error: ShahrdadError) -> Response:
    """Show an error as a page, in the language of the address."""
    path = request.url.path
    language: Language = "en" if path.startswith("/en/") else "fa"
    call = Call(node, request, {}, language)
    words = path.removeprefix(f"/{language}/").replace("/", " ").replace("-", " ")
    body = render(
        call,
        "fault.html",
        language,
        kind=problems.type_of(error),
        sentence=error.text(language),
        reason=error.reason.value,
        words=words[:60],
        request_number=request_id(request),
    )
    headers = {**problems.headers(error), **PAGE_HEADERS, "Content-Language": language}
    status = problems.status_of(error)
    return Response(body, status, headers=headers, media_type="text/html")


def front_door(call: Call) -> Response:
    """Lead to the language that a reader chose, asks for, or the node prefers."""
    chosen = call.request.cookies.get("language")
    language = preferred(
        call.request.headers.get("accept-language"), call.node.config.node.language
    )
    for known in LANGUAGES:
        if chosen == known:
            language = known
    headers = {"Vary": "Accept-Language, Cookie", "Cache-Control": "no-cache"}
    return RedirectResponse(f"/{language}/", 303, headers)


def operations() -> list[Operation]:
    """Return every page, twice: in Persian and in English."""
    ref = "/d/{city}/{slug}"
    pages: list[tuple[str, str, Build]] = [
        ("Home", "/", home),
        ("Datasets", "/datasets", datasets),
        ("Dataset", ref, dataset),
        ("DatasetVersion", f"{ref}/v/{{n}}", dataset),
        ("Versions", f"{ref}/versions", versions),
        ("Cities", "/cities", cities),
        ("City", "/cities/{city}", city),
        ("Network", "/federation", network.show),
        ("Standards", "/standards", standard_list),
        ("Standard", "/standards/{family}", standard),
        ("Developers", "/api", developers),
        ("Problem", "/problems/{kind}", problem),
    ]
    found = [Operation("frontDoor", "/", front_door, "", tolerant=True)]
    for language in LANGUAGES:
        for name, path, build in pages:
            is_list = name == "Datasets"
            found.append(
                Operation(
                    f"page{name}{language.title()}",
                    f"/{language}{path}",
                    _in(language, build),
                    "",
                    LIST_FILTERS if is_list else (),
                    tolerant=not is_list,
                )
            )
    return found


def _in(language: Language, build: Build) -> Callable[[Call], Response]:
    def answer(call: Call) -> Response:
        return build(call, language)

    return answer
