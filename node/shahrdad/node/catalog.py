"""Reading the catalog: datasets, versions, changes. The projection writes it.

Every reader (command line, HTTP, CKAN facade, portal) asks here, so all doors show the
same title, version and digest.
"""

import builtins
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest

State = Literal["live", "withdrawn"]

_COLUMNS = (
    "d.id, d.ref, d.city, d.slug, d.family, d.license, d.fiscal_year, d.rows, d.bytes,"
    " d.state, d.version, d.idx, d.first_published, d.updated, d.reason, d.replaced_by,"
    " d.title_fa, d.title_en, d.sha256, l.origin, d.score"
)
_FROM = "FROM dataset d JOIN log l ON l.id = d.log"
_VERSIONS = (
    "SELECT v.n, v.idx, v.time, v.sha256, v.rows, v.change, v.state, l.origin"
    " FROM dataset_version v JOIN log l ON l.id = v.log"
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The current state of one dataset.

    `version`, `index` and `digest` are those of the newest version whose record this
    node holds; `state` is that of the log.
    """

    id: int
    ref: str
    city: str
    slug: str
    family: str | None
    license: str | None
    fiscal_year: int | None
    rows: int | None
    bytes: int | None
    state: State
    version: int
    index: int
    first_published: str
    updated: str
    reason: str | None
    replaced_by: str | None
    title_fa: str
    title_en: str
    digest: Digest
    origin: str
    score: int = 0  # of quality, in ten-thousandths

    @property
    def name(self) -> str:
        """The reference in one word: `kerman--budget-1404`."""
        return f"{self.city}--{self.slug}"


@dataclass(frozen=True, slots=True)
class Version:
    """One published version of a dataset."""

    n: int
    index: int
    time: str
    digest: Digest
    rows: int | None
    change: Mapping[str, Any] | None
    state: Literal["held", "missing", "redacted"]
    origin: str


@dataclass(frozen=True, slots=True)
class Change:
    """What this node learned, in its own order."""

    seq: int
    ref: str
    op: str
    version: int | None
    index: int
    time: str
    digest: Digest | None
    reason: str | None


class Catalog:
    """Read access to the projection; one instance serves many threads.

    Args:
        connect: Gives the calling thread's connection.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect

    def get(self, ref: str) -> Dataset:
        """Return a dataset by reference, or by its one-word name.

        Raises:
            RequestError: DATASET_UNKNOWN.
        """
        wanted = ref.replace("--", "/", 1)
        row = self._connect().execute(
            f"SELECT {_COLUMNS} {_FROM} WHERE d.ref=? AND d.state<>'pending'",
            (wanted,),
        )
        found = row.fetchone()
        if found is None:
            raise RequestError(Reason.DATASET_UNKNOWN, ref=ref)
        return _dataset(found)

    def list(
        self,
        *,
        city: str | None = None,
        family: str | None = None,
        withdrawn: bool = False,
    ) -> list[Dataset]:
        """Return the datasets of a city and family, by reference."""
        where, values = ["d.state <> 'pending'"], []
        if not withdrawn:
            where.append("d.state = 'live'")
        if city is not None:
            where.append("d.city = ?")
            values.append(city)
        if family is not None:
            where.append("d.family = ?")
            values.append(family)
        rows = self._connect().execute(
            f"SELECT {_COLUMNS} {_FROM} WHERE {' AND '.join(where)} ORDER BY d.ref",
            values,
        )
        return [_dataset(row) for row in rows]

    def by_ids(self, ids: Sequence[int]) -> tuple[Dataset, ...]:
        """Return datasets by row number, in that order; gone ones are left out."""
        marks = ",".join("?" * len(ids))
        rows = self._connect().execute(
            f"SELECT {_COLUMNS} {_FROM} WHERE d.id IN ({marks})",
            ids,
        )
        found = {row[0]: _dataset(row) for row in rows}
        return tuple(found[number] for number in ids if number in found)

    def versions(self, ref: str) -> builtins.list[Version]:
        """Return the versions of a dataset, newest first.

        Raises:
            RequestError: DATASET_UNKNOWN.
        """
        dataset = self.get(ref)
        rows = self._connect().execute(
            f"{_VERSIONS} WHERE v.dataset=? ORDER BY v.n DESC", (dataset.id,)
        )
        return [_version(row) for row in rows]

    def version(self, ref: str, n: int | None = None) -> tuple[Dataset, Version]:
        """Return one version of a dataset; None means the newest that is held.

        Raises:
            RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN.
        """
        dataset = self.get(ref)
        wanted = dataset.version if n is None else n
        row = self._connect().execute(
            f"{_VERSIONS} WHERE v.dataset=? AND v.n=?",
            (dataset.id, wanted if abs(wanted) < 2**63 else -1),
        )
        found = row.fetchone()
        if found is None:
            raise RequestError(
                Reason.VERSION_UNKNOWN,
                ref=ref,
                version=wanted,
                version_max=dataset.version,
            )
        return dataset, _version(found)

    def as_of(self, ref: str, time: str) -> tuple[Dataset, Version]:
        """Return the version that was current at a time (RFC 3339, UTC).

        Of the versions whose entry time is not later, the largest index wins: a clock
        that ran backwards never revives an older version.

        Raises:
            RequestError: DATASET_UNKNOWN, NOT_YET_PUBLISHED.
        """
        dataset = self.get(ref)
        for version in self.versions(ref):
            if version.time <= time:
                return dataset, version
        raise RequestError(
            Reason.NOT_YET_PUBLISHED,
            ref=ref,
            time=time,
            first=dataset.first_published or "",
        )

    def body(self, digest: Digest) -> dict[str, Any]:
        """Return a record that this node holds.

        Raises:
            RequestError: RECORD_NOT_HELD.
        """
        return json.loads(self.body_bytes(digest))  # type: ignore[no-any-return]

    def body_bytes(self, digest: Digest) -> bytes:
        """Return the exact bytes of a record, as its city published them.

        Raises:
            RequestError: RECORD_NOT_HELD.
        """
        row = self._connect().execute(
            "SELECT content FROM body WHERE sha256=?", (digest.raw,)
        )
        found = row.fetchone()
        if found is None:
            raise RequestError(Reason.RECORD_NOT_HELD, digest=digest.hex)
        return bytes(found[0])

    def changes(self, after: int, limit: int) -> builtins.list[Change]:
        """Return changes with a `seq` above `after`, oldest first."""
        rows = self._connect().execute(
            "SELECT seq, ref, op, version, idx, time, sha256, reason FROM change_feed"
            " WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, limit),
        )
        return [
            Change(seq, ref, op, n, idx, time, Digest(raw) if raw else None, reason)
            for seq, ref, op, n, idx, time, raw, reason in rows
        ]

    def publishes_object(self, digest: Digest) -> bool:
        """Tell whether some held record names an object: only those are public."""
        row = self._connect().execute(
            "SELECT 1 FROM object_ref WHERE sha256=? AND area='object' AND kind='body'"
            " LIMIT 1",
            (digest.raw,),
        )
        return row.fetchone() is not None


def _dataset(row: tuple[Any, ...]) -> Dataset:
    """Build a dataset from a row of `_COLUMNS`."""
    values = [*row]  # in the order of _COLUMNS
    values[-3] = Digest(values[-3])
    return Dataset(*values)


def _version(row: tuple[Any, ...]) -> Version:
    """Build a version from its row."""
    n, index, time, digest, rows, change, state, origin = row
    return Version(
        n,
        index,
        time,
        Digest(digest),
        rows,
        json.loads(change) if change else None,
        state,
        origin,
    )
