"""Pages of figures are made once for each state of the catalog, and kept as bytes.

Such a page follows from its address, what its reader chose, the day and what the node
holds; a publication or another state of a log makes a new reader, and with it no page
is kept.
What is kept is the plain page: coding and conditions are answered for each request.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.http.answers import Call
from shahrdad.node.http.languages import TEHRAN, now
from shahrdad.node.http.portal.limits import PAGES_BYTES_MAX
from shahrdad.node.http.portal.viewing import releases
from shahrdad.node.http.rendering import HTML, answer_page

Build = Callable[[Call, Language], Response]
ASKED = (b"host", b"cookie")  # the headers that a page depends on


class Pages:
    """Keeps the latest used pages of one reader, at most so many bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: object) -> bytes | None:
        """Return a page that is kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: object, body: bytes) -> None:
        """Keep a page, and drop those that were not used for the longest time."""
        with self._lock:
            if key in self._kept or len(body) > PAGES_BYTES_MAX:
                return
            self._kept[key] = body
            self._bytes += len(body)
            while self._bytes > PAGES_BYTES_MAX:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)


def kept(build: Build, *, each_minute: bool = False) -> Build:
    """Return a function that answers with a kept page, or makes and keeps it.

    Args:
        build: Makes the page.
        each_minute: Whether it changes with the clock, as a month under way does.
    """

    def show(call: Call, language: Language) -> Response:
        reader: Releases = releases(call)
        pages = reader.once("pages", Pages)
        url = call.request.url
        moment = now().astimezone(TEHRAN).replace(second=0)
        since = moment if each_minute else moment.date()
        chosen = tuple(call.request.cookies.get(name) for name in ("theme", "digits"))
        key = (url.path, url.query, chosen, since)
        found = pages.get(key)
        if found is None:
            made = build(plain(call), language)
            if made.status_code != 200 or made.headers.get("content-type") != HTML:
                return build(call, language)
            found = bytes(made.body)
            pages.put(key, found)
        return answer_page(call, found, language)

    return show


def plain(call: Call) -> Call:
    """Return a call that asks for the whole page, uncoded and without conditions."""
    scope = call.request.scope
    headers = [pair for pair in scope["headers"] if pair[0] in ASKED]
    request = Request({**scope, "method": "GET", "headers": headers})
    return Call(call.node, request, call.values, call.language)
