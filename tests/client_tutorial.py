"""The node that the tutorial of the client reads: a budget of two versions."""

import atexit
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from client_node import make_node, publish, served


class Tutorial(NamedTuple):
    """What the tutorial's first lines name."""

    address: str
    policy: str  # the path of a policy file
    mirror: str  # the folder of the node's static mirror
    stop: ExitStack


def start(folder: str) -> Tutorial:
    """Make a node in a folder, publish, and serve it until `stop` is closed."""
    home = Path(folder) / "kerman"
    vkey = make_node(home)
    for names, amounts in (
        (["101", "102", "103"], [28_371_400_000_000_001, 910_000_000_000, None]),
        (["101", "102", "104"], [28_371_400_000_000_001, 955_000_000_000, 40_000]),
    ):
        table = pa.table(
            {
                "line_code": names,
                "approved_rial": pa.array(amounts, pa.int64()),
                "title": ["حقوق", "فضای سبز", "پژوهش"],
            }
        )
        publish(home, "budget-1404", table, "2026-01-01T00:00:00Z")
    policy = Path(folder) / "forum.policy"
    policy.write_text(f"log {vkey}\nquorum none\n", "ascii")
    stop = ExitStack()
    # A failing example must not leave the node running.
    atexit.register(stop.close)
    address = stop.enter_context(served(home))
    return Tutorial(address, str(policy), str(home / "data/objects"), stop)
