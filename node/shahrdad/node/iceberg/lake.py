"""What the lake has: city namespaces with a table each dataset, and `all`, by family.

    kerman."budget-1404"    every held version of one dataset, each a snapshot
    all."budget_lines"      the versions of all cities that were current at the end of
                            a day, a snapshot for each day on which one was published

Only live datasets with a table are here. Nothing in this module needs PyIceberg.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shahrdad.datasets.errors import RequestError, ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.catalog import Catalog, Dataset, Version

TEHRAN = ZoneInfo("Asia/Tehran")
UNION = "all"  # a namespace that no city may be called
BUCKET = "lake"
RESOURCE_MARK = "__"
UNION_DAYS_MAX = 60  # snapshots of a union, the newest days; a version's own stay
REMEMBERED_MAX = 20_000  # records whose files are known without reading them again


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet object as a data file.

    Attributes:
        path: Below the table's location: `data/<digest>.parquet`.
    """

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class LakeVersion:
    """A version of a table: its snapshot.

    Attributes:
        n: Number of the version; for a union the day, 20251120.
        time: Of the entry: RFC 3339, UTC.
        mark: What the version is: the digest of its record, or of a union's records.
    """

    n: int
    time: str
    mark: str
    files: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table with its versions, oldest first; at least one."""

    namespace: str
    name: str
    title: str
    versions: tuple[LakeVersion, ...]

    @property
    def location(self) -> str:
        """Where the table lies, for its readers."""
        return f"s3://{BUCKET}/{self.namespace}/{self.name}"

    @property
    def mark(self) -> str:
        """The name of this state of the table: changes when a version is added."""
        text = "\n".join((self.location, *(version.mark for version in self.versions)))
        return hashlib.sha256(text.encode()).hexdigest()

    def file(self, path: str) -> DataFile | None:
        """Return the data file at a path below the location, if a version has it."""
        for version in reversed(self.versions):
            for file in version.files:
                if file.path == path:
                    return file
        return None


class Lake:
    """The tables of a catalog.

    Args:
        catalog: What is published.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[Digest, dict[str, Sequence[tuple[Digest, int]]]] = {}

    def namespaces(self) -> list[str]:
        """Return the cities that have a live dataset, and `all`."""
        return [UNION, *sorted({dataset.city for dataset in self._catalog.list()})]

    def tables(self, namespace: str) -> list[str]:
        """Return the names of a namespace's tables.

        Raises:
            KeyError: There is no such namespace.
        """
        if namespace not in self.namespaces():
            raise KeyError(namespace)
        if namespace == UNION:
            live = self._catalog.list()
            return sorted({item.family for item in live if item.family is not None})
        names: list[str] = []
        for dataset in self._catalog.list(city=namespace):
            resources = self._resources(dataset.digest)
            names += [
                _table_name(dataset, name, resources) for name in sorted(resources)
            ]
        return sorted(names)

    def table(self, namespace: str, name: str) -> LakeTable:
        """Return a table.

        Raises:
            KeyError: There is no such table, or it has no data here.
        """
        if namespace == UNION:
            return self._union(name)
        slug, _, resource = name.partition(RESOURCE_MARK)
        try:
            dataset = self._catalog.get(f"{namespace}/{slug}")
        except RequestError as error:
            raise KeyError(name) from error
        if dataset.state != "live":
            raise KeyError(name)
        versions = []
        for version in reversed(self._catalog.versions(dataset.ref)):
            files = self._files(version, resource)
            if files:
                versions.append(
                    LakeVersion(version.n, version.time, version.digest.hex, files)
                )
        if not versions:
            raise KeyError(name)
        return LakeTable(namespace, name, dataset.title_fa, tuple(versions))

    def _files(self, version: Version, resource: str) -> tuple[DataFile, ...]:
        """Return the data files of a version; none of one that is not held."""
        if version.state != "held":
            return ()
        found = self._resources(version.digest)
        parts = found.get(resource, ()) if resource else next(iter(found.values()), ())
        if not resource and len(found) > 1:
            return ()
        return tuple(DataFile(f"data/{d.hex}.parquet", d, size) for d, size in parts)

    def _union(self, family: str) -> LakeTable:
        """Return the union of a family: for each of its days what was current then."""
        versions = [
            (dataset, [one for one in self._catalog.versions(dataset.ref) if held(one)])
            for dataset in self._catalog.list(family=family)
        ]
        days = sorted({day_of(one.time) for _, found in versions for one in found})
        snapshots = []
        for day in days[-UNION_DAYS_MAX:]:
            current = [
                (dataset, one)
                for dataset, found in versions
                # The largest index wins: a clock that ran back revives nothing.
                if (one := _first(found, day)) is not None
            ]
            snapshot = self._snapshot(day, current)
            if snapshot is not None:
                snapshots.append(snapshot)
        if not snapshots:
            raise KeyError(family)
        return LakeTable(UNION, family, family, tuple(snapshots))

    def _snapshot(
        self, day: date, current: Sequence[tuple[Dataset, Version]]
    ) -> LakeVersion | None:
        """Return one day of a union; None when nothing of it has a table."""
        files = [
            DataFile(f"data/{dataset.city}/{digest.hex}.parquet", digest, size)
            for dataset, version in current
            for parts in self._resources(version.digest).values()
            for digest, size in parts
        ]
        if not files:
            return None
        marks = sorted(f"{dataset.ref} {one.digest.hex}" for dataset, one in current)
        mark = hashlib.sha256("\n".join(marks).encode()).hexdigest()
        unique = tuple(sorted(dict.fromkeys(files), key=lambda file: file.path))
        time = max(one.time for _, one in current)
        return LakeVersion(int(day.strftime("%Y%m%d")), time, mark, unique)

    def _resources(self, digest: Digest) -> dict[str, Sequence[tuple[Digest, int]]]:
        """Return the files of a record's tables; a record never changes."""
        found = self._known.get(digest)
        if found is None:
            found = _resources(self._catalog.body(digest))
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            self._known[digest] = found
        return found


def held(version: Version) -> bool:
    """Tell whether a version's record is here."""
    return version.state == "held"


def day_of(time: str) -> date:
    """Return the day in Tehran of an entry's time; of no time, the first day."""
    try:
        return datetime.fromisoformat(time).astimezone(TEHRAN).date()
    except (ValueError, OverflowError):
        return date.min


def _first(newest_first: Sequence[Version], day: date) -> Version | None:
    """Return the newest version that was published by the end of a day."""
    return next((one for one in newest_first if day_of(one.time) <= day), None)


def _table_name(
    dataset: Dataset, resource: str, resources: Mapping[str, object]
) -> str:
    """Return the table's name: the slug, with the resource when there are several."""
    if len(resources) == 1:
        return dataset.slug
    return f"{dataset.slug}{RESOURCE_MARK}{resource}"


def _resources(
    body: Mapping[str, Any],
) -> dict[str, Sequence[tuple[Digest, int]]]:
    """Return the Parquet objects of each table of a record, in key order.

    A spoilt record of another city has none.
    """
    found: dict[str, list[tuple[Digest, int]]] = {}
    try:
        for resource in body["resources"]:
            facts = resource.get("shahrdad", {})
            role = facts.get("role", "table")
            if role not in {"table", "part"} or "hash" not in resource:
                continue
            name = facts["of"] if role == "part" else resource["name"]
            digest = Digest.parse(resource["hash"].removeprefix("sha256:"))
            found.setdefault(str(name), []).append((digest, int(resource["bytes"])))
    except (KeyError, TypeError, ValueError, AttributeError, ShahrdadError):
        return {}
    return dict(found)
