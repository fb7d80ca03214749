"""The names that this node itself gives to objects.

`/files/{digest}/{file}` answers to these alone: otherwise anyone could hand out
`…/invoice.exe` from a city's own host.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http.record_view import AttachmentView, RecordView, TableView
from shahrdad.node.record import PARQUET

_SAFE = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
MEDIA_TYPES = {
    "parquet": PARQUET,
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
BYTES = "application/octet-stream"  # an upload may be anything: no browser opens it


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A public object of a record, under the name that the node gives it."""

    file: str
    digest: Digest
    bytes: int
    media_type: str
    resource: str


def table_file(name: str, record: RecordView, table: TableView) -> str:
    """Return the file name of a table of one object; `name` is the dataset's."""
    if len(record.tables) == 1:
        return f"{name}.parquet"
    return f"{name}--{_safe(table.name)}.parquet"


def part_file(name: str, table: TableView, number: int) -> str:
    """Return the file name of one of several parts, from 1."""
    return f"{name}--{_safe(table.name)}.{number:04}.parquet"


def attachment_file(name: str, attachment: AttachmentView) -> str:
    """Return the file name of a report or original."""
    extension = attachment.format.lower()
    if not _EXTENSION.fullmatch(extension):
        extension = "bin"
    return f"{name}--{_safe(attachment.name)}.{extension}"


def files_of(name: str, record: RecordView) -> Iterator[NamedFile]:
    """Yield every public object of a record."""
    for table in record.tables:
        single = len(table.parts) == 1
        for number, part in enumerate(table.parts, 1):
            file = (
                table_file(name, record, table)
                if single
                else part_file(name, table, number)
            )
            yield NamedFile(file, part.digest, part.bytes, PARQUET, table.name)
    for item in record.attachments:
        if not item.public:
            continue
        is_json = item.role in {"report", "profile"}
        media_type = MEDIA_TYPES["json"] if is_json else BYTES
        file = attachment_file(name, item)
        yield NamedFile(file, item.digest, item.bytes, media_type, item.name)


def _safe(name: str) -> str:
    """Return a resource's name, or a plain word for one that is no file name."""
    return name if _SAFE.fullmatch(name) else "table"
