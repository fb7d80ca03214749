"""Where a reader's files lie on this machine, by the habit of each system.

Source: XDG Base Directory Specification 0.8; on Windows and macOS the usual folders.
"""

import os
import sys
from pathlib import Path
from typing import Literal

Kind = Literal["cache", "state"]

_XDG = {
    "cache": ("XDG_CACHE_HOME", ".cache"),
    "state": ("XDG_STATE_HOME", ".local/state"),
}


def folder(kind: Kind) -> Path:
    """Return our folder for the cache, or for what is remembered between runs."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local"
        return Path(local) / "shahrdad" / kind
    if sys.platform == "darwin":
        place = "Caches" if kind == "cache" else "Application Support"
        return Path.home() / "Library" / place / "shahrdad"
    variable, default = _XDG[kind]
    given = Path(os.environ.get(variable, ""))
    # A relative path must be ignored, says the specification.
    return (given if given.is_absolute() else Path.home() / default) / "shahrdad"
