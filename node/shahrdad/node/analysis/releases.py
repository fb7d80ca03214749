"""What the cities published, read for figures that span them (interfaces 4.4).

A figure rests on releases: versions of datasets, each named by reference, number and
the digest of its record. Only logs that are signed or confirmed count, of the same
major version of the standard; what is left out is named with its reason. A city that
has published nothing of a family is absent, never 0.

A release can be the newest that is held, or the one of a moment: what the logs held at
given sizes, up to a time.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal, TypeVar

import pyarrow as pa
import rfc8785

from shahrdad.datasets.errors import RequestError, ShahrdadError
from shahrdad.datasets.standards import Standard, load
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.analysis.limits import (
    CACHE_BYTES_MAX,
    CHANGES_MAX,
    TABLE_ROWS_MAX,
)
from shahrdad.node.catalog import Catalog, Change, Dataset, Version
from shahrdad.node.http.view import NodeView

Cause = Literal["quarantined", "standard", "too_large", "not_held", "unreadable"]
COUNTED_STATES = frozenset({"signed", "confirmed", "stale"})
ARROW: Mapping[str, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}
Row = dict[str, Any]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, order=True)
class Input:
    """A version that a figure rests on."""

    ref: str
    version: int
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"ref": self.ref, "version": self.version, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Excluded:
    """A dataset that does not count, and why."""

    city: str
    ref: str
    cause: Cause


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """One version of a dataset with its table, typed as the standard says.

    Attributes:
        declared: Announced figures that its city published beside it.
        example: Whether it says of itself that it is invented.
        warnings: How many its validation left; None where the record does not say.
    """

    city: str
    family: str
    ref: str
    version: int
    index: int
    time: str
    digest: str
    origin: str
    fiscal_year: int | None
    declared: Mapping[str, str]
    example: bool
    table: pa.Table
    warnings: int | None = None

    @property
    def input(self) -> Input:
        """What a figure names that rests on it."""
        return Input(self.ref, self.version, self.digest)

    def rows(self, *columns: str) -> list[Row]:
        """Return the rows with these columns; all by default."""
        table = self.table.select(list(columns)) if columns else self.table
        rows: list[Row] = table.to_pylist()
        return rows


@dataclass(frozen=True, slots=True)
class Gathered:
    """The releases of a family over all cities.

    Attributes:
        cities: Slugs of the cities of the network, those without a release too.
    """

    family: str
    cities: tuple[str, ...]
    releases: tuple[Release, ...]
    excluded: tuple[Excluded, ...]

    def of(self, city: str) -> tuple[Release, ...]:
        """Return the releases of a city."""
        return tuple(one for one in self.releases if one.city == city)

    def first(self, city: str) -> Release | None:
        """Return the release of a city whose family has one dataset a city."""
        return next(iter(self.of(city)), None)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What a figure over all of them rests on."""
        return tuple(sorted(one.input for one in self.releases))


def of_year(gathered: Gathered, fiscal_year: int) -> Gathered:
    """Return the releases of one fiscal year."""
    kept = tuple(one for one in gathered.releases if one.fiscal_year == fiscal_year)
    return replace(gathered, releases=kept)


def inputs_digest(inputs: Sequence[Input]) -> str:
    """Return the SHA-256 of the canonical JSON of inputs: it pins a figure."""
    listed = [one.to_dict() for one in sorted(set(inputs))]
    return sha256(rfc8785.dumps(listed)).hexdigest()


@dataclass(frozen=True, slots=True)
class Moment:
    """What the logs held: entries below each size, not later than a time."""

    time: str  # RFC 3339, UTC
    sizes: Mapping[str, int]
    cities: tuple[str, ...]


@dataclass(slots=True)
class Tables:
    """Decoded tables by record digest, the latest used kept."""

    kept: OrderedDict[str, pa.Table] = field(default_factory=OrderedDict)
    held_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, digest: str) -> pa.Table | None:
        """Return a table that is kept."""
        with self.lock:
            if digest not in self.kept:
                return None
            self.kept.move_to_end(digest)
            return self.kept[digest]

    def put(self, digest: str, table: pa.Table) -> None:
        """Keep a table, and drop the oldest ones above the bound."""
        with self.lock:
            if digest in self.kept or table.nbytes > CACHE_BYTES_MAX:
                return
            self.kept[digest] = table
            self.held_bytes += table.nbytes
            while self.held_bytes > CACHE_BYTES_MAX:
                _, dropped = self.kept.popitem(last=False)
                self.held_bytes -= dropped.nbytes


