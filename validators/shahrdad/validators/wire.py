"""A report between two processes: plain JSON, nothing of a worker runs here."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shahrdad.validators.bulk import Findings, Issue
from shahrdad.validators.explain import Explainer, RuleTexts
from shahrdad.validators.options import Context, Options, Ref
from shahrdad.validators.plan import Plan
from shahrdad.validators.report import Outcome, Report

_PLAIN = (
    "mode", "route", "reason", "name", "place", "labels", "fields", "rows", "source",
    "schema", "profile", "refs", "normalisation", "listed_max", "sha256", "size",
    "quarantine_rows", "quarantine_sha256",
)  # fmt: skip


def report_to_wire(report: Report) -> dict[str, Any]:
    """Return a report as JSON values: the listed findings, and the exact counts."""
    found = report.findings
    return {
        **{name: getattr(report, name) for name in _PLAIN},
        "issues": [_issue_to_wire(i) for i in found.listed(report.listed_max)],
        "names": found.names,
        "by_code": dict(found.by_code),
        "by_severity": dict(found.by_severity),
        "rows_with_errors": found.rows_with_errors,
        "rules": [asdict(outcome) for outcome in report.rules],
        "sheet": report.explainer.sheet,
        "positions": dict(report.explainer.positions),
        "texts": {
            key: [text.message_fa, text.message_en]
            for key, text in report.explainer.rules.items()
        },
    }


def _issue_to_wire(issue: Issue) -> dict[str, Any]:
    values = {key: _plain(value) for key, value in issue.values.items()}
    return {**asdict(issue), "values": values}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def report_from_wire(wire: Mapping[str, Any], plan: Plan) -> Report:
    """Return the report that was written."""
    findings = Findings(wire["names"])
    for given in wire["issues"]:
        issue = Issue(**{**given, "related": tuple(given["related"])})
        findings.add(issue, last=issue.rule is not None)
    findings.by_code = Counter(wire["by_code"])
    findings.by_severity = Counter(wire["by_severity"])
    findings.rows_counted = int(wire["rows_with_errors"])
    texts = {key: RuleTexts(*pair) for key, pair in wire["texts"].items()}
    report = Report(findings, Explainer(plan, wire["sheet"], wire["positions"], texts))
    for name in _PLAIN:
        setattr(report, name, wire[name])
    report.rules = [
        Outcome(**{**given, "samples": tuple(given["samples"])})
        for given in wire["rules"]
    ]
    return report


def ref_to_wire(ref: Ref) -> dict[str, Any]:
    """Return a reference as JSON values."""
    return {"path": str(ref.path), "sha256": ref.sha256, "release": ref.release}


def context_to_wire(context: Context) -> dict[str, Any]:
    """Return a context as JSON values."""
    found = {name: getattr(context, name) for name in Context.__slots__}
    found["confirmed"] = sorted(context.confirmed)
    found["previous"] = (
        None if context.previous is None else ref_to_wire(context.previous)
    )
    for name in ("declared", "waived", "lists"):
        found[name] = dict(found[name])
    found["lists"] = {
        key: sorted(rows) if isinstance(rows, set | frozenset) else rows
        for key, rows in context.lists.items()
    }
    return found


def context_from_wire(wire: Mapping[str, Any]) -> Context:
    """Return the context that was written."""
    previous = wire["previous"]
    return Context(
        **{
            **wire,
            "confirmed": frozenset(wire["confirmed"]),
            "previous": None if previous is None else Ref(**previous),
        }
    )


def options_from_wire(wire: Mapping[str, Any]) -> Options:
    """Return the options that were written, for a run in the same process."""
    return Options(**{**wire, "isolate": False})


__all__ = [
    "context_from_wire",
    "context_to_wire",
    "options_from_wire",
    "ref_to_wire",
    "report_from_wire",
    "report_to_wire",
]
