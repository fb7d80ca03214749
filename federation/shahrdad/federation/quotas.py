"""How much one client address may ask of this node, without any state it can grow.

>>> quotas = ClientQuotas(clock=lambda: 0.0)
>>> with quotas.slot("10.0.0.1", "ReadLog", 1):
...     quotas.held("10.0.0.1", "ReadLog")
1
>>> quotas.held("10.0.0.1", "ReadLog")
0
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shahrdad.datasets.errors import Reason, UnavailableError

WINDOW_SECONDS = 60
NETWORK_BITS_6 = 64  # one household or server has that many addresses


class ClientQuotas:
    """Slots held at a time, and requests in the present minute, by client.

    What is counted is forgotten with its minute or its call, so the memory of it is
    bounded by what one minute can bring. Concurrent: one thread (the event loop).

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slots: Counter[tuple[str, str]] = Counter()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._window = -1

    def count(self, client: str, limit: str, count_max: int) -> None:
        """Count one request.

        Raises:
            UnavailableError: QUOTA_EXCEEDED.
        """
        now = self._clock()
        window = int(now // WINDOW_SECONDS)
        if window != self._window:
            self._window = window
            self._requests.clear()
        if self._requests[client, limit] >= count_max:
            seconds = int((window + 1) * WINDOW_SECONDS - now) + 1
            raise UnavailableError(
                Reason.QUOTA_EXCEEDED,
                limit=f"{count_max} {limit} a minute",
                seconds=seconds,
            )
        self._requests[client, limit] += 1

    @contextmanager
    def slot(self, client: str, limit: str, count_max: int) -> Iterator[None]:
        """Hold one of a client's slots while the block runs.

        Raises:
            UnavailableError: QUOTA_EXCEEDED.
        """
        key = (client, limit)
        if self._slots[key] >= count_max:
            raise UnavailableError(
                Reason.QUOTA_EXCEEDED,
                limit=f"{count_max} {limit} at a time",
                seconds=10,
            )
        self._slots[key] += 1
        try:
            yield
        finally:
            self._slots[key] -= 1
            if not self._slots[key]:
                del self._slots[key]

    def held(self, client: str, limit: str) -> int:
        """Return how many slots a client holds."""
        return self._slots[client, limit]


def client_address(peer: str) -> str:
    """Return who calls, from gRPC's text of the other side: the address alone.

    An IPv6 client counts by its network of 64 bits, which it has for itself.

    >>> client_address("ipv4:192.0.2.7:50000")
    '192.0.2.7'
    >>> client_address("ipv6:%5B2001:db8::1%5D:1")
    '2001:db8::'
    """
    kind, _, rest = peer.partition(":")
    host = rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
    if kind != "ipv6":
        return host or peer
    try:
        network = ipaddress.ip_network(f"{host}/{NETWORK_BITS_6}", strict=False)
    except ValueError:
        return host
    return str(network.network_address)
