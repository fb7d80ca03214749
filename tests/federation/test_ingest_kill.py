"""kill -9 at every commit point of sync, push, bundle and witness: the next goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from federation_world import ORIGIN, filled, mirror, open_store
from log_world import Files
from shahrdad.federation.bundle import export_bundle, open_bundle
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import LogStore
from shahrdad.federation.reader import LogReader
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.static_reader import open_static
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.witness import Witness
from simulator import Clock, SimLog, SimPeer, keys_of, seed

NAME = "qom.example.ir/witness"
SIGNER = Signer.from_seed(NAME, seed(NAME), Kind.WITNESS)
ENTRIES = 700

# The point is a method of the store: the process dies right after its commit.
PROGRAM = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from pathlib import Path
import federation.test_ingest_kill as world
from shahrdad.federation.log.store import LogStore

point, times = sys.argv[2], int(sys.argv[3])
real = getattr(LogStore, point)
count = 0

def dying(self, *arguments, **named):
    global count
    found = real(self, *arguments, **named)
    count += 1
    if count == times:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(LogStore, point, dying)
world.take(Path(sys.argv[1]), sys.argv[4])
"""


def the_log() -> SimLog:
    """Return the log that is synchronised; each process makes the same one."""
    return filled(ENTRIES)


def take(folder: Path, way: str) -> None:
    """Let a witness take the log: from a static mirror, a bundle, or as a push."""
    log = the_log()
    keys = keys_of([log], [SIGNER], quorum=1)
    store = open_store(folder / "node.db")
    ingest = Ingest(store, keys, clock=Clock(), entries_at_once=1)
    witness = Witness(ingest.store, keys, SIGNER, clock=Clock())
    if way == "push":
        incoming = ingest.incoming(ORIGIN, "pusher")
        for part in SimPeer("pusher", [log]).read_log(ORIGIN, 0):
            incoming.take(part)
        incoming.end()
        line = witness.cosign(ORIGIN)
        assert line is not None
        ingest.put_cosignature(ORIGIN, line)
        return
    static, bundle = folder / "mirror", [folder / "logs.zip"]
    reader = open_static(static, way) if way == "mirror" else open_bundle(bundle)
    Syncer(ingest, witness=witness).round([SyncPeer(way, lambda: reader)], force=True)


def resume(folder: Path, reader: LogReader) -> LogStore:
    """Go on with another peer, and cosign."""
    log = the_log()
    keys = keys_of([log], [SIGNER], quorum=1)
    ingest = Ingest(open_store(folder / "node.db"), keys, clock=Clock())
    witness = Witness(ingest.store, keys, SIGNER, clock=Clock())
    Syncer(ingest, witness=witness).round(
        [SyncPeer("another", lambda: reader)], full=True, force=True
    )
    return ingest.store


WAYS = {
    "mirror": [("append", 2), ("put_head", 1), ("put_bodies", 1)],
    "push": [("append", 1), ("put_witnessed", 1)],
    "bundle": [("append", 3), ("put_confirmed", 1)],
}
if os.environ.get("SHAHRDAD_LONG"):
    always = [("ensure_log", 1), ("append", 1), ("append", 2), ("append", 3)]
    always += [("put_head", 1), ("put_witnessed", 1), ("put_confirmed", 1)]
    pulled = [("add_seen_head", 1), ("put_bodies", 1), ("put_bodies", 2)]
    pulled += [("put_peer", 1)]
    WAYS = {"mirror": always + pulled, "push": always, "bundle": always + pulled}
POINTS = [(way, *point) for way, points in WAYS.items() for point in points]


@pytest.mark.parametrize(("way", "point", "times"), POINTS)
def test_killed_ingest_resumes_with_another_peer(
    tmp_path: Path, way: str, point: str, times: int
) -> None:
    """What was committed is a verified prefix; another peer brings the rest."""
    log = the_log()
    keys = keys_of([log], [SIGNER], quorum=1)
    source = mirror(tmp_path / "source.db", log, keys=keys)
    if way == "mirror":
        StaticMirror(Files(tmp_path / "mirror")).write_log(source.store, ORIGIN)
    if way == "bundle":
        export_bundle(source.store, {ORIGIN: 0}, tmp_path / "logs.zip")
    code = PROGRAM.replace("federation.test_ingest_kill", "test_ingest_kill")
    code = code.replace(
        "sys.path.insert(0,",
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}); sys.path.insert(0,",
        1,
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), point, str(times), way],
        capture_output=True,
        check=False,
        timeout=120,
    )
    between = open_store(tmp_path / "node.db")
    held = between.find_log(ORIGIN)
    size = held.size if held else 0
    prefix = between.entries(ORIGIN, 0, size) if held else []
    store = resume(tmp_path, StoreReader(source.store, name="another"))
    done = store.log(ORIGIN)

    assert -signal.SIGKILL == run.returncode, run.stderr.decode()
    assert log.raws[:size] == prefix
    assert size in {0, 256, 512, 701}
    assert (log.size, 0) == (done.head_size, done.missing_bodies)
    assert done.confirmed is not None
    assert source.store.state_digest(ORIGIN) == store.state_digest(ORIGIN)
    recorded = store.witnessed(ORIGIN)
    assert recorded is not None
    assert (log.size, log.root()) == (recorded.size, recorded.root)


EXPORT = f"""
import os, signal, sys, zipfile
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from pathlib import Path
from federation_world import ORIGIN, open_store
from shahrdad.federation.bundle import export_bundle

folder, point, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
owner = zipfile.ZipFile if point != "fsync" else os
real = getattr(owner, point)
count = 0

def dying(*arguments, **named):
    global count
    count += 1
    if count == times:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)

setattr(owner, point, dying)
export_bundle(open_store(folder / "source.db"), {{ORIGIN: 0}}, folder / "logs.zip")
"""


@pytest.mark.parametrize(
    ("point", "times"), [("writestr", 1), ("writestr", 5), ("close", 1), ("fsync", 1)]
)
def test_killed_export_leaves_the_former_bundle(
    tmp_path: Path, point: str, times: int
) -> None:
    """A part is there as a whole or not at all; the next export writes it whole."""
    log = filled(60)
    source = mirror(tmp_path / "source.db", log)
    (tmp_path / "logs.zip").write_bytes(b"the former one")
    run = subprocess.run(
        [sys.executable, "-c", EXPORT, str(tmp_path), point, str(times)],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert -signal.SIGKILL == run.returncode, run.stderr.decode()
    assert b"the former one" == (tmp_path / "logs.zip").read_bytes()
    export_bundle(source.store, {ORIGIN: 0}, tmp_path / "logs.zip")
    reader = open_bundle([tmp_path / "logs.zip"])

    assert [log.size] == [head.size for head in reader.list_heads().heads]
    reader.close()
