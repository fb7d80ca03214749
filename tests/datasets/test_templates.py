"""Templates are complete, the same every time, and open in what people use."""

import csv
import io
import zipfile
from datetime import date
from functools import cache
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.cell import (
    column_index_from_string,
    coordinate_from_string,
    get_column_letter,
)
from openpyxl.worksheet.worksheet import (
    Worksheet,
)
from python_calamine import CalamineWorkbook

from shahrdad.datasets import templates
from shahrdad.datasets.standards import Standard, families, load

SHEETS = ["داده", "مشخصات", "راهنما", "فهرست‌ها", "نمونه"]


@pytest.fixture(params=families())
def standard(request: pytest.FixtureRequest) -> Standard:
    """Each family in turn."""
    return load(request.param)


@cache
def blank(standard: Standard) -> bytes:
    """Return the template without anything filled in, made once."""
    return templates.xlsx_template(standard)


def opened(content: bytes) -> openpyxl.Workbook:
    """Open a workbook as a program that reads styles and validations would."""
    return openpyxl.load_workbook(io.BytesIO(content))


def sheet_of(content: bytes, name: str) -> Worksheet:
    """Return one sheet of a workbook."""
    sheet = opened(content)[name]
    assert isinstance(sheet, Worksheet)
    return sheet


def within(first: str, last: str) -> tuple[int, int, int, int]:
    """Return the rows and columns between two cells, as `iter_rows` takes them."""
    (left, top), (right, bottom) = map(coordinate_from_string, (first, last))
    return top, bottom, column_index_from_string(left), column_index_from_string(right)


def cells(content: bytes, sheet: str) -> list[list[Any]]:
    """Return the values of a sheet as calamine reads them."""
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)


def test_same_standard_same_bytes(standard: Standard) -> None:
    """A template can be checked against its published hash."""
    first = blank(standard)

    assert first == templates.xlsx_template(standard)
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {(1980, 1, 1, 0, 0, 0)} == {i.date_time for i in archive.infolist()}


def test_sheets_are_right_to_left_and_named_for_excel(standard: Standard) -> None:
    """Names have at most 31 characters; a Persian sheet starts at the right."""
    workbook = opened(blank(standard))

    assert SHEETS == workbook.sheetnames
    assert all(len(name) <= 31 for name in workbook.sheetnames)
    assert all(sheet.sheet_view.rightToLeft for sheet in workbook.worksheets)


def test_header_of_the_data_sheet(standard: Standard) -> None:
    """Row 1 is Persian titles, row 2 names; both stay in sight, with a filter."""
    sheet = sheet_of(blank(standard), "داده")
    titles = [cell.value for cell in sheet[1]]
    names = [cell.value for cell in sheet[2]]

    assert list(standard.field_names) == names
    assert [
        f"{f.title_fa} *" if templates.must_be_filled(f) else f.title_fa
        for f in standard.fields
    ] == titles
    assert [bool(cell.font.bold) for cell in sheet[1]] == [
        templates.must_be_filled(f) for f in standard.fields
    ]
    assert "A3" == sheet.freeze_panes
    assert sheet.auto_filter.ref is not None
    assert sheet.auto_filter.ref.endswith("10000")


def test_every_code_and_boolean_has_a_drop_down(standard: Standard) -> None:
    """Drop-downs show Persian labels, to row 10,000, from ranges on the list sheet."""
    content = blank(standard)
    lists = sheet_of(content, "فهرست‌ها")
    sheet = sheet_of(content, "داده")
    found = {str(v.sqref): v for v in sheet.data_validations.dataValidation}
    for column, field in enumerate(standard.fields, start=1):
        letter = get_column_letter(column)
        validation = found.get(f"{letter}3:{letter}10000")
        labels = [category.label_fa for category in field.categories]
        if field.type == "boolean":
            labels = ["بله", "خیر"]
        if not labels:
            assert validation is None or validation.type != "list"
            continue
        assert validation is not None
        assert "list" == validation.type
        source = validation.formula1.replace("$", "").split("!")[1]
        first, last = source.split(":")
        cells = [row[0].value for row in lists.iter_rows(*within(first, last))]
        assert labels == cells, field.name


def test_input_messages_fit_excel(standard: Standard) -> None:
    """Excel refuses a title above 32 and a text above 255 characters."""
    sheet = sheet_of(blank(standard), "داده")
    dates = 0
    for validation in sheet.data_validations.dataValidation:
        assert len(validation.promptTitle or "") <= 32
        assert len(validation.prompt or "") <= 255
        dates += templates.DATE_EXAMPLE in (validation.prompt or "")

    assert sum(field.type == "date" for field in standard.fields) == dates


