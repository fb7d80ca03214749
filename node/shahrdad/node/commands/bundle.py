"""`export` and `import`: what leaves a node as a file, and what comes in as one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.commands.output_file import output_file, require_no_folder
from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.city import Node

app = App(name="export", help="Write a dataset's package, or a bundle for nodes.")
MEBIBYTE = 1_048_576


@app.command(name="bundle")
def bundle(
    *origins: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("bundle.zip"),
    have: Path | None = None,
    objects: Annotated[bool, Parameter(negative="")] = False,
    part_mb: int = 4_095,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write logs into a ZIP that another node imports without a network.

    The other side verifies it like what comes by network: a changed stick is refused.

    Args:
        origins: Only these logs; all that are held when left out.
        output: The first part; further parts are numbered.
        have: What the other side holds: its last bundle, or its `export heads`.
        objects: Take data files along, of what the other side lacks.
        part_mb: Mebibytes of a part; the default fits a stick with FAT32.
    """
    from shahrdad.federation.bundle import export_bundle, heads_of
    from shahrdad.node.city import open_node

    require_no_folder(output)
    with open_node(common.config) as node:
        held = {log.origin: 0 for log in node.logs.logs() if log.head_size}
        for origin in origins:
            if origin not in held:
                raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin)
        since = dict.fromkeys(origins or held, 0)
        known = heads_of(have) if have is not None else {}
        since |= {origin: known[origin] for origin in since if origin in known}
        report = export_bundle(
            node.logs,
            since,
            output,
            open_object=_objects(node) if objects else None,
            part_bytes_max=min(part_mb * MEBIBYTE, 4_096 * MEBIBYTE - 1),
        )
    if common.json:
        print_json(
            {
                "parts": [str(part) for part in report.parts],
                "logs": report.origins,
                "entries": report.entries,
                "bodies": report.bodies,
                "objects": report.objects,
                "object_bytes": report.object_bytes,
                "objects_missing": report.objects_missing,
            }
        )
        return
    parts = " ".join(str(part) for part in report.parts)
    common.say(
        f"{len(report.origins)} دفتر، {report.entries} درایه و {report.objects} فایل"
        f" داده در {parts}",
        f"{len(report.origins)} logs, {report.entries} entries and {report.objects}"
        f" data files in {parts}",
    )
    common.next_step(f"shahrdad import {parts}", f"shahrdad import {parts}")


@app.command(name="package")
def package(
    ref: str,
    *,
    version: int | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write a version as a Data Package: CSV, Parquet, schema, record and receipt.

    It is the ZIP that the dataset's page offers; datapackage.json describes it, and
    SHA256SUMS proves it.

    Args:
        ref: City and dataset, for example kerman/budget-1404.
        version: A version number; the newest when left out.
        output: The file; by default named after the dataset, in this folder.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.download import copy_object
    from shahrdad.node.http.dataset_object import show
    from shahrdad.node.http.exports.making import Exports
    from shahrdad.node.store.contract import Area

    with open_node(common.config) as node:
        node.projection.follow()
        dataset, chosen = node.catalog.version(ref, version)
        digest = Exports().package(show(node, dataset, chosen), common.language)
        path = output or Path(f"{dataset.name}--v{chosen.n}.zip")
        with output_file(path) as file:
            copy_object(node, digest, file, Area.DERIVED)
    if common.json:
        print_json({"path": str(path), "sha256": digest.hex})
        return
    common.say(
        f"نسخهٔ {chosen.n} از {dataset.ref} در {path} نوشته شد.",
        f"Version {chosen.n} of {dataset.ref} is in {path}.",
    )


@app.command(name="heads")
def heads(
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write what this node holds, so that the other side exports only what lacks.

    Args:
        output: The file; standard output when left out.
    """
    from shahrdad.federation.bundle import heads_text
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        text = heads_text(node.logs)
    if output is not None:
        output.write_text(text, "utf-8")
    elif common.json:
        print_json({"heads": text})
    else:
        sys.stdout.write(text)


def import_bundle(
    *files: Path,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Import a bundle: verify it, store what holds, cosign what is complete.

    Nothing is believed because of who brought it. Parts may be given together, or one
    after another.

    Args:
        files: The parts that are at hand.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.peering.imports import import_files

    if not files:
        raise RequestError(Reason.FILE_NOT_FOUND, path="FILE")
    with open_node(common.config) as node:
        found = import_files(node, files)
    if common.json:
        print_json(found.to_dict())
    else:
        sys.stdout.write(found.text(common.language) + "\n")
    if not found.sync.ok:
        sys.exit(ExitCode.PARTLY if found.sync.entries else ExitCode.NETWORK)
    common.next_step(
        "تأییدها را برگردانید: shahrdad export bundle --have BUNDLE",
        "Send the cosignatures back: shahrdad export bundle --have BUNDLE",
    )


def _objects(node: "Node") -> "Callable[[Digest], tuple[BinaryIO, int] | None]":
    """Return what opens the data objects that this node holds."""
    from shahrdad.node.store.contract import Area

    def open_object(digest: "Digest") -> "tuple[BinaryIO, int] | None":
        found = node.store.stat(Area.OBJECT, digest)
        if found is None:
            return None
        return node.store.open(Area.OBJECT, digest), found.size

    return open_object
