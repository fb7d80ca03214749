r"""All errors of a table at once: a table of them, and frictionless' JSON streamed.

An `Error` object of frictionless costs more than validating many rows. Here a wrong
cell is a row of an Arrow table, and its descriptor is written straight from the
templates of frictionless' own classes; the bytes are those that `json.dumps` makes of
frictionless' report. Rows with more to them than wrong cells (ragged, blank, keys) are
few; frictionless' row code writes their errors, as in `compat`.

>>> from frictionless import Resource, Schema
>>> table = Resource(data=b"id\nx\n", scheme="buffer", format="csv", encoding="utf-8")
>>> table.schema = Schema.from_descriptor({"fields": [{"name": "id", "type": "year"}]})
>>> report, route = validate_bulk(table)
>>> report.error_count, report.error_table["note"].to_pylist(), str(route)
(1, ['type is "year/default"'], 'kernels')
"""

import io
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from frictionless import Checklist, Report, Resource, errors
from frictionless.resources import TableResource

from shahrdad.validators.compat import (
    Route,
    Run,
    by_the_oracle,
    eligible,
    validate,
)
from shahrdad.validators.compat_reading import FallbackError
from shahrdad.validators.compat_scan import Pass
from shahrdad.validators.kernels.cells import Mask, mask_array
from shahrdad.validators.oracle import Judgement, Replayer
from shahrdad.validators.tokenize import BLOCK_BYTES, TokenBatch

_NOTES_OF_A_CELL_MAX = 16  # constraints of one field
_TYPE_ERROR, _CONSTRAINT_ERROR = errors.TypeError.type, errors.ConstraintError.type
_CLASSES: dict[str, Any] = {
    _TYPE_ERROR: errors.TypeError,
    _CONSTRAINT_ERROR: errors.ConstraintError,
}
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("field", pa.int32()),
        ("type", pa.dictionary(pa.int32(), pa.string())),
        ("note", pa.dictionary(pa.int32(), pa.string())),
        ("cell", pa.string()),
    ]
)
Rows = npt.NDArray[np.int64]


def _text(value: Any) -> str:
    """Return a value as JSON, as `json.dumps` writes it, letters as they are."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(slots=True)
class _Chunk:
    """Wrong cells of one column of one batch; `notes` are numbers into a list."""

    rows: Rows
    order: npt.NDArray[np.int32]
    field: int
    notes: npt.NDArray[np.int32]
    cells: pa.StringArray


class WrongCells:
    """Gathers the wrong cells of a pass.

    Args:
        replayer: Its fields' readers say what is wrong with a text.
    """

    def __init__(self, replayer: Replayer) -> None:
        self._readers = {name: h.reader for name, h in replayer.handlers.items()}
        self._places = {name: place for place, name in enumerate(replayer.handlers)}
        self._known: dict[str, dict[str, tuple[int, ...]]] = {
            name: {} for name in self._readers
        }
        self._numbers: dict[tuple[str, str], int] = {}
        self._replayer = replayer
        self.chunks: list[_Chunk] = []
        self.odd: list[Rows] = []

    @property
    def notes(self) -> list[tuple[str, str]]:
        """Error type and note, by number."""
        return list(self._numbers)

    @cached_property
    def _order(self) -> dict[str, int]:
        """The order in which the oracle reads the cells of a row."""
        replayer = self._replayer  # all its foreign keys are known by now
        first = [*replayer.unique_names, *replayer.primary_names()]
        for group in replayer.foreign:
            if replayer.has_lookup(group):
                first += group.target_key
        names = dict.fromkeys([*first, *self._readers])
        return {name: place for place, name in enumerate(names)}

    def collect(
        self,
        batch: TokenBatch,
        judged: Mapping[str, Judgement],
        content: Mask | None,
        odd: Mask,
    ) -> None:
        """Note the wrong cells of a batch, those of odd rows left out."""
        rows = np.arange(batch.first_row, batch.first_row + batch.rows)
        left_out = odd if content is None else odd | ~content
        if odd.any():
            self.odd.append(rows[odd if content is None else odd & content])
        for name, judgement in judged.items():
            if judgement.wrong is None:
                continue
            wrong = judgement.wrong & ~left_out
            if wrong.any():
                cells = batch.columns[self._places[name]].filter(mask_array(wrong))
                self._add(name, rows[wrong], cells)

    def _add(self, name: str, rows: Rows, cells: pa.StringArray) -> None:
        distinct = cells.dictionary_encode()
        found = [self._notes_of(name, text) for text in distinct.dictionary.to_pylist()]
        indices = distinct.indices.to_numpy(zero_copy_only=False)
        counts = np.array([len(notes) for notes in found], np.int64)[indices]
        for turn in range(int(counts.max(initial=0))):
            here = counts > turn
            numbers = [notes[turn] if turn < len(notes) else 0 for notes in found]
            order = self._order[name] * _NOTES_OF_A_CELL_MAX + turn
            self.chunks.append(
                _Chunk(
                    rows[here],
                    np.full(int(here.sum()), order, np.int32),
                    self._places[name] + 1,
                    np.array(numbers, np.int32)[indices][here],
                    cells.filter(mask_array(here)),
                )
            )

    def _notes_of(self, name: str, text: str) -> tuple[int, ...]:
        """Return what is wrong with a text, as the oracle's row would say it."""
        known = self._known[name].get(text)
        if known is None:
            try:
                _, notes = self._readers[name](text)
            except Exception as error:
                raise FallbackError("oracle-raises") from error
            kinds = [
                (_TYPE_ERROR if key == "type" else _CONSTRAINT_ERROR, note)
                for key, note in (notes or {}).items()
            ]
            numbers = self._numbers
            known = tuple(numbers.setdefault(k, len(numbers)) for k in kinds)
            self._known[name][text] = known
        return known


