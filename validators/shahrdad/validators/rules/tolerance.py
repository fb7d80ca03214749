"""How far two amounts may differ: printed figures are rounded, arithmetic is exact.

Allowed is the greatest of `abs`, `rel` x |expected| and `rounding` x R. R = 0 when the
unit is rial or toman and no cell has decimals; else (n + 1) / 2 x step, with n addends
and step = unit factor x 10^-d, d the fewest decimals as printed among the compared
cells that are not zero (`standards.md` 5.2).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

_ZERO = frozenset("0.,٫٬/،-+() ")
_ASCII = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")


def printed_decimals(text: str, mark: str = ".") -> int | None:
    """Return the decimals of a number as printed; None for zero and no number.

    >>> [printed_decimals(text) for text in ("1,224.000", "۱۲۰٫۵", "0.000")]
    [3, 1, None]
    """
    plain = text.translate(_ASCII).strip()
    if not plain or set(plain) <= _ZERO or not any(c.isdigit() for c in plain):
        return None
    for sign in {mark, "٫"}:
        if plain.count(sign) == 1:
            tail = plain.rpartition(sign)[2].rstrip(")% ")
            return len(tail) if tail.isdigit() else 0
    return 0


def rounding_step(fewest: int | None, any_decimals: bool, factor: int) -> Decimal:
    """Return the step of the printed figures; 0 where none is rounded."""
    if fewest is None or (factor <= 10 and not any_decimals):
        return Decimal(0)
    return Decimal(factor).scaleb(-fewest)


def step_of(texts: Iterable[str], mark: str, factor: int) -> Decimal:
    """Return the step of some cells as printed."""
    decimals = [
        d for d in (printed_decimals(text, mark) for text in texts) if d is not None
    ]
    return rounding_step(min(decimals, default=None), any(decimals), factor)


def allowed(
    tolerance: Mapping[str, Any] | None, expected: Decimal, addends: int, step: Decimal
) -> Decimal:
    """Return the allowed difference."""
    if not tolerance:
        return Decimal(0)
    bounds = [
        number(tolerance.get("abs", 0)),
        number(tolerance.get("rel", 0)) * abs(expected),
        number(tolerance.get("rounding", 0)) * (addends + 1) / 2 * step,
    ]
    return max(bounds)


def number(value: Any) -> Decimal:
    """Return a number of a rule exactly as it was written."""
    return Decimal(str(value))


__all__ = ["allowed", "number", "printed_decimals", "rounding_step", "step_of"]
