"""A plain reader of the demonstration's files, apart from the importer.

It knows no more than the profile says, so that a slip in a file or a profile shows here
and not in the importer's guesses.
"""

import csv
import io
import re
from datetime import date
from decimal import Decimal
from typing import Any

from python_calamine import CalamineWorkbook

from shahrdad.datasets import templates
from shahrdad.datasets.codelists import code_list
from shahrdad.datasets.demo_set import DemoDataset
from shahrdad.datasets.jalali import parse_date_either
from shahrdad.datasets.standards import Field, load

ASCII = str.maketrans("۰۱۲۳۴۵۶۷۸۹٫", "0123456789.", "٬")
LETTERS = {0x064A: 0x06CC, 0x0643: 0x06A9, 0x00A0: 0x20}


def plain(text: str) -> str:
    """Return a text with Persian letters and single spaces."""
    return " ".join(text.translate(LETTERS).split())


def grid(dataset: DemoDataset) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a file as text."""
    assert dataset.profile is not None
    source = dataset.profile["source"]
    content = dataset.path.read_bytes()
    if source["kind"] == "xlsx":
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content))
        read = sheet.get_sheet_by_name(source["sheet"]).to_python(skip_empty_area=False)
        lines = [[str(cell) for cell in row] for row in read]
    else:
        guessed = "utf-16" if content[:2] == b"\xff\xfe" else "utf-8-sig"
        text = content.decode(source["encoding"] or guessed)
        delimiter = source["delimiter"] or ","
        lines = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    header = source["header_rows"][-1]
    skip = [re.compile(pattern) for pattern in source["skip_rows"]]
    rows = [
        row
        for row in lines[header:]
        if not any(pattern.search(plain(cell)) for cell in row for pattern in skip)
    ]
    return [plain(label) for label in lines[header - 1]], rows


def value(field: Field, text: str, unit: str | None) -> Any:
    """Return the typed value of a cell, or None for an empty one."""
    text = plain(text)
    if text == "":
        return field.import_default
    if field.type == "date":
        return parse_date_either(text).date
    if field.type == "boolean":
        return {"بله": "true", "خیر": "false"}.get(text, text)
    if field.categories:
        labels = {plain(c.label_fa).translate(ASCII): c.value for c in field.categories}
        return labels.get(
            text.translate(ASCII), text if text in labels.values() else None
        )
    if field.kind == "money":
        row = code_list("money_units").row(unit or "")
        assert row is not None, f"{field.name} has amounts and no unit"
        amount = Decimal(text.translate(ASCII).replace(",", ""))
        rial = amount * int(row["rial_factor"])
        assert rial == int(rial), f"{text} is no whole rial"
        return int(rial)
    if field.type in {"integer", "number"}:
        return Decimal(text.translate(ASCII).replace(",", ""))
    return text


def rows_of(dataset: DemoDataset) -> list[dict[str, Any]]:
    """Return the typed rows of a file under its profile."""
    standard = load(dataset.family)
    if dataset.profile is None:
        return _template_rows(dataset)
    header, lines = grid(dataset)
    columns = dataset.profile["columns"]
    unit = dataset.profile["money_unit"]
    found = []
    for line in lines:
        row: dict[str, Any] = {}
        for column in columns:
            field = standard.field(column["to"])
            if "constant" in column:
                text = column["constant"]
            else:
                text = line[header.index(plain(column["from"]))]
            values = {
                plain(name): code for name, code in column.get("values", {}).items()
            }
            row[field.name] = value(field, values.get(plain(text), text), unit)
        found.append(
            {f.name: row.get(f.name, f.import_default) for f in standard.fields}
        )
    return found


def _template_rows(dataset: DemoDataset) -> list[dict[str, Any]]:
    standard = load(dataset.family)
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(dataset.path.read_bytes()))
    read = {
        name: workbook.get_sheet_by_name(name).to_python()
        for name in workbook.sheet_names
    }
    known = {row[0]: row[2] for row in read[templates.SHEET_PROPERTIES][1:]}
    units = code_list("money_units")
    unit = next(
        row["unit"] for row in units.rows if row["label"] == known["money_unit"]
    )
    assert standard.digest == known["digest"]
    header, *lines = read[templates.SHEET_DATA][1:]
    rows = []
    for line in lines:
        cells = {name: _text(cell) for name, cell in zip(header, line, strict=True)}
        rows.append({f.name: value(f, cells[f.name], unit) for f in standard.fields})
    return rows


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)
