"""What readers write about a dataset: throttled, kept, shown once it was read."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from starlette.testclient import TestClient

import moderation_world
from moderation_world import Settled, browsing, settled_node
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import feedback, moderation
from shahrdad.node.accounts.moments import present
from shahrdad.node.http.portal import boxes
from shahrdad.node.http.portal.limits import NAME_LETTERS_MAX, WORDS_LETTERS_MAX

PAGE = "/en/d/kerman/org-units/feedback"
QUEUE = "/en/publish/feedback"
REMARK = {"kind": "fault", "words": "Unit 7 is named twice", "place": "unit 7"}


class Place(moderation_world.Place):
    """The node, and what a stranger and a publisher do there."""

    def write(self, **changes: str) -> Any:
        """Send the form."""
        return self.client.post(PAGE, data={**REMARK, **changes})

    def decide(self, **said: str) -> Any:
        """Decide on the first remark."""
        return self.decide_at(QUEUE, **said)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    """A node of Kerman with one dataset, published by two, and its people."""
    with settled_node(tmp_path_factory.mktemp("feedback")) as found:
        yield found


@pytest.fixture
def place(settled: Settled) -> Iterator[Place]:
    """That node with nothing handed in yet, and a stranger's browser."""
    with browsing(settled, "feedback") as (node, client):
        yield Place(node, settled[1], client, settled[2])


def test_a_remark_is_shown_after_it_was_read(place: Place) -> None:
    """It waits unseen, a publisher answers it, and then everybody reads both."""
    sent = place.write(name="Sara")
    before = place.client.get(PAGE).text
    place.become("paul")
    queue = place.client.get(QUEUE).text
    decided = place.decide(decision="shown", answer="Mended, thank you.", mended="1")
    after = place.client.get(PAGE).text

    assert (303, f"{PAGE}?sent=yes#sent") == (
        sent.status_code,
        sent.headers["location"],
    )
    assert REMARK["words"] not in before
    assert REMARK["words"] in queue
    assert 303 == decided.status_code
    for text in (REMARK["words"], "unit 7", "Sara", "Mended, thank you."):
        assert text in after
    assert "/d/kerman/org-units/v/1" in after


def test_a_refused_remark_is_never_shown(place: Place) -> None:
    """Nobody but the desk sees it, and a later word may still show it."""
    place.write()
    place.become("paul")
    place.decide(decision="refused", answer="no")
    refused = place.client.get(PAGE).text
    place.decide(decision="shown")

    assert REMARK["words"] not in refused
    assert REMARK["words"] in place.client.get(PAGE).text


def test_every_decision_stands_in_the_audit(place: Place) -> None:
    """Who showed what is chained like every other write of the desk."""
    place.write()
    place.become("adam")
    place.decide(decision="shown")
    (row,) = (
        place.node.database.connect()
        .execute("SELECT row FROM audit ORDER BY seq DESC LIMIT 1")
        .fetchone()
    )

    assert '"action":"feedback.decide"' in row
    assert "kerman/org-units 1 shown" in row


@pytest.mark.parametrize("name", ["edna", "aura"])
def test_only_publishers_and_administrators_decide(place: Place, name: str) -> None:
    """An editor and an auditor neither see the queue nor decide."""
    place.write()
    place.become(name)

    assert 403 == place.client.get(QUEUE).status_code
    assert 403 == place.decide(decision="shown").status_code
    assert REMARK["words"] not in place.client.get(PAGE).text


def test_what_was_typed_is_kept(place: Place) -> None:
    """A form without its words comes back with the rest, a sentence and 4xx."""
    answer = place.write(words=" ", name="Sara")

    assert 400 <= answer.status_code < 500
    assert 'value="Sara"' in answer.text
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    ("name", "letters_max"), [("words", WORDS_LETTERS_MAX), ("name", NAME_LETTERS_MAX)]
)
def test_texts_are_bounded(place: Place, name: str, letters_max: int) -> None:
    """A text at the bound is kept, one letter more is refused."""
    assert 303 == place.write(**{name: "x" * letters_max}).status_code
    assert 303 != place.write(**{name: "x" * (letters_max + 1)}).status_code


def test_one_caller_writes_a_few_remarks(place: Place) -> None:
    """After the burst a caller waits; what was typed is still there."""
    answers = [place.write(words=f"word {n}") for n in range(boxes.BURST + 1)]

    assert [303] * boxes.BURST + [429] == [one.status_code for one in answers]
    assert f"word {boxes.BURST}" in answers[-1].text


def test_the_same_remark_waits_once(place: Place) -> None:
    """A button pressed twice leaves one remark."""
    place.write()
    place.write()

    assert 1 == moderation.waiting(place.node.database.connect(), "feedback")


def test_the_queue_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound one more is refused: nobody fills the database from outside."""
    monkeypatch.setattr(moderation, "WAITING_MAX", 2)
    said = feedback.Said("kerman/org-units", 1, "wish", "", "", "", "en")
    connection = place.node.database.connect()
    for n in range(2):
        changed = feedback.Said(**{**asdict(said), "words": str(n)})
        feedback.add(connection, changed, present())
    with pytest.raises(RequestError) as caught:
        feedback.add(connection, said, present())

    assert Reason.RATE_LIMITED is caught.value.reason


def test_data_of_others_take_no_remarks(client: TestClient) -> None:
    """A node that only reads, or another city's data: no form, and a word why."""
    text = client.get("/en/d/shiraz/projects/feedback").text
    sent = client.post("/en/d/shiraz/projects/feedback", data=REMARK)

    assert "<textarea" not in text
    assert "Shiraz" in text
    assert 404 == sent.status_code
