"""What a rule of tables is given, and what it returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from shahrdad.validators.kernels.cells import mask_array
from shahrdad.validators.plan import Plan
from shahrdad.validators.rules.asking import Asking
from shahrdad.validators.rules.conditions import certain, holds
from shahrdad.validators.rules.context import RuleContext
from shahrdad.validators.rules.shape import Rule
from shahrdad.validators.rules.tee import TableValues, Tee
from shahrdad.validators.rules.tolerance import allowed, rounding_step


@dataclass(frozen=True, slots=True)
class Found:
    """One violation of a rule of tables.

    Attributes:
        row: The row that it points to; None when it is about a group or the table.
        column: The column that it points to.
        values: What the sentence speaks of.
        related: Other rows.
        severity: Instead of the rule's, where a rule lowers its own.
    """

    row: int | None = None
    column: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    related: tuple[int, ...] = ()
    severity: str | None = None


@dataclass(slots=True)
class Result:
    """The violations of a rule, and how many groups were judged."""

    found: list[Found] = field(default_factory=list)
    groups: int | None = None


class SkippedError(Exception):
    """A rule cannot be judged; the text says why."""


class Ask:
    """Everything that a rule of tables may look at.

    Attributes:
        table: The judged rows, the columns that rules need.
        rows_count: Number of rows of the table.
        key_violations: Rows with an incomplete or repeated primary key.
    """

    def __init__(
        self,
        asking: Asking,
        tee: Tee,
        context: RuleContext,
        plan: Plan,
        rows_count: int,
        key_violations: int,
    ) -> None:
        self.asking = asking
        self.tee = tee
        self.context = context
        self.plan = plan
        self.rows_count = rows_count
        self.key_violations = key_violations
        self.table = tee.table()
        self._views = 0

    def view(self, conditions: Mapping[str, Any], table: pa.Table | None = None) -> str:
        """Register a table with one flag for each condition; None holds everywhere.

        Returns:
            The name to ask for.
        """
        viewed = self.table if table is None else table
        values = TableValues(viewed)
        for name, condition in conditions.items():
            if condition is None:
                flags = pa.repeat(pa.scalar(True), viewed.num_rows)
            else:
                found = holds(condition, values, self.context.value)
                flags = mask_array(certain(found, unknown=False))
            viewed = viewed.append_column(name, flags)
        self._views += 1
        name = f"view_{self._views}"
        self.asking.register(name, viewed)
        return name

    def register(self, table: pa.Table) -> str:
        """Register a table as it is, and return its name."""
        self._views += 1
        name = f"table_{self._views}"
        self.asking.register(name, table)
        return name

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.asking.rows(sql, values)

    def allowed(
        self, rule: Rule, names: list[str], expected: Decimal, addends: int
    ) -> Decimal:
        """Return the allowed difference of sums over some columns."""
        decimals = [self.tee.decimals(name) for name in names]
        fewest = min((d for d, _ in decimals if d is not None), default=None)
        fields = [self.plan.field(name) for name in names]
        money = any(f is not None and f.kind == "money" for f in fields)
        factor = self.context.unit_factor if money else 1
        step = rounding_step(fewest, any(some for _, some in decimals), factor)
        return allowed(rule.params.get("tolerance"), expected, addends, step)


TableCheck = Callable[[Rule, Ask], Result]


def plain(value: Any) -> Any:
    """Return a value of DuckDB as sentences take it."""
    if isinstance(value, Decimal):
        return (
            int(value) if value == value.to_integral_value() else str(value.normalize())
        )
    return value.isoformat() if isinstance(value, date) else value


def group_text(values: tuple[Any, ...]) -> str:
    """Return a group's key as text."""
    return " / ".join("" if v is None else str(plain(v)) for v in values)


__all__ = [
    "Ask",
    "Found",
    "Result",
    "SkippedError",
    "TableCheck",
    "group_text",
    "plain",
]