class Releases:
    """Reads releases of a node, its own city's and those it mirrors.

    Args:
        node: Whose catalog and store.
        moment: None for the newest versions.
        tables: Shared with other readers of the same node.
    """

    def __init__(
        self,
        node: NodeView,
        moment: Moment | None = None,
        tables: Tables | None = None,
    ) -> None:
        self._node = node
        self.moment = moment
        self._tables = tables or Tables()
        self._history: dict[str, list[Change]] | None = None
        self._states: dict[str, str] | None = None
        self._origins: dict[str, str] = {}
        self._known: dict[object, Any] = {}
        self._held_bytes = 0

    def once(self, name: object, make: Callable[[], Made]) -> Made:
        """Return what `make` returned the first time that this name was asked for.

        What a reader finds never changes, so a page computes a figure once; two
        threads may both compute it, to the same result.
        """
        if name not in self._known:
            self._known[name] = make()
        found: Made = self._known[name]
        return found

    def at(self, moment: Moment | None) -> "Releases":
        """Return a reader of another moment, over the same tables."""
        found = Releases(self._node, moment, self._tables)
        found._history = self._history
        return found

    def cities(self) -> tuple[str, ...]:
        """Return the cities whose logs are held, the node's own first.

        Of a moment they are those of its logs, by slug: the same on every node.
        """
        if self.moment is not None:
            return self.moment.cities
        own = self._node.config.node.city
        found = {str(log.get("city") or "") for log in self._logs()}
        found |= {one.city for one in self._node.catalog.list()}
        return (own, *sorted(found - {own, ""}))

    def gather(self, family: str, fiscal_year: int | None = None) -> Gathered:
        """Return the releases of a family, one a dataset, in order of reference."""
        if fiscal_year is not None:
            return of_year(self.gather(family), fiscal_year)
        kept = self._known.get(("gather", family))
        if isinstance(kept, Gathered):
            return kept
        found = self._gather(family)
        self._held_bytes += sum(one.table.nbytes for one in found.releases)
        if self._held_bytes <= CACHE_BYTES_MAX:  # above it, tables are read anew
            self._known["gather", family] = found
        return found

    def _gather(self, family: str) -> Gathered:
        releases: list[Release] = []
        excluded: list[Excluded] = []
        for dataset, n in self._datasets(family):
            found = self._release(dataset, n)
            if isinstance(found, Release):
                releases.append(found)
            else:
                excluded.append(Excluded(dataset.city, dataset.ref, found))
        return Gathered(family, self.cities(), tuple(releases), tuple(excluded))

    def years(self, city: str | None = None) -> tuple[int, ...]:
        """Return the fiscal years with a budget, newest first."""
        found = {
            release.fiscal_year
            for release in self.gather("budget_lines").releases
            if release.fiscal_year and city in {None, release.city}
        }
        return tuple(sorted(found, reverse=True))

    def versions(self, ref: str) -> list[Change]:
        """Return the versions of a dataset up to the moment, oldest first."""
        return [
            change
            for change in self.history().get(ref, [])
            if change.op == "put" and self._counts(change)
        ]

    def version(self, ref: str, n: int) -> Release | None:
        """Return one version of a dataset, or None where it does not count."""
        found = self._release(self._node.catalog.get(ref), n)
        return found if isinstance(found, Release) else None

    def history(self) -> dict[str, list[Change]]:
        """Return what happened to each dataset, in the order of its log."""
        if self._history is None:
            found: dict[str, list[Change]] = {}
            for change in changes(self._node.catalog):
                found.setdefault(change.ref, []).append(change)
            for listed in found.values():
                listed.sort(key=lambda change: change.index)
            self._history = found
        return self._history

    def origin(self, ref: str) -> str:
        """Return the log that a dataset stands in."""
        if ref not in self._origins:
            self._origins[ref] = self._node.catalog.get(ref).origin
        return self._origins[ref]

    def _logs(self) -> Sequence[Mapping[str, Any]]:
        logs = self._node.federation_status().get("logs")
        return logs if isinstance(logs, list) else []

    def _state(self, origin: str) -> str:
        """Return how a log stands; one of which nothing is known is signed.

        A moment names the logs that count.
        """
        if self.moment is not None:
            return "signed"
        if self._states is None:
            self._states = {
                str(log.get("origin")): str(log.get("state")) for log in self._logs()
            }
        return self._states.get(origin, "signed")

    def _counts(self, change: Change) -> bool:
        """Tell whether a change had happened at the moment."""
        if self.moment is None:
            return True
        size = self.moment.sizes.get(self.origin(change.ref), 0)
        return change.index < size and change.time <= self.moment.time

    def _datasets(self, family: str) -> list[tuple[Dataset, int]]:
        """Return the live datasets of a family, each with its version."""
        catalog = self._node.catalog
        if self.moment is None:
            return [(one, one.version) for one in catalog.list(family=family)]
        found = []
        for dataset in catalog.list(family=family, withdrawn=True):
            events = [
                change
                for change in self.history().get(dataset.ref, [])
                if change.op in {"put", "delete"} and self._counts(change)
            ]
            if events and events[-1].op == "put" and events[-1].version is not None:
                found.append((dataset, events[-1].version))
        return found

    def _release(self, dataset: Dataset, n: int) -> Release | Cause:
        """Return a version with its table, or why it does not count."""
        if self._state(dataset.origin) not in COUNTED_STATES:
            return "quarantined"
        try:
            _, version = self._node.catalog.version(dataset.ref, n)
            body = self._node.catalog.body(version.digest)
        except RequestError:
            return "not_held"
        if (version.rows or 0) > TABLE_ROWS_MAX:
            return "too_large"
        ours = mapping(body.get("shahrdad"))
        standard = standard_of(ours, dataset.family or "")
        if standard is None:
            return "standard"
        try:
            table = self._table(version.digest, body, standard)
        except (ShahrdadError, OSError):
            return "not_held"
        except (pa.ArrowException, KeyError, TypeError, ValueError):
            return "unreadable"
        return release(dataset, version, ours, table)

    def _table(
        self, digest: Digest, body: Mapping[str, Any], standard: Standard
    ) -> pa.Table:
        kept = self._tables.get(digest.hex)
        if kept is not None:
            return kept
        from shahrdad.node.publish import published_parts
        from shahrdad.node.table.reading import TableReader

        reader = TableReader(self._node.store, published_parts(body))
        if reader.rows > TABLE_ROWS_MAX:
            raise ValueError(reader.rows)
        batches = list(reader.batches())
        table = conform(pa.Table.from_batches(batches, reader.schema), standard)
        self._tables.put(digest.hex, table)
        return table


