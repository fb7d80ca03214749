"""Bulk work: the same result as one by one, whatever dies meanwhile."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from node_world import make_config, ready
from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.executor import tasks as task_module
from shahrdad.node.executor.batch import Entry, publish_all, waves
from shahrdad.node.executor.choosing import open_executor
from shahrdad.node.executor.dask import scheduler_address, work
from shahrdad.node.executor.folder import files_of
from shahrdad.node.executor.local import LocalExecutor
from shahrdad.node.executor.task_store import Remembering, TaskStore
from shahrdad.node.executor.tasks import OnDone, Result, Task, perform
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.publish import Handed, publish
from shahrdad.node.references import families_of
from shahrdad.node.store.contract import Area
from world_check import check_world


class Inline:
    """An executor in this process; it counts, and may be told to stop."""

    def __init__(self, node: Node, stop_after: int | None = None) -> None:
        self._node, self._stop_after = node, stop_after
        self.ran = 0

    def run(
        self, tasks: Iterable[Task], *, on_done: OnDone, cancel: threading.Event
    ) -> None:
        """Run tasks backwards, since any order is allowed."""
        for task in reversed(list(tasks)):
            if self._stop_after is not None and self.ran >= self._stop_after:
                raise UnavailableError(
                    Reason.EXECUTOR_AWAY, executor="inline", detail="stopped"
                )
            self.ran += 1
            on_done(task, perform(task.function, task.arguments, self._node.store))

    def close(self) -> None:
        """Nothing runs between two runs."""


@pytest.fixture
def files(node: Node, tmp_path: Path) -> list[Handed]:
    """Three good example files, one with errors, and one that is no table."""
    spoilt = tmp_path / "permit_stats-1404.csv"
    spoilt.write_bytes(b"\x00\x01\x02\xff" * 500)
    names = ("kpi-values", "org-units", "work-sites")
    found = [handed(find_example("kerman", name)) for name in names]
    found.append(handed(find_example("kerman", "projects-bad")))
    found.append(
        handed_of(node.config, spoilt, family="permit_stats", fiscal_year=1404)
    )
    return found


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A city that is ready to publish."""
    with ready(Node(load(make_config(tmp_path)))) as found:
        yield found


def summary(entries: list[Entry]) -> dict[str, tuple[str, int | None]]:
    """Return state and version of each file."""
    return {entry.file: (entry.state, entry.version) for entry in entries}


def tables(node: Node) -> dict[str, Any]:
    """Return what every record says of its table and its report."""
    found = {}
    for dataset in node.catalog.list():
        body = node.catalog.body(dataset.digest)
        resources = [one for one in body["resources"] if one["name"] != "original"]
        found[dataset.ref] = (dataset.version, resources, body["shahrdad"])
    return found


EXPECTED = {
    "kpi-values.csv": ("published", 1),
    "org-units.csv": ("published", 1),
    "permit_stats-1404.csv": ("refused", None),
    "projects-bad.csv": ("refused", None),
    "work-sites.csv": ("published", 1),
}
PUBLISHED = {"kerman/kpi-values", "kerman/org-units", "kerman/work-sites"}


def test_batch_equals_one_by_one(
    node: Node, files: list[Handed], tmp_path: Path
) -> None:
    """The same parts, reports and versions as publishing each file by itself."""
    entries = publish_all(node, files, Inline(node))
    with ready(Node(load(make_config(tmp_path / "other")))) as other:
        for wave in waves(files):
            for one in wave:
                if one.family != "permit_stats":
                    publish(other, one)
        expected = tables(other)

    assert EXPECTED == summary(entries)
    assert expected == tables(node)


def test_local_pool(node: Node, files: list[Handed]) -> None:
    """Processes give what this process gives; a second run changes nothing."""
    config = node.config.folder
    with closing(LocalExecutor(config, 2)) as executor:
        entries = publish_all(node, files, executor)
        again = publish_all(node, files, executor)

    assert EXPECTED == summary(entries)
    assert {"unchanged", "refused"} == {entry.state for entry in again}
    assert 3 == len(node.catalog.list())


def test_a_stopped_run_goes_on(node: Node, files: list[Handed]) -> None:
    """What was done before the coordinator went is not done again."""
    first, second = Inline(node, stop_after=2), Inline(node)
    with pytest.raises(UnavailableError):
        publish_all(node, files, first)
    entries = publish_all(node, files, second)

    assert 2 == first.ran
    assert EXPECTED.keys() == summary(entries).keys()
    assert 5 == first.ran + second.ran
    assert PUBLISHED == tables(node).keys()
    assert {1} == {dataset.version for dataset in node.catalog.list()}


