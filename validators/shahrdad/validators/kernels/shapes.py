"""Patterns of a fixed number of characters, judged on the bytes of a whole column.

`[A-Z]{2}-[0-9]{4}` says what byte stands at each place. Where every cell has that
length, a few comparisons of whole columns settle all cells; anything else is left to
RE2.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.validators.kernels.cells import data, lengths, valid_mask

_PART = re.compile(
    r"(?:\[(?P<set>(?:[A-Za-z0-9](?:-[A-Za-z0-9])?|[_./])+)\]|(?P<digit>\\d)"
    r"|(?P<literal>[A-Za-z0-9"
    r" _:;,<>=!@#%&~/'\"-]|\\[.\-/]))(?:\{(?P<count>[0-9]{1,3})\})?"
)
BYTES_MAX = 64  # longer shapes are left to RE2


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring places of a shape at which the same bytes may stand.

    Attributes:
        start, stop: The places.
        low, high: The bytes' bounds; `gaps` when not all between them may stand.
        allowed: For each byte whether it may stand.
    """

    start: int
    stop: int
    low: int
    high: int
    gaps: bool
    allowed: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shape:
    """A pattern as places and bytes."""

    length: int
    runs: tuple[Run, ...]

    def all_match(self, cells: pa.StringArray) -> bool:
        """Return whether every cell that is not null surely has the shape."""
        sizes = lengths(cells)
        valid = valid_mask(cells)
        count = len(sizes) if valid is None else int(valid.sum())
        if not count:
            return True
        fits = sizes == self.length
        if valid is not None:
            fits = np.where(valid, fits, sizes == 0)  # a null must have no bytes
        if not fits.all():
            return False
        content = data(cells)
        if len(content) != count * self.length:
            return False
        table = content.reshape(count, self.length)
        return all(_holds(run, table) for run in self.runs)


def _holds(run: Run, table: npt.NDArray[np.uint8]) -> bool:
    block = table[:, run.start : run.stop]
    if run.gaps:
        return bool(run.allowed[block].all())
    # Unsigned: what is below the lowest byte becomes large.
    return bool((block - np.uint8(run.low)).max() <= run.high - run.low)


def shape_of(pattern: str) -> Shape | None:
    """Return the shape of a pattern; None where it has none."""
    runs: list[Run] = []
    place = at = 0
    while at < len(pattern):
        found = _PART.match(pattern, at)
        if found is None:
            return None
        at = found.end()
        allowed = _allowed(found)
        count = int(found["count"]) if found["count"] is not None else 1
        if count:
            codes = np.flatnonzero(allowed)
            low, high = int(codes[0]), int(codes[-1])
            gaps = len(codes) != high - low + 1
            runs.append(Run(place, place + count, low, high, gaps, allowed))
        place += count
        if place > BYTES_MAX:
            return None
    return Shape(place, tuple(runs)) if runs else None


def _allowed(found: re.Match[str]) -> npt.NDArray[np.bool_]:
    allowed = np.zeros(256, bool)
    if found["digit"] is not None:
        allowed[0x30:0x3A] = True
    elif found["literal"] is not None:
        allowed[ord(found["literal"][-1])] = True
    else:
        text = found["set"]
        for first, last in re.findall(r"([A-Za-z0-9_./])(?:-([A-Za-z0-9]))?", text):
            allowed[ord(first) : ord(last or first) + 1] = True
    return allowed


__all__ = ["Shape", "shape_of"]
