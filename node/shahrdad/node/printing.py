"""PDF from a page: the print style by the system's Chromium, where it is installed.

A browser shapes Persian, repeats the heads of tables and keeps the colours of drawings
right; the libraries that were tried did not. No node needs it: without a browser the
page prints from any other one. A PDF differs by its dates on each run, so what is
signed is the report's JSON, whose digest stands on the page.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from shahrdad.datasets.errors import Reason, UnavailableError

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS_MAX = 180
ARGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-pdf-header-footer",
)  # fmt: skip


def browser() -> str | None:
    """Return the browser that prints: `CHROMIUM`, else the first that is installed."""
    named = os.environ.get("CHROMIUM")
    found = (shutil.which(name) for name in ((named,) if named else NAMES))
    return next((path for path in found if path), None)


def print_pdf(page: Path, target: Path) -> None:
    """Print a page that stands alone.

    Raises:
        UnavailableError: BROWSER_MISSING, PRINT_FAILED.
    """
    program = browser()
    if program is None:
        raise UnavailableError(Reason.BROWSER_MISSING, names=", ".join(NAMES))
    with tempfile.TemporaryDirectory(prefix="shahrdad-print-") as home:
        command = [
            program,
            *ARGS,
            f"--user-data-dir={home}",
            f"--print-to-pdf={target.resolve()}",
            page.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(  # noqa: S603 (a fixed program, our own file)
                command, capture_output=True, timeout=SECONDS_MAX, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(
                Reason.PRINT_FAILED, detail=type(error).__name__
            ) from error
    if done.returncode or not target.is_file():
        detail = done.stderr.decode("utf-8", "replace")[-200:].strip()
        raise UnavailableError(Reason.PRINT_FAILED, detail=detail or "–")
