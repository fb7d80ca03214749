"""What a portal is given: our catalog, once; what is others' is not touched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ckan_simulator import URL, Portal, PortalDialler, Reply
from node_world import make_node, publish_example, put_record
from shahrdad.datasets.demo_set import demo_datasets
from shahrdad.federation.bridge.site import CkanSite
from shahrdad.node.bridge.ledger import Ledger
from shahrdad.node.bridge.outward import OutwardBridge
from shahrdad.node.bridge.rows import Settings
from shahrdad.node.city import Node
from shahrdad.node.publish import withdraw

WRITES = {"package_create", "package_patch", "package_delete", "resource_create"} | {
    "resource_patch",
    "resource_delete",
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with a table and three plain datasets."""
    with make_node(tmp_path) as made:
        names = [
            item.path.stem
            for item in demo_datasets()
            if item.published_by == "kerman" and item.family == "active_systems"
        ]
        publish_example(made, names[0])
        for number in range(3):
            put_record(made, f"plain-{number}", f"عنوان {number}", number)
        yield made


def push(node: Node, portal: Portal, **options: Any) -> dict[str, Any]:
    """Push the catalog, as a new process would."""
    ledger = Ledger(node.database.connect)
    ledger.add("portal", URL, Settings(organization="kerman"))
    dialler: Any = PortalDialler(portal)
    site = CkanSite(URL, dialler, "tests", key=portal.token, wait_seconds=0)
    return OutwardBridge(node, ledger.source("portal"), site).push(**options)


def writes(portal: Portal) -> list[str]:
    """Return the writing actions that were asked of a portal."""
    return [action for action, _ in portal.requests if action in WRITES]


def given(portal: Portal) -> dict[str, str]:
    """Return names and titles of the active packages that are ours."""
    return {
        one["name"]: one["title"]
        for one in portal.active.values()
        if any(extra["key"] == "shahrdad_ref" for extra in one["extras"])
    }


def ours(node: Node) -> dict[str, str]:
    """Return names and titles of our live datasets."""
    return {dataset.name: dataset.title_fa for dataset in node.catalog.list()}


def test_first_push_gives_all_and_the_second_asks_nothing(node: Node) -> None:
    """An unchanged catalog costs the portal no request."""
    portal = Portal()

    first = push(node, portal)
    before = len(portal.requests)
    second = push(node, portal)

    assert ours(node) == given(portal)
    assert (4, 0) == (first["counts"]["given"], second["counts"]["given"])
    assert before == len(portal.requests)


def test_check_finds_nothing_to_write_after_a_push(node: Node) -> None:
    """What the portal stored is what was meant: comparing it again writes nothing."""
    portal = Portal()
    push(node, portal)
    before = len(writes(portal))

    report = push(node, portal, check=True)

    assert (4, before) == (report["counts"]["unchanged"], len(writes(portal)))


def test_dry_run_tells_the_plan_and_writes_nothing(node: Node) -> None:
    """An operator sees what would happen."""
    portal = Portal()

    report = push(node, portal, dry_run=True)

    assert [] == writes(portal)
    assert {"package_create"} == {a for one in report["plan"] for a in one["actions"]}
    assert 4 == push(node, portal)["counts"]["given"]


def test_edit_withdrawal_and_return_follow(node: Node) -> None:
    """The portal ends with what the catalog has, step by step."""
    portal = Portal()
    push(node, portal)
    put_record(node, "plain-0", "تازه", 9)
    withdraw(node, "kerman/plain-1")
    push(node, portal)
    after_edit = (ours(node), given(portal))
    put_record(node, "plain-1", "برگشته", 10)
    push(node, portal)

    assert after_edit[0] == after_edit[1]
    assert ours(node) == given(portal)
    assert "برگشته" == given(portal)["kerman--plain-1"]


def test_foreign_package_of_the_same_name_is_left_alone(node: Node) -> None:
    """Only the extra `shahrdad_ref` makes a package ours."""
    portal = Portal()
    portal.put("foreign", name="kerman--plain-0", title="Foreign")

    report = push(node, portal)

    assert "Foreign" == portal.database["foreign"]["title"]
    assert ["NOT_OUR_PACKAGE"] == [item["reason"] for item in report["failed"]]
    withdraw(node, "kerman/plain-0")
    push(node, portal)
    assert "active" == portal.database["foreign"]["state"]


def test_resources_are_patched_and_surplus_ones_removed(node: Node) -> None:
    """Files keep their identifiers; what is not ours any more goes last."""
    portal = Portal()
    push(node, portal)
    (package,) = [one for one in portal.active.values() if one["resources"]]
    kept, *_ = package["resources"]
    number = kept["id"]
    kept["url"] = "https://elsewhere.example/x.csv"
    package["resources"].append({"id": "extra", "name": "surplus", "url": "x"})
    package["extras"].append({"key": "theirs", "value": "stays"})

    report = push(node, portal, check=True)
    (after,) = [one for one in portal.active.values() if one["resources"]]

    assert [["resource_patch", "resource_delete"]] == [
        one["actions"] for one in report["plan"]
    ]
    assert number == after["resources"][0]["id"]
    assert "127.0.0.1" in after["resources"][0]["url"]
    assert {"key": "theirs", "value": "stays"} in after["extras"]


def test_half_failing_portal_ends_equal(node: Node) -> None:
    """Each failure is told, and the next run gives what is missing."""
    portal = Portal()
    calls = iter(range(10_000))

    def broken(action: str, values: dict[str, Any]) -> Reply | None:
        return Reply(409, b"{}") if next(calls) % 2 else None

    portal.broken = broken
    first = push(node, portal)
    portal.broken = lambda *_: None
    push(node, portal)

    assert first["counts"]["failed"] > 0
    assert ours(node) == given(portal)


def test_answer_that_was_lost_makes_no_second_package(node: Node) -> None:
    """A create that worked but timed out is found again, not repeated."""
    portal = Portal()
    lost: list[str] = []

    def broken(action: str, values: dict[str, Any]) -> Reply | None:
        if action == "package_create" and not lost:
            lost.append(values["name"])
            portal._package_create(values)
            return Reply(0, b"")
        return None

    portal.broken = broken
    push(node, portal)
    push(node, portal)

    assert ours(node) == given(portal)
    assert len(portal.active) == len(given(portal))


def test_wrong_token_is_told_for_each_dataset(node: Node) -> None:
    """Without the right the portal stays as it is."""
    portal = Portal()
    portal.broken = lambda action, _: (
        Reply(403, b'{"success":false,"error":{"__type":"Authorization Error"}}')
        if action in WRITES
        else None
    )

    report = push(node, portal)

    assert (4, {}) == (report["counts"]["failed"], portal.database)
