"""Measure validation against its peers: ratios of CPU time within one run.

    python tools/bench_validate.py --rows 1000000 --case clean --rounds 3

Every contender runs in a process of its own, in rotated order, in each round; medians
of user + system time are compared, less the time of its imports. frictionless is
measured at a tenth of the rows (at most 100,000): its cost per row is constant.
"""

import argparse
import csv
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEED = 1404
DISTRICTS = 40
SUPPLIERS = 5_000
ORACLE_ROWS_MAX = 100_000
WORDS = [
    "احداث",
    "بهسازی",
    "نگهداری",
    "خرید",
    "اجرای",
    "تکمیل",
    "پارک",
    "خیابان",
    "بلوار",
    "تقاطع",
    "میدان",
    "ساختمان",
    "شبکه",
    "سامانه",
    "روشنایی",
    "فضای",
    "سبز",
    "آسفالت",
    "معابر",
    "منطقه",
    "بازار",
    "شهرداری",
    "خدمات",
    "مشاوره",
    "نرم\u200cافزار",
    "تجهیزات",
    "ایستگاه",
]
TYPES = ("عمرانی", "خدماتی", "مشاوره", "خرید کالا")
STATUSES = ("active", "completed", "terminated", "suspended")

SCHEMA: dict[str, Any] = {
    "name": "contracts",
    "fields": [
        {"name": "contract_id", "title": "شماره قرارداد", "type": "string",
         "constraints": {"required": True, "unique": True, "pattern":
         "[A-Z]{2}-[0-9]{4}-[0-9]{7}"}},
        {"name": "city_code", "title": "کد شهر", "type": "string",
         "constraints": {"required": True, "pattern": "[0-9]{4}"}},
        {"name": "district_no", "title": "منطقه", "type": "integer",
         "constraints": {"required": True, "minimum": 0, "maximum": 99}},
        {"name": "supplier_id", "title": "شناسه پیمانکار", "type": "string",
         "constraints": {"required": True}},
        {"name": "subject", "title": "موضوع", "type": "string",
         "constraints": {"required": True, "maxLength": 200}},
        {"name": "kind", "title": "نوع", "type": "string",
         "constraints": {"required": True, "enum": list(TYPES)}},
        {"name": "status", "title": "وضعیت", "type": "string",
         "constraints": {"enum": list(STATUSES)}},
        {"name": "amount_rial", "title": "مبلغ", "type": "integer",
         "constraints": {"required": True, "minimum": 0}},
        {"name": "progress", "title": "پیشرفت", "type": "number",
         "constraints": {"minimum": 0, "maximum": 100}},
        {"name": "sign_date", "title": "تاریخ امضا", "type": "date",
         "constraints": {"required": True, "minimum": "1921-03-21"}},
        {"name": "end_date", "title": "تاریخ پایان", "type": "date"},
        {"name": "has_guarantee", "title": "ضمانت‌نامه", "type": "boolean"},
    ],
    "primaryKey": ["city_code", "contract_id"],
    "foreignKeys": [
        {"fields": ["supplier_id"], "reference": {"resource": "suppliers", "fields":
        ["supplier_id"]}}
    ],
    "missingValues": [""],
}  # fmt: skip


def rows_of(count: int, broken: float, seed: int = SEED) -> Any:
    """Yield the rows of the contracts table; a share of them has one wrong cell."""
    rng = random.Random(seed)  # noqa: S311 - the same file for everybody
    subjects = [
        " ".join(rng.choices(WORDS, k=rng.randint(5, 9))) for _ in range(20_000)
    ]
    for number in range(count):
        year, month, day = (
            rng.randint(2015, 2025),
            rng.randint(1, 12),
            rng.randint(1, 28),
        )
        row = [
            f"KR-{1390 + number % 15}-{number:07}",
            "1346",
            str(rng.randrange(DISTRICTS)),
            f"10{rng.randrange(SUPPLIERS):09}",
            subjects[rng.randrange(len(subjects))],
            TYPES[rng.randrange(4)],
            STATUSES[rng.randrange(4)],
            str(rng.randrange(10**9, 9 * 10**12)),
            f"{rng.randrange(10001) / 100:.2f}",
            f"{year}-{month:02}-{day:02}",
            f"{year + 1}-{month:02}-{day:02}" if number % 5 else "",
            "true" if number % 2 else "false",
        ]
        if broken and rng.random() < broken:
            place = rng.choice((1, 2, 5, 7, 9))
            row[place] = ("شهر", "صد", "نامعلوم", "-5", "1404-02-31")[
                (1, 2, 5, 7, 9).index(place)
            ]
        yield row


