"""What a query says to the process that answers it: JSON, and Arrow for the rows.

A frame is four bytes of length, then so many bytes. A request is one frame of JSON; an
answer one of JSON and one of an Arrow stream.
"""

import os
import select
import struct
import time
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from typing import IO, Any

import pyarrow as pa

from shahrdad.datasets import errors
from shahrdad.datasets.errors import Reason, ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import ObjectStore
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table.limits import QUERY_MEMORY_BYTES
from shahrdad.node.table.parquet import Part
from shahrdad.node.table.reading import TableReader
from shahrdad.node.table.rows import Page
from shahrdad.node.table.union import Origin, Share, UnionTable

FRAME_BYTES_MAX = QUERY_MEMORY_BYTES
PIECE_BYTES = 1024**2
_LENGTH = struct.Struct(">I")


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Write one frame."""
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: IO[bytes], until: float | None = None) -> bytes | None:
    """Return the next frame; None where the other side has gone, or makes no sense.

    Args:
        stream: A pipe, of which nothing was read into a buffer.
        until: When to wait no longer, on the monotonic clock.

    Raises:
        TimeoutError: The frame did not come in time.
    """
    head = _read(stream, _LENGTH.size, until)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    return _read(stream, length, until) if length <= FRAME_BYTES_MAX else None


def _read(stream: IO[bytes], length: int, until: float | None) -> bytes | None:
    """Return so many bytes; a pipe gives them in pieces."""
    data = bytearray()
    while len(data) < length:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([stream], [], [], left)[0]:
            raise TimeoutError
        piece = os.read(stream.fileno(), min(length - len(data), PIECE_BYTES))
        if not piece:
            return None
        data += piece
    return bytes(data)


def store_to_json(store: ObjectStore) -> dict[str, Any]:
    """Return where a store lies; credentials travel by the pipe alone."""
    if isinstance(store, LocalStore):
        return {"root": str(store.root)}
    from shahrdad.node.store.s3 import S3Store

    if not isinstance(store, S3Store):
        raise TypeError(type(store).__name__)
    return {"place": asdict(store.place)}


def store_from_json(found: Mapping[str, Any]) -> ObjectStore:
    """Return the store that `store_to_json` described."""
    if "root" in found:
        from pathlib import Path

        return LocalStore(Path(found["root"]))
    from shahrdad.node.store.s3 import S3Place, S3Store

    return S3Store(S3Place(**found["place"]))


def table_to_json(table: TableReader) -> dict[str, Any]:
    """Return what a table is made of; its rows stay in the store."""
    if not isinstance(table, UnionTable):
        return {"parts": [_part(part) for part in table.parts]}
    return {
        "shares": [
            {
                "origin": asdict(share.origin),
                "parts": [_part(part) for part in share.parts],
            }
            for share in table.shares
        ],
        "columns": table.columns.serialize().to_pybytes().hex(),
        "primary_key": list(table.primary_key),
    }


def table_from_json(store: ObjectStore, found: Mapping[str, Any]) -> TableReader:
    """Return a reader of the table that `table_to_json` described."""
    if "parts" in found:
        return TableReader(store, [_part_from(one) for one in found["parts"]])
    shares = [
        Share(Origin(**one["origin"]), tuple(map(_part_from, one["parts"])))
        for one in found["shares"]
    ]
    columns = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(found["columns"])))
    return UnionTable(store, shares, columns, found["primary_key"])


def _part(part: Part) -> list[Any]:
    return [part.digest.hex, part.bytes, part.rows, list(part.first)]


def _part_from(found: list[Any]) -> Part:
    digest, size, rows, first = found
    return Part(Digest.parse(digest), size, rows, tuple(first))


def page_to_bytes(page: Page) -> tuple[dict[str, Any], bytes]:
    """Return a page as JSON and an Arrow stream."""
    out = BytesIO()
    with pa.ipc.new_stream(out, page.rows.schema) as writer:
        writer.write_table(page.rows)
    about = {"total": page.total, "next_cursor": page.next_cursor}
    return about, out.getvalue()


def page_from_bytes(about: Mapping[str, Any], data: bytes) -> Page:
    """Return the page that `page_to_bytes` described."""
    rows = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
    return Page(rows, about["total"], about["next_cursor"])


def error_to_json(error: ShahrdadError) -> dict[str, Any]:
    """Return an error with the values of its sentence."""
    return {
        "kind": type(error).__name__,
        "reason": error.reason.value,
        "values": error.values,
    }


def error_from_json(found: Mapping[str, Any]) -> ShahrdadError:
    """Return the error that `error_to_json` described."""
    kind = getattr(errors, found["kind"])
    if not (isinstance(kind, type) and issubclass(kind, ShahrdadError)):
        raise TypeError(found["kind"])
    return kind(Reason(found["reason"]), **found["values"])
