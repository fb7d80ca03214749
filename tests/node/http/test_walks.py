"""Walks through the lists of `/v1` while others publish and withdraw."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import World, example_rows, make_world
from shahrdad.node.catalog import Dataset
from shahrdad.node.http.app import create_app

BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
STANDING = range(5)  # nobody touches these
MOVING = range(5, 8)
ASKED: Sequence[dict[str, str]] = (
    {},
    {"sort": "ref"},
    {"sort": "title"},
    {"sort": "-updated"},
    {"sort": "-quality"},
    {"city": "kerman", "sort": "-updated"},
    {"q": "سامانه", "sort": "ref"},
    {"q": "سامانه", "sort": "title"},
    {"q": "سامانه", "sort": "-updated"},
    {"q": "سامانه", "sort": "-quality"},
    {"state": "withdrawn"},
    {"state": "withdrawn", "q": "سامانه", "sort": "title"},
    {"state": "withdrawn", "q": "سامانه", "sort": "-updated"},
)
Step = tuple[int, bool]


class Busy:
    """A node whose datasets come and go.

    Args:
        world: The node, without datasets.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.live: set[int] = set()
        self._minutes = count()

    def put(self, number: int) -> None:
        """Publish a dataset, or its next version; every other one lacks a title."""
        slug = f"set-{number}"
        self.world.publish(
            "kerman",
            slug,
            "org_units",
            example_rows("org_units", "kerman"),
            time=self._time(),
            title=(f"سامانه {9 - number}", slug if number % 2 else ""),
        )
        self.live.add(number)

    def withdraw(self, number: int) -> None:
        """Withdraw a dataset; absent or withdrawn is fine."""
        if number in self.live:
            self.world.withdraw("kerman", f"set-{number}", time=self._time())
            self.live.discard(number)

    def _time(self) -> str:
        time = BEGINNING + timedelta(minutes=next(self._minutes))
        return time.strftime("%Y-%m-%dT%H:%M:%SZ")

    def do(self, step: Step) -> None:
        """Publish or withdraw."""
        number, put = step
        (self.put if put else self.withdraw)(number)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Busy:
    """A node with some datasets of either state that stay as they are."""
    found = Busy(make_world(tmp_path_factory.mktemp("busy")))
    for number in (*STANDING, 10, 11, 12):
        found.put(number)
    for number in (10, 11, 12):
        found.withdraw(number)
    return found


@pytest.fixture(scope="module")
def walked(busy: Busy) -> Iterator[TestClient]:
    """A client of it."""
    with TestClient(create_app(busy.world)) as found:
        yield found


def walk(
    client: TestClient,
    asked: dict[str, str],
    limit: int,
    meanwhile: Callable[[], None],
) -> list[str]:
    """Return the references of all pages; something happens after each."""
    found: list[str] = []
    more: dict[str, Any] = {}
    while True:
        query = urlencode({**asked, **more, "limit": limit})
        answer = client.get(f"/v1/datasets?{query}")
        assert 200 == answer.status_code, answer.text
        page = answer.json()
        found += [item["ref"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        more = {"cursor": page["next_cursor"]}
        meanwhile()


@settings(deadline=None, max_examples=20)
@example(
    asked={"state": "withdrawn", "q": "سامانه", "sort": "title"},
    limit=1,
    before=[(5, True), (6, True), (7, True), (5, False), (6, False), (7, False)],
    steps=[(6, True), (7, True), (5, True)],
)
@given(
    asked=st.sampled_from(ASKED),
    limit=st.integers(1, 3),
    before=st.lists(st.tuples(st.sampled_from(MOVING), st.booleans()), max_size=3),
    steps=st.lists(st.tuples(st.sampled_from(MOVING), st.booleans()), max_size=6),
)
def test_a_walk_sees_what_stayed_exactly_once(
    busy: Busy,
    walked: TestClient,
    asked: dict[str, str],
    limit: int,
    before: list[Step],
    steps: list[Step],
) -> None:
    """Whatever is published, changed or withdrawn meanwhile hides or repeats no other.

    In every order that is no order of relevance, which may end with 410 instead.
    """
    for step in before:
        busy.do(step)
    left = iter(steps)

    def meanwhile() -> None:
        if (step := next(left, None)) is not None:
            busy.do(step)

    found = walk(walked, asked, limit, meanwhile)
    standing = [10, 11, 12] if asked.get("state") == "withdrawn" else STANDING
    expected = {f"kerman/set-{number}" for number in standing}

    assert sorted(expected) == sorted(ref for ref in found if ref in expected)


def test_a_page_ends_where_it_was_read(
    busy: Busy, walked: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset that changes while its page is answered begins no walk anew."""
    catalog = busy.world.catalog
    plain, left = catalog.by_ids, iter(range(2))

    def by_ids(ids: Sequence[int]) -> tuple[Dataset, ...]:
        found = plain(ids)
        if next(left, None) is not None:
            number = int(found[-1].slug.removeprefix("set-"))
            thread = Thread(target=busy.put, args=(number,))
            thread.start()
            thread.join()
        return plain(ids)

    monkeypatch.setattr(catalog, "by_ids", by_ids)
    found = walk(walked, {"sort": "-updated"}, 1, lambda: None)

    assert sorted({*found}) == sorted(found)
