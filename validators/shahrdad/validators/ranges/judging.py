"""The pass over one range of a table, which may run on any computer.

It judges cells, rows and rules of rows as the pass over the whole table does, and keeps
what can only be decided when all ranges are there: the hashes of keys, the columns that
rules of tables ask for, the blank rows at its end.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.validators import api
from shahrdad.validators.bulk import Findings
from shahrdad.validators.foreign import ForeignKey
from shahrdad.validators.frames import Frame, with_odd_rows
from shahrdad.validators.judging import Judge, key_texts
from shahrdad.validators.keys import KeySet
from shahrdad.validators.normalise.columns import Normaliser
from shahrdad.validators.opening import Opening
from shahrdad.validators.options import Context, Options, Ref
from shahrdad.validators.prefetch import prefetched
from shahrdad.validators.progress import Ticker
from shahrdad.validators.ranges.found import (
    ASKED,
    HELD,
    KEYS,
    RangeFound,
    cells_table,
)
from shahrdad.validators.rules.running import ROWS, RuleBook
from shahrdad.validators.sink import Sink, Sinks
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import Audit, TextTable

Hashes = npt.NDArray[np.uint64]
# What this process judged of texts in the range before, by the schema: without it each
# range would judge the same titles anew.
_known: dict[str, Normaliser] = {}


class KeyRows(KeySet):
    """The keys of a range, all of them kept."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[pa.RecordBatch] = []

    def add(self, hashes: Hashes, rows: npt.NDArray[np.int64]) -> None:
        """Add the keys of some rows."""
        columns = [pa.array(hashes, pa.uint64()), pa.array(rows, pa.int64())]
        self.parts.append(pa.RecordBatch.from_arrays(columns, schema=KEYS))


class RangeJudge(Judge):
    """Judges one range of a table.

    Args:
        others: See `Judge`.
        seed: Of the hashes, the same for all ranges.
    """

    def __init__(self, *others: Any, seed: int, **named: Any) -> None:
        super().__init__(*others, **named)
        self._seed = seed
        self._own: list[list[pa.Array]] = []  # what keys refer to, here
        self._asked: list[pa.RecordBatch] = []
        self._asked_at: list[tuple[int, int]] = []
        self._start = 0  # findings that stand before those of the rows
        for key in self._unique:
            key.keys = KeyRows()

    def found(self, book: RuleBook) -> RangeFound:
        """Judge the range.

        Raises:
            DataError: It cannot be read.
        """
        self.table.audit.befores = {}
        self._foreign = self._foreign_keys()
        self._start = start = len(self.findings.chunks)
        before = Counter(self.findings.by_code)
        batches = iter(self.table.batches)
        for batch in prefetched(batches) if self._threads > 1 else batches:
            for finding in batch.findings:
                self._find(finding)
            self._judge_batch(with_odd_rows(batch, self.table))
            self._tick("read")
        found = RangeFound(
            rows=self._seen,
            full=self._seen > len(self._blank),
            blank=self._blank,
            key_violations=self.judged.key_violations,
            text_bytes=self._bytes,
            chunks=_chunks(self.findings, start, before),
            personal={
                field: sorted(rows) for field, rows in self.findings.personal.items()
            },
            rules=_rules(book),
            audit=_audit(self.table.audit),
            left_out=self.table.left_out,
            blank_labels=_blank_labels(self.table),
            invalid=book.tee.invalid,
            decimals={name: book.tee.decimals(name) for name in book.tee.names},
            asked_at=self._asked_at,
            cells=cells_table(self.findings.chunks[start:]),
            keys=[_keys(key.keys) for key in self._unique],
            asked=[pa.Table.from_batches([one]) for one in self._asked],
            held=self._held(),
        )
        found.tee = book.tee.table()
        return found

    def _own_columns(self, names: Sequence[str]) -> list[pa.Array]:
        """Return the range's own columns: the other ranges have theirs."""
        columns = super()._own_columns(names)
        self._own.append(columns)
        return columns

    def _look_up(self, key: ForeignKey, frame: Frame) -> None:
        """Keep what a key into the table itself asks and this range has not."""
        if key.target != self.plan.name:
            super()._look_up(key, frame)
            return
        absent = np.flatnonzero(key.absent(frame.values, frame.invalid))
        if not len(absent):
            return
        picks = pa.array(absent)
        columns = [frame.values[name].take(picks) for name in key.names]
        texts = key_texts(key, frame, picks)
        arrays = [pa.array(frame.rows[absent]), *map(pa.array, key.hashes(columns))]
        self._asked_at.append(
            (self._foreign.index(key), len(self.findings.chunks) - self._start)
        )
        self._asked.append(
            pa.RecordBatch.from_arrays([*arrays, pa.array(texts)], schema=ASKED)
        )

    def _held(self) -> list[pa.Table]:
        """Return the hashes of the keys that the range has, for each such key."""
        own = [key for key in self._foreign if key.target == self.plan.name]
        found = []
        for key, columns in zip(own, self._own, strict=True):
            pairs = np.unique(np.stack(key.hashes(columns), axis=1), axis=0)
            arrays = [pa.array(pairs[:, 0]), pa.array(pairs[:, 1])]
            found.append(pa.Table.from_arrays(arrays, schema=HELD))
        return found


