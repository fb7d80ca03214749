"""CKAN's addresses of files: a resource's download, and the dump of its table.

Both are found by the identifier of a resource, on every base alike, and answer at once:
some clients follow no redirect.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response, StreamingResponse

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http.answers import Call, dump, is_held, weak_tag
from shahrdad.node.http.ckan import datastore
from shahrdad.node.http.ckan.datastore import Source
from shahrdad.node.http.ckan.shelf import Reading, Shelf
from shahrdad.node.http.dataset_object import show
from shahrdad.node.http.downloads import get_resource
from shahrdad.node.http.exports import writers
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.object_files import SANDBOX, disposition
from shahrdad.node.http.operations import address_unknown
from shahrdad.node.http.parameters import Parameter, split

if TYPE_CHECKING:
    import pyarrow as pa

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "json": "application/json",
    "xml": "text/xml; charset=utf-8",
}
DUMP = (
    Parameter("format", "choice", "", choices=tuple(MEDIA_TYPES), default="csv"),
    Parameter("bom", "choice", "", choices=("true", "True", "1", "false", "False")),
)
_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def get_download(call: Call) -> Response:
    """Answer with a resource under CKAN's address of it, as its newest version is."""
    reading = _reading(call)
    found = reading.resource(call.path["resource"])
    if (
        found is None
        or found[1] != call.path["file"]
        or reading.number(call.path["name"]) != found[0]
    ):
        raise address_unknown(call.request)
    city, _, slug = reading.ref(found[0]).partition("/")
    call.request.scope["path_params"] = {"city": city, "slug": slug, "file": found[1]}
    return get_resource(call)


def get_dump(call: Call) -> Response:
    """Answer with all rows of a table, numbered as `datastore_search` numbers them.

    Raises:
        RequestError: ADDRESS_UNKNOWN, PARAMETER_VALUE.
    """
    source = _source(call)
    known = {one.name: one for one in DUMP}
    values = {one.name: one.default for one in DUMP}
    for asked, text in split(call.request.scope["query_string"]):
        if asked in known:
            values[asked] = known[asked].read(text)
    form, bom = values["format"], values["bom"] in {"true", "True", "1"}
    version = source.shown.version
    seed = f"dump {version.digest.hex} {source.resource_id} {form} {bom}".encode()
    name = f"{source.shown.dataset.name}--v{version.n}--{source.table.name}.{form}"
    headers = {
        "Content-Type": MEDIA_TYPES[form],
        "Content-Disposition": disposition(name),
        "Cache-Control": "public, no-cache",
        "Content-Security-Policy": SANDBOX,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "ETag": weak_tag(call, MEDIA_TYPES[form], seed),
        "X-Shahrdad-Ref": source.shown.ref,
        "X-Shahrdad-Version": str(version.n),
        "X-Shahrdad-Digest": version.digest.hex,
    }
    if is_held(call, MEDIA_TYPES[form], seed):
        del headers["Content-Type"], headers["Content-Disposition"]
        return Response(status_code=304, headers=headers)
    if call.is_head:
        return Response(b"", headers=headers)
    opened = reader(source.shown, source.table)
    columns = datastore.fields(source, opened.schema)
    rows = _numbered(opened.batches(), opened.schema)
    stack = ExitStack()
    stack.enter_context(call.request.app.state.exports.slot())
    return StreamingResponse(
        _closing(stack, _WRITERS[form](columns, rows), bom), headers=headers
    )


def _reading(call: Call) -> Reading:
    shelf: Shelf = call.request.app.state.shelf
    return shelf.at(call.node, "all")


def _source(call: Call) -> Source:
    """Return the table that an address means.

    Raises:
        RequestError: ADDRESS_UNKNOWN: no live resource is called so, or it is a file.
    """
    wanted = call.path["resource"]
    reading = _reading(call)
    found = reading.resource(wanted)
    if found is None or found[2] != "CSV":
        raise address_unknown(call.request)
    node = call.node
    shown = show(node, *node.catalog.version(reading.ref(found[0])))
    table = shown.record.table(found[1].rpartition(".")[0])
    if table is None:
        raise RequestError(Reason.NO_TABLE, ref=shown.ref, resource=found[1])
    return Source(shown, table, wanted)


def _numbered(
    batches: Iterator["pa.RecordBatch"], schema: "pa.Schema"
) -> Iterator["pa.Table"]:
    """Yield the rows with the column `_id` before them."""
    import pyarrow as pa

    number = 1
    for batch in batches:
        table = pa.Table.from_batches([batch], schema)
        ids = pa.array(range(number, number + table.num_rows), pa.int64())
        number += table.num_rows
        yield table.add_column(0, "_id", ids)


def _closing(stack: ExitStack, pieces: Iterator[bytes], bom: bool) -> Iterator[bytes]:
    """Yield the pieces, and give the place free however it ends."""
    with stack:
        if bom:
            yield writers.BOM
        yield from pieces


def _csv(
    columns: Sequence[dict[str, Any]], rows: Iterator["pa.Table"]
) -> Iterator[bytes]:
    return writers.stream("csv", [one["id"] for one in columns], rows, ",")


def _tsv(
    columns: Sequence[dict[str, Any]], rows: Iterator["pa.Table"]
) -> Iterator[bytes]:
    return writers.stream("csv", [one["id"] for one in columns], rows, "\t")


def _json(
    columns: Sequence[dict[str, Any]], rows: Iterator["pa.Table"]
) -> Iterator[bytes]:
    """Yield one object: the columns, and each row as a list."""
    yield b'{"fields":' + dump(list(columns)) + b',"records":['
    before = b"\n"
    for table in rows:
        lines = [dump(list(row.values())) for row in _values(table)]
        if lines:
            yield before + b",\n".join(lines)
            before = b",\n"
    yield b"\n]}\n"


def _xml(
    columns: Sequence[dict[str, Any]], rows: Iterator["pa.Table"]
) -> Iterator[bytes]:
    """Yield one `row` for each row; an empty cell is an element that is nil."""
    del columns
    yield b'<data xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
    for table in rows:
        yield "".join(map(_xml_row, _values(table))).encode()
    yield b"</data>\n"


def _xml_row(row: dict[str, Any]) -> str:
    cells = []
    for name, value in row.items():
        if name == "_id":
            continue
        fits = _XML_NAME.fullmatch(name)
        tag = name if fits else "value"
        about = "" if fits else f" name={quoteattr(_NOT_XML.sub('', name))}"
        if value is None:
            cells.append(f'<{tag}{about} xsi:nil="true"/>')
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        cells.append(f"<{tag}{about}>{escape(_NOT_XML.sub('', text))}</{tag}>")
    return f'<row _id="{row["_id"]}">{"".join(cells)}</row>\n'


def _values(table: "pa.Table") -> Iterator[dict[str, Any]]:
    from shahrdad.node.http.exports.cells import json_value

    for row in table.to_pylist():
        yield {name: json_value(value) for name, value in row.items()}


_Writer = Callable[[Sequence[dict[str, Any]], Iterator["pa.Table"]], Iterator[bytes]]
_WRITERS: dict[str, _Writer] = {"csv": _csv, "tsv": _tsv, "json": _json, "xml": _xml}
