"""The number grammar and amounts in words, against the vectors."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.validators.normalise import amount_words, numbers
from shahrdad.validators.normalise.digits import to_persian
from shared_data import SHARED, needs_shared


def load(name: str) -> list[dict[str, Any]]:
    """Return the cases of one file of vectors."""
    cases: list[dict[str, Any]] = json.loads(
        (SHARED / "vectors" / "persian" / name).read_text("utf-8")
    )["cases"]
    return cases


@needs_shared
def test_numbers_of_the_vectors() -> None:
    """Every vector is its value, or is refused for its reason."""
    cases = load("numbers.json")

    assert 49 == len(cases)
    for case in cases:
        found = numbers.parse(
            case["in"],
            money=case.get("money", False),
            percent=case.get("percent", False),
            decimal=case.get("decimal", "."),
        )
        assert case.get("reject") == found.reason, case
        if "value" in case:
            assert case["value"] == found.text, case
            assert case.get("unit") == found.unit, case


@needs_shared
def test_amounts_of_the_vectors() -> None:
    """Headline amounts are read with their scales and units."""
    cases = load("amount_words.json")

    assert 10 == len(cases)
    for case in cases:
        found = amount_words.parse(case["in"])
        assert case.get("reject") == found.reason, case
        if "value" in case:
            assert Decimal(case["value"]) == found.value, case
            assert case.get("unit") == found.unit, case


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (".5", "not-a-number"),
        ("5.", "not-a-number"),
        ("25/00/000", "bad-grouping"),
        ("--5", "double-sign"),
        ("(5)-", "double-sign"),
        ("5-5", "not-a-number"),
        ("1,234.5.6", "mixed-separators"),
        ("770/000/000.5", "mixed-separators"),
        ("NaN", "not-a-number"),
        ("-", "not-a-number"),
        ("()", "not-a-number"),
        ("1\n2", "not-a-number"),
        ("5%%", "percent-sign"),
        ("1" * 25, "too-long"),
    ],
)
def test_what_is_no_number(text: str, reason: str) -> None:
    """A text that is no number in exactly one way names why."""
    assert reason == numbers.parse(text).reason


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1.234", ",", "1234"),
        ("-1.234,50", ",", "-1234.50"),
        ("0,5", ",", "0.5"),
        ("۱۲٫۵", ",", "12.5"),
        ("1,234/5", "/", "1234.5"),
        ("1" * 24, ".", "1" * 24),
        ("0", ".", "0"),
        ("-0", ".", "0"),
    ],
)
def test_declared_decimal_mark(text: str, decimal: str, value: str) -> None:
    """A declared decimal mark frees the other separators for groups."""
    assert value == numbers.parse(text, decimal=decimal).text


@given(st.decimals(-(10**18), 10**18, places=2))
@settings(max_examples=200, deadline=None)
def test_printed_numbers_are_read(value: Decimal) -> None:
    """A number printed with groups and Persian digits is read as itself."""
    printed = to_persian(f"{value:,f}".replace(",", "٬").replace(".", "٫"))

    assert value == numbers.parse(printed).value


@given(st.text(max_size=10))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_number_or_refused(text: str) -> None:
    """No text raises; a value and a reason exclude each other."""
    found = numbers.parse(text)

    assert (found.value is None) == (found.reason in numbers.REASONS)
