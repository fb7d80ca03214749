"""Every call of the store fails once, or kills the process: nothing named is lost.

The store is swept call by call: an undisturbed run counts the calls of each method, and
then each call fails before it acts, acts and reports a failure, is slow, or is the last
of its process. Afterwards the world is sound, and one more run ends as if nothing had
been.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

from collection_fixture import Clock, database
from fault_store import Fault, FaultStore
from node_world import make_config, ready
from shahrdad.datasets.errors import ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.operating import upkeep
from shahrdad.node.publish import Handed, Outcome, publish
from shahrdad.node.store.collection import Collector, refer
from shahrdad.node.store.contract import Area, put_bytes, read_bytes
from shahrdad.node.store.local import LocalStore
from shahrdad.node.store.scrub import Scrub
from world_check import check_world

LONG = bool(os.environ.get("SHAHRDAD_LONG"))
FAULTS = (Fault.FAILS, Fault.DONE_BUT_FAILS, Fault.SLOW)
TESTS = Path(__file__).parent.parent
Point = tuple[str, int]


def points(calls: dict[str, int], share: int = 1) -> list[Point]:
    """Return every call of every method, or one in so many."""
    every = [(method, n) for method, count in calls.items() for n in range(count)]
    return every[::share]


def example(number: int) -> Handed:
    """Return a small file that is another version for each number."""
    found = handed(find_example("kerman", "org-units"))
    note = replace(found.description, note_fa=f"نسخهٔ {number}")
    return replace(found, description=note)


def attempt(node: Node, number: int) -> Outcome | None:
    """Publish, or fail as the store does."""
    try:
        return publish(node, example(number))[0]
    except ShahrdadError:
        return None


def test_publishing_survives_every_failing_call(tmp_path: Path) -> None:
    """An acknowledged version exists once; a repeated one too, whatever failed."""
    node = Node(load(make_config(tmp_path)))
    broken = FaultStore(node.store)
    node.__dict__["store"] = broken  # in place of the property's remembered value
    ready(node)
    broken.calls.clear()
    acknowledged = [publish(node, example(0))[0]]
    calls = dict(broken.calls)
    trials = [(point, fault) for point in points(calls) for fault in FAULTS]
    for number, (point, fault) in enumerate(trials[:: 1 if LONG else 4], 1):
        broken.calls.clear()
        broken.plan = {point: fault}
        first = attempt(node, number)
        broken.plan = {}
        # A failure in the middle of signing is finished by the next start.
        ready(node)
        again = publish(node, example(number))[0]
        acknowledged += [one for one in (first, again) if one is not None]

        assert "unchanged" == again.state or first is None
        check_world(node)
    versions = node.catalog.versions("kerman/org-units")
    digests = [version.digest for version in versions]

    assert {"put", "stat", "write_named"} <= calls.keys()
    assert list(range(len(versions), 0, -1)) == [version.n for version in versions]
    assert len(digests) == len(set(digests))
    assert {one.digest for one in acknowledged} == set(digests)
    node.close()


def sweep(
    folder: Path, work: Callable[[FaultStore], object], calls: dict[str, int]
) -> Iterator[tuple[Point, Fault]]:
    """Do something with a store that breaks at each of its calls in turn."""
    for point in points(calls):
        for fault in (*FAULTS, Fault.TRUNCATES):
            broken = FaultStore(LocalStore(folder), {point: fault})
            try:
                work(broken)
            except ShahrdadError:
                assert fault is not Fault.SLOW
            yield point, fault


def test_collection_survives_every_failing_call(tmp_path: Path) -> None:
    """Nothing named goes, whatever fails; what nothing names goes in the end."""
    connect, clock = database(tmp_path / "node.db"), Clock()
    store = LocalStore(tmp_path / "objects")
    named = [put_bytes(store, Area.OBJECT, f"named {n}".encode()) for n in range(40)]
    for digest in named:
        refer(connect(), Area.OBJECT, digest, "body", "kerman/budget@1")

    def collect(broken: FaultStore) -> None:
        clock.pass_hours(100)
        Collector(connect, broken, clock).run()

    counted = FaultStore(store)
    orphans = (f"orphan {number}".encode() for number in range(10_000))
    put_bytes(store, Area.OBJECT, next(orphans))
    collect(counted)
    collect(counted)
    for _ in sweep(store.root, collect, dict(counted.calls)):
        assert set(named) <= {digest for digest, _ in store.list(Area.OBJECT)}
        put_bytes(store, Area.OBJECT, next(orphans))
    collect(counted)
    collect(counted)

    assert {"list", "delete"} <= counted.calls.keys()
    assert sorted(named) == [digest for digest, _ in store.list(Area.OBJECT)]


class Peer:
    """A source that has every right object."""

    name = "peer"

    def __init__(self, contents: dict[Digest, bytes]) -> None:
        self._contents = contents

    def __call__(self, area: Area, digest: Digest) -> BinaryIO | None:
        """Return the object."""
        return BytesIO(self._contents[digest])


def test_scrub_survives_every_failing_call(tmp_path: Path) -> None:
    """A repair that failed in its middle is made good by the next check."""
    connect, clock = database(tmp_path / "node.db"), Clock()
    store = LocalStore(tmp_path / "objects")
    contents = {Digest.of(data): data for data in (b"one", b"two", b"three")}
    for digest, data in contents.items():
        put_bytes(store, Area.OBJECT, data)
        refer(connect(), Area.OBJECT, digest, "body", "kerman/budget@1")
    spoilt = Digest.of(b"two")
    path = store.root / "object" / spoilt.hex[:2] / spoilt.hex

    def check(broken: FaultStore) -> None:
        clock.pass_hours(1)
        if path.exists():
            path.chmod(0o644)
            path.write_bytes(b"twx")
        peers = [Peer(contents)]
        Scrub(connect, broken, clock, peers, pace=lambda size: None).check_all()

    counted = FaultStore(store)
    check(counted)
    for _ in sweep(store.root, check, dict(counted.calls)):
        clock.pass_hours(1)
        peers = [Peer(contents)]
        whole = Scrub(connect, store, clock, peers, pace=lambda size: None)
        whole.check_all()
        clock.pass_hours(1)
        whole.check_all()  # the first may have gone on where the failure was

        assert [] == whole.lost()
        assert contents == {
            digest: read_bytes(store, Area.OBJECT, digest, 10) for digest in contents
        }
    assert {"stat", "open", "put", "delete"} <= counted.calls.keys()


KILLED = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from fault_store import FaultStore
from shahrdad.node.operating import upkeep
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import publish

_, file, work, method, number, moment = sys.argv
node = Node(load(Path(file)))


class Deadly(FaultStore):
    def _before(self, name):
        here = (name, self.calls[name]) == (method, int(number))
        if here and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        self.calls[name] += 1
        return here

    def _after(self, name, here, file=None):
        if here:
            os.kill(os.getpid(), signal.SIGKILL)


store = Deadly(node.store)
node.__dict__["store"] = store
now = upkeep.present()
if work == "publish":
    with node.database.exclusive("publish"):
        node.start_signing(offline=True)
    publish(node, handed(find_example("kerman", "org-units")))
elif work == "gc":
    for hours in (100, 130):
        upkeep.present = lambda: now + timedelta(hours=hours)
        upkeep.collector(node).run(confirmed=True)
else:
    with upkeep.scrub(node, 10**9) as scrub:
        scrub.check_all()
print(*(f"{name}={count}" for name, count in store.calls.items()))
"""


