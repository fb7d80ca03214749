"""One row through the versions of its table: when it came, changed, and went.

Of each version only the parts that can hold the row are read, which the record tells by
their first keys; parts that an earlier version had are not read again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.download import open_version

if TYPE_CHECKING:
    import pyarrow as pa

    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.catalog import Version
    from shahrdad.node.city import Node
    from shahrdad.node.table.reading import TableReader

Row = Mapping[str, Any]
Op = Literal["added", "changed", "removed", "not held"]


@dataclass(frozen=True, slots=True)
class Step:
    """A version that changed the row, or that this node cannot look into.

    Attributes:
        row: As it is since; None once it is gone, or where it is not known.
        cells: Of a change: column, value before, value since.
    """

    version: "Version"
    op: Op
    row: Row | None
    cells: tuple[tuple[str, Any, Any], ...] = ()


def row_history(node: "Node", ref: str, key: Mapping[str, str]) -> Iterator[Step]:
    """Yield what became of a row, oldest version first.

    Args:
        node: Its catalog must have followed the logs.
        ref: Of the dataset.
        key: Columns and values as people type them, as many as one row needs.

    Raises:
        RequestError: DATASET_UNKNOWN, COLUMN_UNKNOWN, FILTER_VALUE, ROW_NOT_ONE.
    """
    before: Row | None = None
    known = _Known(key)
    for version in reversed(node.catalog.versions(ref)):
        try:
            table = open_version(node, version)
        except RequestError:
            yield Step(version, "not held", None)
            continue
        row = known.find(table, f"{ref}@{version.n}")
        if row is not None and before is None:
            yield Step(version, "added", row)
        elif row is None and before is not None:
            yield Step(version, "removed", None)
        elif row is not None and before is not None and row != before:
            yield Step(version, "changed", row, _cells(before, row))
        before = row


def _cells(old: Row, new: Row) -> tuple[tuple[str, Any, Any], ...]:
    """Return the cells that differ; a column that one side lacks is empty there."""
    names = dict.fromkeys((*old, *new))
    pairs = ((name, old.get(name), new.get(name)) for name in names)
    return tuple((name, was, now) for name, was, now in pairs if was != now)


class _Known:
    """What was read of the versions before.

    Args:
        key: Columns and values as people type them.
    """

    def __init__(self, key: Mapping[str, str]) -> None:
        self._pairs = [(f"{name}__exact", value) for name, value in key.items()]
        self._schemas: dict[Digest, pa.Schema] = {}
        self._rows: dict[tuple[Digest, ...], Row | None] = {}

    def find(self, table: "TableReader", name: str) -> Row | None:
        """Return the row in a version, None when it is not there."""
        from shahrdad.node.table.query import parse
        from shahrdad.node.table.rows import chosen_parts, select

        table.remember(self._schemas)
        query = parse([*self._pairs, ("limit", "2")], table.schema)
        parts = tuple(part.digest for part in chosen_parts(table, query))
        if parts not in self._rows:
            page = select(table, query)
            if page.total > 1:
                columns = ", ".join(table.key_columns())
                raise RequestError(Reason.ROW_NOT_ONE, name=name, key=columns)
            rows = page.rows.select(list(query.fields)).to_pylist()
            self._rows[parts] = rows[0] if rows else None
        return self._rows[parts]
