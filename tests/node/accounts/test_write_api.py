"""The write side over HTTP: every address by every role, and the ways around it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from account_world import PASSWORD, Person, settle, strict_node, token_of
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.roles import ALLOWED, SCOPE_OF, Action, Role
from shahrdad.node.city import Node
from shahrdad.node.http.app import create_app
from shahrdad.node.http.write.routes import writings
from shahrdad.node.incoming.example_files import find_example, handed

ROLES = {
    Role.EDITOR: "edna",
    Role.PUBLISHER: "petra",
    Role.ADMIN: "adam",
    Role.AUDITOR: "aura",
}
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}


@dataclass
class Office:
    """A node under four eyes, its people, and a client of it."""

    node: Node
    people: dict[str, Person]
    client: TestClient

    def ask(self, method: str, path: str, token: str = "", **options: Any) -> Any:
        """Send a request with a bearer token and no cookie."""
        headers = options.pop("headers", {})
        if token:
            headers = {"Authorization": f"Bearer {token}", **headers}
        self.client.cookies.clear()
        return self.client.request(method, path, headers=headers, **options)

    def upload(self, token: str, name: str = "org-units") -> str:
        """Send an example file and return what it is called."""
        path = find_example("kerman", name).path
        answer = self.ask(
            "PUT",
            f"/v1/uploads?filename={path.name}",
            token,
            content=path.read_bytes(),
        )
        assert 201 == answer.status_code, answer.text
        return str(answer.json()["id"])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Return one node for the tests of this module."""
    node = strict_node(tmp_path_factory.mktemp("office"))
    people = settle(node)
    app = create_app(node)
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as one:
        yield Office(node, people, one)
    node.close()


def reason(answer: Any) -> str:
    """Return the reason of a problem document."""
    return str(answer.json()["errors"][0]["reason"])


def said(upload: str, title: str = "واحدها") -> dict[str, Any]:
    """Return the body that makes a draft of the example."""
    example = handed(find_example("kerman", "org-units"))
    return {
        "upload": upload,
        "ref": "kerman/org-units",
        "family": "org_units",
        "title": {"fa": title, "en": "Units"},
        "mapping": dict(example.profile),
        "example": True,
    }


def scope_of(right: Action) -> str:
    """Return the scope that reaches to an address."""
    return SCOPE_OF[right] or "submit"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("one", writings(), ids=lambda one: one.id)
def test_every_address_by_every_role(office: Office, one: Any, role: Role) -> None:
    """Who may ask is decided before anything else, alike for all addresses."""
    if one.right is None:
        return
    scope = scope_of(one.right)
    person = ROLES[role]
    if scope == "approve" and person == "edna":
        scope = "submit"
    token = token_of(office.node, person, scope)
    path = one.path.format(
        draft="01J00000000000000000000000",
        upload="01J00000000000000000000000",
        job="01J00000000000000000000000",
        name="nobody",
        token="nothing0",
        city="kerman",
        slug="org-units",
    )
    content: dict[str, Any] = {"json": {}} if one.takes == "json" else {}
    answer = office.ask(one.method, path, token, **content)
    allowed = role in ALLOWED[one.right]

    assert allowed == (answer.status_code not in {401, 403}), answer.text
    assert "no-store" == answer.headers["cache-control"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("one", writings(), ids=lambda one: one.id)
def test_every_address_refuses_strangers_and_foreign_sites(
    office: Office, one: Any
) -> None:
    """Without a right nothing happens, and no cookie works from another site."""
    blanks = ("draft", "upload", "job", "name", "token", "slug")
    path = one.path.format(city="kerman", **dict.fromkeys(blanks, "x"))
    if one.right is not None:
        for token in ("", "nonsense", "shahrdad_" + "0" * 49):
            answer = office.ask(one.method, path, token)
            assert (401, "Bearer") == (
                answer.status_code,
                answer.headers["www-authenticate"],
            )
    if one.method in {"GET", "HEAD"}:
        return
    sign_in(office, "edna")
    for headers in (FOREIGN, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}, {}):
        if one.right is None and not headers:
            continue
        answer = office.client.request(one.method, path, headers=headers)
        assert "CSRF_REFUSED" == reason(answer)


