"""The steps of declared columns, a batch at a time, with the audit's counts.

Most cells of a column take a fast path on its bytes: it is taken only where the result
is certain to be that of `cells.judge`. All other cells go there, each distinct text
once.

>>> import pyarrow as pa
>>> from shahrdad.datasets.standards import load
>>> from shahrdad.validators.text_table import Audit, ReadingSettings, TextBatch
>>> field = load("budget_lines").field("line_code")
>>> audit = Audit()
>>> settings = ReadingSettings()
>>> normaliser = Normaliser(["line_code"], [field], settings, audit, standard=True)
>>> batch = TextBatch.of([2, 3], [pa.array(["۱۲۰", "121"])])
>>> normaliser.apply(batch).columns[0].to_pylist(), audit.changed(step="digits")
(['120', '121'], 1)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.standards import Field
from shahrdad.validators.kernels.cells import lengths
from shahrdad.validators.kernels.characters import clean_cells
from shahrdad.validators.kernels.digits import (
    cell_bytes,
    column_to_ascii,
    from_bytes,
    whole_numbers,
)
from shahrdad.validators.normalise import dates, money
from shahrdad.validators.normalise.cells import ColumnPlan, Judged, judge, plan_of
from shahrdad.validators.text_table import (
    Audit,
    CellKind,
    Kinds,
    ReadingSettings,
    TextBatch,
)

Flags = npt.NDArray[np.bool_]
EXACT_MAX = 10**15  # whole numbers below it are exact in a spreadsheet too
JUDGED_MAX = 200_000  # distinct texts of a column whose judgement is remembered

_INTEGER = r"^(?:-?(?:0|[1-9][0-9]{0,14}))?$"
_DECIMAL = r"^(?:-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?)?$"
_GROUPED = r"^-?[1-9][0-9]{0,2}(?:SEP[0-9]{3}){1,4}(?:\.[0-9]{1,6})?$"
_NEGATIVE_ZERO = r"^-[0.]*$"
_GROUPS = (",", "\u066c", "\u060c")
_TWO_BYTES = (  # step, bytes before, bytes after: letters of equal length in UTF-8
    ("yeh", b"\xd9\x8a", b"\xdb\x8c"),
    ("yeh", b"\xd9\x89", b"\xdb\x8c"),
    ("kaf", b"\xd9\x83", b"\xda\xa9"),
)


@dataclass(frozen=True, slots=True)
class CellMarks:
    """Cells of one column that a step refused or remarks on.

    Attributes:
        column: Position of the column.
        code: A code of the report's registry; its severity tells a refusal (error)
            from a remark (warning).
        indices: Positions of the rows in the batch, rising.
    """

    column: int
    code: str
    indices: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NormalisedBatch:
    """A batch after its steps.

    Attributes:
        columns: The texts that are checked and published; same shape as before. A
            refused cell keeps its text.
        marks: Refused cells and remarks, by column and code.
    """

    columns: tuple[pa.StringArray, ...]
    marks: tuple[CellMarks, ...]


class Normaliser:
    """Applies the declared steps to the batches of one table.

    Args:
        names: Names of the columns.
        fields: For each column its field, or None for a kept one.
        settings: What the profile declares.
        audit: Counts what is changed.
        standard: Whether the schema is one of ours (`cells.plan_of`).
    """

    def __init__(
        self,
        names: Sequence[str],
        fields: Sequence[Field | None],
        settings: ReadingSettings,
        audit: Audit,
        *,
        standard: bool,
    ) -> None:
        self._columns = [
            _Column(_plan(name, field, settings, standard=standard), settings, audit)
            for name, field in zip(names, fields, strict=True)
        ]

    @property
    def plans(self) -> tuple[ColumnPlan, ...]:
        """What runs on each column."""
        return tuple(column.plan for column in self._columns)

    def inherit(self, other: "Normaliser") -> None:
        """Take over what another judged of texts, where its steps are the same."""
        for mine, theirs in zip(self._columns, other._columns, strict=False):
            mine.inherit(theirs)

    def apply(self, batch: TextBatch) -> NormalisedBatch:
        """Return a batch after its steps; the audit counts what they change."""
        columns: list[pa.StringArray] = []
        marks: list[CellMarks] = []
        for position, (column, cells) in enumerate(
            zip(self._columns, batch.columns, strict=True)
        ):
            after, found = column.apply(cells, batch.kind(position), batch.rows)
            columns.append(after)
            marks += [
                CellMarks(position, code, np.array(sorted(indices), np.int64))
                for code, indices in sorted(found.items())
            ]
        return NormalisedBatch(tuple(columns), tuple(marks))


class _Column:
    """The steps of one column."""

    def __init__(
        self,
        plan: ColumnPlan,
        settings: ReadingSettings,
        audit: Audit,
    ) -> None:
        self.plan = plan
        self._settings = settings
        self._audit = audit
        self._jalali_text = plan.name in settings.jalali_text
        self._judged: dict[tuple[str, int], Judged] = {}

    def inherit(self, other: "_Column") -> None:
        """Share what was judged of texts with another column of the same steps."""
        if (self.plan, self._settings) == (other.plan, other._settings):
            self._judged = other._judged

    def apply(
        self, cells: pa.StringArray, kinds: Kinds | None, rows: npt.NDArray[np.int64]
    ) -> tuple[pa.StringArray, dict[str, list[int]]]:
        """Return the cells after the steps, and the marks by code."""
        if self.plan.form == "none" and not self._settings.missing and kinds is None:
            return cells, {}
        after, sure = self._fast(cells, kinds, rows)
        unsure = np.flatnonzero(~sure)
        if not len(unsure):
            return after, {}
        return self._slow(cells, after, kinds, rows, unsure)

    def _fast(
        self, cells: pa.StringArray, kinds: Kinds | None, rows: npt.NDArray[np.int64]
    ) -> tuple[pa.StringArray, Flags]:
        """Change what is certain.

        Returns:
            The cells, changed where certain, and which are. A null is certain.
        """
        eligible = self._eligible(cells, kinds)
        match self.plan.form:
            case "number":
                after, sure = self._fast_number(cells, eligible, rows)
            case "date":
                after, sure = self._fast_date(cells, eligible, rows)
            case "clean":
                after, sure = self._fast_clean(cells, eligible, rows)
            case "code":
                after, sure = self._fast_code(cells, eligible, rows)
            case "label":
                known = pa.array(sorted(self.plan.codes), pa.string())
                after, sure = cells, _flags(pc.is_in(cells, known)) & eligible
            case "boolean":
                known = pa.array(["true", "false"], pa.string())
                after, sure = cells, _flags(pc.is_in(cells, known)) & eligible
            case "none":
                after, sure = cells, eligible
        if self.plan.default is None and self.plan.form != "none":
            sure = sure | ((lengths(cells) == 0) & eligible)
        if cells.null_count:
            sure = sure | _flags(pc.is_null(cells))
        return after, sure

    def _eligible(self, cells: pa.StringArray, kinds: Kinds | None) -> Flags:
        """Tell which cells may take the fast path at all."""
        eligible = np.ones(len(cells), bool)
        if kinds is not None:
            plain = (kinds == CellKind.TEXT) | (kinds == CellKind.EMPTY)
            if self.plan.form == "number" and self._settings.decimal == ".":
                plain |= kinds == CellKind.NUMBER
            if self.plan.form in ("clean", "none"):
                plain |= kinds == CellKind.NUMBER
            eligible &= plain
        if self._settings.missing:
            tokens = pa.array(sorted(self._settings.missing), pa.string())
            eligible &= ~_flags(pc.is_in(cells, tokens))
        if self.plan.default is not None:
            eligible &= ~_flags(pc.equal(pc.binary_length(cells), 0))
        return eligible

    def _fast_number(
        self, cells: pa.StringArray, eligible: Flags, rows: npt.NDArray[np.int64]
    ) -> tuple[pa.StringArray, Flags]:
        ascii_cells = column_to_ascii(cells)
        pattern = _DECIMAL if self._settings.decimal == "." else _INTEGER
        plain = ascii_cells
        sure = _plain_numbers(plain, pattern) & eligible
        if self._settings.decimal == "." and not sure.all():
            for group in _GROUPS:
                shape = _GROUPED.replace("SEP", group)
                grouped = _matches(ascii_cells, shape) & eligible & ~sure
                if grouped.any():
                    bare = pc.replace_substring(ascii_cells, group, "")
                    plain = pc.if_else(pa.array(grouped), bare, plain)
                    sure = sure | grouped
        after = plain
        if self.plan.money and self._settings.money_unit is not None:
            after, certain = money.column_to_rial(plain, self._settings.money_unit)
            sure = sure & (certain | _flags(pc.equal(pc.binary_length(plain), 0)))
            after = pc.if_else(pc.equal(pc.binary_length(plain), 0), "", after)
        self._count("digits", cells, ascii_cells, sure, rows)
        self._count("number", ascii_cells, plain, sure, rows)
        self._count("money-unit", plain, after, sure, rows)
        return _merge(sure, after, cells), sure

    def _fast_date(
        self, cells: pa.StringArray, eligible: Flags, rows: npt.NDArray[np.int64]
    ) -> tuple[pa.StringArray, Flags]:
        ascii_cells = column_to_ascii(cells)
        days, sure = dates.column_days(ascii_cells, self._settings.calendar)
        sure = sure & eligible
        after = ascii_cells
        if self._settings.calendar != "gregorian" or not dates.are_iso(ascii_cells):
            after = dates.to_text(days)
        self._count("digits", cells, ascii_cells, sure, rows)
        self._count("date", ascii_cells, after, sure, rows)
        return _merge(sure, after, cells), sure

    def _fast_code(
        self, cells: pa.StringArray, eligible: Flags, rows: npt.NDArray[np.int64]
    ) -> tuple[pa.StringArray, Flags]:
        after = column_to_ascii(cells)
        sure = clean_cells(after, joiners=False) & eligible
        if self.plan.name in self._settings.code_widths:
            width = self._settings.code_widths[self.plan.name]
            sure &= _flags(pc.greater_equal(pc.binary_length(after), width))
        if (cell_bytes(after)[0] == 0x2E).any():  # perhaps a code as a number
            sure &= ~_flags(pc.match_substring(after, ".0"))
        self._count("digits", cells, after, sure, rows)
        return _merge(sure, after, cells), sure

    def _fast_clean(
        self, cells: pa.StringArray, eligible: Flags, rows: npt.NDArray[np.int64]
    ) -> tuple[pa.StringArray, Flags]:
        stages = []
        after = cells
        for step, old, new in _TWO_BYTES:
            changed = _replace_pairs(after, old, new)
            if changed is not after:
                stages.append((step, after, changed))
                after = changed
        # A cell that was clean before holds none of the replaced letters.
        sure = clean_cells(after) & eligible
        for step, start, end in stages:
            self._count(step, start, end, sure, rows)
        return _merge(sure, after, cells), sure

    def _count(
        self,
        step: str,
        before: pa.StringArray,
        after: pa.StringArray,
        certain: Flags,
        rows: npt.NDArray[np.int64],
    ) -> None:
        """Count a step's changes among the certain cells."""
        if before is after:
            return
        changed = _flags(pc.not_equal(before, after)) & certain
        if not changed.any():
            return
        name = self.plan.name
        if self._audit.changes is not None:
            kept = pa.array(changed)
            self._audit.changes.add(
                name, step, rows[changed], before.filter(kept), after.filter(kept)
            )
        places = np.flatnonzero(changed)

        def sample(place: int) -> tuple[int, str, str]:
            at = int(places[place])
            return int(rows[at]), before[at].as_py(), after[at].as_py()

        self._audit.add_cells(name, step, before, places, sample)

    def _slow(
        self,
        cells: pa.StringArray,
        after: pa.StringArray,
        kinds: Kinds | None,
        rows: npt.NDArray[np.int64],
        unsure: npt.NDArray[np.int64],
    ) -> tuple[pa.StringArray, dict[str, list[int]]]:
        """Judge each distinct text of the cells that no fast path was certain of."""
        marks: dict[str, list[int]] = {}
        values = np.empty(len(unsure), object)
        stored = kinds[unsure] if kinds is not None else np.zeros(len(unsure), np.uint8)
        for kind in np.unique(stored):
            here = np.flatnonzero(stored == kind)
            encoded = pc.dictionary_encode(cells.take(pa.array(unsure[here])))
            texts = encoded.dictionary.to_pylist()
            indices = np.asarray(encoded.indices)
            judged = [self._judge(text, CellKind(int(kind))) for text in texts]
            values[here] = np.array([one.text for one in judged], object)[indices]
            self._collect(judged, indices, unsure[here], rows, marks)
        mask = np.zeros(len(cells), bool)
        mask[unsure] = True
        replaced = pc.replace_with_mask(
            after, pa.array(mask), pa.array(values.tolist(), pa.string())
        )
        return replaced, marks

    def _judge(self, text: str, kind: CellKind) -> Judged:
        """Judge one text, or remember what was judged of it."""
        key = (text, int(kind))
        known = self._judged.get(key)
        if known is None:
            known = judge(
                text, kind, self.plan, self._settings, jalali_text=self._jalali_text
            )
            if len(self._judged) < JUDGED_MAX:
                self._judged[key] = known
        return known

    def _collect(
        self,
        judged: list[Judged],
        indices: npt.NDArray[np.int32],
        places: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        marks: dict[str, list[int]],
    ) -> None:
        """Count the steps of judged texts, and mark the cells that they refuse."""
        counts = np.bincount(indices, minlength=len(judged))
        firsts = _first_places(indices, len(judged))
        steps: dict[str, list[tuple[int, tuple[int, str, str]]]] = {}
        for number, one in enumerate(judged):
            row = int(rows[places[firsts[number]]])
            for step, before, after in one.steps:
                change = row, before, after
                if self._audit.changes is not None:
                    found_in = rows[places[np.flatnonzero(indices == number)]]
                    same = [before] * len(found_in), [after] * len(found_in)
                    self._audit.changes.add(self.plan.name, step, found_in, *same)
                steps.setdefault(step, []).append((int(counts[number]), change))
            codes = (*one.remarks, *((one.refused,) if one.refused else ()))
            for code in codes:
                found = places[np.flatnonzero(indices == number)].tolist()
                marks.setdefault(code, []).extend(found)
        for step, counted in steps.items():
            changes = [change for _, change in counted]
            self._audit.add_counted(
                self.plan.name,
                step,
                sum(count for count, _ in counted),
                [before for _, before, _ in changes],
                changes.__getitem__,
            )


