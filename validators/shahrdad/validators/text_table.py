"""The table between reading and judging: cells as text, in batches, with row numbers.

`importing.open_table` makes it, the engine consumes it. Its rules:

- A cell is the text that the publisher wrote. What a spreadsheet, JSON or Parquet
  stored as a number, a date or a boolean is that value in canonical text, and `kinds`
  says how it was stored: a typed date is judged otherwise than a date in text.
- Columns are those after the mapping: the fields of the standard, then kept columns
  (`x_…`). Nothing is normalised yet; `normalise.steps.Normaliser` does that.
- A row number is that of the file: the CSV record (the header is 1, a quoted cell over
  several lines counts once) or the row of the sheet.
- A record with another number of cells than the header is in `ragged`, one without any
  text in `blank`; neither is in `columns`.

>>> import pyarrow as pa
>>> batch = TextBatch.of([2, 3], [pa.array(["a", "b"])])
>>> batch.first_row, batch.rows_count
(2, 2)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.cells import as_mask
from shahrdad.validators.keys import Hashes, hash_texts
from shahrdad.validators.tokenize import Dialect

if TYPE_CHECKING:
    from shahrdad.validators.changes import ChangesFile
    from shahrdad.validators.questions import Questions

Severity = Literal["error", "warning", "info"]


class CellKind(IntEnum):
    """How a cell was stored in its file."""

    TEXT = 0
    NUMBER = 1
    DATE = 2
    DATETIME = 3
    BOOLEAN = 4
    ERROR = 5  # an Excel error such as #REF!; the text is the error's name
    PERCENT = 6  # a number that the sheet shows as a percentage: 0.62 stands for 62 %
    EMPTY = 7


Kinds = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RaggedRow:
    """A record whose number of cells is not that of the header.

    Attributes:
        row: Number of the record.
        cells: Its cells in the order of the file, not of the mapping.
    """

    row: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What reading found out beside the cells, for the report.

    Attributes:
        code: A code of the report's registry, such as `source-stray-cells`.
        severity: How grave it is.
        values: What its sentence speaks of.
        row: The row of the file that it is about, if one.
        column: Name of the column that it is about, if one.
        cell: The text of the cell as the publisher wrote it, if one.
    """

    code: str
    severity: Severity
    values: Mapping[str, str | int] = field(default_factory=dict)
    row: int | None = None
    column: str | None = None
    cell: str | None = None


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Consecutive rows of a table.

    Attributes:
        rows: n row numbers of the file, rising.
        columns: One `string` array of n cells for each column of the table; a cell that
            the file left empty is "".
        kinds: For each column n values of `CellKind`, or None where all cells are text.
        ragged: Records that do not fit the header, rising, in the range of this batch.
        blank: Numbers of the records without any text, rising.
        findings: What reading found in cells of this batch.
    """

    rows: npt.NDArray[np.int64]
    columns: tuple[pa.StringArray, ...]
    kinds: tuple[Kinds | None, ...] = ()
    ragged: tuple[RaggedRow, ...] = ()
    blank: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(
        cls,
        rows: Sequence[int] | npt.NDArray[np.int64],
        columns: Iterable[pa.StringArray],
        **rest: Any,
    ) -> "TextBatch":
        """Make a batch from any sequence of row numbers."""
        return cls(np.asarray(rows, dtype=np.int64), tuple(columns), **rest)

    @property
    def rows_count(self) -> int:
        """Number of rows in `columns`."""
        return len(self.rows)

    @property
    def first_row(self) -> int:
        """Number of the first record of this batch, of whatever sort; 0 without any."""
        firsts = [int(self.rows[0])] if len(self.rows) else []
        firsts += [row.row for row in self.ragged[:1]]
        firsts += list(self.blank[:1])
        return min(firsts, default=0)

    def kind(self, column: int) -> Kinds | None:
        """Return the kinds of one column; None where all of its cells are text."""
        return self.kinds[column] if self.kinds else None


@dataclass(frozen=True, slots=True)
class EncodingFacts:
    """How the bytes became text.

    Attributes:
        name: `utf-8`, `utf-16-le`, `utf-16-be`, `windows-1256`, …
        how: `bom`, `valid-utf8`, `evidence`, `declared` or `format` (the format says
            it).
    """

    name: str
    how: str


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Where a table comes from, for the report's member `source`.

    Attributes:
        name: Name of the file as given, without folders; None for bytes.
        bytes: Length of the file as it came.
        sha256: Its hash, lower-case hexadecimal; None when it was not asked for.
        format: `csv`, `tsv`, `xlsx`, `xls`, `ods`, `json`, `jsonl` or `parquet`.
        container: `gz` or `zip` around it, or None.
        sheet: Name of the sheet that was read, for workbooks.
        header_rows: Numbers of the rows that made the labels.
        encoding: None for formats that are not text.
        dialect: None for formats without one.
        dialect_how: `declared` or `found`.
        mapping: Label of the file → name of the column, for every column that is used.
    """

    name: str | None
    bytes: int
    sha256: str | None
    format: str
    container: str | None = None
    sheet: str | None = None
    header_rows: tuple[int, ...] = ()
    encoding: EncodingFacts | None = None
    dialect: Dialect | None = None
    dialect_how: str = "declared"
    mapping: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report's member `source`."""
        facts: dict[str, Any] = {
            "name": self.name,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "format": self.format,
        }
        if self.container is not None:
            facts["container"] = self.container
        if self.sheet is not None:
            facts["sheet"] = self.sheet
        facts["header_rows"] = list(self.header_rows)
        if self.encoding is not None:
            facts["encoding"] = {"name": self.encoding.name, "how": self.encoding.how}
        if self.dialect is not None:
            facts["dialect"] = {"delimiter": self.dialect.delimiter}
        facts["mapping"] = dict(self.mapping)
        return facts