def release(
    dataset: Dataset, version: Version, ours: Mapping[str, Any], table: pa.Table
) -> Release:
    """Return a release of a version whose table was read."""
    declared = mapping(ours.get("declared"))
    year = ours.get("fiscal_year")
    warnings = mapping(ours.get("quality")).get("warnings")
    return Release(
        city=dataset.city,
        family=dataset.family or "",
        ref=dataset.ref,
        version=version.n,
        index=version.index,
        time=version.time,
        digest=version.digest.hex,
        origin=version.origin,
        fiscal_year=year if isinstance(year, int) else None,
        declared={str(name): str(value) for name, value in declared.items()},
        example=ours.get("example") is True,
        table=table,
        warnings=warnings if type(warnings) is int else None,
    )


def conform(table: pa.Table, standard: Standard) -> pa.Table:
    """Return a table with the standard's columns and types, others left out.

    A column that another minor version lacks is empty; one of another type is cast
    where no value is lost.

    Raises:
        pa.ArrowException: a column does not fit its type.
    """
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for one in standard.fields:
        kind = ARROW.get(one.type, pa.string())
        if one.type == "list":
            kind = pa.list_(pa.field("item", pa.string()))
        if one.name in table.schema.names:
            columns[one.name] = table[one.name].cast(kind)
        else:
            columns[one.name] = pa.nulls(table.num_rows, kind)
    return pa.table(columns)


def standard_of(ours: Mapping[str, Any], family: str) -> Standard | None:
    """Return our version of the standard, when it has the same major version."""
    named = mapping(ours.get("standard")).get("version")
    try:
        known = load(family)
    except RequestError:
        return None
    major = str(named or known.version).split(".")[0]
    return known if known.version.split(".")[0] == major else None


def changes(catalog: Catalog) -> list[Change]:
    """Return the changes that this node knows of, at most so many."""
    found: list[Change] = []
    after = 0
    while len(found) < CHANGES_MAX:
        page = catalog.changes(after, 5_000)
        found += page
        if not page:
            break
        after = page[-1].seq
    return found[:CHANGES_MAX]


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, empty where there is none."""
    return value if isinstance(value, dict) else {}
