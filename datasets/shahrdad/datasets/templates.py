"""The workbook and the CSV file that a city fills in, made from a standard alone.

Nothing is drawn by hand, and the same standard gives the same bytes. A filled template
holds all that an import asks for, so it is imported without a question. Layout 1:

| sheet | row 1 | row 2 | from row 3 |
|---|---|---|---|
| «داده» | Persian titles, " *" after one to fill | names of the fields | data |
| «نمونه» | as above | as above | rows of the sample city; never imported |

«مشخصات»: from row 2 on, column A holds a key, B its Persian title, C the value, D the
English title. The keys, in this order: `layout`, `standard`, `version`, `digest`,
`city_code`, `money_unit`, `calendar`, `as_of_date`, `fiscal_year`, then one for each
control total. `money_unit` and `calendar` hold a label of «فهرست‌ها». An empty cell of
a column of the same name in «داده» (`city_code`, `as_of_date`, `fiscal_year`) takes the
value that stands here.

«راهنما»: from row 2 on, one row for each field, then one for rules of the whole table.

«فهرست‌ها»: a block of three columns for each list, and an empty column after it: row 1
the name of the list, row 2 headers, from row 3 code, Persian label, English label.

Cells of «داده»: coded columns hold Persian labels, booleans بله or خیر, dates Jalali
text like ۱۴۰۴/۰۶/۳۱, amounts numbers in the declared unit, lists texts parted by ";".
The CSV template has one header row, of Persian titles, in UTF-8 with a BOM.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from shahrdad.datasets.codelists import CodeList, code_list
from shahrdad.datasets.jalali import format_fa
from shahrdad.datasets.standards import Field, Rule, Standard, examples

LAYOUT = "1"
SHEET_DATA = "داده"
SHEET_PROPERTIES = "مشخصات"
SHEET_GUIDE = "راهنما"
SHEET_LISTS = "فهرست‌ها"
SHEET_EXAMPLE = "نمونه"
HEADER_ROWS = 2
ROWS_MAX = 10_000  # formats and drop-downs reach this row of the sheet
MESSAGE_TITLE_MAX = 32  # Excel's limits of an input message
MESSAGE_MAX = 255
DATE_EXAMPLE = "۱۴۰۴/۰۶/۳۱"
TRUE_FA, FALSE_FA = "بله", "خیر"
CALENDARS = (("jalali", "شمسی", "Jalali"), ("gregorian", "میلادی", "Gregorian"))
PROPERTY_FIELDS = ("city_code", "as_of_date", "fiscal_year")
BOOLEANS = (("true", TRUE_FA, "yes"), ("false", FALSE_FA, "no"))
TOTALS: Mapping[str, tuple[str, str]] = {
    "budget_municipality_rial": ("بودجه شهرداری که اعلام شده", "Announced budget"),
    "budget_consolidated_rial": (
        "بودجه تلفیقی که اعلام شده",
        "Announced consolidated budget",
    ),
    "projects_completed": ("پروژه‌های تکمیل‌شده سال", "Projects completed this year"),
    "work_sites_active": ("کارگاه‌های فعال", "Active work sites"),
    "contracts_setad": ("قراردادهای ثبت‌شده در ستاد", "Contracts registered in SETAD"),
    "ideas_submitted": ("ایده‌های رسیده", "Ideas submitted"),
    "ideas_selected": ("ایده‌های برگزیده", "Ideas selected"),
}
TYPES_FA = {
    "string": "متن",
    "integer": "عدد صحیح",
    "number": "عدد",
    "boolean": "بله یا خیر",
    "date": f"تاریخ شمسی، مانند {DATE_EXAMPLE}",
    "money": "مبلغ، به واحدی که در «مشخصات» آمده",
    "percent": "درصد",
    "code": "کد، به‌صورت متن",
}
_CREATED = datetime(2025, 3, 21)  # noqa: DTZ001 - a fixed stamp; the format has no zone


@dataclass(frozen=True, slots=True)
class Properties:
    """What «مشخصات» is filled with; what is None stays open for the city.

    Attributes:
        money_unit: A code of the list `money_units`.
        totals: Announced figures as people say them, by name of the control total.
    """

    city_code: str | None = None
    money_unit: str | None = None
    as_of_date: date | None = None
    fiscal_year: int | None = None
    totals: Mapping[str, str] | None = None


def control_totals(standard: Standard) -> tuple[str, ...]:
    """Return the names of the figures that a city may announce for a family."""
    return tuple(
        rule.params["total"] for rule in standard.rules if rule.name == "control-total"
    )


def rules_of(standard: Standard, field: Field) -> tuple[Rule, ...]:
    """Return the rules whose parameters or condition name a column."""

    def names(value: Any) -> bool:
        if isinstance(value, Mapping):
            return any(names(item) for item in value.values())
        if isinstance(value, Sequence) and not isinstance(value, str):
            return any(names(item) for item in value)
        if value == "*text":
            return (
                field.type == "string" and not field.categories and field.kind is None
            )
        return bool(value == field.name)

    return tuple(rule for rule in standard.rules if names([rule.params, rule.where]))


def csv_template(standard: Standard) -> bytes:
    """Return the CSV template: a header row of Persian titles, UTF-8 with a BOM."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(
        field.title_fa for field in standard.fields
    )
    return text.getvalue().encode("utf-8-sig")


