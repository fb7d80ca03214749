"""What the pass over one range of a table leaves behind, as bytes.

A range is judged on one computer and put together with the others on another, so what
it found travels: facts as JSON, and what goes by rows as Arrow. Values keep their
types: a sentence that speaks of a decimal or a date says the same there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

_LENGTH_BYTES = 8
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")
CELLS = pa.schema(
    [
        ("row", pa.int64()),
        ("cell", pa.string()),
        ("normalised", pa.string()),
        ("values", pa.string()),
        ("related", pa.list_(pa.int64())),
    ]
)
KEYS = pa.schema([("hash", pa.uint64()), ("row", pa.int64())])
ASKED = pa.schema(
    [
        ("row", pa.int64()),
        ("first", pa.uint64()),
        ("second", pa.uint64()),
        ("text", pa.string()),
    ]
)
HELD = pa.schema([("first", pa.uint64()), ("second", pa.uint64())])


@dataclass(slots=True)
class RangeFound:
    """What the pass over one range left behind.

    Attributes:
        rows: Records judged, blank ones too.
        full: Whether any of them has a value.
        blank: Blank rows at its end, which may be the table's end.
        key_violations: Rows with an incomplete primary key.
        text_bytes: Of its text, nearly.
        chunks: Of each finding: code, severity, field, how many rows are in `cells`,
            how many there are, and which of its columns are given.
        cells: The rows of all chunks, one chunk after the other.
        personal: Rows whose cells hold personal data, by column.
        rules: What is known of each rule of rows, by its place.
        audit: Changes by column and step: count, samples, marks of distinct texts.
        left_out: Rows that are no data.
        blank_labels: Cells under a column without a label, by its position.
        invalid: Wrong cells by column.
        decimals: How numbers are printed, by column.
        keys: Of each uniqueness the hashes of its keys, and their rows.
        tee: The columns that rules of tables ask for.
        asked: Of each key into the table itself the rows that the range could not
            settle; `asked_at` says whose they are and before which chunk they belong.
        held: Of each such key the hashes of the keys that the range has.
    """

    rows: int = 0
    full: bool = False
    blank: list[int] = field(default_factory=list)
    key_violations: int = 0
    text_bytes: int = 0
    chunks: list[dict[str, Any]] = field(default_factory=list)
    personal: dict[int, list[int]] = field(default_factory=dict)
    rules: dict[int, dict[str, Any]] = field(default_factory=dict)
    audit: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[tuple[int, str, str]] = field(default_factory=list)
    blank_labels: dict[int, int] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)
    decimals: dict[str, tuple[int | None, bool]] = field(default_factory=dict)
    asked_at: list[tuple[int, int]] = field(default_factory=list)
    cells: pa.Table = field(default_factory=CELLS.empty_table)
    tee: pa.Table | None = None
    keys: list[pa.Table] = field(default_factory=list)
    asked: list[pa.Table] = field(default_factory=list)
    held: list[pa.Table] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Return everything as bytes; the same findings are the same bytes."""
        tables = [
            *([] if self.tee is None else [self.tee]),
            self.cells,
            *self.keys,
            *self.asked,
            *self.held,
        ]
        streams = [_stream(table) for table in tables]
        facts = {name: getattr(self, name) for name in _PLAIN}
        facts["has_tee"] = self.tee is not None
        facts["lengths"] = [len(stream) for stream in streams]
        facts["counts"] = [len(self.keys), len(self.asked), len(self.held)]
        head = json.dumps(
            facts, ensure_ascii=False, sort_keys=True, default=_typed
        ).encode()
        size = len(head).to_bytes(_LENGTH_BYTES, "big")
        return b"".join([size, head, *streams])

    @classmethod
    def from_bytes(cls, data: bytes) -> "RangeFound":
        """Return what `to_bytes` wrote."""
        start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
        facts = json.loads(data[_LENGTH_BYTES:start], object_hook=_untyped)
        tables = []
        for length in facts["lengths"]:
            with pa.ipc.open_stream(pa.py_buffer(data)[start : start + length]) as one:
                tables.append(one.read_all())
            start += length
        found = cls(**{name: facts[name] for name in _PLAIN})
        for name in ("personal", "rules", "blank_labels"):
            setattr(found, name, {int(k): v for k, v in facts[name].items()})
        found.tee = tables.pop(0) if facts["has_tee"] else None
        found.cells = tables.pop(0)
        keys, asked, _ = facts["counts"]
        found.keys, found.asked = tables[:keys], tables[keys : keys + asked]
        found.held = tables[keys + asked :]
        return found


_PLAIN = (
    "rows", "full", "blank", "key_violations", "text_bytes", "chunks", "personal",
    "rules", "audit", "left_out", "blank_labels", "invalid", "decimals", "asked_at",
)  # fmt: skip


def values_text(values: Mapping[str, Any]) -> str:
    """Return what a sentence speaks of, as text that keeps the types."""
    return json.dumps(dict(values), ensure_ascii=False, default=_typed)


def values_of(text: str) -> dict[str, Any]:
    """Return what `values_text` wrote."""
    found: dict[str, Any] = json.loads(text, object_hook=_untyped)
    return found


def _typed(value: Any) -> Any:
    """Return a value that JSON has no form for; sentences know no others."""
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):
        return {"$instant": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no form in a range's findings")


def _untyped(value: dict[str, Any]) -> Any:
    if len(value) != 1:
        return value
    ((key, text),) = value.items()
    if key == "$decimal":
        return Decimal(text)
    if key == "$instant":
        return datetime.fromisoformat(text)
    return date.fromisoformat(text) if key == "$date" else value


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def cells_table(chunks: Sequence[Any]) -> pa.Table:
    """Return the rows of findings, one after the other."""
    parts = []
    for chunk in chunks:
        count = len(chunk.rows)
        empty = pa.nulls(count, pa.string())
        texts = [empty if one is None else one.cast(pa.string())
                 for one in (chunk.cells, chunk.normalised)]  # fmt: skip
        values = empty
        if chunk.values is not None:
            values = pa.array(map(values_text, chunk.values), pa.string())
        lists = pa.nulls(count, pa.list_(pa.int64()))
        if chunk.related is not None:
            lists = pa.array(map(list, chunk.related), pa.list_(pa.int64()))
        columns = [pa.array(chunk.rows, pa.int64()), *texts, values, lists]
        parts.append(pa.Table.from_arrays(columns, schema=CELLS))
    return pa.concat_tables(parts) if parts else CELLS.empty_table()


__all__ = [
    "ASKED",
    "CELLS",
    "HELD",
    "KEYS",
    "RangeFound",
    "cells_table",
    "values_of",
    "values_text",
]
