"""The store in a bucket of a real S3 server, and what a network can break."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import stamina
import urllib3

from s3_server import S3Server, s3_server
from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, put_bytes, read_bytes
from shahrdad.node.store.limits import OBJECT_BYTES_MAX
from shahrdad.node.store.s3 import S3Place, S3Store, connection_pool
from store_suite import StoreSuite

__all__ = ["s3_server"]
Answer = urllib3.BaseHTTPResponse
Send = Callable[[], Answer]


@pytest.fixture
def store(s3_server: S3Server) -> S3Store:
    """Return an empty store: a prefix of its own."""
    return S3Store(s3_server.place())


@pytest.fixture
def impatient() -> Iterator[None]:
    """Take the waits out of the retries, and leave the tries in."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


class TestS3(StoreSuite):
    """The contract, kept by SeaweedFS."""


class FaultyPool(urllib3.PoolManager):
    """Connections on which a plan decides what becomes of each request."""

    def __init__(self, pool: urllib3.PoolManager) -> None:
        super().__init__()
        self._behind = pool
        self.plan: list[tuple[str, Callable[[Send], Answer]]] = []
        self.sent: list[str] = []

    def urlopen(self, method: str, url: str, *args: Any, **kw: Any) -> Answer:
        """Send a request, or do what is planned for the next of its method."""
        self.sent.append(method)

        def send() -> Answer:
            return self._behind.urlopen(method, url, *args, **kw)

        if self.plan and self.plan[0][0] == method:
            return self.plan.pop(0)[1](send)
        return send()


def faulty(server: S3Server) -> tuple[S3Store, FaultyPool]:
    """Return a store and the pool that breaks it."""
    place = server.place()
    pool = FaultyPool(connection_pool(place))
    return S3Store(place, pool), pool


def lost(send: Send) -> Answer:
    """Break the connection before the request."""
    raise urllib3.exceptions.ProtocolError("connection broken")


def done_but_lost(send: Send) -> Answer:
    """Break the connection after the request was carried out."""
    send().drain_conn()
    raise urllib3.exceptions.ProtocolError("connection broken")


def says(status: int, code: str = "") -> Callable[[Send], Answer]:
    """Answer with a status in place of the server; with a code as S3 does."""

    def answer(send: Send) -> Answer:
        body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()
        kind = "application/xml" if code else "text/html"
        return urllib3.HTTPResponse(
            BytesIO(body), {"Content-Type": kind}, status, preload_content=False
        )

    return answer


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [lost, done_but_lost, says(500), says(503)])
@pytest.mark.parametrize("tries", [1, 3])
def test_an_ambiguous_put_is_looked_after(
    s3_server: S3Server, fault: Callable[[Send], Answer], tries: int
) -> None:
    """A broken answer to a PUT is neither taken for success nor for failure."""
    store, pool = faulty(s3_server)
    pool.plan = [("PUT", fault)] * tries
    digest = put_bytes(store, Area.OBJECT, b"stored once")

    assert b"stored once" == read_bytes(store, Area.OBJECT, digest, 11)


@pytest.mark.usefixtures("impatient")
def test_a_put_that_was_done_is_not_repeated(s3_server: S3Server) -> None:
    """After a lost answer one look suffices: the bytes are not sent again."""
    store, pool = faulty(s3_server)
    pool.plan = [("PUT", done_but_lost)]
    put_bytes(store, Area.OBJECT, b"sent once")

    assert 1 == pool.sent.count("PUT")


@pytest.mark.usefixtures("impatient")
def test_a_put_that_never_arrives_fails(s3_server: S3Server) -> None:
    """Four tries, then an error that says that the store is away."""
    store, pool = faulty(s3_server)
    pool.plan = [("PUT", lost)] * 4
    with pytest.raises(UnavailableError) as caught:
        put_bytes(store, Area.OBJECT, b"never sent")

    assert Reason.STORE_UNREACHABLE == caught.value.reason
    assert 4 == pool.sent.count("PUT")
    assert store.stat(Area.OBJECT, Digest.of(b"never sent")) is None


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("status", "code", "reason", "tries"),
    [
        (403, "AccessDenied", Reason.STORE_DENIED, 1),
        (403, "SignatureDoesNotMatch", Reason.STORE_DENIED, 1),
        (403, "RequestTimeTooSkewed", Reason.STORE_CLOCK_SKEW, 1),
        (404, "NoSuchBucket", Reason.STORE_BUCKET_UNKNOWN, 1),
        (507, "InsufficientStorage", Reason.STORE_FULL, 1),
        (503, "SlowDown", Reason.STORE_BUSY, 4),
        (500, "InternalError", Reason.STORE_UNREACHABLE, 4),
        (502, "", Reason.STORE_UNREACHABLE, 4),
        (418, "", Reason.STORE_WRONG_ANSWER, 4),
    ],
)
def test_errors_are_told_apart(
    s3_server: S3Server, status: int, code: str, reason: Reason, tries: int
) -> None:
    """Each failure names what to do next, and only passing ones are tried again."""
    store, pool = faulty(s3_server)
    pool.plan = [("PUT", says(status, code))] * 4
    with pytest.raises(UnavailableError) as caught:
        put_bytes(store, Area.OBJECT, b"refused")

    assert reason == caught.value.reason
    assert tries == pool.sent.count("PUT")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("call", ["GET", "HEAD", "DELETE"])
