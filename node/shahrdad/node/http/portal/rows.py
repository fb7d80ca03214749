"""`/d/{ref}/rows`: look through a table: filter, sort, cards of columns (portal 4).

The state is the address, in the grammar of the rows query (interfaces 4.1), so the same
words ask the API. The forms work alone: what they send is led to that address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.datasets.standards import Field
from shahrdad.node.analysis.limits import TABLE_ROWS_MAX
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_api import find
from shahrdad.node.http.dataset_object import Shown, show
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.languages import number
from shahrdad.node.http.parameters import split
from shahrdad.node.http.portal.amounts import number_of, number_text
from shahrdad.node.http.portal.row import TITLES
from shahrdad.node.http.previews import Cell, cell
from shahrdad.node.http.rendering import page

if TYPE_CHECKING:
    import pyarrow as pa

    from shahrdad.node.table.query_pool import QueryPool
    from shahrdad.node.table.reading import TableReader

SHOWN = 50
PAGES_OWN = ("card", "column", "op", "value", "show")  # of the forms, not the query
SELECTED = {"Excel": "xlsx", "CSV": "csv", "JSON": "json", "Parquet": "parquet"}
TOP_VALUES = 8
BINS = 12
FORM_OPERATORS = (
    "exact",
    "contains",
    "greater",
    "less",
    "isnull",
    "isnotnull",
    "differs",
)


@dataclass(frozen=True, slots=True)
class Card:
    """What stands in one column.

    Attributes:
        bins: Of a number's histogram: height in hundredths, and a title.
        top: The commonest values: label, count, the filter for it.
    """

    name: str
    title: str
    rows: int
    empty: int
    distinct: int
    smallest: str
    largest: str
    bins: tuple[tuple[int, str], ...]
    top: tuple[tuple[str, int, str], ...]


def index(call: Call, language: Language) -> Response:
    """Show a page of rows, or lead a form to the address of its query."""
    given = split(call.request.scope["query_string"])
    if any(name in {"column", "show"} for name, _ in given):
        return led(call, given)
    shown = show(call.node, *find(call, withdrawn_readable=True))
    if not shown.record.tables:
        raise RequestError(Reason.NO_TABLE, ref=shown.ref, resource="–")
    view = shown.record.tables[0]
    wanted = next((value for name, value in given if name == "card"), "")
    is_large = (view.rows or 0) > TABLE_ROWS_MAX
    if is_large and wanted:
        raise RequestError(
            Reason.TABLE_TOO_LARGE_TO_SHOW,
            rows=view.rows or 0,
            rows_max=TABLE_ROWS_MAX,
        )
    table = reader(shown, view)
    pairs = [pair for pair in given if pair[0] not in PAGES_OWN]
    # A large table is looked through in a process of its own, which can be stopped.
    pool = call.request.app.state.queries if is_large else None
    answer, query = asked(table, pairs, pool)
    known = {one.name: one for one in shown.standard.fields} if shown.standard else {}
    names = list(answer.rows.schema.names)
    rows = [
        [cell(row[name], known.get(name), language) for name in names]
        for row in answer.rows.to_pylist()
    ]
    dataset = shown.dataset
    return page(
        call,
        "portal/rows.html",
        language,
        shown=shown,
        dataset=dataset,
        title=dataset.title_fa if language == "fa" else dataset.title_en,
        city=city_name(dataset.city, call.node.config),
        columns=columns(names, rows, known, answer.rows.schema, query, pairs, language),
        every=[(name, titled(name, known, language)) for name in table.schema.names],
        rows=rows,
        places=places(answer.rows, table.key_columns()),
        named=named_column(table, names),
        selected=selected(shown, view.name, pairs),
        hidden=len(table.schema.names) - len(names),
        total=answer.total,
        whole=table.rows,
        filters=chips(query, pairs, known, language),
        pairs=pairs,
        operators=FORM_OPERATORS,
        following=answer.next_cursor,
        is_first=not any(name == "cursor" for name, _ in pairs),
        has_cards=not is_large,
        card=column_card(table, wanted, known, language) if wanted else None,
        address=address,
    )


def places(rows: "pa.Table", key: Sequence[str]) -> list[str]:
    """Return the query that names each row by its key; "" where that is not shown."""
    # A dataset is of one city, so its code tells no row from another.
    names = [name for name in key if name != "city_code" or len(key) == 1]
    if not names or not set(names) <= set(rows.column_names):
        return [""] * rows.num_rows
    return [
        "" if None in row.values() else urlencode(filter_texts(row))
        for row in rows.select(names).to_pylist()
    ]


def named_column(table: "TableReader", shown: Sequence[str]) -> str:
    """Return the column that people know a row by: a title, else the key's last."""
    import pyarrow as pa

    title = next((one for one in TITLES if one in shown), "")
    if title:
        return title
    key = table.key_columns()
    texts = [one for one in key if pa.types.is_string(table.schema.field(one).type)]
    return next(reversed(texts or key), "")