def judge_range(
    source: Source,
    *,
    schema: api.Schema,
    profile: Mapping[str, Any] | None,
    refs: Mapping[str, Ref],
    context: Mapping[str, Any],
    options: Options,
    seed: int,
    sink: Sink,
) -> RangeFound:
    """Judge one range of a table.

    Args:
        source: The whole file, of which `window` says what is read.
        schema: As `api.validate`.
        profile: As `api.validate`.
        refs: Releases that foreign keys look into; rules of tables come later.
        context: As `api.validate`.
        options: As `api.validate`.
        seed: Of the hashes, the same for all ranges.
        sink: Gets the typed rows up to the first error.

    Raises:
        DataError: The range cannot be read.
    """
    resolved = api.resolve(schema)
    found_profile = api.load_profile(profile, options)
    opening = Opening(source, resolved, found_profile, options)
    opening.judging = partial(RangeJudge, seed=seed)
    opening.normaliser = _known.get(resolved.plan.sha256)
    report = api.blank_report(resolved.plan, found_profile, options)
    table, normalise = opening.open()
    judge, book, _ = opening.seat(
        report,
        table,
        normalise,
        refs,
        Context.of(context),
        Sinks(sink),
        Ticker(None, None),
    )
    try:
        if not isinstance(judge, RangeJudge):
            raise TypeError("the pass of a range is that of RangeJudge")
        return judge.found(book)
    finally:
        book.close()
        _known.clear()
        if opening.normaliser is not None:
            _known[resolved.plan.sha256] = opening.normaliser


def _chunks(
    findings: Findings, start: int, before: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Describe the chunks of findings; the last of a code has those not kept, too."""
    found: list[dict[str, Any]] = [
        {
            "code": chunk.code,
            "severity": chunk.severity,
            "field": chunk.field,
            "rows": len(chunk.rows),
            "count": len(chunk.rows),
            "cells": chunk.cells is not None,
            "normalised": chunk.normalised is not None,
            "values": chunk.values is not None,
            "related": chunk.related is not None,
        }
        for chunk in findings.chunks[start:]
    ]
    listed: Counter[str] = Counter()
    last: dict[str, dict[str, Any]] = {}
    for chunk in found:
        listed[chunk["code"]] += chunk["rows"]
        last[chunk["code"]] = chunk
    for code, chunk in last.items():
        chunk["count"] += findings.by_code[code] - before.get(code, 0) - listed[code]
    return found


def _rules(book: RuleBook) -> dict[int, dict[str, Any]]:
    """Return what is known of the rules of rows."""
    return {
        place: {
            "outcome": state.outcome,
            "why": state.why,
            "count": state.count,
            "unjudged": state.unjudged,
            "samples": list(map(dict, state.samples)),
        }
        for place, state in enumerate(book.states)
        if state.rule.name in ROWS
    }


def _audit(audit: Audit) -> list[dict[str, Any]]:
    """Return the changes, with a mark for each distinct text: samples come first."""
    befores = audit.befores or {}
    found = []
    for entry in audit.to_list():
        texts = befores.get((entry["column"], entry["step"]), set())
        shown = [sample["before"] for sample in entry["samples"]]
        others = sorted(texts - set(shown))
        entry["distinct"] = [mark(text) for text in (*shown, *others)]
        found.append(entry)
    return found


def mark(text: str) -> str:
    """Return what stands for a text where only different ones are counted."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _blank_labels(table: TextTable) -> dict[int, int]:
    """Return the cells under columns without a label, which reading counted."""
    return {
        int(found.values["value"]): int(found.values["cells"])
        for found in table.findings
        if found.code == "label-blank" and "cells" in found.values
    }


def _keys(keys: KeySet) -> pa.Table:
    if not isinstance(keys, KeyRows):
        raise TypeError("a range keeps all of its keys")
    return pa.Table.from_batches(keys.parts, KEYS).combine_chunks()


__all__ = ["RangeJudge", "judge_range", "mark"]
