"""One round with the peers: logs first, then the catalog, then data objects.

Only one process of a node runs a round at a time; a second one waits for the first.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import Language, ShahrdadError
from shahrdad.federation.grpc_writer import GrpcWriter
from shahrdad.federation.log.writer import Recovery
from shahrdad.federation.objects import (
    HttpObjects,
    MirrorPolicy,
    MirrorReport,
    ObjectMirror,
    ObjectSource,
    Wanted,
    named_objects,
)
from shahrdad.federation.push import PushReport, push_log
from shahrdad.federation.reader import LogReader
from shahrdad.federation.sync import SyncPeer
from shahrdad.federation.sync_report import Refusal, SyncReport
from shahrdad.node import tracing
from shahrdad.node.database import full_disk_said
from shahrdad.node.peering.exchange import Exchange
from shahrdad.node.peering.own_heads import start_writer
from shahrdad.node.peering.peers import KnownPeer, dialler, known_peers, open_reader
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.node.city import Node


JOIN_SECONDS = 5.0  # between two looks at the list of peers, in continuous mode


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


@tracing.span("round")
def run_round(
    node: "Node",
    names: Sequence[str] = (),
    *,
    force: bool = True,
    unbraked: Collection[str] = (),
    stopping: threading.Event | None = None,
) -> RoundReport:
    """Ask peers what we lack, verify and store it, and mirror the chosen objects.

    Args:
        node: The node.
        names: Only these peers; empty means all.
        force: Ask also peers that are in backoff.
        unbraked: Logs that may withdraw as much as they do; see `shahrdad resume`.
        stopping: Once it is set, no further data object is fetched.

    Raises:
        UnavailableError: DISK_FULL: what was stored before stands.
    """
    chosen = known_peers(node, names)
    with full_disk_said(), node.database.exclusive("round"):
        exchange = Exchange(node, unbraked)
        report = exchange.syncer.round(
            sync_peers(node, chosen), full=bool(unbraked), force=force
        )
        exchange.settle()
        if report.own_ahead:
            heal(node)
        node.projection.follow()
        objects = mirror_objects(node, chosen, stopping=stopping)
        push_back(exchange, [peer for peer in chosen if peer.push], report)
    return RoundReport(report, objects)


def follow_peers(
    node: "Node", ended: threading.Event, on_report: Callable[[RoundReport], None]
) -> None:
    """Wait at the peers for changes, and take each as it comes, until `ended`.

    Peers that the member log names later are joined within a minute.

    Args:
        node: The node.
        ended: Ends it at once.
        on_report: Told of each turn that brought or refused something.
    """
    exchange = Exchange(node)

    def settle(report: SyncReport) -> None:
        objects = MirrorReport()
        try:
            with full_disk_said():
                exchange.settle()
                if report.own_ahead:
                    heal(node)
                node.projection.follow()
                objects = mirror_objects(node, known_peers(node), stopping=ended)
        except ShahrdadError as error:  # the next turn tries again
            origin = node.config.federation.origin
            report.refused.append(_refusal(node.config.node.city, origin, error))
        on_report(RoundReport(report, objects))
        node.database.close()

    while not ended.is_set():
        peers = known_peers(node)
        stop = threading.Event()
        thread = threading.Thread(
            target=exchange.syncer.follow,
            args=(sync_peers(node, peers), stop, settle),
            name="peers",
        )
        thread.start()
        while not ended.wait(JOIN_SECONDS) and known_peers(node) == peers:
            pass
        stop.set()
        thread.join()


def heal(node: "Node", readers: Sequence[LogReader] = ()) -> Recovery | None:
    """Recover our own log, of which others show more than is held here.

    Args:
        node: The node; a replica without the key does nothing here.
        readers: What shows our log besides the peers: a bundle.
    """
    if not node.has_key:
        return None
    with node.database.exclusive("publish"):
        return start_writer(node, readers=readers)


def push_back(
    exchange: Exchange, peers: Sequence[KnownPeer], report: SyncReport
) -> None:
    """Bring our log to the peers that cannot fetch it; refusals go into the report."""
    node = exchange.node
    origin = node.config.federation.origin
    log = node.logs.find_log(origin)
    if log is None or not log.head_size:
        return
    for peer in peers:
        try:
            push_to(exchange, peer, origin)
        except ShahrdadError as error:
            report.refused.append(_refusal(peer.name, origin, error))
    if peers:
        exchange.settle()


def _refusal(name: str, origin: str, error: ShahrdadError) -> Refusal:
    """Return a line of the ledger about a log."""
    return Refusal(
        name, origin, None, error.reason.value, error.text("fa"), error.text("en")
    )


def push_to(exchange: Exchange, peer: KnownPeer, origin: str) -> PushReport:
    """Bring one log to one peer, and take its cosignature home.

    Raises:
        ShahrdadError: of the peer, or of the way to it.
    """
    reader = open_reader(exchange.node.config, peer)
    try:
        return push_log(exchange.ingest, origin, reader, GrpcWriter(reader))
    finally:
        reader.close()


def sync_peers(node: "Node", peers: Sequence[KnownPeer]) -> list[SyncPeer]:
    """Return peers with what opens them when their turn comes."""
    return [
        SyncPeer(peer.name, partial(open_reader, node.config, peer)) for peer in peers
    ]


def mirror_objects(
    node: "Node",
    peers: Sequence[KnownPeer],
    more: Sequence[ObjectSource] = (),
    *,
    stopping: threading.Event | None = None,
) -> MirrorReport:
    """Fetch the chosen datasets' objects that are not held; drop redacted ones.

    Args:
        node: The node.
        peers: Whose static prefixes are asked, the dataset's own city first.
        more: Asked before them: the bundle that is imported.
        stopping: Once it is set, no further object is fetched; the next round goes on.
    """
    section = node.config.mirror
    policy = MirrorPolicy(
        section.objects, section.families, section.cities, section.bytes_max
    )
    mirror = ObjectMirror(node.store, Area.OBJECT, node.config.data / "mirror")
    sources = [
        HttpObjects(peer.name, prefix, dialler(node.config))
        for peer in peers
        for prefix in peer.static
    ]
    by_city = {source.name: source for source in sources}

    def ask(origin: str) -> list[ObjectSource]:
        own = by_city.get(node.city_of(origin) or "")
        rest = [source for source in sources if source is not own]
        return [*more, own, *rest] if own else [*more, *rest]

    objects = wanted(node, policy)
    if stopping is not None:
        objects = takewhile(lambda _: not stopping.is_set(), objects)
    try:
        report = mirror.fetch(objects, ask, policy.bytes_max)
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
