"""Tasks: what is done, with what, and a name that follows from both.

A task makes content-addressed objects and returns what it made; it never commits. So a
task that is repeated, late, or done by a worker that was thought dead is harmless. Its
inputs and outputs are digests; its id is the SHA-256 of function, arguments and
software version, so a result that is remembered is the result of that very task.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from shahrdad.federation.verify import strict_json

if TYPE_CHECKING:
    from shahrdad.node.store.contract import ObjectStore

Result = dict[str, Any]
OnDone = Callable[["Task", Result], None]
FUNCTIONS = {  # what a worker may be asked for: name → module and function
    "judge": ("shahrdad.node.executor.judging", "judge_file"),
    "judge-range": ("shahrdad.node.executor.range_tasks", "judge_range"),
    "rank-range": ("shahrdad.node.executor.range_tasks", "rank_range"),
    "write-parts": ("shahrdad.node.executor.range_tasks", "write_parts"),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work.

    Attributes:
        function: A name in `FUNCTIONS`.
        arguments: JSON; no credentials, no paths.
    """

    function: str
    arguments: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The task's name."""
        named = {
            "function": self.function,
            "arguments": dict(self.arguments),
            "software": software(),
        }
        return hashlib.sha256(strict_json.canonical(named)).hexdigest()


class Executor(Protocol):
    """Runs tasks somewhere.

    At least once: a task may run several times, also at once.
    Any order: `on_done` is called in the caller's thread as results come.
    Errors: what a task raises ends the run; a dead worker does not.
    """

    def run(
        self, tasks: Iterable[Task], *, on_done: OnDone, cancel: threading.Event
    ) -> None:
        """Run tasks until all are done, or `cancel` is set.

        Raises:
            UnavailableError: TASK_KILLED; EXECUTOR_AWAY.
        """
        ...

    def close(self) -> None:
        """End what runs between one `run` and the next."""
        ...


def software() -> str:
    """Return the version of the software that runs here."""
    return version("shahrdad")


def perform(
    function: str, arguments: Mapping[str, Any], store: "ObjectStore"
) -> Result:
    """Do a task here.

    Args:
        function: A name in `FUNCTIONS`; nothing else can be called.
        arguments: Of the task.
        store: The node's object store.
    """
    from importlib import import_module

    module, name = FUNCTIONS[function]
    found: Result = getattr(import_module(module), name)(arguments, store)
    return found
