"""Exports of selections: filter, columns, order, presentation; any version, any city.

`…/export/{resource}.{ext}` of a dataset, `/v1/families/{family}/export.{ext}` over all
cities. A selection is made batch by batch into a file on the side, then sent from
there (`exports.outgoing`). It has no range and no strong tag: the same one can be asked
for again, and a version's whole file is elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http import limits
from shahrdad.node.http.answers import Call, headers_alone
from shahrdad.node.http.cross_city import gather, union
from shahrdad.node.http.dataset_api import DATASET, find
from shahrdad.node.http.dataset_object import show
from shahrdad.node.http.exports import writers
from shahrdad.node.http.exports.making import about, reader
from shahrdad.node.http.exports.outgoing import Counted, OutgoingResponse, check_rows
from shahrdad.node.http.exports.presenting import (
    PLACES,
    Column,
    Presentation,
    columns_of,
)
from shahrdad.node.http.formats import MEDIA_TYPES
from shahrdad.node.http.object_files import SANDBOX, disposition
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.parameters import AS_OF, Parameter, split

if TYPE_CHECKING:
    import pyarrow as pa

    from shahrdad.node.table.reading import TableReader

CHOICES = (
    AS_OF,
    Parameter("header", "choice", "", choices=("names", "titles"), default="names"),
    Parameter("lang", "choice", "Of titles and labels.", choices=("fa", "en")),
    Parameter("calendar", "choice", "", choices=("gregorian", "jalali")),
    Parameter("unit", "choice", "Of money.", choices=tuple(PLACES), default="rial"),
    Parameter("sep", "choice", "", choices=tuple(writers.SEPARATORS), default="comma"),
)
_CHOICES = {one.name: one for one in CHOICES}
FORMATS = ("csv", "excel.csv", "xlsx", "json", "ndjson", "arrow", "arrows", "parquet")
NO_PAGES = frozenset({"cursor", "limit"})


@dataclass(frozen=True, slots=True)
class Selection:
    """What is exported.

    Attributes:
        name: Of the file, without its ending.
        origin: Headers that say where it comes from.
        sheet: Lines of a workbook's second sheet.
    """

    table: "TableReader"
    known: dict[str, Column]
    name: str
    origin: dict[str, str]
    sheet: Sequence[tuple[str, str]]


def export_dataset(call: Call) -> Response:
    """Answer with a selection of one version of a table."""
    file = call.path["file"]
    ext = _format(file)
    values, asked = _asked(call)
    found = Call(call.node, call.request, {"as_of": values["as_of"]}, call.language)
    shown = show(call.node, *find(found, withdrawn_readable=True))
    name = file.removesuffix(f".{ext}")
    table = shown.record.table(name)
    if table is None:
        raise RequestError(
            Reason.RESOURCE_UNKNOWN,
            ref=shown.ref,
            resource=name[:100],
            known=", ".join(one.name for one in shown.record.tables),
        )
    version = shown.version
    selection = Selection(
        reader(shown, table),
        columns_of(table.fields, shown.standard),
        f"{shown.dataset.name}--v{version.n}--selection",
        {
            "X-Shahrdad-Ref": shown.ref,
            "X-Shahrdad-Version": str(version.n),
            "X-Shahrdad-Digest": version.digest.hex,
        },
        about(shown, call.language),
    )
    return _export(call, selection, ext, values, asked)


def export_family(call: Call) -> Response:
    """Answer with a selection of the table of a standard over all cities."""
    ext = _format(f"export.{call.path['ext']}")
    values, asked = _asked(call)
    found = gather(call.node, call.path["family"], as_of=values["as_of"])
    standard = found.standard
    fields = [
        {"name": one.name, "title": one.title_fa, "title_en": one.title_en}
        for one in standard.fields
    ]
    title = standard.title_fa if call.language == "fa" else standard.title_en
    selection = Selection(
        union(call.node, found),
        columns_of(list(fields), standard),
        f"{standard.family}--selection",
        {"X-Shahrdad-Inputs-Digest": found.digest},
        [(title, one.ref + f" v{one.version} {one.digest}") for one in found.inputs],
    )
    return _export(call, selection, ext, values, asked)


def _format(file: str) -> str:
    """Return the ending of a file name that is a format.

    Raises:
        RequestError: FORMAT_UNKNOWN.
    """
    for ext in sorted(FORMATS, key=len, reverse=True):
        if file.endswith(f".{ext}"):
            return ext
    ending = file.rpartition(".")[2][:20]
    raise RequestError(Reason.FORMAT_UNKNOWN, format=ending, known=", ".join(FORMATS))


def _asked(call: Call) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the choices of presentation, and the query beside them."""
    values = {name: one.default for name, one in _CHOICES.items()}
    asked = []
    for name, text in split(call.request.scope["query_string"]):
        if name in _CHOICES:
            values[name] = _CHOICES[name].read(text)
        elif name in NO_PAGES:
            raise RequestError(
                Reason.PARAMETER_UNKNOWN, parameter=name, nearest=", ".join(_CHOICES)
            )
        else:
            asked.append((name, text))
    return values, asked


