"""Measure validation against its peers: ratios of CPU time within one run.

    python tools/bench_validate.py --rows 1000000 --rounds 5
    python tools/bench_validate.py --case half --only strict compat frictionless
    python tools/bench_validate.py --form xlsx --only strict frictionless
    python tools/bench_validate.py --rows 10000 --first --only strict frictionless
    python tools/bench_validate.py --rows 10000000 --memory

Every contender runs in a process of its own, in rotated order, in each round; medians
of user + system time are compared, less the time of its imports. frictionless is
measured at 100,000 rows at most: its cost per row is constant. Peers that are not
installed beside us come from `.venv-peers`, which `--peers` makes.
"""

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from contracts_table import (  # type: ignore[import-not-found]
    CASES,
    SCHEMA,
    TYPES,
    generate,
)

ORACLE_ROWS_MAX = 100_000
PEERS_FOLDER = Path(__file__).parent.parent / ".venv-peers"
PEERS = ("polars", "pandera[polars]", "duckdb", "fairspec")

Run = Callable[[], int]
FIRST = "--first" in sys.argv  # measure the first call after the imports


class WithoutPandas(MetaPathFinder):
    """Hides pandas: pyarrow loads it wherever it is installed; we do not need it."""

    def find_spec(
        self, fullname: str, path: object, target: object = None, /
    ) -> ModuleSpec | None:
        """Refuse pandas, and leave the other modules to the next finder."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)
        return None


def our_run(path: Path, **more: Any) -> Run:
    """Return a run of our strict mode with options and arguments."""
    from shahrdad.validators import Options, Ref, validate

    refs = {"suppliers": Ref(path.parent / "suppliers.csv")}
    options = Options(**{"explain": False, "threads": 1, **more.pop("options", {})})
    if not FIRST:
        validate(b"n\n1\n", schema={"fields": [{"name": "n", "type": "integer"}]})
    schema = more.pop("schema", SCHEMA)
    return lambda: (
        validate(path, schema=schema, refs=refs, options=options, **more).error_count
    )


def run_strict(path: Path) -> Run:
    """Validate with our strict mode, no hash: what the raw reader is compared with."""
    return our_run(path, options={"hashes": ()})


def run_hashed(path: Path) -> Run:
    """Validate with our strict mode; SHA-256 of the source included."""
    return our_run(path)


def run_threads(path: Path) -> Run:
    """Validate with our strict mode, SHA-256, and a second thread that reads ahead."""
    return our_run(path, options={"threads": 2})


def run_parquet(path: Path) -> Run:
    """Validate with our strict mode; SHA-256 and typed Parquet in the same pass."""
    return our_run(path, parquet=path.parent / "out.parquet")


def run_listed(path: Path) -> Run:
    """Validate with our strict mode, SHA-256, and make the error table."""
    return our_run(path, options={"explain": True})


def run_normalised(path: Path) -> Run:
    """Validate as a standard of ours: all steps for Persian texts, all common rules."""
    return our_run(
        path,
        schema=standard_schema(),
        profile={"money_unit": "rial", "calendar": "gregorian"},
    )


def standard_schema() -> dict[str, Any]:
    """Return the schema as one of ours: codes, money and dates are declared."""
    codes, days = ("contract_id", "city_code", "supplier_id"), ("sign_date", "end_date")
    kinds = {
        **dict.fromkeys(codes, "code"),
        **dict.fromkeys(days, "date"),
        "amount_rial": "money",
    }
    fields = [
        {**field, "shahrdad": {"kind": kinds[field["name"]]}}
        if field["name"] in kinds
        else field
        for field in SCHEMA["fields"]
    ]
    own = {"standard": "contracts", "version": "1.0.0"}
    return {**SCHEMA, "fields": fields, "shahrdad": own}


def run_compat(path: Path) -> Run:
    """Validate with our compat mode, without a limit; MD5 and SHA-256 included."""
    import frictionless

    from shahrdad.validators import compat

    warm: Any = frictionless.Resource(b"n\n1\n", format="csv")
    if not FIRST:
        compat.validate(warm)
    resource: Any = frictionless.Package(f"{path}.json").get_resource("contracts")
    return lambda: int(compat.validate(resource, limit_errors=0)[0].stats["errors"])


def run_bulk(path: Path) -> Run:
    """Validate with our compat mode, without a limit, and make the error table."""
    import frictionless

    from shahrdad.validators.compat_bulk import validate_bulk

    if not FIRST:
        validate_bulk(frictionless.Resource(b"n\n1\n", format="csv"))
    resource: Any = frictionless.Package(f"{path}.json").get_resource("contracts")
    return lambda: int(validate_bulk(resource)[0].error_table.num_rows)


def run_frictionless(path: Path) -> Run:
    """Validate with frictionless itself, without a limit; MD5 and SHA-256 included."""
    import frictionless

    if not FIRST:
        frictionless.Resource(b"n\n1\n", format="csv").validate()
    resource: Any = frictionless.Package(f"{path}.json").get_resource("contracts")
    return lambda: int(resource.validate(limit_errors=10**9).stats["errors"])


def run_arrow(path: Path) -> Run:
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


def run_reader(path: Path) -> Run:
    """Read with csv.reader, and check nothing."""

    def read() -> int:
        with path.open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.reader(file))

    return read


def run_polars(path: Path) -> Run:
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


def run_duckdb(path: Path) -> Run:
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


def run_pandera(path: Path) -> Run:
    """Read with Polars and validate with pandera, lazily: all failures gathered."""
    import pandera.polars as pan  # type: ignore[import-not-found]
    import polars as pl

    texts = {"contract_id": r"^[A-Z]{2}-[0-9]{4}-[0-9]{7}$", "city_code": "^[0-9]{4}$"}
    columns: Any = {
        name: pan.Column(str, pan.Check.str_matches(pattern))
        for name, pattern in texts.items()
    }
    columns["district_no"] = pan.Column(pl.Int64, pan.Check.in_range(0, 99))
    columns["kind"] = pan.Column(str, pan.Check.isin(list(TYPES)))
    columns["amount_rial"] = pan.Column(pl.Int64, pan.Check.ge(0))
    columns["progress"] = pan.Column(
        pl.Float64, pan.Check.in_range(0, 100), nullable=True
    )
    columns["sign_date"] = pan.Column(pl.Date)
    schema = pan.DataFrameSchema(columns, unique=["city_code", "contract_id"])

    def read() -> int:
        frame = pl.read_csv(path, try_parse_dates=True, schema_overrides={
            "city_code": pl.String, "supplier_id": pl.String})  # fmt: skip
        try:
            schema.validate(frame, lazy=True)
        except pan.errors.SchemaErrors as error:
            return int(error.failure_cases.height)
        return 0

    return read


def run_fairspec(path: Path) -> Run:
    """Validate with fairspec, which has Polars inside."""
    import fairspec  # type: ignore[import-not-found]

    schema = {
        "properties": {
            f["name"]: {"type": "string" if f["type"] == "date" else f["type"]}
            for f in SCHEMA["fields"]
        },
        "primaryKey": SCHEMA["primaryKey"],
    }
    table = fairspec.Resource(data=str(path), tableSchema=schema)
    return lambda: len(fairspec.validate_table(table).errors)


CONTENDERS: dict[str, Callable[[Path], Run]] = {
    "strict": run_strict,
    "hashed": run_hashed,
    "threads": run_threads,
    "parquet": run_parquet,
    "listed": run_listed,
    "normalised": run_normalised,
    "compat": run_compat,
    "bulk": run_bulk,
    "frictionless": run_frictionless,
    "pyarrow.csv": run_arrow,
    "csv.reader": run_reader,
    "polars": run_polars,
    "duckdb": run_duckdb,
    "pandera": run_pandera,
    "fairspec": run_fairspec,
}
NOTES = {
    "strict": "no hash, one thread",
    "hashed": "SHA-256, one thread",
    "threads": "SHA-256, two threads",
    "parquet": "SHA-256 and typed Parquet in the same pass",
    "listed": "SHA-256 and the error table",
    "normalised": "SHA-256, a standard: normalisation, common rules",
    "compat": "MD5 and SHA-256",
    "bulk": "compat, MD5 and SHA-256, the error table",
    "frictionless": "MD5 and SHA-256",
    "pyarrow.csv": "checks nothing",
    "csv.reader": "checks nothing",
    "polars": "no rows named, no foreign key, ragged rows cut silently",
    "duckdb": "no rows named, no foreign key, casts 0x1F and 1e3 to integers",
    "pandera": "no file rows named, no foreign key, fails at the first bad cast",
    "fairspec": "types and the key alone; needs Python 3.12",
}
NEEDS = {name: name for name in ("polars", "duckdb", "pandera", "fairspec")}


def measure(name: str, path: Path) -> dict[str, Any]:
    """Run one contender in this process; return its CPU and wall seconds and memory."""
    if FIRST:
        sys.meta_path.insert(0, WithoutPandas())
    call = CONTENDERS[name](path)
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall = time.perf_counter()
    result = call()
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = (after.ru_maxrss - before.ru_maxrss) / 1024
    return {"name": name, "cpu": cpu, "wall": wall, "mib": memory, "result": result}


def python_for(name: str) -> str | None:
    """Return the interpreter that has what a contender needs, or None."""
    for python in (sys.executable, str(PEERS_FOLDER / "bin" / "python")):
        if name not in NEEDS:
            return sys.executable
        if not Path(python).exists():
            continue
        probe = subprocess.run([python, "-c", f"import {NEEDS[name]}"], check=False,
                               capture_output=True)  # fmt: skip
        if probe.returncode == 0:
            return python
    return None


def make_peers() -> None:
    """Make the environment of the peers; one that cannot be had is said."""
    venv.create(PEERS_FOLDER, with_pip=True)
    for peer in PEERS:
        install = [str(PEERS_FOLDER / "bin" / "python"), "-m", "pip", "install", "-q"]
        done = subprocess.run([*install, peer], check=False)
        if done.returncode:
            print(f"{peer} cannot be installed here")


def gather(
    names: list[str], paths: dict[str, Path], rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Run every contender once in each round, in rotated order."""
    pythons = {name: python_for(name) for name in names}
    for name in [name for name, python in pythons.items() if python is None]:
        print(f"{name} is not installed: not measured (--peers installs it)")
        names = [other for other in names if other != name]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            measured = ["--measure", name, "--file", str(paths[name])]
            measured += ["--first"] * FIRST
            run = subprocess.run(
                [str(pythons[name]), __file__, *measured],
                capture_output=True,
                check=False,
                text=True,
            )
            if run.returncode:
                print(f"{name} failed: {run.stderr.strip().splitlines()[-1:]}")
                continue
            found[name].append(json.loads(run.stdout.splitlines()[-1]))
    return {name: runs for name, runs in found.items() if runs}


