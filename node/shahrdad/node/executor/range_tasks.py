"""The tasks of one large file: its ranges are judged, ranked, and written as parts.

    judge-range   a range of the original in; findings and sorted rows out
    rank-range    how many rows of a range come before the rows that may begin a part
    write-parts   consecutive parts of the table, from slices of all ranges

Each needs the object store alone, and gives the same bytes wherever and however often
it runs.
"""

import base64
import io
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from shahrdad.datasets.errors import DataError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.executor.judging import part_json, pinned_ref, previous_of
from shahrdad.node.executor.sorted_rows import (
    joined,
    ranks,
    read_keys,
    read_slice,
    sort_columns,
    table_of_stream,
    write_sorted,
)
from shahrdad.node.executor.tasks import Result
from shahrdad.node.family_table import table_info
from shahrdad.node.store.contract import Area, ObjectStore, put_bytes, read_bytes
from shahrdad.node.table.parquet import Reuse, sort_order, write_part
from shahrdad.node.table.schema import published_schema
from shahrdad.validators.byte_facts import ByteFacts
from shahrdad.validators.ranges.windows import Window, WindowStream
from shahrdad.validators.source import Source

FOUND_BYTES_MAX = 4 << 30  # of the findings of a range
READ_BYTES = 1 << 20


def judge_range(arguments: Mapping[str, Any], store: ObjectStore) -> Result:
    """Judge one range of an original in the private area.

    Returns:
        `state` judged, and what was made; or whole: the file is to be judged in one.
    """
    from shahrdad.validators import Options
    from shahrdad.validators.ranges.judging import judge_range as judge

    kept = _Kept()
    with tempfile.TemporaryDirectory(prefix="shahrdad-task-") as name:
        refs = {
            family: pinned_ref(store, pinned, Path(name))
            for family, pinned in arguments["refs"].items()
        }
        try:
            found = judge(
                _source(arguments, store),
                schema=arguments["family"],
                profile=dict(arguments["profile"]) or None,
                refs=refs,
                context=arguments["context"],
                # A process is for one core: the others have ranges of their own.
                options=Options(**{**arguments["options"], "threads": 1}),
                seed=int(arguments["seed"], 16),
                sink=kept,
            )
        except DataError as error:
            return {"state": "whole", "why": error.text("en"), "objects": []}
    digest = put_bytes(store, Area.PRIVATE, found.to_bytes())
    result: Result = {"state": "judged", "found": digest.hex, "rows": None}
    names = [digest.hex]
    errors = any(chunk["severity"] == "error" for chunk in found.chunks)
    if kept.batches and not errors:
        schema = kept.batches[0].schema
        info = table_info(arguments["family"], arguments["ref"], schema.names)
        rows = write_sorted(kept.batches, schema, info, store)
        names += [rows["digest"], rows["candidates"]]
        result["rows"] = rows
    result["objects"] = [["private", name] for name in names]
    return result


def _source(arguments: Mapping[str, Any], store: ObjectStore) -> Source:
    """Return the text, of which one range is read."""
    facts = arguments["facts"]
    start, end, rows_before, first_block = arguments["range"]
    text = Digest.parse(arguments["text"])

    def opened() -> BinaryIO:
        stream = store.open(Area.PRIVATE, text, start, end - start)
        return WindowStream(_Raw(stream), first_block)

    return Source(
        arguments["file_name"],
        ByteFacts(
            facts["size"],
            facts["sha256"],
            base64.b64decode(facts["head"]),
            bad_byte=None,  # a text that is not UTF-8 was decoded before it was cut
            plain=facts["plain"],
        ),
        partial(store.open, Area.PRIVATE, text),
        Window(rows_before, opened),
    )


class _Raw(io.RawIOBase):
    """An object of a store as a raw stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        block = self._stream.read(min(len(view), READ_BYTES))
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Kept:
    """A sink that holds the typed rows of a range."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep some rows."""
        self.batches.append(batch)

    def commit(self) -> None:
        """Nothing is to do: the rows are there."""

    def abort(self) -> None:
        """Forget the rows."""
        self.batches = []


def rank_range(arguments: Mapping[str, Any], store: ObjectStore) -> Result:
    """Count the rows of a range before each row that may begin a part."""
    asked = table_of_stream(
        read_bytes(
            store,
            Area.PRIVATE,
            Digest.parse(arguments["asked"]),
            FOUND_BYTES_MAX,
        )
    )
    key = tuple(arguments["key"])
    asked = sort_columns(asked, key)
    rows = read_keys(store, arguments["rows"], asked.column_names)
    if rows is None:
        rows = asked.slice(0, 0)
    before, behind = ranks(rows, asked, key)
    return {
        "state": "ranked",
        "before": before.tolist(),
        "behind": behind.tolist(),
        "objects": [],
    }


def write_parts(arguments: Mapping[str, Any], store: ObjectStore) -> Result:
    """Write consecutive parts of the table."""
    schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(arguments["schema"])))
    info = table_info(arguments["family"], arguments["ref"], schema.names)
    count, m = arguments["count"], arguments["m"]
    target = published_schema(schema, info, m)
    slices = [
        read_slice(store, rows, start, end) for rows, start, end in arguments["slices"]
    ]
    table = joined(slices, target)
    order = sort_order(table, info.primary_key)
    before = arguments["before"]
    known = Reuse(store, previous_of(before) if before else None, info.primary_key)
    parts = []
    for start, end in arguments["parts"]:
        part = table.take(order.slice(start, end - start)).combine_chunks()
        parts.append(write_part(part, count, info, store, Area.OBJECT, known))
    return {
        "state": "written",
        "parts": [part_json(part) for part in parts],
        "objects": [["object", part.digest.hex] for part in parts],
    }


__all__ = ["judge_range", "rank_range", "write_parts"]
