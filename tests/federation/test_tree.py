"""Roots and proofs: every size against the definition, and any change is refused."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import PROOF_HASHES_MAX
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.entry import leaf_hash
from shahrdad.federation.verify.tile import hash_reader
from shahrdad.federation.verify.tree import EMPTY_ROOT, Frontier

LEAVES = [leaf_hash(b"%d" % number) for number in range(600)]


def defined_root(leaves: list[bytes]) -> bytes:
    """Return the Merkle tree hash as RFC 6962, 2.1, defines it: by recursion."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    inner = defined_root(leaves[:left]) + defined_root(leaves[left:])
    return sha256(b"\1" + inner).digest()


def tiles(size: int) -> tree.ReadHash:
    """Return the hashes of the first leaves, through tiles as they are stored."""
    levels = [LEAVES[:size]]
    while len(levels[-1]) >= 256:
        below = levels[-1]
        levels.append(
            [
                defined_root(below[start : start + 256])
                for start in range(0, len(below) - 255, 256)
            ]
        )
    return hash_reader(
        lambda level, number: b"".join(levels[level][number * 256 : number * 256 + 256])
    )


READ = tiles(600)


@pytest.mark.parametrize("size", [*range(20), 255, 256, 257, 511, 512, 513, 600])
def test_roots_are_those_of_the_definition(size: int) -> None:
    """Frontier, tiles and definition give one root."""
    frontier = Frontier()
    frontier.extend(LEAVES[:size])

    assert defined_root(LEAVES[:size]) == frontier.root()
    assert frontier.root() == tree.root_at(size, READ)
    assert frontier == tree.frontier_at(size, READ)
    assert frontier == Frontier.from_bytes(size, frontier.to_bytes())


def test_frontier_tells_the_hashes_that_tiles_need() -> None:
    """Growing past 256 and 512 completes the first two hashes of level 1."""
    frontier = Frontier()
    completed = frontier.extend(LEAVES)

    assert [(1, 0), (1, 1)] == [(node.level, node.position) for node in completed]
    assert defined_root(LEAVES[256:512]) == completed[1].hash


def test_copy_grows_alone() -> None:
    """A verifier extends a copy, and throws it away when it is wrong."""
    frontier = Frontier()
    frontier.extend(LEAVES[:3])
    copy = frontier.copy()
    copy.append(LEAVES[3])

    assert (3, 4) == (frontier.size, copy.size)
    assert frontier != copy


@pytest.mark.parametrize(("size", "data"), [(1, b""), (2, bytes(31)), (3, bytes(32))])
def test_frontier_of_the_wrong_length_is_a_mistake(size: int, data: bytes) -> None:
    """A damaged row is not silently another tree."""
    with pytest.raises(ValueError, match="hashes"):
        Frontier.from_bytes(size, data)


@pytest.mark.parametrize("new", [*range(1, 34), 255, 256, 257, 600])
def test_every_proof_of_a_size_holds(new: int) -> None:
    """All indexes and all older sizes, for small trees and at the edges of tiles."""
    root = tree.root_at(new, READ)
    step = 1 if new < 40 else 23
    for at in range(0, new, step):
        proof = tree.inclusion_proof(at, new, READ)
        tree.verify_inclusion(at, new, LEAVES[at], root, proof)
        old = at + 1
        chain = tree.consistency_proof(old, new, READ)
        tree.verify_consistency(old, new, tree.root_at(old, READ), root, chain)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_changed_consistency_proof_is_refused(data: st.DataObject) -> None:
    """One bit of a node or a root, one node more or less.

    Other sizes may have a tree of the same shape, of which the same hashes are a valid
    proof: roots do not commit to sizes, so what is signed holds both.
    """
    new = data.draw(st.integers(2, 600))
    old = data.draw(st.integers(1, new - 1))
    roots = [tree.root_at(old, READ), tree.root_at(new, READ)]
    hashes = [*roots, *tree.consistency_proof(old, new, READ)]
    change = data.draw(st.sampled_from(["bit", "drop", "add"]))
    if change == "bit":
        at = data.draw(st.integers(0, len(hashes) - 1))
        hashes[at] = flipped(hashes[at], data.draw(st.integers(0, 255)))
    elif change == "drop":
        hashes.pop(data.draw(st.integers(2, len(hashes) - 1)))
    else:
        hashes.insert(data.draw(st.integers(2, len(hashes))), LEAVES[0])

    with pytest.raises(PeerError) as caught:
        tree.verify_consistency(old, new, hashes[0], hashes[1], hashes[2:])

    assert Reason.BAD_PROOF is caught.value.reason


def flipped(value: bytes, bit: int) -> bytes:
    """Return a value with one bit changed."""
    return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(len(value), "big")


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_changed_inclusion_proof_is_refused(data: st.DataObject) -> None:
    """One bit of the leaf, the root or a node, or another index."""
    size = data.draw(st.integers(2, 600))
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion_proof(index, size, READ)
    hashes = [LEAVES[index], tree.root_at(size, READ), *proof]
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index))
    with pytest.raises(PeerError):
        tree.verify_inclusion(other, size, hashes[0], hashes[1], hashes[2:])
    at = data.draw(st.integers(0, len(hashes) - 1))
    hashes[at] = flipped(hashes[at], data.draw(st.integers(0, 255)))

    with pytest.raises(PeerError) as caught:
        tree.verify_inclusion(index, size, hashes[0], hashes[1], hashes[2:])

    assert Reason.BAD_PROOF is caught.value.reason


@pytest.mark.parametrize("node", [b"", bytes(31), bytes(33)])
def test_hash_of_another_length_is_refused(node: bytes) -> None:
    """A proof is hashes of exactly 32 bytes."""
    root = tree.root_at(2, READ)

    with pytest.raises(PeerError):
        tree.verify_inclusion(0, 2, LEAVES[0], root, [node])
    with pytest.raises(PeerError):
        tree.verify_consistency(1, 2, LEAVES[0], root, [node])


def test_longest_proof_is_computed_and_the_next_is_refused() -> None:
    """A tree of 2^63 needs 63 hashes; 64 are refused unread."""
    nodes = [bytes(32)] * PROOF_HASHES_MAX
    root = leaf_hash(b"")
    for node in nodes:
        root = sha256(b"\1" + root + node).digest()
    tree.verify_inclusion(0, 2**63, leaf_hash(b""), root, nodes)

    with pytest.raises(PeerError):
        tree.verify_inclusion(0, 2**64, leaf_hash(b""), root, [*nodes, bytes(32)])


def test_nothing_is_proven_from_size_zero() -> None:
    """First contact is the caller's own case; RFC 9162 leaves it undefined."""
    with pytest.raises(PeerError):
        tree.verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    with pytest.raises(ValueError, match="0"):
        tree.consistency_proof(0, 5, READ)
    with pytest.raises(ValueError, match="5"):
        tree.inclusion_proof(5, 5, READ)
