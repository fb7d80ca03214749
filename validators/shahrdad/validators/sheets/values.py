"""Values of spreadsheets as text, and how their file stored them.

>>> [text_of(value)[0] for value in (1250.0, 0.1, True, None)]
['1250', '0.1', 'true', '']
"""

import datetime as dt
from decimal import Decimal
from typing import Any

from shahrdad.validators.text_table import CellKind

EXACT_DIGITS = 15  # what a spreadsheet shows of a number with decimals
INTEGRAL_MAX = 10.0**15


class ErrorCell(str):
    """The name of an error that stands in a cell, such as `#REF!`."""

    __slots__ = ()


class PercentCell(float):
    """A number that its sheet shows as a percentage."""

    __slots__ = ()


def text_of(value: Any) -> tuple[str, CellKind]:
    """Return a value as text, and how its file stored it.

    A number with decimals is given with the fifteen digits that a spreadsheet shows.
    """
    kind = type(value)
    if kind is str:
        return value, CellKind.TEXT
    if kind is float or kind is int or kind is PercentCell:
        stored = CellKind.PERCENT if kind is PercentCell else CellKind.NUMBER
        return number_text(float(value) if kind is PercentCell else value), stored
    if kind is bool:
        return ("true" if value else "false"), CellKind.BOOLEAN
    if kind is ErrorCell:
        return str(value), CellKind.ERROR
    if value is None:
        return "", CellKind.EMPTY
    if kind is dt.date:
        return value.isoformat(), CellKind.DATE
    if kind is dt.datetime:
        if value.time() == dt.time():
            return value.date().isoformat(), CellKind.DATE
        return value.isoformat(), CellKind.DATETIME
    if kind is dt.time or kind is dt.timedelta:
        return str(value), CellKind.DATETIME
    return str(value), CellKind.TEXT


def number_text(value: float) -> str:
    """Return a number as a spreadsheet shows it, without an exponent."""
    if isinstance(value, int):
        return str(value)
    if value.is_integer():
        if abs(value) < INTEGRAL_MAX:
            return str(int(value))
        return format(Decimal(repr(value)).to_integral_value(), "f")
    text = repr(value)
    if sum(map(str.isdigit, text.partition("e")[0].lstrip("-0."))) > EXACT_DIGITS:
        text = f"{value:.{EXACT_DIGITS}g}"
    return format(Decimal(text), "f") if text[-1].isdigit() else text


__all__ = ["INTEGRAL_MAX", "ErrorCell", "PercentCell", "number_text", "text_of"]
