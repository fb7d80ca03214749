"""XLSX: right to left, real dates with a Jalali column beside, a sheet that explains.

Excel keeps 15 digits of a number, so longer integers are written as text: a budget in
rial would otherwise change silently. XlsxWriter's creation time is fixed, so equal
tables give equal bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import pyarrow as pa
import xlsxwriter

from shahrdad.datasets.errors import Language
from shahrdad.datasets.jalali import format_iso
from shahrdad.node.http.exports.cells import list_text, rfc3339
from shahrdad.node.http.texts import say

INTEGER_MAX = 999_999_999_999_999  # what Excel keeps exactly
COLUMN_WIDTH = 18
CREATED = datetime(1980, 1, 1)  # noqa: DTZ001 - XlsxWriter takes a naive time
_FORBIDDEN = str.maketrans(dict.fromkeys("[]:*?/\\", " "))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the sheet: where it comes from, and its title."""

    name: str
    title: str
    jalali: bool = False


def write_workbook(
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    titles: Sequence[str],
    about: Sequence[tuple[str, str]],
    out: IO[bytes],
    language: Language,
) -> None:
    """Write a table as a workbook.

    Args:
        batches: The rows.
        schema: Their columns.
        titles: A title for each column.
        about: Lines of the second sheet: what, and its value.
        out: Where the file goes.
        language: Of titles and direction.
    """
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "remove_timezone": True,
    }
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"created": CREATED})
        formats = {
            "head": book.add_format({"bold": True, "bottom": 1, "bg_color": "#F0EDE5"}),
            "date": book.add_format({"num_format": "yyyy-mm-dd"}),
            "number": book.add_format({"num_format": "#,##0"}),
            "decimal": book.add_format({"num_format": "#,##0.######"}),
        }
        sheet = book.add_worksheet(say(language, "export.sheet"))
        columns = _columns(schema, titles, language)
        if language == "fa":
            sheet.right_to_left()
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(columns) - 1, COLUMN_WIDTH)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column.title, formats["head"])
        row = 0
        for batch in batches:
            for values in batch.to_pylist():
                row += 1
                for place, column in enumerate(columns):
                    _write(sheet, row, place, values[column.name], column, formats)
        sheet.autofilter(0, 0, row, len(columns) - 1)
        _explain(book, about, language, formats["head"])


def _columns(
    schema: pa.Schema, titles: Sequence[str], language: Language
) -> list[Column]:
    found = []
    for field, title in zip(schema, titles, strict=True):
        found.append(Column(field.name, title))
        is_day = pa.types.is_date(field.type) or pa.types.is_timestamp(field.type)
        if is_day and language == "fa":
            jalali = f"{title} ({say(language, 'export.jalali')})"
            found.append(Column(field.name, jalali, jalali=True))
    return found


def _write(
    sheet: Any,
    row: int,
    place: int,
    value: Any,
    column: Column,
    formats: dict[str, Any],
) -> None:
    """Write one cell; an empty one is left out."""
    if value is None:
        return
    if column.jalali:
        sheet.write_string(row, place, _jalali(value))
    elif isinstance(value, bool):
        sheet.write_boolean(row, place, value)
    elif isinstance(value, datetime):
        sheet.write_string(row, place, rfc3339(value))
    elif isinstance(value, date):
        if value.year < 1900:
            sheet.write_string(row, place, value.isoformat())
        else:
            sheet.write_datetime(row, place, value, formats["date"])
    elif isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            sheet.write_string(row, place, str(value))
        else:
            sheet.write_number(row, place, value, formats["number"])
    elif isinstance(value, Decimal):
        if len(value.as_tuple().digits) > 15:
            sheet.write_string(row, place, format(value, "f"))
        else:
            sheet.write_number(row, place, float(value), formats["decimal"])
    elif isinstance(value, float):
        sheet.write_number(row, place, value, formats["decimal"])
    else:
        text = list_text(value) if isinstance(value, list) else str(value)
        sheet.write_string(row, place, text[:32_767])


def _jalali(value: date | datetime) -> str:
    day = value.date() if isinstance(value, datetime) else value
    return format_iso(day)


def _explain(
    book: Any, about: Sequence[tuple[str, str]], language: Language, head: Any
) -> None:
    """Write the sheet that says where the figures come from."""
    sheet = book.add_worksheet(say(language, "export.guide").translate(_FORBIDDEN)[:31])
    if language == "fa":
        sheet.right_to_left()
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 90)
    for row, (name, value) in enumerate(about):
        sheet.write_string(row, 0, name, head)
        sheet.write_string(row, 1, value[:32_767])
