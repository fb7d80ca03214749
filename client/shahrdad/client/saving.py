"""A dataset on the reader's disk: tables, and beside them what proves them.

    kerman--budget-1404--v7.parquet       the object; …--v7.0001.parquet for parts
    kerman--budget-1404--v7.record.json   the signed record
    kerman--budget-1404--v7.tlog-proof    the receipt: `verify` takes these three
    kerman--budget-1404--v7.csv           written here, from the verified table
    kerman--budget-1404--v7.xlsx          made by the node: no digest covers it
    kerman--budget-1404--v7.original.xls  as the city handed it in, by its digest

A record with several tables adds the table's name: `…--v7--budget.parquet`. Every file
is written beside and renamed, so an interrupted run leaves no half of one.
"""

import json
import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import Reason, RequestError

if TYPE_CHECKING:
    import pyarrow as pa

    from shahrdad.client.dataset import Dataset

LOCAL = ("parquet", "csv", "arrow")
BY_NODE = ("xlsx", "excel.csv", "json", "ndjson")
KNOWN = (*LOCAL, *BY_NODE, "original")


def save(dataset: "Dataset", folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write a version's tables in some formats, its record and its receipt.

    Args:
        dataset: The version.
        folder: Made when it is absent.
        formats: Of `LOCAL` and, from a node, of `BY_NODE`; "original" is the file as
            the city handed it in, where it lets it out.

    Returns:
        The files, record and receipt last.

    Raises:
        RequestError: FORMAT_UNKNOWN; NOT_OFFERED where only a node makes it.
    """
    for form in formats:
        if form not in KNOWN:
            raise RequestError(
                Reason.FORMAT_UNKNOWN, format=form, known=", ".join(KNOWN)
            )
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{dataset.name}--v{dataset.version}"
    written = []
    for table in dataset.tables:
        base = stem if len(dataset.tables) == 1 else f"{stem}--{table}"
        for form in formats:
            if form != "original":
                written += _save_table(dataset, table, folder / base, form)
    if "original" in formats:
        for name, data in dataset.originals():
            written.append(write(folder / f"{stem}.{name}", data))
    receipt = dataset.receipt()
    written.append(write(folder / f"{stem}.record.json", receipt.record))
    written.append(write(folder / f"{stem}.tlog-proof", receipt.raw))
    return written


def write(path: Path, data: bytes) -> Path:
    """Write a file under its name at once and whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _save_table(dataset: "Dataset", table: str, base: Path, form: str) -> list[Path]:
    """Write one table in one format."""
    if form == "parquet":
        contents = dataset.contents(table)
        if len(contents) == 1:
            return [write(base.with_name(f"{base.name}.parquet"), contents[0][1])]
        return [
            write(base.with_name(f"{base.name}.{number:04}.parquet"), data)
            for number, (_, data) in enumerate(contents, start=1)
        ]
    path = base.with_name(f"{base.name}.{form}")
    if form == "csv":
        return [write(path, csv_bytes(dataset.table(table)))]
    if form == "arrow":
        return [write(path, _arrow_bytes(dataset.table(table)))]
    return [write(path, dataset.export(table, form))]


def csv_bytes(table: "pa.Table") -> bytes:
    """Return a table as CSV (RFC 4180), byte for byte as a node writes it.

    UTF-8 without BOM, CRLF; null is empty, empty text is quoted; times are RFC 3339 in
    UTC, lists are JSON.
    """
    import pyarrow as pa
    from pyarrow import csv

    names = [
        f'"{name}"' if any(letter in name for letter in ',;"\t\r\n') else name
        for name in table.column_names
    ]
    sink = pa.BufferOutputStream()
    sink.write((",".join(names) + "\r\n").encode())
    columns = [_csv_column(column) for column in table.columns]
    options = csv.WriteOptions(include_header=False, eol="\r\n", quoting_style="needed")
    csv.write_csv(pa.table(columns, names=table.column_names), sink, options)
    return bytes(sink.getvalue())


def _csv_column(column: "pa.ChunkedArray") -> "pa.ChunkedArray | pa.Array":
    """Return a column as CSV can hold it."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # Cast by ourselves: the writer would put a space where RFC 3339 has a T.
        times = column.cast(pa.timestamp("us", "UTC")).to_pylist()
        texts = [None if at is None else _rfc3339(at) for at in times]
    elif pa.types.is_list(column.type):
        lists = column.to_pylist()
        texts = [None if items is None else _json(items) for items in lists]
    else:
        return column
    return pa.array(texts, pa.string())


def _rfc3339(moment: datetime) -> str:
    """Return an instant in UTC, with the fraction that it has."""
    return f"{moment.replace(tzinfo=None).isoformat()}Z"


def _json(items: list[object]) -> str:
    """Return a list as JSON."""
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def _arrow_bytes(table: "pa.Table") -> bytes:
    """Return a table as an Arrow file with compressed buffers."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
