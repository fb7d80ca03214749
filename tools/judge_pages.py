"""The pages of a running node before judges that we did not write.

    npm install --prefix build/judges lighthouse@12 vnu-jar   # once; Java and Node
    python tools/judge_pages.py http://127.0.0.1:8080 --nu --lighthouse

The Nu HTML checker reads every page in both languages and must find no error.
Lighthouse reads six pages; each of its four categories must reach 95.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parent.parent
LIGHTHOUSE_PAGES = (
    "/", "/datasets?q=budget", "/d/kerman/projects", "/budget/kerman/1404", "/systems",
    "/report",
)  # fmt: skip
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
SCORE_MIN = 95
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


def lighthouse(url: str, home: Path) -> int:
    """Measure six pages; return how many categories stay below the bar."""
    program = home / "node_modules" / ".bin" / "lighthouse"
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    below = 0
    for path in LIGHTHOUSE_PAGES:
        done = subprocess.run(
            [
                str(program),
                f"{url}/fa{path}",
                "--quiet",
                "--output=json",
                f"--only-categories={','.join(CATEGORIES)}",
                f"--chrome-flags={FLAGS}",
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "CHROME_PATH": chromium},
        )
        try:
            report = json.loads(done.stdout)
        except ValueError:
            print(f"{path}: {' '.join(done.stderr.split())[-200:]}")
            below += 1
            continue
        scores = {
            name: round(100 * (report["categories"][name]["score"] or 0))
            for name in CATEGORIES
        }
        below += sum(score < SCORE_MIN for score in scores.values())
        told = "  ".join(f"{name} {score}" for name, score in scores.items())
        print(f"{path:24} {told}", flush=True)
        for audit in report["audits"].values():
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
    given = parser.parse_args()
    url = given.url.rstrip("/")
    failed = nu(url, given.home) if given.nu else 0
    failed += lighthouse(url, given.home) if given.lighthouse else 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
