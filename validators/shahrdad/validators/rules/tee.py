"""The columns that table rules ask for, kept beside the pass; large ones in a file."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.frames import Frame
from shahrdad.validators.kernels.cells import as_mask, mask_array
from shahrdad.validators.kernels.column import arrow_type
from shahrdad.validators.plan import Plan
from shahrdad.validators.reference import caster
from shahrdad.validators.rules.tolerance import printed_decimals

ROW = "_row"
MEMORY_BYTES_MAX = 64 << 20  # more goes to a file that is mapped, not loaded
EXACT = pa.decimal128(38, 18)  # numbers are summed exactly, floats are not
_PLAIN = r"^[+-]?[0-9]{1,20}(\.[0-9]{1,18})?$"


class Tee:
    """Gathers columns of the judged rows.

    Args:
        plan: The schema.
        names: The columns.
        mark: The decimal mark of the file, for decimals as printed.
        counted: Whether a rule counts rows without a look at any column.
    """

    def __init__(
        self, plan: Plan, names: set[str], mark: str, *, counted: bool
    ) -> None:
        self._fields = {f.name: f for f in plan.fields}
        self.names = [f.name for f in plan.fields if f.name in names]
        self._mark = mark
        self._asked = counted or bool(self.names)
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._map: pa.MemoryMappedFile | None = None
        self.invalid: dict[str, int] = {}
        self._decimals: dict[str, tuple[int | None, bool]] = {}
        self.schema = pa.schema(
            [pa.field(ROW, pa.int64())]
            + [pa.field(name, self._type(name)) for name in self.names]
        )

    def _type(self, name: str) -> pa.DataType:
        type_ = arrow_type(self._fields[name])
        if pa.types.is_floating(type_):
            return EXACT
        return pa.string() if pa.types.is_nested(type_) else type_

    def add(self, frame: Frame) -> None:
        """Keep the columns of a batch."""
        for name, mask in frame.invalid.items():
            self.invalid[name] = self.invalid.get(name, 0) + int(mask.sum())
        if not self._asked:
            return
        arrays = [pa.array(frame.rows)]
        for name in self.names:
            field = self._fields[name]
            values = frame.values[name]
            if field.kind == "money" or field.type == "number":
                self._note_decimals(name, frame)
            if pa.types.is_floating(values.type):
                values = _exact(values, frame.texts.get(name), caster(field))
            elif pa.types.is_nested(values.type):
                values = frame.texts.get(name, pa.nulls(len(values), pa.string()))
            arrays.append(values)
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        self._keep(batch)

    def _keep(self, batch: pa.RecordBatch) -> None:
        self._bytes += batch.nbytes
        if self._writer is None and self._bytes <= MEMORY_BYTES_MAX:
            self._batches.append(batch)
            return
        if self._writer is None:
            self._folder = tempfile.TemporaryDirectory(prefix="shahrdad-rules-")
            path = Path(self._folder.name) / "rows.arrow"
            self._writer = pa.ipc.new_file(str(path), self.schema)
            for kept in self._batches:
                self._writer.write_batch(kept)
            self._batches = []
        self._writer.write_batch(batch)

    def _note_decimals(self, name: str, frame: Frame) -> None:
        """Note the fewest decimals, as printed, among the cells that are not zero."""
        cells = frame.raw.get(name)
        if cells is None:
            return
        fewest, some = self._decimals.get(name, (None, False))
        if fewest == 0 and some:
            return
        marked = as_mask(pc.match_substring_regex(cells, r"[.,/٫]").fill_null(False))
        if not marked.any():
            plain = pc.any(pc.match_substring_regex(cells, "[1-9۱-۹١-٩]")).as_py()
            self._decimals[name] = (0 if plain else fewest, some)
            return
        for text in cells.filter(mask_array(marked)).unique().to_pylist():
            found = printed_decimals(text, self._mark)
            if found is not None:
                fewest = found if fewest is None else min(fewest, found)
                some = some or found > 0
        rest = cells.filter(mask_array(~marked))
        if pc.any(pc.match_substring_regex(rest, "[1-9۱-۹١-٩]")).as_py():
            fewest = 0
        self._decimals[name] = (fewest, some)

    def receive(
        self,
        batches: Iterable[pa.RecordBatch],
        invalid: Mapping[str, int],
        decimals: Mapping[str, tuple[int | None, bool]],
    ) -> None:
        """Keep what another pass gathered of the rows that follow."""
        for batch in batches:
            self._keep(batch)
        for name, count in invalid.items():
            self.invalid[name] = self.invalid.get(name, 0) + count
        for name, (fewest, some) in decimals.items():
            before, any_before = self.decimals(name)
            known = [found for found in (before, fewest) if found is not None]
            self._decimals[name] = (min(known, default=None), some or any_before)

    def decimals(self, name: str) -> tuple[int | None, bool]:
        """Return the fewest decimals of a column and whether any cell has decimals."""
        return self._decimals.get(name, (None, False))

    def table(self) -> pa.Table:
        """Return everything that was kept; column `_row` holds the row numbers."""
        if self._writer is None or self._folder is None:
            return pa.Table.from_batches(self._batches, self.schema)
        self._writer.close()
        self._map = pa.memory_map(str(Path(self._folder.name) / "rows.arrow"))
        return pa.ipc.open_file(self._map).read_all()

    def close(self) -> None:
        """Remove the file."""
        if self._map is not None:
            self._map.close()
        if self._folder is not None:
            self._folder.cleanup()


def _exact(values: pa.Array, texts: pa.StringArray | None, cast: Any) -> pa.Array:
    """Return numbers as decimals: what the text says, not its float."""
    if texts is None:
        return pa.nulls(len(values), EXACT)
    valid = as_mask(values.is_valid())
    plain = as_mask(pc.match_substring_regex(texts, _PLAIN).fill_null(False)) & valid
    # Never more than 20 + 18 digits: pyarrow returns garbage for longer texts.
    exact = pc.if_else(mask_array(plain), texts, pa.scalar(None, pa.string())).cast(
        EXACT
    )
    other = np.flatnonzero(valid & ~plain)
    if not len(other):
        return exact
    found = exact.to_pylist()
    for index in other.tolist():
        number = cast(texts[index].as_py())
        if number.is_finite() and abs(number) < 10**20:
            found[index] = round(number, 18)
    return pa.array(found, EXACT)


class TableValues:
    """A whole table as conditions see it."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def column(self, name: str) -> pa.Array:
        """Return a column as one array."""
        from shahrdad.validators.rules.conditions import MalformedError

        if name not in self._table.column_names:
            raise MalformedError(f"column {name}")
        return self._table.column(name).combine_chunks()


Flags = npt.NDArray[np.bool_]

__all__ = ["EXACT", "ROW", "TableValues", "Tee"]
