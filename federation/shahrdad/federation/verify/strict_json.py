"""JSON as every implementation reads it alike: strict in, canonical out.

Python's reader takes more than JSON is, and two readers that differ on one entry end
with two different states. So: strict UTF-8 without a byte order mark, one object, no
name twice, no NaN or infinity (also not as `1e999`), no lone surrogates, integers
within ±(2^53 - 1), at most 32 levels.

>>> from shahrdad.federation.verify import strict_json
>>> strict_json.loads(b'{"b":1,"a":[true]}', bytes_max=100)
{'b': 1, 'a': [True]}
>>> strict_json.canonical({"b": 1, "a": [True]})
b'{"a":[true],"b":1}'
"""

import json
import math
from typing import Any, NoReturn

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import INTEGER_MAX, JSON_DEPTH_MAX

_INTEGER_CHARACTERS_MAX = len(str(-INTEGER_MAX))


class _RefusedError(ValueError):
    """Something that JSON readers do not agree on; the text says what."""


def loads(data: bytes, *, bytes_max: int, floats: bool = True) -> dict[str, Any]:
    """Read one JSON object, or refuse it.

    Args:
        data: UTF-8.
        bytes_max: The longest `data` that is read.
        floats: Whether numbers may have a fraction or an exponent.

    Raises:
        PeerError: TOO_LARGE or MALFORMED.
    """
    if len(data) > bytes_max:
        raise PeerError(
            Reason.TOO_LARGE, size_bytes=len(data), size_bytes_max=bytes_max
        )
    decoder = _DECODER if floats else _DECODER_WITHOUT_FLOATS
    try:
        text = data.decode("utf-8")
        value = _decode(decoder, text)
        if "\\u" in text:
            # A lone surrogate can only come from an escape, and then cannot be encoded.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        if text.count("{") + text.count("[") > JSON_DEPTH_MAX:
            _check_depth(value)
    except RecursionError:
        raise PeerError(
            Reason.MALFORMED, field="JSON", detail="nested too deeply"
        ) from None
    except ValueError as error:
        raise PeerError(Reason.MALFORMED, field="JSON", detail=str(error)) from None
    if type(value) is not dict:
        raise PeerError(Reason.MALFORMED, field="JSON", detail="not an object")
    return value


def canonical(value: Any) -> bytes:
    """Return the canonical form of a value (RFC 8785, JCS).

    Raises:
        ValueError: the value cannot be written: an integer above 2^53 - 1, NaN, a lone
            surrogate, a name that is not text.
    """
    import rfc8785

    return rfc8785.dumps(value)


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    """Decode a text; the usual one begins and ends with its object, and is quicker."""
    if text.startswith("{"):
        try:
            value, end = decoder.scan_once(text, 0)  # type: ignore[attr-defined]
        except StopIteration:
            return decoder.decode(text)  # cut short: it says where
        if end == len(text):
            return value
    return decoder.decode(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; of a name that comes twice, readers keep either."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError("a name comes twice")
    return found


def _integer(text: str) -> int:
    """Read an integer that every implementation holds exactly."""
    if len(text) <= _INTEGER_CHARACTERS_MAX:  # above it, int() itself grows slow
        value = int(text)
        if -INTEGER_MAX <= value <= INTEGER_MAX:
            return value
    raise _RefusedError("an integer beyond 2^53 - 1")


def _float(text: str) -> float:
    """Read a number; `1e999` comes here, and never to `parse_constant`."""
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedError("a number too large")
    return value


def _no_float(text: str) -> NoReturn:
    """Refuse a fraction or an exponent."""
    raise _RefusedError("a number that is no integer")


def _no_constant(text: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity."""
    raise _RefusedError(f"{text} is not JSON")


def _check_depth(value: Any) -> None:
    """Walk level by level, without recursion."""
    level = [value]
    for _ in range(JSON_DEPTH_MAX):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _RefusedError("nested too deeply")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_no_constant,
)
_DECODER_WITHOUT_FLOATS = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_no_float,
    parse_constant=_no_constant,
)
