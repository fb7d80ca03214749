"""The facets beside a list of datasets: values, their labels, how many there are.

The search counts city, standard, year and licence. A theme is a set of standards and a
grade a span of scores, so each is a list of its own; without a query its count lies in
the cube, and with one it is left out.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from shahrdad.datasets import standards
from shahrdad.datasets.alignment import THEMES
from shahrdad.datasets.errors import Language, RequestError
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.languages import TEHRAN, now
from shahrdad.node.http.listing import Wanted, find_page
from shahrdad.node.http.quality import GRADES
from shahrdad.node.http.texts import say

Choice = tuple[str, str, int | None]  # value, label, how many
Facets = dict[str, list[Choice]]
RECENT_DAYS = (7, 30, 365)


def facets(
    call: Call,
    asked: Wanted,
    counted: Mapping[str, Mapping[str, int]],
    language: Language,
) -> Facets:
    """Return the choices of every facet, in the order in which they are shown.

    Args:
        call: The request.
        asked: What the list is asked for.
        counted: What the search counted.
        language: Of the labels.
    """
    found: Facets = {
        name: [(value, label(call, name, value, language), count)
               for value, count in values.items()]
        for name, values in counted.items()
    }  # fmt: skip
    themes = sorted({one for listed in THEMES.values() for one in listed})
    found["theme"] = [
        (theme, say(language, f"theme.{theme}"), number)
        for theme in themes
        if (number := total(call, asked, replace(asked, theme=(theme,)))) != 0
    ]
    found["quality"] = [
        (grade, say(language, f"quality.letter_{grade}"), number)
        for grade in GRADES
        if (number := total(call, asked, replace(asked, quality=(grade,)))) != 0
    ]
    found["updated_after"] = recent(language)
    return found


def total(call: Call, asked: Wanted, narrower: Wanted) -> int | None:
    """Return how many datasets a choice leaves; None where counting is a search."""
    return None if asked.q else find_page(call, narrower).total


def recent(language: Language) -> list[Choice]:
    """Return the days since which a list may be asked for."""
    today = now().astimezone(TEHRAN).date()
    return [
        (
            (today - timedelta(days=days)).isoformat(),
            say(language, "list.recent", count=days),
            None,
        )
        for days in RECENT_DAYS
    ]


def label(call: Call, facet: str, value: str, language: Language) -> str:
    """Return what a value is called."""
    if facet == "city":
        return city_name(value, call.node.config).name(language)
    if facet == "family":
        return family_title(value, language)
    return value


def family_title(family: str, language: Language) -> str:
    """Return a standard's title; its own name where this release does not know it."""
    try:
        return standards.load(family).title(language)
    except RequestError:
        return family
