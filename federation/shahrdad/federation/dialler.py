"""Which addresses a node connects to, and how: nobody leads it into its own network.

The text of a member entry is never handed on as it came. `unix:/path` would reach local
sockets, `dns://server/…` would choose the resolver, and a name that resolves twice can
answer differently the second time. So the text is parsed here, resolved here, and the
connection goes to the numbers; the name is used only for TLS and as authority.

A network listed in `allow_private` may be dialled on any port and without TLS. That is
for intranets and tests, and nothing is allowed unless it is listed.

>>> from ipaddress import ip_address
>>> is_public(ip_address("185.143.232.1")), is_public(ip_address("64:ff9b::7f00:1"))
(True, False)
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError

if TYPE_CHECKING:
    import httpx2

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

PORTS = (443, 8443, 50051)
HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
    re.ASCII,
)
UNICAST_6 = IPv6Network("2000::/3")
RELAY_4 = IPv4Network("192.88.99.0/24")  # 6to4 anycast; `is_global` calls it public
INWARD_6 = (  # they carry or stand for other addresses, or document; `is_global` errs
    IPv6Network("2001::/23"),
    IPv6Network("2002::/16"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
)


@dataclass(frozen=True, slots=True)
class Address:
    """A host, by name or number, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as it is written in a member entry."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Dialled:
    """Where a connection goes, once the address was resolved and judged."""

    address: Address
    ips: tuple[IP, ...]
    private: bool  # in a network of `allow_private`: TLS is not insisted on

    @property
    def grpc_target(self) -> str:
        """The numbers, in the syntax that gRPC cannot read otherwise."""
        port = self.address.port
        four = [f"{ip}:{port}" for ip in self.ips if ip.version == 4]
        six = [f"[{ip}]:{port}" for ip in self.ips if ip.version == 6]
        return "ipv4:" + ",".join(four) if four else "ipv6:" + ",".join(six)


def parse_address(text: str) -> Address:
    """Read `host:port` or `[ipv6]:port`, and nothing else.

    Raises:
        RequestError: ADDRESS_REFUSED.
    """
    match = re.fullmatch(
        r"(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):([1-9][0-9]{0,4})",
        text,
        re.ASCII,
    )
    if match is None:
        raise _refused(text, "expected host:port")
    six, name, port = match.groups()
    if int(port) > 65_535:
        raise _refused(text, "expected a port of at most 65535")
    host = six or name.lower()
    if six:
        try:
            IPv6Address(six)
        except ValueError as error:
            raise _refused(text, "not an IPv6 address") from error
    elif not HOST_NAME.fullmatch(host):
        raise _refused(text, "not a host name")
    return Address(host, int(port))


def is_public(ip: IP) -> bool:
    """Tell whether an address lies in the public Internet, and stands for itself.

    `is_global` alone is not enough: on Python 3.11 it holds for NAT64 (64:ff9b::/96),
    6to4, IPv4-compatible and multicast addresses, all of which lead elsewhere.
    """
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if isinstance(ip, IPv4Address):
        return (
            ip.is_global
            and not ip.is_multicast
            and not ip.is_reserved
            and ip not in RELAY_4
        )
    inward = any(ip in network for network in INWARD_6)
    return ip in UNICAST_6 and ip.is_global and not inward


def system_resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as the system's resolver orders them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(item[4][0]) for item in found]


class Dialler:
    """Decides where a connection may go.

    Args:
        allow_private: Networks that may be dialled although they are not public, for
            example `10.20.0.0/16`; empty allows none.
        resolve: Host and port → addresses as text.
    """

    def __init__(
        self, allow_private: Sequence[str] = (), resolve: Resolve = system_resolve
    ) -> None:
        self.allowed: tuple[Network, ...] = tuple(
            ip_network(text) for text in allow_private
        )
        self._resolve = resolve

    def dial(self, text: str) -> Dialled:
        """Parse, resolve and judge an address `host:port`.

        Raises:
            RequestError: ADDRESS_REFUSED: not an address, a port or a network that is
                not dialled.
            UnavailableError: PEER_UNREACHABLE: the name does not resolve.
        """
        return self.judge(parse_address(text))

    def judge(self, address: Address) -> Dialled:
        """Resolve an address and keep the numbers that may be dialled.

        Raises:
            RequestError: ADDRESS_REFUSED.
            UnavailableError: PEER_UNREACHABLE.
        """
        ips = self._ips(address)
        private = tuple(ip for ip in ips if self._is_allowed(ip))
        if private:
            return Dialled(address, private, private=True)
        if address.port not in PORTS:
            ports = ", ".join(map(str, PORTS))
            raise _refused(str(address), f"expected one of the ports {ports}")
        public = tuple(ip for ip in ips if is_public(ip))
        if not public:
            raise _refused(str(address), f"{ips[0]} is not a public address")
        return Dialled(address, public, private=False)

    def judge_url(self, url: str) -> Dialled:
        """Judge an address of a static mirror: `https://host[:port]/…`.

        Raises:
            RequestError: ADDRESS_REFUSED; also for `http` outside `allow_private`.
            UnavailableError: PEER_UNREACHABLE.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or (80 if parts.scheme == "http" else 443)
        except ValueError as error:
            raise _refused(url, "not an address") from error
        host = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or parts.username is not None:
            raise _refused(url, "expected https://host/…")
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        dialled = self.dial(text)
        if parts.scheme == "http" and not dialled.private:
            raise _refused(url, "expected https")
        return dialled

    def http_client(self, seconds: float = 60.0) -> "httpx2.Client":
        """Return an HTTP client that connects only where this dialler allows.

        It follows no redirect and uses no proxy; close it after use.
        """
        import httpx2

        from shahrdad.federation import dialled_http

        return httpx2.Client(
            transport=dialled_http.DialledTransport(self),
            timeout=httpx2.Timeout(seconds, connect=10.0),
            follow_redirects=False,
            trust_env=False,
        )

    def _ips(self, address: Address) -> tuple[IP, ...]:
        try:
            return (ip_address(address.host),)
        except ValueError:
            pass
        try:
            texts = self._resolve(address.host, address.port)
            ips = tuple(dict.fromkeys(ip_address(text) for text in texts))
        except (OSError, ValueError, UnicodeError) as error:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=str(address), detail=str(error)
            ) from error
        if not ips:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=str(address), detail="no address"
            )
        return ips

    def _is_allowed(self, ip: IP) -> bool:
        mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
        return any((mapped or ip) in network for network in self.allowed)


def _refused(address: str, detail: str) -> RequestError:
    """Return the error of an address that is not dialled."""
    return RequestError(Reason.ADDRESS_REFUSED, address=address[:200], detail=detail)