def filter_texts(row: dict[str, Any]) -> dict[str, str]:
    """Return the cells of a row as filters take them."""
    return {name: filter_text(value) for name, value in row.items()}


def selected(
    shown: Shown, resource: str, pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return where what the address chooses lies as a file: format, address."""
    query = address(pairs, cursor=None, limit=None)
    base = f"/v1/datasets/{shown.ref}/v/{shown.version.n}/export/{resource}"
    return [
        (label, f"{base}.{ext}{query if query != '?' else ''}")
        for label, ext in SELECTED.items()
    ]


def led(call: Call, given: Sequence[tuple[str, str]]) -> Response:
    """Lead a filter form to the address of the query that it means."""
    form = dict(given)
    kept = [pair for pair in given if pair[0] not in (*PAGES_OWN, "cursor")]
    operator = form.get("op", "exact")
    shown = [value for name, value in given if name == "show"]
    if shown:
        kept = [pair for pair in kept if pair[0] != "fields"]
        kept.append(("fields", ",".join(shown)))
    if form.get("column") and (
        form.get("value") or operator in {"isnull", "isnotnull"}
    ):
        bare = operator in {"isnull", "isnotnull"}
        name = f"{form['column']}__{operator}"
        kept.append((name, "" if bare else form.get("value", "")))
    path = call.request.url.path
    headers = {"Cache-Control": "no-cache"}
    return RedirectResponse(path + address(kept), 303, headers)


def address(pairs: Sequence[tuple[str, str]], **changes: str | None) -> str:
    """Return the query string of pairs with changes; None drops a name."""
    kept = [pair for pair in pairs if pair[0] not in changes]
    kept += [(name, value) for name, value in changes.items() if value is not None]
    return f"?{urlencode(kept)}" if kept else "?"


def asked(
    table: "TableReader",
    pairs: Sequence[tuple[str, str]],
    pool: "QueryPool | None" = None,
) -> tuple[Any, Any]:
    """Return the page of rows that the address asks for, and the query as read."""
    from shahrdad.node.table.query import parse
    from shahrdad.node.table.rows import select

    limited = [pair for pair in pairs if pair[0] != "limit"] + [("limit", str(SHOWN))]
    # Filters on values that an empty cell has no value for come without "=".
    read = [
        (name, value)
        for name, value in limited
        if name != "subtotals" or value == "include"
    ]
    query = parse(read, table.schema)
    return pool.answer(table, read) if pool else select(table, query), query


def titled(name: str, known: dict[str, Field], language: Language) -> str:
    """Return a column's title."""
    return known[name].title(language) if name in known else name


def columns(
    names: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    known: dict[str, Field],
    schema: Any,
    query: Any,
    pairs: Sequence[tuple[str, str]],
    language: Language,
) -> list[dict[str, Any]]:
    """Return the heads of the columns, with the link that sorts by each."""
    import pyarrow as pa

    now = dict(query.sort)
    found = []
    for place, name in enumerate(names):
        kind = schema.field(name).type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        following = f"-{name}" if now.get(name) is False else name
        found.append(
            {
                "name": name,
                "title": titled(name, known, language),
                "unit": known[name].unit if name in known else None,
                "number": numeric or pa.types.is_decimal(kind),
                "long": any(row[place].is_long for row in rows),
                "sorted": ("ascending", "descending")[now[name]]
                if name in now
                else None,
                "sort": address(pairs, sort=following, cursor=None)
                if not pa.types.is_list(kind)
                else "",
                "card": address(pairs, card=name),
            }
        )
    return found


def chips(
    query: Any,
    pairs: Sequence[tuple[str, str]],
    known: dict[str, Field],
    language: Language,
) -> list[dict[str, Any]]:
    """Return the active filters, each with the address without it."""
    found = []
    for place, (name, value) in enumerate(pairs):
        column, separator, operator = name.rpartition("__")
        if not separator or not any(one.column == column for one in query.filters):
            continue
        rest = [pair for other, pair in enumerate(pairs) if other != place]
        shown = cell(value, known.get(column), language).text if value else ""
        found.append(
            {
                "title": titled(column, known, language),
                "operator": operator,
                "value": shown,
                "without": address(rest, cursor=None),
            }
        )
    return found


def column_card(
    table: "TableReader", name: str, known: dict[str, Field], language: Language
) -> Card:
    """Return what stands in a column.

    Raises:
        RequestError: COLUMN_UNKNOWN.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in table.schema.names:
        raise RequestError(Reason.COLUMN_UNKNOWN, column=name[:100])
    batches = list(table.batches([name]))
    kind = table.schema.field(name).type
    column = pa.chunked_array([batch.column(0) for batch in batches], kind)
    if pa.types.is_list(kind):
        column = pa.chunked_array([pc.list_flatten(chunk) for chunk in column.chunks])
        kind = column.type
    field = known.get(name)
    smallest = largest = None
    if not pa.types.is_boolean(kind) and len(column) > column.null_count:
        bounds = pc.min_max(column).as_py()
        smallest, largest = bounds["min"], bounds["max"]
    counts = pc.value_counts(column.drop_null())
    pairs = sorted(
        ((one["counts"], one["values"]) for one in counts.to_pylist()),
        key=lambda pair: (-pair[0], str(pair[1])),
    )
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return Card(
        name=name,
        title=titled(name, known, language),
        rows=table.rows,
        empty=column.null_count,
        distinct=len(pairs),
        smallest=edge(smallest, field, language),
        largest=edge(largest, field, language),
        bins=histogram(column, smallest, largest, language) if numeric else (),
        top=tuple(
            (edge(value, field, language), count, filter_text(value))
            for count, value in pairs[:TOP_VALUES]
            if count > 1 or len(pairs) <= TOP_VALUES
        ),
    )


def edge(value: Any, field: Field | None, language: Language) -> str:
    """Return a value of a column's card as prose has it, digits and all."""
    shown = cell(value, field, language)
    return number_text(shown.text, language) if shown.kind == "number" else shown.text


def filter_text(value: Any) -> str:
    """Return a value as a filter takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def bound(value: float, language: Language) -> str:
    """Return an edge of a histogram's step: whole, or with four digits in all."""
    places = 0 if abs(value) >= 1000 else 4 - len(str(int(abs(value))))
    return number_of(Decimal(repr(float(value))), places, language)


def histogram(
    column: Any, smallest: Any, largest: Any, language: Language
) -> tuple[tuple[int, str], ...]:
    """Return the histogram of a number in equal steps."""
    import numpy as np

    if smallest is None or smallest == largest:
        return ()
    values = column.drop_null().to_numpy().astype(float)
    counts, limits = np.histogram(values, BINS, (float(smallest), float(largest)))
    top = max(int(counts.max()), 1)
    return tuple(
        (
            int(count) * 100 // top,
            f"{bound(low, language)} – {bound(high, language)}:"
            f" {number(int(count), language)}",
        )
        for count, low, high in zip(counts, limits[:-1], limits[1:], strict=True)
    )
