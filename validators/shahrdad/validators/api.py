"""The front door: a file and a schema in; typed batches and a report out.

`validate` never raises for what the data holds. It raises `Cancelled` when asked to
stop, `OSError` when files of ours cannot be written, and `ValueError` when it is
misused.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from shahrdad.datasets.errors import DataError, RequestError, ShahrdadError
from shahrdad.datasets.standards import Standard
from shahrdad.validators.bulk import Findings, Issue
from shahrdad.validators.codes import Language, code_of
from shahrdad.validators.explain import Explainer
from shahrdad.validators.options import ERRORS_LISTED_MAX, Context, Options, Ref
from shahrdad.validators.plan import Plan, canonical_sha256
from shahrdad.validators.progress import CancelToken, OnProgress, Progress, Ticker
from shahrdad.validators.report import Report
from shahrdad.validators.sink import ParquetSink, Sink, Sinks

if TYPE_CHECKING:
    from shahrdad.validators.changes import ChangesFile
    from shahrdad.validators.quarantine import QuarantineFile
    from shahrdad.validators.source import Source as FileSource

Source = str | Path | bytes | IO[bytes]
Schema = str | Path | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A schema, found and made ready.

    Attributes:
        plan: The schema made ready.
        standard: The standard, where the schema is one.
        rules: Rules as given: those of every table, then its own.
    """

    plan: Plan
    standard: Standard | None = None
    rules: tuple[Mapping[str, Any], ...] = field(default=())


def validate(
    source: Source,
    *,
    schema: Schema,
    profile: Mapping[str, Any] | str | Path | None = None,
    refs: Mapping[str, Ref | str | Path] | None = None,
    context: Context | Mapping[str, Any] | None = None,
    sink: Sink | None = None,
    parquet: str | Path | None = None,
    changes: str | Path | None = None,
    quarantine: str | Path | None = None,
    on_progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    options: Options | None = None,
) -> Report:
    """Validate one table.

    Args:
        source: A file, its bytes, or an open file.
        schema: A family of the standards, a Table Schema, or a file that holds one.
        profile: A mapping profile (`standards.md` 4.7), or the file that holds one; of
            a file without one, `money_unit` and `calendar` alone are a profile.
        refs: Releases of other families that rules look into, by family.
        context: What rules ask for beside the table.
        sink: Gets the typed rows; committed when the table is valid, else aborted.
        parquet: A Parquet file to write when the table is valid.
        changes: A Parquet file of every change that normalisation made, to be written
            whether the table is valid or not.
        quarantine: A Parquet file for the rows with errors; the others reach the sink
            as if the table were valid, when they are a valid table. A standard must
            allow it.
        on_progress: Told at most ten times a second how far it is.
        cancel: Stops the validation within one batch when set.
        options: Everything else.

    Returns:
        The report; `report.valid` is the verdict.

    Raises:
        Cancelled: `cancel` was set; nothing was committed.
        ValueError: An argument does not make sense, such as an unknown family.
    """
    from shahrdad.validators.changes import ChangesFile
    from shahrdad.validators.quarantine import QuarantineFile

    options = options or Options()
    if quarantine is not None:
        _require_quarantine(schema, options)
    if options.mode == "compat":
        return _validate_compat(source, schema, options)
    if options.isolate:
        from shahrdad.validators.worker import validate_isolated

        isolated: Report = validate_isolated(
            source,
            schema,
            profile,
            refs,
            context,
            sink,
            parquet,
            changes,
            quarantine,
            on_progress,
            cancel,
            options,
        )
        return isolated
    started = time.perf_counter()
    sinks = Sinks(sink, None if parquet is None else ParquetSink(parquet))
    ticker = Ticker(on_progress, cancel)
    changed = None if changes is None else ChangesFile(changes)
    aside = None if quarantine is None else QuarantineFile(quarantine)
    try:
        report = _validate_strict(
            source,
            resolve(schema),
            load_profile(profile, options),
            {name: _ref(ref) for name, ref in (refs or {}).items()},
            Context.of(context),
            sinks,
            ticker,
            options,
            changed,
            aside,
        )
    except BaseException:
        sinks.abort()
        if aside is not None:
            aside.abort()
        if changed is not None:
            changed.abort()
        raise
    if changed is not None:
        changed.commit()
    end(report, sinks, aside)
    report.seconds = time.perf_counter() - started
    done = Progress("done", report.size, report.size, report.rows, report.error_count)
    ticker.tick(done, always=True)
    return report


def _validate_compat(source: Source, schema: Schema, options: Options) -> Report:
    if options.limit_errors == 0:
        from shahrdad.validators.compat_unlimited import validate_unlimited

        return validate_unlimited(source, schema, options)
    from shahrdad.validators.compat import validate_source

    return validate_source(source, schema, options)


def _require_quarantine(schema: Schema, options: Options) -> None:
    """Refuse to set rows aside where that is not allowed."""
    from shahrdad.validators.quarantine import is_allowed

    if options.mode == "compat":
        raise ValueError("quarantine is for the mode strict")
    standard = resolve(schema).standard
    if not is_allowed(standard):
        raise ValueError(f"{standard} does not allow a quarantine")


def end(report: Report, sinks: Sinks, aside: "QuarantineFile | None") -> None:
    """Keep what was written, or forget it; the quarantine comes after the rows."""
    try:
        if report.accepted:
            sinks.commit()
            if aside is not None:
                aside.commit()
        else:
            sinks.abort()
    finally:
        if aside is not None:
            aside.abort()


