"""How fast and how small the pages are, in a network of 31 cities × 300 datasets.

    python tools/measure_portal.py                 # time and size of every page
    python tools/measure_portal.py --cities 3      # a small network, to try it

Each page is asked many times; the time is the CPU seconds of the process, so what else
runs on the computer does not count. The first answer of a state of the catalog, which
computes its figures, stands apart.
"""

import argparse
import gzip
import logging
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import structlog
from starlette.testclient import TestClient

TESTS = Path(__file__).resolve().parent.parent / "tests"
PAGES = (
    "/", "/datasets", "/datasets?q=بودجه", "/d/kerman/projects",
    "/d/kerman/projects/rows", "/d/kerman/projects/diff", "/budget",
    "/budget/kerman/1404", "/systems", "/projects", "/projects/map", "/compare",
    "/permits", "/ideas", "/resolutions", "/reuses", "/api", "/api/reference",
    "/contracts", "/suppliers", "/work-sites", "/embed/d/kerman/projects", "/cities",
    "/cities/kerman", "/federation",
    "/report/1404-08", "/report/1404-08/agenda", "/verify", "/standards/projects",
    "/status", "/help", "/d/kerman/projects/feedback", "/d/kerman/projects/versions",
)  # fmt: skip
STYLES = 15_000
SCRIPTS = 25_000
HTML = 30_000
FONTS = 100_000
P95_MS = 50


def spread(values: list[float]) -> tuple[float, float]:
    """Return median and 95th percentile."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]


def measured(
    client: TestClient, path: str, times: int
) -> tuple[float, list[float], int]:
    """Return the first time and the others, in ms of CPU, and the compressed size."""
    spent = []
    for _ in range(times + 1):
        before = time.process_time()
        answer = client.get(path)
        spent.append((time.process_time() - before) * 1000)
        if answer.status_code != 200:
            sys.exit(f"{path}: {answer.status_code}")
    return spent[0], spent[1:], len(gzip.compress(answer.content, 6))


def weights(client: TestClient, path: str) -> dict[str, int]:
    """Return the compressed bytes of what a page loads besides, by kind."""
    text = client.get(path).text
    found = {"css": 0, "js": 0}
    for kind, pattern in (("css", r'href="(/static/[^"]+\.css)"'),
                          ("js", r'src="(/static/[^"]+\.js)"')):  # fmt: skip
        for address in re.findall(pattern, text):
            found[kind] += len(gzip.compress(client.get(address).content, 9))
    return found


def tell(client: TestClient, times: int) -> int:
    """Ask every page, print a line for each, and return how many are above a bound."""
    heads = ("first ms", "median", "p95", "html", "css", "js")
    print(f"{'page':36}" + "".join(f"{head:>10}" for head in heads))
    above = 0
    for path in PAGES:
        first, others, size = measured(client, f"/fa{path}", times)
        median, p95 = spread(others)
        beside = weights(client, f"/fa{path}")
        bad = (
            p95 > P95_MS
            or size > HTML
            or beside["css"] > STYLES
            or (beside["js"] > SCRIPTS and "/map" not in path)
        )
        above += bad
        figures = (first, median, p95, size, beside["css"], beside["js"])
        line = "".join(f"{value:10.0f}" for value in figures)
        print(f"{path:36}{line}{'  above its bound' if bad else ''}", flush=True)
    return above


def main() -> None:
    """Make the network, ask every page, tell what is above its bound."""
    sys.path.insert(0, str(TESTS))
    from big_world import make_big_world
    from shahrdad.node.http.app import create_app

    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cities", type=int, default=31)
    parser.add_argument("--datasets", type=int, default=300)
    parser.add_argument("--times", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = make_big_world(Path(folder), given.cities, given.datasets)
        # Within `with` threads live on, and with them connections, as in a node.
        with TestClient(create_app(world)) as client:
            above = tell(client, given.times)
    sys.exit(1 if above else 0)


if __name__ == "__main__":
    main()
