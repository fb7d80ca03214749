"""Suggestions while a person types: titles, cities, families and fields.

The last word is a beginning; the words before it are whole. Cities, families and fields
are few and known, so they are compared here; titles come from the index, newest first,
and reading them stops after `SUGGEST_SECONDS_MAX`.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from shahrdad.datasets import standards
from shahrdad.node.search.fts5 import interrupted_after
from shahrdad.validators.normalise.search_key import folded_words

SUGGESTIONS_MAX = 8
SUGGEST_SECONDS_MAX = 0.05
PREFIX_LETTERS_MIN = 2
Kind = Literal["city", "family", "title", "field"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a person may be about to type.

    Attributes:
        name: Slug of a city, id of a family, reference of a dataset, name of a field.
    """

    kind: Kind
    fa: str
    en: str
    name: str


def suggest(
    connection: sqlite3.Connection, text: str, limit: int = SUGGESTIONS_MAX
) -> list[Suggestion]:
    """Return at most `limit` suggestions: cities, families, titles, fields."""
    typed = folded_words(text)
    if not typed or len(typed[-1]) < PREFIX_LETTERS_MIN:
        return []
    found: list[Suggestion] = []
    seen: set[tuple[str, str]] = set()
    for one in _candidates(connection, typed, limit):
        if (one.kind, one.fa) not in seen:
            seen.add((one.kind, one.fa))
            found.append(one)
        if len(found) == limit:
            break
    return found


def _candidates(
    connection: sqlite3.Connection, typed: list[str], limit: int
) -> Iterator[Suggestion]:
    """Yield what fits, the best kind first."""
    half = max(1, limit // 2)
    known = [
        one
        for one in _cities()
        if _fits(one, typed) and _has_live(connection, one.name)
    ]
    known += [one for one in _families() if _fits(one, typed)]
    yield from known[:half]
    yield from _titles(connection, typed, limit)
    yield from known[half:]
    yield from (one for one in _fields() if _fits(one, typed))


def _fits(one: Suggestion, typed: list[str]) -> bool:
    """Tell whether a name has the typed words, the last one as a beginning."""
    words = _words_of(one)
    whole = all(word in words for word in typed[:-1])
    return whole and any(word.startswith(typed[-1]) for word in words)


def _titles(
    connection: sqlite3.Connection, typed: list[str], limit: int
) -> list[Suggestion]:
    """Return titles from the index, the dataset that was added last first."""
    whole = [f'"{word}"' for word in typed[:-1]]
    match = "title_x : (" + " AND ".join([*whole, f'"{typed[-1]}"*']) + ")"
    found: list[Suggestion] = []
    with interrupted_after(connection, SUGGEST_SECONDS_MAX):
        rows = connection.execute(
            "SELECT d.title_fa, d.title_en, d.ref FROM search"
            " JOIN dataset d ON d.id=search.rowid WHERE search MATCH ?"
            " ORDER BY search.rowid DESC LIMIT ?",
            (match, limit),
        )
        found += [Suggestion("title", fa, en, ref) for fa, en, ref in rows]
    return found


@lru_cache(maxsize=4096)
def _words_of(one: Suggestion) -> frozenset[str]:
    return frozenset((*folded_words(one.fa), *folded_words(one.en)))


def _has_live(connection: sqlite3.Connection, city: str) -> bool:
    """Tell whether a city publishes or is mirrored here."""
    row = connection.execute(
        "SELECT 1 FROM dataset WHERE state='live' AND city=? LIMIT 1", (city,)
    )
    return row.fetchone() is not None


@lru_cache(maxsize=1)
def _cities() -> tuple[Suggestion, ...]:
    return tuple(
        Suggestion("city", city.name_fa, city.name_en, city.slug)
        for city in sorted(standards.cities(), key=lambda city: city.slug)
    )


@lru_cache(maxsize=1)
def _families() -> tuple[Suggestion, ...]:
    return tuple(
        Suggestion("family", standard.title_fa, standard.title_en, name)
        for name in standards.families()
        for standard in (standards.load(name),)
    )


@lru_cache(maxsize=1)
def _fields() -> tuple[Suggestion, ...]:
    """Return the fields of all standards, each name once."""
    found: dict[str, Suggestion] = {}
    for name in standards.families():
        for item in standards.load(name).fields:
            one = Suggestion("field", item.title_fa, item.title_en, item.name)
            found.setdefault(item.name, one)
    return tuple(found.values())
