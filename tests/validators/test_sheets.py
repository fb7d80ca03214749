"""Sheets: what the reader would lose is put back, what is too much is refused."""

import datetime as dt
import io
import re
import struct
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.container import look
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.sheets import biff_scan
from shahrdad.validators.sheets import scan as sheet_scan
from shahrdad.validators.sheets import values as sheet_values
from shahrdad.validators.sheets import workbook as sheets
from shahrdad.validators.sheets.workbook import Sheet
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import CellKind
from shared_data import SHARED, needs_shared
from workbook_files import ods_of, xlsx_of, xlsx_of_xml, zip_of

DAY = dt.datetime(2025, 8, 30)  # noqa: DTZ001 - a sheet knows no zone
ERROR, STYLE_1 = ' t="e"', ' s="1"'


def read(content: bytes, limits: Limits = DEFAULT) -> Sheet:
    """Read the first sheet of a workbook."""
    source = Source.of(content)
    workbook = sheets.open_workbook(source, look(source), limits)
    return workbook.read(workbook.names[0])


def refused(content: bytes, **limits: int) -> Reason:
    """Return why a workbook is refused."""
    with pytest.raises(DataError) as caught:
        read(content, replace(DEFAULT, **limits))
    return caught.value.reason


def outcome(content: bytes) -> Reason | None:
    """Return why a workbook is refused; None when it is read."""
    try:
        read(content)
    except DataError as error:
        return error.reason
    return None


def cell(place: str, value: str, attributes: str = "", formula: str = "") -> str:
    """Return the XML of one cell."""
    return f'<c r="{place}"{attributes}>{formula}<v>{value}</v></c>'


@pytest.mark.parametrize("prefix", ["", "x"])
def test_error_cells_are_put_back(prefix: str) -> None:
    """An error cell comes out by its name, not as an empty one."""
    xml = f'<row r="1">{cell("A1", "1")}{cell("B1", "#REF!", ERROR)}</row>'
    if prefix:
        xml = re.sub(r"<(/?)", rf"<\1{prefix}:", xml)
    source = Source.of(xlsx_of_xml(xml, prefix=prefix))
    facts = sheet_scan.scan_workbook(source)
    found = sheet_scan.scan_sheet(source, facts.sheets[0], facts)

    assert {(1, 2): "#REF!"} == found.errors
    assert (1, 2, 2) == (found.rows, found.columns, found.values)
    if not prefix:
        sheet = read(xlsx_of_xml(xml))
        assert [("1", CellKind.NUMBER), ("#REF!", CellKind.ERROR)] == [
            sheet_values.text_of(value) for value in sheet.rows[0]
        ]


def test_formula_without_value_is_an_error() -> None:
    """A formula that was never calculated is reported with its address."""
    formulas = '<c r="B1"><f>A1*2</f></c><c r="C1"><f>A1</f><v>1</v></c>'
    xml = f'<row r="1">{cell("A1", "1")}{formulas}</row>'
    sheet = read(xlsx_of_xml(xml))

    assert [("cell-formula-empty", "error", 1, "B1")] == [
        (one.code, one.severity, one.row, one.cell) for one in sheet.findings
    ]


def test_percent_cells_are_known() -> None:
    """A number that is shown as a percentage is marked, by built-in and own formats."""
    styles = (
        '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts>'
        '<numFmt numFmtId="170" formatCode="0.0%"/>'
        '<numFmt numFmtId="171" formatCode="0&quot;%&quot;"/></numFmts><cellXfs>'
        '<xf numFmtId="0"/><xf numFmtId="9"/><xf numFmtId="170"/><xf numFmtId="171"/>'
        "</cellXfs></styleSheet>"
    )
    row = "".join(
        cell(f"{letter}1", "0.62", f' s="{at}"') for at, letter in enumerate("ABCD")
    )
    sheet = read(xlsx_of_xml(f'<row r="1">{row}</row>', styles=styles))

    assert [CellKind.NUMBER, CellKind.PERCENT, CellKind.PERCENT, CellKind.NUMBER] == [
        sheet_values.text_of(value)[1] for value in sheet.rows[0]
    ]


