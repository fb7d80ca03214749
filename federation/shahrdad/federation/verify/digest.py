"""The SHA-256 of some bytes, as a value that can hold nothing else.

>>> from shahrdad.federation.verify.digest import Digest
>>> Digest.of(b"").hex[:16]
'e3b0c44298fc1c14'
>>> Digest.parse(Digest.of(b"a").hex) == Digest.of(b"a")
True
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from shahrdad.datasets.errors import Reason, RequestError

DIGEST_BYTES = 32

_HEX = re.compile(r"[0-9a-f]{64}")
_set = object.__setattr__  # made by the million: a look-up less each time


@dataclass(frozen=True, slots=True, order=True, init=False)
class Digest:
    """A SHA-256 digest: 32 bytes, written as 64 lower-case hexadecimal digits."""

    raw: bytes

    def __init__(self, raw: bytes) -> None:
        """Refuse anything but 32 bytes: it would become a name or a path."""
        if type(raw) is not bytes or len(raw) != DIGEST_BYTES:
            raise ValueError("a digest is 32 bytes")
        _set(self, "raw", raw)

    def __hash__(self) -> int:
        """Return the hash of the bytes: digests are the keys of large tables."""
        return hash(self.raw)

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        """Return the digest of some bytes."""
        return cls(sha256(data).digest())

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Return the digest that 64 lower-case hexadecimal digits name.

        Raises:
            RequestError: MALFORMED.
        """
        if not _HEX.fullmatch(text):
            raise RequestError(
                Reason.MALFORMED, field="digest", detail="not 64 lower-case hex digits"
            )
        return cls(bytes.fromhex(text))

    @property
    def hex(self) -> str:
        """The 64 digits."""
        return self.raw.hex()

    def __str__(self) -> str:
        """Return the 64 digits."""
        return self.raw.hex()
