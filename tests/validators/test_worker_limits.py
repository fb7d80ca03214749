"""Validation in a process of its own: same report, bounded, cancelled, nothing left."""

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shahrdad.validators import Cancelled, CancelToken, Context, Options, validate
from shahrdad.validators.worker import WorkerLimits, validate_isolated

SCHEMA: dict[str, Any] = {
    "fields": [{"name": "id", "type": "integer"}, {"name": "v", "type": "string"}],
    "primaryKey": "id",
    "custom_checks": [
        {
            "id": "R",
            "name": "row-condition",
            "message_en": "{value} is not it.",
            "params": {"then": {"column": "v", "op": "=", "value": "@city_code"}},
        }
    ],
}
BAD = "id,v\n1,1346\nx,۱\n1,1346\n".encode()
APART = Options(isolate=True, delimiter=",")
HERE = Options(delimiter=",")


class Rows:
    """A sink that counts."""

    def __init__(self) -> None:
        self.rows = 0
        self.ends: list[str] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Count the rows."""
        self.rows += batch.num_rows

    def commit(self) -> None:
        """Note the end."""
        self.ends.append("commit")

    def abort(self) -> None:
        """Note the end."""
        self.ends.append("abort")


def limited(data: bytes | Path, limits: WorkerLimits, cancel: Any = None) -> Any:
    """Validate in a worker with limits of our own."""
    return validate_isolated(
        data,
        SCHEMA,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        cancel,
        HERE,
        limits,
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that takes some seconds with unique texts to judge."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    with path.open("w") as file:
        file.write("id,v\n")
        file.writelines(f"x{n},{n}\n" for n in range(600_000))
    return path


def test_report_is_the_same() -> None:
    """The report of a worker is that of the same process, byte for byte."""
    context = Context(city_code="1346")

    apart = validate(BAD, schema=SCHEMA, context=context, options=APART)
    here = validate(BAD, schema=SCHEMA, context=context, options=HERE)

    assert here.to_json(stored=True) == apart.to_json(stored=True)
    assert here.to_text("fa") == apart.to_text("fa")


def test_rows_reach_the_sink_of_the_parent(tmp_path: Path) -> None:
    """Typed rows come through a file, only when the table is valid."""
    good, bad = Rows(), Rows()
    told: list[Any] = []

    validate(
        b"id,v\n1,a\n2,b\n",
        schema=SCHEMA,
        sink=good,
        options=APART,
        on_progress=told.append,
        parquet=tmp_path / "t.parquet",
    )
    validate(BAD, schema=SCHEMA, sink=bad, options=APART)

    assert (2, ["commit"]) == (good.rows, good.ends)
    assert (0, ["abort"]) == (bad.rows, bad.ends)
    assert "done" == told[-1].stage
    assert (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (WorkerLimits(cpu_seconds=1), "1 s CPU"),
        (WorkerLimits(wall_seconds=0.5), "0.5 s"),
        (WorkerLimits(memory_bytes=150 << 20), "157286400 bytes (memory)"),
    ],
    ids=["cpu", "wall", "memory"],
)
def test_limit_is_named(large: Path, limits: WorkerLimits, said: str) -> None:
    """A worker that meets its limit gives a report that names it."""
    report = limited(large, limits)

    assert [("engine-limit", said)] == [
        (i.code, i.values["value"]) for i in report.issues
    ]
    assert not report.valid


def test_cancel_ends_the_worker(large: Path) -> None:
    """A token set while the worker runs ends it within a batch, and nothing is left."""
    token = CancelToken()
    threading.Timer(1.0, token.cancel).start()
    started = time.monotonic()

    with pytest.raises(Cancelled):
        limited(large, WorkerLimits(), token)

    assert time.monotonic() - started < 30


def test_misuse_is_raised_from_the_worker() -> None:
    """A mistake of the caller is raised here, though it was found there."""
    with pytest.raises(ValueError, match="neither a file nor a family"):
        validate(BAD, schema="nowhere", options=APART)


def test_no_secret_reaches_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's environment is its own."""
    seen: dict[str, Any] = {}
    real = subprocess.Popen

    def spy(*arguments: Any, **more: Any) -> Any:
        seen.update(more)
        return real(*arguments, **more)

    monkeypatch.setenv("SHAHRDAD_SECRET", "x")
    monkeypatch.setattr(subprocess, "Popen", spy)
    validate(b"id,v\n1,a\n", schema=SCHEMA, options=APART)

    assert "SHAHRDAD_SECRET" not in seen["env"]
    assert "system" == seen["env"]["ARROW_DEFAULT_MEMORY_POOL"]
    assert not Path(seen["cwd"]).exists()
    assert os.environ["SHAHRDAD_SECRET"] == "x"
