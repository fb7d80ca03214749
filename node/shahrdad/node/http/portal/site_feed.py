"""`/work-sites.atom`: the work sites that the list's filters let through, as Atom.

Who lives in a district follows its feed. An entry is a site, its id the address of its
row, which never changes; `updated` is the time of the version that says it.
"""

from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.http import limits
from shahrdad.node.http.answers import Call, answer
from shahrdad.node.http.feeds import ATOM, MEDIA_TYPE, add_link, add_text
from shahrdad.node.http.languages import day, rfc3339
from shahrdad.node.http.languages import now as present
from shahrdad.node.http.portal.lists import SITES, found_rows
from shahrdad.node.http.portal.viewing import label, name_of
from shahrdad.node.http.texts import say

PARAMETERS = tuple(one for one in SITES.parameters if one.name != "cursor")


def show(call: Call, language: Language) -> Response:
    """Answer with the feed, the sites that began last first."""
    asked = {name: value for name, value in call.values.items() if value}
    query = f"?{urlencode(asked)}" if asked else ""
    page = call.public.page(language, f"/work-sites{query}")
    found = sorted(found_rows(call, SITES), key=start_of, reverse=True)
    found = found[: limits.FEED_ENTRIES]
    feed = ET.Element("feed", {"xmlns": ATOM, "xml:lang": language})
    own = call.public.page(language, f"/work-sites.atom{query}")
    add_text(feed, "id", own)
    title = say(language, "lists.work_sites")
    add_text(feed, "title", f"{say(language, 'site.name')} · {title}")
    author = ET.SubElement(feed, "author")
    add_text(author, "name", say(language, "site.name"))
    add_link(feed, "self", own, "application/atom+xml")
    add_link(feed, "alternate", page, "text/html")
    newest = max((one["release"].time for one in found), default=rfc3339(present()))
    add_text(feed, "updated", newest)
    for one in found:
        entry(call, feed, one, language)
    body = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return answer(call, body, MEDIA_TYPE)


def start_of(one: dict[str, Any]) -> tuple[str, str]:
    """Return the order of the feed: the day of the start, then the site."""
    row = one["row"]
    began = row["start_date"].isoformat() if row["start_date"] else ""
    return began, str(row["site_id"])


def entry(
    call: Call, feed: ET.Element, one: dict[str, Any], language: Language
) -> None:
    """Add one site: what and where, until when, and what it does to traffic."""
    row, release = one["row"], one["release"]
    path = f"/d/{release.ref}/row?{urlencode({'site_id': row['site_id']})}"
    found = ET.SubElement(feed, "entry")
    add_text(found, "id", call.public.page(language, path))
    add_text(found, "title", str(row["title_fa"]))
    add_text(found, "updated", release.time)
    words = [name_of(call, one["city"]).name(language)]
    if row["district_no"]:
        words.append(say(language, "portal.district", n=row["district_no"]))
    words.append(str(row["street_fa"] or ""))
    words += [
        label(SITES.family, name, row[name], language)
        for name in ("site_status", "vehicle_impact")
    ]
    if row["planned_end_date"]:
        until = day(row["planned_end_date"].isoformat(), language)
        words.append(say(language, "sites.until", day=until))
    add_text(found, "summary", " · ".join(word for word in words if word))
    add_link(found, "alternate", call.public.page(language, path))
