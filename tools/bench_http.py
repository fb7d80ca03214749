"""Measure the HTTP service: a large catalog through CKAN's door and ours, large files.

    .venv/bin/python tools/bench_http.py --datasets 370000 --rows 1000000

The catalog's records are made up and go into its tables directly. The node runs in a
process of its own; nginx, where it is installed, serves the same files in the same run,
so the ratios hold whatever else the machine does.
"""

import argparse
import http.client
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from shahrdad.datasets.alphabet import sort_key
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.catalog import Catalog
from shahrdad.node.config import Config, parse
from shahrdad.node.database import Database
from shahrdad.node.store.contract import Area
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table.parquet import write_table
from shahrdad.node.table.schema import TableInfo

CITIES = 400
BATCH = 5_000
TIME = "2025-11-20T08:30:00Z"
OWN = "city-0"
PAGE = {"rows": 1000, "start": 17_000}
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
    node = {"city": OWN, "public_url": f"http://127.0.0.1:{port}"}
    config = parse({"node": node}, environ={}, folder=folder)
    database = Database(folder / "node.db")
    return View(
        config, database, LocalStore(folder / "objects"), Catalog(database.connect)
    )


def body(city: str, slug: str, table: record.Table) -> bytes:
    """Return a record of the usual size."""
    described = record.Description(
        title_fa=f"بودجهٔ {slug} شهرداری",
        title_en=f"Budget {slug} of the municipality",
        description_fa="مبالغ به ریال است. " * 12,
        description_en="Amounts are in rial. " * 12,
        keywords_fa=("بودجه", "شهرداری"),
        keywords_en=("budget", "municipality"),
        fiscal_year=1404,
    )
    made = record.build(
        slug=slug,
        city=city,
        city_code="1346",
        publisher_fa=f"شهرداری {city}",
        publisher_en=f"Municipality of {city}",
        family=None,
        standard=None,
        description=described,
        tables=[table],
        attachments=[],
        provenance={"approval": "four-eyes"},
        version=1,
        time=TIME,
    )
    return strict_json.canonical(made)


def fill(view: View, count: int, table: record.Table) -> None:
    """Put datasets into the catalog's tables; the first has the real table."""
    with view.database.transaction() as connection:
        connection.execute(
            "INSERT INTO log(id, origin, seq) VALUES (1, 'bench.example/catalog', 1)"
        )
    # One record is made and the others are written from it: 370,000 take a minute.
    template = body("city-x", "dataset-x", table)
    for start in range(0, count, BATCH):
        with view.database.transaction() as connection:
            for number in range(start, min(start + BATCH, count)):
                add(connection, number, template, table.rows)


