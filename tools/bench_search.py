"""Measure search: building the index, then p50 and p99 of kinds of queries.

    .venv/bin/python tools/bench_search.py --records 100000 --engine fts5 tantivy

Records are made up from Persian words whose frequencies fall as in real text (Zipf);
they go into the catalog's tables directly, since signing a million entries is measured
elsewhere. Queries are measured in CPU time of the asking thread, which does not
depend on what else the machine does; keep the ratios.
"""

import argparse
import json
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from shahrdad.datasets.alphabet import sort_key
from shahrdad.node.catalog import Catalog
from shahrdad.node.database import Database
from shahrdad.node.search import filling
from shahrdad.node.search.finding import EngineName, Filters, Search
from shahrdad.node.search.suggest import suggest

COMMON_WORDS = "شهرداری آمار سال شهر منطقه طرح گزارش فهرست خدمات سازمان"
STEM_WORDS = (
    "بودجه قرارداد پروژه سامانه پروانه مصوبه ایده شاخص پسماند آب هوا درخت پارک اتوبوس"
    " مترو تاکسی پل خیابان میدان بازار درآمد هزینه پیمانکار مناقصه شورا کارگاه پژوهش"
    " دوچرخه پارکینگ ترافیک ساختمان مدرسه بیمارستان آتش نشانی گردشگری میراث کتابخانه"
)
LETTERS = "ابپتجچحخدرزسشصطعغفقکگلمنوهی"
FAMILIES = ("budget_lines", "projects", "contracts", "active_systems", "kpi_values")
BATCH = 20_000
RUNS = 200
DATASET = (
    "INSERT INTO dataset(id, log, key, ref, city, slug, family, license, fiscal_year,"
    " rows, bytes, state, version, idx, first_published, updated, title_fa, title_en,"
    " sort_fa, sha256) VALUES (?,1,?,?,?,?,?,'CC-BY-4.0',?,1,1,'live',1,?,?,?,?,?,?,?)"
)


def vocabulary(size: int, random_: random.Random) -> list[str]:
    """Return words, the most frequent first."""
    words = [*COMMON_WORDS.split(), *STEM_WORDS.split()]
    seen = set(words)
    while len(words) < size:
        word = "".join(random_.choices(LETTERS, k=random_.randint(3, 8)))
        if word not in seen:
            seen.add(word)
            words.append(word)
    return words


def records(count: int) -> Iterator[dict[str, Any]]:
    """Yield records: title of 4 to 8 words, description of 20 to 40, 3 keywords."""
    random_ = random.Random(1404)  # noqa: S311  # the same records each time
    words = vocabulary(60_000, random_)
    weights = [1 / (rank + 1) ** 0.9 for rank in range(len(words))]
    totals: list[float] = []
    for weight in weights:
        totals.append((totals[-1] if totals else 0.0) + weight)
    for number in range(count):
        drawn = random_.choices(words, cum_weights=totals, k=48)
        title = random_.randint(4, 8)
        yield {
            "name": f"dataset-{number}",
            "title": " ".join(drawn[:title]),
            "keywords": drawn[8:11],
            "description": " ".join(drawn[11 : 11 + random_.randint(20, 37)]),
            "city": f"city-{random_.randrange(400)}",
            "family": random_.choice(FAMILIES),
            "year": random_.randint(1395, 1404),
        }


def fill(database: Database, count: int) -> dict[str, float]:
    """Fill the catalog; return the seconds that its tables and its index took.

    The tables are those that publishing one by one would leave; the index is made by
    what `shahrdad index rebuild` calls.
    """
    began = time.perf_counter()
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO log(id, origin, seq) VALUES (1, 'bench.example/catalog', 1)"
        )
    numbered = enumerate(records(count), 1)
    while batch := list(islice(numbered, BATCH)):
        with database.transaction() as connection:
            connection.executemany(DATASET, (row(*one) for one in batch))
    tables = time.perf_counter() - began
    bodies = records(count)
    filling.fill(database, lambda numbers: dict(zip(numbers, bodies, strict=False)))
    return {
        "tables_s": round(tables, 1),
        "index_s": round(time.perf_counter() - began - tables, 1),
    }


