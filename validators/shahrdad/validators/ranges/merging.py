"""Putting the ranges of a table together: one report, as one pass would have given.

What was found is added in the order of the ranges, so counts, samples and the order of
the report are those of one pass. What ranges could not decide is decided here: repeated
keys among the hashes of all ranges, keys into the table itself, blank rows between
ranges, and the rules of tables. Where two hashes are equal the file is read once more
and the values are compared, as in one pass.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.validators import api
from shahrdad.validators.bulk import NOWHERE
from shahrdad.validators.codes import RULE
from shahrdad.validators.judging import Judge
from shahrdad.validators.opening import Opening
from shahrdad.validators.options import Context, Options, Ref
from shahrdad.validators.progress import OnProgress, Ticker
from shahrdad.validators.ranges.found import RangeFound, values_of
from shahrdad.validators.report import SAMPLES_MAX, Report
from shahrdad.validators.rules.running import DESCRIBED_MAX, RuleBook
from shahrdad.validators.sink import Sinks
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import Finding
from shahrdad.validators.totals import RowFilter

Load = Callable[[], RangeFound]
Pairs = npt.NDArray[np.uint64]


class MergingJudge(Judge):
    """Judges a table of which all ranges were judged.

    Args:
        others: See `Judge`.
        parts: Give what each range left behind, in the order of the file; each may be
            asked twice.
        seed: Of the hashes of the ranges.
    """

    def __init__(
        self, *others: Any, parts: Sequence[Load], seed: int, **named: Any
    ) -> None:
        super().__init__(*others, **named)
        self._parts, self._seed = parts, seed
        self._left_out: list[tuple[int, str, str]] = []
        self._blank_labels: dict[int, int] = {}
        self._held: list[_Held] = []

    def _own_columns(self, names: Sequence[str]) -> list[pa.Array]:
        """Return no columns: the ranges have the hashes of all keys."""
        return [pa.array([], self._readers[name].type) for name in names]

    def _read(self) -> None:
        """Take the ranges in, one after the other."""
        own = [key for key in self._foreign if key.target == self.plan.name]
        if own:
            held = [load().held for load in self._parts]
            self._held = [_Held([one[n] for one in held]) for n in range(len(own))]
        for load in self._parts:
            self._receive(load())
            self._tick("read")
        # As reading the whole file tells at its end.
        self.table.findings += RowFilter(skipped=self._left_out).findings()
        for position, count in sorted(self._blank_labels.items()):
            values = {"value": position, "cells": count}
            self.table.findings.append(Finding("label-blank", "error", values))

    def _receive(self, part: RangeFound) -> None:
        """Take one range in."""
        if part.full and self._blank:
            rows = np.array(self._blank, np.int64)
            self.findings.add_cells("row-blank", "error", rows, NOWHERE, None)
            self._blank = []
        book = self._rules
        if not isinstance(book, RuleBook):
            raise TypeError("ranges are put together with their rules")
        self._add_chunks(part, book)
        for field, numbers in part.personal.items():
            self.findings.mask(np.array(numbers, np.int64), field)
        for place, found in part.rules.items():
            _add_rule(book, place, found)
        if part.tee is not None:
            book.tee.receive(part.tee.to_batches(), part.invalid, part.decimals)
        for key, table in zip(self._unique, part.keys, strict=True):
            columns = [table.column(name).to_numpy() for name in ("hash", "row")]
            key.keys.add(*columns)
        self._add_audit(part.audit)
        self._blank += part.blank
        self._seen += part.rows
        self._bytes += part.text_bytes
        self.judged.key_violations += part.key_violations
        self._left_out += [(row, text, code) for row, text, code in part.left_out]
        for position, count in part.blank_labels.items():
            self._blank_labels[position] = self._blank_labels.get(position, 0) + count

    def _add_chunks(self, part: RangeFound, book: RuleBook) -> None:
        """Add findings in their order; rules describe no more than in one pass."""
        states = {f"{RULE}{state.rule.id}": state for state in book.states}
        asked = deque(enumerate(part.asked_at))
        start = 0
        for number, facts in enumerate([*part.chunks, None]):
            while asked and asked[0][1][1] == number:
                place, (key, _) = asked.popleft()
                self._add_asked(part, key, place)
            if facts is None:
                break
            rows = int(facts["rows"])
            cells, start = part.cells.slice(start, rows), start + rows
            state = states.get(facts["code"])
            if state is not None:
                if state.outcome not in ("passed", "violated"):
                    continue  # one pass would have stopped judging this rule before
                cells = cells.slice(0, max(0, DESCRIBED_MAX - state.described))
                state.described += cells.num_rows
            self._add_chunk(facts, cells)

    def _add_chunk(self, facts: Mapping[str, Any], cells: pa.Table) -> None:
        def column(name: str) -> pa.Array:
            return cells.column(name).combine_chunks()

        values = related = None
        if facts["values"]:
            values = [values_of(text) for text in column("values").to_pylist()]
        if facts["related"]:
            related = [tuple(rows or ()) for rows in column("related").to_pylist()]
        self.findings.add_cells(
            facts["code"],
            facts["severity"],
            cells.column("row").to_numpy(),
            int(facts["field"]),
            column("cell") if facts["cells"] else None,
            column("normalised") if facts["normalised"] else None,
            values,
            related,
            int(facts["count"]),
        )

    def _add_asked(self, part: RangeFound, place: int, number: int) -> None:
        """Report the keys into the table itself that no range has."""
        key = self._foreign[place]
        own = [one for one in self._foreign if one.target == self.plan.name]
        table = part.asked[number]
        absent = ~self._held[own.index(key)].has(table)
        if absent.any():
            texts = table.column("text").filter(pa.array(absent)).to_pylist()
            self._add_absent(key, table.column("row").to_numpy()[absent], texts)

    def _add_audit(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Count the changes of a range; samples are the first of the whole table."""
        for entry in entries:
            samples = entry["samples"]

            def sample(
                place: int, samples: Sequence[Mapping[str, Any]] = samples
            ) -> tuple[int, str, str]:
                one = samples[place]
                return int(one["row"]), str(one["before"]), str(one["after"])

            self.table.audit.add_counted(
                entry["column"],
                entry["step"],
                int(entry["changed"]),
                entry["distinct"],
                sample,
            )


