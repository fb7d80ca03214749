"""What changed between two tables with the same key, in key order (storage 5.3).

1. Parts with equal digests are dropped unread.
2. Parts that begin with the same key and hold the same keys are compared by position;
   a column whose compressed bytes are equal is not even decoded.
3. All others are merged by windows: the rows up to the smaller of the two last keys are
   matched by key.

State is two batches a side and one page of output, whatever the size of the tables.

The output has one row for each added or removed row, and one for each changed cell.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.table.aligned import (
    ChangedCells,
    Columns,
    ahead,
    changed_cells,
    compare_parts,
)
from shahrdad.node.table.cells import comparable, texts, wider
from shahrdad.node.table.key import key_texts
from shahrdad.node.table.parquet import Part
from shahrdad.node.table.reading import TableReader
from shahrdad.node.table.window import Cursor, windows

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
HELD_CELLS = 65_536  # changed cells that wait for a page
GROUP_BITS = 32  # a row's place: the number of its row group, then its own
CELL = [
    pa.field("column", pa.string()),
    pa.field("old", pa.string()),
    pa.field("new", pa.string()),
]


@dataclass(slots=True)
class ColumnChange:
    """How one column changed.

    Attributes:
        changed: Cells with another value.
        sum_old: Of the changed cells' former values; None where sums mean nothing.
        sum_new: Of their new values.
    """

    changed: int = 0
    sum_old: Decimal | None = None
    sum_new: Decimal | None = None


@dataclass(slots=True)
class Summary:
    """The counts of a diff, complete when its records have been read.

    Attributes:
        added: Rows.
        removed: Rows.
        changed: Rows with at least one changed cell.
        columns: By name, those with a changed cell.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    columns: dict[str, ColumnChange] = field(default_factory=dict)

    def to_dict(self, version: int | None = None) -> dict[str, Any]:
        """Return `shahrdad.change` of a record (storage 5.3).

        Args:
            version: The version compared with.
        """
        columns: dict[str, dict[str, Any]] = {}
        for name in sorted(self.columns):
            change = self.columns[name]
            columns[name] = {"changed": change.changed}
            if change.sum_old is not None and change.sum_new is not None:
                columns[name]["sum_old"] = f"{change.sum_old:f}"
                columns[name]["sum_new"] = f"{change.sum_new:f}"
        counts = {
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "columns": columns,
        }
        return counts if version is None else {"from": version, **counts}