def sign_in(office: Office, name: str) -> Response:
    """Begin a session of a person; the client keeps its cookie."""
    office.client.cookies.clear()
    person = office.people[name]
    answer = office.client.post(
        "/v1/session",
        json={"account": name, "password": PASSWORD, "code": person.code()},
        headers=SAME_SITE,
    )
    assert 201 == answer.status_code, answer.text
    return answer  # type: ignore[return-value]


def test_session_cookie_is_shut_in(office: Office) -> None:
    """No script reads it, no plain connection carries it, no other host sets it."""
    cookie = sign_in(office, "edna").headers["set-cookie"]

    assert cookie.startswith("__Host-session=")
    for word in ("Path=/", "Secure", "HttpOnly", "SameSite=Lax"):
        assert word in cookie
    assert "Domain" not in cookie
    assert "edna" == office.client.get("/v1/session").json()["account"]
    ended = office.client.delete("/v1/session", headers=SAME_SITE)
    assert 204 == ended.status_code
    office.client.cookies.clear()
    kept = cookie.partition(";")[0]
    answer = office.client.get("/v1/session", headers={"Cookie": kept})
    assert 401 == answer.status_code


def test_own_pages_may_write_with_the_cookie(office: Office) -> None:
    """Fetch metadata of the node's own pages, or an Origin that is public_url."""
    sign_in(office, "edna")
    body = {"scopes": ["submit"], "name": "own"}
    for headers in (SAME_SITE, {"Origin": office.node.config.public_url}):
        answer = office.client.post("/v1/tokens", json=body, headers=headers)
        assert 201 == answer.status_code, answer.text


def test_two_people_publish_over_http(office: Office) -> None:
    """Upload, draft, preview, submit, refused self-approval, approval, public page."""
    write = token_of(office.node, "edna", "draft:write", "submit")
    decide = token_of(office.node, "paul", "approve")
    both = token_of(office.node, "petra", "draft:write", "submit", "approve")
    made = office.ask("POST", "/v1/drafts", write, json=said(office.upload(write)))
    assert 201 == made.status_code, made.text
    draft, etag = made.json(), made.headers["etag"]
    one = f"/v1/drafts/{draft['id']}"

    assert "valid" == draft["verdict"]
    assert 404 == office.ask("GET", "/v1/datasets/kerman/org-units").status_code
    preview = office.ask("GET", f"{one}/preview", write).json()
    assert 18 == len(preview["rows"])
    record = office.ask("GET", f"{one}/record", decide)
    assert "four-eyes" == json.loads(record.content)["shahrdad"]["approval"]
    body = {"title": {"fa": "واحدهای شهرداری"}}
    headers = {"If-Match": etag}
    changed = office.ask("PATCH", one, both, json=body, headers=headers)
    assert (200, 2) == (changed.status_code, changed.json()["revision"])
    assert ["edna", "petra"] == changed.json()["writers"]
    stale = office.ask("POST", f"{one}/submit", write, headers=headers)
    assert (412, "REVISION_CHANGED") == (stale.status_code, reason(stale))
    assert 428 == office.ask("POST", f"{one}/submit", write).status_code
    headers = {"If-Match": changed.headers["etag"]}
    sent = office.ask("POST", f"{one}/submit", write, headers=headers)
    assert "submitted" == sent.json()["state"]
    digest = {"digest": sent.json()["digest"]}
    headers = {"If-Match": sent.headers["etag"]}
    own = office.ask("POST", f"{one}/approve", both, json=digest, headers=headers)
    assert (403, "FOUR_EYES") == (own.status_code, reason(own))
    assert "urn:shahrdad:problem:four-eyes" == own.json()["type"]
    weak = office.ask("POST", f"{one}/approve", write, json=digest, headers=headers)
    assert 403 == weak.status_code
    other = {"digest": "0" * 64}
    wrong = office.ask("POST", f"{one}/approve", decide, json=other, headers=headers)
    assert "DIGEST_NOT_APPROVED" == reason(wrong)
    done = office.ask("POST", f"{one}/approve", decide, json=digest, headers=headers)
    assert ("published", 1) == (done.json()["state"], done.json()["version"])
    shown = office.ask("GET", "/v1/datasets/kerman/org-units").json()
    assert ("four-eyes", "واحدهای شهرداری") == (
        shown["version"]["approval"],
        shown["title"]["fa"],
    )
    again = office.ask("POST", f"{one}/approve", decide, json=digest, headers=headers)
    assert again.status_code in {409, 412}
    audit.verify(office.node.database.connect())


