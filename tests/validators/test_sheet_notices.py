"""What a workbook hides, merges or colours is said, and a colour may be mapped."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Color, PatternFill

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.datasets.standards import load
from shahrdad.validators import Options, validate
from shahrdad.validators.container import look
from shahrdad.validators.importing import open_table
from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.sheets.scan import scan_sheet, scan_workbook
from shahrdad.validators.sheets.workbook import open_workbook
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import Finding
from shared_data import SHARED, needs_shared

UNITS = load("org_units")
HEADER = ["شناسه واحد", "نام واحد", "نوع واحد", "شماره منطقه"]
ROWS = [["m1", "منطقه یک", "منطقه", 1], ["m2", "منطقه دو", "منطقه", 2]]


def workbook(change: Callable[[openpyxl.Workbook], object]) -> bytes:
    """Return a list of units, changed as somebody changed it."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "واحدها"
    for row in [HEADER, *ROWS]:
        sheet.append(row)
    change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def findings(content: bytes, code: str, **more: Any) -> list[Finding]:
    """Return what opening says under a code."""
    table = open_table(content, standard=UNITS, **more)
    return [one for one in table.findings if one.code == code]


def hide(book: openpyxl.Workbook) -> None:
    """Hide a row and a column, others beyond the table, and set a filter."""
    sheet = book.worksheets[0]
    sheet.row_dimensions[3].hidden = True
    sheet.row_dimensions[900].hidden = True
    for letter in ("C", "D", "ZZ"):
        sheet.column_dimensions[letter].hidden = True
    sheet.auto_filter.ref = "A1:D3"


def test_hidden_rows_and_columns_are_named() -> None:
    """They are read; the notice names those that hold something, in both languages."""
    content = workbook(hide)
    (found,) = findings(content, "source-hidden")
    report = validate(content, schema="org_units")

    assert "rows 3; columns C–D; by a filter" == found.values["value"]
    assert "ردیف ۳؛ ستون C تا D؛ با پالایه (filter)" == found.values["value_fa"]
    assert 2 == report.rows


def test_hidden_sheets_are_named_and_not_read() -> None:
    """A hidden sheet is no candidate; chosen by name it is read, and said to be so."""

    def change(book: openpyxl.Workbook) -> None:
        for name, state in (("پارسال", "hidden"), ("قدیم", "veryHidden")):
            sheet = book.create_sheet(name)
            sheet.append(HEADER)
            sheet.append(ROWS[0])
            sheet.sheet_state = state

    content = workbook(change)
    (found,) = findings(content, "source-hidden-sheet")
    chosen = Options(sheet="پارسال")
    (itself,) = findings(content, "source-hidden", options=chosen)
    (others,) = findings(content, "source-hidden-sheet", options=chosen)

    assert "«پارسال», «قدیم»" == found.values["value"]
    assert "the sheet itself" == itself.values["value"]
    assert "«قدیم»" == others.values["value"]
    assert 2 == validate(content, schema="org_units").rows


def test_visible_workbooks_say_nothing() -> None:
    """Without hidden, merged or coloured parts there is no notice."""
    table = open_table(workbook(lambda book: None), standard=UNITS)

    assert not {one.code for one in table.findings if one.code.startswith("source-")}


def test_merged_header_cells_are_named() -> None:
    """Merged cells of the header are listed; those above it are only a title."""

    def change(book: openpyxl.Workbook) -> None:
        sheet = book.worksheets[0]
        sheet.insert_rows(1, 2)
        sheet["A1"] = "فهرست واحدهای شهرداری"
        sheet.merge_cells("A1:D1")
        sheet["A2"] = "شناسه واحد"
        sheet.merge_cells("A2:A3")
        for column, title in enumerate(HEADER[1:], start=2):
            sheet.cell(3, column).value = title

    content = workbook(change)
    declared = {"source": {"header_rows": [2, 3]}}
    (found,) = findings(content, "source-merged-header", profile=declared)

    assert ("A2:A3", "info") == (found.values["value"], found.severity)
    assert 2 == validate(content, schema="org_units", profile=declared).rows


def fill(colour: str | Color) -> PatternFill:
    """Return a cell's fill."""
    return PatternFill("solid", fgColor=colour)


def paint(book: openpyxl.Workbook) -> None:
    """Colour the header, two cells in two ways, an empty cell, and one in white."""
    sheet = book.worksheets[0]
    for cell in sheet[1]:
        cell.fill = fill("FF00B050")
    sheet["A2"].fill = fill("FFFFFF00")
    sheet["A3"].fill = fill(Color(theme=5, tint=0.4))
    sheet["B2"].fill = fill("FFFFFF00")
    sheet["C2"].fill = fill("FFFFFFFF")
    sheet["F3"].fill = fill("FFFF0000")


def test_colours_are_listed_with_their_cells() -> None:
    """Colour, number of cells and the first; not the header's, not empty cells."""
    (found,) = findings(workbook(paint), "source-coloured")

    assert "FFFF00: 2 (A2); theme-5+0.40: 1 (A3)" == found.values["value"]
    assert "info" == found.severity


MAPPED: dict[str, Any] = {
    "columns": [
        {"to": "org_unit_id", "from": "شناسه واحد"},
        {"to": "name_fa", "from": "نام واحد"},
        {"to": "district_no", "from": "شماره منطقه"},
        {
            "to": "unit_type",
            "colour": "شناسه واحد",
            "values": {"ffff00": "district", "theme-5+0.40": "company"},
        },
        {"to": "city_code", "constant": "1346"},
    ],
    "ignore": ["نوع واحد"],
}


def test_a_colour_may_be_mapped_to_codes() -> None:
    """The colour of one column's cells is a text like any other; it is not listed."""
    content = workbook(paint)
    table = open_table(content, standard=UNITS, profile=MAPPED)
    at = table.names.index("unit_type")
    cells = [cell for batch in table.batches for cell in batch.columns[at].to_pylist()]

    assert ["district", "company"] == cells
    assert "source-coloured" not in {one.code for one in table.findings}


def test_colours_of_other_formats_are_not_read() -> None:
    """A profile that maps colours is refused for a file that has none."""
    text = ",".join(HEADER) + "\nm1,a,منطقه,1\n"
    with pytest.raises(DataError) as caught:
        open_table(text.encode(), standard=UNITS, profile=MAPPED)

    assert Reason.PROFILE_INVALID == caught.value.reason
    assert "colour (csv)" in str(caught.value.values["detail"])


@pytest.mark.parametrize(("most", "cut"), [(7, False), (6, True)])
def test_coloured_cells_are_bounded(most: int, cut: bool) -> None:
    """As many as the bound are remembered; of more it is said that there are."""
    source = Source.of(workbook(paint))
    limits = replace(DEFAULT, coloured_cells_max=most)
    facts = scan_workbook(source)
    found = scan_sheet(source, facts.sheets[0], facts, limits)

    assert cut == found.colours_cut
    assert most == sum(map(len, found.colours.values()))


@needs_shared
def test_hidden_parts_of_biff() -> None:
    """The flags of rows and columns in an XLS hide them too, and are read."""
    content = bytearray(
        (SHARED / "data" / "messy" / "xloader" / "simple.xls").read_bytes()
    )
    at = bytes(content).index(b"\x08\x02\x10\x00")
    row = int.from_bytes(content[at + 4 : at + 6], "little") + 1
    content[at + 16] |= 0x20
    source = Source.of(bytes(content))
    opened = open_workbook(source, look(source))

    assert [(row, row)] == opened.read(opened.visible[0]).facts.hidden_rows
