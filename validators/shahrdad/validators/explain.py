"""From a finding to sentences: where, what was read, what was expected, how to mend it.

Persian sentences have Persian digits in numbers of ours and Jalali dates; texts of the
publisher stay as they were written, between isolates (U+2068, U+2069), so that mixed
directions stay readable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from shahrdad.validators.bulk import Issue
from shahrdad.validators.codes import REGISTRY, Language, sentence
from shahrdad.validators.plan import FieldPlan, Plan

VALUE_LETTERS_MAX = 200  # of a cell's text in a sentence
CHOICES_MAX = 12  # allowed values named in a sentence
_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_TYPE_FORMS = {"date": "2025-09-22", "time": "14:30:00"}


def digits(text: str, language: Language) -> str:
    """Return a text of ours with the digits of a language."""
    return text.translate(_PERSIAN) if language == "fa" else text


def isolated(text: str) -> str:
    """Return a publisher's text, shortened, between isolates."""
    if len(text) > VALUE_LETTERS_MAX:
        text = text[: VALUE_LETTERS_MAX - 1] + "…"
    return f"\u2068{text}\u2069"


def column_letters(number: int) -> str:
    """Return the letters of a spreadsheet column, the first being 1.

    >>> column_letters(1), column_letters(28)
    ('A', 'AB')
    """
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def shown(value: Any, language: Language) -> str:
    """Return a typed value as people read it in a language."""
    if isinstance(value, bool):
        return {"fa": "بله" if value else "خیر", "en": str(value).lower()}[language]
    if isinstance(value, date):
        if language == "en":
            return value.isoformat()
        from shahrdad.datasets.jalali import FIRST_DAY, format_fa

        return (
            format_fa(value) if value >= FIRST_DAY else digits(value.isoformat(), "fa")
        )
    if isinstance(value, int):
        return digits(
            f"{value:,}".replace(",", "٬" if language == "fa" else ","), language
        )
    return str(value)


@dataclass(frozen=True, slots=True)
class RuleTexts:
    """The sentences that a rule brings."""

    message_fa: str = ""
    message_en: str = ""

    def of(self, language: Language) -> str:
        """Return the sentence in a language."""
        return self.message_fa if language == "fa" else self.message_en


@dataclass(frozen=True, slots=True)
class Explainer:
    """Makes sentences for the findings of one table.

    Attributes:
        plan: The schema.
        sheet: Name of the sheet, for addresses.
        positions: Position of each column in the file, from 1; None where it has none.
        rules: The sentences of the rules by id.
    """

    plan: Plan | None = None
    sheet: str | None = None
    positions: Mapping[str, int | None] = field(default_factory=dict)
    rules: Mapping[str, RuleTexts] = field(default_factory=dict)

    def message(self, issue: Issue, language: Language) -> str:
        """Return what is wrong, with its place, as one sentence."""
        place = self.place(issue, language)
        text = self._sentence(issue, language)
        return f"{place}{text}" if place else text[:1].upper() + text[1:]

    def fix(self, issue: Issue, language: Language) -> str:
        """Return how to mend it."""
        if issue.rule is not None or issue.code not in REGISTRY:
            return {
                "fa": "داده را بر پایه قاعده اصلاح کنید.",
                "en": "Correct the data so that the rule holds.",
            }[language]
        fixed = sentence(issue.code, language).fix
        return fixed.format_map(_Blank(self._values(issue, language)))

    def _sentence(self, issue: Issue, language: Language) -> str:
        if issue.rule is not None:
            template = self.rules.get(issue.rule, RuleTexts()).of(language)
            template = (
                template
                or {
                    "fa": "قاعده {rule} برقرار نیست.",
                    "en": "rule {rule} does not hold.",
                }[language]
            )
        else:
            template = sentence(issue.code, language).message
        return template.format_map(_Blank(self._values(issue, language)))

    def _values(self, issue: Issue, language: Language) -> dict[str, str]:
        given = dict(issue.values)
        if language == "fa" and "value_fa" in given:
            given["value"] = given["value_fa"]
        values = {
            key: shown(value, language)
            for key, value in given.items()
            if key != "column"
        }
        column = self.column_title(issue, language)
        if issue.value is not None and (issue.rule is None or "value" not in values):
            values["value"] = isolated(issue.value)
        values.setdefault("value", "")
        if "expected" not in values:
            values["expected"] = self.expected(issue, language) or ""
        row = "" if issue.row is None else digits(str(issue.row), language)
        return {**values, "row": row, "column": column, "rule": issue.rule or ""}

    def column_title(self, issue: Issue, language: Language) -> str:
        """Return the title of the finding's column."""
        if issue.field is None:
            return ""
        field_plan = self.plan.field(issue.field) if self.plan is not None else None
        return field_plan.title(language) if field_plan is not None else issue.field

    def place(self, issue: Issue, language: Language) -> str:
        """Return "Row 5, column …: ", as far as the finding has a place."""
        row = None if issue.row is None else digits(str(issue.row), language)
        column = self.column_title(issue, language)
        if language == "fa":
            parts = ([f"ردیف {row}"] if row else []) + (
                [f"ستون «{column}»"] if column else []
            )
            return "، ".join(parts) + ": " if parts else ""
        parts = ([f"row {row}"] if row else []) + (
            [f'column "{column}"'] if column else []
        )
        text = ", ".join(parts)
        return text[:1].upper() + text[1:] + ": " if parts else ""

    def address(self, issue: Issue) -> str | None:
        """Return the cell's address, as `sheet!C5`."""
        if issue.row is None:
            return None
        position = self.positions.get(issue.field) if issue.field is not None else None
        cell = f"{column_letters(position)}{issue.row}" if position else str(issue.row)
        return f"{self.sheet}!{cell}" if self.sheet else cell

    def expected(self, issue: Issue, language: Language) -> str | None:
        """Return what was expected, from the schema."""
        if "expected" in issue.values:
            return shown(issue.values["expected"], language)
        field_plan = None
        if self.plan is not None and issue.field is not None:
            field_plan = self.plan.field(issue.field)
        return expected_of(issue.code, field_plan, language) if field_plan else None


