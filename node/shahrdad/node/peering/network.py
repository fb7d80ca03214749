"""What is known of the network: each log's state, each peer's last contact."""

import time
from typing import TYPE_CHECKING, Any

from shahrdad.federation.standing import head_state
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.node.peering.peers import KnownPeer, homes, known_peers
from shahrdad.node.peering.trust import members_of

if TYPE_CHECKING:
    from shahrdad.federation.log.store import LogState
    from shahrdad.node.city import Node


def federation_status(node: "Node") -> dict[str, Any]:
    """Return logs and peers; the shape is that of `http.view.NodeView`."""
    members = members_of(node)
    return {
        "origin": node.config.federation.origin,
        "logs": [_log(node, log) for log in node.logs.logs()],
        "peers": [_peer(node, peer) for peer in known_peers(node)],
        "quorum": node.keys.quorum,
        "witness": node.witness_vkey,
        "member_log": members.forum if members else None,
        "homes": homes(node),
    }


def _log(node: "Node", log: "LogState") -> dict[str, Any]:
    """Return what is known of one log."""
    times = {}  # a log may be known, and even convicted, before any head is complete
    if log.checkpoint is not None:
        times = checkpoints.stored_cosignature_times(log.checkpoint)
    state = head_state(node.keys, log, int(time.time()))
    root = checkpoints.peek(log.checkpoint).root.hex() if log.checkpoint else None
    return {
        "origin": log.origin,
        "city": node.city_of(log.origin),
        "own": log.own,
        "size": log.head_size,
        "root": root,
        "time": log.verified_at,
        "status": log.status.value,
        "state": state.value,
        "confirmed_size": checkpoints.peek(log.confirmed).size
        if log.confirmed
        else None,
        "cosignatures": len(times),
        "cosigners": sorted(times),
        "newest_cosignature": _rfc3339(max(times.values(), default=None)),
        "missing_bodies": log.missing_bodies,
        "vkeys": [key.vkey for key in node.keys.verifiers(log.origin, log.head_size)],
        "evidence": log.evidence is not None,
        "state_digest": node.logs.state_digest(log.origin).hex,
    }


def _peer(node: "Node", peer: KnownPeer) -> dict[str, Any]:
    """Return what is remembered of one peer."""
    name = peer.name
    remembered = node.logs.peer(name)
    problem = next(
        (item for item in node.logs.problems(100) if item.peer == name), None
    )
    state = "new"
    if remembered.failures:
        state = "failing"
    elif remembered.last_ok:
        state = "ok"
    error = None
    if problem is not None and remembered.failures:
        error = {
            "reason": problem.reason,
            "fa": problem.detail_fa or problem.detail,
            "en": problem.detail,
        }
    return {
        "name": name,
        "address": peer.grpc,
        "static": peer.static[0] if peer.static else "",
        "state": state,
        "failures": remembered.failures,
        "last_contact": remembered.last_ok,
        "next_try": remembered.next_try,
        "error": error,
    }


def _rfc3339(seconds: int | None) -> str | None:
    """Return a Unix time as RFC 3339."""
    from shahrdad.federation.log.writer import format_time

    return None if seconds is None else format_time(seconds)
