"""Notices by e-mail: chosen by each person, sent again when the server is busy."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from account_world import PASSWORD, actor, settle, strict_node
from mail_world import PASSWORD as MAIL_PASSWORD
from mail_world import USER, Mailbox, mail_server
from shahrdad.datasets.errors import RequestError
from shahrdad.node.accounts import people, tokens
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import MACHINE, parse_grant, parse_scope
from shahrdad.node.city import Node
from shahrdad.node.config import DeliverySection, MailSection
from shahrdad.node.desk import deliveries, drafting, drafts, mail, notices
from shahrdad.node.desk.drafts import Draft
from shahrdad.node.desk.notices import ADDRESS_LETTERS_MAX, WAITS_MINUTES, Choice
from shahrdad.node.http.app import create_app
from shahrdad.node.incoming.example_files import find_example, handed
from tls_world import Authority

SENDER = "open-data@kerman.ir"


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    """Serve a mail server that asks for nothing, on this computer."""
    with mail_server() as found:
        yield found


@pytest.fixture
def node(tmp_path: Path, box: Mailbox) -> Iterator[Node]:
    """Return a node that sends its letters there; Edna and Paul want them."""
    box.letters, box.recipients, box.refuse, box.busy = [], [], {}, ""
    node = strict_node(tmp_path)
    settle(node, password=None)
    section = MailSection("127.0.0.1", box.port, security="none", sender=SENDER)
    node.config = replace(node.config, mail=section)
    choose(node, "edna", "edna@kerman.ir", "fa")
    choose(node, "paul", "paul@kerman.ir", "en")
    yield node
    node.close()


def choose(node: Node, name: str, address: str, language: str) -> None:
    """Let a person want letters."""
    with node.database.transaction() as connection:
        account = people.find(connection, name)
        choice = Choice(address, "fa" if language == "fa" else "en")
        notices.choose(connection, account.id, choice, present())


def submitted(node: Node) -> Draft:
    """Return a draft that Edna submitted."""
    edna = actor(node, "edna")
    draft = drafting.draft_file(
        node, handed(find_example("kerman", "org-units")), edna
    ).draft
    return drafting.submit(node, draft.id, edna)


def test_each_step_is_told_to_whom_it_concerns(node: Node, box: Mailbox) -> None:
    """Approvers hear of a submission, authors of a return and of the publication."""
    draft = submitted(node)
    assert 1 == notices.run(node, present())
    assert ["paul@kerman.ir"] == box.recipients
    with node.database.transaction() as connection:
        drafts.return_(connection, draft, actor(node, "paul"), "ردیف ۱۲", present())
    notices.run(node, present())
    assert ["paul@kerman.ir", "edna@kerman.ir"] == box.recipients
    again = drafting.submit(node, draft.id, actor(node, "edna"))
    assert again.digest is not None
    drafting.approve(node, again.id, again.digest, actor(node, "paul"))
    notices.run(node, present())

    assert ["paul@kerman.ir", "edna@kerman.ir"] == box.recipients[2:]
    subjects = [letter["Subject"] for letter in box.letters]
    assert [
        "Waiting for your approval: kerman/org-units",
        "برگشت خورد: kerman/org-units",
        "Waiting for your approval: kerman/org-units",
        "منتشر شد: kerman/org-units",
    ] == subjects
    assert 0 == notices.run(node, present())


def test_letter_names_the_page_and_no_content(node: Node, box: Mailbox) -> None:
    """Mail is read by others: no cell, no note, no person; a robot's letter."""
    draft = submitted(node)
    notices.run(node, present())
    (letter,) = box.letters
    text = letter.get_content()

    assert f"{node.config.public_url}/en/publish/{draft.id}" in text
    assert "edna" not in text
    assert SENDER == letter["From"]
    assert "auto-generated" == letter["Auto-Submitted"]
    assert re.fullmatch(r"<notice\.\d+\.\d+@[a-z0-9.-]+>", letter["Message-ID"])


def test_nobody_who_did_not_choose_is_written_to(node: Node, box: Mailbox) -> None:
    """Paul changed his mind, and Petra's account was shut."""
    with node.database.transaction() as connection:
        paul = people.find(connection, "paul")
        notices.choose(connection, paul.id, None, present())
        adam = actor(node, "adam")
        people.disable(connection, adam, people.find(connection, "petra"), present())
    choose(node, "petra", "petra@kerman.ir", "fa")
    submitted(node)

    assert 0 == notices.run(node, present())
    assert [] == box.recipients