def xlsx_template(
    standard: Standard,
    properties: Properties | None = None,
    rows: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """Return the workbook; with rows, a filled one.

    Args:
        standard: The version that the workbook is for.
        properties: What is known already.
        rows: Typed values by field: codes as codes, dates as `date`, amounts in whole
            rial, booleans as `bool`; None or absent leaves a cell empty.

    Raises:
        ValueError: rows have amounts but no money unit is given, or a code has no label
            (mistakes of the caller).
    """
    import xlsxwriter

    buffer = io.BytesIO()
    workbook = xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_urls": False}
    )
    workbook.set_properties(
        {"title": standard.title_fa, "comments": standard.id, "created": _CREATED}
    )
    writer = _Writer(workbook, standard, properties or Properties())
    writer.write(rows)
    workbook.close()
    return buffer.getvalue()


class _Writer:
    """One workbook while it is written; sheets stand in the order of their adding."""

    def __init__(self, workbook: Any, standard: Standard, known: Properties) -> None:
        self.standard = standard
        self.known = known
        self.sheets: dict[str, Any] = {}
        self.formats: dict[str, Any] = {}
        for name in (
            SHEET_DATA,
            SHEET_PROPERTIES,
            SHEET_GUIDE,
            SHEET_LISTS,
            SHEET_EXAMPLE,
        ):
            sheet = workbook.add_worksheet(name)
            sheet.right_to_left()
            self.sheets[name] = sheet
        self.bold = workbook.add_format({"bold": True, "bottom": 1})
        self.plain = workbook.add_format({"bottom": 1})
        self.grey = workbook.add_format({"font_color": "#808080", "font_size": 8})
        for shown in ("@", "#,##0", "0.0", "0", "General"):
            self.formats[shown] = workbook.add_format({"num_format": shown})
        self.text = self.formats["@"]
        self.orange = workbook.add_format({"bg_color": "#F8CBAD"})
        self.red = workbook.add_format({"bg_color": "#FFC7CE"})
        self.wrap = workbook.add_format({"text_wrap": True, "valign": "top"})
        self.ranges: dict[str, str] = {}

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.write_lists()
        self.write_table(SHEET_DATA, rows, self.known.money_unit)
        self.restrict()
        self.write_properties()
        self.write_guide()
        self.write_table(SHEET_EXAMPLE, example_rows(self.standard), "rial")

    def write_lists(self) -> None:
        sheet = self.sheets[SHEET_LISTS]
        column = 0
        for name, entries in _lists(self.standard).items():
            sheet.write_string(0, column, name, self.grey)
            for offset, header in enumerate(("کد", "برچسب", "برچسب انگلیسی")):
                sheet.write_string(1, column + offset, header, self.bold)
            for row, entry in enumerate(entries, start=2):
                for offset, text in enumerate(entry):
                    sheet.write_string(row, column + offset, text, self.text)
            label = _column_letters(column + 1)
            last = 2 + len(entries)
            self.ranges[name] = f"='{SHEET_LISTS}'!${label}$3:${label}${last}"
            sheet.set_column(column, column + 2, 22)
            column += 4

    def write_table(
        self, name: str, rows: Sequence[Mapping[str, Any]], unit: str | None
    ) -> None:
        sheet = self.sheets[name]
        for column, field in enumerate(self.standard.fields):
            asked = must_be_filled(field)
            title = f"{field.title_fa} *" if asked else field.title_fa
            sheet.write_string(0, column, title, self.bold if asked else self.plain)
            sheet.write_string(1, column, field.name, self.grey)
            width = max(12, min(40, len(title) + 3))
            sheet.set_column(column, column, width, self.formats[_number_format(field)])
        for number, row in enumerate(rows, start=HEADER_ROWS):
            for column, field in enumerate(self.standard.fields):
                cell = cell_of(field, row.get(field.name), unit)
                if cell is not None:
                    sheet.write(
                        number, column, cell, self.formats[_number_format(field)]
                    )
        sheet.freeze_panes(HEADER_ROWS, 0)
        sheet.autofilter(1, 0, ROWS_MAX - 1, len(self.standard.fields) - 1)

    def restrict(self) -> None:
        sheet = self.sheets[SHEET_DATA]
        last = ROWS_MAX - 1
        for column, field in enumerate(self.standard.fields):
            validation = _validation(field, self.ranges)
            if validation is not None:
                sheet.data_validation(HEADER_ROWS, column, last, column, validation)
        end = _column_letters(len(self.standard.fields) - 1)
        duplicate = _duplicate_formula(self.standard)
        for column, field in enumerate(self.standard.fields):
            letters = _column_letters(column)
            if field.name in self.standard.primary_key and duplicate:
                sheet.conditional_format(
                    HEADER_ROWS,
                    column,
                    last,
                    column,
                    {"type": "formula", "criteria": duplicate, "format": self.orange},
                )
            if must_be_filled(field):
                empty = f'=AND(${letters}3="",COUNTA($A3:${end}3)>0)'
                sheet.conditional_format(
                    HEADER_ROWS,
                    column,
                    last,
                    column,
                    {"type": "formula", "criteria": empty, "format": self.red},
                )

    def write_properties(self) -> None:
        sheet = self.sheets[SHEET_PROPERTIES]
        for column, header in enumerate(("کلید", "عنوان", "مقدار", "Title")):
            sheet.write_string(0, column, header, self.bold)
        for row, (key, title_fa, title_en, value) in enumerate(
            _properties(self.standard, self.known), start=1
        ):
            sheet.write_string(row, 0, key, self.grey)
            sheet.write_string(row, 1, title_fa)
            sheet.write_string(row, 2, value, self.text)
            sheet.write_string(row, 3, title_en)
            listed = {"money_unit": "money_units", "calendar": "calendar"}.get(key)
            if listed is not None:
                sheet.data_validation(
                    row, 2, row, 2, {"validate": "list", "source": self.ranges[listed]}
                )
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, 3, 34)

    def write_guide(self) -> None:
        sheet = self.sheets[SHEET_GUIDE]
        headers = (
            "ستون", "عنوان", "English title", "لازم", "نوع", "مقدارهای مجاز", "نمونه",
            "قاعده‌ها",
        )  # fmt: skip
        for column, header in enumerate(headers):
            sheet.write_string(0, column, header, self.bold)
            sheet.set_column(column, column, (20, 24, 24, 20, 24, 40, 20, 70)[column])
        first = next(iter(example_rows(self.standard)), {})
        for row, field in enumerate(self.standard.fields, start=1):
            example = cell_of(field, first.get(field.name), "rial")
            texts = (
                field.name,
                field.title_fa,
                field.title_en,
                needed_fa(field),
                TYPES_FA[_shown_type(field)],
                allowed_fa(field),
                "" if example is None else str(example),
                _rules_fa(rules_of(self.standard, field)),
            )
            for column, text in enumerate(texts):
                sheet.write_string(row, column, text, self.wrap)
        told = {
            rule.id for f in self.standard.fields for rule in rules_of(self.standard, f)
        }
        rest = [rule for rule in self.standard.rules if rule.id not in told]
        if rest:
            last = len(self.standard.fields) + 1
            sheet.write_string(last, 1, "همه جدول", self.wrap)
            sheet.write_string(last, 7, _rules_fa(rest), self.wrap)
        sheet.freeze_panes(1, 0)


