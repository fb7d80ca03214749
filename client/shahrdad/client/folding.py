"""Which records hold some words, where no search index is at hand.

Letters and digits that people type for one another are one; there are no stems and no
ranks. A node's own search knows more forms of a word.

>>> from shahrdad.client.folding import fold
>>> fold("بودجهٔ ۱۴۰۴") == fold("بودجه 1404")
True
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

_SAME = {
    0x064A: "\u06cc",
    0x0649: "\u06cc",
    0x0626: "\u06cc",
    0x0643: "\u06a9",
    0x0629: "\u0647",
    0x06C0: "\u0647",
    0x0624: "\u0648",
    0x0622: "\u0627",
    0x0623: "\u0627",
    0x0625: "\u0627",
    0x0640: None,  # tatweel
    0x200C: None,  # a zero-width non-joiner is often lost, so none counts
    0x200D: None,
}


def fold(text: str) -> str:
    """Return a text as its words are compared."""
    letters = unicodedata.normalize("NFKC", text).translate(_SAME)
    return "".join(
        str(unicodedata.digit(letter, letter))
        for letter in unicodedata.normalize("NFD", letters).casefold()
        if unicodedata.category(letter) != "Mn"
    )


def matches(words: str, ref: str, body: Mapping[str, Any]) -> bool:
    """Return whether a record holds every word, in any of its texts."""
    keywords = [*body.get("keywords", []), *body.get("keywords_en", [])]
    texts = [
        ref,
        *(body.get(name, "") for name in ("title", "title_en", "description")),
        body.get("description_en", ""),
        *keywords,
    ]
    held = fold(" ".join(map(str, texts)))
    return all(word in held for word in fold(words).split())
