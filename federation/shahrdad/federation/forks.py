"""Two histories of one log: found, settled or kept until they can be (federation 7.3).

Every validly signed head is compared with what is held. A conflict can be proven at
once when the sizes are equal, or when our complete head covers the smaller size; a
proof from the peer does for the rest. What cannot be proven yet is kept in `seen_head`
and settled when a complete head passes its size.
"""

from collections.abc import Callable

from shahrdad.datasets.errors import ConflictError, PeerError, Reason
from shahrdad.federation.keyring import KeyRing
from shahrdad.federation.log.store import LogState, LogStore
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import evidence as evidences
from shahrdad.federation.verify import note as notes
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.note import Opened
from shahrdad.federation.verify.tree import verify_consistency

# Sizes old and new → roots at both and the proof, by the peer's tree.
Prove = Callable[[int, int], tuple[bytes, bytes, tuple[bytes, ...]]]


class Forks:
    """Compares heads, and turns a conflict into evidence.

    Args:
        store: The node's logs.
        keys: Whose signatures count.
    """

    def __init__(self, store: LogStore, keys: KeyRing) -> None:
        self._store = store
        self._keys = keys

    def offer(self, log: LogState, checkpoint: Checkpoint, opened: Opened) -> None:
        """Compare a head that was opened; keep it when it is above our size.

        Raises:
            ConflictError: EQUIVOCATION: proven, quarantined. LOG_FORKED: kept.
        """
        note = notes.join(opened.text, opened.signatures)
        origin = log.origin
        for seen in self._store.seen_heads(
            origin, checkpoint.size - 1, checkpoint.size
        ):
            if seen.root != checkpoint.root:
                self.convict(origin, seen.note, note)
        if checkpoint.size > log.size:
            self._store.add_seen_head(origin, checkpoint, note)
            return
        if self._store.root_at(origin, checkpoint.size) == checkpoint.root:
            return
        if checkpoint.size == 0:
            # Nothing is smaller: an empty log with another root is no log at all.
            raise PeerError(Reason.BAD_PROOF, subject=f"{origin} at size 0")
        if log.checkpoint is not None and checkpoint.size <= log.head_size:
            self._convict_by_ours(log, checkpoint.size, note)
        self._store.add_seen_head(origin, checkpoint, note)
        raise ConflictError(Reason.LOG_FORKED, origin=origin, size=checkpoint.size)

    def settle(self, origin: str) -> None:
        """Compare the heads seen earlier that the complete head now covers.

        Raises:
            ConflictError: EQUIVOCATION.
        """
        log = self._store.log(origin)
        for seen in self._store.seen_heads(origin, 0, log.head_size):
            if self._store.root_at(origin, seen.size) != seen.root:
                self._convict_by_ours(log, seen.size, seen.note)
        self._store.drop_seen_heads(origin, log.head_size)

    def prove_fork(
        self,
        log: LogState,
        checkpoint: Checkpoint,
        opened: Opened,
        prove: Prove | None,
    ) -> None:
        """Find the proof that a peer's honest tree is not ours; nothing of it is read.

        Raises:
            ConflictError: EQUIVOCATION or LOG_FORKED, always.
            PeerError: BAD_PROOF: the peer contradicts itself.
        """
        heads = self._store.seen_heads(log.origin, 0, checkpoint.size)
        signed = [(seen.size, seen.root, seen.note) for seen in heads]
        if log.checkpoint is not None and 1 <= log.head_size <= checkpoint.size:
            root = checkpoints.peek(log.checkpoint).root
            signed.insert(0, (log.head_size, root, log.checkpoint))
        if prove is not None:
            for size, root, note in signed:
                self._compare(log.origin, (size, root, note), checkpoint, opened, prove)
        raise ConflictError(Reason.LOG_FORKED, origin=log.origin, size=log.size)

    def check_seen(
        self,
        log: LogState,
        checkpoint: Checkpoint,
        opened: Opened,
        prove: Prove | None,
    ) -> None:
        """Compare the heads seen between our size and a peer's, before reading on.

        Else an interrupted sync could change to another branch unnoticed. Who pushes
        cannot be asked; then the heads are settled when this one is complete.

        Raises:
            ConflictError: EQUIVOCATION.
            PeerError: BAD_PROOF.
        """
        if prove is None:
            return
        for seen in self._store.seen_heads(log.origin, log.size, checkpoint.size):
            if (seen.size, seen.root) != (checkpoint.size, checkpoint.root):
                head = (seen.size, seen.root, seen.note)
                self._compare(log.origin, head, checkpoint, opened, prove)

    def convict(
        self,
        origin: str,
        small: bytes,
        large: bytes,
        from_root: bytes = b"",
        proof: tuple[bytes, ...] = (),
    ) -> None:
        """Write evidence, and quarantine the log if it holds.

        Raises:
            ConflictError: EQUIVOCATION; LOG_FORKED when the keys that signed do not
                count as evidence (a retired key, without an old cosignature).
        """
        sizes = [checkpoints.peek(note).size for note in (small, large)]
        try:
            evidence = evidences.make(
                self._log_signed(origin, small),
                self._log_signed(origin, large),
                from_root,
                proof,
            )
            self.judge(origin, evidence)
        except PeerError as error:
            raise ConflictError(
                Reason.LOG_FORKED, origin=origin, size=sizes[0]
            ) from error
        self._store.put_evidence(origin, evidence)
        raise ConflictError(Reason.EQUIVOCATION, origin=origin)

    def judge(self, origin: str, evidence: bytes) -> None:
        """Check evidence about a log.

        Raises:
            PeerError: MALFORMED, TOO_LARGE, BAD_SIGNATURE, BAD_PROOF.
        """
        conflict = evidences.verify(evidence, self._keys.evidence_keys)
        if conflict.origin != origin:
            raise PeerError(
                Reason.MALFORMED, field="evidence", detail=f"not of {origin}"
            )

    def _convict_by_ours(self, log: LogState, size: int, note: bytes) -> None:
        """Prove by our own tree that a smaller head is of another history."""
        ours = log.checkpoint or b""
        if size == log.head_size:
            self.convict(log.origin, note, ours)
        proof = self._store.consistency_proof(log.origin, size, log.head_size)
        root = self._store.root_at(log.origin, size)
        self.convict(log.origin, note, ours, root, tuple(proof))

    def _compare(
        self,
        origin: str,
        head: tuple[int, bytes, bytes],
        checkpoint: Checkpoint,
        opened: Opened,
        prove: Prove,
    ) -> None:
        """Ask the peer for its root at the size of a head that we hold."""
        size, root, note = head
        other = notes.join(opened.text, opened.signatures)
        if size == checkpoint.size:
            if root != checkpoint.root:
                self.convict(origin, note, other)
            return
        from_root, to_root, proof = prove(size, checkpoint.size)
        if to_root != checkpoint.root:
            raise PeerError(Reason.BAD_PROOF, subject=f"{origin} at {checkpoint.size}")
        verify_consistency(size, checkpoint.size, from_root, to_root, proof)
        if from_root != root:
            self.convict(origin, note, other, from_root, proof)

    def _log_signed(self, origin: str, note: bytes) -> bytes:
        """Return a note with the log's own lines alone, as evidence carries it.

        A note that only a retired key signed keeps its cosignatures: they date it.
        """
        keys = self._keys.evidence_keys(checkpoints.peek(note))
        if keys.current:
            try:
                return evidences.log_signed(note, keys.current)
            except PeerError:
                pass
        verifiers = self._keys.verifiers(origin, checkpoints.peek(note).size)
        _, opened = checkpoints.open_checkpoint(note, [*verifiers, *keys.witnesses])
        return notes.join(opened.text, opened.signatures)
