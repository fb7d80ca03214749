"""Which column of a standard a header means, with a score (`standards.md` 4.7).

A header is taken without asking when it is at least 0.90 sure and 0.10 ahead of the
next field, proposed from 0.50, and asked for otherwise. Two headers never take one
field.

>>> from shahrdad.datasets.standards import load
>>> match(["\u0643د بودجه", "زیر موضوع"], load("budget_lines").fields)[0].field
'line_code'
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from shahrdad.datasets.standards import Field
from shahrdad.validators.normalise import search_key
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.normalise.digits import to_ascii

CERTAIN_MIN = 0.90
LEAD_MIN = 0.10
PROPOSED_MIN = 0.50

State = Literal["certain", "proposed", "unknown"]

_PARENTHESES = re.compile(r"[(\[{][^)\]}]*[)\]}]")
_YEAR = re.compile(r"(?<![0-9])1[34][0-9]{2}(?![0-9])")
_AMOUNT_IN = re.compile(r"(?:مبلغ|مبالغ|ارقام)\s+به\s+.*$")


@dataclass(frozen=True, slots=True)
class Match:
    """What one header means.

    Attributes:
        label: The header as read.
        field: Name of the best field; None where none reaches 0.50.
        score: Its score, 0 to 1.
        second: Score of the next field.
        state: Whether it is taken, proposed or asked for.
        fiscal_year: A Jalali year that the header names, or None.
    """

    label: str
    field: str | None
    score: float
    second: float
    state: State
    fiscal_year: int | None = None


@lru_cache(maxsize=16_384)
def form(label: str) -> str:
    """Return what headers are compared by: no parentheses, years and units."""
    plain = to_ascii(forms.clean(label).replace("\n", " "))
    bare = _AMOUNT_IN.sub(" ", _YEAR.sub(" ", _PARENTHESES.sub(" ", plain)))
    return search_key.key(bare) or search_key.key(plain)


@lru_cache(maxsize=16_384)
def _trigrams(key: str) -> frozenset[str]:
    padded = f"  {key} "  # two spaces before: the beginning of a word weighs more
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


@lru_cache(maxsize=65_536)
def score(label: str, name: str) -> float:
    """Score a header against one name of a field, 0 to 1."""
    one, other = form(label), form(name)
    if not one or not other:
        return 0.0
    if one == other:
        return 1.0
    words, other_words = set(one.split()), set(other.split())
    if words == other_words:
        return 0.97
    jaccard = len(words & other_words) / len(words | other_words)
    trigrams, other_trigrams = _trigrams(one), _trigrams(other)
    dice = 2 * len(trigrams & other_trigrams) / (len(trigrams) + len(other_trigrams))
    return 0.9 * max(jaccard, dice)


def field_score(label: str, field: Field) -> float:
    """Score a header against a field: the best of its titles, name and synonyms."""
    names = (field.title_fa, field.title_en, field.name, *field.synonyms)
    return max(score(label, name) for name in names if name)


def year_of(label: str) -> int | None:
    """Return the one Jalali year that a header names."""
    years = {int(year) for year in _YEAR.findall(to_ascii(label))}
    return years.pop() if len(years) == 1 else None


def match(labels: Sequence[str], fields: Sequence[Field]) -> list[Match]:
    """Match headers to fields.

    Args:
        labels: The headers as read; an empty one matches nothing.
        fields: The fields of the standard.

    Returns:
        One match for each header, in order. A field is taken by the header with the
        highest score; headers that tie for it are proposed only.
    """
    ranked = [_rank(label, fields) for label in labels]
    best_of: dict[str, list[float]] = {}
    for name, first, _ in ranked:
        if name is not None:
            best_of.setdefault(name, []).append(first)
    found = []
    for label, (name, first, second) in zip(labels, ranked, strict=True):
        state = _state(label, name, first, second, best_of)
        kept = name if state != "unknown" else None
        found.append(Match(label, kept, first, second, state, year_of(label)))
    return found


def _rank(label: str, fields: Sequence[Field]) -> tuple[str | None, float, float]:
    """Return the best field of a header, its score, and the score of the next.

    A header that is a name or title letter by letter needs no lead: titles may differ
    by what stands in parentheses alone.
    """
    bare = (
        label.strip().removesuffix("*").strip()
    )  # the templates mark what is required
    if not bare:
        return None, 0.0, 0.0
    exact = [
        field.name
        for field in fields
        if bare in (field.name, field.title_fa, field.title_en)
    ]
    if len(exact) == 1:
        return exact[0], 1.0, 0.0
    scores = sorted(
        ((field_score(label, field), -number) for number, field in enumerate(fields)),
        reverse=True,
    )
    if not scores:
        return None, 0.0, 0.0
    best, place = scores[0]
    second = scores[1][0] if len(scores) > 1 else 0.0
    return fields[-place].name, best, second


def _state(
    label: str,
    name: str | None,
    first: float,
    second: float,
    best_of: Mapping[str, list[float]],
) -> State:
    """Decide whether a header takes its best field."""
    if name is None or first < PROPOSED_MIN:
        return "unknown"
    rivals = sorted(best_of[name], reverse=True)
    is_best = first == rivals[0] and rivals.count(first) == 1
    if is_best and first >= CERTAIN_MIN and first - second >= LEAD_MIN - 1e-9:
        return "certain"
    return "proposed"
