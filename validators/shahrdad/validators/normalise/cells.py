"""What a declared column makes of one cell: its text, the steps, or a refusal.

A step runs because its column was declared: by the field of a standard (kind, type,
code list) or by the mapping profile (unit, calendar, decimal mark, missing tokens).
Nothing else changes a cell. A cell that cannot be read keeps its text and names a
reason; it never becomes 0 or empty.

>>> from shahrdad.datasets.standards import load
>>> from shahrdad.validators.text_table import ReadingSettings
>>> plan = plan_of(load("budget_lines").field("approved_rial"), standard=True)
>>> settings = ReadingSettings(money_unit="milliard_toman")
>>> judge("۲٬۲۶۶٫۱", CellKind.TEXT, plan, settings).text
'22661000000000'
>>> judge("12/500", CellKind.TEXT, plan, settings).refused
'number-ambiguous-separator'
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from shahrdad.datasets.standards import Field
from shahrdad.validators.normalise import dates, money, numbers
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.normalise.digits import to_ascii
from shahrdad.validators.text_table import CellKind, ReadingSettings

Form = Literal["clean", "code", "number", "date", "boolean", "label", "none"]

FLOAT_EXACT_MAX = 2**53  # beyond it a spreadsheet's number has lost digits
_INTEGRAL_FLOAT = re.compile(r"([0-9]{3,})\.0")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]00:00:00)?")
_DAY_AS_NUMBER = re.compile(r"[0-9]{8}")

# What the templates' drop-downs and common exports write in a boolean column.
TRUE_WORDS = ("true", "1", "بله", "بلی", "درست", "yes")
FALSE_WORDS = ("false", "0", "خیر", "نه", "نادرست", "no")
_BOOLEANS = {forms.key(word): "true" for word in TRUE_WORDS} | {
    forms.key(word): "false" for word in FALSE_WORDS
}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What runs on a column, and why: the declarations it follows.

    Attributes:
        name: Name of the column.
        form: The form of its cells; `none` carries them as they are.
        money: Whether its numbers are amounts in the declared unit.
        percent: Whether a percent sign may stand at its numbers.
        default: What fills an empty cell, or None; it is written in the normal form.
        default_step: The step under which filling is counted.
        labels: Code by the key form of each of its names, for code lists.
        codes: The codes themselves, which stay as they are.
    """

    name: str
    form: Form = "none"
    money: bool = False
    percent: bool = False
    default: str | None = None
    default_step: str = "default"
    labels: Mapping[str, str] | None = None
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judged:
    """One cell after its steps.

    Attributes:
        text: What is checked and published; the publisher's text where refused.
        steps: Step, text before and after, in order; none where nothing changed.
        refused: The code of the refusal, or None.
        remarks: Codes of warnings about the cell.
    """

    text: str
    steps: tuple[tuple[str, str, str], ...] = ()
    refused: str | None = None
    remarks: tuple[str, ...] = ()


def plan_of(field: Field, *, standard: bool) -> ColumnPlan:
    """Return what a field declares about its cells.

    Args:
        field: A field of a schema.
        standard: Whether the schema is one of ours: then its types declare forms too,
            while of another schema only `shahrdad` members of a field do.
    """
    form: Form = "none"
    labels: dict[str, str] | None = None
    if field.kind == "date" or (standard and field.type == "date"):
        form = "date"
    elif field.kind == "money" or (standard and field.type in ("integer", "number")):
        form = "number"
    elif standard and field.type == "boolean":
        form = "boolean"
    elif field.categories and (standard or field.code_list):
        form = "label"
        labels = {}
        for category in field.categories:
            for name in (category.value, category.label_fa, category.label_en):
                labels.setdefault(forms.key(name), category.value)
    elif field.kind == "code":
        form = "code"
    elif standard and field.type == "string":
        form = "clean"
    return ColumnPlan(
        name=field.name,
        form=form,
        money=field.kind == "money",
        percent=field.unit == "percent",
        default=field.import_default,
        labels=labels,
        codes=frozenset(category.value for category in field.categories),
    )


