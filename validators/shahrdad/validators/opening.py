"""From a source to a judged report: opens the table, sets up rules, runs the pass."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shahrdad.datasets.standards import Field, Standard, parse
from shahrdad.validators import label_questions
from shahrdad.validators.bulk import Findings, Issue, masked
from shahrdad.validators.changes import ChangesFile
from shahrdad.validators.explain import Explainer, RuleTexts
from shahrdad.validators.importing import open_table
from shahrdad.validators.judging import Judge, Normalise
from shahrdad.validators.normalise.columns import Normaliser
from shahrdad.validators.options import Context, Options, Ref
from shahrdad.validators.plan import Fault, Plan
from shahrdad.validators.progress import Ticker
from shahrdad.validators.quarantine import SetAside, skipping
from shahrdad.validators.reference import reader
from shahrdad.validators.report import Report
from shahrdad.validators.rules.context import RefusedRefError, RuleContext
from shahrdad.validators.rules.running import RuleBook
from shahrdad.validators.sink import Sinks
from shahrdad.validators.text_table import Finding, TextTable

if TYPE_CHECKING:
    from shahrdad.validators.api import Resolved


def schema_faults(plan: Plan) -> list[Fault]:
    """Return what is wrong with a schema, bounds and allowed values included."""
    faults = list(plan.faults)
    for field in plan.fields:
        try:
            reader(field)
        except ValueError as error:
            faults.append(Fault("schema-invalid", str(error)))
    return faults


@dataclass(slots=True)
class Opening:
    """One source with everything that says how it is read."""

    source: str | Any
    resolved: "Resolved"
    profile: dict[str, Any] | None
    options: Options
    changes: ChangesFile | None = None
    aside: SetAside | None = None  # rows that are left out, and where more go
    judging: Callable[..., Judge] = Judge  # makes the pass, of the arguments of `Judge`
    normaliser: Normaliser | None = None  # the last; what it judged is not judged again

    def open(self) -> tuple[TextTable, Normalise | None]:
        """Open the table from its start, with normalisation of its own.

        Raises:
            DataError: The source cannot be read as a table.
        """
        table = open_table(
            self.source,
            standard=self.resolved.standard,
            descriptor=self.resolved.plan.descriptor,
            profile=self.profile,
            options=self.options,
        )
        if self.aside is not None and len(self.aside.rows):
            table = skipping(table, self.aside.rows)
        return table, self._normaliser(table)

    def _normaliser(self, table: TextTable) -> Normalise | None:
        standard = self.resolved.standard
        if not self.options.normalise or (standard is None and self.profile is None):
            return None
        fields = _fields(standard, self.resolved.plan)
        known, self.normaliser = (
            self.normaliser,
            Normaliser(
                table.names,
                [fields.get(name) for name in table.names],
                table.settings,
                table.audit,
                standard=standard is not None,
            ),
        )
        if known is not None:
            self.normaliser.inherit(known)
        return self.normaliser.apply

    def judge(
        self,
        report: Report,
        table: TextTable,
        normalise: Normalise | None,
        refs: Mapping[str, Ref],
        context: Context,
        sinks: Sinks,
        ticker: Ticker,
    ) -> Report:
        """Run the pass and the rules over an opened table; fills the report."""
        judge, book, facts = self.seat(
            report, table, normalise, refs, context, sinks, ticker
        )
        plan, findings = self.resolved.plan, judge.findings
        try:
            known = len(table.findings)
            _add_findings(table.findings, findings)
            judged = judge.run()
            _add_findings(table.findings[known:], findings)
            fallen = self.aside is not None and self.aside.take(findings)
            # Rules of tables wait for the rows that stay.
            report.rules = book.of_rows() if fallen else book.finish(judged)
        finally:
            book.close()
        refused = any(findings.by_code[code] for code in label_questions.REFUSALS)
        if self.resolved.standard is not None and refused:
            known_fields = _fields(self.resolved.standard, plan)
            unknown = label_questions.findings(
                findings.table(), findings.names, known_fields
            )
            _add_findings(unknown, findings)
        report.rows = judged.rows
        report.refs = facts.ref_facts()
        report.normalisation = _masked_samples(table.audit.to_list(), findings)
        return report

    def seat(
        self,
        report: Report,
        table: TextTable,
        normalise: Normalise | None,
        refs: Mapping[str, Ref],
        context: Context,
        sinks: Sinks,
        ticker: Ticker,
    ) -> tuple[Judge, RuleBook, RuleContext]:
        """Make what judges an opened table; the caller closes the rules."""
        plan = self.resolved.plan
        absent = [f.name for f in plan.fields if f.name not in table.names]
        findings = Findings([*table.names, *absent])
        positions = {
            name: None if origin is None else origin + 1
            for name, origin in zip(table.names, table.origins, strict=True)
        }
        _describe(report, table, findings)
        table.audit.changes = self.changes  # of this pass; others only look again
        declared = {**table.declared, **context.declared}
        context = replace(context, declared=declared)
        facts = RuleContext(context, refs, plan, table.settings, table.audit)
        book = RuleBook(self.resolved.rules, plan, facts, findings, table.names)
        report.explainer = Explainer(
            plan,
            table.source.sheet,
            positions,
            {r.id: RuleTexts(r.message_fa, r.message_en) for r in book.rules},
        )
        judge = self.judging(
            plan,
            table,
            normalise,
            self.open,
            findings,
            sinks,
            book,
            ticker,
            references=_references(plan, facts, findings),
            kernels=self.options.kernels,
            threads=self.options.threads,
        )
        return judge, book, facts


def _references(
    plan: Plan, facts: RuleContext, findings: Findings
) -> dict[str, pa.Table]:
    """Return the tables that foreign keys refer to, as far as they were given."""
    tables: dict[str, pa.Table] = {}
    for key in plan.foreign_keys:
        name = str(key["reference"].get("resource") or "")
        try:
            table = facts.ref(name)
        except RefusedRefError as error:
            values = {"value": error.family, "expected": error.why}
            findings.add(Issue("schema-reference", "error", values=values))
            continue
        if table is not None:
            tables[name] = table
    return tables


def _masked_samples(
    entries: list[dict[str, Any]], findings: Findings
) -> list[dict[str, Any]]:
    """Return the audit without the texts of cells that hold personal data."""
    for entry in entries:
        for sample in entry["samples"]:
            if findings.is_masked(sample["row"], entry["column"]):
                sample["before"] = masked(sample["before"])
                sample["after"] = masked(sample["after"])
    return entries


def _fields(standard: Standard | None, plan: Plan) -> dict[str, Field]:
    fields = standard.fields if standard is not None else parse(plan.descriptor).fields
    return {field.name: field for field in fields}


def _describe(report: Report, table: TextTable, findings: Findings) -> None:
    """Fill the report's members about the source."""
    report.findings = findings
    report.labels = table.labels
    report.source = table.source.to_dict()
    report.place = table.source.name or "<memory>"
    report.sha256 = table.source.sha256
    report.size = table.source.bytes
    used = {
        "money_unit": table.settings.money_unit,
        "calendar": table.settings.calendar,
    }
    if report.profile is not None or table.settings.money_unit is not None:
        report.profile = {**(report.profile or {}), **used}


def _add_findings(given: Iterable[Finding], findings: Findings) -> None:
    """Add what reading found beside the cells."""
    for found in given:
        values = dict(found.values.items())
        findings.add(
            Issue(
                found.code,
                found.severity,
                found.row,
                found.column,
                value=found.cell,
                values=values,
            )
        )


__all__ = ["Opening", "schema_faults"]
