"""Cells are cut as `csv.reader` cuts them, whatever the block size."""

import contextlib
import csv
import io
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lending_watch import lending_watched
from shahrdad.validators.tokenize import (
    Dialect,
    RowTooLongError,
    TokenBatch,
    read_records,
    tokenize,
)
from shared_data import SHARED, needs_shared

SUITES = SHARED / "data" / "csv-suites"
BLOCKS = [16, 20, 33, 64, 100, 1000, 1 << 20]


def flat(
    data: bytes, width: int, **options: Any
) -> list[tuple[int, list[str | None], Any]]:
    """Return number, cells and ragged cells of every record below the header."""
    found = []
    dialect = options.pop("dialect", Dialect())
    for batch in tokenize(lambda: io.BytesIO(data), dialect, width, skip=1, **options):
        ragged = {row.index: row.cells for row in batch.ragged}
        for index in range(batch.rows):
            cells = [column[index].as_py() for column in batch.columns]
            found.append((batch.first_row + index, cells, ragged.get(index)))
    return found


RAGGED = (
    b"a,b\n"
    + b"".join(
        b"%d,%d\n" % (n, n) if n % 7 else b"%d\n" % n if n % 2 else b'1,2,"x\ny"\n'
        for n in range(200)
    )
    + b'"'
    + b"z" * 300
    + b'",1'
)


@pytest.mark.parametrize("block", BLOCKS)
def test_ragged_rows_straddling_blocks(block: int) -> None:
    """Arrow reads one block ahead; ragged rows keep their numbers all the same."""
    assert flat(RAGGED, 2, exact=True) == flat(RAGGED, 2, block_bytes=block)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n",
        "a,b",
        "",
        "a,b\n1,2",
        "a,b\r1,2\r3,4",
        "a,b\r\n1,2\n3,4\r5,6",
        "a,b\n1,\x00\n",
        "a,b\n1,\u2028\n",
        'a,b\n1,"x""y"\n',
        'a,b\n1,x"y\n',
        'a,b\n1,"x"y\n',
        'a,b\n"1\n\n2",3\n',
        "a,b\n,\n",
        'a,b\n"","" \n',
    ],
)
def test_endings_quotes_and_controls(text: str) -> None:
    """Line ends, quotes, NUL and U+2028 as in Python."""
    data = text.encode()

    assert flat(data, 2, exact=True) == flat(data, 2)


@pytest.mark.parametrize("quote", ["'", '"', None])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_ragged_rows_keep_the_full_dialect(delimiter: str, quote: str | None) -> None:
    """A ragged row is cut again with the quote, not only the delimiter."""
    dialect = Dialect(delimiter, quote)
    mark = quote or ""
    data = delimiter.join(["a", "b"]) + "\n"
    data += (
        delimiter.join(["1", f"{mark}x{delimiter if quote else ''}y{mark}", "3"]) + "\n"
    )

    assert flat(data.encode(), 2, dialect=dialect) == flat(
        data.encode(), 2, dialect=dialect, exact=True
    )


def test_skipped_records_count() -> None:
    """Blank lines and quoted line breaks above the data count as the file has them."""
    data = b'x\n\n"a\nb",c\n1,2\n'
    batches = list(tokenize(lambda: io.BytesIO(data), Dialect(), 2, skip=3))

    assert [(4, ["1"])] == [(b.first_row, b.columns[0].to_pylist()) for b in batches]


def test_record_longer_than_the_limit() -> None:
    """A quotation mark that is never closed ends in a refusal, not in all memory."""
    data = b'a,b\n1,2\n3,"' + b"x\n" * 5_000

    with pytest.raises(RowTooLongError):
        flat(data, 2, block_bytes=64, row_bytes_max=1024)
    assert 2 == len(flat(data + b'"', 2, block_bytes=64, row_bytes_max=1 << 20))


