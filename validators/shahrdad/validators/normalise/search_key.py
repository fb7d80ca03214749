"""The search key (`interfaces.md` 6.1): one fold for search, headers and near names.

Words that a reader takes for the same have the same key, however they were typed: with
or without ZWNJ, with Arabic letters, in the plural, with either spelling of hamza.

>>> key("سامانه‌ها\u064a فعال") == key("سامانه فعال")
True
>>> words("شهرداری‌ها"), folded_words("شهرداری‌ها")
(['شهردار'], ['شهرداری'])
"""

import re
import unicodedata

from shahrdad.validators.normalise.digits import to_ascii

_DROPPED = re.compile(
    "[\u0610-\u061a\u064b-\u065f\u0670\u0640\u200d\u200e\u200f\u061c\u202a-\u202e"
    "\u2066-\u2069\u00ad\ufeff]"
)
_LETTERS = str.maketrans(
    {
        **dict.fromkeys("\u064a\u0649\u0626\u06cd\u06d0", "\u06cc"),
        **dict.fromkeys("\u0643\u06aa", "\u06a9"),
        **dict.fromkeys("\u0629\u06c0\u06c1\u06be\u06c2\u06d5", "\u0647"),
        **dict.fromkeys("\u0623\u0625\u0622\u0671", "\u0627"),
        "\u0624": "\u0648",
        "\u00a0": " ",
    }
)
_PERSIAN_GROUP = re.compile(r"(?<=[0-9])\u066c(?=[0-9])")
_COMMA_GROUP = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_JOINED_VERB = re.compile(r"(?<!\w)(ن?می)[\u200c ]+(?=\w)")
_ZWNJ_SUFFIX = re.compile(
    r"\u200c(?:هایشان|هایمان|هایی|های|ها|ترین|تر|اند|ای|ام|ات|اش)(?![\w\u200c])"
)
_SPACE_SUFFIX = re.compile(r"(?<=\w) (?:هایی|های|ها|ترین|تر)(?!\w)")
_ENDINGS = ("هایی", "های", "ها", "ترین", "تر", "ی")
_WORD = re.compile(r"\w+")
STEM_LETTERS_MIN = 3


def fold(text: str) -> str:
    """Return a text in which one letter, digit or space has one form."""
    text = unicodedata.normalize("NFKC", text)
    text = _DROPPED.sub("", text).translate(_LETTERS)
    text = to_ascii(text)
    text = _COMMA_GROUP.sub("", _PERSIAN_GROUP.sub("", text))
    return text.casefold()


def folded_words(text: str) -> list[str]:
    """Return the words of a text, folded, without plural and degree, not stemmed."""
    text = fold(text)
    text = _JOINED_VERB.sub(r"\1", text)
    text = _ZWNJ_SUFFIX.sub("", text)
    text = _SPACE_SUFFIX.sub("", text)
    return _WORD.findall(text.replace("\u200c", ""))


def stem(word: str) -> str:
    """Return a word without its endings, at most two, leaving three letters or more."""
    for _ in range(2):
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= STEM_LETTERS_MIN:
                word = word.removesuffix(ending)
                break
        else:
            return word
    return word


def words(text: str) -> list[str]:
    """Return the keys of a text's words, in their order."""
    return [stem(word) for word in folded_words(text)]


def variants(word: str) -> list[str]:
    """Return the keys under which one word is indexed and asked.

    A word with a hamza over waw is also known with one over yeh: both spellings of
    "responsible" meet, while "institute" still meets its plain spelling.
    """
    plain = words(word)
    if "\u0624" not in unicodedata.normalize("NFKC", word):
        return plain
    other = words(unicodedata.normalize("NFKC", word).replace("\u0624", "\u0626"))
    return [*plain, *(key_ for key_ in other if key_ not in plain)]


def key(text: str) -> str:
    """Return the keys of a text's words, joined by a space."""
    return " ".join(words(text))
