"""What a kernel answers: typed values, and which cells it is not sure of.

A kernel MUST NOT call a cell invalid; what it is not sure of goes to the reference.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shahrdad.validators.kernels.cells import Mask, valid_mask


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for n cells.

    Attributes:
        values: n typed values; null where the cell was null or the kernel is not sure.
        unsure: The cells that the reference must read, or None for none.
    """

    values: pa.Array
    unsure: Mask | None = None


Kernel = Callable[[pa.StringArray], Answer]


def all_unsure(cells: pa.StringArray, type_: pa.DataType) -> Answer:
    """Return the answer that leaves every cell that is not null to the reference."""
    valid = valid_mask(cells)
    unsure = np.ones(len(cells), bool) if valid is None else valid
    return Answer(pa.nulls(len(cells), type_), unsure if unsure.any() else None)


def both(first: Mask | None, second: Mask | None) -> Mask | None:
    """Return the union of two masks, either of which may be None."""
    if first is None or second is None:
        return second if first is None else first
    return first | second


def any_of(mask: Mask) -> Mask | None:
    """Return a mask, or None when nothing is set."""
    return mask if mask.any() else None


__all__ = ["Answer", "Kernel", "all_unsure", "any_of", "both"]
