"""Exports of whole versions: made once, kept as derived objects, or made again.

A derived object has a digest of its own, so it has a strong ETag, a length and ranges,
which CKAN, DCAT, QGIS and a resumed download need. Size and digest are noted when it is
first made (`node.made_files`), for the lists and for the next start.
"""

import hashlib
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from shahrdad.datasets.errors import Language, Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.cards import Cards
from shahrdad.node.http import limits
from shahrdad.node.http.dataset_object import Shown, license_of
from shahrdad.node.http.exports import writers
from shahrdad.node.http.exports.outgoing import Outgoing, OutgoingFile
from shahrdad.node.http.languages import day_in_words, digits
from shahrdad.node.http.record_view import TableView
from shahrdad.node.http.texts import say
from shahrdad.node.made_files import NEGOTIATED, MadeFile, note
from shahrdad.node.store.contract import Area, ObjectStore

if TYPE_CHECKING:
    from shahrdad.node.table.parquet import Part
    from shahrdad.node.table.reading import TableReader

SPOOL_BYTES = 16 * 1024**2
REMEMBERED_MAX = 10_000


class Exports:
    """Makes exports, one of a kind at a time, and remembers their digests.

    Attributes:
        outgoing: Those made for one reader each.
        waiters: How many wait for a place.
    """

    def __init__(
        self, made: Callable[[str, float], None] = lambda _form, _seconds: None
    ) -> None:
        """Begin with nothing made.

        Args:
            made: Told the format and the seconds of each export.
        """
        self._tell_made = made
        self._made: OrderedDict[tuple[str, ...], Digest] = OrderedDict()
        self._making = threading.Semaphore(2)  # interfaces 2.4: two a node
        self._lock = threading.Lock()
        self.waiters = 0
        self.outgoing = Outgoing()
        self._cards: Cards | None = None

    def get(
        self, shown: Shown, table: TableView, ext: str, language: Language
    ) -> Digest:
        """Return the digest of an export that lies in the derived area.

        Args:
            shown: The version.
            table: One of its tables.
            ext: A format of `formats.DOWNLOADED`; for `parquet`, the joined parts.
            language: Of an XLSX's titles; other formats are the same in all.

        Raises:
            RequestError: TOO_LARGE: too many rows to be made while a reader waits.
            UnavailableError: The store is away.
        """
        store = shown.node.store
        key: tuple[str, ...] = (shown.version.digest.hex, table.name, ext)
        if ext == "xlsx":
            key += (language, shown.ref, str(shown.version.n))
        known = shown.file(table, ext) if ext not in NEGOTIATED else None
        made = self._made.get(key) or (known.digest if known else None)
        if made is not None and store.stat(Area.DERIVED, made) is not None:
            return made
        rows_max = limits.EXPORT_ROWS_MAX.get(ext)
        if rows_max is not None and (table.rows or 0) > rows_max:
            raise RequestError(
                Reason.EXPORT_TOO_LARGE, rows=table.rows or 0, rows_max=rows_max
            )
        with self.slot():
            started = time.monotonic()
            found = _stored(
                store, lambda file: _write(shown, table, ext, language, file)
            )
            self._tell_made(ext, time.monotonic() - started)
        self._remember(key, found.digest)
        if ext not in NEGOTIATED and found != known:
            self._note(shown, table, ext, found)
        return found.digest

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the places for making exports.

        Raises:
            UnavailableError: NOT_READY: none became free, or too many wait already.
        """
        if not self._making.acquire(blocking=False) and not self._awaited():
            raise UnavailableError(Reason.NOT_READY, state="overloaded")
        try:
            yield
        finally:
            self._making.release()

    def _awaited(self) -> bool:
        """Wait for a place; tell whether one became free."""
        with self._lock:
            if self.waiters >= limits.EXPORT_WAITERS_MAX:
                return False
            self.waiters += 1
        try:
            return self._making.acquire(timeout=limits.EXPORT_WAIT_SECONDS)
        finally:
            with self._lock:
                self.waiters -= 1

    def make(self, folder: Path, write: Callable[[IO[bytes]], object]) -> OutgoingFile:
        """Return an export made for one reader, who holds no place while taking it.

        Args:
            folder: For the file.
            write: Writes the export.

        Raises:
            RequestError: as `Outgoing.make`.
            UnavailableError: NOT_READY: no place became free; DISK_FULL.
        """
        with self.slot():
            return self.outgoing.make(folder, write)

    def package(self, shown: Shown, language: Language) -> Digest:
        """Return the digest of a version's zip, which lies in the derived area.

        Args:
            shown: The version.
            language: Of the reader, for errors.

        Raises:
            RequestError: as `get`.
            UnavailableError: The store is away.
        """
        from shahrdad.node.http.exports.archive import write_package

        receipt = shown.node.receipt(shown.ref, shown.version.n)
        # The receipt's newest head changes: another head, another zip.
        key = (shown.version.digest.hex, Digest.of(receipt).hex, "package.zip")
        made = self._made.get(key)
        if made is not None and shown.node.store.stat(Area.DERIVED, made) is not None:
            return made
        tables = [table for table in shown.record.tables if table.parts]
        csv = {table.name: self.get(shown, table, "csv", language) for table in tables}
        with self.slot():
            found = _stored(
                shown.node.store,
                lambda file: write_package(shown, csv, receipt, file),
            )
        self._remember(key, found.digest)
        return found.digest

    def _note(self, shown: Shown, table: TableView, ext: str, made: MadeFile) -> None:
        """Let the lists say what was made; a busy database keeps nobody from it."""
        if self._cards is None:
            self._cards = Cards(shown.config)
        with (
            suppress(sqlite3.OperationalError),
            shown.node.database.transaction() as connection,
        ):
            note(connection, shown.version.digest, table.name, ext, made)
            if shown.version.n == shown.dataset.version:
                self._cards.write(connection, shown.dataset.id)

    def _remember(self, key: tuple[str, ...], digest: Digest) -> None:
        self._made[key] = digest
        while len(self._made) > REMEMBERED_MAX:
            self._made.popitem(last=False)


def reader(shown: Shown, table: TableView) -> "TableReader":
    """Return a reader of a table's parts.

    Raises:
        RequestError: NO_TABLE: the record names no object of it.
    """
    from shahrdad.node.table.reading import TableReader

    if not table.parts:
        raise RequestError(Reason.NO_TABLE, ref=shown.ref, resource=table.name)
    return TableReader(shown.node.store, parts_of(table))


def parts_of(table: TableView) -> "list[Part]":
    """Return a table's parts as the table portion reads them."""
    from shahrdad.node.table.parquet import Part

    return [
        Part(part.digest, part.bytes, _rows(table, part.rows), part.first)
        for part in table.parts
    ]


