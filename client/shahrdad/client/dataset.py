"""One version of a dataset; its record was verified before this object existed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shahrdad.client import limits, saving, tables
from shahrdad.client.chain import Asked, objects
from shahrdad.client.difference import Difference, compare
from shahrdad.client.library import Library, ObjectName, Verified
from shahrdad.client.ranges import Ranges
from shahrdad.client.receipt import Receipt
from shahrdad.client.values import FileRead, Provenance, Text, Version
from shahrdad.client.verdict import Verdict
from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from pyarrow.compute import Expression

Checking = Literal["auto", "content"]


class Dataset:
    """A version of a dataset.

    Attributes:
        record: The Data Package descriptor that the city signed.
        verdict: The steps that the record passed.
        provenance: Where the last table came from, and how far it was checked.
    """

    def __init__(self, library: Library, verified: Verified) -> None:
        self._library = library
        self._verified = verified
        found, verdict = verified.found, verified.verdict
        self.record: dict[str, Any] = strict_json.loads(
            found.record, bytes_max=limits.RECORD_BYTES_MAX
        )
        self.provenance = Provenance(
            found.ref,
            found.version,
            Digest.of(found.record).hex,
            verdict.origin,
            verdict.index,
            verdict.time,
            verified.source.name,
            str(verdict.trust),
            tuple(name for name, _ in verdict.cosigners),
            found.selection,
            refused=verified.refused,
        )

    @property
    def ref(self) -> str:
        """The reference, for example "kerman/budget-1404"."""
        return self._verified.found.ref

    @property
    def version(self) -> int:
        """The version's number, from 1."""
        return self._verified.found.version

    @property
    def name(self) -> str:
        """The reference in one word, for file names."""
        return self.ref.replace("/", "--")

    @property
    def title(self) -> Text:
        """The title in both languages."""
        return self._text("title")

    @property
    def description(self) -> Text:
        """The description in both languages."""
        return self._text("description")

    @property
    def family(self) -> str | None:
        """The standard that the table follows, or None."""
        family = self._ours().get("family")
        return None if family is None else str(family)

    @property
    def license(self) -> str | None:
        """The identifier of the license."""
        licenses = self.record.get("licenses") or [{}]
        name = licenses[0].get("name")
        return None if name is None else str(name)

    @property
    def verdict(self) -> Verdict:
        """What holds of the record; the file is checked when a table is read."""
        return self._verified.verdict

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(str(table["name"]) for table in objects(self.record, "table"))

    @staticmethod
    def field(name: str) -> "Expression":
        """Return a column for `where`: `ds.field("approved_rial") >= 10**12`."""
        return tables.field(name)

    def table(
        self,
        name: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        where: "Expression | None" = None,
        verify: Checking = "auto",
    ) -> "pa.Table":
        """Return the table, or a part of it.

        Whole, every byte is compared with the digest in the record. With `columns` or
        `where`, and over HTTP, only the needed ranges are fetched; these have no
        digest, and `provenance.verified` then says "entry" instead of "content".

        Args:
            name: Which table; needed only where the record has several.
            columns: Only these.
            where: Only rows for which this holds.
            verify: "content" downloads and compares the whole files in any case.

        Raises:
            RequestError: RESOURCE_UNKNOWN, PARAMETER_VALUE.
            PeerError: VERIFICATION_FAILED.
            UnavailableError: no source answers.
        """
        partial = (columns is not None or where is not None) and verify == "auto"
        read = [self._open(part, partial) for part in self._parts(self._table(name))]
        found = tables.read_tables([content for content, _ in read], columns, where)
        self._note([note for _, note in read])
        return found

    def to_pandas(self, name: str | None = None, **how: Any) -> "pd.DataFrame":
        """Return the table as a pandas DataFrame; takes what `table` takes."""
        return tables.to_pandas(self.table(name, **how))

    def to_polars(self, name: str | None = None, **how: Any) -> "pl.DataFrame":
        """Return the table as a polars DataFrame; takes what `table` takes."""
        return tables.to_polars(self.table(name, **how))

    def scan(self, connection: Any, name: str | None = None, **how: Any) -> Any:
        """Return the table as a relation of a DuckDB connection."""
        return tables.scan(self.table(name, **how), connection)

    def versions(self) -> list[Version]:
        """Return the versions, newest first, as the source lists them."""
        return self._verified.source.versions(self.ref)

    def at(self, version: int) -> "Dataset":
        """Return another version, verified.

        Raises:
            RequestError: VERSION_UNKNOWN.
        """
        if version == self.version:
            return self
        return Dataset(self._library, self._library.find(Asked(self.ref, version)))

    def diff(self, old: int, new: int, name: str | None = None) -> Difference:
        """Return what changed between two versions; both are downloaded and verified.

        Args:
            old: The earlier version; 0 is "nothing".
            new: The later version.
            name: Which table; needed only where the record has several.
        """
        later = self.at(new)
        after = later._table(name)
        key = _primary_key(after)
        later_parts = later._parts(after)
        if old == 0:
            rows = later._read_parts(later_parts, after)
            return compare(rows.slice(0, 0), rows, key)
        earlier = self.at(old)
        before = earlier._table(str(after["name"]))
        earlier_parts = earlier._parts(before)
        # Parts of one digest hold the same rows: they can neither add nor remove any.
        same = {part.digest for part in later_parts} & {
            part.digest for part in earlier_parts
        }
        if key != _primary_key(before):
            key = []
        return compare(
            earlier._read_parts(
                [p for p in earlier_parts if p.digest not in same], before
            ),
            later._read_parts([p for p in later_parts if p.digest not in same], after),
            key,
        )

    def schema(self, name: str | None = None) -> dict[str, Any]:
        """Return the Table Schema of a table, from the signed record."""
        return dict(self._table(name).get("schema") or {})

    def report(self) -> dict[str, Any]:
        """Return the validation report that the record names.

        Raises:
            RequestError: NOT_OFFERED when the record names none.
        """
        found = objects(self.record, "report")
        if not found:
            raise RequestError(Reason.NOT_OFFERED, node=self.ref, subject="report")
        data, _ = self._library.read_object(_object_name(found[0]), self._verified)
        report = json.loads(data)
        return report if type(report) is dict else {"report": report}

    def receipt(self) -> Receipt:
        """Return the receipt of this version."""
        found = self._verified.found
        return Receipt(found.receipt, found.record, self.verdict)

    def save(
        self, folder: str | Path = ".", formats: Sequence[str] = ("parquet",)
    ) -> list[Path]:
        """Write the tables, the record and the receipt; see `saving.save`."""
        return saving.save(self, Path(folder), formats)

    def contents(self, name: str | None = None) -> list[tuple[ObjectName, bytes]]:
        """Return the files of a table, whole and verified."""
        parts = self._parts(self._table(name))
        read = [(part, self._open(part, False)) for part in parts]
        self._note([note for _, (_, note) in read])
        return [(part, bytes(content)) for part, (content, _) in read]  # type: ignore[arg-type]

    def originals(self) -> list[tuple[str, bytes]]:
        """Return the files as the city handed them in: name and verified bytes.

        Raises:
            RequestError: NOT_OFFERED when the record names none; another reason when
                the city does not let it out.
        """
        found = objects(self.record, "original")
        if not found:
            raise RequestError(Reason.NOT_OFFERED, node=self.ref, subject="original")
        return [
            (
                f"{_plain(resource.get('name'))}.{_plain(resource.get('format'))}",
                self._library.read_object(_object_name(resource), self._verified)[0],
            )
            for resource in found
        ]

    def export(self, name: str, extension: str) -> bytes:
        """Return a whole table in a format that only a node makes: not verifiable."""
        return self._verified.source.export(self._verified.found, name, extension)

    def __repr__(self) -> str:
        """Return the version, and how far it is verified."""
        return f"<Dataset {self.ref} v{self.version}: {self.verdict.trust}>"

    def _ours(self) -> dict[str, Any]:
        """Return our own members of the record."""
        ours = self.record.get("shahrdad")
        return ours if type(ours) is dict else {}

    def _text(self, member: str) -> Text:
        """Return a member of the record in both languages."""
        return Text(
            str(self.record.get(member, "")), str(self.record.get(f"{member}_en", ""))
        )

    def _table(self, name: str | None) -> dict[str, Any]:
        """Return the resource of a table.

        Raises:
            RequestError: RESOURCE_UNKNOWN.
        """
        found = objects(self.record, "table")
        if name is None and len(found) == 1:
            return found[0]
        for table in found:
            if table["name"] == name:
                return table
        raise RequestError(
            Reason.RESOURCE_UNKNOWN,
            ref=self.ref,
            resource=name or "-",
            known=", ".join(self.tables) or "-",
        )

    def _parts(self, table: dict[str, Any]) -> list[ObjectName]:
        """Return the objects of a table, in key order."""
        if "hash" in table:
            return [_object_name(table)]
        parts = [
            part
            for part in objects(self.record, "part")
            if part["shahrdad"].get("of") == table["name"]
        ]
        # The table's `path` gives the order; names only look as if they did.
        order = {path: at for at, path in enumerate(table.get("path") or [])}
        parts.sort(key=lambda part: order.get(part.get("path"), len(order)))
        if not parts or len(parts) != len(order):
            raise PeerError(
                Reason.MALFORMED, field="record", detail=f"parts of {table['name']}"
            )
        return [_object_name(part) for part in parts]

    def _read_parts(
        self, parts: Sequence[ObjectName], table: dict[str, Any]
    ) -> "pa.Table":
        """Return the rows of some parts; of none, the first part's columns alone."""
        if parts:
            return tables.read_tables([self._open(part, False)[0] for part in parts])
        first = self._open(self._parts(table)[0], False)[0]
        return tables.read_tables([first]).slice(0, 0)

    def _open(self, part: ObjectName, partial: bool) -> tuple[bytes | Ranges, FileRead]:
        """Return an object, whole and verified or, where that saves, by ranges."""
        held = self._library.cache.get(part.digest) if partial else None
        if partial and held is None and self._serves_ranges(part.digest):
            note = FileRead(part.name, part.digest.hex, part.bytes, "ranges")
            return Ranges(part.bytes, self._ranges(part.digest)), note
        data, how = self._library.read_object(part, self._verified)
        return data, FileRead(part.name, part.digest.hex, part.bytes, how)

    def _serves_ranges(self, digest: Digest) -> bool:
        """Return whether the source has the object, far away and readable in part.

        Where it has not, the object is read whole, from any source: that proves more.
        """
        source, found = self._verified.source, self._verified.found
        try:
            return source.read_range(digest, 0, 4, found) is not None
        except (PeerError, RequestError, UnavailableError):
            return False

    def _ranges(self, digest: Digest) -> Callable[[int, int], bytes]:
        """Return what reads an object by ranges."""
        source, found = self._verified.source, self._verified.found

        def read(offset: int, length: int) -> bytes:
            data = source.read_range(digest, offset, length, found)
            if data is None:
                raise PeerError(
                    Reason.NODE_ANSWER,
                    node=source.name,
                    address=digest.hex,
                    detail="no ranges any more",
                )
            return data

        return read

    def _note(self, files: Sequence[FileRead]) -> None:
        """Say where the last table came from."""
        by_ranges = any(file.how == "ranges" for file in files)
        self.provenance = replace(
            self.provenance,
            verified="entry" if by_ranges else "content",
            files=tuple(files),
        )


def _object_name(resource: dict[str, Any]) -> ObjectName:
    """Return the object that a resource names.

    Raises:
        PeerError: MALFORMED.
    """
    text, size = resource.get("hash"), resource.get("bytes")
    if type(text) is not str or type(size) is not int or size < 0:
        raise PeerError(
            Reason.MALFORMED, field="record", detail=f"resource {resource.get('name')}"
        )
    digest = Digest.parse(text.removeprefix("sha256:"))
    return ObjectName(str(resource.get("name")), digest, size)


def _plain(text: object) -> str:
    """Return a text as part of a file name: what could lead elsewhere is left out."""
    return "".join(c for c in str(text) if c.isascii() and c.isalnum()) or "file"


def _primary_key(table: dict[str, Any]) -> list[str]:
    """Return the columns of a table's primary key."""
    key = (table.get("schema") or {}).get("primaryKey") or []
    return [key] if isinstance(key, str) else [str(name) for name in key]
