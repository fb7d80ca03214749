"""The shadow behind frictionless' own tests (`tools/shadow.py`) sees what differs."""

import json
from pathlib import Path
from typing import Any

import pytest
from frictionless import Resource

from shadow_plugin import Shadow
from shahrdad.validators import compat

SCHEMA = {"fields": [{"name": "a", "type": "integer"}]}


def run(folder: Path, resource: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Validate with a shadow; return the report and the note."""
    shadow = Shadow(folder / "notes.jsonl")
    report = shadow.validate(resource, **options)
    note: dict[str, Any] = json.loads((folder / "notes.jsonl").read_text())
    return report, note


def table(folder: Path) -> Any:
    """Return a table with two errors."""
    (folder / "t.csv").write_text("a\nx\n1\ny\n")
    descriptor = {"name": "t", "type": "table", "path": "t.csv", "schema": SCHEMA}
    return Resource.from_descriptor(descriptor, basepath=str(folder))


def test_same_report_is_noted_as_such(tmp_path: Path) -> None:
    """The caller gets frictionless' report; the note says that ours is the same."""
    report, note = run(tmp_path, table(tmp_path), limit_errors=1)

    assert 1 == report.stats["errors"]
    assert ("kernels", 1, None) == (
        note["route"],
        note["descriptors"],
        note["difference"],
    )


def test_difference_is_noted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report of ours that lacks an error stands in the note beside frictionless'."""
    monkeypatch.setattr(compat.Run, "cells_of", lambda self, numbers, outcome: iter(()))

    _, note = run(tmp_path, table(tmp_path))

    theirs, ours = note["difference"]
    assert (2, 0) == (theirs["stats"]["errors"], ours["stats"]["errors"])
