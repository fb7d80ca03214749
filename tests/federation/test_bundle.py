"""Bundles: a log that travels on a stick is verified like one that came by network."""

import json
import zipfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from federation_world import ORIGIN, filled, mirror, open_store, reading, served
from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.bundle import (
    BundleObjects,
    BundleReport,
    export_bundle,
    heads_of,
    heads_text,
    open_bundle,
)
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import LogStore
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.sync_report import SyncReport
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.witness import Witness
from simulator import Clock, SimLog, SimPeer, keys_of, seed

NAME = "qom.example.ir/witness"
SIGNER = Signer.from_seed(NAME, seed(NAME), Kind.WITNESS)


def take(syncer: Syncer, *paths: Path) -> SyncReport:
    """Import a bundle."""
    reader = open_bundle(paths)
    peer = SyncPeer(reader.name, lambda: reader)
    return syncer.round([peer], full=True, force=True)


def importer(path: Path, *logs: SimLog) -> Syncer:
    """Return a node that holds nothing yet."""
    return Syncer(Ingest(open_store(path), keys_of(logs), clock=Clock()))


def held(syncer: Syncer) -> LogStore:
    """Return the store of a node."""
    return syncer.ingest.store


@pytest.mark.parametrize("count", [1, 255, 256, 600])
def test_whole_log_travels(tmp_path: Path, count: int) -> None:
    """Entries, bodies and head arrive; the state digest is the sender's."""
    log = filled(count)
    city = mirror(tmp_path / "city.db", log)
    bundle = tmp_path / "logs.zip"
    report = export_bundle(city.store, {ORIGIN: 0}, bundle)
    node = importer(tmp_path / "node.db", log)
    done = take(node, bundle)

    assert ([bundle], count + 1) == (report.parts, report.entries)
    assert done.ok, done.text("en")
    assert log.size == held(node).log(ORIGIN).head_size
    assert 0 == held(node).log(ORIGIN).missing_bodies
    assert city.store.state_digest(ORIGIN) == held(node).state_digest(ORIGIN)


@pytest.mark.parametrize("since", [1, 255, 256, 300, 511, 512, 513])
def test_only_what_is_lacking_travels(tmp_path: Path, since: int) -> None:
    """From any size on: older entries and bodies stay at home, proofs still hold.

    Of the 300 new entries 100 are live, and a mirror holds the bodies of those.
    """
    log = SimLog(ORIGIN)
    log.fill(since - 1)
    node = importer(tmp_path / "node.db", log)
    node.round([SyncPeer("city", lambda: SimPeer("city", [log]))])
    log.fill(300, start=5_000)
    city = mirror(tmp_path / "city.db", log)
    have = tmp_path / "have.txt"
    have.write_text(heads_text(held(node)))
    bundle = tmp_path / "rest.zip"
    report = export_bundle(city.store, heads_of(have), bundle)
    done = take(node, bundle)

    assert (300, 100) == (report.entries, report.bodies)
    assert done.ok, done.text("en")
    assert city.store.state_digest(ORIGIN) == held(node).state_digest(ORIGIN)


def parts_of(folder: Path, log: SimLog) -> tuple[LogStore, BundleReport]:
    """Export a log in parts of a few kilobytes."""
    city = mirror(folder / "city.db", log)
    target = folder / "logs.zip"
    return city.store, export_bundle(
        city.store, {ORIGIN: 0}, target, part_bytes_max=120_000
    )


def test_parts_are_bounded_and_complete_together(tmp_path: Path) -> None:
    """A large log comes in parts; given together they are one bundle, in any order."""
    log = filled(1_500)
    store, report = parts_of(tmp_path, log)
    node = importer(tmp_path / "node.db", log)
    done = take(node, *reversed(report.parts))

    assert len(report.parts) > 2
    assert all(part.stat().st_size <= 120_000 for part in report.parts)
    assert done.ok, done.text("en")
    assert store.state_digest(ORIGIN) == held(node).state_digest(ORIGIN)


def test_each_part_goes_on_where_the_last_ended(tmp_path: Path) -> None:
    """Parts may come one by one; a later one alone is refused, and says what lacks."""
    log = filled(1_500)
    store, report = parts_of(tmp_path, log)
    node = importer(tmp_path / "node.db", log)
    early = take(node, report.parts[1])
    sizes = []
    for part in report.parts:
        last = take(node, part)
        sizes.append(held(node).log(ORIGIN).size)

    assert ["SHORT_STREAM"] == [line.reason for line in early.refused]
    assert sorted(set(sizes)) == sizes
    assert all(size % 256 == 0 for size in sizes[:-1])
    assert last.ok, last.text("en")
    assert store.state_digest(ORIGIN) == held(node).state_digest(ORIGIN)


def test_same_logs_give_the_same_bytes(tmp_path: Path) -> None:
    """A bundle says nothing of the hour or the host it was made at."""
    city = mirror(tmp_path / "city.db", filled(20))
    digests = set()
    for name in ("a.zip", "b.zip"):
        export_bundle(city.store, {ORIGIN: 0}, tmp_path / name)
        digests.add(sha256((tmp_path / name).read_bytes()).digest())

    assert 1 == len(digests)


