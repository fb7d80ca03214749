"""frictionless in, frictionless out: the same report, by the kernels where they can.

`validate` is a drop-in for `resource.validate()`. Where the kernels cannot promise the
same report, frictionless itself runs, and the route says why.

>>> from frictionless import Resource
>>> report, route = validate(Resource(data=[["id"], [1]]))
>>> report.valid, str(route)
(True, 'oracle (inline-data)')
"""

import hashlib
import json
import re
import secrets
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from frictionless import (
    Checklist,
    FrictionlessException,
    Report,
    Resource,
    Schema,
    errors,
    helpers,
    system,
)
from frictionless import Dialect as Dialect_
from frictionless.formats.csv import CsvControl
from frictionless.resources import TableResource

from shahrdad.datasets.errors import DataError
from shahrdad.validators import report as ours
from shahrdad.validators.api import resolve
from shahrdad.validators.bulk import Findings, Issue
from shahrdad.validators.codes import REGISTRY
from shahrdad.validators.compat_reading import FallbackError, Reading, cells_of_rows
from shahrdad.validators.compat_scan import Collect, ExactNeededError, Pass, Scan
from shahrdad.validators.compat_sheets import OpenedWorkbook, SheetReading
from shahrdad.validators.explain import Explainer
from shahrdad.validators.options import ERRORS_COMPAT_MAX, Options
from shahrdad.validators.oracle import Integrity, Replayer
from shahrdad.validators.plan import Plan
from shahrdad.validators.tokenize import BLOCK_BYTES, RowTooLongError

_RESTARTS = 2  # with Arrow, then with csv.reader


@dataclass(frozen=True, slots=True)
class Route:
    """How a report came about.

    Attributes:
        name: `kernels` or `oracle`.
        reason: Why the oracle, of the closed list of `validation.md` 4.
    """

    name: str
    reason: str | None = None

    def __str__(self) -> str:
        """Return the route for people."""
        return self.name if self.reason is None else f"{self.name} ({self.reason})"


_CODES = {  # our code for an error type of frictionless
    "blank-row": "row-blank",
    "blank-header": "source-header",
    "blank-label": "label-blank",
    "byte-count": "count-bytes",
    "compression-error": "source-unreadable",
    "duplicate-label": "label-duplicate",
    "encoding-error": "source-decode",
    "extra-cell": "cell-extra",
    "extra-label": "label-extra",
    "field-count": "count-fields",
    "foreign-key": "key-foreign",
    "format-error": "source-format",
    "hash-count": "count-hash",
    "incorrect-label": "label-wrong",
    "missing-cell": "cell-missing",
    "missing-label": "label-missing",
    "primary-key": "key-primary",
    "row-count": "count-rows",
    "schema-error": "schema-invalid",
    "source-error": "source-unreadable",
    "unique-error": "key-unique",
}
_NOTED = re.compile(r'(?:type|constraint) (?:is )?"([A-Za-z]+)')
_CONSTRAINTS = {
    "minLength": "min-length",
    "maxLength": "max-length",
    "exclusiveMinimum": "minimum",
    "exclusiveMaximum": "maximum",
}


@dataclass(slots=True)
class CompatReport(ours.Report):
    """A report of frictionless with the members of ours; `to_dict` is its descriptor.

    Attributes:
        descriptor: What frictionless reports.
    """

    descriptor: dict[str, Any] = field(default_factory=dict)

    def to_dict(self, *, stored: bool = False) -> dict[str, Any]:
        """Return frictionless' descriptor exactly.

        Args:
            stored: With `seconds` 0, so that the bytes can be reproduced.
        """
        if not stored:
            return self.descriptor
        found: dict[str, Any] = json.loads(json.dumps(self.descriptor))
        for stats in (found["stats"], *(task["stats"] for task in found["tasks"])):
            stats["seconds"] = 0
        return found


def code_of(error: Mapping[str, Any]) -> str:
    """Return our code for an error descriptor of frictionless."""
    kind, note = str(error["type"]), str(error.get("note", ""))
    named = _NOTED.match(note)
    if kind == "type-error" and named is not None:
        code = f"type-{named[1]}"
        json_types = ("object", "array", "geojson")
        code = "type-json" if named[1] in json_types else code
        return code if code in REGISTRY else "type-string"
    if kind == "constraint-error" and named is not None:
        code = f"value-{_CONSTRAINTS.get(named[1], named[1])}"
        return code if code in REGISTRY else "value-enum"
    return _CODES.get(kind, "engine-error")


