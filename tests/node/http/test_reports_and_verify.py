"""`/v1/reports`, and `POST /v1/verify`: what a node says of a file."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from http_world import World
from node_world import make_node, publish_example
from shahrdad.node.city import Node
from shahrdad.node.http import limits
from shahrdad.node.http.app import create_app


def test_reports_are_listed_newest_first(client: TestClient, world: World) -> None:
    """Every month since the first entry has a report, and its address answers."""
    page = client.get("/v1/reports?limit=1000").json()
    months = [item["month"] for item in page["items"]]

    assert months == sorted(months, reverse=True)
    assert "1404-07" == months[-1]  # the world's first entry is of 1 October 2025
    assert len(months) == page["total"]
    assert not page["items"][0]["final"]
    address = page["items"][-1]["links"]["self"]
    path = address.removeprefix(world.config.public_url)
    assert "1404-07" == client.get(path).json()["month"]


def test_reports_come_in_pages(client: TestClient) -> None:
    """Pages by cursor give each month once."""
    whole = [one["month"] for one in client.get("/v1/reports").json()["items"]]
    found, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = client.get(f"/v1/reports?limit=1{more}").json()
        found += [one["month"] for one in page["items"]]
        cursor = page["next_cursor"]

    assert whole == found


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that signs, with one published dataset."""
    node = make_node(tmp_path_factory.mktemp("signing"))
    publish_example(node, "org-units")
    yield node
    node.close()


@pytest.fixture(scope="module")
def asking(signing: Node) -> Iterator[TestClient]:
    """A client of that node."""
    with TestClient(create_app(signing)) as found:
        yield found


def verdict(client: TestClient, **body: Any) -> Any:
    """Return what the node says."""
    answer = client.post("/v1/verify", json=body)

    assert 200 == answer.status_code, answer.text
    assert "no-store" == answer.headers["cache-control"]
    return answer.json()


def facts(client: TestClient) -> Any:
    """Return the published dataset."""
    return client.get("/v1/datasets").json()["items"][0]


def test_a_published_file_is_found(asking: TestClient) -> None:
    """The digest of a table leads to its version; every step is told."""
    dataset = facts(asking)
    found = verdict(asking, sha256=dataset["resources"][0]["sha256"])
    (result,) = found["results"]

    assert found["holds"]
    assert not found["is_proof"]
    assert "shahrdad verify FILE RECEIPT" == found["offline"]
    assert (dataset["ref"], 1, "current") == (
        result["ref"],
        result["version"],
        result["state"],
    )
    assert {"fails"}.isdisjoint(step["outcome"] for step in result["steps"])


def test_a_record_and_its_receipt_are_found(asking: TestClient) -> None:
    """The digest of the record, and its receipt, say the same of the same version."""
    dataset = facts(asking)
    receipt = asking.get(f"/v1/datasets/{dataset['ref']}/receipt").text
    of_record = verdict(asking, sha256=dataset["version"]["digest"])
    of_receipt = verdict(asking, receipt=receipt)
    wrong_file = verdict(asking, receipt=receipt, sha256="0" * 64)

    assert of_record["holds"]
    assert of_receipt["holds"]
    assert not wrong_file["holds"]
    assert of_record["results"][0]["ref"] == of_receipt["results"][0]["ref"]


def test_another_dataset_is_not_what_was_asked(asking: TestClient) -> None:
    """With a reference only that dataset counts; an unknown file is in none."""
    sha256 = facts(asking)["resources"][0]["sha256"]

    assert not verdict(asking, sha256=sha256, ref="kerman/another")["holds"]
    assert [] == verdict(asking, sha256="0" * 64)["results"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 422),
        (b'{"sha":"0"}', 422),
        (b'{"sha256":5}', 422),
        (b'{"sha256":"' + b"0" * 65 + b'"}', 400),
        (b'{"receipt":"hello"}', 400),
        (b'{"receipt":"' + b"x" * (limits.RECEIPT_LETTERS_MAX - 1) + b'"}', 400),
        (b'{"receipt":"' + b"x" * (limits.RECEIPT_LETTERS_MAX + 1) + b'"}', 422),
        (b" " * (limits.BODY_BYTES_MAX + 1), 413),
    ],
    ids=range(10),
)
def test_what_cannot_be_read_is_refused(
    asking: TestClient, body: bytes, status: int
) -> None:
    """Each wrong body has its problem, and none is a fault of the node."""
    answer = asking.post("/v1/verify", content=body)

    assert 400 <= answer.status_code < 500, answer.text
    assert status == answer.status_code, answer.text
    assert "application/problem+json" == answer.headers["content-type"]