def row(number: int, item: dict[str, Any]) -> tuple[object, ...]:
    """Return a dataset as the catalog has it."""
    ref = f"{item['city']}/{item['name']}"
    updated = f"20{10 + number % 15}-01-01T00:00:{number % 60:02}Z"
    return (
        *(number, ref, ref, item["city"], item["name"], item["family"], item["year"]),
        *(number, updated, updated, item["title"], item["name"]),
        *(sort_key(item["title"]), b"\0" * 32),
    )


def queries(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return queries of each kind, drawn from the words that the index has."""
    random_ = random.Random(7)  # noqa: S311
    rows = connection.execute("SELECT word, df FROM term ORDER BY df DESC").fetchall()
    words = [word for word, _ in rows if len(word) > 2]
    common, mid, rare = words[:5], words[40:400], words[20_000:40_000] or words[-500:]
    titles = [
        title.split()
        for (title,) in connection.execute(
            "SELECT title_fa FROM dataset ORDER BY id LIMIT 2000"
        )
    ]
    two = [" ".join(random_.sample(title, 2)) for title in titles[:RUNS]]
    phrases = [f'"{title[0]} {title[1]}"' for title in titles[RUNS : 2 * RUNS]]
    return {
        "very common word": [random_.choice(common) for _ in range(RUNS)],
        "mid": [random_.choice(mid) for _ in range(RUNS)],
        "rare": [random_.choice(rare) for _ in range(RUNS)],
        "two words": two,
        "phrase": phrases,
    }


def measure(call: Callable[[str], object], asked: list[str]) -> dict[str, float]:
    """Return p50 and p99 in milliseconds of CPU, after some queries to warm up."""
    for one in asked[:20]:
        call(one)
    taken = []
    for one in asked:
        began = time.thread_time()
        call(one)
        taken.append((time.thread_time() - began) * 1000)
    taken.sort()
    return {
        "p50": round(taken[len(taken) // 2], 2),
        "p99": round(taken[int(len(taken) * 0.99)], 2),
    }


def bench(engine: EngineName, database: Database, count: int) -> dict[str, Any]:
    """Measure one engine over a filled catalog."""
    search = Search(database, Catalog(database.connect), engine)
    began = time.perf_counter()
    search.find("شهرداری", limit=20)
    first = time.perf_counter() - began
    asked = queries(database.connect())
    if not search.find("شهرداری", limit=20).datasets:
        raise RuntimeError("the catalog was not filled")
    found: dict[str, Any] = {
        "engine": engine,
        "records": count,
        "first_s": round(first, 1),
    }
    for kind, texts in asked.items():
        found[kind] = measure(lambda q: search.find(q, limit=20), texts)
    for kind in ("very common word", "rare"):
        found[f"{kind}, facets"] = measure(
            lambda q: search.find(q, limit=20, facets=True), asked[kind]
        )
    found["common, city filter, facets"] = measure(
        lambda q: search.find(q, Filters(city=("city-7",)), limit=20, facets=True),
        asked["very common word"],
    )
    found["no query, facets"] = measure(
        lambda _: search.find("", sort="-updated", limit=20, facets=True), [""] * RUNS
    )
    prefixes = [word[:3] for word in asked["mid"]]
    found["suggest"] = measure(lambda q: suggest(database.connect(), q), prefixes)
    wrong = [f"{word[:2]}ظ{word[3:]}" for word in asked["rare"]]
    found["misspelt"] = measure(lambda q: search.find(q, limit=20), wrong)
    return found


def main() -> None:
    """Measure, and print one line of JSON for each engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--engine", nargs="+", default=["fts5", "tantivy"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument(
        "--keep", type=Path, help="a folder to fill once, and to measure in again"
    )
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        measure_in(options.keep, options.records, options.engine)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measure_in(Path(name), options.records, options.engine)


def measure_in(folder: Path, count: int, engines: list[EngineName]) -> None:
    """Fill the catalog of a folder unless it is there, and measure each engine."""
    known = (folder / "filled").exists()
    database = Database(folder / "node.db")
    database.connect().execute("PRAGMA synchronous=OFF")
    filled = {} if known else fill(database, count)
    database.connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (folder / "filled").touch()
    size = database.path.stat().st_size
    print(json.dumps({**filled, "mb": size // 10**6}), flush=True)
    for engine in engines:
        found = bench(engine, database, count)
        files = (folder / "search").rglob("*")
        size = sum(file.stat().st_size for file in files if file.is_file())
        found["index_mb"] = size // 10**6
        found["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