def validate_source(source: Any, schema: Any, options: Options) -> CompatReport:
    """Validate a file as frictionless does, for the front door.

    Args:
        source: A path, bytes or an open file.
        schema: A family, a Table Schema or a file that holds one.
        options: `limit_errors`, `encoding` and `delimiter` are used.
    """
    plan = resolve(schema).plan
    limit = ERRORS_COMPAT_MAX if options.limit_errors is None else options.limit_errors
    try:
        resource = resource_of(source, plan.descriptor, options)
        report, route = validate(resource, limit_errors=limit)
    except FrictionlessException as exception:
        report = Report.from_validation(errors=exception.to_errors())
        route = Route("oracle", "oracle-raises")
    return report_of(report, route, plan, limit)


def report_of(report: Report, route: Route, plan: Plan, limit: int) -> CompatReport:
    """Return frictionless' report as one of ours."""
    descriptor = report.to_descriptor()
    task = (
        descriptor["tasks"][0] if descriptor["tasks"] else {"errors": [], "stats": {}}
    )
    findings = Findings([f.name for f in plan.fields])
    for error in [*descriptor.get("errors", ()), *task["errors"]]:
        findings.add(issue_of(error))
    return CompatReport(
        findings,
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
        listed_max=limit or None,
        descriptor=descriptor,
    )


def issue_of(error: Mapping[str, Any]) -> Issue:
    """Return an error descriptor of frictionless as a finding of ours."""
    note = str(error.get("note", ""))
    values: dict[str, Any] = {"value": note}
    if code_of(error) in ("key-primary", "key-unique"):
        values["expected"] = note.rpartition(" ")[2]
    return Issue(
        code_of(error),
        "error",
        error.get("rowNumber"),
        error.get("fieldName") or None,
        error.get("fieldNumber"),
        value=error.get("cell"),
        values=values,
    )


def resource_of(
    source: Any, descriptor: Mapping[str, Any], options: Options
) -> Resource:
    """Return the source as a frictionless resource.

    Raises:
        FrictionlessException: The schema is not one.
    """
    dialect = Dialect_()
    if options.delimiter is not None:
        dialect.add_control(CsvControl(delimiter=options.delimiter))
    known: dict[str, Any] = {
        "dialect": dialect,
        "schema": Schema.from_descriptor(dict(descriptor)),
    }
    if options.encoding is not None:
        known["encoding"] = options.encoding
    # `path` and `data` by name: given by place, a JSON file might be taken for the
    # descriptor of another table, and a zip archive for a package.
    if isinstance(source, str | Path):
        path = Path(source)
        return Resource(path=path.name, basepath=str(path.parent), **known)
    data = source if isinstance(source, bytes) else source.read()
    return Resource(data=data, scheme="buffer", format="csv", **known)


