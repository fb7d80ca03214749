"""Mapping profiles: how a city's own layout becomes a standard, as data.

A profile is versioned, kept by the node and exported with the record. No code is run:
a column is built by a closed list of operations. Members that this version does not
know are kept and written back.

>>> profile = Profile.of({"money_unit": "million_rial", "calendar": "jalali"})
>>> profile.settings().money_unit, profile.columns
('million_rial', ())
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators import matching
from shahrdad.validators.normalise import money
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.normalise.dates import Calendar, Order
from shahrdad.validators.text_table import ReadingSettings

_GROUP = re.compile(r"(?<!\\)\((?!\?)")
_SOURCES = ("from", "constant", "concat", "path", "colour")


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """How one column of the standard is made.

    The operations run in this order: source, `fill_down`, `split`, `extract`, `values`,
    `scale`.

    Attributes:
        to: Name of the field.
        source: Label of the file's column; None for the other four.
        constant: The same text in every row.
        concat: Labels whose cells are joined by `separator`.
        path: Labels of level columns, from the top down; gives the code of the parent.
        colour: Label of the column whose cells' colour is the text, such as `FFFF00`;
            "" for a cell without one.
        values: Code by the key form of a cell's text.
        extract: Pattern of RE2 with one group, which is what remains.
        split: Where a cell is cut; `part` counts the pieces from 1, from the end below
            0.
        scale: Factor of a number, exact.
        fill_down: Whether an empty cell takes the text above it.
        width: Fixed width of a code, which restores lost zeros.
    """

    to: str
    source: str | None = None
    constant: str | None = None
    concat: tuple[str, ...] = ()
    separator: str = " "
    path: tuple[str, ...] = ()
    colour: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    extract: str | None = None
    split: str | None = None
    part: int = 1
    scale: Decimal | None = None
    fill_down: bool = False
    width: int | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Labels of the file that the column is made of."""
        single = tuple(one for one in (self.source, self.colour) if one)
        return (*single, *self.concat, *self.path)

    @property
    def plain(self) -> bool:
        """Whether the column is one of the file's, unchanged."""
        return self.source is not None and not (
            self.values or self.extract or self.split or self.scale or self.fill_down
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """A mapping profile; every member may be absent.

    Attributes:
        name: Its name.
        version: Counts its changes, from 1.
        header_rows: Rows that make the labels, declared.
        skip_rows: Patterns of the first text of rows that are no data.
        signature: The labels by which the layout is recognised.
        keep: Labels that become `x_` columns.
        ignore: Labels that are not used.
        declared: Announced figures, as people say them.
        descriptor: The profile as it was given.
    """

    name: str | None = None
    version: int = 1
    family: str | None = None
    standard: str | None = None
    kind: str | None = None
    sheet: str | None = None
    header_rows: tuple[int, ...] = ()
    skip_rows: tuple[re.Pattern[str], ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    signature: tuple[str, ...] = ()
    money_unit: str | None = None
    calendar: Calendar = "jalali"
    century: int | None = None
    date_order: Order = "ymd"
    decimal: str = "."
    missing: tuple[str, ...] = ()
    columns: tuple[ColumnRule, ...] = ()
    keep: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    declared: Mapping[str, str] = field(default_factory=dict)
    descriptor: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, descriptor: "Mapping[str, Any] | Profile | None") -> "Profile":
        """Read a profile.

        Raises:
            DataError: PROFILE_INVALID; the value `place` tells where.
        """
        if isinstance(descriptor, Profile):
            return descriptor
        return _read(descriptor or {})

    @property
    def maps(self) -> bool:
        """Whether it names columns of the file; constants alone leave them open."""
        return any(rule.sources for rule in self.columns)

    def settings(self) -> ReadingSettings:
        """Return what the profile declares about cells."""
        return ReadingSettings(
            money_unit=self.money_unit,
            calendar=self.calendar,
            century=self.century,
            date_order=self.date_order,
            decimal=self.decimal,
            missing=self.missing,
            code_widths={rule.to: rule.width for rule in self.columns if rule.width},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as it was given, unknown members too."""
        return dict(self.descriptor)

    def knows(self, labels: Sequence[str]) -> bool:
        """Tell whether the header is the one that the profile was made for.

        Every label of the signature is there, in its order, and no other label that the
        profile says nothing about. A label's year does not count.
        """
        if not self.signature and not self.maps:
            return False
        found = [matching.form(label) for label in labels if label.strip()]
        wanted = [matching.form(label) for label in self.signature]
        at = iter(found)
        if not found or not all(any(one == label for label in at) for one in wanted):
            return False
        used = {label for rule in self.columns for label in rule.sources}
        used |= {*self.keep, *self.ignore, *self.signature}
        known = {matching.form(label) for label in used}
        return all(label in known for label in found)


def _invalid(place: str, detail: object) -> DataError:
    return DataError(Reason.PROFILE_INVALID, place=place, detail=str(detail))


def _read(given: Mapping[str, Any]) -> Profile:
    """Read and check every member."""
    source = {} if given.get("source") is None else given["source"]
    if not isinstance(source, Mapping):
        raise _invalid("source", source)
    columns = given.get("columns") or ()
    if not isinstance(columns, Sequence) or isinstance(columns, str):
        raise _invalid("columns", columns)
    rules = tuple(
        _column(column, f"columns[{at}]") for at, column in enumerate(columns)
    )
    if given.get("totals") not in (None, "skip"):
        # A total names no children; taken for a subtotal it would sum up nothing.
        raise _invalid("totals", 'skip; subtotals come from "path"')
    doubled = [rule.to for rule in rules]
    for name in doubled:
        if doubled.count(name) > 1:
            raise _invalid("columns", name)
    return Profile(
        name=_optional_text(given, "profile"),
        version=_number(given.get("version", 1), "version"),
        family=_optional_text(given, "family"),
        standard=_optional_text(given, "standard"),
        kind=_optional_text(source, "kind", "source."),
        sheet=_optional_text(source, "sheet", "source."),
        header_rows=_header_rows(source.get("header_rows") or ()),
        skip_rows=tuple(
            _pattern(one, f"source.skip_rows[{at}]")
            for at, one in enumerate(_texts(source, "skip_rows", "source."))
        ),
        encoding=_optional_text(source, "encoding", "source."),
        delimiter=_optional_text(source, "delimiter", "source."),
        signature=_texts(given, "signature"),
        money_unit=_unit(given),
        calendar=cast(
            Calendar,
            _choice(given, "calendar", ("jalali", "gregorian", "mixed"), "jalali"),
        ),
        century=_century(given.get("century")),
        date_order=cast(Order, _choice(given, "date_order", ("ymd", "dmy"), "ymd")),
        decimal=_choice(given, "decimal", (".", ",", "/"), "."),
        missing=_texts(given, "missing"),
        columns=rules,
        keep=_texts(given, "keep"),
        ignore=_texts(given, "ignore"),
        declared={
            str(key): str(value)
            for key, value in dict(given.get("declared") or {}).items()
        },
        descriptor=dict(given),
    )


def _optional_text(given: Mapping[str, Any], name: str, place: str = "") -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise _invalid(place + name, value)
    return value


def _texts(given: Mapping[str, Any], name: str, place: str = "") -> tuple[str, ...]:
    value = given.get(name) or ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _invalid(place + name, value)
    for one in value:
        if not isinstance(one, str):
            raise _invalid(place + name, one)
    return tuple(value)


def _number(value: object, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _invalid(place, value)
    return value


def _choice(
    given: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str
) -> str:
    value = given.get(name)
    if value is None:
        return default
    if value not in allowed:
        raise _invalid(name, f"{value!r}; {', '.join(allowed)}")
    return str(value)


def _century(value: object) -> int | None:
    if value not in (None, 1300, 1400, 1900, 2000):
        raise _invalid("century", value)
    return value if isinstance(value, int) else None


def _unit(given: Mapping[str, Any]) -> str | None:
    unit = _optional_text(given, "money_unit")
    if unit is not None and unit not in money.units():
        raise _invalid("money_unit", f"{unit}; {', '.join(money.units())}")
    return unit


def _header_rows(value: object) -> tuple[int, ...]:
    if isinstance(value, int):
        value = (value,)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _invalid("source.header_rows", value)
    rows = tuple(_number(row, "source.header_rows") for row in value)
    if list(rows) != list(range(rows[0], rows[0] + len(rows))) if rows else False:
        raise _invalid("source.header_rows", value)
    return rows


def _pattern(text: str, place: str) -> re.Pattern[str]:
    """Compile a pattern that RE2 takes too, so that none runs without end."""
    try:
        pc.match_substring_regex(pa.array([""]), text)
        return re.compile(text)
    except (pa.ArrowInvalid, re.error) as error:
        raise _invalid(place, error) from error


def _column(given: object, place: str) -> ColumnRule:
    """Read and check one column rule."""
    if not isinstance(given, Mapping) or not isinstance(given.get("to"), str):
        raise _invalid(place, given)
    if sum(name in given for name in _SOURCES) != 1:
        raise _invalid(place, f"one of {', '.join(_SOURCES)}")
    values = given.get("values") or {}
    if not isinstance(values, Mapping):
        raise _invalid(f"{place}.values", values)
    split = _optional_text(given, "split", f"{place}.")
    part = given.get("part", 1)
    if split == "" or not isinstance(part, int) or part == 0:
        raise _invalid(f"{place}.split", split if split == "" else part)
    constant = given.get("constant")
    return ColumnRule(
        to=given["to"],
        source=_optional_text(given, "from", f"{place}."),
        constant=None if constant is None else str(constant),
        concat=_texts(given, "concat", f"{place}."),
        separator=_optional_text(given, "separator", f"{place}.") or " ",
        path=_texts(given, "path", f"{place}."),
        colour=_optional_text(given, "colour", f"{place}."),
        values={forms.key(str(key)): str(value) for key, value in values.items()},
        extract=_extract(given, place),
        split=split,
        part=part,
        scale=_scale(given.get("scale"), place),
        fill_down=given.get("fill_down") is True,
        width=None
        if given.get("width") is None
        else _number(given["width"], f"{place}.width"),
    )


def _extract(given: Mapping[str, Any], place: str) -> str | None:
    """Return the pattern with its one group named, as Arrow wants it."""
    text = _optional_text(given, "extract", f"{place}.")
    if text is None:
        return None
    named, count = _GROUP.subn("(?P<part>", text)
    if count != 1:
        raise _invalid(f"{place}.extract", f"{text}: {count}")
    try:
        pc.extract_regex(pa.array([""]), named)
    except pa.ArrowInvalid as error:
        raise _invalid(f"{place}.extract", error) from error
    return named


def _scale(value: object, place: str) -> Decimal | None:
    if value is None:
        return None
    try:
        factor = Decimal(str(value))
    except InvalidOperation as error:
        raise _invalid(f"{place}.scale", value) from error
    if not factor.is_finite() or factor == 0:
        raise _invalid(f"{place}.scale", value)
    return factor.normalize()  # a power of ten then moves the point, and adds no zeros