def test_repeated_request_makes_one_draft(office: Office) -> None:
    """The same key and request: the same answer. Another request: 422."""
    token = token_of(office.node, "edna", "draft:write")
    body = said(office.upload(token), "تکرار")
    headers = {"Idempotency-Key": "once-and-for-all"}
    first = office.ask("POST", "/v1/drafts", token, json=body, headers=headers)
    second = office.ask("POST", "/v1/drafts", token, json=body, headers=headers)
    other = office.ask(
        "POST",
        "/v1/drafts",
        token,
        json={**body, "note": {"fa": "دیگر"}},
        headers=headers,
    )

    assert first.json() == second.json()
    assert "true" == second.headers["idempotency-replayed"]
    assert (422, "IDEMPOTENCY_KEY_REUSED") == (other.status_code, reason(other))


def test_upload_of_another_is_unknown(office: Office) -> None:
    """Whoever uses a file wrote it; nobody uses a file that somebody else sent."""
    number = office.upload(token_of(office.node, "edna", "draft:write"))
    token = token_of(office.node, "petra", "draft:write")
    answer = office.ask("POST", "/v1/drafts", token, json=said(number))

    assert (404, "UPLOAD_UNKNOWN") == (answer.status_code, reason(answer))


def test_token_cannot_make_a_wider_one(office: Office) -> None:
    """What a stolen token cannot do, it cannot give itself either."""
    token = token_of(office.node, "petra", "admin:tokens", "submit:budget")
    for scope in ("approve", "submit", "submit:projects", "draft:write"):
        answer = office.ask("POST", "/v1/tokens", token, json={"scopes": [scope]})
        assert (403, "SCOPE_MISSING") == (answer.status_code, reason(answer))
    made = office.ask("POST", "/v1/tokens", token, json={"scopes": ["submit:budget"]})
    assert 201 == made.status_code


def test_administrator_does_not_make_themselves_publisher(office: Office) -> None:
    """Roles are given to others; the audit has the attempt."""
    token = token_of(office.node, "adam", "admin:accounts")
    body = {"roles": ["admin", "publisher"]}
    answer = office.ask("PUT", "/v1/users/adam/roles", token, json=body)

    assert (403, "FORBIDDEN") == (answer.status_code, reason(answer))
    rows = [*audit.entries(office.node.database.connect())]
    assert ("adam", "accounts", "refused") == (
        rows[-1].actor,
        rows[-1].row["action"],
        rows[-1].row["decision"],
    )


def test_file_with_errors_comes_back_marked(office: Office) -> None:
    """The publisher gets the own table with the wrong cells coloured."""
    token = token_of(office.node, "edna", "draft:write")
    number = office.upload(token, "projects-bad")
    example = handed(find_example("kerman", "projects-bad"))
    body = {
        **said(number),
        "ref": "kerman/projects",
        "family": "projects",
        "mapping": dict(example.profile),
    }
    draft = office.ask("POST", "/v1/drafts", token, json=body)
    one = f"/v1/drafts/{draft.json()['id']}"
    report = office.ask("GET", f"{one}/report", token).json()
    marked = office.ask("GET", f"{one}/marked.xlsx", token)
    headers = {"If-Match": draft.headers["etag"]}
    submit = token_of(office.node, "edna", "submit", "draft:write")
    sent = office.ask("POST", f"{one}/submit", submit, headers=headers)

    assert ("errors", False) == (draft.json()["verdict"], report["valid"])
    assert marked.content.startswith(b"PK")
    assert (409, "DRAFT_NOT_VALID") == (sent.status_code, reason(sent))


