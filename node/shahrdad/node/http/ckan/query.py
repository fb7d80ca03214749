"""The query language of `q` and `fq`: a small parser for what CKAN's clients send.

    query  = *( clause )                      between clauses: AND, OR; a space is AND
    clause = [ "+" / "-" / NOT ] ( "(" query ")" / [ field ":" ] value )
    value  = word / "phrase" / "*" / "(" query ")" / range
    range  = ( "[" / "{" ) bound TO bound ( "]" / "}" )

Words go through the same fold as our own search. An unknown field matches nothing, so
its negation matches everything. `%20` in a value is a space: one client encodes twice.
What a query finds is `selection`'s matter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shahrdad.node.http import limits
from shahrdad.validators.normalise.search_key import words

CLAUSES_MAX = 256
DEPTH_MAX = 20
OPERATORS = frozenset({"AND", "OR", "NOT", "&&", "||"})
_TOKEN = re.compile(
    r'\s*(?:(?P<range>[\[{][^\]}]*\sTO\s[^\]}]*[\]}])|(?P<quoted>"(?:[^"\\]|\\.)*")'
    r"|(?P<mark>[()])|(?P<sign>[+-](?=[^\s]))"
    r'|(?P<field>[A-Za-z_][\w.-]*):(?=\S)|(?P<word>[^\s()"]+))'
)


@dataclass(frozen=True, slots=True)
class Words:
    """All of some search keys in a field's texts; `field` None is any text."""

    keys: tuple[str, ...]
    field: str | None = None
    beginning: bool = False  # the keys are beginnings of words
    together: bool = False  # the keys are a phrase


@dataclass(frozen=True, slots=True)
class Equal:
    """A value of a field; `beginning` where only its begin is given."""

    field: str
    text: str
    beginning: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """Any value of a field."""

    field: str


@dataclass(frozen=True, slots=True)
class Span:
    """A value of a field between bounds; None is no bound."""

    field: str
    low: str | None
    high: str | None
    above: bool  # the low bound itself is out
    below: bool  # the high bound itself is out


@dataclass(frozen=True, slots=True)
class Not:
    """What a query does not find."""

    query: "Query"


@dataclass(frozen=True, slots=True)
class Every:
    """What all of some queries find; of none: everything."""

    queries: tuple["Query", ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """What one of some queries finds; of none: nothing."""

    queries: tuple["Query", ...] = ()


Query = Words | Equal | Present | Span | Not | Every | Some


class QuerySyntaxError(ValueError):
    """The query cannot be read; private to the facade, which answers in CKAN's way."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse(query: str) -> Query:
    """Return what a query asks.

    Raises:
        QuerySyntaxError: it cannot be read.
    """
    plain = query.replace("%20", " ")[: limits.ADDRESS_ROWS_BYTES_MAX]
    if plain.strip() in {"", "*:*", "*"}:
        return Every()
    tokens = _tokens(plain)
    parser = _Parser(tokens)
    found = parser.query(0)
    if parser.place < len(tokens):
        raise QuerySyntaxError(tokens[parser.place].text)
    return found


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise QuerySyntaxError(text[place : place + 20])
        kind = match.lastgroup or "word"
        found.append(_Token(kind, match[kind]))
        place = match.end()
    if len(found) > CLAUSES_MAX:
        raise QuerySyntaxError("too many clauses")
    return found


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self.place = 0

    def query(self, depth: int, field: str | None = None) -> Query:
        """Read clauses up to a closing parenthesis or the end."""
        if depth > DEPTH_MAX:
            raise QuerySyntaxError("too deep")
        groups: list[list[Query]] = [[]]
        while (token := self._peek()) is not None and token.text != ")":
            if token.kind == "word" and token.text in {"AND", "&&"}:
                self.place += 1
            elif token.kind == "word" and token.text in {"OR", "||"}:
                self.place += 1
                groups.append([])
            else:
                groups[-1].append(self._clause(depth, field))
        filled = [_all_of(group) for group in groups if group]
        return filled[0] if len(filled) == 1 else Some(tuple(filled))

    def _neighbours(self, text: str) -> str:
        """Return a word with the words after it: a plural ending may stand apart."""
        found = [text]
        while (token := self._peek()) is not None and token.kind == "word":
            if token.text in OPERATORS or "*" in token.text + found[-1]:
                break
            found.append(token.text)
            self.place += 1
        return " ".join(found)

    def _clause(
        self, depth: int, field: str | None, *, alone: bool = False, signs: int = 0
    ) -> Query:
        if signs > DEPTH_MAX:
            raise QuerySyntaxError("too deep")
        token = self._next()
        if token.kind == "sign" or token.text == "NOT":
            found = self._clause(depth, field, alone=True, signs=signs + 1)
            return found if token.text == "+" else Not(found)
        if token.kind == "word" and field is None and not alone:
            return _word(self._neighbours(token.text))
        if token.kind == "field" and field is None:
            return self._value(depth, token.text)
        self.place -= 1
        return self._value(depth, field)

    def _value(self, depth: int, field: str | None) -> Query:
        token = self._next()
        if token.text == "(" and token.kind == "mark":
            found = self.query(depth + 1, field)
            if self._next().text != ")":
                raise QuerySyntaxError("(")
            return found
        if token.kind == "range":
            return _span(field, token.text)
        if token.kind == "quoted":
            literal = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            if field is None:
                return Words(tuple(words(literal)), together=True)
            return _equal(field, literal)
        return _word(token.text) if field is None else _equal(field, token.text)

    def _peek(self) -> _Token | None:
        return self._tokens[self.place] if self.place < len(self._tokens) else None

    def _next(self) -> _Token:
        token = self._peek()
        if token is None:
            raise QuerySyntaxError("unexpected end")
        self.place += 1
        return token


def _all_of(group: list[Query]) -> Query:
    return group[0] if len(group) == 1 else Every(tuple(group))


def _word(text: str) -> Query:
    """Return the query for a word in any text of a dataset."""
    if text in {"*", "*:*"}:
        return Every()
    keys = tuple(words(text.rstrip("*")))
    return Words(keys, beginning=text.endswith("*")) if keys else Every()


def _equal(field: str, text: str) -> Query:
    """Return the query for a field's value; text fields are searched by words."""
    if text == "*":
        return Present(field)
    if field in {"title", "notes", "text"}:
        return Words(tuple(words(text)), field)
    if text.endswith("*"):
        return Equal(field, text[:-1], beginning=True)
    return Equal(field, text)


def _span(field: str | None, text: str) -> Query:
    if field is None:
        raise QuerySyntaxError(text[:40])
    begin, _, end = text[1:-1].partition(" TO ")
    return Span(field, bound_of(begin), bound_of(end), text[0] == "{", text[-1] == "}")


def bound_of(text: str) -> str | None:
    """Return the bound of a range as dates are compared; None for no bound."""
    plain = text.strip().strip('"')
    if plain == "*":
        return None
    if plain == "NOW":
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return plain.removesuffix("Z")