def generate(folder: Path, count: int, case: str) -> Path:
    """Write the table of a case with its reference table and data package."""
    path = folder / f"{case}-{count}.csv"
    if path.exists():
        return path
    broken = {"clean": 0.0, "few": 0.001, "half": 0.5}[case]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field["name"] for field in SCHEMA["fields"]])
        writer.writerows(rows_of(count, broken))
    with (folder / "suppliers.csv").open("w", encoding="utf-8") as file:
        file.write("supplier_id\n")
        file.writelines(f"10{number:09}\n" for number in range(SUPPLIERS))
    package = {
        "name": "bench",
        "resources": [
            {"name": "contracts", "type": "table", "path": path.name, "schema": SCHEMA},
            {
                "name": "suppliers",
                "type": "table",
                "path": "suppliers.csv",
                "schema": {"fields": [{"name": "supplier_id", "type": "string"}]},
            },
        ],
    }
    (folder / f"{case}-{count}.json").write_text(
        json.dumps(package, ensure_ascii=False), "utf-8"
    )
    return path


def run_strict(path: Path, package: Path) -> Any:
    """Validate with our strict mode; SHA-256 of the source included."""
    from shahrdad.validators import Options, Ref, validate

    refs = {"suppliers": Ref(path.parent / "suppliers.csv")}
    validate(b"n\n1\n", schema={"fields": [{"name": "n", "type": "integer"}]})
    return lambda: (
        validate(
            path, schema=SCHEMA, refs=refs, options=Options(explain=False)
        ).error_count
    )


def run_compat(path: Path, package: Path) -> Any:
    """Validate with our compat mode, without a limit; MD5 and SHA-256 included."""
    import frictionless

    from shahrdad.validators import compat

    warm: Any = frictionless.Resource(b"n\n1\n", format="csv")
    compat.validate(warm)
    resource: Any = frictionless.Package(str(package)).get_resource("contracts")
    return lambda: compat.validate(resource, limit_errors=0)[0].stats["errors"]


def run_frictionless(path: Path, package: Path) -> Any:
    """Validate with frictionless itself, without a limit; MD5 and SHA-256 included."""
    import frictionless

    frictionless.Resource(b"n\n1\n", format="csv").validate()
    resource = frictionless.Package(str(package)).get_resource("contracts")
    return lambda: resource.validate(limit_errors=10**9).stats["errors"]


