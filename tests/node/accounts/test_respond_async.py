"""`Prefer: respond-async`: the same write by the same right, as a job."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from account_world import settle, strict_node, token_of
from shahrdad.node.accounts import people, tokens
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import MACHINE
from shahrdad.node.city import Node
from shahrdad.node.desk import jobs
from shahrdad.node.http.app import create_app
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.operating import housekeeping

ASYNC = {"Prefer": "respond-async, wait=10"}
WAIT_SECONDS = 60


@dataclass
class Office:
    """A node under four eyes, an editor's token, and a client."""

    node: Node
    client: TestClient
    token: str

    def ask(self, method: str, path: str, token: str = "", **options: Any) -> Any:
        """Send a request with a bearer token."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        headers |= options.pop("headers", {})
        return self.client.request(method, path, headers=headers, **options)

    def body(self, **changes: object) -> dict[str, object]:
        """Send an example file; return the body that makes a draft of it."""
        file = find_example("kerman", "org-units").path
        sent = self.ask("PUT", "/v1/uploads?filename=u.csv", content=file.read_bytes())
        return {
            "upload": sent.json()["id"],
            "ref": "kerman/org-units",
            "family": "org_units",
            "title": {"fa": "واحدها", "en": "Units"},
            "mapping": dict(handed(find_example("kerman", "org-units")).profile),
            "example": True,
            **changes,
        }

    def queue(self, body: dict[str, object], **headers: str) -> str:
        """Ask for a draft without waiting; return the job's address."""
        answer = self.ask("POST", "/v1/drafts", json=body, headers={**ASYNC, **headers})
        assert 202 == answer.status_code, answer.text
        assert "respond-async" == answer.headers["preference-applied"]
        return str(answer.headers["location"])

    def settled(self, address: str) -> Any:
        """Return a job that is over."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            answer = self.ask("GET", address)
            if "retry-after" not in answer.headers:
                break
            time.sleep(0.05)
        return answer.json()

    def hold(self) -> threading.Event:
        """Let the runner wait: jobs stay queued until the event is set."""
        runner, go = self.client.app.state.jobs, threading.Event()  # type: ignore[attr-defined]
        claim = runner._claim
        runner._claim = lambda: claim() if go.is_set() else None
        return go


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Return one node for the tests of this module."""
    node = strict_node(tmp_path_factory.mktemp("async"))
    settle(node, password=None)
    token = token_of(node, "edna", "draft:write", "submit")
    app = create_app(node)
    with TestClient(app, base_url="https://testserver") as one:
        yield Office(node, one, token)
    app.state.jobs.stop(5)
    node.close()


def test_answer_comes_later_and_is_the_same(office: Office) -> None:
    """The job's result is status, headers and body of the draft that was made."""
    address = office.queue(office.body())
    job = office.settled(address)

    assert ("done", None) == (job["state"], job["reason"])
    assert {"fa", "en"} == {*job["message"]}
    result = job["result"]
    assert (201, "valid") == (result["status"], result["body"]["verdict"])
    draft = office.ask("GET", result["headers"]["Location"])
    assert result["body"] == draft.json()
    assert result["headers"]["ETag"] == draft.headers["etag"]


def test_change_and_rehearsal_may_wait_too(office: Office) -> None:
    """With the revision that was seen when it was asked; none is refused at once."""
    made = office.settled(office.queue(office.body()))["result"]
    path = made["headers"]["Location"]
    body = {"title": {"fa": "عنوان تازه", "en": "New title"}}
    assert 428 == office.ask("PATCH", path, json=body, headers=ASYNC).status_code
    match = {**ASYNC, "If-Match": made["headers"]["ETag"]}
    later = office.ask("PATCH", path, json=body, headers=match)
    assert 202 == later.status_code
    assert 200 == office.settled(later.headers["location"])["result"]["status"]
    again = office.ask("PATCH", path, json=body, headers=match)
    job = office.settled(again.headers["location"])
    assert ("failed", "REVISION_CHANGED") == (job["state"], job["reason"])
    rehearse = "/v1/datasets/kerman/org-units/publish?dry_run=true"
    later = office.ask("POST", rehearse, json=office.body(), headers=ASYNC)
    assert office.settled(later.headers["location"])["result"]["body"]["valid"]


