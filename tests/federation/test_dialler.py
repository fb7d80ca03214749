"""Whatever an address says, a node connects to the public Internet or where it may."""

import http.server
import threading
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import httpx2
import pytest

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.dialler import Dialler, is_public, parse_address

PUBLIC = "185.143.232.1"


def resolver(*answers: str) -> Dialler:
    """Return a dialler whose every name resolves to these addresses."""
    return Dialler(resolve=lambda host, port: answers)


@pytest.mark.parametrize(
    "text",
    [
        "185.143.232.1",
        "8.8.8.8",
        "2a00:1450:4001:828::200e",
        "::ffff:8.8.8.8",
    ],
)
def test_public_addresses_are_dialled(text: str) -> None:
    """Cities are reachable in both families, also when an IPv4 address is mapped."""
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "3fff:1000::",
    ],
)
def test_neighbours_of_inward_networks_are_dialled(text: str) -> None:
    """Each row of the design ends where it says: the address beside it is a city's."""
    assert is_public(ip_address(text))


def test_of_several_addresses_the_public_ones_are_dialled() -> None:
    """A name that also resolves inward is dialled outward alone, or not at all."""
    dialled = resolver("10.1.2.3", PUBLIC, "::1").dial("kerman.example.ir:443")
    with pytest.raises(RequestError):
        resolver("10.1.2.3", "fe80::1").dial("kerman.example.ir:443")

    assert f"ipv4:{PUBLIC}:443" == dialled.grpc_target


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "192.88.99.1",
        "192.88.99.255",
        "100.127.255.255",
        "172.31.255.255",
        "192.0.2.1",
        "198.51.100.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "203.0.113.9",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:1ff:ffff::",
        "2001:db8::1",
        "2001:db8:ffff::",
        "2002:7f00:1::",
        "3fff::1",
        "3fff:fff:ffff::",
        "1fff:ffff::",
        "4000::",
        "64:ff9b::808:808",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "ff02::1",
    ],
)
def test_inward_addresses_are_not_dialled(text: str) -> None:
    """No notation of a private, local, relayed or documented address passes."""
    assert not is_public(ip_address(text))
    with pytest.raises(RequestError) as caught:
        resolver(text).dial("kerman.example.ir:443")

    assert Reason.ADDRESS_REFUSED == caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "unix:/run/secret.sock",
        "unix:///run/secret.sock",
        "dns://8.8.8.8/kerman.example.ir:443",
        "dns:kerman.example.ir:443",
        "ipv4:127.0.0.1:443",
        "xds:///kerman",
        "vsock:1:2",
        "https://kerman.example.ir:443",
        "kerman.example.ir",
        "kerman.example.ir:",
        "kerman.example.ir:0",
        "kerman.example.ir:0443",
        "kerman.example.ir:65536",
        "kerman.example.ir:\u06f4\u06f4\u06f3",
        "kerman.example.ir:443\n",
        "kerman.example.ir:443,127.0.0.1:443",
        "user@kerman.example.ir:443",
        "kerman_example:443",
        "-kerman.example.ir:443",
        "\u06a9\u0631\u0645\u0627\u0646.example.ir:443",
        "::1:443",
        "[::1]",
        "[fe80::1%eth0]:443",
        "[185.143.232.1]:443",
        "",
    ],
)
def test_only_host_and_port_is_an_address(text: str) -> None:
    """A scheme, a path, a zone or a second address never reaches gRPC."""
    with pytest.raises(RequestError) as caught:
        resolver(PUBLIC).dial(text)

    assert Reason.ADDRESS_REFUSED == caught.value.reason


@pytest.mark.parametrize("port", [443, 8443, 50051])
def test_three_ports_are_dialled(port: int) -> None:
    """The service listens where others expect it."""
    dialled = resolver(PUBLIC).dial(f"Kerman.example.ir:{port}")

    assert f"ipv4:{PUBLIC}:{port}" == dialled.grpc_target
    assert "kerman.example.ir" == dialled.address.host
    assert not dialled.private


@pytest.mark.parametrize("port", [22, 80, 442, 444, 5432, 8442, 50052])
def test_other_ports_are_not_dialled(port: int) -> None:
    """A member entry cannot make nodes knock at a mail server or a database."""
    with pytest.raises(RequestError):
        resolver(PUBLIC).dial(f"kerman.example.ir:{port}")


