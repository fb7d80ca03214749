"""The query language of `q` and `fq`: a small parser for what CKAN's clients send.

    query  = *( clause )                      between clauses: AND, OR; a space is AND
    clause = [ "+" / "-" / NOT ] ( "(" query ")" / [ field ":" ] value )
    value  = word / "phrase" / "*" / "(" query ")" / range
    range  = ( "[" / "{" ) bound TO bound ( "]" / "}" )

Words go through the same fold as our own search. An unknown field matches nothing, so
its negation matches everything. `%20` in a value is a space: one client encodes twice.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shahrdad.node.http import limits
from shahrdad.validators.normalise.search_key import words

CLAUSES_MAX = 1_000
DEPTH_MAX = 20
OPERATORS = frozenset({"AND", "OR", "NOT", "&&", "||"})
_TOKEN = re.compile(
    r'\s*(?:(?P<range>[\[{][^\]}]*\sTO\s[^\]}]*[\]}])|(?P<quoted>"(?:[^"\\]|\\.)*")'
    r"|(?P<mark>[()])|(?P<sign>[+-](?=[^\s]))"
    r'|(?P<field>[A-Za-z_][\w.-]*):(?=\S)|(?P<word>[^\s()"]+))'
)


@dataclass(frozen=True, slots=True)
class Indexed:
    """A dataset as queries see it: values of fields, and keys of all its words."""

    fields: Mapping[str, tuple[str, ...]]
    words: frozenset[str]
    text: str  # the keys in order, for phrases


Test = Callable[[Indexed], bool]


class QuerySyntaxError(ValueError):
    """The query cannot be read; private to the facade, which answers in CKAN's way."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse(query: str) -> Test:
    """Return the test that a query is.

    Raises:
        QuerySyntaxError: it cannot be read.
    """
    plain = query.replace("%20", " ")[: limits.ADDRESS_ROWS_BYTES_MAX]
    if plain.strip() in {"", "*:*", "*"}:
        return lambda document: True
    tokens = _tokens(plain)
    parser = _Parser(tokens)
    test = parser.query(0)
    if parser.place < len(tokens):
        raise QuerySyntaxError(tokens[parser.place].text)
    return test


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

    def query(self, depth: int, field: str | None = None) -> Test:
        """Read clauses up to a closing parenthesis or the end."""
        if depth > DEPTH_MAX:
            raise QuerySyntaxError("too deep")
        groups: list[list[Test]] = [[]]
        while (token := self._peek()) is not None and token.text != ")":
            if token.kind == "word" and token.text in {"AND", "&&"}:
                self.place += 1
            elif token.kind == "word" and token.text in {"OR", "||"}:
                self.place += 1
                groups.append([])
            else:
                groups[-1].append(self._clause(depth, field))
        filled = [group for group in groups if group]
        return lambda document: any(
            all(test(document) for test in group) for group in filled
        )

    def _neighbours(self, text: str) -> str:
        """Return a word with the words after it: a plural ending may stand apart."""
        found = [text]
        while (token := self._peek()) is not None and token.kind == "word":
            if token.text in OPERATORS or "*" in token.text + found[-1]:
                break
            found.append(token.text)
            self.place += 1
        return " ".join(found)

    def _clause(self, depth: int, field: str | None, *, alone: bool = False) -> Test:
        token = self._next()
        if token.kind == "sign" or token.text == "NOT":
            test = self._clause(depth, field, alone=True)
            return test if token.text == "+" else lambda document: not test(document)
        if token.kind == "word" and field is None and not alone:
            return _word(self._neighbours(token.text))
        if token.kind == "field" and field is None:
            return self._value(depth, token.text)
        self.place -= 1
        return self._value(depth, field)

    def _value(self, depth: int, field: str | None) -> Test:
        token = self._next()
        if token.text == "(" and token.kind == "mark":
            test = self.query(depth + 1, field)
            if self._next().text != ")":
                raise QuerySyntaxError("(")
            return test
        if token.kind == "range":
            return _range(field, token.text)
        if token.kind == "quoted":
            literal = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            return _phrase(literal) if field is None else _equal(field, literal)
        return _word(token.text) if field is None else _equal(field, token.text)

    def _peek(self) -> _Token | None:
        return self._tokens[self.place] if self.place < len(self._tokens) else None

    def _next(self) -> _Token:
        token = self._peek()
        if token is None:
            raise QuerySyntaxError("unexpected end")
        self.place += 1
        return token


def _word(text: str) -> Test:
    """Return the test for a word in any text of a dataset."""
    if text in {"*", "*:*"}:
        return lambda document: True
    wanted = words(text.rstrip("*"))
    if text.endswith("*"):
        return lambda document: all(
            any(word.startswith(one) for word in document.words) for one in wanted
        )
    return lambda document: all(one in document.words for one in wanted)


def _phrase(text: str) -> Test:
    wanted = f" {' '.join(words(text))} "
    return lambda document: wanted in document.text


def _equal(field: str, text: str) -> Test:
    """Return the test for a field's value; text fields are searched by words."""
    if text == "*":
        return lambda document: bool(document.fields.get(field))
    if field in {"title", "notes", "text"}:
        wanted = words(text)
        return lambda document: all(
            one
            in {key for value in document.fields.get(field, ()) for key in words(value)}
            for one in wanted
        )
    if text.endswith("*") and len(text) > 1:
        start = text[:-1]
        return lambda document: any(
            value.startswith(start) for value in document.fields.get(field, ())
        )
    folded = text.casefold()
    return lambda document: any(
        value.casefold() == folded for value in document.fields.get(field, ())
    )


def _range(field: str | None, text: str) -> Test:
    """Return the test for a range; bounds compare as numbers where both are."""
    if field is None:
        raise QuerySyntaxError(text[:40])
    begin, _, end = text[1:-1].partition(" TO ")
    low, high = bound_of(begin), bound_of(end)
    open_low, open_high = text[0] == "{", text[-1] == "}"

    def inside(value: str) -> bool:
        if low is not None:
            order = _compare(value, low)
            if order < 0 or (open_low and order == 0):
                return False
        if high is not None:
            order = _compare(value, high)
            if order > 0 or (open_high and order == 0):
                return False
        return True

    return lambda document: any(inside(v) for v in document.fields.get(field, ()))


def bound_of(text: str) -> str | None:
    """Return the bound of a range as dates are compared; None for no bound."""
    plain = text.strip().strip('"')
    if plain == "*":
        return None
    if plain == "NOW":
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return plain.removesuffix("Z")


def _compare(one: str, other: str) -> int:
    try:
        numbers = float(one), float(other)
    except ValueError:
        return (one > other) - (one < other)
    return (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
