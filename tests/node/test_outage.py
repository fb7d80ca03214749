"""The object store goes away: the catalog answers, bytes say so, and all comes back.

A server of its own is stopped and started again in the middle, which the run's shared
one must never be. And where the configuration says so, large objects are sent by the
store itself.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import pytest
import urllib3
from starlette.testclient import TestClient

from http_world import World, fill, make_world
from s3_server import (
    IDENTITIES,
    PORTS,
    S3Server,
    free_ports,
    ready,
    s3_server,
    start,
    stop,
)
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http import object_files
from shahrdad.node.http.app import create_app
from shahrdad.node.publish import published_parts
from shahrdad.node.store.s3 import S3Store

__all__ = ["s3_server"]
REF = "kerman/budget-1404"
ANSWER_SECONDS_MAX = 10.0  # of a store that refuses connections


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[S3Server, list[Popen[bytes]], list[int]]]:
    """Start a server of this test's own; the list holds its process of the moment."""
    (tmp_path / "s3.json").write_bytes(strict_json.canonical(IDENTITIES))
    ports = free_ports(len(PORTS))
    running = [start(tmp_path, tmp_path / "data", ports)]
    endpoint = f"127.0.0.1:{ports[0]}"
    assert ready(endpoint, running[0])
    yield S3Server(endpoint, running[0].pid), running, ports
    stop(running[-1])


def on_s3(folder: Path, server: S3Server, **changes: str) -> World:
    """Return a node with two cities, its objects on S3."""
    world = make_world(folder)
    place = replace(server.place(), **changes)  # type: ignore[arg-type]
    world.store = S3Store(place)  # type: ignore[assignment]
    fill(world)
    return world


def object_path(world: World) -> str:
    """Return the address of a part of the newest version."""
    body = world.catalog.body(world.catalog.get(REF).digest)
    return f"/files/{published_parts(body)[0].digest.hex}/kerman--budget-1404.parquet"


def test_an_outage_is_said_and_ends(
    tmp_path: Path, server: tuple[S3Server, list[Popen[bytes]], list[int]]
) -> None:
    """Catalog, search, records and receipts go on; bytes give 503 within 10 s."""
    place, running, ports = server
    world = on_s3(tmp_path / "node", place)
    part = object_path(world)
    with TestClient(create_app(world), raise_server_exceptions=False) as client:
        whole = client.get(part)
        stop(running[-1])
        answers = {
            path: client.get(path).status_code
            for path in (
                "/v1/datasets",
                "/v1/datasets?q=بودجه",
                f"/v1/datasets/{REF}",
                f"/v1/datasets/{REF}/versions",
                f"/d/{REF}/v/2.tlog-proof",
                "/healthz",
            )
        }
        began = time.monotonic()
        lost = client.get(part)
        taken = time.monotonic() - began
        unready = client.get("/readyz")
        running.append(start(tmp_path, tmp_path / "data", ports))
        assert ready(place.endpoint, running[-1])
        back = client.get(part)

    assert 200 == whole.status_code
    assert {200} == set(answers.values()), answers
    assert 503 == lost.status_code
    assert "store" in lost.json()["type"]
    assert "Retry-After" in lost.headers
    assert taken < ANSWER_SECONDS_MAX
    assert 503 == unready.status_code
    assert whole.content == back.content


def test_large_objects_are_sent_by_the_store(
    tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`presigned`: above a size GET goes to the store, and HEAD stays here."""
    world = on_s3(tmp_path, s3_server, serve="presigned")
    store = replace(world.config.store, serve="presigned")
    world.config = replace(world.config, store=store)
    part = object_path(world)
    with TestClient(create_app(world), follow_redirects=False) as client:
        small = client.get(part)
        monkeypatch.setattr(object_files, "PRESIGNED_BYTES_MIN", len(small.content) - 1)
        large, head = client.get(part), client.head(part)
    fetched = urllib3.request("GET", large.headers["location"], timeout=30)

    assert 200 == small.status_code
    assert (307, "no-store") == (large.status_code, large.headers["cache-control"])
    assert small.content == fetched.data
    assert (200, str(len(small.content))) == (
        head.status_code,
        head.headers["content-length"],
    )
    assert "X-Amz-Expires=3600" in large.headers["location"]


def shared_url(client: TestClient) -> str:
    """Return where Delta Sharing sends a reader of a table's first file."""
    table = "/delta-sharing/shares/kerman/schemas/budget_lines/tables/budget-1404"
    lines = client.post(f"{table}/query", json={}).text.splitlines()
    url: str = json.loads(lines[2])["file"]["url"]
    return url


def test_the_store_serves_where_the_configuration_says_so(
    tmp_path: Path, s3_server: S3Server
) -> None:
    """`node`, `public`, `presigned`: the addresses of /v1 and of Delta Sharing."""
    world = on_s3(tmp_path, s3_server)
    place = world.store.place  # type: ignore[attr-defined]
    own = world.config.store
    bucket = "https://s3.kerman.ir/open"
    public = replace(
        own, kind="s3", prefix=place.prefix, serve="public", public_url=f"{bucket}/"
    )
    found: dict[str, tuple[str, str]] = {}
    for serve, section in (
        ("node", own),
        ("public", public),
        ("presigned", replace(own, serve="presigned")),
    ):
        world.config = replace(world.config, store=section)
        world.store = S3Store(replace(place, serve=serve))  # type: ignore[assignment]
        with TestClient(create_app(world)) as client:
            table = client.get(f"/v1/datasets/{REF}").json()["resources"][0]
            listed = table["url"] or table["parts"][0]["url"]
            found[serve] = (listed, shared_url(client))
    digest = object_path(world).split("/")[2]
    key = f"{bucket}/{place.prefix}/object/{digest[:2]}/{digest}"
    fetched = urllib3.request("GET", found["presigned"][1], timeout=30)

    assert found["node"][0] == found["node"][1] == found["presigned"][0]
    assert f"/files/{digest}/" in found["node"][0]
    assert (key, key) == found["public"]
    assert "X-Amz-Expires=3600" in found["presigned"][1]
    assert Digest.parse(digest) == Digest.of(fetched.data)
