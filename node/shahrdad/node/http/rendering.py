"""Pages: templates filled with a language's words, numbers and days.

Everything is escaped; a number, code or day stands in an isolating element, since a
minus in a line of Persian would otherwise change sides.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.http import languages
from shahrdad.node.http.answers import Call, answer
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.release import release
from shahrdad.node.http.static_files import static_address
from shahrdad.node.http.texts import say

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": PAGE_CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "",
}
# What other sites show in a frame of theirs: it runs nothing and sends nothing.
EMBEDDED_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " form-action 'none'; base-uri 'none'; frame-ancestors *"
)
THEMES = ("light", "dark")
DIGITS = ("persian", "latin")
# A reader who chose Latin digits gets them everywhere on a Persian page.
LATIN = str.maketrans("۰۱۲۳۴۵۶۷۸۹٬٫٪", "0123456789,.%")
HTML = "text/html; charset=utf-8"


@cache
def environment() -> Environment:
    """Return the templates; a name that no page gives is an error, not a gap."""
    found = Environment(
        loader=PackageLoader("shahrdad.node.http", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["static"] = static_address
    found.globals["query"] = _query
    return found


def page(call: Call, name: str, language: Language, **values: Any) -> Response:
    """Answer with a page."""
    return answer_page(call, render(call, name, language, **values), language)


def answer_page(call: Call, body: bytes, language: Language) -> Response:
    """Answer with a page that is rendered."""
    has_cookie = bool(call.request.cookies)
    if language == "fa" and call.request.cookies.get("digits") == "latin":
        body = body.decode().translate(LATIN).encode()
    cache_rule = "private, no-cache" if has_cookie else "no-cache"
    headers = {**PAGE_HEADERS, "Content-Language": language}
    return answer(
        call, body, HTML, headers, cache=cache_rule, vary="Accept-Encoding, Cookie"
    )


def embedded(call: Call, name: str, language: Language, **values: Any) -> Response:
    """Answer with a page for a frame of another site; it knows no reader."""
    theme = call.values["theme"] or ""
    body = render(call, name, language, **{"theme": theme, **values})
    headers = {
        "Content-Security-Policy": EMBEDDED_CSP,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Permissions-Policy": "",
        "Content-Language": language,
    }
    return answer(call, body, HTML, headers)


def render(call: Call, name: str, language: Language, **values: Any) -> bytes:
    """Return a page's bytes."""
    config = call.node.config
    theme = call.request.cookies.get("theme", "")
    path = call.request.url.path
    rest = path[3:] if path[:4] in {"/fa/", "/en/"} else "/"
    own = city_name(config.node.city, config)
    known = {
        "language": language,
        "direction": "rtl" if language == "fa" else "ltr",
        "other": "en" if language == "fa" else "fa",
        "path": rest,
        "here": path,
        "query_text": call.request.url.query,
        "theme": theme if theme in THEMES else "",
        "latin": language == "fa" and call.request.cookies.get("digits") == "latin",
        "own_city": own.name(language),
        "public_url": config.public_url,
        "publishes": call.request.app.state.jobs is not None,
        "release": release(),
        "say": _saying(language),
        **_forms(language),
        **values,
    }
    template = environment().get_template(name)
    return template.render(known).encode()


def _saying(language: Language) -> Callable[..., str]:
    def speak(key: str, **values: object) -> str:
        return say(language, key, **values)

    return speak


def _forms(language: Language) -> dict[str, Any]:
    """Return the functions by which templates show numbers, sizes, days and codes."""

    def num(value: float | None) -> Markup:
        return _isolated(languages.number(value, language))

    def digits(value: object) -> Markup:
        return _isolated(languages.digits(value, language))

    def size(value: int | None) -> Markup:
        count, unit = languages.size(value, language)
        return Markup("{} {}").format(_isolated(count), unit)

    def day(value: str | None, words: bool = False) -> Markup:
        if not value:
            return Markup("–")
        show = languages.day_in_words if words else languages.day
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            value,
            languages.day_elsewhere(value, language),
            _isolated_day(show(value, language), words),
        )

    return {"num": num, "digits": digits, "size": size, "day": day}


def _isolated(text: str) -> Markup:
    return Markup('<bdi class="n">{}</bdi>').format(text)


def _isolated_day(text: str, words: bool) -> Markup:
    """Return a day; one with a month's name runs with the text around it."""
    return Markup("<bdi>{}</bdi>").format(text) if words else _isolated(text)


def _query(values: Mapping[str, Any], **changes: Any) -> str:
    """Return a query string of these values with changes; None drops one."""
    merged = {**values, **changes}
    pairs = [
        (name, item)
        for name, value in merged.items()
        for item in (value if isinstance(value, list | tuple) else [value])
        if item not in {None, ""}
    ]
    return f"?{urlencode(pairs)}" if pairs else ""
