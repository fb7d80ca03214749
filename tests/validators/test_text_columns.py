"""Whole columns are normalised as their cells are, and every change is counted."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets.standards import Field, load
from shahrdad.validators.kernels.digits import column_to_ascii
from shahrdad.validators.normalise.cells import ColumnPlan, judge, plan_of
from shahrdad.validators.normalise.columns import Normaliser
from shahrdad.validators.normalise.digits import to_ascii
from shahrdad.validators.text_table import Audit, CellKind, ReadingSettings, TextBatch

LINES = load("budget_lines")
FIELDS = [
    LINES.field(name)
    for name in (
        "line_code",
        "line_title",
        "as_of_date",
        "approved_rial",
        "fiscal_year",
        "side",
        "is_subtotal",
        "program_code",
    )
]
FIELDS.append(load("projects").field("physical_progress"))
STORED_JALALI = "date-jalali-stored-as-gregorian"
CELL = st.one_of(
    st.text(
        alphabet="\u06f1\u06f2\u06661234.,/-()% \u064a\u0643\u0649\u06cc\u06a9ابپ"
        "\u200c\u200e\u0640\u066b\u066c\u0654\u0653\u00a0abE\n",
        max_size=9,
    ),
    st.integers(-(10**16), 10**19).map(str),
    st.integers(0, 10**9).map(lambda number: f"{number:,}"),
    st.decimals(0, 10**6, places=2).map(str),
    st.from_regex(r"1[34][0-9]{2}/[01][0-9]/[0-3][0-9]", fullmatch=True),
    st.sampled_from(
        ["", " ", "بله", "خیر", "منابع", "use", "110101.0", "-", "ندارد", "1404",
         "۱۲٫۵",
         "\u0643د\u200cها", "0", "-0", "007", "true", "۱۴۰۴/۰۶/۳۱", "x\x00"]
    ),
)  # fmt: skip
SETTINGS = st.sampled_from(
    [
        ReadingSettings(),
        ReadingSettings(money_unit="million_rial"),
        ReadingSettings(money_unit="hemmat", missing=("-", "ندارد", "0")),
        ReadingSettings(money_unit="rial", decimal=",", calendar="gregorian"),
        ReadingSettings(decimal="/", code_widths={"line_code": 5}, calendar="mixed"),
    ]
)


@given(
    st.sampled_from(FIELDS),
    st.lists(st.one_of(st.none(), CELL), max_size=12),
    SETTINGS,
    st.integers(0, 3),
)
@settings(max_examples=120, deadline=None)
def test_column_is_what_its_cells_are(
    field: Field, cells: list[str | None], reading: ReadingSettings, offset: int
) -> None:
    """A batch has the texts, refusals and counts of its cells judged one by one."""
    audit = Audit()
    normaliser = Normaliser([field.name], [field], reading, audit, standard=True)
    column = pa.array([*["x"] * offset, *cells], pa.string()).slice(offset)
    batch = TextBatch.of(range(2, 2 + len(cells)), [column])
    found = normaliser.apply(batch)
    plan = plan_of(field, standard=True)
    judged = [
        None if cell is None else judge(cell, CellKind.TEXT, plan, reading)
        for cell in cells
    ]

    assert [one and one.text for one in judged] == found.columns[0].to_pylist()
    marks = {(mark.code, int(place)) for mark in found.marks for place in mark.indices}
    assert marks == {
        (code, place)
        for place, one in enumerate(judged)
        if one is not None
        for code in (*one.remarks, *([one.refused] if one.refused else []))
    }
    changed = [
        one is not None and one.text != cell
        for one, cell in zip(judged, cells, strict=True)
    ]
    assert audit.changed() >= sum(changed)
    assert (audit.changed() > 0) == (sum(len(one.steps) for one in judged if one) > 0)


@given(st.lists(CELL, max_size=8), st.sampled_from(FIELDS))
@settings(max_examples=120, deadline=None)
def test_normalising_twice_changes_nothing(cells: list[str], field: Field) -> None:
    """What was normalised is its own normal form, read with no unit left to apply."""
    once = Normaliser([field.name], [field], ReadingSettings(), Audit(), standard=True)
    batch = TextBatch.of(range(len(cells)), [pa.array(cells, pa.string())])
    first = once.apply(batch)
    refused = {int(place) for mark in first.marks for place in mark.indices}
    kept = [
        cell
        for place, cell in enumerate(first.columns[0].to_pylist())
        if place not in refused
    ]
    again = Normaliser(
        [field.name], [field], ReadingSettings(calendar="mixed"), Audit(), standard=True
    )
    second = again.apply(TextBatch.of(range(len(kept)), [pa.array(kept, pa.string())]))

    assert kept == second.columns[0].to_pylist()


@given(st.lists(st.one_of(st.none(), st.text(max_size=6), CELL), max_size=10))
@settings(max_examples=120, deadline=None)
def test_digits_of_a_column(cells: list[str | None]) -> None:
    """Digits of a column are those of its cells, full-width ones apart."""
    narrow = [
        cell and cell.translate({0xFF10 + n: "w" for n in range(10)}) for cell in cells
    ]

    assert [cell and to_ascii(cell) for cell in narrow] == column_to_ascii(
        pa.array(narrow, pa.string())
    ).to_pylist()


def test_audit_counts_by_step() -> None:
    """The audit tells cells, distinct changes and samples with their rows."""
    audit = Audit()
    field = LINES.field("approved_rial")
    normaliser = Normaliser(
        [field.name],
        [field],
        ReadingSettings(money_unit="million_rial"),
        audit,
        standard=True,
    )
    column = pa.array(["۱۲۰", "۱۲۰", "1,200", "7", "12/500"])
    found = normaliser.apply(TextBatch.of(range(4, 9), [column]))
    counts = {entry["step"]: entry for entry in audit.to_list()}

    assert ["120000000"] * 2 + ["1200000000", "7000000", "12/500"] == found.columns[
        0
    ].to_pylist()
    assert {"digits": (2, 1), "number": (1, 1), "money-unit": (4, 3)} == {
        step: (entry["changed"], entry["distinct"]) for step, entry in counts.items()
    }
    assert {"row": 4, "before": "۱۲۰", "after": "120"} == counts["digits"]["samples"][0]
    assert ["number-ambiguous-separator"] == [mark.code for mark in found.marks]


@pytest.mark.parametrize(
    ("name", "kind", "cell", "text", "code"),
    [
        (
            "approved_rial",
            CellKind.NUMBER,
            str(2**53 + 1),
            None,
            "number-float-precision",
        ),
        ("approved_rial", CellKind.NUMBER, str(2**53), None, None),
        ("approved_rial", CellKind.DATE, "2025-08-30", None, "number-not-a-number"),
        ("approved_rial", CellKind.ERROR, "#REF!", None, "cell-excel-error"),
        ("as_of_date", CellKind.DATE, "2025-08-30", None, None),
        ("as_of_date", CellKind.DATE, "1404-06-08", "2025-08-30", STORED_JALALI),
        ("as_of_date", CellKind.NUMBER, "45898", None, "date-excel-serial"),
        ("as_of_date", CellKind.NUMBER, "14040608", "2025-08-30", None),
        (
            "as_of_date",
            CellKind.DATETIME,
            "2025-08-30T12:00:00",
            None,
            "date-date-time",
        ),
        ("line_code", CellKind.NUMBER, "110101", None, "number-as-code"),
        ("is_subtotal", CellKind.BOOLEAN, "true", None, None),
    ],
)
def test_typed_cells(
    name: str, kind: CellKind, cell: str, text: str | None, code: str | None
) -> None:
    """What a spreadsheet typed is judged by its type, not as text."""
    field = LINES.field(name)
    normaliser = Normaliser(
        [name], [field], ReadingSettings(money_unit="rial"), Audit(), standard=True
    )
    kinds = (np.array([kind], np.uint8),)
    found = normaliser.apply(TextBatch.of([5], [pa.array([cell])], kinds=kinds))

    assert [text or cell] == found.columns[0].to_pylist()
    assert ([code] if code else []) == [mark.code for mark in found.marks]


def test_percent_cells_of_a_sheet() -> None:
    """A cell shown as 62 % is stored as 0.62, and read as the figure 62."""
    field = load("projects").field("physical_progress")
    plan = plan_of(field, standard=True)
    found = judge("0.62", CellKind.PERCENT, plan, ReadingSettings())

    assert ("62", (("number", "0.62", "62"),)) == (found.text, found.steps)


def test_undeclared_columns_are_carried() -> None:
    """A column without a declaration keeps every byte."""
    cell = "\u0643\u064a  \u200e\x00"

    assert (
        cell == judge(cell, CellKind.TEXT, ColumnPlan("x_note"), ReadingSettings()).text
    )


def test_default_fills_empty_cells() -> None:
    """An empty cell of a field with a default is filled, and counted."""
    audit = Audit()
    field = LINES.field("program_code")
    normaliser = Normaliser(
        [field.name], [field], ReadingSettings(), audit, standard=True
    )
    found = normaliser.apply(TextBatch.of([2, 3], [pa.array(["", "12"])]))

    assert ["0", "12"] == found.columns[0].to_pylist()
    assert 1 == audit.changed("program_code", "default")
