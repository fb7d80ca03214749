"""Atom feeds: one entry a version and one a withdrawal, newest first.

An entry's id is the version's address, which never changes; `updated` is the time of
the log's entry. What does not fit on a page is on the next one (RFC 5005): a page
begins before the last change of the page before, so nothing that is new moves another.
"""

from xml.etree import ElementTree as ET

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import holdings, limits
from shahrdad.node.http.answers import Call, answer
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.languages import now, rfc3339
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.texts import say

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml; charset=utf-8"


def get_all(call: Call) -> Response:
    """Answer with the newest changes of every city."""
    return _feed(call, "all", say(call.language, "site.data"), "")


def get_city(call: Call) -> Response:
    """Answer with the newest changes of one city."""
    slug = call.path["name"]
    known = holdings.cities(call.node.database.connect())
    if slug not in known and slug != call.node.config.node.city:
        raise RequestError(Reason.CITY_UNKNOWN, city=slug[:64])
    title = city_name(slug, call.node.config).name(call.language)
    return _feed(call, slug, title, f"{slug}/")


def get_dataset(call: Call) -> Response:
    """Answer with the versions of one dataset."""
    ref = f"{call.path['city']}/{call.path['name']}"
    dataset = call.node.catalog.get(ref)
    return _feed(call, ref, _title(call, dataset), ref)


def _feed(call: Call, name: str, title: str, prefix: str) -> Response:
    """Answer with a feed of the changes whose reference begins so."""
    address = call.public.feed(name)
    feed = ET.Element("feed", {"xmlns": ATOM, "xml:lang": call.language})
    _text(feed, "id", address)
    _text(feed, "title", f"{say(call.language, 'site.name')} · {title}")
    author = ET.SubElement(feed, "author")
    own = city_name(call.node.config.node.city, call.node.config)
    _text(
        author, "name", say(call.language, "site.node_of", city=own.name(call.language))
    )
    ET.SubElement(
        feed, "link", {"rel": "self", "href": address, "type": "application/atom+xml"}
    )
    ET.SubElement(
        feed,
        "link",
        {
            "rel": "alternate",
            "href": call.public.page(call.language),
            "type": "text/html",
        },
    )
    before = _before(call)
    changes = holdings.newest_changes(
        call.node.database.connect(), prefix, limits.FEED_ENTRIES + 1, before
    )
    if len(changes) > limits.FEED_ENTRIES:
        changes = changes[: limits.FEED_ENTRIES]
        older = f"{address}?before={changes[-1].seq}"
        ET.SubElement(feed, "link", {"rel": "next", "href": older})
    if before is not None:
        ET.SubElement(feed, "link", {"rel": "first", "href": address})
    newest = max((change.time for change in changes), default=rfc3339(now()))
    _text(feed, "updated", newest)
    for change in changes:
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
    _text(entry, "id", f"{address}#withdrawn-{change.index}" if is_gone else address)
    _text(entry, "title", _title(call, dataset))
    _text(entry, "updated", change.time)
    number = say(call.language, "dataset.version", n=change.version or 0)
    _text(entry, "summary", change.reason or "withdrawn" if is_gone else number)
    if is_gone:
        ET.SubElement(entry, "category", {"term": "withdrawn"})
    elif dataset.family:
        ET.SubElement(entry, "category", {"term": dataset.family})
    page = f"/d/{change.ref}/v/{change.version}"
    ET.SubElement(
        entry,
        "link",
        {"rel": "alternate", "href": call.public.page(call.language, page)},
    )


def _title(call: Call, dataset: Dataset) -> str:
    return dataset.title_fa if call.language == "fa" else dataset.title_en


def _text(parent: ET.Element, name: str, text: str) -> None:
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
    return [
        Operation(
            id_, path, call, summary, tolerant=True, media_type="application/atom+xml"
        )
        for id_, path, call, summary in found
    ]
