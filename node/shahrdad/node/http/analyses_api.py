"""`/v1/analyses`: the figures of the pages, as tables over all cities.

Each analysis has an address of its own with the parameters that it knows, and files
beside it: `/v1/analyses/budgets`, `/v1/analyses/budgets.csv`. A table is computed once
for each state of the catalog, day and question; a cursor is of one such table, so pages
of a list never mix two states.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.analysis import tables
from shahrdad.node.analysis.table_rows import Asked
from shahrdad.node.analysis.tables import ANALYSES, CHOICES, Analysis, Column, Table
from shahrdad.node.http.answers import Call, answer, as_json
from shahrdad.node.http.formats import MEDIA_TYPES
from shahrdad.node.http.languages import TEHRAN, now
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.pages_of_lists import decode, encode, list_answer
from shahrdad.node.http.parameters import CURSOR, LIMIT, Parameter
from shahrdad.node.http.portal.viewing import releases
from shahrdad.node.http.texts import say

if TYPE_CHECKING:
    import pyarrow as pa

FILES = ("csv", "excel.csv", "xlsx", "parquet")
CITY = Parameter("city", "text", "Only the rows of this city.", example="kerman")
ASKS = {
    "year": Parameter("year", "integer", "Jalali.", minimum=1300, maximum=1499),
    **{
        name: Parameter(name, "choice", "", choices=choices, default=default)
        for (name, choices), default in zip(
            CHOICES.items(), ("municipality", "use", "class"), strict=True
        )
    },
}


def list_analyses(call: Call) -> Response:
    """Answer with the tables that can be asked for."""
    items = [described(call, one) for one in ANALYSES]
    return as_json(call, {"items": items, "total": len(items), "next_cursor": None})


def described(call: Call, one: Analysis) -> dict[str, Any]:
    """Return what a table is, what it is asked for, and where it lies."""
    address = f"{call.public.root}/v1/analyses/{one.name}"
    return {
        "name": one.name,
        "title": {
            "fa": say("fa", f"analyses.{one.name}"),
            "en": say("en", f"analyses.{one.name}"),
        },
        "report": one.report or None,
        "families": list(one.families),
        "fields": [column.to_dict() for column in one.columns],
        "parameters": [parameter.name for parameter in parameters(one)],
        "links": {
            "self": address,
            **{ext: f"{address}.{ext}" for ext in FILES},
            "pages": {
                "fa": call.public.page("fa", one.page),
                "en": call.public.page("en", one.page),
            },
        },
    }


def parameters(one: Analysis) -> tuple[Parameter, ...]:
    """Return the parameters that an analysis knows."""
    by_city = any(column.name == "city" for column in one.columns)
    return (*((CITY,) if by_city else ()), *(ASKS[name] for name in one.asks))


def table_of(call: Call, one: Analysis) -> Table:
    """Return the table that is asked for."""
    reader = releases(call)
    given = {
        name: value
        for name, value in call.values.items()
        if name in {"city", *one.asks} and value is not None
    }
    asked = Asked(today=now().astimezone(TEHRAN).date(), **given)
    return reader.once(
        ("analysis", one.name, asked), partial(tables.compute, one, reader, asked)
    )


def show(one: Analysis, call: Call) -> Response:
    """Answer with a page of a table and the versions that it rests on."""
    table = table_of(call, one)
    limit, start = call.values["limit"], begin(call, table)
    rows = table.rows[start : start + limit]
    end = start + len(rows)
    more = encode("analysis", (pin(table), end)) if end < len(table.rows) else None
    return list_answer(
        call,
        [as_row(row, one.columns) for row in rows],
        len(table.rows),
        more,
        name=one.name,
        fields=[column.to_dict() for column in one.columns],
        inputs=[used.to_dict() for used in table.inputs],
        inputs_digest=table.digest,
        excluded=[
            {"city": left.city, "ref": left.ref, "reason": left.cause}
            for left in table.excluded
        ],
        missing=list(table.missing),
    )


def pin(table: Table) -> str:
    """Return what a cursor remembers of a table: another one has other rows."""
    return f"{table.digest[:16]}-{len(table.rows)}"


def begin(call: Call, table: Table) -> int:
    """Return the number of the first row of a page.

    Raises:
        RequestError: CURSOR_MALFORMED, SEARCH_CURSOR_EXPIRED.
    """
    cursor = call.values["cursor"]
    if cursor is None:
        return 0
    pinned, start = decode("analysis", cursor, ("", 0))
    if pinned != pin(table):
        raise RequestError(Reason.SEARCH_CURSOR_EXPIRED, cursor=cursor[:100])
    if not 0 <= start <= len(table.rows):
        raise RequestError(Reason.CURSOR_MALFORMED, cursor=cursor[:100])
    return int(start)


def as_row(row: dict[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """Return a row for JSON: amounts in rial as text, which keeps all their digits."""
    return {column.name: as_value(row[column.name], column) for column in columns}


def as_value(value: Any, column: Column) -> Any:
    """Return a cell for JSON."""
    if value is None:
        return None
    if column.type == "integer" and column.unit == "rial":
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def as_file(one: Analysis, ext: str, call: Call) -> Response:
    """Answer with the whole table as a file."""
    table = table_of(call, one)
    body = written(call, table, ext)
    headers = {
        "Content-Disposition": f'attachment; filename="{one.name}.{ext}"',
        "X-Shahrdad-Inputs-Digest": table.digest,
    }
    return answer(call, body, MEDIA_TYPES[ext], headers)


def written(call: Call, table: Table, ext: str) -> bytes:
    """Return a table in a format."""
    from shahrdad.node.http.exports import writers
    from shahrdad.node.http.exports.workbook import write_workbook

    found = arrow(table)
    batches, names, out = iter(found.to_batches()), found.schema.names, BytesIO()
    if ext == "csv":
        writers.write_csv(batches, names, out)
    elif ext == "excel.csv":
        writers.write_excel_csv(batches, names, out)
    elif ext == "parquet":
        writers.write_parquet(batches, found.schema, out)
    else:
        about = list(sheet(call, table))
        write_workbook(batches, found.schema, names, about, out, call.language)
    return out.getvalue()


def sheet(call: Call, table: Table) -> Iterator[tuple[str, str]]:
    """Yield what a workbook's second sheet says: what it is, and its versions."""
    title = say(call.language, f"analyses.{table.analysis.name}")
    yield title, f"{call.public.root}/v1/analyses/{table.analysis.name}"
    yield say(call.language, "portal.inputs_digest"), table.digest
    for used in table.inputs:
        yield used.ref, f"v{used.version} {used.digest}"