def test_what_is_wrong_is_the_job_s_reason(office: Office) -> None:
    """In both languages, without a trace; what nobody can read is refused at once."""
    job = office.settled(office.queue(office.body(upload="01J" + "0" * 23)))
    assert ("failed", "UPLOAD_UNKNOWN") == (job["state"], job["reason"])
    assert job["result"] is None
    broken = office.ask("POST", "/v1/drafts", content=b"{", headers=ASYNC)
    assert 415 == broken.status_code


def test_repeated_request_makes_one_job(office: Office) -> None:
    """The same key and request: the same job."""
    body = office.body()
    key = {"Idempotency-Key": "one-job"}

    assert office.queue(body, **key) == office.queue(body, **key)


def test_short_writes_are_done_at_once(office: Office) -> None:
    """A submission does not become a job; without the wish nothing does."""
    made = office.ask("POST", "/v1/drafts", json=office.body())
    assert 201 == made.status_code
    headers = {**ASYNC, "If-Match": made.headers["etag"]}
    path = f"{made.headers['location']}/submit"

    assert 200 == office.ask("POST", path, headers=headers).status_code


def test_job_is_for_whoever_asked(office: Office) -> None:
    """Not for another person, and not for a narrower token of the same person."""
    address = office.queue(office.body())
    office.settled(address)
    narrow = token_of(office.node, "edna", "submit:projects")
    for token in (token_of(office.node, "petra", "draft:write"), narrow):
        for method in ("GET", "DELETE"):
            answer = office.ask(method, address, token)
            assert 404 == answer.status_code
    assert 404 == office.ask("GET", "/v1/jobs/01J" + "0" * 23).status_code


def test_waiting_job_can_be_cancelled(office: Office) -> None:
    """It is never done then; one that is over cannot be."""
    go = office.hold()
    address = office.queue(office.body())
    assert 204 == office.ask("DELETE", address).status_code
    go.set()
    job = office.ask("GET", address).json()
    assert ("cancelled", "JOB_CANCELLED") == (job["state"], job["reason"])
    done = office.queue(office.body())
    office.settled(done)
    refused = office.ask("DELETE", done)
    assert (409, "JOB_STATE") == (
        refused.status_code,
        refused.json()["errors"][0]["reason"],
    )


def test_token_that_ended_meanwhile_does_nothing(office: Office) -> None:
    """Revoked between asking and doing: no draft; the same for a shut account."""
    go = office.hold()
    address = office.queue(office.body())
    connection = office.node.database.connect()
    (held,) = [
        one for one in tokens.every(connection) if one.shown == office.token[9:17]
    ]
    with office.node.database.transaction() as writing:
        tokens.revoke(writing, MACHINE, held, present())
    go.set()
    office.client.app.state.jobs.wake()  # type: ignore[attr-defined]
    job = office.ask("GET", address)
    assert 401 == job.status_code
    office.token = token_of(office.node, "edna", "draft:write", "submit")
    deadline = time.monotonic() + WAIT_SECONDS
    number = address.rpartition("/")[2]
    while jobs.get(connection, number).open and time.monotonic() < deadline:
        time.sleep(0.05)
    error = jobs.get(connection, number).error()
    assert error is not None
    assert "UNAUTHENTICATED" == error.reason.value


def test_answers_are_kept_for_two_days(office: Office) -> None:
    """Then the job is known, and its answer is not."""
    address = office.queue(office.body())
    office.settled(address)
    found = housekeeping.forget_old(office.node, present() + timedelta(hours=47))
    assert 0 == found["answers"]
    found = housekeeping.forget_old(office.node, present() + timedelta(hours=49))
    assert found["answers"] >= 1
    edna = people.find(office.node.database.connect(), "edna")
    job = jobs.get(office.node.database.connect(), address.rpartition("/")[2])
    assert edna.id == job.account
