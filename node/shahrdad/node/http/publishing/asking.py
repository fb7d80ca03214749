"""What a file leaves open: how it is read, and which column is what.

A form of the match page has, for the column at place n, `label-n` and `use-n`: a field
of the standard, `keep`, or empty to leave the column out; `constant-FIELD` fills a
required field that no column is.
"""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from shahrdad.datasets import standards
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.standards import Field
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk import intakes, jobs, uploads
from shahrdad.node.desk.intake_works import JUDGE, LOOK
from shahrdad.node.desk.intakes import Intake, Said
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.publishing.counter import Door, Visit
from shahrdad.node.incoming.handing import with_constants
from shahrdad.node.incoming.profiles import FOLDER, Profiles, with_former_values

ENCODINGS = ("utf-8", "windows-1256", "utf-16-le", "utf-16-be", "iso-8859-6", "cp1252")
KEEP = "keep"
ROW = Parameter("header_row", "integer", "", minimum=1, maximum=1000)


def opened(visit: Visit) -> Intake:
    """Return the visitor's own file of the address, looked at already.

    Raises:
        RequestError: INTAKE_UNKNOWN.
    """
    connection = visit.node.database.connect()
    intake = intakes.get(connection, visit.number, visit.actor.account)
    if intake.outline is None:
        raise RequestError(Reason.INTAKE_UNKNOWN, number=visit.number[:40])
    return intake


def facts(visit: Visit, intake: Intake) -> dict[str, Any]:
    """Return what every page about a file shows of it."""
    return {
        "intake": intake,
        "file": uploads.find(visit.node, visit.actor, intake.upload),
        "standard": standards.load(intake.family),
    }


def ask_reading(visit: Visit) -> Response:
    """Show the first rows as they are read, with the header that was found."""
    intake = opened(visit)
    outline = intake.outline or {}
    error = outline.get("error")
    return visit.show(
        "read.html",
        **facts(visit, intake),
        outline=outline,
        error=_sentence(visit, error) if error else "",
        sheets=[one["name"] for one in outline.get("sheets", [])],
        encodings=ENCODINGS,
    )


def confirm_reading(visit: Visit) -> Response:
    """Read the file as the person says; what changed is looked at again."""
    intake = opened(visit)
    form, said = visit.form, intake.said
    options = dict(said.options)
    row = form.text("header_row", "")
    told = {
        "sheet": form.text("sheet", ""),
        "encoding": form.text("encoding", ""),
        "header_row": ROW.read(row) if row else None,
    }
    for name, value in told.items():
        if value:
            options[name] = value
        else:
            options.pop(name, None)
    outline = intake.outline or {}
    reading = outline.get("reading") or {}
    same = not outline.get("error") and all(
        _as_read(name, reading) == value for name, value in told.items() if value
    )
    said = replace(said, options=options, read=True)
    if same:
        stage = intakes.next_stage(said, outline)
        return go_on(visit, replace(intake, said=said, stage=stage))
    return _look_again(visit, replace(intake, said=said))


def _as_read(name: str, reading: dict[str, Any]) -> Any:
    """Return how the file was read, in the form of the answer."""
    if name == "header_row":
        rows = reading.get("header_rows") or [None]
        return rows[0] if len(rows) == 1 else None
    return reading.get(name)


def ask_columns(visit: Visit) -> Response:
    """Show the columns of the file beside the fields of the standard."""
    intake = opened(visit)
    return _columns_page(visit, intake, intake.said)


def _columns_page(
    visit: Visit, intake: Intake, said: Said, missing: list[Field] | None = None
) -> Response:
    outline = intake.outline or {}
    questions = outline.get("questions") or {}
    standard = standards.load(intake.family)
    certain = questions.get("certain", {})
    proposed = {one["label"]: one for one in questions.get("proposed", [])}
    columns = []
    for place, label in enumerate(outline.get("labels", [])):
        if not label.strip():
            continue
        chosen = said.columns.get(label, certain.get(label))
        if not said.matched and label in proposed:
            chosen = proposed[label]["field"]
        columns.append(
            {
                "place": place,
                "label": label,
                "samples": outline.get("samples", {}).get(label, []),
                "chosen": KEEP if label in said.keep else chosen or "",
                "certain": label in certain and not said.matched,
                "proposed": label in proposed,
            }
        )
    return visit.show(
        "match.html",
        **facts(visit, intake),
        columns=columns,
        fields=standard.fields,
        constants=[
            field
            for field in _fields_to_fill(visit, intake, said)
            if field.name not in {one["chosen"] for one in columns}
        ],
        said=said,
        missing=missing or [],
    )


