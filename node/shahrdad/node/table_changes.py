"""What changed between two tables of this node, named as people name them.

    kerman/budget-1404              the newest version
    kerman/budget-1404@3            version 3
    kerman/budget-1404@1404-06-31   what was current at the end of that day
    draft:01J9Z…                    what a draft would publish

Two cities' tables of one standard are compared without `city_code`: the rest of the key
says which line is meant.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.federation.verify import strict_json
from shahrdad.node.desk import drafts
from shahrdad.node.desk.drafting import area_of
from shahrdad.node.download import end_of_day, open_version
from shahrdad.node.limits import RECORD_BYTES_MAX
from shahrdad.node.publish import published_parts

if TYPE_CHECKING:
    import pyarrow as pa

    from shahrdad.node.catalog import Dataset, Version
    from shahrdad.node.city import Node
    from shahrdad.node.table.diff import TableDiff
    from shahrdad.node.table.parquet import Part
    from shahrdad.node.table.reading import TableReader

Form = Literal["json", "csv", "parquet", "arrow", "xlsx"]
DRAFT = "draft:"
CITY = "city_code"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tables.

    Attributes:
        name: As a version is cited: `kerman/budget-1404@3`, or `draft:…`.
        city: Whose it is.
        table: Its reader; None is the nothing before a first version.
    """

    name: str
    city: str
    table: "TableReader | None"


def sides(node: "Node", old: str, new: str | None = None) -> tuple[Side, Side]:
    """Return the two tables that are meant.

    Args:
        node: Its catalog must have followed the logs.
        old: The former; alone, it is the later, and compared with the version before.
            Of a draft that is what is published.
        new: The later.

    Raises:
        RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN, DRAFT_UNKNOWN, DRAFT_NOT_VALID,
            RECORD_NOT_HELD, OBJECT_NOT_HELD, NO_TABLE.
        DataError: What follows `@` is neither a number nor a day.
    """
    if new is not None:
        return side(node, old), side(node, new)
    if old.startswith(DRAFT):
        draft = drafts.get(node.database.connect(), old.removeprefix(DRAFT).upper())
        ref = f"{node.config.node.city}/{draft.now.slug}"
        newest = node.newest(ref)
        n = newest.version.n if newest else 0
    else:
        dataset, version = chosen(node, old)
        ref, n = dataset.ref, version.n - 1
    city = ref.partition("/")[0]
    before = side(node, f"{ref}@{n}") if n else Side(f"{ref}@0", city, None)
    return before, side(node, old)


def side(node: "Node", text: str) -> Side:
    """Return one table by its name."""
    if text.startswith(DRAFT):
        return _draft(node, text.removeprefix(DRAFT).upper())
    dataset, version = chosen(node, text)
    if not published_parts(node.catalog.body(version.digest)):
        raise RequestError(Reason.NO_TABLE, ref=dataset.ref, resource="–")
    table = open_version(node, version)
    return Side(f"{dataset.ref}@{version.n}", dataset.city, table)


def chosen(node: "Node", text: str) -> "tuple[Dataset, Version]":
    """Return the version that a name means."""
    ref, _, when = text.partition("@")
    if not when:
        return node.catalog.version(ref)
    if when.isdecimal():
        return node.catalog.version(ref, int(when))
    return node.catalog.as_of(ref, end_of_day(when))


def _draft(node: "Node", number: str) -> Side:
    """Return what a draft would publish; a restored version's parts are public."""
    from shahrdad.node.table.reading import TableReader

    draft = drafts.get(node.database.connect(), number)
    parts: tuple[Part, ...] = ()
    if draft.now.kind == "publish" and draft.now.content is not None:
        body = strict_json.loads(draft.now.content, bytes_max=RECORD_BYTES_MAX)
        parts = published_parts(body)
    if not parts:
        raise RequestError(
            Reason.DRAFT_NOT_VALID, draft=draft.id, verdict=draft.now.verdict
        )
    table = TableReader(node.store, parts, area_of(node, parts[0].digest))
    return Side(f"{DRAFT}{draft.id}", node.config.node.city, table)


def compare(old: Side, new: Side) -> "TableDiff":
    """Return the difference of two tables.

    Raises:
        RequestError: TABLES_NOT_COMPARABLE.
    """
    from shahrdad.node.table.diff import TableDiff

    if new.table is None:
        raise ValueError("the later table is there")
    key = new.table.key_columns()
    if old.city != new.city:
        key = tuple(name for name in key if name != CITY)
    return TableDiff(old.table, new.table, key)


def write_changes(
    diff: "TableDiff",
    names: tuple[str, str],
    form: Form,
    target: BinaryIO,
    language: Language = "fa",
) -> None:
    """Write a difference to a file; its counts are complete afterwards.

    Args:
        diff: Not read yet.
        names: Of the two tables.
        form: Parquet, Arrow, CSV and XLSX have a row for each added or removed row and
            for each changed cell; JSON has the counts besides.
        target: Where to.
        language: Of the titles of a workbook.
    """
    from shahrdad.node.http.exports import writers

    match form:
        case "json":
            _write_json(diff, names, target)
        case "csv":
            writers.write_csv(diff.records(), diff.schema.names, target)
        case "arrow":
            writers.write_arrow(diff.records(), diff.schema, target)
        case "parquet":
            _write_parquet(diff, target)
        case "xlsx":
            from shahrdad.node.http.exports.workbook import write_workbook

            about = [("from", names[0]), ("to", names[1])]
            schema = diff.schema
            write_workbook(
                diff.records(), schema, schema.names, about, target, language
            )


def _write_json(diff: "TableDiff", names: tuple[str, str], target: IO[bytes]) -> None:
    """Write the changes, then the counts: those are known at the end only."""
    from shahrdad.node.http.exports.cells import json_value

    def line(value: object) -> bytes:
        return json.dumps(value, ensure_ascii=False).encode()

    target.write(b'{"from": %s, "to": %s,\n' % (line(names[0]), line(names[1])))
    target.write(b'"schema_changes": %s,\n' % line(list(diff.schema_changes)))
    target.write(b'"changes": [')
    comma = b"\n"
    for row in rows(diff):
        target.write(comma + line({name: json_value(row[name]) for name in row}))
        comma = b",\n"
    target.write(b'\n],\n"summary": %s}\n' % line(diff.summary.to_dict()))


def _write_parquet(diff: "TableDiff", target: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(target, diff.schema, compression="zstd") as writer:
        for batch in diff.records():
            writer.write_batch(batch)


def rows(diff: "TableDiff") -> Iterator[dict[str, Any]]:
    """Yield the changes as dictionaries, in key order."""
    batch: pa.RecordBatch
    for batch in diff.records():
        yield from batch.to_pylist()
