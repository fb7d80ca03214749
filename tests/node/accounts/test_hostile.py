"""Hostile requests at every address: nothing is run, read or told."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from account_world import PASSWORD, Person, settle, strict_node, token_of
from shahrdad.node.city import Node
from shahrdad.node.http.app import api_operations, create_app
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.write.routes import writings

INJECTIONS = (
    "' OR '1'='1",
    "x'); DROP TABLE draft; --",
    '" UNION SELECT password FROM account --',
    "%27%3B%00",
)
PATHS = (
    "/static/../../../../etc/passwd",
    "/static/x/..%2f..%2f..%2fetc%2fpasswd",
    "/files/" + "0" * 64 + "/..%2f..%2fetc%2fpasswd",
    "/mirror/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/mirror/%2e%2e/%2e%2e/node.db",
    "/mirror/tile/../../../signing.key",
    "/fa/publish/..%2f..%2fetc%2fpasswd",
    "/fa/publish/template/..%2f..%2fetc",
    "/v1/drafts/..%2f..%2fnode.db",
    "/v1/uploads/..%2fx",
    "/d/kerman/..%2f..%2fnode.db",
    "//etc/passwd",
)
SECRET_FILES = ("root:x:0", "SQLite format 3", "PRIVATE")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node with people."""
    node = strict_node(tmp_path_factory.mktemp("hostile"))
    node.people = settle(node)  # type: ignore[attr-defined]
    yield node
    node.close()


@pytest.fixture(scope="module")
def client(node: Node) -> Iterator[TestClient]:
    """Return a client that shows a server's error instead of raising it."""
    app = create_app(node)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as one:
        yield one


def tables(node: Node) -> set[str]:
    """Return the names of the database's tables."""
    rows = node.database.connect().execute("SELECT name FROM sqlite_master")
    return {name for (name,) in rows}


def filled(path: str, text: str) -> str:
    """Return an address with a text in each of its variables."""
    from urllib.parse import quote

    path = re.sub(r"{(n|number)(:int)?}", "1", path)
    return re.sub(r"{\w+(:\w+)?}", quote(text, safe=""), path)


def texts(parameters: Any, text: str) -> dict[str, str]:
    """Return a query with a text in each parameter that takes one."""
    return {
        one.name: text
        for one in parameters
        if isinstance(one, Parameter) and one.kind in {"text", "choice", "moment"}
    }


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_parameter_is_sql(client: TestClient, node: Node, text: str) -> None:
    """In every variable and parameter of every address: an answer, and no harm."""
    before, token = tables(node), token_of(node, "petra", "draft:write", "submit")
    headers = {"Authorization": f"Bearer {token}"}
    for one in api_operations():
        asked = {**texts(one.parameters, text)}
        for query in (asked, {}):
            answer = client.get(filled(one.path, text), params=query)
            assert answer.status_code < 500, (one.id, answer.text[:300])
    for writing in writings():
        path = filled(writing.path, text)
        options: dict[str, Any] = {"params": texts(writing.parameters, text)}
        if writing.takes == "json":
            options["json"] = {"ref": text, "family": text, "upload": text}
        found = client.request(
            writing.method, path, headers={**headers, "If-Match": text}, **options
        )
        assert found.status_code < 500, (writing.id, found.text[:300])

    assert before == tables(node)


def test_no_page_runs_what_its_address_says(client: TestClient, node: Node) -> None:
    """Markup in each variable and filter of every page is shown as text, or refused."""
    evil = "<svg onload=alert(1)>"
    for route in client.app.routes:  # type: ignore[attr-defined]
        if not isinstance(route, Route) or "GET" not in (route.methods or ()):
            continue
        if not route.path.startswith(("/fa/", "/en/")):
            continue
        answer = client.get(filled(route.path, evil), params={"q": evil})
        assert answer.status_code < 500, (route.path, answer.text[:300])
        assert evil not in answer.text, route.path
        policy = answer.headers.get("content-security-policy", "")
        if answer.status_code == 200 and "html" in answer.headers["content-type"]:
            assert "script-src 'self'" in policy, route.path


@pytest.mark.parametrize("path", PATHS)
def test_no_address_climbs_out(client: TestClient, path: str) -> None:
    """Dots, slashes and their codes lead to no file of the machine."""
    answer = client.get(path)

    assert 300 <= answer.status_code < 500
    assert not any(secret in answer.text for secret in SECRET_FILES)


def test_logs_tell_no_secret(
    client: TestClient, node: Node, capfd: pytest.CaptureFixture[str]
) -> None:
    """Passwords, codes, tokens and cookies stand in no line of the log."""
    person: Person = node.people["adam"]  # type: ignore[attr-defined]
    token = token_of(node, "petra", "draft:write")
    code = person.code()
    sent = {"account": "adam", "password": PASSWORD, "code": code}
    site = {"Sec-Fetch-Site": "same-origin"}
    entered = client.post("/fa/publish/sign-in", data=sent, headers=site)
    cookie = entered.headers["set-cookie"].partition(";")[0].partition("=")[2]
    client.post("/v1/session", json={**sent, "password": "wrong"}, headers=site)
    client.get("/v1/drafts?state=x", headers={"Authorization": f"Bearer {token}"})
    client.get("/v1/drafts", headers={"Authorization": f"Bearer {token}x"})
    captured = capfd.readouterr()

    assert "route=/fa/publish/sign-in" in captured.out + captured.err
    for secret in (PASSWORD, token, cookie, code):
        assert secret not in captured.out + captured.err


def test_answers_tell_nothing_of_the_machine(client: TestClient, node: Node) -> None:
    """No path, no trace and no SQL stand in an error."""
    for path in ("/v1/drafts/x", "/v1/datasets/kerman/none", "/fa/publish/template/x"):
        text = client.get(path).text
        for leak in (str(node.config.folder), "Traceback", "SELECT ", "site-packages"):
            assert leak not in text
