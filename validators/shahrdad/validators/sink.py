"""Where the typed rows of a valid table go.

A sink is any object with `write(batch)`, `commit()` and `abort()`. It gets the rows in
the order of the file and only rows without errors; `commit` is called once, after a
valid end; `abort` once otherwise, whatever happened.
"""

from contextlib import suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = {"compression": "zstd", "compression_level": 3}


class Sink(Protocol):
    """Receives typed batches; the fields' types are those of `storage.md` 4.3."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take n rows; every batch has the same schema."""

    def commit(self) -> None:
        """Keep what was written: the table is valid."""

    def abort(self) -> None:
        """Forget what was written."""


class ParquetSink:
    """Writes one Parquet file, which appears under its name only after a valid end.

    Args:
        path: Name of the file; what is there already is replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._temporary = self.path.with_name(f".{self.path.name}.{uuid4().hex}.part")
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Write n rows under the temporary name."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, batch.schema, **COLUMNS)
        self._writer.write_batch(batch)

    def commit(self) -> None:
        """Close the file and give it its name; a table without rows makes no file."""
        if self._writer is not None:
            self._writer.close()
            self._temporary.replace(self.path)

    def abort(self) -> None:
        """Remove the temporary file."""
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
        self._temporary.unlink(missing_ok=True)


class Sinks:
    """Several sinks as one; without any, nothing is kept."""

    def __init__(self, *sinks: Sink | None) -> None:
        self._sinks = [sink for sink in sinks if sink is not None]
        self.failure: Exception | None = None

    def __bool__(self) -> bool:
        """Return whether there is any sink."""
        return bool(self._sinks)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write to each; a failure is kept, since it is no fault of the data."""
        try:
            for sink in self._sinks:
                sink.write(batch)
        except Exception as error:
            self.failure = error
            raise

    def commit(self) -> None:
        """Commit each."""
        for sink in self._sinks:
            sink.commit()

    def abort(self) -> None:
        """Abort each, also when one of them fails."""
        failures: list[Exception] = []
        for sink in self._sinks:
            try:
                sink.abort()
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]


__all__ = ["ParquetSink", "Sink", "Sinks"]
