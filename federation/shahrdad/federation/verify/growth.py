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
from functools import cached_property
from hashlib import sha256
from itertools import chain, pairwise

from shahrdad.datasets.errors import PeerError
from shahrdad.federation.limits import ENTRY_BYTES_MAX
from shahrdad.federation.verify.entry import Entry, Puts, leaf_hash, parse, read_puts
from shahrdad.federation.verify.tree import Frontier, TileHash


@dataclass(frozen=True)
class Growth:
    """A log's next entries, and the tree after them.

    What most logs grow by is read by column; `entries` are made when somebody asks.
    """

    origin: str
    before: Frontier
    frontier: Frontier  # after them
    raws: tuple[bytes, ...]
    puts: Puts
    others: tuple[Entry, ...]  # that are applied and are not among the puts
    refused: tuple[tuple[int, str], ...]  # (index, why), for the report
    leaves: tuple[bytes, ...]
    completed: tuple[TileHash, ...]  # of the tile levels above the leaves

    @cached_property
    def entries(self) -> tuple[Entry | None, ...]:
        """What each entry says; None where it must not be applied."""
        refused = {index for index, _ in self.refused}
        return tuple(
            None if index in refused else parse(raw, index, self.origin)
            for index, raw in enumerate(self.raws, self.start)
        )

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
    puts = read_puts(raws, before.size)
    others, refused = _read_others(raws, before.size, puts, origin)
    return Growth(
        origin,
        before,
        frontier,
        tuple(raws),
        puts,
        tuple(others),
        tuple(refused),
        tuple(leaves),
        tuple(completed),
    )


def _read_others(
    raws: Sequence[bytes], start: int, puts: Puts, origin: str
) -> tuple[list[Entry], list[tuple[int, str]]]:
    """Return what the entries besides some puts say, and why some say nothing."""
    read: list[Entry] = []
    refused: list[tuple[int, str]] = []
    if len(puts.indexes) == len(raws):
        return read, refused
    known = set(puts.indexes)
    for index, raw in enumerate(raws, start):
        if index in known:
            continue
        try:
            read.append(parse(raw, index, origin))
        except PeerError as error:
            refused.append((index, str(error)))
    return read, refused


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
    puts = [growth.puts for growth in growths]
    return Growth(
        growths[0].origin,
        growths[0].before,
        growths[-1].frontier,
        tuple(chain.from_iterable(growth.raws for growth in growths)),
        Puts(
            list(chain.from_iterable(one.indexes for one in puts)),
            list(chain.from_iterable(one.keys for one in puts)),
            list(chain.from_iterable(one.digests for one in puts)),
            list(chain.from_iterable(one.sizes for one in puts)),
            list(chain.from_iterable(one.prevs for one in puts)),
        ),
        tuple(chain.from_iterable(growth.others for growth in growths)),
        tuple(chain.from_iterable(growth.refused for growth in growths)),
        tuple(chain.from_iterable(growth.leaves for growth in growths)),
        tuple(chain.from_iterable(growth.completed for growth in growths)),
    )
