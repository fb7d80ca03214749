"""The publisher's desk: every door by every role, and the ways around it."""

import html
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from account_world import PASSWORD, Person, actor, settle, strict_node, token_of
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import ALLOWED, Role
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting, drafts, intakes, jobs
from shahrdad.node.desk.intake_works import JUDGE, LOOK, WORKS
from shahrdad.node.http.app import create_app
from shahrdad.node.http.publishing import queue
from shahrdad.node.http.publishing.counter import Door
from shahrdad.node.http.publishing.routes import doors
from shahrdad.node.http.publishing.signing_in import _INSIDE
from shahrdad.node.incoming.example_files import find_example

ROLES = {
    Role.EDITOR: "edna",
    Role.PUBLISHER: "petra",
    Role.ADMIN: "adam",
    Role.AUDITOR: "aura",
}
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
WAIT_SECONDS = 60
NOBODY = "01J00000000000000000000000"
EVIL = "<script>document.title='x'</script>\"'><img src=x onerror=alert(1)>"


@dataclass
class Desk:
    """A node under four eyes, its people, and a client with their cookies."""

    node: Node
    people: dict[str, Person]
    client: TestClient
    cookies: dict[str, str]

    def become(self, name: str) -> None:
        """Go on as a person; each signs in once."""
        self.client.cookies.clear()
        if name not in self.cookies:
            answer = self.client.post(
                "/fa/publish/sign-in",
                data={
                    "account": name,
                    "password": PASSWORD,
                    "code": self.people[name].code(),
                },
                headers=SAME_SITE,
            )
            assert (303, "/fa/publish") == (
                answer.status_code,
                answer.headers["location"],
            ), answer.text
            self.cookies[name] = answer.headers["set-cookie"].partition(";")[0]

    def ask(self, method: str, path: str, name: str = "", **options: Any) -> Any:
        """Send a request of a person's browser, from the node's own pages."""
        if name:
            self.become(name)
        headers = {**SAME_SITE, **options.pop("headers", {})}
        if name:
            headers["Cookie"] = self.cookies[name]
        self.client.cookies.clear()
        return self.client.request(method, path, headers=headers, **options)

    def settled(self, path: str, name: str) -> Any:
        """Return the page that a job leads to."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            answer = self.ask("GET", path, name)
            if "refresh" not in answer.headers:
                break
            time.sleep(0.05)
        while answer.status_code == 303:
            answer = self.ask("GET", answer.headers["location"], name)
        return answer


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return one node for the tests of this module."""
    node = strict_node(tmp_path_factory.mktemp("desk"))
    people = settle(node)
    app = create_app(node)
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as one:
        yield Desk(node, people, one, {})
    app.state.jobs.stop(5)
    node.close()


