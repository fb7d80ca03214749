"""A node in a process of its own, told what to do by lines of JSON: for tests.

    python tests/node_process.py shahrdad.toml

It serves its federation, and answers each line (a list: a word, then its arguments)
with a line: `["put", "budget", "title"]`, `["round", "shiraz"]`, `["state"]`,
`["export", "there.zip"]`, `["import", "there.zip"]`. It ends with its input.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node_world import put_record, ready
from shahrdad.federation.bundle import export_bundle
from shahrdad.federation.server import serving
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.grpc_serving import federation_server
from shahrdad.node.peering.imports import import_files
from shahrdad.node.peering.network import federation_status
from shahrdad.node.peering.rounds import run_round


def put(node: Node, slug: str, title: str) -> int:
    """Publish a record, and return its index."""
    return put_record(node, slug, title)


def ask(node: Node, *names: str) -> dict[str, Any]:
    """Run a round with some peers, or all, and return its report."""
    report: dict[str, Any] = run_round(node, names).to_dict()["sync"]
    return report


def state(node: Node) -> dict[str, Any]:
    """Return what is held of each log."""
    return {
        log["origin"]: {
            "size": log["size"],
            "state": log["state"],
            "digest": node.logs.state_digest(log["origin"]).hex,
            "evidence": (node.logs.log(log["origin"]).evidence or b"").decode(),
        }
        for log in federation_status(node)["logs"]
    }


def export(node: Node, file: str) -> int:
    """Write all logs into a bundle, and return how many."""
    held = {log.origin: 0 for log in node.logs.logs() if log.head_size}
    return len(export_bundle(node.logs, held, Path(file)).origins)


def take(node: Node, file: str) -> dict[str, Any]:
    """Import a bundle, and return the report."""
    report: dict[str, Any] = import_files(node, [Path(file)]).to_dict()["sync"]
    return report


WORDS: dict[str, Callable[..., Any]] = {
    "put": put,
    "round": ask,
    "state": state,
    "export": export,
    "import": take,
}


def say(answer: Any) -> None:
    """Write a line to whoever told us."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(file: Path) -> None:
    """Serve until standard input ends."""
    with ready(Node(load(file))) as node, serving(federation_server(node)) as port:
        say(port)
        for line in sys.stdin:
            word, *values = json.loads(line)
            say(WORDS[word](node, *values))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