def _plan(
    name: str, field: Field | None, settings: ReadingSettings, *, standard: bool
) -> ColumnPlan:
    """Return what runs on a column; what the profile fills in goes before a default."""
    if field is None:
        return ColumnPlan(name)
    plan = plan_of(field, standard=standard)
    if name in settings.fill:
        return replace(plan, default=settings.fill[name], default_step="profile")
    return plan


def _flags(column: pa.BooleanArray) -> Flags:
    """Return flags of a column; a null is false."""
    if column.null_count:
        column = pc.fill_null(column, False)
    flags: Flags = column.to_numpy(zero_copy_only=False)
    return flags


def _matches(column: pa.StringArray, pattern: str) -> Flags:
    """Tell which cells match a pattern of RE2."""
    return _flags(pc.match_substring_regex(column, pattern))


def _plain_numbers(column: pa.StringArray, pattern: str) -> Flags:
    """Tell which cells are numbers in the one form that is written."""
    values = whole_numbers(column)
    if values is not None:
        exact = pc.and_(pc.less(values, EXACT_MAX), pc.greater(values, -EXACT_MAX))
        return _flags(pc.fill_null(exact, True)) & _flags(pc.is_valid(column))
    sure = _matches(column, pattern)
    data, _ = cell_bytes(column)
    if len(data) and bool((data == 0x2D).any()):
        sure &= ~_matches(column, _NEGATIVE_ZERO)
    return sure


def _replace_pairs(column: pa.StringArray, old: bytes, new: bytes) -> pa.StringArray:
    """Replace one letter of two bytes by another in all cells.

    Returns:
        The column; the same object where the letter does not occur.
    """
    data, offsets = cell_bytes(column)
    lead = data[:-1] == old[0]
    places = np.flatnonzero(lead & (data[1:] == old[1])) if len(data) else lead
    if not len(places):
        return column
    changed = data.copy()
    changed[places], changed[places + 1] = new[0], new[1]
    return from_bytes(changed, offsets, column)


def _merge(
    sure: Flags, after: pa.StringArray, before: pa.StringArray
) -> pa.StringArray:
    """Return the new cells where they are certain, the old ones elsewhere."""
    if after is before or sure.all():
        return after
    return pc.if_else(pa.array(sure), after, before)


def _first_places(indices: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int64]:
    """Return where each of `count` values stands first."""
    first = np.zeros(count, np.int64)
    backwards = indices[::-1]
    first[backwards] = np.arange(len(indices) - 1, -1, -1)
    return first
