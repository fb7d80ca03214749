"""Squarified treemaps in whole units (Bruls, Huizing, van Wijk 2000).

Aspect ratios are compared by cross multiplication and edges by cumulative sums, so
equal amounts give the same drawing on every machine, and the boxes fill the frame.

>>> from shahrdad.node.http.portal.treemap import squarify
>>> [(box.x, box.y, box.width, box.height) for box in squarify([3, 1], 8, 4)]
[(0, 0, 6, 4), (6, 0, 2, 4)]
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in whole units; x grows with the direction of writing."""

    x: int
    y: int
    width: int
    height: int


def squarify(values: Sequence[int], width: int, height: int) -> list[Box]:
    """Return a box for each value, its area in proportion.

    Args:
        values: Above 0, the largest first.
        width: Of the frame.
        height: Of the frame.
    """
    boxes: list[Box] = []
    x, y = 0, 0
    rest = list(values)
    while rest:
        left, whole = (width - x, height - y), sum(rest)
        count = row_length(rest, whole, left)
        row, rest = rest[:count], rest[count:]
        thick = thickness(sum(row), whole, max(left))
        if left[0] >= left[1]:
            boxes += [
                Box(x, y + at, thick, long) for at, long in edges(row, height - y)
            ]
            x += thick
        else:
            boxes += [Box(x + at, y, long, thick) for at, long in edges(row, width - x)]
            y += thick
    return boxes


def row_length(values: Sequence[int], whole: int, left: tuple[int, int]) -> int:
    """Return how many values stand side by side along the shorter edge."""
    best = 1
    for count in range(2, len(values) + 1):
        if not better(values[:count], values[: count - 1], whole, left):
            break
        best = count
    return best


def better(
    longer: Sequence[int], shorter: Sequence[int], whole: int, left: tuple[int, int]
) -> bool:
    """Tell whether the worst box of a longer row is nearer to a square."""
    a, b = worst(longer, whole, left), worst(shorter, whole, left)
    return a[0] * b[1] <= b[0] * a[1]


def worst(row: Sequence[int], whole: int, left: tuple[int, int]) -> tuple[int, int]:
    """Return the largest aspect ratio in a row, as numerator and denominator.

    With area A of the frame, side s and row sum S, a value v has the ratio
    max(s²v·W/(S²·A), S²·A/(s²v·W)), where W is the whole.
    """
    side, area = min(left), left[0] * left[1]
    total = sum(row)
    scale, square = side * side * whole, total * total * area
    wide = (scale * max(row), square)
    tall = (square, scale * min(row))
    return wide if wide[0] * tall[1] >= tall[0] * wide[1] else tall


def thickness(part: int, whole: int, long: int) -> int:
    """Return how far a row reaches into the frame."""
    return long if part == whole else (2 * part * long + whole) // (2 * whole)


def edges(row: Sequence[int], long: int) -> list[tuple[int, int]]:
    """Return start and length of each value along an edge."""
    total, before = sum(row), 0
    found = []
    for value in row:
        start, end = before * long // total, (before + value) * long // total
        found.append((start, end - start))
        before += value
    return found
