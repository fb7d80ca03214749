"""Every bound is met from both sides: at it a file is read, beyond it refused."""

import dataclasses
import gzip
import io
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.datasets.standards import load
from shahrdad.validators.container import look
from shahrdad.validators.importing import open_table
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.sheets import workbook as sheets
from shahrdad.validators.source import Source
from workbook_files import xlsx_of

HERE = Path(__file__).parent


def rows_of(content: bytes, limits: Limits) -> int | Reason:
    """Return how many rows a file has, or why it is refused."""
    try:
        table = open_table(content, limits=limits)
        return sum(batch.rows_count for batch in table.batches)
    except DataError as error:
        return error.reason


def test_every_bound_is_tested() -> None:
    """No bound of ours goes without a test that names it."""
    tests = "".join(path.read_text("utf-8") for path in HERE.glob("test_*.py"))

    assert [] == [f.name for f in dataclasses.fields(Limits) if f.name not in tests]


def test_inflation_ratio() -> None:
    """What unpacks to as many bytes for each packed one as may be is read."""
    text = b"id,n\n" + b"1,2\n" * 50_000
    packed = gzip.compress(text, mtime=0)
    ratio = -(-len(text) // len(packed))
    free = replace(DEFAULT, inflation_free_bytes=1)

    assert 50_000 == rows_of(packed, replace(free, inflation_ratio_max=ratio))
    assert Reason.SOURCE_INFLATES == rows_of(
        packed, replace(free, inflation_ratio_max=ratio - 1)
    )


def test_dense_rows_of_parquet() -> None:
    """Rows that are all alike may be many; long texts that are may not."""
    out = io.BytesIO()
    pq.write_table(pa.table({"name": ["a" * 100] * 2_000}), out)
    tight = replace(DEFAULT, inflation_free_bytes=1, inflation_ratio_max=20)

    assert 2_000 == rows_of(out.getvalue(), replace(tight, dense_row_bytes=100))
    assert Reason.SOURCE_INFLATES == rows_of(
        out.getvalue(), replace(tight, dense_row_bytes=99)
    )


def test_column_of_parquet_inflates() -> None:
    """A column whose pages are far denser than a table's is refused unread."""
    out = io.BytesIO()
    table = pa.table({"name": ["a" * 50_000, "b" * 50_000]})
    pq.write_table(table, out, compression="zstd", use_dictionary=False)
    free = replace(DEFAULT, inflation_free_bytes=1)

    assert 2 == rows_of(out.getvalue(), replace(free, inflation_ratio_max=10_000))
    assert Reason.SOURCE_INFLATES == rows_of(
        out.getvalue(), replace(free, inflation_ratio_max=10)
    )


@pytest.mark.parametrize(
    ("bounds", "rows"),
    [
        ({"sparse_cells_min": 99, "sparse_ratio": 10, "empty_rows_max": 20}, 1),
        ({"sparse_cells_min": 99, "sparse_ratio": 10, "empty_rows_max": 48}, 50),
        ({"sparse_cells_min": 100, "sparse_ratio": 10, "empty_rows_max": 20}, 50),
        ({"sparse_cells_min": 99, "sparse_ratio": 50, "empty_rows_max": 20}, 50),
    ],
    ids=["sparse", "short gap", "small", "full enough"],
)
def test_sparse_sheet(bounds: dict[str, int], rows: int) -> None:
    """A large, mostly empty sheet ends where enough empty rows follow each other."""
    content = xlsx_of({"s": [("a", "b"), *[(None, None)] * 48, ("x", None)]})
    source = Source.of(content)
    workbook = sheets.open_workbook(source, look(source), replace(DEFAULT, **bounds))

    assert rows == len(workbook.read("s").rows)


def test_sample_and_header_rows() -> None:
    """A header is looked for in so many bytes and rows, and no further."""
    standard = load("active_systems")
    header = ",".join(field.name for field in standard.fields).encode() + b"\n"
    content = b"x,y\n" * 9 + header
    most = replace(DEFAULT, header_rows_looked_at=10, sample_bytes_max=len(content))

    def labels(limits: Limits) -> int | Reason:
        try:
            return len(open_table(content, standard=standard, limits=limits).labels)
        except DataError as error:
            return error.reason

    assert len(standard.fields) == labels(most)
    assert Reason.SOURCE_HEADER == labels(replace(most, header_rows_looked_at=9))
    assert Reason.SOURCE_HEADER == labels(replace(most, sample_bytes_max=36))
