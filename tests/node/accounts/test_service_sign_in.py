"""Signing in through the city's own service: what it proves, and what it cannot."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from starlette.testclient import TestClient

from account_world import PASSWORD, Person, settle, strict_node, token_of
from shahrdad.datasets.errors import ConflictError, Reason
from shahrdad.node.accounts import audit, linking, people, provider
from shahrdad.node.accounts.limits import (
    FLOW_SECONDS,
    PROVIDER_ANSWER_BYTES_MAX,
    SUBJECT_LETTERS_MAX,
)
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import MACHINE
from shahrdad.node.city import Node
from shahrdad.node.config import OidcSection
from shahrdad.node.http.app import create_app
from sign_in_world import (
    Liar,
    agree,
    lying_service,
    real_service,
    register,
    unsigned,
)

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
LOOPBACK = ("127.0.0.0/8",)
BACK = "/fa/publish/sign-in/back"


@dataclass
class Browser:
    """Somebody's browser at the node: its cookies, and what came last."""

    client: TestClient
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Send a request with the cookies that this browser holds."""
        self.client.cookies.clear()
        cookie = "; ".join(f"{name}={one}" for name, one in self.cookies.items())
        headers = {**SAME_SITE, **({"Cookie": cookie} if cookie else {})}
        answer = self.client.request(method, path, headers=headers, **options)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
            assert "Secure; HttpOnly; SameSite=Lax" in line
        self.cookies = {name: one for name, one in self.cookies.items() if one}
        return answer

    def leave(self, path: str = "/fa/publish/sign-in/service") -> str:
        """Begin at the node; return where the service is asked."""
        answer = self.ask("GET", path)
        assert 303 == answer.status_code, answer.text
        return str(answer.headers["location"])

    def come(self, address: str) -> Any:
        """Come back from the service."""
        parts = urlsplit(address)
        return self.ask("GET", f"{parts.path}?{parts.query}")

    def name(self) -> str:
        """Return who is signed in, or nobody."""
        answer = self.ask("GET", "/v1/session")
        return str(answer.json().get("account", ""))


@dataclass
class Office:
    """A node under four eyes with a service, and its people."""

    node: Node
    people: dict[str, Person]
    client: TestClient

    def browser(self) -> Browser:
        """Return a browser that nobody used yet."""
        return Browser(self.client)

    def use(self, issuer: str, client_id: str, secret: str = "") -> None:
        """Let the node use a service."""
        provider._provider.cache_clear()
        section = OidcSection(issuer, client_id, secret, allow_private=LOOPBACK)
        self.node.config = replace(self.node.config, oidc=section)

    def link(self, name: str, subject: str = "4f1c") -> None:
        """Link an account, and take the link of any other away."""
        issuer = self.node.config.oidc.issuer
        with self.node.database.transaction() as connection:
            connection.execute("DELETE FROM identity")
            account = people.find(connection, name)
            linking.link(connection, MACHINE, account, issuer, subject, present())


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Return one node for the tests of this module."""
    node = strict_node(tmp_path_factory.mktemp("service"))
    people = settle(node)
    app = create_app(node)
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as one:
        yield Office(node, people, one)
    node.close()


@pytest.fixture(scope="module")
def liars() -> Iterator[Liar]:
    """Serve one service of ours for the tests of this module."""
    with lying_service() as liar:
        yield liar


@pytest.fixture
def liar(liars: Liar, office: Office) -> Liar:
    """Return that service, telling the truth, with Edna linked."""
    liars.reset()
    office.use(liars.issuer, liars.client_id)
    office.link("edna")
    return liars


