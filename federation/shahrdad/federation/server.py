"""A gRPC server of a node's federation: options, health, reflection, start and stop.

server = FederationServer(settings, StoreReader(store, facts))
port = await server.start()             within an event loop, or
with serving(server) as port: …         in a thread of its own
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from shahrdad.federation.changes import Changes
from shahrdad.federation.limits import MESSAGE_BYTES_MAX, STREAM_SECONDS_MAX
from shahrdad.federation.log.store import LogStore
from shahrdad.federation.mirror_service import MirrorServicer, WriteSide
from shahrdad.federation.quotas import ClientQuotas
from shahrdad.federation.service import FederationServicer
from shahrdad.federation.store_reader import StoreReader
from shahrdad.proto.v1 import federation_pb2 as pb
from shahrdad.proto.v1 import federation_pb2_grpc as rpc

THREADS = 4  # of SQLite and hashing; polls need none
STREAMS_MAX = 100  # of one connection
CONNECTION_MS = 1_800_000
PING_MS = 30_000  # gRPC's default of 5 min answers our clients' pings with GOAWAY


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a server listens.

    `certificate` and `key` are PEM; without them there is no TLS, for loopback and
    behind a proxy. `share_port` lets several processes listen on one port.
    """

    host: str = "127.0.0.1"
    port: int = 0  # 0 = any that is free
    certificate: bytes = b""
    key: bytes = b""
    share_port: bool = False


def server_options(settings: ServerSettings) -> list[tuple[str, int]]:
    """Return the options of federation 12."""
    return [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_concurrent_streams", STREAMS_MAX),
        ("grpc.max_connection_age_ms", CONNECTION_MS),
        ("grpc.max_connection_age_grace_ms", STREAM_SECONDS_MAX * 1_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_MS),
        ("grpc.so_reuseport", int(settings.share_port)),
    ]


class FederationServer:
    """A node's federation services on one port.

    Args:
        settings: Where it listens.
        answers: What it answers.
        store: The same store, for waking polls.
        write: The write side; None = it is not served.
    """

    def __init__(
        self,
        settings: ServerSettings,
        answers: StoreReader,
        store: LogStore,
        write: WriteSide | None = None,
    ) -> None:
        self.settings = settings
        self.quotas = ClientQuotas()
        self._answers = answers
        self._store = store
        self._write = write
        self._threads: ThreadPoolExecutor | None = None
        self._changes: Changes | None = None
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listen, and return the port.

        Raises:
            RuntimeError: the port is taken.
        """
        self._threads = ThreadPoolExecutor(THREADS, "federation")
        self._changes = Changes(self._store)
        server = grpc.aio.server(options=server_options(self.settings))
        servicer = FederationServicer(
            self._answers, self._changes, self.quotas, self._threads
        )
        rpc.add_FederationServiceServicer_to_server(servicer, server)
        names = [_full_name("FederationService")]
        if self._write is not None:
            mirror = MirrorServicer(self._write, self.quotas, self._threads)
            rpc.add_MirrorServiceServicer_to_server(mirror, server)
            names.append(_full_name("MirrorService"))
        await _add_health(server, names)
        reflection.enable_server_reflection(
            [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server
        )
        address = f"{self.settings.host}:{self.settings.port}"
        if self.settings.certificate:
            pair = (self.settings.key, self.settings.certificate)
            credentials = grpc.ssl_server_credentials([pair])
            port = server.add_secure_port(address, credentials)
        else:
            port = server.add_insecure_port(address)
        await server.start()
        self._server = server
        return port

    async def wait(self) -> None:
        """Serve until it is stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    async def stop(self, grace_seconds: float = 1.0) -> None:
        """Take no new calls, give the running ones a moment, and end."""
        if self._server is not None:
            await self._server.stop(grace_seconds)
            self._server = None
        if self._changes is not None:
            await self._changes.close()
            self._changes = None
        if self._threads is not None:
            self._threads.shutdown(wait=True)
            self._threads = None


@contextmanager
def serving(server: FederationServer) -> Iterator[int]:
    """Run a server in a thread with its own event loop; yield its port.

    Raises:
        RuntimeError: the port is taken.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="federation-server")
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _full_name(service: str) -> str:
    return str(pb.DESCRIPTOR.services_by_name[service].full_name)


async def _add_health(server: grpc.aio.Server, names: list[str]) -> None:
    """Answer `grpc.health.v1` for the server and for each service."""
    servicer = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for name in ("", *names):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
