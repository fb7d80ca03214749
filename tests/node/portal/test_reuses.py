"""What makers built with the data: throttled, kept, shown once it was looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from account_world import PASSWORD, Person, actor, settle, strict_node
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import reuses
from shahrdad.node.accounts import passwords
from shahrdad.node.accounts.moments import present
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting
from shahrdad.node.http.app import create_app
from shahrdad.node.http.portal import reuses as pages
from shahrdad.node.http.portal.limits import (
    ADDRESS_LETTERS_MAX,
    NAME_LETTERS_MAX,
    REUSE_DATASETS_MAX,
    WORDS_LETTERS_MAX,
)
from shahrdad.node.incoming.example_files import find_example, handed

PAGE = "/en/reuses"
QUEUE = "/en/publish/reuses"
REF = "kerman/org-units"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
WORK = {
    "kind": "map",
    "title": "Units on a map",
    "address": "https://example.org/units?lang=fa",
    "words": "Shows every unit of the city.",
    "maker": "Sara",
    "data": REF,
}


@dataclass
class Place:
    """A node under four eyes, and a browser that may write to it."""

    node: Node
    people: dict[str, Person]
    client: TestClient
    cookies: dict[str, str]

    def become(self, name: str) -> None:
        """Go on as a person of the city, who signs in once for all tests."""
        if name not in self.cookies:
            known = {
                "account": name, "password": PASSWORD,
                "code": self.people[name].code(),
            }  # fmt: skip
            sign_in = "/en/publish/sign-in"
            answer = self.client.post(sign_in, data=known, headers=SAME_SITE)
            self.cookies[name] = answer.headers["set-cookie"].partition(";")[0]
        self.client.cookies.clear()
        self.client.headers["Cookie"] = self.cookies[name]

    def name(self, **changes: str) -> Any:
        """Send the form."""
        return self.client.post(PAGE, data={**WORK, **changes})

    def decide(self, decision: str) -> Any:
        """Decide on the first reuse."""
        data = {"number": "1", "decision": decision}
        return self.client.post(QUEUE, data=data, headers=SAME_SITE)


@pytest.fixture(scope="module")
def settled(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Node, dict[str, Person], dict[str, str]]]:
    """A node of Kerman with one dataset, published by two, and its people."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hasher", lambda: cheap)
        node = strict_node(tmp_path_factory.mktemp("reuses"))
        people = settle(node)
        edna, paul = actor(node, "edna"), actor(node, "paul")
        found = drafting.draft_file(
            node, handed(find_example("kerman", "org-units")), edna
        )
        sent = drafting.submit(node, found.draft.id, edna)
        assert sent.digest is not None
        drafting.approve(node, sent.id, sent.digest, paul)
        yield node, people, {}
    node.close()


@pytest.fixture
def place(
    settled: tuple[Node, dict[str, Person], dict[str, str]],
) -> Iterator[Place]:
    """That node with nothing named yet, and a stranger's browser."""
    node, people, cookies = settled
    with node.database.transaction() as connection:
        connection.execute("DELETE FROM reuses")
        connection.execute("DELETE FROM sqlite_sequence WHERE name='reuses'")
    app = create_app(node)
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as one:
        yield Place(node, people, one, cookies)
    app.state.jobs.stop(5)


def test_a_work_is_shown_after_somebody_looked_at_it(place: Place) -> None:
    """It waits unseen; a publisher shows it; then it stands in gallery and API."""
    sent = place.name()
    before = place.client.get(PAGE).text
    place.become("paul")
    queue = place.client.get(QUEUE).text
    decided = place.decide("shown")
    after = place.client.get(PAGE).text
    (item,) = place.client.get(f"/v1/reuses?ref={REF}").json()["items"]

    assert (303, 303) == (sent.status_code, decided.status_code)
    assert WORK["title"] not in before
    assert WORK["title"] in queue
    assert f'href="{WORK["address"]}"' in after
    assert f'href="/en/d/{REF}"' in after
    assert ([REF], "Sara") == (item["datasets"], item["maker"])


def test_a_refused_work_is_never_shown(place: Place) -> None:
    """Nor one that was shown before."""
    place.name()
    place.become("paul")
    place.decide("shown")
    place.decide("refused")

    assert WORK["title"] not in place.client.get(PAGE).text
    assert [] == place.client.get("/v1/reuses").json()["items"]


def test_the_gallery_is_filtered(place: Place) -> None:
    """By kind, and by the dataset that a work stands on."""
    place.name()
    place.become("paul")
    place.decide("shown")
    for query, is_there in (
        ("kind=map", True), ("kind=study", False),
        (f"ref={REF}", True), ("ref=kerman/budget-1404", False),
    ):  # fmt: skip
        assert (WORK["title"] in place.client.get(f"{PAGE}?{query}").text) is is_there


def test_only_publishers_and_administrators_decide(place: Place) -> None:
    """An editor may not."""
    place.name()
    place.become("edna")

    assert 403 == place.client.get(QUEUE).status_code
    edna = actor(place.node, "edna")
    connection = place.node.database.connect()
    with pytest.raises(RequestError) as caught:
        reuses.decide(connection, 1, "shown", edna, "kerman", present())
    assert Reason.FORBIDDEN is caught.value.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "javascript:alert(1)"},
        {"address": "https://"},
        {"address": "https://user@example.org/"},
        {"address": 'https://example.org/"onload="x'},
        {"address": "https://example.org/" + "a" * ADDRESS_LETTERS_MAX},
        {"kind": "advertisement"},
        {"title": ""},
        {"title": "t" * (NAME_LETTERS_MAX + 1)},
        {"words": "w" * (WORDS_LETTERS_MAX + 1)},
        {"data": "shiraz/projects"},
        {"data": "no reference at all"},
        {"data": " ".join(f"kerman/a-{n}" for n in range(REUSE_DATASETS_MAX + 1))},
    ],
)
def test_what_is_wrong_is_refused_and_kept_for_mending(
    place: Place, changes: dict[str, str]
) -> None:
    """The page says what is wrong and keeps what was typed."""
    answer = place.name(**changes)

    assert 400 <= answer.status_code < 500
    assert 'role="alert"' in answer.text
    assert WORK["maker"] in answer.text
    assert 'onload="x' not in answer.text


def test_an_unknown_dataset_is_named(place: Place) -> None:
    """A slip in a reference is told, with the reference."""
    answer = place.name(data=f"{REF}, kerman/nothing")

    assert 404 == answer.status_code
    assert "kerman/nothing" in answer.text


def test_addresses_of_pages_are_understood(place: Place) -> None:
    """Whoever copies the address of a page need not know what a reference is."""
    place.name(data=f"https://data.kerman.ir/fa/d/{REF}/v/3?x=1#rows")
    connection = place.node.database.connect()
    (found,) = connection.execute("SELECT ref FROM reuse_data").fetchall()

    assert (REF,) == found


def test_texts_stay_texts(place: Place) -> None:
    """What a maker writes is never markup."""
    place.name(title="<script>alert(1)</script>", words='"><img src=x>')
    place.become("paul")
    place.decide("shown")
    page = place.client.get(PAGE).text

    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_one_caller_names_a_few_works(place: Place) -> None:
    """Above the burst a caller waits."""
    for number in range(pages.BURST):
        place.name(address=f"https://example.org/{number}")

    assert 429 == place.name(address="https://example.org/more").status_code


def test_the_same_address_waits_once(place: Place) -> None:
    """Who sends twice is kept once."""
    place.name()
    place.name(title="Again")
    (count,) = (
        place.node.database.connect().execute("SELECT count(*) FROM reuses").fetchone()
    )

    assert 1 == count
