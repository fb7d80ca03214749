"""frictionless as the oracle: its fields read cells, its rows write errors.

Only this module and `compat.py` know frictionless, of which parts moved between 5.19
and 5.21. A kernel says which cells are surely valid; everything else is asked here,
each distinct text once, and rows with an error are replayed through frictionless' own
code.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from frictionless import Field, errors
from frictionless.resources import TableResource
from frictionless.table.row import Row, create_cell_handlers

from shahrdad.validators.kernels.answers import Answer, Kernel, all_unsure, any_of, both
from shahrdad.validators.kernels.cells import (
    Mask,
    as_mask,
    data,
    lengths,
    mask_array,
    missing_mask,
    offsets,
    with_nulls,
)
from shahrdad.validators.kernels.column import CACHE_TEXTS_MAX, kernel_of
from shahrdad.validators.keys import hash_texts, mix
from shahrdad.validators.plan import BOUNDS, FieldPlan

MARK = "\0"  # begins the text that stands for a value of a workbook
EMAIL_BYTES_MAX = 64  # longer ones may break the limits of labels
_KERNELS = frozenset(
    {
        "integer",
        "number",
        "boolean",
        "date",
        "datetime",
        "year",
        "yearmonth",
        "string",
        "any",
    }
)
# What means the same to RE2 and to `re`: literals, classes without escapes that are
# negated, groups, alternatives, greedy and lazy repetition.
_SAFE_PATTERN = re.compile(
    r"(?:[^\\\[\](){}|.*+?^$]|\\[.\-\\/()\[\]{}|*+?^$dws]|\."
    r"|\[\^?(?:[^\\\[\]^]|\\[.\-\\/dws])+\]|\((?:\?:)?|\)|\||[*+?]\??|\{\d{1,3}(?:,\d{0,3})?\}\??)*"
)
_POSSESSIVE = re.compile(r"[*+?}]\+")
_FLAGS = re.compile(r"\(\?(?!:)")
_NEGATED_ESCAPE = re.compile(r"\[\^[^\]]*\\")
HashesOrNone = npt.NDArray[np.uint64] | None


def safe_pattern(pattern: str) -> str | None:
    """Return the pattern if RE2's match is surely one of `^pattern$`, else None."""
    if _SAFE_PATTERN.fullmatch(pattern) is None or _POSSESSIVE.search(pattern):
        return None
    if _NEGATED_ESCAPE.search(pattern) or _FLAGS.search(pattern):
        return None
    try:
        import pyarrow.compute as pc

        re.compile(pattern)
        pc.match_substring_regex(pa.array([""], pa.string()), f"^(?:{pattern})$")
    except (re.error, pa.ArrowInvalid, OverflowError):
        return None
    return pattern


def plan_of(field: Field) -> FieldPlan | None:
    """Return a field for the kernels; None where the oracle reads every cell."""
    if field.type not in _KERNELS:
        return None
    constraints = field.constraints
    bounds = {
        key: constraints[key] for key in BOUNDS if constraints.get(key) is not None
    }
    if bounds and field.type in ("datetime", "yearmonth"):
        return None
    if any(isinstance(bound, str) for bound in bounds.values()) and _has_marks(field):
        return None  # frictionless reads such a bound as it reads a cell
    enum = constraints.get("enum")
    if enum is not None and field.type not in ("string", "any"):
        return None
    if enum is not None and not all(isinstance(value, str) for value in enum):
        return None
    pattern = constraints.get("pattern")
    if pattern is not None:
        pattern = safe_pattern(str(pattern))
        if pattern is None:
            return None
    format_ = field.format
    if field.type == "date" and format_ == "%Y-%m-%d":
        format_ = "default"
    false = tuple(getattr(field, "false_values", ()))
    return FieldPlan(
        field.name,
        field.type,
        format_,
        required=bool(constraints.get("required")),
        min_length=constraints.get("minLength"),
        max_length=constraints.get("maxLength"),
        bounds=bounds,
        pattern=pattern,
        enum=None if enum is None else tuple(enum),
        missing=(),
        # The last mapping wins: a text that is both true and false is false.
        true_values=tuple(
            t for t in getattr(field, "true_values", ()) if t not in false
        ),
        false_values=false,
        group_char=getattr(field, "group_char", "") if field.type == "number" else "",
        decimal_char=getattr(field, "decimal_char", "."),
        bare_number=getattr(field, "bare_number", True),
    )


