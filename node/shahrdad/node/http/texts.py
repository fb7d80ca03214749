"""The words of pages, problems and files: `texts/fa.toml`, `texts/portal_fa.toml`.

The files of both languages have the same keys and placeholders; a test compares them.
"""

import tomllib
from functools import cache
from importlib.resources import files

from shahrdad.datasets.errors import Language
from shahrdad.node.http.languages import number

PARTS = ("", "portal_", "pages_", "files_", "publishing_", "feedback_", "analyses_")


@cache
def texts(language: Language) -> dict[str, str]:
    """Return the texts of a language, by `section.key`."""
    folder = files("shahrdad.node.http") / "texts"
    return {
        f"{section}.{key}": text
        for part in PARTS
        for section, items in tomllib.loads(
            (folder / f"{part}{language}.toml").read_text("utf-8")
        ).items()
        for key, text in items.items()
    }


def say(language: Language, key: str, **values: object) -> str:
    """Return a text, its numbers in the digits of the language.

    Where `count` or `days` is 1, the text `<key>_one` is taken if there is one.

    Raises:
        KeyError: no such text (a mistake of the caller).
    """
    known = texts(language)
    template = known[key]
    if not values:
        return template
    if 1 in (values.get("count"), values.get("days")):
        template = known.get(f"{key}_one", template)
    return template.format_map(
        {name: _number(value, language) for name, value in values.items()}
    )


def _number(value: object, language: Language) -> str:
    """Return an integer as the language writes it; other values as they are."""
    return number(value, language) if isinstance(value, int) else str(value)