def test_busy_server_is_asked_again_later(node: Node, box: Mailbox) -> None:
    """A letter waits longer each time, and is given up after two days."""
    submitted(node)
    box.busy = "451 later"
    at = present()
    for minutes in WAITS_MINUTES:
        assert 0 == notices.run(node, at)
        assert [] == notices.waiting(node.database.connect(), at)
        at += timedelta(minutes=minutes)
        assert 1 == len(notices.waiting(node.database.connect(), at))
    box.busy = ""
    assert 1 == notices.run(node, at)
    submitted_again = node.database.connect().execute("SELECT COUNT(*) FROM letter")
    assert (0,) == submitted_again.fetchone()


def test_letter_is_given_up_at_last(node: Node, box: Mailbox) -> None:
    """One try more than there are waits, and it is over."""
    submitted(node)
    box.busy = "451 later"
    far = present() + timedelta(days=90)
    for _ in range(len(WAITS_MINUTES) + 1):
        notices.run(node, far)
        far += timedelta(days=2)
    count = node.database.connect().execute("SELECT COUNT(*) FROM letter").fetchone()

    assert (0,) == count


def test_refused_recipient_stops_no_other(node: Node, box: Mailbox) -> None:
    """An address that is gone is given up; the letters behind it go out."""
    choose(node, "petra", "petra@kerman.ir", "fa")
    box.refuse = {"paul@kerman.ir": "550 no such user"}
    submitted(node)

    assert 1 == notices.run(node, present())
    assert ["petra@kerman.ir"] == box.recipients
    assert [] == notices.waiting(node.database.connect(), present())


def test_server_that_is_away_delays_nothing(node: Node) -> None:
    """No connection: one try for all, the publication is as fast as without."""
    with mail_server() as gone:
        port = gone.port
    node.config = replace(node.config, mail=replace(node.config.mail, port=port))
    submitted(node)

    assert 0 == notices.run(node, present())
    later = present() + timedelta(minutes=2)
    assert 1 == len(notices.waiting(node.database.connect(), later))


def test_without_a_server_nothing_is_kept(node: Node) -> None:
    """Notices are no queue that grows where nobody configured mail."""
    node.config = replace(node.config, mail=MailSection())
    submitted(node)
    notices.run(node, present())
    connection = node.database.connect()

    assert (0,) == connection.execute("SELECT COUNT(*) FROM notice").fetchone()


def test_first_failure_of_a_delivery_is_told(node: Node, box: Mailbox) -> None:
    """To publishers of that dataset; a failure that goes on is no news."""
    section = DeliverySection(
        name="units", family="org_units", account="nobody", folder="inbox"
    )
    node.config = replace(node.config, deliveries=(section,))
    for _ in range(3):
        deliveries.run(node, section)
        notices.run(node, present())

    assert ["paul@kerman.ir"] == box.recipients
    assert "A delivery failed: units" == box.letters[0]["Subject"]


def make_token(node: Node, owner: str, days: int, name: str) -> tokens.Token:
    """Return a token of a person or of a program."""
    with node.database.transaction() as connection:
        _, made = tokens.create(
            connection,
            node.account_key,
            MACHINE,
            people.find(connection, owner),
            [parse_scope("draft:write")],
            days=days,
            name=name,
            at=present(),
        )
    return made


def test_a_token_s_end_is_told_twice(node: Node, box: Mailbox) -> None:
    """14 and 2 days before, once each; after an absence only the later one."""
    make_token(node, "edna", 90, "بودجه\nBcc: everybody@kerman.ir")
    end = present() + timedelta(days=90)
    told = []
    for days in (20, 14, 13, 3, 2, 1, 0):
        notices.run(node, end - timedelta(days=days))
        told.append(len(box.letters))
    make_token(node, "edna", 90, "again")
    notices.run(node, end - timedelta(days=1))
    subjects = [letter["Subject"] for letter in box.letters]
    page = f"{node.config.public_url}/fa/publish/notices"

    assert [0, 1, 1, 1, 2, 2, 2] == told
    assert ["edna@kerman.ir"] * 3 == box.recipients
    assert "بودجه Bcc: everybody@kerman.ir" in subjects[0]
    assert "Bcc" not in box.letters[0]
    assert "again" in subjects[2]
    assert page in box.letters[0].get_content()


def test_an_end_that_was_meant_or_made_is_not_told(node: Node, box: Mailbox) -> None:
    """Nothing of a short token, a revoked one, or where nobody wants letters."""
    make_token(node, "edna", 2, "for a trial")
    make_token(node, "petra", 90, "of somebody without letters")
    revoked = make_token(node, "paul", 90, "revoked")
    end = present() + timedelta(days=90)
    box.busy = "451 later"
    notices.run(node, end - timedelta(days=10))
    box.busy = ""
    with node.database.transaction() as connection:
        tokens.revoke(connection, MACHINE, revoked, present())
    notices.run(node, end - timedelta(days=9))
    assert [] == box.recipients
    # Petra wants letters now: the notice was not used up.
    choose(node, "petra", "petra@kerman.ir", "en")
    notices.run(node, end - timedelta(days=8))

    assert ["petra@kerman.ir"] == box.recipients


