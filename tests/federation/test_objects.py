"""Data objects are mirrored by hash: nothing wrong shows, nothing needless stays."""

import http.server
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, ClassVar

import pytest

from federation_world import ORIGIN
from federation_world import mirror as mirror_logs
from shahrdad.datasets.errors import PeerError, Reason, RequestError, UnavailableError
from shahrdad.federation import limits
from shahrdad.federation.dialler import Dialler
from shahrdad.federation.objects import (
    HttpObjects,
    MirrorPolicy,
    MirrorReport,
    NamedObject,
    ObjectMirror,
    Wanted,
    named_objects,
    wanted_objects,
)
from shahrdad.federation.verify.digest import Digest
from simulator import SimLog, keys_of

PARQUET = bytes(range(256)) * 4_000


class MemorySink:
    """A store that checks what it is given, as the node's does."""

    def __init__(self) -> None:
        self.held: dict[Digest, bytes] = {}

    def put(self, area: str, digest: Digest, source: BinaryIO, size: int) -> None:
        """Store."""
        content = source.read()
        assert ("object", digest, size) == (area, Digest.of(content), len(content))
        self.held[digest] = content

    def stat(self, area: str, digest: Digest) -> object | None:
        """Look."""
        return self.held.get(digest)

    def delete(self, area: str, digest: Digest) -> None:
        """Delete."""
        self.held.pop(digest, None)


class Source:
    """A peer that serves bytes from memory, and breaks off where it is told."""

    def __init__(self, name: str, *contents: bytes) -> None:
        self.name = name
        self.contents = {Digest.of(content): content for content in contents}
        self.cut_at: int | None = None
        self.asked: list[int] = []

    def read(self, digest: Digest, offset: int) -> tuple[int, Iterator[bytes]]:
        """Answer from an offset."""
        self.asked.append(offset)
        if digest not in self.contents:
            raise RequestError(Reason.OBJECT_UNKNOWN, digest=digest.hex, area="object")
        return offset, self._blocks(self.contents[digest], offset)

    def _blocks(self, content: bytes, offset: int) -> Iterator[bytes]:
        end = len(content) if self.cut_at is None else self.cut_at
        yield content[offset:end]
        if self.cut_at is not None:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=self.name, detail="cut"
            )


def lying(name: str, wanted: bytes, content: bytes) -> Source:
    """Return a peer that answers one digest with other bytes."""
    source = Source(name)
    source.contents[Digest.of(wanted)] = content
    return source


@pytest.fixture
def sink() -> MemorySink:
    """Return an empty store."""
    return MemorySink()


@pytest.fixture
def mirror(sink: MemorySink, tmp_path: Path) -> ObjectMirror[str]:
    """Return a mirror into the store."""
    return ObjectMirror(sink, "object", tmp_path)


def wanted(content: bytes) -> NamedObject:
    """Return the name of some bytes."""
    return NamedObject(Digest.of(content), len(content))


def record(
    *contents: bytes, family: str = "budget_lines", public: bool = True
) -> bytes:
    """Return a record that names these objects."""
    return json.dumps(
        {
            "resources": [
                {
                    "name": f"part-{number}",
                    "hash": f"sha256:{Digest.of(content).hex}",
                    "bytes": len(content),
                    "shahrdad": {"role": "part", "public": public},
                }
                for number, content in enumerate(contents)
            ],
            "shahrdad": {"family": family},
        }
    ).encode()


def test_record_names_its_public_objects() -> None:
    """Hash and length are read; what is not public is not to be had."""
    named = named_objects(record(b"a", b"bc"))

    assert "budget_lines" == named.family
    assert (wanted(b"a"), wanted(b"bc")) == named.objects
    assert () == named_objects(record(b"a", public=False)).objects


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        b"[]",
        b"{}",
        b'{"resources": 3, "shahrdad": 4}',
        b'{"resources": [1, {"hash": 5}, {"hash": "md5:00", "bytes": 1}]}',
        b'{"resources": [{"hash": "sha256:AA", "bytes": 1}]}',
        b'{"resources": [{"hash": "sha256:' + b"a" * 64 + b'", "bytes": -1}]}',
        b'{"resources": [{"hash": "sha256:' + b"a" * 64 + b'", "bytes": true}]}',
        b'{"resources": [{"hash": "sha256:' + b"a" * 64 + b'"}]}',
    ],
)
def test_body_that_is_no_record_names_nothing(body: bytes) -> None:
    """Whatever a city publishes as a body, the mirror goes on."""
    assert () == named_objects(body).objects


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (MirrorPolicy("all"), True),
        (MirrorPolicy("none"), False),
        (MirrorPolicy("chosen"), True),
        (MirrorPolicy("chosen", families=("contracts",)), False),
        (MirrorPolicy("chosen", families=("budget_lines",)), True),
        (MirrorPolicy("chosen", cities=("qom",)), False),
        (MirrorPolicy("chosen", ("budget_lines",), ("kerman",)), True),
        (MirrorPolicy("chosen", ("budget_lines",), ("qom",)), False),
    ],
)
def test_policy_chooses_datasets(policy: MirrorPolicy, expected: bool) -> None:
    """A node mirrors all, nothing, or some families of some cities."""
    assert expected is policy.wants("budget_lines", "kerman")


