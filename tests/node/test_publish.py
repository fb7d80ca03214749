"""Publishing: what is valid becomes a version, what is not is kept and refused."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node_world import make_config, make_node, publish_example, ready
from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import Verifier
from shahrdad.node import record
from shahrdad.node.city import Node
from shahrdad.node.commands.publish import publish as command
from shahrdad.node.config import load
from shahrdad.node.console import Common
from shahrdad.node.desk import submissions
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import Outcome, publish, published_parts
from shahrdad.node.store.contract import Area, read_bytes
from shahrdad.node.table.reading import open_table
from world_check import check_world

BYTES_MAX = 64 * 1024**2
RACERS = 60 if os.environ.get("SHAHRDAD_LONG") else 12


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node of Kerman that has published nothing."""
    return make_node(tmp_path)


def test_valid_file_becomes_a_version(node: Node) -> None:
    """Original, report, table and record all stand, each under its digest."""
    outcome = publish_example(node, "org-units")
    body = node.catalog.body(node.catalog.get(outcome.ref).digest)

    assert ("published", 1, 18) == (outcome.state, outcome.version, outcome.rows)
    for item in record.objects(body):
        area = Area.OBJECT if item.public else Area.PRIVATE
        content = read_bytes(node.store, area, item.digest, BYTES_MAX)
        assert item.size == len(content)
        assert item.digest == Digest.of(content)
    assert 18 == open_table(node.store, published_parts(body)).rows


def test_record_says_where_it_comes_from(node: Node) -> None:
    """Standard and version, approval, writer, quality: a reader can judge the data."""
    publish_example(node, "org-units")
    body = node.catalog.body(node.catalog.get("kerman/org-units").digest)
    ours = body["shahrdad"]

    assert "https://datapackage.org/profiles/2.0/datapackage.json" == body["$schema"]
    assert "single" == ours["approval"]
    assert ("org_units", 64) == (
        ours["standard"]["id"],
        len(ours["standard"]["sha256"]),
    )
    assert ours["example"] is True
    assert ours["writer"]["parquet"].startswith("parquet-cpp-arrow")
    assert 0 == ours["quality"]["errors"]
    assert "CC-BY-4.0" == body["licenses"][0]["name"]


def test_same_content_again_publishes_nothing(node: Node, tmp_path: Path) -> None:
    """Neither the same file nor the same rows from another file make a version."""
    first = publish_example(node, "org-units")
    again = publish_example(node, "org-units")
    example = find_example("kerman", "org-units")
    copy = tmp_path / "saved-again.csv"
    copy.write_bytes(example.path.read_bytes() + b"\r\n")
    saved, _ = publish(node, handed(example, copy))

    assert ("unchanged", "unchanged") == (again.state, saved.state)
    assert first.digest == again.digest
    assert 1 == len(node.catalog.versions("kerman/org-units"))


def test_changed_cell_is_a_version_with_its_change(node: Node, tmp_path: Path) -> None:
    """The record counts what changed against the version before."""
    publish_example(node, "org-units")
    example = find_example("kerman", "org-units")
    copy = tmp_path / "changed.csv"
    text = example.path.read_text("utf-8")
    copy.write_text(text.replace(",خیر,319", ",خیر,320"), "utf-8")
    outcome, _ = publish(node, handed(example, copy))

    assert ("published", 2) == (outcome.state, outcome.version)
    assert outcome.change is not None
    assert (0, 0, 1) == tuple(
        outcome.change[name] for name in ("added", "removed", "changed")
    )
    assert {"headcount"} == set(outcome.change["columns"])


def everything(node: Node) -> tuple[list[str], list[str]]:
    """Return every row of the node's database and every file of its data folder."""
    files = [
        f"{path.name} {path.stat().st_size}"
        for path in node.config.data.rglob("*")
        if path.is_file() and not path.name.startswith("node.db-")
    ]
    return list(node.database.connect().iterdump()), sorted(files)


