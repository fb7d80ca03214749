"""The Merkle tree of a log: its frontier, its roots and its proofs (RFC 6962, 9162).

A frontier holds the roots of the full subtrees of a prefix, widest first; appending to
it and checking a consistency proof is all that mirroring needs. Provers read hashes
through `read(height, n)`: the root of the full subtree over the leaves
`n * 2**height` to `(n + 1) * 2**height`.

>>> from shahrdad.federation.verify.entry import leaf_hash
>>> from shahrdad.federation.verify.tree import Frontier
>>> frontier = Frontier()
>>> frontier.root().hex()[:16]
'e3b0c44298fc1c14'
>>> for entry in (b"a", b"b", b"c"):
...     frontier.append(leaf_hash(entry))
>>> frontier.size, len(frontier.hashes)
(3, 2)
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple, NoReturn

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import PROOF_HASHES_MAX
from shahrdad.federation.verify.entry import node_hash

EMPTY_ROOT = sha256(b"").digest()
HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 256

ReadHash = Callable[[int, int], bytes]


class TileHash(NamedTuple):
    """One hash of a tile level, and its position in that level."""

    level: int  # 0 holds leaves, 1 the roots of 256 of them, and so on
    position: int
    hash: bytes


class Frontier:
    """The roots of the full subtrees of a log's first entries, widest first.

    Args:
        size: Number of leaves.
        hashes: As many as `size` has bits that are one, 32 bytes each.

    Raises:
        ValueError: the number of hashes does not go with the size.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if size < 0 or len(self.hashes) != size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes cannot be those of {size}")

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> list[TileHash]:
        """Add leaf hashes.

        Returns:
            The hashes of the tile levels above the leaves that became complete.
        """
        roots = list(leaves)
        completed: list[TileHash] = []
        if len(roots) == TILE_WIDTH and not self.size % TILE_WIDTH:
            # What most chunks are: one subtree, folded at once.
            self._add(fold(roots), TILE_HEIGHT, completed)
        else:
            for leaf in roots:
                self._add(leaf, 0, completed)
        return completed

    def _add(self, root: bytes, height: int, completed: list[TileHash]) -> None:
        """Add the root of a full subtree, which the size is aligned to."""
        hashes, position = self.hashes, self.size >> height
        self.size += 1 << height
        if height:
            completed.append(TileHash(height // TILE_HEIGHT, position, root))
        while position & 1:
            root = sha256(b"\1" + hashes.pop() + root).digest()
            position >>= 1
            height += 1
            if not height % TILE_HEIGHT:
                completed.append(TileHash(height // TILE_HEIGHT, position, root))
        hashes.append(root)

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> "Frontier":
        """Return another frontier of the same leaves."""
        return Frontier(self.size, self.hashes)

    def to_bytes(self) -> bytes:
        """Return the hashes, one after another."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> "Frontier":
        """Return the frontier that `to_bytes` wrote.

        Raises:
            ValueError: the bytes do not go with the size.
        """
        if len(data) % HASH_BYTES:
            raise ValueError("a frontier is hashes of 32 bytes")
        return cls(size, split_hashes(data))

    def __eq__(self, other: object) -> bool:
        """Compare size and hashes."""
        if not isinstance(other, Frontier):
            return NotImplemented
        return self.size == other.size and self.hashes == other.hashes

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return size and root."""
        return f"Frontier(size={self.size}, root={self.root().hex()})"


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes of 32 bytes that stand one after another."""
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\1" + left + right).digest() for left, right in pairs]
    return hashes[0]


def frontier_at(size: int, read: ReadHash) -> Frontier:
    """Return the frontier of a log's first `size` entries."""
    hashes, start = [], 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            hashes.append(read(height, start >> height))
            start += 1 << height
    return Frontier(size, hashes)


def root_at(size: int, read: ReadHash) -> bytes:
    """Return the root of a log's first `size` entries."""
    return frontier_at(size, read).root()


def inclusion_proof(index: int, size: int, read: ReadHash) -> list[bytes]:
    """Return the proof that a leaf stands at an index of a tree.

    Raises:
        ValueError: the index is not below the size.
    """
    if not 0 <= index < size:
        raise ValueError(f"no index {index} in a tree of {size}")
    proof, start, end = [], 0, size
    while end - start > 1:
        middle = start + _left_width(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, read: ReadHash) -> list[bytes]:
    """Return the proof that the tree of size `new` extends the one of size `old`.

    Raises:
        ValueError: not 1 ≤ old ≤ new; from size 0 nothing can be proven.
    """
    if not 1 <= old <= new:
        raise ValueError(f"no consistency proof from {old} to {new}")
    proof, start, end = [], 0, new
    while old != end:
        middle = start + _left_width(end - start)
        if old <= middle:
            proof.append(_range_root(middle, end, read))
            end = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    if start:  # else the verifier knows this root: it is that of size `old`
        proof.append(_range_root(start, end, read))
    return proof[::-1]


def verify_inclusion(
    index: int, size: int, leaf: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a leaf stands at an index of a tree (RFC 9162, 2.1.3.2).

    Raises:
        PeerError: BAD_PROOF.
    """
    subject = f"inclusion of entry {index} in size {size}"
    if not 0 <= index < size:
        _refuse(subject)
    _check_shape((leaf, root), subject)
    _check_shape(proof, subject)
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            _refuse(subject)
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while at and not at & 1:
                at >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        at >>= 1
        last >>= 1
    if last or found != root:
        _refuse(subject)


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of size `new` extends the one of size `old`.

    Source: RFC 9162, 2.1.4.2. It is undefined for size 0, which is refused here: first
    contact is the caller's case.

    Raises:
        PeerError: BAD_PROOF.
    """
    subject = f"consistency of size {old} with size {new}"
    if not 1 <= old <= new:
        _refuse(subject)
    _check_shape(proof, subject)
    if old == new:
        if proof or old_root != new_root:
            _refuse(subject)
        return
    if not proof:
        _refuse(subject)
    nodes = [old_root, *proof] if old & (old - 1) == 0 else proof
    roots = consistency_roots(old, new, nodes)
    if roots != (old_root, new_root):
        _refuse(subject)


def consistency_roots(
    old: int, new: int, nodes: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """Compute both roots from the nodes of a consistency proof, the first explicit.

    Every node enters the root of size `new`: who changes one changes that root.

    Args:
        old: At least 1.
        new: Above `old`.
        nodes: As RFC 9162, 2.1.4.2 computes with; where `old` is a power of two, the
            first is the root of size `old`, which a proof leaves out.

    Returns:
        The roots at `old` and at `new`; None when the number of nodes is wrong.
    """
    if not nodes:
        return None
    at, last = old - 1, new - 1
    while at & 1:
        at >>= 1
        last >>= 1
    old_root = new_root = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old_root = node_hash(node, old_root)
            new_root = node_hash(node, new_root)
            while at and not at & 1:
                at >>= 1
                last >>= 1
        else:
            new_root = node_hash(new_root, node)
        at >>= 1
        last >>= 1
    return None if last else (old_root, new_root)


def _refuse(subject: str) -> NoReturn:
    """Raise the one error of a proof that does not hold."""
    raise PeerError(Reason.BAD_PROOF, subject=subject)


def _check_shape(proof: Sequence[bytes], subject: str) -> None:
    """Refuse hashes that are none, and a proof longer than any tree needs."""
    if len(proof) > PROOF_HASHES_MAX or any(len(node) != HASH_BYTES for node in proof):
        _refuse(subject)


def _left_width(width: int) -> int:
    """Return the largest power of two below a width of at least two."""
    return 1 << ((width - 1).bit_length() - 1)


def _range_root(start: int, end: int, read: ReadHash) -> bytes:
    """Return the root over leaves whose start is aligned to their subtree."""
    roots, width = [], end - start
    for height in reversed(range(width.bit_length())):
        if width >> height & 1:
            roots.append(read(height, start >> height))
            start += 1 << height
    root = roots.pop()
    while roots:
        root = node_hash(roots.pop(), root)
    return root
