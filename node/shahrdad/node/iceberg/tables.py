"""Built tables, kept a while: what the routes answer from."""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from shahrdad.node.http.identity import resource_uid, uid
from shahrdad.node.iceberg.lake import RESOURCE_MARK, Lake, LakeTable
from shahrdad.node.store.contract import ObjectStore

if TYPE_CHECKING:
    from uuid import UUID

    from shahrdad.node.iceberg.metadata import Built

BUILT_MAX = 64  # tables in memory; what is dropped is made again, byte for byte


class Tables:
    """Metadata of tables, made when it is asked for.

    Args:
        lake: What there is.
        store: Where the objects lie.
    """

    def __init__(self, lake: Lake, store: ObjectStore) -> None:
        self.lake = lake
        self._store = store
        self._built: OrderedDict[str, Built] = OrderedDict()
        self._lock = threading.Lock()

    def built(self, table: LakeTable) -> "Built":
        """Return the metadata of a table as it is now."""
        from shahrdad.node.iceberg.metadata import build

        with self._lock:
            found = self._built.get(table.mark)
            if found is None:
                found = build(table, self._store, _uuid(table))
                self._built[table.mark] = found
                if len(self._built) > BUILT_MAX:
                    self._built.popitem(last=False)
            else:
                self._built.move_to_end(table.mark)
            return found

    def file(self, table: LakeTable, path: str) -> bytes | None:
        """Return a metadata file by its path below the table's location.

        A file of an earlier state of the table is found as long as that is remembered,
        or the present state has it too: manifests of old versions never change.
        """
        location = f"{table.location}/{path}"
        found = self.built(table).files.get(location)
        if found is not None:
            return found
        with self._lock:
            for built in self._built.values():
                if location in built.files:
                    return built.files[location]
        return None


def _uuid(table: LakeTable) -> "UUID":
    """Return a table's uuid: the dataset's, or the resource's."""
    slug, mark, resource = table.name.partition(RESOURCE_MARK)
    if mark:
        return resource_uid(f"{table.namespace}/{slug}", resource)
    return uid(f"{table.namespace}/{table.name}")
