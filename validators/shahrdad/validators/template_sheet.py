"""The sheet «مشخصات» of a filled template: all that an import would ask for.

From row 2 on, column A holds a key and column C its value (`datasets.templates`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shahrdad.datasets.templates import (
    CALENDARS,
    PROPERTY_FIELDS,
    SHEET_DATA,
    SHEET_PROPERTIES,
)
from shahrdad.validators import money_question
from shahrdad.validators.normalise import dates
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.sheets.values import text_of

KEY_COLUMN, VALUE_COLUMN = 0, 2


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """What a template says about its data.

    Attributes:
        standard: Family that it was made for.
        version: Version of the family.
        money_unit: A code of the list `money_units`.
        calendar: `jalali` or `gregorian`; None where the cell is empty.
        fill: What fills the empty cells of a column, in its normal form.
        declared: Announced figures, as people say them.
    """

    standard: str | None = None
    version: str | None = None
    money_unit: str | None = None
    calendar: str | None = None
    fill: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)


def is_template(names: Sequence[str]) -> bool:
    """Tell whether a workbook has the sheets of a template."""
    return SHEET_DATA in names and SHEET_PROPERTIES in names


def read(rows: Sequence[Sequence[Any]]) -> TemplateFacts:
    """Read the sheet; a key that is not known is an announced figure."""
    found: dict[str, str] = {}
    for row in rows[1:]:
        if len(row) > VALUE_COLUMN:
            name = text_of(row[KEY_COLUMN])[0].strip()
            value = forms.clean(text_of(row[VALUE_COLUMN])[0])
            if name and value:
                found[name] = value
    calendar = next(
        (
            code
            for code, *labels in CALENDARS
            if found.get("calendar") in (code, *labels)
        ),
        None,
    )
    known = {"layout", "standard", "version", "digest", "money_unit", "calendar"}
    known |= set(PROPERTY_FIELDS)
    return TemplateFacts(
        standard=found.get("standard"),
        version=found.get("version"),
        money_unit=money_question.unit_of_label(found.get("money_unit", "")),
        calendar=calendar,
        fill=_fill(found),
        declared={name: value for name, value in found.items() if name not in known},
    )


def _fill(found: Mapping[str, str]) -> dict[str, str]:
    """Return what fills empty cells; a text that cannot be read fills them as it is.

    It is then refused cell by cell, where the person sees it.
    """
    filled = {}
    for name in PROPERTY_FIELDS:
        value = found.get(name, "")
        if not value:
            continue
        if name == "as_of_date":
            day = dates.parse(value, calendar="mixed").value
            filled[name] = value if day is None else day.isoformat()
        else:
            filled[name] = forms.code(value) or value
    return filled
