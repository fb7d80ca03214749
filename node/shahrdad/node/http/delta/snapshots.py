"""A table at one version, as the lines of the protocol: metadata, then its files.

The files are the published Parquet objects, by their permanent addresses, or by those
that the store signed for an hour (`[store] serve`); nothing is written for this door. A
table over all cities tells a reader whose each file is by partition columns, which no
file has inside.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from shahrdad.datasets.errors import DataError, Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http import holdings
from shahrdad.node.http.cross_city import CrossCity, Member, columns, gather
from shahrdad.node.http.dataset_object import Shown, show
from shahrdad.node.http.delta import shares
from shahrdad.node.http.delta.predicates import Bounds, Tree, may_match
from shahrdad.node.http.delta.shares import Name
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.file_names import part_file, table_file
from shahrdad.node.http.identity import resource_uid, uid
from shahrdad.node.http.languages import now, rfc3339
from shahrdad.node.http.record_view import TableView
from shahrdad.node.http.view import NodeView
from shahrdad.node.table.schema import file_facts
from shahrdad.node.table.union import ORIGIN

SCHEMAS_KEPT = 4_096
PROTOCOL = {"protocol": {"minReaderVersion": 1}}
_PLAIN: Mapping[pa.DataType, str] = {
    pa.string(): "string",
    pa.int64(): "long",
    pa.int32(): "integer",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.date32(): "date",
}


@dataclass(slots=True)
class Schemas:
    """The Arrow schemas of tables by their first object, which is read for it once."""

    kept: OrderedDict[str, pa.Schema] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, shown: Shown, table: TableView) -> pa.Schema:
        """Return the schema of a table."""
        key = table.parts[0].digest.hex
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        found = reader(shown, table).schema
        with self.lock:
            self.kept[key] = found
            while len(self.kept) > SCHEMAS_KEPT:
                self.kept.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one version.

    Attributes:
        version: What the header `Delta-Table-Version` says.
        members: The published tables that it is made of.
        whole: Whether it is over all cities.
    """

    id: str
    name: str
    version: int
    schema: pa.Schema
    primary_key: tuple[str, ...]
    members: tuple[Member, ...]
    whole: bool

    def metadata(self) -> dict[str, Any]:
        """Return the line that describes it."""
        described = [_field(one) for one in self.schema]
        parts = [part for member in self.members for part in member.table.parts]
        return {
            "metaData": {
                "id": self.id,
                "name": self.name,
                "format": {"provider": "parquet"},
                "schemaString": json.dumps(
                    {"type": "struct", "fields": described}, ensure_ascii=False
                ),
                "partitionColumns": list(ORIGIN.names) if self.whole else [],
                "configuration": {},
                "version": self.version,
                "size": sum(part.bytes for part in parts),
                "numFiles": len(parts),
            }
        }

    def files(
        self,
        hints: list[Tree],
        limit: int | None,
        presigned: Callable[[Digest], str | None] = lambda digest: None,
    ) -> Iterator[dict[str, Any]]:
        """Yield a line for each file that may have rows which are wanted.

        Args:
            hints: Files that none of whose rows can match are left out.
            limit: Enough rows for a reader that wants no more.
            presigned: Gives an address at the store that is good for an hour.
        """
        rows = 0
        for member in self.members:
            values = self._partition(member)
            for number in range(len(member.table.parts)):
                if limit is not None and rows >= limit:
                    return
                bounds = {
                    **{name: Bounds(value, value) for name, value in values.items()},
                    **self._key_bounds(member.table, number),
                }
                if all(may_match(hint, bounds) for hint in hints):
                    # Hints may let through rows that the reader drops: no limit then.
                    rows += 0 if _has_comparison(hints) else _rows(member.table, number)
                    digest = member.table.parts[number].digest
                    yield self._file(member, number, values, presigned(digest))

    def _partition(self, member: Member) -> dict[str, str | int]:
        """Return whose rows a member's are; nothing for a table of one city."""
        if not self.whole:
            return {}
        shown = member.shown
        found = (shown.dataset.city, shown.ref, shown.version.n, member.receipt)
        return dict(zip(ORIGIN.names, found, strict=True))

    def _key_bounds(self, table: TableView, number: int) -> dict[str, Bounds]:
        """Return the bounds of the first key column in one part."""
        part = table.parts[number]
        if not self.primary_key or not part.first:
            return {}
        following = table.parts[number + 1 : number + 2]
        high = following[0].first[0] if following and following[0].first else None
        low = part.first[0]
        if not all(isinstance(one, str | int | None) for one in (low, high)):
            return {}
        return {self.primary_key[0]: Bounds(low, high)}

    def _file(
        self,
        member: Member,
        number: int,
        values: Mapping[str, str | int],
        presigned: str | None,
    ) -> dict[str, Any]:
        shown, table = member.shown, member.table
        part = table.parts[number]
        single = len(table.parts) == 1
        name = (
            table_file(shown.dataset.name, shown.record, table)
            if single
            else part_file(shown.dataset.name, table, number + 1)
        )
        stats = {"numRecords": _rows(table, number)}
        found = {
            "url": presigned or shown.addresses.table_file(part.digest, name),
            "id": part.digest.hex,
            "partitionValues": {key: str(value) for key, value in values.items()},
            "size": part.bytes,
            "stats": json.dumps(stats),
            "version": self.version,
        }
        return {"file": found}


