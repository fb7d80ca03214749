"""Sheets of workbooks as rows of values, and values as text.

XLSX, XLS and ODS are read with calamine from a file object, after an XLSX was scanned.
What calamine loses is put back: error cells, percentages. A sheet that is mostly empty
goes to a reader that stops where the table ends.

>>> [text_of(value)[0] for value in (1250.0, 0.1, True, None)]
['1250', '0.1', 'true', '']
"""

import datetime as dt
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar
from xml.parsers import expat

import numpy as np
import pyarrow as pa

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators import biff_scan, sheet_scan
from shahrdad.validators.container import Content, Inflating
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.sheet_scan import SheetFacts, WorkbookFacts
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import CellKind, Finding, Kinds, TextBatch

BATCH_ROWS = 8_192
EXACT_DIGITS = 15  # what a spreadsheet shows of a number with decimals
INTEGRAL_MAX = 10.0**15

Values = list[list[Any]]
T = TypeVar("T")


class ErrorCell(str):
    """The name of an error that stands in a cell, such as `#REF!`."""

    __slots__ = ()


class PercentCell(float):
    """A number that its sheet shows as a percentage."""

    __slots__ = ()


@dataclass(slots=True)
class Sheet:
    """A sheet that was read.

    Attributes:
        name: Its name.
        rows: Its rows from row 1 to the last one with a value; cells as Python values.
        facts: What the scan found; empty for other formats than XLSX.
        findings: What the report says about it.
    """

    name: str
    rows: Values
    facts: SheetFacts = field(default_factory=SheetFacts)
    findings: list[Finding] = field(default_factory=list)


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
        except (calamine.CalamineError, OSError, ValueError) as error:
            raise _unreadable(source, error) from error


def _read_xlsx(
    source: Source, name: str, workbook: WorkbookFacts, limits: Limits
) -> Sheet:
    """Read a sheet of an XLSX, with what the scan found put back."""
    info = workbook.sheet(name)
    facts = sheet_scan.scan_sheet(source, info, workbook, limits)
    if facts.columns > limits.columns_max:
        raise _too_large(source, facts.columns, "columns", limits.columns_max)
    if facts.is_sparse(limits):
        sheet = _read_sparse(source, name, facts, limits)
    else:
        area = facts.rows * facts.columns
        if area > limits.sheet_cells_max:
            raise _too_large(source, area, "cells", limits.sheet_cells_max)
        sheet = Sheet(name, _calamine_rows(source, name, limits), facts)
    for (row, column), text in facts.errors.items():
        _put(sheet.rows, row, column, ErrorCell(text))
    for row, column in facts.percents:
        if row <= len(sheet.rows) and column <= len(sheet.rows[row - 1]):
            value = sheet.rows[row - 1][column - 1]
            if type(value) in (float, int):
                sheet.rows[row - 1][column - 1] = PercentCell(value)
    sheet.findings += _findings(facts)
    return sheet


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
    sheet = Sheet(name, _calamine_rows(source, name, limits), facts)
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
    sheet = Sheet(name, rows, facts)
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


def text_of(value: Any) -> tuple[str, CellKind]:
    """Return a value as text, and how its file stored it.

    A number with decimals is given with the fifteen digits that a spreadsheet shows.
    """
    kind = type(value)
    if kind is str:
        return value, CellKind.TEXT
    if kind is float or kind is int or kind is PercentCell:
        stored = CellKind.PERCENT if kind is PercentCell else CellKind.NUMBER
        return _number_text(float(value) if kind is PercentCell else value), stored
    if kind is bool:
        return ("true" if value else "false"), CellKind.BOOLEAN
    if kind is ErrorCell:
        return str(value), CellKind.ERROR
    if value is None:
        return "", CellKind.EMPTY
    if kind is dt.date:
        return value.isoformat(), CellKind.DATE
    if kind is dt.datetime:
        if value.time() == dt.time():
            return value.date().isoformat(), CellKind.DATE
        return value.isoformat(), CellKind.DATETIME
    if kind is dt.time or kind is dt.timedelta:
        return str(value), CellKind.DATETIME
    return str(value), CellKind.TEXT


def _number_text(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if value.is_integer():
        if abs(value) < INTEGRAL_MAX:
            return str(int(value))
        return format(Decimal(repr(value)).to_integral_value(), "f")
    text = repr(value)
    if sum(map(str.isdigit, text.partition("e")[0].lstrip("-0."))) > EXACT_DIGITS:
        text = f"{value:.{EXACT_DIGITS}g}"
    return format(Decimal(text), "f") if text[-1].isdigit() else text


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
