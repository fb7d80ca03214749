"""Files in pieces: an interrupted upload goes on where the last byte was kept."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from starlette.testclient import TestClient
from tusclient.client import TusClient

from account_world import settle, strict_node, token_of
from page_server import served
from shahrdad.node.accounts.moments import present
from shahrdad.node.city import Node
from shahrdad.node.desk import resumable
from shahrdad.node.http.app import create_app
from shahrdad.node.http.write.limits import UPLOAD_BYTES_MAX
from shahrdad.node.operating import housekeeping

CONTENT = b"city_code,name_fa\n1346,x\n" * 400
NAME = base64.b64encode("بودجه.csv".encode()).decode()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node with people."""
    node = strict_node(tmp_path_factory.mktemp("resumable"))
    settle(node)
    yield node
    node.close()


@pytest.fixture
def client(node: Node) -> Iterator[TestClient]:
    """Return a client with the editor's token."""
    token = token_of(node, "edna", "draft:write")
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    with TestClient(create_app(node), headers=headers) as one:
        yield one


def announce(client: TestClient, size: int = len(CONTENT)) -> Any:
    """Announce a file."""
    metadata = f"filename {NAME},filetype dGV4dC9jc3Y="
    headers = {"Upload-Length": str(size), "Upload-Metadata": metadata}
    return client.post("/v1/uploads", headers=headers)


def send(client: TestClient, address: str, offset: int, piece: bytes) -> Any:
    """Send a piece."""
    headers = {
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
    }
    return client.patch(address, content=piece, headers=headers)


def test_file_arrives_in_pieces(client: TestClient, node: Node) -> None:
    """Announced, half sent, asked for, ended; then a draft can name it."""
    made = announce(client)
    assert 201 == made.status_code, made.text
    address = made.headers["location"]
    half = len(CONTENT) // 2
    assert 204 == send(client, address, 0, CONTENT[:half]).status_code
    asked = client.head(address)
    assert (str(half), str(len(CONTENT)), "no-store") == (
        asked.headers["upload-offset"],
        asked.headers["upload-length"],
        asked.headers["cache-control"],
    )
    ended = send(client, address, half, CONTENT[half:])
    assert str(len(CONTENT)) == ended.headers["upload-offset"]
    number = address.rpartition("/")[2]
    row = node.database.connect().execute(
        "SELECT file_name, bytes FROM upload WHERE id=?", (number,)
    )
    assert ("بودجه.csv", len(CONTENT)) == row.fetchone()
    assert str(len(CONTENT)) == client.head(address).headers["upload-offset"]


def test_client_of_the_protocol_goes_on_where_it_stopped(node: Node) -> None:
    """A client that we did not write sends a piece, dies, and another one ends it."""
    token = token_of(node, "edna", "draft:write")
    with served(create_app(node)) as url:
        headers = {"Authorization": f"Bearer {token}"}
        client = TusClient(f"{url}/v1/uploads", headers=headers)
        first = client.uploader(
            file_stream=BytesIO(CONTENT),
            chunk_size=1_000,
            metadata={"filename": "units.csv"},
        )
        first.upload_chunk()  # type: ignore[no-untyped-call]
        second = client.uploader(
            file_stream=BytesIO(CONTENT), url=first.url, chunk_size=1_000
        )
        assert 1_000 == second.offset
        second.upload()
    number = str(first.url).rpartition("/")[2]
    row = node.database.connect().execute(
        "SELECT file_name, bytes FROM upload WHERE id=?", (number,)
    )

    assert ("units.csv", len(CONTENT)) == row.fetchone()


def test_piece_must_follow(client: TestClient) -> None:
    """A piece twice, a gap, or too many bytes change nothing."""
    address = announce(client, 10).headers["location"]
    assert 204 == send(client, address, 0, b"12345").status_code
    for offset, piece, status in ((0, b"1", 409), (7, b"1", 409), (5, b"x" * 6, 413)):
        assert status == send(client, address, offset, piece).status_code
    headers = {"Upload-Offset": "5", "Content-Type": "text/plain"}
    assert 415 == client.patch(address, content=b"1", headers=headers).status_code
    assert "5" == client.head(address).headers["upload-offset"]
    assert 204 == client.delete(address).status_code
    assert 404 == client.head(address).status_code


def test_file_of_another_account_is_unknown(client: TestClient, node: Node) -> None:
    """Nobody adds to, or asks for, what somebody else announced."""
    address = announce(client, 10).headers["location"]
    other = {"Authorization": f"Bearer {token_of(node, 'petra', 'draft:write')}"}
    assert 404 == client.head(address, headers=other).status_code
    client.delete(address)


def test_announcements_are_bounded(client: TestClient) -> None:
    """A file above the limit, and one more than may be open, are refused."""
    assert 413 == announce(client, UPLOAD_BYTES_MAX + 1).status_code
    assert 413 == announce(client, 0).status_code
    made = [announce(client, 10) for _ in range(resumable.OPEN_MAX)]
    assert {201} == {one.status_code for one in made}
    assert 409 == announce(client, 10).status_code
    for one in made:
        client.delete(one.headers["location"])


def test_house_is_kept(client: TestClient, node: Node) -> None:
    """What nobody went on with for two days, and old names of the audit, are gone."""
    address = announce(client, 10).headers["location"]
    housekeeping.forget_old(node, present())
    assert 200 == client.head(address).status_code
    found = housekeeping.forget_old(node, present() + timedelta(hours=49))
    assert (1, 404) == (found["pieces"], client.head(address).status_code)
    found = housekeeping.forget_old(node, present() + timedelta(days=800))
    assert found["personal"] > 0
    assert not [*(node.config.data / resumable.FOLDER).iterdir()]