def test_file_without_a_table_cannot_come_back_marked(office: Office) -> None:
    """There is nothing to colour, and the answer says so."""
    token = token_of(office.node, "edna", "draft:write")
    kept = office.ask("PUT", "/v1/uploads?filename=a.csv", token, content=bytes(100))
    number = kept.json()["id"]
    draft = office.ask("POST", "/v1/drafts", token, json=said(number))
    marked = office.ask("GET", f"/v1/drafts/{draft.json()['id']}/marked.xlsx", token)

    assert "SOURCE_UNREADABLE" == reason(marked)
    assert 500 > marked.status_code


def test_dry_run_judges_and_keeps_nothing(office: Office) -> None:
    """A script learns what would happen; no draft is made."""
    token = token_of(office.node, "edna", "draft:write")
    body = said(office.upload(token))
    before = office.ask("GET", "/v1/drafts", token).json()
    path = "/v1/datasets/kerman/org-units/publish?dry_run=true"
    answer = office.ask("POST", path, token, json=body)

    found = answer.json()

    assert (200, True, 18) == (answer.status_code, found["valid"], found["rows"])
    assert before == office.ask("GET", "/v1/drafts", token).json()


def test_metrics_are_for_those_who_may_read_them(office: Office) -> None:
    """Requests are counted by template; no address of a reader is in it."""
    token = token_of(office.node, "aura", "metrics:read")
    office.ask("POST", "/v1/drafts/none/approve", token)
    text = office.ask("GET", "/metrics", token).text

    assert 401 == office.ask("GET", "/metrics").status_code
    assert 'shahrdad_log_size{city="kerman"}' in text
    assert 'route="/v1/drafts/{draft}/approve"' in text
    assert "shahrdad_db_wal_bytes" in text
    assert "testclient" not in text


NAMES = {
    *("http_requests_total", "http_request_seconds", "rows_served_total"),
    *("export_seconds", "publish_total", "validation_seconds", "jobs", "log_size"),
    *("cosignature_age_seconds", "sync_lag_seconds", "sync_errors_total"),
    *("objects_bytes", "object_verify_failures_total", "db_wal_bytes"),
    "rate_limited_total",
}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")
def test_metrics_are_as_prometheus_wants_them(office: Office) -> None:
    """Its own judge finds no fault in names, types and help."""
    token = token_of(office.node, "aura", "metrics:read")
    text = office.ask("GET", "/metrics", token).text
    run = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )

    assert (0, "") == (run.returncode, run.stderr)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_metric_is_there(office: Office, name: str) -> None:
    """Rules of an operator's alarms find it by its name, before anything happened."""
    token = token_of(office.node, "aura", "metrics:read")
    text = office.ask("GET", "/metrics", token).text

    assert f"# HELP shahrdad_{name} " in text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b'{"uplod": "x"}', 422),
        (b'{"family": 7}', 422),
        (b"[" * 100_000, 400),
        (b'{"a":"' + b"x" * 1024**2 + b'"}', 413),
    ],
)
def test_hostile_bodies_are_refused(
    office: Office, content: bytes, status: int
) -> None:
    """A body is bounded, parsed strictly, and no member is lost in silence."""
    token = token_of(office.node, "edna", "draft:write")
    headers = {"Content-Type": "application/json"}
    answer = office.ask("POST", "/v1/drafts", token, content=content, headers=headers)

    assert status == answer.status_code, answer.text
