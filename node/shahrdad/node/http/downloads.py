"""`/files/…` and `/d/…`: objects by content, resources by version and format."""

from starlette.responses import RedirectResponse, Response

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import (
    DERIVED,
    IMMUTABLE,
    JSON,
    Call,
    answer,
    as_json,
    dump,
)
from shahrdad.node.http.dataset_api import DATASET, find, get_receipt, withdrawn
from shahrdad.node.http.dataset_object import Shown, document, show
from shahrdad.node.http.file_names import NamedFile, files_of
from shahrdad.node.http.formats import DOWNLOADED, MEDIA_TYPES
from shahrdad.node.http.languages import preferred, quality_of
from shahrdad.node.http.mappings.doors import DOORS, doors_of
from shahrdad.node.http.metadata.schema_org import CROISSANT, croissant, schema_org
from shahrdad.node.http.object_files import disposition, send_object
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.package import data_package
from shahrdad.node.http.parameters import AS_OF, Parameter, read
from shahrdad.node.http.record_view import TableView
from shahrdad.node.http.signposts import link_header
from shahrdad.node.store.contract import Area

_BY_LENGTH = sorted(DOWNLOADED, key=len, reverse=True)
HTML = "text/html"
PACKAGE = "package.zip"
DATA_PACKAGE = "application/vnd.datapackage+json"
# Of `/d/{ref}`; the first one is for */*.
SUFFIXES = {
    "html": HTML,
    "json": JSON,
    "datapackage.json": DATA_PACKAGE,
    "ttl": "text/turtle",
    "rdf": "application/rdf+xml",
    "jsonld": "application/ld+json",
    "schemaorg.jsonld": "application/ld+json",
    "croissant.json": f'application/ld+json; profile="{CROISSANT}"',
    "tlog-proof": "text/plain",
}


def get_file(call: Call) -> Response:
    """Answer with an object by content, under a name of ours.

    Raises:
        RequestError: FILE_UNKNOWN: no published record names it so.
    """
    text, file = call.path["digest"], call.path["file"]
    try:
        digest = Digest.parse(text)
    except ShahrdadError as error:
        raise _file_unknown(text, file) from error
    for owner in holdings.owners(call.node.database.connect(), digest):
        named = _named(call, owner, digest, file)
        if named is not None:
            headers = {"Content-Disposition": disposition(file)}
            return send_object(
                call, Area.OBJECT, digest, named.media_type, headers=headers
            )
    raise _file_unknown(text, file)


def _named(
    call: Call, owner: holdings.Owner, digest: Digest, file: str
) -> NamedFile | None:
    """Return the object as a version names it, if it does."""
    try:
        dataset, version = call.node.catalog.version(owner.ref, owner.n)
        if version.state != "held":
            return None
        record = show(call.node, dataset, version).record
    except ShahrdadError:
        return None
    for named in files_of(dataset.name, record):
        if named.digest == digest and named.file == file:
            return named
    return None


def _file_unknown(digest: str, file: str) -> RequestError:
    return RequestError(Reason.FILE_UNKNOWN, digest=digest[:64], file=file[:100])


def get_resource(call: Call) -> Response:
    """Answer with one resource of one version, in one format."""
    if call.path["file"] == PACKAGE:
        return get_package(call)
    dataset, version = find(call, withdrawn_readable=True)
    shown = show(call.node, dataset, version)
    table, ext = _resource(shown, call.path["file"])
    latest = "n" not in call.path
    headers = _resource_headers(shown, table, ext)
    if dataset.state == "withdrawn":
        headers["X-Shahrdad-Withdrawn"] = dataset.updated
    if latest:
        headers["Content-Location"] = shown.addresses.resource(
            shown.ref, version.n, table.name, ext
        )
    media_type = MEDIA_TYPES[ext]
    if ext == "parquet" and len(table.parts) == 1:
        cache = "public, no-cache" if latest else IMMUTABLE
        digest = table.parts[0].digest
        return send_object(
            call, Area.OBJECT, digest, media_type, cache=cache, headers=headers
        )
    made = call.request.app.state.exports.get(shown, table, ext, call.language)
    cache = "public, no-cache" if latest else DERIVED
    if ext == "xlsx":
        headers["Vary"] = "Accept-Language"
    return send_object(
        call, Area.DERIVED, made, media_type, cache=cache, headers=headers
    )


