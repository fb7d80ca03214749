"""What a report is pinned to: each log's size and root at the end of a month."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation import month_roots
from shahrdad.federation.log.store import LogStore
from shahrdad.node.analysis.limits import CHECKPOINTS_MAX
from shahrdad.node.analysis.releases import COUNTED_STATES, Moment
from shahrdad.node.http.view import NodeView


@dataclass(frozen=True, slots=True, order=True)
class Checkpoint:
    """A log as it was: `size` entries under `root`."""

    origin: str
    city: str
    size: int
    root: str

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "origin": self.origin,
            "city": self.city,
            "size": self.size,
            "root": self.root,
        }


def checkpoints(node: NodeView, until: str) -> tuple[Checkpoint, ...]:
    """Return the logs as they stood at a time; quarantined ones are left out.

    A log's size is that after its last entry not later than `until`, so that every node
    that holds so many entries finds the same, whatever came since.
    """
    logs = LogStore(node.database.connect)
    known = {log.origin: log for log in logs.logs()}
    found = []
    for status in node.federation_status().get("logs", []):
        origin = str(status.get("origin"))
        if str(status.get("state")) not in COUNTED_STATES or origin not in known:
            continue
        size = month_roots.size_at(logs, origin, known[origin].size, until)
        if size:
            root = logs.root_at(origin, size).hex()
            found.append(Checkpoint(origin, str(status.get("city") or ""), size, root))
    return tuple(sorted(found)[:CHECKPOINTS_MAX])


def closed(node: NodeView, forum: str, month: str) -> tuple[Checkpoint, ...] | None:
    """Return the logs as the forum pinned them when it closed a month.

    None where it has not, or where this node does not hold all of it yet.
    """
    logs = LogStore(node.database.connect)
    found = month_roots.published(logs, forum, month) if forum else None
    if found is None:
        return None
    cities = {
        str(log.get("origin")): str(log.get("city") or "")
        for log in node.federation_status().get("logs", [])
    }
    listed = [
        Checkpoint(one.origin, cities.get(one.origin, ""), one.size, one.root)
        for one in month_roots.read(found[1], logs.body).logs
    ]
    try:
        check(node, listed)
    except RequestError:
        return None
    return tuple(sorted(listed))


def check(node: NodeView, wanted: Sequence[Checkpoint]) -> None:
    """Refuse checkpoints that this node cannot stand on.

    Raises:
        RequestError: CHECKPOINT_NOT_HELD: the log is not held so far, or has another
            root there.
    """
    logs = LogStore(node.database.connect)
    for one in wanted:
        log = logs.find_log(one.origin)
        held = log.size if log is not None else 0
        if held < one.size or logs.root_at(one.origin, one.size).hex() != one.root:
            raise RequestError(
                Reason.CHECKPOINT_NOT_HELD,
                origin=one.origin,
                size=one.size,
                size_held=held,
            )


def moment(wanted: Sequence[Checkpoint], time: str) -> Moment:
    """Return the moment that checkpoints stand for."""
    sizes = {one.origin: one.size for one in wanted}
    return Moment(time, sizes, tuple(sorted({one.city for one in wanted if one.city})))


def parse(listed: object) -> tuple[Checkpoint, ...]:
    """Read the checkpoints of a report.

    Raises:
        RequestError: MALFORMED.
    """
    wrong = RequestError(
        Reason.MALFORMED, field="checkpoints", detail="origin, city, size, root"
    )
    if not isinstance(listed, list) or len(listed) > CHECKPOINTS_MAX:
        raise wrong
    found = []
    for item in listed:
        try:
            one = Checkpoint(item["origin"], item["city"], item["size"], item["root"])
        except (KeyError, TypeError) as error:
            raise wrong from error
        if type(one.size) is not int or one.size < 1 or not isinstance(one.root, str):
            raise wrong
        found.append(one)
    return tuple(sorted(found))