def test_serial_60_is_warned_about() -> None:
    """29 February 1900 never was; a cell that holds it is named."""
    styles = (
        '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'
    )
    xml = f'<row r="1">{cell("A1", "60", STYLE_1)}{cell("B1", "60")}</row>'
    sheet = read(xlsx_of_xml(xml, styles=styles))

    assert [("date-excel-epoch", "A1")] == [
        (one.code, one.cell) for one in sheet.findings
    ]


def test_columns_keep_their_places() -> None:
    """A table that begins in column C is read with its empty columns before it."""
    sheet = read(
        xlsx_of({"s": [[None, None, None], [None, None, "a"], [None, None, 1]]})
    )

    assert [["", "", ""], ["", "", "a"], ["", "", 1.0]] == sheet.rows


def test_stray_value_does_not_cost_memory() -> None:
    """One value a million rows below the table is reported, not laid out."""
    table = "".join(
        f'<row r="{row}">{cell(f"A{row}", "1")}</row>' for row in range(1, 11)
    )
    stray = f'<row r="1000000">{cell("Z1000000", "1")}</row>'
    sheet = read(xlsx_of_xml(table + stray))

    assert 10 == len(sheet.rows)
    found = sheet.findings[0]
    assert ("source-stray-cells", 1, 10, 1_000_000) == (
        found.code,
        found.values["cells"],
        found.values["last_row_read"],
        found.values["last_row"],
    )


def test_area_is_bounded() -> None:
    """A sheet of as many cells as allowed is read; one row more is refused."""
    rows = [[1, 2]] * 5

    assert 5 == len(
        read(xlsx_of({"s": rows}), replace(DEFAULT, sheet_cells_max=10)).rows
    )
    assert Reason.SOURCE_TOO_LARGE == refused(
        xlsx_of({"s": [*rows, [1, 2]]}), sheet_cells_max=10
    )
    assert Reason.SOURCE_TOO_LARGE == refused(xlsx_of({"s": rows}), columns_max=1)


def test_members_are_counted_while_inflating() -> None:
    """Each member, the shared strings and the sum are bounded by what comes out."""
    with zipfile.ZipFile(
        io.BytesIO(xlsx_of_xml(f'<row r="1">{cell("A1", "1")}</row>'))
    ) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    parts["xl/sharedStrings.xml"] = (
        b"<sst>" + b"<si><t>text</t></si>" * 9_000 + b"</sst>"
    )
    content = zip_of(parts)
    total, strings = sum(map(len, parts.values())), len(parts["xl/sharedStrings.xml"])

    assert Reason.SOURCE_INFLATES == refused(
        content, workbook_member_bytes_max=strings - 1
    )
    assert Reason.SOURCE_INFLATES == refused(
        content, shared_strings_bytes_max=strings - 1
    )
    assert Reason.SOURCE_INFLATES == refused(content, workbook_bytes_max=total - 1)
    assert 1 == len(read(content, replace(DEFAULT, workbook_bytes_max=total)).rows)


def test_document_types_are_refused() -> None:
    """XML that declares entities is refused before anything expands them."""
    with zipfile.ZipFile(io.BytesIO(xlsx_of_xml(""))) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    evil = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>'
    for name in ("xl/workbook.xml", "xl/styles.xml", "xl/worksheets/sheet1.xml"):
        assert Reason.SOURCE_UNREADABLE == refused(
            zip_of({**parts, name: evil + parts[name]})
        )


def test_ods_repetition_is_counted() -> None:
    """A few bytes that stand for a million rows are refused; empty ones are free."""
    one = (
        '<table:table-cell office:value-type="float" office:value="1">'
        "<text:p>1</text:p></table:table-cell>"
    )
    many = 'table:number-rows-repeated="1000000"'
    plain = f"<table:table-row>{one}</table:table-row>"
    bomb = f"<table:table-row {many}>{one * 60}</table:table-row>"
    empty = f"<table:table-row {many}><table:table-cell/></table:table-row>"

    assert [[1.0]] == read(ods_of(plain + empty)).rows
    assert Reason.SOURCE_TOO_LARGE == refused(ods_of(bomb))


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        (10.0, "10", CellKind.NUMBER),
        (110101.0, "110101", CellKind.NUMBER),
        (0.1 + 0.2, "0.3", CellKind.NUMBER),
        (1e-7, "0.0000001", CellKind.NUMBER),
        (9007199254740993.0, "9007199254740992", CellKind.NUMBER),
        (1e22, "10000000000000000000000", CellKind.NUMBER),
        (dt.date(2025, 8, 30), "2025-08-30", CellKind.DATE),
        (DAY, "2025-08-30", CellKind.DATE),
        (DAY + dt.timedelta(hours=12), "2025-08-30T12:00:00", CellKind.DATETIME),
        (None, "", CellKind.EMPTY),
        (False, "false", CellKind.BOOLEAN),
        ("'007", "'007", CellKind.TEXT),
    ],
)  # fmt: skip
def test_values_as_text(value: Any, text: str, kind: CellKind) -> None:
    """A value is the text that its sheet shows, with its digits and no exponent."""
    assert (text, kind) == sheet_values.text_of(value)


