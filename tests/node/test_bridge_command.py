"""`shahrdad bridge` from end to end, and a bridge between two nodes of ours."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from account_world import add_person, token_of
from ckan_simulator import File, Portal, PortalDialler, Reply, serve
from http_world import fill, make_world
from node_world import make_config, make_node, replace
from shahrdad.federation.bridge.files import FileFetcher
from shahrdad.federation.bridge.site import CkanSite
from shahrdad.node.accounts import people
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import MACHINE, parse_grant
from shahrdad.node.bridge.inward import InwardBridge
from shahrdad.node.bridge.ledger import Ledger
from shahrdad.node.bridge.rows import Settings
from shahrdad.node.city import Node
from shahrdad.node.config import PublishSection, load
from shahrdad.node.config_file import render
from shahrdad.node.http.app import create_app


def shahrdad(file: Path, *arguments: str, code: int = 0) -> Any:
    """Run a command of the bridge, and return the JSON that it prints."""
    command = [sys.executable, "-m", "shahrdad.node.cli", "bridge", *arguments]
    run = subprocess.run(
        [*command, "--config", str(file), "--json", "--lang", "en"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert code == run.returncode, run.stderr
    return json.loads(run.stdout) if run.stdout else None


def test_add_run_hold_approve_and_push(tmp_path: Path) -> None:
    """What an operator types, against a portal on the wire."""
    file = make_config(tmp_path)
    portal = Portal()
    with serve(portal) as url:
        portal.files["https://portal.example/files/x.csv"] = File(b"a\n1\n")
        for number in range(8):
            resource = {"name": "x", "format": "csv", "url": f"{url}/files/x.csv"}
            portal.put(f"a{number}", resources=[{"id": "r", **resource}])
        shahrdad(file, "add", "tehran", url)
        first = shahrdad(file, "run", "tehran", "--offline")
        for number in range(6):
            portal.delete(f"a{number}")
        held = shahrdad(file, "run", "tehran", "--offline", code=6)
        approved = shahrdad(file, "approve", str(held["run"]), "--offline")
        listed = shahrdad(file, "list")
        shahrdad(file, "run", "nowhere", "--offline", code=2)
        key = file.parent / "ckan.token"
        key.write_text(portal.token, "utf-8")
        shahrdad(file, "add", "target", url, "--key-file", "ckan.token")
        pushed = shahrdad(file, "push", "target", "--dry-run")

    assert (8, [], []) == (
        first["counts"]["published"],
        first["failed"],
        first["files"],
    )
    assert ("held", "gone", 6) == (held["state"], held["brake"], len(held["gone"]))
    assert 6 == approved["counts"]["withdrawn"]
    assert [(2, "done")] == [
        (one["live"], one["last_run"].partition(" ")[2])
        for one in listed
        if one["name"] == "tehran"
    ]
    assert [] == pushed["plan"]  # what came from CKAN is not given to CKAN


def test_four_eyes_from_end_to_end(tmp_path: Path) -> None:
    """The bridge's token hands in; another person's publishes the list it looked at."""
    file = make_config(tmp_path)
    config = load(file)
    file.write_text(render(replace(config, publish=PublishSection())), "utf-8")
    with Node(load(file)) as node:
        add_person(node, "petra", "publisher", password=None)
        with node.database.transaction() as connection:
            grants = [parse_grant("editor:ckan-tehran")]
            people.add(
                connection, MACHINE, "bridge", grants, kind="service", at=present()
            )
        bridge, petra = tmp_path / "bridge.token", tmp_path / "petra.token"
        bridge.write_text(token_of(node, "bridge", "bridge:run"), "utf-8")
        petra.write_text(token_of(node, "petra", "approve"), "utf-8")
    portal = Portal()
    portal.put("a0")
    with serve(portal) as url:
        shahrdad(file, "add", "tehran", url)
        shahrdad(file, "run", "tehran", code=4)
        run = ("run", "tehran", "--token-file", str(bridge))
        submitted = shahrdad(file, *run, code=6)
        number = str(submitted["run"])
        listed = shahrdad(file, "list", "--run", number)
        approve = ("approve", number, "--digest", listed["digest"], "--offline")
        shahrdad(file, *approve, "--token-file", str(bridge), code=4)
        shahrdad(file, *approve[:2], "--token-file", str(petra), "--offline", code=2)
        approved = shahrdad(file, *approve, "--token-file", str(petra))
        done = shahrdad(file, *run)

    assert (1, 0) == (
        submitted["counts"]["submitted"],
        submitted["counts"]["published"],
    )
    assert listed["drafts"] == approved["published"]
    assert 1 == done["counts"]["unchanged"]


@pytest.mark.parametrize(
    ("name", "url"), [("Tehran", "https://x.example"), ("tehran", "not an address")]
)
def test_senseless_source_is_refused(tmp_path: Path, name: str, url: str) -> None:
    """A name becomes part of keys that never change."""
    shahrdad(make_config(tmp_path), "add", name, url, code=2)


def test_our_own_facade_is_a_portal(tmp_path: Path) -> None:
    """A node reads another's CKAN doors: datasets, withdrawal, and then no news."""
    world = fill(make_world(tmp_path / "kerman"))
    with TestClient(create_app(world)) as client:

        class Facade(Portal):
            """Hands every request to the node."""

            def answer(self, *request: Any) -> Reply:
                method, url, headers, body = request
                found = client.request(method, url, headers=headers, content=body)
                kind = {"content-type": found.headers.get("content-type", "")}
                return Reply(found.status_code, found.content, kind)

        dialler: Any = PortalDialler(Facade())
        with make_node(tmp_path, "shiraz") as node:
            ledger = Ledger(node.database.connect)
            ledger.add("kerman", "https://data.kerman.example", Settings(files="link"))
            source = ledger.source("kerman")
            site = CkanSite(source.url, dialler, "tests", wait_seconds=0)
            bridge = InwardBridge(node, source, site, FileFetcher(dialler, "tests"))
            first = bridge.run()
            titles = {one.slug: one.title_fa for one in node.catalog.list()}
            world.withdraw("kerman", "active-systems", time="2025-11-25T06:00:00Z")
            second, third = bridge.run(), bridge.run()
            left = [one.slug for one in node.catalog.list()]

    assert (True, 2, []) == (
        first["complete"],
        first["counts"]["published"],
        first["failed"],
    )
    assert "بودجهٔ ۱۴۰۴ شهرداری کرمان" == titles["ckan-kerman-kerman-budget-1404"]
    assert (1, 0) == (second["counts"]["withdrawn"], third["counts"]["withdrawn"])
    assert ["ckan-kerman-kerman-budget-1404"] == left
