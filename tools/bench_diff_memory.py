"""Measure the memory of a diff of two large versions (bar of storage 11.5).

    .venv/bin/python tools/bench_diff_memory.py [rows]

The versions are written part by part by a process of their own, so that what this one
takes at its peak is the diff's alone.
"""

import multiprocessing
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.node.store.contract import Area, put_bytes
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table.diff import TableDiff
from shahrdad.node.table.parquet import Part, encode_part
from shahrdad.node.table.reading import open_table
from shahrdad.node.table.schema import TableInfo, published_schema

ROWS = 10_000_000
PART_ROWS = 20_480
INFO = TableInfo("", "", "city/bench", "bench", ("line_code",))
CHANGED = 7  # every so many parts have a changed cell


def rows_of(start: int, count: int, *, changed: bool) -> pa.Table:
    """Return some rows of eight columns; in a changed part one amount is another."""
    rng = np.random.default_rng(start)
    words = pa.array([f"بهسازی معابر محله {number}" for number in range(2_000)])
    amounts = {name: rng.integers(0, 10**12, count) for name in ("a", "b", "c", "d")}
    if changed and (start // PART_ROWS) % CHANGED == 0:
        amounts["c"][count // 2] += 1
    lines = pc.utf8_lpad(
        pa.array(np.arange(start, start + count)).cast("string"), 9, "0"
    )
    return pa.table(
        {
            "line_code": lines,
            "title": words.take(pa.array(rng.integers(0, 2_000, count))),
            "share_percent": pa.array(rng.random(count)),
            "district": pa.array(rng.integers(1, 23, count)),
            **{f"{name}_rial": pa.array(values) for name, values in amounts.items()},
        }
    )


def write(folder: str, rows: int) -> list[list[Part]]:
    """Write both versions, part by part; return what their records would list."""
    store = LocalStore(Path(folder))
    found: list[list[Part]] = []
    for changed in (False, True):
        parts = []
        for start in range(0, rows, PART_ROWS):
            part = rows_of(start, min(PART_ROWS, rows - start), changed=changed)
            part = part.cast(published_schema(part.schema, INFO, 8_192))
            data = encode_part(part.combine_chunks(), INFO, single=False)
            digest = put_bytes(store, Area.OBJECT, data)
            first = (part["line_code"][0].as_py(),)
            parts.append(Part(digest, len(data), part.num_rows, first))
        found.append(parts)
    return found


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            versions = pool.apply(write, (folder, rows))
        store = LocalStore(Path(folder))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        old, new = (open_table(store, parts) for parts in versions)
        found = TableDiff(old, new).run()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        # Parts of equal digests are never read: now every part is compared by key.
        whole = TableDiff(
            open_table(store, versions[0]), open_table(store, versions[1])
        )
        for page in whole._merge(list(old.parts), list(new.parts)):
            del page
        merged = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{rows} rows, {len(old.parts)} parts, {found.changed} rows changed")
    print(
        f"peak: {before} MiB before, {after} MiB aligned, {merged} MiB matched by key"
    )


if __name__ == "__main__":
    main()
