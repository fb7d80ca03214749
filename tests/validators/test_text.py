"""Text forms and the search key, against the vectors."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.validators.normalise import search_key, text
from shared_data import SHARED, needs_shared

PERSIAN_TROUBLE = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "\u0627\u0653\u0654\u064b\u0650\u0670\u0643\u064a\u06c0\u06d5\u0647\u06cc"
            "\u200c\u200d\u200e\u0640\u00a0 \t\n\r\u2028\x85\ufdf2\ufefb\u06f1\u0661"
            "\uff11\u2013a-A.,()\u0130\u00df\ufb01\u0345"
        ),
        st.characters(codec="utf-8", exclude_characters="\x00"),
    ),
    max_size=12,
)


def load(name: str) -> list[dict[str, Any]]:
    """Return the cases of one file of vectors."""
    cases: list[dict[str, Any]] = json.loads(
        (SHARED / "vectors" / "persian" / name).read_text("utf-8")
    )["cases"]
    return cases


@needs_shared
def test_forms_of_the_vectors() -> None:
    """Every vector has its clean, code and key form."""
    cases = load("text.json")

    assert 21 == len(cases)
    for case in cases:
        found = {
            "in": case["in"],
            "clean": text.clean(case["in"]),
            "code": text.code(case["in"]),
            "key": text.key(case["in"]),
        }
        assert case == found


@given(PERSIAN_TROUBLE)
@settings(max_examples=200, deadline=None)
def test_forms_are_idempotent(cell: str) -> None:
    """A form of a form is the form itself (invariant I7)."""
    assert text.clean(text.clean(cell)) == text.clean(cell)
    assert text.key(text.key(cell)) == text.key(cell)
    code = text.code(cell)
    if code is not None:
        assert text.code(code) == code


@given(PERSIAN_TROUBLE)
@settings(max_examples=200, deadline=None)
def test_trace_ends_in_the_form(cell: str) -> None:
    """The audit's steps lead to the same text as the form, and name every change."""
    settled, changes = text.trace(cell, text.CLEAN_STEPS)

    assert text.clean(cell) == settled
    assert (cell != settled) <= bool(changes)


def test_nul_stays() -> None:
    """A NUL is not deleted: it is an error to report, not a mark to lose."""
    assert "a\x00b" == text.clean("a\x00b")


@needs_shared
def test_search_keys_of_the_vectors() -> None:
    """Spellings of one word have one key; words that must not meet do not."""
    vectors = json.loads(
        (SHARED / "conformance" / "search_fold.json").read_text("utf-8")
    )

    assert 17 == len(vectors["same"])
    for same in vectors["same"]:
        assert 1 == len({search_key.key(spelling) for spelling in same}), same
    for case in vectors["keys"]:
        assert case["keys"] == search_key.words(case["text"])
    for one, other in vectors["meet"]:
        assert set(search_key.variants(one)) & set(search_key.variants(other))
    for one, other in vectors["differ"]:
        assert not set(search_key.words(one)) >= set(search_key.words(other))


@needs_shared
def test_search_finds_the_documents() -> None:
    """Every query of the vectors finds its documents by keys, and no other."""
    vectors = json.loads(
        (SHARED / "conformance" / "search_fold.json").read_text("utf-8")
    )
    documents = [
        {key for word in document.split() for key in search_key.variants(word)}
        | set(search_key.words(document))
        for document in vectors["documents"]
    ]

    assert 21 == len(vectors["hits"])
    for query, hits in vectors["hits"].items():
        asked = search_key.words(query)
        spellings = search_key.variants(query) if len(asked) == 1 else []
        found = [
            number
            for number, keys in enumerate(documents)
            if set(asked) <= keys or any(one in keys for one in spellings)
        ]
        assert hits == found, query


@pytest.mark.parametrize(
    ("word", "stem"),
    [("شهر", "شهر"), ("ها", "ها"), ("بودجه‌های", "بودجه"), ("کتابهایی", "کتاب")],
)
def test_stem_leaves_a_word(word: str, stem: str) -> None:
    """An ending goes only while three letters or more remain."""
    assert [stem] == search_key.words(word)