def compare(given: argparse.Namespace, folder: Path) -> None:
    """Run the contenders; print the table of medians and ratios, in Markdown."""
    names = given.only or list(CONTENDERS)
    path = generate(folder, given.rows, given.case, given.form)
    small_rows = min(given.rows, ORACLE_ROWS_MAX)
    small = generate(folder, small_rows, given.case, given.form)
    paths = {name: small if name == "frictionless" else path for name in names}
    found = gather(names, paths, given.rounds)
    scale = {name: given.rows / small_rows if name == "frictionless" else 1.0
             for name in found}  # fmt: skip
    cpu = {
        name: statistics.median(run["cpu"] for run in runs) * scale[name]
        for name, runs in found.items()
    }
    wall = {
        name: statistics.median(run["wall"] for run in runs) * scale[name]
        for name, runs in found.items()
    }
    size = path.stat().st_size / 1e6
    print(f"{given.case}, {given.rows:,} rows, {size:.0f} MB, {given.rounds} rounds\n")
    print("| contender | CPU s | ÷ strict | ÷ pyarrow.csv | wall s | MiB | result | |")
    print("|---|---|---|---|---|---|---|---|")
    for name, runs in found.items():
        mib = statistics.median(run["mib"] for run in runs)
        ratios = [
            f"{cpu[name] / cpu[unit]:.2f}" if unit in cpu else "–"
            for unit in ("strict", "pyarrow.csv")
        ]
        note = NOTES[name] + (f"; of {small_rows:,} rows" * (scale[name] > 1))
        print(
            f"| {name} | {cpu[name]:.2f} | {ratios[0]} | {ratios[1]} | "
            f"{wall[name]:.2f} | {mib:.0f} | {runs[0]['result']} | {note} |"
        )


