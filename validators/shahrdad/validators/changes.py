"""Every change that normalisation makes, as a Parquet file: row, column, step, texts.

The report holds counts and samples; this file holds the changes themselves, up to
`CHANGES_MAX`. Its metadata say whether some were left out (`truncated`). The texts are
those of the publisher's cells, whatever they hold: the file is for them alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

CHANGES_MAX = 1_000_000
_HELD_MAX = 65_536  # changes gathered before they are written
SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("column", pa.string()),
        pa.field("step", pa.string()),
        pa.field("before", pa.string()),
        pa.field("after", pa.string()),
    ]
)


class ChangesFile:
    """Gathers changes; the file appears under its name when it is complete.

    Args:
        path: Name of the file; what is there already is replaced.
        changes_max: Changes that are kept.

    Attributes:
        truncated: Whether some were left out.
    """

    def __init__(self, path: str | Path, changes_max: int = CHANGES_MAX) -> None:
        self.path = Path(path)
        self.truncated = False
        self._left = changes_max
        self._temporary = self.path.with_name(f".{self.path.name}.{uuid4().hex}.part")
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []

    def add(
        self,
        column: str,
        step: str,
        rows: npt.NDArray[np.int64] | Sequence[int],
        before: pa.Array | Sequence[str],
        after: pa.Array | Sequence[str],
    ) -> None:
        """Take n changes of one step in one column: rows, texts before, texts after."""
        count = min(len(rows), self._left)
        self.truncated |= count < len(rows)
        if not count:
            return
        self._left -= count
        texts = [_texts(given, count) for given in (before, after)]
        names = [pa.repeat(pa.scalar(name), count) for name in (column, step)]
        arrays: list[Any] = [pa.array(rows[:count], pa.int64()), *names, *texts]
        self._held.append(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
        if sum(batch.num_rows for batch in self._held) >= _HELD_MAX:
            self._write()

    def _write(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, SCHEMA, compression="zstd")
        self._writer.write_table(pa.Table.from_batches(self._held, SCHEMA))
        self._held = []

    def commit(self) -> None:
        """Complete the file; one without changes is written too."""
        self._write()
        if self._writer is not None:
            said = {"truncated": "true" if self.truncated else "false"}
            self._writer.add_key_value_metadata(said)
            self._writer.close()
            self._temporary.replace(self.path)

    def abort(self) -> None:
        """Remove what was written."""
        if self._writer is not None:
            self._writer.close()
        self._temporary.unlink(missing_ok=True)


def _texts(given: pa.Array | Sequence[str], count: int) -> pa.Array:
    if isinstance(given, pa.Array):
        return given.slice(0, count)
    return pa.array(list(given[:count]), pa.string())


__all__ = ["CHANGES_MAX", "ChangesFile"]
