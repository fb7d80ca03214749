"""The versions that make one table of a standard over all cities (interfaces 4.4).

Of every dataset of the standard counts the newest version, or the one of a moment. Left
out, and named with the reason, is what stands in a quarantined log, follows another
major version, has columns of other types than the standard, or is not held here. A city
that published nothing is missing, and has no row: nothing is not zero.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.standards import Standard, load
from shahrdad.node.analysis.releases import (
    ARROW,
    COUNTED_STATES,
    Cause,
    Excluded,
    Input,
    inputs_digest,
    standard_of,
)
from shahrdad.node.catalog import Dataset, Version
from shahrdad.node.http import holdings
from shahrdad.node.http.dataset_object import Shown, show
from shahrdad.node.http.exports.making import parts_of
from shahrdad.node.http.record_view import TableView
from shahrdad.node.http.view import NodeView
from shahrdad.node.store.contract import Area
from shahrdad.node.table.limits import FILES_MAX
from shahrdad.node.table.schema import LIST
from shahrdad.node.table.union import Origin, Share, UnionTable


@dataclass(frozen=True, slots=True)
class Member:
    """One version whose rows are in the table."""

    shown: Shown
    table: TableView

    @property
    def input(self) -> Input:
        """What names it, for whoever quotes a figure."""
        version = self.shown.version
        return Input(self.shown.ref, version.n, version.digest.hex)

    @property
    def receipt(self) -> str:
        """The address of its receipt."""
        return self.shown.addresses.api(self.shown.ref, self.shown.version.n, "receipt")


@dataclass(frozen=True, slots=True)
class CrossCity:
    """What a standard's table is made of.

    Attributes:
        missing: Cities of this node that have nothing in it.
    """

    standard: Standard
    members: tuple[Member, ...]
    excluded: tuple[Excluded, ...]
    missing: tuple[str, ...]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The versions, by reference."""
        return tuple(sorted(member.input for member in self.members))

    @property
    def digest(self) -> str:
        """What pins a figure over all of them."""
        return inputs_digest(self.inputs)

    @property
    def rows(self) -> int:
        """The rows of all of them."""
        return sum(member.table.rows or 0 for member in self.members)

    def document(self) -> dict[str, Any]:
        """Return what an answer says of where its rows come from."""
        return {
            "inputs": [one.to_dict() for one in self.inputs],
            "inputs_digest": self.digest,
            "excluded": [
                {"city": one.city, "ref": one.ref, "reason": one.cause}
                for one in self.excluded
            ],
            "missing": list(self.missing),
        }


def gather(
    node: NodeView, family: str, *, as_of: str | None = None, seq: int | None = None
) -> CrossCity:
    """Return the versions of a standard that count.

    Args:
        node: Whose catalog and store.
        family: The standard.
        as_of: A moment: the versions that the logs held then; RFC 3339, UTC.
        seq: A place in the node's change feed: the versions that it knew then.

    Raises:
        RequestError: STANDARD_UNKNOWN; QUERY_TOO_EXPENSIVE: too many objects.
    """
    standard = load(family)
    members: list[Member] = []
    excluded: list[Excluded] = []
    states = _states(node)
    for dataset, version in _versions(node, standard.family, as_of, seq):
        found = _member(node, standard, dataset, version, states)
        if isinstance(found, Member):
            members.append(found)
        else:
            excluded.append(Excluded(dataset.city, dataset.ref, found))
    files = sum(len(member.table.parts) for member in members)
    if files > FILES_MAX:
        raise RequestError(Reason.QUERY_TOO_EXPENSIVE, bound=FILES_MAX, unit="files")
    have = {member.shown.dataset.city for member in members}
    known = holdings.cities(node.database.connect())
    missing = tuple(city for city in sorted(known) if city not in have)
    return CrossCity(standard, tuple(members), tuple(excluded), missing)


def union(node: NodeView, found: CrossCity) -> UnionTable:
    """Return the one table.

    Raises:
        RequestError: NO_TABLE: nobody published one.
    """
    if not found.members:
        family = found.standard.family
        raise RequestError(Reason.NO_TABLE, ref=family, resource=family)
    shares = [
        Share(
            Origin(
                member.shown.dataset.city,
                member.shown.ref,
                member.shown.version.n,
                member.receipt,
            ),
            tuple(parts_of(member.table)),
        )
        for member in found.members
    ]
    standard = found.standard
    return UnionTable(node.store, shares, columns(standard), standard.primary_key)


def columns(standard: Standard) -> pa.Schema:
    """Return the columns of a standard as they are published."""
    return pa.schema(
        [
            pa.field(
                one.name,
                LIST if one.type == "list" else ARROW.get(one.type, pa.string()),
                metadata={"unit": one.unit} if one.unit else None,
            )
            for one in standard.fields
        ]
    )


def _states(node: NodeView) -> dict[str, str]:
    """Return how each log stands; one of which nothing is known is signed."""
    logs = node.federation_status().get("logs")
    listed: Sequence[Any] = logs if isinstance(logs, list) else []
    return {str(log.get("origin")): str(log.get("state")) for log in listed}


def _versions(
    node: NodeView, family: str, as_of: str | None, seq: int | None
) -> Iterator[tuple[Dataset, Version]]:
    """Yield the datasets of a standard, each with the version that counts."""
    catalog = node.catalog
    if seq is not None:
        known = holdings.versions_known(node.database.connect(), family, seq)
        for ref, n in known:
            yield catalog.version(ref, n)
        return
    for dataset in catalog.list(family=family, withdrawn=as_of is not None):
        if as_of is None:
            yield catalog.version(dataset.ref)
            continue
        gone = dataset.state == "withdrawn" and dataset.updated <= as_of
        if not gone and dataset.first_published <= as_of:
            yield catalog.as_of(dataset.ref, as_of)


def _member(
    node: NodeView,
    standard: Standard,
    dataset: Dataset,
    version: Version,
    states: dict[str, str],
) -> Member | Cause:
    """Return a version with its table, or why it does not count."""
    if states.get(version.origin, "signed") not in COUNTED_STATES:
        return "quarantined"
    if version.state != "held":
        return "not_held"
    shown = show(node, dataset, version)
    if standard_of(shown.record.ours, standard.family) is None:
        return "standard"
    table = next((one for one in shown.record.tables if one.parts), None)
    if table is None:
        return "unreadable"
    types = {one.name: one.type for one in standard.fields}
    for field in table.fields:
        known = types.get(str(field.get("name")))
        if known is not None and field.get("type", known) != known:
            return "unreadable"
    mirrored = dataset.city != node.config.node.city
    if mirrored and any(
        node.store.stat(Area.OBJECT, part.digest) is None for part in table.parts
    ):
        return "not_held"
    return Member(shown, table)
