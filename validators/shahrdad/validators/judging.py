"""The strict pass over a table: normalise, check, gather keys, ask rules, emit.

One batch after the other, in the order of the file; nothing of a batch is kept but
hashes of keys, what was found, and the columns that table rules ask for.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.datasets.errors import DataError
from shahrdad.validators.bulk import NOWHERE, Findings, Issue
from shahrdad.validators.codes import REGISTRY, code_of
from shahrdad.validators.foreign import ForeignKey
from shahrdad.validators.frames import Frame, RulesSeat, with_odd_rows
from shahrdad.validators.kernels.cells import (
    Mask,
    as_mask,
    bytes_count,
    mask_array,
    with_nulls,
)
from shahrdad.validators.kernels.column import ColumnReader, arrow_type
from shahrdad.validators.keys import KeySet, combine, hash_values, previous_rows
from shahrdad.validators.normalise.columns import CellMarks, NormalisedBatch
from shahrdad.validators.plan import FieldPlan, Plan
from shahrdad.validators.prefetch import prefetched
from shahrdad.validators.progress import Cancelled, Progress, Ticker
from shahrdad.validators.sink import Sinks
from shahrdad.validators.text_table import (
    Finding,
    TextBatch,
    TextTable,
)

Normalise = Callable[[TextBatch], NormalisedBatch]
_TEXT_FORMATS = ("csv", "tsv")


@dataclass(slots=True)
class Uniqueness:
    """One key whose values must differ."""

    names: tuple[str, ...]
    code: str
    keys: KeySet = field(default_factory=KeySet)


@dataclass(slots=True)
class Judged:
    """What the pass leaves behind.

    Attributes:
        rows: Rows judged, blank ones at the end left out.
        key_violations: Rows with an incomplete or repeated primary key.
    """

    rows: int = 0
    key_violations: int = 0


class Judge:
    """Judges one table.

    Args:
        plan: The schema.
        table: The table, opened.
        normalise: Applies the declared steps to a batch, or None.
        reopen: Opens the table once more, with its own `normalise`, for second looks.
        findings: Where findings go; its names are those of the table's columns, then
            of the fields that the table lacks.
        sinks: Where typed rows go while there is no error.
        rules: Asked about every batch and at the end.
        ticker: Told how far the pass is.
        references: The tables that foreign keys refer to, by resource name.
        kernels: Off leaves every cell to the reference.
        threads: With more than one, the table is read ahead on a thread.
    """

    def __init__(
        self,
        plan: Plan,
        table: TextTable,
        normalise: Normalise | None,
        reopen: Callable[[], tuple[TextTable, Normalise | None]],
        findings: Findings,
        sinks: Sinks,
        rules: RulesSeat | None,
        ticker: Ticker,
        *,
        references: Mapping[str, pa.Table] | None = None,
        kernels: bool = True,
        threads: int = 1,
    ) -> None:
        self.plan = plan
        self.table = table
        self.findings = findings
        self.judged = Judged()
        self._normalise = normalise
        self._reopen = reopen
        self._sinks = sinks
        self._rules = rules
        self._ticker = ticker
        self._threads = threads
        self._fields = {f.name: f for f in plan.fields}
        self._places = {name: place for place, name in enumerate(table.names)}
        self._present = [f for f in plan.fields if f.name in self._places]
        self._readers = {
            f.name: ColumnReader(f, kernels=kernels) for f in self._present
        }
        self._kept = [name for name in table.names if name not in self._fields]
        self._blank: list[int] = []  # blank rows that may be the table's end
        self._seen = 0
        self._bytes = 0  # of text, read so far
        self._seed = secrets.randbits(63)
        self._unique = self._uniqueness()
        self._references = dict(references or {})
        self._foreign: list[ForeignKey] = []
        self.schema = pa.schema(
            [pa.field(f.name, arrow_type(f)) for f in plan.fields]
            + [pa.field(name, pa.string()) for name in self._kept]
        )

    def _uniqueness(self) -> list[Uniqueness]:
        keys = [Uniqueness((f.name,), "key-unique") for f in self._present if f.unique]
        keys += [Uniqueness(names, "key-unique") for names in self.plan.unique_keys]
        if self.plan.primary_key:
            keys.append(Uniqueness(self.plan.primary_key, "key-primary"))
        return [key for key in keys if set(key.names) <= set(self._places)]

    def run(self) -> Judged:
        """Judge the whole table.

        Raises:
            Cancelled: The caller asked for it.
        """
        for name in self.plan.primary_key:
            self._require_label(name)
        for f in self.plan.fields:
            if f.required and f.name not in self.plan.primary_key:
                self._require_label(f.name)
        self._foreign = self._foreign_keys()
        self._read()
        self._end_blank_rows()
        self.judged.rows = self._seen - len(self._blank)
        self._tick("keys", always=True)
        for key in self._unique:
            self._judge_key(key)
        return self.judged

    def _read(self) -> None:
        """Judge batch after batch; what makes reading or judging fail is reported."""
        batches: Iterator[TextBatch] = iter(self.table.batches)
        if self._threads > 1:
            batches = prefetched(batches)
        try:
            for batch in batches:
                for finding in batch.findings:
                    self._find(finding)
                self._judge_batch(with_odd_rows(batch, self.table))
                self._tick("read")
        except DataError as error:
            values = {"value": error.text("en"), "value_fa": error.text("fa")}
            code = code_of(error)
            self.findings.add(Issue(code, "error", values={**error.values, **values}))
        except (Cancelled, OSError, MemoryError):
            raise
        except Exception as error:
            if self._sinks.failure is error:
                raise
            # Nothing that a file holds may raise here: it is said, not thrown.
            values = {"value": f"{type(error).__name__}: {error}"}
            self.findings.add(Issue("engine-error", "error", values=values))
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def _foreign_keys(self) -> list[ForeignKey]:
        """Return the foreign keys that can be looked up; the others are reported."""
        keys: list[ForeignKey] = []
        for given in self.plan.foreign_keys:
            names, reference = tuple(given["fields"]), given["reference"]
            target = str(reference.get("resource") or "")
            own = target in ("", self.plan.name)
            needed = {*names, *reference["fields"]} if own else set(names)
            if not needed <= set(self._places):
                continue
            if own:
                columns = self._own_columns(reference["fields"])
            elif target in self._references:
                table = self._references[target]
                lacking = set(reference["fields"]) - set(table.column_names)
                if lacking:
                    why = f"it has no column {min(lacking)}"
                    values = {"value": target, "expected": why}
                    self.findings.add(Issue("schema-reference", "error", values=values))
                    continue
                columns = [
                    table.column(n).combine_chunks() for n in reference["fields"]
                ]
            else:
                values = {
                    "value": target,
                    "expected": "it was not given; its key is not judged",
                }
                self.findings.add(Issue("schema-reference", "warning", values=values))
                continue
            keys.append(
                ForeignKey(names, target or self.plan.name, columns, self._seed)
            )
        return keys

    def _own_columns(self, names: Sequence[str]) -> list[pa.Array]:
        """Read the table once for a key that refers to the table itself."""
        table, normalise = self._reopen()
        readers = {n: ColumnReader(self._fields[n]) for n in names}
        parts: dict[str, list[pa.Array]] = {n: [] for n in names}
        for part in table.batches:
            batch = with_odd_rows(part, table)
            columns = batch.columns if normalise is None else normalise(batch).columns
            for name, reader in readers.items():
                parts[name].append(reader.read(columns[self._places[name]]).values)
        return [
            pa.concat_arrays(parts[n]) if parts[n] else pa.array([], readers[n].type)
            for n in names
        ]

    def _require_label(self, name: str) -> None:
        if name not in self._places and not self._reported(name):
            self.findings.add(
                Issue("label-missing", "error", field=name, values={"expected": name})
            )

    def _reported(self, name: str) -> bool:
        return any(
            f.code == "label-missing" and f.column == name for f in self.table.findings
        )

    def _tick(self, stage: str, *, always: bool = False) -> None:
        size = self.table.source.bytes
        read = min(self._bytes, size) if stage == "read" else size
        progress = Progress(stage, read, size, self._seen, self.findings.errors)
        self._ticker.tick(progress, always=always)

    def _find(self, found: Finding) -> None:
        self.findings.add(
            Issue(
                found.code,
                found.severity,
                found.row,
                found.column,
                value=found.cell,
                values=found.values,
            )
        )

    def _judge_batch(self, batch: TextBatch) -> None:
        marks: Sequence[CellMarks] = ()
        checked = batch.columns
        if self._normalise is not None:
            normalised = self._normalise(batch)
            checked, marks = normalised.columns, normalised.marks
        count = batch.rows_count
        if not count:
            return
        self._seen += count
        if self.table.source.format in _TEXT_FORMATS:
            # The cells and their delimiters: as many bytes as the file has, nearly.
            self._bytes += count * len(batch.columns)
            self._bytes += sum(map(bytes_count, batch.columns))
        short = self._ragged_cells(batch)
        columns = {}
        for f in self._present:
            cells = checked[self._places[f.name]]
            if f.name in short:
                cells = with_nulls(cells, short[f.name] | ~as_mask(cells.is_valid()))
            columns[f.name] = self._readers[f.name].read(cells)
        blank = self._blank_rows(batch, [c.missing for c in columns.values()])
        self._settle_blank(batch.rows, blank)
        invalid = self._report_cells(batch, checked, columns, marks, short, blank)
        values = {name: column.values for name, column in columns.items()}
        for name, mask in invalid.items():
            if name in values and values[name].null_count < count:
                values[name] = _nulled(values[name], mask)
        frame = self._frame(batch, checked, values, invalid, blank)
        self._gather_keys(frame)
        for key in self._foreign:
            self._look_up(key, frame)
        if self._rules is not None:
            self._rules.batch(frame)
        self._emit(frame)

    def _ragged_cells(self, batch: TextBatch) -> dict[str, Mask]:
        """Report ragged rows; return which cells they lack, by column."""
        if not batch.ragged:
            return {}
        width = len(self.table.labels)
        lacking: dict[str, list[int]] = {}
        by_origin: dict[int, list[str]] = {}
        for name, origin in zip(self.table.names, self.table.origins, strict=True):
            if origin is not None:
                by_origin.setdefault(origin, []).append(name)
        for ragged in batch.ragged:
            place = int(np.searchsorted(batch.rows, ragged.row))
            for cell in ragged.cells[width:]:
                self.findings.add(Issue("cell-extra", "error", ragged.row, value=cell))
            for origin in range(len(ragged.cells), width):
                for name in by_origin.get(origin, ()):
                    lacking.setdefault(name, []).append(place)
        masks: dict[str, Mask] = {}
        for name, indices in lacking.items():
            masks[name] = np.zeros(batch.rows_count, bool)
            masks[name][indices] = True
            place = self._places[name]
            rows = batch.rows[masks[name]]
            self.findings.add_cells("cell-missing", "error", rows, place, None)
        return masks

    def _blank_rows(self, batch: TextBatch, missing: list[Mask | None]) -> Mask | None:
        """Return which rows have no value in any column; None for none of them."""
        blank = np.isin(batch.rows, batch.blank) if batch.blank else None
        masks = [mask for mask in missing if mask is not None]
        if masks and len(masks) == len(missing):
            empty: Mask = np.logical_and.reduce(masks)
            for name in self._kept if empty.any() else ():
                cells = batch.columns[self._places[name]].to_pylist()
                empty &= np.array([not cell for cell in cells], bool)
            for ragged in batch.ragged:
                empty[np.searchsorted(batch.rows, ragged.row)] = False
            blank = empty if blank is None else blank | empty
        return blank if blank is not None and blank.any() else None

    def _settle_blank(self, rows: npt.NDArray[np.int64], blank: Mask | None) -> None:
        """Report blank rows once a row with values follows; the rest may be the end."""
        full = rows if blank is None else rows[~blank]
        if blank is not None:
            self._blank += rows[blank].tolist()
        if len(full) and self._blank:
            last = int(full[-1])
            inner = np.array([row for row in self._blank if row < last], np.int64)
            self.findings.add_cells("row-blank", "error", inner, NOWHERE, None)
            self._blank = [row for row in self._blank if row > last]

    def _end_blank_rows(self) -> None:
        if self._blank:
            self.findings.add(
                Issue(
                    "row-blank-trailing", "warning", values={"value": len(self._blank)}
                ),
                last=True,
            )

    def _report_cells(
        self,
        batch: TextBatch,
        checked: Sequence[pa.StringArray],
        columns: Mapping[str, Any],
        marks: Sequence[CellMarks],
        short: Mapping[str, Mask],
        blank: Mask | None,
    ) -> dict[str, Mask]:
        """Report wrong cells; return them by column."""
        invalid: dict[str, Mask] = {}
        refused: dict[str, Mask] = {}
        for mark in marks:
            name = self.table.names[mark.column]
            severity = REGISTRY[mark.code].severity
            chosen = mark.indices
            if blank is not None:
                chosen = chosen[~blank[chosen]]
            if severity == "error":
                mask = refused.setdefault(name, np.zeros(batch.rows_count, bool))
                mask[chosen] = True
            self._add_cells(mark.code, severity, batch, checked, mark.column, chosen)
        for f in self._present:
            verdicts = columns[f.name].verdicts
            wrong = refused.get(f.name)
            if f.name in short:
                wrong = short[f.name] if wrong is None else wrong | short[f.name]
            if verdicts is not None:
                if wrong is not None:
                    verdicts = np.where(wrong, 0, verdicts)
                if blank is not None:
                    verdicts = np.where(blank, 0, verdicts)
                self._add_verdicts(f, verdicts, batch, checked)
                found = verdicts != 0
                if found.any():
                    wrong = found if wrong is None else wrong | found
            if wrong is not None and wrong.any():
                invalid[f.name] = wrong
        return invalid

    def _add_verdicts(
        self,
        f: FieldPlan,
        verdicts: npt.NDArray[np.int16],
        batch: TextBatch,
        checked: Sequence[pa.StringArray],
    ) -> None:
        codes = self._readers[f.name].codes
        for number in np.unique(verdicts):
            if number:
                chosen = np.flatnonzero(verdicts == number)
                for code in codes[number]:
                    self._add_cells(
                        code, "error", batch, checked, self._places[f.name], chosen
                    )

    def _add_cells(
        self,
        code: str,
        severity: Any,
        batch: TextBatch,
        checked: Sequence[pa.StringArray],
        place: int,
        chosen: npt.NDArray[Any],
    ) -> None:
        indices = pa.array(chosen.astype(np.int64))
        cells = batch.columns[place].take(indices)
        other = checked[place].take(indices) if checked is not batch.columns else None
        self.findings.add_cells(code, severity, batch.rows[chosen], place, cells, other)

    def _frame(
        self,
        batch: TextBatch,
        checked: Sequence[pa.StringArray],
        values: dict[str, pa.Array],
        invalid: dict[str, Mask],
        blank: Mask | None,
    ) -> Frame:
        count = batch.rows_count
        typed = {
            f.name: values[f.name]
            if f.name in values
            else pa.nulls(count, arrow_type(f))
            for f in self.plan.fields
        }
        for name in self._kept:
            typed[name] = checked[self._places[name]]
        names = [n for n in self.table.names if n in typed]
        texts = {name: checked[self._places[name]] for name in names}
        raw = {name: batch.columns[self._places[name]] for name in names}
        rows = batch.rows
        if blank is not None:
            keep = mask_array(~blank)
            typed = {name: array.filter(keep) for name, array in typed.items()}
            texts = {name: array.filter(keep) for name, array in texts.items()}
            raw = {name: array.filter(keep) for name, array in raw.items()}
            invalid = {name: mask[~blank] for name, mask in invalid.items()}
            rows = rows[~blank]
        return Frame(rows, typed, texts, raw, invalid, self._fields)

    def _gather_keys(self, frame: Frame) -> None:
        hashed: dict[str, npt.NDArray[np.uint64]] = {}
        for key in self._unique:
            complete: Mask = np.ones(len(frame.rows), bool)
            for name in key.names:
                values = frame.values[name]
                if values.null_count:
                    complete &= as_mask(values.is_valid())
                if name not in hashed:
                    hashed[name] = hash_values(values, self._seed)
            if key.code == "key-primary" and not complete.all():
                self._report_key_nulls(key, frame, complete)
            hashes = combine([hashed[name] for name in key.names], self._seed)
            if complete.all():
                key.keys.add(hashes, frame.rows)
            else:
                key.keys.add(hashes[complete], frame.rows[complete])

    def _report_key_nulls(self, key: Uniqueness, frame: Frame, complete: Mask) -> None:
        """Report rows whose primary key lacks a part that no other finding names."""
        for name in key.names:
            lacking = ~as_mask(frame.values[name].is_valid()) & ~complete
            if name in frame.invalid:
                lacking &= ~frame.invalid[name]
            rows = frame.rows[lacking]
            self.judged.key_violations += len(rows)
            values = [{"expected": name}] * len(rows)
            self.findings.add_cells(
                "key-null", "error", rows, self._places[name], None, values=values
            )

    def _look_up(self, key: ForeignKey, frame: Frame) -> None:
        absent = np.flatnonzero(key.absent(frame.values, frame.invalid))
        if not len(absent):
            return
        texts = key_texts(key, frame, pa.array(absent))
        self._add_absent(key, frame.rows[absent], texts)

    def _add_absent(
        self, key: ForeignKey, rows: npt.NDArray[np.int64], texts: list[str]
    ) -> None:
        """Report rows whose key is not in the table that it refers to."""
        self.findings.add_cells(
            "key-foreign",
            "error",
            rows,
            self._places[key.names[0]] if len(key.names) == 1 else NOWHERE,
            pa.array(texts, pa.string()),
            values=[{"expected": key.target}] * len(rows),
        )

    def _emit(self, frame: Frame) -> None:
        if not self._sinks or self.findings.errors:
            return
        arrays = [
            frame.values[name].cast(self.schema.field(name).type)
            for name in self.schema.names
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        if batch.num_rows:
            self._sinks.write(batch)

    def _judge_key(self, key: Uniqueness) -> None:
        """Compare the values of rows whose hashes are equal, and report repetitions."""
        groups = key.keys.candidates()
        if not groups:
            return
        wanted = np.unique(np.concatenate(groups))
        values = self._key_values(key.names, wanted)
        previous = previous_rows(groups, values)
        if not previous:
            return
        rows = np.array(list(previous), np.int64)
        texts = [" / ".join(str(part) for part in values[int(row)]) for row in rows]
        earlier = [{"expected": before} for before in previous.values()]
        related = [(before,) for before in previous.values()]
        place = self._places[key.names[0]] if len(key.names) == 1 else NOWHERE
        if key.code == "key-primary":
            self.judged.key_violations += len(rows)
        cells = pa.array(texts, pa.string())
        self.findings.add_cells(
            key.code, "error", rows, place, cells, values=earlier, related=related
        )

    def _key_values(
        self, names: Iterable[str], wanted: npt.NDArray[np.int64]
    ) -> dict[int, tuple[Any, ...]]:
        """Read the table again and return the typed values of some rows."""
        table, normalise = self._reopen()
        readers = {n: ColumnReader(self._fields[n]) for n in names}
        found: dict[int, tuple[Any, ...]] = {}
        for part in table.batches:
            batch = with_odd_rows(part, table)
            chosen = np.flatnonzero(np.isin(batch.rows, wanted, assume_unique=True))
            if not len(chosen):
                continue
            columns = batch.columns if normalise is None else normalise(batch).columns
            picks = pa.array(chosen)
            typed = [
                reader.read(columns[self._places[name]].take(picks)).values.to_pylist()
                for name, reader in readers.items()
            ]
            for place, row in enumerate(batch.rows[chosen].tolist()):
                found[row] = tuple(column[place] for column in typed)
        return found


def key_texts(key: ForeignKey, frame: Frame, places: pa.Array) -> list[str]:
    """Return the keys of some rows as the publisher wrote them."""
    parts = [frame.raw[name].take(places).to_pylist() for name in key.names]
    return [" / ".join(part or "" for part in row) for row in zip(*parts, strict=True)]


def _nulled(values: pa.Array, mask: Mask) -> pa.Array:
    """Return the values with some made null."""
    if pa.types.is_string(values.type):
        return with_nulls(values, mask | ~as_mask(values.is_valid()))
    order = np.arange(len(values))
    return values.take(pa.array(order, mask=mask))


__all__ = ["Judge", "Judged", "Uniqueness", "key_texts"]