def _has_marks(field: Field) -> bool:
    """Return whether numbers are written with marks of the field's own."""
    return bool(
        getattr(field, "group_char", "") or getattr(field, "decimal_char", ".") != "."
    )


def compat_kernel(field: Field) -> Kernel | None:
    """Return the kernel of a field; None where there is none."""
    plan = plan_of(field)
    if plan is None:
        return None
    try:
        kernel = kernel_of(plan)
        kernel(pa.array([""], pa.string()))
    except (ValueError, TypeError, ArithmeticError, pa.ArrowException):
        return None  # bounds that the strict reader does not take
    if field.type == "string" and field.format == "email":

        def short(cells: pa.StringArray) -> Answer:
            answer = kernel(cells)
            return Answer(
                answer.values,
                both(answer.unsure, any_of(lengths(cells) > EMAIL_BYTES_MAX)),
            )

        return short
    return kernel


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a column's cells.

    Attributes:
        wrong: Cells that the oracle refuses, or that make it raise; None for none.
        missing: Cells without a value as written; None for none.
        hashes: For keys, 64-bit hashes of the values: equal values have equal hashes.
        absent: For keys, cells without a value after reading.
        values: For foreign keys, the value of each cell.
    """

    wrong: Mask | None
    missing: Mask | None = None
    hashes: HashesOrNone = None
    absent: Mask | None = None
    values: list[Any] | None = None


class OracleColumn:
    """Reads the cells of one frictionless field.

    Args:
        field: The field.
        seed: Seed of the hashes.
        keyed: Whether hashes are needed.
        valued: Whether values are needed, for foreign keys.
        decode: Says what a text that begins with `MARK` stands for.
    """

    def __init__(
        self,
        field: Field,
        seed: int,
        *,
        keyed: bool,
        valued: bool,
        decode: Callable[[str], Any] = str,
    ) -> None:
        self._field = field
        self._decode = decode
        self._reader: Callable[[Any], tuple[Any, Mapping[str, str] | None]] = (
            field.create_cell_reader()
        )
        missing = field.missing_values
        if not field.has_defined("missing_values") and field.schema:
            missing = field.schema.missing_values
        self._missing = tuple(missing)
        self._required = bool(field.constraints.get("required"))
        self._kernel = compat_kernel(field)
        self._seed = seed
        self._keyed = keyed
        self._valued = valued
        self.plain = field.type in ("string", "any")  # the value is the text
        self._cache: dict[str, tuple[Any, bool]] = {}

    def ask(self, text: str | None) -> tuple[Any, bool]:
        """Return a text's value and whether it is wrong; raising counts as wrong."""
        if text is None:
            return None, self._required
        known = self._cache.get(text)
        if known is None:
            try:
                cell = self._decode(text) if text.startswith(MARK) else text
                value, notes = self._reader(cell)
                known = (value, bool(notes))
            except Exception:
                known = (None, True)
            if len(self._cache) < CACHE_TEXTS_MAX:
                self._cache[text] = known
        return known

    def judge(self, cells: pa.StringArray) -> Judgement:
        """Judge n cells; a null cell is one that the row lacks."""
        marked = marked_mask(cells)
        missing = both(missing_mask(cells, self._missing), self._unset(cells, marked))
        wrong = missing if missing is not None and self._required else None
        present = cells if missing is None else with_nulls(cells, missing)
        answer = self._answer(present, marked)
        asked: dict[int, Any] = {}
        if answer.unsure is not None:
            found, asked = self._ask_distinct(present, answer.unsure)
            wrong = both(wrong, found)
        values = self._values(present) if self._valued else None
        if not self._keyed:
            return Judgement(wrong, missing, values=values)
        absent = np.zeros(len(cells), bool) if missing is None else missing.copy()
        hashes = self._hashes(present, answer, asked, absent)
        return Judgement(wrong, missing, hashes, absent, values)

    def _answer(self, cells: pa.StringArray, marked: Mask | None) -> Answer:
        """Ask the kernel; it does not know what a mark stands for."""
        if self._kernel is None:
            return all_unsure(cells, pa.string())
        if marked is None:
            return self._kernel(cells)
        absent = ~as_mask(cells.is_valid())
        answer = self._kernel(with_nulls(cells, marked | absent))
        return Answer(answer.values, both(answer.unsure, any_of(marked & ~absent)))

    def _unset(self, cells: pa.StringArray, marked: Mask | None) -> Mask | None:
        """Return the marks of values that are written as a missing one."""
        if marked is None or set(self._missing) <= {""}:
            return None
        texts = cells.filter(mask_array(marked)).to_pylist()
        found = marked.copy()
        found[marked] = [str(self._decode(text)) in self._missing for text in texts]
        return any_of(found)

    def _ask_distinct(
        self, cells: pa.StringArray, unsure: Mask
    ) -> tuple[Mask | None, dict[int, Any]]:
        """Ask about each distinct text once; return wrong cells, and values of keys."""
        distinct = cells.filter(mask_array(unsure)).dictionary_encode()
        answers = [self.ask(text) for text in distinct.dictionary.to_pylist()]
        indices = distinct.indices.to_numpy(zero_copy_only=False)
        bad = np.array([wrong for _, wrong in answers], bool)
        mask = None
        if bad.any():
            mask = np.zeros(len(cells), bool)
            mask[unsure] = bad[indices]
        values: dict[int, Any] = {}
        if self._keyed:
            for place, index in zip(
                np.flatnonzero(unsure).tolist(), indices.tolist(), strict=True
            ):
                values[place] = answers[index][0]
        return mask, values

    def _hashes(
        self,
        cells: pa.StringArray,
        answer: Answer,
        asked: Mapping[int, Any],
        absent: Mask,
    ) -> npt.NDArray[np.uint64]:
        """Return hashes in which values that are equal to Python are equal.

        Raises:
            TypeError: A value cannot be hashed; the oracle raises, too.
        """
        for place, value in asked.items():
            absent[place] |= value is None
        if self.plain:
            hashes = hash_texts(cells, self._seed)
            for place, value in asked.items():
                if value is not None and not isinstance(value, str):
                    number = np.array([_int_hash(value)], np.int64).view(np.uint64)
                    hashes[place] = mix(number, self._seed)[0]
        else:
            if self._field.type in ("integer", "year") and self._kernel is not None:
                numbers = answer.values.fill_null(0).to_numpy(zero_copy_only=False)
                numbers = numbers.astype(np.int64)
                for place, value in asked.items():
                    numbers[place] = _int_hash(value)
            else:
                distinct = cells.dictionary_encode()
                texts = distinct.dictionary.to_pylist()
                table = np.array(
                    [*(_int_hash(self.ask(t)[0]) for t in texts), 0], np.int64
                )
                indices = distinct.indices.fill_null(len(texts)).to_numpy(
                    zero_copy_only=False
                )
                numbers = table[indices]
            hashes = mix(numbers.view(np.uint64), self._seed)
        hashes[absent] = mix(np.array([1], np.uint64), self._seed ^ 0x77)[0]
        return hashes

    def missing(self, cells: pa.StringArray) -> Mask | None:
        """Return the cells without a value; those that a row lacks count."""
        return missing_mask(cells, self._missing)

    def _values(self, cells: pa.StringArray) -> list[Any]:
        """Return the oracle's value of each cell."""
        distinct = cells.dictionary_encode()
        table = [self.ask(text)[0] for text in distinct.dictionary.to_pylist()]
        return [None if i is None else table[i] for i in distinct.indices.to_pylist()]


