"""One host over HTTP: bounded answers, time-outs, retries, and its refusals as errors.

Only GET is sent, so everything may be repeated: a lost connection, a time-out, 429 and
5xx are tried four times, with a jittered delay that doubles, or with the delay that the
host asks for. Answers are asked for uncompressed, so the bound on what is received is
the bound on what is kept.
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from shahrdad.client import limits
from shahrdad.client.problems import error_of, parse_problem
from shahrdad.datasets.errors import PeerError, Reason, UnavailableError

if TYPE_CHECKING:
    import httpx2

Progress = Callable[[str, int, int], None]  # what, bytes so far, bytes in all
Query = Mapping[str, str | int | list[str]]

_FIRST_DELAY_SECONDS = 0.25
_PIECE_BYTES = 262_144
_PROBLEM_BYTES_MAX = 65_536
_REPEATABLE = frozenset({429, 500, 502, 503, 504})


def software() -> str:
    """Return how this client names itself to nodes."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"shahrdad-client/{version('shahrdad')}"
    except PackageNotFoundError:  # run from a folder, not installed
        return "shahrdad-client"


class Web:
    """GET requests to one host.

    Concurrent: every method may be called from several threads.

    Args:
        address: Where paths begin, without a slash at the end.
        progress: Told of every piece of a large answer.
        sleep: Waits some seconds; a test gives its own.
        transport: In place of the network; a test gives its own.
    """

    def __init__(
        self,
        address: str,
        *,
        progress: Progress | None = None,
        sleep: Callable[[float], None] = time.sleep,
        transport: "httpx2.BaseTransport | None" = None,
    ) -> None:
        import httpx2  # 0.2 s, needed by nobody who reads a folder

        self.address = address
        self._progress = progress
        self._sleep = sleep
        self._transport_error = httpx2.TransportError
        self._timeout_error = httpx2.TimeoutException
        self._client = httpx2.Client(
            headers={"User-Agent": software(), "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(
                limits.READ_SECONDS_MAX, connect=limits.CONNECT_SECONDS_MAX
            ),
            follow_redirects=True,  # objects may lie in a bucket; they are verified
            transport=transport,
        )

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def json(self, path: str, query: Query | None = None) -> dict[str, Any]:
        """Return a JSON object; raises as `get` does.

        Raises:
            PeerError: NODE_ANSWER when it is none.
        """
        try:
            value = json.loads(self.get(path, limits.JSON_BYTES_MAX, query))
        except (ValueError, RecursionError):
            self.refuse(path, "no JSON")
        if type(value) is not dict:
            self.refuse(path, "no JSON object")
        return value

    def get(self, path: str, limit: int, query: Query | None = None) -> bytes:
        """Return an answer of at most `limit` bytes.

        Args:
            path: Below the address, or an absolute address.
            limit: The most that is accepted.
            query: Parameters; a list repeats its name.

        Raises:
            PeerError: TOO_LARGE, NODE_ANSWER.
            RequestError: the host refused.
            ConflictError: the dataset was withdrawn.
            UnavailableError: TIMEOUT, PEER_UNREACHABLE, or the host's own reason.
        """
        return self._try_often(path, query or {}, {}, limit)

    def range(self, path: str, offset: int, length: int) -> bytes:
        """Return exactly a range of a file; raises as `get` does.

        Raises:
            PeerError: NODE_ANSWER when the host sends anything else.
        """
        last = offset + length - 1
        data = self._try_often(path, {}, {"Range": f"bytes={offset}-{last}"}, length)
        if len(data) != length:
            self.refuse(path, f"{len(data)} bytes in a range of {length}")
        return data

    def refuse(self, path: str, detail: str) -> NoReturn:
        """Raise the error of an answer that the interface does not allow."""
        raise PeerError(
            Reason.NODE_ANSWER, node=self.address, address=path, detail=detail
        )

    def _try_often(
        self, path: str, query: Query, headers: dict[str, str], limit: int
    ) -> bytes:
        """Repeat a request while its failure may pass."""
        delay = _FIRST_DELAY_SECONDS
        for tries_left in reversed(range(limits.TRIES_MAX)):
            try:
                return self._once(path, query, headers, limit)
            except UnavailableError as error:
                asked = int(error.values.get("retry_after_seconds", 0))
                if not tries_left or asked > limits.RETRY_AFTER_SECONDS_MAX:
                    raise
                # Jitter, so that readers that failed together do not return together.
                wait = delay * random.uniform(0.5, 1.5)  # noqa: S311
                self._sleep(max(wait, asked))
                delay *= 2
        raise AssertionError("the last try returns or raises")

    def _once(
        self, path: str, query: Query, headers: dict[str, str], limit: int
    ) -> bytes:
        """Send one request and read its answer."""
        address = path if path.startswith(("http://", "https://")) else None
        request = self._client.build_request(
            "GET", address or self.address + path, params=query or None, headers=headers
        )
        try:
            response = self._client.send(request, stream=True)
            try:
                return self._read(path, response, headers, limit)
            finally:
                response.close()
        except self._timeout_error as error:
            raise UnavailableError(Reason.TIMEOUT, peer=self.address) from error
        except self._transport_error as error:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=self.address, detail=str(error)
            ) from error

    def _read(
        self,
        path: str,
        response: "httpx2.Response",
        headers: dict[str, str],
        limit: int,
    ) -> bytes:
        """Return the bytes of an answer that is what was asked for."""
        if response.status_code >= 400:
            problem = _read_up_to(response, _PROBLEM_BYTES_MAX)
            error = error_of(self.address, response.status_code, parse_problem(problem))
            if response.status_code in _REPEATABLE:
                error.values["retry_after_seconds"] = _retry_after(response)
            raise error
        if "content-encoding" in response.headers:
            self.refuse(path, "compressed, although uncompressed was asked for")
        if headers:
            expected = headers["Range"].replace("=", " ") + "/"
            if response.status_code != 206 or not response.headers.get(
                "content-range", ""
            ).startswith(expected):
                self.refuse(path, f"not the range {headers['Range']}")
        elif response.status_code != 200:
            self.refuse(path, f"status {response.status_code}")
        return self._receive(path, response, limit)

    def _receive(self, path: str, response: "httpx2.Response", limit: int) -> bytes:
        """Collect the pieces of an answer, and stop at the first one too many."""
        total = int(response.headers.get("content-length", "0"))
        data = bytearray()
        for piece in response.iter_raw(_PIECE_BYTES):
            data += piece
            if len(data) > limit or total > limit:
                raise PeerError(
                    Reason.TOO_LARGE,
                    size_bytes=max(total, len(data)),
                    size_bytes_max=limit,
                )
            if self._progress is not None and total > _PIECE_BYTES:
                self._progress(path, len(data), total)
        return bytes(data)


def _read_up_to(response: "httpx2.Response", limit: int) -> bytes:
    """Return the beginning of an answer."""
    data = bytearray()
    for piece in response.iter_raw(_PIECE_BYTES):
        data += piece
        if len(data) >= limit:
            break
    return bytes(data[:limit])


def _retry_after(response: "httpx2.Response") -> int:
    """Return how many seconds the host asks to wait; 0 when it does not say."""
    from email.utils import parsedate_to_datetime

    said = response.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return int(said[:9])
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, round((moment - datetime.now(UTC)).total_seconds()))