def test_dry_run_tells_what_would_change_and_writes_nothing(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The change is shown cell by cell; a wrong file has code 3; no byte stays."""
    publish_example(node, "org-units")
    example = find_example("kerman", "org-units")
    changed = tmp_path / "changed.csv"
    text = example.path.read_text("utf-8")
    changed.write_text(text.replace(",خیر,319", ",خیر,320"), "utf-8")
    common = Common(config=node.config.folder, lang="en")
    before = everything(node)

    def told(file: Path, name: str, **options: Any) -> str:
        command(file, example=f"kerman/{name}", dry_run=True, common=common, **options)
        return "".join(capsys.readouterr())

    same, other = told(example.path, "org-units"), told(changed, "org-units")
    with pytest.raises(SystemExit) as ended:
        told(find_example("kerman", "projects-bad").path, "projects-bad")
    with pytest.raises(RequestError) as refused:
        told(changed, "org-units", executor="local")

    assert "Nothing changed: kerman/org-units version 1" in same
    assert "kerman/org-units would get version 2, 18 rows" in other
    assert "0 rows added, 0 removed, 1 changed" in other
    assert {"headcount", "319", "320"} <= set(other.split())
    assert 3 == ended.value.code
    assert Reason.PARAMETER_VALUE == refused.value.reason
    assert before == everything(node)


def test_file_with_errors_is_kept_and_publishes_nothing(node: Node) -> None:
    """The log does not grow; file and report lie in the private area."""
    size = node.logs.log(node.config.federation.origin).size
    outcome, report = publish(node, handed(find_example("kerman", "projects-bad")))
    (kept,) = submissions.newest(node.database.connect(), 10)

    assert "refused" == outcome.state == kept.state
    assert 10 == report.error_count
    assert size == node.logs.log(node.config.federation.origin).size
    original = find_example("kerman", "projects-bad").path.read_bytes()
    assert original == read_bytes(node.store, Area.PRIVATE, kept.original, BYTES_MAX)
    assert kept.report is not None
    stored = json.loads(read_bytes(node.store, Area.PRIVATE, kept.report, BYTES_MAX))
    assert stored["valid"] is False
    assert node.store.stat(Area.OBJECT, kept.original) is None


def test_two_eyes_do_not_publish_where_four_are_asked(tmp_path: Path) -> None:
    """Without accounts nobody can be the second person, so nothing is published."""
    config = load(make_config(tmp_path))
    strict = replace(config, publish=replace(config.publish, approval="four-eyes"))
    node = ready(Node(strict))

    with pytest.raises(RequestError) as caught:
        publish_example(node, "org-units")
    assert Reason.APPROVAL_NEEDED is caught.value.reason


@pytest.mark.parametrize("slug", ["", "a", "Budget", "a--b", "بودجه", "a/b", "x" * 61])
def test_slug_that_cannot_be_an_address_is_refused(node: Node, slug: str) -> None:
    """A dataset's name is chosen once and stands in addresses for ever."""
    example = handed(find_example("kerman", "org-units"))

    with pytest.raises(RequestError) as caught:
        publish(node, replace(example, slug=slug))
    assert Reason.SLUG_WRONG is caught.value.reason


def test_missing_file_is_named(node: Node) -> None:
    """A typing error in the file's name is answered with the name."""
    example = handed(find_example("kerman", "org-units"), Path("/nowhere/a.csv"))

    with pytest.raises(RequestError) as caught:
        publish(node, example)
    assert Reason.FILE_NOT_FOUND is caught.value.reason


def test_receipt_verifies_with_the_public_key(node: Node) -> None:
    """What `shahrdad receipt` gives proves the entry, years later and offline."""
    publish_example(node, "org-units")
    dataset = node.catalog.get("kerman/org-units")
    proof = receipts.parse(node.receipt(dataset.ref, dataset.version))
    key = Verifier.parse(node.vkey or "")

    assert dataset.index == proof.index
    assert node.config.federation.origin == key.name


def test_racing_publishers_make_versions_without_gaps(tmp_path: Path) -> None:
    """Each acknowledged version exists exactly once, and the log is linear."""
    file = make_config(tmp_path)
    ready(Node(load(file))).close()
    outcomes: list[Outcome] = []
    failed: list[ShahrdadError] = []

    def race(number: int) -> None:
        node = Node(load(file))
        try:
            with node.database.exclusive("publish"):
                node.start_signing(offline=True)
            example = handed(find_example("kerman", "org-units"))
            note = replace(example.description, note_fa=f"نسخهٔ {number}")
            outcomes.append(publish(node, replace(example, description=note))[0])
        except ShahrdadError as error:
            failed.append(error)
        finally:
            node.close()

    threads = [threading.Thread(target=race, args=(n,)) for n in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    node = Node(load(file))
    versions = node.catalog.versions("kerman/org-units")

    assert [] == failed
    assert list(range(RACERS, 0, -1)) == [version.n for version in versions]
    assert sorted(version.index for version in versions) == sorted(
        outcome.index for outcome in outcomes if outcome.index is not None
    )
    assert {outcome.digest for outcome in outcomes} == {v.digest for v in versions}
    check_world(node)
    node.close()
