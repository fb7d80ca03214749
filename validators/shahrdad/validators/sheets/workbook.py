"""Sheets of workbooks: columns of text, or rows of values.

A sheet of an XLSX that is written as spreadsheets write it is read by `sheet_table`, in
one pass over its bytes. Others, XLS and ODS are read with calamine from a file object,
and what calamine loses is put back: error cells, percentages. A sheet that is mostly
empty goes to a reader that stops where the table ends.
"""

import datetime as dt
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from xml.parsers import expat

import numpy as np
import pyarrow as pa

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.container import Content, Inflating
from shahrdad.validators.kernels.cells import mask_array
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.sheets import biff_scan
from shahrdad.validators.sheets import scan as sheet_scan
from shahrdad.validators.sheets import table as sheet_table
from shahrdad.validators.sheets.cells import NotPlainError
from shahrdad.validators.sheets.scan import SheetFacts, WorkbookFacts
from shahrdad.validators.sheets.table import CutTable
from shahrdad.validators.sheets.values import (
    INTEGRAL_MAX,
    ErrorCell,
    PercentCell,
    text_of,
)
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import CellKind, Finding, Kinds, TextBatch

BATCH_ROWS = 8_192

Values = list[list[Any]]
T = TypeVar("T")


@dataclass(slots=True)
class Sheet:
    """A sheet that was read, as values or as columns of text.

    Attributes:
        name: Its name.
        load: Reads its rows as values, where they are asked for.
        table: Its columns; None where it was read as values.
        facts: What the scan found; empty for other formats than XLSX.
        findings: What the report says about it.
    """

    name: str
    load: Callable[[], Values]
    table: CutTable | None = None
    facts: SheetFacts = field(default_factory=SheetFacts)
    findings: list[Finding] = field(default_factory=list)
    _rows: Values | None = None

    @property
    def rows(self) -> Values:
        """Its rows from row 1 to the last one with a value; cells as Python values.

        Who changes them changes what `batches` gives.
        """
        if self._rows is None:
            self._rows = self.load()
        return self._rows

    @property
    def is_empty(self) -> bool:
        """Whether no cell has a value."""
        return not (self.rows if self.table is None else self.table.rows)

    def head(self, count: int) -> list[list[str]]:
        """Return its first rows as texts."""
        if self.table is None:
            return [text_row(row) for row in self.rows[:count]]
        return self.table.head(count)

    def batches(self, width: int, start: int) -> Iterator[TextBatch]:
        """Yield the rows from a row on, cut to a number of columns."""
        if self.table is None or self._rows is not None:
            return batches(self.rows, width, start)
        return self.table.batches(width, start)

    def is_column_empty(self, at: int, below: int) -> bool:
        """Tell whether a column, from 0, has no value below a row."""
        if self.table is None:
            rows = self.rows[below:]
            return all(at >= len(row) or row[at] in ("", None) for row in rows)
        return not any(len(part.rows) for part in self.table.column(at + 1, below))

    def texts_beside_dates(self, at: int, below: int, count: int) -> list[str]:
        """Return the texts of a column, from 0, among which there are typed dates.

        Args:
            at: The column.
            below: The row above the first one that is looked at.
            count: How many rows are looked at.

        Returns:
            None of them where no cell is a date.
        """
        if self.table is None:
            rows = self.rows[below : below + count]
            cells = [row[at] for row in rows if at < len(row)]
            typed = any(isinstance(cell, dt.date) for cell in cells)
            return [cell for cell in cells if isinstance(cell, str)] if typed else []
        texts: list[str] = []
        typed = False
        for part in self.table.column(at + 1, below):
            near = part.between(below + 1, below + count)
            kinds = near.kinds
            typed |= bool(np.isin(kinds, (CellKind.DATE, CellKind.DATETIME)).any())
            text = near.texts.filter(mask_array(kinds == CellKind.TEXT))
            texts += text.to_pylist()
        return texts if typed else []


@dataclass(slots=True)
class Workbook:
    """A workbook that was opened.

    Attributes:
        names: Names of all its sheets.
        visible: Names of those that are shown and not ours.
        read: Reads a sheet by name.
        hidden: Names of those that are hidden and not ours.
    """

    names: tuple[str, ...]
    visible: tuple[str, ...]
    read: Callable[[str], Sheet]
    hidden: tuple[str, ...] = ()


