"""A form with a file, read as it comes: its digest is kept, its bytes are not.

Whoever has no JavaScript sends the file itself. It is never stored, nor held in memory:
each piece goes into the digest and is forgotten.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http.answers import Call
from shahrdad.node.http.portal.limits import FIELD_BYTES_MAX, FILE_BYTES_MAX

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(slots=True)
class Sent:
    """What a form brought.

    Attributes:
        digest: SHA-256 of the file, 64 hex digits; "" where none was sent.
        size: Of the file.
        values: The other fields.
    """

    digest: str = ""
    size: int = 0
    values: dict[str, str] = field(default_factory=dict)


class Reader:
    """Takes the parts of a form as the parser finds them."""

    def __init__(self) -> None:
        self.sent = Sent()
        self._header = b""
        self._headers: dict[bytes, bytes] = {}
        self._value = b""
        self._name = ""
        self._held = b""
        self._hash: _Hash | None = None

    def callbacks(self) -> dict[str, Any]:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_header,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._start_part,
            "on_part_data": self._take,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._held, self._hash = {}, b"", None
        self._header = self._value = b""

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _start_part(self) -> None:
        _, options = parse_options_header(
            self._headers.get(b"content-disposition", b"").decode("utf-8", "replace")
        )
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        # A file input that was left empty comes with an empty name.
        if options.get(b"filename"):
            self._hash = sha256()

    def _take(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._hash is None:
            self._held += piece
            bound(len(self._held), FIELD_BYTES_MAX)
            return
        self._hash.update(piece)
        self.sent.size += len(piece)

    def _end(self) -> None:
        if self._hash is None:
            self.sent.values[self._name] = self._held.decode("utf-8", "replace")
        else:
            self.sent.digest = self._hash.hexdigest()


def bound(size: int, size_max: int) -> None:
    """Refuse what is larger.

    Raises:
        RequestError: TOO_LARGE.
    """
    if size > size_max:
        raise RequestError(Reason.TOO_LARGE, size_bytes=size, size_bytes_max=size_max)


async def read_form(call: Call) -> Sent:
    """Read a form of the type `multipart/form-data`.

    Raises:
        RequestError: TOO_LARGE, MALFORMED.
    """
    kind, options = parse_options_header(call.request.headers.get("content-type", ""))
    edge = options.get(b"boundary")
    if kind != b"multipart/form-data" or not edge:
        raise malformed("Content-Type")
    reader = Reader()
    parser = MultipartParser(edge, reader.callbacks())  # type: ignore[arg-type]
    size = 0
    stream: AsyncIterator[bytes] = call.request.stream()
    try:
        async for chunk in stream:
            size += len(chunk)
            bound(size, FILE_BYTES_MAX)
            parser.write(chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise malformed("multipart/form-data") from error
    return reader.sent


def malformed(detail: str) -> RequestError:
    """Return the error of a form that cannot be read."""
    return RequestError(Reason.MALFORMED, field="form", detail=detail)