def test_rows_and_kinds_of_a_batch() -> None:
    """Blank rows are numbered and left out; kinds go along where not all is text."""
    batch = next(sheets.batches([["h", "n"], ["a", 1.0], ["", ""], ["b", "x"]], 2, 2))

    assert ([2, 4], (3,)) == (batch.rows.tolist(), batch.blank)
    assert [["a", "b"], ["1", "x"]] == [column.to_pylist() for column in batch.columns]
    assert batch.kinds[0] is None
    assert [CellKind.NUMBER, CellKind.TEXT] == list(
        batch.kinds[1] if batch.kinds[1] is not None else []
    )


def test_sheets_of_our_report_are_ignored() -> None:
    """A sheet with our hidden name is not among those that may hold the table."""
    names = (
        '<definedNames><definedName name="_shahrdad_report" localSheetId="0">1'
        "</definedName></definedNames>"
    )
    source = Source.of(xlsx_of_xml("", names=names))

    assert ((), ("s",)) == (
        sheets.open_workbook(source, look(source)).visible,
        sheets.open_workbook(source, look(source)).names,
    )


def test_sheets_are_bounded() -> None:
    """As many sheets as allowed are listed; one more is refused."""
    content = xlsx_of({"a": [[1]], "b": [[1]]})

    assert "a" == read(content, replace(DEFAULT, sheets_max=2)).name
    assert Reason.SOURCE_TOO_LARGE == refused(content, sheets_max=1)


@needs_shared
def test_biff_is_bounded() -> None:
    """An XLS, read as a whole, is bounded by its length."""
    source = Source.of(SHARED / "data" / "messy" / "xloader" / "simple.xls")

    assert "xls" == look(source, replace(DEFAULT, biff_bytes_max=source.size)).format
    with pytest.raises(DataError) as caught:
        look(source, replace(DEFAULT, biff_bytes_max=source.size - 1))
    assert Reason.SOURCE_TOO_LARGE == caught.value.reason


@needs_shared
def test_error_cells_of_biff() -> None:
    """An error cell of an XLS comes out by its name too."""
    content = bytearray(
        (SHARED / "data" / "messy" / "xloader" / "simple.xls").read_bytes()
    )
    at = [match.start() for match in re.finditer(b"\xfd\x00\x0a\x00", bytes(content))][
        4
    ]
    row, column, style = struct.unpack_from("<HHH", content, at + 4)
    content[at : at + 14] = struct.pack(
        "<HHHHHBBH", 0x205, 10, row, column, style, 0x17, 1, 0
    )

    assert {(row + 1, column + 1): "#REF!"} == biff_scan.scan(
        Source.of(bytes(content))
    )[0].errors
    assert "#REF!" == read(bytes(content)).rows[row][column]


@needs_shared
def test_damaged_biff_is_refused() -> None:
    """An XLS whose chains lead nowhere or in a circle is refused, and ends."""
    content = (SHARED / "data" / "messy" / "xloader" / "simple.xls").read_bytes()
    for place in range(0, 1024, 7):
        damaged = bytearray(content)
        damaged[place : place + 4] = b"\x01\x00\x00\x00"
        reason = outcome(bytes(damaged))
        assert reason in (
            None,
            Reason.SOURCE_UNREADABLE,
            Reason.SOURCE_FORMAT,
            Reason.SOURCE_DIALECT,
            Reason.SOURCE_ENCODING,
        )
