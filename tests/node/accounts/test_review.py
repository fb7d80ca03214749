"""A hostile review, as tests: scopes, the price of a login, members, uploads, cells."""

import base64
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

import hostile_files
from account_world import add_person, settle, strict_node, token_of
from shahrdad.datasets.errors import RequestError
from shahrdad.node.accounts import passwords, people, sessions
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import (
    ENOUGH,
    MACHINE,
    SCOPE_OF,
    SCOPES,
    Actor,
    Role,
    parse_grant,
)
from shahrdad.node.city import Node
from shahrdad.node.http.app import create_app
from shahrdad.node.http.write.routes import writings

NOBODY = "01J00000000000000000000000"
STRANGER = Actor(0, "")


@dataclass
class Office:
    """A node under four eyes, and a client that shows a server's error."""

    node: Node
    client: TestClient

    def ask(self, method: str, path: str, token: str, **options: Any) -> Any:
        """Send a request with a bearer token."""
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **options)

    def upload(self, token: str, name: str, content: bytes) -> str:
        """Send a file; return what a draft calls it."""
        path = f"/v1/uploads?filename={name}"
        answer = self.ask("PUT", path, token, content=content)
        assert 201 == answer.status_code, answer.text
        return str(answer.json()["id"])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Return one node for the tests of this module; Olga has every role."""
    node = strict_node(tmp_path_factory.mktemp("review"))
    settle(node, password=None)
    add_person(node, "olga", *Role, password=None)
    app = create_app(node)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as one:
        yield Office(node, one)
    app.state.jobs.stop(5)
    node.close()


@pytest.mark.parametrize("scope", SCOPES)
def test_every_address_by_every_scope(office: Office, scope: str) -> None:
    """A token of somebody who may do everything does what its one scope says."""
    token = token_of(office.node, "olga", scope)
    for one in writings():
        if one.right is None:
            continue
        wanted = SCOPE_OF[one.right]
        reaches = wanted is None or scope in {wanted, *ENOUGH.get(one.right, ())}
        path = one.path.format(
            draft=NOBODY, upload=NOBODY, job=NOBODY, name="nobody", token="nothing0",
            city="kerman", slug="org-units",
        )  # fmt: skip
        content: dict[str, Any] = {"json": {}} if one.takes == "json" else {}
        answer = office.ask(one.method, path, token, **content)
        assert reaches == (answer.status_code != 403), (one.id, answer.text)


def test_scope_ends_where_its_prefix_ends(office: Office) -> None:
    """A token for budgets makes no draft of units, by no name of theirs."""
    token = token_of(office.node, "olga", "draft:write:budget")
    upload = office.upload(token, "u.csv", b"a,b\r\n1,2\r\n")
    body = {"upload": upload, "family": "org_units", "title": {"fa": "x", "en": "x"}}
    for ref in (
        "kerman/org-units",
        "kerman/budgets",
        "kerman/budget/../org-units",
        "kerman/BUDGET-org-units",
        "shiraz/budget-1404",
        "kerman/budget--org-units",
        "kerman/budget-\u0000org",
    ):
        answer = office.ask("POST", "/v1/drafts", token, json={**body, "ref": ref})
        assert answer.status_code in {400, 403, 404, 422}, (ref, answer.text)


def test_every_login_costs_one_hash(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, shut, a program, without a password, right name: the same work each.

    Counted in calls of argon2, which is all of the time; a clock would tell less.
    """
    node = office.node
    calls: list[str] = []
    verify = PasswordHasher.verify

    def counted(hasher: PasswordHasher, stored: str, password: str) -> bool:
        calls.append(stored.split("$")[3])
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    at = present()
    with node.database.transaction() as connection:
        grants = [parse_grant("editor")]
        people.add(connection, MACHINE, "robot", grants, kind="service", at=at)
        account = people.find(connection, "petra")
        people.set_password(connection, MACHINE, account, "سه کبوتر روی بام", at)
        people.disable(connection, MACHINE, people.find(connection, "aura"), at)
    price = passwords.hasher().hash("any").split("$")[3]
    for name in ("nobody-here", "aura", "robot", "edna", "petra", "x' OR '1'='1"):
        calls.clear()
        with pytest.raises(RequestError):
            sessions.authenticate(
                node.database,
                node.account_key,
                name,
                "a wrong password",
                "",
                asker=STRANGER,
                at=at,
            )
        assert [price] == calls, name


SQL = "x'); DROP TABLE account; --"
MEMBERS: dict[str, dict[str, Any]] = {
    "createDraft": {
        "upload": SQL, "ref": f"kerman/{SQL}", "family": SQL, "license": SQL,
        "title": {"fa": SQL, "en": SQL}, "unit": SQL, "calendar": SQL, "sheet": SQL,
        "encoding": SQL, "declared": {SQL: SQL}, "waived": {SQL: SQL},
        "mapping": {"columns": [{"to": SQL, "from": SQL}]}, "sources": [SQL],
    },
    "addUser": {"name": SQL, "roles": [SQL], "password": SQL},
    "setRoles": {"roles": [SQL]},
    "linkUser": {"subject": SQL},
    "createToken": {"scopes": [SQL], "name": SQL},
    "returnDraft": {"reason": SQL},
    "approveDraft": {"digest": SQL},
    "signIn": {"account": SQL, "password": SQL, "code": SQL},
}  # fmt: skip


