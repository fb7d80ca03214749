"""How far a head is to be believed: signed, confirmed by witnesses, stale (10.4).

signed → confirmed → stale, when no witness vouches for the log any more
"""

from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from shahrdad.federation.keyring import KeyRing
from shahrdad.federation.log.schema import LogState, Status
from shahrdad.federation.verify import checkpoint as checkpoints

HOUR_SECONDS = 3_600


class HeadState(StrEnum):
    """What a reader may conclude from a log's head."""

    SIGNED = "signed"  # its city said so
    CONFIRMED = "confirmed"  # a quorum of other cities' witnesses saw the same
    STALE = "stale"  # no witness vouched for it lately
    QUARANTINED = "quarantined"  # its city signed two histories


def is_stale(keys: KeyRing, log: LogState, seconds: int) -> bool:
    """Tell whether witnesses are silent about a log that they should see.

    The newest cosignature counts, be it on this head or on the one that was confirmed
    last: a head that was published an hour ago is not stale. Where there never was
    one, the hours count from when the head came.

    Args:
        keys: The quorum, and after how many hours a head is stale.
        log: Its lines were verified when they were stored.
        seconds: Unix time.
    """
    if not keys.quorum or log.checkpoint is None:
        return False
    notes = [note for note in (log.checkpoint, log.confirmed) if note is not None]
    times = [time for time in map(_newest_time, notes) if time is not None]
    newest = max(times, default=None)
    if newest is None and log.verified_at:
        newest = int(datetime.fromisoformat(log.verified_at).timestamp())
    return seconds - (newest or 0) > keys.stale_hours * HOUR_SECONDS


def head_state(keys: KeyRing, log: LogState, seconds: int) -> HeadState:
    """Return the state of a log's head at a Unix time."""
    if log.status is Status.QUARANTINED:
        return HeadState.QUARANTINED
    if is_stale(keys, log, seconds):
        return HeadState.STALE
    return HeadState.SIGNED if log.confirmed is None else HeadState.CONFIRMED


@lru_cache(maxsize=8_192)
def _newest_time(note: bytes) -> int | None:
    """Return the Unix time of the newest cosignature; most notes are asked again."""
    return max(checkpoints.stored_cosignature_times(note).values(), default=None)
