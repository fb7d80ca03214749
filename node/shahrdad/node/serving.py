"""`serve`: HTTP, federation and regular rounds in one process, ended in order.

    http     uvicorn, on a socket that is bound before anything starts
    grpc     the federation service, in the same event loop
    follow   a thread: the catalog follows the logs, whoever wrote them
    house    a thread: approvals that a kill left, and what is kept too long
    rounds   a thread: one round with all peers, then at the configured interval

SIGTERM or SIGINT: no new calls, running ones get a moment, the write-ahead log is
folded in, exit 0. A second signal ends at once. A kill loses nothing acknowledged.
"""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import structlog
import uvicorn

from shahrdad.datasets.errors import Reason, ShahrdadError, UnavailableError
from shahrdad.federation.server import FederationServer
from shahrdad.node.city import Node
from shahrdad.node.database import full_disk_said
from shahrdad.node.grpc_serving import federation_server
from shahrdad.node.http.app import create_app
from shahrdad.node.http.view import NodeView
from shahrdad.node.operating import housekeeping
from shahrdad.node.peering.peers import known_peers
from shahrdad.node.peering.rounds import RoundReport, follow_peers, run_round

FOLLOW_SECONDS = 0.5  # another process publishes into the same database
GRACE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running node listens."""

    http: str
    grpc: str


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the node stops all its parts."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def serve(
    node: Node, *, once_ready: Callable[[Addresses], None] = lambda _: None
) -> None:
    """Serve until a signal comes.

    Args:
        node: The node.
        once_ready: Told where it listens, when it does.

    Raises:
        UnavailableError: PORT_TAKEN.
    """
    log = structlog.get_logger()
    stopping = asyncio.Event()
    _stop_on_signals(stopping)
    listener = bind(node.config.http.host, node.config.http.port)
    app = create_app(cast("NodeView", node))
    http = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    federation = federation_server(node)
    ended = threading.Event()
    serving: asyncio.Task[None] | None = None
    threads = [
        threading.Thread(target=_follow, args=(node, ended), name="follow"),
        threading.Thread(target=_rounds, args=(node, ended), name="rounds"),
        threading.Thread(target=housekeeping.run, args=(node, ended), name="house"),
    ]
    if app.state.usage is not None:
        counting = threading.Thread(
            target=app.state.usage.run, args=(ended,), name="usage"
        )
        threads.append(counting)
    try:
        grpc_port = await _start(federation, node)
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        for thread in threads:
            thread.start()
        await http.ready.wait()
        port = listener.getsockname()[1]
        addresses = Addresses(
            f"http://{node.config.http.host}:{port}",
            f"{node.config.grpc.host}:{grpc_port}",
        )
        log.info("serving", http=addresses.http, grpc=addresses.grpc)
        once_ready(addresses)
        await stopping.wait()
        log.info("stopping")
    finally:
        ended.set()
        http.should_exit = True
        if serving is not None:
            await serving
        await federation.stop(grace_seconds=GRACE_SECONDS)
        if app.state.jobs is not None:
            await asyncio.to_thread(app.state.jobs.stop, GRACE_SECONDS)
        for thread in threads:
            if thread.ident is not None:
                await asyncio.to_thread(thread.join)
        node.database.connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        log.info("stopped")


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket's address, taken before anything else starts.

    Raises:
        UnavailableError: PORT_TAKEN.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UnavailableError(Reason.PORT_TAKEN, host=host, port=port) from error
    return listener


async def _start(federation: FederationServer, node: Node) -> int:
    """Start the federation service.

    Raises:
        UnavailableError: PORT_TAKEN.
    """
    try:
        return await federation.start()
    except RuntimeError as error:
        section = node.config.grpc
        raise UnavailableError(
            Reason.PORT_TAKEN, host=section.host, port=section.port
        ) from error


def _stop_on_signals(stopping: asyncio.Event) -> None:
    """Stop in order at the first signal, at once at the second."""
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        stopping.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)


def _follow(node: Node, ended: threading.Event) -> None:
    """Keep the catalog up with the logs, whichever process appends to them."""
    log = structlog.get_logger()
    seen = None
    try:
        if count := node.projection.renew_cards():
            log.info("cards", renewed=count)
    except ShahrdadError as error:
        log.error("cards", reason=error.reason, detail=str(error))
    while not ended.is_set():
        try:
            (version,) = (
                node.database.connect().execute("PRAGMA data_version").fetchone()
            )
            changes = (version, node.logs.last_seq())
            if changes != seen:
                with full_disk_said():
                    node.projection.follow()
                seen = changes
        except ShahrdadError as error:
            log.error("follow", reason=error.reason, detail=str(error))
        ended.wait(FOLLOW_SECONDS)
    node.database.close()


def _rounds(node: Node, ended: threading.Event) -> None:
    """Run a round with all peers now, and then at the configured interval."""
    log = structlog.get_logger()
    interval = node.config.federation.interval_seconds
    if node.config.federation.continuous:
        _follow_peers(node, ended)
        return
    while not ended.is_set() and known_peers(node) and interval:
        try:
            report = run_round(node)
            log.info("round", **report.counts())
        except ShahrdadError as error:
            log.error("round", reason=error.reason, detail=str(error))
        ended.wait(interval)
    node.database.close()


def _follow_peers(node: Node, ended: threading.Event) -> None:
    """Wait at the peers for changes, instead of rounds."""
    log = structlog.get_logger()

    def tell(report: RoundReport) -> None:
        log.info("turn", **report.counts())
        for refusal in report.sync.refused:
            log.warning(
                "refused",
                peer=refusal.peer,
                origin=refusal.origin,
                reason=refusal.reason,
                detail=refusal.detail_en,
            )

    follow_peers(node, ended, tell)
    node.database.close()
