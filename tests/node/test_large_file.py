"""One large file in ranges: the objects of one pass, whatever dies meanwhile."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_world import make_config, ready
from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.demonstration.world import free_ports
from shahrdad.node.executor import part_places, sorted_rows
from shahrdad.node.executor.choosing import open_executor
from shahrdad.node.executor.large import publish_large
from shahrdad.node.executor.part_places import candidate, cut_places, groups
from shahrdad.node.executor.ranges import plan_of
from shahrdad.node.executor.sorted_rows import ranks
from shahrdad.node.executor.tasks import Executor, OnDone, Task, perform
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.publish import Handed, Outcome, publish
from shahrdad.node.store.contract import Area
from shahrdad.node.table import layout, parquet

RANGE_BYTES = 48 * 1024
HEADER = (
    "city_code,fiscal_year,report_period,budget_stage,as_of_date,budget_scope,"
    "org_unit_id,side,economic_class,line_code,line_title,is_subtotal,program_code,"
    "plan_code,payment_nature,approved_rial,notes"
)


class Inline:
    """An executor in this process, which may stop after some tasks."""

    def __init__(self, node: Node, stop_after: int | None = None) -> None:
        self._node, self._stop_after = node, stop_after
        self.ran: list[str] = []

    def run(
        self, tasks: Iterable[Task], *, on_done: OnDone, cancel: threading.Event
    ) -> None:
        """Run tasks backwards, since any order is allowed."""
        for task in reversed(list(tasks)):
            if len(self.ran) == self._stop_after:
                raise UnavailableError(
                    Reason.EXECUTOR_AWAY, executor="inline", detail="stopped"
                )
            self.ran.append(task.function)
            on_done(task, perform(task.function, task.arguments, self._node.store))

    def close(self) -> None:
        """Nothing runs between two runs."""


def budget(rows: int, changed: int | None = None, twice: bool = False) -> str:
    """Return a budget whose rows are not in the order of their key."""
    order = list(range(rows))
    random.Random(5).shuffle(order)  # the same order each time
    lines = [HEADER]
    for number in order:
        side, kind = ("use", "current_expense") if number % 2 else ("source", "revenue")
        code = 0 if twice and number > rows - 3 else number // 2
        title = "تازه" if number == changed else f'"ردیف، {number % 11}\nدو"'
        lines.append(
            f"1346,۱۴۰۴,annual,approved,2025-03-20,municipality,mali,{side},{kind},"
            f"{code:06},{title},false,0,0,mixed,۱۲۰۰۰,"
        )
    return "\n".join(lines) + "\n"


def a_node(folder: Path) -> Node:
    """Return a city that is ready to publish."""
    return ready(Node(load(make_config(folder))))


def handed(node: Node, text: str) -> Handed:
    """Return a budget as it is handed in."""
    file = node.config.data / "budget_lines.csv"
    file.write_text(text, "utf-8")
    return handed_of(node.config, file, family="budget_lines", fiscal_year=1404)


def objects(node: Node, outcome: Outcome) -> dict[str, Any]:
    """Return report and table of a file, as the record names them."""
    found: dict[str, Any] = {"state": outcome.state, "report": outcome.report_digest}
    if outcome.digest is not None:
        body = node.catalog.body(outcome.digest)
        found["tables"] = [one for one in body["resources"] if one["name"] != "record"]
        found["change"] = body["shahrdad"].get("change")
        found["quality"] = body["shahrdad"]["quality"]
    return found


def in_one_pass(folder: Path, *texts: str) -> dict[str, Any]:
    """Publish versions one pass each; return what the last is."""
    with a_node(folder) as node:
        for text in texts:
            outcome, _ = publish(node, handed(node, text))
        return objects(node, outcome)


def large(node: Node, text: str, executor: Executor) -> Outcome:
    """Publish a budget in small ranges."""
    file = handed(node, text)
    tell = lambda stage, done, total: None  # noqa: E731
    outcome, _ = publish_large(node, file, executor, tell, RANGE_BYTES)
    return outcome


def steps_left(node: Node) -> list[str]:
    """Return the private objects besides originals and reports."""
    names = node.database.connect().execute(
        "SELECT sha256 FROM object_ref WHERE area='private' AND kind='original'"
    )
    known = {raw for (raw,) in names}
    return [
        digest.hex
        for digest, _ in node.store.list(Area.PRIVATE)
        if digest.raw not in known
    ]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse and cut in small pieces, so that a small table has many parts."""
    for module in (layout, parquet, part_places):
        monkeypatch.setattr(module, "SINGLE_ROWS_MAX", 300)
    for module in (layout, sorted_rows):
        monkeypatch.setattr(module, "CUT_ROWS_MIN", 16)
    monkeypatch.setattr(part_places, "GROUP_ROWS", 200)
    monkeypatch.setattr(sorted_rows, "CHUNK_ROWS", 50)


