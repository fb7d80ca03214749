"""This computer's clock against those of other cities, from what the rounds recorded.

No clock is asked for. A signature that came in was made before it came: where it says a
later time than ours was then, its maker's clock is ahead of ours by at least as much.
And who cosigned our head did so after our newest entry: where they say an earlier time
than the entry's, their clock is behind ours by at least as much. Smaller differences
than a signature's way here stay unseen, and larger ones are bounds, not measures.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import PeerError
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.node.accounts.moments import parse

if TYPE_CHECKING:
    from shahrdad.federation.log.store import LogState
    from shahrdad.node.city import Node


def clocks_ahead(node: "Node", at: datetime) -> dict[str, int]:
    """Return by how many seconds at least other cities' clocks are ahead of ours.

    Args:
        node: The node.
        at: The present; what was recorded longer ago than a head is fresh is left out,
            so that a clock which was set meanwhile is not complained of for ever.

    Returns:
        Seconds by city, negative for a clock that is behind; without those of whom
        nothing shows a difference.
    """
    fresh = at - timedelta(hours=node.config.federation.stale_after_hours)
    found: dict[str, int] = {}
    for log in node.logs.logs():
        if log.verified_at is None or not fresh <= parse(log.verified_at):
            continue
        for who, seconds in _of_log(node, log):
            found[who] = max(found.get(who, 0), seconds, key=abs)
    return {who: seconds for who, seconds in sorted(found.items()) if seconds}


def differences(
    entry: int, recorded: int, cosigned: Mapping[str, int], *, own: bool
) -> Iterator[tuple[str, int]]:
    """Yield what one log shows of its cosigners' clocks, in seconds ahead of ours.

    Args:
        entry: Time of its newest signed entry; Unix time, as are the others.
        recorded: When its head came in, by our clock.
        cosigned: When each witness cosigned that head, by its own.
        own: The entry was written by our clock.

    >>> cosigned = {"shiraz": 220, "mashhad": 40, "yazd": 130}
    >>> dict(differences(100, 160, cosigned, own=True))
    {'shiraz': 60, 'mashhad': -60}
    >>> dict(differences(100, 160, cosigned, own=False))
    {'shiraz': 60}
    """
    for who, time in cosigned.items():
        if time > recorded:
            yield who, time - recorded
        elif own and time < entry:
            yield who, time - entry


def _of_log(node: "Node", log: "LogState") -> Iterator[tuple[str, int]]:
    """Yield what one log shows of other cities' clocks."""
    if log.checkpoint is None or log.verified_at is None or not log.head_size:
        return
    raw = node.logs.entry(log.origin, log.head_size - 1)
    try:
        newest = entries.parse(raw, log.head_size - 1, log.origin)
    except PeerError:
        return  # it is relayed and not applied; its time is nobody's word
    entry = int(parse(newest.time).timestamp())
    recorded = int(parse(log.verified_at).timestamp())
    ours = (node.witness_vkey or "").partition("+")[0]
    cosigned = {
        who.partition("/")[0]: time
        for who, time in checkpoints.stored_cosignature_times(log.checkpoint).items()
        if who != ours
    }
    yield from differences(entry, recorded, cosigned, own=log.own)
    if not log.own and entry > recorded:
        yield log.origin.partition("/")[0], entry - recorded
