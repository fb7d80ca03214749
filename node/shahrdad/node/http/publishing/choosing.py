"""Choose what it is and hand the file in; later, hand in the mended file."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.responses import Response

from shahrdad.datasets import standards
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk import drafting, drafts, intakes, jobs, uploads
from shahrdad.node.desk.intake_works import LOOK
from shahrdad.node.desk.uploads import Upload
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.publishing.counter import Door, Visit
from shahrdad.node.incoming.handing import default_slug

YEAR = Parameter("fiscal_year", "integer", "", minimum=1300, maximum=1499)
TEMPLATE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_COPY_BYTES = 1 << 20


def ask(visit: Visit) -> Response:
    """Show the standards in plain words, and the place for the file."""
    families = [standards.load(name) for name in standards.families()]
    return visit.show(
        "new.html",
        families=[one for one in families if one.status != "retired"],
        chosen=visit.call.request.query_params.get("family", ""),
    )


def template(visit: Visit) -> Response:
    """Answer with the workbook of a standard, to be filled in."""
    from shahrdad.datasets.templates import Properties, xlsx_template

    family = str(visit.call.path["family"])
    standard = standards.load(family)
    content = xlsx_template(
        standard, Properties(city_code=visit.node.config.node.city_code)
    )
    headers = {
        "Content-Disposition": f'attachment; filename="{family}.xlsx"',
        "Cache-Control": "no-store",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(content, headers=headers, media_type=TEMPLATE)


def hand_in(visit: Visit) -> Response:
    """Keep the file as it came, and begin to look at it."""
    family = visit.form.text("family")
    standard = standards.load(family)
    year = visit.form.text("fiscal_year", "")
    fiscal_year = YEAR.read(year) if year else None
    slug = default_slug(family, fiscal_year)
    visit.actor.check(Action.DRAFT_WRITE, slug)
    upload = keep(visit)
    with visit.node.database.transaction() as connection:
        intake = intakes.begin(
            connection,
            visit.actor.account,
            upload.id,
            standard.family,
            slug,
            fiscal_year,
        )
        jobs.add(connection, visit.actor.account, LOOK, intake.id)
    visit.jobs.wake()
    return visit.lead(intake.id)


def hand_in_again(visit: Visit) -> Response:
    """Take the mended file in the place of the one before; the answers stay."""
    connection = visit.node.database.connect()
    intake = intakes.get(connection, visit.number, visit.actor.account)
    check_open(visit, intake.id)
    visit.actor.check(Action.DRAFT_WRITE, intake.slug)
    upload = keep(visit)
    said = intake.said.unmatched()
    with visit.node.database.transaction() as connection:
        intakes.keep(
            connection,
            replace(intake, upload=upload.id, said=said, outline=None, stage="reading"),
        )
        jobs.add(connection, visit.actor.account, LOOK, intake.id)
    visit.jobs.wake()
    return visit.lead(intake.id)


def check_open(visit: Visit, number: str) -> None:
    """Refuse to change what is submitted already.

    Raises:
        ConflictError: DRAFT_STATE.
    """
    try:
        draft = drafts.get(visit.node.database.connect(), number)
    except RequestError:
        return
    if draft.state not in {"draft", "returned"}:
        raise ConflictError(
            Reason.DRAFT_STATE,
            draft=draft.id,
            state=draft.state,
            wanted="draft | returned",
        )


def keep(visit: Visit) -> Upload:
    """Store the file of the form privately, under its own name.

    Raises:
        RequestError: FORM_INCOMPLETE: there is none, or it is empty.
    """
    sent = visit.form.file
    if sent is None or not sent.filename:
        raise RequestError(Reason.FORM_INCOMPLETE, field="file")
    folder = visit.node.config.data / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "upload"
        with path.open("wb") as file:
            while chunk := sent.file.read(_COPY_BYTES):
                file.write(chunk)
        if path.stat().st_size == 0:
            raise RequestError(Reason.FORM_INCOMPLETE, field="file")
        name = drafting.safe_name(sent.filename)
        return uploads.keep(visit.node, visit.actor, path, name, visit.at)


def doors() -> list[Door]:
    """Return the addresses."""
    write = Action.DRAFT_WRITE
    return [
        Door("New", "GET", "/new", write, ask),
        Door("HandIn", "POST", "/new", write, hand_in, "file"),
        Door("Template", "GET", "/template/{family}", write, template),
        Door("HandInAgain", "POST", "/{draft}/file", write, hand_in_again, "file"),
    ]
