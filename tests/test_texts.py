"""Every text for people exists in Persian and in English, with the same values."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAIRS = {
    "errors": "datasets/shahrdad/datasets/messages/{}.toml",
    "reports": "validators/shahrdad/validators/messages/{}.toml",
    "pages": "node/shahrdad/node/http/texts/{}.toml",
    "portal": "node/shahrdad/node/http/texts/portal_{}.toml",
}
ARABIC_LETTERS = re.compile("[\u064a\u0643\u0649]")
PERSIAN_LETTER = re.compile("[\u0600-\u06ff]")


def leaves(tree: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with its dotted key; an item of a list has its number."""
    if isinstance(tree, str):
        yield key, tree
    else:
        for below, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, f"{key}.{below}")


def texts(portion: str, language: str) -> dict[str, str]:
    """Return the texts of a portion in a language, by dotted key."""
    path = ROOT / PAIRS[portion].format(language)
    return dict(leaves(tomllib.loads(path.read_text(encoding="utf-8"))))


def placeholders(text: str) -> set[str]:
    """Return the names of the values that a text shows."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("portion", PAIRS)
def test_both_languages_have_the_same_texts(portion: str) -> None:
    """No reader of one language misses what the other is told."""
    assert set(texts(portion, "fa")) == set(texts(portion, "en"))


@pytest.mark.parametrize("portion", PAIRS)
def test_both_languages_show_the_same_values(portion: str) -> None:
    """A translation neither loses a value nor asks for one that is not there."""
    english = texts(portion, "en")
    persian = texts(portion, "fa")

    differing = [
        key
        for key in english
        if placeholders(english[key]) != placeholders(persian[key])
    ]
    assert [] == differing


@pytest.mark.parametrize("portion", PAIRS)
def test_no_text_is_empty(portion: str) -> None:
    """A blank label is a missing one."""
    blank = [
        (language, key)
        for language in ("fa", "en")
        for key, text in texts(portion, language).items()
        if not text.strip()
    ]
    assert [] == blank


@pytest.mark.parametrize("portion", PAIRS)
def test_persian_is_written_with_persian_letters(portion: str) -> None:
    """No Arabic yeh or kaf, which a search for the Persian word would miss."""
    persian = texts(portion, "fa")

    assert [] == [key for key, text in persian.items() if ARABIC_LETTERS.search(text)]
    assert any(PERSIAN_LETTER.search(text) for text in persian.values())
