"""Importing a bundle: a round with one peer, whose answers lie in a ZIP."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shahrdad.federation.bundle import BundleObjects, open_bundle
from shahrdad.federation.sync import SyncPeer
from shahrdad.node.peering.exchange import Exchange
from shahrdad.node.peering.rounds import RoundReport, heal, mirror_objects

if TYPE_CHECKING:
    from shahrdad.node.city import Node


def import_files(node: "Node", files: Sequence[Path]) -> RoundReport:
    """Verify and store what the parts of a bundle hold, objects of our choice too.

    Args:
        node: The node.
        files: The parts at hand.

    Raises:
        RequestError: FILE_NOT_FOUND.
        PeerError: MALFORMED, TOO_LARGE: no ZIP that can be read.
    """
    reader = open_bundle(files)
    with node.database.exclusive("round"):
        exchange = Exchange(node)
        peer = SyncPeer(reader.name, lambda: reader)
        # A bundle has no cursor: every head in it is looked at.
        report = exchange.syncer.round([peer], full=True, force=True)
        exchange.settle()
        if report.own_ahead:
            again = open_bundle(files)
            try:
                heal(node, [again])
            finally:
                again.close()
        node.projection.follow()
        objects = BundleObjects(files)
        try:
            mirrored = mirror_objects(node, (), [objects])
        finally:
            objects.close()
    return RoundReport(report, mirrored)
