"""Rows with errors, set aside in a file of their own so that the others can go on.

A row is set aside for errors of its own: in its cells, its shape, its keys, or by a
rule of rows. The table is then judged again without those rows: a key may refer to one
of them, and the rules of tables judge the rows that stay. Only a table whose rows that
stay have no error reaches the sink. What is wrong with the file or the table as a whole
(a header, an encoding, a total) is nothing that a quarantine could mend: then nothing
is written.

The file holds the texts as the publisher wrote them, whatever they hold: it is for them
alone.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shahrdad.datasets.standards import Standard
from shahrdad.validators.bulk import FINDINGS_KEPT_MAX, FIRST, LAST, Findings, Issue
from shahrdad.validators.frames import with_odd_rows
from shahrdad.validators.kernels.cells import Mask, mask_array
from shahrdad.validators.sink import COLUMNS, Sinks
from shahrdad.validators.text_table import TextBatch, TextTable

if TYPE_CHECKING:
    from shahrdad.validators.judging import Normalise
    from shahrdad.validators.opening import Opening
    from shahrdad.validators.options import Context, Ref
    from shahrdad.validators.progress import Ticker
    from shahrdad.validators.report import Report

ROUNDS_MAX = 8  # times that the table is judged until no further row falls out
ROW_GROUP = 65_536  # rows; fixed, so that the bytes depend on the table alone
ROW, CODES, EXTRA = "_row", "_codes", "_extra"  # our columns beside those of the file
_OF_THE_FILE = ("source-", "label-", "schema-", "engine-", "count-")

Rows = npt.NDArray[np.int64]


def is_allowed(standard: Standard | None) -> bool:
    """Whether rows may be set aside: a standard says so; another schema never forbids.

    >>> is_allowed(None)
    True
    """
    if standard is None:
        return True
    return standard.schema.get("shahrdad", {}).get("quarantine") is True


class SetAside:
    """The rows that are set aside, and the codes of their errors.

    Attributes:
        rows: Their numbers, rising.
        new: Those that the last round found.
    """

    def __init__(self) -> None:
        self.rows: Rows = np.zeros(0, np.int64)
        self.new: Rows = self.rows
        self._by_code: dict[str, list[Rows]] = {}
        self._pairs: tuple[pa.Array, Rows, Rows] | None = None

    def take(self, findings: Findings) -> bool:
        """Set aside the rows that have errors of their own; tell whether any is new."""
        table = findings.table()
        table = table.filter(pc.equal(table.column("severity").cast("string"), "error"))
        rows = table.column("row").to_numpy()
        fresh = (rows > FIRST) & (rows < LAST) & ~np.isin(rows, self.rows)
        codes = table.column("code").cast(pa.string()).to_numpy()[fresh]
        rows = rows[fresh]
        found = [np.zeros(0, np.int64)]
        for code in sorted(set(codes)):
            if not code.startswith(_OF_THE_FILE):
                found.append(rows[codes == code])
                self._by_code.setdefault(code, []).append(found[-1])
        self.new = np.unique(np.concatenate(found))
        self.rows = np.union1d(self.rows, self.new)
        self._pairs = None
        return bool(len(self.new))

    def codes(self, rows: Rows) -> pa.ListArray:
        """Return the codes of n neighbours among the rows, those of a row sorted."""
        if self._pairs is None:
            self._pairs = _pairs(self._by_code)
        names, numbers, places = self._pairs
        starts = np.searchsorted(numbers, rows)
        end = np.searchsorted(numbers, rows[-1:], "right")
        offsets = np.concatenate((starts, end))
        texts = names.take(pa.array(places[offsets[0] : offsets[-1]]))
        return pa.ListArray.from_arrays(
            pa.array(offsets - offsets[0], pa.int32()), texts
        )


def _pairs(by_code: Mapping[str, list[Rows]]) -> tuple[pa.Array, Rows, Rows]:
    """Return the codes, and each distinct pair of a row and the place of its code."""
    names = sorted(by_code)
    rows = [np.unique(np.concatenate(by_code[name])) for name in names]
    numbers = np.concatenate(rows)
    places = np.repeat(np.arange(len(names)), [len(each) for each in rows])
    order = np.lexsort((places, numbers))
    return pa.array(names, pa.string()), numbers[order], places[order]


def skipping(table: TextTable, rows: Rows) -> TextTable:
    """Return a table without some of its rows."""
    return replace(table, batches=_skipped(table.batches, rows))


def _skipped(batches: Iterator[TextBatch], rows: Rows) -> Iterator[TextBatch]:
    gone = set(rows.tolist())
    for batch in batches:
        stay = ~np.isin(batch.rows, rows)
        yield TextBatch(
            batch.rows[stay],
            tuple(column.filter(mask_array(stay)) for column in batch.columns),
            tuple(None if kinds is None else kinds[stay] for kinds in batch.kinds),
            tuple(ragged for ragged in batch.ragged if ragged.row not in gone),
            tuple(row for row in batch.blank if row not in gone),
            tuple(found for found in batch.findings if found.row not in gone),
        )


class QuarantineFile:
    """The Parquet file of the rows that are set aside; it appears at a good end.

    Its columns: `_row`, `_codes` (a list), the columns of the file as texts under the
    names that the mapping gave them (the publisher's label in the field's metadata),
    and `_extra`, cells beyond the header.

    Args:
        path: Name of the file; what is there already is replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._temporary = self.path.with_name(f".{self.path.name}.{uuid4().hex}.part")
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: TextTable, aside: SetAside) -> str:
        """Write the rows under the temporary name; return the SHA-256 of the file."""
        chosen = [n for n, origin in enumerate(table.origins) if origin is not None]
        schema = _schema(table, chosen)
        self._writer = pq.ParquetWriter(self._temporary, schema, **COLUMNS)
        held = schema.empty_table()
        for part in table.batches:
            batch = with_odd_rows(part, table)
            inside = np.isin(batch.rows, aside.rows)
            if inside.any():
                added = _rows_of(
                    batch, inside, chosen, len(table.labels), aside, schema
                )
                held = pa.concat_tables([held, pa.Table.from_batches([added])])
            while held.num_rows >= ROW_GROUP:
                self._writer.write_table(held.slice(0, ROW_GROUP))
                held = held.slice(ROW_GROUP)
        if held.num_rows:
            self._writer.write_table(held)
        self._writer.close()
        with self._temporary.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def receive(self, path: Path) -> None:
        """Take the bytes of a file that another process wrote."""
        with path.open("rb") as source, self._temporary.open("wb") as target:
            while block := source.read(1 << 20):
                target.write(block)

    def commit(self) -> None:
        """Give the file its name."""
        self._temporary.replace(self.path)

    def abort(self) -> None:
        """Remove what was written."""
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
        self._temporary.unlink(missing_ok=True)


