"""A node with its city's example datasets, served by the real command for judges.

One of them has an earlier version and one was withdrawn, as happens to any node.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shahrdad.datasets.demo_set import demo_datasets
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.demonstration.world import make_world, running
from shahrdad.node.incoming.example_files import handed
from shahrdad.node.publish import publish, withdraw

CITY = "kerman"
REPLACED = f"{CITY}/active-systems"
WITHDRAWN = f"{CITY}/org-units"


@contextmanager
def serve_examples(folder: Path) -> Iterator[str]:
    """Publish the city's valid examples, serve them, and give the node's address."""
    (place,) = make_world(folder / "world", (CITY,))
    with Node(load(place.file)) as node:
        with node.database.exclusive("publish"):
            node.start_signing(offline=True)
        for example in demo_datasets():
            if example.published_by != CITY:
                continue
            publish(node, handed(example))
            if f"{CITY}/{example.slug}" == REPLACED:
                withdraw(node, REPLACED, reason="error")
                publish(node, handed(example))
        withdraw(node, WITHDRAWN)
    with running([place]):
        yield place.url