def test_calls_that_may_be_repeated_are(s3_server: S3Server, call: str) -> None:
    """Reading, looking and deleting survive three broken connections."""
    store, pool = faulty(s3_server)
    digest = put_bytes(store, Area.OBJECT, b"there")
    pool.plan = [(call, lost)] * 3
    acts: dict[str, Callable[[], object]] = {
        "GET": lambda: read_bytes(store, Area.OBJECT, digest, 5),
        "HEAD": lambda: store.stat(Area.OBJECT, digest),
        "DELETE": lambda: store.delete(Area.OBJECT, digest),
    }
    acts[call]()

    assert [] == pool.plan


@pytest.mark.usefixtures("impatient")
def test_a_listing_is_repeated_whole(s3_server: S3Server) -> None:
    """A listing that breaks yields every object once all the same."""
    store, pool = faulty(s3_server)
    digests = sorted(put_bytes(store, Area.OBJECT, bytes([n])) for n in range(3))
    pool.plan = [("GET", lost), ("GET", lost)]

    assert digests == [digest for digest, _ in store.list(Area.OBJECT)]


@pytest.mark.usefixtures("impatient")
def test_a_whole_answer_to_a_range_is_an_error(s3_server: S3Server) -> None:
    """200 in place of 206 is refused: a longer answer would be wrong bytes."""
    store, pool = faulty(s3_server)
    digest = put_bytes(store, Area.OBJECT, b"0123456789")

    def whole(send: Send) -> Answer:
        headers = {"Content-Length": "10"}
        body = BytesIO(b"0123456789")
        return urllib3.HTTPResponse(body, headers, 200, preload_content=False)

    pool.plan = [("GET", whole)] * 4
    with pytest.raises(UnavailableError) as caught:
        store.open(Area.OBJECT, digest, 2, 3)

    assert Reason.STORE_WRONG_ANSWER == caught.value.reason


def test_an_answer_that_ends_early_is_an_error(s3_server: S3Server) -> None:
    """A connection that closes in the middle never looks like a shorter object."""
    store, pool = faulty(s3_server)
    digest = put_bytes(store, Area.OBJECT, b"0123456789")

    def short(send: Send) -> Answer:
        headers = {"Content-Length": "10"}
        body = BytesIO(b"01234")
        return urllib3.HTTPResponse(
            body, headers, 200, preload_content=False, enforce_content_length=False
        )

    pool.plan = [("GET", short)]
    with (
        store.open(Area.OBJECT, digest) as file,
        pytest.raises(UnavailableError) as caught,
    ):
        file.read()

    assert Reason.STORE_WRONG_ANSWER == caught.value.reason


def test_wrong_bytes_of_the_server_are_never_served(s3_server: S3Server) -> None:
    """A bucket is not trusted: an object replaced in it is refused when read."""
    store = S3Store(s3_server.place())
    digest = put_bytes(store, Area.OBJECT, b"published")
    key = store.key(Area.OBJECT, digest)
    store.client.put_object(store.place.bucket, key, BytesIO(b"falsified"), 9)
    with pytest.raises(UnavailableError) as caught:
        read_bytes(store, Area.OBJECT, digest, 9)

    assert Reason.OBJECT_DAMAGED == caught.value.reason


def test_connections_go_back(s3_server: S3Server) -> None:
    """Readings that stop in the middle do not dry the pool up."""
    store = S3Store(s3_server.place())
    digest = put_bytes(store, Area.OBJECT, os.urandom(2_000_000))
    for _ in range(100):
        with store.open(Area.OBJECT, digest) as file:
            file.read(10)

    assert 2_000_000 == len(read_bytes(store, Area.OBJECT, digest, 2_000_000))


