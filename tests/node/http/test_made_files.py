"""Size and digest of the files of a version, at every door that lists them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from http_world import World, example_rows, make_world
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import made_files
from shahrdad.node.database import Database
from shahrdad.node.http.app import create_app
from shahrdad.node.made_files import MadeFile, forget_redacted, made_of, note
from shahrdad.node.store.contract import Area
from shahrdad.node.store.local import LocalStore

REF = "kerman/active-systems"
CSV = f"/d/{REF}/v/1/active-systems.csv"
RECORD = Digest.of(b"a record that is gone")
MADE = MadeFile(Digest.of(b"1404"), 4)


@pytest.fixture
def own_world(tmp_path: Path) -> World:
    """A node with one dataset, of which nothing was taken yet."""
    world = make_world(tmp_path)
    rows = example_rows("active_systems", "kerman")
    title = ("سامانه‌های فعال کرمان", "Systems of Kerman")
    time = "2025-11-12T06:00:00Z"
    world.publish(
        "kerman", "active-systems", "active_systems", rows, time=time, title=title
    )
    return world


@pytest.fixture
def own_client(own_world: World) -> Iterator[TestClient]:
    """A client of that node."""
    with TestClient(create_app(own_world), follow_redirects=False) as found:
        yield found


def said(client: TestClient) -> dict[str, Any]:
    """Return what each door says of the CSV: its size, and most its digest."""
    found = client.get(f"/v1/datasets/{REF}").json()
    (listed,) = client.get("/v1/datasets").json()["items"]
    search = client.get("/api/3/action/package_search").json()["result"]["results"]
    show = client.get("/api/3/action/package_show?id=kerman--active-systems").json()
    package = client.get(f"/d/{REF}.datapackage.json").json()
    schema_org = client.get(f"/d/{REF}.schemaorg.jsonld").json()
    turtle = client.get(f"/d/{REF}.ttl").text
    csv = [one for one in schema_org["distribution"] if "csv" in one["encodingFormat"]]
    ckan = [
        one
        for resources in (search[0]["resources"], show["result"]["resources"])
        for one in resources
        if one["format"] == "CSV"
    ]
    return {
        "object": found["resources"][0]["formats"]["csv"].get("bytes"),
        "list": listed["resources"][0]["formats"]["csv"].get("bytes"),
        "ckan": [(one["size"], one["hash"]) for one in ckan],
        "data package": (
            package["resources"][0].get("bytes"),
            package["resources"][0].get("hash"),
        ),
        "schema.org": (csv[0].get("contentSize"), csv[0].get("sha256")),
        "turtle": turtle,
        "workbook": [
            (one["size"], one["hash"])
            for one in search[0]["resources"]
            if one["format"] == "XLSX"
        ],
    }


def test_doors_tell_the_csv_once_it_was_made(own_client: TestClient) -> None:
    """Before, nobody says anything of it; after, all say the same, and what is true.

    A workbook has two files at one address, a Persian and an English one: of these a
    digest would be wrong for some readers, and there is none.
    """
    before = said(own_client)
    content = own_client.get(CSV).content
    own_client.get(CSV.replace(".csv", ".xlsx"))
    size, digest = len(content), hashlib.sha256(content).hexdigest()

    after = said(own_client)

    assert [(None, "")] * 2 == before["ckan"]
    assert (None, None) == before["data package"] == before["schema.org"]
    assert [(None, "")] == after["workbook"]
    assert size == after["object"] == after["list"]
    assert [(size, digest)] * 2 == after["ckan"]
    assert (size, f"sha256:{digest}") == after["data package"]
    assert (f"{size} B", digest) == after["schema.org"]
    assert digest in after["turtle"]
    assert f'"{size}"^^' in after["turtle"]


def test_what_was_noted_is_not_made_again(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start serves the object that is there, and has its digest."""
    with TestClient(create_app(own_world)) as client:
        first = client.get(CSV)
    (kept,) = own_world.store.list(Area.DERIVED)
    monkeypatch.delattr(LocalStore, "put")
    with TestClient(create_app(own_world)) as client:
        again = client.get(CSV)

    assert first.content == again.content
    assert f'"{kept[0].hex}"' == again.headers["etag"]


def test_another_exporter_knows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may write other bytes, so a digest of its forerunner is not told."""
    connection = Database(tmp_path / "node.db").connect()
    note(connection, RECORD, "budget", "csv", MADE)
    known = made_of(connection, RECORD)
    monkeypatch.setattr(made_files, "exporter", lambda: "another")

    assert {("budget", "csv"): MADE} == known
    assert {} == made_of(connection, RECORD)


def test_redaction_forgets_the_digest(tmp_path: Path) -> None:
    """A digest of what is gone could confirm a guess at it; the others stay."""
    connection = Database(tmp_path / "node.db").connect()
    held = Digest.of(b"a record that is held")
    connection.execute("INSERT INTO body VALUES(?, ?)", (held.raw, b"{}"))
    for record in (RECORD, held):
        note(connection, record, "budget", "csv", MADE)

    forget_redacted(connection)

    assert {} == made_of(connection, RECORD)
    assert {("budget", "csv"): MADE} == made_of(connection, held)