class _Blank(dict[str, str]):
    """A mapping in which an unknown placeholder is empty: rules bring their own."""

    def __missing__(self, key: str) -> str:
        return ""


def expected_of(code: str, field_plan: FieldPlan, language: Language) -> str | None:
    """Return what a code of a cell expects, from its field."""
    simple: dict[str, Any] = {
        "value-min-length": field_plan.min_length,
        "value-max-length": field_plan.max_length,
        "value-pattern": field_plan.pattern,
        "type-list": field_plan.item_type,
        "type-string": field_plan.format,
        "type-json": {"object": "JSON object", "array": "JSON array"}.get(
            field_plan.type, "GeoJSON"
        ),
    }
    if code in simple:
        value = simple[code]
        return shown(value, language) if isinstance(value, int) else value
    if code in ("value-minimum", "value-maximum"):
        return _bound(code, field_plan, language)
    if code in ("value-enum", "value-category", "label-unknown"):
        return _choices(field_plan, language)
    if code == "type-boolean":
        return ", ".join([field_plan.true_values[0], field_plan.false_values[0]])
    if code == "type-date":
        return (
            _TYPE_FORMS["date"] if field_plan.format == "default" else field_plan.format
        )
    return None


def _bound(code: str, field_plan: FieldPlan, language: Language) -> str | None:
    end = "inimum" if code == "value-minimum" else "aximum"
    for key, given in field_plan.bounds.items():
        if key.endswith(end):
            if field_plan.type == "date":
                try:
                    return shown(date.fromisoformat(str(given)), language)
                except ValueError:
                    return str(given)
            return shown(given, language)
    return None


def _choices(field_plan: FieldPlan, language: Language) -> str | None:
    allowed: Sequence[Any] = field_plan.enum or field_plan.categories or ()
    labels: dict[str, str] = {}
    for choice in field_plan.descriptor.get("categories") or ():
        if isinstance(choice, Mapping):
            key = "label" if language == "fa" else "label_en"
            labels[str(choice["value"])] = str(choice.get(key) or "")
    named = [
        f"{value} ({labels[str(value)]})" if labels.get(str(value)) else str(value)
        for value in allowed
    ]
    if not named:
        return None
    mark = "، " if language == "fa" else ", "
    more = mark + "…" if len(named) > CHOICES_MAX else ""
    return mark.join(named[:CHOICES_MAX]) + more


__all__ = [
    "Explainer",
    "RuleTexts",
    "column_letters",
    "digits",
    "expected_of",
    "isolated",
    "shown",
]