def test_no_member_is_sql(office: Office) -> None:
    """Each member of each body, alone and with the others: an answer, and no harm."""
    connection = office.node.database.connect()
    ask = "SELECT COUNT(*) FROM account"
    before = connection.execute(ask).fetchone()
    token = token_of(office.node, "olga", *SCOPES)
    known = {one.id: one for one in writings()}
    for name, members in MEMBERS.items():
        one = known[name]
        path = one.path.format(draft=NOBODY, name="edna")
        bodies = [members, *({key: value} for key, value in members.items())]
        for body in bodies:
            answer = office.ask(
                one.method, path, token, json=body, headers={"If-Match": SQL}
            )
            assert answer.status_code < 500, (name, body, answer.text[:300])

    assert before == connection.execute(ask).fetchone()


def entities() -> bytes:
    """Return a workbook whose strings are entities that grow to a gigabyte."""
    return _workbook(
        '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">'
        '<!ENTITY c "&b;&b;&b;&b;">]>',
        "&c;",
    )


def outward() -> bytes:
    """Return a workbook whose strings name a file of the machine."""
    head = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    return _workbook(head, "&a;")


def _workbook(doctype: str, text: str) -> bytes:
    book, made = openpyxl.Workbook(), BytesIO()
    book.active.append(["unit_id", "title_fa"])
    book.active.append(["a", "PLACE"])
    plain = BytesIO()
    book.save(plain)
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "xl/sharedStrings.xml":
                shown = content.decode().replace("PLACE", text)
                start = shown.index("<sst")
                content = (shown[:start] + doctype + shown[start:]).encode()
            after.writestr(name, content)
    return made.getvalue()


def bomb(folder: Path) -> bytes:
    """Return a small archive of a gigabyte."""
    path: Path = hostile_files.zip_of_a_gigabyte(folder)
    return path.read_bytes()


def endless(folder: Path) -> bytes:
    """Return a small workbook of endless rows."""
    path: Path = hostile_files.xlsx_of_endless_rows(folder)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["entities", "outward", "bomb", "endless"])
def test_upload_that_explodes_is_a_sentence(
    office: Office, tmp_path: Path, kind: str
) -> None:
    """Nothing of the machine is read, nothing inflates, and the node goes on."""
    makers = {
        "entities": lambda folder: entities(),
        "outward": lambda folder: outward(),
        "bomb": bomb,
        "endless": endless,
    }
    token = token_of(office.node, "edna", "draft:write")
    name = "book.zip" if kind == "bomb" else "book.xlsx"
    upload = office.upload(token, name, makers[kind](tmp_path))
    body = {
        "upload": upload,
        "ref": "kerman/org-units",
        "family": "org_units",
        "title": {"fa": "واحدها", "en": "Units"},
    }
    answer = office.ask("POST", "/v1/drafts", token, json=body)
    found = answer.text
    if answer.status_code == 201:
        assert "errors" == answer.json()["verdict"]
        report = f"{answer.headers['location']}/report"
        found += office.ask("GET", report, token).text
    else:
        assert answer.status_code in {413, 422}, found
    assert "root:x:0" not in found
    assert "haha" not in found


FORMULAS = ("=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1")


def test_no_cell_becomes_a_formula(office: Office) -> None:
    """In the marked workbook a publisher opens what a stranger may have written."""
    token = token_of(office.node, "edna", "draft:write")
    rows = "\r\n".join(
        f'u{n},"{text}",municipality,,false' for n, text in enumerate(FORMULAS)
    )
    head = "unit_id,title_fa,unit_type,district_no,is_ict_org\r\n"
    content = f"{head}{rows}\r\nx,,wrong,,maybe\r\n".encode()
    body = {
        "upload": office.upload(token, "units.csv", content),
        "ref": "kerman/org-units",
        "family": "org_units",
        "title": {"fa": "=1+1", "en": "=1+1"},
    }
    made = office.ask("POST", "/v1/drafts", token, json=body)
    assert 201 == made.status_code, made.text
    path = f"{made.headers['location']}/marked.xlsx"
    book = openpyxl.load_workbook(BytesIO(office.ask("GET", path, token).content))
    kinds = {
        cell.data_type
        for sheet in book.worksheets
        for row in sheet.iter_rows()
        for cell in row
    }

    assert "f" not in kinds


def test_file_names_are_names_alone(office: Office) -> None:
    """No folder, no line, no quotation mark gets through to a header or a disk."""
    token = token_of(office.node, "edna", "draft:write")
    for name in (
        "..%2F..%2Fetc%2Fcron.d%2Fx",
        "a%0D%0ASet-Cookie:%20x=y.csv",
        "%22;%20filename=%22evil.exe",
        "%00.csv",
        "C:%5Cwindows%5Cx.csv",
        "." * 300,
    ):
        path = f"/v1/uploads?filename={name}"
        answer = office.ask("PUT", path, token, content=b"a,b\r\n1,2\r\n")
        assert answer.status_code in {201, 400, 422}, answer.text
        if answer.status_code == 201:
            shown = answer.json()["file_name"]
            assert not any(letter in shown for letter in '/\\\r\n\0"'), shown
            assert shown not in {"", ".", ".."}
    folder = office.node.config.folder
    assert not [*folder.parent.glob("cron.d")]


def test_bearer_is_one_token_and_nothing_else(office: Office) -> None:
    """Other schemes, two tokens, a long one: refused, never with a cookie's help."""
    token = token_of(office.node, "edna", "draft:write")
    pair = base64.b64encode(f"edna:{token}".encode()).decode()
    for header in (
        f"Basic {pair}",
        f"Bearer {token}, Bearer {token}",
        f"Bearer {token * 5}",
        f"Bearer\u00a0{token}",
        "Bearer",
        f"Token {token}",
    ):
        sent = {"Authorization": header.encode("latin-1")}
        answer = office.client.get("/v1/drafts", headers=sent)  # type: ignore[arg-type]
        assert 401 == answer.status_code, header