def _export(
    call: Call,
    selection: Selection,
    ext: str,
    values: dict[str, Any],
    asked: list[tuple[str, str]],
) -> Response:
    from shahrdad.node.table.query import AGGREGATES, parse
    from shahrdad.node.table.selecting import selected

    query = parse(asked, selection.table.schema)
    if query.grouped:
        raise RequestError(
            Reason.PARAMETER_UNKNOWN,
            parameter=f"__{AGGREGATES[0]}",
            nearest=", ".join(_CHOICES),
        )
    presentation = Presentation(
        header=values["header"],
        language=values["lang"],
        jalali=values["calendar"] == "jalali",
        unit=values["unit"],
    )
    schema = selection.table.schema
    empty = presentation.present(_empty(schema, query.fields), selection.known)
    narrow = bool(query.filters or query.ors)
    rows_max = limits.EXPORT_ROWS_MAX.get(ext, limits.EXPORT_ROWS_MAX["arrow"])
    if not narrow:
        check_rows(selection.table.rows, rows_max)
    headers = {
        **selection.origin,
        "Cache-Control": "public, no-cache",
        "Content-Disposition": disposition(
            f"{selection.name}.{ext.removeprefix('excel.')}"
        ),
        "Content-Security-Policy": SANDBOX,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Content-Type": MEDIA_TYPES[ext],
    }
    if not narrow:
        headers["X-Shahrdad-Rows"] = str(selection.table.rows)
    if call.is_head:
        return headers_alone(headers)

    def write(file: IO[bytes]) -> None:
        rows = Counted(selected(selection.table, query), rows_max, file)
        shown = (presentation.present(part, selection.known) for part in rows)
        _write(call, selection, ext, empty, shown, values["sep"], file)
        headers["X-Shahrdad-Rows"] = str(rows.rows)

    folder = call.node.database.path.parent
    made = call.request.app.state.exports.make(folder, write)
    return OutgoingResponse(made, headers)


def _empty(schema: "pa.Schema", names: Sequence[str]) -> "pa.Table":
    import pyarrow as pa

    return pa.schema([schema.field(name) for name in names]).empty_table()


def _write(
    call: Call,
    selection: Selection,
    ext: str,
    empty: "pa.Table",
    shown: Iterator["pa.Table"],
    separator: str,
    file: IO[bytes],
) -> None:
    """Write an export."""
    if ext in writers.STREAMED:
        names = empty.schema.names
        mark = writers.SEPARATORS[separator]
        file.writelines(writers.stream(ext, names, shown, mark))
    elif ext == "arrows":
        file.writelines(writers.stream_arrow(empty.schema, shown))
    else:
        batches = (batch for table in shown for batch in table.to_batches())
        _write_file(call, selection, ext, empty, batches, file)


def _write_file(
    call: Call,
    selection: Selection,
    ext: str,
    empty: "pa.Table",
    batches: Iterator["pa.RecordBatch"],
    file: IO[bytes],
) -> None:
    if ext == "arrow":
        writers.write_arrow(batches, empty.schema, file)
    elif ext == "parquet":
        writers.write_parquet(batches, empty.schema, file)
    else:
        from shahrdad.node.http.exports.workbook import write_workbook

        names = empty.schema.names
        write_workbook(
            batches, empty.schema, names, selection.sheet, file, call.language
        )


def operations() -> list[Operation]:
    """Return the operations on exports of selections."""
    gone = ("not-found", "withdrawn", "redacted", "format-unknown", "unknown-field")
    refused = ("unknown-operator", "bad-value", "export-too-large", "overloaded")
    found = [
        ("exportRows", f"{DATASET}/export/{{file}}", export_dataset),
        ("exportVersionRows", f"{DATASET}/v/{{n}}/export/{{file}}", export_dataset),
        ("exportFamily", "/v1/families/{family}/export.{ext}", export_family),
        ("exportStandard", "/v1/standards/{family}/export.{ext}", export_family),
    ]
    return [
        Operation(
            id_,
            path,
            call,
            "A selection of rows as a file.",
            tolerant=True,
            media_type="*/*",
            problems=(*gone, *refused),
        )
        for id_, path, call in found
    ]