def test_object_is_fetched_and_visible(
    mirror: ObjectMirror[str], sink: MemorySink
) -> None:
    """What a peer has under a digest is held after one run, once."""
    want = Wanted(wanted(PARQUET), ORIGIN, "ds/budget")
    source = Source("a", PARQUET)
    first = mirror.fetch([want, want], lambda origin: [source], 10**9)
    second = mirror.fetch([want], lambda origin: [source], 10**9)

    assert {Digest.of(PARQUET): PARQUET} == sink.held
    assert (1, len(PARQUET)) == (first.fetched, first.fetched_bytes)
    assert (0, 1, [0]) == (second.fetched, second.held, source.asked)


def test_empty_object_is_fetched(mirror: ObjectMirror[str], sink: MemorySink) -> None:
    """An object of no bytes is one like any other."""
    assert mirror.fetch_one(wanted(b""), [Source("a", b"")])
    assert {Digest.of(b""): b""} == sink.held


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PARQUET[:-1] + b"x", Reason.DIGEST_MISMATCH),
        (PARQUET + b"x", Reason.SIZE_MISMATCH),
        (PARQUET[:-1], Reason.SIZE_MISMATCH),
        (b"", Reason.SIZE_MISMATCH),
    ],
)
def test_wrong_bytes_never_become_visible(
    mirror: ObjectMirror[str],
    sink: MemorySink,
    content: bytes,
    reason: Reason,
) -> None:
    """A peer with other bytes is named; the next one is asked."""
    report = MirrorReport()
    liar = lying("liar", PARQUET, content)

    assert not mirror.fetch_one(wanted(PARQUET), [liar], report)
    assert {} == sink.held
    assert [("liar", reason)] == [(name, error.reason) for name, error in report.faults]
    assert all(isinstance(error, PeerError) for _, error in report.faults)
    assert mirror.fetch_one(wanted(PARQUET), [liar, Source("honest", PARQUET)], report)
    assert {Digest.of(PARQUET): PARQUET} == sink.held


def test_endless_answer_is_cut_at_the_announced_length(
    mirror: ObjectMirror[str], tmp_path: Path
) -> None:
    """A peer that never stops fills no disk: `bytes` of the record is the bound."""

    class Endless(Source):
        sent = 0

        def _blocks(self, content: bytes, offset: int) -> Iterator[bytes]:
            while True:
                self.sent += 1_000
                yield bytes(1_000)

    source = Endless("endless", PARQUET)

    assert not mirror.fetch_one(wanted(PARQUET), [source])
    assert source.sent <= len(PARQUET) + 1_000
    assert [] == list((tmp_path / "spool").iterdir())


def test_cut_download_goes_on_where_it_ended(
    mirror: ObjectMirror[str], sink: MemorySink
) -> None:
    """The second peer is asked for the rest alone."""
    cut, whole = Source("cut", PARQUET), Source("whole", PARQUET)
    cut.cut_at = 300_000
    assert mirror.fetch_one(wanted(PARQUET), [cut, whole])

    assert ([0], [300_000]) == (cut.asked, whole.asked)
    assert {Digest.of(PARQUET): PARQUET} == sink.held


def test_false_first_half_does_not_blame_the_honest_peer(
    mirror: ObjectMirror[str], sink: MemorySink
) -> None:
    """When two peers' halves do not fit, the second peer gets a clean start."""
    liar = lying("liar", PARQUET, bytes(len(PARQUET)))
    liar.cut_at = 1_000
    report = MirrorReport()

    assert mirror.fetch_one(wanted(PARQUET), [liar, Source("b", PARQUET)], report)
    assert ["liar"] == [name for name, _ in report.faults]
    assert {Digest.of(PARQUET): PARQUET} == sink.held


def test_budget_bounds_the_bytes(mirror: ObjectMirror[str]) -> None:
    """An object that would pass the budget is left out, smaller ones are not."""
    contents = [b"a" * 60, b"b" * 50, b"c" * 40]
    source = Source("a", *contents)
    wants = [Wanted(wanted(content), ORIGIN, "ds/x") for content in contents]
    report = mirror.fetch(wants, lambda origin: [source], 100)

    assert (2, 100, 1) == (report.fetched, report.fetched_bytes, report.over_budget)


