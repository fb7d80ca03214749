"""The zip of a version: a Data Package that explains and proves itself (interfaces 5).

Stored, sorted, of 1980: the same version and receipt give the same bytes. The files are
copied from the store in pieces, and their digests are known before the first byte, so
`SHA256SUMS` can stand in its place.
"""

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, BinaryIO

from shahrdad.datasets.errors import Language
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http.dataset_object import Shown, license_of
from shahrdad.node.http.languages import LANGUAGES, day_in_words, digits
from shahrdad.node.http.limits import CHUNK_BYTES
from shahrdad.node.http.package import descriptor, names_alone, plain_schema
from shahrdad.node.http.record_view import TableView
from shahrdad.node.http.texts import say
from shahrdad.node.record import PARQUET
from shahrdad.node.store.contract import Area

EPOCH = (1980, 1, 1, 0, 0, 0)
MODE = 0o100644 << 16  # a plain file that everybody may read
SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the zip.

    Attributes:
        open: Opens its bytes.
    """

    name: str
    digest: Digest
    bytes: int
    open: Callable[[], BinaryIO]


def write_package(
    shown: Shown, csv: Mapping[str, Digest], receipt: bytes, out: IO[bytes]
) -> None:
    """Write the zip of a version.

    Args:
        shown: The version.
        csv: The digest of each table's CSV, by table; it lies in the derived area.
        receipt: Of the version.
        out: Where to.
    """
    entries = sorted(_entries(shown, csv, receipt), key=lambda entry: entry.name)
    sums = "".join(f"{entry.digest.hex}  {entry.name}\n" for entry in entries)
    entries.append(_small(SUMS, sums.encode()))
    entries.sort(key=lambda entry: entry.name)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, EPOCH)
            info.external_attr = MODE
            info.create_system = 3  # Unix, wherever this runs
            info.file_size = entry.bytes
            with archive.open(info, "w") as target, entry.open() as source:
                while chunk := source.read(CHUNK_BYTES):
                    target.write(chunk)


def _entries(
    shown: Shown, csv: Mapping[str, Digest], receipt: bytes
) -> Iterator[Entry]:
    """Yield every file but the sums."""
    record = shown.node.catalog.body_bytes(shown.version.digest)
    yield _small("record.json", record)
    yield _small("receipt.tlog-proof", receipt)
    for language in LANGUAGES:
        yield _small(f"README.{language}.md", _readme(shown, language).encode())
    report = shown.record.attachment("report")
    if report is not None and report.public:
        yield _object(
            shown, Area.OBJECT, "report.json", report.digest, bytes_=report.bytes
        )
    resources: list[dict[str, Any]] = []
    for table in shown.record.tables:
        if not table.parts:
            continue
        schema = plain_schema(table.schema)
        text = json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
        yield _small(f"schemas/{table.name}.json", text.encode())
        files = list(_tables(shown, table, csv[table.name]))
        yield from files
        resources += _resources(table, files, schema)
    body = {**descriptor(shown), "resources": resources}
    text = json.dumps(body, ensure_ascii=False, indent=2) + "\n"
    yield _small("datapackage.json", text.encode())


def _tables(shown: Shown, table: TableView, csv: Digest) -> Iterator[Entry]:
    """Yield the CSV of a table, then its Parquet objects."""
    stat = shown.node.store.stat(Area.DERIVED, csv)
    size = 0 if stat is None else stat.size
    yield _object(shown, Area.DERIVED, f"data/{table.name}.csv", csv, bytes_=size)
    several = len(table.parts) > 1
    for number, part in enumerate(table.parts, 1):
        name = f"{table.name}/{number:04}" if several else table.name
        yield _object(
            shown,
            Area.OBJECT,
            f"data/{name}.parquet",
            part.digest,
            bytes_=part.bytes,
        )


def _resources(
    table: TableView, files: list[Entry], schema: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a table's two resources: schema, size and digest stand with the CSV."""
    csv, *parquet = files
    first: dict[str, Any] = {
        "name": table.name,
        "type": "table",
        "path": csv.name,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": csv.bytes,
        "hash": f"sha256:{csv.digest.hex}",
        "schema": schema,
    }
    second: dict[str, Any] = {
        "name": f"{table.name}-parquet",
        "type": "table",
        "path": [entry.name for entry in parquet],
        "format": "parquet",
        "mediatype": PARQUET,
        "schema": names_alone(schema),
    }
    if len(parquet) == 1:
        second["path"] = parquet[0].name
        second["hash"] = f"sha256:{parquet[0].digest.hex}"
    return [first, second]


def _small(name: str, content: bytes) -> Entry:
    return Entry(name, Digest.of(content), len(content), lambda: BytesIO(content))


def _object(
    shown: Shown, area: Area, name: str, digest: Digest, *, bytes_: int
) -> Entry:
    store = shown.node.store
    return Entry(name, digest, bytes_, lambda: store.open(area, digest))


def _readme(shown: Shown, language: Language) -> str:
    record, version = shown.record, shown.version
    title = record.text("title", language) or shown.dataset.slug
    return say(
        language,
        "package.readme",
        title=title,
        publisher=record.publisher[language],
        version=digits(version.n, language),
        updated=day_in_words(version.time, language),
        license=str(license_of(shown)["title"] or ""),
        address=shown.addresses.dataset(shown.ref, version.n),
        description=record.text("description", language),
        digest=version.digest.hex,
    ).lstrip()
