"""Data objects of other cities, mirrored by hash for the datasets that a node chose.

A record's body names its objects by SHA-256 and length. Each is fetched from a peer's
static prefix, `<static>/object/<first 2 hex>/<64 hex>`, into a spool file, and becomes
visible in the object store only when the whole of it has the digest. A download that
was cut off goes on by `Range`, with this peer or another: the name says what the bytes
must be, so that halves of two peers fit or are thrown away.

What a crash leaves: spool files, which the next run goes on with; and a marker of an
object that is not there, which the next sweep removes.

Addresses inside a record are never fetched.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Generic, Literal, Protocol, TypeVar

from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation.dialler import Dialler
from shahrdad.federation.keyring import KeyRing
from shahrdad.federation.limits import BODY_BYTES_MAX
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest

BLOCK_BYTES = 1 << 18
HASH = re.compile(r"sha256:([0-9a-f]{64})")
Area = TypeVar("Area", contravariant=True)  # the sink's own kind of area
StoreArea = TypeVar("StoreArea")


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object that a record names."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object to mirror, and why."""

    object: NamedObject
    origin: str
    key: str


@dataclass(frozen=True, slots=True)
class MirrorPolicy:
    """Which data objects of other cities are held here.

    `chosen` takes the datasets of these families and of these cities; an empty tuple
    leaves that side open. Bytes are bounded in every case.
    """

    objects: Literal["all", "none", "chosen"] = "none"
    families: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    bytes_max: int = 100 * 1024**3

    def wants(self, family: str, city: str) -> bool:
        """Tell whether the objects of a dataset are mirrored."""
        if self.objects != "chosen":
            return self.objects == "all"
        return (not self.families or family in self.families) and (
            not self.cities or city in self.cities
        )


@dataclass(frozen=True, slots=True)
class Named:
    """What federation reads of a record's body."""

    family: str
    objects: tuple[NamedObject, ...]


@dataclass(slots=True)
class MirrorReport:
    """What one run of the mirror did."""

    fetched: int = 0
    fetched_bytes: int = 0
    held: int = 0
    dropped: int = 0
    over_budget: int = 0
    missing: list[Digest] = field(default_factory=list)
    faults: list[tuple[str, ShahrdadError]] = field(default_factory=list)


class ObjectSink(Protocol[Area]):
    """Where objects go: a part of the node's object store, which promises the rest."""

    def put(self, area: Area, digest: Digest, source: BinaryIO, size: int) -> None:
        """Store bytes that have this digest and size, or raise and store nothing."""
        ...

    def stat(self, area: Area, digest: Digest) -> object | None:
        """Return something when the object is held, else None."""
        ...

    def delete(self, area: Area, digest: Digest) -> None:
        """Delete an object; one that is absent is deleted already."""
        ...


class ObjectSource(Protocol):
    """A peer that may hold objects."""

    @property
    def name(self) -> str:
        """The peer's name, for the report."""
        ...

    def read(self, digest: Digest, offset: int) -> tuple[int, Iterator[bytes]]:
        """Return where the answer starts, `offset` or 0, and the bytes from there.

        Raises:
            RequestError: OBJECT_UNKNOWN.
            UnavailableError: PEER_UNREACHABLE.
        """
        ...


def named_objects(body: bytes) -> Named:
    """Return family and objects of a record; a body that is no record names none.

    A resource that is not public (`shahrdad.public` is false) is not to be had from
    anyone, so it is left out.
    """
    try:
        record = strict_json.loads(body, bytes_max=BODY_BYTES_MAX)
    except PeerError:
        return Named("", ())
    own = record.get("shahrdad")
    family = own.get("family") if isinstance(own, dict) else ""
    resources = record.get("resources")
    found: dict[Digest, NamedObject] = {}
    for resource in resources if isinstance(resources, list) else []:
        named = _named(resource)
        if named is not None:
            found[named.digest] = named
    return Named(family if isinstance(family, str) else "", tuple(found.values()))


def wanted_objects(
    store: LogReading, keys: KeyRing, policy: MirrorPolicy
) -> Iterator[Wanted]:
    """Yield the objects of other cities' live datasets that a policy chooses."""
    for log in store.logs():
        if log.own:
            continue
        city = keys.city(log.origin)
        for key, live in store.live(log.origin).items():
            named = named_objects(store.body(live.sha256) or b"")
            if policy.wants(named.family, city):
                yield from (Wanted(item, log.origin, key) for item in named.objects)


