"""Money in whole rials: a declared unit, exact decimal arithmetic.

Every factor is a power of ten, so a column is converted by moving the decimal point of
its texts; no cell passes through a float.

>>> to_rial(Decimal("2266.1"), "milliard_toman")
Rial(value=22661000000000, reason=None)
>>> to_rial(Decimal("0.5"), "rial").reason
'fraction'
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.codelists import code_list
from shahrdad.validators.kernels.digits import whole_numbers
from shahrdad.validators.normalise.digits import to_persian

RIAL_MAX = 2**63 - 1  # int64
RIAL_MIN = -(2**63)


@dataclass(frozen=True, slots=True)
class Rial:
    """An amount in rial.

    Attributes:
        value: Whole rials; None when refused.
        reason: `fraction` or `overflow`; None when not refused.
    """

    value: int | None = None
    reason: str | None = None


@cache
def units() -> dict[str, int]:
    """Return the exponent of ten of each unit's rial factor, by unit."""
    exponents = {}
    for row in code_list("money_units").rows:
        exponent = len(row["rial_factor"]) - 1
        if int(row["rial_factor"]) != 10**exponent:
            raise ValueError(f"the factor of {row['unit']} is no power of ten")
        exponents[row["unit"]] = exponent
    return exponents


def currency_of(unit: str) -> str:
    """Return `rial` or `toman`, what the amounts of a unit are counted in."""
    return "toman" if "toman" in unit or unit == "hemmat" else "rial"


def agrees(word: str | None, unit: str) -> bool:
    """Tell whether the currency word behind a number is the declared unit."""
    return word is None or word == unit


def to_rial(value: Decimal, unit: str) -> Rial:
    """Convert an amount exactly.

    Raises:
        KeyError: unknown unit (a mistake of the caller).
    """
    scaled = value.scaleb(units()[unit])
    if scaled != scaled.to_integral_value():
        return Rial(reason="fraction")
    amount = int(scaled)
    if not RIAL_MIN <= amount <= RIAL_MAX:
        return Rial(reason="overflow")
    return Rial(amount)


def column_to_rial(
    column: pa.StringArray, unit: str
) -> tuple[pa.StringArray, npt.NDArray[np.bool_]]:
    """Convert the plain amounts of a column.

    Args:
        column: n cells; the plain ones are `-?digits[.digits]` in ASCII.
        unit: The declared unit.

    Returns:
        n texts of whole rials, and n flags: true where the text is certain. Where
        false, the cell is to be judged by `to_rial`.
    """
    exponent = units()[unit]
    values = whole_numbers(column)
    if values is not None and not exponent:
        return pc.if_else(values.is_valid(), column, None), np.asarray(
            values.is_valid()
        )
    if values is not None:
        try:
            rial = pc.multiply_checked(values, pa.scalar(10**exponent, pa.int64()))
        except pa.ArrowInvalid:
            rial = None
        if rial is not None:
            return rial.cast(pa.string()), np.asarray(pc.is_valid(values))
    parts = pc.extract_regex(
        column,
        rf"^(?P<w>-?[0-9]{{1,{18 - exponent}}})(?:\.(?P<f>[0-9]{{0,{exponent}}}))?$"
        if exponent < 18
        else r"^(?P<w>-?[0-9])(?P<f>)$",
    )
    sure = np.asarray(pc.fill_null(pc.is_valid(parts), False))
    whole, fraction = pc.struct_field(parts, "w"), pc.struct_field(parts, "f")
    padded = (
        pc.ascii_rpad(fraction, width=exponent, padding="0") if exponent else fraction
    )
    joined = pc.binary_join_element_wise(whole, padded, "")
    numbers = pc.if_else(pc.is_valid(parts), joined, None).cast(pa.int64())
    return numbers.cast(pa.string()), sure


def worked_row(value: Decimal, unit: str) -> str:
    """Return the line that a person confirms: an amount in its unit, and in rial.

    >>> worked_row(Decimal("2266.1"), "milliard_toman")
    '۲٬۲۶۶٫۱ میلیارد تومان = ۲۲٬۶۶۱٬۰۰۰٬۰۰۰٬۰۰۰ ریال'
    """
    amount = to_rial(value, unit).value
    shown = f"{value:,f}".replace(",", "٬").replace(".", "٫")
    rial = "؟" if amount is None else f"{amount:,}".replace(",", "٬")
    label = code_list("money_units").label(unit, "fa")
    return to_persian(f"{shown} {label} = {rial} ریال")
