"""One function a format: batches of a table in, bytes of a file out.

The same rows and the same arguments give the same bytes: no clock, no host name.
CSV is RFC 4180 with CRLF; null is empty and unquoted, empty text is `""`.
"""

import json
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import IO

import pyarrow as pa
import pyarrow.csv as pc

from shahrdad.node.http.exports import cells

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
STREAMED = frozenset({"csv", "excel.csv", "json", "ndjson"})
BOM = b"\xef\xbb\xbf"
Batches = Iterator[pa.RecordBatch]


def write_csv(
    batches: Batches, header: Sequence[str], out: IO[bytes], separator: str = ","
) -> None:
    """Write plain CSV: UTF-8, no BOM, nothing altered."""
    _write_rows((cells.plain(batch) for batch in batches), header, out, separator)


def write_excel_csv(
    batches: Batches, header: Sequence[str], out: IO[bytes], separator: str = ","
) -> None:
    """Write CSV for Excel: with BOM, and texts that look like formulas guarded."""
    out.write(BOM)
    guarded = (cells.guard(cells.plain(batch)) for batch in batches)
    _write_rows(guarded, header, out, separator)


def _write_rows(
    batches: Iterator[pa.RecordBatch],
    header: Sequence[str],
    out: IO[bytes],
    separator: str,
) -> None:
    quoted = (f'"{name}"' if _special(name) else name for name in header)
    out.write((separator.join(quoted) + "\r\n").encode())
    options = _options(separator)
    for batch in batches:
        pc.write_csv(batch, out, options)


def write_parquet(batches: Batches, schema: pa.Schema, out: IO[bytes]) -> None:
    """Write a Parquet file; a selection is no published object and has no settings."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def stream(
    ext: str, header: Sequence[str], tables: Iterator[pa.Table], separator: str
) -> Iterator[bytes]:
    """Yield a text format in pieces, one for each table that comes.

    Args:
        ext: One of `STREAMED`.
        header: The names in the first row of CSV.
        tables: The rows.
        separator: Of CSV.
    """
    if ext in {"json", "ndjson"}:
        before = b"[\n" if ext == "json" else b""
        for table in tables:
            lines = list(_objects(iter(table.to_batches())))
            glue = b",\n" if ext == "json" else b"\n"
            if lines:
                yield before + glue.join(lines) + (b"" if ext == "json" else b"\n")
                before = glue if ext == "json" else b""
        if ext == "json":
            yield b"[]\n" if before == b"[\n" else b"\n]\n"
        return
    out = BytesIO()
    write = write_excel_csv if ext == "excel.csv" else write_csv
    write(iter(()), header, out, separator)
    yield out.getvalue()
    options = _options(separator)
    for table in tables:
        out = BytesIO()
        for batch in table.to_batches():
            found = cells.plain(batch)
            guarded = cells.guard(found) if ext == "excel.csv" else found
            pc.write_csv(guarded, out, options)
        yield out.getvalue()


def stream_arrow(schema: pa.Schema, tables: Iterator[pa.Table]) -> Iterator[bytes]:
    """Yield an Arrow stream with zstd buffers, a piece for each table that comes."""
    out = BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(out, schema, options=options) as writer:
        for table in tables:
            writer.write_table(table)
            yield out.getvalue()  # whole messages, so what follows stays aligned
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def _options(separator: str) -> pc.WriteOptions:
    return pc.WriteOptions(
        include_header=False, delimiter=separator, eol="\r\n", quoting_style="needed"
    )


def _special(name: str) -> bool:
    return any(letter in name for letter in ',;"\t\r\n')


def write_json(batches: Batches, out: IO[bytes]) -> None:
    """Write an array of objects."""
    before = b"[\n"
    for line in _objects(batches):
        out.write(before + line)
        before = b",\n"
    out.write(b"\n]\n" if before == b",\n" else b"[]\n")


def write_ndjson(batches: Batches, out: IO[bytes]) -> None:
    """Write one object a line."""
    for line in _objects(batches):
        out.write(line + b"\n")


def _objects(batches: Batches) -> Iterator[bytes]:
    for batch in batches:
        for row in batch.to_pylist():
            values = {name: cells.json_value(value) for name, value in row.items()}
            yield json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def write_arrow(batches: Batches, schema: pa.Schema, out: IO[bytes]) -> None:
    """Write an Arrow file with zstd buffers."""
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    sink = pa.PythonFile(out, mode="w")
    with pa.ipc.new_file(sink, schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