def example_rows(standard: Standard) -> list[dict[str, Any]]:
    """Return the rows of the sample city, typed as `xlsx_template` takes them."""
    path = examples(standard.family, standard.version).with_name("example.json")
    rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    dates = {field.name for field in standard.fields if field.type == "date"}
    return [
        {
            name: date.fromisoformat(value) if name in dates and value else value
            for name, value in row.items()
        }
        for row in rows
    ]


def cell_of(field: Field, value: Any, unit: str | None) -> str | int | float | None:
    """Return what a cell of «داده» shows for a typed value; None leaves it empty."""
    if value is None or value == "":
        return None
    if field.type == "boolean":
        return TRUE_FA if value else FALSE_FA
    if field.type == "date":
        return format_fa(value)
    if field.kind == "money":
        if unit is None:
            raise ValueError(f"{field.name} has amounts, but no money unit is given")
        factor = Decimal(code_list("money_units").row(unit)["rial_factor"])  # type: ignore[index]
        amount = Decimal(value) / factor
        return int(amount) if amount == int(amount) else float(amount)
    if field.categories:
        for category in field.categories:
            if category.value == value:
                return category.label_fa
        raise ValueError(f"{field.name} has no code {value!r}")
    if field.type in {"integer", "number"}:
        return value if isinstance(value, int | float) else float(value)
    return str(value)


