"""Hints of what a reader will filter by: which files surely have none of its rows.

A hint is best effort in the protocol. What is not understood lets every file through;
a file is left out only where no row of it can match. The reader filters again.

>>> from shahrdad.node.http.delta.predicates import Bounds, from_sql, may_match
>>> hint = from_sql(["city_code = '1346'"])
>>> may_match(hint, {"city_code": Bounds("1129", "1129")})
False
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shahrdad.node import sent_json

HINT_BYTES_MAX = 64 * 1024
DEPTH_MAX = 32
Tree = Mapping[str, Any]
_COMPARISON = re.compile(
    r"\s*`?([A-Za-z_][A-Za-z0-9_]{0,127})`?\s*(=|<=|>=|<|>)"
    r"\s*(?:'([^']{0,1000})'|(-?[0-9]{1,18}))\s*"
)
_SQL = {
    "=": "equal",
    "<": "lessThan",
    "<=": "lessThanOrEqual",
    ">": "greaterThan",
    ">=": "greaterThanOrEqual",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the largest value of a column in a file; None for no bound."""

    low: str | int | None
    high: str | int | None


def from_json(text: object) -> Tree:
    """Return the tree of `jsonPredicateHints`; an empty one when it is none."""
    if not isinstance(text, str) or len(text) > HINT_BYTES_MAX:
        return {}
    try:
        found = sent_json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def from_sql(hints: object) -> Tree:
    """Return the tree of `predicateHints`: those that compare a column with a value."""
    children: list[Tree] = []
    for hint in hints if isinstance(hints, list) else []:
        match = _COMPARISON.fullmatch(hint) if isinstance(hint, str) else None
        if match is None:
            continue
        name, sign, text, number = match.groups()
        kind = "string" if number is None else "long"
        children.append(
            {
                "op": _SQL[sign],
                "children": [
                    {"op": "column", "name": name, "valueType": kind},
                    {"op": "literal", "value": number or text, "valueType": kind},
                ],
            }
        )
    return {"op": "and", "children": children}


def may_match(tree: object, bounds: Mapping[str, Bounds], depth: int = 0) -> bool:
    """Tell whether a file with such bounds can have a row that a hint lets through."""
    if not isinstance(tree, dict) or depth > DEPTH_MAX:
        return True
    children = tree.get("children")
    if not isinstance(children, list):
        return True
    operator = tree.get("op")
    if operator == "and":
        return all(may_match(child, bounds, depth + 1) for child in children)
    if operator == "or":
        return not children or any(
            may_match(child, bounds, depth + 1) for child in children
        )
    test = _TESTS.get(str(operator))
    return True if test is None else _compare(test, children, bounds)


def _compare(
    test: Callable[[Any, Any, Any], bool],
    children: Sequence[Any],
    bounds: Mapping[str, Bounds],
) -> bool:
    """Compare a column with a literal; anything else may match."""
    if len(children) != 2 or not all(isinstance(one, dict) for one in children):
        return True
    column, literal = children
    if column.get("op") != "column" or literal.get("op") != "literal":
        return True
    known = bounds.get(str(column.get("name")))
    value = _value(literal)
    if known is None or value is None:
        return True
    if any(one is not None and type(one) is not type(value) for one in _ends(known)):
        return True  # another type: an order of the reader's own
    return test(known.low, known.high, value)


def _ends(bounds: Bounds) -> tuple[str | int | None, str | int | None]:
    return bounds.low, bounds.high


def _value(literal: Mapping[str, Any]) -> str | int | None:
    """Return a literal that has the order of our keys; None for another."""
    text, kind = literal.get("value"), literal.get("valueType")
    if kind in {"string", "date"} and isinstance(text, str):
        return text
    if kind in {"int", "long"} and re.fullmatch("-?[0-9]{1,18}", str(text)):
        return int(str(text))
    return None


_TESTS: Mapping[str, Callable[[Any, Any, Any], bool]] = {
    "equal": lambda low, high, value: (
        (low is None or low <= value) and (high is None or value <= high)
    ),
    "lessThan": lambda low, _, value: low is None or low < value,
    "lessThanOrEqual": lambda low, _, value: low is None or low <= value,
    "greaterThan": lambda _, high, value: high is None or high > value,
    "greaterThanOrEqual": lambda _, high, value: high is None or high >= value,
}
