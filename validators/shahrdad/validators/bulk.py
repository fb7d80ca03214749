"""What was found, kept in Arrow arrays: counted exactly, sentences made only when read.

A finding about cells is a chunk of rows; a million of them costs a few arrays. The
order of a report is that of the rows; in a row that of the fields, then that of
finding.

>>> import numpy as np, pyarrow as pa
>>> found = Findings(["city_code", "year"])
>>> found.add_cells("type-integer", "error", np.array([5, 7]), 1, pa.array(["x", "y"]))
>>> found.errors, [(issue.row, issue.value) for issue in found.listed(1)]
(2, [(5, 'x')])
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.validators.codes import (
    REGISTRY,
    ROW_TYPES,
    RULE,
    RULE_TYPE,
    Severity,
)

FINDINGS_KEPT_MAX = 5_000_000  # cells kept with their texts; more are only counted
NOWHERE = -1  # field number of a finding that belongs to no column
FIRST, LAST = 0, 2**62  # rows of findings about the file, and about the whole table

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding.

    Attributes:
        code: A code of the registry, or `rule:ID`.
        severity: How grave it is.
        row: Row number of the file; None when it is about the file or the table.
        field: Name of the column; None when it is about none.
        field_number: Its position in the table, from 1.
        value: The text as the publisher wrote it.
        normalised: What was checked, where that is another text.
        values: What the sentence speaks of besides.
        related: Other rows that it is about.
    """

    code: str
    severity: Severity
    row: int | None = None
    field: str | None = None
    field_number: int | None = None
    value: str | None = None
    normalised: str | None = None
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    related: tuple[int, ...] = ()

    @property
    def rule(self) -> str | None:
        """The rule's id, for findings of rules."""
        return self.code.removeprefix(RULE) if self.code.startswith(RULE) else None

    @property
    def type(self) -> str:
        """The error type of frictionless; one of the table where no row is named."""
        type_ = RULE_TYPE if self.rule is not None else REGISTRY[self.code].type
        return "table-error" if self.row is None and type_ in ROW_TYPES else type_


@dataclass(slots=True)
class _Chunk:
    """Findings of one code in one column."""

    code: str
    severity: Severity
    rows: Rows
    field: int
    cells: pa.Array | None
    normalised: pa.Array | None
    values: Sequence[Mapping[str, Any]] | None
    related: Sequence[tuple[int, ...]] | None


