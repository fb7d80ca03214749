"""`serve`: HTTP, federation and regular rounds in one process, ended in order.

    http     uvicorn, on a socket that is bound before anything starts
    grpc     the federation service, in the same event loop
    follow   a thread: the catalog follows the logs, whoever wrote them
    house    a thread: approvals that a kill left, and what is kept too long
    rounds   a thread: one round with all peers, then at the configured interval

SIGTERM ends all of it in order:

    at once      /readyz answers 503 "stopping"; no round and no housekeeping begins
    drain        for `http.drain_seconds` every call is answered as before, until
                 whoever stands in front has looked at /readyz and sends nothing more
    requests     no new calls; those that run get `REQUESTS_SECONDS`
    the rest     jobs, the round and the publication that run get what is left of
                 `END_SECONDS`; the write-ahead log is folded in, and the exit is 0

SIGINT is the same without the drain: at a terminal nobody stands in front. A second
signal ends at once. A kill loses nothing acknowledged.
"""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import structlog
import uvicorn
from starlette.applications import Starlette

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
REQUESTS_SECONDS = 15  # for the requests that run at a stop
# For all that comes after the drain. The unit and the compose file kill later than both
# together; a test compares them.
END_SECONDS = 24
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
) -> list[str]:
    """Serve until a signal comes, and end in order.

    Args:
        node: The node.
        once_ready: Told where it listens, when it does.

    Returns:
        What did not end in time: the caller ends the process over it. A job goes on at
        the next start, and so does a round.

    Raises:
        UnavailableError: PORT_TAKEN.
    """
    log = structlog.get_logger()
    told = _signals()
    listener = bind(node.config.http.host, node.config.http.port)
    app = create_app(cast("NodeView", node))
    http = _http_server(app)
    federation = federation_server(node)
    stopping, ended = app.state.stopping, threading.Event()
    threads = _threads(node, app, stopping, ended)
    serving: asyncio.Task[None] | None = None
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
        number = await told
        stopping.set()
        drain_seconds = node.config.http.drain_seconds * (number == signal.SIGTERM)
        log.info("stopping", drain_seconds=drain_seconds)
        await asyncio.sleep(drain_seconds)
    finally:
        stopping.set()
        deadline = time.monotonic() + END_SECONDS
        http.should_exit = True
        stops: list[Awaitable[None]] = [federation.stop(REQUESTS_SECONDS)]
        if serving is not None:
            stops.append(serving)
        await asyncio.gather(*stops)
        # Not before the last request: its reading is still to be counted.
        ended.set()
        unfinished = await _unfinished(app, threads, deadline)
        if http.server_state.tasks:
            unfinished.append("requests")
        node.database.connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        log.info("stopped", unfinished=unfinished)
    return unfinished


def _http_server(app: Starlette) -> _Server:
    """Return the HTTP server, not yet started."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=REQUESTS_SECONDS,
    )
    return _Server(config)


def _threads(
    node: Node, app: Starlette, stopping: threading.Event, ended: threading.Event
) -> list[threading.Thread]:
    """Return the threads beside the servers, not yet started.

    Args:
        node: The node.
        app: Its application.
        stopping: Ends those that begin work of their own.
        ended: Ends those that follow what requests do.
    """
    threads = [
        threading.Thread(target=_follow, args=(node, ended), name="follow"),
        threading.Thread(target=_rounds, args=(node, stopping), name="rounds"),
        threading.Thread(target=housekeeping.run, args=(node, stopping), name="house"),
    ]
    if app.state.usage is not None:
        count = app.state.usage.run
        threads.append(threading.Thread(target=count, args=(ended,), name="usage"))
    return threads


async def _unfinished(
    app: Starlette, threads: list[threading.Thread], deadline: float
) -> list[str]:
    """Wait for jobs and threads until a deadline; return what still runs then."""
    found = []
    if app.state.jobs is not None and not await asyncio.to_thread(
        app.state.jobs.stop, deadline - time.monotonic()
    ):
        found.append("jobs")
    for thread in threads:
        if thread.ident is not None:
            left = max(0.0, deadline - time.monotonic())
            await asyncio.to_thread(thread.join, left)
            if thread.is_alive():
                found.append(thread.name)
    return found


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


def _signals() -> asyncio.Future[int]:
    """Return what gets the first signal's number; the second one ends the process."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()

    def stop(number: int) -> None:
        for each in STOP_SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        if not told.done():  # both may come before either is dealt with
            told.set_result(number)

    for each in STOP_SIGNALS:
        loop.add_signal_handler(each, stop, each)
    return told


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
            report = run_round(node, stopping=ended)
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