class _Held:
    """The keys that a table has, by two hashes."""

    def __init__(self, tables: Sequence[pa.Table]) -> None:
        held = pa.concat_tables(tables)
        first, second = (held.column(name).to_numpy() for name in held.column_names)
        order = np.argsort(first, kind="stable")
        self._first, self._second = first[order], second[order]

    def has(self, asked: pa.Table) -> npt.NDArray[np.bool_]:
        """Tell which of the asked keys there are."""
        first = asked.column("first").to_numpy()
        second = asked.column("second").to_numpy()
        low = np.searchsorted(self._first, first, "left")
        high = np.searchsorted(self._first, first, "right")
        found = np.zeros(len(first), bool)
        while (low < high).any():  # equal first hashes are equal keys, but for chance
            here = low < high
            found[here] |= self._second[low[here]] == second[here]
            low = low + 1
        return found


def _add_rule(book: RuleBook, place: int, found: Mapping[str, Any]) -> None:
    """Add what a range knows of a rule of rows."""
    state = book.states[place]
    if state.outcome not in ("passed", "violated"):
        return
    state.count += int(found["count"])
    state.unjudged += int(found["unjudged"])
    left = SAMPLES_MAX - len(state.samples)
    state.samples += found["samples"][: max(0, left)]
    if found["outcome"] == "violated":
        state.outcome = "violated"
    elif found["outcome"] != "passed":
        state.settle(found["outcome"], found["why"])


def merge_ranges(
    file: Path,
    *,
    schema: api.Schema,
    profile: Mapping[str, Any] | None,
    refs: Mapping[str, Ref],
    context: Mapping[str, Any],
    options: Options,
    seed: int,
    parts: Sequence[Load],
    on_progress: OnProgress | None = None,
) -> tuple[Report, pa.Schema]:
    """Put the ranges of a table together.

    Args:
        file: The file; it is read again where hashes of keys are equal.
        schema: As `api.validate`.
        profile: As `api.validate`.
        refs: As `api.validate`.
        context: As `api.validate`.
        options: As `api.validate`.
        seed: Of the hashes of the ranges.
        parts: What each range left behind, in the order of the file.
        on_progress: Told how many ranges are in.

    Returns:
        The report of one pass over the file, and the schema of its typed rows.

    Raises:
        DataError: The file cannot be read.
    """
    resolved = api.resolve(schema)
    found_profile = api.load_profile(profile, options)
    source = Source.of(file, hashed=bool(options.hashes))
    opening = Opening(source, resolved, found_profile, options)
    schemas: list[pa.Schema] = []

    def judging(*others: Any, **named: Any) -> Judge:
        judge = MergingJudge(*others, parts=parts, seed=seed, **named)
        schemas.append(judge.schema)
        return judge

    opening.judging = judging
    report = api.blank_report(resolved.plan, found_profile, options)
    report.marked = partial(_write_marked, source)
    table, normalise = opening.open()
    opening.judge(
        report,
        table,
        normalise,
        refs,
        Context.of(context),
        Sinks(),
        Ticker(on_progress, None),
    )
    return report, schemas[0]


def _write_marked(source: Source, report: Report, path: Path, language: Any) -> None:
    from shahrdad.validators.marked import write_marked

    write_marked(report, source, path, language)


__all__ = ["MergingJudge", "merge_ranges"]
