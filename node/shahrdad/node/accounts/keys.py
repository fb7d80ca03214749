"""The key that tokens, sessions and second factors are kept under: `accounts.key`.

It lies beside the database and never in it, so that a stolen copy of the database
signs nobody in. Whoever loses it loses every token and second factor, and nothing else.

>>> from shahrdad.node.accounts.keys import AccountKey
>>> key = AccountKey(bytes(32))
>>> key.mac("token", b"a") == key.mac("session", b"a")
False
>>> key.open(key.seal(b"seed"))
b'seed'
"""

import hashlib
import hmac
import os
from pathlib import Path

from shahrdad.datasets.errors import Reason, RequestError

FILE_NAME = "accounts.key"
KEY_BYTES = 32
_NONCE_BYTES = 12


class AccountKey:
    """Derives one key for each purpose from the one that is stored.

    Args:
        raw: 32 random bytes.
    """

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise ValueError(f"{len(raw)} bytes are no key")
        self._raw = raw

    def mac(self, purpose: str, value: bytes) -> bytes:
        """Return the HMAC-SHA256 of a value, for one purpose."""
        return hmac.digest(self._derived(purpose), value, hashlib.sha256)

    def seal(self, value: bytes) -> bytes:
        """Return a value encrypted (AES-256-GCM), its nonce before it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._derived("seal")).encrypt(nonce, value, None)

    def open(self, sealed: bytes) -> bytes | None:
        """Return a sealed value, or None when another key sealed it."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self._derived("seal")).decrypt(nonce, rest, None)
        except InvalidTag:
            return None

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self._raw, f"shahrdad {purpose}".encode(), hashlib.sha256)


def load_key(folder: Path) -> AccountKey:
    """Return the key of a node, made with mode 0600 when there is none yet.

    Raises:
        RequestError: CONFIG_VALUE: the file holds no key.
    """
    path = folder / FILE_NAME
    if not path.exists():
        _create(path)
    raw = path.read_bytes()
    if len(raw) != KEY_BYTES:
        raise RequestError(
            Reason.CONFIG_VALUE,
            key=str(path),
            value=f"{len(raw)} bytes",
            expected=f"{KEY_BYTES} bytes",
        )
    return AccountKey(raw)


def _create(path: Path) -> None:
    """Write a new key whole or not at all; of two processes one wins."""
    part = path.with_name(f"{path.name}.{os.urandom(8).hex()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            return
    finally:
        part.unlink()
