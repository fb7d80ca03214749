"""Submit, look at what would be published, approve it or return it with a note.

Whoever decides sees the difference to the version that is public, the first rows, the
report and the digest; the form carries that digest and the revision, so that nothing
else is approved by mistake.
"""

import json
from typing import Any

from starlette.responses import RedirectResponse, Response

from shahrdad.datasets import standards
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.accounts import people
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.desk import drafting, drafts, intakes, jobs
from shahrdad.node.desk.drafts import Draft
from shahrdad.node.desk.intakes import Intake
from shahrdad.node.http.publishing import changes
from shahrdad.node.http.publishing.checking import report_of, result_of, visible
from shahrdad.node.http.publishing.counter import Door, Visit
from shahrdad.node.http.publishing.queue import decides, title_of
from shahrdad.node.http.write.drafts_api import ensure_signing
from shahrdad.node.http.write.limits import REASON_LETTERS_MAX

REFRESH_SECONDS = 2


def overview(visit: Visit) -> Response:
    """Show where a draft stands: in work, to be answered, to be decided, public."""
    connection = visit.node.database.connect()
    intake = intakes.find(connection, visit.number)
    if intake is not None and intake.account == visit.actor.account:
        job = jobs.newest(connection, intake.id)
        if job is not None and job.open:
            answer = visit.show("progress.html", intake=intake, job=job)
            answer.headers["Refresh"] = str(REFRESH_SECONDS)
            return answer
        if job is not None and job.state == "failed":
            return _failed(visit, intake, job)
        if intake.stage in {"read", "match", "unit"}:
            return visit.lead(intake.id, intake.stage)
    draft = visible(visit)
    if draft.state in {"draft", "returned"} and draft.now.kind == "publish":
        then = visit.call.request.query_params.get("then")
        described = then == "review" and draft.now.verdict == "valid"
        return visit.lead(draft.id, "review" if described else "check")
    return review(visit)


def _failed(visit: Visit, intake: Intake, job: jobs.Job) -> Response:
    """Show why a file could not be judged, and the way on."""
    error = job.error()
    return visit.show(
        "failed.html",
        intake=intake,
        sentence=error.text(visit.language) if error else "",
        reason=error.reason.value if error else "",
    )


def review(visit: Visit) -> Response:
    """Show what would be published, and ask for the word of whoever may give it."""
    draft = visible(visit)
    connection = visit.node.database.connect()
    report = report_of(visit, draft.now.report)
    wish = json.loads(draft.now.answers) if draft.now.kind != "publish" else None
    hands = {draft.author, draft.submitter, *draft.writers}
    return visit.show(
        "review.html",
        draft=draft,
        title=title_of(visit, draft),
        ref=f"{visit.node.config.node.city}/{draft.now.slug}",
        wish=wish,
        description=json.loads(draft.now.answers).get("description", {}),
        waived=(json.loads(draft.now.answers).get("context") or {}).get("waived", {}),
        standard=standards.load(draft.now.family) if draft.now.family else None,
        result=result_of(report, visit.language) if report else None,
        change=changes.of_draft(visit, draft),
        preview=changes.preview(visit, draft),
        author=people.name_of(connection, draft.author),
        submitter=people.name_of(connection, draft.submitter),
        approver=people.name_of(connection, draft.approver),
        approvers=_approvers(visit, draft),
        decides=decides(visit, draft),
        submits=draft.state in {"draft", "returned"}
        and draft.now.verdict == "valid"
        and visit.actor.may(Action.SUBMIT, draft.now.slug),
        own=visit.actor.account in hands,
    )


def _approvers(visit: Visit, draft: Draft) -> list[str]:
    """Return who could approve: publishers of the dataset who had no hand in it."""
    hands = {draft.author, draft.submitter, *draft.writers}
    return [
        account.name
        for account in people.every(visit.node.database.connect())
        if account.id not in hands
        and not account.disabled
        and _may_decide(account, draft)
    ]


def _may_decide(account: people.Account, draft: Draft) -> bool:
    """Tell whether an account's roles reach to approving a draft."""
    action = Action.REDACT_APPROVE if draft.now.kind == "redact" else Action.APPROVE
    return Actor(account.id, account.name, account.kind, account.grants).may(
        action, draft.now.slug
    )


def submit(visit: Visit) -> Response:
    """Ask for another person's approval."""
    draft = visible(visit)
    drafting.submit(visit.node, draft.id, visit.actor, visit.form.text("revision"))
    return visit.lead(draft.id)


def approve(visit: Visit) -> Response:
    """Publish what another person submitted: the record of this digest, no other."""
    digest = Digest.parse(visit.form.text("digest"))
    ensure_signing(visit.node)
    draft = drafting.approve(
        visit.node, visit.number, digest, visit.actor, visit.form.text("revision")
    )
    return visit.lead(draft.id)


def return_(visit: Visit) -> Response:
    """Give a submitted draft back, with a note on what is to be mended.

    Raises:
        RequestError: FORM_INCOMPLETE, MEMBER_WRONG.
    """
    reason = visit.form.text("reason")
    if len(reason) > REASON_LETTERS_MAX:
        raise RequestError(
            Reason.MEMBER_WRONG,
            pointer="reason",
            expected=f"text, at most {REASON_LETTERS_MAX}",
        )
    with visit.node.database.transaction() as connection:
        draft = drafts.get(connection, visit.number)
        drafting.check_etag(draft, visit.form.text("revision"))
        drafts.return_(connection, draft, visit.actor, reason, visit.at)
    return visit.lead()


def discard(visit: Visit) -> Response:
    """Give a draft or a file on the desk up."""
    connection = visit.node.database.connect()
    intake = intakes.find(connection, visit.number)
    if intake is not None and intake.account == visit.actor.account:
        with visit.node.database.transaction() as connection:
            _discard_draft(visit, connection)
            intakes.discard(connection, intake)
        return visit.lead()
    draft = visible(visit)
    with visit.node.database.transaction() as connection:
        drafts.discard(connection, draft, visit.actor, visit.at)
    return visit.lead()


def _discard_draft(visit: Visit, connection: Any) -> None:
    """Discard the draft of an intake, where there is one already."""
    try:
        draft = drafts.get(connection, visit.number)
    except RequestError:
        return
    drafts.discard(connection, draft, visit.actor, visit.at)


def receipt(visit: Visit) -> Response:
    """Lead to the receipt of a version that this draft became."""
    draft = visible(visit)
    if draft.version is None:
        raise RequestError(Reason.DRAFT_UNKNOWN, draft=visit.number[:40])
    ref = f"{visit.node.config.node.city}/{draft.now.slug}"
    address = f"/v1/datasets/{ref}/v/{draft.version}/receipt"
    return RedirectResponse(address, 303, {"Cache-Control": "no-store"})


def doors() -> list[Door]:
    """Return the addresses."""
    read, ask, decide = Action.DRAFT_READ, Action.DRAFT_ASK, Action.REDACT_APPROVE
    return [
        Door("Overview", "GET", "/{draft}", read, overview),
        Door("Review", "GET", "/{draft}/review", read, review),
        Door("Submit", "POST", "/{draft}/submit", ask, submit, "form"),
        Door("Approve", "POST", "/{draft}/approve", decide, approve, "form"),
        Door("Return", "POST", "/{draft}/return", decide, return_, "form"),
        Door("Discard", "POST", "/{draft}/discard", ask, discard, "form"),
        Door("Receipt", "GET", "/{draft}/receipt", read, receipt),
    ]
