"""What goes on between cities: rounds, peers, pushes, witnesses, held logs."""

import hashlib
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shahrdad.datasets.errors import ConflictError, Reason
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
    from shahrdad.node.peering.peers import known_peers
    from shahrdad.node.peering.rounds import run_round

    with open_node(common.config) as node:
        if not known_peers(node):
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
    """Show each peer, when it last answered, and the logs held here.

    In words; programs read --json.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.peering.network import federation_status
    from shahrdad.node.peering.network_words import peer_lines

    with open_node(common.config) as node:
        status = federation_status(node)
    if common.json:
        print_json(status)
        return
    sys.stdout.write("\n".join(peer_lines(status, common.language)) + "\n")


def push(
    name: str,
    *,
    origin: str | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Bring this node's log to a peer, and take its cosignature home.

    For a city that others cannot reach: behind a firewall, or not always online. The
    peer verifies everything that comes.

    Args:
        name: The peer.
        origin: Another log that is held here; the city's own when left out.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.peering.exchange import Exchange
    from shahrdad.node.peering.peers import find_peer
    from shahrdad.node.peering.rounds import push_to

    with open_node(common.config) as node:
        exchange = Exchange(node)
        peer = find_peer(node, name)
        report = push_to(exchange, peer, origin or node.config.federation.origin)
        exchange.settle()
    if common.json:
        print_json(
            {
                "origin": report.origin,
                "peer": report.peer,
                "size_before": report.size_before,
                "size": report.size,
                "cosigned": report.cosigned,
            }
        )
        return
    common.say(
        f"{report.peer} اکنون {report.size} درایه از {report.origin} دارد"
        f" ({report.entries} تازه).",
        f"{report.peer} now holds {report.size} entries of {report.origin}"
        f" ({report.entries} new).",
    )
    if report.cosigned:
        common.say(f"{report.peer} آن را تأیید کرد.", f"{report.peer} cosigned it.")


def policy(
    *origins: str,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write the policy file: whose signatures to believe, where no node is at hand.

    `shahrdad verify FILE RECEIPT --policy FILE` and any C2SP tlog-policy verifier read
    it. Print its SHA-256 in the minutes.

    Args:
        origins: Only these logs; all that are followed when left out.
        output: The file; standard output when left out.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.peering.trust import policy_of

    with open_node(common.config) as node:
        made = policy_of(node.keys, origins)
    content = made.text()
    digest = hashlib.sha256(content).hexdigest()
    if output is not None:
        output.write_bytes(content)
    if common.json:
        print_json(
            {
                "policy": content.decode("utf-8", "replace"),
                "sha256": digest,
                "logs": len(made.logs),
                "witnesses": len(made.witnesses),
            }
        )
    elif output is None:
        sys.stdout.write(content.decode("utf-8", "replace"))
    common.say(f"SHA-256: {digest}", f"SHA-256: {digest}")


def witness(*, common: Common = Common()) -> None:  # noqa: B008
    """Show the node's witness key; make it where there is none.

    A witness vouches that other cities' logs only grew. Its key is another one than the
    city's signing key, in a file of its own.
    """
    from shahrdad.node.city import create_witness, open_node

    with open_node(common.config) as node:
        vkey = node.witness_vkey or create_witness(node.config)
    if common.json:
        print_json({"vkey": vkey})
        return
    sys.stdout.write(f"{vkey}\n")


def resume(
    origin: str,
    *,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Let a log go on that was held: it grew too fast, or withdrew much at once.

    Look first at what it did: shahrdad sync --report. What it withdraws in the round
    that starts now is taken.

    Args:
        origin: The log.
    """
    from shahrdad.federation.log.schema import Status
    from shahrdad.node.city import open_node
    from shahrdad.node.peering.rounds import run_round

    with open_node(common.config) as node:
        if node.logs.log(origin).status is not Status.PAUSED:
            raise ConflictError(
                Reason.ORIGIN_CLOSED,
                origin=origin,
                status=node.logs.log(origin).status.value,
            )
        node.logs.begin_day(origin, int(time.time()))
        node.logs.set_status(origin, Status.ACTIVE)
        found = run_round(node, unbraked=(origin,))
        node.logs.begin_day(origin, int(time.time()))
    if common.json:
        print_json(found.to_dict())
    else:
        sys.stdout.write(found.text(common.language) + "\n")


def prune(
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Drop the bodies of other cities' old versions whose retention has ended.

    Entries, digests and proofs stay for ever; what is live stays, and so do the
    families of the rules. The city's own log is not touched.

    Args:
        dry_run: Only count them.
    """
    from shahrdad.federation.retention import due
    from shahrdad.federation.static_mirror import StaticMirror
    from shahrdad.node.city import open_node

    now = int(time.time())
    found: dict[str, int] = {}
    dropped = 0
    with open_node(common.config) as node, node.database.exclusive("publish"):
        for log in node.logs.logs():
            indexes = due(node.logs, log.origin, node.keys.retention, now)
            if log.own or not indexes:
                continue
            found[log.origin] = len(indexes)
            if not dry_run:
                digests = node.logs.prune(log.origin, indexes)
                StaticMirror(node.store).remove_bodies(digests)
                dropped += len(digests)
        if dropped:
            node.projection.rebuild()
    if common.json:
        print_json({"due": found, "dropped": dropped})
        return
    for origin, count in found.items():
        common.say(
            f"{origin}: مهلت نگهداری {count} نسخه گذشته است.",
            f"{origin}: the retention of {count} versions has ended.",
        )
    common.say(f"{dropped} متن پاک شد.", f"{dropped} bodies were dropped.")
