"""Measure the HTTP service: a large catalog through CKAN's door and ours, large files.

    .venv/bin/python tools/bench_http.py --datasets 370000 --rows 1000000

The node runs in a process of its own; SQLite alone reads the same records, and nginx,
where it is installed, serves the same files in the same run, so the ratios hold
whatever else the machine does. With `--folder` the catalog stays there, and is built
in several runs of `--seconds` each.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pyarrow as pa

from shahrdad.node import record
from shahrdad.node.catalog import Catalog
from shahrdad.node.config import Config, parse
from shahrdad.node.database import Database
from shahrdad.node.store.contract import Area
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table.parquet import write_table
from shahrdad.node.table.schema import TableInfo

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from large_catalog import (
    CITIES,
    FREQUENT,
    OWN,
    Builder,
    publish_one,
    ref_of,
)

PAGE = {"rows": 1000, "start": 17_000}
SEARCHES = 200  # of each kind
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; client_body_temp_path {folder}/t;
  proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t;
  scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }} }}
"""


@dataclass
class View:
    """A node as its readers see it; nothing is signed."""

    config: Config
    database: Database
    store: LocalStore
    catalog: Catalog

    def receipt(self, ref: str, n: int) -> bytes:
        """Return no receipt: none of these records was signed."""
        raise LookupError(ref, n)

    def federation_status(self) -> Mapping[str, Any]:
        """Return that nothing is known of logs."""
        return {"logs": [], "peers": []}


def open_view(folder: Path, port: int) -> View:
    """Return the node in a folder."""
    node = {"city": OWN, "public_url": "https://data.example"}
    config = parse({"node": node}, environ={}, folder=folder)
    database = Database(folder / "node.db")
    return View(
        config, database, LocalStore(folder / "objects"), Catalog(database.connect)
    )


def publish_rows(view: View, rows: int) -> record.Table:
    """Store a table of so many rows and 8 columns."""
    generator = np.random.default_rng(1404)
    table = pa.table(
        {
            "line_code": [f"{number:07}" for number in range(rows)],
            "title": [f"ردیف {number % 5_000}" for number in range(rows)],
            **{
                f"amount_{place}_rial": generator.integers(0, 10**12, rows)
                for place in range(6)
            },
        }
    )
    info = TableInfo("", "", f"{OWN}/dataset-0", "lines", ("line_code",))
    written = write_table(
        table.to_batches(), table.schema, info, view.store, Area.OBJECT
    )
    fields = [{"name": name, "type": "string"} for name in table.schema.names[:2]]
    fields += [{"name": name, "type": "integer"} for name in table.schema.names[2:]]
    parts = tuple(
        record.TablePart(part.digest, part.bytes, part.rows, part.first)
        for part in written.parts
    )
    schema = {"fields": fields, "primaryKey": ["line_code"]}
    return record.Table("lines", schema, written.rows, parts, written.m)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, int]]:
    """Serve the node in a process; give its port and its number."""
    port = free_port()
    command = [sys.executable, __file__, "--serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        await_answer(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def await_answer(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server does not answer")


