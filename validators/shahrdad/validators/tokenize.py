r"""Cut delimited text into columns: fast with Arrow, or exactly as `csv.reader`.

Rules:

- A row number is the number of the CSV record: the first record is 1, a blank line
  counts, a quoted cell over several lines counts once.
- A record with too few or too many cells is kept, at its place: cut or padded with null
  in the columns, whole in `ragged`.
- Both paths give the same batches' content; only where a batch ends differs.

>>> import io
>>> from shahrdad.validators.tokenize import Dialect, tokenize
>>> text = "شهر,کد\nکرمان,1346\n".encode()
>>> [batch] = tokenize(lambda: io.BytesIO(text), Dialect(), 2, skip=1)
>>> batch.columns[1].to_pylist()
['1346']
"""

import csv
import io
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from shahrdad.validators.read_ahead import ReadAhead

BLOCK_BYTES = 2 << 20
ROW_BYTES_MAX = 64 << 20  # a record that needs a larger block is refused
READER_ROWS = 8_192  # rows of one batch cut by `csv.reader`


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are separated and quoted; the names are those of Data Package v2."""

    delimiter: str = ","
    quote: str | None = '"'
    double_quote: bool = True
    escape: str | None = None
    skip_initial_space: bool = False

    @property
    def arrow(self) -> bool:
        """Whether Arrow cuts this dialect exactly as `csv.reader` does."""
        return (
            self.double_quote
            and self.escape is None
            and not self.skip_initial_space
            and len(self.delimiter.encode()) == 1
            and (self.quote is None or len(self.quote.encode()) == 1)
        )

    def reader_options(self) -> dict[str, Any]:
        """Return the dialect as arguments of `csv.reader`."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote,
            "quoting": csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            "doublequote": self.double_quote,
            "escapechar": self.escape,
            "skipinitialspace": self.skip_initial_space,
        }


@dataclass(frozen=True, slots=True)
class RaggedRow:
    """A record whose number of cells is not the table's width.

    Attributes:
        index: Its place in its batch, from 0.
        cells: All its cells, texts but in workbooks; none for a blank line.
    """

    index: int
    cells: tuple[Any, ...]


@dataclass(slots=True)
class TokenBatch:
    """Consecutive records, cut into cells.

    Attributes:
        first_row: The number of the first record, the file's first being 1.
        columns: One `string` array for each column, all of one length; null only
            where a record had no such cell.
        ragged: The records of another width, by index.
    """

    first_row: int
    columns: list[pa.StringArray]
    ragged: tuple[RaggedRow, ...] = field(default=())

    @property
    def rows(self) -> int:
        """The number of records."""
        return len(self.columns[0]) if self.columns else len(self.ragged)

    def value(self, place: int, index: int) -> Any:
        """Return a cell by its column and its place in the batch."""
        return self.columns[place][index].as_py()


class RowTooLongError(ValueError):
    """A record is longer than `row_bytes_max`; caught by the engine, never public."""

    def __init__(self, row_bytes_max: int) -> None:
        super().__init__(f"a record is longer than {row_bytes_max} bytes")
        self.row_bytes_max = row_bytes_max


def read_records(
    text: str, dialect: Dialect, limit: int | None = None
) -> list[list[str]]:
    """Cut a text as `csv.reader` does; for headers and samples.

    Args:
        text: Whole records, but for the last.
        dialect: The dialect.
        limit: The number of records to stop at.
    """
    csv.field_size_limit(sys.maxsize)
    records: list[list[str]] = []
    for record in csv.reader(io.StringIO(text, newline=""), **dialect.reader_options()):
        records.append(record)
        if limit is not None and len(records) >= limit:
            break
    return records


