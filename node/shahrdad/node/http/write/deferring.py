"""`Prefer: respond-async`: a write that may take long becomes a job (RFC 7240).

    POST /v1/drafts ──▶ 202, Location: /v1/jobs/{job} ──▶ queued ──▶ running ──▶ done

The job acts as whoever asked, by the same token or the roles of that moment: a token
that was revoked meanwhile does nothing any more. Its answer is what the request would
have had, kept for two days. A kill queues it again; a job that waits can be cancelled.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.accounts import people, tokens
from shahrdad.node.accounts.moments import present, stamp
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.desk import jobs
from shahrdad.node.http.answers import Call
from shahrdad.node.http.identity import ulid
from shahrdad.node.http.parameters import read
from shahrdad.node.http.texts import say

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.http.write.writing import Desk, Done, Writing

DEFERRED = "write.deferred"
RETRY_SECONDS = 2


def is_preferred(request: Request) -> bool:
    """Tell whether the caller would rather not wait."""
    wishes = request.headers.get("prefer", "").lower().split(",")
    return any(wish.partition(";")[0].strip() == "respond-async" for wish in wishes)


def defer(writing: "Writing", desk: "Desk") -> "Done":
    """Queue a write, and answer where it can be asked for.

    Raises:
        RequestError: IF_MATCH_REQUIRED.
    """
    from shahrdad.node.http.write.writing import Done

    request, number = desk.call.request, ulid()
    revision = desk.etag if writing.revised else ""
    with desk.node.database.transaction() as connection:
        connection.execute(
            "INSERT INTO deferred VALUES (?,?,?,?,?,?,?,?,?,NULL)",
            (
                number,
                writing.id,
                json.dumps(dict(request.path_params)),
                request.scope["query_string"],
                revision,
                desk.call.language,
                json.dumps(desk.body, ensure_ascii=False),
                desk.actor.token,
                stamp(desk.at),
            ),
        )
        job = jobs.add(connection, desk.actor.account, DEFERRED, number)
    request.app.state.jobs.wake()
    headers = {
        "Location": f"/v1/jobs/{job.id}",
        "Retry-After": str(RETRY_SECONDS),
        "Preference-Applied": "respond-async",
    }
    return Done(_document(job, None), 202, headers)


def work(node: "Node", job: jobs.Job, tell: jobs.Tell) -> None:
    """Do a write that was queued, and keep its answer; the job's side."""
    from shahrdad.node.http.write.routes import writings

    connection = node.database.connect()
    row = connection.execute(
        "SELECT writing, path, query, revision, language, body, token"
        " FROM deferred WHERE id=?",
        (job.subject,),
    ).fetchone()
    if row is None:
        raise RequestError(Reason.JOB_UNKNOWN, job=job.id)
    writing, desk = _again(node, job, row, {one.id: one for one in writings()})
    done = writing.run(desk)
    answer = {"status": done.status, "headers": dict(done.headers), "body": done.body}
    connection.execute(
        "UPDATE deferred SET answer=? WHERE id=?",
        (json.dumps(answer, ensure_ascii=False), job.subject),
    )


def _again(
    node: "Node", job: jobs.Job, row: tuple[Any, ...], known: Mapping[str, "Writing"]
) -> tuple["Writing", "Desk"]:
    """Return the operation of a queued write, and the desk that it would have had."""
    from shahrdad.node.http.write.writing import Desk

    name, path, query, revision, language, body, token = row
    writing = known[name]
    request = Request(
        {
            "type": "http",
            "method": writing.method,
            "path": writing.path,
            "path_params": json.loads(path),
            "query_string": query,
            "headers": [(b"if-match", revision.encode())] if revision else [],
        }
    )
    call = Call(node, request, read(query, writing.parameters), language)
    actor = replace(_acting(node, job.account, token), request=job.id)
    actor.check(writing.right or Action.IDENTITY)
    return writing, Desk(node, call, actor, present(), json.loads(body))


def _acting(node: "Node", account: int, token: int | None) -> Actor:
    """Return who asked, as that one may act now.

    Raises:
        RequestError: UNAUTHENTICATED: the token or the account counts no more.
    """
    connection = node.database.connect()
    if token is not None:
        found = tokens.acting(connection, token, present())
        if found is None:
            raise RequestError(Reason.UNAUTHENTICATED)
        return found
    owner = people.by_id(connection, account)
    if owner.disabled:
        raise RequestError(Reason.UNAUTHENTICATED)
    return Actor(owner.id, owner.name, owner.kind, owner.grants)


def find(connection: sqlite3.Connection, number: str, actor: Actor) -> jobs.Job:
    """Return a job of the caller; a token knows only those that it asked for.

    Raises:
        RequestError: JOB_UNKNOWN.
    """
    job = jobs.get(connection, number)
    unknown = RequestError(Reason.JOB_UNKNOWN, job=number[:40])
    if job.account != actor.account:
        raise unknown
    if actor.scopes is not None:
        row = connection.execute(
            "SELECT token FROM deferred WHERE id=?", (job.subject,)
        ).fetchone()
        if row is None or row[0] != actor.token:
            raise unknown
    return job


def show(desk: "Desk") -> "Done":
    """Answer with a job, and with its answer once it is done."""
    from shahrdad.node.http.write.writing import Done

    connection = desk.node.database.connect()
    job = find(connection, str(desk.call.path["job"]), desk.actor)
    row = connection.execute(
        "SELECT answer FROM deferred WHERE id=?", (job.subject,)
    ).fetchone()
    answer = json.loads(row[0]) if row and row[0] and job.state == "done" else None
    headers = {"Retry-After": str(RETRY_SECONDS)} if job.open else {}
    return Done(_document(job, answer), 200, headers)


def cancel(desk: "Desk") -> "Done":
    """Take a job out of the queue; one that runs goes on to its end.

    Raises:
        ConflictError: JOB_STATE.
    """
    from shahrdad.node.http.write.writing import Done

    with desk.node.database.transaction() as connection:
        job = find(connection, str(desk.call.path["job"]), desk.actor)
        if not jobs.cancel(connection, job):
            raise ConflictError(Reason.JOB_STATE, job=job.id, state=job.state)
    return Done(None, 204)


def forget_old(connection: sqlite3.Connection, before: str) -> int:
    """Forget answers that are older; the caller commits."""
    return connection.execute(
        "DELETE FROM deferred WHERE created<? AND NOT EXISTS("
        " SELECT 1 FROM job WHERE job.subject=deferred.id"
        " AND job.state IN('queued','running'))",
        (before,),
    ).rowcount


def _document(job: jobs.Job, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a job as JSON (interfaces 2.4)."""
    error = job.error()
    cancelled = error is not None and error.reason is Reason.JOB_CANCELLED
    state = "cancelled" if cancelled else job.state
    text = {
        "fa": error.text("fa") if error else say("fa", f"job.{state}"),
        "en": error.text("en") if error else say("en", f"job.{state}"),
    }
    return {
        "id": job.id,
        "state": state,
        "progress": {"done": job.done, "total": job.total, "unit": "bytes"},
        "message": text,
        "result": answer,
        "reason": error.reason.value if error else None,
    }


__all__ = ["DEFERRED", "defer", "is_preferred"]
