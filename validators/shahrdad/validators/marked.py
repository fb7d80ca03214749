"""The returned workbook: the publisher's own table with the wrong cells coloured.

Sheet 1 is the table as it was read: same sheet name, same rows and columns, so `C5` in
a message is `C5` here. Sheet 2 lists every finding with a link to its cell, sheet 3
tells the legend, the code lists, the unit and the calendar that were used. The mended
workbook can be uploaded as it is: reading leaves out our comments, colours and sheets.

Texts are written as texts: a cell `=cmd|…` stays one, and nothing becomes a link.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from shahrdad.validators import raw_table
from shahrdad.validators.bulk import Issue
from shahrdad.validators.codes import Language
from shahrdad.validators.container import look
from shahrdad.validators.plan import FieldPlan
from shahrdad.validators.report import Report
from shahrdad.validators.sheets import workbook as sheets
from shahrdad.validators.sheets.scan import REPORT_NAME
from shahrdad.validators.source import Given, Source

ROWS_MAX = 200_000  # of a table that is returned whole
CELLS_MAX = 5_000_000
COMMENTS_MAX = 2_000  # Excel becomes slow with more
COMMENT_LETTERS_MAX = 1_000
ISSUES_MAX = 60_000  # listed on sheet 2: Excel takes 65,530 links a sheet
TEXT_LETTERS_MAX = 32_767  # of a cell, in Excel
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_WORDS = {
    "fa": {
        "report": "گزارش",
        "guide": "راهنما",
        "data": "داده",
        "row": "ردیف",
        "column": "ستون",
        "code": "کد",
        "message": "پیام",
        "fix": "راه اصلاح",
        "cell": "خانه",
        "severity": "درجه",
        "error": "خطا",
        "warning": "هشدار",
        "info": "یادآوری",
        "partial": (
            "جدول بزرگ است: فقط ردیف\u200cهای دارای یافته آمده\u200cاند؛ شماره ردیف در "
            "ستون نخست است."
        ),
        "more": "یافته\u200cهای دیگری هم هست که اینجا نیامده\u200cاند:",
        "legend": "رنگ\u200cها",
        "lists": "فهرست کدها",
        "unit": "واحد پول",
        "calendar": "تقویم",
        "author": "شهرداد",
    },
    "en": {
        "report": "Report",
        "guide": "Guide",
        "data": "Data",
        "row": "Row",
        "column": "Column",
        "code": "Code",
        "message": "Message",
        "fix": "To mend",
        "cell": "Cell",
        "severity": "Severity",
        "error": "error",
        "warning": "warning",
        "info": "note",
        "partial": (
            "The table is large: only rows with findings are here; the first "
            "column is the row number."
        ),
        "more": "There are more findings that are not listed here:",
        "legend": "Colours",
        "lists": "Code lists",
        "unit": "Money unit",
        "calendar": "Calendar",
        "author": "Shahrdad",
    },
}
_COLOURS = {"error": "#FFC7CE", "warning": "#FFEB9C", "info": "#DDEBF7"}
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - the same report gives the same bytes


@dataclass(slots=True)
class Layout:
    """The rows of the file as they were read.

    Attributes:
        sheet: Name of the sheet; None for text.
        header_rows: Numbers of the header's rows.
        width: Columns of the header.
        rows: Row number and cells of every row, from row 1.
    """

    sheet: str | None
    header_rows: tuple[int, ...]
    width: int
    rows: Iterator[tuple[int, Sequence[Any]]]


def layout_of(given: Given | Source, facts: Mapping[str, Any], width: int) -> Layout:
    """Open a source again, as a report says that it was read.

    Args:
        given: The source.
        facts: The report's member `source`.
        width: Number of labels.

    Raises:
        DataError: It cannot be read any more.
    """
    source = given if isinstance(given, Source) else Source.of(given)
    content = look(source)
    source = content.inner or source
    header = tuple(int(row) for row in facts.get("header_rows") or (1,))
    if facts["format"] in ("xlsx", "xls", "ods"):
        sheet = sheets.open_workbook(source, content).read(str(facts["sheet"]))
        return Layout(sheet.name, header, width, enumerate(sheet.rows, start=1))
    if facts["format"] == "parquet":
        table = raw_table.from_parquet(source)
    else:
        declared = raw_table.Declared(
            encoding=(facts.get("encoding") or {}).get("name"),
            delimiter=(facts.get("dialect") or {}).get("delimiter"),
        )
        opened = (
            raw_table.from_json
            if content.format in ("json", "jsonl")
            else raw_table.from_text
        )
        table = opened(source, content, declared)
    return Layout(None, header, width, _text_rows(table, header, width))


def _text_rows(
    table: raw_table.RawTable, header: tuple[int, ...], width: int
) -> Iterator[tuple[int, Sequence[Any]]]:
    last = header[-1]
    yield from enumerate(table.head[:last], start=1)
    for batch in table.batches(last, width):
        columns = [column.to_pylist() for column in batch.columns]
        found: dict[int, Sequence[Any]] = {row.row: row.cells for row in batch.ragged}
        found |= dict.fromkeys(batch.blank, ())
        for place, number in enumerate(batch.rows.tolist()):
            found[number] = [column[place] for column in columns]
        yield from sorted(found.items())


@dataclass(slots=True)
class _Book:
    """The workbook while it is written."""

    book: xlsxwriter.Workbook
    report: Report
    language: Language
    words: Mapping[str, str]
    formats: dict[str, Format] = field(default_factory=dict)
    comments: int = 0
    ranges: dict[str, str] = field(default_factory=dict)


def write_marked(
    report: Report, given: Given | Source, path: Path, language: Language
) -> None:
    """Write the marked workbook of a report.

    Args:
        report: What was found.
        given: The source that was validated.
        path: Where the workbook goes.
        language: Of sentences and of our sheets.

    Raises:
        DataError: The source cannot be read any more.
        OSError: The file cannot be written.
    """
    layout = layout_of(given, report.source, len(report.labels))
    book = xlsxwriter.Workbook(
        str(path),
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "default_date_format": "yyyy-mm-dd",
        },
    )
    book.set_properties({"created": _CREATED, "author": _WORDS[language]["author"]})
    book.set_size(2400, 1200)
    with book:
        writing = _Book(book, report, language, _WORDS[language])
        _formats(writing)
        name = (layout.sheet or writing.words["data"])[:31]
        data = book.add_worksheet(name)
        listing = book.add_worksheet(_free_name(writing.words["report"], name))
        guide = book.add_worksheet(_free_name(writing.words["guide"], name))
        for sheet in (listing, guide):
            _own(book, sheet)
        if language == "fa":
            for sheet in (data, listing, guide):
                sheet.right_to_left()
        issues = report.findings.listed(ISSUES_MAX)
        _write_guide(writing, guide)
        places = _write_data(writing, data, layout, issues)
        _write_listing(writing, listing, name, issues, places)


def _free_name(name: str, taken: str) -> str:
    return f"{name} 2" if name == taken else name


def _own(book: xlsxwriter.Workbook, sheet: Worksheet) -> None:
    """Mark a sheet as ours: reading leaves it out."""
    quoted = str(sheet.get_name()).replace("'", "''")
    book.define_name(f"'{quoted}'!{REPORT_NAME}", f"='{quoted}'!$A$1")


def _formats(writing: _Book) -> None:
    for severity, colour in _COLOURS.items():
        writing.formats[severity] = writing.book.add_format(
            {"bg_color": colour, "border": 1}
        )
        writing.formats[f"{severity}-date"] = writing.book.add_format(
            {"bg_color": colour, "border": 1, "num_format": "yyyy-mm-dd"}
        )
    writing.formats["head"] = writing.book.add_format({"bold": True, "bottom": 1})
    writing.formats["wrap"] = writing.book.add_format(
        {"text_wrap": True, "valign": "top"}
    )


_RANKS = {"error": 0, "warning": 1, "info": 2}


def _by_cell(
    report: Report, issues: Sequence[Issue], header_row: int
) -> dict[int, dict[int, list[Issue]]]:
    """Return the findings by row and by column of the file, from 0."""
    positions = report.explainer.positions
    found: dict[int, dict[int, list[Issue]]] = {}
    for issue in issues:
        row, place = issue.row, positions.get(issue.field or "")
        if row is None:
            if place is None:
                continue
            row = header_row
        found.setdefault(row, {}).setdefault((place or 1) - 1, []).append(issue)
    return found


def _write_data(
    writing: _Book, sheet: Worksheet, layout: Layout, issues: Sequence[Issue]
) -> dict[int, int]:
    """Write the table; return where each row with findings went, from 0."""
    report = writing.report
    header = layout.header_rows[-1]
    by_cell = _by_cell(report, issues, header)
    whole = report.rows <= ROWS_MAX and report.rows * max(layout.width, 1) <= CELLS_MAX
    places: dict[int, int] = {}
    shift = 0 if whole else 1
    line = last = 0
    for number, cells in layout.rows:
        if not whole and number > header and number not in by_cell:
            continue
        line = number - 1 if whole else (line + 1 if number > 1 else 0)
        last = max(last, line)
        if shift:
            sheet.write_number(line, 0, number)
        marked = by_cell.get(number, {})
        for column in range(max(len(cells), max(marked, default=-1) + 1)):
            value = cells[column] if column < len(cells) else None
            _write_cell(writing, sheet, line, column + shift, value, marked.get(column))
        if number in by_cell:
            places[number] = line
    sheet.freeze_panes(header, 0)
    if layout.width:
        sheet.autofilter(header - 1, shift, max(last, header), layout.width - 1 + shift)
    _drop_downs(writing, sheet, header, last, shift)
    return places


def _write_cell(
    writing: _Book,
    sheet: Worksheet,
    line: int,
    column: int,
    value: Any,
    issues: Sequence[Issue] | None,
) -> None:
    """Write one cell as it was read, with its colour and comment."""
    form = None
    if issues:
        worst = min((issue.severity for issue in issues), key=_RANKS.__getitem__)
        dated = isinstance(value, date)
        form = writing.formats[f"{worst}-date" if dated else worst]
    if isinstance(value, bool):
        sheet.write_boolean(line, column, value, form)
    elif isinstance(value, int | float):
        sheet.write_number(line, column, value, form)
    elif isinstance(value, date):
        moment: Any = value  # a date is written as one, whatever the signature says
        sheet.write_datetime(line, column, moment, form)
    elif value not in (None, ""):
        sheet.write_string(line, column, _text(value), form)
    elif form is not None:
        sheet.write_blank(line, column, None, form)
    if issues and writing.comments < COMMENTS_MAX:
        writing.comments += 1
        sheet.write_comment(
            line,
            column,
            _comment(writing, issues),
            {"author": writing.words["author"], "x_scale": 2.5, "y_scale": 1.5},
        )


def _comment(writing: _Book, issues: Sequence[Issue]) -> str:
    explain, language = writing.report.explainer, writing.language
    parts = [
        f"{explain.message(i, language)}\n{explain.fix(i, language)}" for i in issues
    ]
    text = "\n\n".join(parts)
    return (
        text
        if len(text) <= COMMENT_LETTERS_MAX
        else text[: COMMENT_LETTERS_MAX - 1] + "…"
    )


def _text(value: Any) -> str:
    return _CONTROLS.sub("", str(value))[:TEXT_LETTERS_MAX]


def _drop_downs(
    writing: _Book, sheet: Worksheet, header: int, last: int, shift: int
) -> None:
    """Give columns with allowed values a list to choose from."""
    for name, position in writing.report.explainer.positions.items():
        source = writing.ranges.get(name)
        if source is None or position is None or last < header:
            continue
        column = position - 1 + shift
        sheet.data_validation(
            header,
            column,
            last,
            column,
            {"validate": "list", "source": source, "error_type": "warning"},
        )


def _write_listing(
    writing: _Book,
    sheet: Worksheet,
    data_name: str,
    issues: Sequence[Issue],
    places: Mapping[int, int],
) -> None:
    """Write sheet 2: every finding, with a link to its cell."""
    words, report, language = writing.words, writing.report, writing.language
    titles = ("severity", "row", "column", "code", "message", "fix", "cell")
    for column, title in enumerate(titles):
        sheet.write_string(0, column, words[title], writing.formats["head"])
    for column, width in enumerate((9, 8, 24, 26, 70, 50, 10)):
        sheet.set_column(column, column, width)
    whole = report.rows <= ROWS_MAX
    quoted = data_name.replace("'", "''")
    line = 0
    for line, issue in enumerate(issues, start=1):
        sheet.write_string(
            line, 0, words[issue.severity], writing.formats[issue.severity]
        )
        if issue.row is not None:
            sheet.write_number(line, 1, issue.row)
        sheet.write_string(
            line, 2, _text(report.explainer.column_title(issue, language))
        )
        sheet.write_string(line, 3, issue.code)
        message = _text(report.explainer.message(issue, language))
        sheet.write_string(line, 4, message, writing.formats["wrap"])
        fix = _text(report.explainer.fix(issue, language))
        sheet.write_string(line, 5, fix, writing.formats["wrap"])
        if issue.row is not None and issue.row in places:
            position = (report.explainer.positions.get(issue.field or "") or 1) + (
                not whole
            )
            cell = f"{sheets.column_letters(position)}{places[issue.row] + 1}"
            sheet.write_url(line, 6, f"internal:'{quoted}'!{cell}", string=cell)
    left = report.findings.by_code.total() - len(issues)
    if left:
        sheet.write_string(line + 2, 4, f"{words['more']} {left}")
    if not whole:
        sheet.write_string(line + 3, 4, words["partial"])
    sheet.freeze_panes(1, 0)


def _write_guide(writing: _Book, sheet: Worksheet) -> None:
    """Write sheet 3: legend, settings and code lists; note the lists' ranges."""
    words, report = writing.words, writing.report
    plan = report.explainer.plan
    listed = [f for f in plan.fields if _choices(f)] if plan is not None else []
    head = writing.formats["head"]
    settings = report.profile or {}
    rows: list[list[tuple[str, Format | None]]] = [
        [(words["legend"], head)],
        *[[(words[name], writing.formats[name])] for name in _COLOURS],
        [(words["unit"], head), (str(settings.get("money_unit") or "—"), None)],
        [(words["calendar"], head), (str(settings.get("calendar") or "—"), None)],
        [],
        [(words["lists"], head)],
    ]
    start = len(rows) + 1
    tallest = max((len(_choices(f)) for f in listed), default=0)
    rows.append(
        [
            part
            for f in listed
            for part in ((f.title(writing.language), head), ("", None))
        ]
    )
    for place in range(tallest):
        line: list[tuple[str, Format | None]] = []
        for f in listed:
            choices = _choices(f)
            code, label = choices[place] if place < len(choices) else ("", "")
            line += [
                (code, None),
                (label if writing.language == "fa" else _english(f, code), None),
            ]
        rows.append(line)
    for number, cells in enumerate(rows):
        for column, (text, form) in enumerate(cells):
            if text:
                sheet.write_string(number, column, _text(text), form)
    sheet.set_column(0, 2 * len(listed), 22)
    name = str(sheet.get_name()).replace("'", "''")
    for place, f in enumerate(listed):
        letters = sheets.column_letters(2 * place + 1)
        end = start + len(_choices(f)) - 1
        writing.ranges[f.name] = (
            f"='{name}'!${letters}${start + 1}:${letters}${end + 1}"
        )


def _choices(f: FieldPlan) -> list[tuple[str, str]]:
    """Return the allowed values of a field with their Persian labels."""
    labels = {
        str(choice["value"]): str(choice.get("label") or "")
        for choice in f.descriptor.get("categories") or ()
        if isinstance(choice, Mapping)
    }
    allowed = f.enum if f.enum is not None else f.categories or ()
    return [(str(value), labels.get(str(value), "")) for value in allowed]


def _english(f: FieldPlan, code: str) -> str:
    for choice in f.descriptor.get("categories") or ():
        if isinstance(choice, Mapping) and str(choice["value"]) == code:
            return str(choice.get("label_en") or "")
    return ""


__all__ = ["COMMENTS_MAX", "ROWS_MAX", "layout_of", "write_marked"]
