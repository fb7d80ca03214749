"""Pictures of the pages of a running node, to be looked at: both languages and themes.

Needs `pytest-playwright` and Chromium (`make screenshots`):

    python tools/screenshots.py http://127.0.0.1:8080 build/screenshots
"""

import argparse
import os
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGES = {
    "home": "/",
    "budgets": "/budget",
    "budget": "/budget/kerman/1404",
    "budget-source": "/budget/kerman/1404?side=source",
    "systems": "/systems",
    "product": "/systems/areas/revenue",
    "projects": "/projects",
    "project": "/projects/kerman/P-1402-002",
    "compare": "/compare",
    "city": "/cities/kerman",
    "dataset": "/d/kerman/projects",
    "diff": "/d/kerman/projects/diff",
    "rows": "/d/kerman/budget-1404/rows?side__exact=use&card=approved_rial",
    "resolutions": "/resolutions",
    "ideas": "/ideas",
    "indicators": "/indicators",
    "verify": "/verify",
    "report": "/report",
}


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
        for name in wanted:
            page.goto(f"{url}/{language}{PAGES[name]}", wait_until="networkidle")
            path = folder / f"{name}-{language}-{theme}-{width}.png"
            page.screenshot(path=path, full_page=True)
        context.close()


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of a running node")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "pages", nargs="*", help=f"of {', '.join(PAGES)}; all by default"
    )
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=ARGS)
        shoot(browser, given.url.rstrip("/"), given.folder, given.pages or list(PAGES))
        browser.close()


if __name__ == "__main__":
    main()