def tokenize(
    opened: Callable[[], BinaryIO],
    dialect: Dialect,
    width: int,
    *,
    skip: int = 0,
    block_bytes: int = BLOCK_BYTES,
    row_bytes_max: int = ROW_BYTES_MAX,
    exact: bool = False,
    checked: bool = False,
    plain: bool = False,
) -> Iterator[TokenBatch]:
    """Cut UTF-8 text into batches of cells.

    Args:
        opened: Opens the text from its first byte; called again after a record that
            is longer than a block.
        dialect: The dialect.
        width: The number of cells that a record should have, at least 1.
        skip: Records before the data (the header's rows); they are counted.
        block_bytes: Bytes parsed at a time.
        row_bytes_max: No record is longer; up to half of it, each fits.
        exact: Take `csv.reader`, which tells a blank line from a record of empty cells.
        checked: Whether the text is known to be UTF-8, so that Arrow need not look.
        plain: Whether no quote and no carriage return is in it, so that every line feed
            ends a record and Arrow finds the ends faster.

    Raises:
        RowTooLongError: A record does not fit into the largest block.
        csv.Error: `csv.reader` refuses the text.
    """
    if exact or not dialect.arrow:
        with opened() as stream:
            yield from _cut_with_reader(stream, dialect, width, skip)
        return
    emitted = 0
    while True:
        try:
            with opened() as stream:
                cut = _cut_with_arrow(
                    stream,
                    dialect,
                    width,
                    skip,
                    block_bytes,
                    row_bytes_max,
                    checked=checked,
                    plain=plain,
                )
                # Closed before the stream is: Arrow reads it from a thread of its own.
                with closing(cut):
                    for batch in _from(cut, skip, emitted):
                        if block_bytes > row_bytes_max // 2:
                            _check_lengths(batch, row_bytes_max)
                        emitted = batch.first_row - skip - 1 + batch.rows
                        yield batch
        except _UnclosedQuoteError:
            break
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            if "straddl" not in str(error):
                raise
            # Arrow puts a record together from two blocks, so these are half a record.
            if block_bytes >= row_bytes_max // 2:
                raise RowTooLongError(row_bytes_max) from error
            block_bytes = min(block_bytes * 4, row_bytes_max // 2)
        else:
            return
    with opened() as stream:
        yield from _from(_cut_with_reader(stream, dialect, width, skip), skip, emitted)


class _UnclosedQuoteError(Exception):
    """The last record ends within quotes: only `csv.reader` knows all of its text."""


def _check_lengths(batch: TokenBatch, row_bytes_max: int) -> None:
    """Refuse a record above the cap: Arrow cuts one that lies in two blocks.

    Raises:
        RowTooLongError: There is one.
    """
    lengths = np.zeros(batch.rows, np.int64)
    for cells in batch.columns:
        found = pc.fill_null(pc.binary_length(cells), 0)
        lengths += found.to_numpy(zero_copy_only=False)
    for row in batch.ragged:
        lengths[row.index] = sum(len(cell.encode()) for cell in row.cells)
    if len(lengths) and lengths.max() > row_bytes_max:
        raise RowTooLongError(row_bytes_max)


def _from(
    batches: Iterator[TokenBatch], skip: int, emitted: int
) -> Iterator[TokenBatch]:
    """Yield what comes after the first records; a restart's blocks end elsewhere."""
    for batch in batches:
        start = batch.first_row - skip - 1
        if start + batch.rows > emitted:
            yield batch if start >= emitted else _without_first(batch, emitted - start)


def _without_first(batch: TokenBatch, count: int) -> TokenBatch:
    """Return a batch without its first records."""
    return TokenBatch(
        batch.first_row + count,
        [column.slice(count) for column in batch.columns],
        tuple(
            RaggedRow(row.index - count, row.cells)
            for row in batch.ragged
            if row.index >= count
        ),
    )


def _cut_with_arrow(
    stream: BinaryIO,
    dialect: Dialect,
    width: int,
    skip: int,
    block_bytes: int,
    row_bytes_max: int,
    *,
    checked: bool,
    plain: bool,
) -> Generator[TokenBatch, None, None]:
    """Cut with pyarrow.csv; see `tokenize`."""
    # The reader parses one block ahead: when a batch comes, the handler has already
    # seen the ragged records of the next one. So they wait here, by number.
    waiting: deque[tuple[int, str]] = deque()

    too_long = False

    def keep(row: arrow_csv.InvalidRow) -> str:
        nonlocal too_long
        too_long = too_long or len(row.text) > row_bytes_max
        # Nothing is made of a text that is refused: it would be held several times.
        waiting.append((row.number, "" if too_long else row.text))
        return "skip"

    names = [f"c{number}" for number in range(width)]
    base = 0  # records before the batch
    with ReadAhead(stream) as ahead:
        reader = arrow_csv.open_csv(
            ahead.file(),
            arrow_csv.ReadOptions(
                use_threads=False,  # else the handler is not told the number
                block_size=block_bytes,
                # No `skip_rows_after_names`: each NUL in a skipped record would make
                # it skip one record more. We leave them out below.
                column_names=names,
            ),
            arrow_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=False if dialect.quote is None else dialect.quote,
                newlines_in_values=not plain,
                ignore_empty_lines=False,
                invalid_row_handler=ahead.lend(partial(keep)),
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                check_utf8=not checked,
            ),
        )
        try:
            for good in reader:
                if too_long:
                    raise RowTooLongError(row_bytes_max)
                taken: list[tuple[int, str]] = []
                while waiting and waiting[0][0] <= base + good.num_rows + len(taken):
                    taken.append(waiting.popleft())
                batch = _merge(base, list(good.columns), good.num_rows, taken, dialect)
                base += good.num_rows + len(taken)
                yield from _after(skip, batch)
        finally:
            del reader
    if too_long:
        raise RowTooLongError(row_bytes_max)
    if waiting:
        empty = [pa.array([], pa.string())] * width
        yield from _after(skip, _merge(base, empty, 0, list(waiting), dialect))


