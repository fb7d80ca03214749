"""An old version as the newest again: no byte is written, and nothing is hidden."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from account_world import actor, settle, strict_node
from node_world import make_node, publish_example
from shahrdad.datasets import standards
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import Outcome, publish, published_parts
from shahrdad.node.restoring import draft_restoration, restore
from shahrdad.node.store.contract import Area
from shahrdad.node.table_changes import compare, sides

REF = "kerman/org-units"


def publish_changed(node: Node, folder: Path) -> Outcome:
    """Publish the example with one other number."""
    example = find_example("kerman", "org-units")
    copy = folder / "changed.csv"
    text = example.path.read_text("utf-8")
    copy.write_text(text.replace(",خیر,319", ",خیر,320"), "utf-8")
    return publish(node, handed(example, copy))[0]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node with two versions of a dataset."""
    found = make_node(tmp_path)
    publish_example(found, "org-units")
    publish_changed(found, tmp_path)
    return found


def objects(node: Node) -> set[str]:
    """Return every object of the node."""
    return {
        f"{area}/{digest.hex}"
        for area in (Area.OBJECT, Area.PRIVATE)
        for digest, _ in node.store.list(area)
    }


def body_of(node: Node, n: int) -> dict[str, Any]:
    """Return the record of a version."""
    return node.catalog.body(node.catalog.version(REF, n)[1].digest)


def test_restoring_writes_no_data(node: Node) -> None:
    """The new version names the old objects, says where it comes from, and counts."""
    before = objects(node)
    found = restore(node, "org-units", 1)
    newest = body_of(node, 3)

    assert ("published", 3, False) == (found.state, found.version, found.judged_again)
    assert before == objects(node)
    assert published_parts(body_of(node, 1)) == published_parts(newest)
    assert 1 == newest["shahrdad"]["restored_from"]
    assert (2, 1) == tuple(newest["shahrdad"]["change"][n] for n in ("from", "changed"))
    assert [3, 2, 1] == [one.n for one in node.catalog.versions(REF)]


def test_restoring_what_is_newest_changes_nothing(node: Node) -> None:
    """Neither the newest version, nor a second restoration of the same."""
    assert "unchanged" == restore(node, REF, 2).state
    restore(node, REF, 1)

    assert ("unchanged", 3) == (
        (again := restore(node, REF, 1)).state,
        again.version,
    )
    assert 3 == len(node.catalog.versions(REF))


def test_a_restored_version_goes_on(node: Node, tmp_path: Path) -> None:
    """The next file is compared with it like with any other."""
    restore(node, REF, 1)
    unchanged = publish_example(node, "org-units")
    changed = publish_changed(node, tmp_path)

    assert ("unchanged", 3) == (unchanged.state, unchanged.version)
    assert ("published", 4) == (changed.state, changed.version)
    assert "restored_from" not in body_of(node, 4)["shahrdad"]


def test_a_standard_that_moved_on_judges_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old table is judged by the standard of today, and the record says which."""
    today = replace(standards.load("org_units"), digest="9" * 64)
    loaded = standards.load
    monkeypatch.setattr(
        standards,
        "load",
        lambda name: today if name == "org_units" else loaded(name),
    )
    found = restore(node, REF, 1)
    newest = body_of(node, 3)

    assert ("published", True) == (found.state, found.judged_again)
    assert "9" * 64 == newest["shahrdad"]["standard"]["sha256"]
    assert 1 == newest["shahrdad"]["restored_from"]
    assert [part.rows for part in published_parts(body_of(node, 1))] == [
        part.rows for part in published_parts(newest)
    ]
    old, new = sides(node, f"{REF}@1", f"{REF}@3")
    assert 0 == compare(old, new).run().changed


@pytest.mark.parametrize(
    ("ref", "n", "reason"),
    [
        (REF, 9, "VERSION_UNKNOWN"),
        ("kerman/nothing", 1, "DATASET_UNKNOWN"),
        ("mashhad/org-units", 1, "NOT_OUR_DATASET"),
    ],
)
def test_only_what_was_published_here(
    node: Node, ref: str, n: int, reason: str
) -> None:
    """Another city's data is not ours to restore."""
    with pytest.raises(RequestError) as error:
        restore(node, ref, n)
    assert reason == error.value.reason


def test_a_lost_object_is_named_before_anything_is_signed(node: Node) -> None:
    """A record that names what is gone would be a promise nobody can keep."""
    (part,) = published_parts(body_of(node, 1))
    node.store.delete(Area.OBJECT, part.digest)
    with pytest.raises(RequestError) as error:
        restore(node, REF, 1)

    assert "OBJECT_NOT_HELD" == error.value.reason
    assert 2 == len(node.catalog.versions(REF))


def test_four_eyes_approve_a_restoration(tmp_path: Path) -> None:
    """It is a draft like any other: another person reads its rows, and approves."""
    node = strict_node(tmp_path)
    settle(node, password=None)
    author, approver = actor(node, "petra"), actor(node, "paul")
    example = find_example("kerman", "org-units")
    changed = tmp_path / "changed.csv"
    text = example.path.read_text("utf-8")
    changed.write_text(text.replace(",خیر,319", ",خیر,320"), "utf-8")
    for file in (example.path, changed):
        draft = drafting.draft_file(node, handed(example, file), author).draft
        draft = drafting.submit(node, draft.id, author)
        assert draft.digest is not None
        drafting.approve(node, draft.id, draft.digest, approver)
    before = objects(node)
    with pytest.raises(RequestError) as error:
        restore(node, REF, 1)
    found = draft_restoration(node, REF, 1, author)

    assert Reason.APPROVAL_NEEDED == error.value.reason
    assert "submitted" == found.state
    assert found.draft is not None
    assert found.draft.digest is not None
    rows, _ = drafting.first_rows(node, found.draft, 5)
    assert 5 == len(rows)
    old, new = sides(node, f"draft:{found.draft.id}")
    assert (f"{REF}@2", 1) == (old.name, compare(old, new).run().changed)
    drafting.approve(node, found.draft.id, found.draft.digest, approver)
    assert before == objects(node)
    assert 1 == body_of(node, 3)["shahrdad"]["restored_from"]