def _named(resource: Any) -> NamedObject | None:
    """Return the object of a resource, if it names a public one."""
    if not isinstance(resource, dict):
        return None
    own = resource.get("shahrdad")
    if isinstance(own, dict) and own.get("public") is False:
        return None
    text, size = resource.get("hash"), resource.get("bytes")
    match = HASH.fullmatch(text) if isinstance(text, str) else None
    if match is None or type(size) is not int or size < 0:
        return None
    return NamedObject(Digest.parse(match[1]), size)


class ObjectMirror(Generic[StoreArea]):
    """Fetches, verifies and drops the objects that this node mirrors.

    Args:
        sink: The object store.
        area: The part of it that is public.
        folder: For downloads that are not complete, and for markers of what was
            mirrored: only that is ever dropped.
    """

    def __init__(
        self, sink: ObjectSink[StoreArea], area: StoreArea, folder: Path
    ) -> None:
        self._sink = sink
        self._area = area
        self._spool = folder / "spool"
        self._markers = folder / "mirrored"
        for made in (self._spool, self._markers):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)

    def fetch(
        self,
        wanted: Iterable[Wanted],
        sources: Callable[[str], Sequence[ObjectSource]],
        bytes_max: int,
    ) -> MirrorReport:
        """Fetch what is wanted and not held, in the order given.

        Args:
            wanted: Objects, most important first.
            sources: Origin → the peers to ask, best first.
            bytes_max: Bytes of mirrored objects, held ones counted; an object that
                would pass it is left out, and smaller ones are still fetched.
        """
        report = MirrorReport()
        seen: set[Digest] = set()
        bytes_left = bytes_max
        for want in wanted:
            digest, size = want.object.digest, want.object.size
            if digest in seen:
                continue
            seen.add(digest)
            if self._sink.stat(self._area, digest) is not None:
                report.held += 1
                bytes_left -= size
            elif size > bytes_left:
                report.over_budget += 1
            elif self.fetch_one(want.object, sources(want.origin), report):
                report.fetched += 1
                report.fetched_bytes += size
                bytes_left -= size
            else:
                report.missing.append(digest)
        return report

    def fetch_one(
        self,
        wanted: NamedObject,
        sources: Sequence[ObjectSource],
        report: MirrorReport | None = None,
    ) -> bool:
        """Fetch one object from the first source that has it.

        Returns:
            Whether it is held now; the faults of sources go into the report.
        """
        report = report or MirrorReport()
        for source in sources:
            try:
                self._take(wanted, source)
            except RequestError as error:
                if error.reason is not Reason.OBJECT_UNKNOWN:
                    report.faults.append((source.name, error))
            except (PeerError, UnavailableError) as error:
                report.faults.append((source.name, error))
            else:
                return True
        return False

    def sweep(
        self,
        held_bodies: Iterable[tuple[Digest, bytes]],
        in_use: Callable[[Digest], bool] = lambda digest: False,
    ) -> int:
        """Drop what was mirrored and is named by no body any more (federation 10.6).

        A redaction removed the body from the log store, so its objects lost their
        name; those that another body names stay.

        Args:
            held_bodies: Every body that this node still holds, own ones too.
            in_use: Tells of objects that the node needs for something else.

        Returns:
            How many objects were dropped.
        """
        named = {
            item.digest
            for _, body in held_bodies
            for item in named_objects(body).objects
        }
        dropped = 0
        for marker in sorted(self._markers.iterdir()):
            digest = Digest.parse(marker.name)
            if digest in named:
                continue
            if not in_use(digest):
                self._sink.delete(self._area, digest)
                dropped += 1
            marker.unlink()
        for part in self._spool.iterdir():
            if Digest.parse(part.name) not in named:
                part.unlink()
        return dropped

    def _take(self, wanted: NamedObject, source: ObjectSource) -> None:
        """Download an object and make it visible, or raise what the source did."""
        resumed = (self._spool / wanted.digest.hex).exists()
        try:
            self._download(wanted, source)
            self._store(wanted, source)
        except PeerError:
            if not resumed:
                raise
            # The first part may have been another peer's: this one gets a clean start.
            self._download(wanted, source)
            self._store(wanted, source)

    def _download(self, wanted: NamedObject, source: ObjectSource) -> None:
        """Bring the spool file to its full length.

        Raises:
            PeerError: SIZE_MISMATCH: the source sends more, or less.
            RequestError: OBJECT_UNKNOWN.
            UnavailableError: PEER_UNREACHABLE; what came is kept.
        """
        part = self._spool / wanted.digest.hex
        offset = part.stat().st_size if part.exists() else 0
        if offset >= wanted.size and offset:
            return
        start, blocks = source.read(wanted.digest, offset)
        length = start
        with part.open("ab") as file:
            file.truncate(start)
            for block in blocks:
                length += len(block)
                if length > wanted.size:
                    break
                file.write(block)
        if length != wanted.size:
            part.unlink()
            raise PeerError(
                Reason.SIZE_MISMATCH,
                size_bytes_expected=wanted.size,
                size_bytes=length,
                peer=source.name,
            )

    def _store(self, wanted: NamedObject, source: ObjectSource) -> None:
        """Check the spool file against its name, and make it visible.

        Raises:
            PeerError: DIGEST_MISMATCH; the spool file is gone.
        """
        part = self._spool / wanted.digest.hex
        actual = _digest_of(part)
        if actual != wanted.digest:
            part.unlink()
            raise PeerError(
                Reason.DIGEST_MISMATCH,
                expected=wanted.digest.hex,
                actual=actual.hex,
                peer=source.name,
            )
        # The marker goes first: an object without one would never be dropped.
        (self._markers / wanted.digest.hex).touch()
        with part.open("rb") as file:
            self._sink.put(self._area, wanted.digest, file, wanted.size)
        part.unlink()


