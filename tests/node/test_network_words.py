"""Peers and logs in words: the same facts in both languages."""

from typing import Any

import pytest

from shahrdad.datasets.errors import Language
from shahrdad.node.peering.network_words import WORDS, moment, peer_lines

LANGUAGES: tuple[Language, ...] = ("fa", "en")
PEER = {
    "name": "shiraz",
    "address": "127.0.0.1:50051",
    "static": "",
    "state": "ok",
    "failures": 0,
    "last_contact": "2026-11-22T09:00:00Z",
    "next_try": None,
    "error": None,
}
LOG = {
    "origin": "shiraz.example.ir/catalog",
    "city": "shiraz",
    "own": False,
    "size": 41,
    "state": "confirmed",
    "status": "active",
    "cosignatures": 3,
    "newest_cosignature": "2026-11-22T09:00:00Z",
    "missing_bodies": 0,
}


def said(language: Language, *, peer: Any = PEER, log: Any = LOG) -> str:
    """Return what is said of one peer and one log."""
    status = {"peers": [peer], "logs": [log], "quorum": 2}
    return "\n".join(peer_lines(status, language))


def test_both_languages_have_the_same_sentences() -> None:
    """No sentence, and no fact in one, is missing in the other."""
    assert WORDS["fa"].keys() == WORDS["en"].keys()
    for name, sentence in WORDS["en"].items():
        facts = {part.split("}")[0] for part in sentence.split("{")[1:]}
        persian = {part.split("}")[0] for part in WORDS["fa"][name].split("{")[1:]}

        assert facts == persian


@pytest.mark.parametrize("language", LANGUAGES)
def test_silent_peer_says_since_when_and_why(language: Language) -> None:
    """Failures in a row, the last answer, the next try, and the reason."""
    error = {"fa": "خاموش است", "en": "it is silent"}
    text = said(
        language,
        peer={
            **PEER,
            "state": "failing",
            "failures": 4,
            "next_try": "2026-11-22T10:30:00Z",
            "error": error,
        },
    )

    assert "4" in text
    assert "12:30" in text
    assert "14:00" in text
    assert error[language] in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"state": "stale"}, "12:30"),
        ({"status": "paused"}, "shahrdad resume shiraz.example.ir/catalog"),
        ({"state": "quarantined", "status": "quarantined"}, "shahrdad evidence"),
        ({"missing_bodies": 17}, "17"),
        ({"cosignatures": 9}, "9"),
        ({"status": "frozen"}, {"fa": "منجمد", "en": "frozen"}),
    ],
)
def test_what_is_wrong_with_a_log_is_said(
    language: Language, change: dict[str, Any], word: Any
) -> None:
    """Each state is a sentence, with the command that helps where there is one."""
    text = said(language, log={**LOG, **change})

    assert (word[language] if isinstance(word, dict) else word) in text


def test_days_are_jalali_and_hours_are_tehrans() -> None:
    """As people in the cities read them."""
    assert "1 Azar 1405 12:30" == moment("2026-11-22T09:00:00Z", "en")
    assert "۱ آذر ۱۴۰۵ 12:30" == moment("2026-11-22T09:00:00Z", "fa")
    assert "never" == moment(None, "en")
