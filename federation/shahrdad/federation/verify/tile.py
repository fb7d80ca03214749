"""Tiles and the other files of a static mirror: their names, sizes and bytes.

A mirror is a tree of files with computed names (federation 4.7; C2SP tlog-tiles):

>>> from shahrdad.federation.verify.tile import MirrorPath, tile_number
>>> tile_number(1234067)
'x001/x234/067'
>>> str(MirrorPath.tile("a.example/catalog", 0, 273, 112)).partition("/tile")[2]
'/0/273.p/112'
"""

import builtins
import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import ENTRY_BYTES_MAX
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tree import (
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    ReadHash,
    fold,
    split_hashes,
)

TILES_KEPT = 64  # 8 KiB each; a proof reads two tiles a level at most

_WIDTH = r"(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_NUMBER = r"(?:x[0-9]{3}/){0,6}[0-9]{3}"
_NAME = re.compile(
    rf"heads|log/[0-9a-f]{{64}}/(?:checkpoint|evidence"
    rf"|tile/(?:[0-9]|[1-5][0-9]|6[0-3]|entries)/{_NUMBER}(?:\.p/{_WIDTH})?)"
    r"|(?:body|object)/([0-9a-f]{2})/\1[0-9a-f]{62}"
)


class TileSpan(NamedTuple):
    """One tile of a tree: `width` is 256 for a full one."""

    level: int
    number: int
    width: int


class MirrorPath:
    """The name of one file of a static mirror; it can hold no other path.

    The name is computed from an origin, a number or a digest, and checked again, so
    that nothing that a peer sent ever becomes part of a path.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"no file of a mirror: {name!r}")
        self._name = name

    @classmethod
    def heads(cls) -> "MirrorPath":
        """Return the name of the list of logs and sizes, a hint."""
        return cls("heads")

    @classmethod
    def checkpoint(cls, origin: str) -> "MirrorPath":
        """Return the name of a log's newest checkpoint."""
        return cls(f"{_folder(origin)}/checkpoint")

    @classmethod
    def evidence(cls, origin: str) -> "MirrorPath":
        """Return the name of the evidence against a log."""
        return cls(f"{_folder(origin)}/evidence")

    @classmethod
    def tile(
        cls, origin: str, level: int, number: int, width: int = TILE_WIDTH
    ) -> "MirrorPath":
        """Return the name of a tile of hashes; below 256 hashes it is a partial one."""
        return cls(f"{_folder(origin)}/{tile_path(level, number, width)}")

    @classmethod
    def entries(cls, origin: str, number: int, width: int = TILE_WIDTH) -> "MirrorPath":
        """Return the name of an entry bundle."""
        return cls(f"{_folder(origin)}/{tile_path('entries', number, width)}")

    @classmethod
    def body(cls, digest: Digest) -> "MirrorPath":
        """Return the name of a body."""
        return cls(f"body/{digest.hex[:2]}/{digest.hex}")

    @classmethod
    def object(cls, digest: Digest) -> "MirrorPath":
        """Return the name of a data object."""
        return cls(f"object/{digest.hex[:2]}/{digest.hex}")

    @property
    def immutable(self) -> bool:
        """Whether the file never changes once it is written."""
        return not self._name.endswith(("heads", "checkpoint", "evidence"))

    def __str__(self) -> str:
        """Return the name, with `/` between its parts."""
        return self._name

    def __repr__(self) -> str:
        """Return the name as a literal of this class."""
        return f"MirrorPath({self._name!r})"

    def __eq__(self, other: builtins.object) -> bool:
        """Compare the names."""
        return isinstance(other, MirrorPath) and self._name == other._name

    def __hash__(self) -> int:
        """Hash the name."""
        return hash(self._name)


