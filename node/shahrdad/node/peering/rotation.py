"""Changing the city's signing key without a gap (federation 10.3).

    begin    make the coming key; from now on both sign, two lines in each note
             the forum approves it, mirrors learn it
    finish   the coming key signs alone; the former one stays valid up to that size

Beside `signing.key` lie `signing.next.key` while both sign, and `signing.former`: each
key that signed before, and up to which size. `finish` is four steps, each of which may
be the last; `settle` does the rest when the node is opened again:

    1 FORMER   the present key and size are in `signing.former`
    2 KEY      `signing.next.key` is `signing.key`
    3 VKEY     `signing.vkey` names it
    4 NEXT     `signing.next.vkey` is gone
"""

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.keyfile import create_signer, load_signer
from shahrdad.federation.keyring import LogKey
from shahrdad.federation.verify.note import Signer
from shahrdad.node.city import KEY_NAME, VKEY_NAME

NEXT_KEY_NAME = "signing.next.key"
NEXT_VKEY_NAME = "signing.next.vkey"
FORMER_NAME = "signing.former"


class Step(StrEnum):
    """A step of `finish` that is done and survives a crash."""

    FORMER = "former"
    KEY = "key"
    VKEY = "vkey"
    NEXT = "next"


def begin(folder: Path, origin: str) -> str:
    """Make the coming key, and return its public half; repeating changes nothing.

    Raises:
        RequestError: SIGNING_KEY.
    """
    settle(folder, origin)
    path = folder / NEXT_KEY_NAME
    signer = load_signer(path, origin) if path.exists() else create_signer(path, origin)
    _write(folder / NEXT_VKEY_NAME, signer.vkey + "\n")
    return signer.vkey


def finish(
    folder: Path,
    origin: str,
    size: int,
    *,
    reached: Callable[[Step], None] = lambda _: None,
) -> str:
    """Let the coming key sign alone, and return its public half.

    Args:
        folder: The node's data.
        origin: Its log.
        size: Of the head that both keys signed last.
        reached: Called after each step; a test kills there.

    Raises:
        RequestError: NO_ROTATION, SIGNING_KEY.
    """
    settle(folder, origin)
    if not (folder / NEXT_KEY_NAME).exists():
        raise RequestError(Reason.NO_ROTATION)
    vkey = load_signer(folder / NEXT_KEY_NAME, origin).vkey
    present = load_signer(folder / KEY_NAME, origin).vkey
    lines = [f"{key.vkey} {key.until_size}" for key in former(folder, origin)]
    lines = [line for line in lines if line.split()[0] != present]
    _write(folder / FORMER_NAME, "\n".join([*lines, f"{present} {size}"]) + "\n")
    reached(Step.FORMER)
    _replace(folder / NEXT_KEY_NAME, folder / KEY_NAME)
    reached(Step.KEY)
    _write(folder / VKEY_NAME, vkey + "\n")
    reached(Step.VKEY)
    (folder / NEXT_VKEY_NAME).unlink(missing_ok=True)
    reached(Step.NEXT)
    return vkey


def settle(folder: Path, origin: str) -> None:
    """Do what a kill left undone of `finish`: the key has changed, its name has not."""
    if (folder / NEXT_VKEY_NAME).exists() and not (folder / NEXT_KEY_NAME).exists():
        _write(folder / VKEY_NAME, load_signer(folder / KEY_NAME, origin).vkey + "\n")
        (folder / NEXT_VKEY_NAME).unlink()


def coming(folder: Path, origin: str) -> Signer | None:
    """Return the key that signs besides, or None: no rotation is on its way.

    Raises:
        RequestError: SIGNING_KEY.
    """
    path = folder / NEXT_KEY_NAME
    return load_signer(path, origin) if path.exists() else None


def former(folder: Path, origin: str) -> list[LogKey]:
    """Return the keys that signed before, each up to its last size."""
    path = folder / FORMER_NAME
    if not path.exists():
        return []
    present = (folder / VKEY_NAME).read_text("utf-8").strip()
    found = []
    for line in path.read_text("utf-8").splitlines():
        vkey, _, size = line.partition(" ")
        if vkey != present:  # a kill between two steps: it still is the present one
            found.append(LogKey(origin, vkey, until_size=int(size)))
    return found


def public_keys(folder: Path, origin: str) -> list[LogKey]:
    """Return the public keys of the city's log besides the present one."""
    path = folder / NEXT_VKEY_NAME
    found = former(folder, origin)
    if path.exists():
        found.append(LogKey(origin, path.read_text("utf-8").strip()))
    return found


def _write(path: Path, text: str) -> None:
    """Write a small file as a whole, durably."""
    beside = path.with_name(f".{path.name}.partly")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _replace(beside, path)


def _replace(source: Path, target: Path) -> None:
    """Rename a file over another one, durably."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