@dataclass(slots=True)
class _Sorted:
    """Wrong cells in the order of the report."""

    rows: Rows
    fields: npt.NDArray[np.int32]
    notes: npt.NDArray[np.int32]
    cells: pa.ChunkedArray


def _sorted(chunks: list[_Chunk], without: Rows) -> _Sorted:
    """Put chunks into the order of the report; some rows are left out."""
    none = np.zeros(0, np.int64)
    rows = np.concatenate([none, *(chunk.rows for chunk in chunks)])
    order = np.concatenate([none, *(chunk.order for chunk in chunks)])
    fields = np.concatenate([none, *(np.full(len(c.rows), c.field) for c in chunks)])
    notes = np.concatenate([none, *(chunk.notes for chunk in chunks)])
    cells = pa.chunked_array([chunk.cells for chunk in chunks], pa.string())
    places = np.lexsort((order, rows))
    if len(without):
        places = places[~np.isin(rows[places], without)]
    return _Sorted(
        rows[places],
        fields[places].astype(np.int32),
        notes[places].astype(np.int32),
        pc.take(cells, pa.array(places)),
    )


@dataclass
class BulkReport:
    """All errors of a table, not yet written.

    Attributes:
        error_count: How many there are.
        report: frictionless' report without the errors of rows.
        before: Descriptors that come before those of rows.
        after: Descriptors that come after them.
        by_row: Descriptors of odd rows, by row number, rising.
    """

    report: Report
    before: list[dict[str, Any]] = field(default_factory=list)
    after: list[dict[str, Any]] = field(default_factory=list)
    by_row: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _cells: _Sorted | None = None
    _notes: list[tuple[str, str]] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)
    _run: "_BulkRun | None" = None
    _outcome: Pass | None = None

    @property
    def error_count(self) -> int:
        """The number of errors."""
        if self._cells is None:
            return int(self.report.stats["errors"] or 0)
        odd = sum(len(each) for each in self.by_row.values())
        return len(self.before) + len(self._cells.rows) + odd + len(self.after)

    @property
    def valid(self) -> bool:
        """Whether there is no error."""
        return not self.error_count

    @property
    def error_table(self) -> pa.Table:
        """The errors of rows: row, field from 1 (0 for none), type, note, cell."""
        descriptors = self._descriptors_of_rows()
        odd = pa.Table.from_pylist(
            [
                {
                    "row": each.get("rowNumber", 0),
                    "field": each.get("fieldNumber", 0),
                    "type": each["type"],
                    "note": each["note"],
                    "cell": each.get("cell"),
                }
                for each in descriptors
            ],
            SCHEMA,
        )
        if self._cells is None or not len(self._cells.rows):
            return odd
        found = self._cells
        kinds = [pa.array([note[place] for note in self._notes]) for place in (0, 1)]
        numbers = pa.array(found.notes)
        columns = [
            pa.array(found.rows),
            pa.array(found.fields),
            *(pa.DictionaryArray.from_arrays(numbers, kind) for kind in kinds),
            found.cells,
        ]
        table = pa.table(columns, schema=SCHEMA)
        if not odd.num_rows:
            return table
        both = pa.concat_tables([table, odd]).unify_dictionaries()
        rows = both.column("row").to_numpy()
        return both.take(pa.array(np.argsort(rows, kind="stable")))

    def _descriptors_of_rows(self) -> list[dict[str, Any]]:
        if self._cells is not None:
            return list(itertools.chain.from_iterable(self.by_row.values()))
        listed = [e for task in self.report.tasks for e in task.errors]
        return [error.to_descriptor() for error in listed if hasattr(error, "cells")]

    def write_json(self, file: IO[str]) -> None:
        """Write the report as `json.dumps(report.to_descriptor(), ensure_ascii=False)`.

        Nothing of the size of the report is held in memory.
        """
        descriptor = self.report.to_descriptor()
        if self._cells is None:
            file.write(_text(descriptor))
            return
        count = self.error_count
        descriptor["valid"] = not count
        descriptor["stats"]["errors"] = count
        task = descriptor["tasks"][0]
        task["valid"], task["stats"]["errors"] = not count, count
        task["errors"] = []
        head, tail = _text(descriptor).rsplit('"errors": []', 1)
        file.write(f'{head}"errors": [')
        written = itertools.chain(
            map(_text, self.before), self._written_rows(), map(_text, self.after)
        )
        for number, each in enumerate(written):
            file.write(f", {each}" if number else each)
        file.write(f"]{tail}")

    def to_json(self) -> str:
        """Return the report as JSON text."""
        buffer = io.StringIO()
        self.write_json(buffer)
        return buffer.getvalue()

    def _written_rows(self) -> Iterator[str]:
        """Yield the descriptors of rows as JSON, in the order of the report."""
        found = self._cells
        if found is None or self._run is None or self._outcome is None:
            return
        pen = _Pen(self._notes, self._names)
        bounds = np.flatnonzero(np.diff(found.rows)) + 1
        starts = [0, *bounds.tolist(), len(found.rows)]
        odd = iter(sorted(self.by_row))
        next_odd = next(odd, None)
        firsts = found.rows[starts[:-1]].tolist() if len(found.rows) else []
        listed = self._run.cells_of(firsts, self._outcome)
        for (number, cells), start, end in zip(
            listed, starts, starts[1:], strict=False
        ):
            while next_odd is not None and next_odd < number:
                yield from map(_text, self.by_row[next_odd])
                next_odd = next(odd, None)
            yield from pen.row(number, cells, found, start, end)
        while next_odd is not None:
            yield from map(_text, self.by_row[next_odd])
            next_odd = next(odd, None)


