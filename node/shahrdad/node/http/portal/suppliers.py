"""`/suppliers`: whom the cities buy from, and one supplier over all cities."""

from functools import partial

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node.analysis import suppliers
from shahrdad.node.analysis.suppliers import Supplier
from shahrdad.node.http.answers import Call
from shahrdad.node.http.pages_of_lists import page as list_page
from shahrdad.node.http.parameters import CURSOR
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.viewing import (
    analysis,
    grounds,
    label,
    name_of,
    releases,
    text,
)
from shahrdad.node.http.rendering import page

PARAMETERS = (text("q"), text("city"), CURSOR)
SHOWN = 60
CONTRACTS_SHOWN = 100


def every(call: Call) -> dict[str, Supplier]:
    """Return the suppliers of all cities by key, the largest amount first."""
    reader = releases(call)
    found: dict[str, Supplier] = reader.once(
        "suppliers",
        partial(
            suppliers.suppliers,
            reader.gather("contracts"),
            reader.gather("active_systems"),
        ),
    )
    return found


def index(call: Call, language: Language) -> Response:
    """Show the suppliers that a form asks for."""
    values = call.values
    words = suppliers.supplier_key(values["q"] or "").split("-")
    kept = [
        one
        for one in every(call).values()
        if all(word in one.key for word in words)
        and (not values["city"] or values["city"] in one.cities)
    ]
    kept.sort(key=order)
    found, after = list_page(
        kept, order, kind="suppliers", cursor=values["cursor"], limit=SHOWN
    )
    bought = releases(call).gather("contracts")
    running = releases(call).gather("active_systems")
    return page(
        call,
        "portal/suppliers.html",
        language,
        suppliers=found,
        total=len(kept),
        largest=max((one.amount for one in kept), default=0),
        after=after,
        given={name: value for name, value in values.items() if name != "cursor"},
        cities=[name_of(call, city) for city in bought.cities],
        name_of=lambda slug: name_of(call, slug),
        money=amounts,
        grounds=grounds(
            call,
            [*bought.inputs, *running.inputs],
            bought.excluded,
            [analysis(language, "suppliers", city=values["city"])],
        ),
    )


def order(one: Supplier) -> tuple[int, str]:
    """Return the order of the list: the largest amount first."""
    return -one.amount, one.key


def one(call: Call, language: Language) -> Response:
    """Show what each city buys from a supplier.

    Raises:
        RequestError: SUPPLIER_UNKNOWN.
    """
    found = every(call).get(call.path["supplier"])
    if found is None:
        name = call.path["supplier"][:100]
        raise RequestError(Reason.SUPPLIER_UNKNOWN, supplier=name)
    used = {contract.source for contract in found.contracts}
    refs = {system.ref for system in found.systems}
    running = releases(call).gather("active_systems").inputs
    return page(
        call,
        "portal/supplier.html",
        language,
        supplier=found,
        contracts=sorted(found.contracts, key=suppliers.newest_first),
        shown=CONTRACTS_SHOWN,
        largest=max((found.of(city)[1] for city in found.cities), default=0),
        name_of=lambda slug: name_of(call, slug),
        code=lambda field, value: label("contracts", field, value, language),
        area=lambda value: label("active_systems", "business_area", value, language),
        money=amounts,
        grounds=grounds(
            call,
            [*used, *(source for source in running if source.ref in refs)],
            (),
            [analysis(language, "suppliers")],
        ),
    )
