"""`did_you_mean`: the nearest query that would find something.

One edit a word, over the words of the index: a letter too many, too few, another or
changed places, or a space that was forgotten. Text typed with the keyboard in the
other language is read as it was meant.
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence

from shahrdad.validators.normalise.search_key import folded_words

LETTERS = "ابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی"
_ASCII = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
WORD_LETTERS_MIN, WORD_LETTERS_MAX = 3, 24
_BATCH = 500  # values of one statement

# The standard Persian keyboard (ISIRI 9147), key by key.
_KEYS = "qwertyuiop[]asdfghjkl;'zxcvbnm,"
_PERSIAN_KEYS = "ضصثقفغعهخحجچشسیبلاتنمکگظطزرذدپو"
_TO_PERSIAN = str.maketrans(dict(zip(_KEYS, _PERSIAN_KEYS, strict=True)))
_TO_LATIN = str.maketrans(dict(zip(_PERSIAN_KEYS, _KEYS, strict=True)))


def nearest_query(connection: sqlite3.Connection, text: str) -> str | None:
    """Return the query that a person may have meant, or None.

    Args:
        connection: To the node's database.
        text: The query as typed; quotes and minus are read as words.
    """
    typed = folded_words(text)
    found = [nearest_word(connection, word) for word in typed]
    if typed and all(found):
        better = " ".join(word for word in found if word)
        if better != " ".join(typed):
            return better
    return _other_keyboard(connection, text)


def nearest_word(connection: sqlite3.Connection, word: str) -> str | None:
    """Return the word of the index nearest to a word; itself when it is there."""
    if _frequencies(connection, [word]):
        return word
    if not WORD_LETTERS_MIN <= len(word) <= WORD_LETTERS_MAX:
        return None
    known = _frequencies(connection, edits(word))
    if known:
        return max(sorted(known), key=lambda one: known[one])
    parts = [(word[:at], word[at:]) for at in range(2, len(word) - 1)]
    halves = _frequencies(connection, [half for pair in parts for half in pair])
    whole = [pair for pair in parts if pair[0] in halves and pair[1] in halves]
    if not whole:
        return None
    return " ".join(max(whole, key=lambda pair: min(map(halves.__getitem__, pair))))


def edits(word: str) -> set[str]:
    """Return all words that are one edit away."""
    letters = _ASCII if word.isascii() and not word.isdigit() else LETTERS
    if any(letter.isdigit() for letter in word):
        letters = _DIGITS if word.isdigit() else letters + _DIGITS
    halves = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    found = {a + b[1:] for a, b in halves if b}
    found |= {a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1}
    found |= {a + letter + b[1:] for a, b in halves if b for letter in letters}
    found |= {a + letter + b for a, b in halves for letter in letters}
    return found - {word, ""}


def _other_keyboard(connection: sqlite3.Connection, text: str) -> str | None:
    """Return a text as its keys read on the other keyboard, if the index knows it."""
    lowered = text.strip().lower()
    latin = re.search("[a-z]", lowered) is not None
    other = lowered.translate(_TO_PERSIAN if latin else _TO_LATIN)
    words = folded_words(other)
    if words and words != folded_words(text) and _all_known(connection, words):
        return " ".join(words)
    return None


def _all_known(connection: sqlite3.Connection, words: Sequence[str]) -> bool:
    known = _frequencies(connection, words)
    return all(word in known for word in words)


def _frequencies(
    connection: sqlite3.Connection, words: Iterable[str]
) -> dict[str, int]:
    """Return how many datasets each known word is in."""
    wanted = sorted(set(words))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        marks = ",".join("?" * len(batch))
        found |= dict(
            connection.execute(
                f"SELECT word, df FROM term WHERE word IN ({marks})",  # noqa: S608
                batch,
            ).fetchall()
        )
    return found
