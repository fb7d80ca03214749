"""Measure storage (bars of storage 11.3 and 11.5) on a synthetic table of 17 columns.

    .venv/bin/python tools/bench_storage.py [rows]

Prints, in this order: sizes and times of writing and reading; new bytes of edited
versions; the time of a diff as a multiple of the time of reading both versions.
"""

import gzip
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from shahrdad.node.store.contract import Area
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table.diff import TableDiff
from shahrdad.node.table.parquet import TableInfo, WrittenTable, write_table
from shahrdad.node.table.reading import open_table

ROWS = 1_000_000
INFO = TableInfo("", "", "city/bench", "bench", ("line_code",))


def table(rows: int) -> pa.Table:
    """Return a table of 17 columns, sorted by one key column."""
    rng = np.random.default_rng(1404)

    def words(stem: str, kinds: int) -> pa.Array:
        words = pa.array([f"{stem} {number}" for number in range(kinds)])
        return words.take(pa.array(rng.integers(0, kinds, rows)))

    def amounts() -> pa.Array:
        return pa.array(rng.integers(0, 10**7, rows) * 10**5)

    lines = pc.utf8_lpad(pa.array(np.arange(rows) * 3).cast(pa.string()), 9, "0")
    return pa.table(
        {
            "line_code": lines,
            "city_code": words("13", 1),
            "fiscal_year": pa.array(rng.integers(1398, 1405, rows)),
            "side": words("s", 2),
            "program": words("برنامهٔ توسعهٔ حمل‌ونقل", 40),
            "org_unit_id": words("org", 200),
            "district": words("منطقه", 22),
            "title": words("بهسازی و نوسازی معابر محله", 20_000),
            "contractor": words("شرکت عمرانی پیمان‌سازان", 2_000),
            "status": words("وضعیت", 5),
            "approved_rial": amounts(),
            "amended_rial": amounts(),
            "actual_rial": amounts(),
            "share_percent": pa.array(rng.random(rows).round(3)),
            "as_of_date": pa.array(rng.integers(19_000, 20_000, rows)).cast(
                pa.int32()
            ).cast(pa.date32()),
            "is_subtotal": pa.array(rng.random(rows) < 0.03),
            "note": words("توضیح", 300),
        }
    )  # fmt: skip


@contextmanager
def timed(label: str) -> Iterator[list[float]]:
    """Print how long something took."""
    seconds: list[float] = []
    began = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - began)
    print(f"{label}: {seconds[0]:.2f} s")


def compressed_csv(rows: pa.Table) -> int:
    """Return the size of the table as CSV.gz."""
    plain = io.BytesIO()
    pyarrow.csv.write_csv(rows, plain)
    return len(gzip.compress(plain.getvalue(), 6))


def edits(rows: pa.Table) -> dict[str, Callable[[], pa.Table]]:
    """Return the edited versions, by name."""
    count = len(rows)
    rng = np.random.default_rng(7)
    some = rng.choice(count, 1_000, replace=False)

    def cells(places: np.ndarray) -> pa.Table:
        values = rows["actual_rial"].to_numpy().copy()
        values[places] = 7
        index = rows.schema.get_field_index("actual_rial")
        return rows.set_column(index, "actual_rial", pa.array(values))

    def inserted(places: np.ndarray) -> pa.Table:
        fresh = rows.take(pa.array(np.sort(places)))
        codes = pc.binary_join_element_wise(fresh["line_code"], "x", "")
        return pa.concat_tables([rows, fresh.set_column(0, "line_code", codes)])

    def appended() -> pa.Table:
        tail = rows.slice(0, count // 100)
        codes = pc.binary_join_element_wise("9", tail["line_code"], "")
        return pa.concat_tables([rows, tail.set_column(0, "line_code", codes)])

    return {
        "append 1 %": appended,
        "1 row in the middle": lambda: inserted(np.array([count // 2])),
        "1,000 contiguous cells": lambda: cells(
            np.arange(count // 3, count // 3 + 1000)
        ),
        "1,000 random cells of one column": lambda: cells(some),
        "1,000 rows inserted at random": lambda: inserted(some),
    }


def main() -> None:
    """Measure and print."""
    rows = table(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))

        def write(version: pa.Table) -> WrittenTable:
            batches = version.to_batches(65_536)
            return write_table(batches, version.schema, INFO, store, Area.OBJECT)

        def read(version: WrittenTable) -> None:
            for _ in open_table(store, version.parts).batches():
                pass

        with timed("write"):
            old = write(rows)
        share = old.bytes / compressed_csv(rows)
        print(
            f"{old.bytes / 1e6:.1f} MB in {len(old.parts)} parts, {share:.2f} of CSV.gz"
        )
        for name, edit in edits(rows).items():
            new = write(edit())
            known = {part.digest for part in old.parts}
            fresh = sum(part.bytes for part in new.parts if part.digest not in known)
            began = time.perf_counter()
            read(old)
            read(new)
            both = time.perf_counter() - began
            with timed(
                f"{name}: {100 * fresh / new.bytes:.1f} % new bytes, diff"
            ) as took:
                TableDiff(
                    open_table(store, old.parts), open_table(store, new.parts)
                ).run()
            print(f"  = {took[0] / both:.2f} of reading both ({both:.2f} s)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the whole run: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
