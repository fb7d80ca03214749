"""The strict oracle: what a cell of text means, in plain Python.

Source: Data Package v2, Table Schema, "Field Types" and "Constraints", read strictly:
ASCII digits only, no padding, no leniency that the text of the standard does not state.
Additions of ours: years 1300 to 1499 in a Gregorian column, and whole numbers beyond
int64, are errors.

The kernels of `kernels/` are only faster ways to the same answers: a test compares
them.

>>> from shahrdad.validators.plan import FieldPlan
>>> read = reader(FieldPlan("n", "integer", bounds={"minimum": 0}))
>>> read("12"), read("-3")
(Reading(value=12, codes=()), Reading(value=-3, codes=('value-minimum',)))
>>> read("۱۲")
Reading(value=None, codes=('type-integer',))
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from shahrdad.validators.plan import FieldPlan

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
JALALI_YEARS = range(1300, 1500)  # in a Gregorian date: certainly a mistake
GEOJSON_TYPES = frozenset(
    {
        "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon",
        "MultiPolygon", "GeometryCollection", "Feature", "FeatureCollection",
    }
)  # fmt: skip

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([Ee][+-]?[0-9]+)?")
_SPECIAL = {
    "NaN": Decimal("NaN"),
    "INF": Decimal("Infinity"),
    "-INF": Decimal("-Infinity"),
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}")
_DATETIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_YEAR = re.compile(r"[0-9]{4}")
_YEARMONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_DURATION = re.compile(
    r"-?P(?=.)([0-9]+Y)?([0-9]+M)?([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+"
)
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    rf"@(?:{_LABEL}\.)+{_LABEL}"
)
_COORDINATE = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text means for a field.

    Attributes:
        value: The typed value; None for no value, and for a text of another type.
        codes: What is wrong with it, in the order of the report; empty when valid.
    """

    value: Any
    codes: tuple[str, ...] = ()