def judge(
    cell: str,
    kind: CellKind,
    plan: ColumnPlan,
    settings: ReadingSettings,
    *,
    jalali_text: bool = False,
) -> Judged:
    """Apply the steps of a column to one cell.

    Args:
        cell: The text as the publisher wrote it.
        kind: How the file stored it.
        plan: What the column declares.
        settings: What the profile declares.
        jalali_text: Whether the column holds Jalali dates as text.
    """
    if settings.missing and _is_missing(cell, settings.missing):
        return _empty(cell, (("profile", cell, ""),), plan)
    if kind is CellKind.ERROR:
        return Judged(cell, refused="cell-excel-error")
    if plan.form != "none" and "\x00" in cell:
        return Judged(cell, refused="text-nul")
    if _is_blank(cell):
        unchanged = cell == "" or plan.form == "none"
        return _empty(cell, () if unchanged else (("space", cell, ""),), plan)
    if plan.form == "number":
        return _number(cell, kind, plan, settings)
    if plan.form == "date":
        return _date(cell, kind, settings, jalali_text=jalali_text)
    if plan.form == "boolean":
        return _boolean(cell)
    if plan.form == "label":
        return _label(cell, plan)
    if plan.form == "code":
        return _code(cell, kind, plan, settings)
    if plan.form == "clean":
        text, steps = forms.trace(cell, forms.CLEAN_STEPS)
        return Judged(text, tuple(steps))
    return Judged(cell)


@lru_cache(maxsize=64)
def _missing_forms(missing: tuple[str, ...]) -> frozenset[str]:
    return frozenset(forms.clean(token) for token in missing) | frozenset(missing)


def _is_missing(cell: str, missing: tuple[str, ...]) -> bool:
    """Tell whether a cell is one of the declared tokens.

    The bare text is compared too: a tatweel alone is a token, and cleaning deletes it.
    """
    known = _missing_forms(missing)
    return cell in known or (cell.strip() != "" and forms.clean(cell) in known - {""})


def _is_blank(cell: str) -> bool:
    """Tell whether a cell shows nothing: spaces, line ends, invisible marks."""
    if any(character.isalnum() and character != "\u0640" for character in cell):
        return False
    return not forms.clean(cell).strip()


def _empty(
    cell: str, steps: tuple[tuple[str, str, str], ...], plan: ColumnPlan
) -> Judged:
    """Return an empty cell, filled where the field declares a default."""
    if plan.form == "none":
        return Judged("" if steps else cell, steps)
    if plan.default is None:
        return Judged("", steps)
    return Judged(plan.default, (*steps, (plan.default_step, "", plan.default)))


def _number(
    cell: str, kind: CellKind, plan: ColumnPlan, settings: ReadingSettings
) -> Judged:
    """Read a number; an amount becomes whole rials."""
    if kind in (CellKind.DATE, CellKind.DATETIME, CellKind.BOOLEAN):
        return Judged(cell, refused="number-not-a-number")
    typed = kind in (CellKind.NUMBER, CellKind.PERCENT)
    found = numbers.parse(
        cell,
        money=plan.money,
        percent=plan.percent,
        decimal="." if typed else settings.decimal,
    )
    if found.value is None:
        return Judged(cell, refused=f"number-{found.reason}")
    if typed and abs(found.value) > FLOAT_EXACT_MAX:
        return Judged(cell, refused="number-float-precision")
    value = found.value
    if kind is CellKind.PERCENT and plan.percent:
        value = Decimal(numbers.plain(value * 100).rstrip("0").rstrip(".") or "0")
    text, steps = numbers.plain(value), _number_steps(cell, numbers.plain(value))
    if not plan.money or settings.money_unit is None:
        return Judged(text, steps)
    if not money.agrees(found.unit, settings.money_unit):
        return Judged(cell, refused="number-unit-word")
    amount = money.to_rial(value, settings.money_unit)
    if amount.value is None:
        return Judged(cell, refused=f"money-{amount.reason}")
    rial = str(amount.value)
    if rial != text:
        steps = (*steps, ("money-unit", text, rial))
    return Judged(rial, steps)


