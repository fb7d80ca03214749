"""Cursors of dataset lists: where a page ended, and what the list was asked for.

A cursor alone is enough to go on: it carries the query and the filters, unless they are
too long for an address, when the caller repeats them. Whoever gives both must give the
same.
"""

import base64
import binascii
import json
from dataclasses import dataclass, fields
from typing import Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import sent_json
from shahrdad.node.search.terms import ORDERS, Filters, Key, Order, Ranking

CURSOR_LETTERS_MAX = 1_000
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1  # SQLite takes no other
_RANKINGS = ("none", "relevance", "newest")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list.

    Attributes:
        key: `ref` and the like: the order's key. A ranked list: place or row number.
        mark: Epoch and `seq` of the index that a ranked list is of.
        asked: Query and filters as given; None when they were too long.
    """

    order: Order
    ranking: Ranking
    key: Key
    mark: tuple[str, int]
    asked: tuple[str, Filters] | None = None

    def encode(self) -> str:
        """Return the text of the cursor."""
        place = [self.order, self.ranking, list(self.key), *self.mark]
        if self.asked is not None:
            filters = self.asked[1]
            values = ((one.name, getattr(filters, one.name)) for one in fields(Filters))
            given = {name: value for name, value in values if value}
            text = _pack([*place, self.asked[0], given])
            if len(text) <= CURSOR_LETTERS_MAX:
                return text
        return _pack(place)


def decode(text: str) -> Cursor:
    """Return the cursor of a text.

    Raises:
        RequestError: CURSOR_MALFORMED.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        raw = base64.b64decode(padded, altchars="-_", validate=True)
        order, ranking, key, epoch, seq, *asked = sent_json.loads(raw)
        if order not in ORDERS or ranking not in _RANKINGS:
            raise ValueError(order)
        _check_key(order, ranking, key)
        if not isinstance(epoch, str) or not isinstance(seq, int):
            raise TypeError(epoch)
        return Cursor(order, ranking, tuple(key), (epoch, seq), _asked(asked))
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RequestError(Reason.CURSOR_MALFORMED, cursor=text[:100]) from error


def _check_key(order: str, ranking: str, key: Any) -> None:
    """Refuse a key that is not of its order."""
    if not isinstance(key, list) or not all(isinstance(part, str) for part in key):
        raise TypeError(key)
    if order == "relevance":
        place = int(key[0])
        if ranking == "none" or len(key) != 1 or not 0 <= place < 2**62:
            raise ValueError(key)
    elif len(key) != (1 if order == "ref" else 2):
        raise ValueError(key)
    elif order == "title":
        bytes.fromhex(key[0])
    elif order == "-quality" and not 0 <= int(key[0]) <= 10_000:
        raise ValueError(key)


def _asked(found: list[Any]) -> tuple[str, Filters] | None:
    """Return the query and filters that a cursor carries."""
    if not found:
        return None
    query, given = found
    if not isinstance(query, str) or not isinstance(given, dict):
        raise TypeError(query)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in {"city", "family", "license", "families"}:
            values[name] = tuple(_typed(item, str) for item in _typed(value, list))
        elif name == "fiscal_year":
            values[name] = tuple(_typed(item, int) for item in _typed(value, list))
        elif name == "updated_after":
            values[name] = _typed(value, str)
        elif name in {"withdrawn", "tabular"}:
            values[name] = _typed(value, bool)
        elif name == "covers":
            values[name] = _typed(value, int)
        elif name == "scores":
            values[name] = tuple(_span(item) for item in _typed(value, list))
        else:
            raise KeyError(name)
    return query, Filters(**values)


def _span(value: Any) -> tuple[int, int]:
    low, high = _typed(value, list)
    return _typed(low, int), _typed(high, int)


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(value)
    if isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        raise ValueError(value)
    return value


def _pack(value: list[Any]) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
