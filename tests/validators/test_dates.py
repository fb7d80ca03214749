"""The date grammar, one text and a column at a time."""

import json
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets import jalali
from shahrdad.validators.normalise import dates
from shared_data import SHARED, needs_shared


@needs_shared
def test_dates_of_the_vectors() -> None:
    """Every vector is its day, or is refused for its reason."""
    path = SHARED / "vectors" / "persian" / "dates.json"
    cases = json.loads(path.read_text("utf-8"))["cases"]

    assert 30 == len(cases)
    for case in cases:
        found = dates.parse(
            case["in"],
            calendar=case.get("calendar", "jalali"),
            century=case.get("century"),
            order=case.get("order", "ymd"),
        )
        assert case.get("reject") == found.reason, case
        assert case.get("value") == (found.value and found.value.isoformat()), case
        assert tuple(case.get("warnings", ())) == found.warnings, case


def test_every_day_of_two_centuries() -> None:
    """Every Jalali day from 1300 to 1499 is the day after the one before."""
    texts = [
        f"{year}/{month:02}/{day:02}"
        for year in range(1300, 1500)
        for month in range(1, 13)
        for day in range(1, jalali.month_days(year, month) + 1)
    ]
    days, sure = dates.column_days(pa.array(texts), "jalali")
    first = date(1921, 3, 21).toordinal() - date(1970, 1, 1).toordinal()

    assert sure.all()
    assert list(range(first, first + len(texts))) == days.tolist()


@given(
    st.lists(
        st.from_regex(
            r"(1[3-5]|19|20)[0-9]{2}[/.-][01][0-9][/.-][0-3][0-9]|[0-9]{9}x|",
            fullmatch=True,
        ),
        max_size=8,
    ),
    st.sampled_from(["jalali", "gregorian", "mixed"]),
)
@settings(max_examples=150, deadline=None)
def test_column_agrees_with_text(texts: list[str], calendar: dates.Calendar) -> None:
    """The column form is certain only where the text form gives the same day."""
    days, sure = dates.column_days(pa.array(texts, pa.string()), calendar)

    for text, day, certain in zip(texts, days, sure, strict=True):
        found = dates.parse(text, calendar=calendar).value
        assert certain == (found is not None)
        if found is not None:
            assert found == date(1970, 1, 1) + timedelta(days=int(day))


def test_typed_jalali_is_read_again() -> None:
    """A typed date of the year 1404 is Jalali in a Gregorian type, and warned about."""
    read = dates.parse_typed(date(1404, 6, 8), calendar="jalali")

    assert date(2025, 8, 30) == read.value
    assert ("jalali-stored-as-gregorian",) == read.warnings
    assert (
        "no-such-day" == dates.parse_typed(date(1404, 7, 31), calendar="jalali").reason
    )


def test_typed_date_among_jalali_texts_is_mangled() -> None:
    """1999-12-29 beside Jalali texts is a spreadsheet's reading of 99/12/29."""
    mangled = dates.parse_typed(date(1999, 12, 29), calendar="jalali", jalali_text=True)

    assert "excel-date-mangled" == mangled.reason
    assert (
        date(1999, 12, 29)
        == dates.parse_typed(date(1999, 12, 29), calendar="jalali").value
    )


@pytest.mark.parametrize(
    "text", ["99-Nov", "", "N/A", "1404/1", "شهریور ۱۴۰۴", "8 foo 1404"]
)
def test_what_is_no_date(text: str) -> None:
    """What the grammar does not know is refused, not guessed."""
    assert "not-a-date" == dates.parse(text).reason


@given(st.text(max_size=14))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_date_or_refused(text: str) -> None:
    """No text raises; a value and a reason exclude each other."""
    found = dates.parse(text)

    assert (found.value is None) == (found.reason in dates.REASONS)
