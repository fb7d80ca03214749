"""Passwords, codes, tokens and sessions: what opens, and what stays shut."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.accounts import (
    keys,
    limits,
    passwords,
    people,
    second_factor,
    sessions,
    tokens,
)
from shahrdad.node.accounts.keys import AccountKey
from shahrdad.node.accounts.people import Account
from shahrdad.node.accounts.roles import (
    MACHINE,
    Action,
    Actor,
    Grant,
    Role,
    covers,
    parse_grant,
    parse_scope,
)
from shahrdad.node.database import Database

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PASSWORD = "سه کبوتر روی بام"
KEY = AccountKey(bytes(range(32)))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return a database without accounts."""
    found = Database(tmp_path / "node.db")
    yield found
    found.close()


def person(database: Database, name: str, *roles: str) -> Account:
    """Make an account with the password."""
    with database.transaction() as connection:
        grants = [parse_grant(role) for role in roles]
        account = people.add(connection, MACHINE, name, grants, kind="person", at=AT)
        people.set_password(connection, MACHINE, account, PASSWORD, AT)
    return people.find(database.connect(), name)


def enrolled(database: Database, account: Account) -> tuple[pyotp.TOTP, list[str]]:
    """Give an account a second factor, and return what its holder has."""
    with database.transaction() as connection:
        found = second_factor.enrol(connection, KEY, account.id, account.name, "kerman")
    totp = pyotp.parse_uri(found.address)
    assert isinstance(totp, pyotp.TOTP)
    return totp, [*found.recovery]


def attempt(
    database: Database, name: str, password: str, code: str = "", at: datetime = AT
) -> Reason | None:
    """Try to sign in, and return why it was refused."""
    try:
        sessions.authenticate(database, KEY, name, password, code, asker=MACHINE, at=at)
    except ShahrdadError as error:
        return error.reason
    return None


def test_right_password_opens(database: Database) -> None:
    """Also when the keyboard composes its letters in another way."""
    person(database, "edna", "editor")

    assert attempt(database, "edna", PASSWORD) is None
    assert Reason.LOGIN_REFUSED is attempt(database, "edna", PASSWORD + " ")
    assert Reason.LOGIN_REFUSED is attempt(database, "nobody", PASSWORD)