def test_an_object_has_a_largest_size(store: S3Store) -> None:
    """Above 10,000 parts S3 has no way to store: refused before any byte is read."""
    digest = Digest.of(b"huge")
    with pytest.raises(RequestError) as caught:
        store.put(Area.OBJECT, digest, BytesIO(b""), OBJECT_BYTES_MAX + 1)
    assert Reason.TOO_LARGE == caught.value.reason

    with pytest.raises(Exception, match="announced") as other:
        store.put(Area.OBJECT, digest, BytesIO(b""), OBJECT_BYTES_MAX)
    assert Reason.SIZE_MISMATCH == getattr(other.value, "reason", None)


def test_an_absent_store_is_reported_soon() -> None:
    """A refused connection is an error within 10 s, after tries of our own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    place = S3Place(endpoint, "closed", "a", "b", secure=False)
    with pytest.raises(UnavailableError) as caught:
        S3Store(place).stat(Area.OBJECT, Digest.of(b""))

    assert Reason.STORE_UNREACHABLE == caught.value.reason


def test_wrong_keys_and_buckets_say_so(s3_server: S3Server) -> None:
    """The server itself, not only our table, tells these failures apart."""
    place = s3_server.place()
    strange = S3Store(replace(place, secret_key="wrong"))
    lost_bucket = S3Store(replace(place, bucket="no-such-bucket"))
    with pytest.raises(UnavailableError) as denied:
        strange.claim("x")
    with pytest.raises(UnavailableError) as unknown:
        lost_bucket.claim("x")

    assert Reason.STORE_DENIED == denied.value.reason
    assert Reason.STORE_BUCKET_UNKNOWN == unknown.value.reason


def test_private_areas_can_have_a_bucket_of_their_own(s3_server: S3Server) -> None:
    """With `private_bucket` a wrong policy on the public one shows no draft."""
    place = replace(s3_server.place(bucket="open"), private_bucket="closed")
    store = S3Store(place)
    digest = put_bytes(store, Area.PRIVATE, b"a draft")
    shown = put_bytes(store, Area.OBJECT, b"public")

    assert b"a draft" == read_bytes(store, Area.PRIVATE, digest, 7)
    assert 403 == anonymous(store, place.private_bucket, Area.PRIVATE, digest)
    assert 200 == anonymous(store, place.bucket, Area.OBJECT, shown)


def anonymous(store: S3Store, bucket: str, area: Area, digest: Digest) -> int:
    """Return the status that a reader without keys gets."""
    url = f"http://{store.place.endpoint}/{bucket}/{store.key(area, digest)}"
    answer = store.pool.request("GET", url)
    return answer.status


def test_addresses_for_the_public(s3_server: S3Server) -> None:
    """`serve` decides whether there is an address, and a presigned one works."""
    place = s3_server.place()
    digest = put_bytes(S3Store(place), Area.OBJECT, b"shown")
    hour = timedelta(hours=1)
    public = replace(place, serve="public", public_url="https://s3.example.ir/open/")
    presigned = S3Store(replace(place, serve="presigned"))
    url = presigned.public_url(digest, timedelta(days=2))
    assert url is not None
    answer = presigned.pool.request("GET", url)

    assert b"shown" == answer.data
    assert "X-Amz-Expires=3600" in urlsplit(url).query
    assert S3Store(place).public_url(digest, hour) is None
    assert f"https://s3.example.ir/open/{place.prefix}/object/" in (
        S3Store(public).public_url(digest, hour) or ""
    )


def test_a_secret_is_not_in_a_text(s3_server: S3Server) -> None:
    """A place that lands in a log shows no key."""
    assert "adminsecret" not in repr(s3_server.place())


class SlowServer(BaseHTTPRequestHandler):
    """A server whose clock is a day behind, and which says nothing else."""

    def do_HEAD(self) -> None:
        """Refuse, as S3 refuses a HEAD: without a body."""
        self.send_response_only(403)
        self.send_header("Date", "Wed, 01 Jan 2025 00:00:00 GMT")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet."""


def test_a_wrong_clock_is_recognised_without_a_body() -> None:
    """A HEAD is refused without a reason; the server's `Date` tells it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    place = S3Place(f"127.0.0.1:{server.server_port}", "closed", "a", "b", secure=False)
    store = S3Store(place)
    try:
        with pytest.raises(UnavailableError) as caught:
            store.stat(Area.OBJECT, Digest.of(b""))
    finally:
        store.close()
        server.shutdown()
        server.server_close()
        thread.join()

    assert Reason.STORE_CLOCK_SKEW == caught.value.reason
