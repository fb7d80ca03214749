"""The strict reader against texts of Data Package v2, type by type."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from shahrdad.validators.plan import FieldPlan
from shahrdad.validators.reference import reader

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
GOOD: list[tuple[FieldPlan, str, Any]] = [
    (FieldPlan("f", "integer"), "007", 7),
    (FieldPlan("f", "integer"), "+5", 5),
    (FieldPlan("f", "integer", group_char=","), "1,234,567", 1234567),
    (FieldPlan("f", "integer", bare_number=False), "$-12 EUR", -12),
    (FieldPlan("f", "number"), "1e5", Decimal("1e5")),
    (FieldPlan("f", "number"), ".5", Decimal("0.5")),
    (FieldPlan("f", "number"), "5.", Decimal(5)),
    (FieldPlan("f", "number"), "-INF", Decimal("-Infinity")),
    (
        FieldPlan("f", "number", group_char=".", decimal_char=","),
        "1.234,5",
        Decimal("1234.5"),
    ),
    (FieldPlan("f", "boolean"), "TRUE", True),
    (
        FieldPlan("f", "boolean", true_values=("بله",), false_values=("خیر",)),
        "خیر",
        False,
    ),
    (FieldPlan("f", "date"), "2020-02-29", date(2020, 2, 29)),
    (FieldPlan("f", "date", format="%d/%m/%Y"), "29/02/2020", date(2020, 2, 29)),
    (FieldPlan("f", "time"), "23:59:59", time(23, 59, 59)),
    (FieldPlan("f", "datetime"), "2020-01-01T00:00:00Z", NEW_YEAR),
    (FieldPlan("f", "datetime"), "2020-01-01T03:30:00+03:30", NEW_YEAR),
    (FieldPlan("f", "year"), "1404", 1404),
    (FieldPlan("f", "yearmonth"), "1404-06", "1404-06"),
    (FieldPlan("f", "duration"), "P1Y2M3DT4H5M6.7S", "P1Y2M3DT4H5M6.7S"),
    (FieldPlan("f", "geopoint"), "57.08, 30.28", (57.08, 30.28)),
    (FieldPlan("f", "geopoint", format="array"), "[57.08, 30.28]", (57.08, 30.28)),
    (FieldPlan("f", "geopoint", format="object"), '{"lon": 1, "lat": 2}', (1.0, 2.0)),
    (FieldPlan("f", "list", item_type="integer", delimiter=";"), "1;2", [1, 2]),
    (FieldPlan("f", "object"), '{"a": 1}', {"a": 1}),
    (FieldPlan("f", "array"), "[1]", [1]),
    (
        FieldPlan("f", "geojson"),
        '{"type": "Point", "coordinates": [1, 2]}',
        {"type": "Point", "coordinates": [1, 2]},
    ),
    (
        FieldPlan("f", "string", format="uri"),
        "https://kerman.ir/a?b=%20#c",
        "https://kerman.ir/a?b=%20#c",
    ),
    (FieldPlan("f", "string", format="email"), "a.b@kerman.ir", "a.b@kerman.ir"),
    (FieldPlan("f", "string", format="binary"), "dGVzdA==", "dGVzdA=="),
    (FieldPlan("f", "any"), " x ", " x "),
]
BAD: list[tuple[FieldPlan, str, str]] = [
    (FieldPlan("f", "integer"), "۱۲", "type-integer"),
    (FieldPlan("f", "integer"), "1_000", "type-integer"),
    (FieldPlan("f", "integer"), "0x1F", "type-integer"),
    (FieldPlan("f", "integer"), "1.0", "type-integer"),
    (FieldPlan("f", "integer"), " 5", "type-integer"),
    (FieldPlan("f", "integer", group_char=","), "12,34", "type-integer"),
    (FieldPlan("f", "integer"), "9" * 19, "value-too-long"),
    (FieldPlan("f", "integer"), "9" * 5_000, "value-too-long"),
    (FieldPlan("f", "integer", kind="money"), "9" * 19, "money-overflow"),
    (FieldPlan("f", "number"), "1,5", "type-number"),
    (FieldPlan("f", "number"), "nan", "type-number"),
    (FieldPlan("f", "number"), "1e9999999999999999999", "value-too-long"),
    (FieldPlan("f", "boolean"), "yes", "type-boolean"),
    (FieldPlan("f", "date"), "2020-02-30", "type-date"),
    (FieldPlan("f", "date"), "2020-1-5", "type-date"),
    (FieldPlan("f", "date"), "1404-02-31", "date-jalali-in-gregorian-column"),
    (
        FieldPlan("f", "date", format="%Y/%m/%d"),
        "1404/06/08",
        "date-jalali-in-gregorian-column",
    ),
    (FieldPlan("f", "date", format="%Y/%m/%d"), "۲۰۲۰/۰۱/۰۱", "type-date"),
    (FieldPlan("f", "datetime"), "2020-01-01 00:00:00", "type-datetime"),
    (FieldPlan("f", "datetime"), "2020-01-01T00:00:00+15:00", "type-datetime"),
    (FieldPlan("f", "time"), "24:00:00", "type-time"),
    (FieldPlan("f", "year"), "140", "type-year"),
    (FieldPlan("f", "yearmonth"), "1404-13", "type-yearmonth"),
    (FieldPlan("f", "duration"), "P", "type-duration"),
    (FieldPlan("f", "duration"), "PT", "type-duration"),
    (FieldPlan("f", "geopoint"), "181,0", "type-geopoint"),
    (FieldPlan("f", "list", item_type="integer"), "1,x", "type-list"),
    (FieldPlan("f", "object"), "[1]", "type-json"),
    (FieldPlan("f", "object"), "[" * 100_000, "type-json"),
    (FieldPlan("f", "array"), "[NaN]", "type-json"),
    (FieldPlan("f", "geojson"), '{"type": "x"}', "type-json"),
    (FieldPlan("f", "string", format="uri"), "kerman.ir", "type-string"),
    (FieldPlan("f", "string", format="email"), "a@b", "type-string"),
    (FieldPlan("f", "string", format="uuid"), "x", "type-string"),
    (FieldPlan("f", "string", pattern="a|b"), "axyz", "value-pattern"),
    (FieldPlan("f", "string", min_length=2), "ش", "value-min-length"),
    (FieldPlan("f", "string", max_length=2), "شهر", "value-max-length"),
    (FieldPlan("f", "string", categories=("a",)), "b", "value-category"),
    (FieldPlan("f", "integer", enum=("1", 2)), "3", "value-enum"),
    (FieldPlan("f", "number", bounds={"minimum": 0}), "NaN", "value-minimum"),
    (
        FieldPlan("f", "number", bounds={"exclusiveMaximum": "0.1"}),
        "0.10",
        "value-maximum",
    ),
    (FieldPlan("f", "duration", bounds={"minimum": "P1D"}), "PT3H", "value-minimum"),
    (
        FieldPlan("f", "date", bounds={"maximum": "2020-01-01"}),
        "2020-01-02",
        "value-maximum",
    ),
    (
        FieldPlan("f", "array", json_schema={"maxItems": 1}),
        "[1, 2]",
        "value-jsonschema",
    ),
    (FieldPlan("f", "string", required=True), "", "value-required"),
]


@pytest.mark.parametrize(("field", "text", "value"), GOOD)
def test_value(field: FieldPlan, text: str, value: Any) -> None:
    """A text of the type has its value, and nothing is wrong with it."""
    reading = reader(field)(text)

    assert (value, ()) == (reading.value, reading.codes)


@pytest.mark.parametrize(("field", "text", "code"), BAD)
def test_code(field: FieldPlan, text: str, code: str) -> None:
    """A text that is not of the type, or breaks a constraint, says which."""
    assert (code,) == reader(field)(text).codes


def test_missing_values_come_before_the_type() -> None:
    """A missing text is no value, and with none declared even "" is one."""
    assert () == reader(FieldPlan("f", "integer", missing=("", "-")))("-").codes
    assert ("type-integer",) == reader(FieldPlan("f", "integer", missing=()))("").codes


def test_several_constraints_are_all_named() -> None:
    """Every constraint that fails is an error of its own, in one order."""
    field = FieldPlan("f", "string", min_length=3, pattern="[0-9]+", enum=("12345",))

    assert ("value-min-length", "value-pattern", "value-enum") == reader(field)(
        "ab"
    ).codes


@pytest.mark.parametrize("given", [{"minimum": "x"}, {"maximum": "2020-13-01"}])
def test_bounds_of_another_type_are_refused(given: dict[str, Any]) -> None:
    """A bound must be of the field's type."""
    with pytest.raises(ValueError, match="not of type"):
        reader(FieldPlan("f", "date", bounds=given))
