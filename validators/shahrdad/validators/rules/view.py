"""A batch as one row rule sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from shahrdad.validators.frames import Frame
from shahrdad.validators.kernels.cells import Mask, as_mask
from shahrdad.validators.reference import caster
from shahrdad.validators.rules.conditions import MalformedError
from shahrdad.validators.rules.tolerance import number, step_of

Describe = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Hits:
    """Rows that violate a rule.

    Attributes:
        mask: Which of the batch's rows.
        column: The column that the finding points to.
        describe: What the sentence speaks of, by the row's index in the batch.
        severity: Instead of the rule's, where a rule lowers its own.
        masked: Whether the cell's text must not be shown whole.
    """

    mask: Mask
    column: str | None = None
    describe: Describe = lambda _: {}
    severity: str | None = None
    masked: bool = False


class View:
    """The columns of one batch, and the rows that a rule judges.

    Attributes:
        judged: Rows that `where` chose and whose needed cells are valid.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.judged: Mask = np.ones(len(frame.rows), bool)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.frame.rows)

    def column(self, name: str) -> pa.Array:
        """Return the typed values of a column.

        Raises:
            MalformedError: No such column.
        """
        if name not in self.frame.values:
            raise MalformedError(f"column {name}")
        return self.frame.values[name]

    def texts(self, name: str) -> pa.StringArray:
        """Return the texts that were checked; null for a column that the file lacks."""
        found = self.frame.texts.get(name)
        return pa.nulls(len(self), pa.string()) if found is None else found

    def given(self, name: str) -> Mask:
        """Return where a column has a value."""
        return as_mask(self.column(name).is_valid())

    def value(self, name: str, index: int) -> Any:
        """Return one typed value; a number exactly, as a Decimal."""
        scalar = self.column(name)[index].as_py()
        if isinstance(scalar, float):
            field = self.frame.fields.get(name)
            text = self.texts(name)[index].as_py()
            return (
                number(scalar)
                if field is None or text is None
                else Decimal(caster(field)(text))
            )
        return scalar

    def exact(self, name: str, index: int) -> Decimal:
        """Return one number exactly."""
        return number(self.value(name, index))

    def step(self, names: list[str], index: int, mark: str, factor: int) -> Decimal:
        """Return the rounding step of the compared cells of a row, as printed."""
        raw = self.frame.raw
        money = any(
            field is not None and field.kind == "money"
            for field in (self.frame.fields.get(name) for name in names)
        )
        texts = [raw[name][index].as_py() or "" for name in names if name in raw]
        return step_of(texts, mark, factor if money else 1)


__all__ = ["Describe", "Hits", "View"]
