"""Checkpoints: origin, size and root of a log, as a signed note (C2SP tlog-checkpoint).

>>> from shahrdad.federation.verify.checkpoint import Checkpoint, parse
>>> from shahrdad.federation.verify.tree import EMPTY_ROOT
>>> parse(Checkpoint("a.example/catalog", 0, EMPTY_ROOT).text()).size
0
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NoReturn

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import (
    COSIGNATURES_MAX,
    ORIGIN_CHARACTERS_MAX,
    SIZE_MAX,
)
from shahrdad.federation.verify import note as notes
from shahrdad.federation.verify.note import Kind, Opened, Signature, Verifier
from shahrdad.federation.verify.tree import HASH_BYTES

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SEGMENT = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_ORIGIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?:/{_SEGMENT})+")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log's signature covers."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode_hash(self.root)}\n"


def parse(text: str) -> Checkpoint:
    """Read the text of a checkpoint; one with extension lines is refused.

    Raises:
        PeerError: MALFORMED.
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        _refuse("not three lines")
    origin, size, root = lines[:3]
    if not notes.valid_name(origin):
        _refuse("no origin")
    return Checkpoint(origin, parse_size(size), decode_hash(root))


def peek(note: bytes) -> Checkpoint:
    """Read what a note claims, before its keys are known. Nothing is verified.

    Raises:
        PeerError: MALFORMED or TOO_LARGE.
    """
    return parse(notes.split(note)[0])


def open_checkpoint(
    note: bytes, verifiers: Iterable[Verifier], *, now: int | None = None
) -> tuple[Checkpoint, Opened]:
    """Read a checkpoint that its own log signed.

    Args:
        note: A signed note.
        verifiers: Keys of the log at that size, and of witnesses.
        now: Unix time; see `open_note`.

    Returns:
        The checkpoint, and the note with its verified lines alone.

    Raises:
        PeerError: MALFORMED, TOO_LARGE; BAD_SIGNATURE, also when only witnesses signed.
    """
    known = tuple(verifiers)
    opened = notes.open_note(note, known, now=now)
    checkpoint = parse(opened.text)
    if not log_signatures(opened, checkpoint.origin, known):
        raise PeerError(Reason.BAD_SIGNATURE, name=checkpoint.origin)
    return checkpoint, opened


def log_signatures(
    opened: Opened, origin: str, verifiers: Iterable[Verifier]
) -> tuple[Signature, ...]:
    """Return the verified signatures of the log itself: key name and origin are one."""
    keys = {
        verifier.key_id
        for verifier in verifiers
        if verifier.kind is Kind.LOG and verifier.name == origin
    }
    return tuple(
        line
        for line in opened.signatures
        if line.name == origin and line.key_id in keys
    )


def cosignature_times(opened: Opened) -> dict[str, int]:
    """Return the Unix time of the newest cosignature of each witness, by its name."""
    times: dict[str, int] = {}
    for line in opened.signatures:
        if line.seconds is not None:
            times[line.name] = max(times.get(line.name, 0), line.seconds)
    return times


def stored_cosignature_times(note: bytes) -> dict[str, int]:
    """Return the same of a note that this node wrote, so without its keys."""
    text, lines = notes.split(note)
    return cosignature_times(Opened(text, tuple(lines)))


def assemble(
    opened: Iterable[Opened], witnesses: Collection[str] | None = None
) -> bytes:
    """Assemble one note from several of the same text.

    The lines of the log come first, then the newest cosignature of each witness, by
    name, at most `COSIGNATURES_MAX` of them, the newest.

    Args:
        opened: Notes with verified lines alone.
        witnesses: Names of the witnesses that count; None for all.

    Raises:
        ValueError: the texts differ.
    """
    logs: dict[tuple[str, bytes], Signature] = {}
    newest: dict[str, Signature] = {}
    texts = set()
    for part in opened:
        texts.add(part.text)
        for line in part.signatures:
            if line.seconds is None:
                logs[line.name, line.key_id] = line
            elif witnesses is None or line.name in witnesses:
                held = newest.get(line.name)
                if held is None or (held.seconds or 0) < line.seconds:
                    newest[line.name] = line
    if len(texts) != 1:
        raise ValueError("notes of different texts cannot be one note")
    lines = sorted(newest.values(), key=lambda line: line.seconds or 0, reverse=True)
    cosignatures = sorted(lines[:COSIGNATURES_MAX], key=lambda line: line.name)
    return notes.join(texts.pop(), [*logs.values(), *cosignatures])


def valid_origin(origin: str) -> bool:
    """Return whether a member may have this origin: `host(/seg)+`, ASCII."""
    return (
        len(origin) <= ORIGIN_CHARACTERS_MAX and _ORIGIN.fullmatch(origin) is not None
    )


def parse_size(text: str) -> int:
    """Read a size or an index: ASCII digits, no leading zero, below 2^63.

    Raises:
        PeerError: MALFORMED.
    """
    if not _SIZE.fullmatch(text) or int(text) > SIZE_MAX:
        _refuse("not a size")
    return int(text)


def encode_hash(value: bytes) -> str:
    """Return a hash in base64."""
    return base64.b64encode(value).decode("ascii")


def decode_hash(text: str) -> bytes:
    """Read a hash in base64: 32 bytes, and only in the one canonical spelling.

    Raises:
        PeerError: MALFORMED.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    # Decoders accept stray trailing bits, so that two texts would be one hash.
    if len(value) != HASH_BYTES or encode_hash(value) != text:
        _refuse("not a hash")
    return value


def _refuse(detail: str) -> NoReturn:
    """Say what is wrong with a checkpoint."""
    raise PeerError(Reason.MALFORMED, field="checkpoint", detail=detail)