OPTIONS = {"block_bytes": 16 * 1024}


@pytest.fixture(autouse=True)
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in blocks of 16 KiB everywhere, workers too: the options say so."""
    inner = handed_of

    def small(*given: Any, **named: Any) -> Handed:
        return inner(*given, **named, options=OPTIONS)

    monkeypatch.setitem(globals(), "handed_of", small)


@pytest.mark.usefixtures("small_blocks")
def test_parts_and_report_are_those_of_one_pass(tmp_path: Path) -> None:
    """Many parts in many groups, and a second version that uses old parts again."""
    texts = budget(1_500), budget(1_500, changed=77)
    expected = in_one_pass(tmp_path / "one", *texts)
    with a_node(tmp_path / "many") as node:
        executor = Inline(node)
        for text in texts:
            outcome = large(node, text, executor)
        parts = [r for r in expected["tables"] if r["shahrdad"]["role"] == "part"]

        assert len(parts) > 10
        assert executor.ran.count("write-parts") > 6
        assert expected == objects(node, outcome)
        assert [] == steps_left(node)


def test_a_file_with_errors(tmp_path: Path) -> None:
    """A key that two ranges share is found, nothing is published, nothing is left."""
    text = budget(1_200, twice=True)
    expected = in_one_pass(tmp_path / "one", text)
    with a_node(tmp_path / "many") as node:
        outcome = large(node, text, Inline(node))

        assert "refused" == outcome.state
        assert expected == objects(node, outcome)
        assert [] == steps_left(node)
        counts = outcome.report["shahrdad"]["counts"]["by_code"]
        assert counts["key-primary"] >= 2


def test_a_stopped_coordinator_goes_on(tmp_path: Path) -> None:
    """What was done before is not done again; the result is one version."""
    text = budget(1_500)
    expected = in_one_pass(tmp_path / "one", text)
    with a_node(tmp_path / "many") as node:
        first, second = Inline(node, stop_after=2), Inline(node)
        with pytest.raises(UnavailableError):
            large(node, text, first)
        plan = plan_of(handed(node, text), RANGE_BYTES)
        ranges = len(plan.ranges) if plan else 0
        outcome = large(node, text, second)
        again = large(node, text, Inline(node))

        assert expected == objects(node, outcome)
        assert ("published", 1) == (outcome.state, outcome.version)
        assert "unchanged" == again.state
        assert ["judge-range"] * 2 == first.ran
        assert ranges - 2 == second.ran.count("judge-range")
        assert [] == steps_left(node)


def test_a_killed_coordinator_goes_on(tmp_path: Path) -> None:
    """After SIGKILL the same command takes up the judged ranges and publishes once."""
    text = budget(1_500)
    expected = in_one_pass(tmp_path / "one", text)
    config = make_config(tmp_path / "many")
    with ready(Node(load(config))) as node:
        file = handed(node, text).file
    program = (
        "import os, sys\n"
        "sys.path.insert(0, sys.argv[3])\n"
        "import test_large_file as t\n"
        "from pathlib import Path\n"
        "node = t.ready(t.Node(t.load(Path(sys.argv[1]))))\n"
        "inner = t.perform\n"
        "done = []\n"
        "def once(*given):\n"
        "    done.append(1)\n"
        "    if len(done) == 3: os.kill(os.getpid(), 9)\n"
        "    return inner(*given)\n"
        "t.perform = once\n"
        "made = t.handed_of(node.config, Path(sys.argv[2]), family='budget_lines',\n"
        "    fiscal_year=1404, options=t.OPTIONS)\n"
        "t.publish_large(node, made, t.Inline(node), lambda *_: None, t.RANGE_BYTES)\n"
    )
    folders = os.pathsep.join(str(Path(__file__).parents[n]) for n in (0, 1))
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            str(config),
            str(file),
            str(Path(__file__).parent),
        ],
        env={**os.environ, "PYTHONPATH": folders},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert -signal.SIGKILL == killed.returncode, killed.stderr.decode()
    with ready(Node(load(config))) as node:
        remembered = node.database.connect().execute("SELECT COUNT(*) FROM task")
        (count,) = remembered.fetchone()
        executor = Inline(node)
        outcome = large(node, text, executor)

        assert 2 == count
        assert expected == objects(node, outcome)
        assert [] == steps_left(node)


@contextmanager
def pool(config: Path) -> Iterator[tuple[str, list[int]]]:
    """Give the name of a pool of two processes; their ids come when it works."""
    yield "local:2", []


@contextmanager
def dask(config: Path) -> Iterator[tuple[str, list[int]]]:
    """Run a Dask scheduler and two workers, each a process of its own."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    started = [subprocess.Popen([*command, "--dashboard-address", "127.0.0.1:0"])]
    work = [sys.executable, "-m", "shahrdad.node.cli", "worker"]
    work += [f"dask://127.0.0.1:{port}", "-c", str(config)]
    started += [subprocess.Popen(work) for _ in range(2)]
    try:
        yield f"dask://127.0.0.1:{port}", [started[1].pid]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


