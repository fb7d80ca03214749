"""Which executor a name stands for."""

from pathlib import Path

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.executor.tasks import Executor


def open_executor(name: str, config: Path, workers: int | None = None) -> Executor:
    """Return an executor.

    Args:
        name: `local`, `local:N` with N processes, or `dask://host:port`.
        config: The node's configuration file.
        workers: Processes of `local`; None = one fewer than cores.

    Raises:
        RequestError: EXECUTOR_UNKNOWN.
    """
    kind, _, count = name.partition(":")
    if kind == "local" and (name == kind or (count.isdecimal() and int(count) > 0)):
        from shahrdad.node.executor.local import LocalExecutor

        return LocalExecutor(config, int(count) if count else workers)
    if name.startswith("dask://"):
        from shahrdad.node.executor.dask import DaskExecutor

        return DaskExecutor(name)
    raise RequestError(Reason.EXECUTOR_UNKNOWN, executor=name)
