"""The task "judge": an original in, a table and a report out, both in the store.

It needs nothing of the node but its object store: what the rules look into comes by
digests, so it runs on any computer that reaches the store. What it writes is what
publishing on the node itself would have written, byte for byte.
"""

import base64
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.executor.tasks import Result
from shahrdad.node.family_table import table_info
from shahrdad.node.incoming.spool import Spool
from shahrdad.node.publish import report_bytes
from shahrdad.node.references import copy_table
from shahrdad.node.store.contract import Area, ObjectStore, put_bytes

if TYPE_CHECKING:
    from shahrdad.node.table.parquet import Part, Previous, WrittenTable
    from shahrdad.validators import Ref

CHUNK_BYTES = 1024 * 1024


def judge_file(arguments: Mapping[str, Any], store: ObjectStore) -> Result:
    """Judge a file that is in the private area.

    Args:
        arguments: See `batch.task_of`.
        store: Of the node.

    Returns:
        `state`: valid, refused or unreadable; then what was made, by digests.
    """
    with tempfile.TemporaryDirectory(prefix="shahrdad-task-") as name:
        folder = Path(name)
        # The name may matter to reading (its ending); its folders never do.
        file = folder / Path(arguments["file_name"]).name
        _fetch(store, Digest.parse(arguments["original"]), file)
        try:
            return _judged(arguments, store, file, folder)
        except DataError as error:
            return {
                "state": "unreadable",
                "reason": str(error.reason),
                "text": {"fa": error.text("fa"), "en": error.text("en")},
            }


def _judged(
    arguments: Mapping[str, Any], store: ObjectStore, file: Path, folder: Path
) -> Result:
    """Judge the file, and write table and report."""
    from shahrdad.validators import Options, validate

    context = dict(arguments["context"])
    if arguments["previous"] is not None:
        context["previous"] = pinned_ref(store, arguments["previous"], folder)
    refs = {
        family: pinned_ref(store, pinned, folder)
        for family, pinned in arguments["refs"].items()
    }
    with closing(Spool(folder)) as spool:
        report = validate(
            file,
            schema=arguments["family"],
            profile=dict(arguments["profile"]) or None,
            refs=refs,
            context=context,
            sink=spool,
            options=Options(**arguments["options"]),
        )
        content = report_bytes(report)
        area = Area.OBJECT if report.valid else Area.PRIVATE
        found: Result = {
            "state": "valid" if report.valid else "refused",
            "report": put_bytes(store, area, content).hex,
            "report_size": len(content),
            "errors": report.error_count,
            "rows": report.rows,
        }
        if report.valid:
            found["table"] = table_json(_write(arguments, store, spool))
        return found


def _write(
    arguments: Mapping[str, Any], store: ObjectStore, spool: Spool
) -> "WrittenTable":
    """Write the Parquet parts."""
    from shahrdad.node.table.parquet import write_table

    if spool.schema is None:
        raise DataError(Reason.TABLE_EMPTY, file=arguments["file_name"])
    info = table_info(arguments["family"], arguments["ref"], spool.schema.names)
    before = arguments["before"]
    return write_table(
        spool.batches(),
        spool.schema,
        info,
        store,
        Area.OBJECT,
        previous_of(before) if before else None,
    )


def previous_of(before: Mapping[str, Any]) -> "Previous":
    """Return the version before, whose objects are used again."""
    from shahrdad.node.table.parquet import Previous

    return Previous(tuple(map(part_of, before["parts"])), before["m"])


def pinned_ref(store: ObjectStore, pinned: Mapping[str, Any], folder: Path) -> "Ref":
    """Return a local copy of a published table."""
    from shahrdad.validators import Ref

    path = folder / f"ref-{pinned['digest']}.parquet"
    if not path.exists():
        copy_table(store, [Digest.parse(part) for part in pinned["parts"]], path)
    return Ref(path, release=pinned["release"])


def _fetch(store: ObjectStore, digest: Digest, file: Path) -> None:
    """Copy an original to a local file; its digest is compared while reading."""
    with store.open(Area.PRIVATE, digest) as source, file.open("wb") as target:
        while chunk := source.read(CHUNK_BYTES):
            target.write(chunk)


def table_json(written: "WrittenTable") -> dict[str, Any]:
    """Return a written table as JSON."""
    schema = written.arrow_schema.serialize().to_pybytes()
    return {
        "parts": [part_json(part) for part in written.parts],
        "rows": written.rows,
        "m": written.m,
        "writer": dict(written.writer),
        "schema": base64.b64encode(schema).decode(),
    }


def table_of(found: Mapping[str, Any]) -> "WrittenTable":
    """Return the written table of its JSON."""
    import pyarrow as pa

    from shahrdad.node.table.parquet import WrittenTable

    schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(found["schema"])))
    return WrittenTable(
        tuple(map(part_of, found["parts"])),
        found["rows"],
        found["m"],
        found["writer"],
        schema,
    )


def part_json(part: "Part") -> dict[str, Any]:
    """Return a part as JSON."""
    return {
        "digest": part.digest.hex,
        "bytes": part.bytes,
        "rows": part.rows,
        "first": list(part.first),
    }


def part_of(found: Mapping[str, Any]) -> "Part":
    """Return the part of its JSON."""
    from shahrdad.node.table.parquet import Part

    return Part(
        Digest.parse(found["digest"]),
        found["bytes"],
        found["rows"],
        tuple(found["first"]),
    )
