"""Evidence: one origin, two histories, and anyone can check it offline.

    shahrdad/equivocation@v1
    small <base64 of the checkpoint with the smaller size>
    large <base64 of the other>
    node <base64 hash>            zero or more; none when the sizes are equal

The nodes are those of a consistency proof within the tree of the larger checkpoint,
the first always explicit. They must yield the larger root; then the root that they
yield at the smaller size is the true one of that history. Where it is not the root
that the origin signed, the origin signed two histories. An honest log cannot be
framed: every node enters the larger root, so none of them can be chosen freely.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import NOTE_BYTES_MAX, PROOF_HASHES_MAX
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import note as notes
from shahrdad.federation.verify.checkpoint import (
    Checkpoint,
    decode_hash,
    encode_hash,
    log_signatures,
)
from shahrdad.federation.verify.note import Opened, Verifier
from shahrdad.federation.verify.tree import consistency_roots

_FIRST_LINE = "shahrdad/equivocation@v1"


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A log key that was replaced, and when: its thief may hold it now."""

    verifier: Verifier
    seconds: int  # Unix time of the retirement


@dataclass(frozen=True, slots=True)
class OriginKeys:
    """The keys of an origin at a size, and the witnesses of the rules."""

    current: Sequence[Verifier]
    retired: Sequence[RetiredKey] = ()
    witnesses: Sequence[Verifier] = ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two histories that one origin signed."""

    origin: str
    small: Checkpoint
    large: Checkpoint
    true_root: bytes  # at the smaller size, in the history of the larger one


def make(
    small: bytes, large: bytes, from_root: bytes = b"", proof: Sequence[bytes] = ()
) -> bytes:
    """Write evidence; `verify` says whether it holds.

    Args:
        small: Checkpoint of the smaller size.
        large: Checkpoint of the larger, or an equal, size.
        from_root: Root at the smaller size in the tree of `large`.
        proof: Consistency proof between the sizes in that tree; empty for equal sizes.
    """
    size = checkpoints.peek(small).size
    nodes = list(proof)
    if nodes and size & (size - 1) == 0:
        nodes.insert(0, from_root)  # such a proof leaves out what the verifier knows
    lines = [
        _FIRST_LINE,
        f"small {base64.b64encode(small).decode('ascii')}",
        f"large {base64.b64encode(large).decode('ascii')}",
        *(f"node {encode_hash(node)}" for node in nodes),
    ]
    return ("\n".join(lines) + "\n").encode("ascii")


def parse(evidence: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """Read evidence: both notes and the nodes, none of it verified.

    Raises:
        PeerError: TOO_LARGE or MALFORMED.
    """
    if len(evidence) > NOTE_BYTES_MAX:
        raise PeerError(
            Reason.TOO_LARGE, size_bytes=len(evidence), size_bytes_max=NOTE_BYTES_MAX
        )
    try:
        lines = evidence.decode("ascii").split("\n")
    except UnicodeDecodeError:
        _refuse("not ASCII")
    if len(lines) < 4 or lines[0] != _FIRST_LINE or lines[-1]:
        _refuse(f"not lines below {_FIRST_LINE}")
    if len(lines) - 4 > PROOF_HASHES_MAX + 1:
        _refuse("more nodes than any proof has")
    small = _decode(lines[1], "small ")
    large = _decode(lines[2], "large ")
    nodes = []
    for line in lines[3:-1]:
        if not line.startswith("node "):
            _refuse("a line that is no node")
        nodes.append(decode_hash(line.removeprefix("node ")))
    return small, large, nodes


def verify(evidence: bytes, keys: Callable[[Checkpoint], OriginKeys]) -> Conflict:
    """Check evidence against the keys of its origin.

    Args:
        evidence: The text.
        keys: Returns the keys of `checkpoint.origin` valid at `checkpoint.size`.

    Raises:
        PeerError: TOO_LARGE, MALFORMED, BAD_SIGNATURE; BAD_PROOF when both checkpoints
            are of one history, so that this is no evidence.
    """
    small_note, large_note, nodes = parse(evidence)
    small = _open(small_note, keys)
    large = _open(large_note, keys)
    subject = f"two histories of {small.origin} at sizes {small.size} and {large.size}"
    if small.origin != large.origin or not 1 <= small.size <= large.size:
        raise PeerError(Reason.BAD_PROOF, subject=subject)
    if small.size == large.size:
        if nodes or small.root == large.root:
            raise PeerError(Reason.BAD_PROOF, subject=subject)
        return Conflict(small.origin, small, large, large.root)
    roots = consistency_roots(small.size, large.size, nodes)
    if roots is None or roots[1] != large.root or roots[0] == small.root:
        raise PeerError(Reason.BAD_PROOF, subject=subject)
    return Conflict(small.origin, small, large, roots[0])


def log_signed(note: bytes, verifiers: Sequence[Verifier]) -> bytes:
    """Return a checkpoint with the log's own signatures alone, as evidence carries it.

    Raises:
        PeerError: as `open_checkpoint`.
    """
    checkpoint, opened = checkpoints.open_checkpoint(note, verifiers)
    lines = log_signatures(opened, checkpoint.origin, verifiers)
    return notes.join(opened.text, lines)


def _open(note: bytes, keys: Callable[[Checkpoint], OriginKeys]) -> Checkpoint:
    """Open one of the notes with keys that count."""
    claimed = checkpoints.peek(note)
    known = keys(claimed)
    retired = [key.verifier for key in known.retired]
    everyone = [*known.current, *retired, *known.witnesses]
    checkpoint, opened = checkpoints.open_checkpoint(note, everyone)
    if log_signatures(opened, checkpoint.origin, known.current):
        return checkpoint
    if not _seen_before_retirement(opened, checkpoint, known):
        raise PeerError(Reason.BAD_SIGNATURE, name=checkpoint.origin)
    return checkpoint


def _seen_before_retirement(
    opened: Opened, checkpoint: Checkpoint, keys: OriginKeys
) -> bool:
    """Return whether a witness dates a note before the key that signed it was retired.

    Else whoever stole an old key could quarantine its city.
    """
    witnesses = {(key.name, key.key_id) for key in keys.witnesses}
    times = [
        line.seconds
        for line in opened.signatures
        if line.seconds is not None and (line.name, line.key_id) in witnesses
    ]
    return any(
        seconds < key.seconds
        for key in keys.retired
        if log_signatures(opened, checkpoint.origin, [key.verifier])
        for seconds in times
    )


def _decode(line: str, prefix: str) -> bytes:
    """Read one of the two notes."""
    try:
        return base64.b64decode(line.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        _refuse("not base64")


def _refuse(detail: str) -> NoReturn:
    """Say why this is no evidence."""
    raise PeerError(Reason.MALFORMED, field="evidence", detail=detail)
