"""One table over all cities of a standard, with the versions it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from shahrdad.client import tables
from shahrdad.client.chain import Asked
from shahrdad.client.dataset import Checking, Dataset
from shahrdad.client.library import Library
from shahrdad.client.moments import instant
from shahrdad.client.source import Query
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from pyarrow.compute import Expression

# Nodes of before said that there is no such version.
_TOO_EARLY = frozenset({Reason.NOT_YET_PUBLISHED, Reason.VERSION_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Input:
    """A version that a union was made of."""

    ref: str
    version: int
    digest: str
    trust: str


@dataclass(frozen=True, slots=True)
class Excluded:
    """A dataset that is not in a union, and why."""

    ref: str
    reason: str


@dataclass(frozen=True, slots=True, repr=False)
class Union:
    """Rows of several cities; each says from which in `_city`, `_ref` and `_version`.

    Attributes:
        table: The rows.
        inputs: The versions they come from: with `inputs_digest`, enough to cite.
        excluded: Datasets of the family that are not in it.
        missing: Cities that were asked for and publish nothing of the family. Nothing
            is not zero: they have no row.
        verified: "content", or "entry" when ranges were read.
    """

    table: "pa.Table"
    inputs: tuple[Input, ...]
    excluded: tuple[Excluded, ...]
    missing: tuple[str, ...]
    verified: str

    @property
    def inputs_digest(self) -> str:
        """SHA-256 of the inputs in canonical form."""
        named = [
            {"ref": used.ref, "version": used.version, "digest": used.digest}
            for used in self.inputs
        ]
        return Digest.of(strict_json.canonical(named)).hex

    def to_pandas(self) -> "pd.DataFrame":
        """Return the rows as a pandas DataFrame."""
        return tables.to_pandas(self.table)

    def to_polars(self) -> "pl.DataFrame":
        """Return the rows as a polars DataFrame."""
        return tables.to_polars(self.table)

    def scan(self, connection: Any) -> Any:
        """Return the rows as a relation of a DuckDB connection."""
        return tables.scan(self.table, connection)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the rows to any package that reads Arrow."""
        return self.table.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        """Return the size, and what is missing."""
        lacks = f", without {', '.join(self.missing)}" if self.missing else ""
        return (
            f"<Union: {self.table.num_rows} rows of {len(self.inputs)} datasets{lacks}>"
        )


class Family:
    """A standard, and who publishes by it.

    Args:
        library: Where to read.
        name: For example "active_systems".
    """

    def __init__(self, library: Library, name: str) -> None:
        self._library = library
        self.name = name

    def refs(
        self,
        cities: Sequence[str] | None = None,
        *,
        year: int | None = None,
        withdrawn: bool = False,
    ) -> list[str]:
        """Return the datasets of the family, by reference.

        Args:
            cities: Only of these; None for all.
            year: Only of this Jalali fiscal year.
            withdrawn: The withdrawn ones too.
        """
        found = set()
        for city in cities if cities is not None else [None]:
            for gone in (False, True) if withdrawn else (False,):
                query = Query(
                    family=self.name, city=city, fiscal_year=year, withdrawn=gone
                )
                found |= {hit.ref for hit in self._library.first.hits(query)}
        return sorted(found)

    def table(
        self,
        cities: str | Sequence[str] | None = None,
        as_of: str | date | None = None,
        *,
        year: int | None = None,
        columns: Sequence[str] | None = None,
        where: "Expression | None" = None,
        verify: Checking = "auto",
    ) -> Union:
        """Return the rows of every city, each version verified.

        Args:
            cities: Only these, or only this one; None for all.
            as_of: The versions that were current then.
            year: Only datasets of this Jalali fiscal year.
            columns: Only these columns.
            where: Only rows for which this holds.
            verify: As for `Dataset.table`.

        Raises:
            RequestError: NOT_OFFERED when nothing is left; STANDARD_UNKNOWN.
        """
        moment = None if as_of is None else instant(as_of)
        cities = [cities] if isinstance(cities, str) else cities
        opened, excluded = self._open(cities, year, moment)
        newest = max((_major(dataset) for dataset in opened), default=0)
        parts, inputs, ranged = [], [], False
        for dataset in opened:
            if _major(dataset) != newest:
                excluded.append(Excluded(dataset.ref, "another major version"))
                continue
            rows = dataset.table(columns=columns, where=where, verify=verify)
            ranged = ranged or dataset.provenance.verified == "entry"
            city = dataset.ref.partition("/")[0]
            said = {"_city": city, "_ref": dataset.ref, "_version": dataset.version}
            parts.append(tables.with_columns(rows, said))
            inputs.append(
                Input(
                    dataset.ref,
                    dataset.version,
                    dataset.provenance.digest,
                    dataset.provenance.trust,
                )
            )
        if not parts:
            raise self._nothing(cities, year)
        have = {used.ref.partition("/")[0] for used in inputs}
        return Union(
            tables.concatenate(parts),
            tuple(inputs),
            tuple(excluded),
            tuple(city for city in cities or () if city not in have),
            "entry" if ranged else "content",
        )

    def _open(
        self, cities: Sequence[str] | None, year: int | None, moment: str | None
    ) -> tuple[list[Dataset], list[Excluded]]:
        """Open every dataset of the family as it was at a moment."""
        opened, excluded = [], []
        for ref in self.refs(cities, year=year, withdrawn=moment is not None):
            try:
                verified = self._library.find(Asked(ref, None, moment))
            except ConflictError as error:
                excluded.append(Excluded(ref, str(error)))
            except RequestError as error:
                if error.reason not in _TOO_EARLY:
                    raise
                excluded.append(Excluded(ref, str(error)))
            else:
                opened.append(Dataset(self._library, verified))
        return opened, excluded

    def _nothing(self, cities: Sequence[str] | None, year: int | None) -> RequestError:
        """Return the error of a question that no dataset answers."""
        from shahrdad.datasets.standards import families

        node, known = self._library.first.name, families()
        if self.name not in known and not self.refs():
            names = ", ".join(known)
            return RequestError(
                Reason.STANDARD_UNKNOWN, family=self.name[:100], families=names
            )
        asked = [self.name, *(cities or ()), *([str(year)] if year else ())]
        return RequestError(Reason.NOT_OFFERED, node=node, subject=" ".join(asked))

    def __repr__(self) -> str:
        """Return the name."""
        return f"<Family {self.name}>"


def _major(dataset: Dataset) -> int:
    """Return the major version of the standard that a record follows; 0 for none."""
    standard = dataset.record.get("shahrdad", {}).get("standard") or {}
    head = str(standard.get("version", "0")).partition(".")[0]
    return int(head) if head.isascii() and head.isdigit() else 0
