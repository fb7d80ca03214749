"""What is known of the network: each log's state, each peer's last contact."""

from typing import TYPE_CHECKING, Any

from shahrdad.federation.log_schema import Status
from shahrdad.federation.verify import checkpoint as checkpoints

if TYPE_CHECKING:
    from shahrdad.federation.log_store import LogState
    from shahrdad.node.city import Node


def federation_status(node: "Node") -> dict[str, Any]:
    """Return logs and peers; the shape is that of `http.view.NodeView`."""
    return {
        "origin": node.config.federation.origin,
        "logs": [_log(node, log) for log in node.logs.logs()],
        "peers": [_peer(node, peer.name) for peer in node.config.federation.peers],
    }


def _log(node: "Node", log: "LogState") -> dict[str, Any]:
    """Return what is known of one log."""
    times = checkpoints.stored_cosignature_times(log.checkpoint or b"")
    state = "signed"
    if log.status is Status.QUARANTINED:
        state = "quarantined"
    elif log.confirmed is not None:
        state = "confirmed"
    root = checkpoints.peek(log.checkpoint).root.hex() if log.checkpoint else None
    return {
        "origin": log.origin,
        "city": node.city_of(log.origin),
        "own": log.own,
        "size": log.head_size,
        "root": root,
        "time": log.verified_at,
        "status": log.status.value,
        "state": state,
        "confirmed_size": checkpoints.peek(log.confirmed).size
        if log.confirmed
        else None,
        "cosignatures": len(times),
        "newest_cosignature": _rfc3339(max(times.values(), default=None)),
        "missing_bodies": log.missing_bodies,
        "vkeys": [key.vkey for key in node.keys.verifiers(log.origin, log.head_size)],
        "state_digest": node.logs.state_digest(log.origin).hex,
    }


def _peer(node: "Node", name: str) -> dict[str, Any]:
    """Return what is remembered of one peer."""
    section = next(peer for peer in node.config.federation.peers if peer.name == name)
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
        error = {"reason": problem.reason, "fa": problem.detail, "en": problem.detail}
    return {
        "name": name,
        "address": section.grpc,
        "static": section.static,
        "state": state,
        "failures": remembered.failures,
        "last_contact": remembered.last_ok,
        "next_try": remembered.next_try,
        "error": error,
    }


def _rfc3339(seconds: int | None) -> str | None:
    """Return a Unix time as RFC 3339."""
    from shahrdad.federation.log_writer import format_time

    return None if seconds is None else format_time(seconds)