def _ref(ref: Ref | str | Path) -> Ref:
    return ref if isinstance(ref, Ref) else Ref(ref)


def resolve(schema: Schema) -> Resolved:
    """Find a schema and make it ready.

    Raises:
        ValueError: No family and no file has this name, or the file holds no object.
    """
    from shahrdad.datasets import standards

    if isinstance(schema, str) and schema in standards.families():
        return _of_standard(standards.load(schema))
    if isinstance(schema, str | Path):
        path = Path(schema)
        if not path.is_file():
            known = ", ".join(standards.families())
            raise ValueError(f"{schema} is neither a file nor a family ({known})")
        try:
            descriptor = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"{path.name} is not JSON: {error}") from error
    else:
        descriptor = dict(schema)
    if not isinstance(descriptor, dict):
        raise ValueError("a schema is a JSON object")
    own = descriptor.get("shahrdad")
    if isinstance(own, Mapping) and "standard" in own:
        try:
            return _of_standard(standards.parse(descriptor))
        except DataError as error:
            plan = Plan.of(descriptor)
            return Resolved(replace(plan, faults=(*plan.faults, _fault(error))))
    plan = Plan.of(descriptor)
    return Resolved(plan, None, plan.rules)


def _of_standard(standard: Standard) -> Resolved:
    from shahrdad.datasets import standards

    plan = Plan.of(standard.schema)
    common = tuple(
        {
            "id": rule.id,
            "name": rule.name,
            "severity": rule.severity,
            "waivable": rule.waivable,
            "where": rule.where,
            "params": rule.params,
            "message": rule.message_fa,
            "message_en": rule.message_en,
            "common": True,
        }
        for rule in standards.common_rules()
    )
    return Resolved(plan, standard, (*common, *plan.rules))


def _fault(error: ShahrdadError) -> Any:
    from shahrdad.validators.plan import Fault

    return Fault("schema-invalid", str(error))


def load_profile(
    profile: Mapping[str, Any] | str | Path | None, options: Options
) -> dict[str, Any] | None:
    """Return the mapping profile with what the options declare.

    Raises:
        ValueError: The file is no JSON object.
    """
    if isinstance(profile, str | Path):
        found = json.loads(Path(profile).read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("a mapping profile is a JSON object")
    else:
        found = dict(profile or {})
    if options.unit is not None:
        found["money_unit"] = options.unit
    if options.calendar is not None:
        found["calendar"] = options.calendar
    return found or None


def _schema_facts(plan: Plan) -> dict[str, Any]:
    return {"name": plan.name, "version": plan.version, "sha256": plan.sha256}


def _profile_facts(profile: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if profile is None:
        return None
    facts = {
        key: profile[key]
        for key in ("profile", "version", "money_unit", "calendar")
        if key in profile
    }
    return {**facts, "sha256": canonical_sha256(profile)}


def blank_report(
    plan: Plan, profile: Mapping[str, Any] | None, options: Options
) -> Report:
    """Return the report of a table of which nothing is known yet."""
    return Report(
        Findings([f.name for f in plan.fields]),
        Explainer(plan),
        name=plan.name,
        fields=len(plan.fields),
        schema=_schema_facts(plan),
        profile=_profile_facts(profile),
        listed_max=_listed_max(options),
    )


def _validate_strict(
    given: Source,
    resolved: Resolved,
    profile: dict[str, Any] | None,
    refs: Mapping[str, Ref],
    context: Context,
    sinks: Sinks,
    ticker: Ticker,
    options: Options,
    changes: "ChangesFile | None",
    aside: "QuarantineFile | None",
) -> Report:
    """Open, judge, report; see `validate`."""
    from shahrdad.validators.opening import Opening, schema_faults
    from shahrdad.validators.source import Source as FileSource

    plan = resolved.plan
    report = blank_report(plan, profile, options)
    faults = schema_faults(plan)
    for fault in faults:
        values = {"value": fault.value, "expected": fault.expected}
        report.findings.add(Issue(fault.code, "error", values=values))
    if faults:
        return report
    try:
        # A stream is not read into memory: it is rewound, or spooled to disk.
        source = FileSource.of(given, hashed=bool(options.hashes))
        opening = Opening(source, resolved, profile, options, changes)
        report.marked = lambda found, path, language: _write_marked(
            found, source, path, language
        )
        table, normalise = opening.open()
    except (DataError, RequestError) as error:
        report.findings.add(_opening_issue(error))
        return report
    if aside is not None:
        from shahrdad.validators.quarantine import judge_apart

        return judge_apart(
            opening, report, table, normalise, refs, context, sinks, ticker, aside
        )
    return opening.judge(report, table, normalise, refs, context, sinks, ticker)


def _write_marked(
    report: Report, source: "FileSource", path: Path, language: Language
) -> None:
    from shahrdad.validators.marked import write_marked

    write_marked(report, source, path, language)


def _listed_max(options: Options) -> int | None:
    if not options.explain:
        return 0
    if options.limit_errors is None:
        return ERRORS_LISTED_MAX
    return options.limit_errors or None


def _opening_issue(error: ShahrdadError) -> Issue:
    """Return the finding of a source that could not be opened."""
    values = {"value": error.text("en"), "value_fa": error.text("fa")}
    return Issue(code_of(error), "error", values={**error.values, **values})


__all__ = [
    "Resolved",
    "Schema",
    "Source",
    "blank_report",
    "end",
    "load_profile",
    "resolve",
    "validate",
]
