"""Rows in Parquet as text, batch by batch; how they were typed goes along.

Whether the types are those of the schema is the engine's matter. Here a date is its ISO
text, a decimal its digits, a list its JSON; a row number counts from 2, as in other
formats, where row 1 is the header.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.sheets import text_of
from shahrdad.validators.text_table import CellKind, Kinds, TextBatch

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """A table in Parquet."""

    labels: tuple[str, ...]
    file: pq.ParquetFile
    name: str

    @classmethod
    def open(
        cls, stream: BinaryIO, name: str, limits: Limits = DEFAULT
    ) -> "ParquetRows":
        """Read the footer.

        Raises:
            DataError: SOURCE_UNREADABLE, SOURCE_TOO_LARGE.
        """
        try:
            file = pq.ParquetFile(
                stream, thrift_string_size_limit=limits.json_bytes_max, pre_buffer=False
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable(name, error) from error
        labels = tuple(file.schema_arrow.names)
        if len(labels) > limits.columns_max:
            raise DataError(
                Reason.SOURCE_TOO_LARGE,
                name=name,
                found=len(labels),
                unit="columns",
                found_max=limits.columns_max,
            )
        if file.metadata.num_rows * max(len(labels), 1) > 0:
            _check_inflation(file, name, limits)
        return cls(labels, file, name)

    def batches(self) -> Iterator[TextBatch]:
        """Yield the rows as text.

        Raises:
            DataError: SOURCE_UNREADABLE.
        """
        row = 2
        batches = self.file.iter_batches(batch_size=BATCH_ROWS, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(self.name, error) from error
            if batch is None:
                return
            yield _text_batch(batch, row)
            row += batch.num_rows


def _unreadable(name: str, error: Exception) -> DataError:
    detail = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(Reason.SOURCE_UNREADABLE, name=name, detail=detail)


def _check_inflation(file: pq.ParquetFile, name: str, limits: Limits) -> None:
    """Refuse row groups that claim more bytes than an honest table of theirs has."""
    for place in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(place).total_byte_size
        if size > limits.workbook_member_bytes_max:
            raise DataError(
                Reason.SOURCE_INFLATES,
                name=name,
                size_bytes_max=limits.workbook_member_bytes_max,
                part=f"row group {place}",
            )


def _text_batch(batch: pa.RecordBatch, row: int) -> TextBatch:
    """Turn a batch of typed columns into text."""
    columns, kinds = [], []
    for column in batch.columns:
        text, kind = _column(column)
        columns.append(text)
        kinds.append(kind)
    rows = np.arange(row, row + batch.num_rows, dtype=np.int64)
    empty = _empty_rows(columns, batch.num_rows)
    if not empty.any():
        return TextBatch.of(rows, columns, kinds=tuple(kinds))
    keep = pa.array(~empty)
    return TextBatch.of(
        rows[~empty],
        [column.filter(keep) for column in columns],
        kinds=tuple(None if kind is None else kind[~empty] for kind in kinds),
        blank=tuple(rows[empty].tolist()),
    )


def _empty_rows(columns: list[pa.StringArray], count: int) -> Any:
    empty = np.ones(count, bool)
    for column in columns:
        if not empty.any():
            break
        empty &= pc.equal(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
    return empty


def _column(column: pa.Array) -> tuple[pa.StringArray, Kinds | None]:
    """Return a column as text, "" for null, and how it was typed."""
    kind = _kind_of(column.type)
    if (
        pa.types.is_string(column.type)
        or pa.types.is_large_string(column.type)
        or (
            kind in (CellKind.NUMBER, CellKind.BOOLEAN)
            and not pa.types.is_floating(column.type)
        )
    ):
        text = column.cast(pa.string())
    elif kind is CellKind.DATE:
        text = column.cast(pa.date32()).cast(pa.string())
    else:
        text = pa.array([_one(value) for value in column.to_pylist()], pa.string())
    if kind is CellKind.TEXT:
        return pc.fill_null(text, ""), None
    null = np.asarray(pc.is_null(column))
    kinds = np.where(null, np.uint8(CellKind.EMPTY), np.uint8(kind)).astype(np.uint8)
    return pc.fill_null(text, ""), kinds


def _kind_of(type_: pa.DataType) -> CellKind:
    if pa.types.is_boolean(type_):
        return CellKind.BOOLEAN
    if (
        pa.types.is_integer(type_)
        or pa.types.is_floating(type_)
        or pa.types.is_decimal(type_)
    ):
        return CellKind.NUMBER
    if pa.types.is_date(type_):
        return CellKind.DATE
    return CellKind.DATETIME if pa.types.is_timestamp(type_) else CellKind.TEXT


def _one(value: Any) -> str | None:
    """Return one value as text: what a sheet would show, or JSON for nested ones."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))
    return text_of(value)[0]
