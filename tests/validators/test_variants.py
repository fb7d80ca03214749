"""One row however it is written: digits, separators, letters, dates; and the bounds."""

import csv
import io
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shahrdad.datasets import jalali
from shahrdad.datasets.standards import Field, load
from shahrdad.validators import validate
from shahrdad.validators.importing import open_table
from shahrdad.validators.normalise.columns import Normaliser

FAMILIES = ("budget_lines", "projects", "contracts", "permit_stats")
FIRST_DAY = date(1921, 3, 21)
INT64_MAX = 2**63 - 1
DIGITS = ("0123456789", "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９")
# Letters that are written in more than one way, the published form first.
LETTERS = {"ی": "ی\u064a\u0649", "ک": "ک\u0643", "ه": "ه\u06c1\u06be"}
SPACES = (" ", "\u00a0", "  ", "\u2009", "\u200f ")
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def imported(family: str, row: dict[str, str], **profile: Any) -> dict[str, str]:
    """Import one row and return the texts that would be published."""
    found, marks = judged(family, [row], **profile)
    assert not marks, (row, marks)
    return {name: cells[0] for name, cells in found.items()}


def judged(
    family: str, rows: list[dict[str, str]], **profile: Any
) -> tuple[dict[str, list[str]], set[tuple[str, str]]]:
    """Import rows; return the texts, and the column and code of every mark."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    standard = load(family)
    fields = {field.name: field for field in standard.fields}
    declared = {"money_unit": "rial", "calendar": "jalali", **profile}
    table = open_table(text.getvalue().encode(), standard=standard, profile=declared)
    normaliser = Normaliser(
        table.names,
        [fields.get(name) for name in table.names],
        table.settings,
        table.audit,
        standard=True,
    )
    batches = [normaliser.apply(batch) for batch in table.batches]
    found = {
        name: [cell for batch in batches for cell in batch.columns[at].to_pylist()]
        for at, name in enumerate(table.names)
    }
    marks = {
        (table.names[mark.column], mark.code)
        for batch in batches
        for mark in batch.marks
    }
    return found, marks


def kind(field: Field) -> str:
    """Return which variants a field's texts have."""
    if field.type == "date":
        return "date"
    if field.type in ("integer", "number"):
        return "whole" if field.type == "integer" else "number"
    if field.categories or field.type == "boolean":
        return "label"
    return "code" if field.kind == "code" or "pattern" in field.constraints else "text"


@st.composite
def cells(draw: st.DrawFn, field: Field) -> tuple[str, str]:
    """Draw a canonical text of a field and another way to write it."""
    digits = draw(st.sampled_from(DIGITS))
    match kind(field):
        case "date":
            day = draw(st.dates(FIRST_DAY, date(2120, 1, 1)))
            return day.isoformat(), draw(written_dates(day, digits))
        case "whole" | "number":
            return draw(written_numbers(field, digits))
        case "label":
            return draw(written_labels(field))
        case "code":
            code = draw(st.from_regex(r"[0-9]{4}", fullmatch=True))
            return code, _in(code, digits)
        case _:
            text = draw(
                st.text(st.sampled_from("ابپیکهگ"), min_size=1, max_size=8).map(
                    lambda word: f"{word} {word}"
                )
            )
            return text, draw(written_text(text))


@st.composite
def written_dates(draw: st.DrawFn, day: date, digits: str) -> str:
    """Write a day as people do."""
    year, month, number = jalali.from_gregorian(day)
    mark = draw(st.sampled_from("/-."))
    pad = draw(st.booleans())
    parts = [f"{month:02d}", f"{number:02d}"] if pad else [str(month), str(number)]
    plain = mark.join([str(year), *parts])
    compact = f"{year}{month:02d}{number:02d}"
    return _in(draw(st.sampled_from([plain, compact])), digits)


@st.composite
def written_numbers(draw: st.DrawFn, field: Field, digits: str) -> tuple[str, str]:
    """Write a number: groups, digits, sign, currency word."""
    low = int(field.constraints.get("minimum", -INT64_MAX if field.kind else 0))
    high = int(field.constraints.get("maximum", 10**15))
    value = draw(st.integers(max(low, -(10**15)), min(high, 10**15)))
    plain = str(abs(value))
    mark = draw(st.sampled_from(("", ",", "\u066c", "\u060c")))
    grouped = f"{abs(value):,}".replace(",", mark) if mark else plain
    if value < 0:
        sign = draw(st.sampled_from(("-{}", "\u2212{}", "({})", "{}-")))
        grouped = sign.format(grouped)
    word = (
        draw(st.sampled_from(("", " ریال", " Rials"))) if field.kind == "money" else ""
    )
    return str(value), _in(grouped, digits) + word