@dataclass(slots=True)
class TextTable:
    """A table whose cells are text, read once from front to back.

    Attributes:
        labels: The header as read, one for each column of the file.
        names: Column names after the mapping: those of fields first, in the order of
            the schema, then `x_…`.
        origins: For each of `names` the position in `labels` that it comes from; None
            where the mapping makes it (constant, concat, path).
        source: Facts for the report.
        settings: How cells are to be read (calendar, unit, decimal mark, …).
        audit: Counts what the mapping and the normalisation change.
        batches: The rows; iterating reads the file.
        findings: What opening found; reading appends what it finds at the end.
        questions: What is certain, proposed or must be asked about the columns.
        declared: Figures that the city has announced, by name, as people say them.
        left_out: Rows that are no data, as reading meets them: row, text, code.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    origins: tuple[int | None, ...]
    source: SourceFacts
    settings: "ReadingSettings"
    audit: "Audit"
    batches: Iterator[TextBatch]
    findings: list[Finding] = field(default_factory=list)
    questions: "Questions | None" = None
    declared: Mapping[str, str] = field(default_factory=dict)
    left_out: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReadingSettings:
    """What was declared about the cells of a file (`standards.md` 4.3 to 4.5, 4.7).

    Attributes:
        money_unit: A key of the list `money_units`; None when it is not known.
        calendar: `jalali`, `gregorian` or `mixed`.
        century: 1300 or 1400 for two-digit years; None refuses them.
        date_order: `ymd` or `dmy`.
        decimal: The decimal mark, `.` or `,` or `/`.
        missing: Texts that stand for an empty cell.
        code_widths: Fixed width of a code column, which restores lost leading zeros.
        fill: What fills the empty cells of a column, before the default of its field.
        jalali_text: Columns whose text cells are Jalali dates, by which a typed date
            among them is known to be mangled.
    """

    money_unit: str | None = None
    calendar: Literal["jalali", "gregorian", "mixed"] = "jalali"
    century: int | None = None
    date_order: Literal["ymd", "dmy"] = "ymd"
    decimal: str = "."
    missing: tuple[str, ...] = ()
    code_widths: Mapping[str, int] = field(default_factory=dict)
    fill: Mapping[str, str] = field(default_factory=dict)
    jalali_text: frozenset[str] = frozenset()


_SEED = 0x5A6A7264  # of the hashes of texts: one for all, as a report is reproducible
SAMPLES_MAX = 20  # samples kept for each column and step
KNOWN_MAX = 4_096  # texts that are told by themselves; more of them by their hashes
DISTINCT_MAX = 65_536  # distinct changes counted for each column and step, about


@dataclass(slots=True)
class StepCount:
    """What one step changed in one column.

    Attributes:
        changed: Number of cells.
        distinct: Hashes of the distinct texts before; a step makes one of each.
        samples: The first distinct changes: row, before, after.
        known: Texts that are counted already, by which most cells are told where there
            are few different ones; None once there are more than `KNOWN_MAX`.
    """

    changed: int = 0
    distinct: set[int] = field(default_factory=set)
    samples: list[tuple[int, str, str]] = field(default_factory=list)
    known: pa.StringArray | None = field(
        default_factory=lambda: pa.array([], pa.string())
    )

    @property
    def is_full(self) -> bool:
        """Whether no further distinct changes are counted."""
        return len(self.distinct) >= DISTINCT_MAX

    def add(
        self, hashes: Hashes, sample: Callable[[int], tuple[int, str, str]]
    ) -> None:
        """Count distinct texts by their hashes, and keep the first ones as samples."""
        if len(self.samples) < SAMPLES_MAX:
            found, firsts = np.unique(hashes, return_index=True)
            for place in np.argsort(firsts).tolist():
                if len(self.samples) == SAMPLES_MAX:
                    break
                if int(found[place]) not in self.distinct:
                    self.distinct.add(int(found[place]))
                    self.samples.append(sample(int(firsts[place])))
        if not self.is_full:
            self.distinct.update(np.unique(hashes).tolist())

    def add_cells(
        self, cells: pa.StringArray, sample: Callable[[int], tuple[int, str, str]]
    ) -> None:
        """Count distinct texts of cells, those alone that are not known."""
        if self.known is None:
            self.add(hash_texts(cells, _SEED), sample)
            return
        known = as_mask(pc.is_in(cells, value_set=self.known))
        places = np.flatnonzero(~known)
        if not len(places):
            return
        found = cells.take(pa.array(places)).dictionary_encode()
        places = places[np.unique(found.indices.to_numpy(), return_index=True)[1]]
        self.add(
            hash_texts(found.dictionary, _SEED), lambda at: sample(int(places[at]))
        )
        self.known = pa.concat_arrays([self.known, found.dictionary])
        if len(self.known) > KNOWN_MAX:
            self.known = None


class Audit:
    """Counts the changes of cells by column and step, with samples.

    >>> audit = Audit()
    >>> audit.add("line_code", "digits", [(4, "۱۲۰", "120"), (5, "۱۲۰", "120")])
    >>> audit.to_list()[0]["changed"], audit.to_list()[0]["distinct"]
    (2, 1)
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], StepCount] = {}
        self.changes: ChangesFile | None = None  # where every change goes, if anywhere
        # All distinct texts, where several audits are put together: see `ranges`.
        self.befores: dict[tuple[str, str], set[str]] | None = None

    def add(
        self, column: str, step: str, changes: Iterable[tuple[int, str, str]]
    ) -> None:
        """Count changed cells.

        Args:
            column: Name of the column.
            step: Id of the step, as in `validation.md` 10.
            changes: Row, text before, text after of every changed cell.
        """
        listed = list(changes)
        befores = [before for _, before, _ in listed]
        if self.changes is not None and listed:
            rows, _, afters = zip(*listed, strict=True)
            self.changes.add(column, step, rows, befores, afters)
        self.add_counted(column, step, len(listed), befores, listed.__getitem__)

    def add_counted(
        self,
        column: str,
        step: str,
        changed: int,
        befores: Sequence[str],
        sample: Callable[[int], tuple[int, str, str]],
    ) -> None:
        """Count changes of which some texts are known already.

        Args:
            column: Name of the column.
            step: Id of the step.
            changed: Number of changed cells.
            befores: Texts before the change, each distinct one at least once; none
                where `is_full` says that they are not counted any more.
            sample: Row, text before, text after of the change at a place in `befores`.
        """
        if changed <= 0:
            return
        count = self._counts.setdefault((column, step), StepCount())
        count.changed += changed
        if self.befores is not None:
            self.befores.setdefault((column, step), set()).update(befores)
        if befores:
            count.add(hash_texts(pa.array(befores, pa.string()), _SEED), sample)

    def add_cells(
        self,
        column: str,
        step: str,
        before: pa.StringArray,
        changed: npt.NDArray[np.int64],
        sample: Callable[[int], tuple[int, str, str]],
    ) -> None:
        """Count changed cells of a column.

        Args:
            column: Name of the column.
            step: Id of the step.
            before: The cells before the change.
            changed: Places of the changed ones among them, rising.
            sample: Row, text before, text after of the cell at a place in `changed`.
        """
        if self.befores is not None:
            texts = before.take(pa.array(changed)).to_pylist()
            self.add_counted(column, step, len(changed), texts, sample)
            return
        count = self._counts.setdefault((column, step), StepCount())
        count.changed += len(changed)
        if not count.is_full:
            count.add_cells(before.take(pa.array(changed)), sample)

    def is_full(self, column: str, step: str) -> bool:
        """Tell whether no further distinct changes of a step are counted."""
        count = self._counts.get((column, step))
        return count is not None and count.is_full

    def changed(self, column: str | None = None, step: str | None = None) -> int:
        """Return the number of changed cells, of one column or step or of all."""
        return sum(
            count.changed
            for (name, id_), count in self._counts.items()
            if column in (None, name) and step in (None, id_)
        )

    def to_list(self) -> list[dict[str, Any]]:
        """Return the report's member `normalisation`, sorted by column and step."""
        return [
            {
                "column": column,
                "step": step,
                "changed": count.changed,
                # Above the bound it would tell how the file was read, batch by batch.
                "distinct": min(len(count.distinct), DISTINCT_MAX),
                "samples": [
                    {"row": row, "before": before, "after": after}
                    for row, before, after in count.samples
                ],
            }
            for (column, step), count in sorted(self._counts.items())
        ]


__all__ = [
    "Audit",
    "CellKind",
    "Dialect",
    "EncodingFacts",
    "Finding",
    "Kinds",
    "RaggedRow",
    "ReadingSettings",
    "SourceFacts",
    "TextBatch",
    "TextTable",
]
