"""CKAN's addresses of files: a resource's download, and the dump of its table.

Both are found by the identifier of a resource, on every base alike, and answer at once:
some clients follow no redirect.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http import limits
from shahrdad.node.http.answers import (
    Call,
    dump,
    headers_alone,
    is_held,
    weak_tag,
)
from shahrdad.node.http.ckan import choosing, datastore, envelope
from shahrdad.node.http.ckan.choosing import ID, Choice
from shahrdad.node.http.ckan.datastore import Source
from shahrdad.node.http.ckan.envelope import Refusal
from shahrdad.node.http.ckan.shelf import Reading, Shelf
from shahrdad.node.http.dataset_object import show
from shahrdad.node.http.downloads import get_resource
from shahrdad.node.http.exports import writers
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.exports.outgoing import Counted, OutgoingResponse
from shahrdad.node.http.object_files import SANDBOX, disposition
from shahrdad.node.http.operations import address_unknown
from shahrdad.node.http.parameters import Parameter, split

if TYPE_CHECKING:
    import pyarrow as pa

    from shahrdad.node.table.reading import TableReader

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "json": "application/json",
    "xml": "text/xml; charset=utf-8",
}
DUMP = (
    Parameter("format", "choice", "", choices=tuple(MEDIA_TYPES), default="csv"),
    Parameter(
        "bom",
        "choice",
        "",
        choices=("true", "True", "1", "false", "False", "0"),
        default="false",
    ),
)
DUMPED = frozenset(
    {"format", "bom", "limit", "offset", "filters", "q", "fields", "sort", "distinct"}
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
    """Answer with rows of a table, all or some, numbered as `datastore_search` does.

    Raises:
        RequestError: ADDRESS_UNKNOWN, PARAMETER_VALUE, EXPORT_TOO_LARGE,
            EXPORT_BYTES_TOO_LARGE.
    """
    source = _source(call)
    values = _dump_values(call)
    form, version = values["format"], source.shown.version
    seed = f"dump {version.digest.hex} {source.resource_id} {sorted(values.items())}"
    tag = weak_tag(call, MEDIA_TYPES[form], seed.encode())
    name = f"{source.shown.dataset.name}--v{version.n}--{source.table.name}.{form}"
    headers = {
        "Content-Type": MEDIA_TYPES[form],
        "Content-Disposition": disposition(name),
        "Cache-Control": "public, no-cache",
        "Content-Security-Policy": SANDBOX,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "ETag": tag,
        "X-Shahrdad-Ref": source.shown.ref,
        "X-Shahrdad-Version": str(version.n),
        "X-Shahrdad-Digest": version.digest.hex,
    }
    if is_held(call, MEDIA_TYPES[form], seed.encode()):
        del headers["Content-Type"], headers["Content-Disposition"]
        return Response(status_code=304, headers=headers)
    columns, rows = _rows(source, values)
    if call.is_head:
        return headers_alone(headers)

    def write(file: IO[bytes]) -> None:
        if values["bom"]:
            file.write(writers.BOM)
        counted = iter(Counted(rows, limits.EXPORT_ROWS_MAX["csv"], file))
        file.writelines(_WRITERS[form](columns, counted))

    folder = call.node.database.path.parent
    made = call.request.app.state.exports.make(folder, write)
    return OutgoingResponse(made, headers)


def _dump_values(call: Call) -> dict[str, Any]:
    """Return what is asked of a dump: `bom` is a boolean, the rest as it came.

    Raises:
        RequestError: PARAMETER_VALUE.
    """
    pairs = split(call.request.scope["query_string"])
    given = envelope.merged([(name, text) for name, text in pairs if name in DUMPED])
    for one in DUMP:
        given[one.name] = one.read(envelope.text(given, one.name, one.default))
    return {**given, "bom": given["bom"] in {"true", "True", "1"}}


def _rows(
    source: Source, values: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], Iterator["pa.Table"]]:
    """Return the columns and the rows that are asked for; a sort needs all of them.

    Raises:
        RequestError: PARAMETER_VALUE, EXPORT_TOO_LARGE.
    """
    opened = reader(source.shown, source.table)
    choice = choosing.read(values, opened.schema)
    if isinstance(choice, Refusal):
        ((name, (sentence,)),) = choice.fields.items()
        raise _wrong(values, name, sentence)
    start, rows = (
        envelope.whole(values, name, default)
        for name, default in (("offset", 0), ("limit", opened.rows))
    )
    if start is None or rows is None:
        raise _wrong(values, "offset" if start is None else "limit", "0, 1, 2, …")
    if choice.of_whole and opened.rows > datastore.ROWS_MAX:
        raise RequestError(
            Reason.EXPORT_TOO_LARGE, rows=opened.rows, rows_max=datastore.ROWS_MAX
        )
    columns = datastore.chosen(source, opened.schema, choice)
    return columns, choosing.window(_tables(choice, opened), start, rows)


def _tables(choice: Choice, opened: "TableReader") -> Iterator["pa.Table"]:
    """Yield the rows that are asked for; nothing is read before the first."""
    if choice.of_whole:
        yield datastore.whole(choice, opened)
        return
    for part in choosing.numbered(opened.batches(), opened.schema):
        yield choice.arranged(choice.filtered(part))


def _wrong(values: Mapping[str, Any], name: str, expected: str) -> RequestError:
    return RequestError(
        Reason.PARAMETER_VALUE,
        parameter=name,
        value=envelope.text(values, name)[:100],
        expected=expected,
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
        if name == ID:
            continue
        fits = _XML_NAME.fullmatch(name)
        tag = name if fits else "value"
        about = "" if fits else f" name={quoteattr(_NOT_XML.sub('', name))}"
        if value is None:
            cells.append(f'<{tag}{about} xsi:nil="true"/>')
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        cells.append(f"<{tag}{about}>{escape(_NOT_XML.sub('', text))}</{tag}>")
    number = f' {ID}="{row[ID]}"' if ID in row else ""
    return f"<row{number}>{''.join(cells)}</row>\n"


def _values(table: "pa.Table") -> Iterator[dict[str, Any]]:
    from shahrdad.node.http.exports.cells import json_value

    for row in table.to_pylist():
        yield {name: json_value(value) for name, value in row.items()}


_Writer = Callable[[Sequence[dict[str, Any]], Iterator["pa.Table"]], Iterator[bytes]]
_WRITERS: dict[str, _Writer] = {"csv": _csv, "tsv": _tsv, "json": _json, "xml": _xml}
