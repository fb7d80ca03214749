"""HTTP through the dialler: a name is resolved and judged once, then numbers are used.

TLS still checks the certificate against the name, and `Host` carries it. Connections
are pooled for each name apart: two names on one address never share one, since the
certificate was checked for the first of them only.
"""

import ssl
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from shahrdad.federation.dialler import Dialler


class DialledTransport(httpx2.BaseTransport):
    """Sends a request to the numbers that a dialler allows.

    Args:
        dialler: Judges each host before its first connection.
        verify: The TLS roots; None = the system's.
    """

    def __init__(
        self, dialler: "Dialler", verify: ssl.SSLContext | None = None
    ) -> None:
        self._dialler = dialler
        self._verify = verify
        self._transports: dict[tuple[str, str, int], httpx2.HTTPTransport] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            RequestError: ADDRESS_REFUSED.
            UnavailableError: PEER_UNREACHABLE: the name does not resolve.
        """
        dialled = self._dialler.judge_url(str(request.url))
        host = dialled.address.host
        key = (request.url.scheme, host, dialled.address.port)
        if key not in self._transports:
            self._transports[key] = httpx2.HTTPTransport(
                verify=self._roots(request.url.scheme), trust_env=False
            )
        sent = httpx2.Request(
            request.method,
            request.url.copy_with(host=str(dialled.ips[0])),
            headers=request.headers,  # `Host` was set from the name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        response = self._transports[key].handle_request(sent)
        response.request = request
        return response

    def _roots(self, scheme: str) -> ssl.SSLContext:
        """Return what certificates are checked by; reading the system's takes long."""
        if scheme != "https":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
        if self._verify is None:
            self._verify = ssl.create_default_context()
        return self._verify

    def close(self) -> None:
        """Close every pooled connection."""
        for transport in self._transports.values():
            transport.close()
