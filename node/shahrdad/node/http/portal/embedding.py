"""`/embed/…`: a table or a treemap for a frame in another site (portal 1).

Each is a whole page of its own that runs no script and sends nothing; its links open
the node's pages in a window of their own, since those refuse to stand in a frame.
"""

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_api import find as find_version
from shahrdad.node.http.dataset_object import license_of, show, verification
from shahrdad.node.http.portal import amounts, budget
from shahrdad.node.http.portal.viewing import choice, name_of, releases
from shahrdad.node.http.rendering import THEMES, embedded

THEME = choice("theme", *THEMES)
DATASET_PARAMETERS = (THEME,)
BUDGET_PARAMETERS = (*budget.PARAMETERS, THEME)


def dataset(call: Call, language: Language) -> Response:
    """Show the first rows of a version: the newest, or the one in the address.

    Raises:
        RequestError: NO_TABLE, and as `dataset_api.find`.
    """
    shown = show(call.node, *find_version(call, withdrawn_readable=True))
    tables = [table for table in shown.record.tables if table.parts]
    if not tables:
        raise RequestError(Reason.NO_TABLE, ref=shown.ref, resource="–")
    known = shown.dataset
    return embedded(
        call,
        "portal/embedded_table.html",
        language,
        shown=shown,
        title=known.title_fa if language == "fa" else known.title_en,
        city=city_name(known.city, call.node.config),
        table=tables[0],
        preview=call.request.app.state.previews.get(shown, tables[0], language),
        license=license_of(shown),
        example=shown.record.ours.get("example") is True,
        verification=verification(call.node, known.origin, shown.version.index),
    )


def treemap(call: Call, language: Language) -> Response:
    """Show one side of a city's budget as a treemap, with its table below.

    Raises:
        RequestError: PARAMETER_VALUE, and as `budget.find`.
    """
    release = budget.find(releases(call), call.path["city"], int(call.path["year"]))
    asked = {name: value for name, value in call.values.items() if name != "theme"}
    statement = budget.statement_of(release, asked)
    view = budget.View(
        Call(call.node, call.request, asked, language), language, statement
    )
    units = releases(call).gather("org_units").first(release.city)
    view.units = budget.unit_names(units)
    path = f"/{language}/budget/{release.city}/{release.fiscal_year}"
    return embedded(
        call,
        "portal/embedded_budget.html",
        language,
        view=view,
        tiles=view.tiles(),
        open_at=lambda link: link if link.startswith("/") else path + link,
        page_path=path + view.address(),
        city=name_of(call, release.city),
        year=release.fiscal_year,
        used=release,
        money=amounts,
    )
