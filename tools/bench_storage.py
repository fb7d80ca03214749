"""Measure storage (bars of storage 11.3 and 11.5) on a synthetic table of 17 columns.

    .venv/bin/python tools/bench_storage.py [rows] [--xlsx]

Prints, in this order: sizes beside CSV, CSV.gz and XLSX; the bytes that a filtered
read takes by ranges; new bytes of edited versions; the time of a diff as a multiple of
the time in which pyarrow reads both versions whole. Times are CPU seconds of the
process, which other work on the machine hardly changes.
"""

import argparse
import gzip
import io
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from shahrdad.node.http.exports.workbook import write_workbook
from shahrdad.node.store.contract import Area, read_bytes
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table.diff import TableDiff
from shahrdad.node.table.parquet import TableInfo, WrittenTable, write_table
from shahrdad.node.table.reading import open_table

ROWS = 1_000_000
BUDGET_ROWS = 300_000
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


def other_sizes(rows: pa.Table, *, workbook: bool) -> dict[str, int]:
    """Return the bytes of a table in the formats that cities have."""
    plain = io.BytesIO()
    pyarrow.csv.write_csv(rows, plain)
    found = {
        "CSV": len(plain.getvalue()),
        "CSV.gz": len(gzip.compress(plain.getvalue(), 6)),
    }
    if workbook:  # two minutes for a million rows
        book = io.BytesIO()
        names = rows.schema.names
        write_workbook(iter(rows.to_batches()), rows.schema, names, [], book, "en")
        found["XLSX"] = len(book.getvalue())
    return found


def as_budgets(rows: pa.Table) -> pa.Table:
    """Return rows with amounts of two significant digits, some of them zero."""
    rng = np.random.default_rng(3)
    found = rows
    for name, zeros in (("approved", 0.1), ("amended", 0.3), ("actual", 0.2)):
        values = np.exp(rng.normal(8, 2.2, len(rows)))
        unit = 10 ** np.maximum(np.floor(np.log10(np.maximum(values, 1))) - 1, 0)
        amounts = (np.round(values / unit) * unit).astype(np.int64) * 1_000_000
        amounts[rng.random(len(rows)) < zeros] = 0
        place = found.schema.get_field_index(f"{name}_rial")
        found = found.set_column(place, f"{name}_rial", pa.array(amounts))
    return found


class Ranges(io.BytesIO):
    """A file that counts what is read of it, as a server of ranges would send it."""

    sent = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read, and count."""
        data = super().read(size)
        self.sent += len(data)
        return data


def filtered_share(rows: pa.Table, store: LocalStore) -> float:
    """Return the share of bytes that one district's amounts cost by ranges.

    The table is sorted by district, then line, as a key that begins with the district
    sorts it; a reader skips the parts by the record's `first`, and the columns and
    pages by the file's own index.
    """
    info = TableInfo("", "", "city/districts", "bench", ("district", "line_code"))
    written = write_table(
        rows.to_batches(65_536), rows.schema, info, store, Area.OBJECT
    )
    table = open_table(store, written.parts)
    wanted = rows["district"][0].as_py()
    sent = found = 0
    for part in table.choose(low=[wanted], high=[wanted]):
        file = Ranges(read_bytes(store, Area.OBJECT, part.digest, part.bytes))
        fragment = ds.ParquetFileFormat().make_fragment(pa.PythonFile(file, mode="r"))
        found += fragment.to_table(
            columns=["line_code", "approved_rial"],
            filter=ds.field("district") == wanted,
        ).num_rows
        sent += file.sent
    if found != pc.sum(pc.equal(rows["district"], wanted)).as_py():
        raise RuntimeError("the filtered read lost rows")
    return sent / written.bytes


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


def read_whole(store: LocalStore, *tables: WrittenTable) -> None:
    """Read all parts of tables with pyarrow, as anybody would."""
    for part in (part for table in tables for part in table.parts):
        digest = part.digest.hex
        pq.read_table(store.root / "object" / digest[:2] / digest)


def compare(store: LocalStore, old: WrittenTable, new: WrittenTable) -> None:
    """Read the difference of two tables to its end."""
    TableDiff(open_table(store, old.parts), open_table(store, new.parts)).run()


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the quickest of three runs."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def measure_edits(rows: pa.Table, old: WrittenTable, store: LocalStore) -> None:
    """Print the new bytes of each edited version, and what its diff costs."""
    known = {part.digest for part in old.parts}
    for name, edit in edits(rows).items():
        version = edit()
        new = write_table(
            version.to_batches(65_536), version.schema, INFO, store, Area.OBJECT
        )
        fresh = sum(part.bytes for part in new.parts if part.digest not in known)
        both = cpu_seconds(partial(read_whole, store, old, new))
        diff = cpu_seconds(partial(compare, store, old, new))
        print(
            f"{name}: {100 * fresh / new.bytes:.1f} % new bytes, diff {diff:.2f} s"
            f" = {diff / both:.2f} of reading both ({both:.2f} s)",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="?", type=int, default=ROWS)
    parser.add_argument("--xlsx", action="store_true")
    options = parser.parse_args()
    rows = table(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        with timed("write"):
            old = write_table(
                rows.to_batches(65_536), rows.schema, INFO, store, Area.OBJECT
            )
        print(f"Parquet: {old.bytes / 1e6:.1f} MB in {len(old.parts)} parts")
        for name, size in other_sizes(rows, workbook=options.xlsx).items():
            print(
                f"{name}: {size / 1e6:.1f} MB; Parquet is {old.bytes / size:.2f} of it"
            )
        some = as_budgets(rows.slice(0, BUDGET_ROWS))
        written = write_table(
            some.to_batches(65_536), some.schema, INFO, store, Area.OBJECT
        )
        for name, size in other_sizes(some, workbook=False).items():
            print(f"amounts as in budgets: {written.bytes / size:.2f} of {name}")
        share = 100 * filtered_share(rows, store)
        print(f"one district's amounts by ranges: {share:.1f} % of the bytes")
        measure_edits(rows, old, store)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the whole run: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