def test_what_was_collected_meanwhile_is_made_again(
    node: Node, files: list[Handed]
) -> None:
    """A remembered result whose objects are gone is no result."""
    first = Inline(node, stop_after=3)
    with pytest.raises(UnavailableError):
        publish_all(node, files, first)
    connection = node.database.connect()
    kept = connection.execute("SELECT sha256 FROM object_ref WHERE kind<>'job'")
    published = {Digest(raw) for (raw,) in kept}
    gone = [
        (area, digest)
        for area in (Area.OBJECT, Area.PRIVATE)
        for digest, _ in list(node.store.list(area))
        if digest not in published
    ]
    for area, digest in gone:
        node.store.delete(area, digest)
    entries = publish_all(node, files, Inline(node))

    assert gone
    assert EXPECTED.keys() == summary(entries).keys()
    assert PUBLISHED == tables(node).keys()
    check_world(node)


def test_killed_worker_is_replaced(
    node: Node, files: list[Handed], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker killed in its first task breaks the pool; all files are settled."""
    mark = tmp_path / "killed-once"
    monkeypatch.setenv("SHAHRDAD_TEST_KILL", str(mark))
    executor = LocalExecutor(node.config.folder, 2)
    monkeypatch.setattr("shahrdad.node.executor.local._perform", kill_once)
    entries = publish_all(node, files, executor)

    assert mark.exists()
    assert EXPECTED == summary(entries)


def kill_once(function: str, arguments: dict[str, Any]) -> Result:
    """Kill this worker at the first task; afterwards work."""
    from shahrdad.node.executor import local

    mark = Path(os.environ["SHAHRDAD_TEST_KILL"])
    try:
        mark.open("x").close()
    except FileExistsError:
        if local._store is None:
            raise RuntimeError("the worker was not set up") from None
        return perform(function, arguments, local._store)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def always_kill(function: str, arguments: dict[str, Any]) -> Result:
    """Kill this worker at one file; work at the others."""
    from shahrdad.node.executor import local

    if arguments["file_name"] == "org-units.csv":
        os.kill(os.getpid(), signal.SIGKILL)
    if local._store is None:
        raise RuntimeError("the worker was not set up")
    return perform(function, arguments, local._store)


def test_task_that_kills_three_workers_fails(
    node: Node, files: list[Handed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that always ends its worker is named; nothing goes on for ever."""
    monkeypatch.setattr("shahrdad.node.executor.local._perform", always_kill)
    executor = LocalExecutor(node.config.folder, 2)
    with pytest.raises(UnavailableError) as error:
        publish_all(node, files, executor)

    assert "TASK_KILLED" == error.value.reason
    assert "org-units.csv" == error.value.values["file"]


def test_cancelled_run_commits_no_more(node: Node, files: list[Handed]) -> None:
    """What is set to end ends, and says what it did."""
    cancel = threading.Event()
    cancel.set()

    assert [] == publish_all(node, files, Inline(node), cancel=cancel)
    assert [] == node.catalog.list()


def test_remembered_results_are_of_the_same_task(node: Node) -> None:
    """Another argument is another task; the same one is not run again."""
    ran: list[str] = []

    class Counting:
        def run(
            self, tasks: Iterable[Task], *, on_done: OnDone, cancel: threading.Event
        ) -> None:
            for task in tasks:
                ran.append(task.arguments["a"])
                on_done(task, {"a": task.arguments["a"]})

        def close(self) -> None:
            pass

    executor = Remembering(Counting(), TaskStore(node.database))
    got: list[Result] = []
    for name in ("x", "y", "x"):
        executor.run(
            [Task("judge", {"a": name})],
            on_done=lambda task, result: got.append(result),
            cancel=threading.Event(),
        )

    assert ["x", "y"] == ran
    assert [{"a": "x"}, {"a": "y"}, {"a": "x"}] == got


def test_task_ids_follow_from_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of arguments does not matter; the software version does."""
    one, same = Task("judge", {"a": 1, "b": 2}), Task("judge", {"b": 2, "a": 1})
    before = one.id
    assert before == same.id
    monkeypatch.setattr(task_module, "software", lambda: "another")
    assert before != one.id


def test_only_known_functions_are_performed(node: Node) -> None:
    """A task cannot name any function of Python."""
    with pytest.raises(KeyError):
        perform("os.system", {}, node.store)


def test_waves_follow_the_rules(files: list[Handed]) -> None:
    """A file is judged after those that its rules look into, and all are judged."""
    found = waves(files)
    later = {one.family for wave in found[1:] for one in wave}

    assert 2 <= len(found)
    assert sorted(one.family for one in files) == sorted(
        one.family for wave in found for one in wave
    )
    for one in found[0]:
        assert not (families_of(one.family) - {one.family}) & later


def test_four_eyes_refuse_a_batch(node: Node, files: list[Handed]) -> None:
    """Where two persons must approve, no batch publishes alone."""
    from dataclasses import replace

    strict = replace(
        node.config, publish=replace(node.config.publish, approval="four-eyes")
    )
    node.config = strict
    with pytest.raises(RequestError) as error:
        publish_all(node, files, Inline(node))
    assert "APPROVAL_NEEDED" == error.value.reason


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("budget.csv", "", "BATCH_FILE_UNCLEAR"),
        ("budget_lines.csv", "", "YEAR_NEEDED"),
        ("x.csv", '["x.csv"]\nfamilie = "ideas"', "CONFIG_KEY_UNKNOWN"),
        ("x.csv", "[", "CONFIG_SYNTAX"),
        ("README.md", "", "BATCH_EMPTY"),
    ],
)
def test_unclear_folders_are_refused(
    node: Node, tmp_path: Path, name: str, text: str, reason: str
) -> None:
    """What a file is must be clear before anything is stored."""
    folder = tmp_path / "unclear"
    folder.mkdir()
    (folder / name).write_text("a", "utf-8")
    if text:
        (folder / "batch.toml").write_text(text, "utf-8")
    with pytest.raises(RequestError) as error:
        files_of(node.config, folder)
    assert reason == error.value.reason


def test_batch_toml_says_what_names_do_not(node: Node, tmp_path: Path) -> None:
    """A file of any name, described; the name's year; the slug."""
    folder = tmp_path / "named"
    folder.mkdir()
    for name in ("بودجه نهایی.xlsx", "permit_stats-1403.csv"):
        (folder / name).write_bytes(b"x")
    (folder / "batch.toml").write_text(
        '["بودجه نهایی.xlsx"]\nfamily = "budget_lines"\nyear = 1404\nunit = "toman"\n',
        "utf-8",
    )
    found: list[Handed] = files_of(node.config, folder)

    assert ["permit-stats", "budget-1404"] == [one.slug for one in found]
    assert {"unit": "toman"} == found[1].options


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ray://x:1",
        "dask://",
        "dask://x",
        "dask://x:0",
        "dask://x:port",
        "dask://x:1/y",
        "tcp://x:1",
        "local:",
        "local:0",
        "local:x",
    ],
)
def test_unknown_executors_are_refused(name: str, tmp_path: Path) -> None:
    """Only `local`, `local:N` and `dask://host:port`."""
    with pytest.raises(RequestError) as error:
        open_executor(name, tmp_path)
    assert "EXECUTOR_UNKNOWN" == error.value.reason


