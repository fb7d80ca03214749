"""What a table is judged against beside itself: other families, and the version before.

Rules such as "the unit exists in org_units" look into the city's own newest releases,
pinned by their digests, so that the same inputs give the same report years later.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from shahrdad.datasets import standards
from shahrdad.datasets.errors import RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.store.contract import ObjectStore
    from shahrdad.validators import Ref


class References:
    """Local copies of published tables, for as long as a validation needs them.

    Args:
        node: The node whose city publishes.
        family: The family that is judged.
        ref: The dataset that is judged.
    """

    def __init__(self, node: "Node", family: str, ref: str) -> None:
        self._node = node
        self._family = family
        self._ref = ref
        self._folder = Path(tempfile.mkdtemp(prefix="shahrdad-refs-"))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the copies."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def others(self) -> dict[str, "Ref"]:
        """Return the city's newest release of each family that the rules look into."""
        wanted = families_of(self._family) - {self._family}
        found: dict[str, Ref] = {}
        for family in sorted(wanted):
            held = self._node.catalog.list(
                city=self._node.config.node.city, family=family
            )
            newest = max(held, key=lambda dataset: dataset.updated, default=None)
            if newest is not None:
                copy = self._copy(newest.ref, newest.digest, newest.version)
                if copy is not None:
                    found[family] = copy
        return found

    def previous(self) -> "Ref | None":
        """Return the version before, or None at the first."""
        try:
            dataset = self._node.catalog.get(self._ref)
        except RequestError:
            return None
        return self._copy(dataset.ref, dataset.digest, dataset.version)

    def _copy(self, ref: str, digest: Digest, version: int) -> "Ref | None":
        """Write a published table to a local file, verified against its record."""
        from shahrdad.validators import Ref

        body = self._node.catalog.body(digest)
        parts = record.table_parts(body)
        if not parts:
            return None
        path = self._folder / f"{digest.hex}.parquet"
        copy_table(self._node.store, parts, path)
        return Ref(path, release=f"{ref}@{version}")


def copy_table(store: "ObjectStore", parts: Sequence[Digest], path: Path) -> None:
    """Write a published table to a local file; its parts are verified."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    for part in parts:
        with store.open(Area.OBJECT, part) as source:
            table = pq.ParquetFile(pa.BufferReader(source.read())).read(
                use_threads=False
            )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def families_of(family: str) -> set[str]:
    """Return the families that the rules of a family look into."""
    rules = standards.load(family).rules
    return {rule.params["family"] for rule in rules if "family" in rule.params}
