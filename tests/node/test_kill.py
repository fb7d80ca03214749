"""kill -9 at any moment of publishing and of synchronising: the next run goes on.

Each trial kills a real process after another time; afterwards the world must be sound,
and one more run must end in the state of an undisturbed one.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from node_world import make_config, publish_example, put_record, ready
from shahrdad.node import record
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.demonstration.world import make_world, running
from world_check import check_world

TRIALS = 60 if os.environ.get("SHAHRDAD_LONG") else 5

PUBLISH = """
import sys
from pathlib import Path
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import publish
node = Node(load(Path(sys.argv[1])))
with node.database.exclusive("publish"):
    node.start_signing(offline=True)
print("begun", flush=True)
publish(node, handed(find_example("kerman", "org-units")))
"""
SYNC = """
import sys
from pathlib import Path
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.peering.rounds import run_round
node = Node(load(Path(sys.argv[1])))
print("begun", flush=True)
run_round(node)
"""


def run_and_kill(code: str, file: Path, after_seconds: float) -> bool:
    """Run a program and kill it after a time; return whether it had ended before."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"begun\n" == process.stdout.readline()
    try:
        process.wait(after_seconds)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return False
    finally:
        process.stdout.close()
    assert 0 == process.returncode
    return True


def seconds_of(code: str, file: Path) -> float:
    """Return how long an undisturbed run takes after it has begun."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    started = time.monotonic()
    assert 0 == process.wait()
    process.stdout.close()
    return time.monotonic() - started


def test_publishing_survives_kills(tmp_path: Path) -> None:
    """No half-published dataset is visible, and the next run publishes exactly once."""
    undisturbed = make_config(tmp_path / "undisturbed")
    span = seconds_of(PUBLISH, undisturbed)
    expected = Node(load(undisturbed))
    chance = random.Random(7)
    for trial in range(TRIALS):
        file = make_config(tmp_path / f"trial{trial}")
        run_and_kill(PUBLISH, file, chance.uniform(0, span * 1.1))
        node = ready(Node(load(file)))
        check_world(node)
        outcome = publish_example(node, "org-units")
        check_world(node)

        assert outcome.state in {"published", "unchanged"}
        assert 1 == len(node.catalog.versions("kerman/org-units"))
        assert record.table_parts(
            node.catalog.body(node.catalog.get("kerman/org-units").digest)
        ) == record.table_parts(
            expected.catalog.body(expected.catalog.get("kerman/org-units").digest)
        )
        node.close()
    expected.close()


def test_synchronising_survives_kills(tmp_path: Path) -> None:
    """A mirror holds a verified prefix whenever it is killed; the next round ends."""
    places = make_world(tmp_path)
    kerman = ready(Node(load(places[0].file)))
    for n in range(40):
        put_record(kerman, f"dataset-{n}")
    publish_example(kerman, "org-units")
    origin = kerman.config.federation.origin
    chance = random.Random(11)
    with running(places[:1]):
        span = seconds_of(SYNC, places[1].file)
        for _ in range(TRIALS):
            fresh = tmp_path / "mashhad" / "data"
            for path in (*fresh.glob("node.db*"), *fresh.glob("mirror/spool/*")):
                path.unlink()
            run_and_kill(SYNC, places[2].file, chance.uniform(0, span * 1.1))
            mashhad = Node(load(places[2].file))
            check_world(mashhad)
            mashhad.close()
        assert run_and_kill(SYNC, places[2].file, 60)
    mashhad = Node(load(places[2].file))

    assert kerman.logs.state_digest(origin) == mashhad.logs.state_digest(origin)
    size = kerman.logs.log(origin).size
    assert kerman.logs.entries(origin, 0, size) == mashhad.logs.entries(origin, 0, size)
    for dataset in kerman.catalog.list():
        assert kerman.catalog.body_bytes(dataset.digest) == mashhad.catalog.body_bytes(
            dataset.digest
        )
    mashhad.close()
    kerman.close()
