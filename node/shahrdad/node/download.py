"""Writing a published table to a file, in the formats of the command line."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, BinaryIO
from zoneinfo import ZoneInfo

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.datasets.jalali import parse_date_either
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.catalog import Version
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.table.reading import TableReader

TEHRAN = ZoneInfo("Asia/Tehran")
CHUNK_BYTES = 1 << 20


def end_of_day(text: str) -> str:
    """Return the end of a day in Tehran, of either calendar, as an entry's time.

    >>> end_of_day("1404-06-31")
    '2025-09-22T20:29:59Z'

    Raises:
        DataError: the text is no day.
    """
    day = parse_date_either(text).date
    local = datetime.combine(day, time(23, 59, 59), TEHRAN)
    return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def open_version(node: "Node", version: Version) -> "TableReader":
    """Return a reader of a version's table; its parts are verified as they are read.

    Raises:
        RequestError: RECORD_NOT_HELD, OBJECT_NOT_HELD.
    """
    from shahrdad.node.publish import published_parts
    from shahrdad.node.table.reading import open_table

    parts = published_parts(node.catalog.body(version.digest))
    for part in parts:
        if node.store.stat(Area.OBJECT, part.digest) is None:
            raise RequestError(Reason.OBJECT_NOT_HELD, digest=part.digest.hex)
    return open_table(node.store, parts)


def download(
    node: "Node",
    version: Version,
    form: str,
    target: BinaryIO,
    language: Language = "fa",
) -> None:
    """Write a version's table to a file.

    Raises:
        RequestError: RECORD_NOT_HELD, OBJECT_NOT_HELD.
    """
    from shahrdad.node.http.exports import writers
    from shahrdad.node.table.reading import join_parts
    from shahrdad.node.table.schema import file_facts

    table = open_version(node, version)
    schema = table.schema
    match form:
        case "parquet" if len(table.parts) == 1:
            copy_object(node, table.parts[0].digest, target)
        case "parquet":
            join_parts(table, file_facts(schema), target)
        case "csv":
            writers.write_csv(table.batches(), schema.names, target)
        case "excel.csv":
            writers.write_excel_csv(table.batches(), schema.names, target)
        case "json":
            writers.write_json(table.batches(), target)
        case "ndjson":
            writers.write_ndjson(table.batches(), target)
        case "arrow":
            writers.write_arrow(table.batches(), schema, target)
        case _:
            write_sheet(table, node.catalog.body(version.digest), target, language)


def write_sheet(
    table: "TableReader",
    body: Mapping[str, Any],
    target: BinaryIO,
    language: Language,
) -> None:
    """Write a table as a workbook, titles in a language, right to left in Persian."""
    from shahrdad.node.http.exports.workbook import write_workbook

    facts = file_facts_of(table)
    member = "title_fa" if language == "fa" else "title_en"
    names = table.schema.names
    titles = [facts.get(name, {}).get(member) or name for name in names]
    title = body.get("title" if language == "fa" else "title_en", "")
    about = [("title", str(title)), ("version", str(body.get("version", "")))]
    write_workbook(table.batches(), table.schema, titles, about, target, language)


def file_facts_of(table: "TableReader") -> Mapping[str, Mapping[str, str]]:
    """Return what the files of a table say of its columns."""
    from shahrdad.node.table.schema import file_facts

    return file_facts(table.schema).columns


def copy_object(
    node: "Node", digest: Digest, target: BinaryIO, area: Area = Area.OBJECT
) -> None:
    """Write an object's bytes as they are."""
    with node.store.open(area, digest) as source:
        while chunk := source.read(CHUNK_BYTES):
            target.write(chunk)
