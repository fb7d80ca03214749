"""Lists by keyset: a page begins after the last key of the page before.

Nothing that is added, changed or withdrawn meanwhile hides or repeats another item,
which an offset cannot promise.
"""

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import sent_json
from shahrdad.node.http.answers import JSON, Call, answer, dump, json_list

Item = TypeVar("Item")
Key = tuple[Any, ...]


def encode(kind: str, key: Key) -> str:
    """Return a cursor: the name of an order, and the last key."""
    text = json.dumps([kind, *key], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(kind: str, cursor: str, example: Key) -> Key:
    """Return the key of a cursor; it must be of this order and shaped like `example`.

    Raises:
        RequestError: CURSOR_MALFORMED.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        packed = base64.b64decode(padded, altchars="-_", validate=True)
        found = sent_json.loads(packed)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _malformed(cursor) from error
    if not isinstance(found, list) or len(found) != len(example) + 1:
        raise _malformed(cursor)
    name, *key = found
    if name != kind or [type(part) for part in key] != [type(part) for part in example]:
        raise _malformed(cursor)
    return tuple(key)


def page(
    items: Sequence[Item],
    key: Callable[[Item], Key],
    *,
    kind: str,
    cursor: str | None,
    limit: int,
) -> tuple[list[Item], str | None]:
    """Return a page of items that are sorted by `key`, and the next cursor.

    Raises:
        RequestError: CURSOR_MALFORMED.
    """
    start = 0
    if cursor is not None and items:
        last = decode(kind, cursor, key(items[0]))
        start = bisect_right(items, last, key=key)
    found = list(items[start : start + limit])
    more = start + limit < len(items)
    return found, encode(kind, key(found[-1])) if more and found else None


def list_answer(
    call: Call,
    items: Sequence[Any],
    total: int,
    next_cursor: str | None,
    written: bool = False,
    **more: Any,
) -> Response:
    """Answer with a page of a list, and the address of the next one.

    Args:
        call: The request.
        items: The page.
        total: How many items all pages have.
        next_cursor: Where the next page begins.
        written: Whether its items are JSON already.
        more: Further members.
    """
    headers = next_link(call, next_cursor)
    page = json_list(items) if written else [dump(items)]
    rest = dump({"total": total, "next_cursor": next_cursor, **more})
    body = [b'{"items":', *page, b"," + rest[1:]]
    return answer(call, body if written else b"".join(body), JSON, headers)


def next_link(call: Call, next_cursor: str | None) -> dict[str, str]:
    """Return the header that names the next page; none after the last."""
    if next_cursor is None:
        return {}
    query = [
        (name, value)
        for name, value in call.request.query_params.multi_items()
        if name != "cursor"
    ]
    address = f"{call.request.url.path}?{urlencode([*query, ('cursor', next_cursor)])}"
    return {"Link": f'<{call.public.root}{address}>; rel="next"'}


def _malformed(cursor: str) -> RequestError:
    return RequestError(Reason.CURSOR_MALFORMED, cursor=cursor[:100])
