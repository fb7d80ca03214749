"""Growing a log by entries: hashes, tiles and what each entry says, in one pass.

Pure and without trust: the caller compares `growth.frontier.root()` with a signed root
(or proves it against one) before anything is stored.

>>> from shahrdad.federation.verify.growth import grow
>>> from shahrdad.federation.verify.tree import Frontier
>>> growth = grow(Frontier(), [b"no JSON"], "a.example/catalog")
>>> growth.start, growth.end, growth.entries, len(growth.refused)
(0, 1, (None,), 1)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, pairwise

from shahrdad.datasets.errors import PeerError
from shahrdad.federation.limits import ENTRY_BYTES_MAX
from shahrdad.federation.verify.entry import Entry, leaf_hash, parse
from shahrdad.federation.verify.tree import Frontier, TileHash


@dataclass(frozen=True, slots=True)
class Growth:
    """A log's next entries, and the tree after them."""

    origin: str
    before: Frontier
    frontier: Frontier  # after them
    raws: tuple[bytes, ...]
    entries: tuple[Entry | None, ...]  # None where an entry must not be applied
    refused: tuple[tuple[int, str], ...]  # (index, why), for the report
    leaves: tuple[bytes, ...]
    completed: tuple[TileHash, ...]  # of the tile levels above the leaves

    @property
    def start(self) -> int:
        """Index of the first entry."""
        return self.before.size

    @property
    def end(self) -> int:
        """Size of the log after the last."""
        return self.frontier.size


def grow(before: Frontier, raws: Sequence[bytes], origin: str) -> Growth:
    """Extend a copy of a frontier by raw entries.

    Raises:
        PeerError: TOO_LARGE: an entry is longer than anybody needs.
    """
    frontier = before.copy()
    if raws and max(map(len, raws)) <= ENTRY_BYTES_MAX:
        leaves = [sha256(b"\0" + raw).digest() for raw in raws]
    else:
        leaves = [leaf_hash(raw) for raw in raws]
    completed = frontier.extend(leaves)
    entries: list[Entry | None] = []
    refused = []
    for index, raw in enumerate(raws, before.size):
        try:
            entries.append(parse(raw, index, origin))
        except PeerError as error:
            entries.append(None)
            refused.append((index, str(error)))
    return Growth(
        origin,
        before,
        frontier,
        tuple(raws),
        tuple(entries),
        tuple(refused),
        tuple(leaves),
        tuple(completed),
    )


def joined(growths: Sequence[Growth]) -> Growth:
    """Return growths of one log, each where the one before it ends, as one.

    Args:
        growths: At least one.

    Raises:
        ValueError: they do not follow each other.
    """
    for one, after in pairwise(growths):
        if one.origin != after.origin or one.frontier != after.before:
            raise ValueError(f"{after.start} does not follow {one.end}")
    return Growth(
        growths[0].origin,
        growths[0].before,
        growths[-1].frontier,
        tuple(chain.from_iterable(growth.raws for growth in growths)),
        tuple(chain.from_iterable(growth.entries for growth in growths)),
        tuple(chain.from_iterable(growth.refused for growth in growths)),
        tuple(chain.from_iterable(growth.leaves for growth in growths)),
        tuple(chain.from_iterable(growth.completed for growth in growths)),
    )
