"""The pages of a running node before judges that we did not write.

    npm install --prefix build/judges lighthouse@12 vnu-jar   # once; Java and Node
    python tools/judge_pages.py http://127.0.0.1:8080 --nu --lighthouse

The Nu HTML checker reads every page in both languages and must find no error.
Lighthouse reads six pages on the slow phone that it simulates by default; of each page
the middle run counts, and each of its four categories must reach 95.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parent.parent
LIGHTHOUSE_PAGES = (
    "/", "/datasets?q=budget", "/d/kerman/projects", "/budget/kerman/1404", "/systems",
    "/report",
)  # fmt: skip
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
METRICS = (  # audit, its name here, decimals; ms but for the shift
    ("largest-contentful-paint", "LCP", 0), ("total-blocking-time", "TBT", 0),
    ("cumulative-layout-shift", "CLS", 3),
)  # fmt: skip
SCORE_MIN = 95
BARE = (
    b'<!doctype html><html lang="en"><meta charset="utf-8"><title>Bare</title>'
    b'<meta name="viewport" content="width=device-width">'
    b'<meta name="description" content="Bare"><p>Bare</p>'
)
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-quic"


def pages() -> list[str]:
    """Return every page that the browser's guard test visits."""
    text = (ROOT / "tests" / "browser" / "pages_visited.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def nu(url: str, home: Path) -> int:
    """Check every page; return the number of errors."""
    jar = next(home.rglob("vnu.jar"))
    with tempfile.TemporaryDirectory() as folder:
        names: dict[str, str] = {}
        for language in ("fa", "en"):
            for number, path in enumerate(pages()):
                answer = httpx2.get(
                    f"{url}/{language}{path}", follow_redirects=True, timeout=120
                )
                file = Path(folder) / f"{language}-{number}.html"
                file.write_bytes(answer.content)
                names[file.name] = f"/{language}{path}"
        done = subprocess.run(
            ["java", "-jar", str(jar), "--errors-only", "--format", "json", folder],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    found = json.loads(done.stderr)["messages"]
    for one in found:
        name = names[Path(one["url"]).name]
        print(f"{name}:{one.get('lastLine')}: {one['message']}")
    print(f"Nu HTML checker: {len(names)} pages, {len(found)} errors")
    return len(found)


class Bare(BaseHTTPRequestHandler):
    """Answers with a page of one paragraph: what it loses, the computer costs."""

    def do_GET(self) -> None:
        """Answer any address."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(BARE)))
        self.end_headers()
        self.wfile.write(BARE)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def bare_page() -> Iterator[str]:
    """Serve the bare page on a free port of this computer, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bare)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def judged(program: Path, address: str) -> dict[str, Any] | None:
    """Return Lighthouse's report on a page: the phone that it has by default."""
    done = subprocess.run(
        [
            str(program),
            address,
            "--quiet",
            "--output=json",
            "--throttling-method=simulate",
            f"--only-categories={','.join(CATEGORIES)}",
            f"--chrome-flags={FLAGS}",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "CHROME_PATH": os.environ.get("CHROMIUM", "/usr/bin/chromium"),
        },
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        print(f"{address}: {' '.join(done.stderr.split())[-200:]}")
        return None
    return report


def told(report: dict[str, Any]) -> str:
    """Return a report in a line: scores, measures, how fast the computer is."""
    scores = [f"{name} {score(report, name)}" for name in CATEGORIES]
    values = [
        f"{short} {report['audits'][name]['numericValue']:.{places}f}"
        for name, short, places in METRICS
    ]
    speed = report["environment"]["benchmarkIndex"]
    return "  ".join((*scores, *values, f"computer {speed:.0f}"))


def score(report: dict[str, Any], category: str) -> int:
    """Return a category's score, of 100."""
    return round(100 * (report["categories"][category]["score"] or 0))


def lighthouse(url: str, home: Path, runs: int, paths: Sequence[str]) -> int:
    """Measure pages, the middle of some runs; return how many scores are below the bar.

    A bare page is measured before them in the same way: on a busy computer it loses
    points too, which no change of ours would win back.
    """
    program = home / "node_modules" / ".bin" / "lighthouse"
    below = 0
    with bare_page() as address:
        bare = judged(program, address)
        if bare is not None:
            print(f"{'a bare page':24} {told(bare)}", flush=True)
    for path in paths:
        reports = [judged(program, f"{url}/fa{path}") for _ in range(runs)]
        found = [one for one in reports if one is not None]
        if not found:
            below += 1
            continue
        found.sort(key=lambda one: sum(score(one, name) for name in CATEGORIES))
        middle = found[(len(found) - 1) // 2]
        below += sum(score(middle, name) < SCORE_MIN for name in CATEGORIES)
        print(f"{path:24} {told(middle)}", flush=True)
        for audit in middle["audits"].values():
            weighs = audit["scoreDisplayMode"] in {"binary", "numeric", "metricSavings"}
            if weighs and audit["score"] is not None and audit["score"] < 0.9:
                value = audit.get("displayValue", "")
                print(f"    {audit['score']:.2f} {audit['id']} {value}")
    return below


def main() -> None:
    """Run the judges that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of a running node")
    parser.add_argument("--home", type=Path, default=Path("build/judges"))
    parser.add_argument("--nu", action="store_true", help="the Nu HTML checker")
    parser.add_argument("--lighthouse", action="store_true")
    parser.add_argument("--runs", type=int, default=3, help="of Lighthouse a page")
    parser.add_argument("--page", action="append", help="a path; six by default")
    given = parser.parse_args()
    url = given.url.rstrip("/")
    failed = nu(url, given.home) if given.nu else 0
    if given.lighthouse:
        paths = given.page or LIGHTHOUSE_PAGES
        failed += lighthouse(url, given.home, given.runs, paths)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