def get_package(call: Call) -> Response:
    """Answer with the zip of a version: tables, schema, report, record, receipt."""
    dataset, version = find(call, withdrawn_readable=True)
    shown = show(call.node, dataset, version)
    made = call.request.app.state.exports.package(shown, call.language)
    location = call.public.api(shown.ref, version.n, PACKAGE)
    file = f"{dataset.name}--v{version.n}.zip"
    headers = {
        "Content-Disposition": disposition(file, _persian_name(shown, "zip")),
        "Content-Location": location,
        "X-Shahrdad-Ref": shown.ref,
        "X-Shahrdad-Version": str(version.n),
        "X-Shahrdad-Digest": version.digest.hex,
    }
    # The newest confirmed head is in it, so it is asked for again.
    return send_object(
        call,
        Area.DERIVED,
        made,
        "application/zip",
        cache="public, no-cache",
        headers=headers,
    )


def _persian_name(shown: Shown, ending: str) -> str | None:
    """Return the file name that Persian readers see; None without a title."""
    title = shown.record.text("title", "fa")[:100].replace("/", " ")
    return f"{title} - {shown.version.n}.{ending}" if title else None


def _resource(shown: Shown, file: str) -> tuple[TableView, str]:
    """Return the table and the format that a file name means.

    Raises:
        RequestError: FORMAT_UNKNOWN, RESOURCE_UNKNOWN.
    """
    ext = next((ext for ext in _BY_LENGTH if file.endswith(f".{ext}")), None)
    if ext is None:
        raise RequestError(
            Reason.FORMAT_UNKNOWN,
            format=file.rpartition(".")[2][:20],
            known=", ".join(DOWNLOADED),
        )
    name = file.removesuffix(f".{ext}")
    table = shown.record.table(name)
    if table is None or not table.parts:
        raise RequestError(
            Reason.RESOURCE_UNKNOWN,
            ref=shown.ref,
            resource=name[:100],
            known=", ".join(table.name for table in shown.record.tables),
        )
    return table, ext


def _resource_headers(shown: Shown, table: TableView, ext: str) -> dict[str, str]:
    """Return the headers that say where a download comes from."""
    n = shown.version.n
    several = len(shown.record.tables) > 1
    stem = shown.dataset.name + (f"--{table.name}" if several else "")
    ending = ext.removeprefix("excel.")
    name = f"{stem}--v{n}.{ending}"
    return {
        "Content-Disposition": disposition(name, _persian_name(shown, ending)),
        "X-Shahrdad-Ref": shown.ref,
        "X-Shahrdad-Version": str(n),
        "X-Shahrdad-Rows": str(table.rows if table.rows is not None else ""),
        "X-Shahrdad-Digest": shown.version.digest.hex,
    }


def get_permanent(call: Call) -> Response:
    """Answer a dataset's permanent address, by suffix or by Accept."""
    slug, _, suffix = call.path["slug"].partition(".")
    call.request.scope["path_params"]["slug"] = slug
    if "version" in call.path:
        number, _, suffix = call.path["version"].partition(".")
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise RequestError(
                Reason.VERSION_UNKNOWN,
                ref=call.ref,
                version=number[:20],
                version_max=call.node.catalog.get(call.ref).version,
            )
        call.request.scope["path_params"]["n"] = int(number)
    form = suffix or _preferred_form(call)
    if form in DOORS:
        return _mapped(call, form)
    if form not in SUFFIXES:
        raise RequestError(
            Reason.FORMAT_UNKNOWN, format=form[:40], known=", ".join(SUFFIXES)
        )
    return _permanent(call, form)


def _mapped(call: Call, suffix: str) -> Response:
    """Answer with a dataset in the words of another standard.

    Raises:
        RequestError: FORMAT_UNKNOWN: its own standard has no such form.
    """
    shown = _live(call)
    known = doors_of(shown.dataset.family)
    door = known.get(suffix)
    if door is None:
        forms = ", ".join((*SUFFIXES, *known))
        raise RequestError(Reason.FORMAT_UNKNOWN, format=suffix, known=forms)
    parameters = [Parameter(door.parameter, "text", "")] if door.parameter else []
    asked = read(call.request.scope["query_string"], parameters)
    body = door.make(shown, {name: text for name, text in asked.items() if text})
    location = f"{shown.addresses.dataset(shown.ref, shown.version.n)}.{suffix}"
    headers = {"Content-Location": location, "Link": link_header(shown)}
    return answer(call, body, door.media_type, headers)


