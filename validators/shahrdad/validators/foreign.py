"""Foreign keys, and the typed tables that they and rules look into.

Up to `IS_IN_MAX` values Arrow's own lookup answers; more are looked up by two
independent 64-bit hashes, since `is_in` builds its table anew on every call.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shahrdad.datasets.errors import RequestError
from shahrdad.validators.kernels.cells import Mask, as_mask
from shahrdad.validators.kernels.column import ColumnReader, arrow_type
from shahrdad.validators.keys import combine, hash_values
from shahrdad.validators.plan import FieldPlan, Plan

IS_IN_MAX = 20_000  # reference values that are looked up without hashes


def schema_of(family: str, plan: Plan) -> Plan | None:
    """Return the schema of a family; None for a table that is no family."""
    if family == plan.name:
        return plan
    from shahrdad.datasets import standards

    try:
        return Plan.of(standards.load(family).schema)
    except RequestError:  # only this family is looked for: reading all takes long
        return None


def read_reference(path: Path, family: str, plan: Plan) -> pa.Table:
    """Read a pinned table, Parquet or CSV in UTF-8.

    Args:
        path: The file; its hash was checked.
        family: Whose schema it has.
        plan: The schema of the table that refers to it.

    Returns:
        A table with typed columns; columns that its schema does not know stay text.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        return pq.read_table(path)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        records = list(csv.reader(lines))
    labels = records[0] if records else []
    schema = schema_of(family, plan)
    columns: dict[str, pa.Array] = {}
    for place, label in enumerate(labels):
        cells = pa.array(
            [row[place] if place < len(row) else None for row in records[1:]],
            pa.string(),
        )
        known = schema.field(label) if schema is not None else None
        field = FieldPlan(label) if known is None else known
        columns[label] = ColumnReader(field).read(cells).values
    if not columns:
        names = [] if schema is None else schema.fields
        return pa.table({f.name: pa.array([], arrow_type(f)) for f in names})
    return pa.table(columns)


class ForeignKey:
    """One foreign key, ready to be looked up.

    Args:
        names: The fields of the key.
        target: Name of the table that is referred to.
        columns: Its columns of the key, in the same order.
        seed: Seed of the hashes of this run.
    """

    def __init__(
        self, names: tuple[str, ...], target: str, columns: list[pa.Array], seed: int
    ) -> None:
        self.names = names
        self.target = target
        self._types = [column.type for column in columns]
        self._seeds = (seed, seed ^ 0x3C6EF372FE94F82B)
        self._values: pa.Array | None = None
        self._hashes: list[npt.NDArray[np.uint64]] = []
        if len(columns) == 1:
            distinct = columns[0].drop_null().unique()
            if len(distinct) <= IS_IN_MAX:
                self._values = distinct
                return
            columns = [distinct]
        first, second = (self._hash(columns, s) for s in self._seeds)
        order = np.argsort(first, kind="stable")
        self._hashes = [first[order], second[order]]

    def _hash(self, columns: list[pa.Array], seed: int) -> npt.NDArray[np.uint64]:
        return combine([hash_values(column, seed) for column in columns], seed)

    def absent(self, values: dict[str, pa.Array], invalid: dict[str, Mask]) -> Mask:
        """Return the rows whose key is not in the reference.

        A key without any value, and one with a wrong cell, is not looked up.
        """
        columns = [
            _as(values[name], type_)
            for name, type_ in zip(self.names, self._types, strict=True)
        ]
        asked: Mask = np.logical_or.reduce(
            [as_mask(column.is_valid()) for column in columns]
        )
        for name in self.names:
            if name in invalid:
                asked &= ~invalid[name]
        if self._values is not None:
            found = as_mask(pc.is_in(columns[0], value_set=self._values))
        else:
            found = self._found(columns)
        asked &= ~found
        return asked

    def hashes(self, columns: list[pa.Array]) -> list[npt.NDArray[np.uint64]]:
        """Return the two hashes of n keys, which other processes compute alike."""
        typed = [
            _as(one, type_) for one, type_ in zip(columns, self._types, strict=True)
        ]
        return [self._hash(typed, seed) for seed in self._seeds]

    def _found(self, columns: list[pa.Array]) -> Mask:
        sorted_first, second_of = self._hashes
        first, second = (self._hash(columns, seed) for seed in self._seeds)
        if not len(sorted_first):
            return np.zeros(len(first), bool)
        places = np.minimum(np.searchsorted(sorted_first, first), len(sorted_first) - 1)
        found: Mask = sorted_first[places] == first
        found &= second_of[places] == second
        return found


def _as(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """Return values in the type of the reference; null where they cannot be of it."""
    if values.type == type_:
        return values
    try:
        return values.cast(type_)
    except pa.ArrowInvalid:
        known = dict(_castable(values, type_))
        return pa.array([known.get(value) for value in values.to_pylist()], type_)


def _castable(values: pa.Array, type_: pa.DataType) -> list[tuple[Any, Any]]:
    pairs: list[tuple[Any, Any]] = []
    for value in values.unique().to_pylist():
        try:
            pairs.append((value, pa.array([value]).cast(type_)[0].as_py()))
        except pa.ArrowInvalid:
            continue
    return pairs


__all__ = ["ForeignKey", "read_reference", "schema_of"]