def open_workbook(
    source: Source, content: Content, limits: Limits = DEFAULT
) -> Workbook:
    """Open a workbook.

    Raises:
        DataError: SOURCE_UNREADABLE, SOURCE_ENCRYPTED, SOURCE_INFLATES,
            SOURCE_TOO_LARGE.
    """
    if content.format == "xlsx":
        facts = sheet_scan.scan_workbook(source, limits)
        visible = tuple(s.name for s in facts.sheets if s.visible and not s.ours)
        names = tuple(sheet.name for sheet in facts.sheets)
        return Workbook(
            names,
            visible,
            lambda name: _read_xlsx(source, name, facts, limits),
            tuple(s.name for s in facts.sheets if not s.visible and not s.ours),
        )
    if content.format == "ods":
        _check_ods(source, limits)
    names, visible = _list_sheets(source)
    scanned = biff_scan.scan(source) if content.format == "xls" else {}
    return Workbook(
        names,
        visible,
        lambda name: _read_other(
            source, name, scanned.get(names.index(name), SheetFacts()), limits
        ),
        tuple(name for name in names if name not in visible),
    )


def _unreadable(source: Source, error: BaseException) -> DataError:
    detail = str(error) or type(error).__name__
    return DataError(Reason.SOURCE_UNREADABLE, name=source.label, detail=detail)


