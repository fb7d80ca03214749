"""Signing keys on disk: an Ed25519 seed as 64 hexadecimal digits, alone in a file.

Whoever reads the file signs as the city, so it is made with mode 0600, and one that
others may read is refused.

>>> from pathlib import Path
>>> from tempfile import mkdtemp
>>> path = Path(mkdtemp()) / "signing.key"
>>> made = create_signer(path, "a.example/catalog")
>>> load_signer(path, "a.example/catalog").vkey == made.vkey
True
"""

import os
import re
import secrets
import stat
from pathlib import Path
from typing import NoReturn

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.note import SEED_BYTES, Kind, Signer

_SEED = re.compile(r"[0-9a-f]{64}\n?")
_FILE_BYTES_MAX = 128


def create_signer(path: Path, name: str, kind: Kind = Kind.LOG) -> Signer:
    """Make a new key, and its file.

    Args:
        path: Where the seed goes; no file may be there.
        name: The name it signs under: a log's origin, or `<host>/witness`.
        kind: Log and witness keys are different keys.

    Raises:
        RequestError: SIGNING_KEY: there is a file, or it cannot be written.
    """
    seed = secrets.token_bytes(SEED_BYTES)
    signer = Signer.from_seed(name, seed, kind)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        _refuse(path, error.strerror or "it cannot be made")
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{seed.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return signer


def load_signer(path: Path, name: str, kind: Kind = Kind.LOG) -> Signer:
    """Read a key from its file.

    Raises:
        RequestError: SIGNING_KEY: no such file, no seed in it, or others may read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_FILE_BYTES_MAX)
    except OSError as error:
        _refuse(path, error.strerror or "it cannot be read")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        _refuse(path, f"others may read it; use: chmod 600 {path.name}")
    text = content.decode("ascii", "replace")
    if not _SEED.fullmatch(text):
        _refuse(path, "it holds no seed of 64 hexadecimal digits")
    return Signer.from_seed(name, bytes.fromhex(text.strip()), kind)


def _refuse(path: Path, detail: str) -> NoReturn:
    """Say what is wrong with a key file; never what is in it."""
    raise RequestError(Reason.SIGNING_KEY, path=str(path), detail=detail)
