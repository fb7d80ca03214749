"""Typed batches on their way from validation to Parquet, kept on disk meanwhile.

The published table is sorted by key, so it cannot be written before the last row is
judged. The spool is a file without a name: it is gone when the process is, however it
ends.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa


class Spool:
    """A sink for validation, then a source for the Parquet writer.

    Args:
        folder: Where the unnamed file lies; on the disk of the node's data.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._writer: pa.RecordBatchStreamWriter | None = None
        self.schema: pa.Schema | None = None
        self.rows = 0
        self.committed = False

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch of typed rows."""
        if self._writer is None:
            self.schema = batch.schema
            self._writer = pa.ipc.new_stream(self._file, batch.schema)
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def commit(self) -> None:
        """The whole file was valid."""
        if self._writer is not None:
            self._writer.close()
        self.committed = True

    def abort(self) -> None:
        """The file was not valid: forget its rows."""
        self._writer = None
        self.close()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches again, in order; only after `commit`."""
        if not self.committed:
            raise RuntimeError("nothing was committed to the spool")
        if self._writer is None:
            return
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            yield from reader

    def close(self) -> None:
        """Free the disk space."""
        self._file.close()
