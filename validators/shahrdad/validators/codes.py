"""The registry of what a report can say: stable codes, never renamed, never reused.

A code says what kind of thing is wrong. Its sentences, what is wrong and how to mend
it, stand in `messages/{fa,en}.toml`; a rule of a standard brings its own (`rule:ID`).

>>> REGISTRY["type-integer"].severity, REGISTRY["type-integer"].type
('error', 'type-error')
>>> sentence("type-integer", "en").fix
'Write a whole number in digits, without letters or signs other than + and -.'
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from shahrdad.datasets.errors import ShahrdadError

Severity = Literal["error", "warning", "info"]
Language = Literal["fa", "en"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    Attributes:
        code: Its stable name.
        severity: How grave it is, unless a finding says otherwise.
        type: The error type of frictionless that its tools know, for the report.
    """

    code: str
    severity: Severity
    type: str

    @property
    def anchor(self) -> str:
        """Where the help explains it."""
        return f"codes.html#{self.code}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a report says about a code, in one language."""

    message: str
    fix: str


_SOURCE = (
    "unreadable empty format encrypted inflates too-large encoding decode sheet header"
    " dialect"
)
_NUMBERS = (
    "ambiguous-separator bad-grouping mixed-separators scientific-notation double-sign"
    " not-a-number too-long percent-sign unit-word float-precision"
)
_DATES = (
    "jalali-in-gregorian-column gregorian-in-jalali-column two-digit-year day-first"
    " mixed-separators excel-serial no-such-day not-a-date date-time year-out-of-range"
    " excel-date-mangled"
    " weekday-mismatch"
)
_TYPES = (
    "integer number boolean date datetime time year yearmonth duration string list json"
    " geopoint"
)
_VALUES = (
    "required enum category minimum maximum min-length max-length pattern jsonschema"
    " too-long"
)
_WARNINGS = {
    "source-stray-cells",
    "source-hidden",
    "source-hidden-sheet",
    "source-filled-down",
    "source-template",
    "source-remark",
    "label-extra",
    "label-proposed",
    "row-blank-trailing",
    "row-skipped",
    "row-total",
    "number-as-code",
    "date-jalali-stored-as-gregorian",
    "date-weekday-mismatch",
    "date-excel-epoch",
}
_NOTES = {"engine-fallback", "normalised", "source-merged-header", "source-coloured"}


def _entries() -> dict[str, str]:
    """Return the frictionless type of every code."""
    types = {f"source-{name}": "source-error" for name in _SOURCE.split()}
    types |= {
        "source-encoding": "encoding-error",
        "source-decode": "encoding-error",
        "source-format": "format-error",
        "source-inflates": "compression-error",
        "source-stray-cells": "source-error",
        "source-hidden": "source-error",
        "source-hidden-sheet": "source-error",
        "source-merged-header": "source-error",
        "source-filled-down": "source-error",
        "source-coloured": "source-error",
        "source-template": "source-error",
        "source-remark": "source-error",
    }
    types |= {
        f"schema-{name}": "schema-error"
        for name in ["invalid", "pattern", "reference", "rule"]
    }
    types |= {
        "label-missing": "missing-label",
        "label-extra": "extra-label",
        "label-blank": "blank-label",
        "label-duplicate": "duplicate-label",
        "label-wrong": "incorrect-label",
        "label-proposed": "incorrect-label",
        "row-blank": "blank-row",
        "row-blank-trailing": "blank-row",
        "row-skipped": "row-error",
        "row-total": "row-error",
        "row-too-long": "row-error",
        "cell-missing": "missing-cell",
        "cell-extra": "extra-cell",
        "cell-excel-error": "cell-error",
        "cell-formula-empty": "cell-error",
    }
    types |= {f"type-{name}": "type-error" for name in _TYPES.split()}
    types |= {f"value-{name}": "constraint-error" for name in _VALUES.split()}
    types |= {
        "key-null": "primary-key",
        "key-primary": "primary-key",
        "key-unique": "unique-error",
        "key-foreign": "foreign-key",
    }
    types |= {f"number-{name}": "type-error" for name in _NUMBERS.split()}
    types |= {f"date-{name}": "type-error" for name in _DATES.split()}
    types |= {
        "number-as-code": "cell-error",
        "date-jalali-stored-as-gregorian": "cell-error",
        "date-excel-epoch": "cell-error",
        "money-unit-missing": "source-error",
        "money-fraction": "type-error",
        "money-overflow": "type-error",
        "label-unknown": "constraint-error",
        "text-broken": "cell-error",
        "text-nul": "cell-error",
        "text-line-end": "cell-error",
        "normalised": "cell-error",
        "count-hash": "hash-count",
        "count-bytes": "byte-count",
        "count-rows": "row-count",
        "count-fields": "field-count",
        "engine-fallback": "table-error",
        "engine-limit": "table-error",
        "engine-error": "table-error",
        "engine-cancelled": "table-error",
    }
    return types


def _severity(code: str) -> Severity:
    if code in _WARNINGS:
        return "warning"
    return "info" if code in _NOTES else "error"


REGISTRY: dict[str, Code] = {
    code: Code(code, _severity(code), type_)
    for code, type_ in sorted(_entries().items())
}
_OTHER_NAMES = {  # reasons that are known here under the name of what they are about
    "source-questions": "source-header",
    "profile-invalid": "schema-invalid",
}
RULE = "rule:"  # what the code of a rule begins with
RULE_TYPE = "row-error"  # frictionless' type of the errors that rules raise
CELL_TYPES = frozenset(
    [
        "cell-error",
        "extra-cell",
        "missing-cell",
        "type-error",
        "constraint-error",
        "unique-error",
    ]
)
ROW_TYPES = CELL_TYPES | {"blank-row", "primary-key", "foreign-key", RULE_TYPE}
LABEL_TYPES = frozenset(
    [
        "missing-label",
        "extra-label",
        "blank-label",
        "duplicate-label",
        "incorrect-label",
    ]
)


def code_of(error: ShahrdadError) -> str:
    """Return the code for an error of reading, from its reason."""
    code = error.reason.lower().replace("_", "-")
    code = _OTHER_NAMES.get(code, code)
    return code if code in REGISTRY else "source-unreadable"


@cache
def _sentences(language: Language) -> dict[str, list[str]]:
    """Return message and fix of every code, in one language."""
    file = files("shahrdad.validators") / "messages" / f"{language}.toml"
    return tomllib.loads(file.read_text("utf-8"))


def sentence(code: str, language: Language) -> Sentence:
    """Return what to say about a code; placeholders are those of `explain`.

    Raises:
        KeyError: The code is not in the registry.
    """
    message, fix = _sentences(language)[code]
    return Sentence(message, fix)


__all__ = [
    "CELL_TYPES",
    "LABEL_TYPES",
    "REGISTRY",
    "ROW_TYPES",
    "RULE",
    "RULE_TYPE",
    "Code",
    "Language",
    "Sentence",
    "Severity",
    "code_of",
    "sentence",
]
