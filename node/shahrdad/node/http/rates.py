"""How much one caller may ask for: a token bucket for each address (interfaces 2.4).

A bucket holds a burst and fills steadily. What is immutable costs nothing, so caches
and mirrors are never slowed; a rows page costs more than a page, an export most. The
callers are counted by IPv4 address or IPv6 /64, as the trusted proxies name them:
whoever else sets a forwarding header is not believed.

>>> rates = Rates(per_minute=60, burst=2)
>>> [rates.take("a", 1, at=0.0).allowed for _ in range(3)]
[True, True, False]
>>> rates.take("a", 1, at=1.0).allowed
True
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

CALLERS_MAX = 100_000
COST_PLAIN = 1
COST_ROWS = 5
COST_EXPORT = 20
WHOLE = ("/package.zip", "/data.json")  # a dataset, or a catalog
FREE = ("/files/", "/healthz", "/readyz", "/version", "/static/", "/mirror/")
POLICY = "anon"
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is answered, and what its headers say."""

    allowed: bool
    remaining: int
    wait_seconds: int
    policy: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every counted answer."""
        limit = f'"{POLICY}";r={self.remaining};t={self.wait_seconds}'
        return {"RateLimit-Policy": self.policy, "RateLimit": limit}


class Rates:
    """The buckets of all callers, the latest ones kept.

    Args:
        per_minute: What a bucket is filled with; 0 counts nobody.
        burst: What it holds at most.
    """

    def __init__(self, per_minute: int, burst: int) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._policy = f'"{POLICY}";q={per_minute};w=60'
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def counting(self) -> bool:
        """Whether anybody is counted."""
        return self._per_second > 0

    def take(self, caller: str, cost: int, at: float | None = None) -> Verdict:
        """Take the cost of a request out of a caller's bucket.

        Args:
            caller: Who asks.
            cost: Of the request.
            at: The present, in seconds.
        """
        present = time.monotonic() if at is None else at
        with self._lock:
            held, since = self._buckets.pop(caller, (float(self._burst), present))
            held = min(self._burst, held + (present - since) * self._per_second)
            allowed = held >= cost
            held -= cost if allowed else 0
            self._buckets[caller] = (held, present)
            while len(self._buckets) > CALLERS_MAX:
                self._buckets.popitem(last=False)
        missing = max(0.0, cost - held)
        wait = math.ceil(missing / self._per_second)
        return Verdict(allowed, int(held), 0 if allowed else max(1, wait), self._policy)


def cost_of(path: str, query: bytes) -> int:
    """Return what a request costs; 0 for what is free.

    >>> cost_of("/v1/datasets/a/b/rows/c", b"x__exact=1"), cost_of("/files/00/a", b"")
    (5, 0)
    >>> cost_of("/datastore/dump/0d9f", b""), cost_of("/all/data.json", b"")
    (20, 20)
    """
    if path.startswith(FREE):
        return 0
    if "/export/" in path or "/export." in path or path.endswith(WHOLE):
        return COST_EXPORT
    if path.startswith("/datastore/dump/"):
        return COST_EXPORT
    if ("/rows" in path or path.endswith("/datastore_search")) and query:
        return COST_ROWS
    return COST_PLAIN


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks of the trusted proxies."""
    return tuple(ip_network(text, strict=False) for text in texts)


def caller_of(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return who asks: an IPv4 address or an IPv6 /64; "" for this machine itself.

    The forwarded addresses are read from the last to the first, as long as each was
    added by a proxy that is trusted. A proxy on this machine that nobody named as
    trusted is not counted: all readers would share its bucket.
    """
    client = scope.get("client")
    found = str(client[0]) if client else ""
    if not _is_in(found, trusted) and _is_local(found):
        return ""
    names = (b"x-forwarded-for",)
    lines = [value for name, value in scope["headers"] if name in names]
    hops = [hop.strip() for line in lines for hop in line.decode("latin-1").split(",")]
    while hops and _is_in(found, trusted):
        found = hops.pop()
    return _group(found)


def _is_in(text: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in trusted)


def _is_local(text: str) -> bool:
    """Tell whether an address is this machine's own, or that of a Unix socket."""
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return True


def _group(text: str) -> str:
    """Return the part of an address that one caller has."""
    try:
        address = ip_address(text)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