def _number_steps(cell: str, text: str) -> tuple[tuple[str, str, str], ...]:
    """Split the way from a cell to its number into digits and the rest."""
    steps = []
    plain = to_ascii(cell)
    if plain != cell:
        steps.append(("digits", cell, plain))
    if plain != text:
        steps.append(("number", plain, text))
    return tuple(steps)


def _date(
    cell: str, kind: CellKind, settings: ReadingSettings, *, jalali_text: bool
) -> Judged:
    """Read a date, as text or as the file typed it."""
    if kind in (CellKind.DATE, CellKind.DATETIME):
        stored = _ISO_DATE.fullmatch(cell)
        if stored is None:
            return Judged(cell, refused="date-date-time")
        typed = date(int(stored[1]), int(stored[2]), int(stored[3]))
        found = dates.parse_typed(
            typed, calendar=settings.calendar, jalali_text=jalali_text
        )
    elif kind in (CellKind.BOOLEAN, CellKind.PERCENT) or (
        kind is CellKind.NUMBER and not _DAY_AS_NUMBER.fullmatch(cell)
    ):
        reason = "not-a-date" if kind is CellKind.BOOLEAN else "excel-serial"
        return Judged(cell, refused=f"date-{reason}")
    else:
        found = dates.parse(
            cell,
            calendar=settings.calendar,
            century=settings.century,
            order=settings.date_order,
        )
    if found.value is None:
        return Judged(cell, refused=f"date-{found.reason}")
    remarks = tuple(f"date-{warning}" for warning in found.warnings)
    return Judged(*_date_steps(cell, found.value.isoformat()), remarks=remarks)


def _date_steps(cell: str, iso: str) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    steps = []
    plain = to_ascii(cell)
    if plain != cell:
        steps.append(("digits", cell, plain))
    if plain != iso:
        steps.append(("date", plain, iso))
    return iso, tuple(steps)


def _boolean(cell: str) -> Judged:
    """Read a word for true or false; another word is left for the type check."""
    text = _BOOLEANS.get(forms.key(cell), cell)
    return Judged(text, (("boolean", cell, text),) if text != cell else ())


def _label(cell: str, plan: ColumnPlan) -> Judged:
    """Replace a label by its code, when the key forms are equal and not else."""
    if cell in plan.codes:
        return Judged(cell)
    code = (plan.labels or {}).get(forms.key(cell))
    if code is None:
        text, steps = forms.trace(cell, forms.CODE_STEPS)
        return Judged(text, tuple(steps))
    return Judged(code, (("label", cell, code),))


def _code(
    cell: str, kind: CellKind, plan: ColumnPlan, settings: ReadingSettings
) -> Judged:
    """Give a code its form; one that was stored as a number is warned about."""
    text, changes = forms.trace(cell, forms.CODE_STEPS)
    if "\n" in text:
        return Judged(cell, refused="text-line-end")
    steps = tuple(changes)
    remarks: tuple[str, ...] = ()
    integral = _INTEGRAL_FLOAT.fullmatch(text)
    if integral is not None:
        steps = (*steps, ("number", text, integral[1]))
        text = integral[1]
    if integral is not None or kind in (CellKind.NUMBER, CellKind.PERCENT):
        remarks = ("number-as-code",)
    width = settings.code_widths.get(plan.name, 0)
    if text.isascii() and text.isdigit() and len(text) < width:
        steps = (*steps, ("profile", text, text.zfill(width)))
        text = text.zfill(width)
    return Judged(text, steps, remarks=remarks)
