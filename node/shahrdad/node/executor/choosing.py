"""Which executor a name stands for."""

from pathlib import Path

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.executor.tasks import Executor


def open_executor(name: str, config: Path, workers: int | None = None) -> Executor:
    """Return an executor.

    Args:
        name: `local`, or `dask://host:port`.
        config: The node's configuration file.
        workers: Processes of `local`; None = one fewer than cores.

    Raises:
        RequestError: EXECUTOR_UNKNOWN.
    """
    if name == "local":
        from shahrdad.node.executor.local import LocalExecutor

        return LocalExecutor(config, workers)
    if name.startswith("dask://") and ":" in name.removeprefix("dask://"):
        from shahrdad.node.executor.dask import DaskExecutor

        return DaskExecutor(name)
    raise RequestError(Reason.EXECUTOR_UNKNOWN, executor=name)