def snapshot(
    node: NodeView,
    schemas: Schemas,
    name: Name,
    version: int | None = None,
    moment: str | None = None,
) -> Snapshot:
    """Return a table as it is, or as it was.

    Args:
        node: Whose catalog.
        schemas: Remembered ones.
        name: The table.
        version: A number of `Delta-Table-Version`; None for the newest.
        moment: RFC 3339; the version that was current then.

    Raises:
        RequestError: SHARE_UNKNOWN, VERSION_UNKNOWN.
    """
    if shares.check_share(node, name.share) == shares.EVERY_CITY:
        return _over_all(node, name, version, moment)
    dataset, resource = shares.find_dataset(node, name)
    if moment is not None:
        dataset, found = node.catalog.as_of(dataset.ref, moment)
    else:
        dataset, found = node.catalog.version(dataset.ref, version)
    if found.state != "held":
        raise shares.unknown(f"{dataset.ref} {found.n}")
    shown = show(node, dataset, found)
    table = shares.find_table(shown, resource)
    own = resource_uid(dataset.ref, resource) if resource else uid(dataset.ref)
    schema = schemas.of(shown, table)
    return Snapshot(
        str(own),
        name.table,
        found.n,
        schema,
        file_facts(schema).primary_key,
        (Member(shown, table),),
        whole=False,
    )


def first_since(node: NodeView, name: Name, moment: str) -> int:
    """Return the first version that is not older than a moment.

    Raises:
        RequestError: SHARE_UNKNOWN, VERSION_UNKNOWN: none is so new.
    """
    if shares.check_share(node, name.share) == shares.EVERY_CITY:
        family = _family(node, name)
        return holdings.family_seq(node.database.connect(), family, rfc3339(now()))
    dataset, _ = shares.find_dataset(node, name)
    since = [one.n for one in node.catalog.versions(dataset.ref) if one.time >= moment]
    if not since:
        raise RequestError(
            Reason.VERSION_UNKNOWN,
            ref=dataset.ref,
            version=moment,
            version_max=dataset.version,
        )
    return min(since)


def _family(node: NodeView, name: Name) -> str:
    """Return the standard of a table over all cities."""
    family = name.table.lower()
    known = shares.schemas(node, shares.EVERY_CITY)
    if family not in known or name.schema.lower() != family:
        raise shares.unknown(f"{name.share}.{name.schema}.{name.table}")
    return family


def _over_all(
    node: NodeView, name: Name, version: int | None, moment: str | None
) -> Snapshot:
    """Return the table of a standard; its version is a place in the change feed."""
    family = _family(node, name)
    connection = node.database.connect()
    newest = holdings.family_seq(connection, family, rfc3339(now()))
    if version is not None and version > newest:
        raise RequestError(
            Reason.VERSION_UNKNOWN, ref=family, version=version, version_max=newest
        )
    found = gather(node, family, as_of=moment, seq=version)
    if moment is not None:
        newest = holdings.family_seq(connection, family, moment)
    schema = columns(found.standard)
    return Snapshot(
        str(uid(f"{shares.EVERY_CITY}/{family}")),
        name.table,
        newest if version is None else version,
        pa.schema([*ORIGIN, *schema]),
        found.standard.primary_key,
        _alike(found),
        whole=True,
    )


def _alike(found: CrossCity) -> tuple[Member, ...]:
    """Return the members with all columns of the standard.

    A reader of this protocol takes the columns from the files, and one that a file
    lacks would make the whole table unreadable to it.
    """
    wanted = {one.name for one in found.standard.fields}
    return tuple(
        member
        for member in found.members
        if wanted <= {str(one.get("name")) for one in member.table.fields}
    )


def _has_comparison(hints: list[Tree]) -> bool:
    return any(hint.get("children") for hint in hints)


def _rows(table: TableView, number: int) -> int:
    """Return the rows of a part; a single object has those of its table."""
    rows = table.parts[number].rows
    return rows if rows is not None else table.rows or 0


def _field(one: pa.Field) -> dict[str, Any]:
    """Return a column as the protocol describes it."""
    about = one.metadata or {}
    comment = about.get(b"title_fa") or about.get(b"title_en")
    return {
        "name": one.name,
        "type": _type(one.name, one.type),
        "nullable": True,
        "metadata": {"comment": comment.decode()} if comment else {},
    }


def _type(name: str, kind: pa.DataType) -> Any:
    """Return a type of Spark's.

    Raises:
        DataError: COLUMN_TYPE_FORBIDDEN: there is none for it.
    """
    if kind in _PLAIN:
        return _PLAIN[kind]
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_list(kind):
        element = _type(name, kind.value_type)
        return {"type": "array", "elementType": element, "containsNull": True}
    raise DataError(Reason.COLUMN_TYPE_FORBIDDEN, column=name, type=str(kind))