def marked_mask(cells: pa.StringArray) -> Mask | None:
    """Return the cells that are marks; None for none of them."""
    content = data(cells)
    if not len(content) or content.min() > 0:
        return None
    found: Mask = np.zeros(len(cells), bool)
    filled = lengths(cells) > 0
    starts = offsets(cells)[:-1][filled] - offsets(cells)[0]
    found[filled] = content[starts] == 0
    return any_of(found)


def _int_hash(value: Any) -> int:
    """Return a 64-bit number that equal values share."""
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62:
        return value
    return hash(value)


@dataclass(slots=True)
class Integrity:
    """What the pass found out about keys, by row number.

    Attributes:
        unique: For each unique field, the previous row with the same value.
        primary: The previous row with the same primary key.
    """

    unique: dict[str, dict[int, int]]
    primary: dict[int, int]


class Replayer:
    """Writes the errors of single rows as frictionless' row stream would have.

    Args:
        resource: Opened; its header says which fields to expect.
        integrity: What is known of the keys.
    """

    def __init__(self, resource: TableResource, integrity: Integrity) -> None:
        self._resource = resource
        self.integrity = integrity
        self.fields = resource.header.get_expected_fields()
        self.handlers = create_cell_handlers(self.fields)
        names = {field.name for field in self.fields}
        self.unique_names = [f.name for f in self.fields if f.constraints.get("unique")]
        key = set(resource.schema.primary_key)
        self.has_primary_key = bool(key) and key.issubset(names)
        self.foreign = foreign_groups(resource, names)

    def row(self, number: int, cells: list[Any]) -> Row:
        """Return a row with all its errors, read in the order of the oracle."""
        row = Row(cells, handlers=self.handlers, row_number=number)
        for name in self.unique_names:
            previous = self.integrity.unique.get(name, {}).get(number)
            if row[name] is not None and previous:
                note = f"the same as in the row at position {previous}"
                row.errors.append(
                    errors.UniqueError.from_row(row, note=note, field_name=name)
                )
        if self.has_primary_key:
            self._primary_key(row, number)
        for group in self.foreign:
            self._foreign_key(row, group)
        return row

    def _primary_key(self, row: Row, number: int) -> None:
        try:
            cells = self._resource.primary_key_cells(
                row, self._resource.dialect.header_case
            )
        except KeyError:
            return
        if set(cells) == {None}:
            note = 'cells composing the primary keys are all "None"'
        elif self.integrity.primary.get(number):
            note = (
                f"the same as in the row at position {self.integrity.primary[number]}"
            )
        else:
            return
        row.errors.append(errors.PrimaryKeyError.from_row(row, note=note))

    def _foreign_key(self, row: Row, group: "ForeignGroup") -> None:
        lookup = self._resource.lookup.get(group.source)
        if not lookup:
            return
        cells = tuple(row[name] for name in group.target_key)
        if set(cells) == {None} or cells in lookup.get(group.source_key, set()):
            return
        note = (
            'for "{}": values "{}" not found in the lookup table "{}" as "{}"'.format(
                ", ".join(group.target_key),
                ", ".join(str(d) for d in cells),
                group.source,
                ", ".join(group.source_key),
            )
        )
        error = errors.ForeignKeyError.from_row(
            row,
            note=note,
            field_names=list(group.target_key),
            field_values=list(cells),
            reference_name=group.source,
            reference_field_names=list(group.source_key),
        )
        row.errors.append(error)

    def has_lookup(self, group: "ForeignGroup") -> bool:
        """Whether the oracle looks a foreign key up: its reference has been read."""
        return bool(self._resource.lookup.get(group.source))

    def primary_names(self) -> list[str]:
        """Return the fields of the primary key, in the oracle's order."""
        if not self.has_primary_key:
            return []
        key = self._resource.schema.primary_key
        if self._resource.dialect.header_case:
            return [name for name in key if name in self.handlers]
        lowered = [name.lower() for name in key]
        return [name for name in self.handlers if name.lower() in lowered]