class TableDiff:
    """The difference of two tables.

    Args:
        old: The former table; None for "nothing".
        new: The later table.
        key: The columns that rows are matched by; the primary key by default. Columns
            of the primary key that are left out, as `city_code` between two cities,
            must be constant in each table.

    Raises:
        RequestError: TABLES_NOT_COMPARABLE: the keys are different.
    """

    def __init__(
        self,
        old: TableReader | None,
        new: TableReader,
        key: Sequence[str] | None = None,
    ) -> None:
        self._old = old
        self._new = new
        tables = [new] if old is None else [old, new]
        self._file_key = new.key_columns()
        self.key = tuple(self._file_key if key is None else key)
        check_keys(tables, self.key)
        self.summary = Summary()
        self.schema_changes = schema_changes(old, new)
        names = new.schema.names
        if old is not None:
            names = [name for name in names if name in old.schema.names]
        # Without a key a row is matched by all that both tables hold of it.
        self._match = list(self.key) or names
        self._columns = [
            name for name in names if self.key and name not in self._file_key
        ]
        kinds = [[table.schema.field(name).type for table in tables] for name in names]
        widest = {
            name: wider(kind[0], kind[-1])
            for name, kind in zip(names, kinds, strict=True)
        }
        matched = [pa.field(name, widest[name]) for name in self._match]
        self.schema = pa.schema([pa.field("op", pa.string()), *matched, *CELL])

    def records(self) -> Iterator[pa.RecordBatch]:
        """Yield the changes in key order; `summary` is complete at the end.

        Yields:
            Rows of `op` added|removed|changed, the key's columns, and for a changed
            cell `column`, `old`, `new` as text.
        """
        self.summary = Summary()
        for page in self._pages():
            yield from page.to_batches()

    def run(self) -> Summary:
        """Read all records and return the counts."""
        for _ in self.records():
            pass
        return self.summary

    def _pages(self) -> Iterator[pa.Table]:
        left, right = unequal(
            () if self._old is None else self._old.parts, self._new.parts
        )
        region: tuple[list[Part], list[Part]] = ([], [])
        position = 0
        starts = {self._start(part): number for number, part in enumerate(right)}
        numbers = [starts.get(self._start(part)) if self.key else None for part in left]
        compared = ahead(
            self._comparison(part, right[number])
            for part, number in zip(left, numbers, strict=True)
            if number is not None
        )
        held: list[list[ChangedCells]] = []  # of row groups that follow each other
        for part, number in zip(left, numbers, strict=True):
            changes = None if number is None else next(compared)
            if changes is None or number is None or number < position:
                region[0].append(part)
                continue
            region[1].extend(right[position:number])
            if region[0] or region[1]:
                yield from self._together(held)
                yield from self._merge(*region)
                held, region = [], ([], [])
            position = number + 1
            held += changes
            if sum(len(one.places) for group in held for one in group) >= HELD_CELLS:
                yield from self._together(held)
                held = []
        yield from self._together(held)
        region[1].extend(right[position:])
        yield from self._merge(*region)

    def _together(self, held: Sequence[Sequence[ChangedCells]]) -> Iterator[pa.Table]:
        """Yield the changes of row groups at once: each page has a price of its own."""
        by_column: dict[str, list[tuple[int, ChangedCells]]] = {}
        for number, group in enumerate(held):
            for one in group:
                by_column.setdefault(one.column, []).append((number, one))
        merged = []
        for name in self._columns:
            parts = by_column.get(name)
            if parts is None:
                continue
            places = [pc.add(one.places, n << GROUP_BITS) for n, one in parts]
            merged.append(
                ChangedCells(
                    name,
                    pa.concat_arrays(places),
                    pa.concat_tables([one.keys for _, one in parts]),
                    pa.chunked_array([c for _, one in parts for c in one.old.chunks]),
                    pa.chunked_array([c for _, one in parts for c in one.new.chunks]),
                )
            )
        yield from self._changes(merged)

    def _start(self, part: Part) -> tuple[object, ...]:
        """Return what two parts must have in common to be compared by position."""
        values = zip(self._file_key, part.first, strict=False)
        return (part.rows, *(value for name, value in values if name in self.key))

    def _comparison(
        self, old: Part, new: Part
    ) -> Callable[[], list[list[ChangedCells]] | None]:
        """Return what compares two parts by position."""
        if self._old is None:
            return lambda: None
        before = (self._old, old)
        columns = Columns(self.key, tuple(self._match), tuple(self._columns))
        return lambda: compare_parts(before, (self._new, new), columns)

    def _changes(self, found: Sequence[ChangedCells]) -> Iterator[pa.Table]:
        """Yield the changed cells of rows that match by position, in key order."""
        pages: list[pa.Table] = []
        for one in found:
            self._count(one.column, one.old, one.new)
            cells = [
                pa.array([one.column] * len(one.places)),
                texts(one.old),
                texts(one.new),
            ]
            pages.append(self._page(CHANGED, one.keys, cells))
        if pages:
            place = pa.chunked_array([one.places for one in found])
            self.summary.changed += len(place.unique())
            # Stable: the cells of a row stay in the columns' order.
            yield pa.concat_tables(pages).take(pc.sort_indices(place))

    def _count(self, name: str, old: pa.ChunkedArray, new: pa.ChunkedArray) -> None:
        change = self.summary.columns.setdefault(name, ColumnChange())
        change.changed += len(new)
        if summable(old.type) and summable(new.type):
            change.sum_old = (change.sum_old or Decimal(0)) + exact_sum(old)
            change.sum_new = (change.sum_new or Decimal(0)) + exact_sum(new)

    def _page(
        self, op: str, keys: pa.Table, cells: Sequence[pa.Array | pa.ChunkedArray] = ()
    ) -> pa.Table:
        rows = keys.num_rows
        kinds = {name: self.schema.field(name).type for name in self._match}
        columns = [comparable(keys[name], kinds[name]) for name in self._match]
        empty = pa.nulls(rows, pa.string())
        return pa.table(
            [pa.array([op] * rows, pa.string()), *columns, *(cells or [empty] * 3)],
            schema=self.schema,
        )

    def _merge(self, left: list[Part], right: list[Part]) -> Iterator[pa.Table]:
        """Yield the changes of parts whose rows match by key, window by window."""
        columns = list(dict.fromkeys([*self._match, *self._columns]))
        order = self._sorted_columns()
        cursors = (
            Cursor(self._old, left, order, columns),
            Cursor(self._new, right, order, columns),
        )
        if not self.key and self.schema_changes:
            # Sorted by all columns, and by others each: there is no common order.
            yield from self._match_rows(cursors[0].rest(), cursors[1].rest())
            return
        for old, new in windows(*cursors):
            yield from self._match_rows(old, new)

    def _sorted_columns(self) -> list[str]:
        """Return what the rows are sorted by: without a key, all columns but lists."""
        return [
            name
            for name in self._match
            if not pa.types.is_list(self._new.schema.field(name).type)
        ]

    def _match_rows(
        self, old: pa.Table | None, new: pa.Table | None
    ) -> Iterator[pa.Table]:
        """Yield the changes of one window: rows of both sides, matched by key."""
        if old is None or new is None:
            yield from self._one_side(old, new)
            return
        names_old, names_new = self._names(old, new)
        found = pc.index_in(names_new, value_set=names_old)
        gone = not_found(found, old.num_rows)
        fresh = pc.is_null(found)
        both = new.filter(pc.invert(fresh))
        pages = [
            *self._one_side(old.filter(gone), None),
            *self._one_side(None, new.filter(fresh)),
        ]
        if both.num_rows and self._columns:
            was = old.take(found.drop_null()).select(self._columns)
            found_cells = changed_cells(
                lambda: both.select(self._match), was, both.select(self._columns)
            )
            pages += self._changes(found_cells)
        if len(pages) == 1:
            yield pages[0]
        elif pages:
            page = pa.concat_tables(pages)
            keys = [(name, "ascending", "at_end") for name in self._sorted_columns()]
            yield page.take(pc.sort_indices(page, sort_keys=keys))

    def _one_side(
        self, old: pa.Table | None, new: pa.Table | None
    ) -> Iterator[pa.Table]:
        """Yield rows that one side alone has."""
        if old is not None and old.num_rows:
            self.summary.removed += old.num_rows
            yield self._page(REMOVED, old)
        if new is not None and new.num_rows:
            self.summary.added += new.num_rows
            yield self._page(ADDED, new)

    def _names(self, old: pa.Table, new: pa.Table) -> tuple[pa.Array, pa.Array]:
        """Return for the rows of both sides what they are matched by."""
        if not self.key:
            return numbered(old.select(self._match)), numbered(new.select(self._match))
        names = list(self.key)
        # Sorted rows: while the first and the last key agree, all between them do.
        while len(names) > 1 and one_value(names[0], old, new):
            del names[0]
        if len(names) == 1:
            return old[names[0]].combine_chunks(), new[names[0]].combine_chunks()
        return key_texts(old, names), key_texts(new, names)


