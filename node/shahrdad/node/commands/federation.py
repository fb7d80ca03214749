"""`sync` and `peers`: what the other cities published, and how the rounds went."""

import sys

from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode


def sync(
    *names: str,
    report: bool = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Fetch and verify what the other cities published.

    Everything is checked before it is stored: signatures, proofs, digests. What a peer
    does wrong is refused, and the report names the peer.

    Args:
        names: Only these peers; all when left out.
        report: Print the whole report, also when nothing is new.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.rounds import run_round

    with open_node(common.config) as node:
        if not node.config.federation.peers:
            common.next_step(
                "هیچ همتایی تنظیم نشده است؛ در [[federation.peers]] بنویسید.",
                "No peer is configured; name one in [[federation.peers]].",
            )
        found = run_round(node, names)
    if common.json:
        print_json(found.to_dict())
    elif report or found.sync.entries or not found.ok:
        sys.stdout.write(found.text(common.language) + "\n")
    else:
        common.say("چیز تازه‌ای نیست.", "Nothing is new.")
    if not found.ok:
        answered = found.sync.answered
        sys.exit(ExitCode.PARTLY if answered else ExitCode.NETWORK)


def peers(*, common: Common = Common()) -> None:  # noqa: B008
    """Show each peer, when it last answered, and the logs held here."""
    from shahrdad.node.city import open_node
    from shahrdad.node.network import federation_status

    with open_node(common.config) as node:
        status = federation_status(node)
    if common.json:
        print_json(status)
        return
    common.table(
        ["peer", "address", "state", "last contact", "failures"],
        [
            (
                peer["name"],
                peer["address"],
                peer["state"],
                peer["last_contact"],
                peer["failures"],
            )
            for peer in status["peers"]
        ],
    )
    common.table(
        ["log", "city", "size", "status", "state", "cosignatures", "verified"],
        [
            (
                log["origin"],
                log["city"],
                log["size"],
                log["status"],
                log["state"],
                log["cosignatures"],
                log["time"],
            )
            for log in status["logs"]
        ],
    )
