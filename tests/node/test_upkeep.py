"""`gc`, `store`, `index`, `diff`: what an operator types, over a real node."""

import csv
import io
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook

from node_world import make_config, publish_example, ready
from shahrdad.datasets.errors import DataError, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.city import Node
from shahrdad.node.commands import diff as diff_command
from shahrdad.node.commands import upkeep as commands
from shahrdad.node.config import load
from shahrdad.node.console import Common
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.operating import upkeep
from shahrdad.node.publish import publish, published_parts
from shahrdad.node.store.collection import refer
from shahrdad.node.store.contract import Area, put_bytes, read_bytes
from shahrdad.node.store.local import LocalStore
from shahrdad.node.store.naming import Naming

REF = "kerman/org-units"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node with two versions of a dataset, on a local store."""
    found = ready(Node(load(make_config(tmp_path))))
    publish_example(found, "org-units")
    example = find_example("kerman", "org-units")
    copy = tmp_path / "changed.csv"
    text = example.path.read_text("utf-8")
    copy.write_text(text.replace(",خیر,319", ",خیر,320"), "utf-8")
    publish(found, handed(example, copy))
    return found


@pytest.fixture
def common(node: Node) -> Common:
    """Return the options of a command on the node."""
    return Common(config=node.config.folder, json=True, lang="en")


Run = Callable[..., Any]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what calls a command and reads its JSON."""

    def call(command: Run, *arguments: Any, **options: Any) -> Any:
        capsys.readouterr()
        command(*arguments, **options)
        return json.loads(capsys.readouterr().out)

    return call


def local(node: Node) -> LocalStore:
    """Return the node's store, which must be a folder to be aged or hurt."""
    if not isinstance(node.store, LocalStore):
        pytest.skip("files are aged and spoilt on a disk")
    return node.store


def path_of(node: Node, digest: Digest) -> Path:
    """Return the file of a public object."""
    return local(node).root / "object" / digest.hex[:2] / digest.hex


