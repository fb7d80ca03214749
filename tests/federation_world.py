"""Stores, mirrors and servers of the nodes under test."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.federation.dialler import Dialler
from shahrdad.federation.grpc_reader import GrpcPeer, GrpcReader
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.keyring import KeyRing
from shahrdad.federation.log.store import MIGRATIONS, LogStore
from shahrdad.federation.reader import NodeFacts
from shahrdad.federation.server import FederationServer, ServerSettings, serving
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import Signer
from simulator import Clock, SimLog, SimPeer, keys_of

ORIGIN = "kerman.example.ir/catalog"


def open_store(path: Path) -> LogStore:
    """Open a log store in a file, a connection for each thread."""
    local = threading.local()

    def connect() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            made = sqlite3.connect(path, isolation_level=None, timeout=20)
            made.execute("PRAGMA journal_mode=WAL")
            local.connection = made
        connection: sqlite3.Connection = local.connection
        return connection

    (version,) = connect().execute("PRAGMA user_version").fetchone()
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connect().executescript(f"{script};PRAGMA user_version={number}")
    return LogStore(connect)


def mirror(path: Path, *logs: SimLog, keys: KeyRing | None = None) -> Ingest:
    """Return an ingest over a new store, with these logs pulled into it."""
    ingest = Ingest(open_store(path), keys or keys_of(logs), clock=Clock())
    for log in logs:
        ingest.pull(SimPeer("city", [log]), log.origin)
    return ingest


@contextmanager
def served(store: LogStore, facts: NodeFacts | None = None) -> Iterator[int]:
    """Serve a store over gRPC on a free port of loopback."""
    server = FederationServer(ServerSettings(), StoreReader(store, facts), store)
    with serving(server) as port:
        yield port


@contextmanager
def reading(port: int, name: str = "peer") -> Iterator[GrpcReader]:
    """Read a node that is served on loopback."""
    peer = GrpcPeer(name, f"127.0.0.1:{port}", insecure=True)
    reader = GrpcReader(peer, Dialler(["127.0.0.0/8"]))
    try:
        yield reader
    finally:
        reader.close()


def new_store() -> LogStore:
    """Return an empty log store in memory, for one thread."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for script in MIGRATIONS:
        connection.executescript(script)
    return LogStore(lambda: connection)


def new_ingest(
    *logs: SimLog, witnesses: Sequence[Signer] = (), quorum: int = 0
) -> Ingest:
    """Return an ingest that trusts these logs, over an empty store."""
    keys = keys_of(logs, witnesses, quorum)
    return Ingest(new_store(), keys, clock=Clock())


def filled(count: int = 10) -> SimLog:
    """Return a log with some entries."""
    log = SimLog(ORIGIN)
    log.fill(count)
    return log


def check_prefix(ingest: Ingest, log: SimLog) -> None:
    """Assert that what is held of a log is a true prefix of it, bodies included."""
    found = ingest.store.find_log(log.origin)
    if found is None:
        return
    raws = ingest.store.entries(log.origin, 0, found.size)

    assert log.raws[: found.size] == raws
    assert log.root(found.size) == ingest.store.root_at(log.origin, found.size)
    assert found.head_size <= found.size
    for digest, content in ingest.store.held_bodies():
        assert Digest.of(content) == digest


def refusal(call: Callable[..., object], *arguments: object) -> ShahrdadError:
    """Return the error that a call raises."""
    with pytest.raises(ShahrdadError) as caught:
        call(*arguments)
    return caught.value