def plain_message(message: str) -> str:
    """Return a rule's sentence without the values that it would name.

    What is only in parentheses or Persian quotes goes; elsewhere an ellipsis stands.

    >>> plain_message("Sum ({left}) is not {right}.")
    'Sum is not ….'
    >>> plain_message("کد «{value}» نیست.")
    'کد نیست.'
    """
    bare = re.sub(r" ?(?:\(\{[a-z]+\}\)|«\{[a-z]+\}»)", "", message)
    return re.sub(r"\{(?:row|column|value|expected|left|right|diff)\}", "…", bare)


def must_be_filled(field: Field) -> bool:
    """Tell whether a person must fill a column in every row."""
    return (
        field.required
        and field.import_default is None
        and field.name not in PROPERTY_FIELDS
    )


def needed_fa(field: Field) -> str:
    """Return whether a column is needed, in Persian, and what stands in for it."""
    if not field.required:
        return ""
    if field.import_default is not None:
        return f"خالی یعنی {_default_label(field)}"
    if field.name in PROPERTY_FIELDS:
        return "لازم، یا در «مشخصات»"
    return "لازم"


def allowed_fa(field: Field) -> str:
    """Return what a column accepts, in Persian."""
    if field.categories:
        return "، ".join(category.label_fa for category in field.categories)
    parts = []
    low, high = field.constraints.get("minimum"), field.constraints.get("maximum")
    if low is not None and field.type != "date":
        parts.append(f"دست‌کم {low}")
    if high is not None:
        parts.append(f"دست‌بالا {high}")
    if "minLength" in field.constraints:
        parts.append(f"دست‌کم {field.constraints['minLength']} نویسه")
    if "pattern" in field.constraints:
        parts.append(f"الگو: {field.constraints['pattern']}")
    return "؛ ".join(parts)


def _lists(standard: Standard) -> dict[str, Sequence[tuple[str, str, str]]]:
    found: dict[str, Sequence[tuple[str, str, str]]] = {"boolean": BOOLEANS}
    for field in standard.fields:
        if field.code_list is not None and field.categories:
            found[field.code_list] = [
                (item.value, item.label_fa, item.label_en) for item in field.categories
            ]
    found["money_units"] = _entries(code_list("money_units"))
    found["calendar"] = CALENDARS
    found["cities"] = _entries(code_list("cities"))
    return found


