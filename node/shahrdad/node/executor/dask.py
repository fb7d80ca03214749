"""`dask://host:port`: a Dask scheduler, for several computers (extra `dask`).

Workers run `shahrdad worker dask://host:port` with the same version and the same store
settings; credentials come from their own environment. A scheduler executes whatever it
is sent, so off loopback it is reached by TLS only, with the certificates of Dask's own
configuration.
"""

import ipaddress
import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from shahrdad.datasets.errors import (
    ConflictError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.node.executor.tasks import OnDone, Result, Task, perform, software

RETRIES = 3
WAIT_SECONDS = 0.5
CONNECT_SECONDS = 30
CONFIG_ATTRIBUTE = "shahrdad_store"
_ADDRESS = re.compile(r"dask://(?P<host>[^\s/@]+):(?P<port>[0-9]{1,5})")


class DaskExecutor:
    """A Dask cluster.

    Args:
        address: `dask://host:port` of its scheduler.

    Raises:
        RequestError: EXECUTOR_UNKNOWN.
    """

    def __init__(self, address: str) -> None:
        host_of(address)
        self._address = address
        self._client: Any = None

    def run(
        self, tasks: Iterable[Task], *, on_done: OnDone, cancel: threading.Event
    ) -> None:
        """Run tasks; see `Executor`.

        Raises:
            UnavailableError: EXECUTOR_AWAY; TASK_KILLED.
            ConflictError: WORKER_VERSION.
        """
        client = self._connected()
        with client.as_current():
            self._run(client, list(tasks), on_done, cancel)

    def close(self) -> None:
        """Leave the cluster."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> Any:
        """Return a client of the cluster, whose workers are of this version."""
        from distributed import Client

        if self._client is not None:
            return self._client
        try:
            client: Any = Client(  # type: ignore[no-untyped-call]
                scheduler_address(self._address),
                timeout=CONNECT_SECONDS,
                set_as_default=False,
            )
        except (OSError, TimeoutError) as error:
            raise UnavailableError(
                Reason.EXECUTOR_AWAY, executor=self._address, detail=str(error)
            ) from error
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            self._compare_versions(client)
        except BaseException:
            client.close()
            raise
        self._client = client
        return client

    def _compare_versions(self, client: Any) -> None:
        """Refuse workers of another version: their results would have other names."""
        for version in client.run(software).values():
            if version != software():
                raise ConflictError(
                    Reason.WORKER_VERSION,
                    executor=self._address,
                    version=version,
                    version_here=software(),
                )

    def _run(
        self,
        client: Any,
        tasks: list[Task],
        on_done: OnDone,
        cancel: threading.Event,
    ) -> None:
        """Submit all tasks, and tell of each as it is done."""
        from distributed import wait
        from distributed.scheduler import KilledWorker

        futures = {
            client.submit(
                perform_on_worker,
                task.function,
                dict(task.arguments),
                key=f"shahrdad-{task.id}",
                retries=RETRIES,
                pure=False,
            ): task
            for task in tasks
        }
        while futures and not cancel.is_set():
            try:
                done, _ = wait(  # type: ignore[no-untyped-call]
                    list(futures), WAIT_SECONDS, "FIRST_COMPLETED"
                )
            except TimeoutError:
                continue
            for future in done:
                task = futures.pop(future)
                try:
                    result = future.result()
                except KilledWorker as error:
                    raise UnavailableError(
                        Reason.TASK_KILLED,
                        task=task.id[:12],
                        times=RETRIES,
                        file=str(task.arguments.get("file_name", "")),
                    ) from error
                on_done(task, result)


def perform_on_worker(function: str, arguments: Mapping[str, Any]) -> Result:
    """Do a task on a worker, with the store that the worker opened when it began."""
    from distributed import get_worker

    return perform(function, arguments, getattr(get_worker(), CONFIG_ATTRIBUTE))


def scheduler_address(address: str) -> str:
    """Return the address as Dask has it: TLS unless it is this computer."""
    kind = "tcp" if is_loopback(host_of(address)) else "tls"
    return f"{kind}://{address.removeprefix('dask://')}"


def host_of(address: str) -> str:
    """Return the host of `dask://host:port`.

    Raises:
        RequestError: EXECUTOR_UNKNOWN: it is none.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) not in range(1, 2**16):
        raise RequestError(Reason.EXECUTOR_UNKNOWN, executor=address)
    return found["host"].strip("[]")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this computer."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def work(address: str, config: Path | None) -> None:
    """Work for a scheduler until it goes away.

    Args:
        address: `dask://host:port`.
        config: The node's configuration: where the object store is.

    Raises:
        RequestError: EXECUTOR_UNKNOWN.
        UnavailableError: EXECUTOR_AWAY: its name leads nowhere, or it refuses us.
    """
    import dask
    from distributed import Worker

    from shahrdad.node.configured_store import open_configured

    host = host_of(address)
    store = open_configured(config)
    # Dask would look at what each thread does, many times a second, for its dashboard.
    dask.config.set({"distributed.worker.profile.enabled": False})
    worker = Worker(
        scheduler_address(address),
        nthreads=1,
        host="127.0.0.1" if is_loopback(host) else None,
        dashboard_address=None,
        dashboard=False,
    )
    setattr(worker, CONFIG_ATTRIBUTE, store)
    try:
        await worker
    except (OSError, RuntimeError) as error:
        cause = str(error.__cause__ or error)
        raise UnavailableError(
            Reason.EXECUTOR_AWAY, executor=address, detail=cause
        ) from error
    async with worker:
        await worker.finished()  # type: ignore[no-untyped-call]
