"""A city vouches that another's log only grew: cosignatures (C2SP tlog-witness).

The statement is that a head extends every head of that log that this witness cosigned
before. What was cosigned is recorded before a signature leaves, in the transaction that
checks it, so that two requests at once, or a crash, cannot yield two histories.

    witness.cosign(origin)           a head that is held, with all its entries
    witness.add_checkpoint(…)        a head that somebody sends, with a proof:
                                     `check` of it, then `sign`
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    RequestError,
)
from shahrdad.federation.keyring import KeyRing
from shahrdad.federation.log.store import LogStore, SignedHead, Status
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.note import Signature, Signer
from shahrdad.federation.verify.tree import verify_consistency

Value = TypeVar("Value")

AGAIN_SECONDS = (
    12 * 3_600
)  # an unchanged head is cosigned again, so an idle city is fresh


class Witness:
    """Cosigns heads, never one that contradicts what it cosigned; thread-safe.

    Args:
        store: Where cosigned heads are recorded.
        keys: Whose logs are witnessed.
        signer: The witness key; its name is `<host>/witness`.
        clock: Unix time.
    """

    def __init__(
        self,
        store: LogStore,
        keys: KeyRing,
        signer: Signer,
        *,
        clock: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._store = store
        self._keys = keys
        self._signer = signer
        self._clock = clock

    @property
    def name(self) -> str:
        """The name under which it signs."""
        return self._signer.name

    @property
    def vkey(self) -> str:
        """The key by which others verify."""
        return self._signer.vkey

    def cosign(self, origin: str) -> Signature | None:
        """Cosign the complete head of a log, if that says something new.

        Returns:
            The signature; None for our own log, one that is not active, a head that
            was cosigned less than 12 hours ago, and one that contradicts the record.
        """
        log = self._store.log(origin)
        if log.own or log.status is not Status.ACTIVE or not log.head_size:
            return None
        if log.checkpoint is None or self._is_fresh(log.checkpoint):
            return None
        head = checkpoints.peek(log.checkpoint)
        before = self._store.witnessed(origin)
        size = 0 if before is None else before.size
        if before is not None and (
            size > head.size or self._store.root_at(origin, size) != before.root
        ):
            return None
        try:
            return self.sign(size, head, log.checkpoint)
        except ConflictError:
            return None  # another request cosigned a larger head meanwhile

    def add_checkpoint(
        self, old_size: int, proof: Sequence[bytes], note: bytes
    ) -> Signature:
        """Cosign a head that somebody sends; the order of the checks is the protocol's.

        Args:
            old_size: Size of the newest head cosigned here, as the sender believes.
            proof: From there to the note's size; empty from 0 and for equal sizes.
            note: The log's signature on it is the only authorisation.

        Raises:
            RequestError, ConflictError: as `check` and `sign`.
        """
        return self.sign(old_size, self.check(old_size, proof, note), note)

    def check(self, old_size: int, proof: Sequence[bytes], note: bytes) -> Checkpoint:
        """Check a head that somebody sends, without signing it.

        Raises:
            RequestError: MALFORMED, ORIGIN_UNKNOWN, BAD_SIGNATURE, BAD_PROOF.
            ConflictError: ORIGIN_CLOSED, OLD_SIZE_CONFLICT with the recorded size.
        """
        head = _asked(lambda: checkpoints.peek(note))
        if head.origin not in self._keys.origins():
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=head.origin[:128])
        verifiers = self._keys.verifiers(head.origin, head.size)
        if not verifiers:
            raise RequestError(Reason.BAD_SIGNATURE, name=head.origin)
        _asked(lambda: checkpoints.open_checkpoint(note, verifiers))
        self._check_open(head)
        if old_size > head.size:
            raise RequestError(
                Reason.MALFORMED, field="old_size", detail=f"above {head.size}"
            )
        before = self._store.witnessed(head.origin)
        size = 0 if before is None else before.size
        if size != old_size:
            raise ConflictError(Reason.OLD_SIZE_CONFLICT, origin=head.origin, size=size)
        self._check_proof(before, head, proof)
        return head

    def sign(self, old_size: int, head: Checkpoint, note: bytes) -> Signature:
        """Record a head that was checked as cosigned, then sign it.

        Raises:
            ConflictError: OLD_SIZE_CONFLICT, LOG_FORKED: another request came between.
        """
        signed = SignedHead(head.size, head.root, note)
        self._store.put_witnessed(head.origin, old_size, signed)
        return self._signer.sign(head.text(), seconds=self._clock())

    def _check_open(self, head: Checkpoint) -> None:
        """Refuse logs that are not active, and sizes above where one was frozen."""
        log = self._store.find_log(head.origin)
        status = Status.ACTIVE if log is None else log.status
        frozen = self._keys.frozen_size(head.origin)
        if frozen is not None and head.size > frozen:
            status = Status.FROZEN
        if status is not Status.ACTIVE:
            raise ConflictError(
                Reason.ORIGIN_CLOSED, origin=head.origin, status=status.value
            )

    def _check_proof(
        self, before: SignedHead | None, head: Checkpoint, proof: Sequence[bytes]
    ) -> None:
        """Check that a head extends the one recorded."""
        if before is None or before.size == 0:
            if proof:
                raise RequestError(
                    Reason.BAD_PROOF, subject="a proof from size 0 is empty"
                )
            return
        _asked(
            lambda: verify_consistency(
                before.size, head.size, before.root, head.root, proof
            )
        )

    def _is_fresh(self, note: bytes) -> bool:
        """Tell whether a note carries a recent cosignature of ours."""
        times = checkpoints.stored_cosignature_times(note)
        seconds = times.get(self._signer.name)
        return seconds is not None and self._clock() - seconds < AGAIN_SECONDS


def _asked(check: Callable[[], Value]) -> Value:
    """Run a check of what the caller sent: its faults are the caller's own."""
    try:
        return check()
    except PeerError as error:
        raise RequestError(error.reason, **error.values) from error