def arrow(table: Table) -> "pa.Table":
    """Return a table with the types of its columns."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "integer": pa.int64(),
        "decimal": pa.decimal128(38, 3),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
    }
    columns = table.analysis.columns
    schema = pa.schema(
        [
            pa.field(
                one.name,
                kinds[one.type],
                metadata={"unit": one.unit} if one.unit else None,
            )
            for one in columns
        ]
    )
    arrays = []
    for one in columns:
        cells = [row[one.name] for row in table.rows]
        if one.type == "decimal":
            cells = [None if cell is None else Decimal(cell) for cell in cells]
        arrays.append(pa.array(cells, kinds[one.type]))
    return pa.Table.from_arrays(arrays, schema=schema)


def operations() -> list[Operation]:
    """Return the operations: the list, then each table with its files."""
    found = [
        Operation(
            "listAnalyses",
            "/v1/analyses",
            list_analyses,
            "The tables of figures over all cities.",
            schema="Page",
            problems=(),
        )
    ]
    for one in ANALYSES:
        title = say("en", f"analyses.{one.name}")
        asked = parameters(one)
        name = "".join(part.title() for part in one.name.split("-"))
        found.append(
            Operation(
                f"getAnalysis{name}",
                f"/v1/analyses/{one.name}",
                partial(show, one),
                title,
                (*asked, LIMIT, CURSOR),
                schema="Analysis",
                problems=("cursor-invalid", "cursor-expired"),
            )
        )
        found += [
            Operation(
                f"getAnalysis{name}{ending(ext)}",
                f"/v1/analyses/{one.name}.{ext}",
                partial(as_file, one, ext),
                f"{title} As {ext}.",
                asked,
                media_type=MEDIA_TYPES[ext],
                problems=(),
            )
            for ext in FILES
        ]
    return found


def ending(ext: str) -> str:
    """Return a format as part of an operation's name."""
    return "".join(part.title() for part in ext.split("."))
