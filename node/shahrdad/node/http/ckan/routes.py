"""The addresses of the facade: three bases, and the paths that clients build."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from shahrdad.datasets.errors import RequestError
from shahrdad.node.http.answers import Call, as_json
from shahrdad.node.http.ckan import envelope
from shahrdad.node.http.ckan.actions import ACTIONS, CKAN_VERSION, Asked
from shahrdad.node.http.ckan.envelope import Refusal
from shahrdad.node.http.ckan.files import get_download, get_dump
from shahrdad.node.http.ckan.shelf import Base, Shelf, TooExpensiveError
from shahrdad.node.http.operations import Operation, address_unknown
from shahrdad.node.http.snapshot import snapshot

BASES: tuple[tuple[str, Base], ...] = (
    ("", "own"),
    ("/all", "all"),
    ("/harvest", "harvest"),
)


def _act(base: Base) -> Callable[[Call], Awaitable[Response]]:
    """Return what answers the actions of a base."""

    async def act(call: Call) -> Response:
        name = call.path["action"]
        if name not in ACTIONS:
            return envelope.bare(f"Bad request - Action name not known: {name[:100]}")
        values = await envelope.parameters(call.request)
        if values is None:
            return envelope.bare("Bad request - JSON Error: the body cannot be read")
        return await run_in_threadpool(_answer, call, base, name, values)

    return act


def _answer(call: Call, base: Base, name: str, values: Mapping[str, Any]) -> Response:
    """Answer an action with its result, or with why there is none."""
    shelf: Shelf = call.request.app.state.shelf
    try:
        with snapshot(call.node):
            reading = shelf.at(call.node, base)
            seed = repr((reading.state, name, sorted(values.items(), key=str))).encode()
            if (answer := envelope.unchanged(call, seed)) is not None:
                return answer
            result = ACTIONS[name](Asked(call, base, values, reading))
    except TooExpensiveError:
        address = f"{call.public.root}/v1/datasets"
        result = Refusal("Search Error", f"This reads too much; {address} may not.")
    if isinstance(result, Refusal):
        return envelope.bad(call, name, result)
    return envelope.good(call, name, result, seed)


def get_version(call: Call) -> Response:
    """Answer with the version of the API."""
    return as_json(call, {"version": 3})


def get_status(call: Call) -> Response:
    """Answer as CKAN's status address does."""
    return as_json(call, {"ckan_version": CKAN_VERSION, "site_url": call.public.root})


def get_dataset(call: Call) -> Response:
    """Lead from CKAN's address of a dataset to its permanent one."""
    name, _, suffix = call.path["name"].partition(".")
    try:
        dataset = call.node.catalog.get(name)
    except RequestError as error:
        raise address_unknown(call.request) from error
    address = call.public.dataset(dataset.ref)
    return RedirectResponse(f"{address}.{suffix}" if suffix else address, 303)


def operations() -> list[Operation]:
    """Return the operations of the facade."""
    found = [
        Operation(
            f"ckan{base.title()}Action{version.strip('/')}",
            f"{prefix}/api{version}/action/{{action}}",
            _act(base),
            "An action of the CKAN API.",
            methods=("GET", "POST"),
            tolerant=True,
        )
        for prefix, base in BASES
        for version in ("/3", "")
    ]
    found += [
        Operation(
            f"ckan{base.title()}Version",
            f"{prefix}/api/3",
            get_version,
            "The version of the CKAN API.",
            tolerant=True,
        )
        for prefix, base in BASES
    ]
    return [
        *found,
        Operation(
            "ckanStatus",
            "/api/util/status",
            get_status,
            "CKAN's status.",
            tolerant=True,
        ),
        Operation(
            "ckanDataset",
            "/dataset/{name}",
            get_dataset,
            "CKAN's address.",
            tolerant=True,
            redirect=303,
        ),
        Operation(
            "ckanDownload",
            "/dataset/{name}/resource/{resource}/download/{file}",
            get_download,
            "A resource under CKAN's address of it.",
            tolerant=True,
            media_type="*/*",
        ),
        Operation(
            "ckanDump",
            "/datastore/dump/{resource}",
            get_dump,
            "Rows of a table: `format` is csv, tsv, json or xml; `bom=true`; `limit`,"
            " `offset`, `filters`, `q`, `fields`, `sort`, `distinct` as in"
            " `datastore_search`.",
            tolerant=True,
            media_type="*/*",
            problems=("not-found", "bad-parameter", "export-too-large"),
        ),
    ]