def add(
    connection: sqlite3.Connection, number: int, template: bytes, rows: int
) -> None:
    """Add one dataset."""
    # The own city has half of all, so that pages of its door are full.
    city = OWN if number % 2 == 0 else f"city-{number % CITIES}"
    slug = f"dataset-{number}"
    content = template.replace(b"city-x", city.encode())
    content = content.replace(b"dataset-x", slug.encode())
    digest = Digest.of(content)
    ref = f"{city}/{slug}"
    title = f"بودجهٔ {slug} شهرداری"
    connection.execute(
        "INSERT INTO dataset(id, log, key, ref, city, slug, family, license,"
        " fiscal_year, rows, bytes, state, version, idx, first_published, updated,"
        " title_fa, title_en, sort_fa, sha256) VALUES"
        " (?,1,?,?,?,?,NULL,'CC-BY-4.0',1404,?,1,'live',1,?,?,?,?,?,?,?)",
        (
            *(number + 1, f"ds/{ref}", ref, city, slug, rows, number, TIME, TIME),
            *(title, slug, sort_key(title), digest.raw),
        ),
    )
    connection.execute(
        "INSERT INTO dataset_version(dataset, n, log, idx, time, sha256, rows, state)"
        " VALUES (?,1,1,?,?,?,?,'held')",
        (number + 1, number, TIME, digest.raw, rows),
    )
    connection.execute(
        "INSERT INTO body(sha256, content) VALUES (?,?)", (digest.raw, content)
    )
    connection.execute(
        "INSERT INTO change_feed(ref, op, version, log, idx, time, sha256)"
        " VALUES (?,'put',1,1,?,?,?)",
        (ref, number, TIME, digest.raw),
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


def bench_catalog(port: int, view: View, count: int) -> dict[str, Any]:
    """Return how long pages of the catalog take, in milliseconds."""
    start = min(PAGE["start"], count // 4)
    path = f"/api/3/action/package_search?rows={PAGE['rows']}&start={start}"
    index, _ = timed(port, "/api/3/action/package_search?rows=0")
    cold, _ = timed(port, path)
    warm = [timed(port, path)[0] for _ in range(7)]
    raw = [raw_page(view, start) for _ in range(7)]
    few = []
    for number in range(200):
        asked = quote(f"organization:city-{(2 * number + 1) % CITIES}")
        few.append(
            timed(port, f"/all/api/3/action/package_search?fq={asked}&rows=10")[0]
        )
    shown = [
        timed(port, f"/api/3/action/package_show?id={OWN}--dataset-{2 * number}")[0]
        for number in range(100)
    ]
    return {
        "index_s": round(index, 2),
        "search_1000_first_ms": ms(cold),
        "search_1000_ms": ms(median(warm)),
        "raw_sqlite_ms": ms(median(raw)),
        "search_by_city_p50_ms": ms(median(few)),
        "search_by_city_p99_ms": ms(quantiles(few, n=100)[98]),
        "package_show_p50_ms": ms(median(shown)),
    }


def raw_page(view: View, start: int) -> float:
    """Return how long SQLite itself takes for the records of such a page."""
    began = time.perf_counter()
    view.database.connect().execute(
        "SELECT b.content FROM dataset d JOIN body b ON b.sha256 = d.sha256"
        " WHERE d.city = ? AND d.state = 'live' ORDER BY d.ref LIMIT ? OFFSET ?",
        (OWN, PAGE["rows"], start),
    ).fetchall()
    return time.perf_counter() - began


def bench_walk(port: int, pages: int) -> dict[str, Any]:
    """Return how fast lists are walked, in datasets a second."""
    found: dict[str, Any] = {}
    for name, path in (
        ("changes", "/v1/changes?limit=1000"),
        ("datasets", "/v1/datasets?limit=1000&sort=title"),
    ):
        cursor, seen, began = "", 0, time.perf_counter()
        for _ in range(pages):
            more = f"&cursor={quote(cursor)}" if cursor else ""
            page = json.loads(timed(port, f"{path}{more}")[1])
            seen += len(page["items"])
            cursor = page["next_cursor"] or ""
            if not cursor or not page["items"]:
                break
        found[f"walk_{name}_per_s"] = round(seen / (time.perf_counter() - began))
    return found


def bench_files(port: int, folder: Path, rows: int) -> dict[str, Any]:
    """Return rows a second of large downloads, ours and nginx's of the same bytes."""
    found: dict[str, Any] = {}
    files = folder / "nginx" / "files"
    files.mkdir(parents=True)
    for ext in ("csv", "parquet"):
        path = f"/d/{OWN}/dataset-0/v/1/lines.{ext}"
        made, content = timed(port, path)
        (files / f"lines.{ext}").write_bytes(content)
        ours = median(timed(port, path)[0] for _ in range(5))
        found[f"{ext}_mb"] = round(len(content) / 1e6, 1)
        found[f"{ext}_first_rows_per_s"] = round(rows / made)
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


def resident_mb(pid: int) -> int:
    """Return what a process holds in memory."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1000


def main() -> None:
    """Measure, and print one line of JSON for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=370_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.port)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx reads as another user
        view = open_view(folder, 0)
        view.database.connect().execute("PRAGMA synchronous=OFF")
        fill(view, options.datasets, publish_rows(view, options.rows))
        with served(folder) as (port, pid):
            tell(bench_files(port, folder, options.rows), pid)
            tell(bench_catalog(port, view, options.datasets), pid)
            tell(bench_walk(port, options.pages), pid)


def tell(found: dict[str, Any], pid: int) -> None:
    """Print figures, with the memory of the server after them."""
    sys.stdout.write(json.dumps({**found, "rss_mb": resident_mb(pid)}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
