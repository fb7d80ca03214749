"""What an import knows, what it proposes, and what it must ask a person.

The answers become a mapping profile: the same file is then imported without a question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shahrdad.validators.label_questions import LabelQuestion
from shahrdad.validators.mapping import LabelUse
from shahrdad.validators.money_question import MoneyQuestion


@dataclass(frozen=True, slots=True)
class CalendarQuestion:
    """What a person is asked about the dates of a file.

    Attributes:
        columns: The date columns.
        sample: The first date that the calendar in force does not read.
        proposed: The calendar that reads it.
    """

    columns: tuple[str, ...]
    sample: str
    proposed: str


@dataclass(frozen=True, slots=True)
class Questions:
    """What opening a file left open.

    Attributes:
        certain: Column by label, taken without asking.
        proposed: Columns that a person confirms, each with its field and score.
        asked: Columns that match nothing: map, keep or ignore them.
        missing: Required fields that no column is mapped to and no default fills.
        money: The money question; None where the unit is known or not needed.
        fiscal_years: Jalali years that headers name, which propose `fiscal_year`.
        calendar: The question of the calendar; None where the dates are read.
        stated: Units that the file states, known or not: another one asks again.
        labels: Texts of code columns that name no code, where they were looked for:
            that takes the whole file, so opening it finds none.
    """

    certain: Mapping[str, str] = field(default_factory=dict)
    proposed: tuple[LabelUse, ...] = ()
    asked: tuple[LabelUse, ...] = ()
    missing: tuple[str, ...] = ()
    money: MoneyQuestion | None = None
    fiscal_years: tuple[int, ...] = ()
    calendar: CalendarQuestion | None = None
    stated: tuple[str, ...] = ()
    labels: tuple[LabelQuestion, ...] = ()

    @property
    def none(self) -> bool:
        """Whether nothing must be asked; unknown labels may be mended in the file."""
        return not (
            self.proposed or self.asked or self.missing or self.money or self.calendar
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the questions as JSON, for a form or a terminal."""
        money, calendar = self.money, self.calendar
        return {
            "certain": dict(self.certain),
            "proposed": [
                {"label": use.label, "field": use.name, "score": round(use.score, 2)}
                for use in self.proposed
            ],
            "asked": [use.label for use in self.asked],
            "missing": list(self.missing),
            "fiscal_years": list(self.fiscal_years),
            "calendar": None
            if calendar is None
            else {
                "columns": list(calendar.columns),
                "sample": calendar.sample,
                "proposed": calendar.proposed,
            },
            "stated": list(self.stated),
            "labels": [question.to_dict() for question in self.labels],
            "money": None
            if money is None
            else {
                "columns": list(money.columns),
                "proposals": [
                    {"unit": one.unit, "where": one.where, "text": one.text}
                    for one in money.proposals
                ],
                "worked": list(money.worked),
            },
        }


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person answered.

    Attributes:
        columns: Field by label; None ignores the column.
        keep: Labels that become `x_` columns.
        constants: Text by field that no column is mapped to.
        values: Code by cell text, by field.
        money_unit: A code of the list `money_units`.
        calendar: `jalali`, `gregorian` or `mixed`.
    """

    columns: Mapping[str, str | None] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    money_unit: str | None = None
    calendar: str | None = None


def to_profile(
    name: str,
    family: str,
    standard: str,
    labels: Sequence[str],
    certain: Mapping[str, str],
    answers: Answers,
    source: Mapping[str, Any],
    *,
    stated: Sequence[str] = (),
    version: int = 1,
) -> dict[str, Any]:
    """Make the profile with which the same layout asks nothing.

    Args:
        name: What the profile is called.
        family: Family of the standard.
        standard: Version of the standard.
        labels: The header as read.
        certain: Column by label, taken without asking.
        answers: What the person answered.
        source: Kind, sheet, header rows and the like, as in `source` of a profile.
        stated: Units that the file states; another one asks again.
        version: Counts the changes of this profile.
    """
    chosen: dict[str, str | None] = {**certain, **answers.columns}
    columns: list[dict[str, Any]] = [
        {"to": target, "from": label}
        for label, target in chosen.items()
        if target is not None and label not in answers.keep
    ]
    columns += [
        {"to": target, "constant": value} for target, value in answers.constants.items()
    ]
    used = {rule.get("from") for rule in columns} | set(answers.keep)
    profile: dict[str, Any] = {
        "profile": name,
        "version": version,
        "family": family,
        "standard": standard,
        "source": dict(source),
        "signature": [label for label in labels if label.strip()],
        "columns": columns,
        "keep": list(answers.keep),
        "ignore": [label for label in labels if label.strip() and label not in used],
        "stated": list(stated),
    }
    if answers.money_unit is not None:
        profile["money_unit"] = answers.money_unit
    if answers.calendar is not None:
        profile["calendar"] = answers.calendar
    return with_values(profile, answers.values)


def with_values(
    profile: Mapping[str, Any], values: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Add codes of cell texts to the columns of a profile; the new answer wins.

    Args:
        profile: The profile; columns that the file does not have are left as they are.
        values: Code by cell text, by field.
    """
    columns = []
    for rule in profile.get("columns") or ():
        said = values.get(rule["to"])
        if said and "constant" not in rule:
            rule = {**rule, "values": {**rule.get("values", {}), **said}}
        columns.append(rule)
    return {**profile, "columns": columns}
