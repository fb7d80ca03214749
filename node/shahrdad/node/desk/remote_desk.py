"""The desk of a node on another computer: its `/v1`, with a token.

    with RemoteDesk("https://data.kerman.ir", token) as desk:
        draft = desk.create(file, {"family": "org_units"})
        draft = desk.submit(draft["id"])

Every step names the revision that it saw, so that a draft which another person changed
meanwhile is refused and not overwritten. A refusal comes back as the error that the
node had, with its own reason and both sentences; nothing is tried twice by itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx2

from shahrdad.datasets.errors import (
    ConflictError,
    DataError,
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.node.limits import REMOTE_ANSWER_BYTES_MAX, REMOTE_PAGES_MAX

CONNECT_SECONDS_MAX = 10.0
ANSWER_SECONDS_MAX = 900.0  # a large workbook is judged before the answer
DRAFTS_AT_ONCE = 1_000  # asked for in one page of their list
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node answered, read whole."""

    status: int
    etag: str
    content: bytes

    def json(self) -> Any:
        """Return the JSON in it; a ValueError where there is none."""
        return json.loads(self.content)


class RemoteDesk:
    """What a person with a token does at a node from outside."""

    def __init__(self, address: str, token: str) -> None:
        self.address = checked_address(address)
        self._seen: dict[str, str] = {}  # revision by draft
        self._client = httpx2.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
            follow_redirects=False,  # the token goes to the named host alone
        )

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the connections go."""
        self._client.close()

    @property
    def city(self) -> str:
        """The city whose node it is."""
        return str(self._ask("GET", "/v1")["node"]["slug"])

    def rehearse(self, file: Path, said: Mapping[str, Any], slug: str) -> Any:
        """Return what would become of a file; nothing but the file is kept."""
        path = f"/v1/datasets/{self.city}/{slug}/publish?dry_run=true"
        return self._ask("POST", path, {**said, "upload": self._upload(file)})

    def create(self, file: Path, said: Mapping[str, Any]) -> Any:
        """Return a new draft of a file, judged."""
        return self.wish({**said, "upload": self._upload(file)})

    def wish(self, said: Mapping[str, Any]) -> Any:
        """Return a new draft; that of a withdrawal is submitted at once."""
        answer = self._answer("POST", "/v1/drafts", json=dict(said))
        made = self._json("/v1/drafts", answer)
        self._seen[made["id"]] = answer.etag
        return made

    def drafts(self) -> list[Any]:
        """Return the drafts that this person may see, page after page.

        Raises:
            PeerError: NODE_ANSWER: a list without an end.
        """
        path = place = f"/v1/drafts?limit={DRAFTS_AT_ONCE}"
        found: list[Any] = []
        for _ in range(REMOTE_PAGES_MAX):
            page = self._ask("GET", place)
            found += page["items"]
            cursor = page.get("next_cursor")  # an older node has one page alone
            if not cursor:
                return found
            place = f"{path}&cursor={quote(str(cursor), safe='')}"
        raise PeerError(
            Reason.NODE_ANSWER,
            node=self.address,
            address=path,
            detail=f"more than {REMOTE_PAGES_MAX} pages",
        )

    def report(self, draft: str) -> Any:
        """Return the report of a draft."""
        return self._ask("GET", _place(draft, "report"))

    def marked(self, draft: str) -> bytes:
        """Return the draft's own table with its wrong cells marked."""
        return self._answer("GET", _place(draft, "marked.xlsx")).content

    def submit(self, draft: str) -> Any:
        """Return a draft made here after handing it to another person."""
        return self._ask("POST", _place(draft, "submit"), None, self._seen[draft])

    def approve(self, draft: str, digest: str) -> Any:
        """Return a draft after publishing the record of this digest, no other."""
        return self._decide(draft, "approve", {"digest": digest})

    def return_(self, draft: str, reason: str) -> Any:
        """Return a draft after giving it back to its author."""
        return self._decide(draft, "return", {"reason": reason})

    def _decide(self, draft: str, step: str, said: Mapping[str, Any]) -> Any:
        seen = self._answer("GET", _place(draft)).etag
        return self._ask("POST", _place(draft, step), said, seen)

    def _upload(self, file: Path) -> str:
        """Send a file, and return what the node calls it.

        Raises:
            RequestError: FILE_NOT_FOUND.
        """
        if not file.is_file():
            raise RequestError(Reason.FILE_NOT_FOUND, path=str(file))
        path = f"/v1/uploads?filename={quote(file.name, safe='')}"
        with file.open("rb") as content:
            sent = self._answer("PUT", path, content=content)
        return str(self._json(path, sent)["id"])

    def _ask(
        self,
        method: str,
        path: str,
        said: Mapping[str, Any] | None = None,
        seen: str = "",
    ) -> Any:
        """Return the JSON answer to a request."""
        headers = {"If-Match": seen} if seen else {}
        more = {} if said is None else {"json": dict(said)}
        return self._json(path, self._answer(method, path, headers=headers, **more))

    def _answer(self, method: str, path: str, **more: Any) -> Answer:
        """Return an answer that is none of an error.

        Raises:
            PeerError: TOO_LARGE.
            UnavailableError: TIMEOUT, PEER_UNREACHABLE.
            ShahrdadError: What the node refused.
        """
        try:
            with self._client.stream(method, path, **more) as sent:
                etag = sent.headers.get("etag", "")
                answer = Answer(sent.status_code, etag, self._read(sent))
        except httpx2.TimeoutException as error:
            raise UnavailableError(Reason.TIMEOUT, peer=self.address) from error
        except httpx2.TransportError as error:
            detail = str(error) or type(error).__name__
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=self.address, detail=detail
            ) from error
        if answer.status >= 300:
            raise refusal(self.address, answer)
        return answer

    def _read(self, sent: httpx2.Response) -> bytes:
        """Return the bytes of an answer.

        Raises:
            PeerError: TOO_LARGE.
        """
        content = bytearray()
        for chunk in sent.iter_bytes():
            content += chunk
            if len(content) > REMOTE_ANSWER_BYTES_MAX:
                raise PeerError(
                    Reason.TOO_LARGE,
                    size_bytes=len(content),
                    size_bytes_max=REMOTE_ANSWER_BYTES_MAX,
                )
        return bytes(content)

    def _json(self, path: str, answer: Answer) -> Any:
        """Return the JSON of an answer.

        Raises:
            PeerError: NODE_ANSWER.
        """
        try:
            return answer.json()
        except ValueError as error:
            raise PeerError(
                Reason.NODE_ANSWER, node=self.address, address=path, detail="no JSON"
            ) from error


