"""One round with the peers: logs first, then the catalog, then data objects.

Only one process of a node runs a round at a time; a second one waits for the first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import Language
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.objects import (
    HttpObjects,
    MirrorPolicy,
    MirrorReport,
    ObjectMirror,
    Wanted,
    named_objects,
)
from shahrdad.federation.reader import BodyMode, LogReader
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.sync_report import SyncReport
from shahrdad.node.config import PeerSection
from shahrdad.node.peers import dialler, open_reader
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.node.city import Node


@dataclass(frozen=True, slots=True)
class RoundReport:
    """What a round brought: log entries, and data objects."""

    sync: SyncReport
    objects: MirrorReport

    @property
    def ok(self) -> bool:
        """Whether every peer answered, and nothing was refused or missing."""
        return self.sync.ok and not self.objects.missing

    def counts(self) -> dict[str, int]:
        """Return the figures that a log line shows."""
        return {
            "peers": len(self.sync.peers),
            "answered": self.sync.answered,
            "entries": self.sync.entries,
            "refused": len(self.sync.refused),
            "objects": self.objects.fetched,
            "object_bytes": self.objects.fetched_bytes,
            "objects_missing": len(self.objects.missing),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "ok": self.ok,
            "sync": self.sync.to_dict(),
            "objects": {
                "fetched": self.objects.fetched,
                "bytes": self.objects.fetched_bytes,
                "held": self.objects.held,
                "dropped": self.objects.dropped,
                "over_budget": self.objects.over_budget,
                "missing": [digest.hex for digest in self.objects.missing],
                "faults": [
                    {"peer": peer, "reason": error.reason, "detail": str(error)}
                    for peer, error in self.objects.faults
                ],
            },
        }

    def text(self, language: Language) -> str:
        """Return the report for a person."""
        objects = self.objects
        if language == "fa":
            line = (
                f"اشیای داده: {objects.fetched} تازه ({objects.fetched_bytes:,} بایت)،"
                f" {objects.held} از پیش، {len(objects.missing)} نایافته"
            )
        else:
            line = (
                f"Data objects: {objects.fetched} fetched ({objects.fetched_bytes:,}"
                f" bytes), {objects.held} held, {len(objects.missing)} missing"
            )
        faults = [f"  {peer}: {error.text(language)}" for peer, error in objects.faults]
        return "\n".join([self.sync.text(language), line, *faults])


def run_round(
    node: "Node", names: Sequence[str] = (), *, force: bool = True
) -> RoundReport:
    """Ask peers what we lack, verify and store it, and mirror the chosen objects.

    Args:
        node: The node.
        names: Only these peers; empty means all.
        force: Ask also peers that are in backoff.
    """
    chosen = [
        peer for peer in node.config.federation.peers if not names or peer.name in names
    ]
    with node.database.exclusive("round"):
        report = syncer(node).round(
            [SyncPeer(peer.name, _connector(node, peer)) for peer in chosen],
            force=force,
        )
        node.projection.follow()
        objects = mirror_objects(node, chosen)
    return RoundReport(report, objects)


def syncer(node: "Node") -> Syncer:
    """Return what verifies and stores other cities' logs."""
    ingest = Ingest(node.logs, node.keys, body_mode=lambda origin: BodyMode.ALL)
    return Syncer(ingest)


def _connector(node: "Node", peer: PeerSection) -> Callable[[], LogReader]:
    """Return what opens a peer when its turn comes."""

    def connect() -> LogReader:
        return open_reader(node.config, peer)

    return connect


def mirror_objects(node: "Node", peers: Sequence[PeerSection]) -> MirrorReport:
    """Fetch the chosen datasets' objects that are not held; drop redacted ones."""
    section = node.config.mirror
    policy = MirrorPolicy(
        section.objects, section.families, section.cities, section.bytes_max
    )
    mirror = ObjectMirror(node.store, Area.OBJECT, node.config.data / "mirror")
    sources = [
        HttpObjects(peer.name, peer.static, dialler(node.config))
        for peer in peers
        if peer.static
    ]
    by_city = {source.name: source for source in sources}

    def ask(origin: str) -> list[HttpObjects]:
        own = by_city.get(node.city_of(origin) or "")
        rest = [source for source in sources if source is not own]
        return [own, *rest] if own else rest

    try:
        report = mirror.fetch(wanted(node, policy), ask, policy.bytes_max)
        report.dropped = mirror.sweep(node.logs.held_bodies())
    finally:
        for source in sources:
            source.close()
    return report


def wanted(node: "Node", policy: MirrorPolicy) -> Iterator[Wanted]:
    """Yield the objects that this node mirrors: newest versions first, then older."""
    own = node.config.node.city
    datasets = [
        dataset
        for dataset in node.catalog.list()
        if dataset.city != own and policy.wants(dataset.family or "", dataset.city)
    ]
    versions = [
        (version, dataset)
        for dataset in datasets
        for version in node.catalog.versions(dataset.ref)
        if version.state == "held"
    ]
    versions.sort(key=lambda pair: pair[0].n != pair[1].version)
    for version, dataset in versions:
        body = node.catalog.body_bytes(version.digest)
        for item in named_objects(body).objects:
            yield Wanted(item, version.origin, f"ds/{dataset.slug}")