def test_worker_of_no_scheduler_says_so(tmp_path: Path) -> None:
    """Where there is no certificate for TLS, or no such computer."""
    with pytest.raises(UnavailableError) as error:
        asyncio.run(work("dask://nowhere.invalid:8786", make_config(tmp_path)))
    assert "EXECUTOR_AWAY" == error.value.reason


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("dask://127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        ("dask://[::1]:8786", "tcp://[::1]:8786"),
        ("dask://localhost:8786", "tcp://localhost:8786"),
        ("dask://10.0.0.5:8786", "tls://10.0.0.5:8786"),
        ("dask://dask.kerman.ir:8786", "tls://dask.kerman.ir:8786"),
    ],
)
def test_dask_off_loopback_is_tls(address: str, expected: str) -> None:
    """A scheduler executes what it is sent, so plain text stays on this computer."""
    assert expected == scheduler_address(address)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


def test_dask_workers(node: Node, files: list[Handed]) -> None:
    """Two worker processes, one killed midway, give what this process gives."""
    if os.environ.get("SHAHRDAD_LONG") != "1":
        pytest.skip("a scheduler and two workers start slowly: SHAHRDAD_LONG=1")
    pytest.importorskip("distributed", reason='Dask needs the extra "dask"')
    port = free_port()
    scheduler = subprocess.Popen(
        [
            *(sys.executable, "-m", "distributed.cli.dask_scheduler"),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--dashboard-address", "127.0.0.1:0"),
        ]
    )
    command = [sys.executable, "-m", "shahrdad.node.cli", "worker"]
    command += [f"dask://127.0.0.1:{port}", "-c", str(node.config.folder)]
    started = [subprocess.Popen(command) for _ in range(2)]
    try:
        executor = open_executor(f"dask://127.0.0.1:{port}", node.config.folder)
        killed = threading.Event()

        def kill(entry: Entry) -> None:
            if not killed.is_set():
                killed.set()
                started[0].kill()

        began = time.monotonic()
        entries = publish_all(node, files, executor, on_entry=kill)
        assert EXPECTED == summary(entries)
        assert killed.is_set()
        assert time.monotonic() - began < 120
    finally:
        for process in (*started, scheduler):
            process.terminate()
        for process in (*started, scheduler):
            process.wait(30)
