"""Atom feeds: one entry a version and one a withdrawal, newest first.

An entry's id is the version's address, which never changes; `updated` is the time of
the log's entry. What does not fit on a page is on the next one (RFC 5005): a page
begins before the last change of the page before, so nothing that is new moves another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import holdings, limits
from shahrdad.node.http.answers import Call, answer
from shahrdad.node.http.catalog_api import FILTERS, wanted
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_object import version_document
from shahrdad.node.http.languages import now, rfc3339
from shahrdad.node.http.listing import find_page
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.parameters import CURSOR
from shahrdad.node.http.texts import say

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a feed.

    Attributes:
        address: Of the feed's first page, which never changes.
        following: Of the next page; None on the last.
        is_first: Whether this is the first page.
    """

    address: str
    title: str
    entries: Sequence[holdings.FeedChange]
    following: str | None
    is_first: bool


def get_all(call: Call) -> Response:
    """Answer with the newest changes of every city."""
    return _changes(call, "all", say(call.language, "site.data"), "")


def get_city(call: Call) -> Response:
    """Answer with the newest changes of one city."""
    slug = call.path["name"]
    known = holdings.cities(call.node.database.connect())
    if slug not in known and slug != call.node.config.node.city:
        raise RequestError(Reason.CITY_UNKNOWN, city=slug[:64])
    title = city_name(slug, call.node.config).name(call.language)
    return _changes(call, slug, title, f"{slug}/")


def get_dataset(call: Call) -> Response:
    """Answer with the versions of one dataset."""
    ref = f"{call.path['city']}/{call.path['name']}"
    dataset = call.node.catalog.get(ref)
    return _changes(call, ref, _title(call, dataset), ref)


def get_search(call: Call) -> Response:
    """Answer with what a search finds, newest first whatever order it names."""
    asked = replace(wanted(call.values), order="-updated")
    found = find_page(
        call, asked, cursor=call.values["cursor"], limit=limits.FEED_ENTRIES
    )
    given = [
        (name, text)
        for name, text in call.request.query_params.multi_items()
        if name != "cursor"
    ]
    address = call.public.feed("search") + (f"?{urlencode(given)}" if given else "")
    more = urlencode([*given, ("cursor", found.next_cursor or "")])
    page = Page(
        address,
        asked.q or say(call.language, "site.data"),
        [_newest(dataset) for dataset in found.datasets],
        f"{call.public.feed('search')}?{more}" if found.next_cursor else None,
        is_first=call.values["cursor"] is None,
    )
    return _answer(call, page)


def _newest(dataset: Dataset) -> holdings.FeedChange:
    """Return the newest change of a dataset, as feeds have it."""
    is_gone = dataset.state == "withdrawn"
    return holdings.FeedChange(
        ref=dataset.ref,
        op="delete" if is_gone else "put",
        version=dataset.version,
        index=dataset.index,
        time=dataset.updated,
        reason=dataset.reason,
        seq=0,
    )


def _changes(call: Call, name: str, title: str, prefix: str) -> Response:
    """Answer with a feed of the changes whose reference begins so."""
    address = call.public.feed(name)
    before = _before(call)
    changes = holdings.newest_changes(
        call.node.database.connect(), prefix, limits.FEED_ENTRIES + 1, before
    )
    following = None
    if len(changes) > limits.FEED_ENTRIES:
        changes = changes[: limits.FEED_ENTRIES]
        following = f"{address}?before={changes[-1].seq}"
    return _answer(call, Page(address, title, changes, following, before is None))


def _answer(call: Call, page: Page) -> Response:
    """Answer with a page of a feed."""
    feed = ET.Element("feed", {"xmlns": ATOM, "xml:lang": call.language})
    add_text(feed, "id", page.address)
    add_text(feed, "title", f"{say(call.language, 'site.name')} · {page.title}")
    author = ET.SubElement(feed, "author")
    own = city_name(call.node.config.node.city, call.node.config)
    name = say(call.language, "site.node_of", city=own.name(call.language))
    add_text(author, "name", name)
    add_link(feed, "self", page.address, "application/atom+xml")
    add_link(feed, "alternate", call.public.page(call.language), "text/html")
    if page.following is not None:
        add_link(feed, "next", page.following)
    if not page.is_first:
        add_link(feed, "first", page.address)
    newest = max((change.time for change in page.entries), default=rfc3339(now()))
    add_text(feed, "updated", newest)
    for change in page.entries:
        _entry(call, feed, change)
    body = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    vary = "Accept-Encoding, Accept-Language"
    return answer(call, body, MEDIA_TYPE, vary=vary)


