"""What a query of CKAN's language finds, as SQL over the cards.

A field is one of these:

    column       a value of the card itself
    enumerated   follows from the city, the standard or the year; the few values that
                 match are looked up first, and the card is asked for their owners
    posting      one of several values: keywords, formats
    constant     the same for every dataset

Words are those of our own search, so every door finds the same datasets by them; the
names of cities and standards are words of their datasets too.
"""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from shahrdad.node.config import Config
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.ckan import dictionaries
from shahrdad.node.http.ckan.query import (
    Equal,
    Every,
    Not,
    Present,
    Query,
    Some,
    Span,
    Words,
)
from shahrdad.node.http.ckan.word_sets import Finding, of_match, of_owners, of_term
from shahrdad.node.http.dataset_object import YEARS, period
from shahrdad.node.search.fts5 import frequencies
from shahrdad.validators.normalise.search_key import words

RARE_MAX = 20_000  # from a list of so few datasets, the list leads and not an order
EACH_MAX = 16  # values with a set for each
SETS_MIN = 2_000  # datasets of a word or keyword that sets of bits are read for
Value = str | int
Test = Callable[[str], bool]

COLUMNS: Mapping[str, str] = {
    "id": "c.uid",
    "identifier": "c.uid",
    "guid": "c.uid",
    "name": "c.name",
    "metadata_created": "c.created",
    "metadata_modified": "c.modified",
    "state": "+c.state",
    "shahrdad_ref": "c.ref",
    "issued": "substr(c.created, 1, 19) || 'Z'",
    "modified": "(SELECT v.time FROM dataset_version v"
    " WHERE v.dataset=c.dataset AND v.n=c.version)",
    "title_en": "(SELECT lower(d.title_en) FROM dataset d WHERE d.id=c.dataset)",
    "shahrdad_digest": "(SELECT lower(hex(d.sha256)) FROM dataset d"
    " WHERE d.id=c.dataset)",
    "license_id": "lower(c.license)",
    "title": "c.title",  # present or between; its words are in an index
    "text": "c.title",
    "notes": "(SELECT nullif(instr(p.json, CAST('\"notes\":null' AS BLOB)) = 0, 0)"
    " FROM card_package p WHERE p.dataset=c.dataset)",
}
TIMES = frozenset(
    COLUMNS[name]
    for name in ("metadata_created", "metadata_modified", "issued", "modified")
)
LAST = "\U0010ffff"  # after every letter: the end of what begins with a text
NUMBERS: Mapping[str, str] = {
    "num_tags": "c.tags",
    "num_resources": "c.resources",
    "shahrdad_version": "c.version",
}
CONSTANTS: Mapping[str, str] = {
    "type": "dataset",
    "dataset_type": "dataset",
    "capacity": "public",
    "private": "false",
    "language": "fa",
}
POSTINGS = frozenset({"tags", "res_format", "frequency"})
TALLIED = frozenset({"city", "family", "license", "state"})
_PARTS: Mapping[str | None, str] = {
    None: "title keywords description",
    "text": "title keywords description",
    "title": "title",
    "notes": "description",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL over `card c`, with a mark for each value.

    Attributes:
        rare: Few datasets pass: their list leads, instead of an order's index.
        slow: It reads an index of words, so what it finds is worth keeping.
        words: It is no more than one set of each of these groups; () for any other.
        term: It is no more than having this one value; None for any other.
    """

    sql: str
    values: tuple[Value, ...] = ()
    rare: bool = False
    slow: bool = False
    words: tuple[tuple[Finding, ...], ...] = ()
    term: int | None = None

    @property
    def is_common(self) -> bool:
        """Whether sets of bits find it fastest."""
        return bool(self.words) and not self.rare

    @property
    def is_tallied(self) -> bool:
        """Whether a tally of the cards answers it, as it has all columns named."""
        named = set(re.findall(r"\bc\.(\w+)", self.sql))
        return named <= TALLIED and "SELECT" not in self.sql


@dataclass(frozen=True, slots=True)
class Catalog:
    """What of a catalog queries are read with.

    Attributes:
        cities: That have datasets.
        families: That have datasets.
    """

    connection: sqlite3.Connection
    config: Config
    cities: Sequence[str]
    families: Sequence[str]


EVERYTHING, NOTHING = Condition("1"), Condition("0")


def condition(query: Query, catalog: Catalog) -> Condition:
    """Return the condition that a query is."""
    match query:
        case Every(parts):
            return every([condition(part, catalog) for part in parts])
        case Some(parts):
            return some([condition(part, catalog) for part in parts])
        case Not(part):
            found = condition(part, catalog)
            # A field without a value is not what is asked for: NOT leaves it unknown.
            return Condition(
                f"({found.sql}) IS NOT TRUE", found.values, slow=found.slow
            )
        case Words():
            return _words(query, catalog)
        case _:
            return _field(query, catalog)


def every(found: Sequence[Condition]) -> Condition:
    """Return the condition that all of some hold."""
    found = [one for one in found if one != EVERYTHING]
    if not found:
        return EVERYTHING
    words: tuple[tuple[Finding, ...], ...] = ()
    if all(one.words for one in found):
        words = tuple(group for one in found for group in one.words)
    return Condition(
        " AND ".join(f"({one.sql})" for one in found),
        tuple(value for one in found for value in one.values),
        # Where a common word stands beside a rare one, their sets are faster still.
        any(one.rare for one in found)
        and not (words and any(one.is_common for one in found)),
        any(one.slow for one in found),
        words,
        found[0].term if len(found) == 1 else None,
    )


def some(found: Sequence[Condition]) -> Condition:
    """Return the condition that one of some holds."""
    if not found:
        return NOTHING
    if EVERYTHING in found:
        return EVERYTHING
    if len(found) == 1:
        return found[0]
    return Condition(
        " OR ".join(f"({one.sql})" for one in found),
        tuple(value for one in found for value in one.values),
        slow=any(one.slow for one in found),
        words=(tuple(one for part in found for one in part.words[0]),)
        if all(len(part.words) == 1 for part in found)
        else (),
    )


def _words(query: Words, catalog: Catalog) -> Condition:
    """Return the condition of words in the texts of a dataset."""
    if not query.keys:
        return EVERYTHING
    if query.field == "title" or query.field == "notes":
        return _in_texts(query.keys, query, catalog)
    named = any(_named(key, query, catalog) for key in query.keys)
    if not named:
        return _in_texts(query.keys, query, catalog)
    if query.together:
        return some(
            [_in_texts(query.keys, query, catalog), _in_names(query.keys, catalog)]
        )
    return every(
        [
            some([_in_texts((key,), query, catalog), *_named(key, query, catalog)])
            for key in query.keys
        ]
    )


def _in_texts(keys: Sequence[str], query: Words, catalog: Catalog) -> Condition:
    """Return the condition that the index of words has these."""
    quoted = ['"' + key.replace('"', '""') + '"' for key in keys]
    if query.together:
        expression = '"' + " ".join(keys).replace('"', '""') + '"'
    else:
        ending = " *" if query.beginning else ""
        expression = " AND ".join(one + ending for one in quoted)
    parts = _PARTS[query.field]
    match = f"{{{parts}}} : ({expression})"
    counts = {} if query.beginning else frequencies(catalog.connection, sorted(keys))
    rare = bool(counts) or not query.beginning
    plain = not query.together and not query.beginning
    rare_max = SETS_MIN if plain else RARE_MAX
    rare = rare and min(counts.get(key, 0) for key in keys) < rare_max
    return Condition(
        "c.dataset IN (SELECT rowid FROM search WHERE search MATCH ?"
        " UNION ALL SELECT rowid FROM card_gone WHERE card_gone MATCH ?)",
        (match, match),
        rare,
        slow=True,
        words=tuple((of_match(f"{{{parts}}} : ({one})"),) for one in quoted)
        if plain
        else (),
    )


def _named(key: str, query: Words, catalog: Catalog) -> list[Condition]:
    """Return the conditions of cities and standards whose names have a word."""
    found = []
    for column, values in _names(catalog).items():
        having = [
            value
            for value, text in values
            if any(
                word.startswith(key) if query.beginning else word == key
                for word in text
            )
        ]
        if column == "c.city" and len(having) == len(values) > 0:
            return [EVERYTHING]  # every dataset has a city
        if having:
            owners = _among(column, having)
            name = column.partition(".")[2]
            # A set of each value is asked for by other words, too.
            each = [[one] for one in having] if len(having) <= EACH_MAX else [having]
            named = tuple(of_owners(name, values) for values in each)
            found.append(replace(owners, words=(named,)))
    return found


def _in_names(keys: Sequence[str], catalog: Catalog) -> Condition:
    """Return the condition that a name has these words side by side."""
    wanted = f" {' '.join(keys)} "
    return some(
        [
            _among(
                column,
                [value for value, text in values if wanted in f" {' '.join(text)} "],
            )
            for column, values in _names(catalog).items()
        ]
    )


def _names(catalog: Catalog) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Return the words of each city's and each standard's name, by column."""
    return {
        "c.city": [
            (city, _words_of(_city_title(city, catalog.config)))
            for city in catalog.cities
        ],
        "c.family": [
            (family, _words_of(dictionaries.group_title(family)))
            for family in catalog.families
        ],
    }


@lru_cache(maxsize=4_096)
def _words_of(text: str) -> tuple[str, ...]:
    return tuple(words(text))


def _city_title(city: str, config: Config) -> str:
    return str(dictionaries.organization(config, city)["title"])


def _among(column: str, values: Sequence[Value]) -> Condition:
    if not values:
        return NOTHING
    return Condition(f"{column} IN ({','.join('?' * len(values))})", tuple(values))


def _field(query: Equal | Present | Span, catalog: Catalog) -> Condition:
    """Return the condition on a field; nothing matches an unknown one."""
    name = query.field.removeprefix("extras_")
    if name in CONSTANTS:
        return EVERYTHING if _test(query)(CONSTANTS[name]) else NOTHING
    if name in COLUMNS:
        return _column(COLUMNS[name], query)
    if name in NUMBERS:
        return _number(NUMBERS[name], query)
    if name in POSTINGS:
        return _posting(name, query, catalog)
    values = _enumerated(name, catalog)
    if values is None:
        return NOTHING
    column, choices = values
    test = _test(query)
    return _among(column, [owner for owner, text in choices if test(text)])


def _enumerated(
    name: str, catalog: Catalog
) -> tuple[str, list[tuple[Value, str]]] | None:
    """Return the column that a field follows from, and its text for each value."""
    cities, config = catalog.cities, catalog.config
    match name:
        case "organization":
            return "c.city", [(city, city) for city in cities]
        case "owner_org":
            ids = [str(dictionaries.city_id(city)) for city in cities]
            return "c.city", [*zip(cities, ids, strict=True)]
        case "spatial":
            names = [city_name(city, config).name("fa") for city in cities]
            return "c.city", [*zip(cities, names, strict=True)]
        case "groups" | "shahrdad_family":
            return "c.family", [(family, family) for family in catalog.families]
        case "temporal_start" | "temporal_end":
            bound = name.removeprefix("temporal_")
            return "c.fiscal_year", [
                (year, str((period(year) or {})[bound])) for year in YEARS
            ]
    return None


def _test(query: Equal | Present | Span) -> Test:
    """Return whether a text is what is asked for."""
    match query:
        case Present():
            return bool
        case Equal(_, text, beginning):
            folded = text.casefold()
            if beginning:
                return lambda value: value.casefold().startswith(folded)
            return lambda value: value.casefold() == folded
        case Span(_, low, high, above, below):

            def inside(value: str) -> bool:
                order = 1 if low is None else _compare(value, low)
                if order < 0 or (above and order == 0):
                    return False
                order = -1 if high is None else _compare(value, high)
                return order < 0 or (not below and order == 0)

            return inside


def _compare(one: str, other: str) -> int:
    """Compare as numbers where both are."""
    try:
        numbers = float(one), float(other)
    except ValueError:
        return (one > other) - (one < other)
    return (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])


