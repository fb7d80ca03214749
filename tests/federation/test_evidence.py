"""Evidence: a fork is always provable, and an honest log never."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from log_world import ORIGIN, SECONDS, make_signer
from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import NOTE_BYTES_MAX
from shahrdad.federation.verify import evidence, tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.entry import leaf_hash
from shahrdad.federation.verify.evidence import OriginKeys, RetiredKey
from shahrdad.federation.verify.note import Kind, Signer, join
from shahrdad.federation.verify.tree import Frontier

LOG = make_signer(ORIGIN)
SHIRAZ = make_signer("shiraz.example.ir/witness", Kind.WITNESS)
KEYS = OriginKeys([LOG.verifier])


class History:
    """One history of the log: leaves that differ from an index on."""

    def __init__(self, forked_at: int, branch: str, size: int = 200) -> None:
        self.leaves = [
            leaf_hash(f"{branch if at >= forked_at else ''}{at}".encode())
            for at in range(size)
        ]
        self.cache: dict[tuple[int, int], bytes] = {}

    def read(self, height: int, n: int) -> bytes:
        """Return the hashes of this history."""
        if (height, n) not in self.cache:
            frontier = Frontier()
            frontier.extend(self.leaves[n << height : (n + 1) << height])
            self.cache[height, n] = frontier.root()
        return self.cache[height, n]

    def note(self, size: int, signer: Signer = LOG) -> bytes:
        """Return a signed checkpoint."""
        text = Checkpoint(ORIGIN, size, tree.root_at(size, self.read)).text()
        return join(text, [signer.sign(text)])


def make(small: bytes, size: int, large: History, new: int) -> bytes:
    """Return evidence of a small head against a history."""
    if size == new:
        return evidence.make(small, large.note(new))
    return evidence.make(
        small,
        large.note(new),
        tree.root_at(size, large.read),
        tree.consistency_proof(size, new, large.read),
    )


def check(text: bytes) -> evidence.Conflict:
    """Verify evidence with the log's key."""
    return evidence.verify(text, lambda _: KEYS)


HONEST = History(1_000, "")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_fork_below_both_heads_is_provable(data: st.DataObject) -> None:
    """Wherever the log forked, two heads that cover it are evidence."""
    old = data.draw(st.integers(1, 200))
    new = data.draw(st.integers(old, 200))
    fork = data.draw(st.integers(0, old - 1))
    other = History(fork, "other")

    conflict = check(make(other.note(old), old, HONEST, new))

    assert (ORIGIN, old, new) == (
        conflict.origin,
        conflict.small.size,
        conflict.large.size,
    )
    assert tree.root_at(old, HONEST.read) == conflict.true_root


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_honest_log_is_never_framed(data: st.DataObject) -> None:
    """Two heads of one history are no evidence, with any nodes that one could try."""
    old = data.draw(st.integers(1, 199))
    new = data.draw(st.integers(old, 200))
    root = tree.root_at(old, HONEST.read)
    proof = [] if old == new else tree.consistency_proof(old, new, HONEST.read)
    nodes = [root, *proof]
    for _ in range(data.draw(st.integers(0, 3))):
        change = data.draw(st.sampled_from(["swap", "drop", "add", "bit"]))
        at = data.draw(st.integers(0, len(nodes) - 1))
        if change == "swap":
            nodes[at], nodes[0] = nodes[0], nodes[at]
        elif change == "drop" and len(nodes) > 1:
            nodes.pop(at)
        elif change == "add":
            nodes.insert(at, data.draw(st.sampled_from(HONEST.leaves)))
        else:
            nodes[at] = bytes([nodes[at][0] ^ 1]) + nodes[at][1:]

    with pytest.raises(PeerError) as caught:
        check(evidence.make(HONEST.note(old), HONEST.note(new), nodes[0], nodes[1:]))

    assert Reason.BAD_PROOF is caught.value.reason


@pytest.mark.parametrize("old", [1, 2, 3, 4, 7, 8, 64, 100, 128])
def test_honest_proofs_are_no_evidence(old: int) -> None:
    """Both spellings of a proof, with the first node explicit."""
    for new in (old, old + 1, 200):
        with pytest.raises(PeerError):
            check(make(HONEST.note(old), old, HONEST, new))


def test_evidence_is_short() -> None:
    """0.4 to 1.1 KB, as it travels with heads."""
    text = make(History(0, "other").note(127), 127, HONEST, 200)

    assert 400 < len(text) < 1_300


def test_heads_of_two_logs_are_no_evidence() -> None:
    """Different cities cannot conflict."""
    other = make_signer("rasht.example.ir/catalog")
    text = Checkpoint(other.name, 5, bytes(32)).text()
    foreign = join(text, [other.sign(text)])
    keys = OriginKeys([LOG.verifier, other.verifier])

    with pytest.raises(PeerError) as caught:
        evidence.verify(evidence.make(foreign, HONEST.note(5)), lambda _: keys)

    assert Reason.BAD_PROOF is caught.value.reason


