"""Shares: exact, with the numbers they come from.

>>> from shahrdad.node.analysis.share import Share
>>> Share(3, 95).percent()
Decimal('3.16')
>>> Share(1, 0).percent() is None
True
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole; both are shown wherever the share is."""

    numerator: int
    denominator: int

    def percent(self, places: int = 2) -> Decimal | None:
        """Return it in per cent; None of nothing."""
        if self.denominator == 0:
            return None
        exact = Fraction(100 * self.numerator, self.denominator)
        return rounded(exact, places)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON; the percentage as text, so that it stays exact."""
        percent = self.percent()
        return {
            "numerator": self.numerator,
            "denominator": self.denominator,
            "percent": None if percent is None else f"{percent:f}",
        }


def rounded(value: Fraction, places: int = 0) -> Decimal:
    """Return a fraction as a decimal, half to even."""
    whole = round(value * 10**places)
    return (
        Decimal(whole)
        .scaleb(-places)
        .quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    )


def per(value: int | None, count: int | None, factor: int = 1) -> int | None:
    """Return a value for each of a count, in whole units; None of what is not known."""
    if value is None or not count:
        return None
    return round(Fraction(value * factor, count))
