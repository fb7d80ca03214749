"""Files on the reader's disk, and tables in other packages' hands."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from client_city import City, Transport, budget, reader
from shahrdad.client import Dataset, NetworkError, NotFound, saving, tables
from shahrdad.datasets.errors import Reason


def opened(parts: int = 1) -> Dataset:
    """Return a dataset of one or two parts."""
    city = City()
    city.publish(parts=[budget(3), budget(5).slice(3)][:parts])
    node = reader(Transport(city), policy=city.policy())
    return node.dataset("kerman/budget-1404")


def test_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    """A name says city, dataset and version; the proof lies beside the table."""
    written = opened().save(tmp_path / "new", ["parquet", "csv", "arrow", "xlsx"])

    assert [
        "kerman--budget-1404--v1.parquet",
        "kerman--budget-1404--v1.csv",
        "kerman--budget-1404--v1.arrow",
        "kerman--budget-1404--v1.xlsx",
        "kerman--budget-1404--v1.record.json",
        "kerman--budget-1404--v1.tlog-proof",
    ] == [path.name for path in written]
    assert written == [path for path in written if path.is_file()]
    assert sorted(written) == sorted((tmp_path / "new").iterdir())


def test_parts_are_saved_one_by_one(tmp_path: Path) -> None:
    """Each part keeps the bytes that the record names, and so can be verified."""
    dataset = opened(2)
    written = dataset.save(tmp_path)

    assert ["…0001.parquet", "…0002.parquet"] == [
        f"…{path.name[-12:]}" for path in written[:2]
    ]
    assert [content for _, content in dataset.contents()] == [
        path.read_bytes() for path in written[:2]
    ]


def test_arrow_file_holds_the_table(tmp_path: Path) -> None:
    """The Arrow file is the table."""
    dataset = opened()
    path = dataset.save(tmp_path, ["arrow"])[0]

    with pa.ipc.open_file(path) as file:
        assert dataset.table().equals(file.read_all())


def test_csv_keeps_null_empty_and_large_apart() -> None:
    """RFC 4180: CRLF, null is nothing, empty text is quoted, no digit is lost."""
    table = pa.table(
        {
            "n": pa.array([None, 2**60], pa.int64()),
            "t": ["", 'a "b", ی'],
            "when": pa.array(
                [None, datetime(2026, 2, 1, 12, tzinfo=UTC)], pa.timestamp("us", "UTC")
            ),
            "list": [["a", "b"], None],
        }
    )
    data = saving.csv_bytes(table)

    assert data.startswith(b'n,t,when,list\r\n,"",,"[""a"",""b""]"\r\n')
    assert [str(2**60), 'a "b", ی', "2026-02-01T12:00:00Z", ""] == list(
        csv.reader(io.StringIO(data.decode()))
    )[2]


def test_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """A misspelt format names the known ones, and leaves no folder behind."""
    with pytest.raises(NotFound, match="xlsx"):
        opened().save(tmp_path / "new", ["parket"])
    assert not (tmp_path / "new").exists()


def test_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    """A file is there whole or not at all."""
    (tmp_path / "a").mkdir()

    with pytest.raises(OSError):  # noqa: PT011 — the platforms name it differently
        saving.write(tmp_path / "a", b"x")
    assert [tmp_path / "a"] == list(tmp_path.iterdir())


def test_pandas_keeps_integers_beside_nulls() -> None:
    """2^53 and above survive, although the column has a null."""
    frame = opened().to_pandas()

    assert "int64[pyarrow]" == str(frame["approved_rial"].dtype)
    assert [0, 2 * 10**12] == frame["approved_rial"].dropna().tolist()


def test_polars_and_duckdb_read_the_same_rows() -> None:
    """The same table, whatever reads it."""
    dataset = opened()
    frame = dataset.to_polars(columns=["line_code"])
    with duckdb.connect() as connection:
        rows = dataset.scan(connection).aggregate("sum(approved_rial)").fetchall()

    assert pl.DataFrame({"line_code": ["000000", "000001", "000002"]}).equals(frame)
    assert [(2 * 10**12,)] == rows


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no pandas is told the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)

    with pytest.raises(NetworkError) as caught:
        tables.to_pandas(budget())
    assert Reason.PACKAGE_ABSENT is caught.value.reason
    assert "pip install pandas" in str(caught.value)
