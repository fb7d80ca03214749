"""Rows queries in processes of their own, which are ended when they overstay.

A process starts with the first query that finds none idle, at most `WORKERS_MAX`, and
ends itself when nobody asks for a while. One that dies on a query has cost the asker a
refusal and nobody else anything.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import IO, Any

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.node.store.contract import ObjectStore
from shahrdad.node.table.limits import (
    QUERY_CPU_SECONDS,
    QUERY_MEMORY_BYTES,
    QUERY_WAIT_SECONDS,
    QUERY_WALL_SECONDS,
    STATS_CPU_SECONDS,
    WORKERS_MAX,
)
from shahrdad.node.table.query_wire import (
    error_from_json,
    page_from_bytes,
    read_frame,
    store_to_json,
    table_to_json,
    write_frame,
)
from shahrdad.node.table.reading import TableReader
from shahrdad.node.table.rows import Page

Worker = subprocess.Popen[bytes]


class QueryPool:
    """Answers queries of one store; many threads may ask at once.

    Args:
        store: Where the tables lie.
        cpu_seconds: Processor time of one query.
        served: Told how many rows each page has.
    """

    def __init__(
        self,
        store: ObjectStore,
        cpu_seconds: float = QUERY_CPU_SECONDS,
        served: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = json.dumps(store_to_json(store)).encode()
        self._cpu_seconds = cpu_seconds
        self._served = served
        self._free = threading.BoundedSemaphore(WORKERS_MAX)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._alive: list[Worker] = []
        self._finalizer = weakref.finalize(self, _end_all, self._alive)

    def answer(self, table: TableReader, pairs: Sequence[tuple[str, str]]) -> Page:
        """Return a page of an answer.

        Args:
            table: Of the pool's store.
            pairs: Names and values of the query, percent-decoded.

        Raises:
            RequestError: as `query.parse` and `grouping.answer`; QUERY_TOO_EXPENSIVE:
                too much processor time, memory or time.
            UnavailableError: NOT_READY: too many ask at once.
        """
        asked = [list(pair) for pair in pairs]
        about, rows = self._run(table, asked, self._cpu_seconds)
        page = page_from_bytes(about, rows)
        self._served(len(page.rows))
        return page

    def stats(self, table: TableReader) -> list[dict[str, Any]]:
        """Return the statistics of every column.

        Args:
            table: Of the pool's store.

        Raises:
            RequestError: QUERY_TOO_EXPENSIVE.
            UnavailableError: NOT_READY: too many ask at once.
        """
        about, _ = self._run(table, None, STATS_CPU_SECONDS)
        columns: list[dict[str, Any]] = about["columns"]
        return columns

    def close(self) -> None:
        """End every process."""
        self._finalizer()

    def _run(
        self, table: TableReader, pairs: list[list[str]] | None, seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        """Have a process do something; `pairs` is None for statistics."""
        request = {"table": table_to_json(table), "pairs": pairs, "seconds": seconds}
        data = json.dumps(request).encode()
        if not self._free.acquire(timeout=QUERY_WAIT_SECONDS):
            raise UnavailableError(Reason.NOT_READY, state="overloaded")
        try:
            about, rows = self._ask(data, seconds)
        finally:
            self._free.release()
        if "error" in about:
            raise error_from_json(about["error"])
        return about, rows

    def _ask(self, data: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a request to a process; a process that was dead already is replaced."""
        for _ in range(WORKERS_MAX + 1):
            worker = self._take()
            try:
                write_frame(_pipe(worker.stdin), data)
            except OSError:
                self._drop(worker)  # it ended itself while idle
                continue
            return self._listen(worker, seconds)
        raise UnavailableError(Reason.NOT_READY, state="overloaded")

    def _listen(self, worker: Worker, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Return a process's answer, or end it and say why there is none."""
        answers = _pipe(worker.stdout)
        until = time.monotonic() + QUERY_WALL_SECONDS
        head = rows = None
        late = False
        try:
            head = read_frame(answers, until)
            rows = None if head is None else read_frame(answers, until)
        except TimeoutError:
            late = True
        if head is None or rows is None:
            self._drop(worker)
            if late:
                raise _too_expensive(QUERY_WALL_SECONDS, "s")
            if worker.returncode == -signal.SIGPROF:
                raise _too_expensive(seconds, "s CPU")
            raise _too_expensive(QUERY_MEMORY_BYTES >> 20, "MiB")
        about: dict[str, Any] = json.loads(head)
        if "memory" in about:
            self._drop(worker)
            raise _too_expensive(QUERY_MEMORY_BYTES >> 20, "MiB")
        with self._lock:
            self._idle.append(worker)
        return about, rows

    def _take(self) -> Worker:
        """Return an idle process, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        worker = _start()
        with self._lock:
            self._alive.append(worker)
        write_frame(_pipe(worker.stdin), self._store)
        return worker

    def _drop(self, worker: Worker) -> None:
        """End a process and forget it."""
        _end(worker)
        with self._lock:
            self._alive.remove(worker)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe of a process, which each has."""
    if stream is None:
        raise RuntimeError("a worker has no pipes")
    return stream


def _too_expensive(bound: float, unit: str) -> RequestError:
    return RequestError(Reason.QUERY_TOO_EXPENSIVE, bound=f"{bound:g}", unit=unit)


def _start() -> Worker:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SHAHRDAD_")  # it needs no secret of the node
    }
    environment |= {
        # The other pools reserve memory ahead, which counts against the bound.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "shahrdad.node.table.query_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def _end(worker: Worker) -> None:
    """End a process and free its pipes."""
    if worker.poll() is None:
        worker.kill()
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # what was not sent is for nobody any more
                continue
    worker.wait()


def _end_all(workers: list[Worker]) -> None:
    while workers:
        _end(workers.pop())
