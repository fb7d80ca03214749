"""What machines look for by themselves: sitemap, robots, well-known, search."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from starlette.responses import RedirectResponse, Response

from shahrdad.datasets.errors import Language
from shahrdad.node.http import holdings, limits
from shahrdad.node.http.answers import Call, answer, as_json
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.languages import LANGUAGES, now, rfc3339
from shahrdad.node.http.operations import Operation, address_unknown
from shahrdad.node.http.release import PROTOCOL, release
from shahrdad.node.http.texts import say

SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
XHTML = "http://www.w3.org/1999/xhtml"
OPENSEARCH = "http://a9.com/-/spec/opensearch/1.1/"
XML = "application/xml"
PAGES = (
    "/", "/datasets", "/budget", "/systems", "/projects", "/projects/map", "/cities",
    "/compare", "/permits", "/contracts", "/suppliers", "/work-sites", "/ideas",
    "/studies", "/indicators", "/resolutions", "/reuses", "/report", "/standards",
    "/federation", "/verify", "/api", "/api/reference", "/help", "/glossary",
    "/accessibility", "/terms", "/privacy", "/status", "/problems",
)  # fmt: skip
_PATHS = limits.SITEMAP_ADDRESSES_MAX // len(LANGUAGES)  # of a part


def get_sitemap_index(call: Call) -> Response:
    """Answer with the list of sitemap parts."""
    root = ET.Element("sitemapindex", {"xmlns": SITEMAP})
    for number in range(1, _parts(call) + 1):
        part = ET.SubElement(root, "sitemap")
        location = ET.SubElement(part, "loc")
        location.text = f"{call.public.root}/sitemap-{number}.xml"
    return _xml(call, root)


def get_sitemap(call: Call) -> Response:
    """Answer with one part: pages with their other language beside them."""
    number = call.path["number"]
    if not 1 <= number <= _parts(call):
        raise address_unknown(call.request)
    root = ET.Element("urlset", {"xmlns": SITEMAP, "xmlns:xhtml": XHTML})
    for language, path, updated in _addresses(call, (number - 1) * _PATHS):
        url = ET.SubElement(root, "url")
        location = ET.SubElement(url, "loc")
        location.text = call.public.page(language, path)
        if updated:
            ET.SubElement(url, "lastmod").text = updated
        for name, shown in (*((one, one) for one in LANGUAGES), ("x-default", "fa")):
            ET.SubElement(
                url,
                "xhtml:link",
                {
                    "rel": "alternate",
                    "hreflang": name,
                    "href": f"{call.public.root}/{shown}{path}",
                },
            )
    return _xml(call, root)


def _parts(call: Call) -> int:
    count = len(PAGES) + holdings.live_count(call.node.database.connect())
    return max(1, -(-count // _PATHS))


def _addresses(call: Call, start: int) -> list[tuple[Language, str, str]]:
    """Return (language, path, time of the last change) of a part's pages."""
    paths = [(path, "") for path in PAGES[start : start + _PATHS]]
    connection = call.node.database.connect()
    first, rows = max(0, start - len(PAGES)), _PATHS - len(paths)
    names = holdings.live_names(connection, first, rows)
    paths += [(f"/d/{ref}", updated) for ref, updated in names]
    return [(language, path, time) for path, time in paths for language in LANGUAGES]


def _xml(call: Call, root: ET.Element) -> Response:
    body = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return answer(call, body, XML)


def get_robots(call: Call) -> Response:
    """Answer with what robots should leave alone."""
    lines = [
        "User-agent: *",
        "Disallow: /v1/*/rows",
        "Disallow: /v1/*/export",
        "Disallow: /preferences",
        f"Sitemap: {call.public.root}/sitemap.xml",
    ]
    return answer(call, ("\n".join(lines) + "\n").encode(), "text/plain; charset=utf-8")


def get_node_document(call: Call) -> Response:
    """Answer with origin, keys and endpoints: informative, never trusted."""
    config = call.node.config
    logs = call.node.federation_status().get("logs", [])
    own: Mapping[str, Any] = next(
        (log for log in logs if log.get("origin") == config.federation.origin), {}
    )
    body = {
        "origin": config.federation.origin,
        "city": city_name(config.node.city, config).document(),
        "vkeys": list(own.get("vkeys") or []),
        "endpoints": {
            "http": call.public.root,
            "static": f"{call.public.root}/mirror/",
            "grpc_port": config.grpc.port,
        },
        "protocols": [PROTOCOL],
        "languages": list(LANGUAGES),
        "software": {"name": "shahrdad", "version": release()},
    }
    return as_json(call, body)


def get_change_password(call: Call) -> Response:
    """Lead password managers to the front page: accounts are kept on the machine."""
    return RedirectResponse(call.public.page(call.node.config.node.language), 302)


def get_security(call: Call) -> Response:
    """Answer with whom to tell of faults (RFC 9116).

    The end of its validity moves with the months, at most half a year ahead: a copy
    that somebody kept grows old, the node's own never does.
    """
    contact = call.node.config.http.security_contact
    if not contact:
        raise address_unknown(call.request)
    today = now()
    months = today.year * 12 + today.month - 1 + 6
    expires = today.replace(
        year=months // 12, month=months % 12 + 1, day=1, hour=0, minute=0, second=0
    )
    lines = [
        f"Contact: {contact}",
        f"Expires: {rfc3339(expires)}",
        "Preferred-Languages: fa, en",
        f"Canonical: {call.public.root}/.well-known/security.txt",
    ]
    return answer(call, ("\n".join(lines) + "\n").encode(), "text/plain; charset=utf-8")


def get_opensearch(call: Call) -> Response:
    """Answer with how a browser searches this node."""
    language: Language = "en" if call.path["language"] == "en" else "fa"
    if call.path["language"] not in LANGUAGES:
        raise address_unknown(call.request)
    root = ET.Element("OpenSearchDescription", {"xmlns": OPENSEARCH})
    own = city_name(call.node.config.node.city, call.node.config).name(language)
    names = {
        "ShortName": say(language, "site.name"),
        "Description": say(language, "site.node_of", city=own),
        "InputEncoding": "UTF-8",
        "Language": language,
    }
    for name, text in names.items():
        ET.SubElement(root, name).text = text
    template = call.public.page(language, "/datasets?q={searchTerms}")
    ET.SubElement(root, "Url", {"type": "text/html", "template": template})
    return _xml(call, root)


def operations() -> list[Operation]:
    """Return the operations that machines look for."""
    found = [
        ("getSitemapIndex", "/sitemap.xml", get_sitemap_index, XML),
        ("getSitemap", "/sitemap-{number:int}.xml", get_sitemap, XML),
        ("getRobots", "/robots.txt", get_robots, "text/plain"),
        (
            "getNode",
            "/.well-known/shahrdad-node",
            get_node_document,
            "application/json",
        ),
        (
            "getChangePassword",
            "/.well-known/change-password",
            get_change_password,
            "text/html",
        ),
        ("getSecurity", "/.well-known/security.txt", get_security, "text/plain"),
        ("getOpenSearch", "/opensearch-{language}.xml", get_opensearch, XML),
    ]
    return [
        Operation(
            id_,
            path,
            call,
            "For machines.",
            tolerant=True,
            media_type=media,
            redirect=302 if id_ == "getChangePassword" else 0,
        )
        for id_, path, call, media in found
    ]
