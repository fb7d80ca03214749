"""Answers of the class "head": bytes that may change, revalidated by a weak ETag.

The ETag covers the identity bytes and the language; a coded answer has the same weak
one. `Vary` stands on every status of a negotiated address, 304 too.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from shahrdad.datasets.errors import Language
from shahrdad.node.http import limits
from shahrdad.node.http.addresses import Addresses
from shahrdad.node.http.languages import quality_of
from shahrdad.node.http.view import NodeView

JSON = "application/json"
DATA_CSP = "default-src 'none'; frame-ancestors 'none'"
IMMUTABLE = "public, max-age=31536000, immutable"
DERIVED = "public, max-age=86400"
HEAD = "public, no-cache"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as the functions that answer it see it."""

    node: NodeView
    request: Request
    values: Mapping[str, Any]
    language: Language

    @property
    def path(self) -> Mapping[str, Any]:
        """The variable parts of the address."""
        return self.request.path_params

    @property
    def public(self) -> Addresses:
        """Absolute addresses."""
        return Addresses(self.node.config.public_url)

    @property
    def ref(self) -> str:
        """The dataset's reference in the address."""
        return f"{self.path['city']}/{self.path['slug']}"

    @property
    def is_head(self) -> bool:
        """Whether only the headers are asked for."""
        return self.request.method == "HEAD"


class Pieces(Response):
    """A long answer that is sent as it lies in memory, without a whole copy of it.

    A copy of megabytes costs more than reading them from the database: each time the
    system gives the memory for it anew, page by page.

    Args:
        pieces: Its bytes, none of them empty.
        headers: Content-Length among them.
    """

    def __init__(self, pieces: Sequence[bytes], headers: Mapping[str, str]) -> None:
        self._pieces = pieces
        super().__init__(headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        begin, part = "http.response.start", "http.response.body"
        await send(
            {"type": begin, "status": self.status_code, "headers": self.raw_headers}
        )
        for piece in self._pieces:
            await send({"type": part, "body": piece, "more_body": True})
        await send({"type": part, "body": b"", "more_body": False})


def json_list(items: Sequence[bytes]) -> list[bytes]:
    """Return a JSON list of items that are JSON, in pieces.

    >>> json_list([b"1", b"2"]), json_list([])
    ([b'[', b'1,2', b']'], [b'[', b']'])
    """
    found = [b"["]
    for start in range(0, len(items), limits.PIECE_ITEMS):
        glue = b"," if start else b""
        found.append(glue + b",".join(items[start : start + limits.PIECE_ITEMS]))
    return [*found, b"]"]


def dump(data: object) -> bytes:
    """Return JSON as every door writes it: UTF-8, Persian letters as they are."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A name of a file or a header may hold what is no letter.
    return text.encode(errors="replace")


def as_json(call: Call, data: object, **headers: str) -> Response:
    """Answer with JSON."""
    return answer(call, dump(data), JSON, headers)


def answer(
    call: Call,
    body: bytes | Sequence[bytes],
    media_type: str,
    headers: Mapping[str, str] | None = None,
    *,
    cache: str = HEAD,
    vary: str = "Accept-Encoding",
    strong: str | None = None,
    seed: bytes | None = None,
) -> Response:
    """Answer with bytes of the class "head": 304 when the caller has them already.

    Args:
        call: The request.
        body: The identity bytes, whole or in pieces.
        media_type: Of the body.
        headers: More headers; they win over those made here.
        cache: Cache-Control.
        vary: What the answer was chosen by.
        strong: A strong entity tag; such an answer is never coded.
        seed: What the bytes follow from, where that is shorter than the bytes.
    """
    etag = strong or weak_tag(call, media_type, body if seed is None else seed)
    found = {
        # Set here, since Starlette would add a charset to every text type.
        "Content-Type": media_type,
        "ETag": etag,
        "Cache-Control": cache,
        "Vary": vary,
        "Content-Security-Policy": DATA_CSP,
        "Cross-Origin-Resource-Policy": "cross-origin",
        **(headers or {}),
    }
    if matches(call.request.headers.get("if-none-match"), etag, weak=True):
        del found["Content-Type"]
        return Response(status_code=304, headers=found)
    pieces = [body] if isinstance(body, bytes) else body
    size = sum(map(len, pieces))
    codable = strong is None and size > limits.GZIP_BYTES_MIN
    if codable and accepts_gzip(call.request):
        # Of a long list the first level takes half the time, and a tenth stays.
        level = 6 if size < limits.GZIP_WELL_BYTES_MAX else 1
        pieces = [gzip.compress(b"".join(pieces), level, mtime=0)]
        size = len(pieces[0])
        found["Content-Encoding"] = "gzip"
    found["Content-Length"] = str(size)
    if call.is_head:
        return Response(b"", headers=found)
    if len(pieces) == 1:
        return Response(pieces[0], headers=found)
    return Pieces(pieces, found)


def headers_alone(headers: Mapping[str, str]) -> Response:
    """Answer a HEAD of what a GET would have to make first: it says no length.

    Any other response without a body would say that its length is 0.
    """
    return StreamingResponse(iter(()), headers=headers)


def gzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a long answer coded, with no more of it in memory than one piece.

    >>> gzip.decompress(b"".join(gzipped(iter([b"a" * 9, b"b"]))))
    b'aaaaaaaaab'
    """
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)  # a header of gzip
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def weak_tag(call: Call, media_type: str, seed: bytes | Sequence[bytes]) -> str:
    """Return the weak entity tag of what follows from a seed."""
    found = hashlib.sha256(f"{media_type}\n{call.language}\n".encode())
    for piece in [seed] if isinstance(seed, bytes) else seed:
        found.update(piece)
    return f'W/"{found.hexdigest()[:32]}"'


def is_held(call: Call, media_type: str, seed: bytes) -> bool:
    """Tell whether the caller has what follows from a seed: nothing need be read."""
    etag = weak_tag(call, media_type, seed)
    return matches(call.request.headers.get("if-none-match"), etag, weak=True)


def matches(header: str | None, etag: str, *, weak: bool) -> bool:
    """Tell whether a list of entity tags has this one (RFC 9110, 8.8.3)."""
    if header is None:
        return False
    tags = [tag.strip() for tag in header.split(",")]
    if tags == ["*"]:
        return True
    if weak:
        return etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
    return not etag.startswith("W/") and etag in tags


def accepts_gzip(request: Request) -> bool:
    """Tell whether the caller takes gzip."""
    for item in request.headers.get("accept-encoding", "").split(","):
        name, _, rest = item.partition(";")
        if name.strip().lower() in {"gzip", "*"}:
            return quality_of(rest) > 0
    return False
