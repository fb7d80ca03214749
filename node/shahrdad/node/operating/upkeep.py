"""Keeping the objects of a node: collection, scrub, and what each version costs.

The rules are those of `store.collection` and `store.scrub`; here they meet a node: its
logs say when nothing may be collected, its peers have what a disk lost, and what it
chose not to mirror is no loss.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.limits import ORIGINAL_BYTES_MAX
from shahrdad.node.store.collection import Collector
from shahrdad.node.store.contract import Area
from shahrdad.node.store.limits import (
    GRACE,
    SCRUB_BYTES_PER_SECOND,
    SPOOL_BYTES_MAX,
)
from shahrdad.node.store.scrub import Rate, Scrub

if TYPE_CHECKING:
    from shahrdad.federation.objects import HttpObjects, MirrorPolicy
    from shahrdad.node.city import Node


def present() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)


def collector(node: "Node", grace: timedelta = GRACE) -> Collector:
    """Return what collects a node's unnamed objects.

    Raises:
        ValueError: A grace below 24 hours.
        RequestError: STORE_FOREIGN: what lies there is another node's, by other names.
    """
    node.store.claim(node.config.federation.origin)
    return Collector(
        node.database.connect, node.store, present, grace, lambda: hindrance(node)
    )


def hindrance(node: "Node") -> str | None:
    """Return why the references may lack a name that some log has, or None."""
    connection = node.database.connect()
    behind = connection.execute(
        "SELECT l.origin FROM log l LEFT JOIN projection p ON p.log = l.id"
        " WHERE COALESCE(p.size, 0) < (SELECT COUNT(*) FROM entry e WHERE e.log = l.id)"
    ).fetchall()
    for (origin,) in behind:
        if node.city_of(origin) is not None:
            return f"the catalog lags the log {origin}"
    own = node.own_log()
    if own is not None and own.size != own.head_size:
        return f"{own.size - own.head_size} entries of {own.origin} are not signed"
    return None


class PeerObjects:
    """A peer's public objects, as a source of the scrub.

    Args:
        objects: The peer's static prefix.
    """

    def __init__(self, objects: "HttpObjects") -> None:
        self.name = objects.name
        self._objects = objects

    def __call__(self, area: Area, digest: Digest) -> BinaryIO | None:
        """Return what the peer says an object is; private ones no peer has.

        Raises:
            RequestError, PeerError, UnavailableError: of the peer.
        """
        if area is not Area.OBJECT:
            return None
        _, blocks = self._objects.read(digest, 0)
        spool = SpooledTemporaryFile(SPOOL_BYTES_MAX)  # noqa: SIM115 - the caller's
        for block in blocks:
            spool.write(block)
            if spool.tell() > ORIGINAL_BYTES_MAX:
                spool.close()
                raise PeerError(
                    Reason.TOO_LARGE,
                    size_bytes=ORIGINAL_BYTES_MAX + 1,
                    size_bytes_max=ORIGINAL_BYTES_MAX,
                )
        spool.seek(0)
        return cast("BinaryIO", spool)


@contextmanager
def scrub(
    node: "Node", bytes_per_second: int = SCRUB_BYTES_PER_SECOND
) -> Iterator[Scrub]:
    """Give what checks a node's objects, with its peers to repair from.

    Args:
        node: The node.
        bytes_per_second: How fast it reads at most.
    """
    from shahrdad.federation.objects import HttpObjects
    from shahrdad.node.peering.peers import dialler, known_peers

    peers = [
        HttpObjects(peer.name, prefix, dialler(node.config))
        for peer in known_peers(node)
        for prefix in peer.static
    ]
    try:
        yield Scrub(
            node.database.connect,
            node.store,
            present,
            [PeerObjects(peer) for peer in peers],
            expected(node),
            Rate(bytes_per_second),
        )
    finally:
        for peer in peers:
            peer.close()


def expected(node: "Node") -> Callable[[Area, Digest], bool]:
    """Return what tells whether a missing object should be held here.

    Objects of other cities that this node does not mirror are named by their records
    and absent by choice.
    """
    from shahrdad.federation.objects import MirrorPolicy

    section = node.config.mirror
    policy = MirrorPolicy(
        section.objects, section.families, section.cities, section.bytes_max
    )

    def is_expected(area: Area, digest: Digest) -> bool:
        rows = node.database.connect().execute(
            "SELECT kind, owner FROM object_ref WHERE sha256=? AND area=?",
            (digest.raw, area.value),
        )
        return any(
            kind != "body" or wants(node, policy, area, owner)
            for kind, owner in rows.fetchall()
        )

    return is_expected


def wants(node: "Node", policy: "MirrorPolicy", area: Area, owner: str) -> bool:
    """Tell whether the objects of a version, `city/slug@n`, are to be held here."""
    ref = owner.rpartition("@")[0]
    city = ref.partition("/")[0]
    if city == node.config.node.city:
        return True
    if area is not Area.OBJECT:  # another city's private originals are its own
        return False
    row = (
        node.database.connect()
        .execute("SELECT family FROM dataset WHERE ref=?", (ref,))
        .fetchone()
    )
    return policy.wants((row[0] if row else None) or "", city)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one version of a dataset costs.

    Attributes:
        n: Its number.
        bytes: Of all the objects that its record names.
        fresh_bytes: Of those that no earlier version names.
        objects: How many it names.
        fresh_objects: How many of them are new.
    """

    n: int
    bytes: int
    fresh_bytes: int
    objects: int
    fresh_objects: int


def usage(node: "Node", ref: str) -> list[Usage]:
    """Return what each held version of a dataset costs, oldest first.

    Raises:
        RequestError: DATASET_UNKNOWN.
    """
    known: set[Digest] = set()
    found: list[Usage] = []
    for version in reversed(node.catalog.versions(ref)):
        if version.state != "held":
            continue
        named = record.objects(node.catalog.body(version.digest))
        sizes = {item.digest: item.size for item in named}
        fresh = sizes.keys() - known
        found.append(
            Usage(
                version.n,
                sum(sizes.values()),
                sum(sizes[digest] for digest in fresh),
                len(sizes),
                len(fresh),
            )
        )
        known |= sizes.keys()
    return found


def rebuild_index(node: "Node") -> int:
    """Make the search index again from the records of all live datasets.

    Searches and publishing go on meanwhile. An index of tantivy beside the database is
    made again at the next search.

    Returns:
        The number of datasets in it.
    """
    import shutil

    from shahrdad.node.projection import bodies
    from shahrdad.node.search import filling

    node.projection.follow()
    count = filling.fill(node.database, partial(bodies, node.database.connect()))
    shutil.rmtree(node.database.path.with_name("search"), ignore_errors=True)
    return count
