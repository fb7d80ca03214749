"""A node is reached by the roots that its member entry pins, and by its name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation_world import filled, mirror, refusal
from forum_world import FORUM, Forum, city_record
from shahrdad.datasets.errors import Reason
from shahrdad.federation.dialler import Dialler
from shahrdad.federation.grpc_reader import GrpcPeer, GrpcReader
from shahrdad.federation.member_records import read_member
from shahrdad.federation.server import FederationServer, ServerSettings, serving
from shahrdad.federation.store_reader import StoreReader
from tls_world import Authority

HOST = "node.kerman.example.ir"
PINNED = Authority("Kerman's own authority")
OTHER = Authority("Another authority")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Serve a node with a certificate of its private authority."""
    certificate, key = PINNED.issue(HOST)
    store = mirror(tmp_path / "node.db", filled(3)).store
    settings = ServerSettings(certificate=certificate, key=key)
    server = FederationServer(settings, StoreReader(store), store)
    with serving(server) as number:
        yield number


def reader(port: int, roots: bytes | None, host: str = HOST) -> GrpcReader:
    """Return a reader that dials a name which resolves to loopback."""
    dialler = Dialler(["127.0.0.0/8"], resolve=lambda name, number: ["127.0.0.1"])
    return GrpcReader(GrpcPeer("kerman", f"{host}:{port}", roots), dialler)


def test_pinned_roots_and_name_connect(port: int) -> None:
    """The roots of the member entry, and no others, make the connection."""
    forum = Forum()
    address = {"address": f"{HOST}:{port}", "tls_roots": PINNED.roots.decode()}
    note = forum.publish("city/kerman", city_record("kerman", grpc=[address]))
    fields = city_record("kerman", grpc=[address])
    (found,) = read_member("kerman", fields).grpc
    peer = reader(port, (found.tls_roots or "").encode())
    try:
        heads = peer.list_heads().heads
    finally:
        peer.close()

    assert 1 == len(heads)
    assert FORUM.encode() in note


@pytest.mark.parametrize(
    ("roots", "host"),
    [
        (OTHER.roots, HOST),  # the wrong pin
        (None, HOST),  # the system's roots do not know the private authority
        (PINNED.roots, "node.shiraz.example.ir"),  # the wrong name
    ],
)
def test_wrong_pin_and_wrong_name_fail(
    port: int, roots: bytes | None, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither another authority nor another name is connected to."""
    monkeypatch.setattr("shahrdad.federation.grpc_reader.CONNECT_SECONDS_MAX", 1)
    peer = reader(port, roots, host)
    try:
        error = refusal(peer.list_heads)
    finally:
        peer.close()

    assert Reason.PEER_UNREACHABLE is error.reason