def shown(answer: Any) -> str:
    """Return the alert of a page."""
    found = re.search(r'role="alert"[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    return re.sub(r"<[^>]+>|\s+", " ", found[1]).strip() if found else ""


def test_real_service_opens_the_desk(office: Office) -> None:
    """A provider that others wrote: code, PKCE, nonce, signature, link, session."""
    redirect = f"{office.node.config.public_url}{BACK}"
    with real_service() as issuer:
        office.use(issuer, *register(issuer, redirect))
        office.link("edna", "e.karimi@kerman.ir")
        browser = office.browser()
        address = browser.leave("/fa/publish/sign-in/service?next=/fa/publish/new")
        asked = parse_qs(urlsplit(address).query)
        answer = browser.come(agree(address, "e.karimi@kerman.ir"))

        assert [redirect] == asked["redirect_uri"]
        assert ["openid"] == asked["scope"]
        assert "/fa/publish/new" == answer.headers["location"]
        assert "edna" == browser.name()
        stranger = office.browser()
        answer = stranger.come(agree(stranger.leave(), "somebody-else"))
        assert 403 == answer.status_code
        assert "somebody-else" in shown(answer)
        assert "" == stranger.name()


def test_service_gives_no_role_and_makes_no_account(office: Office, liar: Liar) -> None:
    """Groups, names and mail of a token are not read; who is unknown stays so."""
    before = people.every(office.node.database.connect())
    liar.claims = {
        "sub": "new",
        "groups": ["admin"],
        "preferred_username": "adam",
        "email": "adam@kerman.ir",
        "roles": ["publisher"],
    }
    browser = office.browser()
    answer = browser.come(liar.agree(browser.leave()))

    assert 403 == answer.status_code
    assert before == people.every(office.node.database.connect())


def test_second_factor_is_still_asked_for(office: Office, liar: Liar) -> None:
    """The service stands for the password alone; wrong codes are counted."""
    office.link("paul")
    browser = office.browser()
    answer = browser.come(liar.agree(browser.leave()))
    assert "/fa/publish/sign-in/code" == answer.headers["location"]
    assert "" == browser.name()
    page = browser.ask("GET", "/fa/publish/sign-in/code")
    assert "paul" in page.text
    sent = {"data": {"code": "000000"}}
    wrong = browser.ask("POST", "/fa/publish/sign-in/code", **sent)
    assert 401 == wrong.status_code
    assert "" == browser.name()
    other = office.browser().ask("POST", "/fa/publish/sign-in/code", **sent)
    assert 401 == other.status_code
    sent = {"data": {"code": office.people["paul"].code()}}
    right = browser.ask("POST", "/fa/publish/sign-in/code", **sent)

    assert 303 == right.status_code
    assert "paul" == browser.name()
    assert 401 == browser.ask("POST", "/fa/publish/sign-in/code", **sent).status_code


def test_codes_are_throttled_as_passwords_are(office: Office, liar: Liar) -> None:
    """Whoever stole the service's session does not guess six digits."""
    office.link("petra")
    browser = office.browser()
    browser.come(liar.agree(browser.leave()))
    sent = {"data": {"code": "000000"}}
    path = "/fa/publish/sign-in/code"
    seen = [browser.ask("POST", path, **sent).status_code for _ in range(7)]
    with office.node.database.transaction() as connection:
        connection.execute("DELETE FROM login_try")

    assert [401] * 5 == seen[:5]
    assert 429 == seen[-1]


def test_state_is_for_the_browser_that_began(office: Office, liar: Liar) -> None:
    """A planted or stolen way back signs nobody in, and counts once."""
    attacker, victim = office.browser(), office.browser()
    back = liar.agree(attacker.leave())
    victim.leave()
    for browser in (victim, office.browser()):
        answer = browser.come(back)
        assert 401 == answer.status_code
        assert "" == browser.name()
    assert 303 == attacker.come(back).status_code
    attacker.cookies.pop("__Host-session")
    assert 401 == attacker.come(back).status_code


def test_way_ends_after_ten_minutes(office: Office, liar: Liar) -> None:
    """What a browser began long ago is begun anew."""
    browser = office.browser()
    back = liar.agree(browser.leave())
    with office.node.database.transaction() as connection:
        connection.execute("UPDATE sign_in_flow SET expires='2020-01-01T00:00:00Z'")
    answer = browser.come(back)

    assert 401 == answer.status_code
    assert "۱۰" in shown(answer) or str(FLOW_SECONDS // 60) in shown(answer)


def test_session_is_new_after_the_service(office: Office, liar: Liar) -> None:
    """A cookie that somebody planted is never taken over."""
    browser = office.browser()
    back = liar.agree(browser.leave())
    browser.cookies["__Host-session"] = "planted"
    browser.come(back)

    assert "planted" != browser.cookies["__Host-session"]
    assert "edna" == browser.name()


NOW = int(time.time())
LIES: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another-client"},
    "several audiences": {"aud": ["shahrdad", "another-client"]},
    "another party": {"azp": "another-client"},
    "another nonce": {"nonce": "a" * 43},
    "no nonce": {"nonce": None},
    "a nonce that is a number": {"nonce": 7},
    "over": {"exp": NOW - 3600},
    "without an end": {"exp": None},
    "an end that is a text": {"exp": "tomorrow"},
    "from the future": {"iat": NOW + 3600},
    "proved in the future": {"auth_time": NOW + 3600},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a long subject": {"sub": "x" * (SUBJECT_LETTERS_MAX + 1)},
    "a subject with a line": {"sub": "4f1c\nx"},
    "an endless number": {"exp": 1e300},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_claims_that_do_not_hold(
    office: Office, liar: Liar, lie: dict[str, Any]
) -> None:
    """Issuer, audience, nonce, times and subject: each is looked at."""
    liar.claims = lie
    browser = office.browser()
    answer = browser.come(liar.agree(browser.leave()))

    assert 502 == answer.status_code
    assert "" == browser.name()


@pytest.mark.parametrize("forgery", ["none", "stranger", "curve", "hmac", "oct", "cut"])
def test_signature_that_does_not_hold(office: Office, liar: Liar, forgery: str) -> None:
    """No algorithm, a stranger's key, a hash with the public key, half a token."""
    makers = {
        "none": unsigned,
        "stranger": liar.signed_elsewhere,
        "curve": liar.signed_with_a_curve,
        "hmac": liar.hashed,
        "oct": liar.hashed,
        "cut": lambda claims: liar.signed(claims).rpartition(".")[0] + ".",
    }
    if forgery == "oct":  # a set that names the secret as a key does not help either
        liar.keys = [liar.secret_as_a_key()]
    liar.sign = makers[forgery]
    browser = office.browser()
    answer = browser.come(liar.agree(browser.leave()))

    assert 502 == answer.status_code
    assert "signature" in shown(answer)
    assert "" == browser.name()


SAYINGS: dict[str, dict[str, Any]] = {
    "of the cloud's metadata": {"token_endpoint": "http://169.254.169.254/token"},
    "of a private network": {"jwks_uri": "https://10.0.0.1/keys"},
    "of a file": {"jwks_uri": "file:///etc/passwd"},
    "with a password": {"token_endpoint": "https://a:b@example.org/token"},
    "of a script": {"authorization_endpoint": "javascript:alert(1)"},
    "without one": {"token_endpoint": None},
    "of another issuer": {"issuer": "https://elsewhere.example"},
}


@pytest.mark.parametrize("said", SAYINGS.values(), ids=SAYINGS)
def test_service_leads_into_no_other_network(
    office: Office, liar: Liar, said: dict[str, Any]
) -> None:
    """An address that the service names is dialled as a stranger's is."""
    liar.said = said
    answer = office.browser().ask("GET", "/fa/publish/sign-in/service")

    assert answer.status_code in {422, 502}
    assert shown(answer)
    assert not liar.asked


@pytest.mark.parametrize(
    "issuer",
    [
        "http://169.254.169.254",
        "https://10.1.2.3/realms/city",
        "http://[::1]:8080",
        "https://[64:ff9b::7f00:1]",
        "file:///etc/passwd",
    ],
)
def test_issuer_itself_is_dialled_with_care(office: Office, issuer: str) -> None:
    """A private network is refused unless `oidc.allow_private` names it."""
    section = OidcSection(issuer, "shahrdad")
    office.node.config = replace(office.node.config, oidc=section)
    answer = office.browser().ask("GET", "/fa/publish/sign-in/service")

    assert 422 == answer.status_code
    assert "ADDRESS" not in answer.headers.get("location", "")


ANSWERS: dict[str, tuple[str, Any, int]] = {
    "a redirect": ("/keys", (302, {"Location": "http://127.0.0.1:1/"}, b""), 502),
    "no JSON": ("/keys", (200, {}, b"<html>"), 502),
    "a list": ("/keys", (200, {}, b"[]"), 502),
    "very deep": ("/keys", (200, {}, b"[" * 100_000), 502),
    "too long": ("/keys", (200, {}, b" " * (PROVIDER_ANSWER_BYTES_MAX + 1)), 502),
    "broken": ("/keys", (500, {}, b""), 503),
    "a refused code": ("/token", (400, {}, b'{"error":"invalid_grant"}'), 502),
    "no token": ("/token", (200, {}, b"{}"), 502),
    "a token that is a number": ("/token", (200, {}, b'{"id_token":7}'), 502),
}


@pytest.mark.parametrize(("path", "said", "status"), ANSWERS.values(), ids=ANSWERS)
def test_broken_service_is_a_sentence(
    office: Office, liar: Liar, path: str, said: Any, status: int
) -> None:
    """What it answers is bounded and checked, and a password still opens the desk."""
    liar.answers = {path: said}
    browser = office.browser()
    answer = browser.ask("GET", "/fa/publish/sign-in/service")
    if answer.status_code == 303:
        answer = browser.come(liar.agree(answer.headers["location"]))

    assert status == answer.status_code
    assert shown(answer)
    sent = {"account": "edna", "password": PASSWORD}
    assert 303 == browser.ask("POST", "/fa/publish/sign-in", data=sent).status_code


def test_answer_at_its_bound_is_read(office: Office, liar: Liar) -> None:
    """So many bytes are still a key set."""
    _, headers, body = liar.get("/keys")
    padded = body + b" " * (PROVIDER_ANSWER_BYTES_MAX - len(body))
    liar.answers = {"/keys": (200, headers, padded)}

    assert office.browser().leave().startswith(liar.issuer)


def test_changed_key_is_asked_for_again(
    office: Office, liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may change its key at any time; it is asked once a minute at most."""
    browser = office.browser()
    back = liar.agree(browser.leave())
    liar.sign = lambda claims: jwt.encode(
        {"alg": "RS256", "kid": "two"}, claims, liar.key
    )
    liar.keys = [liar.key.as_dict(private=False) | {"kid": "two"}]
    assert 502 == browser.come(back).status_code  # within the minute
    monkeypatch.setattr(provider, "KEYS_AGAIN_SECONDS", 0.0)
    browser = office.browser()

    assert 303 == browser.come(liar.agree(browser.leave())).status_code


def test_refusal_of_the_service_is_told(office: Office, liar: Liar) -> None:
    """Its error is named when it is a known word; nothing else of it is shown."""
    for error, word in (("access_denied", "access_denied"), ("<img src=x>", "error")):
        browser = office.browser()
        state = parse_qs(urlsplit(browser.leave()).query)["state"][0]
        answer = browser.ask("GET", BACK, params={"error": error, "state": state})
        assert 401 == answer.status_code
        assert word in shown(answer)
        assert "<img src=x>" not in answer.text


def test_answer_of_another_service_is_refused(office: Office, liar: Liar) -> None:
    """`iss` in the way back names the service that was asked (RFC 9207)."""
    browser = office.browser()
    back = liar.agree(browser.leave())

    assert 401 == browser.come(f"{back}&iss=https://elsewhere.example").status_code


def test_approval_needs_a_fresh_word_of_the_service(office: Office, liar: Liar) -> None:
    """An old session there is no fresh password here; again means with the password."""
    liar.claims = {"auth_time": NOW - 4 * 3600}
    browser = office.browser()
    browser.come(liar.agree(browser.leave()))
    assert "edna" == browser.name()
    body = {"scopes": ["submit"]}
    assert 403 == browser.ask("POST", "/v1/tokens", json=body).status_code
    address = browser.leave()
    asked = parse_qs(urlsplit(address).query)
    assert (["login"], ["0"]) == (asked["prompt"], asked["max_age"])
    assert 502 == browser.come(liar.agree(address)).status_code  # still the old word
    liar.claims = {"auth_time": None}
    assert 502 == browser.come(liar.agree(browser.leave())).status_code
    liar.claims = {}
    assert 303 == browser.come(liar.agree(browser.leave())).status_code

    assert 201 == browser.ask("POST", "/v1/tokens", json=body).status_code


def test_link_is_made_by_an_administrator(office: Office, liar: Liar) -> None:
    """Never one's own, never a program's, one person one account; sessions end."""
    ask = office.browser().client.request
    path = "/v1/users/edna/identity"
    admin = {
        "Authorization": f"Bearer {token_of(office.node, 'adam', 'admin:accounts')}"
    }
    editor = {"Authorization": f"Bearer {token_of(office.node, 'edna', 'draft:write')}"}
    body = {"subject": "another"}
    assert 403 == ask("PUT", path, headers=editor, json=body).status_code
    browser = office.browser()
    browser.come(liar.agree(browser.leave()))
    assert 200 == ask("PUT", path, headers=admin, json=body).status_code
    assert "" == browser.name()
    own = ask("PUT", "/v1/users/adam/identity", headers=admin, json=body)
    assert 403 == own.status_code
    taken = ask("PUT", "/v1/users/paul/identity", headers=admin, json=body)
    assert (409, "IDENTITY_TAKEN") == (
        taken.status_code,
        taken.json()["errors"][0]["reason"],
    )
    assert 204 == ask("DELETE", path, headers=admin).status_code
    connection = office.node.database.connect()
    account = people.find(connection, "edna")
    assert linking.subject_of(connection, account.id) is None
    actions = [entry.row["action"] for entry in audit.entries(connection)]
    assert {"account.link", "account.unlink"} <= {*actions}


def test_two_accounts_cannot_share_a_person(office: Office, liar: Liar) -> None:
    """One person of the service would else be both halves of four eyes."""
    connection = office.node.database.connect()
    paul = people.find(connection, "paul")
    with pytest.raises(ConflictError) as caught:
        linking.link(connection, MACHINE, paul, liar.issuer, "4f1c", present())

    assert Reason.IDENTITY_TAKEN is caught.value.reason


def test_shut_account_stays_shut(office: Office, liar: Liar) -> None:
    """The service does not know who left; the node does."""
    with office.node.database.transaction() as connection:
        connection.execute("UPDATE account SET disabled='x' WHERE name='edna'")
    browser = office.browser()
    answer = browser.come(liar.agree(browser.leave()))
    with office.node.database.transaction() as connection:
        connection.execute("UPDATE account SET disabled=NULL WHERE name='edna'")

    assert 401 == answer.status_code


def test_database_holds_no_secret_of_a_way(office: Office, liar: Liar) -> None:
    """State, cookie, nonce and verifier stand there as hashes or sealed."""
    browser = office.browser()
    query = parse_qs(urlsplit(browser.leave()).query)
    connection = office.node.database.connect()
    rows = repr(connection.execute("SELECT * FROM sign_in_flow").fetchall())

    for secret in (query["state"][0], query["nonce"][0], *browser.cookies.values()):
        assert secret not in rows


def test_without_a_service_there_is_no_way(office: Office) -> None:
    """No button, and no address, where none is configured."""
    office.node.config = replace(office.node.config, oidc=OidcSection())
    page = office.browser().ask("GET", "/fa/publish/sign-in")

    assert "sign-in/service" not in page.text
    answer = office.browser().ask("GET", "/fa/publish/sign-in/service")
    assert 404 == answer.status_code
