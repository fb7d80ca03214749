"""What the lake has: city namespaces with a table each dataset, and `all`, by family.

    kerman."budget-1404"    every held version of one dataset, each a snapshot
    all."budget_lines"      the newest versions of all cities, one snapshot

Only live datasets with a table are here. Nothing in this module needs PyIceberg.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shahrdad.datasets.errors import RequestError, ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.catalog import Catalog, Dataset, Version

UNION = "all"  # a namespace that no city may be called
BUCKET = "lake"
RESOURCE_MARK = "__"


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
        n: Number of the version; 1 for a union.
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
            resources = _resources(self._body(dataset.digest))
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
        found = _resources(self._body(version.digest))
        parts = found.get(resource, ()) if resource else next(iter(found.values()), ())
        if not resource and len(found) > 1:
            return ()
        return tuple(DataFile(f"data/{d.hex}.parquet", d, size) for d, size in parts)

    def _union(self, family: str) -> LakeTable:
        """Return the union of a family: the newest version of each of its datasets."""
        files: list[DataFile] = []
        marks, times = [], []
        for dataset in self._catalog.list(family=family):
            for parts in _resources(self._body(dataset.digest)).values():
                files += [
                    DataFile(f"data/{dataset.city}/{d.hex}.parquet", d, size)
                    for d, size in parts
                ]
            marks.append(f"{dataset.ref} {dataset.digest.hex}")
            times.append(dataset.updated)
        if not files:
            raise KeyError(family)
        unique = tuple(sorted(dict.fromkeys(files), key=lambda file: file.path))
        mark = hashlib.sha256("\n".join(sorted(marks)).encode()).hexdigest()
        version = LakeVersion(1, max(times), mark, unique)
        return LakeTable(UNION, family, family, (version,))

    def _body(self, digest: Digest) -> Mapping[str, Any]:
        return self._catalog.body(digest)


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