def checked_address(address: str) -> str:
    """Return a node's address: https, so that nobody on the way reads the token.

    >>> checked_address("https://data.kerman.ir/")
    'https://data.kerman.ir'

    Raises:
        RequestError: PARAMETER_VALUE.
    """
    parts = urlsplit(address)
    plain = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or plain):
        raise RequestError(
            Reason.PARAMETER_VALUE,
            parameter="--node",
            value=address[:200],
            expected="https://data.kerman.ir",
        )
    return f"{parts.scheme}://{parts.netloc}"


def refusal(address: str, answer: Answer) -> ShahrdadError:
    """Return the node's error as it was there; one of another release in its words."""
    kinds: dict[int, type[ShahrdadError]] = {409: ConflictError, 412: ConflictError}
    kind = kinds.get(answer.status, RequestError)
    if answer.status >= 500:
        kind = UnavailableError
    problem: dict[str, Any] = {}
    try:
        problem = dict(answer.json())
        values = dict(problem["errors"][0])
        reason = Reason(values.pop("reason"))
        if problem["type"].endswith(":invalid-data"):
            kind = DataError
        found = kind(reason, **values)
        str(found)  # all that the sentence names is there
    except (ValueError, LookupError, TypeError):
        return kind(
            Reason.NODE_PROBLEM,
            node=address,
            status=answer.status,
            problem=problem.get("type", "–"),
            detail=str(problem.get("detail", "–"))[:500],
        )
    return found


def _place(draft: str, part: str = "") -> str:
    """Return the address of a draft, or of a part of it."""
    place = f"/v1/drafts/{quote(draft, safe='')}"
    return f"{place}/{part}" if part else place