class _Pen:
    """Writes descriptors of wrong cells, from pieces that are made once."""

    def __init__(self, notes: list[tuple[str, str]], names: list[str]) -> None:
        self._notes = notes
        self._names = names
        self._pieces: dict[tuple[int, int, str], tuple[str, str, str, str]] = {}

    def row(
        self, number: int, cells: list[Any], found: _Sorted, start: int, end: int
    ) -> Iterator[str]:
        """Yield the descriptors of the errors from `start` to `end`, all of one row."""
        told = f"{number}"
        listed = _text(["" if cell is None else cell for cell in cells])
        fields = found.fields[start:end].tolist()
        notes = found.notes[start:end].tolist()
        for field_number, note in zip(fields, notes, strict=True):
            cell = cells[field_number - 1]
            key = (field_number, note, cell)
            pieces = self._pieces.get(key)
            if pieces is None:
                pieces = self._pieces[key] = self._cut(*key)
            first, second, third, last = pieces
            yield f"{first}{told}{second}{listed}{third}{told}{last}"

    def _cut(
        self, field_number: int, number: int, cell: str
    ) -> tuple[str, str, str, str]:
        """Return the pieces of a descriptor around the row's number and its cells."""
        kind, note = self._notes[number]
        error = _CLASSES[kind]
        known = {
            "cell": cell,
            "fieldName": self._names[field_number - 1],
            "fieldNumber": field_number,
            "note": note,
        }
        # The template's own text has the row's number once.
        before, after = error.template.split("{rowNumber}")
        members = {
            "type": kind,
            "title": error.title,
            "description": error.description,
        }
        tail = {
            "cell": cell,
            "fieldName": known["fieldName"],
            "fieldNumber": field_number,
        }
        message = [_text(part.format_map(known))[1:-1] for part in (before, after)]
        first = f'{_text(members)[:-1]}, "message": "{message[0]}'
        second = (
            f'{message[1]}", "tags": {_text(error.tags)}, "note": {_text(note)}, '
            '"cells": '
        )
        return first, second, ', "rowNumber": ', f", {_text(tail)[1:]}"


