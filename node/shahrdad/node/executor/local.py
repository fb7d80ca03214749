"""`local`: a pool of processes on this computer, one fewer than it has cores.

A worker that dies breaks the whole pool, and nobody can say which task killed it. So
the pool is made anew, and the tasks that were running then are run one at a time; one
that kills its worker alone `STRIKES_MAX` times fails.
"""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.node.executor.tasks import OnDone, Result, Task, perform

if TYPE_CHECKING:
    from shahrdad.node.store.contract import ObjectStore

STRIKES_MAX = 3
POLL_SECONDS = 0.5  # between looks at `cancel`
_store: "ObjectStore | None" = None  # of this worker process


class LocalExecutor:
    """A process pool.

    Args:
        config: The node's configuration file: where the object store is.
        workers: Processes; None = one fewer than cores.
    """

    def __init__(self, config: Path, workers: int | None = None) -> None:
        self._config = config
        self._workers = workers or max(1, (os.cpu_count() or 2) - 1)
        self._kept: ProcessPoolExecutor | None = None  # between two runs

    def run(
        self, tasks: Iterable[Task], *, on_done: OnDone, cancel: threading.Event
    ) -> None:
        """Run tasks; see `Executor`."""
        waiting, alone = deque(tasks), deque[Task]()
        strikes: dict[str, int] = {}
        pool, self._kept = self._kept or self._pool(), None
        running: dict[Future[Result], Task] = {}
        sound = False
        try:
            while (waiting or alone or running) and not cancel.is_set():
                whole = self._submit(pool, waiting, alone, running)
                done, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
                if whole and not any(
                    isinstance(one.exception(), BrokenProcessPool) for one in done
                ):
                    for future in done:
                        on_done(running.pop(future), future.result())
                    continue
                for future in [one for one in done if one.exception() is None]:
                    on_done(running.pop(future), future.result())
                alone.extend(_strike(running.values(), strikes))
                running = {}
                pool.shutdown(wait=False, cancel_futures=True)
                pool = self._pool()
            sound = not cancel.is_set()
        finally:
            if sound:
                self._kept = pool
            else:
                pool.shutdown(wait=not cancel.is_set(), cancel_futures=True)

    def close(self) -> None:
        """End the processes that wait for another run."""
        if self._kept is not None:
            self._kept.shutdown()
            self._kept = None

    def _submit(
        self,
        pool: ProcessPoolExecutor,
        waiting: deque[Task],
        alone: deque[Task],
        running: dict[Future[Result], Task],
    ) -> bool:
        """Give the pool what it can do now: suspects one at a time, and first.

        Returns False where the pool broke meanwhile; the task is waiting still.
        """
        # One more than there are processes: none waits while a result is taken in.
        source, room = (alone, 1) if alone else (waiting, self._workers + 1)
        while source and len(running) < room:
            task = source[0]
            try:
                future = pool.submit(_perform, task.function, dict(task.arguments))
            except BrokenProcessPool:
                return False
            source.popleft()
            running[future] = task
            if source is alone:
                break
        return True

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers,
            # Never fork: threads of Arrow and gRPC do not survive it.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_open_store,
            initargs=(str(self._config),),
        )


def _strike(tasks: Iterable[Task], strikes: dict[str, int]) -> list[Task]:
    """Count against the tasks that ran when the pool broke; return them.

    Raises:
        UnavailableError: TASK_KILLED.
    """
    suspects = list(tasks)
    for task in suspects:
        # Only one that was alone is surely it; the first strike is for being there.
        if len(suspects) == 1 or task.id not in strikes:
            strikes[task.id] = strikes.get(task.id, 0) + 1
        if strikes[task.id] >= STRIKES_MAX:
            raise UnavailableError(
                Reason.TASK_KILLED,
                task=task.id[:12],
                times=STRIKES_MAX,
                file=str(task.arguments.get("file_name", "")),
            )
    return suspects


def _open_store(config: str) -> None:
    """Open the object store, once a worker process."""
    global _store
    from shahrdad.node.configured_store import open_configured

    _store = open_configured(Path(config))


def _perform(function: str, arguments: Mapping[str, Any]) -> Result:
    """Do a task in a worker process."""
    if _store is None:
        raise RuntimeError("the worker was not set up")
    return perform(function, arguments, _store)