def serve(folder: Path, port: int) -> None:
    """Serve a node until the process is ended."""
    import structlog
    import uvicorn

    from shahrdad.node.http.app import create_app

    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    app = create_app(open_view(folder, port))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def get(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body of an address."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def timed(port: int, path: str) -> tuple[float, bytes]:
    """Return the seconds that a good answer took, and its body."""
    began = time.perf_counter()
    status, content = get(port, path)
    seconds = time.perf_counter() - began
    if status != 200:
        raise RuntimeError(f"{status} {path} {content[:300]!r}")
    return seconds, content


def bench_catalog(port: int, pid: int, view: View, count: int) -> dict[str, Any]:
    """Return how long pages of the catalog take, in milliseconds of wall and of CPU."""
    start = min(PAGE["start"], count // 4)
    path = f"/api/3/action/package_search?rows={PAGE['rows']}&start={start}"
    cold, _ = timed(port, path)
    spent = processor_s(pid)
    warm = [timed(port, path)[0] for _ in range(15)]
    spent = (processor_s(pid) - spent) / len(warm)
    raw = [raw_page(view, start) for _ in range(15)]
    deep = f"/all/api/3/action/package_search?rows={PAGE['rows']}&start={count - 2000}"
    timed(port, deep)
    return {
        "search_1000_first_ms": ms(cold),
        "search_1000_ms": ms(median(warm)),
        "search_1000_cpu_ms": ms(spent),
        "raw_sqlite_ms": ms(median(wall for wall, _ in raw)),
        "raw_sqlite_cpu_ms": ms(sum(spent for _, spent in raw) / len(raw)),
        "at_the_end_ms": ms(median(timed(port, deep)[0] for _ in range(5))),
    }


def processor_s(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def raw_page(view: View, start: int) -> tuple[float, float]:
    """Return how long SQLite itself takes for the same bytes: wall and CPU."""
    began, spent = time.perf_counter(), time.thread_time()
    view.database.connect().execute(
        "SELECT p.json FROM (SELECT dataset FROM card WHERE city = ? AND"
        " +state = 'active' ORDER BY uid LIMIT ? OFFSET ?) c"
        " JOIN card_package p ON p.dataset = c.dataset",
        (OWN, PAGE["rows"], start),
    ).fetchall()
    return time.perf_counter() - began, time.thread_time() - spent


def bench_searches(port: int, pid: int, view: View, count: int) -> dict[str, Any]:
    """Return how long searches take, each for ten datasets, in milliseconds."""
    drawing = random.Random(7)  # noqa: S311
    titles = [
        str(title).split()
        for (title,) in view.database.connect().execute(
            "SELECT title FROM card WHERE dataset % 997 = 0 LIMIT 300"
        )
    ]
    found: dict[str, Any] = {}
    everything: list[float] = []
    refused = 0
    search = "/api/3/action/package_search"
    kinds: dict[str, Callable[[], tuple[str, dict[str, Any]]]] = {
        "city": lambda: (f"/all{search}", {"fq": f"organization:{_city(drawing)}"}),
        "city_facets": lambda: (
            f"/all{search}",
            {
                "fq": f"organization:{_city(drawing)}",
                "facet.field": '["tags","groups"]',
            },
        ),
        "word": lambda: (search, {"q": drawing.choice(drawing.choice(titles))}),
        "words": lambda: (
            f"/all{search}",
            {"q": " ".join(drawing.sample(drawing.choice(titles), 2))},
        ),
        "tag": lambda: (search, {"fq": f"tags:{drawing.choice(FREQUENT.split())}"}),
        "changed": lambda: (
            search,
            {"fq": f"metadata_modified:[2025-0{drawing.choice('89')}-20 TO *]"},
        ),
        "show": lambda: (
            "/all/api/3/action/package_show",
            {"id": ref_of(drawing.randrange(count), count).replace("/", "--")},
        ),
        "v1_word": lambda: (
            "/v1/datasets",
            {"q": drawing.choice(drawing.choice(titles)), "limit": 10},
        ),
        "v1_facets": lambda: (
            "/v1/datasets",
            {"city": _city(drawing), "facets": "true", "limit": 10},
        ),
    }
    for name, draw in kinds.items():
        taken, spent = [], processor_s(pid)
        for _ in range(SEARCHES):
            path, asked = draw()
            began = time.perf_counter()
            status, _ = get(port, f"{path}?{urlencode(asked)}")
            taken.append(time.perf_counter() - began)
            refused += status == 409  # it would have read too much
        everything += taken
        found[f"{name}_cpu_ms"] = ms((processor_s(pid) - spent) / SEARCHES)
        found[f"{name}_p50_p99_ms"] = [ms(median(taken)), ms(_p99(taken))]
    found |= {"all_p99_ms": ms(_p99(everything)), "refused": refused}
    return found


def _city(drawing: random.Random) -> str:
    return f"city-{drawing.randrange(1, CITIES)}"


def _p99(taken: list[float]) -> float:
    return quantiles(taken, n=100)[98]


def bench_walk(port: int, pid: int) -> dict[str, Any]:
    """Return how fast one client walks the whole catalog, in datasets a second."""
    found: dict[str, Any] = {}
    for name, path in (
        ("datasets", "/v1/datasets?limit=1000"),
        ("by_title", "/v1/datasets?limit=1000&sort=title"),
        ("changes", "/v1/changes?limit=1000"),
    ):
        cursor, seen, began, reading = "", 0, time.perf_counter(), 0.0
        spent = processor_s(pid)
        while True:
            more = f"&cursor={quote(cursor)}" if cursor else ""
            content = timed(port, f"{path}{more}")[1]
            before = time.perf_counter()
            page = json.loads(content)
            reading += time.perf_counter() - before
            seen += len(page["items"])
            cursor = page["next_cursor"] or ""
            if not cursor or not page["items"]:
                break
        seconds = time.perf_counter() - began
        found[f"walk_{name}"] = seen
        found[f"walk_{name}_per_s"] = round(seen / (seconds - reading))
        found[f"walk_{name}_parsed_per_s"] = round(seen / seconds)
        found[f"walk_{name}_per_cpu_s"] = round(seen / (processor_s(pid) - spent))
    return found


def bench_files(port: int, pid: int, folder: Path, rows: int) -> dict[str, Any]:
    """Return rows a second of large downloads, ours and nginx's of the same bytes."""
    found: dict[str, Any] = {}
    files = folder / "nginx" / "files"
    files.mkdir(parents=True)
    for ext in ("csv", "parquet"):
        path = f"/d/{OWN}/dataset-0/v/1/lines.{ext}"
        spent = processor_s(pid)
        made, content = timed(port, path)
        spent = processor_s(pid) - spent
        (files / f"lines.{ext}").write_bytes(content)
        ours = median(timed(port, path)[0] for _ in range(5))
        found[f"{ext}_mb"] = round(len(content) / 1e6, 1)
        found[f"{ext}_first_rows_per_s"] = round(rows / made)
        found[f"{ext}_first_rows_per_cpu_s"] = round(rows / spent)
        found[f"{ext}_rows_per_s"] = round(rows / ours)
    with nginx(folder / "nginx") as other:
        for ext in ("csv", "parquet") if other else ():
            path = f"/lines.{ext}"
            theirs = median(timed(other, path)[0] for _ in range(5))
            found[f"{ext}_nginx_rows_per_s"] = round(rows / theirs)
    return found


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """Serve files by nginx; give its port, or 0 where it is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        yield 0
        return
    port = free_port()
    (folder / "t").mkdir(exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, port=port), "utf-8")
    process = subprocess.Popen([program, "-c", str(file)])
    try:
        await_answer(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


def ms(seconds: float) -> float:
    """Return milliseconds."""
    return round(seconds * 1000, 1)


def resident_mb(pid: int) -> dict[str, int]:
    """Return what a process holds in memory: of its own, and of mapped files."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    sizes = dict(line.split(":", 1) for line in lines)
    return {
        name: int(sizes[f"Rss{name.title()}"].split()[0]) // 1000
        for name in ("anon", "file")
    }


def main() -> None:
    """Measure, and print one line of JSON for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=370_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--part", choices=("catalog", "files"), action="append")
    parser.add_argument("--folder", type=Path, help="where the catalog stays")
    parser.add_argument("--seconds", type=float, default=36_000, help="to build it")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.port)
        return
    parts = options.part or ["files", "catalog"]
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        temporary.chmod(0o755)  # nginx reads as another user
        if "files" in parts:
            measure_files(temporary / "files", options.rows)
        if "catalog" in parts:
            folder = options.folder or temporary / "catalog"
            measure_catalog(folder, options.datasets, options.seconds)


def measure_files(folder: Path, rows: int) -> None:
    """Measure downloads of one large table."""
    folder.mkdir()
    folder.chmod(0o755)  # nginx reads as another user
    view = open_view(folder, 0)
    publish_one(view.database, view.config, publish_rows(view, rows))
    with served(folder) as (port, pid):
        tell(bench_files(port, pid, folder, rows), pid)


def measure_catalog(folder: Path, count: int, seconds: float) -> None:
    """Build a large catalog, and measure lists and searches."""
    view = open_view(folder, 0)
    began = time.process_time()
    builder = Builder(view.database, view.config, count, publish_rows(view, 1_000))
    whole = builder.build(seconds)
    sys.stdout.write(
        f'{{"built": {builder.size}, "cpu_s": {time.process_time() - began:.0f}}}\n'
    )
    if not whole:
        return
    with served(folder) as (port, pid):
        tell({}, pid)
        tell(bench_catalog(port, pid, view, count), pid)
        tell(bench_searches(port, pid, view, count), pid)
        tell(bench_walk(port, pid), pid)
        tell(bench_catalog(port, pid, view, count), pid)


def tell(found: dict[str, Any], pid: int) -> None:
    """Print figures, with the memory of the server after them."""
    sys.stdout.write(json.dumps({**found, "rss_mb": resident_mb(pid)}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