def _fields_to_fill(visit: Visit, intake: Intake, said: Said) -> list[Field]:
    """Return the required fields that the node knows no value of by itself."""
    standard = standards.load(intake.family)
    known = {
        rule["to"]
        for rule in with_constants({}, standard, visit.node.config, intake.fiscal_year)[
            "columns"
        ]
    }
    return [
        field
        for field in standard.fields
        if field.required and field.import_default is None and field.name not in known
    ]


def match_columns(visit: Visit) -> Response:
    """Take the columns as matched; what is still missing is shown on the same page."""
    intake = opened(visit)
    standard = standards.load(intake.family)
    outline = intake.outline or {}
    labels = tuple(outline.get("labels", []))
    columns: dict[str, str | None] = {}
    keep: list[str] = []
    for place, label in enumerate(labels):
        use = visit.form.text(f"use-{place}", "")
        if use == KEEP:
            keep.append(label)
        elif label.strip():
            columns[label] = use if use in standard.field_names else None
    used = {name for name in columns.values() if name}
    fill = _fields_to_fill(visit, intake, intake.said)
    constants = {
        field.name: text
        for field in fill
        if field.name not in used
        and (text := visit.form.text(f"constant-{field.name}", ""))
    }
    said = replace(
        intake.said,
        labels=labels,
        columns=columns,
        keep=tuple(keep),
        constants=constants,
        stated=tuple((outline.get("questions") or {}).get("stated", ())),
        source=source_of(intake),
    )
    missing = [
        field
        for field in fill
        if field.name not in used and field.name not in constants
    ]
    twice = len(used) < len([name for name in columns.values() if name])
    if missing or twice:
        answer = _columns_page(visit, intake, said, missing)
        answer.status_code = 422
        return answer
    return _look_again(visit, replace(intake, said=said))


def source_of(intake: Intake) -> dict[str, Any]:
    """Return how a file was read, as a profile has it."""
    reading = (intake.outline or {}).get("reading") or {}
    options = intake.said.options
    found = {
        "kind": reading.get("format"),
        "sheet": reading.get("sheet"),
        "header_rows": reading.get("header_rows"),
        "encoding": options.get("encoding"),
        "delimiter": options.get("delimiter"),
    }
    return {name: value for name, value in found.items() if value}


def _look_again(visit: Visit, intake: Intake) -> Response:
    """Look at the file with the new answers, in a job."""
    with visit.node.database.transaction() as connection:
        intakes.keep(connection, replace(intake, stage="reading"))
        jobs.add(connection, visit.actor.account, LOOK, intake.id)
    visit.jobs.wake()
    return visit.lead(intake.id)


def go_on(visit: Visit, intake: Intake) -> Response:
    """Store an intake at its next stage, and begin to judge where nothing is open."""
    if intake.stage != "judging":
        with visit.node.database.transaction() as connection:
            intakes.keep(connection, intake)
        return visit.lead(intake.id, intake.stage)
    return judge(visit, intake)


def judge(visit: Visit, intake: Intake, then: str = "") -> Response:
    """Judge a file in a job, with the answers kept as the profile of its layout.

    Args:
        visit: Of its owner.
        intake: The file, with what was answered.
        then: The page that a valid result leads to; empty = the result itself.
    """
    said = intake.said
    if said.matched and not said.known:
        standard = standards.load(intake.family)
        store = Profiles(visit.node.config.data / FOLDER)
        made = said.profile(standard)
        former = store.find(standard.family, made["profile"])
        if former is not None:
            made = with_former_values(made, former.descriptor)
        saved = store.save(made)
        said = replace(said, known=f"{saved.family}/{saved.name}")
    with visit.node.database.transaction() as connection:
        intakes.keep(connection, replace(intake, said=said, stage="judging"))
        jobs.add(connection, visit.actor.account, JUDGE, intake.id)
    visit.jobs.wake()
    return visit.lead(f"{intake.id}?then={then}" if then else intake.id)


def _sentence(visit: Visit, error: dict[str, Any]) -> str:
    """Return why a file could not be read."""
    found = RequestError(Reason(error["reason"]), **error["values"])
    return found.text(visit.language)


def doors() -> list[Door]:
    """Return the addresses."""
    write = Action.DRAFT_WRITE
    return [
        Door("Reading", "GET", "/{draft}/read", write, ask_reading),
        Door("ConfirmReading", "POST", "/{draft}/read", write, confirm_reading, "form"),
        Door("Columns", "GET", "/{draft}/match", write, ask_columns),
        Door("MatchColumns", "POST", "/{draft}/match", write, match_columns, "form"),
    ]
