"""How often a dataset is read is known, and who read it is not."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from node_world import make_config, ready
from shahrdad.node import usage
from shahrdad.node.city import Node
from shahrdad.node.commands.usage import usage as command
from shahrdad.node.config import load
from shahrdad.node.console import Common
from shahrdad.node.http import usage_counting
from shahrdad.node.http.app import create_app
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import publish

REF = "kerman/org-units"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
CURL = {"User-Agent": "curl/8.5.0"}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Return a node with one dataset."""
    with ready(Node(load(make_config(tmp_path)))) as found:
        publish(found, handed(find_example("kerman", "org-units")))
        yield found


@pytest.fixture
def client(node: Node) -> Iterator[TestClient]:
    """Return a client of the node."""
    with TestClient(create_app(node)) as one:
        yield one


def counted(client: TestClient, node: Node) -> list[tuple[str, str, str, int]]:
    """Write what was counted, and return it."""
    client.app.state.usage.flush()  # type: ignore[attr-defined]
    return list(usage.read(node.database.connect(), "2000-01-01"))


def test_pages_and_data_are_counted_by_sort_of_reader(
    client: TestClient, node: Node
) -> None:
    """A page in a browser is not a file taken by a program."""
    client.get(f"/fa/d/{REF}", headers=FIREFOX)
    client.get(f"/en/d/{REF}", headers=FIREFOX)
    client.get(f"/v1/datasets/{REF}", headers=CURL)

    assert [
        (REF, "browser", "page", 2),
        (REF, "program", "data", 1),
    ] == counted(client, node)


def test_what_is_no_reading_is_not_counted(client: TestClient, node: Node) -> None:
    """Errors, unchanged copies, probes, and pages that are about no dataset."""
    known = client.get(f"/v1/datasets/{REF}", headers=CURL).headers["etag"]
    before = counted(client, node)

    client.get("/v1/datasets/kerman/nothing", headers=CURL)
    client.get(f"/v1/datasets/{REF}", headers={**CURL, "If-None-Match": known})
    client.head(f"/v1/datasets/{REF}", headers=CURL)
    client.get("/fa/datasets", headers=FIREFOX)

    assert before == counted(client, node)


def test_counts_add_up_over_writings_and_restarts(
    client: TestClient, node: Node
) -> None:
    """A second writing adds to the first one's row."""
    client.get(f"/v1/datasets/{REF}", headers=CURL)
    counted(client, node)
    with TestClient(create_app(node)) as again:
        again.get(f"/v1/datasets/{REF}", headers=CURL)
        assert [(REF, "program", "data", 2)] == counted(again, node)


def test_memory_is_bounded(
    client: TestClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the table full, what is in it still counts, and nothing new comes in."""
    monkeypatch.setattr(usage_counting, "USAGE_READINGS_MAX", 1)

    client.get(f"/v1/datasets/{REF}", headers=CURL)
    client.get(f"/v1/datasets/{REF}", headers=FIREFOX)
    client.get(f"/v1/datasets/{REF}", headers=CURL)

    assert [(REF, "program", "data", 2)] == counted(client, node)


def test_a_stopping_server_writes_the_last_minute(
    client: TestClient, node: Node
) -> None:
    """The thread of `serve` writes once more as it ends."""
    client.get(f"/v1/datasets/{REF}", headers=CURL)
    ended = threading.Event()
    ended.set()

    thread = threading.Thread(
        target=client.app.state.usage.run,  # type: ignore[attr-defined]
        args=(ended,),
    )
    thread.start()
    thread.join(10)

    rows = list(usage.read(node.database.connect(), "2000-01-01"))
    assert [(REF, "program", "data", 1)] == rows


def test_nothing_of_a_reader_is_kept(client: TestClient, node: Node) -> None:
    """Neither address nor user agent stands in the database."""
    client.get(f"/v1/datasets/{REF}", headers={"User-Agent": "SecretPhone/7"})
    counted(client, node)
    rows = node.database.connect().execute("SELECT * FROM usage").fetchall()

    assert "SecretPhone" not in str(rows)
    assert "testclient" not in str(rows)


def test_command_shows_what_was_read(
    client: TestClient, node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    """`shahrdad usage --json`, of the last days."""
    client.get(f"/v1/datasets/{REF}", headers=CURL)
    counted(client, node)

    file = node.config.folder / "shahrdad.toml"
    capsys.readouterr()  # what the server logged
    command(days=2, common=Common(config=file, json=True))

    shown = json.loads(capsys.readouterr().out)
    assert [{"ref": REF, "reader": "program", "thing": "data", "times": 1}] == shown
