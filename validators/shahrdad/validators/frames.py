"""A batch between its parts: whole as it was read, then as the rules see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.validators.kernels.cells import Mask
from shahrdad.validators.plan import FieldPlan
from shahrdad.validators.text_table import RaggedRow, TextBatch, TextTable


@dataclass(slots=True)
class Frame:
    """One batch as the rules see it; blank rows are not in it.

    Attributes:
        rows: n row numbers.
        values: Typed columns by name, every field of the schema among them; null where
            a cell is empty or wrong.
        texts: What was checked, by name; only of the columns that the file has.
        raw: The texts as written, by name.
        invalid: The wrong cells, by name; only of columns that have some.
        fields: The fields by name.
    """

    rows: npt.NDArray[np.int64]
    values: dict[str, pa.Array]
    texts: dict[str, pa.StringArray]
    raw: dict[str, pa.StringArray]
    invalid: dict[str, Mask]
    fields: Mapping[str, FieldPlan]


class RulesSeat(Protocol):
    """What the pass tells the rules."""

    def batch(self, frame: Frame) -> None:
        """Judge the rows of a batch and keep what table rules need."""


def with_odd_rows(batch: TextBatch, table: TextTable) -> TextBatch:
    """Put ragged and blank rows at their places; what they lack is empty."""
    odd = [*batch.ragged, *(RaggedRow(row, ()) for row in batch.blank)]
    if not odd:
        return batch
    numbers = np.array([row.row for row in odd], np.int64)
    rows = np.concatenate((batch.rows, numbers))
    order = np.argsort(rows, kind="stable")
    indices = pa.array(order)
    columns = []
    for column, origin in zip(batch.columns, table.origins, strict=True):
        texts = [
            row.cells[origin] if origin is not None and origin < len(row.cells) else ""
            for row in odd
        ]
        joined = pa.concat_arrays([column, pa.array(texts, pa.string())])
        columns.append(joined.take(indices))
    extra = np.zeros(len(odd), np.uint8)
    kinds = tuple(
        None if kind is None else np.concatenate((kind, extra))[order]
        for kind in batch.kinds
    )
    return TextBatch(rows[order], tuple(columns), kinds, batch.ragged, batch.blank)


__all__ = ["Frame", "RulesSeat", "with_odd_rows"]