class Findings:
    """Collects findings; the counts are exact whatever is kept.

    Args:
        names: The columns of the table.
        kept_max: Findings about cells that are kept.
    """

    def __init__(self, names: Sequence[str], kept_max: int = FINDINGS_KEPT_MAX) -> None:
        self.names = list(names)
        self.by_code: Counter[str] = Counter()
        self.by_severity: Counter[str] = Counter()
        self._chunks: list[_Chunk] = []
        self._kept = 0
        self._kept_max = kept_max
        self._bad_rows = np.zeros(1024, bool)
        self.rows_counted: int | None = None  # of a report from another process
        self._masked: dict[int, set[int]] = {}  # rows by column, never shown whole

    @property
    def chunks(self) -> "Sequence[_Chunk]":
        """What was kept, in the order of finding."""
        return self._chunks

    @property
    def personal(self) -> Mapping[int, set[int]]:
        """Rows whose cells hold personal data, by column."""
        return self._masked

    @property
    def errors(self) -> int:
        """Number of findings of severity error."""
        return self.by_severity["error"]

    @property
    def warnings(self) -> int:
        """Number of findings of severity warning."""
        return self.by_severity["warning"]

    @property
    def rows_with_errors(self) -> int:
        """Number of rows with at least one error."""
        if self.rows_counted is not None:
            return self.rows_counted
        return int(self._bad_rows.sum())

    def mask(self, rows: Rows, field_index: int) -> None:
        """Note cells that hold personal data: no finding shows their text."""
        self._masked.setdefault(field_index, set()).update(rows.tolist())

    def is_masked(self, row: int, name: str) -> bool:
        """Whether a cell holds personal data."""
        place = self.names.index(name) if name in self.names else NOWHERE
        return row in self._masked.get(place, ())

    def add_cells(
        self,
        code: str,
        severity: Severity,
        rows: Rows,
        field_index: int,
        cells: pa.Array | None,
        normalised: pa.Array | None = None,
        values: Sequence[Mapping[str, Any]] | None = None,
        related: Sequence[tuple[int, ...]] | None = None,
        count: int | None = None,
    ) -> None:
        """Add findings of one code in one column.

        Args:
            code: The code.
            severity: How grave they are.
            rows: n row numbers, rising.
            field_index: The column, from 0; `NOWHERE` for none.
            cells: n texts as written, or None.
            normalised: n texts that were checked, or None when they are the same.
            values: For each row what its sentence speaks of.
            related: For each row the other rows that it is about.
            count: How many there are, when only some are given.
        """
        count = len(rows) if count is None else count
        if not count:
            return
        self.by_code[code] += count
        self.by_severity[severity] += count
        if severity == "error" and len(rows):
            self._mark(rows[(rows > FIRST) & (rows < LAST)])
        if self._kept < self._kept_max and len(rows):
            self._kept += len(rows)
            self._chunks.append(
                _Chunk(
                    code,
                    severity,
                    rows,
                    field_index,
                    cells,
                    normalised,
                    values,
                    related,
                )
            )

    def add(self, issue: Issue, *, last: bool = False) -> None:
        """Add one finding; one without a row comes first, or last in the report."""
        row = issue.row if issue.row is not None else (LAST if last else FIRST)
        index = self.names.index(issue.field) if issue.field in self.names else NOWHERE
        values = dict(issue.values)
        if index == NOWHERE and issue.field is not None:
            values.setdefault("column", issue.field)
        self.add_cells(
            issue.code,
            issue.severity,
            np.array([row], np.int64),
            index,
            None if issue.value is None else pa.array([issue.value], pa.string()),
            None
            if issue.normalised is None
            else pa.array([issue.normalised], pa.string()),
            [values],
            [issue.related],
        )

    def _mark(self, rows: Rows) -> None:
        if not len(rows):
            return
        top = int(rows.max())
        if top >= len(self._bad_rows):
            grown = np.zeros(max(top + 1, 2 * len(self._bad_rows)), bool)
            grown[: len(self._bad_rows)] = self._bad_rows
            self._bad_rows = grown
        self._bad_rows[rows] = True

    def listed(
        self, limit: int | None, severity: Severity | None = None
    ) -> list[Issue]:
        """Return the first findings in the order of the report.

        Args:
            limit: How many, or None for all that are kept.
            severity: Only those of this severity.
        """
        chunks = [c for c in self._chunks if severity in (None, c.severity)]
        if not chunks:
            return []
        rows = np.concatenate([chunk.rows for chunk in chunks])
        sizes = [len(chunk.rows) for chunk in chunks]
        fields = np.repeat(
            [c.field if c.field >= 0 else 1 << 20 for c in chunks], sizes
        )
        origin = np.repeat(np.arange(len(chunks)), sizes)
        within = np.concatenate([np.arange(size) for size in sizes])
        order = np.lexsort((origin, fields, rows))[:limit]
        return [self._issue(chunks[origin[n]], int(within[n])) for n in order]

    def _issue(self, chunk: _Chunk, place: int) -> Issue:
        row = int(chunk.rows[place])
        values = chunk.values[place] if chunk.values is not None else {}
        named = chunk.field != NOWHERE
        value = chunk.cells[place].as_py() if chunk.cells is not None else None
        checked = (
            chunk.normalised[place].as_py() if chunk.normalised is not None else None
        )
        if row in self._masked.get(chunk.field, ()):
            value, checked = value and masked(value), None
            values = {
                key: masked(told) if isinstance(told, str) and told != value else told
                for key, told in values.items()
            }
        return Issue(
            chunk.code,
            chunk.severity,
            row if FIRST < row < LAST else None,
            self.names[chunk.field] if named else values.get("column"),
            chunk.field + 1 if named else None,
            value,
            checked if checked != value else None,
            values,
            chunk.related[place] if chunk.related is not None else (),
        )

    def table(self) -> pa.Table:
        """Return the findings about rows as a table, without sentences."""
        chunks = [
            c
            for c in self._chunks
            if c.field != NOWHERE or c.rows[0] not in (FIRST, LAST)
        ]
        columns: dict[str, list[pa.Array]] = {
            n: [] for n in ("row", "field", "code", "severity", "cell")
        }
        for chunk in chunks:
            n = len(chunk.rows)
            columns["row"].append(pa.array(chunk.rows, pa.int64()))
            columns["field"].append(pa.array(np.full(n, chunk.field, np.int16)))
            for name, text in (("code", chunk.code), ("severity", chunk.severity)):
                indices = pa.array(np.zeros(n, np.int32))
                encoded = pa.DictionaryArray.from_arrays(indices, pa.array([text]))
                columns[name].append(encoded)
            cells = chunk.cells if chunk.cells is not None else pa.nulls(n, pa.string())
            columns["cell"].append(self._shown(chunk, cells.cast(pa.string())))
        types = [
            pa.int64(),
            pa.int16(),
            *[pa.dictionary(pa.int32(), pa.string())] * 2,
            pa.string(),
        ]
        arrays = [
            pa.chunked_array(parts, type_)
            for parts, type_ in zip(columns.values(), types, strict=True)
        ]
        return pa.table(dict(zip(columns, arrays, strict=True))).unify_dictionaries()

    def _shown(self, chunk: _Chunk, cells: pa.StringArray) -> pa.StringArray:
        rows = self._masked.get(chunk.field)
        if not rows or chunk.cells is None:
            return cells
        hidden = np.isin(chunk.rows, list(rows))
        if not hidden.any():
            return cells
        texts = zip(cells.to_pylist(), hidden.tolist(), strict=True)
        return pa.array(
            [text and masked(text) if hide else text for text, hide in texts]
        )


def masked(text: str) -> str:
    """Return a text of which the first three and last two characters are left.

    >>> masked("0012345678"), masked("abc")
    ('001…78', '…')
    """
    return f"{text[:3]}…{text[-2:]}" if len(text) > 5 else "…"


__all__ = ["FINDINGS_KEPT_MAX", "NOWHERE", "Findings", "Issue", "masked"]
