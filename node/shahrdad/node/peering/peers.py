"""The peers of a node, and how each is reached.

They come from `[[federation.peers]]` and, where a member log is followed, from the
approved entries of the cities: their addresses, and the TLS roots pinned there. A
configured peer of the same name goes before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.config import Config, PeerSection
from shahrdad.node.peering.trust import members_of

if TYPE_CHECKING:
    from shahrdad.federation.dialler import Dialler
    from shahrdad.federation.grpc_reader import GrpcReader
    from shahrdad.node.city import Node

MIRROR = "/mirror"  # where a node serves its public files


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """A node that this one synchronises with.

    Attributes:
        tls_roots: PEM of the roots that its certificate must come from.
        static: Prefixes of its public files.
        push: Whether our log is brought there after each round.
    """

    name: str
    grpc: str
    tls_roots: bytes | None = None
    insecure: bool = False
    static: tuple[str, ...] = ()
    push: bool = False


def known_peers(node: "Node", names: Sequence[str] = ()) -> list[KnownPeer]:
    """Return the peers of a node, or those of some names."""
    found = {
        peer.name: _configured(node.config, peer)
        for peer in node.config.federation.peers
    }
    members = members_of(node)
    for member in members.membership.active() if members else ():
        if member.city == node.config.node.city or member.city in found:
            continue
        for number, address in enumerate(member.grpc, 1):
            name = member.city if number == 1 else f"{member.city}-{number}"
            roots = address.tls_roots.encode() if address.tls_roots else None
            found[name] = KnownPeer(name, address.address, roots, static=member.static)
    return [peer for name, peer in found.items() if not names or name in names]


def homes(node: "Node") -> dict[str, str]:
    """Return where the nodes of other cities are, by city, as far as it is known.

    A node serves its public files at `/mirror` of its root; files in a bucket tell
    nothing of where the node is.
    """
    members = members_of(node)
    prefixes = {
        member.city: member.static
        for member in (members.membership.active() if members else ())
    }
    for peer in node.config.federation.peers:
        if peer.static:
            prefixes[peer.name] = (peer.static,)
    found = {}
    for city, known in prefixes.items():
        roots = [one.rstrip("/") for one in known]
        own = [one for one in roots if one.endswith(MIRROR)]
        if own:
            found[city] = own[0].removesuffix(MIRROR)
    return found


def find_peer(node: "Node", name: str) -> KnownPeer:
    """Return the peer of a name.

    Raises:
        RequestError: PEER_UNKNOWN.
    """
    found = known_peers(node, [name])
    if not found:
        names = ", ".join(sorted(peer.name for peer in known_peers(node)))
        raise RequestError(Reason.PEER_UNKNOWN, peer=name, peers=names or "none")
    return found[0]


def dialler(config: Config) -> "Dialler":
    """Return what decides which addresses may be dialled."""
    from shahrdad.federation.dialler import Dialler

    return Dialler(config.federation.allow_private)


def open_reader(config: Config, peer: KnownPeer) -> "GrpcReader":
    """Open a peer's federation service.

    Raises:
        RequestError: ADDRESS_REFUSED.
        UnavailableError: PEER_UNREACHABLE.
    """
    from shahrdad.federation.grpc_reader import GrpcPeer, GrpcReader

    return GrpcReader(
        GrpcPeer(peer.name, peer.grpc, peer.tls_roots, peer.insecure), dialler(config)
    )


def _configured(config: Config, peer: PeerSection) -> KnownPeer:
    """Return a peer of the configuration."""
    roots = None
    if peer.tls_roots:
        roots = (config.folder / peer.tls_roots).read_bytes()
    static = (peer.static,) if peer.static else ()
    return KnownPeer(peer.name, peer.grpc, roots, peer.insecure, static, peer.push)