def test_quoted_cell_with_many_line_breaks_is_one_record() -> None:
    """Row numbers count records, not lines."""
    data = b'a,b\n"' + b"\n" * 100_000 + b'",1\n2,3\n'

    assert [2, 3] == [number for number, _, _ in flat(data, 2)]


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(alphabet='a1,;"\n\r \u06cc', max_size=40),
    block=st.sampled_from([16, 17, 64]),
)
def test_any_text_is_cut_as_by_python(text: str, block: int) -> None:
    """Arrow and `csv.reader` agree on every text without a blank line."""
    data = ("a,b\n" + text).encode()
    body = "\n" + text.replace("\r\n", "\n").replace("\r", "\n")
    if "\n\n" in body:
        return
    try:
        expected = flat(data, 2, exact=True)
    except csv.Error:
        return

    assert expected == flat(data, 2, block_bytes=block)


@needs_shared
@pytest.mark.parametrize("name", ["csv-spectrum/csvs", "csv-test-data/csv"])
def test_public_suites(name: str) -> None:
    """The public suites' cells are those of `csv.reader`."""
    files = sorted((SUITES / name).glob("*.csv"))
    compared = 0
    for path in files:
        data = path.read_bytes()
        try:
            records = read_records(data.decode("utf-8-sig"), Dialect())
        except UnicodeDecodeError:
            continue
        if not records or not records[0] or [] in records:
            continue
        compared += 1
        cut = flat(data, len(records[0]))
        assert records[1:] == [list(r or c) for _, c, r in cut], path.name

    assert compared >= 8


@needs_shared
def test_polluted_files() -> None:
    """Files of the Pollock suite in UTF-8 are cut as `csv.reader` cuts them."""
    compared = 0
    for path in sorted((SUITES / "pollock").rglob("*.csv"))[:400:4]:
        data = path.read_bytes()
        try:
            text = data.decode("utf-8")
            records = read_records(text, Dialect())
        except (UnicodeDecodeError, csv.Error):
            continue
        if len(records) < 2 or len(records[0]) < 2 or [] in records:
            continue
        compared += 1
        cut = flat(data, len(records[0]))
        assert records[1:] == [list(r or c) for _, c, r in cut], path.name

    assert compared > 0 or not list((SUITES / "pollock").rglob("*.csv"))


def test_empty_batches_are_not_given() -> None:
    """A block of ragged rows only gives a batch of them, at their places."""
    data = b"a,b\n" + b"1\n" * 50 + b"1,2\n"
    batches: list[TokenBatch] = list(
        tokenize(lambda: io.BytesIO(data), Dialect(), 2, skip=1, block_bytes=16)
    )

    assert 51 == sum(batch.rows for batch in batches)
    assert all(batch.rows for batch in batches)


def test_file_is_closed(tmp_path: Path) -> None:
    """A reader that stops early leaves no open file."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 1000)
    opened = []

    def open_it() -> Any:
        opened.append(path.open("rb"))
        return opened[-1]

    batches = tokenize(open_it, Dialect(), 2, skip=1, block_bytes=64)
    next(batches)
    batches.close()  # type: ignore[attr-defined]

    assert [True] == [file.closed for file in opened]


WAYS = {
    "to its end": b"a,b\n" + b"1,2\n" * 5000,
    "empty": b"",
    "ragged": b"a,b\n" + b"1\n1,2\n" * 3000,
    "a record that is too long": b'a,b\n1,"' + b"x" * 300_000,
    "no UTF-8": b"a,b\n" + b"1,2\n" * 5000 + b"1,\xff\n" + b"1,2\n" * 5000,
}


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_arrow_holds_nothing_at_the_end(way: str, whole: bool) -> None:
    """However the cutting ends, Arrow's thread needs the interpreter no more.

    One that did when a process ended took it along: `PyGILState_Release`, signal 6.
    """
    with lending_watched() as lent:
        batches = tokenize(
            lambda: io.BytesIO(WAYS[way]),
            Dialect(),
            2,
            skip=1,
            block_bytes=4096,
            row_bytes_max=16_384,
        )
        with closing(batches), contextlib.suppress(RowTooLongError, pa.ArrowInvalid):  # type: ignore[type-var]
            for _ in batches:
                if not whole:
                    break

    assert 2 < len(lent)
    assert all(thing() is None for thing in lent)
