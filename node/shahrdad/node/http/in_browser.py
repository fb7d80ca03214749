"""What a dataset's page hands to a browser that reads the published Parquet itself."""

from typing import Any

from shahrdad.node.http.addresses import Addresses
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.file_names import part_file, table_file
from shahrdad.node.http.limits import BROWSER_PARTS_MAX
from shahrdad.node.http.record_view import TableView
from shahrdad.node.store.limits import PRESIGNED_BYTES_MIN


def browser_parts(shown: Shown, table: TableView) -> list[dict[str, Any]]:
    """Return the first objects of a table, at addresses of this node.

    There are none where a browser could not read them: the pages' policy lets it ask
    nobody but this node, and large objects may be sent to the store's own address.
    """
    parts = table.parts[:BROWSER_PARTS_MAX]
    elsewhere = shown.config.store.serve == "presigned" and any(
        part.bytes > PRESIGNED_BYTES_MIN for part in parts
    )
    if elsewhere or any(part.rows is None for part in parts):
        return []
    name, here = shown.dataset.name, Addresses()
    if len(table.parts) == 1:
        files = [table_file(name, shown.record, table)]
    else:
        files = [part_file(name, table, number + 1) for number in range(len(parts))]
    return [
        {
            "address": here.file(part.digest, file),
            "bytes": part.bytes,
            "rows": part.rows,
        }
        for part, file in zip(parts, files, strict=True)
    ]
