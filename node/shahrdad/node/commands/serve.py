"""`shahrdad serve`: the node's services, until a signal ends them."""

import os
import sys
import threading
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import Parameter

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.console import Common

if TYPE_CHECKING:
    from shahrdad.node.config import Config
    from shahrdad.node.serving import Addresses

THREADS_SECONDS = 2  # for the threads of requests, when all else has ended


def serve(
    *,
    insecure: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Serve the node: pages and API, federation, regular rounds with the peers.

    Stops in order at Ctrl+C or SIGTERM, at once at the second of them.

    Args:
        insecure: Answer other computers without https, where passwords can be read on
            the way; for a trial.
    """
    import asyncio

    from shahrdad.node import tracing
    from shahrdad.node.city import open_node
    from shahrdad.node.logs import set_up
    from shahrdad.node.serving import serve as serve_node

    with open_node(common.config) as node:
        if not insecure:
            require_https(node.config)
        set_up(node.config.logs, city=node.config.node.city)
        end_tracing = tracing.set_up(node.config)

        def tell(addresses: "Addresses") -> None:
            common.say(
                f"گره در {addresses.http}/fa/ پاسخ می‌دهد؛ پایان: Ctrl+C",
                f"The node answers at {addresses.http}/en/; end it with Ctrl+C",
            )
            sys.stderr.flush()

        async def run() -> None:
            try:
                unfinished = await serve_node(node, once_ready=tell)
            finally:
                end_tracing()
            if unfinished:
                end_at_once()

        asyncio.run(run())
        if left_behind(time.monotonic() + THREADS_SECONDS):
            end_at_once()


def left_behind(until: float) -> list[threading.Thread]:
    """Return the threads of requests that were cut, and that do not end by a moment."""
    found = []
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                found.append(thread)
    return found


def end_at_once() -> NoReturn:
    """End the process over its threads.

    Python would wait for one that is deep in a library for as long as it takes, and the
    supervisor kill us for it. A kill loses nothing.
    """
    sys.stderr.flush()
    os._exit(0)


def require_https(config: "Config") -> None:
    """Refuse to answer other computers where people would sign in without https.

    Raises:
        RequestError: PUBLIC_ADDRESS_PLAIN.
    """
    host = config.http.host
    if not _is_loopback(host) and not config.public_url.startswith("https://"):
        raise RequestError(
            Reason.PUBLIC_ADDRESS_PLAIN,
            host=host,
            public_url=config.public_url,
        )


def _is_loopback(host: str) -> bool:
    """Tell whether nobody but this computer reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
