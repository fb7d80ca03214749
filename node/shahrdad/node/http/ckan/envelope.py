"""How CKAN is asked and how it answers: parameters from anywhere, one envelope.

Parameters come in the query, as JSON, as a form, or as a POST without a body. Lists may
be JSON text or repeated keys; booleans and integers may be text. Unknown ones are
ignored, and a foreign API key is no reason to refuse a public read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from shahrdad.node import sent_json
from shahrdad.node.http import limits
from shahrdad.node.http.answers import Call, answer, dump, is_held, json_list

Kind = Literal[
    "Not Found Error",
    "Authorization Error",
    "Validation Error",
    "Search Query Error",
    "Search Error",
]
STATUS: Mapping[Kind, int] = {
    "Not Found Error": 404,
    "Authorization Error": 403,
    "Validation Error": 409,
    "Search Query Error": 400,
    "Search Error": 409,
}
MEDIA_TYPE = "application/json;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as CKAN's clients know it; `fields` are lists of sentences by field."""

    kind: Kind
    message: str = ""
    fields: Mapping[str, list[str]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the member `error`."""
        found: dict[str, Any] = {"__type": self.kind, **self.fields}
        if self.message:
            found["message"] = self.message
        return found


@dataclass(frozen=True, slots=True)
class Written:
    """A result with datasets that are JSON already: making it again costs most.

    Attributes:
        about: The other members.
        name: Of the member that has the datasets; "" where the list is the result.
        results: The datasets.
        finish: What the JSON of a dataset still goes through; None leaves it.
    """

    about: Mapping[str, Any]
    name: str
    results: Sequence[bytes]
    finish: Callable[[bytes], bytes] | None

    def pieces(self) -> list[bytes]:
        """Return the result as JSON, in pieces."""
        found = self.results
        if self.finish is not None:
            found = [self.finish(one) for one in found]
        if not self.name:
            return json_list(found)
        head, name = dump(self.about)[:-1], dump(self.name)
        begin = b"".join((head, b"," * bool(self.about), name, b":"))
        return [begin, *json_list(found), b"}"]


@dataclass(frozen=True, slots=True)
class One:
    """A result that is one dataset's JSON."""

    json: bytes

    def pieces(self) -> list[bytes]:
        """Return the result as JSON."""
        return [self.json]


def not_found(message: str) -> Refusal:
    """Return the refusal of what does not exist."""
    return Refusal("Not Found Error", f"Not found: {message}")


def missing(name: str) -> Refusal:
    """Return the refusal of a call without a needed parameter."""
    return Refusal("Validation Error", fields={name: ["Missing value"]})


async def parameters(request: Request) -> dict[str, Any] | None:
    """Return the parameters of a call, or None when its body cannot be read."""
    found = merged(parse_qsl(request.url.query, keep_blank_values=True))
    if request.method != "POST":
        return found
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.BODY_BYTES_MAX:
            return None
    if not body.strip():
        return found
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind == "application/x-www-form-urlencoded" and not body.lstrip().startswith(
        b"{"
    ):
        try:
            pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True)
        except UnicodeDecodeError:
            return None
        return {**found, **merged(pairs)}
    try:
        values = sent_json.loads(body)
    except (ValueError, RecursionError):
        return None
    return {**found, **values} if isinstance(values, dict) else None


def merged(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a value for each name; a repeated one has a list."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def text(values: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return a parameter as text."""
    value = values.get(name)
    if value is None:
        return default
    if isinstance(value, list):
        value = value[0] if value else default
    return value if isinstance(value, str) else str(value)


def whole(values: Mapping[str, Any], name: str, default: int) -> int | None:
    """Return a parameter as an integer of at least 0, or None when it is no such."""
    value = values.get(name, default)
    plain = str(value).strip()
    if isinstance(value, bool) or not plain.isascii() or not plain.isdigit():
        return None
    return int(plain) if len(plain) <= 12 else None


def flag(values: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """Return a parameter as a boolean, as CKAN reads one."""
    value = values.get(name, default)
    return str(value).strip().lower() in {"true", "yes", "1", "on", "t"}


def listed(values: Mapping[str, Any], name: str) -> list[str]:
    """Return a parameter as a list of texts: a list, JSON text, or one value."""
    value = values.get(name)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = sent_json.loads(value)
        except ValueError:
            return []
    if value in (None, ""):
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def good(call: Call, action: str, result: Any, seed: bytes) -> Response:
    """Answer with a result.

    Args:
        call: The request.
        action: What was asked.
        result: What is answered.
        seed: What the result follows from.
    """
    frame = dump({"help": help_address(call, action), "success": True})[:-1]
    written = isinstance(result, Written | One)
    inner = result.pieces() if written else [dump(result)]
    body = [frame + b',"result":', *inner, b"}"]
    if call.request.method == "POST":
        headers = {"Cache-Control": "no-store"}
        return Response(b"".join(body), 200, headers=headers, media_type=MEDIA_TYPE)
    return answer(call, body, MEDIA_TYPE, seed=seed)


def unchanged(call: Call, seed: bytes) -> Response | None:
    """Answer that the caller has the result already, or return None."""
    if call.request.method == "POST" or not is_held(call, MEDIA_TYPE, seed):
        return None
    return answer(call, b"", MEDIA_TYPE, seed=seed)


def bad(call: Call, action: str, refusal: Refusal) -> Response:
    """Answer with a refusal."""
    body = {
        "help": help_address(call, action),
        "success": False,
        "error": refusal.document(),
    }
    headers = {"Cache-Control": "no-store"}
    status = STATUS[refusal.kind]
    return Response(dump(body), status, headers=headers, media_type=MEDIA_TYPE)


def bare(message: str) -> Response:
    """Answer as CKAN does to an unknown action or broken JSON: a bare JSON string."""
    headers = {"Cache-Control": "no-store"}
    return Response(dump(message), 400, headers=headers, media_type=MEDIA_TYPE)


def help_address(call: Call, action: str) -> str:
    """Return where CKAN says that an action is explained."""
    return f"{call.public.root}/api/3/action/help_show?name={action}"
