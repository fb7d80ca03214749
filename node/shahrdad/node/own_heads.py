"""What peers show of our own log: asked before anything is signed (federation 4.6).

A node whose database was restored from a backup has forgotten entries that it signed.
Its peers remember. So it asks min(2, peers) of them first, and signs nothing that would
contradict what they hold.
"""

from typing import TYPE_CHECKING

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.peers import open_reader

if TYPE_CHECKING:
    from shahrdad.node.city import Node


def ask_peers(node: "Node") -> tuple[list[bytes], int]:
    """Return the notes that peers show of our log, and how many peers answered."""
    origin = node.config.federation.origin
    heads: list[bytes] = []
    answered = 0
    for peer in node.config.federation.peers:
        try:
            reader = open_reader(node.config, peer)
        except ShahrdadError:
            continue
        try:
            page = reader.list_heads("", 0, [origin])
        except ShahrdadError:
            continue
        finally:
            reader.close()
        answered += 1
        heads += [head.checkpoint for head in page.heads if head.origin == origin]
    return heads, answered
