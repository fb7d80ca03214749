"""A sheet cut by its bytes is the sheet that the reader of sheets gives.

Invented workbooks and real ones, read both ways: the same texts and kinds of cells, the
same rows, the same facts beside them. SHAHRDAD_FUZZ=N tries N invented ones.
"""

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from invented_sheets import Taste, invented
from shahrdad.datasets.errors import DataError
from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.sheets import cells as sheet_cells
from shahrdad.validators.sheets import scan as sheet_scan
from shahrdad.validators.sheets import strings as sheet_strings
from shahrdad.validators.sheets import table as sheet_table
from shahrdad.validators.sheets import workbook as readers
from shahrdad.validators.sheets.cells import NotPlainError
from shahrdad.validators.source import Source
from shared_data import SHARED, needs_shared
from workbook_files import xlsx_of_xml

EXAMPLES = int(os.environ.get("SHAHRDAD_FUZZ", "80"))
FACTS = (
    *("rows", "columns", "empty_formulas", "leap_days", "hidden_rows", "merged"),
    *("hidden_columns", "filtered", "right_to_left", "colours", "colours_cut"),
)


def rows_of(sheet: readers.Sheet, width: int) -> tuple[dict[int, Any], list[int]]:
    """Return the rows of a sheet by number, texts with their kinds, and blank ones."""
    rows: dict[int, Any] = {}
    blank: list[int] = []
    for batch in sheet.batches(width, 2):
        columns = [column.to_pylist() for column in batch.columns]
        kinds = [
            [0] * batch.rows_count if kind is None else kind.tolist()
            for kind in batch.kinds
        ]
        for at, number in enumerate(batch.rows.tolist()):
            rows[number] = [
                (column[at], kind[at])
                for column, kind in zip(columns, kinds, strict=True)
            ]
        blank += batch.blank
    return rows, blank


def compare(source: Source, number: int = 0) -> str:
    """Read a sheet both ways and compare; return how it went."""
    workbook = sheet_scan.scan_workbook(source)
    info = workbook.sheets[number]
    try:
        facts, table = sheet_table.read(source, info, workbook, DEFAULT)
        if facts.is_sparse(DEFAULT):
            return "sparse"
        scanned = sheet_scan.scan_sheet(source, info, workbook, DEFAULT)
        slow = readers.read_values(source, info.name, scanned, DEFAULT)
    except NotPlainError:
        return "not plain"
    except DataError:
        return "refused"
    fast = readers.Sheet(info.name, lambda: slow.rows, table, facts)
    head = slow.head(50)
    width = max(map(len, head), default=0)

    assert head == fast.head(50)
    assert rows_of(slow, width) == rows_of(fast, width)
    for name in FACTS:
        assert getattr(scanned, name) == getattr(facts, name), name
    for at in range(width):
        assert slow.is_column_empty(at, 1) == fast.is_column_empty(at, 1)
    return "same"


@pytest.mark.parametrize("odd", [0.0, 0.03])
def test_invented_sheets_are_read_alike(odd: float) -> None:
    """Whatever cells a sheet holds, both ways give the same, and most are cut."""
    routes = Counter(
        compare(Source.of(invented(seed, Taste(odd=odd)))) for seed in range(EXAMPLES)
    )

    assert routes["same"] > EXAMPLES / 2, routes


@needs_shared
def test_real_sheets_are_read_alike() -> None:
    """Workbooks as municipalities publish them are read alike, and nearly all cut."""
    routes: Counter[str] = Counter()
    for path in sorted((SHARED / "data").rglob("*.xlsx")):
        if path.stat().st_size > 1 << 19:
            continue
        source = Source.of(path)
        for number in range(len(sheet_scan.scan_workbook(source).sheets)):
            routes[compare(source, number)] += 1

    assert routes["same"] > 10 * routes["not plain"], routes


def cells_of(rows: str) -> list[tuple[int, int, str]]:
    """Return row, column and text of each cell."""
    cells = sheet_cells.cut(rows.encode())
    found = zip(
        cells.rows.tolist(), cells.columns.tolist(), cells.texts.to_pylist(),
        strict=True,
    )  # fmt: skip
    return list(found)


def test_addresses_reach_the_last_column_and_row() -> None:
    """XFD1048576 is a cell; one column or row more is none."""
    last = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'

    assert [(1_048_576, 16_384, "1")] == cells_of(last)
    for wrong in ("XFE1048576", "AAAA1048576", "XFD1048577"):
        with pytest.raises(NotPlainError):
            cells_of(last.replace("XFD1048576", wrong))


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="1"><c r="A2"><v>1</v></c></row>',
        '<row r="1"><c r="B1"/><c r="A1"/></row>',
        '<row r="2"/><row r="1"/>',
        '<row r="1"><c r="A1"><v>1</v></row>',
        '<row r="1"><v>1</v></row>',
        '<row r="1"><c r="A1"><v>a &nbsp; b</v></c></row>',
        '<row r="1"><c r="A1"><v>a\rb</v></c></row>',
        '<row r="1"><c r="A1"><!-- --><v>1</v></c></row>',
        '<row r="1"><c r="A1" t="d"><v>2020-01-05</v></c></row>',
        '<row r="1"><c r="A1" t="str"><v>_x000D_</v></c></row>',
        '<row r="1"><c r="A1"><vx>1</vx></c></row>',
        '<row r="1"><c r="A1"/></row ><row r="2"/>',
        '<row><c r="A1"/></row>',
        '<row r="1"><c/></row>',
    ],
)
def test_what_is_written_otherwise_is_left_to_a_slower_reader(rows: str) -> None:
    """The cutter refuses what it does not surely understand; it never guesses."""
    with pytest.raises(NotPlainError):
        cells_of(rows)


def pull(parts: Iterator[bytes], _: int) -> bytes:
    """Return the next bytes."""
    return next(parts, b"")


def test_blocks_end_between_rows() -> None:
    """However few bytes arrive at a time, the rows are the same."""
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="str"><v>ش{n}</v></c></row>' for n in range(1, 40)
    )
    xml = f"<worksheet><sheetData>{rows}</sheetData><x/></worksheet>".encode()
    for size in (1, 7, 64, 1000):
        parts = iter([xml[at : at + size] for at in range(0, len(xml), size)])
        split = list(sheet_table.split_rows(partial(pull, parts)))

        assert rows.encode() == b"".join(block for is_rows, block in split if is_rows)
        assert [False, False] == [split[0][0], split[-1][0]]


def test_shared_strings_are_joined_and_trimmed_as_the_reader_does() -> None:
    """Space around a text stays only where the file says so, or for openpyxl."""
    content = (
        b'<sst><si><t> a </t></si><si><t xml:space="preserve"> b </t></si>'
        b"<si><r><t>c </t></r><r><rPr><b/></rPr><t>d</t></r></si><si><t/></si></sst>"
    )

    assert ["a", " b ", "cd", ""] == sheet_strings.shared(content).to_pylist()
    kept = sheet_strings.shared(content, trimmed=False).to_pylist()
    assert [" a ", " b ", "c d", ""] == kept


def test_error_in_a_row_of_its_own_is_not_lost(tmp_path: Path) -> None:
    """A last row that holds an error alone is read, whichever way it is read."""
    rows = '<row r="1"><c r="A1"><v>1</v></c></row>'
    rows += '<row r="2"><c r="A2" t="e"><v>#REF!</v></c></row>'
    path = tmp_path / "e.xlsx"
    path.write_bytes(xlsx_of_xml(rows))

    assert "same" == compare(Source.of(path))
