"""A rule as data, read from `custom_checks`: the shape of Validata and of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shahrdad.validators.plan import FieldPlan, Plan

SEVERITIES = ("error", "warning", "info")
NOT_RUN = frozenset(
    {"phone-number-value", "opening-hours-value", "nomenclature-actes-value"}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: Stable id; `name#n` where none is given.
        name: Its kind, of the vocabulary of `standards.md` 5.3.
        where: The rows that it is about; None for all.
        common: Whether it is a rule of every table: skipped where a column is lacking.
    """

    id: str
    name: str
    severity: str = "error"
    waivable: bool = False
    where: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    message_fa: str = ""
    message_en: str = ""
    common: bool = False

    def names(self, key: str) -> list[str]:
        """Return a parameter that names columns, one or several."""
        value = self.params.get(key)
        if value is None:
            return []
        return [value] if isinstance(value, str) else [str(name) for name in value]


def parse_rules(given: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """Read rules; never raises for their content."""
    rules: list[Rule] = []
    for number, entry in enumerate(given, start=1):
        name = str(entry.get("name") or "?")
        severity = entry.get("severity", "error")
        params = entry.get("params")
        rules.append(
            Rule(
                id=str(entry.get("id") or f"{name}#{number}"),
                name=name,
                severity=severity if severity in SEVERITIES else "error",
                waivable=entry.get("waivable") is True,
                where=entry.get("where"),
                params=params if isinstance(params, Mapping) else {},
                message_fa=str(entry.get("message") or ""),
                message_en=str(entry.get("message_en") or ""),
                common=entry.get("common") is True,
            )
        )
    return rules


def text_columns(plan: Plan) -> list[str]:
    """Return `*text`: string columns that are neither lists of codes nor codes."""
    return [
        f.name for f in plan.fields if _is_text(f) and f.name not in plan.primary_key
    ]


def _is_text(f: FieldPlan) -> bool:
    listed = f.enum is not None or f.categories is not None or f.code_list is not None
    return f.type in ("string", "any") and not listed and f.kind != "code"


def code_columns(plan: Plan) -> list[str]:
    """Return `*code`: the columns of the key and of codes."""
    return [
        f.name
        for f in plan.fields
        if f.type in ("string", "any")
        and (f.kind == "code" or f.name in plan.primary_key)
    ]


def columns_of(rule: Rule, plan: Plan, key: str = "columns") -> list[str]:
    """Return the columns that a parameter names, `*text` and `*code` resolved."""
    names = rule.names(key)
    if names == ["*text"]:
        return text_columns(plan)
    return code_columns(plan) if names == ["*code"] else names


__all__ = [
    "NOT_RUN",
    "Rule",
    "code_columns",
    "columns_of",
    "parse_rules",
    "text_columns",
]
