"""The returned workbook: cells at their places, coloured, commented, safe, mendable."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from shahrdad.validators import Options, validate
from shahrdad.validators import marked as marking

SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "id", "title": "شناسه", "title_en": "Id", "type": "integer"},
        {
            "name": "kind",
            "title": "نوع",
            "title_en": "Kind",
            "type": "string",
            "categories": [
                {"value": "a", "label": "الف", "label_en": "A"},
                {"value": "b", "label": "ب"},
            ],
        },
        {"name": "note", "type": "string"},
    ],
    "primaryKey": "id",
}
OPTIONS = Options(delimiter=",")


def book_of(path: Path, data: bytes | Path, language: Any = "fa", **more: Any) -> Any:
    """Validate, write the marked workbook and open it."""
    report = validate(data, schema=SCHEMA, options=more.pop("options", OPTIONS), **more)
    report.write_marked(path, language)
    return openpyxl.load_workbook(path)


def test_cells_stand_where_they_stood(tmp_path: Path) -> None:
    """A text file comes back row by row, ragged and blank rows included."""
    data = b"id,kind,note\n1,a,x\n\nq,a\n3,z,y,extra\n"

    book = book_of(tmp_path / "m.xlsx", data)
    sheet = book.worksheets[0]

    assert [
        ("id", "kind", "note", None),
        ("1", "a", "x", None),
        (None,) * 4,
        ("q", "a", None, None),
        ("3", "z", "y", "extra"),
    ] == list(sheet.iter_rows(values_only=True))
    assert ["داده", "گزارش", "راهنما"] == book.sheetnames
    assert sheet.sheet_view.rightToLeft


def test_wrong_cells_are_coloured_and_commented(tmp_path: Path) -> None:
    """Colour is never alone: a comment says what to do, sheet 2 lists it."""
    book = book_of(tmp_path / "m.xlsx", b"id,kind,note\nx,a,\n2,c,\n", "en")
    sheet, listing = book.worksheets[:2]

    assert ["A2", "B3"] == [
        c.coordinate for row in sheet.iter_rows() for c in row if c.comment
    ]
    assert "FFFFC7CE" == sheet["A2"].fill.fgColor.rgb
    assert "is not a whole number" in sheet["A2"].comment.text
    assert "Shahrdad" == sheet["A2"].comment.author
    assert ("error", 2, "Id", "type-integer") == tuple(c.value for c in listing[2][:4])
    assert (
        "#'Data'!A2" in str(listing["G2"].hyperlink.location or "")
        or listing["G2"].hyperlink
    )


def test_choosing_is_mending(tmp_path: Path) -> None:
    """A column with a code list has a drop-down from sheet 3."""
    book = book_of(tmp_path / "m.xlsx", b"id,kind,note\n1,c,\n")
    sheet, _, guide = book.worksheets

    [rule] = sheet.data_validations.dataValidation
    assert ("list", "B2") == (rule.type, str(rule.sqref))
    cells = guide[rule.formula1.split("!")[1].replace("$", "")]
    assert ["a", "b"] == [row[0].value for row in cells]


def test_formulas_links_and_numbers_stay_texts(tmp_path: Path) -> None:
    """A cell that looks like a formula is written as the text that it was."""
    note = "=cmd|' /C calc'!A0"
    data = f'id,kind,note\n1,a,"{note}"\nx,a,http://a.ir\n'.encode()

    book = book_of(tmp_path / "m.xlsx", data)
    sheet = book.worksheets[0]

    assert (note, "s") == (sheet["C2"].value, sheet["C2"].data_type)
    assert sheet["C3"].hyperlink is None
    assert ("1", "s") == (sheet["A2"].value, sheet["A2"].data_type)


def test_control_characters_are_removed(tmp_path: Path) -> None:
    """A character that XML cannot hold does not spoil the workbook."""
    book = book_of(tmp_path / "m.xlsx", b'id,kind,note\n1,a,"x\x01\x0by"\n')

    assert "xy" == book.worksheets[0]["C2"].value


def test_workbook_round_trip(tmp_path: Path) -> None:
    """Marked, one cell mended, validated again: the mended workbook is valid."""
    source = tmp_path / "given.xlsx"
    with xlsxwriter.Workbook(str(source)) as book:
        sheet = book.add_worksheet("برگه ۱")
        for line, row in enumerate(
            [["id", "kind", "note"], [1, "a", "x"], [2, "zzz", "y"]]
        ):
            sheet.write_row(line, 0, row)
    marked = tmp_path / "marked.xlsx"

    first = book_of(marked, source, options=Options())
    assert "برگه ۱" == first.sheetnames[0]
    assert 2 == first.worksheets[0]["A3"].value
    first.worksheets[0]["B3"].value = "b"
    first.save(marked)
    report = validate(marked, schema=SCHEMA)

    assert (True, 2) == (report.valid, report.rows)


def test_large_tables_come_back_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound only the header and rows with findings, with their numbers."""
    monkeypatch.setattr(marking, "ROWS_MAX", 3)
    data = b"id,kind,note\n" + b"".join(b"%d,a,\n" % n for n in range(9)) + b"x,a,\n"

    sheet = book_of(tmp_path / "m.xlsx", data).worksheets[0]

    assert [(1, "id"), (11, "x")] == [
        row[:2] for row in sheet.iter_rows(values_only=True)
    ]


def test_comments_stop_where_excel_slows_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the bound there are colours and sheet 2 alone."""
    monkeypatch.setattr(marking, "COMMENTS_MAX", 2)

    sheet = book_of(tmp_path / "m.xlsx", b"id,kind,note\n" + b"x,a,\n" * 5).worksheets[
        0
    ]

    cells = [sheet.cell(row, 1) for row in range(2, 7)]
    assert 2 == sum(cell.comment is not None for cell in cells)
    assert {"FFFFC7CE"} == {cell.fill.fgColor.rgb for cell in cells}


def test_report_without_a_source_cannot_be_marked(tmp_path: Path) -> None:
    """A report whose schema failed has nothing to mark."""
    report = validate(b"a\n", schema={"fields": []})

    with pytest.raises(ValueError, match="cannot be read again"):
        report.write_marked(tmp_path / "m.xlsx")
