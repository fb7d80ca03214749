"""The full-text index of the catalog: SQLite FTS5 over words that we folded ourselves.

The words of a record go in twice: as search keys (stemmed) and as folded words, so an
exact form ranks before another form of the word. A query is words (AND), `"phrase"` and
`-word`; FTS5's own syntax never reaches it, since each token is quoted by us.
"""

import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shahrdad.node.limits import QUERY_LETTERS_MAX, QUERY_WORDS_MAX
from shahrdad.validators.normalise.search_key import fold, folded_words, words

WEIGHTS = "8.0, 4.0, 2.0, 1.0, 8.0, 4.0, 2.0, 1.0"
_PIECE = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')


@dataclass(frozen=True, slots=True)
class Query:
    """A search as it was read.

    Attributes:
        match: FTS5 expression, or None when no word is left.
        folded: How the query was read, for showing.
    """

    match: str | None
    folded: str


def read_query(text: str) -> Query:
    """Turn what a person typed into an FTS5 expression."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, word in _PIECE.findall(text[:QUERY_LETTERS_MAX]):
        terms = [_phrase(phrase)] if phrase else _terms(word)
        (unwanted if minus else wanted).extend(term for term in terms if term)
    wanted, unwanted = wanted[:QUERY_WORDS_MAX], unwanted[:QUERY_WORDS_MAX]
    if not wanted:
        return Query(None, fold(text).strip())
    match = " AND ".join(wanted)
    if unwanted:
        match = f"({match}) NOT ({' OR '.join(unwanted)})"
    return Query(match, fold(text).strip())


def forms(text: str, read: Callable[[str], list[str]]) -> list[tuple[str, ...]]:
    """Return the words of a text, each with its spelling variants.

    A word with waw-hamza is also known with yeh-hamza: both spellings are in use.
    """
    plain = read(text)
    composed = unicodedata.normalize("NFKC", text)
    if "ؤ" not in composed:
        return [(word,) for word in plain]
    other = read(composed.replace("ؤ", "ئ"))
    return [tuple(dict.fromkeys(pair)) for pair in zip(plain, other, strict=True)]


def _terms(text: str) -> list[str]:
    """Return an expression for each word of a text: any of its forms."""
    return [
        "(" + " OR ".join(f'"{form}"' for form in dict.fromkeys((*stems, *exact))) + ")"
        for stems, exact in zip(
            forms(text, words), forms(text, folded_words), strict=True
        )
    ]


def _phrase(text: str) -> str:
    """Return an expression for adjacent words."""
    stems = words(text)
    return f'"{" ".join(stems)}"' if stems else ""


def write(
    connection: sqlite3.Connection, dataset: int, body: Mapping[str, Any]
) -> None:
    """Index a record under a dataset's row number, replacing what was there."""
    remove(connection, dataset)
    texts = _texts(body)
    stemmed = [_joined(forms(text, words)) for text in texts]
    folded = [_joined(forms(text, folded_words)) for text in texts]
    connection.execute(
        "INSERT INTO search(rowid, title, keywords, fields, description, title_x,"
        " keywords_x, fields_x, description_x) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (dataset, *stemmed, *folded),
    )
    connection.executemany(
        "INSERT INTO term VALUES (?, 1) ON CONFLICT(word) DO UPDATE SET df=df+1",
        [(word,) for word in sorted({w for text in folded for w in text.split()})],
    )


def remove(connection: sqlite3.Connection, dataset: int) -> None:
    """Take a dataset out of the index; absent is fine."""
    row = connection.execute(
        "SELECT title_x, keywords_x, fields_x, description_x FROM search WHERE rowid=?",
        (dataset,),
    ).fetchone()
    if row is None:
        return
    connection.execute("DELETE FROM search WHERE rowid=?", (dataset,))
    connection.executemany(
        "UPDATE term SET df=df-1 WHERE word=?",
        [(word,) for word in sorted({w for text in row for w in text.split()})],
    )
    connection.execute("DELETE FROM term WHERE df<=0")


def _joined(found: Iterable[tuple[str, ...]]) -> str:
    """Return the variants of all words as one text for the tokenizer."""
    return " ".join(variant for variants in found for variant in variants)


def _texts(body: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return title, keywords, field titles and description, in both languages."""
    titles = _strings(body.get("title"), body.get("title_en"), body.get("name"))
    keywords = _strings(*_items(body.get("keywords")), *_items(body.get("keywords_en")))
    fields: list[str] = []
    for resource in _items(body.get("resources")):
        schema = resource.get("schema") if isinstance(resource, dict) else None
        for item in _items(schema.get("fields") if isinstance(schema, dict) else None):
            if isinstance(item, dict):
                fields += _strings(item.get("title"), item.get("title_en"))
    descriptions = _strings(body.get("description"), body.get("description_en"))
    return (
        " ".join(titles),
        " ".join(keywords),
        " ".join(fields),
        " ".join(descriptions),
    )


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _strings(*values: object) -> list[str]:
    return [value for value in values if isinstance(value, str)]
