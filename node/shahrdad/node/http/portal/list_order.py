"""The order of a list: by a column of the address, else the list's own.

A page of a list begins after the last key of the page before, and a cursor holds keys
as JSON; so a key is made of numbers and texts alone, and what is empty comes last.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from shahrdad.datasets.alphabet import sort_key
from shahrdad.datasets.standards import load

Key = tuple[Any, ...]


def sorts(family: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the orders that an address may name; `-` puts the largest first.

    >>> sorts("projects", ["title_fa", "budget_rial"])
    ('title_fa', 'budget_rial', '-budget_rial')
    """
    found = []
    for name in columns:
        found.append(name)
        if load(family).field(name).type != "string":
            found.append(f"-{name}")
    return tuple(found)


def key_of(value: Any, *, largest_first: bool) -> Key:
    """Return where a cell stands among the others of its column."""
    if isinstance(value, str):
        return 0, sort_key(value).hex()
    if isinstance(value, list):
        return 0, sort_key(" ".join(map(str, value))).hex()
    sign = -1 if largest_first else 1
    if isinstance(value, date):
        return 0, sign * value.toordinal()
    return (1, 0) if value is None else (0, sign * value)


def next_sort(family: str, name: str, now: str) -> str:
    """Return what the head of a column sorts by: numbers by the largest first."""
    if load(family).field(name).type == "string":
        return name
    return name if now == f"-{name}" else f"-{name}"
