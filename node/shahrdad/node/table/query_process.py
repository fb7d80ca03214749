"""The process that answers rows queries: it can be stopped, and stops itself.

`python -m shahrdad.node.table.query_process` reads requests from its input until that
ends. Each has a budget of processor time, which a signal of the system enforces, so no
loop and no library can overstay; memory is bounded for good. Whoever started it takes
its death for "too expensive".
"""

import gc
import json
import os
import resource
import select
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.store.contract import ObjectStore
from shahrdad.node.table.grouping import answer
from shahrdad.node.table.limits import (
    QUERY_CPU_SECONDS,
    QUERY_MEMORY_BYTES,
    WORKER_IDLE_SECONDS,
)
from shahrdad.node.table.query import parse
from shahrdad.node.table.query_wire import (
    error_to_json,
    page_to_bytes,
    read_frame,
    store_from_json,
    table_from_json,
    write_frame,
)
from shahrdad.node.table.reading import TableReader
from shahrdad.node.table.rows import Page
from shahrdad.node.table.stats import table_stats
from shahrdad.node.table.union import UnionTable
from shahrdad.validators.without_pandas import leave_pandas_out


def main() -> None:
    """Answer requests until nobody asks any more."""
    leave_pandas_out()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the node's matter
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    # Without a buffer: what lies in one, `select` would not see.
    source, target = os.fdopen(0, "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a log line must not stand among the answers
    first = read_frame(source)
    if first is None:
        return
    store = store_from_json(json.loads(first))
    bound_memory()
    while select.select([source], [], [], WORKER_IDLE_SECONDS)[0]:
        request = read_frame(source)
        if request is None:
            return
        serve(store, json.loads(request), target)
        gc.collect()


def serve(store: ObjectStore, request: Mapping[str, Any], target: IO[bytes]) -> None:
    """Answer one request within its budget."""
    # The default of the signal ends the process, whatever it is doing.
    signal.setitimer(signal.ITIMER_PROF, request.get("seconds", QUERY_CPU_SECONDS))
    about: dict[str, Any]
    data = b""
    try:
        table = table_from_json(store, request["table"])
        if request["pairs"] is None:
            about = {"columns": table_stats(table)}
        else:
            about, data = page_to_bytes(page_of(table, request["pairs"]))
    except ShahrdadError as error:
        about = {"error": error_to_json(error)}
    except (MemoryError, pa.ArrowMemoryError):
        about = {"memory": True}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    write_frame(target, json.dumps(about).encode())
    write_frame(target, data)


def page_of(table: TableReader, pairs: Sequence[Sequence[str]]) -> Page:
    """Return a page of a table's answer; of a union, from the datasets it can be of."""
    query = parse([(name, value) for name, value in pairs], table.schema)
    if isinstance(table, UnionTable):
        table = table.narrowed(query)
    return answer(table, query)


def bound_memory() -> None:
    """Let data grow by so much, counted from what the libraries hold already."""
    with Path("/proc/self/status").open(encoding="ascii") as status:
        held = next(
            int(line.split()[1]) for line in status if line.startswith("VmData")
        )
    bound = held * 1024 + QUERY_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))


if __name__ == "__main__":
    main()
