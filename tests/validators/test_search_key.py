"""The search key against the vectors: what must meet meets, the rest differs."""

import json
from typing import Any

import pytest

from shahrdad.validators.normalise.search_key import fold, variants, words
from shared_data import SHARED, needs_shared


def vectors() -> dict[str, Any]:
    """Return the vectors of the search key."""
    file = SHARED / "conformance" / "search_fold.json"
    content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return content


def flat(text: str) -> set[str]:
    """Return every spelling variant of every key of a text."""
    return {key for word in text.split() for key in variants(word)}


@needs_shared
def test_spellings_of_one_word_have_one_key() -> None:
    """Joined, spaced, ZWNJ, Arabic letters and digits: the reader sees one word."""
    groups = vectors()["same"]

    assert 17 == len(groups)
    for group in groups:
        assert 1 == len({tuple(words(text)) for text in group}), group


@needs_shared
def test_keys_are_those_of_the_vectors() -> None:
    """The key itself is pinned, since an index made today is asked tomorrow."""
    for case in vectors()["keys"]:
        assert case["keys"] == words(case["text"])


@needs_shared
def test_hamza_spellings_meet_and_other_words_do_not() -> None:
    """A variant may find more, but never a different word."""
    for one, two in vectors()["meet"]:
        assert flat(one) & flat(two), (one, two)
    for one, two in vectors()["differ"]:
        assert words(one) != words(two), (one, two)


@needs_shared
def test_queries_find_exactly_their_documents() -> None:
    """44 hits, none missing and none false."""
    case = vectors()
    found = {
        query: [
            place
            for place, document in enumerate(case["documents"])
            if any(
                set(words(spelling)) <= flat(document) | set(words(document))
                for spelling in (query, query.replace("ؤ", "ئ"))
            )
        ]
        for query in case["hits"]
    }

    assert case["hits"] == found


@pytest.mark.parametrize("text", ["", " ", "\u200c", "a\u0301", "می", "ی"])
def test_fold_accepts_any_text(text: str) -> None:
    """A query is a stranger's text: the fold answers, and is idempotent."""
    assert fold(fold(text)) == fold(text)