def _rows(table: TableView, rows: int | None) -> int:
    """Return the rows of a part; a single object has those of its table."""
    return rows if rows is not None else table.rows or 0


def titles(table: TableView, names: list[str], language: Language) -> list[str]:
    """Return the titles of columns in a language; a name where there is none."""
    member = "title" if language == "fa" else "title_en"
    known = {field.get("name"): field.get(member) for field in table.fields}
    return [str(known.get(name) or name) for name in names]


def about(shown: Shown, language: Language) -> list[tuple[str, str]]:
    """Return where a table comes from, for the second sheet of a workbook."""
    record, version = shown.record, shown.version
    lines = [
        ("title", record.text("title", language)),
        ("publisher", record.publisher[language]),
        ("version", digits(version.n, language)),
        ("updated", day_in_words(version.time, language)),
        ("license", str(license_of(shown)["title"] or "")),
        ("address", shown.addresses.dataset(shown.ref, version.n)),
        ("digest", version.digest.hex),
        ("description", record.text("description", language)),
    ]
    return [(say(language, f"export.{name}"), text) for name, text in lines]


def _stored(store: ObjectStore, write: Callable[[IO[bytes]], None]) -> MadeFile:
    """Write a file on the side, and store it under its digest."""
    with SpooledTemporaryFile(SPOOL_BYTES) as spool:
        file = cast("BinaryIO", spool)
        write(file)
        file.seek(0)
        sha256, size = hashlib.sha256(), 0
        while chunk := file.read(limits.CHUNK_BYTES):
            sha256.update(chunk)
            size += len(chunk)
        digest = Digest(sha256.digest())
        file.seek(0)
        store.put(Area.DERIVED, digest, file, size)
    return MadeFile(digest, size)


def _write(
    shown: Shown, table: TableView, ext: str, language: Language, file: IO[bytes]
) -> None:
    source = reader(shown, table)
    schema = source.schema
    batches = source.batches()
    if ext == "csv":
        writers.write_csv(batches, schema.names, file)
    elif ext == "excel.csv":
        writers.write_excel_csv(batches, schema.names, file)
    elif ext == "json":
        writers.write_json(batches, file)
    elif ext == "ndjson":
        writers.write_ndjson(batches, file)
    elif ext == "arrow":
        writers.write_arrow(batches, schema, file)
    elif ext == "arrows":
        import pyarrow as pa

        tables = (pa.Table.from_batches([batch], schema) for batch in batches)
        file.writelines(writers.stream_arrow(schema, tables))
    elif ext == "xlsx":
        from shahrdad.node.http.exports.workbook import write_workbook

        heads = titles(table, schema.names, language)
        write_workbook(batches, schema, heads, about(shown, language), file, language)
    else:
        from shahrdad.node.table.reading import join_parts
        from shahrdad.node.table.schema import file_facts

        join_parts(source, file_facts(schema), file)
