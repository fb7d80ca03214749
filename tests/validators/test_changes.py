"""All changes of normalisation as a file: what the report only samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from shahrdad.validators import Options, validate
from shahrdad.validators.changes import ChangesFile

SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "code", "type": "string", "shahrdad": {"kind": "code"}},
        {"name": "amount", "type": "integer", "shahrdad": {"kind": "money"}},
    ]
}
TEXT = "code,amount\n۱۲,۵\n13,6\n۱۲,«۷»\n".encode()
PROFILE = {"money_unit": "thousand_rial", "calendar": "jalali"}


@pytest.mark.parametrize("isolate", [False, True])
def test_every_change_is_listed(tmp_path: Path, isolate: bool) -> None:
    """Row, column, step and both texts of every change, also of a wrong table."""
    path = tmp_path / "changes.parquet"
    report = validate(
        TEXT,
        schema=SCHEMA,
        profile=PROFILE,
        changes=path,
        options=Options(delimiter=",", isolate=isolate),
    )
    rows = [tuple(row.values()) for row in pq.read_table(path).to_pylist()]
    counted = {(n["column"], n["step"]): n["changed"] for n in report.normalisation}

    assert not report.valid
    assert (2, "code", "digits", "۱۲", "12") in rows
    assert (3, "amount", "money-unit", "6", "6000") in rows
    assert counted == {
        key: sum(row[1:3] == key for row in rows)
        for key in {(row[1], row[2]) for row in rows}
    }
    assert b"false" == pq.read_metadata(path).metadata[b"truncated"]


def test_file_is_bounded(tmp_path: Path) -> None:
    """As many changes as may be are kept; one more is left out, and that is said."""
    for count, said in ((3, b"false"), (4, b"true")):
        file = ChangesFile(tmp_path / "c.parquet", changes_max=3)
        file.add("a", "digits", np.arange(count), ["۱"] * count, ["1"] * count)
        file.commit()

        assert 3 == pq.read_metadata(file.path).num_rows
        assert said == pq.read_metadata(file.path).metadata[b"truncated"]


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    """A run that ends before its time leaves no file and no part of one."""
    with pytest.raises(ValueError, match="neither a file nor a family"):
        validate(TEXT, schema="nowhere", changes=tmp_path / "c.parquet")

    assert [] == list(tmp_path.iterdir())
