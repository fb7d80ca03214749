"""A table as its file lays it out, before anyone says what its columns mean.

One shape for every format: the first rows as text, among which the header is looked
for, and the rows below a header as batches of text.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators import decode, dialect
from shahrdad.validators.container import Content
from shahrdad.validators.header import Merged
from shahrdad.validators.json_rows import JsonRows
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.parquet_rows import ParquetRows
from shahrdad.validators.sheets.scan import SheetFacts
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import EncodingFacts, Finding, RaggedRow, TextBatch
from shahrdad.validators.tokenize import (
    BLOCK_BYTES,
    Dialect,
    RowTooLongError,
    TokenBatch,
    read_records,
    tokenize,
)

if TYPE_CHECKING:  # loaded where a workbook is opened, and not before
    from shahrdad.validators.sheets.workbook import Sheet

DELIMITER_NAMES: Mapping[str, str] = {
    "comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"
}  # fmt: skip

Batches = Callable[[int, int], Iterator[TextBatch]]


@dataclass(slots=True)
class RawTable:
    """A table before the mapping.

    Attributes:
        format: `csv`, `tsv`, `xlsx`, `xls`, `ods`, `json`, `jsonl` or `parquet`.
        head: The first rows as text, row 1 first.
        batches: Gives the rows below a row, cut to a number of columns.
        fixed_header: Whether the format says that row 1 is the header.
        sheet: Name of the sheet.
        encoding: How the bytes became text.
        dialect: How the text is cut.
        dialect_how: `declared` or `found`.
        merged: Merged ranges of the sheet.
        whole: The sheet, for looking at whole columns; None for formats that are read
            once.
        facts: What a scan of the sheet found; None for other formats than workbooks.
        findings: What opening found.
    """

    format: str
    head: list[list[str]]
    batches: Batches
    fixed_header: bool = False
    sheet: str | None = None
    encoding: EncodingFacts | None = None
    dialect: Dialect | None = None
    dialect_how: str = "found"
    merged: Merged = ()
    whole: "Sheet | None" = None
    facts: SheetFacts | None = None
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Declared:
    """What was declared about the layout of a file; None asks the file.

    Attributes:
        one_column: Whether the schema has a single field.
        recognised: Tells whether records hold the header of the standard.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    one_column: bool = False
    recognised: dialect.Recogniser | None = None
    block_bytes: int = BLOCK_BYTES


def from_text(
    source: Source, content: Content, declared: Declared, limits: Limits = DEFAULT
) -> RawTable:
    """Open delimited text.

    Raises:
        DataError: SOURCE_ENCODING, SOURCE_DIALECT, SOURCE_EMPTY, SOURCE_UNREADABLE.
    """
    decision = decode.decide(
        content.open,
        name=source.label,
        declared=declared.encoding,
        limits=limits,
        # Of the bytes as they came this is known; what was packed is read for it.
        first_bad=None if content.container else lambda: source.facts.bad_byte,
    )

    def opened() -> BinaryIO:
        return decode.open_utf8(content.open, decision)

    with opened() as stream:
        start = _read_up_to(stream, limits.sample_bytes_max)
    ended = len(start) < limits.sample_bytes_max
    sample = dialect.whole_records(start.decode("utf-8", "ignore"), ended=ended)
    if not sample.strip():
        raise DataError(Reason.SOURCE_EMPTY, name=source.label)
    if not ended and not ("\n" in sample or "\r" in sample):
        raise DataError(
            Reason.SOURCE_TOO_LARGE,
            name=source.label,
            found=len(start),
            unit="bytes (header)",
            found_max=limits.header_bytes_max,
        )
    if declared.delimiter is not None:
        cut = Dialect(delimiter=_delimiter(declared.delimiter, source.label))
    else:
        cut = dialect.detect(
            sample,
            name=source.label,
            one_column=declared.one_column,
            recognised=declared.recognised,
        )
    try:
        head = read_records(sample, cut, limits.header_rows_looked_at)
    except csv.Error as error:
        raise _unreadable(source, error) from error
    table = RawTable(
        "tsv" if cut.delimiter == "\t" else "csv",
        head,
        _text_batches(
            source,
            opened,
            cut,
            sample,
            declared.block_bytes,
            limits,
            plain=content.container is None and source.facts.plain,
        ),
        encoding=decision.encoding,
        dialect=cut,
        dialect_how="found" if declared.delimiter is None else "declared",
    )
    bad = decode.bad_byte_finding(content.open, decision)
    if bad is not None:
        table.findings.append(bad)
    return table


def _delimiter(given: str, name: str) -> str:
    delimiter = DELIMITER_NAMES.get(given, given)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise DataError(
            Reason.SOURCE_DIALECT,
            name=name,
            detail=repr(given),
            candidates=", ".join(dialect.DELIMITERS.values()),
        )
    return delimiter


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    parts = []
    while size and (block := stream.read(size)):
        parts.append(block)
        size -= len(block)
    return b"".join(parts)


def _unreadable(source: Source, error: Exception) -> DataError:
    detail = (str(error) or type(error).__name__).splitlines()[0]
    return DataError(Reason.SOURCE_UNREADABLE, name=source.label, detail=detail)