class _BulkRun(Run):
    """One run by the kernels that gathers instead of writing."""

    def __init__(self, resource: TableResource, block_bytes: int) -> None:
        super().__init__(resource, Checklist(), 0, block_bytes)
        self.wrong: WrongCells | None = None
        self.bulk: BulkReport | None = None

    def collector(self, replayer: Replayer) -> Any:
        """Gather anew: a pass may begin again with `csv.reader`."""
        self.wrong = WrongCells(replayer)
        return self.wrong.collect

    def judge(self, checks: list[Any], warnings: list[str]) -> Report:
        """Judge the rows, and keep what was found beside the report."""
        before = [e for check in checks for e in check.validate_start()]
        labels = self.resource.labels
        replayer, outcome = self.passes(len(before))
        wrong = self.wrong
        if wrong is None:
            raise FallbackError("oracle-raises")
        keyed = {n for rows in outcome.integrity.unique.values() for n in rows}
        keyed |= set(outcome.integrity.primary)
        odd = np.unique(np.concatenate([np.array(sorted(keyed), np.int64), *wrong.odd]))
        by_row: dict[int, list[dict[str, Any]]] = {}
        for number, cells in self.cells_of(odd.tolist(), outcome):
            try:
                row = replayer.row(number, cells)
                by_row[number] = [error.to_descriptor() for error in row.errors]
            except Exception as error:
                raise FallbackError("oracle-raises") from error
        self.complete_stats(outcome.rows)
        after = [e for check in checks for e in check.validate_end()]
        report = self.reported([], labels, warnings)
        self.bulk = BulkReport(
            report,
            [error.to_descriptor() for error in before],
            [error.to_descriptor() for error in after],
            by_row,
            _sorted(wrong.chunks, odd),
            wrong.notes,
            [f.name for f in replayer.fields],
            self,
            outcome,
        )
        return report


def validate_bulk(
    resource: Resource, *, block_bytes: int = BLOCK_BYTES
) -> tuple[BulkReport, Route]:
    """Validate a table without a limit of errors; none of them becomes an object.

    Args:
        resource: A table; it is closed afterwards, and read once more by
            `BulkReport.write_json` when more than 20,000 rows are wrong.
        block_bytes: Bytes parsed at a time; no report depends on it.

    Returns:
        The errors, those of `compat.validate(resource, limit_errors=0)`; and the route.
    """
    if resource.format == "xlsx":  # its cells are more than texts
        return _of_objects(resource)
    try:
        run = _BulkRun(eligible(resource, None, None, None), block_bytes)
        report = run.report()
    except FallbackError as fallback:
        resource.close()
        options = {"limit_rows": None, "on_row": None}
        report = by_the_oracle(resource, None, 0, options)
        return BulkReport(report), Route("oracle", fallback.reason)
    return run.bulk or BulkReport(report), Route("kernels")


def _of_objects(resource: Resource) -> tuple[BulkReport, Route]:
    report, route = validate(resource, limit_errors=0)
    return BulkReport(report), route


__all__ = ["BulkReport", "WrongCells", "validate_bulk"]
