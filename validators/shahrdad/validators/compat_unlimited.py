"""A compat run without a limit, for the front door: the errors stay a table.

`Options(mode="compat", limit_errors=0)` comes here. No error becomes an object before
it is asked for, and `write_json` streams frictionless' descriptor byte for byte.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from frictionless import FrictionlessException, Report

from shahrdad.validators import report as ours
from shahrdad.validators.api import resolve
from shahrdad.validators.bulk import Findings
from shahrdad.validators.compat import (
    Route,
    code_of,
    issue_of,
    report_of,
    resource_of,
)
from shahrdad.validators.compat_bulk import BulkReport, validate_bulk
from shahrdad.validators.explain import Explainer
from shahrdad.validators.options import Options
from shahrdad.validators.plan import Plan


@dataclass(slots=True)
class UnlimitedReport(ours.Report):
    """All errors of a table as frictionless reports them, and as findings of ours.

    Attributes:
        bulk: The errors, not yet written.
    """

    bulk: BulkReport = field(kw_only=True)

    def to_dict(self, *, stored: bool = False) -> dict[str, Any]:
        """Return frictionless' descriptor exactly.

        Args:
            stored: With `seconds` 0, so that the bytes can be reproduced.
        """
        found: dict[str, Any] = json.loads(self.bulk.to_json())
        if stored:
            for stats in (found["stats"], *(task["stats"] for task in found["tasks"])):
                stats["seconds"] = 0
        return found

    def write_json(self, file: IO[str]) -> None:
        """Write frictionless' descriptor; nothing of its size is held in memory."""
        self.bulk.write_json(file)


def validate_unlimited(source: Any, schema: Any, options: Options) -> ours.Report:
    """Validate a file as frictionless does without a limit of errors.

    Args:
        source: A path, bytes or an open file; a path is read again by `write_json` when
            very many rows are wrong.
        schema: A family, a Table Schema or a file that holds one.
        options: `encoding` and `delimiter` are used.
    """
    plan = resolve(schema).plan
    try:
        bulk, route = validate_bulk(resource_of(source, plan.descriptor, options))
    except FrictionlessException as exception:
        failed = Report.from_validation(errors=exception.to_errors())
        return report_of(failed, Route("oracle", "oracle-raises"), plan, 0)
    # In bulk its errors are not in the report itself.
    if route.name == "oracle" or not bulk.report.valid:
        return report_of(bulk.report, route, plan, 0)
    task = bulk.report.tasks[0].to_descriptor()
    return UnlimitedReport(
        _findings(bulk, plan),
        Explainer(plan),
        mode="compat",
        route=route.name,
        reason=route.reason,
        name=str(task.get("name", "table")),
        labels=task.get("labels", ()),
        fields=task["stats"].get("fields", 0),
        rows=task["stats"].get("rows", 0),
        sha256=task["stats"].get("sha256"),
        size=task["stats"].get("bytes", 0),
        listed_max=None,
        bulk=bulk,
    )


def _findings(bulk: BulkReport, plan: Plan) -> Findings:
    """Return the errors as findings: wrong cells in bulk, the few others one by one."""
    findings = Findings([f.name for f in plan.fields])
    for error in (*bulk.before, *bulk.after):
        findings.add(issue_of(error))
    odd = np.array(list(bulk.by_row), np.int64)
    for errors in bulk.by_row.values():
        for error in errors:
            findings.add(issue_of(error))
    table = bulk.error_table
    rows = table.column("row").to_numpy()
    fields = table.column("field").to_numpy()
    cells = table.column("cell").combine_chunks()
    groups: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    kinds, notes = (table.column(name).to_pylist() for name in ("type", "note"))
    for place in np.flatnonzero(~np.isin(rows, odd)).tolist():
        groups[kinds[place], notes[place], int(fields[place])].append(place)
    for (kind, note, number), places in groups.items():
        code = code_of({"type": kind, "note": note})
        values = [{"value": note}] * len(places)
        findings.add_cells(
            code, "error", rows[places], number - 1, cells.take(places), values=values
        )
    return findings


__all__ = ["UnlimitedReport", "validate_unlimited"]
