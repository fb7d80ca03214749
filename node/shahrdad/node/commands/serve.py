"""`shahrdad serve`: the node's services, until a signal ends them."""

import sys
from typing import TYPE_CHECKING

from shahrdad.node.console import Common

if TYPE_CHECKING:
    from shahrdad.node.serving import Addresses


def serve(*, common: Common = Common()) -> None:  # noqa: B008
    """Serve the node: pages and API, federation, regular rounds with the peers.

    Stops in order at Ctrl+C or SIGTERM.
    """
    import asyncio

    from shahrdad.node import tracing
    from shahrdad.node.city import open_node
    from shahrdad.node.logs import set_up
    from shahrdad.node.serving import serve as run

    with open_node(common.config) as node:
        set_up(node.config.logs, city=node.config.node.city)
        end_tracing = tracing.set_up(node.config)

        def tell(addresses: "Addresses") -> None:
            common.say(
                f"گره در {addresses.http}/fa/ پاسخ می‌دهد؛ پایان: Ctrl+C",
                f"The node answers at {addresses.http}/en/; end it with Ctrl+C",
            )
            sys.stderr.flush()

        try:
            asyncio.run(run(node, once_ready=tell))
        finally:
            end_tracing()