def _entries(listed: CodeList) -> list[tuple[str, str, str]]:
    return [
        (row[listed.key], row[listed.label_fa], row[listed.label_en])
        for row in listed.rows
    ]


def _properties(
    standard: Standard, known: Properties
) -> list[tuple[str, str, str, str]]:
    unit = (
        code_list("money_units").label(known.money_unit, "fa")
        if known.money_unit
        else ""
    )
    rows = [
        ("layout", "نسخه قالب", "Layout of the template", LAYOUT),
        ("standard", "استاندارد", "Standard", standard.family),
        ("version", "نسخه استاندارد", "Version of the standard", standard.version),
        ("digest", "چکیده استاندارد", "SHA-256 of the standard", standard.digest),
        ("city_code", "کد شهر", "City code", known.city_code or ""),
        ("money_unit", "واحد پول", "Money unit", unit),
        ("calendar", "تقویم", "Calendar", CALENDARS[0][1]),
        (
            "as_of_date",
            "تاریخ وضعیت",
            "As-of date",
            format_fa(known.as_of_date) if known.as_of_date else "",
        ),
        ("fiscal_year", "سال مالی", "Fiscal year", str(known.fiscal_year or "")),
    ]
    totals = known.totals or {}
    return rows + [
        (total, *TOTALS[total], totals.get(total, ""))
        for total in control_totals(standard)
    ]


def _shown_type(field: Field) -> str:
    if field.kind in {"money", "code"}:
        return str(field.kind)
    return "percent" if field.unit == "percent" else field.type


def _rules_fa(rules: Sequence[Rule]) -> str:
    return "\n".join(f"{rule.id}: {plain_message(rule.message_fa)}" for rule in rules)


def _default_label(field: Field) -> str:
    default = field.import_default or ""
    if field.type == "boolean":
        return TRUE_FA if default == "true" else FALSE_FA
    labels = {category.value: category.label_fa for category in field.categories}
    return labels.get(default, default)


def _number_format(field: Field) -> str:
    return {
        "money": "#,##0",
        "percent": "0.0",
        "integer": "0",
        "number": "General",
    }.get(_shown_type(field), "@")


def _validation(field: Field, ranges: Mapping[str, str]) -> dict[str, Any] | None:
    if field.type == "boolean":
        return {"validate": "list", "source": ranges["boolean"]}
    if field.categories and field.code_list is not None:
        return {"validate": "list", "source": ranges[field.code_list]}
    title = field.title_fa[:MESSAGE_TITLE_MAX]
    if field.type == "date":
        message = f"تاریخ شمسی را مانند {DATE_EXAMPLE} بنویسید."
        return {"validate": "any", "input_title": title, "input_message": message}
    if field.type not in {"integer", "number"}:
        return None
    low, high = field.constraints.get("minimum"), field.constraints.get("maximum")
    # An amount may have decimals in the declared unit; it is whole only in rial.
    validate = (
        "integer" if field.type == "integer" and field.kind is None else "decimal"
    )
    found: dict[str, Any] = {"validate": validate}
    if low is not None and high is not None:
        found |= {"criteria": "between", "minimum": low, "maximum": high}
    elif low is not None:
        found |= {"criteria": ">=", "value": low}
    else:
        found |= {"criteria": "between", "minimum": -(10**18), "maximum": 10**18}
    message = allowed_fa(field) or TYPES_FA[_shown_type(field)]
    return found | {"input_title": title, "input_message": message[:MESSAGE_MAX]}


def _duplicate_formula(standard: Standard) -> str:
    names = standard.field_names
    letters = {
        part: _column_letters(names.index(part)) for part in standard.primary_key
    }
    # The criterion of an empty cell is 0 for COUNTIFS; with &"" it is the empty text.
    pairs = [f'${at}$3:${at}${ROWS_MAX},${at}3&""' for at in letters.values()]
    told = [part for part in letters if must_be_filled(standard.field(part))]
    if not told:
        return ""
    return f'=AND(${letters[told[-1]]}3<>"",COUNTIFS({",".join(pairs)})>1)'


def _column_letters(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