def test_a_long_queue_is_read_page_by_page(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every draft once, by links alone; a cursor of another list is refused."""
    monkeypatch.setitem(queue.PARTS, "mine", replace(queue.PARTS["mine"], shown=2))
    by, numbers = actor(desk.node, "edna"), {f"LISTED{n}" for n in range(5)}
    with desk.node.database.transaction() as connection:
        for number in numbers:
            revision = drafts.Revision("publish", "org-units", "{}", "errors")
            drafts.create(connection, number, by, revision, present())
    address, other, pages = "/fa/publish", "", 0
    seen: list[str] = []
    while address:
        text = desk.ask("GET", address, "edna").text
        seen += re.findall(r"/fa/publish/(LISTED\d)", text)
        older = re.search(r'href="(/fa/publish\?part=mine[^"]+)" rel="next"', text)
        address, pages = html.unescape(older[1]) if older else "", pages + 1
        other = address.replace("part=mine", "part=published") or other
    refused = desk.ask("GET", other, "edna")
    with desk.node.database.transaction() as connection:
        for number in numbers:
            drafts.discard(connection, drafts.get(connection, number), by, present())

    assert sorted(numbers) == sorted(seen)
    assert pages >= 3
    assert 400 == refused.status_code


def place(door: Door, language: str = "fa") -> str:
    """Return an address of a door, of a draft that there is not."""
    path = door.path.format(draft=NOBODY, family="org_units")
    return f"/{language}/publish{path}"


def body(door: Door) -> dict[str, Any]:
    """Return a form that a door can read, and that does nothing."""
    if door.takes == "file":
        return {"files": {"file": ("x.csv", b"")}, "data": {"family": "projects"}}
    return {"data": {"revision": '"r1"', "reason": "x", "digest": "0" * 64}}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("door", doors(), ids=lambda one: one.name)
def test_every_door_by_every_role(desk: Desk, door: Door, role: Role) -> None:
    """Who may pass is decided before anything else, alike for all doors."""
    if door.right is None or door.name == "Leave":
        return
    sent = body(door) if door.method == "POST" else {}
    answer = desk.ask(door.method, place(door), ROLES[role], **sent)
    allowed = role in ALLOWED[door.right]

    assert allowed == (answer.status_code != 403), answer.text[-300:]
    assert "no-store" == answer.headers["cache-control"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("door", doors(), ids=lambda one: one.name)
def test_every_door_leads_strangers_to_sign_in(desk: Desk, door: Door) -> None:
    """Without a session there is nothing to see, and a bearer token opens no page."""
    if door.right is None:
        return
    token = {"Authorization": f"Bearer {token_of(desk.node, 'petra', 'approve')}"}
    sent = body(door) if door.method == "POST" else {}
    for headers in ({}, token):
        answer = desk.ask(door.method, place(door), headers=headers, **sent)
        assert 303 == answer.status_code
        assert answer.headers["location"].startswith("/fa/publish/sign-in?next=%2Ffa")


@pytest.mark.parametrize("door", doors(), ids=lambda one: one.name)
def test_every_form_refuses_foreign_sites(desk: Desk, door: Door) -> None:
    """A page elsewhere cannot use the cookie, and nobody can be signed in by one."""
    if door.method != "POST":
        return
    desk.become("petra")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
    ):
        answer = desk.ask("POST", place(door), "petra", headers=headers, **body(door))
        assert 403 == answer.status_code
        assert "CSRF_REFUSED" in answer.text


def test_session_is_new_at_each_sign_in(desk: Desk) -> None:
    """A cookie that somebody planted is never taken over, and signing out ends it."""
    planted = "__Host-session=planted-by-somebody-else"
    sent = {"account": "edna", "password": PASSWORD, "code": ""}
    answer = desk.ask(
        "POST", "/fa/publish/sign-in", data=sent, headers={"Cookie": planted}
    )
    cookie = answer.headers["set-cookie"].partition(";")[0]

    assert cookie != planted
    assert (
        303 == desk.ask("GET", "/fa/publish", headers={"Cookie": planted}).status_code
    )
    inside = {"Cookie": cookie}
    assert 200 == desk.ask("GET", "/fa/publish", headers=inside).status_code
    desk.ask("POST", "/fa/publish/sign-out", headers=inside, data={"x": "y"})
    assert 303 == desk.ask("GET", "/fa/publish", headers=inside).status_code


@pytest.mark.parametrize(
    "wanted",
    [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "/fa/publish/../../x",
        "/fa/publish\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
    ],
)
def test_sign_in_leads_nowhere_else(desk: Desk, wanted: str) -> None:
    """What stands behind `next` is a page of the desk, or nothing."""
    sent = {"account": "edna", "password": PASSWORD, "next": wanted}
    answer = desk.ask("POST", "/fa/publish/sign-in", data=sent)

    assert _INSIDE.fullmatch(wanted) is None
    assert "/fa/publish" == answer.headers["location"]


def test_sign_in_says_the_same_of_unknown_names(desk: Desk) -> None:
    """A wrong password and an unknown name look alike."""
    shown = []
    for name in ("nobody-here", "adam"):
        sent = {"account": name, "password": "wrong", "code": "000000"}
        answer = desk.ask("POST", "/en/publish/sign-in", data=sent)
        shown.append((answer.status_code, re.sub(name, "", answer.text)))

    assert 401 == shown[0][0]
    assert shown[0] == shown[1]


def hand_in(desk: Desk, content: bytes, file_name: str = "units.csv") -> str:
    """Hand a file of units in as the editor, and return its address."""
    answer = desk.ask(
        "POST",
        "/fa/publish/new",
        "edna",
        data={"family": "org_units"},
        files={"file": (file_name, content)},
    )
    assert 303 == answer.status_code, answer.text
    return str(answer.headers["location"])


def units() -> bytes:
    """Return the example of units."""
    return find_example("kerman", "org-units").path.read_bytes()


def revision(text: str) -> dict[str, str]:
    """Return what the forms of a page carry."""
    found = re.findall(r'type="hidden" name="(digest|revision)" value="([^"]*)"', text)
    return {name: html.unescape(value) for name, value in found}


def test_return_with_a_note_and_approval_by_another(desk: Desk) -> None:
    """Submitted, returned, mended, submitted, approved; never by the same person."""
    address = hand_in(desk, units())
    page = desk.settled(address, "edna")
    while "/match" in str(page.url) or "/read" in str(page.url):
        page = answered(desk, page)
    assert "check" in str(page.url), page.url
    number = address.rpartition("/")[2]
    review = desk.ask("GET", f"{address}/review", "edna")
    form = revision(review.text)
    desk.ask("POST", f"{address}/submit", "edna", data=form)
    for name in ("edna", "adam", "aura"):
        shown = desk.ask("GET", f"{address}/review", name)
        assert "/approve" not in shown.text
    decide = revision(desk.ask("GET", f"{address}/review", "paul").text)
    for name in ("edna", "adam"):
        refused = desk.ask("POST", f"{address}/approve", name, data=decide)
        assert refused.status_code in {303, 403}
    note = {"revision": decide["revision"], "reason": EVIL}
    assert 303 == desk.ask("POST", f"{address}/return", "paul", data=note).status_code
    returned = desk.settled(address, "edna")
    assert EVIL not in returned.text
    assert "&lt;script&gt;" in returned.text
    again = revision(desk.ask("GET", f"{address}/review", "edna").text)
    desk.ask("POST", f"{address}/submit", "edna", data=again)
    other = {**decide, "digest": "0" * 64}
    wrong = desk.ask("POST", f"{address}/approve", "paul", data=other)
    assert 412 == wrong.status_code
    decide = revision(desk.ask("GET", f"{address}/review", "paul").text)
    done = desk.ask("POST", f"{address}/approve", "paul", data=decide)
    assert 303 == done.status_code, done.text[-400:]
    connection = desk.node.database.connect()
    assert "published" == drafts.get(connection, number).state
    assert 200 == desk.ask("GET", "/v1/datasets/kerman/org-units").status_code
    audit.verify(connection)


def answered(desk: Desk, page: Any) -> Any:
    """Answer a page of questions as it proposes."""
    address = str(page.request.url.path)
    pattern = r'<select id="(use-\d+)".*?<option value="(\w*)" selected>'
    fields = dict(re.findall(pattern, page.text))
    answer = desk.ask("POST", address, "edna", data=fields or {"sheet": ""})
    return desk.settled(answer.headers["location"], "edna")


def test_description_leads_on_to_the_review(desk: Desk) -> None:
    """Who described the dataset sees at once what would be published."""
    page = desk.settled(hand_in(desk, units()), "edna")
    while not str(page.request.url.path).endswith("/check"):
        page = answered(desk, page)
    base = str(page.request.url.path).removesuffix("/check")
    told = {"title_fa": "واحدهای تازه", "title_en": "New units", "license": "CC0-1.0"}
    answer = desk.ask("POST", f"{base}/describe", "edna", data=told)
    assert answer.headers["location"].endswith("?then=review")
    review = desk.settled(answer.headers["location"], "edna")

    assert str(review.request.url.path).endswith("/review")
    assert "واحدهای تازه" in review.text


LABELS = (
    "شناسه واحد,نام واحد,نوع واحد,شماره منطقه,سازمان فاوا است؟\n"
    "shahrdari,شهرداری,شهرداری مرکزی,,خیر\n"
    "m1,منطقه یک,منطقهٔ شهرداری,1,خیر\n"
    "m2,منطقه دو,منطقهٔ شهرداری,2,خیر\n"
)


def until(desk: Desk, page: Any, name: str) -> Any:
    """Answer pages of questions until a page of this name comes."""
    while not str(page.request.url.path).endswith(f"/{name}"):
        assert str(page.request.url.path).endswith(("/read", "/match")), page.url
        page = answered(desk, page)
    return page


def test_unknown_texts_of_code_columns_are_asked(desk: Desk) -> None:
    """Each once, the nearest code first, nothing chosen; kept for the next file."""
    address = hand_in(desk, LABELS.encode())
    page = until(desk, desk.settled(address, "edna"), "unit")
    selects = re.findall(r'<select id="(label-\d+)".*?</select>', page.text, re.DOTALL)
    assert ["label-0", "label-1"] == selects
    assert "۲ خانه، نخست در ردیف" in re.sub(r"<[^>]*>", "", page.text)
    options = re.findall(r'<option value="(\w*)"', page.text)
    assert ["", "municipality"] == options[:2]
    assert " selected" not in page.text
    path = page.request.url.path
    wrong = desk.ask("POST", path, "edna", data={"label-0": "nothing"})
    assert 422 == wrong.status_code
    sent = {"label-0": "municipality", "label-1": "district"}
    answer = desk.ask("POST", path, "edna", data=sent)
    result = desk.settled(answer.headers["location"], "edna")
    assert "check" in str(result.request.url.path)
    assert "همه درست است" in result.text

    more = LABELS + "fava,فاوا,سازمان وابسته به شهرداری,,بله\n"
    address = hand_in(desk, more.encode())
    page = desk.settled(address, "edna")
    assert str(page.request.url.path).endswith("/unit")  # the layout is known
    assert 1 == page.text.count('<select id="label-')
    sent = {"label-0": "organization"}
    answer = desk.ask("POST", page.request.url.path, "edna", data=sent)
    assert "همه درست است" in desk.settled(answer.headers["location"], "edna").text
    again = desk.settled(hand_in(desk, more.encode()), "edna")
    assert str(again.request.url.path).endswith("/check")


def test_text_that_is_not_answered_stays_an_error(desk: Desk) -> None:
    """Who says nothing mends the file; the report names the cells."""
    address = hand_in(desk, LABELS.replace("مرکزی", "مرکز شهر").encode())
    page = desk.settled(address, "edna")
    assert str(page.request.url.path).endswith("/unit")
    answer = desk.ask("POST", page.request.url.path, "edna", data={"label-0": ""})
    result = desk.settled(answer.headers["location"], "edna")

    assert "شهرداری مرکز" in result.text
    assert 'class="finding bad"' in result.text


def test_file_of_another_is_unknown(desk: Desk) -> None:
    """Nobody answers for a file that somebody else handed in."""
    address = hand_in(desk, units())
    desk.settled(address, "edna")
    for part in ("/read", "/match", "/unit"):
        answer = desk.ask("GET", f"{address}{part}", "petra")
        assert 404 == answer.status_code
    sent = {"file": ("y.csv", b"a,b\n1,2\n")}
    assert 404 == desk.ask("POST", f"{address}/file", "petra", files=sent).status_code


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 100,
        b"PK\x03\x04" + b"\0" * 50,
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        b"\xd0\xcf\x11\xe0" + b"\0" * 600,
        b"PAR1" + b"\xff" * 64 + b"PAR1",
        b",".join([b"x"] * 20_000) + b"\n",
    ],
    ids=("nul", "zip", "entity", "xls", "parquet", "wide"),
)
def test_hostile_files_end_in_a_sentence(desk: Desk, content: bytes) -> None:
    """What cannot be read says so on a page, and another file may follow."""
    address = hand_in(desk, content, EVIL + ".xlsx")
    page = desk.settled(address, "edna")

    assert 200 == page.status_code
    assert "root:" not in page.text
    assert "again-file" in page.text
    assert "<img src=x" not in page.text


def test_work_that_a_kill_interrupted_goes_on(desk: Desk) -> None:
    """A job that was running is queued again at the next start, and is done once."""
    node = desk.node
    address = hand_in(desk, units())
    desk.settled(address, "edna")
    number = address.rpartition("/")[2]
    connection = node.database.connect()
    connection.execute("UPDATE intake SET stage='judging' WHERE id=?", (number,))
    account = desk.people["edna"].account
    with node.database.transaction() as writing:
        job = jobs.add(writing, account, JUDGE, number)
        writing.execute("UPDATE job SET state='running' WHERE id=?", (job.id,))
    runner = jobs.Jobs(node, WORKS)
    assert runner.resume() >= 1
    deadline = time.monotonic() + WAIT_SECONDS
    while jobs.get(connection, job.id).open and time.monotonic() < deadline:
        time.sleep(0.02)
    runner.stop(5)
    found = jobs.get(connection, job.id)

    assert ("done", None) == (found.state, found.problem)
    assert number == drafts.get(connection, number).id
    assert "drafted" == intakes.get(connection, number, account).stage


def test_job_that_fails_three_times_stays_failed(desk: Desk) -> None:
    """None is running for ever, and the reason is a sentence."""
    node = desk.node
    with node.database.transaction() as connection:
        job = jobs.add(connection, desk.people["edna"].account, LOOK, NOBODY)
        connection.execute("UPDATE job SET attempts=3 WHERE id=?", (job.id,))
    runner = jobs.Jobs(node, WORKS)
    runner.resume()
    deadline = time.monotonic() + WAIT_SECONDS
    connection = node.database.connect()
    while jobs.get(connection, job.id).open and time.monotonic() < deadline:
        time.sleep(0.02)
    runner.stop(5)
    error = jobs.get(connection, job.id).error()

    assert error is not None
    assert "JOB_KILLED" == error.reason.value


def test_file_names_stay_inside(desk: Desk) -> None:
    """A name that climbs out of its folder loses its folders."""
    address = hand_in(desk, b"a,b\n1,2\n", "../../../../etc/cron.d/x.csv")
    number = address.rpartition("/")[2]
    connection = desk.node.database.connect()
    (name,) = connection.execute(
        "SELECT file_name FROM upload WHERE id=(SELECT upload FROM intake WHERE id=?)",
        (number,),
    ).fetchone()

    assert "x.csv" == name
    assert "file" == drafting.safe_name("..")
