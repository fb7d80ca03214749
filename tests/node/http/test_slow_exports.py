"""Selections of slow readers: no place is held, disk is bounded, lengths are honest."""

import asyncio
import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Scope

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.node.http import limits
from shahrdad.node.http.exports.making import Exports
from shahrdad.node.http.exports.outgoing import GivenUpError, Outgoing, check_rows

CSV = "/v1/datasets/kerman/budget-1404/export/budget-lines.csv"
SLOW_READERS = 5  # more than there are places for making exports
FOLDER = Path()
SIZE = 10  # of the files of which only the size matters


class Reader:
    """A connection whose other end takes the first piece only when it is told to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.waits = asyncio.Event()  # set once the node has a piece to send
        self.takes = asyncio.Event()
        self.headers: dict[bytes, bytes] = {}
        self.content = b""
        self.ended = False

    async def ask(self, path: str) -> None:
        """Ask for an address and take the answer."""
        address, _, query = path.partition("?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": address,
            "raw_path": address.encode(),
            "query_string": query.encode(),
            "headers": [(b"host", b"127.0.0.1")],
            "client": ("127.0.0.1", 40_000),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await asyncio.Event().wait()  # it neither sends nor goes away
        raise AssertionError

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
            return
        self.waits.set()
        await self.takes.wait()
        self.content += message["body"]
        self.ended = not message.get("more_body", False)


async def waiting(app: ASGIApp, path: str) -> tuple[Reader, asyncio.Task[None]]:
    """Return a reader that was offered a first piece, and its transfer."""
    reader = Reader(app)
    transfer = asyncio.create_task(reader.ask(path))
    await asyncio.wait_for(reader.waits.wait(), 60)
    return reader, transfer


@pytest.fixture
def exports(client: TestClient) -> Iterator[Exports]:
    """Places of which nobody else has one; in the end nothing is held."""
    state = cast("Starlette", client.app).state
    others, state.exports = state.exports, Exports()
    yield state.exports
    held = len(state.exports.outgoing)
    state.exports = others
    assert 0 == held


def dump_path(client: TestClient) -> str:
    """Return the address of the dump of the budget's table."""
    name = "kerman--budget-1404"
    found = client.get(f"/all/api/3/action/package_show?id={name}").json()["result"]
    (one,) = (one for one in found["resources"] if one["format"] == "CSV")
    return f"/datastore/dump/{one['id']}"


@pytest.mark.parametrize("door", ["export", "dump"])
def test_slow_readers_hold_no_place(
    client: TestClient, exports: Exports, door: str
) -> None:
    """Five have taken nothing yet; the sixth is answered, and all get the whole."""
    path = CSV if door == "export" else dump_path(client)

    async def story() -> list[Reader]:
        slow = [await waiting(client.app, path) for _ in range(SLOW_READERS)]
        quick = Reader(client.app)
        quick.takes.set()
        await asyncio.wait_for(quick.ask(path), 60)
        assert SLOW_READERS == len(exports.outgoing)
        for reader, transfer in slow:
            reader.takes.set()
            await transfer
        return [quick, *(reader for reader, _ in slow)]

    for reader in asyncio.run(story()):
        digest = base64.b64encode(hashlib.sha256(reader.content).digest())
        assert reader.ended
        assert str(len(reader.content)).encode() == reader.headers[b"content-length"]
        assert b"sha-256=:" + digest + b":" == reader.headers[b"repr-digest"]


def test_transfer_that_is_given_up_never_looks_whole(
    client: TestClient, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets no last message, so the server cuts it short of its length."""
    monkeypatch.setattr(limits, "SENT_BYTES", 100)
    exports.outgoing = Outgoing(files_max=1)

    async def story() -> tuple[Reader, Reader]:
        slow, transfer = await waiting(client.app, CSV)
        other = Reader(client.app)
        other.takes.set()
        await asyncio.wait_for(other.ask(CSV), 60)
        slow.takes.set()
        await transfer
        return slow, other

    slow, other = asyncio.run(story())

    assert (False, True) == (slow.ended, other.ended)
    assert 100 == len(slow.content) < int(slow.headers[b"content-length"])


def test_most_waiters_and_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """One may wait for a place and gets it; the next is told at once to come again."""
    monkeypatch.setattr(limits, "EXPORT_WAITERS_MAX", 1)
    monkeypatch.setattr(limits, "EXPORT_WAIT_SECONDS", 60)
    exports = Exports()
    got = threading.Event()

    def wait() -> None:
        with exports.slot():
            got.set()

    with exports.slot():
        with exports.slot():
            waiter = threading.Thread(target=wait)
            waiter.start()
            deadline = time.monotonic() + 60
            while not exports.waiters and time.monotonic() < deadline:
                time.sleep(0.001)
            with pytest.raises(UnavailableError), exports.slot():
                pytest.fail("a second one waited")
            assert not got.is_set()
        waiter.join(60)

    assert got.is_set()


@pytest.mark.parametrize(
    ("bounds", "ends"),
    [
        ({"bytes_max": 3 * SIZE}, False),
        ({"bytes_max": 3 * SIZE - 1}, True),
        ({"files_max": 3}, False),
        ({"files_max": 2}, True),
    ],
)
def test_who_took_nothing_for_longest_is_given_up(
    bounds: dict[str, int], ends: bool
) -> None:
    """Within the bounds nobody is; beyond them the idlest, be it slow or new."""
    outgoing = Outgoing(**bounds)
    first, second = (outgoing.make(FOLDER, write_ten) for _ in range(2))
    begun = first.pieces()
    next(begun)

    third = outgoing.make(FOLDER, write_ten)

    assert [] == list(begun)
    assert SIZE == len(b"".join(third.pieces()))
    if ends:
        with pytest.raises(GivenUpError):
            next(second.pieces())
    else:
        assert SIZE == len(next(second.pieces()))
    for one in (first, second, third):
        one.close()
    assert 0 == len(outgoing)


def write_ten(file: Any) -> None:
    """Write a file of which only the size matters."""
    file.write(b"1" * SIZE)


def test_selection_of_most_bytes_and_of_one_more(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest is sent; one byte more is a problem and not half a file."""
    whole = client.get(CSV)
    monkeypatch.setattr(limits, "EXPORT_BYTES_MAX", len(whole.content))
    largest = client.get(CSV)
    monkeypatch.setattr(limits, "EXPORT_BYTES_MAX", len(whole.content) - 1)
    refused = client.get(CSV)

    assert whole.content == largest.content
    assert (422, "urn:shahrdad:problem:export-too-large") == (
        refused.status_code,
        refused.json()["type"],
    )


def test_most_rows_and_one_more() -> None:
    """A format is made of so many rows, and not of one more."""
    check_rows(5, 5)
    with pytest.raises(RequestError) as refused:
        check_rows(6, 5)

    assert Reason.EXPORT_TOO_LARGE == refused.value.reason


def test_selection_says_how_many_rows_it_has(client: TestClient) -> None:
    """Also one that a filter made, which is counted while it is made."""
    found = client.get(f"{CSV}?side__exact=expense")

    assert str(len(found.text.splitlines()) - 1) == found.headers["x-shahrdad-rows"]