def test_administrators_hear_of_a_program_s_token(node: Node, box: Mailbox) -> None:
    """A program reads no letters; its token's end would stop a delivery unseen."""
    with node.database.transaction() as connection:
        grants = [parse_grant("editor:org-units")]
        people.add(
            connection, MACHINE, "hr-system", grants, kind="service", at=present()
        )
    choose(node, "adam", "adam@kerman.ir", "en")
    make_token(node, "hr-system", 30, "nightly")
    notices.run(node, present() + timedelta(days=20))

    assert ["adam@kerman.ir"] == box.recipients
    assert "A token ends soon: nightly" in box.letters[0]["Subject"]


@pytest.mark.parametrize("security", ["starttls", "none"])
def test_password_goes_over_tls_alone(
    node: Node, tmp_path: Path, security: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """With STARTTLS and the right authority; in the open the server gets nothing."""
    authority = Authority("mail")
    certificate, key = authority.issue("127.0.0.1")
    for name, content in (
        ("roots.pem", authority.roots),
        ("server.pem", certificate),
        ("server.key", key),
    ):
        (tmp_path / name).write_bytes(content)
    with mail_server(tmp_path / "server.pem", tmp_path / "server.key") as box:
        section = MailSection(
            host="127.0.0.1",
            port=box.port,
            security="starttls" if security == "starttls" else "none",
            username=USER,
            password=MAIL_PASSWORD,
            sender=SENDER,
            ca_file=str(tmp_path / "roots.pem"),
        )
        node.config = replace(node.config, mail=section)
        submitted(node)
        sent = notices.run(node, present())
        stranger = replace(section, ca_file="")
        with mail.outbox(stranger) as post:
            letter = mail.compose(
                node.config,
                notices.Letter(1, 1, "submitted", "x", "2026-01-01T00:00:00Z", 0),
                Choice("a@b.ir", "fa"),
                "kerman/x",
            )
            unknown = post(letter)

    assert (1 if security == "starttls" else 0) == sent
    assert [True] * sent == box.encrypted
    assert not unknown.sent
    assert MAIL_PASSWORD not in capfd.readouterr().err


@pytest.mark.parametrize(
    "section",
    [
        MailSection("mail.kerman.ir", 25, security="none", sender=SENDER),
        MailSection("127.0.0.1", 25, security="none"),
        MailSection("127.0.0.1", 25, security="none", sender="a@b\nBcc: c@d"),
    ],
)
def test_configuration_that_would_leak_is_refused(section: MailSection) -> None:
    """No open connection to another computer, and a sender that is an address."""
    with pytest.raises(RequestError), mail.outbox(section):
        pass


ADDRESSES = {
    "m.karimi@kerman.ir": True,
    f"{'a' * 64}@{'b' * 61}.{'c' * 60}.{'d' * 60}.ir": True,
    f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.ir": False,
    f"{'a' * 65}@kerman.ir": False,
    "karimi": False,
    "a@b.ir\nBcc: everybody@kerman.ir": False,
    "a@b.ir, c@d.ir": False,
    "<a@b.ir>": False,
    "a@-b.ir": False,
    "a@b_c.ir": False,
}


def test_address_is_one_plain_address(node: Node) -> None:
    """No second recipient and no header comes in through it; 254 letters at most."""
    for address, right in ADDRESSES.items():
        assert not right or len(address) <= ADDRESS_LETTERS_MAX
        try:
            choose(node, "aura", address, "fa")
            taken = True
        except RequestError:
            taken = False
        assert right == taken, address


def test_everybody_chooses_on_their_own_page(tmp_path: Path) -> None:
    """The form keeps an address, says so, and an empty one ends the letters."""
    node = strict_node(tmp_path)
    settle(node)
    app = create_app(node)
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as one:
        site = {"Sec-Fetch-Site": "same-origin"}
        one.post(
            "/fa/publish/sign-in",
            data={"account": "edna", "password": PASSWORD},
            headers=site,
        )
        path = "/fa/publish/notices"
        make_token(node, "edna", 10, "<b>nightly")
        make_token(node, "paul", 90, "of-another")
        page = one.get(path).text
        assert "نامه نمی‌فرستد" in page
        assert "&lt;b&gt;nightly" in page
        assert "رو به پایان" in page
        assert "of-another" not in page
        for address, status in (("edna@kerman.ir", 200), ("edna", 422), ("", 200)):
            sent = {"address": address, "language": "en"}
            answer = one.post(path, data=sent, headers=site)
            assert status == answer.status_code
            edna = people.find(node.database.connect(), "edna").id
            kept = notices.choice_of(node.database.connect(), edna)
            assert (kept is not None) == (address != "")
    app.state.jobs.stop(5)
    node.close()