def tile_number(number: int) -> str:
    """Return a tile's number in groups of three digits, `x` before all but the last."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.append(f"x{number % 1000:03d}")
    return "/".join(reversed(groups))


def tile_path(level: int | str, number: int, width: int = TILE_WIDTH) -> str:
    """Return a tile's path below its log; the level of an entry bundle is `entries`."""
    if not 1 <= width <= TILE_WIDTH:
        raise ValueError(f"no tile of width {width}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{tile_number(number)}{partial}"


def level_size(size: int, level: int) -> int:
    """Return how many hashes a level of tiles holds for a tree of some size."""
    return size >> (TILE_HEIGHT * level)


def layout(size: int, old: int = 0) -> Iterator[TileSpan]:
    """Yield the tiles of a tree that one of size `old` lacks, levels upwards.

    A partial tile that only grew is yielded at its new width.
    """
    level = 0
    while hashes := level_size(size, level):
        before = level_size(old, level)
        if hashes > before:
            for number in range(before // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
                width = min(TILE_WIDTH, hashes - number * TILE_WIDTH)
                yield TileSpan(level, number, width)
        level += 1


def proof_tiles(size: int, old: int) -> Iterator[TileSpan]:
    """Yield the tiles that every proof from size `old` or later needs.

    Those of `layout`, and the partial tiles of `old` that did not grow: the frontier
    at `old` is in the right-most tiles of its levels.
    """
    level = 0
    while hashes := level_size(size, level):
        first = level_size(old, level) // TILE_WIDTH
        for number in range(first, -(-hashes // TILE_WIDTH)):
            yield TileSpan(level, number, min(TILE_WIDTH, hashes - number * TILE_WIDTH))
        level += 1


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry behind its length, two bytes big-endian."""
    return b"".join(len(raw).to_bytes(2, "big") + raw for raw in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the first `width` entries of a bundle, which may be a longer one.

    Raises:
        PeerError: MALFORMED: the bundle is cut or goes on after 256 entries; TOO_LARGE.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        if length > ENTRY_BYTES_MAX:
            raise PeerError(
                Reason.TOO_LARGE, size_bytes=length, size_bytes_max=ENTRY_BYTES_MAX
            )
        entry = data[at + 2 : at + 2 + length]
        at += 2 + length
        if at > len(data) or len(entries) == TILE_WIDTH:
            raise PeerError(
                Reason.MALFORMED, field="entry bundle", detail="its lengths do not fit"
            )
        entries.append(entry)
    if len(entries) < width:
        raise PeerError(
            Reason.MALFORMED,
            field="entry bundle",
            detail=f"{len(entries)} entries of {width}",
        )
    return entries[:width]


def hash_reader(read_tile: Callable[[int, int], bytes]) -> ReadHash:
    """Return a `read(height, n)` for the provers of `tree`, over tiles.

    Args:
        read_tile: Returns the hashes of tile `number` of `level`, one after another;
            a partial tile as far as it goes. The newest `TILES_KEPT` are remembered, so
            that a stream over a whole log takes no more memory than one proof; a tile
            that was too short may have grown, and is asked for again.
    """
    tiles: dict[tuple[int, int], bytes] = {}

    def read(height: int, n: int) -> bytes:
        level, above = divmod(height, TILE_HEIGHT)
        first = n << above
        number, start = divmod(first, TILE_WIDTH)
        end = (start + (1 << above)) * HASH_BYTES
        hashes = tiles.get((level, number), b"")
        if len(hashes) < end:
            tiles.pop((level, number), None)
            if len(tiles) == TILES_KEPT:
                del tiles[next(iter(tiles))]
            hashes = tiles[level, number] = read_tile(level, number)
        if len(hashes) < end:
            raise LookupError(f"tile {level}/{number} holds {len(hashes)} bytes")
        return fold(split_hashes(hashes[start * HASH_BYTES : end]))

    return read


def _folder(origin: str) -> str:
    """Return a log's folder: an origin never becomes a path itself."""
    return f"log/{sha256(origin.encode('utf-8')).hexdigest()}"