@st.composite
def written_labels(draw: st.DrawFn, field: Field) -> tuple[str, str]:
    """Write a code by one of its labels, or yes and no."""
    if field.type == "boolean":
        return draw(
            st.sampled_from(
                [
                    ("true", "بله"),
                    ("false", "خیر"),
                    ("true", "true"),
                    ("false", "false"),
                ]
            )
        )
    category = draw(st.sampled_from(field.categories))
    label = draw(
        st.sampled_from([category.value, category.label_fa, category.label_en])
    )
    return category.value, draw(written_text(label))


@st.composite
def written_text(draw: st.DrawFn, text: str) -> str:
    """Write a text with other letters, spaces and invisible marks."""
    letters = [draw(st.sampled_from(LETTERS.get(letter, letter))) for letter in text]
    spaced = [
        draw(st.sampled_from(SPACES)) if letter == " " else letter for letter in letters
    ]
    return draw(st.sampled_from(("", " ", "\u200f"))) + "".join(spaced)


def _in(text: str, digits: str) -> str:
    return text.translate(str.maketrans(DIGITS[0], digits))


@st.composite
def rows(draw: st.DrawFn) -> tuple[str, dict[str, str], dict[str, str]]:
    """Draw a family, a canonical row and the row as somebody wrote it."""
    family = draw(st.sampled_from(FAMILIES))
    fields = load(family).fields
    pairs = {field.name: draw(cells(field)) for field in fields}
    return (
        family,
        {name: pair[0] for name, pair in pairs.items()},
        {name: pair[1] for name, pair in pairs.items()},
    )


@QUICK
@given(rows())
def test_every_accepted_variant_is_the_same_row(
    drawn: tuple[str, dict[str, str], dict[str, str]],
) -> None:
    """Digits, groups, signs, letters, spaces and dates: the published row is one."""
    family, canonical, written = drawn

    assert canonical == imported(family, written)


AMBIGUOUS = [
    ("approved_rial", "12/500", "number-ambiguous-separator"),
    ("approved_rial", "1 234", "number-ambiguous-separator"),
    ("approved_rial", "1,23", "number-ambiguous-separator"),
    ("approved_rial", "12,34,567", "number-bad-grouping"),
    ("approved_rial", "1,234\u066c567", "number-mixed-separators"),
    ("approved_rial", "1.5E+12", "number-scientific-notation"),
    ("approved_rial", "-(5)", "number-double-sign"),
    ("approved_rial", "½", "number-not-a-number"),
    ("approved_rial", "12 تومان", "number-unit-word"),
    ("approved_rial", "0.5", "money-fraction"),
    ("approved_rial", "9223372036854775808", "money-overflow"),
    ("as_of_date", "99/12/29", "date-two-digit-year"),
    ("as_of_date", "29/12/1399", "date-day-first"),
    ("as_of_date", "1404/12/30", "date-no-such-day"),
    ("as_of_date", "2024-03-20", "date-gregorian-in-jalali-column"),
    ("as_of_date", "45000", "date-excel-serial"),
    ("as_of_date", "1700/01/01", "date-year-out-of-range"),
]


@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize(("column", "text", "code"), AMBIGUOUS)
def test_what_is_ambiguous_is_refused(
    column: str, text: str, code: str, digits: str
) -> None:
    """A text with two readings has none, in whatever digits it is written."""
    cells_, marks = judged("budget_lines", [{column: _in(text, digits), "notes": "a"}])

    assert (column, code) in marks
    assert [_in(text, digits)] == cells_[column]


@st.composite
def ambiguous_numbers(draw: st.DrawFn) -> str:
    """Write an amount in a way that has two readings, or none."""
    value = draw(st.integers(1_000, 999_999))
    head, tail = divmod(value, 1_000)
    form = draw(
        st.sampled_from(
            (
                "{head}/{tail:03d}",  # a fraction, or thousands
                "{head} {tail:03d}",
                "{head}'{tail:03d}",
                "{head},{tail:02d}",
                "{head},{tail:03d}\u066c000",
                "{head}/{tail:03d}.000",
                "({head}-)",
                "-({head})",
                "{head}e3",
                "{head}.5E+12",
                "{head},{tail:03d},00",
                "\u00bd{head}",
                "0x{head}",
                "{head}_{tail:03d}",
                "{head}.",
            )
        )
    )
    return form.format(head=head, tail=min(tail, 99) if "02d" in form else tail)