def test_larger_head_first_is_no_evidence() -> None:
    """1 ≤ small ≤ large."""
    with pytest.raises(PeerError):
        check(evidence.make(HONEST.note(9), History(0, "x").note(5), bytes(32), []))


def test_head_of_size_zero_is_no_evidence() -> None:
    """An empty log has no history."""
    with pytest.raises(PeerError):
        check(evidence.make(HONEST.note(0), HONEST.note(5), bytes(32), [bytes(32)]))


def test_unsigned_heads_are_no_evidence() -> None:
    """Anyone can write a checkpoint; only the origin's own signature accuses it."""
    mallory = Signer.from_seed(ORIGIN, bytes(32), Kind.LOG)
    forged = History(0, "other").note(5, mallory)

    with pytest.raises(PeerError) as caught:
        check(evidence.make(forged, HONEST.note(5)))

    assert Reason.BAD_SIGNATURE is caught.value.reason


def test_keys_are_asked_for_each_size() -> None:
    """Each note must be signed with a key that was valid at its size."""
    asked = []

    def keys(checkpoint: Checkpoint) -> OriginKeys:
        asked.append((checkpoint.origin, checkpoint.size))
        return KEYS

    evidence.verify(make(History(0, "x").note(5), 5, HONEST, 9), keys)

    assert [(ORIGIN, 5), (ORIGIN, 9)] == asked


@pytest.mark.parametrize(
    ("cosigned", "holds"), [(None, False), (SECONDS, False), (SECONDS - 1, True)]
)
def test_retired_key_needs_a_witness_from_before(
    cosigned: int | None, *, holds: bool
) -> None:
    """Whoever stole an old key cannot quarantine its city with it."""
    old = Signer.from_seed(ORIGIN, bytes(32), Kind.LOG)
    other = History(0, "other")
    text = Checkpoint(ORIGIN, 5, tree.root_at(5, other.read)).text()
    lines = [old.sign(text)]
    if cosigned is not None:
        lines.append(SHIRAZ.sign(text, seconds=cosigned))
    keys = OriginKeys(
        [LOG.verifier], [RetiredKey(old.verifier, SECONDS)], [SHIRAZ.verifier]
    )
    made = evidence.make(join(text, lines), HONEST.note(5))

    if holds:
        assert 5 == evidence.verify(made, lambda _: keys).small.size
    else:
        with pytest.raises(PeerError) as caught:
            evidence.verify(made, lambda _: keys)
        assert Reason.BAD_SIGNATURE is caught.value.reason


def test_evidence_carries_log_signatures_alone() -> None:
    """Cosignatures would only make it longer."""
    text = Checkpoint(ORIGIN, 5, tree.root_at(5, HONEST.read)).text()
    note = join(text, [LOG.sign(text), SHIRAZ.sign(text, seconds=SECONDS)])

    assert HONEST.note(5) == evidence.log_signed(note, [LOG.verifier, SHIRAZ.verifier])


VALID = make(History(0, "other").note(5), 5, HONEST, 9)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        VALID[:-1],
        VALID + b"\n",
        VALID + b"more\n",
        VALID.replace(b"@v1", b"@v2"),
        VALID.replace(b"small ", b"small *"),
        VALID.replace(b"node ", b"node  "),
        VALID + b"node AAAA\n",
        VALID + b"\xff\n",
        VALID + b"node 5wSzpoO3VuPvbYA3hQ9LjoyXRvdgraNxExrwtCvajsQ=\n" * 64,
    ],
    ids=lambda text: repr(text[-20:]),
)
def test_text_of_another_form_is_refused(text: bytes) -> None:
    """A line of another kind, or more nodes than any proof has."""
    with pytest.raises(PeerError) as caught:
        check(text)

    assert Reason.MALFORMED is caught.value.reason


def test_evidence_has_a_bound() -> None:
    """64 KiB."""
    with pytest.raises(PeerError) as caught:
        check(b"x" * (NOTE_BYTES_MAX + 1))
    assert Reason.TOO_LARGE is caught.value.reason

    with pytest.raises(PeerError) as caught:
        check(b"x" * NOTE_BYTES_MAX)
    assert Reason.MALFORMED is caught.value.reason


@settings(max_examples=120, deadline=None)
@given(at=st.integers(0, len(VALID) - 1), bit=st.integers(0, 7))
def test_changed_bit_never_makes_other_evidence(at: int, bit: int) -> None:
    """A flipped bit is refused, or changes nothing that is shown."""
    changed = bytearray(VALID)
    changed[at] ^= 1 << bit

    try:
        conflict = check(bytes(changed))
    except PeerError:
        return

    assert check(VALID) == conflict
