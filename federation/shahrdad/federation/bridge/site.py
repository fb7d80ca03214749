"""Asking a CKAN portal: ckanapi as the client, our dialler as the way.

    time-outs and 5xx    asked again, at most four times, waiting longer each time
    a refusal            said at once; asking again would not change it
    redirects            not followed, as ckanapi does

A portal is another's: its answers are limited in size and time, and a result of the
wrong type is a fault of the portal, never an exception of ours.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import httpx2
import stamina

from shahrdad.datasets.errors import PeerError, Reason, RequestError, UnavailableError
from shahrdad.federation.bridge import limits
from shahrdad.federation.bridge.decisions import Word
from shahrdad.federation.bridge.listing import Query
from shahrdad.federation.bridge.packages import address, read

if TYPE_CHECKING:
    from shahrdad.federation.dialler import Dialler


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search; its packages are as they came."""

    count: int
    packages: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a portal says of one dataset; `package` where it is here."""

    word: Word
    package: Mapping[str, Any] | None = None


class Site(Protocol):
    """A portal that can be read.

    Errors: `PeerError` for an answer that makes no sense, `UnavailableError` where none
    came after every try.
    """

    def search(self, query: Query) -> Found:
        """Return a page of datasets, sorted by identifier."""
        ...

    def show(self, package: str) -> Shown:
        """Return one dataset by identifier or name, from the portal's database."""
        ...

    def names(self) -> frozenset[str]:
        """Return the names of all datasets, from the portal's database."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What ckanapi reads of an answer."""

    status_code: int
    text: str


class DialledSession:
    """What ckanapi takes for a session of `requests`; it goes through the dialler."""

    def __init__(self, dialler: "Dialler", seconds: float) -> None:
        self._client = dialler.http_client(min(seconds, limits.READ_SECONDS_MAX))
        self._seconds = seconds
        self.status = 0  # of the last answer, for messages

    def get(
        self, url: str, params: Any = None, headers: Any = None, **_: Any
    ) -> Answer:
        """Ask with GET."""
        return self._send("GET", url, params=params, headers=headers)

    def post(
        self,
        url: str,
        data: Any = None,
        headers: Any = None,
        files: Any = None,
        **_: Any,
    ) -> Answer:
        """Ask with POST: a JSON body, or a form with files."""
        if files:
            fields = {_str(name): _str(value) for name, value in data.items()}
            return self._send("POST", url, data=fields, headers=headers, files=files)
        return self._send("POST", url, content=data, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, method: str, url: str, **parts: Any) -> Answer:
        """Send a request and read its answer within the limits.

        Raises:
            PeerError: TOO_LARGE.
            UnavailableError: TIMEOUT, PEER_UNREACHABLE, SITE_ANSWER for a 5xx.
        """
        end = time.monotonic() + self._seconds
        body = bytearray()
        peer = url.partition("?")[0]
        try:
            with self._client.stream(method, url, **parts) as response:
                self.status = response.status_code
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > limits.ANSWER_BYTES_MAX:
                        raise PeerError(
                            Reason.TOO_LARGE,
                            size_bytes=len(body),
                            size_bytes_max=limits.ANSWER_BYTES_MAX,
                        )
                    if time.monotonic() > end:
                        raise UnavailableError(Reason.TIMEOUT, peer=peer)
        except httpx2.TimeoutException as error:
            raise UnavailableError(Reason.TIMEOUT, peer=peer) from error
        except httpx2.HTTPError as error:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=peer, detail=str(error)[:200]
            ) from error
        if self.status >= 500:
            raise UnavailableError(
                Reason.SITE_ANSWER,
                site=peer,
                status=self.status,
                action=peer.rpartition("/")[2],
                detail=_excerpt(bytes(body)),
            )
        return Answer(self.status, body.decode("utf-8", "replace"))