def test_stored_hash_is_expensive(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id with 64 MiB and three passes: RFC 9106, 4, second choice."""
    monkeypatch.undo()
    stored = passwords.make_hash(PASSWORD)

    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    "password",
    [
        *("", "short", "elevenchars", "123456789012", "aaaaaaaaaaaaaa"),
        *("qwertyuiopasdf", "Password1234", "shahrdari1234", "m.karimi-12345"),
        "x" * 2_000,
    ],
)
def test_weak_password_is_refused(password: str) -> None:
    """Short ones, those of every list, runs of keys, one's own name."""
    with pytest.raises(RequestError) as caught:
        passwords.check_strength(password, "m.karimi")
    assert Reason.PASSWORD_WEAK is caught.value.reason


@pytest.mark.parametrize(
    "password", [PASSWORD, "twelve chars", "خانهٔ دوست کجاست", "a" + "bcde fgh" * 120]
)
def test_other_password_is_taken(password: str) -> None:
    """Any letters, no composition rules; twelve is enough."""
    passwords.check_strength(password, "m.karimi")


def test_publisher_needs_a_second_factor(database: Database) -> None:
    """A password alone opens no account that can publish or administer."""
    for role in ("publisher", "publisher:budget", "admin"):
        name = role.replace(":", "-")
        person(database, name, role)
        assert Reason.SECOND_FACTOR_NEEDED is attempt(database, name, PASSWORD)


def test_code_counts_once(database: Database) -> None:
    """Who looked over a shoulder cannot use the same six digits again."""
    totp, _ = enrolled(database, person(database, "petra", "publisher"))
    code = totp.at(AT)

    assert Reason.LOGIN_REFUSED is attempt(database, "petra", PASSWORD)
    assert Reason.LOGIN_REFUSED is attempt(database, "petra", PASSWORD, "000000")
    assert attempt(database, "petra", PASSWORD, code) is None
    assert Reason.LOGIN_REFUSED is attempt(database, "petra", PASSWORD, code)
    late = AT + timedelta(seconds=60)
    persian = totp.at(late).translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    assert attempt(database, "petra", PASSWORD, persian, late) is None
    old = totp.at(AT + timedelta(seconds=90))
    too_late = AT + timedelta(seconds=180)
    assert Reason.LOGIN_REFUSED is attempt(database, "petra", PASSWORD, old, too_late)


def test_recovery_code_counts_once(database: Database) -> None:
    """A lost telephone is no lost account; each code is for one use."""
    _, codes = enrolled(database, person(database, "petra", "publisher"))

    assert limits.RECOVERY_CODES == len(codes)
    assert attempt(database, "petra", PASSWORD, codes[0].upper()) is None
    assert Reason.LOGIN_REFUSED is attempt(database, "petra", PASSWORD, codes[0])


def test_guessing_is_slowed_alike_for_known_and_unknown(database: Database) -> None:
    """Five tries, then a delay that doubles; the answers betray no name."""
    person(database, "edna", "editor")
    stories = []
    for name in ("edna", "nobody"):
        found = [
            attempt(database, name, "wrong password")
            for _ in range(limits.LOGIN_TRIES + 1)
        ]
        found.append(attempt(database, name, PASSWORD))
        stories.append(found)

    assert stories[0] == stories[1]
    assert [Reason.LOGIN_REFUSED] * limits.LOGIN_TRIES + [
        Reason.LOGIN_THROTTLED,
        Reason.LOGIN_THROTTLED,
    ] == stories[0]
    later = AT + timedelta(seconds=limits.LOGIN_DELAY_SECONDS_MAX)
    assert attempt(database, "edna", PASSWORD, at=later) is None


def test_guesses_in_parallel_count_too(database: Database) -> None:
    """Ten guesses at once are not ten free ones."""
    person(database, "edna", "editor")
    found: list[Reason | None] = []

    def guess() -> None:
        found.append(attempt(database, "edna", "wrong password"))
        database.close()

    threads = [threading.Thread(target=guess) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert limits.LOGIN_TRIES == found.count(Reason.LOGIN_REFUSED)
    assert 10 - limits.LOGIN_TRIES == found.count(Reason.LOGIN_THROTTLED)


@given(st.binary(min_size=32, max_size=32))
def test_token_has_its_form_and_checksum(random: bytes) -> None:
    """58 characters; one wrong letter is seen without asking anybody."""
    text = tokens.make(random)
    wrong = text[:-10] + ("0" if text[-10] != "0" else "1") + text[-9:]

    assert (58, True, False) == (
        len(text),
        tokens.is_token(text),
        tokens.is_token(wrong),
    )


def make_token(
    database: Database, account: Account, *scopes: str, days: int = 90
) -> tuple[str, tokens.Token]:
    """Make a token of an account."""
    with database.transaction() as connection:
        return tokens.create(
            connection,
            KEY,
            MACHINE,
            account,
            [parse_scope(scope) for scope in scopes],
            days=days,
            name="test",
            at=AT,
        )


def test_token_acts_as_its_owner_until_it_ends(database: Database) -> None:
    """It counts until its day, its revocation, or the end of its account."""
    account = person(database, "edna", "editor")
    connection = database.connect()
    text, token = make_token(database, account, "submit")
    last = AT + timedelta(days=90, seconds=-1)
    found = tokens.resolve(connection, KEY, text, last)

    assert found is not None
    assert (account.id, token.id) == (found.account, found.token)
    assert tokens.resolve(connection, KEY, text, last + timedelta(seconds=1)) is None
    other = AccountKey(bytes(32))
    assert tokens.resolve(connection, other, text, AT) is None
    with database.transaction() as writer:
        tokens.revoke(writer, MACHINE, token, AT)
    assert tokens.resolve(connection, KEY, text, AT) is None
    again, _ = make_token(database, account, "submit")
    with database.transaction() as writer:
        people.disable(writer, MACHINE, account, AT)
    assert tokens.resolve(connection, KEY, again, AT) is None


def test_database_alone_gives_no_token_away(database: Database) -> None:
    """Neither tokens, passwords, seeds nor sessions stand in the file."""
    account = person(database, "petra", "publisher")
    totp, codes = enrolled(database, account)
    account = people.find(database.connect(), "petra")
    text, _ = make_token(database, account, "approve")
    cookie = sessions.open_session(database, KEY, account, MACHINE, AT)
    database.connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = database.path.read_bytes()

    for secret in (text[20:], cookie, PASSWORD, codes[0]):
        assert secret.encode() not in content
    assert totp.byte_secret() not in content


@pytest.mark.parametrize("days", [0, limits.TOKEN_DAYS_MAX + 1])
def test_token_lives_within_its_bounds(database: Database, days: int) -> None:
    """A year at most; the bounds themselves are allowed."""
    account = person(database, "edna", "editor")
    make_token(database, account, "submit", days=1)
    make_token(database, account, "submit", days=limits.TOKEN_DAYS_MAX)
    with pytest.raises(RequestError) as caught:
        make_token(database, account, "submit", days=days)
    assert Reason.TOKEN_LIFETIME is caught.value.reason


def test_no_program_approves(database: Database) -> None:
    """A service has no password, no publisher's role and no token to approve with."""
    with database.transaction() as connection:
        robot = people.add(
            connection, MACHINE, "robot", [Grant(Role.EDITOR)], kind="service", at=AT
        )
    for act in (
        lambda: make_token(database, robot, "approve"),
        lambda: person_password(database, robot),
        lambda: grant(database, robot, "publisher"),
    ):
        with pytest.raises(RequestError) as caught:
            act()
        assert Reason.ACCOUNT_KIND is caught.value.reason


def person_password(database: Database, account: Account) -> None:
    """Give an account the password."""
    with database.transaction() as connection:
        people.set_password(connection, MACHINE, account, PASSWORD, AT)


def grant(database: Database, account: Account, role: str) -> None:
    """Give an account a role."""
    with database.transaction() as connection:
        people.set_grants(connection, MACHINE, account, [parse_grant(role)], AT)


def test_session_ends_with_its_hours_and_its_rights(database: Database) -> None:
    """Eight hours; a new password or other roles end it at once."""
    account = person(database, "edna", "editor")
    connection = database.connect()
    cookie = sessions.open_session(database, KEY, account, MACHINE, AT)
    last = AT + timedelta(seconds=limits.SESSION_SECONDS - 1)

    assert sessions.resolve(connection, KEY, cookie, last) is not None
    assert (
        sessions.resolve(connection, KEY, cookie, last + timedelta(seconds=1)) is None
    )
    grant(database, account, "auditor")
    assert sessions.resolve(connection, KEY, cookie, AT) is None


def test_what_matters_most_asks_again() -> None:
    """Half an hour after the password, an approval needs it again; reading does not."""
    fresh = Actor(1, "petra", authenticated=AT)
    edge = AT + timedelta(seconds=limits.REAUTHENTICATION_SECONDS)
    sessions.check_fresh(fresh, Action.APPROVE, edge)
    late = edge + timedelta(seconds=1)
    sessions.check_fresh(fresh, Action.DRAFT_READ, late)
    with pytest.raises(RequestError) as caught:
        sessions.check_fresh(fresh, Action.APPROVE, late)
    assert Reason.REAUTHENTICATION_NEEDED is caught.value.reason


@given(
    st.sampled_from(["", "budget", "org", "org-units"]),
    st.sampled_from(["budget", "budget-1404", "budgets", "org-units", "organ"]),
)
def test_prefix_ends_at_a_hyphen(prefix: str, slug: str) -> None:
    """`budget` reaches `budget-1404` and never `budgets`."""
    parts = slug.split("-")
    heads = {"-".join(parts[:n]) for n in range(1, len(parts) + 1)}

    assert covers(prefix, slug) == (prefix == "" or prefix in heads)


@pytest.mark.parametrize(
    "text", ["all", "approve:", "audit:read:budget", "submit:Budget", "admin", ""]
)
def test_scope_that_is_none_is_refused(text: str) -> None:
    """A misspelt scope makes no token that reaches everything."""
    with pytest.raises(RequestError) as caught:
        parse_scope(text)
    assert Reason.SCOPE_WRONG is caught.value.reason


def test_key_is_for_its_owner_alone_and_made_once(tmp_path: Path) -> None:
    """Mode 0600; of several processes that make it, all read the same one."""
    found: list[bytes] = []

    def load() -> None:
        found.append(keys.load_key(tmp_path).mac("x", b"y"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == len(set(found))
    assert 0o600 == (tmp_path / keys.FILE_NAME).stat().st_mode & 0o777
    assert [keys.FILE_NAME] == [path.name for path in tmp_path.iterdir()]