def test_object_that_nobody_has_is_missing(mirror: ObjectMirror[str]) -> None:
    """A missing object is told, and is no fault of those who lack it."""
    want = Wanted(wanted(b"x"), ORIGIN, "ds/x")
    report = mirror.fetch([want], lambda origin: [Source("a")], 100)

    assert ([Digest.of(b"x")], []) == (report.missing, report.faults)


def test_redacted_objects_are_dropped_and_named_ones_stay(
    mirror: ObjectMirror[str], sink: MemorySink
) -> None:
    """When no body names an object any more it goes; what another names stays."""
    only, both, own = b"only", b"both", b"own"
    sink.put("object", Digest.of(own), BytesIO(own), len(own))
    source = Source("a", only, both)
    for content in (only, both):
        mirror.fetch_one(wanted(content), [source])
    first = mirror.sweep([(Digest.of(b"1"), record(only, both))])
    second = mirror.sweep([(Digest.of(b"2"), record(both))])

    assert (0, 1) == (first, second)
    assert {Digest.of(both), Digest.of(own)} == set(sink.held)


def test_object_in_use_is_not_dropped(
    mirror: ObjectMirror[str], sink: MemorySink
) -> None:
    """What the node needs for a draft stays, although no body names it yet."""
    mirror.fetch_one(wanted(b"x"), [Source("a", b"x")])

    assert 0 == mirror.sweep([], in_use=lambda digest: True)
    assert {Digest.of(b"x")} == set(sink.held)


class Files(http.server.BaseHTTPRequestHandler):
    """Serves one object at its path, with ranges; counts them."""

    ranges: ClassVar[list[str | None]] = []
    whole = False

    def do_GET(self) -> None:
        """Answer."""
        digest = Digest.of(PARQUET).hex
        if self.path != f"/mirror/object/{digest[:2]}/{digest}":
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        start = 0
        if asked and not self.whole:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        content = PARQUET[start:]
        self.send_response(206 if start else 200)
        if start:
            end = len(PARQUET) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(PARQUET)}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


@pytest.fixture
def prefix() -> Iterator[str]:
    """Serve `Files` on a free port."""
    Files.ranges = []
    Files.whole = False
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/mirror"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("whole", [False, True])
def test_http_source_resumes_by_range(
    mirror: ObjectMirror[str], sink: MemorySink, prefix: str, whole: bool
) -> None:
    """The rest is asked for by Range; a server that sends all is understood too."""
    Files.whole = whole
    cut = Source("cut", PARQUET)
    cut.cut_at = 1_000
    source = HttpObjects("web", prefix, Dialler(["127.0.0.0/8"]))
    try:
        assert mirror.fetch_one(wanted(PARQUET), [cut, source])
        assert not mirror.fetch_one(wanted(b"other"), [source])
    finally:
        source.close()

    assert ["bytes=1000-"] == Files.ranges
    assert {Digest.of(PARQUET): PARQUET} == sink.held


def test_http_source_outside_the_public_network_is_refused(
    mirror: ObjectMirror[str], prefix: str
) -> None:
    """A static prefix cannot lead the mirror into our own network."""
    report = MirrorReport()
    source = HttpObjects("inward", prefix, Dialler())
    try:
        assert not mirror.fetch_one(wanted(PARQUET), [source], report)
    finally:
        source.close()

    assert [Reason.ADDRESS_REFUSED] == [error.reason for _, error in report.faults]
    assert [] == Files.ranges


def test_live_records_of_other_cities_are_wanted(tmp_path: Path) -> None:
    """What is live, of a chosen family and not our own, is fetched; the rest is not."""
    log, own = SimLog(ORIGIN), SimLog("qom.example.ir/catalog")
    log.put("ds/budget", record(b"old"))
    log.put("ds/budget", record(b"new"))
    log.put("ds/contracts", record(b"other", family="contracts"))
    log.put("ds/gone", record(b"gone"))
    log.delete("ds/gone")
    own.put("ds/budget", record(b"mine"))
    store = mirror_logs(tmp_path / "node.db", log, own).store
    store.ensure_log(own.origin, own=True)
    policy = MirrorPolicy("chosen", families=("budget_lines",))
    found = list(wanted_objects(store, keys_of([log, own]), policy))

    assert [Wanted(wanted(b"new"), ORIGIN, "ds/budget")] == found


def test_largest_record_is_read() -> None:
    """A record has at most 1 MiB; one above names nothing."""
    empty = record(b"a")[:-1] + b', "x": ""}'
    filler = limits.BODY_BYTES_MAX - len(empty)
    largest = empty.replace(b'"x": ""', b'"x": "' + b"y" * filler + b'"')

    assert limits.BODY_BYTES_MAX == len(largest)
    assert 1 == len(named_objects(largest).objects)
    assert 0 == len(named_objects(largest + b" ").objects)
