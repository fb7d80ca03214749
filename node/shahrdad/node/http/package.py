"""Data Package v2 of a version, with absolute addresses at this node.

The CSV resource carries schema, bytes and digest where they are known; the Parquet one
path, digest and the names of its columns. It tells its types itself: frictionless 5.21
reads an int64 column with nulls from Parquet as floats, and guesses wrongly where a
column begins with nulls. The signed descriptor itself is `…/descriptor`.
"""

from collections.abc import Mapping
from typing import Any

from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.file_names import table_file
from shahrdad.node.http.record_view import TableView
from shahrdad.node.record import PARQUET, PROFILE

_KEPT = (
    "title",
    "title_en",
    "description",
    "description_en",
    "keywords",
    "licenses",
    "contributors",
    "sources",
    "version",
    "created",
)


def data_package(shown: Shown) -> dict[str, Any]:
    """Return the descriptor of a version, its files by address."""
    return {
        **descriptor(shown),
        "resources": [
            item for table in shown.record.tables for item in _resources(shown, table)
        ],
    }


def descriptor(shown: Shown) -> dict[str, Any]:
    """Return what a descriptor says of a version, without its files."""
    body = shown.record.body
    kept = {name: body[name] for name in _KEPT if name in body}
    return {
        "$schema": PROFILE,
        "name": shown.dataset.name,
        "id": shown.addresses.dataset(shown.ref, shown.version.n),
        "homepage": shown.addresses.dataset(shown.ref),
        **kept,
    }


def _resources(shown: Shown, table: TableView) -> list[dict[str, Any]]:
    ref, n, addresses = shown.ref, shown.version.n, shown.addresses
    csv: dict[str, Any] = {
        "name": table.name,
        "type": "table",
        "path": addresses.resource(ref, n, table.name, "csv"),
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": plain_schema(table.schema),
    }
    made = shown.file(table, "csv")
    if made is not None:
        csv |= {"bytes": made.bytes, "hash": f"sha256:{made.digest.hex}"}
    parquet: dict[str, Any] = {
        "name": f"{table.name}-parquet",
        "type": "table",
        "format": "parquet",
        "mediatype": PARQUET,
        "schema": names_alone(table.schema),
    }
    if len(table.parts) == 1:
        (part,) = table.parts
        file = table_file(shown.dataset.name, shown.record, table)
        parquet["path"] = addresses.file(part.digest, file)
        parquet["hash"] = f"sha256:{part.digest.hex}"
    else:
        parquet["path"] = addresses.resource(ref, n, table.name, "parquet")
    return [csv, parquet]


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Table Schema without the rules of our own, which readers cannot run."""
    return {name: value for name, value in schema.items() if name != "custom_checks"}


def names_alone(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Table Schema that says no types, for files that carry their own."""
    fields = schema.get("fields")
    listed = fields if isinstance(fields, list) else []
    return {"fields": [{"name": one.get("name"), "type": "any"} for one in listed]}