class CkanSite:
    """A portal on the web.

    Args:
        url: Its address, `https://data.example.ir`.
        dialler: Judges every connection.
        user_agent: Who asks, with a contact.
        key: The token of an account there, for writing.
        seconds: The most that one call may last.
        wait_seconds: The pause before the second try; 0 waits for nothing.
    """

    def __init__(
        self,
        url: str,
        dialler: "Dialler",
        user_agent: str,
        *,
        key: str | None = None,
        seconds: float = limits.CALL_SECONDS_MAX,
        wait_seconds: float = limits.WAIT_SECONDS,
    ) -> None:
        from ckanapi import RemoteCKAN

        self.url = url.rstrip("/")
        self._session = DialledSession(dialler, seconds)
        self._reader = RemoteCKAN(
            self.url,
            user_agent=user_agent,
            get_only=True,
            session=self._session,
            apikey=key,
        )
        self._writer = RemoteCKAN(
            self.url, apikey=key, user_agent=user_agent, session=self._session
        )
        self._wait_seconds = wait_seconds

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def search(self, query: Query) -> Found:
        """Return a page of datasets, sorted by identifier.

        Raises:
            PeerError: SITE_ANSWER, MALFORMED, TOO_LARGE.
            UnavailableError: no answer after every try.
        """
        values: dict[str, Any] = {
            "rows": query.rows,
            "start": query.start,
            "sort": "id asc",
        }
        if query.fq:
            values["fq"] = query.fq
        result = self.ask("package_search", values)
        count = result.get("count") if isinstance(result, dict) else None
        packages = result.get("results") if isinstance(result, dict) else None
        sound = isinstance(count, int) and not isinstance(count, bool) and count >= 0
        if not sound or not isinstance(packages, list):
            raise _malformed("package_search", "no count or no list of results")
        return Found(int(count or 0), tuple(packages))

    def show(self, package: str) -> Shown:
        """Return one dataset by identifier or name.

        Never raises for an answer: what says neither "here" nor "gone" is "unknown".
        """
        try:
            result = self.ask("package_show", {"id": package})
        except RequestError as error:  # an address that is not dialled says nothing
            gone = error.reason is Reason.SITE_ANSWER
            return Shown(Word.GONE if gone else Word.UNKNOWN)
        except (PeerError, UnavailableError):
            return Shown(Word.UNKNOWN)
        try:
            found = read(result)
        except PeerError:
            return Shown(Word.UNKNOWN)
        if package not in {found.id, found.name}:
            return Shown(Word.UNKNOWN)
        return Shown(Word.HERE, result) if found.open else Shown(Word.GONE)

    def names(self) -> frozenset[str]:
        """Return the names of all datasets.

        Raises:
            PeerError, RequestError, UnavailableError: as `ask`.
        """
        result = self.ask("package_list", {})
        if not isinstance(result, list) or not all(isinstance(n, str) for n in result):
            raise _malformed("package_list", "no list of names")
        return frozenset(result)

    def ask(self, action: str, values: Mapping[str, Any]) -> Any:
        """Call an action that reads.

        Raises:
            PeerError: SITE_ANSWER, TOO_LARGE.
            RequestError: SITE_ANSWER: the object does not exist, or is not for us;
                ADDRESS_REFUSED.
            UnavailableError: TIMEOUT, PEER_UNREACHABLE, SITE_ANSWER after every try.
        """
        return self._call(self._reader, action, values)

    def tell(self, action: str, values: Mapping[str, Any], files: Any = None) -> Any:
        """Call an action that writes; the errors are those of `ask`."""
        return self._call(self._writer, action, values, files)

    def _call(
        self, remote: Any, action: str, values: Mapping[str, Any], files: Any = None
    ) -> Any:
        for attempt in stamina.retry_context(
            on=UnavailableError,
            attempts=limits.TRIES_MAX,
            timeout=None,
            wait_initial=self._wait_seconds,
            wait_max=limits.WAIT_SECONDS_MAX,
            wait_jitter=self._wait_seconds,
        ):
            with attempt:
                return self._once(remote, action, values, files)
        raise RuntimeError("stamina ended without a result or an error")

    def _once(
        self, remote: Any, action: str, values: Mapping[str, Any], files: Any
    ) -> Any:
        """Call an action once, its errors in our words."""
        from ckanapi import errors

        try:
            return remote.call_action(action, dict(values), files=files)
        except (errors.NotFound, errors.NotAuthorized) as error:
            raise RequestError(
                Reason.SITE_ANSWER,
                site=self.url,
                status=self._session.status,
                action=action,
                detail=_excerpt(str(error).encode("utf-8", "replace")),
            ) from error
        except (
            errors.CKANAPIError,
            errors.ServerIncompatibleError,
            KeyError,
            RecursionError,
        ) as error:
            raise PeerError(
                Reason.SITE_ANSWER,
                site=self.url,
                status=self._session.status,
                action=action,
                detail=_excerpt(str(error).encode("utf-8", "replace")),
            ) from error


def check_address(url: str) -> str:
    """Return a portal's address without a final slash, or "" where it is none."""
    found = address(url).rstrip("/")
    return "" if "?" in found or "#" in found or '"' in found else found


def _malformed(action: str, detail: str) -> PeerError:
    return PeerError(Reason.MALFORMED, field=action, detail=detail)


def _excerpt(body: bytes) -> str:
    """Return the beginning of an answer on one line, without braces of a template."""
    text = " ".join(body[:400].decode("utf-8", "replace").split())
    return text[:160]


def _str(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