def _text_batches(
    source: Source,
    opened: Callable[[], BinaryIO],
    cut: Dialect,
    sample: str,
    block_bytes: int,
    limits: Limits,
    *,
    plain: bool,
) -> Batches:
    """Return what reads the records of a text below its header."""

    def read(last: int, width: int) -> Iterator[TextBatch]:
        window = source.window
        skipped = 0 if window is not None else _length_of(sample, cut, last)
        above = last if window is None else window.rows_before

        def below() -> BinaryIO:
            stream = opened() if window is None else window.open()
            left = skipped
            while left and (block := stream.read(left)):
                left -= len(block)
            return stream

        row = above
        try:
            for batch in tokenize(
                below,
                cut,
                width,
                block_bytes=min(block_bytes, limits.row_bytes_max),
                row_bytes_max=limits.row_bytes_max,
                checked=True,  # `open_utf8` gives nothing but UTF-8
                plain=plain,
            ):
                row = above + batch.first_row + batch.rows
                yield _text_batch(batch, above, limits)
        except RowTooLongError as error:
            raise DataError(
                Reason.ROW_TOO_LONG,
                name=source.label,
                row=row,
                size_bytes_max=error.row_bytes_max,
            ) from error
        except (csv.Error, pa.ArrowInvalid) as error:
            raise _unreadable(source, error) from error

    return read


def _length_of(sample: str, cut: Dialect, records: int) -> int:
    """Return how many bytes of UTF-8 the first records of a text have."""
    lines = io.StringIO(sample, newline="")
    consumed = 0

    def counted() -> Iterator[str]:
        nonlocal consumed
        for line in lines:
            consumed += len(line.encode("utf-8"))
            yield line

    reader = csv.reader(counted(), **cut.reader_options())
    for _ in range(records):
        next(reader, None)
    return consumed


def _text_batch(batch: TokenBatch, above: int, limits: Limits) -> TextBatch:
    """Take ragged and blank records out of a batch of cells."""
    rows = np.arange(batch.rows, dtype=np.int64) + (above + batch.first_row)
    findings = _long_cells(batch.columns, rows, limits)
    blank = _blank(batch.columns, batch.rows)
    odd = blank.copy()
    kept_ragged = []
    for ragged in batch.ragged:
        odd[ragged.index] = True
        blank[ragged.index] = not any(ragged.cells)
        if any(ragged.cells):
            kept_ragged.append(RaggedRow(int(rows[ragged.index]), ragged.cells))
    if not odd.any():
        return TextBatch(rows, tuple(batch.columns), findings=findings)
    keep = pa.array(~odd)
    return TextBatch(
        rows[~odd],
        tuple(column.filter(keep) for column in batch.columns),
        ragged=tuple(kept_ragged),
        blank=tuple(rows[blank].tolist()),
        findings=findings,
    )


def _blank(columns: Sequence[pa.StringArray], count: int) -> npt.NDArray[np.bool_]:
    """Tell which records have no text at all."""
    blank = np.ones(count, bool)
    for column in columns:
        lengths = pc.fill_null(pc.binary_length(column), 0).to_numpy(
            zero_copy_only=False
        )
        blank &= lengths == 0
        if not blank.any():
            break
    return blank


def _long_cells(
    columns: Sequence[pa.StringArray], rows: npt.NDArray[np.int64], limits: Limits
) -> tuple[Finding, ...]:
    """Return a finding for each cell above the bound."""
    found = []
    for place, column in enumerate(columns):
        if column.nbytes <= limits.cell_bytes_max:
            continue
        lengths = pc.fill_null(pc.binary_length(column), 0).to_numpy(
            zero_copy_only=False
        )
        for at in np.flatnonzero(lengths > limits.cell_bytes_max).tolist():
            values = {"value": int(lengths[at]), "expected": limits.cell_bytes_max}
            finding = Finding(
                "value-too-long",
                "error",
                {**values, "column": place + 1},
                row=int(rows[at]),
            )
            found.append(finding)
    return tuple(found)


def from_sheet(sheet: "Sheet", format_: str, limits: Limits = DEFAULT) -> RawTable:
    """Take a sheet of a workbook."""

    def read(last: int, width: int) -> Iterator[TextBatch]:
        return sheet.batches(width, last + 1)

    return RawTable(
        format_,
        sheet.head(limits.header_rows_looked_at),
        read,
        sheet=sheet.name,
        merged=sheet.facts.merged,
        whole=sheet,
        facts=sheet.facts,
        findings=list(sheet.findings),
    )


def from_json(
    source: Source, content: Content, declared: Declared, limits: Limits = DEFAULT
) -> RawTable:
    """Open JSON or JSON Lines.

    Raises:
        DataError: as `JsonRows.open`, and SOURCE_ENCODING.
    """
    decision = decode.decide(
        content.open, name=source.label, declared=declared.encoding, limits=limits
    )
    rows = JsonRows.open(
        lambda: decode.open_utf8(content.open, decision),
        source.label,
        lines=content.format == "jsonl",
        limits=limits,
    )
    return RawTable(
        content.format,
        [list(rows.labels)],
        lambda last, width: rows.batches(),
        fixed_header=True,
        encoding=decision.encoding,
    )


def from_parquet(source: Source, limits: Limits = DEFAULT) -> RawTable:
    """Open Parquet.

    Raises:
        DataError: SOURCE_UNREADABLE, SOURCE_TOO_LARGE, SOURCE_INFLATES.
    """
    with source.open() as stream:
        labels = ParquetRows.open(stream, source.label, limits).labels

    def read(last: int, width: int) -> Iterator[TextBatch]:
        with source.open() as again:
            yield from ParquetRows.open(again, source.label, limits).batches()

    return RawTable("parquet", [list(labels)], read, fixed_header=True)
