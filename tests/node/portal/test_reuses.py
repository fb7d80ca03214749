"""What makers built with the data: throttled, kept, shown once it was looked at."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

import moderation_world
from account_world import actor
from moderation_world import Settled, browsing, settled_node
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import reuses
from shahrdad.node.accounts.moments import present
from shahrdad.node.http.portal import boxes
from shahrdad.node.http.portal.limits import (
    ADDRESS_LETTERS_MAX,
    NAME_LETTERS_MAX,
    REUSE_DATASETS_MAX,
    WORDS_LETTERS_MAX,
)

PAGE = "/en/reuses"
QUEUE = "/en/publish/reuses"
REF = "kerman/org-units"
WORK = {
    "kind": "map",
    "title": "Units on a map",
    "address": "https://example.org/units?lang=fa",
    "words": "Shows every unit of the city.",
    "maker": "Sara",
    "data": REF,
}


class Place(moderation_world.Place):
    """The node, and what a stranger and a publisher do there."""

    def name(self, **changes: str) -> Any:
        """Send the form."""
        return self.client.post(PAGE, data={**WORK, **changes})

    def decide(self, decision: str) -> Any:
        """Decide on the first reuse."""
        return self.decide_at(QUEUE, decision=decision)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    """A node of Kerman with one dataset, published by two, and its people."""
    with settled_node(tmp_path_factory.mktemp("reuses")) as found:
        yield found


@pytest.fixture
def place(settled: Settled) -> Iterator[Place]:
    """That node with nothing handed in yet, and a stranger's browser."""
    with browsing(settled, "reuses") as (node, client):
        yield Place(node, settled[1], client, settled[2])


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
    for number in range(boxes.BURST):
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


def test_a_node_without_a_desk_takes_none(client: TestClient) -> None:
    """Nobody would ever look at it: the page has no form, and the address is closed."""
    assert "<textarea" not in client.get(PAGE).text
    assert 404 == client.post(PAGE, data=WORK).status_code
    assert [] == client.get("/v1/reuses").json()["items"]
