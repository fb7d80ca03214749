"""A real disk that is too small, and space on it that is taken and given back."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CANNOT = "a disk of its own needs root and mount, and is not to be had here"
BLOCK_BYTES = 4_096


class SmallDisk:
    """A file system in memory, of so many bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"

    def leave(self, free_bytes: int) -> None:
        """Fill the disk, but for some bytes."""
        found = os.statvfs(self.root)
        fill = found.f_bavail * found.f_frsize - free_bytes
        with self._ballast.open("wb") as ballast:
            ballast.write(bytes(max(0, fill)))

    def give_back(self) -> None:
        """Free what was filled."""
        self._ballast.unlink()


@contextmanager
def small_disk(root: Path, size_bytes: int) -> Iterator[SmallDisk | None]:
    """Mount a small disk over a new folder; None where that cannot be done."""
    root.mkdir()
    options = f"size={size_bytes}"
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(root)]
    try:
        mounted = not subprocess.run(words, capture_output=True).returncode
    except FileNotFoundError:
        mounted = False
    if not mounted:
        yield None
        return
    try:
        yield SmallDisk(root)
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)
