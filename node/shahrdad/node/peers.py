"""The configured peers, and how each is reached."""

from typing import TYPE_CHECKING

from shahrdad.node.config import Config, PeerSection

if TYPE_CHECKING:
    from shahrdad.federation.dialler import Dialler
    from shahrdad.federation.grpc_reader import GrpcReader


def dialler(config: Config) -> "Dialler":
    """Return what decides which addresses may be dialled."""
    from shahrdad.federation.dialler import Dialler

    return Dialler(config.federation.allow_private)


def open_reader(config: Config, peer: PeerSection) -> "GrpcReader":
    """Open a peer's federation service.

    Raises:
        RequestError: ADDRESS_REFUSED.
        UnavailableError: PEER_UNREACHABLE.
    """
    from shahrdad.federation.grpc_reader import GrpcPeer, GrpcReader

    roots = None
    if peer.tls_roots:
        roots = (config.folder / peer.tls_roots).read_bytes()
    return GrpcReader(
        GrpcPeer(peer.name, peer.grpc, roots, peer.insecure), dialler(config)
    )