def validate(
    resource: Resource,
    checklist: Checklist | None = None,
    *,
    limit_errors: int | None = ERRORS_COMPAT_MAX,
    limit_rows: int | None = None,
    on_row: Callable[[Any], None] | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> tuple[Report, Route]:
    """Validate as `resource.validate()` does, and tell the route.

    Args:
        resource: A table; it is closed afterwards. Others make the oracle run.
        checklist: Checks beside the built-in ones make the oracle run.
        limit_errors: Errors to stop at; 0 or None for all.
        limit_rows: Makes the oracle run.
        on_row: Makes the oracle run.
        block_bytes: Bytes parsed at a time; no report depends on it.

    Returns:
        The report, equal to that of frictionless but for `seconds` and, in runs that
        the limit stopped, `bytes` and hashes; and the route. Where frictionless
        crashes, the report has one `resource-error` that says so.
    """
    try:
        table = eligible(resource, checklist, limit_rows, on_row)
        run = Run(table, checklist or Checklist(), limit_errors or 0, block_bytes)
        return run.report(), Route("kernels")
    except FallbackError as fallback:
        resource.close()
        options = {"limit_rows": limit_rows, "on_row": on_row}
        report = by_the_oracle(resource, checklist, limit_errors or 0, options)
        return report, Route("oracle", fallback.reason)


def by_the_oracle(
    resource: Resource,
    checklist: Checklist | None,
    limit_errors: int,
    options: dict[str, Any],
) -> Report:
    """Let frictionless validate; what makes it crash is an error of the report."""
    try:
        return resource.validate(checklist, limit_errors=limit_errors, **options)
    except FrictionlessException:
        raise  # the caller's mistake, told as frictionless tells it
    except Exception as error:
        if options["on_row"] is not None:
            raise  # it may be the caller's own
        resource.close()
        note = f"frictionless cannot judge this table: {type(error).__name__}: {error}"
        report: Report = Report.from_validation_task(
            resource, time=0.0, errors=[errors.ResourceError(note=note)]
        )
        return report


def eligible(
    resource: Any,
    checklist: Checklist | None,
    limit_rows: int | None,
    on_row: Callable[[Any], None] | None,
) -> TableResource:
    """Return the table; raise `FallbackError` for what the kernels do not do."""
    if limit_rows:
        raise FallbackError("limit-rows")
    if on_row is not None:
        raise FallbackError("on-row")
    if checklist is not None and checklist.checks:
        raise FallbackError(f"check:{checklist.checks[0].type}")
    if not isinstance(resource, TableResource):
        raise FallbackError(f"format:{getattr(resource, 'format', None)}")
    if resource.multipart:
        raise FallbackError("multipart")
    if resource.remote:
        raise FallbackError("remote")
    local = resource.path is not None and resource.scheme in ("file", "", None)
    if not local and not (
        resource.scheme == "buffer" and isinstance(resource.data, bytes)
    ):
        raise FallbackError("inline-data")
    if resource.format == "xlsx" and (not local or resource.compression):
        raise FallbackError("format:xlsx")
    if resource.format not in ("csv", "tsv", "xlsx"):
        raise FallbackError(f"format:{resource.format}")
    if resource.compression not in (None, "", "gz", "zip"):
        raise FallbackError(f"compression:{resource.compression}")
    if system.onerror != "ignore" or not resource.closed:
        raise FallbackError("on-row")
    return resource


class Run:
    """One run by the kernels; raises `FallbackError` where they cannot go on."""

    def __init__(
        self,
        resource: TableResource,
        checklist: Checklist,
        limit: int,
        block_bytes: int,
    ) -> None:
        self.resource = resource
        self.checklist = checklist
        self.limit = limit
        self.block_bytes = block_bytes
        self.timer: Any = helpers.Timer()  # type: ignore[no-untyped-call]
        self.seed = secrets.randbits(63)
        self._exact = False
        self._workbook: OpenedWorkbook | None = None

    def report(self) -> Report:
        """Return the oracle's report."""
        resource = self.resource
        checks = self.checklist.connect(resource)
        try:
            resource.to_descriptor(validate=True)
        except FrictionlessException as exception:
            return self.reported(exception.to_errors())
        try:
            self._workbook = (
                OpenedWorkbook.of(resource) if resource.format == "xlsx" else None
            )
        except DataError as error:
            return self.reported([errors.SourceError(note=error.text("en"))])
        warnings = self._hash_warnings()
        own = self._without_self_references()
        try:
            resource.open()  # type: ignore[no-untyped-call]
        except FrictionlessException as exception:
            resource.close()
            if own:
                raise FallbackError("oracle-raises") from exception
            return self.reported(exception.to_errors())
        except Exception as error:  # such as a pattern that does not compile
            raise FallbackError("oracle-raises") from error
        finally:
            if own:
                resource.schema.foreign_keys = own
        with resource:
            return self.judge(checks, warnings)

    def _hash_warnings(self) -> list[str]:
        if self.resource.hash:
            algorithm, _ = helpers.parse_resource_hash_v1(self.resource.hash)
            if algorithm not in ("md5", "sha256"):
                return ["hash is ignored; supported algorithms: md5/sha256"]
        return []

    def _without_self_references(self) -> list[Any]:
        """Take away keys that refer to the table itself, which would be read twice."""
        keys = self.resource.schema.foreign_keys if self.resource.schema else []
        own = ("", self.resource.name)
        if not any(key["reference"]["resource"] in own for key in keys):
            return []
        self.resource.schema.foreign_keys = [
            key for key in keys if key["reference"]["resource"] not in own
        ]
        return list(keys)

    def judge(self, checks: list[Any], warnings: list[str]) -> Report:
        """Judge the rows of the opened table."""
        resource, limit = self.resource, self.limit
        found: list[Any] = []
        for check in checks:
            found += [e for e in check.validate_start() if self.checklist.match(e)]
        labels = resource.labels
        replayer, outcome = self.passes(len(found))
        partial = False
        if limit and len(found) >= limit and outcome.rows:
            partial = True
            resource.stats.rows = 1
        elif outcome.rows or outcome.candidates:
            partial = self._replay(checks, found, replayer, outcome)
        if not partial:
            self.complete_stats(outcome.rows)
            for check in checks:
                found += [e for e in check.validate_end() if self.checklist.match(e)]
        else:
            found = found[:limit]
            warnings.append(f"reached error limit: {limit}")
        return self.reported(found, labels, warnings)

    def reported(
        self, errors: list[Any], labels: Any = (), warnings: Any = ()
    ) -> Report:
        """Return the oracle's report of the task."""
        report: Report = Report.from_validation_task(
            self.resource,
            time=self.timer.time,
            labels=list(labels),
            errors=errors,
            warnings=list(warnings),
        )
        return report

    def collector(self, replayer: Replayer) -> Collect | None:
        """Return what is told of each batch, beside the scan's own notes."""
        return None

    def passes(self, errors_before: int) -> tuple[Replayer, Pass]:
        """Run the pass, once more with `csv.reader` where blank lines matter."""
        for _ in range(_RESTARTS):
            reading = self._open_reading()
            try:
                replayer = Replayer(self.resource, Integrity({}, {}))
                simple = not (self.checklist.pick_errors or self.checklist.skip_errors)
                stop_at = self.limit if simple else 0
                scan = Scan(
                    self.resource,
                    reading,
                    replayer,
                    self.seed,
                    stop_at,
                    self.collector(replayer),
                )
                outcome = scan.run(errors_before)
            except ExactNeededError:
                self._exact = True
                continue
            except RowTooLongError as error:
                raise FallbackError("row-too-long") from error
            except pa.ArrowInvalid as error:
                raise FallbackError("decode-error") from error
            except (UnicodeError, OSError, EOFError, zipfile.BadZipFile) as error:
                raise FallbackError("decode-error") from error
            except FallbackError:
                raise
            except Exception as error:
                raise FallbackError("oracle-raises") from error
            replayer.integrity = outcome.integrity
            self._reading = reading
            return replayer, outcome
        raise FallbackError("oracle-raises")

    def _open_reading(self) -> Reading:
        if self._workbook is not None:
            return SheetReading(self.resource, self._workbook)
        return Reading(self.resource, exact=self._exact, block_bytes=self.block_bytes)

    def _replay(
        self, checks: list[Any], found: list[Any], replayer: Replayer, outcome: Pass
    ) -> bool:
        """Write the errors of the candidates; return whether the limit stopped it."""
        keyed = {n for rows in outcome.integrity.unique.values() for n in rows}
        numbers = sorted({*outcome.candidates, *keyed, *outcome.integrity.primary})
        for number, cells in self.cells_of(numbers, outcome):
            try:
                row = replayer.row(number, cells)
                for check in checks:
                    found += [
                        e for e in check.validate_row(row) if self.checklist.match(e)
                    ]
            except Exception as error:
                raise FallbackError("oracle-raises") from error
            if self.limit and len(found) >= self.limit:
                self.resource.stats.rows = self._reading.ordinal(number)
                return True
        if outcome.stopped:
            raise FallbackError("oracle-raises")
        return False

    def cells_of(
        self, numbers: list[int], outcome: Pass
    ) -> Iterator[tuple[int, list[Any]]]:
        """Yield the cells of some rows; those that were not kept are read again."""
        if all(number in outcome.cells for number in numbers):
            yield from ((number, outcome.cells[number]) for number in numbers)
            return
        wanted = np.array(numbers, np.int64)
        for batch in self._reading.batches():
            first = batch.first_row
            inside = wanted[
                np.searchsorted(wanted, first) : np.searchsorted(
                    wanted, first + batch.rows
                )
            ]
            yield from zip(
                inside.tolist(), cells_of_rows(batch, inside - first), strict=True
            )
            if len(inside) and inside[-1] == wanted[-1]:
                return

    def complete_stats(self, rows: int) -> None:
        """Set the statistics of a run that read everything."""
        stats = self.resource.stats
        stats.rows = rows
        if self.resource.compression:
            return
        md5, sha256, size = (
            hashlib.new("md5", usedforsecurity=False),
            hashlib.sha256(),
            0,
        )
        with self._reading.raw() as file:
            while chunk := file.read(1 << 20):
                md5.update(chunk)
                sha256.update(chunk)
                size += len(chunk)
        stats.md5, stats.sha256, stats.bytes = md5.hexdigest(), sha256.hexdigest(), size


__all__ = [
    "CompatReport",
    "FallbackError",
    "Route",
    "code_of",
    "issue_of",
    "report_of",
    "resource_of",
    "validate",
    "validate_source",
]
