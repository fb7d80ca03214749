"""Running tasks so that what they made is there, and stays.

A worker has no database to name its objects in, so the coordinator names them as the
results come. An object that a task only found, unnamed and old, may have been collected
in between; then the task runs once more, and finds its objects named.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.executor.judging import table_of
from shahrdad.node.executor.task_store import Remembering, TaskStore
from shahrdad.node.executor.tasks import Executor, Result, Task
from shahrdad.node.store.collection import refer
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.node.city import Node

OnCount = Callable[[int], None]


def objects_of(result: Result) -> list[tuple[Area, Digest]]:
    """Return the objects that a task says it made."""
    if "objects" in result:
        return [(Area(area), Digest.parse(name)) for area, name in result["objects"]]
    if result["state"] == "unreadable":
        return []
    area = Area.OBJECT if result["state"] == "valid" else Area.PRIVATE
    found = [(area, Digest.parse(result["report"]))]
    parts = table_of(result["table"]).parts if "table" in result else ()
    return [*found, *((Area.OBJECT, part.digest) for part in parts)]


def made(node: "Node", owner: str, result: Result) -> bool:
    """Name what a task made, then look whether it is there."""
    named = objects_of(result)
    connection = node.database.connect()
    for area, digest in named:
        refer(connection, area, digest, "job", owner)
    return all(node.store.stat(*name) is not None for name in named)


def run_all(
    node: "Node",
    owner: str,
    executor: Executor,
    tasks: Sequence[Task],
    cancel: threading.Event,
    on_count: OnCount = lambda count: None,
) -> list[Result] | None:
    """Run tasks, or take what is remembered of them.

    Args:
        node: Names and remembers what they made.
        owner: What names their objects, until it is released.
        executor: Runs them.
        tasks: The tasks.
        cancel: Ends the run.
        on_count: Told how many are done.

    Returns:
        The results, in the order of the tasks; None when the run was ended.
    """
    results: dict[str, Result] = {}
    lost: list[Task] = []

    def settle(task: Task, result: Result) -> None:
        results[task.id] = result
        on_count(len(results))

    def receive(task: Task, result: Result) -> None:
        if made(node, owner, result):
            settle(task, result)
        else:
            lost.append(task)

    store = TaskStore(node.database)
    Remembering(executor, store).run(tasks, on_done=receive, cancel=cancel)
    if lost and not cancel.is_set():

        def receive_again(task: Task, result: Result) -> None:
            made(node, owner, result)
            store.keep(task.id, result)
            settle(task, result)

        executor.run(lost, on_done=receive_again, cancel=cancel)
    if any(task.id not in results for task in tasks):
        return None
    return [results[task.id] for task in tasks]