def test_formats_keep_codes_and_dates_as_text(standard: Standard) -> None:
    """Excel would drop leading zeros and turn ۱۴۰۴/۰۶/۳۱ into something else."""
    sheet = sheet_of(blank(standard), "داده")
    for column, field in enumerate(standard.fields, start=1):
        # Neighbours of one format and width are one entry, under their first letter.
        (shown,) = [
            entry.number_format
            for entry in sheet.column_dimensions.values()
            if (entry.min or 0) <= column <= (entry.max or 0)
        ]
        if field.kind == "money":
            assert "#,##0" == shown
        elif field.unit == "percent":
            assert "0.0" == shown
        elif field.kind in {"code", "date"}:
            assert "@" == shown


def test_properties_hold_what_an_import_asks_for(standard: Standard) -> None:
    """Standard, version, digest, unit, calendar, date, year and control totals."""
    properties = templates.Properties(
        city_code="1346",
        money_unit="million_rial",
        as_of_date=date(2025, 9, 22),
        fiscal_year=1404,
        totals=dict.fromkeys(templates.control_totals(standard), "۶۳"),
    )
    rows = cells(templates.xlsx_template(standard, properties), "مشخصات")
    values = {row[0]: row[2] for row in rows[1:]}

    assert {
        "layout": "1",
        "standard": standard.family,
        "version": standard.version,
        "digest": standard.digest,
        "city_code": "1346",
        "money_unit": "میلیون ریال",
        "calendar": "شمسی",
        "as_of_date": "۱۴۰۴/۰۶/۳۱",
        "fiscal_year": "1404",
        **dict.fromkeys(templates.control_totals(standard), "۶۳"),
    } == values
    assert all(row[1] and row[3] for row in rows[1:])


def test_every_control_total_has_labels() -> None:
    """A figure that a rule compares can be entered with a name in both languages."""
    named = {t for family in families() for t in templates.control_totals(load(family))}

    assert set(templates.TOTALS) == named


def test_guide_tells_every_column(standard: Standard) -> None:
    """One row a field, with what is allowed and the rules that touch it."""
    rows = cells(blank(standard), "راهنما")

    columns = rows[1 : 1 + len(standard.fields)]
    assert [f.name for f in standard.fields] == [row[0] for row in columns]
    assert [f.title_fa for f in standard.fields] == [row[1] for row in columns]
    assert all(row[4] for row in columns)
    assert len(rows) - len(columns) - 1 in {0, 1}
    assert all("{" not in str(row[7]) for row in rows[1:])
    touched = {
        line.split(":")[0] for row in rows[1:] for line in str(row[7]).split("\n")
    }
    assert {rule.id for rule in standard.rules} == touched - {""}


def test_the_example_sheet_is_the_example(standard: Standard) -> None:
    """It shows the rows of the sample city as a person would type them."""
    rows = cells(blank(standard), "نمونه")
    expected = templates.example_rows(standard)

    assert len(expected) == len(rows) - 2
    for row, typed in zip(rows[2:], expected, strict=True):
        for field, cell in zip(standard.fields, row, strict=True):
            shown = templates.cell_of(field, typed[field.name], "rial")
            assert ("" if shown is None else shown) == cell


def test_a_filled_template_shows_labels_dates_and_units() -> None:
    """What a person reads is Persian; amounts are in the unit of the workbook."""
    standard = load("projects")
    rows = templates.example_rows(standard)
    content = templates.xlsx_template(
        standard, templates.Properties(money_unit="million_rial"), rows
    )
    sheet = cells(content, "داده")
    names = list(standard.field_names)

    assert "در حال اجرا" == sheet[2][names.index("status")]
    assert "خیر" == sheet[2][names.index("is_smart_city")]
    assert "۱۴۰۴/۰۶/۳۱" == sheet[2][names.index("as_of_date")]
    assert 90_000_000 == sheet[2][names.index("budget_rial")]
    assert "9999" == sheet[2][names.index("city_code")]


def test_amounts_without_a_unit_are_refused() -> None:
    """A number without a unit is never written."""
    standard = load("projects")

    with pytest.raises(ValueError, match="no money unit"):
        templates.xlsx_template(standard, None, [{"budget_rial": 1}])
    with pytest.raises(ValueError, match="no code"):
        templates.xlsx_template(standard, None, [{"status": "nearly"}])


def test_csv_template_is_a_header_for_excel(standard: Standard) -> None:
    """Excel knows UTF-8 by the BOM; the titles are those of the standard."""
    content = templates.csv_template(standard)
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))

    assert content.startswith(b"\xef\xbb\xbf")
    assert [[field.title_fa for field in standard.fields]] == rows
