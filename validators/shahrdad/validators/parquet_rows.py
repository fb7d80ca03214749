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
from shahrdad.validators.sheets.values import text_of
from shahrdad.validators.text_table import CellKind, Kinds, TextBatch

BATCH_ROWS = 65_536
BATCH_BYTES = 32 << 20  # of text made at a time; a batch of more is cut


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """A table in Parquet.

    Texts stay in their dictionaries until they are needed: a small file may refer to
    one long text from each of a million rows.
    """

    labels: tuple[str, ...]
    file: pq.ParquetFile
    name: str
    size: int
    limits: Limits

    @classmethod
    def open(
        cls, stream: BinaryIO, name: str, limits: Limits = DEFAULT
    ) -> "ParquetRows":
        """Read the footer.

        Raises:
            DataError: SOURCE_UNREADABLE, SOURCE_TOO_LARGE.
        """
        try:
            schema = pq.read_schema(stream)
            size = stream.seek(0, 2)
            file = pq.ParquetFile(
                stream,
                thrift_string_size_limit=limits.json_bytes_max,
                pre_buffer=False,
                read_dictionary=[f.name for f in schema if _is_text(f.type)],
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
        return cls(labels, file, name, size, limits)

    def batches(self) -> Iterator[TextBatch]:
        """Yield the rows as text.

        Raises:
            DataError: SOURCE_UNREADABLE.
        """
        row, texts_bytes = 2, 0
        batches = self.file.iter_batches(batch_size=BATCH_ROWS, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(self.name, error) from error
            if batch is None:
                break
            for part, part_bytes in _parts(batch):
                row += part.num_rows
                texts_bytes += part_bytes
                self._check_growth(row - 2, texts_bytes)
                yield _text_batch(part, row - part.num_rows)
        claimed = self.file.metadata.num_rows
        if row - 2 != claimed:
            why = f"its footer claims {claimed} rows, its pages hold {row - 2}"
            raise _unreadable(self.name, ValueError(why))

    def _check_growth(self, rows: int, texts_bytes: int) -> None:
        """Refuse long texts that a small file repeats without end.

        Raises:
            DataError: SOURCE_INFLATES.
        """
        limits = self.limits
        allowed = max(
            limits.inflation_free_bytes,
            self.size * limits.inflation_ratio_max,
            rows * limits.dense_row_bytes,
        )
        if texts_bytes > allowed:
            raise DataError(
                Reason.SOURCE_INFLATES,
                name=self.name,
                size_bytes_max=allowed,
                part=f"row {rows + 1}",
            )


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _parts(batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Cut a batch so that the texts of a part are few; give their bytes with each."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            lengths = pc.fill_null(pc.binary_length(column.dictionary), 0)
            counts = np.asarray(lengths, np.int64)
            places = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False)
            sizes += np.append(counts, 0)[places]
    total = np.cumsum(sizes)
    start = 0
    while start < batch.num_rows:
        before = int(total[start - 1]) if start else 0
        stop = int(np.searchsorted(total, before + BATCH_BYTES, "right"))
        stop = max(stop, start + 1)
        yield batch.slice(start, stop - start), int(total[stop - 1]) - before
        start = stop


def _unreadable(name: str, error: Exception) -> DataError:
    detail = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(Reason.SOURCE_UNREADABLE, name=name, detail=detail)


def _check_inflation(file: pq.ParquetFile, name: str, limits: Limits) -> None:
    """Refuse what claims more bytes than an honest table of its length has."""
    for place in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(place)
        parts = [group.column(number) for number in range(group.num_columns)]
        for part in parts:
            packed, size = part.total_compressed_size, part.total_uncompressed_size
            dense = max(packed, 1) * limits.inflation_ratio_max
            allowed = max(limits.inflation_free_bytes, dense)
            if size > min(allowed, limits.workbook_member_bytes_max):
                raise DataError(
                    Reason.SOURCE_INFLATES,
                    name=name,
                    size_bytes_max=min(allowed, limits.workbook_member_bytes_max),
                    part=f"{part.path_in_schema}, row group {place}",
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
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
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
