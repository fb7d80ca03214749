"""Where the real files and vectors lie; they are no part of the project."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def find_shared() -> Path | None:
    """Return the folder of vectors and real files, or None where there is none."""
    candidates = [
        Path(os.environ["SHAHRDAD_SHARED"])
        if "SHAHRDAD_SHARED" in os.environ
        else None,
        ROOT / "shared",
        ROOT.parent / "shared",
    ]
    return next(
        (path for path in candidates if path is not None and path.is_dir()), None
    )


SHARED = find_shared() or ROOT.parent / "shared"
needs_shared = pytest.mark.skipif(
    find_shared() is None, reason="vectors and real files folder absent: ../shared"
)