def _after(skip: int, batch: TokenBatch) -> Iterator[TokenBatch]:
    """Yield what a batch has after the first records of the file, if anything."""
    before = max(0, skip - batch.first_row + 1)
    if before < batch.rows:
        yield _without_first(batch, before) if before else batch


def _merge(
    base: int,
    columns: list[pa.StringArray],
    good: int,
    ragged: list[tuple[int, str]],
    dialect: Dialect,
) -> TokenBatch:
    """Put ragged records at their places between the good ones."""
    if not ragged:
        return TokenBatch(base + 1, columns)
    places = np.array([number - base - 1 for number, _ in ragged], np.int64)
    cells = [_recut(text, dialect) for _, text in ragged]
    total = good + len(ragged)
    is_ragged = np.zeros(total, bool)
    is_ragged[places] = True
    order = np.empty(total, np.int64)
    order[~is_ragged] = np.arange(good)
    order[places] = good + np.arange(len(ragged))
    indices = pa.array(order)
    merged = [
        pa.concat_arrays([column, _column_of(cells, number)]).take(indices)
        for number, column in enumerate(columns)
    ]
    rows = tuple(
        RaggedRow(int(place), tuple(record))
        for place, record in zip(places, cells, strict=True)
    )
    return TokenBatch(base + 1, merged, rows)


def _column_of(records: list[list[str]], number: int) -> pa.StringArray:
    """Return one column of some records; null where a record is too short."""
    return pa.array(
        [record[number] if number < len(record) else None for record in records],
        pa.string(),
    )


def _recut(text: str, dialect: Dialect) -> list[str]:
    """Cut one ragged record again, with the full dialect.

    Raises:
        _UnclosedQuoteError: Arrow took the line end of the last cell for the record's.
    """
    records = read_records(text, dialect, 1)
    if dialect.quote is not None and dialect.quote in text:
        lines = io.StringIO(text, newline="")
        strict = csv.reader(lines, **dialect.reader_options(), strict=True)
        try:
            next(strict, None)
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise _UnclosedQuoteError from error
    return records[0] if records else []


def _cut_with_reader(
    stream: BinaryIO, dialect: Dialect, width: int, skip: int
) -> Iterator[TokenBatch]:
    """Cut with `csv.reader`; see `tokenize`."""
    csv.field_size_limit(sys.maxsize)
    lines = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    records: list[list[str]] = []
    first = skip + 1
    reader = csv.reader(lines, **dialect.reader_options())
    try:
        for number, record in enumerate(reader, start=1):
            if number <= skip:
                continue
            records.append(record)
            if len(records) == READER_ROWS:
                yield _from_records(first, records, width)
                first += len(records)
                records = []
        if records:
            yield _from_records(first, records, width)
    finally:
        lines.detach()


def _from_records(first: int, records: list[list[str]], width: int) -> TokenBatch:
    """Make a batch of records that `csv.reader` cut."""
    ragged = tuple(
        RaggedRow(index, tuple(record))
        for index, record in enumerate(records)
        if len(record) != width
    )
    return TokenBatch(
        first, [_column_of(records, number) for number in range(width)], ragged
    )
