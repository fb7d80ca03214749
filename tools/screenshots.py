"""Pictures of the pages of a running node, to be looked at: both languages and themes.

Needs `pytest-playwright` and Chromium (`make screenshots`):

    python tools/screenshots.py http://127.0.0.1:8080 build/screenshots
"""

import argparse
import os
import re
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent


def pages() -> dict[str, str]:
    """Return the path of every page that the guard test visits, by a name for files."""
    text = (ROOT / "tests" / "browser" / "pages_visited.txt").read_text("utf-8")
    paths = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name_of(path): path for path in paths}


def name_of(path: str) -> str:
    """Return a path as a file's name."""
    return re.sub(r"[^\w-]+", "-", path.strip("/")).strip("-") or "home"


def shoot(browser: Browser, url: str, folder: Path, wanted: list[str]) -> None:
    """Take a picture of each page: wide and narrow, fa and en, light and dark."""
    looks = [
        ("fa", "light", 1280),
        ("fa", "dark", 1280),
        ("en", "light", 1280),
        ("fa", "light", 360),
    ]
    for language, theme, width in looks:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        page = context.new_page()
        known = pages()
        for name in wanted:
            page.goto(f"{url}/{language}{known[name]}", wait_until="networkidle")
            path = folder / f"{name}-{language}-{theme}-{width}.png"
            page.screenshot(path=path, full_page=True)
        context.close()


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of a running node")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "pages", nargs="*", help=f"of {', '.join(pages())}; all by default"
    )
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=ARGS)
        shoot(
            browser, given.url.rstrip("/"), given.folder, given.pages or list(pages())
        )
        browser.close()


if __name__ == "__main__":
    main()