def run_arrow(path: Path, package: Path) -> Any:
    """Read with pyarrow.csv to texts, and check nothing."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    names = [field["name"] for field in SCHEMA["fields"]]
    convert = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    read = arrow_csv.ReadOptions(use_threads=False, block_size=1 << 20)
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    pa.array(["a"]).cast(pa.large_string())
    return lambda: sum(
        batch.num_rows for batch in arrow_csv.open_csv(path, read, parse, convert)
    )


def run_reader(path: Path, package: Path) -> Any:
    """Read with csv.reader, and check nothing."""

    def read() -> int:
        with path.open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.reader(file))

    return read


def run_polars(path: Path, package: Path) -> Any:
    """Read with Polars to texts; check types, bounds and enums, no rows named."""
    import polars as pl

    def read() -> int:
        frame = pl.scan_csv(path, infer_schema=False).select(
            bad=pl.col("district_no")
            .cast(pl.Int64, strict=False)
            .is_between(0, 99)
            .not_()
            .sum()
            + pl.col("kind").is_in(list(TYPES)).not_().sum()
            + (pl.col("amount_rial").cast(pl.Int64, strict=False) < 0).sum()
            + pl.col("sign_date").str.to_date("%Y-%m-%d", strict=False).is_null().sum()
            + pl.col("city_code").str.contains("^[0-9]{4}$").not_().sum(),
            twice=pl.len() - pl.struct("city_code", "contract_id").n_unique(),
        )
        return int(frame.collect()["bad"][0])

    return read


def run_duckdb(path: Path, package: Path) -> Any:
    """Read with DuckDB to texts and count what casts and checks refuse."""
    import duckdb

    query = f"""SELECT count(*) FILTER (try_cast(district_no AS BIGINT) IS NULL)
      + count(*) FILTER (NOT regexp_full_match(city_code, '[0-9]{{4}}'))
      + count(*) FILTER (coalesce(try_cast(amount_rial AS BIGINT), -1) < 0)
      + count(*) FILTER (try_cast(sign_date AS DATE) IS NULL)
      + count(*) - count(DISTINCT (city_code, contract_id))
      FROM read_csv('{path}', all_varchar=true)"""  # noqa: S608 - a path of ours
    connection = duckdb.connect(config={"threads": "1"})
    return lambda: int(connection.execute(query).fetchall()[0][0])


CONTENDERS: dict[str, Callable[[Path, Path], Any]] = {
    "strict": run_strict,
    "compat": run_compat,
    "frictionless": run_frictionless,
    "pyarrow.csv": run_arrow,
    "csv.reader": run_reader,
    "polars": run_polars,
    "duckdb": run_duckdb,
}
CANNOT = {
    "pyarrow.csv": "checks nothing",
    "csv.reader": "checks nothing",
    "polars": "no rows named, no foreign key, ragged rows cut silently",
    "duckdb": "no rows named, no foreign key, casts 0x1F and 1e3 to integers",
}


def measure(name: str, path: Path) -> dict[str, Any]:
    """Run one contender in this process; return its CPU and wall seconds and memory."""
    call = CONTENDERS[name](path, path.with_suffix(".json"))
    before = resource.getrusage(resource.RUSAGE_SELF)
    base_kib = before.ru_maxrss
    wall = time.perf_counter()
    result = call()
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = (after.ru_maxrss - base_kib) / 1024
    return {"name": name, "cpu": cpu, "wall": wall, "mib": memory, "result": result}


def compare(names: list[str], folder: Path, rows: int, case: str, rounds: int) -> None:
    """Run the contenders in rotated order; print the table of medians and ratios."""
    path = generate(folder, rows, case)
    small_rows = min(rows, ORACLE_ROWS_MAX)
    small = generate(folder, small_rows, case)
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            used = small if name == "frictionless" else path
            run = subprocess.run(
                [sys.executable, __file__, "--measure", name, "--file", str(used)],
                capture_output=True,
                check=True,
                text=True,
            )
            figures[name].append(json.loads(run.stdout.splitlines()[-1]))
    print(f"{case}, {rows:,} rows, {path.stat().st_size / 1e6:.0f} MB, {rounds} rounds")
    medians = {}
    for name, runs in figures.items():
        scale = rows / small_rows if name == "frictionless" else 1
        medians[name] = statistics.median(run["cpu"] for run in runs) * scale
    print(
        f"{'contender':14} {'CPU s':>8} {'÷ strict':>9} {'wall s':>8} {'MiB':>6} "
        f" result"
    )
    unit = medians.get("strict") or next(iter(medians.values()))
    for name, cpu in medians.items():
        wall = statistics.median(run["wall"] for run in figures[name])
        mib = statistics.median(run["mib"] for run in figures[name])
        note = f"  ({CANNOT[name]})" if name in CANNOT else ""
        note += f"  (of {small_rows:,} rows)" if name == "frictionless" else ""
        result = figures[name][0]["result"]
        print(
            f"{name:14} {cpu:8.2f} {cpu / unit:9.2f} {wall:8.2f} {mib:6.0f} "
            f" {result}{note}"
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--case", choices=("clean", "few", "half"), default="clean")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(CONTENDERS))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", choices=sorted(CONTENDERS))
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.file)))
        return
    names = given.only or list(CONTENDERS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        compare(names, folder, given.rows, given.case, given.rounds)


if __name__ == "__main__":
    main()
