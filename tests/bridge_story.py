"""One source of a node and the portal behind it, as the tests of the bridge tell it."""

from typing import Any

from ckan_simulator import URL, Portal, PortalDialler
from shahrdad.federation.bridge.files import FileFetcher
from shahrdad.federation.bridge.site import CkanSite
from shahrdad.node.bridge.inward import InwardBridge
from shahrdad.node.bridge.ledger import Ledger
from shahrdad.node.bridge.rows import Settings
from shahrdad.node.city import Node

AGENT = "shahrdad tests"


class Story:
    """One source of a node, and the portal behind it."""

    number = 0

    def __init__(self, node: Node, portal: Portal | None = None, **more: Any) -> None:
        Story.number += 1
        self.node = node
        self.portal = portal or Portal()
        self.name = f"s{Story.number}"
        self.ledger = Ledger(node.database.connect)
        self.ledger.add(self.name, URL, Settings(**more))

    def bridge(self) -> InwardBridge:
        """Return a bridge, as a new process would make it."""
        dialler: Any = PortalDialler(self.portal)
        site = CkanSite(URL, dialler, AGENT, wait_seconds=0)
        fetcher = FileFetcher(dialler, AGENT, bytes_max=100_000)
        source = self.ledger.source(self.name)
        return InwardBridge(self.node, source, site, fetcher)

    def run(self) -> dict[str, Any]:
        """Run the bridge, and check that nothing is withdrawn that still is there."""
        size = self.size
        report = self.bridge().run()
        self.check()
        report["entries"] = self.size - size
        return report

    @property
    def size(self) -> int:
        """The number of entries of the node's log."""
        log = self.node.own_log()
        return log.size if log else 0

    def held(self) -> dict[str, dict[str, Any]]:
        """Return the records of the live datasets, by the portal's identifier."""
        found = {}
        for dataset in self.node.catalog.list():
            body = self.node.catalog.body(dataset.digest)
            origin = body["shahrdad"].get("bridge", {})
            if origin.get("source") == self.name:
                found[origin["package"]] = body
        return found

    def check(self) -> None:
        """Check that no dataset was withdrawn that the portal has."""
        for item in self.ledger.held(self.ledger.source(self.name).id).values():
            if not item.live:
                ref = f"{self.node.config.node.city}/{item.slug}"
                newest = self.node.newest(ref)
                withdrawn = newest is not None and not newest.live
                assert not (withdrawn and item.package in self.portal.active)

    def equal(self) -> bool:
        """Tell whether the node has what the portal has."""
        ours = {number: body["title"] for number, body in self.held().items()}
        return ours == {n: one["title"] for n, one in self.portal.active.items()}


def filled(count: int) -> Portal:
    """Return a portal with packages `a000`, `a001` and so on."""
    portal = Portal()
    for number in range(count):
        portal.put(f"a{number:03}")
    return portal
