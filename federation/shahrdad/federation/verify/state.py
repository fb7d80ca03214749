"""Which keys are live after some entries, and one digest of it.

>>> from shahrdad.federation.verify.state import state_digest
>>> str(state_digest({}))[:16]
'e3b0c44298fc1c14'
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import Entry


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """The newest version of a live key."""

    index: int
    sha256: Digest


def apply(live: MutableMapping[str, LiveEntry], entry: Entry) -> None:
    """Apply an entry, in index order, to the live keys.

    A `redact` and a `genesis` change none of them. An entry that `entry.parse` refused
    is not applied at all.
    """
    if entry.op == "put" and entry.key is not None and entry.sha256 is not None:
        live[entry.key] = LiveEntry(entry.index, entry.sha256)
    elif entry.op == "delete" and entry.key is not None:
        live.pop(entry.key, None)


def state_digest(live: Mapping[str, LiveEntry]) -> Digest:
    """Return the digest of a state: equal digests mean equal live keys and versions.

    It is the SHA-256 of the lines `key SP index SP sha256 LF`, keys in byte order.
    """
    # Keys are ASCII, so the order of characters is the order of bytes.
    lines = (f"{key} {at.index} {at.sha256}\n" for key, at in sorted(live.items()))
    return Digest.of("".join(lines).encode("ascii"))
