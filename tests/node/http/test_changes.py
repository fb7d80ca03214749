"""`/v1/changes`: what a node learned, in its own order, once each."""

import threading

import pytest
from starlette.testclient import TestClient

from http_world import World, example_rows, fill, make_world
from shahrdad.node.http.app import create_app


def test_changes_page_by_cursor(client: TestClient) -> None:
    """Every change comes once, and the last cursor waits for the next one."""
    seen, cursor = [], ""
    while True:
        found = client.get(f"/v1/changes?limit=2{cursor}").json()
        if not found["items"]:
            break
        seen += [item["seq"] for item in found["items"]]
        cursor = f"&cursor={found['next_cursor']}"

    assert sorted(set(seen)) == seen
    assert 6 == len(seen)


def test_withdrawal_is_a_change(client: TestClient) -> None:
    """A reader learns what went and why."""
    items = client.get("/v1/changes").json()["items"]
    gone = [item for item in items if item["op"] == "delete"]

    assert [("kerman/old-projects", "withdrawn")] == [
        (item["ref"], item["reason"]) for item in gone
    ]


def test_waiting_ends_with_the_change(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A long poll answers as soon as something is published."""
    world: World = fill(make_world(tmp_path_factory.mktemp("waiting")))
    with TestClient(create_app(world)) as client:
        cursor = client.get("/v1/changes").json()["next_cursor"]

        def publish() -> None:
            world.publish(
                "rasht",
                "projects",
                "projects",
                example_rows("projects", "rasht"),
                time="2025-11-22T06:00:00Z",
                title=("پروژه‌ها", "Projects"),
            )

        thread = threading.Timer(0.2, publish)
        thread.start()
        found = client.get(f"/v1/changes?cursor={cursor}&wait=30").json()
        thread.join()

    assert ["rasht/projects"] == [item["ref"] for item in found["items"]]
