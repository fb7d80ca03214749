"""The federation service of a node, as its configuration says; no HTTP is needed."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from shahrdad.federation.mirror_service import WriteSide
from shahrdad.federation.push import FEATURE_WITNESS
from shahrdad.federation.reader import NodeFacts
from shahrdad.federation.server import FederationServer, ServerSettings
from shahrdad.federation.store_reader import StoreReader
from shahrdad.node.peering.exchange import Exchange

if TYPE_CHECKING:
    from shahrdad.node.city import Node


def federation_server(node: "Node") -> FederationServer:
    """Return the federation service of a node."""
    section = node.config.grpc
    folder = node.config.folder
    settings = ServerSettings(
        section.host,
        section.port,
        (folder / section.tls_certificate).read_bytes()
        if section.tls_certificate
        else b"",
        (folder / section.tls_key).read_bytes() if section.tls_key else b"",
    )
    exchange = Exchange(node)
    vkeys = (node.vkey, node.witness_vkey if exchange.witness else None)
    facts = NodeFacts(
        origin=node.config.federation.origin,
        member_log_origin=node.config.federation.trust.member_log,
        vkeys=tuple(vkey for vkey in vkeys if vkey),
        features=("push", FEATURE_WITNESS) if exchange.witness else ("push",),
        software=f"shahrdad/{version('shahrdad')}",
    )
    write = WriteSide(
        exchange.ingest, exchange.witness, on_pushed=lambda origin: exchange.settle()
    )
    answers = StoreReader(node.logs, facts)
    return FederationServer(settings, answers, node.logs, write)
