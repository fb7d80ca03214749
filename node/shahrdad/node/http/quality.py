"""The quality of a version: checks of its record, a score, a grade, and the formula.

Everything follows from the record alone, so every mirror gives the same grade.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shahrdad.node.http.record_view import RecordView, mapping

GRADES = {"A": 0.9, "B": 0.75, "C": 0.6, "D": 0.4, "E": 0.0}  # the least score of each
FORMULA = "score = passed checks / all checks; " + ", ".join(
    f"{grade} >= {least}" for grade, least in GRADES.items() if least
)
_COUNTED = frozenset({"no_errors", "no_warnings", "no_quarantined_rows"})


@dataclass(frozen=True, slots=True)
class Check:
    """One check, and what it counted."""

    name: str
    passed: bool
    count: int | None


def checks(
    record: RecordView, *, follows_standard: bool, open_license: bool
) -> tuple[Check, ...]:
    """Return every check of a record.

    Args:
        record: The record.
        follows_standard: This software knows the standard that the record names.
        open_license: Its licence is an open one.
    """
    return tuple(_checks(record, follows_standard, open_license))


def _checks(
    record: RecordView, follows_standard: bool, open_license: bool
) -> Iterator[Check]:
    quality = mapping(record.ours.get("quality"))
    tables = [table for table in record.tables if table.parts]
    keywords = record.words("keywords") and record.words("keywords_en")
    facts = {
        "title_in_both_languages": all(record.both("title").values()),
        "description_in_both_languages": all(record.both("description").values()),
        "keywords_in_both_languages": keywords,
        "open_license": open_license,
        "follows_a_standard": follows_standard,
        "open_format": tables,
        "rows_known": all(table.rows is not None for table in tables),
        "primary_key": all(table.primary_key for table in tables),
        "no_errors": quality.get("errors") == 0,
        "no_warnings": quality.get("warnings") == 0,
        "no_quarantined_rows": not quality.get("quarantined_rows"),
        "validation_report": record.attachment("report") is not None,
        "four_eyes": record.ours.get("approval") == "four-eyes",
    }
    for name, passed in facts.items():
        count = quality.get(name.removeprefix("no_")) if name in _COUNTED else None
        yield Check(name, bool(passed), count if isinstance(count, int) else None)


def score(found: Sequence[Check]) -> float:
    """Return the share of the checks that a version passed, to four digits."""
    return round(sum(check.passed for check in found) / len(found), 4)


def grade(score: float) -> str:
    """Return the letter of a score.

    >>> grade(0.9), grade(0.8999), grade(0)
    ('A', 'B', 'E')
    """
    return next(letter for letter, least in GRADES.items() if score >= least)


def scores(letter: str) -> tuple[float, float]:
    """Return the least score of a grade, and the first that is above it.

    >>> scores("B"), scores("A")
    ((0.75, 0.9), (0.9, 2.0))
    """
    above = [least for other, least in GRADES.items() if other < letter]
    return GRADES[letter], above[-1] if above else 2.0
