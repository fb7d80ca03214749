"""One table over the published versions of many cities (interfaces 4.4).

Each row says where it is from: `_city`, `_ref`, `_version` and `_receipt`, the address
of what proves it. Beside these four come the columns of the standard. A column that an
older minor version of the standard lacks is empty; one of another type makes the table
unreadable, which its digest names.

Nothing is read before rows are asked for, then part by part. Filters on the four
columns leave out whole datasets; filters on the key leave out parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.dataset as ds

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.node.store.contract import Area, ObjectStore
from shahrdad.node.table.filters import combined
from shahrdad.node.table.key import Value
from shahrdad.node.table.limits import BATCH_ROWS
from shahrdad.node.table.parquet import Part
from shahrdad.node.table.query import Query
from shahrdad.node.table.reading import TableReader, between

ORIGIN = pa.schema(
    [
        pa.field("_city", pa.string()),
        pa.field("_ref", pa.string()),
        pa.field("_version", pa.int64()),
        pa.field("_receipt", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of one version come from: the values of the first columns."""

    city: str
    ref: str
    version: int
    receipt: str

    def columns(self, rows: int) -> dict[str, pa.Array]:
        """Return the four columns of so many rows."""
        values = (self.city, self.ref, self.version, self.receipt)
        return {
            one.name: pa.repeat(pa.scalar(value, one.type), rows)
            for one, value in zip(ORIGIN, values, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Share:
    """What one version brings to the table: its parts in key order."""

    origin: Origin
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class SharePart(Part):
    """A part that knows whose it is; two cities may publish the same bytes."""

    share: int = 0


class UnionTable(TableReader):
    """A table of several published ones, in the order given.

    Args:
        store: Where the parts lie.
        shares: At least one, each with at least one part.
        columns: The columns of the standard; those of `ORIGIN` come before them.
        primary_key: Of each share alone; what orders its parts.
    """

    def __init__(
        self,
        store: ObjectStore,
        shares: Sequence[Share],
        columns: pa.Schema,
        primary_key: Sequence[str],
    ) -> None:
        parts = [
            SharePart(part.digest, part.bytes, part.rows, part.first, number)
            for number, share in enumerate(shares)
            for part in share.parts
        ]
        super().__init__(store, parts, Area.OBJECT)
        self.shares = tuple(shares)
        self.columns = columns
        self.primary_key = tuple(primary_key)
        self._schema = pa.schema([*ORIGIN, *columns])

    def key_columns(self) -> tuple[str, ...]:
        """Return the key of each share, which chooses parts but tells no rows apart."""
        return self.primary_key

    def choose(
        self, low: Sequence[Value] = (), high: Sequence[Value] = ()
    ) -> tuple[Part, ...]:
        """Return the parts that can hold keys between two bounds, of every share."""
        kinds = [self.columns.field(name).type for name in self.primary_key]
        chosen: list[Part] = []
        for number in range(len(self.shares)):
            own = [part for part in self.parts if _share(part) == number]
            chosen += between(own, kinds, low, high)
        return tuple(chosen)

    def narrowed(self, query: Query) -> "UnionTable":
        """Return the table without the shares that no row of an answer is from.

        One share stays where none would match, so that the answer has its columns.
        """
        filters = [one for one in query.filters if one.column in ORIGIN.names]
        ors = [
            either
            for either in query.ors
            if all(one.column in ORIGIN.names for one in either)
        ]
        kept = []
        for share in self.shares:
            row = pa.record_batch(share.origin.columns(1))
            mask = combined(row, filters, ors)
            if mask is None or mask[0].as_py():
                kept.append(share)
        kept = kept or [*self.shares[:1]]
        return UnionTable(self.store, kept, self.columns, self.primary_key)

    def read(self, part: Part, columns: Sequence[str]) -> pa.Table:
        """Return some columns of one part, in that order."""
        batches = list(self.batches(columns, None, [part], max(part.rows, 1)))
        schema = pa.schema([self.schema.field(name) for name in columns])
        return pa.Table.from_batches(batches, schema)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        where: ds.Expression | None = None,
        parts: Sequence[Part] | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows in the published order of each share, share by share."""
        if where is not None:
            raise ValueError("a union is filtered by its reader")
        names = list(self.schema.names if columns is None else columns)
        for part in self.parts if parts is None else parts:
            if part.rows:
                yield from self._batches_of(part, names, batch_rows)

    def _batches_of(
        self, part: Part, names: Sequence[str], batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one part with the columns of the union."""
        origin = self.shares[_share(part)].origin
        wanted = [name for name in names if name not in ORIGIN.names]
        file = self.open(part) if wanted else None
        held = [name for name in wanted if file and name in file.schema_arrow.names]
        if file is None or not held:
            for start in range(0, part.rows, batch_rows):
                rows = min(batch_rows, part.rows - start)
                yield self._shaped(part, origin, None, rows, names)
            return
        for batch in file.iter_batches(batch_size=batch_rows, columns=held):
            yield self._shaped(part, origin, batch, batch.num_rows, names)

    def _shaped(
        self,
        part: Part,
        origin: Origin,
        batch: pa.RecordBatch | None,
        rows: int,
        names: Sequence[str],
    ) -> pa.RecordBatch:
        """Return rows with the columns of the union, in their types."""
        found = origin.columns(rows)
        for name in names:
            if name in found:
                continue
            kind = self.columns.field(name).type
            if batch is None or name not in batch.schema.names:
                found[name] = pa.nulls(rows, kind)
                continue
            try:
                found[name] = batch.column(name).cast(kind)
            except pa.ArrowException as error:
                raise DataError(
                    Reason.TABLE_UNREADABLE, digest=part.digest.hex, detail=name
                ) from error
        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.record_batch([found[name] for name in names], schema=schema)


def _share(part: Part) -> int:
    """Return whose a part is."""
    return part.share if isinstance(part, SharePart) else 0