@st.composite
def ambiguous_dates(draw: st.DrawFn) -> str:
    """Write a day in a way that has two readings, or names no day."""
    year = draw(st.integers(1300, 1450))
    month, day = draw(st.integers(1, 12)), draw(st.integers(1, 29))
    mark, other = draw(st.permutations("/-."))[:2]
    nowhere = draw(st.sampled_from((f"07{mark}31", f"13{mark}01", f"01{mark}32")))
    gregorian = draw(st.integers(1900, 2100))
    forms = (
        f"{year % 100:02d}{mark}{month:02d}{mark}{day:02d}",
        f"{day:02d}{mark}{month:02d}{mark}{year}",
        f"{year}{mark}{month:02d}{other}{day:02d}",
        f"{year}{mark}{nowhere}",
        f"{gregorian}{mark}{month:02d}{mark}{day:02d}",
        f"{draw(st.integers(1500, 1899))}{mark}{month:02d}{mark}{day:02d}",
        str(draw(st.integers(10_000, 60_000))),  # the serial number of a spreadsheet
        f"{year}{mark}{month:02d}",
    )
    return draw(st.sampled_from(forms))


@QUICK
@given(
    amount=ambiguous_numbers(), day=ambiguous_dates(), digits=st.sampled_from(DIGITS)
)
def test_every_ambiguous_variant_is_refused(amount: str, day: str, digits: str) -> None:
    """No number and no date with two readings is read, and its text stays as it was."""
    row = {"approved_rial": _in(amount, digits), "as_of_date": _in(day, digits)}
    found, marks = judged("budget_lines", [{**row, "notes": "a"}])
    refused = {
        column
        for column, code in marks
        if code.startswith(("number-", "date-")) and code != "date-weekday-mismatch"
    }

    assert set(row) == refused
    assert row == {name: found[name][0] for name in row}


LABELLED = [
    field
    for family in FAMILIES
    for field in load(family).fields
    if field.categories and field.type == "string"
]


@QUICK
@given(
    field=st.sampled_from(LABELLED),
    data=st.data(),
    spoil=st.sampled_from(("{}ها", "غیر {}", "{}.1", "{} / {}", "x{}")),
)
def test_a_label_that_is_merely_like_one_is_no_code(
    field: Field, data: st.DataObject, spoil: str
) -> None:
    """However near a text comes to a label, it becomes no code unless it is that."""
    category = data.draw(st.sampled_from(field.categories))
    family = next(one for one in FAMILIES if field in load(one).fields)
    label = spoil.format(category.label_fa, category.label_en)
    found, _ = judged(family, [{field.name: label, "city_code": "1346"}])
    known = {c.value for c in field.categories}

    assert found[field.name][0] not in known


class Kept:
    """Keeps the typed rows."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch."""
        self.batches.append(batch)

    def commit(self) -> None:
        """Keep what was taken."""

    def abort(self) -> None:
        """Forget what was taken."""
        self.batches.clear()


@QUICK
@given(
    day=st.text("0123456789/-.۰۱۴۹ شهریور", max_size=12),
    amount=st.text("0123456789.,/-()۱۲٬ ریالeE", max_size=22),
    unit=st.sampled_from(("rial", "toman", "million_rial", "hemmat")),
    calendar=st.sampled_from(("jalali", "gregorian", "mixed")),
    order=st.sampled_from(("ymd", "dmy")),
    century=st.sampled_from((None, 1300, 1400, 1900)),
)
def test_no_early_date_and_no_part_of_a_rial(
    day: str, amount: str, unit: str, calendar: str, order: str, century: int | None
) -> None:
    """Whatever is written: no typed date before 1300/01/01, no part of a rial."""
    profile = {
        "money_unit": unit,
        "calendar": calendar,
        "date_order": order,
        "century": century,
    }

    schema = {
        "fields": [
            {
                "name": "day",
                "type": "date",
                "constraints": {"minimum": FIRST_DAY.isoformat()},
            },
            {
                "name": "amount",
                "type": "integer",
                "shahrdad": {"kind": "money", "unit": "rial"},
            },
        ]
    }
    text = io.StringIO()
    csv.writer(text).writerows([["day", "amount"], [day, amount], ["", "1"]])
    kept = Kept()
    validate(text.getvalue().encode(), schema=schema, profile=profile, sink=kept)
    for batch in kept.batches:
        days, amounts = batch.columns

        assert (pa.date32(), pa.int64()) == (days.type, amounts.type)
        assert all(one is None or one >= FIRST_DAY for one in days.to_pylist())


def test_weekday_of_the_kerman_text_does_not_fit() -> None:
    """The published text dates itself to a Friday that was a Saturday: a warning."""
    row = {"as_of_date": "جمعه ۸ شهریور ۱۴۰۴", "notes": "a"}
    found, marks = judged("budget_lines", [row])

    assert {("as_of_date", "date-weekday-mismatch")} == {
        mark for mark in marks if mark[0] == "as_of_date"
    }
    assert ["2025-08-30"] == found["as_of_date"]
