"""Conversion to whole rials."""

from decimal import Decimal

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.validators.normalise import money

UNITS = sorted(money.units())


def test_units_are_those_of_the_list() -> None:
    """Ten units are known, none of them a billion or a trillion."""
    assert 10 == len(UNITS)
    assert (0, 13) == (money.units()["rial"], money.units()["hemmat"])


def test_bounds_of_int64() -> None:
    """The largest amount is that of int64; one more overflows."""
    assert 2**63 - 1 == money.to_rial(Decimal(2**63 - 1), "rial").value
    assert "overflow" == money.to_rial(Decimal(2**63), "rial").reason
    assert "overflow" == money.to_rial(Decimal(10**6), "hemmat").reason


@given(
    st.lists(
        st.one_of(
            st.decimals(-(10**12), 10**12, places=3).map(lambda value: f"{value:f}"),
            st.integers(-(10**20), 10**20).map(str),
            st.sampled_from(["", "-", "x", "1.", "0.0", "-0"]),
        ),
        max_size=8,
    ),
    st.sampled_from(UNITS),
)
@settings(max_examples=120, deadline=None)
def test_column_agrees_with_amount(texts: list[str], unit: str) -> None:
    """Moving the point of a text is the exact multiplication, where it is certain."""
    found, sure = money.column_to_rial(pa.array(texts, pa.string()), unit)

    for text, shown, certain in zip(texts, found.to_pylist(), sure, strict=True):
        if certain:
            assert (
                str(money.to_rial(Decimal(text.removesuffix(".")), unit).value) == shown
            )