@dataclass(frozen=True, slots=True)
class ForeignGroup:
    """A foreign key that the oracle looks up."""

    source: str
    source_key: tuple[str, ...]
    target_key: tuple[str, ...]


def foreign_groups(resource: TableResource, names: set[str]) -> list[ForeignGroup]:
    """Return the foreign keys whose fields the header has."""
    groups: list[ForeignGroup] = []
    for key in resource.schema.foreign_keys if resource.lookup else ():
        target = tuple(key["fields"])
        if set(target) <= names:
            reference = key["reference"]
            groups.append(
                ForeignGroup(reference["resource"], tuple(reference["fields"]), target)
            )
    return groups


def simulate(values: Iterable[tuple[int, Any]]) -> dict[int, int]:
    """Return for each row the previous row of an equal value, as a dict would find it.

    Raises:
        TypeError: A value cannot be hashed; the oracle would raise, too.
    """
    memory: dict[Any, int] = {}
    previous: dict[int, int] = {}
    for row, value in values:
        found = memory.get(value)
        memory[value] = row
        if found:
            previous[row] = found
    return previous


__all__ = [
    "MARK",
    "ForeignGroup",
    "Integrity",
    "Judgement",
    "OracleColumn",
    "Replayer",
    "compat_kernel",
    "foreign_groups",
    "safe_pattern",
    "simulate",
]
