"""The report: one JSON shape, that of frictionless 5 with members of ours added.

Everything but `seconds` is a function of the file, the schema, the lists, the
references, the profile, the context and this engine: keys are sorted and no clock and
no path occurs, so a stored report (with `seconds` 0) can be reproduced byte for byte.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.validators.bulk import Findings, Issue
from shahrdad.validators.codes import CELL_TYPES, LABEL_TYPES, ROW_TYPES, Language
from shahrdad.validators.explain import Explainer

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "shahrdad-report/1"
SAMPLES_MAX = 20  # rows listed for a rule

_TITLES = {  # what frictionless' tools show above an error of a type
    "blank-header": "Blank Header",
    "blank-label": "Blank Label",
    "blank-row": "Blank Row",
    "byte-count": "Byte Count Error",
    "cell-error": "Cell Error",
    "compression-error": "Compression Error",
    "constraint-error": "Constraint Error",
    "duplicate-label": "Duplicate Label",
    "encoding-error": "Encoding Error",
    "extra-cell": "Extra Cell",
    "extra-label": "Extra Label",
    "field-count": "Field Count Error",
    "foreign-key": "ForeignKey Error",
    "format-error": "Format Error",
    "hash-count": "Hash Count Error",
    "incorrect-label": "Incorrect Label",
    "missing-cell": "Missing Cell",
    "missing-label": "Missing Label",
    "primary-key": "PrimaryKey Error",
    "row-count": "Row Count Error",
    "row-error": "Row Error",
    "schema-error": "Schema Error",
    "source-error": "Source Error",
    "table-error": "Table Error",
    "type-error": "Type Error",
    "unique-error": "Unique Error",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule.

    Attributes:
        outcome: `passed`, `violated`, `skipped` or `not-run`.
        count: Exact number of violations.
        why: Why it was skipped or not run.
        samples: The first violations: row number and key.
        groups: Number of groups judged, for rules of tables.
        waived: The reason with which the approver waived it.
    """

    id: str
    name: str
    severity: str
    outcome: str
    count: int = 0
    why: str | None = None
    samples: tuple[Mapping[str, Any], ...] = ()
    groups: int | None = None
    waived: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome for the report; absent members are left out."""
        found: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "severity": self.severity,
            "outcome": self.outcome,
        }
        if self.outcome == "violated":
            found["count"] = self.count
            found["samples"] = [dict(sample) for sample in self.samples]
        for key in ("why", "groups", "waived"):
            value = getattr(self, key)
            if value is not None:
                found[key] = value
        return found


@dataclass(slots=True)
class Report:
    """What a validation found.

    Attributes:
        findings: Everything that was found.
        explainer: Makes the sentences.
        mode: `strict` or `compat`.
        route: `kernels` or `oracle`, and why.
        name: Name of the table.
        labels: The header as it was read.
        fields: Number of fields.
        rows: Number of rows judged.
        source, schema, profile, refs, normalisation: Members of the report.
        rules: Outcome of every rule.
        listed_max: Findings listed in the report.
        sha256: Hash of the source.
        quarantine_rows: Rows that were set aside.
        quarantine_sha256: Hash of their file; None where none was to be written.
        marked: Writes the marked workbook; given by the front door.
    """

    findings: Findings
    explainer: Explainer
    mode: str = "strict"
    route: str = "kernels"
    reason: str | None = None
    name: str = "table"
    place: str = "<memory>"
    labels: Sequence[str] = ()
    fields: int = 0
    rows: int = 0
    source: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, Any] | None = None
    refs: Sequence[Mapping[str, Any]] = ()
    normalisation: Sequence[Mapping[str, Any]] = ()
    rules: Sequence[Outcome] = ()
    listed_max: int | None = 10_000
    sha256: str | None = None
    size: int = 0
    seconds: float = 0.0
    quarantine_rows: int = 0
    quarantine_sha256: str | None = None
    marked: Callable[["Report", Path, Language], None] | None = None

    @property
    def valid(self) -> bool:
        """Whether there is no finding of severity error."""
        return self.findings.errors == 0

    @property
    def accepted(self) -> bool:
        """Whether the sink keeps its rows: the rest, if any, is set aside."""
        return self.valid or self.quarantine_sha256 is not None

    @property
    def error_count(self) -> int:
        """Exact number of errors."""
        return self.findings.errors

    @property
    def warning_count(self) -> int:
        """Exact number of warnings."""
        return self.findings.warnings

    @property
    def issues(self) -> Iterator[Issue]:
        """The listed findings of all severities, in the order of the rows."""
        return iter(self.findings.listed(self.listed_max))

    @property
    def error_table(self) -> "pa.Table":
        """All findings about cells that were kept, as a table without sentences."""
        return self.findings.table()

    def message(self, issue: Issue, language: Language = "en") -> str:
        """Return the sentence of a finding."""
        return self.explainer.message(issue, language)

    def to_dict(self, *, stored: bool = False) -> dict[str, Any]:
        """Return the report as plain values.

        Args:
            stored: With `seconds` 0, so that the bytes can be reproduced.
        """
        listed = self.findings.listed(self.listed_max)
        errors = [self._error(i) for i in listed if i.severity == "error"]
        others = [self._error(i) for i in listed if i.severity != "error"]
        seconds = 0 if stored else round(self.seconds, 3)
        stats: dict[str, Any] = {
            "errors": self.error_count,
            "warnings": self.warning_count,
            "seconds": seconds,
        }
        task_stats = {**stats, "fields": self.fields, "rows": self.rows}
        if self.sha256 is not None:
            task_stats |= {"sha256": self.sha256, "bytes": self.size}
        return {
            "valid": self.valid,
            "stats": {"tasks": 1, **stats},
            "warnings": [],
            "errors": [],
            "tasks": [
                {
                    "name": self.name,
                    "type": "table",
                    "valid": self.valid,
                    "place": self.place,
                    "labels": list(self.labels),
                    "stats": task_stats,
                    "warnings": [],
                    "errors": errors,
                }
            ],
            "shahrdad": self._ours(others, len(listed)),
        }

    def _ours(self, others: list[dict[str, Any]], listed: int) -> dict[str, Any]:
        found = self.findings
        return {
            "format": FORMAT,
            "mode": self.mode,
            "engine": {
                "version": version("shahrdad"),
                "route": self.route,
                "reason": self.reason,
            },
            "source": dict(self.source),
            "schema": dict(self.schema),
            "profile": None if self.profile is None else dict(self.profile),
            "counts": {
                "rows": self.rows,
                "rows_with_errors": found.rows_with_errors,
                "errors": found.errors,
                "warnings": found.warnings,
                "by_code": dict(sorted(found.by_code.items())),
                "truncated": listed < found.by_code.total(),
            },
            "normalisation": [dict(entry) for entry in self.normalisation],
            "rules": [outcome.to_dict() for outcome in self.rules],
            "refs": [dict(ref) for ref in self.refs],
            "notices": others,
            "quarantine": {
                "rows": self.quarantine_rows,
                "sha256": self.quarantine_sha256,
            },
        }

    def _error(self, issue: Issue) -> dict[str, Any]:
        """Return one finding in the shape of frictionless, with our members."""
        explain = self.explainer
        message = explain.message(issue, "en")
        found: dict[str, Any] = {
            "type": issue.type,
            "title": _TITLES.get(issue.type, "Error"),
            "description": explain.fix(issue, "en"),
            "message": message,
            "tags": ["#table"] if issue.row is None else ["#table", "#row", "#cell"],
            "note": message,
            "code": issue.code,
            "severity": issue.severity,
            "messages": {"fa": explain.message(issue, "fa"), "en": message},
            "fix": {"fa": explain.fix(issue, "fa"), "en": explain.fix(issue, "en")},
            "address": explain.address(issue),
            "value": issue.value,
            "normalised": issue.normalised,
            "expected": explain.expected(issue, "en"),
            "rule": issue.rule,
            "related": list(issue.related),
        }
        return found | self._theirs(issue)

    def _theirs(self, issue: Issue) -> dict[str, Any]:
        """Return the members that frictionless demands for an error of this type."""
        type_ = issue.type
        found: dict[str, Any] = {}
        if type_ in ROW_TYPES:
            found = {"rowNumber": issue.row, "cells": []}
        if type_ in LABEL_TYPES:
            rows = list(self.source.get("header_rows") or ())
            found = {"labels": list(self.labels), "rowNumbers": rows}
            found["label"] = str(issue.value or issue.values.get("value") or "")
        if type_ == "foreign-key":
            found["fieldNames"] = [] if issue.field is None else [issue.field]
            found["fieldCells"] = [issue.value or ""]
            found["referenceName"] = str(issue.values.get("expected", ""))
            found["referenceFieldNames"] = []
        if type_ in CELL_TYPES:
            found["cell"] = issue.value or ""
        if type_ in CELL_TYPES | LABEL_TYPES or issue.field is not None:
            found["fieldName"] = issue.field or ""
            found["fieldNumber"] = issue.field_number or 0
        return found

    def to_json(self, *, stored: bool = False) -> str:
        """Return the report as JSON text, keys sorted, letters as they are."""
        return json.dumps(
            self.to_dict(stored=stored), ensure_ascii=False, sort_keys=True, indent=1
        )

    def to_text(self, language: Language = "fa", limit: int = 20) -> str:
        """Return the report for a terminal."""
        from shahrdad.validators.render.text import render_text

        return render_text(self, language, limit)

    def to_html(self, language: Language = "fa") -> str:
        """Return the report as one self-contained page."""
        from shahrdad.validators.render.html import render_html

        return render_html(self, language)

    @property
    def markable(self) -> bool:
        """Whether a table was read that can be read again, to mark its cells."""
        return self.marked is not None and "format" in self.source

    def write_marked(self, path: str | Path, lang: Language = "fa") -> None:
        """Write the publisher's table with the wrong cells coloured and commented.

        Raises:
            ValueError: No table was read, or not from a file or bytes.
        """
        if self.marked is None:
            raise ValueError("the source of this report cannot be read again")
        if "format" not in self.source:
            raise ValueError("no table was found in the source of this report")
        self.marked(self, Path(path), lang)


__all__ = ["FORMAT", "Outcome", "Report"]
