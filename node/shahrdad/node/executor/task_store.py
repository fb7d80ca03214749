"""Results of tasks, kept in the node's database: a killed run goes on where it was."""

import json
import threading
from collections.abc import Iterable

from shahrdad.node.database import Database
from shahrdad.node.executor.tasks import Executor, OnDone, Result, Task

MIGRATIONS = (
    """
CREATE TABLE task(
  id TEXT PRIMARY KEY,               -- SHA-256 of function, arguments and software
  at TEXT NOT NULL,
  result TEXT NOT NULL               -- JSON: digests of what it made
) STRICT, WITHOUT ROWID;
""",
)
KEPT_DAYS = 2  # shorter than the grace of collection, which keeps what a task made


class TaskStore:
    """Remembered results.

    Args:
        database: The node's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def result(self, task_id: str) -> Result | None:
        """Return what a task made, or None."""
        row = (
            self._database.connect()
            .execute("SELECT result FROM task WHERE id=?", (task_id,))
            .fetchone()
        )
        return None if row is None else json.loads(row[0])

    def keep(self, task_id: str, result: Result) -> None:
        """Remember what a task made; old results are forgotten."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM task WHERE at < strftime('%Y-%m-%dT%H:%M:%SZ','now',?)",
                (f"-{KEPT_DAYS} days",),
            )
            connection.execute(
                "INSERT OR REPLACE INTO task(id, at, result)"
                " VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ','now'), ?)",
                (task_id, json.dumps(result, ensure_ascii=False)),
            )


class Remembering:
    """An executor that asks the task store first, and tells it what was done.

    Args:
        executor: Runs what is not remembered.
        results: The task store.
    """

    def __init__(self, executor: Executor, results: TaskStore) -> None:
        self._executor, self._results = executor, results

    def run(
        self, tasks: Iterable[Task], *, on_done: OnDone, cancel: threading.Event
    ) -> None:
        """Run tasks; see `Executor`."""
        missing = []
        for task in tasks:
            known = self._results.result(task.id)
            if known is None:
                missing.append(task)
            else:
                on_done(task, known)

        def keep(task: Task, result: Result) -> None:
            self._results.keep(task.id, result)
            on_done(task, result)

        if missing and not cancel.is_set():
            self._executor.run(missing, on_done=keep, cancel=cancel)

    def close(self) -> None:
        """End what runs between one `run` and the next."""
        self._executor.close()
