"""The monthly report as a dataset of the node that computed it (portal 12).

So it has a version, a receipt and a place in the log like any table. Its table has one
row a figure; beside it lies the report's own JSON, whose digest the record names.
Publishing the same report again changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.analysis import monthly, workbook
from shahrdad.node.publish import now
from shahrdad.node.record import Attachment, Description, Table, TablePart
from shahrdad.node.store.contract import Area, put_bytes
from shahrdad.node.store.naming import Naming

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.table.parquet import WrittenTable

TABLE = "monthly-report"
KEY = ("part", "row", "name")
FIELDS = (
    ("part", "string", "بخش", "Part"),
    ("row", "integer", "ردیف", "Row"),
    ("city", "string", "شهر", "City"),
    ("name", "string", "نام", "Name"),
    ("value", "string", "مقدار", "Value"),
)


@dataclass(frozen=True, slots=True)
class Published:
    """Where a report stands; `unchanged` means that it stood there already."""

    ref: str
    version: int
    digest: Digest
    unchanged: bool


def publish_report(node: "Node", report: dict[str, Any]) -> Published:
    """Publish a month's report as the next version of its dataset.

    Args:
        node: It may sign; the city's own, or the forum's.
        report: Of a month that is over.

    Raises:
        RequestError: MONTH_NOT_OVER; APPROVAL_NEEDED: four eyes are asked for.
    """
    if not report["final"]:
        raise RequestError(
            Reason.MONTH_NOT_OVER, month=report["month"], end=report["as_of"]
        )
    slug = f"{TABLE}-{report['month']}"
    ref = f"{node.config.node.city}/{slug}"
    with node.database.exclusive("publish"):
        node.projection.follow()
        body = _record(node, slug, report, _write(node, ref, report))
        before = node.newest(ref)
        if (
            before is not None
            and before.live
            and record.content(before.body) == record.content(body)
        ):
            return Published(ref, before.version.n, before.version.digest, True)
        content = strict_json.canonical(body)
        node.append_put(f"ds/{slug}", content)
        node.projection.follow()
    return Published(ref, int(body["version"]), Digest.of(content), False)


def rows(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the figures of a report, each with its part, row, city and name."""
    for part, listed in workbook.tables(report).items():
        for number, row in enumerate(listed, 1):
            city = row.get("city")
            for name, value in row.items():
                if value is not None and name != "city":
                    yield {
                        "part": part,
                        "row": number,
                        "city": city,
                        "name": name,
                        "value": text(value),
                    }


def text(value: Any) -> str:
    """Return a value as JSON writes it, and a text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _write(node: "Node", ref: str, report: dict[str, Any]) -> "WrittenTable":
    """Write the table into the store."""
    import pyarrow as pa

    from shahrdad.node.table.parquet import write_table
    from shahrdad.node.table.schema import TableInfo

    kinds = {"string": pa.string(), "integer": pa.int64()}
    schema = pa.schema([pa.field(name, kinds[kind]) for name, kind, *_ in FIELDS])
    titles = {name: {"title_fa": fa, "title_en": en} for name, _, fa, en in FIELDS}
    info = TableInfo("", "", ref, TABLE, KEY, titles)
    batch = pa.RecordBatch.from_pylist(list(rows(report)), schema)
    store = Naming(node.store, node.database.connect, "job", ref)
    return write_table([batch], schema, info, store, Area.OBJECT)


def _record(
    node: "Node", slug: str, report: dict[str, Any], written: "WrittenTable"
) -> dict[str, Any]:
    """Return the record of the next version."""
    config = node.config.node
    ref = f"{config.city}/{slug}"
    content = monthly.content(report)
    named = Naming(node.store, node.database.connect, "job", ref)
    file = Attachment(
        "report-json",
        "original",
        put_bytes(named, Area.OBJECT, content),
        len(content),
        "json",
        "application/json",
        {"public": True, "file_name": f"{report['month']}.json"},
    )
    fields = [
        {"name": name, "type": kind, "title": fa, "title_en": en}
        for name, kind, fa, en in FIELDS
    ]
    parts = tuple(
        TablePart(part.digest, part.bytes, part.rows, part.first)
        for part in written.parts
    )
    before = node.newest(ref)
    return record.build(
        slug=slug,
        city=config.city,
        city_code=config.city_code,
        publisher_fa=f"شهرداری {config.name_fa or config.city}",
        publisher_en=f"Municipality of {config.name_en or config.city.title()}",
        family=None,
        standard=None,
        description=_description(report),
        tables=[
            Table(
                TABLE,
                {"fields": fields, "primaryKey": list(KEY)},
                written.rows,
                parts,
                written.m,
            )
        ],
        attachments=[file],
        provenance={
            "approval": node.config.publish.approval,
            "writer": dict(written.writer),
            "report": {
                "month": report["month"],
                "sha256": file.digest.hex,
                "code": report["code"],
                "inputs_digest": report["inputs_digest"],
            },
        },
        version=before.version.n + 1 if before else 1,
        time=now(),
    )


def _description(report: dict[str, Any]) -> Description:
    """Return what the dataset says of itself."""
    month = report["month"]
    return Description(
        f"گزارش ماهانهٔ شهرها، {month}",
        f"Monthly report of the cities, {month}",
        "هر عدد گزارش ماه در یک ردیف؛ همهٔ گره‌ها از همان دفترها همین را حساب می‌کنند.",
        "Each figure of the month's report in a row; every node computes the same from"
        " the same logs.",
        ("گزارش ماهانه", "کارگروه"),
        ("monthly report", "working group"),
    )
