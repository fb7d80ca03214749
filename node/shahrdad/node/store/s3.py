"""Objects in an S3 bucket, through the `minio` client (storage 3).

One connection pool a process, with our own time-outs and our own retries, and those
only around calls that may be repeated. A broken answer to a PUT says nothing about
whether it was done: the store looks, and repeats. No conditional write is used, so
servers that disagree on them (storage 3.3) make no difference. The ETag is never taken
for a digest.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Literal, cast

import stamina
import urllib3
from minio import Minio
from minio.error import S3Error

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node.store.contract import Area, ObjectStat
from shahrdad.node.store.lifecycle import harms, what_it_does
from shahrdad.node.store.limits import (
    OBJECT_BYTES_MAX,
    PRESIGNED_AGE_MAX,
    S3_ATTEMPTS_MAX,
    S3_CONNECT_SECONDS,
    S3_CONNECTIONS_MAX,
    S3_PART_BYTES,
    S3_READ_RETRY_SECONDS,
    S3_READ_SECONDS,
    S3_WRITE_RETRY_SECONDS,
    SPOOL_BYTES_MAX,
)
from shahrdad.node.store.local import CLOSED_AREAS, MARKER, NAME, PREFIX
from shahrdad.node.store.s3_errors import (
    ABSENT,
    clock_difference,
    transient,
    translated,
)
from shahrdad.node.store.stream import check_range, copy_checked, open_stream

Serve = Literal["node", "public", "presigned"]
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
MARKER_BYTES_MAX = 1024
TWO_DIGITS = [f"{number:02x}" for number in range(256)]


@dataclass(frozen=True, slots=True)
class S3Place:
    """Where in S3 a node keeps its objects.

    Attributes:
        endpoint: `host` or `host:port`.
        bucket: Holds `object/`, `derived/` and the static mirror.
        private_bucket: Holds `private/` and `quarantine/`; the same bucket when empty.
        prefix: Comes before every key, without slashes at its ends; may be empty.
        region: Always sent: otherwise the client asks for each bucket's.
        secure: Whether to speak TLS.
        ca_file: Certificates to trust in place of the system's; may be empty.
        serve: How bytes reach the public (storage 3.5).
        public_url: The bucket's public address, for `serve = "public"`.
    """

    endpoint: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    private_bucket: str = ""
    prefix: str = ""
    region: str = "us-east-1"
    secure: bool = True
    ca_file: str = ""
    serve: Serve = "node"
    public_url: str = ""


def connection_pool(place: S3Place) -> urllib3.PoolManager:
    """Return a pool that neither waits for minutes nor repeats blindly."""
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=S3_CONNECT_SECONDS, read=S3_READ_SECONDS),
        retries=False,
        maxsize=S3_CONNECTIONS_MAX,
        cert_reqs="CERT_REQUIRED",
        ca_certs=place.ca_file or None,
    )


class S3Store:
    """An `ObjectStore` in a bucket.

    Args:
        place: Where.
        pool: Connections; tests pass one that fails.
    """

    def __init__(self, place: S3Place, pool: urllib3.PoolManager | None = None) -> None:
        self.place = place
        self.pool = pool or connection_pool(place)
        self._versioned: dict[str, bool] = {}
        self.client = Minio(
            place.endpoint,
            access_key=place.access_key,
            secret_key=place.secret_key,
            secure=place.secure,
            region=place.region,
            http_client=self.pool,
        )

    def put(self, area: Area, digest: Digest, source: BinaryIO, size: int) -> None:
        """Store verified bytes; see `ObjectStore.put`."""
        if size > OBJECT_BYTES_MAX:
            raise RequestError(
                Reason.TOO_LARGE, size_bytes=size, size_bytes_max=OBJECT_BYTES_MAX
            )
        known = self.stat(area, digest)
        if known is not None and known.size == size:
            return
        # Hashed before the first byte leaves: a wrong stream never gets the name.
        with SpooledTemporaryFile(SPOOL_BYTES_MAX) as spool:
            copy_checked(source, spool.write, digest, size)
            try:
                for attempt in attempts(S3_WRITE_RETRY_SECONDS):
                    with attempt:
                        spool.seek(0)
                        self._put_once(area, digest, cast("BinaryIO", spool), size)
            except UnavailableError:
                # Storage 3.1: after the last try, the bytes themselves decide.
                if not self._holds(area, digest):
                    raise

    def _put_once(
        self, area: Area, digest: Digest, source: BinaryIO, size: int
    ) -> None:
        try:
            with translated("store an object"):
                self.client.put_object(
                    self.bucket(area),
                    self.key(area, digest),
                    source,
                    size,
                    metadata={"sha256": digest.hex},
                    part_size=S3_PART_BYTES,
                )
        except UnavailableError as error:
            if not transient(error) or not self._arrived(area, digest, size):
                raise

    def _arrived(self, area: Area, digest: Digest, size: int) -> bool:
        """Tell whether a PUT without a good answer was done all the same."""
        try:
            with translated("look for an object"):
                found = self.client.stat_object(
                    self.bucket(area), self.key(area, digest)
                )
        except (S3Error, UnavailableError):
            return False
        claimed = (found.metadata or {}).get("x-amz-meta-sha256")
        return found.size == size and claimed == digest.hex

    def _holds(self, area: Area, digest: Digest) -> bool:
        """Tell whether the bytes are there, by reading them."""
        try:
            with self.open(area, digest) as file:
                while file.read(SPOOL_BYTES_MAX):
                    pass
        except (RequestError, UnavailableError):
            return False
        return True

    def open(
        self, area: Area, digest: Digest, offset: int = 0, length: int | None = None
    ) -> BinaryIO:
        """Open an object or a range of it; see `ObjectStore.open`."""
        if offset < 0 or length == 0 or (length is not None and length < 0):
            return self._open_empty(area, digest, offset, length)
        for attempt in attempts(S3_READ_RETRY_SECONDS):
            with attempt:
                try:
                    return self._open_once(area, digest, offset, length)
                except S3Error as error:
                    if error.code == "InvalidRange":
                        return self._open_empty(area, digest, offset, length)
                    raise absent(area, digest) from error
        raise AssertionError  # stamina raises what the last attempt raised

    def _open_once(
        self, area: Area, digest: Digest, offset: int, length: int | None
    ) -> BinaryIO:
        with translated("read an object"):
            answer = self.client.get_object(
                self.bucket(area), self.key(area, digest), offset, length or 0
            )

        def close() -> None:
            answer.close()
            answer.release_conn()

        def read(size: int) -> bytes:
            with translated("read an object"):
                return answer.read(size, decode_content=False)

        try:
            wanted = self._extent(answer, offset, length)
        except BaseException:
            close()
            raise
        expected = (area, digest) if offset == 0 and length is None else None
        return open_stream(read, wanted, close, expected)

    @staticmethod
    def _extent(
        answer: urllib3.BaseHTTPResponse, offset: int, length: int | None
    ) -> int:
        """Return how many bytes come, as the answer's head says."""
        act = "read an object"
        if offset == 0 and length is None:
            size = answer.headers.get("Content-Length", "")
            if answer.status != 200 or not size.isdecimal():
                detail = f"HTTP {answer.status}, length {size or 'missing'}"
                raise UnavailableError(
                    Reason.STORE_WRONG_ANSWER, act=act, detail=detail
                )
            return int(size)
        match = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status != 206 or match is None:
            detail = f"HTTP {answer.status} to a range"
            raise UnavailableError(Reason.STORE_WRONG_ANSWER, act=act, detail=detail)
        first, last, size_bytes = (int(group) for group in match.groups())
        wanted = check_range(offset, length, size_bytes)
        if (first, last) != (offset, offset + wanted - 1):
            raise UnavailableError(
                Reason.STORE_WRONG_ANSWER, act=act, detail="another range came"
            )
        return wanted

    def _open_empty(
        self, area: Area, digest: Digest, offset: int, length: int | None
    ) -> BinaryIO:
        """Open a range without bytes, which HTTP cannot ask for."""
        known = self.stat(area, digest)
        if known is None:
            raise absent(area, digest)
        wanted = check_range(offset, length, known.size)
        expected = (area, digest) if offset == 0 and length is None else None
        return open_stream(BytesIO().read, wanted, lambda: None, expected)

    def stat(self, area: Area, digest: Digest) -> ObjectStat | None:
        """Return size and time, or None; see `ObjectStore.stat`."""
        for attempt in attempts(S3_READ_RETRY_SECONDS):
            with attempt, translated("look for an object"):
                try:
                    found = self.client.stat_object(
                        self.bucket(area), self.key(area, digest)
                    )
                except S3Error as error:
                    if error.code in ABSENT:
                        return None
                    raise
                return ObjectStat(
                    found.size or 0, cast("datetime", found.last_modified)
                )
        raise AssertionError  # stamina raises what the last attempt raised

    def list(self, area: Area, prefix: str = "") -> Iterator[tuple[Digest, ObjectStat]]:
        """Yield objects in the order of their names; see `ObjectStore.list`."""
        if not PREFIX.fullmatch(prefix):
            raise ValueError(f"not the beginning of a digest: {prefix!r}")
        starts = [name for name in TWO_DIGITS if name.startswith(prefix[:2])]
        for start in starts:
            page: Sequence[tuple[str, ObjectStat]] = ()
            for attempt in attempts(S3_READ_RETRY_SECONDS):
                with attempt:
                    page = self._list_once(area, start)
            for name, stat in page:
                if name.startswith(prefix):
                    yield Digest(bytes.fromhex(name)), stat

    def _list_once(self, area: Area, start: str) -> Sequence[tuple[str, ObjectStat]]:
        """Return one of the 256 folders whole, so that a failed listing can restart."""
        folder = self.named_key(f"{area.value}/{start}/")
        with translated("list objects"):
            found = self.client.list_objects(
                self.bucket(area), prefix=folder, recursive=True
            )
            page = [
                (
                    cast("str", entry.object_name).removeprefix(folder),
                    ObjectStat(entry.size or 0, cast("datetime", entry.last_modified)),
                )
                for entry in found
            ]
        return sorted((pair for pair in page if NAME.fullmatch(pair[0])), key=first)

    def delete(self, area: Area, digest: Digest) -> None:
        """Delete an object; see `ObjectStore.delete`."""
        for attempt in attempts(S3_WRITE_RETRY_SECONDS):
            with attempt, translated("delete an object"):
                try:
                    self.client.remove_object(self.bucket(area), self.key(area, digest))
                except S3Error as error:
                    if error.code not in ABSENT:
                        raise
                if self._keeps_versions(self.bucket(area)):
                    self._delete_versions(self.bucket(area), self.key(area, digest))

    def _keeps_versions(self, bucket: str) -> bool:
        """Tell whether deleting leaves the bytes; asked once a process."""
        if bucket not in self._versioned:
            try:
                self._versioned[bucket] = self.versioning(bucket) != "Off"
            except UnavailableError:
                return False  # not everybody may ask; `doctor` says so
        return self._versioned[bucket]

    def _delete_versions(self, bucket: str, key: str) -> None:
        """Delete what a versioned bucket kept: a redaction must leave nothing."""
        found = self.client.list_objects(
            bucket, prefix=key, recursive=True, include_version=True
        )
        for entry in found:
            if entry.object_name == key:
                self.client.remove_object(bucket, key, version_id=entry.version_id)

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Replace a file of the static mirror; see `ObjectStore.write_named`."""
        self._write_key(self.named_key(str(path)), content)

    def _write_key(self, key: str, content: bytes) -> None:
        for attempt in attempts(S3_WRITE_RETRY_SECONDS):
            with attempt, translated("write the static mirror"):
                self.client.put_object(
                    self.place.bucket, key, BytesIO(content), len(content)
                )

    def delete_named(self, path: MirrorPath) -> None:
        """Delete a file of the static mirror; see `ObjectStore.delete_named`."""
        key = self.named_key(str(path))
        for attempt in attempts(S3_WRITE_RETRY_SECONDS):
            with attempt, translated("delete from the static mirror"):
                self.client.remove_object(self.place.bucket, key)

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file of the static mirror; see `ObjectStore.read_named`."""
        return self._read_key(self.named_key(str(path)), limit)

    def _read_key(self, key: str, limit: int) -> bytes | None:
        content = b""
        for attempt in attempts(S3_READ_RETRY_SECONDS):
            with attempt, translated("read the static mirror"):
                try:
                    answer = self.client.get_object(self.place.bucket, key)
                except S3Error as error:
                    if error.code in ABSENT:
                        return None
                    raise
                try:
                    content = answer.read(limit + 1, decode_content=False)
                finally:
                    answer.close()
                    answer.release_conn()
        if len(content) > limit:
            raise RequestError(
                Reason.TOO_LARGE, size_bytes=len(content), size_bytes_max=limit
            )
        return content

    def public_url(self, digest: Digest, ttl: timedelta) -> str | None:
        """Return a public or a presigned address; see `ObjectStore.public_url`."""
        key = self.key(Area.OBJECT, digest)
        if self.place.serve == "public" and self.place.public_url:
            return f"{self.place.public_url.rstrip('/')}/{key}"
        if self.place.serve == "presigned":
            return self.client.presigned_get_object(
                self.place.bucket, key, min(ttl, PRESIGNED_AGE_MAX)
            )
        return None

    def claim(self, origin: str) -> None:
        """Write or compare the object `node`; see `ObjectStore.claim`."""
        key = self.named_key(MARKER)
        found = self._read_key(key, MARKER_BYTES_MAX)
        if found is None:
            self._write_key(key, f"{origin}\n".encode())
            found = self._read_key(key, MARKER_BYTES_MAX)
        name = (found or b"").decode("utf-8", "replace").strip()
        if name != origin:
            raise RequestError(Reason.STORE_FOREIGN, origin_found=name, origin=origin)

    def bucket_exists(self, bucket: str) -> bool:
        """Tell whether a bucket exists and may be seen."""
        with translated("look for the bucket"):
            return bool(self.client.bucket_exists(bucket))

    def versioning(self, bucket: str) -> str:
        """Return `Off`, `Enabled` or `Suspended`."""
        with translated("ask for versioning"):
            return self.client.get_bucket_versioning(bucket).status or "Off"

    def harmful_rules(self, bucket: str) -> tuple[str, ...]:
        """Name the lifecycle rules that would delete or move away objects of ours."""
        with translated("ask for lifecycle rules"):
            config = self.client.get_bucket_lifecycle(bucket)
        rules = [] if config is None else config.rules
        ours = (rule for rule in rules if harms(rule, self.place.prefix))
        return tuple(map(what_it_does, ours))

    def anonymous_status(self, area: Area, digest: Digest) -> int:
        """Return the HTTP status that a reader without keys gets for an object."""
        return self._ask(f"{self.bucket(area)}/{self.key(area, digest)}").status

    def clock_ahead(self, now: datetime) -> float | None:
        """Return by how many seconds the server's clock is ahead of `now`."""
        return clock_difference(self._ask("").headers.get("Date"), now)

    def _ask(self, path: str) -> urllib3.BaseHTTPResponse:
        """Ask without keys."""
        scheme = "https" if self.place.secure else "http"
        with translated("ask without keys"):
            return self.pool.request("GET", f"{scheme}://{self.place.endpoint}/{path}")

    def bucket(self, area: Area) -> str:
        """Return the bucket of an area."""
        if area in CLOSED_AREAS and self.place.private_bucket:
            return self.place.private_bucket
        return self.place.bucket

    def key(self, area: Area, digest: Digest) -> str:
        """Return the key of an object."""
        return self.named_key(f"{area.value}/{digest.hex[:2]}/{digest.hex}")

    def named_key(self, path: str) -> str:
        """Return the key of a path below the prefix."""
        return f"{self.place.prefix}/{path}" if self.place.prefix else path

    def close(self) -> None:
        """Close the connections."""
        with suppress(Exception):
            self.pool.clear()


def attempts(seconds: float) -> Iterable[stamina.Attempt]:
    """Return the tries of a call that may be repeated (storage 3.1).

    Args:
        seconds: After these no further try begins.
    """
    return stamina.retry_context(
        on=transient,
        attempts=S3_ATTEMPTS_MAX,
        timeout=seconds,
        wait_initial=0.1,
        wait_max=2.0,
        wait_jitter=0.2,
    )


def absent(area: Area, digest: Digest) -> RequestError:
    """Return the error for an object that is not held."""
    return RequestError(Reason.OBJECT_UNKNOWN, digest=digest.hex, area=area.value)


def first(pair: tuple[str, ObjectStat]) -> str:
    """Return a pair's name."""
    return pair[0]
