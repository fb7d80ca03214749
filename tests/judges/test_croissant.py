"""mlcroissant validates each dataset and loads its rows."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

mlcroissant = pytest.importorskip(
    "mlcroissant", reason="judge not installed: mlcroissant"
)
pytestmark = pytest.mark.filterwarnings("ignore")


def test_every_dataset_validates_without_a_warning(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Warnings are only logged, so the log is judged too."""
    with caplog.at_level(logging.WARNING):
        for one in served.datasets:
            found = served.json(f"/d/{one['ref']}.croissant.json")
            issues = mlcroissant.Dataset(jsonld=found).metadata.issues

            assert (set(), set()) == (issues.errors, issues.warnings), one["ref"]
    assert [] == [record.message for record in caplog.records]


def test_rows_are_loaded_from_the_address(served: Any, tmp_path: Path) -> None:
    """The file is downloaded, its digest checked, its rows read."""
    (one, *_) = served.datasets
    file = tmp_path / "croissant.json"
    file.write_text(json.dumps(served.json(f"/d/{one['ref']}.croissant.json")), "utf-8")
    dataset = mlcroissant.Dataset(jsonld=str(file))
    (records, *_) = dataset.metadata.record_sets
    rows = [
        row for row, _ in zip(dataset.records(records.uuid), range(5), strict=False)
    ]

    assert min(5, one["resources"][0]["rows"]) == len(rows)
