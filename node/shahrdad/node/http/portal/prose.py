"""Pages of words: help, accessibility, terms, privacy, glossary, problems; the style.

Their text is data, `texts/prose_{fa,en}.toml`: the same pages with as many parts.
"""

import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.http.answers import Call
from shahrdad.node.http.languages import digits
from shahrdad.node.http.portal.amounts import number_of
from shahrdad.node.http.portal.charts import Group
from shahrdad.node.http.portal.shapes import line
from shahrdad.node.http.problem_types import STATUS
from shahrdad.node.http.rendering import page

SAMPLE = (34, 42, 0, 18, 36, 52, 47)  # a line with a gap, where nothing is known
PROSE = ("help", "accessibility", "terms", "privacy", "glossary")


@cache
def prose(language: Language) -> Mapping[str, Any]:
    """Return the pages of a language, by name."""
    file = files("shahrdad.node.http") / "texts" / f"prose_{language}.toml"
    return tomllib.loads(file.read_text("utf-8"))


def page_of(name: str) -> Callable[[Call, Language], Response]:
    """Return the function that shows a page of words."""

    def show(call: Call, language: Language) -> Response:
        words = prose(language)[name]
        return page(call, "portal/prose.html", language, chosen=name, words=words)

    return show


def problems(call: Call, language: Language) -> Response:
    """Show every type of problem, with its page."""
    return page(call, "portal/problems.html", language, statuses=STATUS)


def style(call: Call, language: Language) -> Response:
    """Show the parts that all pages are made of, with this release's own styles."""
    values = [Decimal(one) if one else None for one in SAMPLE]
    return page(
        call,
        "portal/style.html",
        language,
        drawn=line(values, language),
        groups=[
            Group(digits(1398 + place, language), value, 1, None)
            for place, value in enumerate(values)
        ],
        text=lambda value: number_of(value, 0, language),
    )
