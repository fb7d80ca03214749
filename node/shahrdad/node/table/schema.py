"""Which columns a published table can have, and what files say of them (storage 4.3).

Nothing here depends on a version, a host or a time, or equal rows would not have equal
bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import rfc8785

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.node.table.limits import COLUMNS_MAX

FILE_KEY = b"shahrdad"
PART_RULE = "key-cut/1"
LIST = pa.list_(pa.field("item", pa.string()))
INSTANT = pa.timestamp("us", tz="UTC")
# As Arrow may deliver them, and as they are published.
PLAIN = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.int8(): pa.int64(),
    pa.int16(): pa.int64(),
    pa.int32(): pa.int64(),
    pa.uint8(): pa.int64(),
    pa.uint16(): pa.int64(),
    pa.uint32(): pa.int64(),
    pa.float32(): pa.float64(),
}


@dataclass(frozen=True, slots=True)
class TableInfo:
    """What a table's files say of the table.

    Attributes:
        family: The standard, or empty.
        family_version: Its version, or empty.
        ref: `<city>/<dataset>`.
        resource: The name of the table in the dataset.
        primary_key: Columns; empty for a table that has none.
        columns: By column: `title_fa`, `title_en`, `unit`, `source_unit`, `codelist`,
            `description_fa`, `description_en`, where known.
        identifiers: Columns that are looked up by one value; they get a Bloom filter
            unless they are the first of the key.
    """

    family: str
    family_version: str
    ref: str
    resource: str
    primary_key: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    identifiers: tuple[str, ...] = ()


def published_schema(schema: pa.Schema, info: TableInfo, m: int) -> pa.Schema:
    """Return the schema of a table's files, with their metadata, sorted.

    Raises:
        DataError: COLUMN_NAME_FORBIDDEN, COLUMN_TYPE_FORBIDDEN, COLUMN_UNKNOWN,
            COLUMNS_TOO_MANY.
    """
    if len(schema) > COLUMNS_MAX:
        raise DataError(
            Reason.COLUMNS_TOO_MANY, columns=len(schema), columns_max=COLUMNS_MAX
        )
    names = set(schema.names)
    for name in (*info.primary_key, *info.identifiers):
        if name not in names:
            raise DataError(Reason.COLUMN_UNKNOWN, column=name)
    fields = [published_field(one, info.columns.get(one.name, {})) for one in schema]
    about: dict[str, Any] = {
        "v": 1,
        "family": info.family,
        "family_version": info.family_version,
        "ref": info.ref,
        "resource": info.resource,
        "primary_key": list(info.primary_key),
        "part_rule": PART_RULE,
        "m": m,
    }
    return pa.schema(fields, metadata={FILE_KEY: rfc8785.dumps(about)})


def file_facts(schema: pa.Schema) -> TableInfo:
    """Return what a part's metadata says of its table; without metadata, nothing."""
    about: dict[str, Any] = json.loads((schema.metadata or {}).get(FILE_KEY, b"{}"))
    columns = {
        one.name: {
            key.decode(): value.decode()
            for key, value in (one.metadata or {}).items()
            if not key.startswith(b"PARQUET:")
        }
        for one in schema
    }
    return TableInfo(
        family=str(about.get("family", "")),
        family_version=str(about.get("family_version", "")),
        ref=str(about.get("ref", "")),
        resource=str(about.get("resource", "")),
        primary_key=tuple(map(str, about.get("primary_key", ()))),
        columns=columns,
    )


def published_field(one: pa.Field, about: Mapping[str, str]) -> pa.Field:
    """Return a column as it is published: a plain type, sorted metadata."""
    name = one.name
    if not name or name.startswith("_") or "__" in name or name == "row_id":
        raise DataError(Reason.COLUMN_NAME_FORBIDDEN, column=name)
    # The order of the entries is part of the bytes.
    metadata = {key: about[key] for key in sorted(about) if about[key]}
    return pa.field(name, published_type(name, one.type), True, metadata or None)


def published_type(name: str, kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column is published."""
    if pa.types.is_dictionary(kind):
        return published_type(name, kind.value_type)
    if kind in PLAIN:
        return PLAIN[kind]
    if pa.types.is_timestamp(kind):
        return INSTANT
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if published_type(name, kind.value_type) == pa.string():
            return LIST
    elif kind in (
        pa.int64(),
        pa.float64(),
        pa.string(),
        pa.bool_(),
        pa.date32(),
    ) or pa.types.is_decimal128(kind):
        return kind
    raise DataError(Reason.COLUMN_TYPE_FORBIDDEN, column=name, type=str(kind))