def _list_sheets(source: Source) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the sheets, and of those that are shown."""
    import python_calamine as calamine

    def listed(workbook: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        work = [
            s
            for s in workbook.sheets_metadata
            if s.typ == calamine.SheetTypeEnum.WorkSheet
        ]
        shown = [s.name for s in work if s.visible == calamine.SheetVisibleEnum.Visible]
        return tuple(s.name for s in work), tuple(shown)

    return _with_calamine(source, listed)


def _with_calamine(source: Source, use: Callable[[Any], T]) -> T:
    """Open a workbook with calamine, from a file object: its name may lie.

    Raises:
        DataError: SOURCE_ENCRYPTED, SOURCE_UNREADABLE.
    """
    import python_calamine as calamine

    with source.open() as stream:
        try:
            return use(calamine.CalamineWorkbook.from_filelike(stream))
        except calamine.PasswordError as error:
            raise DataError(Reason.SOURCE_ENCRYPTED, name=source.label) from error
        except (calamine.CalamineError, OSError, ValueError, OverflowError) as error:
            raise _unreadable(source, error) from error


def _read_xlsx(
    source: Source, name: str, workbook: WorkbookFacts, limits: Limits
) -> Sheet:
    """Read a sheet of an XLSX, in one pass where it is written as usual."""
    info = workbook.sheet(name)

    def slowly() -> Sheet:
        found = sheet_scan.scan_sheet(source, info, workbook, limits)
        return read_values(source, name, found, limits)

    try:
        facts, table = sheet_table.read(source, info, workbook, limits)
    except NotPlainError:
        return slowly()
    if facts.is_sparse(limits):
        return slowly()
    _check_area(source, facts, limits)
    return Sheet(name, lambda: slowly().rows, table, facts, list(_findings(facts)))


def _check_area(source: Source, facts: SheetFacts, limits: Limits) -> None:
    if facts.columns > limits.columns_max:
        raise _too_large(source, facts.columns, "columns", limits.columns_max)
    area = facts.rows * facts.columns
    if area > limits.sheet_cells_max and not facts.is_sparse(limits):
        raise _too_large(source, area, "cells", limits.sheet_cells_max)


def read_values(source: Source, name: str, facts: SheetFacts, limits: Limits) -> Sheet:
    """Read a sheet of an XLSX as values, with what the scan found put back."""
    _check_area(source, facts, limits)
    if facts.is_sparse(limits):
        sheet = _read_sparse(source, name, facts, limits)
    else:
        sheet = _of_rows(name, _calamine_rows(source, name, limits), facts)
        # Rows of nothing but errors are empty ones to the reader.
        last = max((row for row, _ in facts.errors), default=0)
        width = len(sheet.rows[0]) if sheet.rows else 0
        sheet.rows.extend([""] * width for _ in range(last - len(sheet.rows)))
    for (row, column), text in facts.errors.items():
        _put(sheet.rows, row, column, ErrorCell(text))
    for row, column in facts.percents:
        if row <= len(sheet.rows) and column <= len(sheet.rows[row - 1]):
            value = sheet.rows[row - 1][column - 1]
            if type(value) in (float, int):
                sheet.rows[row - 1][column - 1] = PercentCell(value)
    sheet.findings += _findings(facts)
    return sheet


def _of_rows(name: str, rows: Values, facts: SheetFacts) -> Sheet:
    return Sheet(name, lambda: rows, facts=facts)


def _put(rows: Values, row: int, column: int, value: object) -> None:
    """Put a value into a place that was read, or just beside it."""
    if row <= len(rows):
        cells = rows[row - 1]
        cells.extend([""] * (column - len(cells)))
        cells[column - 1] = value


def _too_large(source: Source, found: int, unit: str, found_max: int) -> DataError:
    return DataError(
        Reason.SOURCE_TOO_LARGE,
        name=source.label,
        found=found,
        unit=unit,
        found_max=found_max,
    )


def _read_other(source: Source, name: str, facts: SheetFacts, limits: Limits) -> Sheet:
    """Read a sheet of an XLS or ODS, with its error cells put back."""
    sheet = _of_rows(name, _calamine_rows(source, name, limits), facts)
    for (row, column), text in facts.errors.items():
        _put(sheet.rows, row, column, ErrorCell(text))
    facts.rows = len(sheet.rows)
    facts.columns = max(map(len, sheet.rows), default=0)
    return sheet


def _calamine_rows(source: Source, name: str, limits: Limits) -> Values:
    """Read all rows of a sheet, from row 1."""

    def read(workbook: Any) -> Values:
        sheet = workbook.get_sheet_by_name(name)
        area = sheet.total_height * sheet.total_width
        if area > limits.sheet_cells_max:
            raise _too_large(source, area, "cells", limits.sheet_cells_max)
        rows: Values = list(sheet.iter_rows())
        # Its rows begin at row 1, but its columns where the first value stands.
        if sheet.start is not None and sheet.start[1] > 0:
            rows = [[""] * sheet.start[1] + row for row in rows]
        while rows and not any(_is_filled(value) for value in rows[-1]):
            rows.pop()
        return rows

    return _with_calamine(source, read)


def _is_filled(value: object) -> bool:
    return value is not None and value != ""


def _read_sparse(source: Source, name: str, facts: SheetFacts, limits: Limits) -> Sheet:
    """Read rows until a long run of empty ones; what stands below is reported."""
    import openpyxl

    rows: Values = []
    empty = 0
    with source.open() as stream, warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # openpyxl warns of styles that it does not know
        try:
            workbook = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            for cells in workbook[name].iter_rows(values_only=True):
                row = ["" if value is None else value for value in cells]
                rows.append(row)
                empty = 0 if any(_is_filled(value) for value in row) else empty + 1
                if empty > limits.empty_rows_max:
                    break
                if len(rows) * max(facts.columns, 1) > limits.sheet_cells_max:
                    area = facts.rows * facts.columns
                    raise _too_large(source, area, "cells", limits.sheet_cells_max)
            workbook.close()
        except (KeyError, ValueError, TypeError, OSError, zipfile.BadZipFile) as error:
            raise _unreadable(source, error) from error
    read = sum(_is_filled(value) for row in rows for value in row)
    while rows and not any(_is_filled(value) for value in rows[-1]):
        rows.pop()
    sheet = _of_rows(name, rows, facts)
    if len(rows) < facts.rows:
        values: dict[str, str | int] = {
            "value": f"{facts.values - read} > {len(rows)} … {facts.rows}",
            "last_row_read": len(rows),
            "last_row": facts.rows,
            "cells": max(facts.values - read, 0),
        }
        sheet.findings.append(Finding("source-stray-cells", "warning", values))
    return sheet


def _findings(facts: SheetFacts) -> Iterator[Finding]:
    """Return what the report says about single cells of a sheet."""
    for row, column in facts.empty_formulas:
        address = f"{column_letters(column)}{row}"
        yield Finding(
            "cell-formula-empty", "error", {"value": address}, row=row, cell=address
        )
    for row, column in facts.leap_days:
        address = f"{column_letters(column)}{row}"
        yield Finding(
            "date-excel-epoch", "warning", {"value": address}, row=row, cell=address
        )


def column_letters(number: int) -> str:
    """Return the letters of a column, from 1.

    >>> column_letters(1), column_letters(16384)
    ('A', 'XFD')
    """
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _check_ods(source: Source, limits: Limits) -> None:
    """Inflate an ODS once, counted, and add up the cells that it repeats.

    A few bytes may stand for a rectangle of a million rows.
    """
    total = 0
    with source.open() as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, ValueError) as error:
            raise _unreadable(source, error) from error
        for info in archive.infolist():
            most = min(
                limits.workbook_member_bytes_max, limits.workbook_bytes_max - total
            )
            try:
                packed: Any = archive.open(info)
            except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
                raise _unreadable(source, error) from error
            with Inflating(
                packed,
                source,
                source.size,
                limits,
                total_max=max(most, 0),
                part=info.filename,
            ) as member:
                counter = (
                    _Repeats(source, limits) if info.filename == "content.xml" else None
                )
                while block := member.read(1 << 20):
                    total += len(block)
                    if counter is not None:
                        counter.feed(block)


class _Repeats:
    """Counts the cells with a value that the XML of an ODS stands for."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source, self._limits = source, limits
        self._rows, self._cells, self._row_cells, self._total = 1, 1, 0, 0
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse

    def feed(self, block: bytes) -> None:
        """Take the next bytes.

        Raises:
            DataError: SOURCE_TOO_LARGE, SOURCE_UNREADABLE.
        """
        try:
            self._parser.Parse(block, False)
        except expat.ExpatError as error:
            raise _unreadable(self._source, error) from error

    def _refuse(self, *_: object) -> None:
        raise _unreadable(self._source, ValueError("a document type in XML"))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table-row":
            self._rows = _count_of(attributes, "table:number-rows-repeated")
            self._row_cells = self._cells = 0
        elif name in ("table:table-cell", "table:covered-table-cell"):
            self._cells += _count_of(attributes, "table:number-columns-repeated")
            if "office:value-type" in attributes:
                self._row_cells = self._cells

    def _end(self, name: str) -> None:
        if name != "table:table-row":
            return
        self._total += self._rows * self._row_cells
        if self._total > self._limits.sheet_cells_max:
            raise _too_large(
                self._source, self._total, "cells", self._limits.sheet_cells_max
            )


