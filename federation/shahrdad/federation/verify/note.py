r"""Signed notes: a text, a blank line, and signature lines (C2SP signed-note).

    kerman.example.ir/catalog
    5
    XGBi6h1Gb7l0F8ATOMSVd84FwJ05a0e8266+4oM30rg=

    — kerman.example.ir/catalog jC9c3cgyYOqEGL5dm/iEx7SueyBD0oMVH3gUL5dETfYT…

A line is known when its name and its key id are those of a verifier that the caller
brings. Unknown lines are ignored; a known one that fails refuses the whole note.

>>> from shahrdad.federation.verify.note import Kind, Signer, join, open_note
>>> signer = Signer.from_seed("a.example/log", bytes(32), Kind.LOG)
>>> note = join("hello\n", [signer.sign("hello\n")])
>>> open_note(note, [signer.verifier]).text
'hello\n'
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NoReturn

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.limits import (
    COSIGNATURE_AHEAD_SECONDS_MAX,
    NOTE_BYTES_MAX,
    SIGNATURE_LINES_MAX,
    SIZE_MAX,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SEED_BYTES = 32

_REMEMBERED_BYTES_MAX = 1_024  # a checkpoint has some 200; 4,096 of them are 5 MB
_DASH = "\u2014 "
_KEY_ID_BYTES = 4
_SECONDS_BYTES = 8
_ED25519_BYTES = 64
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_ID_HEX = re.compile(r"[0-9a-f]{8}")


class Kind(IntEnum):
    """What a key signs: the signature types of C2SP that are written here."""

    LOG = 1  # Ed25519 over the text of a note
    WITNESS = 4  # Ed25519 over a time and a checkpoint: cosignature/v1


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: `payload` is what follows the key id."""

    name: str
    key_id: bytes
    payload: bytes

    @property
    def seconds(self) -> int | None:
        """Unix time of a cosignature; None for a signature of another kind."""
        if len(self.payload) != _SECONDS_BYTES + _ED25519_BYTES:
            return None
        return int.from_bytes(self.payload[:_SECONDS_BYTES], "big")

    def line(self) -> str:
        """Return the line, with its line feed."""
        payload = base64.b64encode(self.key_id + self.payload).decode("ascii")
        return f"{_DASH}{self.name} {payload}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key, and the name it signs under."""

    name: str
    kind: Kind
    public_key: bytes = field(repr=False)

    @classmethod
    def parse(cls, vkey: str) -> "Verifier":
        """Read a verifier key: name, key id and key with `+` between them.

        Raises:
            RequestError: MALFORMED, also for a signature type that is not known here.
        """
        return _read_vkey(vkey)

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        head = self.name.encode("utf-8") + b"\n" + bytes([self.kind])
        return sha256(head + self.public_key).digest()[:_KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The verifier key as text."""
        key = base64.b64encode(bytes([self.kind]) + self.public_key).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{key}"

    def verify(self, text: str, signature: Signature) -> bool:
        """Return whether a signature of this key over a text holds."""
        payload, message = signature.payload, text.encode("utf-8")
        if self.kind is Kind.WITNESS:
            seconds = signature.seconds
            if seconds is None or seconds > SIZE_MAX:
                return False
            message = _cosigned(message, seconds)
            payload = payload[_SECONDS_BYTES:]
        return len(payload) == _ED25519_BYTES and ed25519_verify(
            self.public_key, message, payload
        )


class Signer:
    """A private key, and the name it signs under."""

    def __init__(self, verifier: Verifier, private_key: "Ed25519PrivateKey") -> None:
        self.verifier = verifier
        self._private_key = private_key

    @classmethod
    def from_seed(cls, name: str, seed: bytes, kind: Kind) -> "Signer":
        """Make the signer of an Ed25519 seed of 32 bytes."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if not valid_name(name):
            raise ValueError(f"not a key name: {name!r}")
        private_key = Ed25519PrivateKey.from_private_bytes(seed)
        public_key = private_key.public_key().public_bytes_raw()
        return cls(Verifier(name, Kind(kind), public_key), private_key)

    @property
    def name(self) -> str:
        """The name it signs under."""
        return self.verifier.name

    @property
    def vkey(self) -> str:
        """The verifier key as text."""
        return self.verifier.vkey

    def sign(self, text: str, *, seconds: int | None = None) -> Signature:
        """Sign a text; the same text, and time, gives the same bytes each time.

        Args:
            text: Ends in a line feed.
            seconds: Unix time of a cosignature; a log's signature has none.
        """
        message, head = text.encode("utf-8"), b""
        if (self.verifier.kind is Kind.WITNESS) != (seconds is not None):
            raise ValueError("a witness signs a time, and a log does not")
        if seconds is not None:
            message = _cosigned(message, seconds)
            head = seconds.to_bytes(_SECONDS_BYTES, "big")
        payload = head + self._private_key.sign(message)
        return Signature(self.name, self.verifier.key_id, payload)


@dataclass(frozen=True, slots=True)
class Opened:
    """A note whose text at least one known key signed.

    `signatures` are the verified ones alone, in the order of the note: a line that was
    not verified is never stored or passed on.
    """

    text: str
    signatures: tuple[Signature, ...]


def open_note(
    note: bytes, verifiers: Iterable[Verifier], *, now: int | None = None
) -> Opened:
    """Read a note that a known key signed.

    Args:
        note: At most `NOTE_BYTES_MAX` bytes and `SIGNATURE_LINES_MAX` lines.
        verifiers: The keys to trust.
        now: Unix time; a cosignature dated more than 10 minutes later does not count.

    Raises:
        PeerError: MALFORMED, TOO_LARGE; BAD_SIGNATURE when a known line fails, comes
            twice, or when no known line is left.
    """
    text, lines = split(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    seen: set[tuple[str, bytes]] = set()
    verified = []
    for signature in lines:
        pair = (signature.name, signature.key_id)
        verifier = known.get(pair)
        if verifier is None:
            continue
        if pair in seen or not verifier.verify(text, signature):
            raise PeerError(Reason.BAD_SIGNATURE, name=signature.name)
        seen.add(pair)
        seconds = signature.seconds
        limit = None if now is None else now + COSIGNATURE_AHEAD_SECONDS_MAX
        if seconds is None or limit is None or seconds <= limit:
            verified.append(signature)
    if not verified:
        names = sorted({verifier.name for verifier in known.values()})
        raise PeerError(Reason.BAD_SIGNATURE, name=", ".join(names) or "any key")
    return Opened(text, tuple(verified))


def split(note: bytes) -> tuple[str, list[Signature]]:
    """Part a note into its text and its signature lines, none of them verified.

    Raises:
        PeerError: MALFORMED or TOO_LARGE.
    """
    if len(note) > NOTE_BYTES_MAX:
        raise PeerError(
            Reason.TOO_LARGE, size_bytes=len(note), size_bytes_max=NOTE_BYTES_MAX
        )
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("not UTF-8")
    if _CONTROL.search(whole):
        _refuse("a control character")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        _refuse("no signature lines behind a blank line")
    parts = lines[:-1].split("\n")
    if len(parts) > SIGNATURE_LINES_MAX:
        raise PeerError(
            Reason.MALFORMED,
            field="note",
            detail=f"{len(parts)} signature lines, at most {SIGNATURE_LINES_MAX}",
        )
    return f"{text}\n", [_parse_line(line) for line in parts]


def join(text: str, signatures: Iterable[Signature]) -> bytes:
    """Assemble a note; every signature is written anew, in its canonical form."""
    lines = "".join(signature.line() for signature in signatures)
    if not text.endswith("\n") or not lines:
        raise ValueError("a note is a text that ends in a line feed, and signatures")
    return f"{text}\n{lines}".encode()


def valid_name(name: str) -> bool:
    """Return whether a text may be the name of a key: no spaces, no plus."""
    return "+" not in name and name.split() == [name]


def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature holds (RFC 8032).

    The answer is remembered for short messages: several peers show the same head, and
    the lines that it has are judged again with each one that is added.
    """
    if len(message) <= _REMEMBERED_BYTES_MAX:
        return _remembered(public_key, message, signature)
    return _verify(public_key, message, signature)


def _verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


_remembered = lru_cache(maxsize=4_096)(_verify)


@lru_cache(maxsize=1_024)
def _public_key(raw: bytes) -> "Ed25519PublicKey":
    """Return a public key; the logs and witnesses of a network are few."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


def _cosigned(text: bytes, seconds: int) -> bytes:
    """Return what a witness signs (C2SP tlog-cosignature, cosignature/v1)."""
    return b"cosignature/v1\ntime %d\n%b" % (seconds, text)


def _parse_line(line: str) -> Signature:
    """Read a signature line, leniently in its base64: it is written anew later."""
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if (
        not line.startswith(_DASH)
        or not space
        or not valid_name(name)
        or len(raw) <= _KEY_ID_BYTES
    ):
        _refuse("a line that is no signature line")
    return Signature(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])


@lru_cache(maxsize=4_096)
def _read_vkey(vkey: str) -> Verifier:
    """Read a verifier key; those of a network are few, and read for each head."""
    name, _, rest = vkey.partition("+")
    key_id, _, key = rest.partition("+")
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 33 or raw[0] not in (Kind.LOG, Kind.WITNESS):
        _refuse_vkey("not an Ed25519 key of type 1 or 4")
    if not valid_name(name):
        _refuse_vkey("not a key name")
    verifier = Verifier(name, Kind(raw[0]), raw[1:])
    if not _KEY_ID_HEX.fullmatch(key_id) or verifier.key_id.hex() != key_id:
        _refuse_vkey("the key id is not that of the key")
    return verifier


def _refuse(detail: str) -> NoReturn:
    """Say what is wrong with a note."""
    raise PeerError(Reason.MALFORMED, field="note", detail=detail)


def _refuse_vkey(detail: str) -> NoReturn:
    """Say what is wrong with a verifier key."""
    raise RequestError(Reason.MALFORMED, field="verifier key", detail=detail)


def parse_vkeys(vkeys: Sequence[str]) -> tuple[Verifier, ...]:
    """Read verifier keys."""
    return tuple(Verifier.parse(vkey) for vkey in vkeys)