def remember(folder: Path, rows: int) -> None:
    """Validate a large table; print its memory over the base, and its rate."""
    from shahrdad.validators import Options, Ref, validate

    path = generate(folder, rows, "clean")
    our_run(path)
    base = peak_kib()
    marks: list[tuple[int, float]] = []
    refs = {"suppliers": Ref(folder / "suppliers.csv")}
    started = time.process_time()
    report = validate(
        path,
        schema=SCHEMA,
        refs=refs,
        options=Options(explain=False),
        on_progress=lambda seen: marks.append((seen.rows, time.process_time())),
    )
    cpu = time.process_time() - started
    peak = (peak_kib() - base) >> 10
    verdict = "valid" if report.valid else "not valid"
    print(f"{report.rows:,} rows, {verdict}: {cpu:.1f} CPU-s, peak +{peak} MiB")
    tenth, last = max(1, rows // 10), marks[0]
    for mark in marks:
        if mark[0] - last[0] >= tenth:
            rate = (mark[1] - last[1]) / (mark[0] - last[0]) * 1e6
            print(f"  to row {mark[0]:>12,}: {rate:.2f} µs of CPU a row")
            last = mark


def peak_kib() -> int:
    """Return the most memory that this process has held, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--case", choices=CASES, default="clean")
    parser.add_argument("--form", choices=("csv", "xlsx"), default="csv")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(CONTENDERS))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--first", action="store_true", help="without a call before")
    parser.add_argument("--measure", choices=sorted(CONTENDERS))
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.file)))
        return
    if given.peers:
        make_peers()
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        if given.memory:
            remember(folder, given.rows)
        else:
            compare(given, folder)


if __name__ == "__main__":
    main()