class HttpObjects:
    """The objects under a peer's static prefix; an `ObjectSource`.

    Args:
        name: The peer's.
        prefix: `https://host/…`, without a final slash.
        dialler: Decides whether the host may be dialled.
    """

    def __init__(self, name: str, prefix: str, dialler: Dialler) -> None:
        self._name = name
        self._prefix = prefix.rstrip("/")
        self._client = dialler.http_client()

    @property
    def name(self) -> str:
        """The peer's name."""
        return self._name

    def read(self, digest: Digest, offset: int) -> tuple[int, Iterator[bytes]]:
        """Return where the answer starts, and the bytes from there.

        Raises:
            RequestError: OBJECT_UNKNOWN, ADDRESS_REFUSED.
            UnavailableError: PEER_UNREACHABLE.
        """
        import httpx2

        blocks = self._blocks(digest, offset)
        try:
            status, start = next(blocks)
        except httpx2.HTTPError as error:
            raise self._unreachable(str(error)) from error
        if status in {404, 410}:
            raise RequestError(
                Reason.OBJECT_UNKNOWN, digest=digest.hex, area="object", peer=self.name
            )
        if status not in {200, 206}:
            raise self._unreachable(f"HTTP status {status}")
        return start, self._guarded(blocks)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _blocks(self, digest: Digest, offset: int) -> Iterator[Any]:
        """Yield status and start of the answer, then its bytes, never inflated."""
        url = f"{self._prefix}/object/{digest.hex[:2]}/{digest.hex}"
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with self._client.stream("GET", url, headers=headers) as answer:
            content_range = answer.headers.get("Content-Range", "")
            ranged = content_range.startswith(f"bytes {offset}-")
            status: int = answer.status_code
            if status == 206 and not ranged:
                status = 416  # another range than the one that was asked for
            yield status, offset if status == 206 else 0
            yield from answer.iter_raw(BLOCK_BYTES)

    def _guarded(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        import httpx2

        try:
            yield from blocks
        except httpx2.HTTPError as error:
            raise self._unreachable(str(error)) from error

    def _unreachable(self, detail: str) -> UnavailableError:
        return UnavailableError(Reason.PEER_UNREACHABLE, peer=self.name, detail=detail)


def _digest_of(path: Path) -> Digest:
    """Return the digest of a file, read block by block."""
    hasher = sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            hasher.update(block)
    return Digest(hasher.digest())