def test_numbers_are_dialled_not_the_name() -> None:
    """A second resolution cannot lead elsewhere: gRPC gets numbers only."""
    dialled = resolver("10.0.0.1", PUBLIC, "8.8.8.8").dial("kerman.example.ir:443")

    assert f"ipv4:{PUBLIC}:443,8.8.8.8:443" == dialled.grpc_target


def test_ipv6_target() -> None:
    """An IPv6 address is dialled by number too."""
    dialled = Dialler().dial("[2a00:1450:4001:828::200e]:443")

    assert "ipv6:[2a00:1450:4001:828::200e]:443" == dialled.grpc_target
    assert "[2a00:1450:4001:828::200e]:443" == str(dialled.address)


def test_name_written_as_a_number_is_judged_as_what_it_resolves_to() -> None:
    """`127.1` is a name to this parser and loopback to the system's resolver."""
    with pytest.raises(RequestError):
        Dialler().dial("127.1:443")


def test_private_networks_are_dialled_when_listed() -> None:
    """An intranet works once an operator lists it, and only that network."""
    dialler = Dialler(["10.20.0.0/16"], resolve=lambda host, port: ["10.20.3.4"])
    dialled = dialler.dial("kerman.intranet:9000")

    assert "ipv4:10.20.3.4:9000" == dialled.grpc_target
    assert dialled.private
    with pytest.raises(RequestError):
        dialler.dial("10.21.0.1:443")


def test_name_that_does_not_resolve_is_a_dead_peer() -> None:
    """A resolver's failure is a matter of later, not of a wrong address."""

    def fail(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(UnavailableError) as caught:
        Dialler(resolve=fail).dial("kerman.example.ir:443")

    assert Reason.PEER_UNREACHABLE == caught.value.reason


@pytest.mark.parametrize(
    "url",
    [
        "http://kerman.example.ir/mirror",
        "http://kerman.example.ir:443/mirror",
        "https://user:password@kerman.example.ir/",
        "https://kerman.example.ir:22/",
        "https://kerman.example.ir:99999/",
        "file:///etc/passwd",
        "ftp://kerman.example.ir/",
        "https:///mirror",
        "kerman.example.ir/mirror",
    ],
)
def test_static_prefixes_are_https(url: str) -> None:
    """Files of a peer come over https, from the same ports and networks."""
    with pytest.raises(RequestError):
        resolver(PUBLIC).judge_url(url)


def test_static_prefix_is_judged() -> None:
    """An https address of a public host passes, one that resolves inward does not."""
    assert 443 == resolver(PUBLIC).judge_url("https://a.example.ir/m").address.port
    with pytest.raises(RequestError):
        resolver("127.0.0.1").judge_url("https://a.example.ir/m")


def test_parse_address_keeps_the_host_for_tls() -> None:
    """The name is what the certificate is checked against."""
    address = parse_address("kerman.example.ir:8443")

    assert ("kerman.example.ir", 8443) == (address.host, address.port)


class Redirecting(http.server.BaseHTTPRequestHandler):
    """Answers with the `Host` it saw; `/away` redirects."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", "http://127.0.0.1:1/")
        body = self.headers["Host"].encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    """Serve `Redirecting` on a free port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_http_goes_through_the_dialler(port: int) -> None:
    """The request goes to the numbers, and the host still learns its name."""
    dialler = Dialler(["127.0.0.0/8"], resolve=lambda host, port: ["127.0.0.1"])
    with dialler.http_client() as client:
        answer = client.get(f"http://kerman.test:{port}/")
        away = client.get(f"http://kerman.test:{port}/away")

    assert f"kerman.test:{port}" == answer.text
    assert 302 == away.status_code


def test_http_refuses_what_the_dialler_refuses(port: int) -> None:
    """An address of our own network is refused before anything is sent."""
    with Dialler().http_client() as client, pytest.raises(RequestError):
        client.get(f"http://127.0.0.1:{port}/")


def test_http_dead_peer_is_an_httpx_error() -> None:
    """A refused connection stays what callers of the client expect."""
    dialler = Dialler(["127.0.0.0/8"])
    with dialler.http_client() as client, pytest.raises(httpx2.TransportError):
        client.get("http://127.0.0.1:1/")
