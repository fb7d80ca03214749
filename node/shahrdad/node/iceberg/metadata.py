"""Iceberg metadata of a table, made from its records and the ends of its Parquet files.

Each version is one snapshot with the tag `v<n>` and the time of its log entry. Every id
follows from the reference and the records, and the Avro files' random marks from their
names; so any node, any process and any day makes the same bytes, nothing needs to be
stored, and a reader who holds an old address finds the same file there.

A column keeps its field id as long as it keeps its name and type.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import (
    DataFile,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadataV2
from pyiceberg.table.refs import SnapshotRef, SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot, SnapshotLogEntry, Summary
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.node.iceberg.lake import LakeTable, LakeVersion
from shahrdad.node.iceberg.objects import LakeFiles
from shahrdad.node.store.contract import ObjectStore

Model = TypeVar("Model")
SYNC_BYTES = 16  # the mark between the blocks of an Avro file
NAME_MAPPING = "schema.name-mapping.default"


@dataclass(frozen=True, slots=True)
class Built:
    """The metadata of a table.

    Attributes:
        location: Address of the metadata file.
        metadata: Its bytes, JSON.
        files: All files by their address, the metadata file too.
    """

    location: str
    metadata: bytes
    files: dict[str, bytes]


class _Columns:
    """Field ids of a table's columns, over all its versions."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], int] = {}
        self.last = 0

    def schema(self, arrow: pa.Schema, number: int) -> Schema:
        """Return the schema of a version."""
        fields = []
        for item in arrow:
            names = (item.name, str(item.type))
            if names not in self._ids:
                self._ids[names] = self._take()
                if pa.types.is_list(item.type):
                    self._take()  # of the elements
            identity = self._ids[names]
            kind = _type(item.type, identity + 1)
            fields.append(NestedField(identity, item.name, kind, required=False))
        return Schema(*fields, schema_id=number)

    def _take(self) -> int:
        self.last += 1
        return self.last


def build(table: LakeTable, store: ObjectStore, uuid: UUID) -> Built:
    """Make the metadata of a table.

    Args:
        table: With all its versions.
        store: Where the Parquet objects lie.
        uuid: Of the table.

    Raises:
        RequestError: OBJECT_UNKNOWN: an object is not held here.
        DataError: TABLE_UNREADABLE: a column has a type that Iceberg has not.
    """
    objects = {
        f"{table.location}/{file.path}": (file.digest, file.size)
        for version in table.versions
        for file in version.files
    }
    return _Building(table, LakeFiles(store, objects), uuid).run()


