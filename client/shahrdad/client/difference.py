"""What changed between two tables: rows by primary key, cells by column.

Both sides get one number for each distinct key, computed over all key columns at once
and null-safe, so matching is a lookup of integers. Without a primary key a row is its
own key, and rows are only added and removed, as often as they occur.

>>> import pyarrow as pa
>>> from shahrdad.client.difference import compare
>>> old = pa.table({"code": ["a", "b"], "rial": [1, 2]})
>>> new = pa.table({"code": ["b", "c"], "rial": [5, 3]})
>>> compare(old, new, ["code"]).counts
{'added': 1, 'removed': 1, 'changed': 1}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, repr=False)
class Difference:
    """Rows and cells that differ.

    Attributes:
        added: Rows that only the new table has.
        removed: Rows that only the old table has.
        changed: One row a changed cell: the key columns, `column`, `old` and `new`, the
            last two as text.
        rows_changed: Rows with at least one changed cell.
        columns_added: Columns that only the new table has; not compared cell by cell.
        columns_removed: Columns that only the old table has.
    """

    added: "pa.Table"
    removed: "pa.Table"
    changed: "pa.Table"
    rows_changed: int
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Rows added, removed and changed."""
        return {
            "added": self.added.num_rows,
            "removed": self.removed.num_rows,
            "changed": self.rows_changed,
        }

    def __bool__(self) -> bool:
        """Return whether anything differs."""
        return (
            any(self.counts.values())
            or bool(self.columns_added)
            or bool(self.columns_removed)
        )

    def __repr__(self) -> str:
        """Return the counts."""
        words = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return f"<Difference: {words}>"


def compare(old: "pa.Table", new: "pa.Table", key: Sequence[str]) -> Difference:
    """Compare two tables.

    Args:
        old: The earlier one.
        new: The later one.
        key: Columns of the primary key, in both tables; empty when there is none.
    """
    both = [name for name in new.column_names if name in old.column_names]
    columns_added = tuple(n for n in new.column_names if n not in both)
    columns_removed = tuple(n for n in old.column_names if n not in both)
    numbers_old, numbers_new = _numbers(old, new, list(key) or both)
    if key:
        added, removed, pairs = _match(numbers_old, numbers_new)
        changed, rows = _cells(old, new, key, both, pairs)
    else:
        added, removed = _surplus(numbers_old, numbers_new)
        changed, rows = _no_cells(new, key), 0
    return Difference(
        new.take(added),
        old.take(removed),
        changed,
        rows,
        columns_added,
        columns_removed,
    )


def _numbers(
    old: "pa.Table", new: "pa.Table", columns: Sequence[str]
) -> "tuple[pa.Array, pa.Array]":
    """Return a number for each row of both tables, equal where the columns are."""
    import pyarrow as pa

    pc = _compute()
    rows = old.num_rows + new.num_rows
    numbers = pa.repeat(pa.scalar(0, pa.int64()), rows)
    for name in columns:
        kind = _wider(old.schema.field(name).type, new.schema.field(name).type)
        chunks = [*old[name].cast(kind).chunks, *new[name].cast(kind).chunks]
        column = pa.concat_arrays([pa.array([], kind), *chunks])
        if pa.types.is_nested(kind):
            # Lists have no dictionary; their text does the same service.
            texts = [None if v is None else repr(v) for v in column.to_pylist()]
            column = pa.array(texts, pa.string())
        codes = column.dictionary_encode(null_encoding="encode")
        width = max(1, len(codes.dictionary))
        mixed = pc.add(pc.multiply(numbers, width), codes.indices.cast(pa.int64()))
        # Renumbered at each step, so that the product stays below rows × rows.
        numbers = mixed.dictionary_encode().indices.cast(pa.int64())
    return numbers.slice(0, old.num_rows), numbers.slice(old.num_rows)


def _wider(old: "pa.DataType", new: "pa.DataType") -> "pa.DataType":
    """Return the type in which both columns are compared."""
    import pyarrow as pa

    if old == new:
        return new
    try:
        empty = [pa.array([], old), pa.array([], new)]
        tables = [pa.table({"a": column}) for column in empty]
        merged = pa.concat_tables(tables, promote_options="permissive")
        kind: pa.DataType = merged.schema.field("a").type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        kind = pa.string()
    return kind


def _match(old: "pa.Array", new: "pa.Array") -> "tuple[pa.Array, pa.Array, Any]":
    """Return the rows only new, the rows only old, and the pairs (old row, new row)."""
    import pyarrow as pa

    pc = _compute()
    place = pc.index_in(new, value_set=old)
    rows = pa.array(range(len(new)), pa.int64())
    known = place.is_valid()
    removed = pc.indices_nonzero(pc.invert(pc.is_in(old, value_set=new)))
    return (
        rows.filter(pc.invert(known)),
        removed,
        (place.filter(known), rows.filter(known)),
    )


def _surplus(old: "pa.Array", new: "pa.Array") -> "tuple[pa.Array, pa.Array]":
    """Return the rows that the other side has not as often."""
    import pyarrow as pa

    return (
        pa.array(_unmatched(new.to_pylist(), old.to_pylist()), pa.int64()),
        pa.array(_unmatched(old.to_pylist(), new.to_pylist()), pa.int64()),
    )


def _unmatched(rows: Sequence[int], others: Sequence[int]) -> list[int]:
    """Return the positions in `rows` that find no partner in `others`."""
    left: dict[int, int] = {}
    for number in others:
        left[number] = left.get(number, 0) + 1
    found = []
    for at, number in enumerate(rows):
        if left.get(number, 0):
            left[number] -= 1
        else:
            found.append(at)
    return found


def _cells(
    old: "pa.Table",
    new: "pa.Table",
    key: Sequence[str],
    both: Sequence[str],
    pairs: Any,
) -> "tuple[pa.Table, int]":
    """Return the cells that differ, and in how many rows they are."""
    import pyarrow as pa

    pc = _compute()
    before, after = old.take(pairs[0]), new.take(pairs[1])
    found, touched = [], pa.repeat(pa.scalar(False), before.num_rows)
    for name in both:
        if name in key:
            continue
        kind = _wider(before.schema.field(name).type, after.schema.field(name).type)
        numbers = _numbers(before.select([name]), after.select([name]), [name])
        differs = pc.not_equal(*numbers)
        at = pc.indices_nonzero(differs)
        touched = pc.or_(touched, differs)
        if len(at):
            cells = after.select(list(key)).take(at)
            column = pa.repeat(pa.scalar(name), len(at))
            cells = cells.append_column("column", column)
            cells = cells.append_column(
                "old", _as_text(before[name].cast(kind).take(at))
            )
            found.append(
                cells.append_column("new", _as_text(after[name].cast(kind).take(at)))
            )
    changed = pa.concat_tables(found) if found else _no_cells(new, key)
    return changed, pc.sum(touched.cast(pa.int64())).as_py() or 0


def _as_text(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Return a column as text; lists by the comma."""
    import pyarrow as pa

    if pa.types.is_nested(column.type):
        texts = [
            None if v is None else ",".join(map(str, v)) for v in column.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column.cast(pa.string())


def _no_cells(table: "pa.Table", key: Sequence[str]) -> "pa.Table":
    """Return the table of changed cells, without a row."""
    import pyarrow as pa

    columns = {name: pa.array([], table.schema.field(name).type) for name in key}
    text = pa.array([], pa.string())
    return pa.table(columns | {"column": text, "old": text, "new": text})


def _compute() -> Any:
    """Return `pyarrow.compute`, whose functions no type checker sees: it makes them."""
    from pyarrow import compute

    return compute