def _schema(table: TextTable, chosen: list[int]) -> pa.Schema:
    fields = [pa.field(ROW, pa.int64()), pa.field(CODES, pa.list_(pa.string()))]
    for place in chosen:
        label = table.labels[table.origins[place] or 0]
        fields.append(pa.field(table.names[place], pa.string(), True, {"label": label}))
    return pa.schema([*fields, pa.field(EXTRA, pa.list_(pa.string()))])


def _rows_of(
    batch: TextBatch,
    inside: Mask,
    chosen: list[int],
    width: int,
    aside: SetAside,
    schema: pa.Schema,
) -> pa.RecordBatch:
    """Return the rows of a batch that are set aside, as rows of the file."""
    rows = batch.rows[inside]
    extra = {ragged.row: list(ragged.cells[width:]) for ragged in batch.ragged}
    arrays = [
        pa.array(rows, pa.int64()),
        aside.codes(rows),
        *(batch.columns[place].filter(mask_array(inside)) for place in chosen),
        pa.array([extra.get(row) or None for row in rows.tolist()], schema[-1].type),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Held:
    """A sink that keeps the typed rows of a round on disk until they may go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep n rows."""
        if self._writer is None:
            self._writer = pa.ipc.new_stream(str(self._path), batch.schema)
        self._writer.write_batch(batch)

    def commit(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.close()

    def abort(self) -> None:
        """Remove the file."""
        self.commit()
        self._path.unlink(missing_ok=True)

    def pass_on(self, sinks: Sinks) -> None:
        """Give what was kept to the sinks."""
        self.commit()
        if self._path.exists():
            with (
                pa.OSFile(str(self._path)) as file,
                pa.ipc.open_stream(file) as reader,
            ):
                for batch in reader:
                    sinks.write(batch)


def judge_apart(
    opening: "Opening",
    report: "Report",
    table: TextTable,
    normalise: "Normalise | None",
    refs: "Mapping[str, Ref]",
    context: "Context",
    sinks: Sinks,
    ticker: "Ticker",
    file: QuarantineFile,
) -> "Report":
    """Judge a table and set aside its rows with errors; fills the report.

    The report tells of the whole file; of the rules of tables it tells what they say
    of the rows that stay.
    """
    whole = opening
    aside = SetAside()
    opening = replace(opening, aside=aside)
    with tempfile.TemporaryDirectory(prefix="shahrdad-quarantine-") as folder:
        seen = report
        for turn in range(ROUNDS_MAX):
            held = _Held(Path(folder) / f"{turn}")
            if turn:
                table, normalise = opening.open()
            seats = (refs, context, Sinks(held), ticker)
            opening.judge(seen, table, normalise, *seats)
            if turn:
                _add_later(report.findings, seen.findings, aside)
            if not len(aside.new):
                break
            held.abort()
            if report.error_count > FINDINGS_KEPT_MAX:
                return _refused(report, f"{FINDINGS_KEPT_MAX} errors (quarantine)")
            opening = replace(opening, changes=None)
            seen = replace(report, findings=Findings(report.findings.names))
        else:
            return _refused(report, f"{ROUNDS_MAX} rounds (quarantine)")
        if turn:
            _add_tables(report, seen)
        if _blocking(seen.findings, aside):
            held.abort()
            return report
        report.quarantine_sha256 = file.write(whole.open()[0], aside)
        report.quarantine_rows = len(aside.rows)
        held.pass_on(sinks)
    return report


def _refused(report: "Report", limit: str) -> "Report":
    report.findings.add(Issue("engine-limit", "error", values={"value": limit}))
    return report


def _add_later(findings: Findings, seen: Findings, aside: SetAside) -> None:
    """Add the errors of rows that fell out because others had.

    Those of rules of rows are counted already: such a rule knows one row only.
    """
    new = set(aside.new.tolist())
    for issue in seen.listed(None, "error") if new else ():
        if issue.row in new and issue.rule is None:
            findings.add(issue)


def _add_tables(report: "Report", seen: "Report") -> None:
    """Add what the rules of tables say of the rows that stay."""
    of_rows = {outcome.id: outcome for outcome in report.rules}
    report.rules = [of_rows.get(outcome.id, outcome) for outcome in seen.rules]
    report.refs = seen.refs
    known = Counter(report.findings.by_code)
    for issue in seen.findings.listed(None):
        late = issue.row is None and issue.rule is None
        if late and known[issue.code]:
            known[issue.code] -= 1
        elif late or (issue.rule is not None and issue.rule not in of_rows):
            report.findings.add(issue, last=True)


def _blocking(findings: Findings, aside: SetAside) -> bool:
    """Whether something is wrong that is not in a row that was set aside."""
    gone: set[Any] = set(aside.rows.tolist())
    return any(issue.row not in gone for issue in findings.listed(None, "error"))


__all__ = ["QuarantineFile", "SetAside", "is_allowed", "judge_apart", "skipping"]