def _column(column: str, query: Equal | Present | Span) -> Condition:
    """Return the condition on a text; all but times are in small letters."""
    match query:
        case Present():
            return Condition(f"{column} IS NOT NULL")
        case Equal(_, text, beginning):
            folded = text.upper() if column in TIMES else text.casefold()
            if not beginning:
                return Condition(f"{column} = ?", (folded,))
            return Condition(f"{column} >= ? AND {column} < ?", (folded, folded + LAST))
        case Span():
            return _between(column, query, query.low, query.high)


def _number(column: str, query: Equal | Present | Span) -> Condition:
    """Return the condition on a number."""
    match query:
        case Present():
            return EVERYTHING
        case Equal(_, text, beginning):
            if beginning:
                like = re.sub(r"([%_\\])", r"\\\1", text) + "%"
                return Condition(f"{column} LIKE ? ESCAPE '\\'", (like,))
            return Condition(f"CAST({column} AS TEXT) = ?", (text,))
        case Span(_, low, high):
            bounds = [None if one is None else _whole(one) for one in (low, high)]
            return _between(column, query, *bounds)


def _whole(text: str) -> Value:
    """Return the bound of a number; a text stays one, and is above all numbers."""
    plain = text.strip()
    is_number = re.fullmatch(r"[+-]?[0-9]{1,15}", plain, re.ASCII)
    return int(plain) if is_number else text