def one_value(name: str, old: pa.Table, new: pa.Table) -> bool:
    """Tell whether a leading key column of sorted rows is one value on both sides."""
    ends = [rows[name][index].as_py() for rows in (old, new) for index in (0, -1)]
    return all(end == ends[0] for end in ends)


def not_found(found: pa.Array, rows: int) -> pa.Array:
    """Return for each of so many rows whether no index in `found` names it."""
    gone = np.ones(rows, dtype=bool)
    gone[found.drop_null().to_numpy()] = False
    return pa.array(gone)


def numbered(rows: pa.Table) -> pa.Array:
    """Return each row as a text, equal rows told apart by a number."""
    columns = [texts(rows[name]).to_pylist() for name in rows.schema.names]
    seen: Counter[str] = Counter()
    names: list[str] = []
    for cells in zip(*columns, strict=True):
        text = repr(cells)
        names.append(f"{seen[text]} {text}")
        seen[text] += 1
    return pa.array(names, pa.string())


def summable(kind: pa.DataType) -> bool:
    """Tell whether sums of a column are exact: of floats they are not."""
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def exact_sum(column: pa.ChunkedArray) -> Decimal:
    """Return the sum of whole or decimal numbers, which never wraps."""
    scale = column.type.scale if pa.types.is_decimal(column.type) else 0
    total = pc.sum(column.cast(pa.decimal128(38, scale))).as_py()
    return Decimal(0) if total is None else total


def unequal(old: Sequence[Part], new: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """Return the parts that one side alone has; equal ones cancel each other."""
    common = Counter(part.digest for part in old) & Counter(part.digest for part in new)

    def rest(parts: Sequence[Part]) -> list[Part]:
        spare = Counter(common)
        kept: list[Part] = []
        for part in parts:
            if spare[part.digest]:
                spare[part.digest] -= 1
            elif part.rows:
                kept.append(part)
        return kept

    return rest(old), rest(new)


def check_keys(tables: Sequence[TableReader], key: Sequence[str]) -> None:
    """Refuse tables that cannot be matched by a key.

    Raises:
        RequestError: TABLES_NOT_COMPARABLE: other key columns or types; or a shorter
            key, and what it leaves out is not one value in each table.
    """
    first, last = tables[0], tables[-1]
    names = last.key_columns()
    if first.key_columns() != names or tuple(key) != tuple(
        name for name in names if name in key
    ):
        raise not_comparable(first.key_columns(), key)
    if any(first.schema.field(n).type != last.schema.field(n).type for n in key):
        raise not_comparable(first.key_columns(), key)
    left_out = [name for name in names if name not in key]
    for table in tables if left_out else ():
        seen: dict[str, set[object]] = {name: set() for name in left_out}
        for part in table.parts:
            values = table.open(part).read(columns=left_out)
            for name in left_out:
                seen[name] |= set(values[name].unique().to_pylist())
        if any(len(values) > 1 for values in seen.values()):
            raise not_comparable(names, key)


def schema_changes(
    old: TableReader | None, new: TableReader
) -> tuple[Mapping[str, str | None], ...]:
    """Return what happened to the columns, once and not for every row."""
    if old is None:
        return ()
    before = {one.name: str(one.type) for one in old.schema}
    after = {one.name: str(one.type) for one in new.schema}
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        {"column": name, "old": before.get(name), "new": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    )


def not_comparable(old: Sequence[str], new: Sequence[str]) -> RequestError:
    """Return the error for keys that differ."""
    return RequestError(
        Reason.TABLES_NOT_COMPARABLE, key_old=", ".join(old), key_new=", ".join(new)
    )
