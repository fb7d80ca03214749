"""`publish-all` and `worker`: many files, on several cores or computers."""

import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

if TYPE_CHECKING:
    from shahrdad.node.executor.batch import Entry


def publish_all(
    folder: Path,
    *,
    executor: str = "local",
    workers: int | None = None,
    offline: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Check and publish every file of a folder, each as its own dataset version.

    Files are called after their standards: projects.xlsx, budget_lines-1404.csv; what
    else there is to say stands in batch.toml. A file with errors publishes nothing and
    holds up no other. After a kill, run the same command again: it goes on.

    Args:
        folder: Where the files lie.
        executor: Where they are checked: local, local:N, or dask://host:port.
        workers: Processes of local; by default one fewer than cores.
        offline: Sign although no peer can be asked what it holds of our log.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.config import load
    from shahrdad.node.executor.batch import publish_all as publish_files
    from shahrdad.node.executor.choosing import open_executor
    from shahrdad.node.executor.folder import files_of

    config = load(common.config)
    files = files_of(config, folder)
    file = (common.config or config.folder) if common.config else config.folder
    chosen = open_executor(executor, file, workers)
    with (
        closing(chosen),
        open_node(common.config, signing=True, offline=offline) as node,
    ):
        found = publish_files(
            node, files, chosen, on_entry=lambda entry: _tell(common, entry)
        )
    if common.json:
        print_json({"items": [asdict(entry) for entry in found]})
    if any(entry.state == "refused" for entry in found):
        whole = all(entry.state == "refused" for entry in found)
        sys.exit(ExitCode.DATA_NOT_VALID if whole else ExitCode.PARTLY)


def worker(address: str, *, common: Common = Common()) -> None:  # noqa: B008
    """Check files for a coordinator, until its scheduler goes away.

    The worker needs the object store's settings, from its own configuration and
    environment; it never signs and needs no key.

    Args:
        address: dask://host:port of the scheduler.
    """
    import asyncio

    from shahrdad.node.executor.dask import work

    common.say(f"کارگر {address} آغاز می‌کند.", f"A worker of {address} begins.")
    asyncio.run(work(address, common.config))


def _tell(common: Common, entry: "Entry") -> None:
    """Say what became of a file."""
    if entry.state == "published":
        common.say(
            f"{entry.file}: منتشر شد، {entry.ref} نسخهٔ {entry.version}.",
            f"{entry.file}: published, {entry.ref} version {entry.version}.",
        )
    elif entry.state == "unchanged":
        common.say(
            f"{entry.file}: چیزی عوض نشده است.", f"{entry.file}: nothing changed."
        )
    elif entry.text is not None:
        common.say(
            f"{entry.file}: {entry.text['fa']}", f"{entry.file}: {entry.text['en']}"
        )
    else:
        common.say(
            f"{entry.file}: {entry.errors} خطا؛ منتشر نشد.",
            f"{entry.file}: {entry.errors} errors; not published.",
        )