def _between(
    column: str, span: Span, low: Value | None, high: Value | None
) -> Condition:
    found: list[str] = []
    values: list[Value] = []
    for bound, sign in (
        (low, ">" if span.above else ">="),
        (high, "<" if span.below else "<="),
    ):
        if bound is not None:
            found.append(f"{column} {sign} ?")
            values.append(bound)
    return Condition(" AND ".join(found) or f"{column} IS NOT NULL", tuple(values))


def common_words(connection: sqlite3.Connection, most: int) -> list[Finding]:
    """Return the sets of the commonest words, the commonest first."""
    rows = connection.execute(
        "SELECT word FROM term_key WHERE df >= ? ORDER BY df DESC LIMIT ?",
        (SETS_MIN, most),
    )
    parts = _PARTS[None]
    return [
        of_match(f'{{{parts}}} : ("{word}")')  # a word has no quotation mark
        for (word,) in rows
    ]


def _posting(name: str, query: Equal | Present | Span, catalog: Catalog) -> Condition:
    """Return the condition that a dataset has one of some values."""
    match query:
        case Present():
            found = EVERYTHING
        case Equal(_, text, beginning):
            folded = text.casefold()
            found = Condition("t.folded = ?", (folded,))
            if beginning:
                found = Condition(
                    "t.folded >= ? AND t.folded < ?", (folded, folded + LAST)
                )
        case Span():
            found = _between("t.value", query, query.low, query.high)
    terms = f"SELECT t.id FROM card_term t WHERE t.field=? AND {found.sql}"  # noqa: S608
    values = found.values
    count, first, last = catalog.connection.execute(
        "SELECT COALESCE(SUM(datasets), 0), MIN(term), MAX(term)"  # noqa: S608
        f" FROM card_count WHERE term IN ({terms})",
        (name, *values),
    ).fetchone()
    owners = f"card_posting p WHERE p.term IN ({terms})"
    one = first if first == last else None
    if one is not None and count >= SETS_MIN:
        return Condition(
            f"EXISTS (SELECT 1 FROM {owners} AND p.dataset=c.dataset)",  # noqa: S608
            (name, *values),
            words=((of_term(one),),),
            term=one,
        )
    if count < RARE_MAX:
        return Condition(
            f"c.dataset IN (SELECT p.dataset FROM {owners})",  # noqa: S608
            (name, *values),
            rare=True,
            term=one,
        )
    return Condition(
        f"EXISTS (SELECT 1 FROM {owners} AND p.dataset=c.dataset)",  # noqa: S608
        (name, *values),
    )
