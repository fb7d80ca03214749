"""Runs the rules of one table: rows in the pass, tables and families after it.

Every rule has an outcome: `passed`, `violated`, `skipped` or `not-run` with why.
Nothing passes silently.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from shahrdad.validators.bulk import NOWHERE, Findings, Issue
from shahrdad.validators.codes import RULE
from shahrdad.validators.frames import Frame
from shahrdad.validators.judging import Judged
from shahrdad.validators.plan import Plan
from shahrdad.validators.report import SAMPLES_MAX, Outcome
from shahrdad.validators.rules import cross, expr, python, sql, texts
from shahrdad.validators.rules.asking import Asking
from shahrdad.validators.rules.conditions import (
    MalformedError,
    UnknownValueError,
    certain,
    columns_in,
    holds,
)
from shahrdad.validators.rules.context import RefusedRefError, RuleContext
from shahrdad.validators.rules.found import Ask, Found, SkippedError
from shahrdad.validators.rules.shape import NOT_RUN, Rule, columns_of, parse_rules
from shahrdad.validators.rules.tee import Tee
from shahrdad.validators.rules.view import Hits, View

ROWS = {**expr.CHECKS, **texts.CHECKS}
TABLES = {**sql.CHECKS, **cross.CHECKS, **python.CHECKS}
DESCRIBED_MAX = 10_000  # violations of one rule that are described; all are counted
_COLUMN_KEYS = (
    "column", "column2", "else_column2", "columns", "minus", "othercolumns", "column1",
    "numerator", "denominator", "reference", "year_column", "start", "end", "lat",
    "lon", "city", "by", "key", "parent", "flag", "part", "marker", "secondary_by",
    "determinant", "dependent",
)  # fmt: skip
_CONDITION_KEYS = ("if", "then", "where", "unless")
_ELSEWHERE = {"reference-exists": "column2"}  # a column of the other table
_JUDGES_WRONG_CELLS = {"no-sensitive-text", "broken-characters"}
_ORDER = (
    "not-empty-table",
    "max-age",
    "not-decreasing",
    "previous-ratio",
    "key-persistence",
)


@dataclass(slots=True)
class _State:
    """What is known of a rule so far."""

    rule: Rule
    needs: list[str]
    outcome: str = "passed"
    why: str | None = None
    count: int = 0
    unjudged: int = 0
    groups: int | None = None
    samples: list[Mapping[str, Any]] = field(default_factory=list)
    described: int = 0

    def settle(self, outcome: str, why: str) -> None:
        self.outcome, self.why = outcome, why


class RuleBook:
    """The rules of one table and what became of them.

    Args:
        given: Rules as data, in the order of the report.
        plan: The schema.
        context: What rules may ask for.
        findings: Where violations go.
        names: Columns that the file has.
    """

    def __init__(
        self,
        given: Sequence[Mapping[str, Any]],
        plan: Plan,
        context: RuleContext,
        findings: Findings,
        names: Sequence[str],
    ) -> None:
        self.rules = parse_rules(given)
        self.plan = plan
        self.context = context
        self.findings = findings
        self._names = set(names)
        self._places = {name: place for place, name in enumerate(findings.names)}
        self._states = [self._state(rule) for rule in self.rules]
        table_needs = {
            name for s in self._states if s.rule.name in TABLES for name in s.needs
        }
        table_needs |= {
            n for n in ("as_of_date",) if plan.field(n) is not None and TABLES
        }
        if any(
            s.rule.name == "key-persistence" and s.outcome == "passed"
            for s in self._states
        ):
            table_needs |= set(plan.primary_key)
        self._tee = Tee(
            plan,
            table_needs,
            context.settings.decimal,
            counted=any(s.rule.name in TABLES for s in self._states),
        )

    @property
    def states(self) -> list[_State]:
        """What is known of each rule, in the order of the report."""
        return self._states

    @property
    def tee(self) -> Tee:
        """The columns that rules of tables ask for."""
        return self._tee

    def _state(self, rule: Rule) -> _State:
        needs = _needs(rule, self.plan)
        state = _State(rule, needs)
        if rule.name in NOT_RUN:
            state.settle("not-run", "this kind of rule is recognised and not judged")
            return state
        if rule.name not in ROWS and rule.name not in TABLES:
            state.settle("not-run", "this kind of rule is not known")
            severity = "error" if "standard" in self.plan.own else "warning"
            values = {"value": f"{rule.id} ({rule.name})"}
            self.findings.add(Issue("schema-rule", severity, values=values))  # type: ignore[arg-type]
            return state
        lacking = [name for name in needs if self.plan.field(name) is None]
        if lacking:
            state.settle("skipped", f"no column {lacking[0]}")
        elif needs and not set(needs) & self._names and not rule.common:
            state.settle("skipped", f"the file has no column {needs[0]}")
        return state

    def batch(self, frame: Frame) -> None:
        """Judge the rows of a batch; keep what rules of tables need."""
        self._tee.add(frame)
        view = View(frame)
        for state in self._states:
            if state.outcome in ("passed", "violated") and state.rule.name in ROWS:
                self._judge_rows(state, view)

    def _judge_rows(self, state: _State, view: View) -> None:
        rule = state.rule
        judged = np.ones(len(view), bool)
        if rule.name not in _JUDGES_WRONG_CELLS:
            for name in state.needs:
                if name in view.frame.invalid:
                    judged &= ~view.frame.invalid[name]
        state.unjudged += int(len(view) - judged.sum())
        try:
            if rule.where is not None:
                judged &= certain(
                    holds(rule.where, view, self.context.value), unknown=False
                )
            view.judged = judged
            found = ROWS[rule.name](rule, view, self.context) if judged.any() else []
        except UnknownValueError as error:
            state.settle("skipped", f"@{error.name} is not given")
        except (
            MalformedError,
            pa.ArrowException,
            ArithmeticError,
            ValueError,
            TypeError,
            KeyError,
        ) as error:
            state.settle("not-run", f"the rule cannot be judged: {error}")
        else:
            for hits in found:
                self._add_hits(state, view, hits)

    def _add_hits(self, state: _State, view: View, hits: Hits) -> None:
        indices = np.flatnonzero(hits.mask)
        if not len(indices):
            return
        rule = state.rule
        state.outcome = "violated"
        state.count += len(indices)
        severity = self._severity(rule, hits.severity)
        described = indices[: max(0, DESCRIBED_MAX - state.described)]
        state.described += len(described)
        values = [dict(hits.describe(int(i))) for i in described]
        rows = view.frame.rows[described]
        for place, row in list(zip(described.tolist(), rows.tolist(), strict=True))[
            :SAMPLES_MAX
        ]:
            if len(state.samples) < SAMPLES_MAX:
                state.samples.append({"row": row, "key": self._key(view, place)})
        column = self._places.get(hits.column or "", NOWHERE)
        cells = view.frame.raw.get(hits.column or "")
        if hits.masked:
            self.findings.mask(view.frame.rows[indices], column)
        shown = None
        if cells is not None and not hits.masked:
            shown = cells.take(pa.array(described))
        elif hits.masked:
            shown = pa.array(
                [str(value.get("value", "")) for value in values], pa.string()
            )
        self.findings.add_cells(
            f"{RULE}{rule.id}",
            severity,
            rows,
            column,
            shown,
            None,
            values,
            None,
            len(indices),
        )

    def _key(self, view: View, place: int) -> list[Any]:
        names = [n for n in self.plan.primary_key if n in view.frame.texts]
        return [view.frame.texts[name][place].as_py() for name in names]

    def _severity(self, rule: Rule, lowered: str | None = None) -> Any:
        severity = lowered or rule.severity
        if severity == "error" and self._waived(rule) is not None:
            return "warning"
        return severity

    def _waived(self, rule: Rule) -> str | None:
        return self.context.given.waived.get(rule.id) if rule.waivable else None

    def finish(self, judged: Judged) -> list[Outcome]:
        """Judge the table and its neighbours; return the outcome of every rule."""
        waiting = [
            s for s in self._states if s.rule.name in TABLES and s.outcome == "passed"
        ]
        if waiting:
            asking = Asking()
            try:
                ask = Ask(
                    asking,
                    self._tee,
                    self.context,
                    self.plan,
                    judged.rows,
                    judged.key_violations,
                )
                self._note_newest(ask)
                for state in sorted(waiting, key=lambda s: s.rule.name in _ORDER):
                    self._judge_table(state, ask)
            finally:
                asking.close()
        return [self._outcome(state) for state in self._states]

    def of_rows(self) -> list[Outcome]:
        """Return the outcome of the rules that were judged row by row."""
        return [self._outcome(s) for s in self._states if s.rule.name in ROWS]

    def _note_newest(self, ask: Ask) -> None:
        """Note the Jalali year of the newest as_of_date, which `@jalali_year` is."""
        import pyarrow.compute as pc

        if "as_of_date" not in ask.table.column_names or not ask.table.num_rows:
            return
        newest = pc.max(ask.table.column("as_of_date")).as_py()
        if newest is not None:
            from shahrdad.datasets.jalali import from_gregorian

            self.context.newest_year = from_gregorian(newest)[0]

    def _judge_table(self, state: _State, ask: Ask) -> None:
        wrong = [name for name in state.needs if self._tee.invalid.get(name)]
        if wrong:
            state.settle("skipped", f"column {wrong[0]} has wrong cells")
            return
        try:
            result = TABLES[state.rule.name](state.rule, ask)
        except SkippedError as error:
            state.settle("skipped", str(error))
        except UnknownValueError as error:
            state.settle("skipped", f"@{error.name} is not given")
        except RefusedRefError as error:
            state.settle("not-run", f"{error.family}: {error.why}")
            values = {"value": error.family, "expected": error.why}
            self.findings.add(
                Issue("schema-reference", "error", values=values), last=True
            )
        except (
            MalformedError,
            pa.ArrowException,
            ArithmeticError,
            ValueError,
            TypeError,
            KeyError,
        ) as error:
            state.settle("not-run", f"the rule cannot be judged: {error}")
        else:
            state.groups = result.groups
            self._add_found(state, result.found)

    def _add_found(self, state: _State, found: list[Found]) -> None:
        if not found:
            return
        rule = state.rule
        state.outcome, state.count = "violated", len(found)
        state.samples = [
            {"row": f.row, "key": [str(f.values.get("value", ""))]}
            for f in found[:SAMPLES_MAX]
        ]
        if rule.name == "primary-key":
            return  # the pass reported each row as key-null or key-primary
        for f in found[:DESCRIBED_MAX]:
            severity = self._severity(rule, f.severity)
            issue = Issue(
                f"{RULE}{rule.id}",
                severity,
                f.row,
                f.column,
                values=f.values,
                related=f.related,
            )
            self.findings.add(issue, last=True)

    def _outcome(self, state: _State) -> Outcome:
        why = state.why
        if why is None and state.unjudged:
            why = f"{state.unjudged} rows with wrong cells were not judged"
        return Outcome(
            state.rule.id,
            state.rule.name,
            state.rule.severity,
            state.outcome,
            state.count,
            why,
            tuple(state.samples),
            state.groups,
            self._waived(state.rule),
        )

    def close(self) -> None:
        """Remove temporary files."""
        self._tee.close()


def _needs(rule: Rule, plan: Plan) -> list[str]:
    """Return the columns of the table that a rule needs, without repetition."""
    names: list[str] = []
    for key in _COLUMN_KEYS:
        if _ELSEWHERE.get(rule.name) == key:
            continue
        value = rule.params.get(key)
        if isinstance(value, str | list) and not isinstance(value, dict):
            names += columns_of(rule, plan, key)
    for key in _CONDITION_KEYS:
        names += sorted(columns_in(rule.params.get(key)))
    names += sorted(columns_in(rule.where))
    for term in rule.params.get("terms") or ():
        if isinstance(term, Mapping):
            names += [str(term.get("column")), *sorted(columns_in(term.get("where")))]
    for nested in ("order", "step"):
        inner = rule.params.get(nested)
        if isinstance(inner, Mapping):
            names.append(str(inner.get("column")))
    if isinstance(rule.params.get("on"), Mapping):
        names += [str(name) for name in rule.params["on"]]
    return list(dict.fromkeys(names))


__all__ = ["RuleBook"]