class _WrongError(Exception):
    """A text is not of its type; the code says how."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


Caster = Callable[[str], Any]


def reader(
    field: FieldPlan, matches: Callable[[str], bool] | None = None
) -> Callable[[str | None], Reading]:
    """Return the function that reads the cells of a field.

    Args:
        field: The field.
        matches: Tells whether a text has the field's pattern; Python's `re` without it.
    """
    cast = caster(field)
    checks = _checks(field, cast, matches)
    missing = frozenset(field.missing)
    absent = Reading(None, ("value-required",) if field.required else ())

    def read(text: str | None) -> Reading:
        if text is None or text in missing:
            return absent
        try:
            value = cast(text)
        except _WrongError as wrong:
            return Reading(None, (wrong.code,))
        return Reading(value, tuple(code for code, holds in checks if not holds(value)))

    return read


def caster(field: FieldPlan) -> Caster:
    """Return the function that makes a typed value of a text, or raises privately."""
    makers: dict[str, Callable[[FieldPlan], Caster]] = {
        "integer": _integer,
        "number": _number,
        "boolean": _boolean,
        "date": _date,
        "datetime": _datetime,
        "time": _time,
        "string": _string,
        "list": _list,
        "geopoint": _geopoint,
        "object": lambda _: lambda text: _json(text, dict),
        "array": lambda _: lambda text: _json(text, list),
        "geojson": lambda _: _geojson,
        "year": lambda _: lambda text: int(_whole(_YEAR, text, "type-year")),
        "yearmonth": lambda _: lambda text: _whole(_YEARMONTH, text, "type-yearmonth"),
        "duration": lambda _: _duration,
    }
    return makers[field.type](field) if field.type in makers else str


def _whole(pattern: re.Pattern[str], text: str, code: str) -> str:
    if pattern.fullmatch(text) is None:
        raise _WrongError(code)
    return text


def _bare(field: FieldPlan) -> Callable[[str], str]:
    """Return what takes away the marks around a number that is not bare."""
    if field.bare_number:
        return str
    edges = re.compile(r"^[^-0-9]*|[^0-9]*$")
    return lambda text: edges.sub("", text)


def _integer(field: FieldPlan) -> Caster:
    bare = _bare(field)
    too_long = "money-overflow" if field.kind == "money" else "value-too-long"
    mark = re.escape(field.group_char)
    grouped = re.compile(rf"[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+") if mark else None

    def cast(text: str) -> int:
        text = bare(text)
        if grouped is not None and grouped.fullmatch(text):
            text = text.replace(field.group_char, "")
        _whole(_INTEGER, text, "type-integer")
        if len(text) > 4_000:  # Python refuses to convert more digits than that
            raise _WrongError(too_long)
        value = int(text)
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise _WrongError(too_long)
        return value

    return cast


def _number(field: FieldPlan) -> Caster:
    bare = _bare(field)

    def cast(text: str) -> Decimal:
        if text in _SPECIAL:
            return _SPECIAL[text]
        text = bare(text)
        if field.group_char:
            text = text.replace(field.group_char, "")
        if field.decimal_char != ".":
            if "." in text:
                raise _WrongError("type-number")
            text = text.replace(field.decimal_char, ".")
        _whole(_NUMBER, text, "type-number")
        try:
            return Decimal(text)
        except InvalidOperation:  # an exponent beyond what a Decimal can hold
            raise _WrongError("value-too-long") from None

    return cast


def _boolean(field: FieldPlan) -> Caster:
    values = dict.fromkeys(field.true_values, True) | dict.fromkeys(
        field.false_values, False
    )

    def cast(text: str) -> bool:
        if text not in values:
            raise _WrongError("type-boolean")
        return values[text]

    return cast


def _day(text: str, form: str, code: str) -> date:
    """Read a date by a form of `strptime`, in ASCII digits alone."""
    try:
        if not text.isascii():
            raise ValueError
        day = datetime.strptime(text, form).date()  # noqa: DTZ007
    except ValueError:
        raise _WrongError(code) from None
    if day.year in JALALI_YEARS:
        raise _WrongError("date-jalali-in-gregorian-column")
    return day


def _date(field: FieldPlan) -> Caster:
    if field.format not in ("default", "any"):
        return lambda text: _day(text, field.format, "type-date")

    def cast(text: str) -> date:
        _whole(_DATE, text, "type-date")
        # Jalali months 2, 4 and 6 have days that a Gregorian month lacks: 1404-02-31.
        if int(text[:4]) in JALALI_YEARS and "01" <= text[5:7] <= "12":
            raise _WrongError("date-jalali-in-gregorian-column")
        return _day(text, "%Y-%m-%d", "type-date")

    return cast


def _datetime(field: FieldPlan) -> Caster:
    if field.format not in ("default", "any"):

        def cast_form(text: str) -> datetime:
            try:
                if not text.isascii():
                    raise ValueError
                value = datetime.strptime(text, field.format)  # noqa: DTZ007
            except ValueError:
                raise _WrongError("type-datetime") from None
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value

        return cast_form

    def cast(text: str) -> datetime:
        found = _DATETIME.fullmatch(text)
        if found is None:
            raise _WrongError("type-datetime")
        day = _day(found[1], "%Y-%m-%d", "type-datetime")
        clock = _clock(found[2], "type-datetime")
        micro = int((found[3] or ".0")[1:7].ljust(6, "0"))
        value = datetime.combine(
            day, clock.replace(microsecond=micro), _offset(found[4])
        )
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise _WrongError("type-datetime") from None

    return cast


def _offset(text: str | None) -> timezone:
    """Return a time zone; a time without one counts as UTC."""
    if text is None or text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59 or (hours == 14 and minutes):
        raise _WrongError("type-datetime")
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(span if text[0] == "+" else -span)


def _clock(text: str, code: str) -> time:
    try:
        return time(int(text[:2]), int(text[3:5]), int(text[6:8]))
    except ValueError:
        raise _WrongError(code) from None


def _time(field: FieldPlan) -> Caster:
    if field.format not in ("default", "any"):

        def cast_form(text: str) -> time:
            try:
                if not text.isascii():
                    raise ValueError
                return datetime.strptime(text, field.format).time()  # noqa: DTZ007
            except ValueError:
                raise _WrongError("type-time") from None

        return cast_form
    return lambda text: _clock(_whole(_TIME, text, "type-time"), "type-time")


def _string(field: FieldPlan) -> Caster:
    forms = {"email": _EMAIL, "uri": _URI, "uuid": _UUID}
    if field.format in forms:
        return lambda text: _whole(forms[field.format], text, "type-string")
    if field.format == "binary":

        def cast(text: str) -> str:
            try:
                base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise _WrongError("type-string") from None
            return text

        return cast
    return str


def _list(field: FieldPlan) -> Caster:
    item = caster(
        FieldPlan(field.name, field.item_type, kind=field.kind)
        if field.item_type
        else field
    )

    def cast(text: str) -> list[Any]:
        try:
            return [item(part) for part in text.split(field.delimiter)]
        except _WrongError:
            raise _WrongError("type-list") from None

    return cast


def _reject_constant(name: str) -> Any:
    raise ValueError(name)


def _json(text: str, shape: type) -> Any:
    try:
        value = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise _WrongError("type-json") from None
    if not isinstance(value, shape):
        raise _WrongError("type-json")
    return value


def _geojson(text: str) -> Any:
    value = _json(text, dict)
    if value.get("type") not in GEOJSON_TYPES:
        raise _WrongError("type-json")
    return value


def _geopoint(field: FieldPlan) -> Caster:
    def cast(text: str) -> tuple[float, float]:
        if field.format == "array":
            parts: Sequence[Any] = _json(text, list)
        elif field.format == "object":
            point = _json(text, dict)
            if set(point) != {"lon", "lat"}:
                raise _WrongError("type-geopoint")
            parts = (point["lon"], point["lat"])
        else:
            parts = [part.strip(" ") for part in text.split(",")]
        texts = [str(part) for part in parts]
        if len(texts) != 2 or not all(_COORDINATE.fullmatch(part) for part in texts):
            raise _WrongError("type-geopoint")
        lon, lat = float(texts[0]), float(texts[1])
        if abs(lon) > 180 or abs(lat) > 90:
            raise _WrongError("type-geopoint")
        return lon, lat

    return cast


def _duration(text: str) -> str:
    return _whole(_DURATION, text, "type-duration")


Check = tuple[str, Callable[[Any], bool]]


def _checks(
    field: FieldPlan, cast: Caster, matches: Callable[[str], bool] | None
) -> list[Check]:
    """Return the constraints of a field as (code, test of a value)."""
    checks: list[Check] = []
    if field.min_length is not None:
        least = field.min_length
        checks.append(("value-min-length", lambda value: len(value) >= least))
    if field.max_length is not None:
        most = field.max_length
        checks.append(("value-max-length", lambda value: len(value) <= most))
    checks += _bound_checks(field, cast)
    if field.pattern is not None:
        matches = matches or _python_matcher(field.pattern)
        checks.append(("value-pattern", matches))
    if field.enum is not None:
        checks.append(("value-enum", _member(field.enum, field, cast)))
    elif field.categories is not None:
        checks.append(("value-category", _member(field.categories, field, cast)))
    if field.json_schema is not None:
        checks.append(("value-jsonschema", _json_schema(field.json_schema)))
    return checks


def _python_matcher(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def constraint_value(field: FieldPlan, given: Any, cast: Caster | None = None) -> Any:
    """Return the typed value of a bound or an allowed value.

    Raises:
        ValueError: It is not of the field's type.
    """
    if isinstance(given, bool) and field.type == "boolean":
        return given
    if field.type == "number" and isinstance(given, int | float):
        return Decimal(str(given))
    if field.type in ("list", "array", "object") and isinstance(given, list | dict):
        return given
    try:
        return (cast or caster(field))(str(given))
    except _WrongError:
        raise ValueError(
            f"{field.name}: {given!r} is not of type {field.type}"
        ) from None


def _bound_checks(field: FieldPlan, cast: Caster) -> list[Check]:
    compare: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
        "minimum": ("value-minimum", lambda value, bound: value >= bound),
        "maximum": ("value-maximum", lambda value, bound: value <= bound),
        "exclusiveMinimum": ("value-minimum", lambda value, bound: value > bound),
        "exclusiveMaximum": ("value-maximum", lambda value, bound: value < bound),
    }
    checks: list[Check] = []
    for key, given in field.bounds.items():
        bound = constraint_value(_measured(field), given)
        code, holds = compare[key]

        def check(
            value: Any,
            bound: Any = bound,
            holds: Callable[[Any, Any], bool] = holds,
        ) -> bool:
            # NaN is on no side of a bound.
            return value == value and holds(
                _measure(field, value), _measure(field, bound)
            )

        checks.append((code, check))
    return checks


def _measured(field: FieldPlan) -> FieldPlan:
    """Return the field as its bounds are read: whole numbers without groups."""
    return FieldPlan(field.name, field.type, field.format)


def _measure(field: FieldPlan, value: Any) -> Any:
    """Return what a value is compared by; a duration by its mean seconds."""
    if field.type != "duration":
        return value
    found = _DURATION.fullmatch(value)
    if found is None:
        raise ValueError(value)
    parts = [Decimal((found[group] or "0X")[:-1]) for group in (1, 2, 3, 5, 6, 7)]
    spans = (31_556_952, 2_629_746, 86_400, 3_600, 60, 1)
    total = sum(
        (part * span for part, span in zip(parts, spans, strict=True)), Decimal(0)
    )
    return -total if value.startswith("-") else total


def _member(
    allowed: Sequence[Any], field: FieldPlan, cast: Caster
) -> Callable[[Any], bool]:
    values = [constraint_value(field, given, cast) for given in allowed]
    try:
        as_set = frozenset(values)
    except TypeError:
        return lambda value: value in values
    return lambda value: value in as_set


def _json_schema(schema: Any) -> Callable[[Any], bool]:
    from jsonschema import (  # type: ignore[import-untyped]
        Draft202012Validator,
    )

    checker = Draft202012Validator(schema)
    return lambda value: bool(checker.is_valid(value))


__all__ = ["Reading", "caster", "constraint_value", "reader"]