@pytest.mark.parametrize("cluster", [pool, dask])
def test_a_killed_worker_changes_nothing(tmp_path: Path, cluster: Any) -> None:
    """Of two processes one is killed midway: the objects of one pass, one version."""
    if cluster is dask and os.environ.get("SHAHRDAD_LONG") != "1":
        pytest.skip("a scheduler and two workers start slowly: SHAHRDAD_LONG=1")
    if cluster is dask:
        pytest.importorskip("distributed", reason='Dask needs the extra "dask"')
    text = budget(6_000)
    expected = in_one_pass(tmp_path / "one", text)
    killed: list[int] = []
    with a_node(tmp_path / "many") as node:
        config = node.config.folder
        with (
            cluster(config) as (name, workers),
            closing(open_executor(name, config)) as executor,
        ):

            def tell(stage: str, done: int, total: int | None) -> None:
                if stage == "validate" and done == 2 and not killed:
                    here = [one.pid for one in multiprocessing.active_children()]
                    killed.append((workers or [pid for pid in here if pid])[0])
                    os.kill(killed[0], signal.SIGKILL)

            outcome, _ = publish_large(
                node, handed(node, text), executor, tell, RANGE_BYTES
            )

        assert killed
        assert expected == objects(node, outcome)
        assert ("published", 1) == (outcome.state, outcome.version)


def test_what_cannot_be_cut_is_published_in_one_pass(tmp_path: Path) -> None:
    """A file below two ranges goes the usual way, and no task runs."""
    with a_node(tmp_path) as node:
        executor = Inline(node)
        outcome = large(node, budget(20), executor)

        assert "published" == outcome.state
        assert [] == executor.ran


@given(
    st.integers(1, 40_000),
    st.sampled_from([16, 32]),
    st.lists(st.integers(0, 40_000), max_size=800),
)
@settings(max_examples=60, deadline=None)
def test_cuts_by_places_are_cuts_by_hashes(
    rows: int, m: int, places: list[int]
) -> None:
    """From the places of candidates alone the same parts follow."""
    allowed = sorted({place for place in places if place < rows})

    def hashes(start: int, end: int) -> list[int]:
        return [0 if place in set(allowed) else 1 for place in range(start, end)]

    with pytest.MonkeyPatch.context() as patch:
        for module in (layout, part_places):
            patch.setattr(module, "SINGLE_ROWS_MAX", 300)
        expected = list(layout.cuts(rows, m, hashes))
        assert expected == cut_places(rows, m, allowed)


KEYS = st.lists(st.integers(0, 30), max_size=60)


@given(st.lists(KEYS, min_size=1, max_size=5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_ranks_and_groups_put_every_row_once(
    ranges: list[list[int]], unique: bool
) -> None:
    """Slices of groups are in order, and together all rows, equal ones too."""
    if unique:
        taken: set[int] = set()
        for keys in ranges:
            keys[:] = [key for key in dict.fromkeys(keys) if key not in taken]
            taken |= set(keys)
    tables = [pa.table({"key": pa.array(sorted(keys), pa.int64())}) for keys in ranges]
    name = ("key",) if unique else ()
    found = []
    for owner, table in enumerate(tables):
        counted = [ranks(other, table, name) for other in tables]
        for index, key in enumerate(table.column("key").to_pylist()):
            before = [int(one[0][index]) for one in counted]
            behind = [int(one[1][index]) for one in counted]
            if not unique:
                lists = [one.column("key").to_pylist() for one in tables]
                assert [bisect_left(one, key) for one in lists] == before
                assert [bisect_right(one, key) for one in lists] == behind
            found.append(candidate(owner, index, before, behind))
    found.sort(key=lambda one: one.place)
    total = sum(table.num_rows for table in tables)

    assert list(range(total)) == [one.place for one in found]
    if total:
        cuts = list(range(0, total, 7))
        parts = list(zip(cuts, [*cuts[1:], total], strict=True))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(part_places, "GROUP_ROWS", 20)
            made = groups(parts, found, [table.num_rows for table in tables])
        lists = [table.column("key").to_pylist() for table in tables]
        merged = [
            key
            for group in made
            for key in sorted(
                key
                for keys, (start, end) in zip(lists, group.slices, strict=True)
                for key in keys[start:end]
            )
        ]
        assert sorted(key for keys in lists for key in keys) == merged
