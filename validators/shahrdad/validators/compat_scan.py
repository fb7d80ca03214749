"""The pass of compat mode over all rows: candidates for errors, keys, references.

It finds rows that surely have an error, by number; the oracle writes their errors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from frictionless.resources import TableResource

from shahrdad.validators.compat_reading import FallbackError, Reading, cells_of_rows
from shahrdad.validators.foreign import ForeignKey
from shahrdad.validators.kernels.cells import Mask, as_mask, lengths, mask_array
from shahrdad.validators.keys import KeySet, combine
from shahrdad.validators.oracle import (
    ForeignGroup,
    Integrity,
    Judgement,
    OracleColumn,
    Replayer,
    foreign_groups,
    simulate,
)
from shahrdad.validators.tokenize import TokenBatch

CANDIDATES_KEPT_MAX = 20_000  # rows whose cells are kept; more are read a second time


class ExactNeededError(Exception):
    """Blank lines have to be told from records of empty cells: `csv.reader` cuts."""


@dataclass(slots=True)
class Pass:
    """What a pass over the rows found.

    Attributes:
        candidates: Numbers of rows with an error of their own, rising.
        cells: Cells of some of them.
        ordinals: How many content rows each batch began after: (row number, count).
        rows: Content rows seen.
    """

    candidates: list[int] = field(default_factory=list)
    cells: dict[int, list[Any]] = field(default_factory=dict)
    rows: int = 0
    integrity: Integrity = field(default_factory=lambda: Integrity({}, {}))
    stopped: bool = False


Collect = Callable[[TokenBatch, Mapping[str, Judgement], Mask | None, Mask], None]


class Scan:
    """The pass over all rows: candidates, keys, references.

    Args:
        resource: Opened.
        reading: Its bytes and its dialect.
        replayer: Knows its fields and keys.
        seed: Seed of the hashes.
        stop_at: Errors after which it may stop; 0 for never.
        collect: Told of each batch: what is known of its columns, which rows are
            content (None for all), and which have more to them than wrong cells.
    """

    def __init__(
        self,
        resource: TableResource,
        reading: Reading,
        replayer: Replayer,
        seed: int,
        stop_at: int,
        collect: Collect | None = None,
    ) -> None:
        self._collect = collect
        self._resource = resource
        self._seed = seed
        self._stop_at = stop_at
        self._reading = reading
        self._replayer = replayer
        self._outcome = Pass()
        self._primary = replayer.primary_names()
        keyed = {*replayer.unique_names, *self._primary}
        self._own_lookups()
        composite = [group for group in replayer.foreign if len(group.target_key) > 1]
        valued = {name for group in composite for name in group.target_key}
        self._lookups: dict[ForeignGroup, ForeignKey] = {}
        self._columns = [
            OracleColumn(
                f,
                seed,
                keyed=f.name in keyed,
                valued=f.name in valued,
                decode=reading.decode,
            )
            for f in replayer.fields
        ]
        self._names = [f.name for f in replayer.fields]
        self._unique = {name: KeySet() for name in replayer.unique_names}
        self._primary_keys = KeySet()
        self._no_blank_line = False

    def _own_lookups(self) -> None:
        """Gather the keys of a table that refers to itself, as the oracle does."""
        resource = self._resource
        for key in resource.schema.foreign_keys:
            source, source_key = (
                key["reference"]["resource"],
                tuple(key["reference"]["fields"]),
            )
            if source not in ("", resource.name):
                continue
            lookup = resource.lookup.setdefault(source, {})
            if source_key not in lookup:
                lookup[source_key] = self._own_keys(source_key)
        names = {f.name for f in self._replayer.fields}
        self._replayer.foreign = foreign_groups(resource, names)

    def _own_keys(self, names: tuple[str, ...]) -> set[Any]:
        reading = self._reading.again()
        fields = {f.name: f for f in self._replayer.fields}
        places = {f.name: place for place, f in enumerate(self._replayer.fields)}
        readers = {
            n: OracleColumn(
                fields[n], self._seed, keyed=False, valued=True, decode=reading.decode
            )
            for n in names
            if n in fields
        }
        found: set[Any] = set()
        for batch in reading.batches():
            content = self._reading.filtered
            columns = []
            for name in names:
                cells = batch.columns[places[name]] if name in places else None
                values = (
                    [None] * batch.rows
                    if cells is None
                    else readers[name].judge(cells).values
                )
                columns.append(values or [])
            rows = set(zip(*columns, strict=True))
            if content:
                raise FallbackError("oracle-raises")
            found |= rows
        found.discard((None,) * len(names))
        return found

    def run(self, errors_before: int) -> Pass:
        """Scan the rows; stop where the limit is surely reached."""
        outcome = self._outcome
        for batch in self._reading.batches():
            self._scan(batch)
            if (
                self._stop_at
                and len(outcome.candidates) + errors_before >= self._stop_at
            ):
                outcome.stopped = True
                break
        self._settle_keys()
        return outcome

    def _scan(self, batch: TokenBatch) -> None:
        outcome = self._outcome
        content = self._reading.content(batch)
        outcome.rows += batch.rows if content is None else int(content.sum())
        wrong: Mask = np.zeros(batch.rows, bool)
        judged = {}
        for name, column, cells in zip(
            self._names, self._columns, batch.columns, strict=True
        ):
            judged[name] = column.judge(cells)
            refused = judged[name].wrong
            if refused is not None:
                wrong |= refused
        odd = self._blank(batch, judged)
        odd[[row.index for row in batch.ragged]] = True
        for group in self._replayer.foreign:
            odd |= self._unreferenced(group, judged, batch)
        rows = np.arange(batch.first_row, batch.first_row + batch.rows)
        self._gather(judged, rows, content, odd)
        wrong |= odd
        if content is not None:
            wrong &= content
        if self._collect is not None:
            self._collect(batch, judged, content, odd)
        found = rows[wrong]
        outcome.candidates += found.tolist()
        kept = found[: CANDIDATES_KEPT_MAX - len(outcome.cells)]
        listed = cells_of_rows(batch, kept - batch.first_row)
        outcome.cells.update(zip(kept.tolist(), listed, strict=True))

    def _blank(self, batch: TokenBatch, judged: Mapping[str, Any]) -> Mask:
        """Return rows without any value; a blank line must be told from empty cells."""
        masks = [judgement.missing for judgement in judged.values()]
        blank: Mask = np.zeros(batch.rows, bool)
        if all(mask is not None for mask in masks):
            blank = np.logical_and.reduce([mask for mask in masks if mask is not None])
        reading = self._reading
        if reading.exact or reading.filtered or self._no_blank_line:
            return blank
        empty: Mask = np.ones(batch.rows, bool)
        for cells in batch.columns:
            empty &= (lengths(cells) == 0) & as_mask(cells.is_valid())
            if not empty.any():
                return blank
        if reading.has_blank_line():
            raise ExactNeededError
        self._no_blank_line = True
        return blank

    def _unreferenced(
        self, group: ForeignGroup, judged: Mapping[str, Any], batch: TokenBatch
    ) -> Mask:
        """Return the rows whose key the reference lacks."""
        lookup = self._resource.lookup.get(group.source)
        if not lookup:
            return np.zeros(batch.rows, bool)
        known = lookup.get(group.source_key, set())
        if len(group.target_key) == 1:
            return self._unreferenced_texts(group, known, batch)
        columns = [judged[name].values for name in group.target_key]
        none = (None,) * len(columns)
        verdicts: dict[Any, bool] = {none: False}
        answers = np.zeros(batch.rows, bool)
        for index, cells in enumerate(zip(*columns, strict=True)):
            verdict = verdicts.get(cells)
            if verdict is None:
                verdict = verdicts[cells] = cells not in known
            answers[index] = verdict
        return answers

    def _unreferenced_texts(
        self, group: ForeignGroup, known: set[Any], batch: TokenBatch
    ) -> Mask:
        """Return the rows whose only key cell has no value of the reference.

        A text that is a value of the reference is settled by Arrow where values are
        texts; every other distinct text is asked once.
        """
        place = self._names.index(group.target_key[0])
        column, cells = self._columns[place], batch.columns[place]
        doubtful: Mask = np.ones(batch.rows, bool)
        if column.plain:
            if group not in self._lookups:
                texts = sorted(key[0] for key in known if isinstance(key[0], str))
                values = pa.array(texts, pa.string())
                self._lookups[group] = ForeignKey(("key",), "", [values], self._seed)
            doubtful = self._lookups[group].absent({"key": cells}, {})
        if not doubtful.any():
            return doubtful
        distinct = cells.filter(mask_array(doubtful)).dictionary_encode()
        found = []
        for text in distinct.dictionary.to_pylist():
            value, _ = column.ask(text)
            found.append(value is not None and (value,) not in known)
        indices = distinct.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)
        answers = np.zeros(batch.rows, bool)
        answers[doubtful] = np.array([*found, False], bool)[indices]
        return answers

    def _gather(
        self,
        judged: Mapping[str, Any],
        rows: np.ndarray[Any, np.dtype[np.int64]],
        content: Mask | None,
        wrong: Mask,
    ) -> None:
        """Gather key hashes; a row whose primary key is all empty is a candidate."""
        for name, keys in self._unique.items():
            hashes = judged[name].hashes
            # Null never repeats: its rows would be one large group.
            chosen = ~judged[name].absent
            if content is not None:
                chosen &= content
            keys.add(hashes[chosen], rows[chosen])
        if self._primary:
            absent = np.logical_and.reduce([judged[n].absent for n in self._primary])
            wrong |= absent
            hashes = combine([judged[n].hashes for n in self._primary], self._seed)
            chosen = ~absent if content is None else ~absent & content
            self._primary_keys.add(hashes[chosen], rows[chosen])

    def _settle_keys(self) -> None:
        """Read the rows with equal hashes again, and compare their values."""
        groups = {name: keys.candidates() for name, keys in self._unique.items()}
        primary = self._primary_keys.candidates()
        everything = [*primary, *(g for part in groups.values() for g in part)]
        if not everything:
            return
        wanted = np.unique(np.concatenate(everything))
        fields = {f.name: f for f in self._replayer.fields}
        readers = {n: fields[n].create_cell_reader() for n in {*groups, *self._primary}}
        values: dict[str, dict[int, Any]] = {name: {} for name in readers}
        for batch in self._reading.batches():
            inside = wanted[
                (wanted >= batch.first_row) & (wanted < batch.first_row + batch.rows)
            ]
            for name, read in readers.items():
                place = self._names.index(name)
                for row in inside.tolist():
                    cell = batch.value(place, row - batch.first_row)
                    values[name][row] = read(cell)[0]
            if len(inside) and inside[-1] == wanted[-1]:
                break
        for name, parts in groups.items():
            rows = sorted({int(r) for part in parts for r in part})
            found = [(r, values[name][r]) for r in rows if values[name][r] is not None]
            self._outcome.integrity.unique[name] = simulate(found)
        if primary:
            rows = sorted({int(r) for part in primary for r in part})
            keys = [(r, tuple(values[n][r] for n in self._primary)) for r in rows]
            self._outcome.integrity.primary = simulate(keys)


__all__ = ["ExactNeededError", "Pass", "Scan"]