def test_altered_bundle_is_refused(tmp_path: Path) -> None:
    """Whoever carries the stick cannot change an entry, a body or the head."""
    log = filled(20)
    city = mirror(tmp_path / "city.db", log)
    export_bundle(city.store, {ORIGIN: 0}, tmp_path / "good.zip")
    reasons = set()
    for word in ("entries", "body/", "checkpoint"):
        bad = tmp_path / f"{word.strip('/')}.zip"
        with (
            zipfile.ZipFile(tmp_path / "good.zip") as good,
            zipfile.ZipFile(bad, "w") as out,
        ):
            for name in good.namelist():
                content = good.read(name)
                if word in name:
                    content = content.replace(b'"n":1', b'"n":7').replace(
                        b"ds/record-1", b"ds/record-7"
                    )
                    if word == "checkpoint":
                        content = content.replace(b"\n21\n", b"\n20\n")
                    if word == "body/":
                        content = content.replace(b"1", b"7")
                out.writestr(name, content)
        node = importer(tmp_path / f"{word.strip('/')}.db", log)
        done = take(node, bad)
        reasons |= {line.reason for line in done.refused}

        assert not done.ok
    assert {"BAD_PROOF", "BAD_SIGNATURE", "DIGEST_MISMATCH"} == reasons


def test_three_cities_where_two_never_meet(tmp_path: Path) -> None:
    """A → B → C by gRPC and A → bundle → C: one digest; C's line reaches A."""
    log = filled(40)
    keys = keys_of([log], [SIGNER], quorum=1)
    city = Ingest(open_store(tmp_path / "a.db"), keys, clock=Clock())
    city.pull(SimPeer("own", [log]), ORIGIN)
    middle = Syncer(Ingest(open_store(tmp_path / "b.db"), keys, clock=Clock()))
    last, carried = (
        Ingest(open_store(tmp_path / name), keys, clock=Clock())
        for name in ("c.db", "d.db")
    )
    with served(city.store) as port, reading(port, "a") as reader:
        middle.round([SyncPeer("a", lambda: reader)])
    with served(held(middle)) as port, reading(port, "b") as reader:
        Syncer(last).round([SyncPeer("b", lambda: reader)])
    there = tmp_path / "there.zip"
    export_bundle(city.store, {ORIGIN: 0}, there)
    witness = Witness(carried.store, keys, SIGNER, clock=Clock())
    take(Syncer(carried, witness=witness), there)
    back = tmp_path / "back.zip"
    export_bundle(carried.store, heads_of(there), back)
    done = take(Syncer(city), back)

    digests = {store.state_digest(ORIGIN) for store in (last.store, carried.store)}
    assert {city.store.state_digest(ORIGIN)} == digests
    assert done.ok, done.text("en")
    assert city.store.log(ORIGIN).confirmed is not None
    assert back.stat().st_size < 1_500


def test_objects_travel_when_they_are_asked_for(tmp_path: Path) -> None:
    """Data objects are in the bundle as they are; one that lacks is counted."""
    content = b"parquet" * 1_000
    digest = Digest.of(content)
    log = filled(2)
    body = {
        "resources": [
            {"hash": f"sha256:{digest}", "bytes": len(content)},
            {"hash": f"sha256:{Digest.of(b'')}", "bytes": 0},
        ]
    }
    log.put("ds/table", json.dumps(body).encode())
    city = mirror(tmp_path / "city.db", log)
    bundle = tmp_path / "logs.zip"

    def open_object(wanted: Digest) -> tuple[BytesIO, int] | None:
        return (BytesIO(content), len(content)) if wanted == digest else None

    report = export_bundle(city.store, {ORIGIN: 0}, bundle, open_object=open_object)
    objects = BundleObjects([bundle])
    try:
        start, blocks = objects.read(digest, 100)
        found = b"".join(blocks)
        with pytest.raises(RequestError) as caught:
            objects.read(Digest.of(b""), 0)
    finally:
        objects.close()

    assert (1, len(content), 1) == (
        report.objects,
        report.object_bytes,
        report.objects_missing,
    )
    assert (0, content) == (start, found)
    assert Reason.OBJECT_UNKNOWN is caught.value.reason


def test_unknown_log_and_missing_file_are_refused(tmp_path: Path) -> None:
    """Neither a log that is not held is exported, nor a file that is not there read."""
    store = open_store(tmp_path / "node.db")
    for call in (
        lambda: export_bundle(store, {ORIGIN: 0}, tmp_path / "x.zip"),
        lambda: open_bundle([tmp_path / "absent.zip"]),
        lambda: heads_of(tmp_path / "absent.zip"),
    ):
        with pytest.raises(RequestError):
            call()
    (tmp_path / "no.zip").write_bytes(b"no ZIP")
    with pytest.raises(PeerError):
        open_bundle([tmp_path / "no.zip"])

    assert ["no.zip", "node.db"] == sorted(
        path.name for path in tmp_path.iterdir() if "db-" not in path.name
    )


def test_failed_export_leaves_nothing(tmp_path: Path) -> None:
    """A disk that fails in the middle leaves neither a part nor half of one."""
    city = mirror(tmp_path / "city.db", filled(9))

    def fail(digest: Digest) -> None:
        raise OSError(28, "No space left on device")

    body = {"resources": [{"hash": f"sha256:{Digest.of(b'x')}", "bytes": 1}]}
    log = filled(9)
    log.put("ds/table", json.dumps(body).encode())
    city.pull(SimPeer("city", [log]), ORIGIN)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(OSError, match="No space"):
        export_bundle(city.store, {ORIGIN: 0}, out / "x.zip", open_object=fail)

    assert [] == list(out.iterdir())
