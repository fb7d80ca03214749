"""Jalali days convert both ways, and date texts are read by the grammar alone."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets import jalali
from shahrdad.datasets.errors import DataError, Reason
from shared_data import SHARED, needs_shared

DAYS = st.dates(date(1921, 3, 21), date(2100, 12, 31))
REASONS = {
    "no-such-day": Reason.DATE_NO_SUCH_DAY,
    "two-digit-year": Reason.DATE_TWO_DIGIT_YEAR,
    "year-out-of-range": Reason.DATE_YEAR_OUT_OF_RANGE,
    "mixed-separators": Reason.DATE_NOT_READ,
    "excel-serial": Reason.DATE_NOT_READ,
    "date-time": Reason.DATE_NOT_READ,
    "not-a-date": Reason.DATE_NOT_READ,
    "day-first": Reason.DATE_NOT_READ,
}


@pytest.mark.parametrize(
    ("parts", "day"),
    [
        ((1300, 1, 1), date(1921, 3, 21)),
        ((1403, 12, 30), date(2025, 3, 20)),
        ((1404, 1, 1), date(2025, 3, 21)),
        ((1404, 6, 31), date(2025, 9, 22)),
    ],
)
def test_known_days(parts: tuple[int, int, int], day: date) -> None:
    """Days whose dates in both calendars are known."""
    assert day == jalali.to_gregorian(*parts)
    assert parts == jalali.from_gregorian(day)


@given(DAYS)
@settings(max_examples=200)
def test_conversion_is_a_round_trip(day: date) -> None:
    """No day is lost or moved, in numbers or in any of the texts."""
    assert day == jalali.to_gregorian(*jalali.from_gregorian(day))
    for text in (
        jalali.format_iso(day),
        jalali.format_fa(day),
        jalali.format_long(day),
    ):
        assert day == jalali.parse_date_either(text).date
    assert day == jalali.parse_date_either(day.isoformat()).date


@given(DAYS)
@settings(max_examples=200)
def test_months_follow_each_other(day: date) -> None:
    """The day after the last of a month is the first of the next."""
    year, month, _ = jalali.from_gregorian(day)
    last = jalali.to_gregorian(year, month, jalali.month_days(year, month))

    assert 1 == jalali.from_gregorian(last + timedelta(days=1))[2]


def test_leap_years() -> None:
    """Esfand has 30 days in these years of the cycle."""
    leap = [year for year in range(1391, 1415) if jalali.is_leap(year)]

    assert [1391, 1395, 1399, 1403, 1408, 1412] == leap


def test_months_and_weekdays_have_names() -> None:
    """Both languages, twelve and seven."""
    assert 12 == len(jalali.MONTHS_FA) == len(jalali.MONTHS_EN)
    assert 7 == len(jalali.WEEKDAYS_FA) == len(jalali.WEEKDAYS_EN)
    assert "31 Shahrivar 1404" == jalali.format_long(date(2025, 9, 22), "en")


def test_the_source_text_has_a_wrong_weekday() -> None:
    """29 August 2025 is Friday, 7 Shahrivar; the news text says Friday, the eighth."""
    written = jalali.parse_date_either("جمعه ۸ شهریور ۱۴۰۴")

    assert date(2025, 8, 30) == written.date
    assert written.weekday_mismatch
    assert not jalali.parse_date_either("جمعه ۷ شهریور ۱۴۰۴").weekday_mismatch


@needs_shared
def test_the_vectors_of_the_grammar() -> None:
    """Every case that needs no declared century, order or calendar."""
    cases = json.loads((SHARED / "vectors/persian/dates.json").read_text("utf-8"))[
        "cases"
    ]
    checked = 0
    for case in cases:
        if "century" in case or "order" in case:
            continue
        if "calendar" in case.get("reject", "") or "column" in case.get("reject", ""):
            continue
        checked += 1
        if "reject" in case:
            with pytest.raises(DataError) as caught:
                jalali.parse_date_either(case["in"])
            assert REASONS[case["reject"]] == caught.value.reason, case["in"]
        else:
            parsed = jalali.parse_date_either(case["in"])
            assert case["value"] == parsed.date.isoformat(), case["in"]
            assert parsed.weekday_mismatch == ("warnings" in case)

    assert 25 <= checked
