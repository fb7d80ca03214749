"""The monthly report as a workbook: a sheet for each part, one row a figure."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from shahrdad.datasets.errors import Language

SHEETS = {
    "activity": ("فعالیت", "Activity"),
    "changes": ("انتشارها", "Changes"),
    "quality": ("کیفیت", "Quality"),
    "counters": ("شاخص‌ها", "Counters"),
    "duties": ("تعهدها", "Duties"),
    "aged": ("کهنه‌ها", "Out of date"),
    "comparison": ("بودجه", "Budgets"),
    "smart_share": ("سهم هوشمند", "Smart share"),
    "scorecard": ("کارنامهٔ فاوا", "ICT scorecard"),
    "matrix": ("سامانه‌ها", "Systems"),
    "duplicates": ("محصول مشترک", "Duplicates"),
    "projects": ("پروژه‌ها", "Projects"),
    "late": ("دیرترین‌ها", "Latest projects"),
    "resolutions": ("مصوبه‌های باز", "Open resolutions"),
    "equity": ("منطقه‌ها", "Districts"),
    "not_computed": ("محاسبه‌نشده", "Not computed"),
    "checkpoints": ("دفترها", "Checkpoints"),
    "inputs": ("ورودی‌ها", "Inputs"),
}


def tables(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the parts of a report as flat rows."""
    found: dict[str, list[dict[str, Any]]] = {
        name: report[name]
        for name in (
            "activity", "changes", "quality", "counters", "duties", "aged",
            "comparison", "smart_share", "scorecard", "not_computed", "checkpoints",
            "inputs",
        )
    }  # fmt: skip
    found["matrix"] = [
        {"area": row["area"], **row["cities"]} for row in report["systems"]["matrix"]
    ]
    found["duplicates"] = report["systems"]["duplicates"]
    found["projects"] = report["projects"]["by_city"]
    found["late"] = report["projects"]["latest"]
    found["resolutions"] = report["resolutions"]["open"]
    found["equity"] = [
        {"city": one["city"], **district}
        for one in report["equity"]
        for district in one["districts"]
    ]
    return {name: [dict(flat(row)) for row in found[name]] for name in SHEETS}


def flat(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the cells of a row; a share becomes three, inputs become one."""
    for name, value in row.items():
        if name == "inputs":
            yield name, " ".join(f"{one['ref']}@{one['version']}" for one in value)
        elif isinstance(value, dict):
            for inner, cell in value.items():
                yield f"{name}.{inner}", cell
        elif isinstance(value, list):
            yield name, " ".join(map(str, value))
        else:
            yield name, value


def write(report: dict[str, Any], file: BinaryIO, language: Language) -> None:
    """Write a report; amounts are numbers where Excel keeps all their digits."""
    from xlsxwriter import Workbook

    with Workbook(file, {"in_memory": True}) as book:
        head = book.add_format({"bold": True, "bg_color": "#F0EDE5"})
        for name, rows in tables(report).items():
            sheet = book.add_worksheet(SHEETS[name][language == "en"])
            if language == "fa":
                sheet.right_to_left()
            columns = list(dict.fromkeys(column for row in rows for column in row))
            sheet.write_row(0, 0, columns, head)
            sheet.freeze_panes(1, 0)
            if columns:
                sheet.set_column(0, len(columns) - 1, 18)
            for number, row in enumerate(rows, 1):
                for place, column in enumerate(columns):
                    put(sheet, number, place, row.get(column))


def put(sheet: Any, row: int, column: int, value: Any) -> None:
    """Write a cell; decimal text of at most 15 digits becomes a number."""
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int) or (isinstance(value, str) and numeric(value)):
        sheet.write_number(row, column, float(value))
    else:
        sheet.write_string(row, column, str(value))


def numeric(text: str) -> bool:
    """Tell whether a text is a number that a float holds exactly as written."""
    digits = text.lstrip("-").replace(".", "", 1)
    leading = digits.startswith("0") and "." not in text and len(digits) > 1
    return digits.isascii() and digits.isdigit() and len(digits) <= 15 and not leading