def age(node: Node, hours: float) -> None:
    """Make every object of the node so old."""
    then = time.time() - hours * 3600
    for path in local(node).root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_gc_deletes_the_second_time(
    node: Node, common: Common, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an orphan goes, a day after it was noted; a dry run changes nothing."""
    orphan = put_bytes(node.store, Area.OBJECT, b"nobody names me")
    age(node, 100)
    named = {digest for digest, _ in node.store.list(Area.OBJECT)} - {orphan}
    first = [
        run(commands.gc, dry_run=dry, yes=True, common=common) for dry in (True, False)
    ]
    now = upkeep.present()
    monkeypatch.setattr(upkeep, "present", lambda: now + timedelta(hours=25))
    second = [
        run(commands.gc, dry_run=dry, yes=True, common=common) for dry in (True, False)
    ]

    assert [(1, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)] == [
        (found["unnamed"], found["due"], found["deleted"]) for found in first + second
    ]
    assert named == {digest for digest, _ in node.store.list(Area.OBJECT)}


def test_gc_keeps_what_every_version_and_refusal_names(
    node: Node, common: Common, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old versions, originals and the reports of refused files stay for ever."""
    publish(node, handed(find_example("kerman", "projects-bad")))
    age(node, 24 * 400)
    before = list(local(node).root.rglob("*"))
    now = upkeep.present()
    for days in (0, 30, 60):
        monkeypatch.setattr(
            upkeep, "present", lambda days=days: now + timedelta(days=days)
        )
        assert 0 == run(commands.gc, common=common)["deleted"]

    assert before == list(local(node).root.rglob("*"))


def test_gc_waits_for_a_rebuilt_catalog(node: Node, common: Common) -> None:
    """While names are made anew, what lacks one is no orphan."""
    node.projection.rebuild()
    with pytest.raises(UnavailableError) as error:
        commands.gc(common=common)
    assert "COLLECTION_NOT_READY" == error.value.reason


def test_gc_waits_for_the_catalog_and_the_signature(node: Node) -> None:
    """A catalog behind its log, or entries without a signature, hinder it."""
    assert upkeep.hindrance(node) is None
    connection = node.database.connect()
    connection.execute("UPDATE projection SET size = size - 1")
    lagging = upkeep.hindrance(node)

    assert lagging is not None
    assert node.config.federation.origin in lagging


def test_an_object_is_named_before_it_is_looked_for(node: Node) -> None:
    """Whoever finds an object and writes nothing relies on it all the same."""
    digest = Digest.of(b"seen")
    seen: list[bool] = []

    class Watching(LocalStore):
        def put(self, *arguments: Any) -> None:
            rows = node.database.connect().execute(
                "SELECT kind FROM object_ref WHERE sha256=?", (digest.raw,)
            )
            seen.append(rows.fetchall() == [("job",)])
            super().put(*arguments)

    store = Watching(local(node).root)
    named = Naming(store, node.database.connect, "job", REF)
    put_bytes(named, Area.OBJECT, b"seen")

    assert [True] == seen
    assert b"seen" == read_bytes(named, Area.OBJECT, digest, 10)
    assert named.stat(Area.OBJECT, digest) == store.stat(Area.OBJECT, digest)
    assert digest in {one for one, _ in named.list(Area.OBJECT)}


def test_the_names_of_a_job_end_after_a_week(
    node: Node, common: Common, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that died names nothing for ever."""
    left = put_bytes(node.store, Area.OBJECT, b"of a job that died")
    refer(node.database.connect(), Area.OBJECT, left, "job", REF)
    age(node, 24 * 30)
    now = upkeep.present()
    deleted = []
    for days in (6, 8, 10):
        monkeypatch.setattr(
            upkeep, "present", lambda days=days: now + timedelta(days=days)
        )
        deleted.append(run(commands.gc, yes=True, common=common)["deleted"])

    assert [0, 0, 1] == deleted
    assert node.store.stat(Area.OBJECT, left) is None


def test_store_check_names_what_is_lost(
    node: Node, common: Common, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a peer a flipped bit is told, with exit code 9; the bytes are kept."""
    (part,) = published_parts(node.catalog.body(node.catalog.get(REF).digest))
    path = path_of(node, part.digest)
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(SystemExit) as ended:
        commands.check(rate_megabytes=1000, common=common)
    found = json.loads(capsys.readouterr().out)

    assert 9 == ended.value.code
    assert [(part.digest.hex, "damaged", "lost")] == [
        (one["digest"], one["found"], one["outcome"]) for one in found["problems"]
    ]
    assert 1 == found["lost"]
    assert [Digest.of(bytes(data))] == [
        digest for digest, _ in node.store.list(Area.QUARANTINE)
    ]


def test_store_check_reads_all_then_what_is_due(
    node: Node, common: Common, run: Run
) -> None:
    """A sound store has no problem; what was just read is not due."""
    whole = run(commands.check, rate_megabytes=1000, common=common)
    due = run(commands.check, due=True, rate_megabytes=1000, common=common)

    assert (True, [], 0) == (whole["finished"], whole["problems"], whole["lost"])
    assert whole["objects"] >= 6
    assert 0 == due["objects"]


def test_objects_that_are_not_mirrored_are_not_lost(node: Node) -> None:
    """Another city's objects are absent by choice, ours never."""
    mirror = replace(node.config.mirror, objects="none")
    node.config = replace(node.config, mirror=mirror)
    is_expected = upkeep.expected(node)
    theirs = Digest.of(b"theirs")
    refer(node.database.connect(), Area.OBJECT, theirs, "body", "rasht/budget@1")
    (ours,) = published_parts(node.catalog.body(node.catalog.get(REF).digest))

    assert not is_expected(Area.OBJECT, theirs)
    assert is_expected(Area.OBJECT, ours.digest)


def test_store_usage_counts_new_bytes(node: Node, common: Common, run: Run) -> None:
    """The second version shares no part here, and its own bytes are told."""
    first, second = run(commands.usage, REF, common=common)

    assert [1, 2] == [first["version"], second["version"]]
    assert first["bytes"] == first["fresh_bytes"] > 0
    assert 0 < second["fresh_bytes"] <= second["bytes"]
    assert second["fresh_objects"] <= second["objects"]


def test_index_rebuild_finds_the_same(node: Node, common: Common, run: Run) -> None:
    """A spoilt index is made again from the records, and the one beside it goes."""
    connection = node.database.connect()
    tables = {
        table: f"SELECT * FROM {table} ORDER BY 1"
        for table in ("search", "term", "term_key")
    }
    before = {name: connection.execute(sql).fetchall() for name, sql in tables.items()}
    connection.execute("DELETE FROM search")
    connection.execute("UPDATE term SET df = df + 7")
    beside = node.database.path.with_name("search")
    beside.mkdir()

    assert {"datasets": 1} == run(commands.rebuild, common=common)
    assert before == {
        name: connection.execute(sql).fetchall() for name, sql in tables.items()
    }
    assert all(before.values())
    assert not beside.exists()


def test_diff_names_versions_days_and_the_one_before(
    node: Node, common: Common, run: Run
) -> None:
    """Numbers, days of either calendar, or one name alone."""
    wanted = run(diff_command.diff, f"{REF}@1", f"{REF}@2", common=common)
    alone = run(diff_command.diff, REF, common=common)
    today = upkeep.present().date() + timedelta(days=1)
    by_day = run(diff_command.diff, f"{REF}@1", f"{REF}@{today}", common=common)
    first = run(diff_command.diff, f"{REF}@1", common=common)

    assert wanted == alone == by_day
    assert (f"{REF}@1", f"{REF}@2") == (wanted["from"], wanted["to"])
    (change,) = wanted["changes"]
    assert ("changed", "headcount", "319", "320") == tuple(
        change[name] for name in ("op", "column", "old", "new")
    )
    assert {"changed": 1, "sum_old": "319", "sum_new": "320"} == (
        wanted["summary"]["columns"]["headcount"]
    )
    assert (18, 0) == (first["summary"]["added"], first["summary"]["changed"])
    with pytest.raises(RequestError) as error:
        diff_command.diff(f"{REF}@1400-01-01", REF, common=common)
    assert "NOT_YET_PUBLISHED" == error.value.reason
    with pytest.raises(DataError):
        diff_command.diff(f"{REF}@soon", REF, common=common)


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow", "xlsx", "json"])
def test_diff_in_every_format(
    node: Node, common: Common, tmp_path: Path, form: str
) -> None:
    """Each format holds the same change, whole or not at all."""
    path = tmp_path / f"changes.{form}"
    quiet = Common(config=common.config, quiet=True)
    diff_command.diff(f"{REF}@1", REF, format=form, output=path, common=quiet)  # type: ignore[arg-type]
    rows: list[Any]
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    elif form == "parquet":
        rows = pq.read_table(path).to_pylist()
    elif form == "arrow":
        with pa.OSFile(str(path)) as file:
            rows = pa.ipc.open_file(file).read_all().to_pylist()
    elif form == "json":
        rows = json.loads(path.read_text("utf-8"))["changes"]
    else:
        head, *lines = load_workbook(path).worksheets[0].iter_rows(values_only=True)
        rows = [dict(zip(head, line, strict=True)) for line in lines]

    assert [("changed", "headcount", "319", "320")] == [
        tuple(row[name] for name in ("op", "column", "old", "new")) for row in rows
    ]
    assert [path.name] == [one.name for one in tmp_path.glob("*changes*")]


def test_diff_for_people(
    node: Node, common: Common, capsys: pytest.CaptureFixture[str]
) -> None:
    """The changes as a table, cut at the limit; the counts of all."""
    told = Common(config=common.config, lang="en")
    diff_command.diff(f"{REF}@1", limit=3, common=told)
    found = capsys.readouterr()

    assert 4 == len(found.out.splitlines())
    assert "15 more changes" in found.err
    assert "18 rows added" in found.err
