"""What an import asks a person, on a terminal or as flags.

The answers become a mapping profile. Without a terminal, or with `--no-input`, open
questions are an error that names the flags which answer them.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from shahrdad.datasets.errors import DataError, Reason, RequestError
from shahrdad.datasets.standards import Standard
from shahrdad.node.console import Common
from shahrdad.node.incoming.profiles import (
    Profiles,
    name_for,
    with_constants,
    with_former_values,
)

if TYPE_CHECKING:
    from shahrdad.validators.label_questions import LabelQuestion
    from shahrdad.validators.options import Options
    from shahrdad.validators.questions import Answers, Questions
    from shahrdad.validators.text_table import TextTable

Read = Callable[[str], str]
READING_FLAGS = {
    Reason.SOURCE_SHEET: ("sheet", "--sheet"),
    Reason.SOURCE_ENCODING: ("encoding", "--encoding"),
    Reason.SOURCE_DIALECT: ("delimiter", "--delimiter"),
    Reason.SOURCE_HEADER: ("header_row", "--header-row"),
}
UNITS_SHOWN = ("rial", "toman", "thousand_rial", "million_rial", "million_toman",
               "milliard_rial", "milliard_toman")  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Answered:
    """Answers given as options.

    Attributes:
        map: LABEL=field for a column of the file; may be repeated.
        keep: A column of the file that is carried as x_…; may be repeated.
        ignore: A column of the file that is not published; may be repeated.
        set: field=text for a field that no column of the file is; may be repeated.
        value: field:text=code for a text of a code column; may be repeated.
        no_input: Ask nothing: open questions are an error.
    """

    map: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    no_input: Annotated[bool, Parameter(negative="")] = False

    @property
    def columns(self) -> bool:
        """Whether something was answered about columns, beside texts of their cells."""
        return bool(self.map or self.keep or self.ignore or self.set)

    @property
    def any(self) -> bool:
        """Whether something was answered."""
        return self.columns or bool(self.value)

    def values(self, standard: Standard) -> dict[str, dict[str, str]]:
        """Return code by text, by field.

        Raises:
            RequestError: PARAMETER_VALUE: no such field of codes, or no such code.
        """
        found: dict[str, dict[str, str]] = {}
        for item in self.value:
            name, _, said = item.partition(":")
            text, equals, code = said.rpartition("=")
            fields = [one for one in standard.fields if one.categories]
            codes = {one.name: [c.value for c in one.categories] for one in fields}
            if name not in codes or not equals or code not in codes[name]:
                allowed = codes.get(name) or [f"{one}:TEXT=CODE" for one in codes]
                raise RequestError(
                    Reason.PARAMETER_VALUE,
                    parameter="--value",
                    value=item,
                    expected=", ".join(allowed),
                )
            found.setdefault(name, {})[text] = code
        return found


@dataclass(slots=True)
class Import:
    """One file on its way to a profile.

    Attributes:
        common: How to speak.
        file: The file.
        standard: The standard that it is to be of.
        profile: What is known without the file: constants, a unit, a calendar.
        options: How the file is read.
        answered: Answers given as options.
        store: Where profiles are kept; None keeps none.
        population: Of the city, for the total per head; None shows none.
        read: Asks one question on the terminal; None where there is none.
        keeps: Whether new answers become a profile of the store.
    """

    common: Common
    file: Path
    standard: Standard
    profile: Mapping[str, Any]
    options: "Options"
    answered: Answered = field(default_factory=Answered)
    store: "Profiles | None" = None
    population: int | None = None
    read: Read | None = None
    keeps: bool = True

    def settle(self) -> tuple[dict[str, Any], "Options"]:
        """Return the profile with which the file asks nothing, and how it is read.

        Raises:
            DataError: SOURCE_QUESTIONS: something is open and nobody can be asked.
        """
        known = self._known()
        if known is not None:
            made: dict[str, Any] | None = known
            asked = False
        else:
            made, asked = self._columns()
        if made is None:
            return dict(self.profile), self.options  # the report will say why
        values = self._values(made)
        if values:
            from shahrdad.validators.questions import with_values

            made = with_values(made, values)
        elif known is None and not asked:
            return dict(self.profile), self.options
        if self.keeps and self.store is not None and (asked or values):
            made = self._keep(self.store, made)
        return with_constants(made, self.profile.get("columns", ())), self.options

    def _columns(self) -> tuple[dict[str, Any] | None, bool]:
        """Return the profile of a new layout, and whether something had to be asked.

        No profile is that of a file which cannot be read.

        Raises:
            DataError: SOURCE_QUESTIONS.
        """
        try:
            table = self._open()
        except DataError as error:
            if error.reason is Reason.SOURCE_QUESTIONS:
                raise
            return None, False
        asked = table.questions
        if asked is None:
            return None, False
        if asked.none and not self.answered.columns:
            return self._made(table, asked, self._given()), False
        given = self._given()
        left = _without(asked, given)
        if not left.none:
            if self.read is None:
                questions = "; ".join(flags_of(left))
                name = self.file.name
                raise DataError(Reason.SOURCE_QUESTIONS, name=name, questions=questions)
            self._show(asked)
            given = _Asking(self, table, left, self.read).answers(given)
        return self._made(table, asked, given), True

    def _known(self) -> dict[str, Any] | None:
        """Return the kept profile of this layout."""
        if self.store is None or self.answered.columns:
            return None
        constants = self.profile.get("columns", ())
        saved = self.store.match(self.file, self.standard, self.options, constants)
        if saved is None:
            return None
        self.common.say(
            f"چیدمان شناخته شد: نمایهٔ {saved.name}، نسخهٔ {saved.version}.",
            f"The layout is known: profile {saved.name}, version {saved.version}.",
        )
        return dict(saved.descriptor)

    def _values(self, made: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Return which codes the texts of code columns are, as far as somebody says.

        A text that nobody answers for is left to the report, which names it: it may be
        a slip of the pen, to be mended in the file.
        """
        from shahrdad.validators import label_questions
        from shahrdad.validators.importing import open_table
        from shahrdad.validators.questions import Questions, with_values

        values = self.answered.values(self.standard)
        if self.read is None:
            return values
        said = with_values(made, values)
        constants = self.profile.get("columns", ())
        try:
            table = open_table(
                self.file,
                standard=self.standard,
                profile=with_constants(said, constants),
                options=self.options,
            )
            unknown = label_questions.ask(table, self.standard.fields)
        except DataError:
            return values
        asking = _Asking(self, table, Questions(), self.read)
        for question in unknown:
            code = asking.label(question)
            if code:
                values.setdefault(question.field, {})[question.label] = code
        return values

    def _open(self) -> "TextTable":
        """Open the file, asking how it is to be read until it can be."""
        from shahrdad.validators.importing import open_table

        while True:
            try:
                return open_table(
                    self.file,
                    standard=self.standard,
                    profile=self.profile,
                    options=self.options,
                )
            except DataError as error:
                if error.reason not in READING_FLAGS:
                    raise
                option, flag = READING_FLAGS[error.reason]
                if self.read is None:
                    asked = f"{flag} ({error.values.get('candidates', '')})"
                    raise DataError(
                        Reason.SOURCE_QUESTIONS, name=self.file.name, questions=asked
                    ) from error
                answer = self.read(f"{error.text(self.common.language)}\n{flag}: ")
                self.options = _read_as(self.options, option, answer.strip())

    def _given(self) -> "Answers":
        from shahrdad.node.commands.validate import pairs
        from shahrdad.validators.questions import Answers

        return Answers(
            columns={
                **dict(pairs(self.answered.map)),
                **dict.fromkeys(self.answered.ignore),
            },
            keep=self.answered.keep,
            constants=dict(pairs(self.answered.set)),
            money_unit=self.options.unit,
            calendar=self.options.calendar,
        )

    def _show(self, asked: "Questions") -> None:
        """Show what is taken without asking."""
        for label, name in asked.certain.items():
            self.common.say(f"✓ «{label}» ← {name}", f'✓ "{label}" → {name}')

    def _made(
        self, table: "TextTable", asked: "Questions", given: "Answers"
    ) -> dict[str, Any]:
        """Make the profile of the answers."""
        from shahrdad.validators.questions import to_profile

        facts = table.source
        source = {
            "kind": facts.format,
            "sheet": facts.sheet,
            "header_rows": list(facts.header_rows),
            "encoding": self.options.encoding,
            "delimiter": self.options.delimiter,
        }
        name = name_for(self.standard.family, table.labels, facts.sheet)
        made = to_profile(
            name,
            self.standard.family,
            self.standard.version,
            table.labels,
            asked.certain,
            given,
            {name: value for name, value in source.items() if value},
            stated=asked.stated,
        )
        former = self.store.find(self.standard.family, name) if self.store else None
        return with_former_values(made, former.descriptor) if former else made

    def _keep(self, store: "Profiles", made: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the profile, and say so."""
        kept = store.save(made)
        self.common.say(
            f"پاسخ‌ها نگه داشته شد: نمایهٔ {kept.name}، نسخهٔ {kept.version}.",
            f"The answers are kept: profile {kept.name}, version {kept.version}.",
        )
        return dict(kept.descriptor)


def _read_as(options: "Options", option: str, answer: str) -> "Options":
    """Return the options with one way of reading the file declared."""
    match option:
        case "sheet":
            return replace(options, sheet=answer)
        case "encoding":
            return replace(options, encoding=answer)
        case "delimiter":
            return replace(options, delimiter=answer)
        case _:
            row = int(answer) if answer.isascii() and answer.isdigit() else None
            return replace(options, header_row=row or None)


def _without(asked: "Questions", given: "Answers") -> "Questions":
    """Return the questions that the answers leave open."""
    said = {*given.columns, *given.keep}
    filled = {*given.constants, *filter(None, given.columns.values())}
    return replace(
        asked,
        proposed=tuple(use for use in asked.proposed if use.label not in said),
        asked=tuple(use for use in asked.asked if use.label not in said),
        missing=tuple(name for name in asked.missing if name not in filled),
        money=None if given.money_unit else asked.money,
        calendar=None if given.calendar else asked.calendar,
    )


def flags_of(asked: "Questions") -> list[str]:
    """Return each open question as the flag that answers it."""
    lines = [f'--map "{use.label}={use.name}"' for use in asked.proposed]
    lines += [
        f'--map "{use.label}=FIELD", --keep "{use.label}" or --ignore "{use.label}"'
        for use in asked.asked
    ]
    lines += [f'--set "{name}=…" or --map "LABEL={name}"' for name in asked.missing]
    if asked.money is not None:
        stated = ", ".join(asked.stated) or "rial, toman, million_rial, …"
        lines.append(f"--unit ({stated})")
    if asked.calendar is not None:
        lines.append(f"--calendar {asked.calendar.proposed} ({asked.calendar.sample})")
    return lines


@dataclass(slots=True)
class _Asking:
    """Asks one question after the other."""

    about: Import
    table: "TextTable"
    left: "Questions"
    read: Read

    def answers(self, given: "Answers") -> "Answers":
        """Return the given answers with those of the person."""
        columns: dict[str, str | None] = dict(given.columns)
        keep = list(given.keep)
        constants = dict(given.constants)
        for use in (*self.left.proposed, *self.left.asked):
            self._column(use.label, use.name, columns, keep)
        taken = {*constants, *filter(None, columns.values())}
        for name in self.left.missing:
            if name not in taken:
                constants[name] = self._field(name)
        return replace(
            given,
            columns=columns,
            keep=tuple(keep),
            constants=constants,
            money_unit=self._unit(columns) if self.left.money else given.money_unit,
            calendar=self._calendar() if self.left.calendar else given.calendar,
        )

    def _ask(self, fa: str, en: str, allowed: Callable[[str], bool]) -> str:
        """Ask until the answer is one that can be taken."""
        while True:
            answer = self.read(self.about.common.text(fa, en)).strip()
            if allowed(answer):
                return answer

    def _column(
        self,
        label: str,
        proposed: str | None,
        columns: dict[str, str | None],
        keep: list[str],
    ) -> None:
        names = self.about.standard.field_names
        hint = f" [{proposed}]" if proposed else ""
        answer = self._ask(
            f"ستون «{label}» چیست؟ نام فیلد، k نگه‌داری، i کنار گذاشتن{hint}: ",
            f'What is column "{label}"? A field, k to keep, i to ignore{hint}: ',
            lambda text: (
                text in ("k", "i") or text in names or (not text and bool(proposed))
            ),
        )
        if answer == "k":
            keep.append(label)
        else:
            columns[label] = None if answer == "i" else answer or proposed

    def label(self, question: "LabelQuestion") -> str | None:
        """Ask which code a text is; None leaves it as it is, for the report."""
        from shahrdad.validators.explain import digits
        from shahrdad.validators.normalise.digits import to_ascii

        title = self.about.standard.field(question.field)
        codes = [near.value for near in question.nearest]
        for number, near in enumerate(question.nearest, start=1):
            line = f"  {number}  {near.value}  {near.label_fa} / {near.label_en}"
            self.about.common.say(line, line)
        count, row = (
            digits(str(number), "fa") for number in (question.count, question.row)
        )
        answer = self._ask(
            f"ستون «{title.title_fa}»: «{question.label}» ({count} خانه، نخست در ردیف "
            f"{row}) کدام کد است؟ شماره یا کد؛ Enter یعنی در فایل درست می‌شود: ",
            f'Column "{title.title_en}": which code is "{question.label}" '
            f"(cells: {question.count}, the first in row {question.row})? A number or "
            "a code; Enter leaves it to be mended in the file: ",
            lambda text: not text or _chosen(to_ascii(text), codes) is not None,
        )
        return _chosen(to_ascii(answer), codes)

    def _field(self, name: str) -> str:
        found = self.about.standard.field(name)
        codes = [category.value for category in found.categories]
        hint = f" ({', '.join(codes)})" if codes else ""
        return self._ask(
            f"«{found.title_fa}» در فایل نیست؛ برای همهٔ ردیف‌ها چه باشد؟{hint} ",
            f'"{found.title_en}" is not in the file; what is it for all rows?{hint} ',
            lambda text: bool(text) and (not codes or text in codes),
        )

    def _unit(self, columns: Mapping[str, str | None]) -> str:
        from shahrdad.validators.normalise import money

        question = self.left.money
        for line in question.worked if question else ():
            self.about.common.say(line, line)
        for fa, en in self._per_head(columns):
            self.about.common.say(fa, en)
        units = money.units()
        first = self.left.stated[0] if self.left.stated else ""
        hint = f" [{first}]" if first else ""
        answer = self._ask(
            f"مبلغ‌ها به چه واحدی است؟ {', '.join(units)}{hint}: ",
            f"In which unit are the amounts? {', '.join(units)}{hint}: ",
            lambda text: text in units or (not text and bool(first)),
        )
        return answer or first

    def _per_head(self, columns: Mapping[str, str | None]) -> list[tuple[str, str]]:
        """Return the total per head for each unit, as lines of both languages."""
        from shahrdad.validators import money_question

        question, people = self.left.money, self.about.population
        if question is None:
            return []
        if people is None:
            return [
                (
                    "  سرانه: جمعیت شهر دانسته نیست، پس حساب نشد.",
                    "  Per head: the population of the city is not known.",
                )
            ]
        cells = _cells(self.table, question.columns[0])
        total = money_question.total(cells, self.table.settings.decimal)
        years = self.left.fiscal_years or _years(self.about.profile)
        units = dict.fromkeys((*self.left.stated, *UNITS_SHOWN))
        found = money_question.per_head(
            total, units, people, years[0] if years else None
        )
        return [
            (
                f"  {one.unit}: سرانه {one.rial:,} ریال{' ✓' if one.plausible else ''}",
                f"  {one.unit}: {one.rial:,} rial per head"
                f"{' ✓' if one.plausible else ''}",
            )
            for one in found
        ]

    def _calendar(self) -> str:
        question = self.left.calendar
        if question is None:
            return "jalali"
        calendars = ("jalali", "gregorian", "mixed")
        answer = self._ask(
            f"تقویم تاریخ‌ها چیست ({question.sample})؟ [{question.proposed}]: ",
            f"Which calendar are the dates of ({question.sample})? "
            f"[{question.proposed}]: ",
            lambda text: not text or text in calendars,
        )
        return answer or question.proposed


def _chosen(answer: str, codes: Sequence[str]) -> str | None:
    """Return the code that an answer names, by itself or by its place in the list."""
    if answer in codes:
        return answer
    at = int(answer) - 1 if answer.isascii() and answer.isdigit() else -1
    return codes[at] if 0 <= at < len(codes) else None


def _cells(table: "TextTable", column: str) -> list[str]:
    """Return the cells of a column, subtotals left out."""
    at = table.names.index(column)
    flag = table.names.index("is_subtotal") if "is_subtotal" in table.names else None
    found: list[str] = []
    for batch in table.batches:
        flags = batch.columns[flag].to_pylist() if flag is not None else []
        cells = batch.columns[at].to_pylist()
        found += [
            cell
            for number, cell in enumerate(cells)
            if cell and not (flags and flags[number] in ("true", "بله"))
        ]
    return found


def _years(profile: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the fiscal year that is known beside the file."""
    rules: Sequence[Mapping[str, Any]] = profile.get("columns", ())
    return tuple(
        int(rule["constant"])
        for rule in rules
        if rule["to"] == "fiscal_year" and str(rule.get("constant", "")).isdigit()
    )


def terminal(answered: Answered) -> Read | None:
    """Return what asks on the terminal; None where nobody can answer."""
    if answered.no_input or not sys.stdin.isatty():
        return None

    def read(question: str) -> str:
        sys.stderr.write(question)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        return line

    return read


__all__ = ["Answered", "Import", "Read", "flags_of", "terminal"]
