"""`shahrdad validate`: check a file against a standard; no node is needed."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.commands import import_file
from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode
from shahrdad.node.incoming.fetched_file import local_file

if TYPE_CHECKING:
    from shahrdad.validators import Options, Report

ISSUES_SHOWN = 20


def validate(
    file: str,
    *,
    standard: Annotated[str | None, Parameter(name=["--standard", "-s"])] = None,
    schema: Path | None = None,
    mode: Literal["strict", "compat"] = "strict",
    profile: Path | None = None,
    unit: str | None = None,
    calendar: Literal["jalali", "gregorian", "mixed"] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
    ref: tuple[str, ...] = (),
    context: tuple[str, ...] = (),
    limit_errors: int | None = None,
    html: Path | None = None,
    marked: Path | None = None,
    parquet: Path | None = None,
    changes: Path | None = None,
    quarantine: Path | None = None,
    threads: int = 2,
    answered: import_file.Answered = import_file.Answered(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> None:
    """Check a file against a standard or a Table Schema.

    Args:
        file: CSV, TSV, XLSX, XLS, ODS, JSON, JSON Lines or Parquet; gz and zip too. A
            path, an https:// address, or sha256:… of an object in the node's store.
        standard: A family: budget_lines, active_systems, projects, …
        schema: A Table Schema of your own (JSON), instead of a standard.
        mode: strict judges by Data Package v2 and our rules; compat as frictionless.
        profile: A mapping profile (JSON) from your columns to the standard's.
        unit: Money unit of the file: rial, million_rial, milliard_toman, …
        calendar: Calendar of its dates.
        encoding: Encoding of the text, when it cannot be told.
        delimiter: Delimiter of the text, when it cannot be told.
        sheet: Sheet of the workbook.
        header_row: Row of the header, from 1.
        ref: family=FILE that rules may look into.
        context: name=value for rules: city_code=1346, release_date=2026-11-21.
        limit_errors: List at most so many errors.
        html: Write a readable report to this file.
        marked: Write the workbook with the wrong cells marked to this file.
        parquet: Write the typed table to this file when it is valid.
        changes: Write every change that normalisation made to this Parquet file.
        quarantine: Write rows with errors to this Parquet file, and the others to that
            of --parquet when they are a valid table. The standard must allow it.
        threads: Threads beside the reading one.
    """
    from shahrdad.datasets import standards
    from shahrdad.validators import Options, Ref
    from shahrdad.validators import validate as judge

    if (standard is None) == (schema is None):
        raise RequestError(Reason.SCHEMA_NEEDED)
    if quarantine is not None:
        _require_quarantine(standard, mode)
    options = Options(
        mode=mode,
        limit_errors=limit_errors,
        threads=threads,
        encoding=encoding,
        delimiter=delimiter,
        sheet=sheet,
        header_row=header_row,
        unit=unit,
        calendar=calendar,
    )
    mapping, own = read_object(profile), read_object(schema)
    if standard is not None:
        standards.load(standard)  # a name that is none is said before the file is read
    with local_file(file, common.config) as path:
        if standard is not None and mapping is None and mode == "strict":
            mapping, options = _settled(common, answered, path, standard, options)
        with common.progress("سنجش", "Checking") as progress:
            report = judge(
                path,
                schema=standard or own or {},
                profile=mapping,
                refs={name: Ref(path) for name, path in pairs(ref)},
                context=dict(pairs(context)),
                parquet=parquet,
                changes=changes,
                quarantine=quarantine,
                on_progress=lambda seen: progress.update(
                    seen.bytes, seen.total, f"{seen.rows:,}"
                ),
                options=options,
            )
        _written(common, report, html, marked)
    if not report.valid:
        if marked is None and mode == "strict":
            _tell_of_marking(common, file)
        sys.exit(ExitCode.DATA_NOT_VALID)


def _written(
    common: Common, report: "Report", html: Path | None, marked: Path | None
) -> None:
    """Show a report, and write the files that were asked for."""
    if html is not None:
        html.write_text(report.to_html(common.language), "utf-8")
    if marked is not None and report.markable:
        report.write_marked(marked, lang=common.language)
    show(common, report)


def _tell_of_marking(common: Common, file: str) -> None:
    """Say how the own file comes back with its wrong cells marked."""
    common.next_step(
        f"فایل خودتان با خانه‌های نادرستِ نشان‌دار: shahrdad validate {file} "
        "… --marked marked.xlsx",
        f"Your own file with the wrong cells marked: shahrdad validate {file} "
        "… --marked marked.xlsx",
    )


def _require_quarantine(family: str | None, mode: str) -> None:
    """Refuse to set rows aside where that is not allowed.

    Raises:
        RequestError: PARAMETER_VALUE, QUARANTINE_NOT_ALLOWED.
    """
    from shahrdad.datasets import standards
    from shahrdad.validators.quarantine import is_allowed

    if mode != "strict":
        raise RequestError(
            Reason.PARAMETER_VALUE, parameter="--mode", value=mode, expected="strict"
        )
    if family is not None and not is_allowed(standards.load(family)):
        raise RequestError(Reason.QUARANTINE_NOT_ALLOWED, family=family)


def _settled(
    common: Common,
    answered: import_file.Answered,
    file: Path,
    family: str,
    options: "Options",
) -> tuple[dict[str, Any] | None, "Options"]:
    """Ask what the file leaves open; a node that is named keeps the answers.

    Without a terminal the report says what is open, unless `--no-input` wants an error.
    """
    from shahrdad.datasets import standards
    from shahrdad.node.config import load
    from shahrdad.node.incoming.profiles import FOLDER, Profiles

    read = import_file.terminal(answered)
    store = Profiles(load(common.config).data / FOLDER) if common.config else None
    wanted = answered.any or answered.no_input or store is not None
    if read is None and not wanted:
        return None, options
    started = import_file.Import(
        common,
        file,
        standards.load(family),
        {},
        options,
        answered,
        store,
        read=read,
    )
    profile, options = started.settle()
    return profile or None, options


def show(common: Common, report: "Report") -> None:
    """Print a report: JSON, or text for people."""
    if common.json:
        write_json = getattr(report, "write_json", None)
        if write_json is None:
            print_json(report.to_dict())
        else:
            write_json(sys.stdout)
            sys.stdout.write("\n")
        return
    if not common.quiet:
        sys.stdout.write(report.to_text(common.language, limit=ISSUES_SHOWN) + "\n")


def read_object(path: Path | None) -> dict[str, Any] | None:
    """Read a file that holds a JSON object.

    Raises:
        RequestError: FILE_NOT_FOUND, JSON_SYNTAX.
    """
    import json

    if path is None:
        return None
    if not path.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(path))
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise RequestError(
            Reason.JSON_SYNTAX, path=str(path), detail=str(error)
        ) from error
    if not isinstance(content, dict):
        raise RequestError(
            Reason.JSON_SYNTAX, path=str(path), detail="not a JSON object"
        )
    return content


def pairs(items: tuple[str, ...]) -> list[tuple[str, str]]:
    """Split `name=value` arguments.

    Raises:
        RequestError: PARAMETER_VALUE.
    """
    found = []
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise RequestError(
                Reason.PARAMETER_VALUE,
                parameter="name=value",
                value=item,
                expected="name=value",
            )
        found.append((name, value))
    return found
