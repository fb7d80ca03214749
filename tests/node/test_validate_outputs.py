"""`shahrdad validate`: what it writes beside its report, and with which exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

SCHEMA: dict[str, Any] = {
    "fields": [{"name": "id", "type": "integer"}, {"name": "نام", "type": "string"}],
    "primaryKey": "id",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a table, of which two rows are wrong, and its schema."""
    (tmp_path / "t.csv").write_text("id,نام\n1,آ\nx,ب\n1,پ\n", "utf-8")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA), "utf-8")
    return tmp_path


def shahrdad(folder: Path, *arguments: str, code: int) -> str:
    """Run the command with JSON; return what it prints."""
    command = [sys.executable, "-m", "shahrdad.node.cli", "validate", "t.csv"]
    run = subprocess.run(
        [*command, *arguments, "--json", "--lang", "en"],
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
        timeout=60,
    )
    assert code == run.returncode, run.stderr
    return run.stdout


def test_rows_with_errors_go_to_the_quarantine(folder: Path) -> None:
    """The others go to the Parquet file; the table is still not valid."""
    files = ("--parquet", "good.parquet", "--quarantine", "bad.parquet")

    report = json.loads(shahrdad(folder, "--schema", "schema.json", *files, code=3))

    assert 2 == report["shahrdad"]["quarantine"]["rows"]
    assert [1] == pq.read_table(folder / "good.parquet").column("id").to_pylist()
    assert [3, 4] == pq.read_table(folder / "bad.parquet").column("_row").to_pylist()


def test_a_standard_that_does_not_allow_it_is_refused(folder: Path) -> None:
    """It is said before anything is read; compat knows no quarantine either."""
    asked = ("--quarantine", "bad.parquet")

    refused = json.loads(shahrdad(folder, "-s", "projects", *asked, code=2))
    compat = ("--schema", "schema.json", "--mode", "compat")
    shahrdad(folder, *compat, *asked, code=2)

    assert "QUARANTINE_NOT_ALLOWED" == refused["title"]
    assert not (folder / "bad.parquet").exists()


def test_compat_without_a_limit_streams_the_descriptor(folder: Path) -> None:
    """The bytes are those of `json.dumps`; the exit code is as with a limit."""
    compat = ("--schema", "schema.json", "--mode", "compat", "--limit-errors")

    text = shahrdad(folder, *compat, "0", code=3)
    limited = json.loads(shahrdad(folder, *compat, "1000", code=3))

    streamed = json.loads(text)
    assert json.dumps(streamed, ensure_ascii=False) + "\n" == text
    assert limited["tasks"][0]["errors"] == streamed["tasks"][0]["errors"]
