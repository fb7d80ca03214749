"""Fetching a portal's files: only what changed, only so large, only where we may go.

A file is asked for with what is known of it (`ETag`, `Last-Modified`); whatever comes
is judged by its digest, since servers err in both directions. A redirect leads to
another address, so the dialler judges each.
"""

import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx2

from shahrdad.datasets.errors import PeerError, Reason, UnavailableError
from shahrdad.federation.bridge import limits
from shahrdad.federation.bridge.packages import Known
from shahrdad.federation.verify.digest import Digest

if TYPE_CHECKING:
    from shahrdad.federation.dialler import Dialler

# Declared formats that are fetched; anything else stays a link.
FORMATS = frozenset(
    {
        *("csv", "tsv", "txt", "xls", "xlsx", "xlsm", "ods", "parquet"),
        *("json", "jsonl", "ndjson", "geojson", "xml", "rdf", "ttl", "jsonld"),
        *("kml", "kmz", "gpkg", "shp", "gml", "zip", "gz", "pdf", "doc", "docx", "odt"),
    }
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that came, and lies at the target."""

    digest: Digest
    size: int
    media_type: str
    known: Known


class FileFetcher:
    """Fetches files; one for a run.

    Args:
        dialler: Judges every connection.
        user_agent: Who asks, with a contact.
        bytes_max: The largest file.
        seconds: The most that one file may take.
    """

    def __init__(
        self,
        dialler: "Dialler",
        user_agent: str,
        *,
        bytes_max: int = limits.FILE_BYTES_MAX,
        seconds: float = limits.FILE_SECONDS_MAX,
    ) -> None:
        self._client = dialler.http_client(min(seconds, limits.READ_SECONDS_MAX))
        self._user_agent = user_agent
        self._bytes_max = bytes_max
        self._seconds = seconds

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch(self, url: str, known: Known, target: Path) -> Fetched | None:
        """Fetch a file, or nothing when the server says that it is the known one.

        Raises:
            PeerError: SITE_ANSWER: it is not there (the link is dead); TOO_LARGE.
            RequestError: ADDRESS_REFUSED: the address is not dialled.
            UnavailableError: TIMEOUT, PEER_UNREACHABLE, SITE_ANSWER for a 5xx.
        """
        headers = {"User-Agent": self._user_agent, "Accept-Encoding": "identity"}
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.modified:
            headers["If-Modified-Since"] = known.modified
        end = time.monotonic() + self._seconds
        try:
            for _ in range(limits.REDIRECTS_MAX + 1):
                with self._client.stream("GET", url, headers=headers) as response:
                    if response.status_code not in {301, 302, 303, 307, 308}:
                        return self._take(url, response, target, end)
                    url = urljoin(url, response.headers.get("location", ""))
        except httpx2.TimeoutException as error:
            raise UnavailableError(Reason.TIMEOUT, peer=url[:200]) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=url[:200], detail=str(error)[:200]
            ) from error
        raise _answered(url, 310, "too many redirects")

    def _take(
        self, url: str, response: httpx2.Response, target: Path, end: float
    ) -> Fetched | None:
        """Write a body to the target, within the limits."""
        status = response.status_code
        if status == 304:
            return None
        if status >= 500:
            raise UnavailableError(
                Reason.SITE_ANSWER,
                site=url[:200],
                status=status,
                action="GET",
                detail="",
            )
        if status != 200:
            raise _answered(url, status, response.reason_phrase)
        announced = response.headers.get("content-length", "0")
        size = int(announced) if announced.isascii() and announced.isdigit() else 0
        if size > self._bytes_max:
            raise self._too_large(size)
        digest, size = sha256(), 0
        with target.open("wb") as file:
            for piece in response.iter_bytes():
                size += len(piece)
                if size > self._bytes_max:
                    raise self._too_large(size)
                if time.monotonic() > end:
                    raise UnavailableError(Reason.TIMEOUT, peer=url[:200])
                digest.update(piece)
                file.write(piece)
        return Fetched(
            Digest(digest.digest()),
            size,
            response.headers.get("content-type", "").partition(";")[0].strip(),
            Known(
                response.headers.get("etag", "")[:200],
                response.headers.get("last-modified", "")[:100],
            ),
        )

    def _too_large(self, size: int) -> PeerError:
        return PeerError(
            Reason.TOO_LARGE, size_bytes=size, size_bytes_max=self._bytes_max
        )


def _answered(url: str, status: int, detail: str) -> PeerError:
    return PeerError(
        Reason.SITE_ANSWER, site=url[:200], status=status, action="GET", detail=detail
    )
