"""The full-text index of the catalog: SQLite FTS5 over words that we folded ourselves.

The words of a record go in twice: as search keys (stemmed) and as folded words, so an
exact form ranks before another form of the word. A query is words (AND), `"phrase"` and
`-word`; FTS5's own syntax never reaches it, since each token is quoted by us.
"""

import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shahrdad.node.limits import QUERY_LETTERS_MAX, QUERY_WORDS_MAX
from shahrdad.validators.normalise.search_key import fold, folded_words, stem, words

WEIGHTS = "8.0, 4.0, 2.0, 1.0, 8.0, 4.0, 2.0, 1.0"
JOINED_WORDS_MAX = 3  # neighbours of a query that may be one word of the index
_stem = lru_cache(maxsize=65_536)(stem)
_PIECE = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that a dataset must have, in any of its forms.

    Attributes:
        keys: Search keys, each enough; one with spaces is words side by side.
        exact: The folded word as typed, which ranks higher.
    """

    keys: tuple[str, ...]
    exact: tuple[str, ...] = ()

    def match(self, *, ranked: bool = True) -> str:
        """Return the FTS5 expression; without `ranked`, the least that finds it."""
        wanted = (*self.keys, *self.exact) if ranked else self.keys
        return "(" + " OR ".join(f'"{form}"' for form in dict.fromkeys(wanted)) + ")"


@dataclass(frozen=True, slots=True)
class Query:
    """A search as it was read.

    Attributes:
        match: FTS5 expression, or None when no word is left.
        folded: How the query was read, for showing.
        wanted: All of these must be there.
        unwanted: None of these may be there.
    """

    match: str | None
    folded: str
    wanted: tuple[Term, ...] = ()
    unwanted: tuple[Term, ...] = ()

    def matching(self) -> str:
        """Return the cheapest FTS5 expression that finds the same datasets."""
        return _expression(self.wanted, self.unwanted, ranked=False)


def read_query(text: str) -> Query:
    """Turn what a person typed into an FTS5 expression.

    Words between quotes and minus signs are read together, since a plural ending may
    stand alone: "سامانه ها" is one word.
    """
    wanted: list[Term] = []
    unwanted: list[Term] = []
    run: list[str] = []
    for minus, phrase, word in _PIECE.findall(text[:QUERY_LETTERS_MAX]):
        if word and not minus:
            run.append(word)
            continue
        wanted += _terms(" ".join(run))
        run = []
        (unwanted if minus else wanted).extend(_phrase(phrase) or _terms(word))
    wanted += _terms(" ".join(run))
    return _query(wanted, unwanted, fold(text[:QUERY_LETTERS_MAX]).strip())


def with_joined(query: Query, known: Callable[[Sequence[str]], Iterable[str]]) -> Query:
    """Return the query that also finds neighbouring words written as one.

    "نرم افزار" is written with a half-space too, and then is one word of the index.

    Args:
        query: As it was read.
        known: Which of some search keys are in the index.
    """
    wanted, typed = query.wanted, [term.exact[:1] for term in query.wanted]
    spans = {
        stem("".join(word for (word,) in typed[start:end])): (start, end)
        for start in range(len(typed))
        for end in range(start + 2, min(start + JOINED_WORDS_MAX, len(typed)) + 1)
        if all(typed[start:end])  # a phrase is not joined to its neighbours
    }
    more: dict[int, list[str]] = {}
    for joined in known(sorted(spans)):
        for place in range(*spans[joined]):
            more.setdefault(place, []).append(joined)
    if not more:
        return query
    terms = [
        Term((*term.keys, *more.get(place, ())), term.exact)
        for place, term in enumerate(wanted)
    ]
    return _query(terms, query.unwanted, query.folded)


def _query(wanted: Sequence[Term], unwanted: Sequence[Term], folded: str) -> Query:
    wanted, unwanted = wanted[:QUERY_WORDS_MAX], unwanted[:QUERY_WORDS_MAX]
    if not wanted:
        return Query(None, folded)
    match = _expression(wanted, unwanted, ranked=True)
    return Query(match, folded, tuple(wanted), tuple(unwanted))


def _expression(
    wanted: Sequence[Term], unwanted: Sequence[Term], *, ranked: bool
) -> str:
    """Return the FTS5 expression of a query."""
    match = " AND ".join(term.match(ranked=ranked) for term in wanted)
    if unwanted:
        without = " OR ".join(term.match(ranked=ranked) for term in unwanted)
        match = f"({match}) NOT ({without})"
    return match


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


def _terms(text: str) -> list[Term]:
    """Return a term for each word of a text: any of its forms.

    A word with a half-space inside is also looked for in parts, side by side.
    """
    pairs = zip(forms(text, words), forms(text, folded_words), strict=True)
    found = [Term(stems, exact) for stems, exact in pairs]
    parted = {
        "".join(parts): " ".join(parts)
        for word in text.split()
        if "\u200c" in word and len(parts := words(word.replace("\u200c", " "))) > 1
    }
    return [
        Term((*term.keys, parted[term.keys[0]]), term.exact)
        if term.keys[0] in parted
        else term
        for term in found
    ]


def _phrase(text: str) -> list[Term]:
    """Return the term of adjacent words."""
    stems = words(text)
    return [Term((" ".join(stems),))] if stems else []


def tokens(body: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the search keys and the folded words of a record.

    Each has four texts, in the order of the index's columns: title, keywords, titles of
    fields, description.
    """
    folded = [forms(text, folded_words) for text in _texts(body)]
    return [_joined(map(_stems, one)) for one in folded], [*map(_joined, folded)]


def insertion(table: str) -> str:
    """Return the statement that indexes a row number with its `tokens`."""
    return (
        f"INSERT INTO {table}(rowid, title, keywords, fields, description, title_x,"  # noqa: S608 - names from here
        " keywords_x, fields_x, description_x) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )


def write(
    connection: sqlite3.Connection, dataset: int, body: Mapping[str, Any]
) -> None:
    """Index a record under a dataset's row number, replacing what was there."""
    remove(connection, dataset)
    stemmed, folded = tokens(body)
    connection.execute(insertion("search"), (dataset, *stemmed, *folded))
    for table, texts in (("term", folded), ("term_key", stemmed)):
        connection.executemany(
            f"INSERT INTO {table} VALUES (?, 1)"  # noqa: S608
            " ON CONFLICT(word) DO UPDATE SET df=df+1",
            [(word,) for word in _distinct(texts)],
        )


def remove(connection: sqlite3.Connection, dataset: int) -> None:
    """Take a dataset out of the index; absent is fine."""
    connection.execute("DELETE FROM search_change WHERE dataset=?", (dataset,))
    connection.execute("INSERT INTO search_change(dataset) VALUES (?)", (dataset,))
    row = connection.execute(
        "SELECT title_x, keywords_x, fields_x, description_x,"
        " title, keywords, fields, description FROM search WHERE rowid=?",
        (dataset,),
    ).fetchone()
    if row is None:
        return
    connection.execute("DELETE FROM search WHERE rowid=?", (dataset,))
    for table, texts in (("term", row[:4]), ("term_key", row[4:])):
        gone = [(word,) for word in _distinct(texts)]
        connection.executemany(
            f"UPDATE {table} SET df=df-1 WHERE word=?",  # noqa: S608
            gone,
        )
        connection.executemany(
            f"DELETE FROM {table} WHERE word=? AND df<=0",  # noqa: S608
            gone,
        )


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted({word for text in texts for word in text.split()})


def _stems(folded: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_stem, folded)))


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