def _before(call: Call) -> int | None:
    """Return where an older page begins; readers add parameters of their own."""
    text = call.request.query_params.get("before", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if is_number else None


def _entry(call: Call, feed: ET.Element, change: holdings.FeedChange) -> None:
    """Add one version or one withdrawal."""
    try:
        dataset = call.node.catalog.get(change.ref)
    except ShahrdadError:
        return
    address = call.public.dataset(change.ref, change.version)
    entry = ET.SubElement(feed, "entry")
    is_gone = change.op == "delete"
    add_text(entry, "id", f"{address}#withdrawn-{change.index}" if is_gone else address)
    add_text(entry, "title", _title(call, dataset))
    add_text(entry, "updated", change.time)
    add_text(entry, "summary", _summary(call, change))
    if is_gone:
        ET.SubElement(entry, "category", {"term": "withdrawn"})
    elif dataset.family:
        ET.SubElement(entry, "category", {"term": dataset.family})
    page = f"/d/{change.ref}/v/{change.version}"
    add_link(entry, "alternate", call.public.page(call.language, page))


def _summary(call: Call, change: holdings.FeedChange) -> str:
    """Return what changed: the reason of a withdrawal, or how many rows."""
    if change.op == "delete":
        return change.reason or "withdrawn"
    said = [say(call.language, "dataset.version", n=change.version or 0)]
    try:
        _, version = call.node.catalog.version(change.ref, change.version)
    except ShahrdadError:
        return said[0]
    rows = version_document(version, None)["change"] or {}
    said += [
        say(call.language, f"dataset.{name}", count=rows[name])
        for name in ("added", "removed", "changed")
        if rows.get(name)
    ]
    return " · ".join(said)


def add_link(parent: ET.Element, relation: str, address: str, media: str = "") -> None:
    """Add a link."""
    found = {"rel": relation, "href": address}
    ET.SubElement(parent, "link", found | ({"type": media} if media else {}))


def _title(call: Call, dataset: Dataset) -> str:
    return dataset.title_fa if call.language == "fa" else dataset.title_en


def add_text(parent: ET.Element, name: str, text: str) -> None:
    """Add an element; what XML cannot hold is left out."""
    child = ET.SubElement(parent, name)
    child.text = "".join(
        letter for letter in text if letter >= " " or letter in "\t\n\r"
    ).translate({0xFFFE: None, 0xFFFF: None})


def operations() -> list[Operation]:
    """Return the feeds, those of CKAN's addresses too."""
    found = [
        ("getFeed", "/feeds/all.atom", get_all, "Everything new."),
        (
            "getFeedOfCkan",
            "/feeds/dataset.atom",
            get_all,
            "The same, as CKAN calls it.",
        ),
        (
            "getFeedOfOrganization",
            "/feeds/organization/{name}.atom",
            get_city,
            "One city, as CKAN calls it.",
        ),
        ("getCityFeed", "/feeds/{name}.atom", get_city, "One city."),
        ("getDatasetFeed", "/feeds/{city}/{name}.atom", get_dataset, "One dataset."),
    ]
    media_type = MEDIA_TYPE.partition(";")[0]
    return [
        # It stands first, or "search" would be taken for the name of a city.
        Operation(
            "getSearchFeed",
            "/feeds/search.atom",
            get_search,
            "What a search finds; the parameters are those of `/v1/datasets`.",
            (*FILTERS, CURSOR),
            media_type=media_type,
            problems=("bad-parameter", "cursor-invalid", "cursor-expired"),
        ),
        *(
            Operation(id_, path, call, summary, tolerant=True, media_type=media_type)
            for id_, path, call, summary in found
        ),
    ]