def run_deadly(file: Path, work: str, method: str, number: int, moment: str) -> str:
    """Run a program that kills itself at a call of the store; return its output."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(file), work, method, str(number), moment],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        text=True,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}
    return done.stdout


def prepared(folder: Path, work: str) -> Path:
    """Return a node with something to collect and to mend, or nothing yet."""
    file = make_config(folder)
    if work == "publish":
        return file
    node = ready(Node(load(file)))
    publish(node, example(0))
    for number in range(3):
        put_bytes(node.store, Area.OBJECT, f"orphan {number}".encode())
    node.close()
    return file


@pytest.mark.parametrize("work", ["publish", "gc", "scrub"])
def test_a_kill_at_every_call(tmp_path: Path, work: str) -> None:
    """Killed before or after each call of the store, the next run ends the work."""
    if os.environ.get("SHAHRDAD_STORE", "local") == "s3":
        pytest.skip("the store's own file system is what is killed here")
    counted = run_deadly(prepared(tmp_path / "whole", work), work, "none", 0, "before")
    calls = {
        name: int(count) for name, count in (one.split("=") for one in counted.split())
    }
    trials = [(point, moment) for point in points(calls) for moment in MOMENTS]
    assert len(trials) > 10
    for (method, number), moment in trials[:: 1 if LONG else len(trials) // 2]:
        file = prepared(tmp_path / f"{work}-{method}-{number}-{moment}", work)
        assert not run_deadly(file, work, method, number, moment)
        node = ready(Node(load(file)))
        check_world(node)
        outcome = publish(node, example(0))[0]
        check_world(node)

        assert 1 == outcome.version
        assert ("unchanged" == outcome.state) or "publish" == work
        with upkeep.scrub(node, 10**9) as scrub:
            assert () == scrub.check_all().problems
        node.close()


MOMENTS = ("before", "after")


def test_a_node_that_was_killed_leaves_no_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed publication left is collected after grace and a week."""
    file = make_config(tmp_path)
    assert not run_deadly(file, "publish", "put", 2, "after")
    node = ready(Node(load(file)))
    store = node.store
    if not isinstance(store, LocalStore):
        pytest.skip("files are aged on a disk")
    then = time.time() - 86400 * 30
    for path in store.root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))
    assert list(store.list(Area.OBJECT))
    now = upkeep.present()
    for days in (8, 10):
        monkeypatch.setattr(
            upkeep, "present", lambda days=days: now + timedelta(days=days)
        )
        upkeep.collector(node).run(confirmed=True)

    assert [] == list(store.list(Area.OBJECT))
    assert 1 == len(list(store.list(Area.PRIVATE)))  # the file as it came stays
    node.close()
