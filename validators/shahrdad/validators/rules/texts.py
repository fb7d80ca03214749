"""Row rules about texts: code lists, check digits, words, personal data, characters.

One pass of RE2 or over the bytes picks the cells that could be concerned; Python looks
at those alone, each distinct text once.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.bulk import masked
from shahrdad.validators.kernels.cells import Mask, as_mask
from shahrdad.validators.kernels.characters import unusual_cells
from shahrdad.validators.normalise.search_key import key
from shahrdad.validators.rules.conditions import MalformedError
from shahrdad.validators.rules.context import RuleContext
from shahrdad.validators.rules.detect import (
    ALGORITHMS,
    DETECTORS,
    SUSPECT,
    broken_character,
    detected,
)
from shahrdad.validators.rules.expr import Check
from shahrdad.validators.rules.shape import Rule, code_columns, columns_of
from shahrdad.validators.rules.view import Hits, View


def _texts(view: View, name: str) -> pa.StringArray:
    """Return a typed column as text."""
    return view.column(name).cast(pa.string())


def _found(
    cells: pa.StringArray, mask: Mask, test: Callable[[str], Any]
) -> dict[int, Any]:
    """Return by index what a test says of the masked cells, where it says something."""
    answers: dict[str, Any] = {}
    found: dict[int, Any] = {}
    for index in np.flatnonzero(mask).tolist():
        text = cells[index].as_py()
        if text is None:
            continue
        if text not in answers:
            answers[text] = test(text)
        if answers[text]:
            found[index] = answers[text]
    return found


def _mask_of(found: dict[int, Any], count: int) -> Mask:
    mask = np.zeros(count, bool)
    mask[list(found)] = True
    return mask


def _told(found: dict[int, Any], index: int) -> dict[str, Any]:
    return {"value": found[index]}


def code_list(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """The value, or each part of it, is in a list."""
    name, separator = str(rule.params.get("column")), rule.params.get("separator")
    allowed = context.list_values(str(rule.params.get("list")))
    if allowed is None:
        raise MalformedError(f"list {rule.params.get('list')}")
    cells = _texts(view, name)
    unknown = ~as_mask(
        pc.is_in(cells, value_set=pa.array(sorted(allowed), pa.string()))
    )
    mask = view.judged & view.given(name) & unknown
    if separator is not None:
        parts = _found(
            cells,
            mask,
            lambda text: [
                p
                for p in text.split(separator)
                if p.strip() and p.strip() not in allowed
            ],
        )
        mask = _mask_of(parts, len(view))
    return [Hits(mask, name, lambda i: {"value": cells[i].as_py()})]


def checksum(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """The check digits are right."""
    algorithm = str(rule.params.get("algorithm"))
    fixed = {"french-siren-value": "siren", "french-siret-value": "siret"}
    algorithm = fixed.get(rule.name, algorithm)
    if algorithm not in ALGORITHMS:
        raise MalformedError(f"algorithm {algorithm}")
    name = str(rule.params.get("column"))
    cells = _texts(view, name)
    test = ALGORITHMS[algorithm]
    wrong = _found(cells, view.judged & view.given(name), lambda text: not test(text))
    return [
        Hits(_mask_of(wrong, len(view)), name, lambda i: {"value": cells[i].as_py()})
    ]


@cache
def _padded_key(text: str) -> str:
    return f" {key(text)} "


def keywords(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """No listed word occurs; compared by the search key, whole words."""
    listed = context.list_values(str(rule.params.get("list")))
    if listed is None:
        raise MalformedError(f"list {rule.params.get('list')}")
    words = {_padded_key(word): word for word in sorted(listed)}

    def word_in(text: str) -> str | None:
        padded = f" {key(text)} "
        return next((word for folded, word in words.items() if folded in padded), None)

    hits = []
    for name in columns_of(rule, context.plan):
        found = _found(_texts(view, name), view.judged & view.given(name), word_in)
        mask = _mask_of(found, len(view))
        hits.append(Hits(mask, name, partial(_told, found)))
    return hits


def no_sensitive_text(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """No personal data; also cells that another check refuses are judged."""
    names = [str(name) for name in rule.params.get("detect") or ()]
    unknown = set(names) - set(DETECTORS)
    if unknown:
        raise MalformedError(f"detection {min(unknown)}")
    hits = []
    for name in columns_of(rule, context.plan):
        cells = view.texts(name)
        suspect = as_mask(pc.match_substring_regex(cells, SUSPECT).fill_null(False))
        if not suspect.any():
            continue
        found = _found(cells, suspect & view.judged, lambda text: detected(text, names))
        mask = _mask_of(found, len(view))

        def describe(
            index: int, cells: Any = cells, found: Any = found
        ) -> dict[str, Any]:
            return {"value": masked(cells[index].as_py()), "expected": found[index]}

        hits.append(Hits(mask, name, describe, masked=True))
    return hits


def broken_characters(rule: Rule, view: View, context: RuleContext) -> list[Hits]:
    """No broken, private-use or unassigned character; elsewhere the other severity."""
    chosen = set(columns_of(rule, context.plan))
    codes = chosen | (
        set(code_columns(context.plan)) if rule.names("columns") == ["*code"] else set()
    )
    hits = []
    for name, cells in view.frame.texts.items():
        other = rule.params.get("other_severity")
        if name not in codes and other is None:
            continue
        unusual = unusual_cells(cells)
        if not unusual.any():
            continue
        found = _found(cells, unusual & view.judged, broken_character)
        severity = None if name in codes else str(other)
        mask = _mask_of(found, len(view))
        hits.append(Hits(mask, name, partial(_told, found), severity))
    return hits


CHECKS: dict[str, Check] = {
    "code-list": code_list,
    "checksum": checksum,
    "french-siren-value": checksum,
    "french-siret-value": checksum,
    "keywords": keywords,
    "no-sensitive-text": no_sensitive_text,
    "broken-characters": broken_characters,
}

__all__ = ["CHECKS"]
