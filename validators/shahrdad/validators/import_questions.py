"""What opening a file leaves open: collected from its header and its first rows."""

from collections.abc import Mapping, Sequence

from shahrdad.datasets.standards import Field
from shahrdad.validators import money_question
from shahrdad.validators.header import Header
from shahrdad.validators.mapping import ColumnMapping, Output
from shahrdad.validators.normalise import dates
from shahrdad.validators.normalise.dates import Calendar
from shahrdad.validators.profile import Profile
from shahrdad.validators.questions import CalendarQuestion, Questions
from shahrdad.validators.raw_table import RawTable
from shahrdad.validators.text_table import ReadingSettings

_OTHER_CALENDAR = frozenset(
    ("gregorian-in-jalali-column", "jalali-in-gregorian-column")
)


def kind_of(fields: Mapping[str, Field], output: Output) -> str | None:
    """Return what a column holds: `code`, `money`, `date` or None."""
    field = fields.get(output.name)
    if field is None:
        return None
    return "date" if field.type == "date" else field.kind


def collect(
    raw: RawTable,
    header: Header,
    mapping: ColumnMapping,
    fields: Mapping[str, Field],
    profile: Profile,
    settings: ReadingSettings,
    unit_known: bool,
) -> Questions:
    """Collect what is certain, proposed or must be asked.

    Args:
        raw: The table as its file lays it out.
        header: Its header.
        mapping: What becomes of its columns.
        fields: The fields of the schema by name.
        profile: What was declared.
        settings: How cells are read.
        unit_known: Whether the money unit is known or not needed.
    """
    money = [out for out in mapping.outputs if kind_of(fields, out) == "money"]
    question = _money_question(raw, header, money, profile) if money else None
    days = [out for out in mapping.outputs if kind_of(fields, out) == "date"]
    names = set(mapping.names)
    missing = [
        field.name
        for field in fields.values()
        if field.required and field.import_default is None and field.name not in names
    ]
    years = {use.fiscal_year for use in mapping.uses if use.fiscal_year is not None}
    return Questions(
        certain={
            use.label: use.name
            for use in mapping.uses
            if use.name is not None and use.use in ("certain", "profile")
        },
        proposed=tuple(use for use in mapping.uses if use.use == "proposed"),
        asked=tuple(
            use for use in mapping.uses if use.use == "unknown" and use.label.strip()
        ),
        missing=tuple(missing),
        money=None if unit_known else question,
        calendar=_calendar_question(raw, header, days, profile, settings.calendar),
        stated=tuple(one.unit for one in question.proposals) if question else (),
        fiscal_years=tuple(sorted(years)),
    )


def _calendar_question(
    raw: RawTable,
    header: Header,
    days: Sequence[Output],
    profile: Profile,
    calendar: Calendar,
) -> CalendarQuestion | None:
    """Ask for the calendar where nobody said it and the first rows are of the other.

    The years of the two calendars differ by centuries, so a date says which it is of.
    """
    if "calendar" in profile.descriptor or calendar == "mixed":
        return None
    other: Calendar = "gregorian" if calendar == "jalali" else "jalali"
    columns = []
    sample = None
    for output in days:
        for row in raw.head[header.last :]:
            text = row[output.positions[0]] if _has_cell(row, output) else ""
            read = dates.parse(text, calendar=calendar) if text.strip() else None
            if read is not None and read.reason in _OTHER_CALENDAR:
                columns.append(output.name)
                sample = sample or text
                break
    return CalendarQuestion(tuple(columns), sample, other) if sample else None


def _has_cell(row: Sequence[str], output: Output) -> bool:
    return len(output.positions) == 1 and output.positions[0] < len(row)


def _money_question(
    raw: RawTable, header: Header, money: Sequence[Output], profile: Profile
) -> money_question.MoneyQuestion:
    """Ask for the unit, with what the file seems to state."""
    places = [position for output in money for position in output.positions]
    below = raw.head[header.last :]
    cells = [
        row[at] for row in below for at in places if at < len(row) and row[at].strip()
    ]
    above = [cell for row in raw.head[: header.last] for cell in row if cell.strip()]
    labels = [header.labels[at] for at in places]
    proposals = money_question.propose(
        (cell for cell in above if cell not in header.labels), labels, cells
    )
    names = [output.name for output in money]
    return money_question.ask(names, proposals, cells, profile.decimal)