def _count_of(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "1")
    return int(text) if text.isascii() and text.isdigit() else 1


def text_row(row: Sequence[Any]) -> list[str]:
    """Return a row as texts."""
    return [text_of(value)[0] for value in row]


def batches(rows: Values, width: int, start: int) -> Iterator[TextBatch]:
    """Yield the rows below the header.

    Args:
        rows: The rows of a sheet, from row 1.
        width: Number of columns of the table.
        start: Number of the first row of data, from 1.
    """
    for begin in range(start - 1, len(rows), BATCH_ROWS):
        yield _batch(rows[begin : begin + BATCH_ROWS], width, begin + 1)


def _batch(rows: Values, width: int, first_row: int) -> TextBatch:
    """Make a batch of rows; blank ones are left out and numbered."""
    numbers, filled, blank = [], [], []
    for number, row in enumerate(rows, start=first_row):
        if any(value != "" and value is not None for value in row[:width]):
            numbers.append(number)
            filled.append(row)
        else:
            blank.append(number)
    columns: list[pa.StringArray] = []
    kinds: list[Kinds | None] = []
    for place in range(width):
        values = [row[place] if place < len(row) else "" for row in filled]
        column, kind = _column(values)
        columns.append(column)
        kinds.append(kind)
    return TextBatch.of(numbers, columns, kinds=tuple(kinds), blank=tuple(blank))


def _column(values: list[Any]) -> tuple[pa.StringArray, Kinds | None]:
    """Return one column as texts; kinds only where not all cells are text."""
    types = set(map(type, values))
    if types <= {str}:
        return pa.array(values, pa.string()), None
    if types == {float}:
        figures = np.array(values)
        if (np.trunc(figures) == figures).all() and (
            np.abs(figures) < INTEGRAL_MAX
        ).all():
            texts = pa.array(figures.astype(np.int64)).cast(pa.string())
            return texts, np.full(len(values), CellKind.NUMBER, np.uint8)
    pairs = [text_of(value) for value in values]
    kinds = np.array([kind for _, kind in pairs], np.uint8)
    return pa.array([text for text, _ in pairs], pa.string()), kinds
