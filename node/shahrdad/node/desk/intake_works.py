"""The two works of the desk: looking at a file, and judging it into a draft.

Both run as jobs in the name of the account that handed the file in, with the roles that
it has at that moment.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shahrdad.datasets import standards
from shahrdad.datasets.codelists import cities
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.accounts import people
from shahrdad.node.accounts.roles import Actor
from shahrdad.node.desk import drafting, drafts, intakes, jobs, uploads
from shahrdad.node.desk.intakes import Intake, Said
from shahrdad.node.desk.jobs import Job, Tell, Work
from shahrdad.node.incoming.handing import handed_of, with_constants
from shahrdad.node.incoming.profiles import FOLDER, Profiles

if TYPE_CHECKING:
    from pathlib import Path

    from shahrdad.node.city import Node
    from shahrdad.node.publish import Handed

LOOK = "intake.look"
JUDGE = "intake.judge"


def look(node: "Node", job: Job, tell: Tell) -> None:
    """Look at a file, and go on to what must be asked; nothing asked: judge it."""
    from shahrdad.node.incoming.outline import outline

    connection = node.database.connect()
    intake = intakes.get(connection, job.subject, job.account)
    standard = standards.load(intake.family)
    profile = with_constants(
        intake.said.profile(standard), standard, node.config, intake.fiscal_year
    )
    with uploads.opened(node, acting(node, job.account), intake.upload) as file:
        tell(0, file.stat().st_size)
        seen = outline(
            file,
            intake.family,
            profile=profile,
            options=intake.said.options,
            population=_population(node),
            profiles=None if intake.said.matched else node.config.data / FOLDER,
        )
    said = intake.said
    if seen["known"]:
        said = replace(said, known=seen["known"])
    stage = intakes.next_stage(said, seen)
    with node.database.transaction() as connection:
        intakes.keep(connection, replace(intake, outline=seen, said=said, stage=stage))
        if stage == "judging":
            jobs.add(connection, job.account, JUDGE, intake.id)


def judge(node: "Node", job: Job, tell: Tell) -> None:
    """Judge a file with what was said of it; its draft has the intake's number."""
    connection = node.database.connect()
    intake = intakes.get(connection, job.subject, job.account)
    actor = acting(node, job.account)
    upload = uploads.find(node, actor, intake.upload)
    with uploads.opened(node, actor, intake.upload) as file:
        drafting.draft_file(
            node,
            handed_of_intake(node, intake, file),
            actor,
            number=intake.id,
            replaced=_draft(node, intake),
            writers=(upload.account,),
            on_progress=lambda stage, done, total: (
                tell(done, total) if stage == "validate" else None
            ),
        )
    with node.database.transaction() as connection:
        intakes.keep(connection, replace(intake, stage="drafted"))


def handed_of_intake(node: "Node", intake: Intake, file: "Path") -> "Handed":
    """Return a file with everything that was said of it."""
    said = intake.said
    told = {**defaults(node, intake), **said.description}
    handed = handed_of(
        node.config,
        file,
        family=intake.family,
        slug=intake.slug,
        fiscal_year=intake.fiscal_year,
        profile=profile_of(node, intake),
        declared=said.declared,
        waived=said.waived,
        sources=tuple(told.pop("sources", ())),
        options={**said.options, "isolate": True},
        **{name: told[name] for name in _HANDED if told.get(name)},
    )
    note = str(told.get("note_en", ""))
    return replace(handed, description=replace(handed.description, note_en=note))


def profile_of(node: "Node", intake: Intake) -> dict[str, Any]:
    """Return the profile that the file is read with: the saved one, or the answers."""
    said = intake.said
    if said.known:
        return dict(Profiles(node.config.data / FOLDER).get(said.known).descriptor)
    return said.profile(standards.load(intake.family))


def defaults(node: "Node", intake: Intake) -> dict[str, Any]:
    """Return what the newest version says of itself: filled in from last time."""
    newest = node.newest(f"{node.config.node.city}/{intake.slug}")
    if newest is None:
        return {}
    body = newest.body
    licenses = body.get("licenses") or [{}]
    return {
        "title_fa": body.get("title", ""),
        "title_en": body.get("title_en", ""),
        "description_fa": body.get("description", ""),
        "description_en": body.get("description_en", ""),
        "license": licenses[0].get("name", ""),
        "sources": tuple(one.get("title", "") for one in body.get("sources", [])),
    }


def acting(node: "Node", account: int) -> Actor:
    """Return an account as it acts now.

    Raises:
        RequestError: UNAUTHENTICATED: it was shut meanwhile.
    """
    found = people.by_id(node.database.connect(), account)
    if found.disabled:
        raise RequestError(Reason.UNAUTHENTICATED)
    return Actor(found.id, found.name, found.kind, found.grants)


def _draft(node: "Node", intake: Intake) -> drafts.Draft | None:
    try:
        return drafts.get(node.database.connect(), intake.id)
    except RequestError:
        return None


def _population(node: "Node") -> int | None:
    code = node.config.node.city_code
    return next((city.population for city in cities() if city.code == code), None)


_HANDED = (
    *("title_fa", "title_en", "description_fa", "description_en"),
    *("license", "note_fa", "example"),
)
WORKS: dict[str, Work] = {LOOK: look, JUDGE: judge}

__all__ = ["JUDGE", "LOOK", "WORKS", "Said"]