class _Building:
    """One making of a table's metadata."""

    def __init__(self, table: LakeTable, files: LakeFiles, uuid: UUID) -> None:
        self._table, self._io, self._uuid = table, files, uuid
        self._columns = _Columns()
        self._schemas: list[Schema] = []
        self._snapshots: list[Snapshot] = []
        self._seen: dict[str, tuple[DataFile, int, int]] = {}

    def run(self) -> Built:
        """Make every version's snapshot, then the metadata file."""
        for version in self._table.versions:
            self._add(version)
        metadata = self._metadata(self._snapshots)
        location = f"{self._table.location}/metadata/{self._table.mark}.metadata.json"
        content = metadata.model_dump_json(by_alias=True, exclude_none=True).encode()
        self._io.written[location] = content
        return Built(location, content, self._io.written)

    def _add(self, version: LakeVersion) -> None:
        """Make the snapshot of one version."""
        self._schemas.append(self._schema_of(version))
        number, identity = len(self._snapshots) + 1, snapshot_id(self._table, version)
        about = self._metadata(self._snapshots)
        name = f"{self._table.location}/metadata/{version.mark[:32]}-{number}"
        files = self._data_files(version, about, identity, number)
        manifest = self._manifest(f"{name}-m0.avro", files, identity)
        parent = self._snapshots[-1].snapshot_id if self._snapshots else None
        with write_manifest_list(
            2, self._io.new_output(f"{name}.avro"), identity, parent, number, "deflate"
        ) as writer:
            writer.add_manifests([manifest])
        self._settle(f"{name}.avro")
        records = sum(data.record_count for data, *_ in files)
        summary = {
            "shahrdad.version": str(version.n),
            "shahrdad.digest": version.mark,
            "total-data-files": str(len(files)),
            "total-records": str(records),
            "total-delete-files": "0",
        }
        self._snapshots.append(
            _model(
                Snapshot,
                snapshot_id=identity,
                parent_snapshot_id=parent,
                sequence_number=number,
                timestamp_ms=_after(self._snapshots, milliseconds(version.time)),
                manifest_list=f"{name}.avro",
                summary=Summary(Operation.OVERWRITE, **summary),
                schema_id=number - 1,
            )
        )

    def _schema_of(self, version: LakeVersion) -> Schema:
        """Return the columns of a version: of all its files, in order of appearance."""
        found: dict[str, pa.Field] = {}
        for file in version.files:
            location = f"{self._table.location}/{file.path}"
            if location in self._seen and len(version.files) > 1 and found:
                continue  # a part of an earlier version has no other columns
            with self._io.new_input(location).open() as stream:
                for item in pq.read_schema(stream):
                    found.setdefault(item.name, item)
        return self._columns.schema(pa.schema(found.values()), len(self._schemas))

    def _data_files(
        self, version: LakeVersion, about: TableMetadataV2, snapshot: int, number: int
    ) -> list[tuple[DataFile, int, int]]:
        """Return a version's files, each with the snapshot that added it."""
        found = []
        for file in version.files:
            location = f"{self._table.location}/{file.path}"
            if location not in self._seen:
                data = parquet_file_to_data_file(self._io, about, location)
                self._seen[location] = (data, snapshot, number)
            found.append(self._seen[location])
        return found

    def _manifest(
        self, location: str, files: list[tuple[DataFile, int, int]], snapshot: int
    ) -> ManifestFile:
        """Write the list of a version's files."""
        with write_manifest(
            2,
            UNPARTITIONED_PARTITION_SPEC,
            self._schemas[-1],
            self._io.new_output(location),
            snapshot,
            "deflate",
        ) as writer:
            for data, added_by, sequence in files:
                new = added_by == snapshot
                writer.add_entry(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED
                        if new
                        else ManifestEntryStatus.EXISTING,
                        snapshot_id=added_by,
                        sequence_number=None if new else sequence,
                        file_sequence_number=None if new else sequence,
                        data_file=data,
                    )
                )
        self._settle(location)
        return writer.to_manifest_file()

    def _settle(self, location: str) -> None:
        """Replace an Avro file's random marks by ones that follow from its name."""
        content = self._io.written[location]
        mark = hashlib.sha256(location.encode()).digest()[:SYNC_BYTES]
        self._io.written[location] = content.replace(content[-SYNC_BYTES:], mark)

    def _metadata(self, snapshots: list[Snapshot]) -> TableMetadataV2:
        """Return the table's metadata with these snapshots."""
        refs = {
            f"v{version.n}": _model(
                SnapshotRef,
                snapshot_id=snapshot.snapshot_id,
                snapshot_ref_type=SnapshotRefType.TAG,
            )
            for version, snapshot in zip(self._table.versions, snapshots, strict=False)
        }
        if snapshots:
            refs["main"] = _model(
                SnapshotRef,
                snapshot_id=snapshots[-1].snapshot_id,
                snapshot_ref_type=SnapshotRefType.BRANCH,
            )
        mapping = self._schemas[-1].name_mapping.model_dump_json()
        return _model(
            TableMetadataV2,
            location=self._table.location,
            table_uuid=self._uuid,
            last_updated_ms=snapshots[-1].timestamp_ms if snapshots else 0,
            last_column_id=self._columns.last,
            schemas=self._schemas,
            current_schema_id=len(self._schemas) - 1,
            partition_specs=[UNPARTITIONED_PARTITION_SPEC],
            default_spec_id=0,
            last_partition_id=999,
            sort_orders=[UNSORTED_SORT_ORDER],
            default_sort_order_id=0,
            properties={NAME_MAPPING: mapping, "comment": self._table.title},
            current_snapshot_id=snapshots[-1].snapshot_id if snapshots else None,
            snapshots=snapshots,
            snapshot_log=[
                _model(
                    SnapshotLogEntry,
                    snapshot_id=one.snapshot_id,
                    timestamp_ms=one.timestamp_ms,
                )
                for one in snapshots
            ],
            refs=refs,
            last_sequence_number=len(snapshots),
        )


def _model(kind: type[Model], **values: Any) -> Model:
    """Make one of PyIceberg's models; its types know only the names with hyphens."""
    return kind(**values)


def snapshot_id(table: LakeTable, version: LakeVersion) -> int:
    """Return the id of a version's snapshot: 63 bits that follow from what it is."""
    text = f"{table.location} {version.n} {version.mark}"
    raw = hashlib.sha256(text.encode()).digest()[:8]
    return int.from_bytes(raw, "big") >> 1 or 1


def milliseconds(time: str) -> int:
    """Return a time as Iceberg has it; one that is no time is the beginning."""
    try:
        return max(0, int(datetime.fromisoformat(time).timestamp() * 1000))
    except (ValueError, OverflowError):
        return 0


def _after(snapshots: list[Snapshot], time: int) -> int:
    """Return a time that is after the snapshot before: a log's clock may run back."""
    return max(time, snapshots[-1].timestamp_ms + 1) if snapshots else time


def _type(kind: pa.DataType, element: int) -> IcebergType:
    """Return the Iceberg type of an Arrow type that published tables have.

    Raises:
        DataError: TABLE_UNREADABLE.
    """
    if pa.types.is_decimal(kind):
        return DecimalType(kind.precision, kind.scale)
    if pa.types.is_list(kind):
        return ListType(element, _type(kind.value_type, 0), element_required=False)
    if pa.types.is_timestamp(kind):
        return TimestampType() if kind.tz is None else TimestamptzType()
    for fits, found in (
        (pa.types.is_integer, LongType()),
        (pa.types.is_floating, DoubleType()),
        (pa.types.is_boolean, BooleanType()),
        (pa.types.is_date, DateType()),
        (pa.types.is_string, StringType()),
        (pa.types.is_large_string, StringType()),
    ):
        if fits(kind):
            return found
    raise DataError(Reason.TABLE_UNREADABLE, digest="", detail=str(kind))
