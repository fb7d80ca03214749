"""The row, or the rows, in which a table names its columns.

The header is the first row of which 60 % and at least two filled cells name fields.
Rows above it are titles. A header of several rows is joined, merged cells filled
across; a second row of machine names, as the templates have it, belongs to the header
too.

>>> rows = [["بودجه شهر", ""], ["کد ردیف", "شرح ردیف"], ["1", "a"]]
>>> found = find(rows, FIELDS_OF_EXAMPLE)
>>> found.rows, found.labels
((2,), ('کد ردیف', 'شرح ردیف'))
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shahrdad.datasets.standards import Field, load
from shahrdad.validators import matching
from shahrdad.validators.normalise import numbers

FIELDS_OF_EXAMPLE = load("budget_lines").fields
SHARE_MIN = 0.6
CELLS_MIN = 2
DEPTH_MAX = 3

Row = Sequence[str]
Merged = Sequence[tuple[tuple[int, int], tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a table.

    Attributes:
        rows: Numbers of its rows, from 1.
        labels: One label for each column, "" where it has none.
        last: The last row before the data: that of a repeated header in machine names.
        share: Share of the filled labels that name a field.
    """

    rows: tuple[int, ...]
    labels: tuple[str, ...]
    last: int
    share: float = 1.0


def declared(
    rows: Sequence[Row], numbers_: Sequence[int], merged: Merged = ()
) -> Header:
    """Take the rows that were declared.

    Args:
        rows: The first rows of the table.
        numbers_: Numbers of the header's rows, from 1, adjacent.
        merged: Merged ranges, rows and columns from 1.

    Raises:
        IndexError: the table has no such row.
    """
    return Header(tuple(numbers_), join(rows, numbers_, merged), numbers_[-1])


def join(
    rows: Sequence[Row], numbers_: Sequence[int], merged: Merged = ()
) -> tuple[str, ...]:
    """Join the rows of a header with a space, merged cells filled across."""
    width = max(len(rows[number - 1]) for number in numbers_)
    filled = [_filled(rows[number - 1], number, width, merged) for number in numbers_]
    if len(filled) > 1:
        filled = [_across(row, filled[-1]) for row in filled[:-1]] + filled[-1:]
    return tuple(
        " ".join(dict.fromkeys(part for part in column if part)).strip()
        for column in zip(*filled, strict=True)
    )


def _filled(row: Row, number: int, width: int, merged: Merged) -> list[str]:
    """Return a row of one width, each merged cell filled over its range."""
    cells = [_one_line(cell) for cell in row] + [""] * (width - len(row))
    for (top, left), (bottom, right) in merged:
        if top == number and left <= width:
            for column in range(left, min(right, width) + 1):
                cells[column - 1] = cells[left - 1]
        elif top < number <= bottom:
            # The lower part of a cell merged downwards has its text in the row above.
            for column in range(left, min(right, width) + 1):
                cells[column - 1] = ""
    return cells


def _across(upper: list[str], lower: list[str]) -> list[str]:
    """Fill an upper row to the right over columns that only the row below names."""
    cells = list(upper)
    for at in range(1, len(cells)):
        if not cells[at] and lower[at] and lower[at - 1] and cells[at - 1]:
            cells[at] = cells[at - 1]
    return cells


def _one_line(cell: str) -> str:
    return " ".join(cell.split())


def share_of(labels: Sequence[str], fields: Sequence[Field]) -> tuple[float, int]:
    """Return the share of filled labels that name a field, and their number.

    A label counts fully when it is certain; a mere proposal counts half.
    """
    filled = [label for label in labels if label]
    if not filled:
        return 0.0, 0
    matches = matching.match(filled, fields)
    certain = sum(one.state == "certain" for one in matches)
    proposed = sum(one.state == "proposed" for one in matches)
    return (certain + 0.5 * proposed) / len(filled), certain + proposed


def find(
    rows: Sequence[Row], fields: Sequence[Field], merged: Merged = ()
) -> Header | None:
    """Find the header among the first rows; None where no row names the fields."""
    for number in range(1, len(rows) + 1):
        best: Header | None = None
        for depth in range(1, DEPTH_MAX + 1):
            numbers_ = range(number, number + depth)
            if numbers_[-1] > len(rows) or not all(
                _is_text(rows[n - 1]) for n in numbers_
            ):
                break
            labels = join(rows, numbers_, merged)
            share, named = share_of(labels, fields)
            if share < SHARE_MIN or named < min(CELLS_MIN, len(fields)):
                continue
            if (
                best is None
                or share * len(labels) > best.share * len(best.labels) + 0.5
            ):
                best = Header(tuple(numbers_), labels, numbers_[-1], share)
        if best is not None:
            return _with_names_below(
                rows, _without_titles(rows, best, fields, merged), fields
            )
    return None


def _without_titles(
    rows: Sequence[Row], header: Header, fields: Sequence[Field], merged: Merged
) -> Header:
    """Drop upper rows without which as many labels name a field: they are titles."""
    while len(header.rows) > 1:
        numbers_ = header.rows[1:]
        labels = join(rows, numbers_, merged)
        share, named = share_of(labels, fields)
        if named < share_of(header.labels, fields)[1] or share < header.share:
            return header
        header = Header(numbers_, labels, header.last, share)
    return header


def _is_text(row: Row) -> bool:
    """Tell whether a row may be part of a header: it has texts, and few numbers."""
    filled = [cell for cell in row if cell.strip()]
    figures = sum(numbers.parse(cell).value is not None for cell in filled)
    return bool(filled) and figures <= len(filled) // 3


def _with_names_below(
    rows: Sequence[Row], header: Header, fields: Sequence[Field]
) -> Header:
    """Take a row of machine names right below into the header."""
    if header.last >= len(rows):
        return header
    names = {field.name for field in fields}
    below = [cell.strip() for cell in rows[header.last] if cell.strip()]
    if len(below) >= CELLS_MIN and sum(cell in names for cell in below) >= 0.9 * len(
        below
    ):
        return Header(
            (*header.rows, header.last + 1),
            header.labels,
            header.last + 1,
            header.share,
        )
    return header


def nearest(rows: Sequence[Row], fields: Sequence[Field]) -> str:
    """Return the rows that come nearest to a header, for the error."""
    ranked = sorted(
        (
            (share_of([_one_line(cell) for cell in row], fields)[0], -number)
            for number, row in enumerate(rows, start=1)
        ),
        reverse=True,
    )
    return ", ".join(
        f"{-number} ({share:.0%})" for share, number in ranked[:3] if share > 0
    )