def _live(call: Call) -> Shown:
    """Return the version that a permanent address means.

    Raises:
        RequestError: DATASET_WITHDRAWN, and as `dataset_api.find`.
    """
    dataset, version = find(call)
    if dataset.state == "withdrawn":
        raise withdrawn(dataset)
    return show(call.node, dataset, version)


def _permanent(call: Call, form: str) -> Response:
    """Answer with one form of a dataset."""
    if form == "html":
        call.node.catalog.get(call.ref)
        n = call.path.get("n")
        language = preferred(
            call.request.headers.get("accept-language"), call.node.config.node.language
        )
        path = f"/d/{call.ref}" + (f"/v/{n}" if n is not None else "")
        headers = {
            "Vary": "Accept, Accept-Language",
            "Cache-Control": "public, no-cache",
        }
        return RedirectResponse(call.public.page(language, path), 303, headers)
    if form == "tlog-proof":
        return get_receipt(call)
    shown = _live(call)
    location = f"{shown.addresses.dataset(shown.ref, shown.version.n)}.{form}"
    headers = {"Content-Location": location, "Link": link_header(shown)}
    vary = "Accept, Accept-Language, Accept-Encoding"
    if form == "json":
        return as_json(call, document(shown), **headers, Vary=vary)
    return answer(call, _body(shown, form), SUFFIXES[form], headers, vary=vary)


def _body(shown: Shown, form: str) -> bytes:
    """Return a dataset in the vocabulary of another catalog."""
    if form == "datapackage.json":
        return dump(data_package(shown))
    if form == "schemaorg.jsonld":
        return dump(schema_org(shown))
    if form == "croissant.json":
        return dump(croissant(shown))
    # pyoxigraph is loaded by those who ask for RDF.
    from shahrdad.node.http.metadata.dcat import describe
    from shahrdad.node.http.metadata.graph import Graph

    graph = Graph()
    describe(graph, shown)
    return graph.serialise(form)


def _preferred_form(call: Call) -> str:
    """Return the form that an Accept header likes best; a page when it is open.

    Raises:
        RequestError: NOT_ACCEPTABLE.
    """
    accept = call.request.headers.get("accept") or "*/*"
    best, form = 0.0, ""
    for item in accept.split(","):
        name, _, rest = item.partition(";")
        quality = quality_of(rest)
        for suffix, media_type in SUFFIXES.items():
            kind = media_type.split("/")[0]
            if name.strip() in {media_type, f"{kind}/*", "*/*"} and quality > best:
                best, form = quality, suffix
    if not form:
        known = ", ".join(sorted(set(SUFFIXES.values())))
        raise RequestError(Reason.NOT_ACCEPTABLE, accepted=accept[:200], known=known)
    return form


def operations() -> list[Operation]:
    """Return the operations on files; they take no parameters."""
    gone = ("not-found", "withdrawn", "redacted", "format-unknown")
    base = "/d/{city}/{slug}"
    found = [
        ("getFile", "/files/{digest}/{file}", get_file, "An object by content."),
        (
            "getVersionResource",
            f"{base}/v/{{n}}/{{file}}",
            get_resource,
            "One resource of one version in one format: `budget.csv`.",
        ),
        (
            "getLatestResource",
            f"{base}/latest/{{file}}",
            get_resource,
            "The newest version of a resource in one format.",
        ),
        (
            "getPermanentVersion",
            f"{base}/v/{{version}}",
            get_permanent,
            "A version's permanent address: negotiated, or by suffix.",
        ),
        (
            "getPermanent",
            base,
            get_permanent,
            "A dataset's permanent address: negotiated, or by suffix.",
        ),
    ]
    packages = [
        Operation(
            id_,
            path,
            get_package,
            "A version as a Data Package in a zip.",
            parameters,
            media_type="application/zip",
            problems=(*gone, "export-too-large"),
        )
        for id_, path, parameters in (
            ("getPackage", f"{DATASET}/{PACKAGE}", (AS_OF,)),
            ("getVersionPackage", f"{DATASET}/v/{{n}}/{PACKAGE}", ()),
        )
    ]
    return packages + [
        Operation(
            id_,
            path,
            call,
            summary,
            tolerant=True,
            media_type="*/*",  # the file decides
            problems=gone,
            redirect=303 if id_.startswith("getPermanent") else 0,
        )
        for id_, path, call, summary in found
    ]
