"""Searches for common words: the same answer, from kept sets of bits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from http_world import World, example_rows, fill, make_world
from shahrdad.node.http.app import create_app
from shahrdad.node.http.ckan import selection, shelf, word_sets
from shahrdad.node.http.ckan.word_sets import WordSets, of_match, of_owners, state_of

QUERIES = (
    {"q": "سامانه"},
    {"q": "سامانه ریال"},
    {"q": "شهرداری"},
    {"q": "ریال", "sort": "metadata_modified desc"},
    {"q": "title:سامانه"},
    {"q": "notes:ریال", "fq": "organization:kerman"},
    {"q": "سامانه OR بودجه"},
    {"q": "-سامانه"},
    {"q": "ریال -بودجه"},
    {"q": "nothing"},
    {"q": "سامانه nothing"},
    {"q": "بودجه ریال"},
    {"q": "کرمان ریال"},
    {"fq": "tags:budget"},
    {"fq": "tags:BUDGET AND res_format:csv"},
    {"fq": "res_format:CSV", "sort": "name desc"},
    {"q": '"مبالغ به"'},
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A node that the test changes."""
    return fill(make_world(tmp_path))


@pytest.fixture
def common(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[TestClient, TestClient]]:
    """A client that knows no common word, and one to whom every word is common."""
    with TestClient(create_app(world)) as plain, TestClient(create_app(world)) as bits:

        class Either:
            """Asks one of them, with its own bound."""

            def __init__(self, client: TestClient, bound: int) -> None:
                self.client, self.bound = client, bound

            def get(self, *asked: Any, **more: Any) -> Any:
                monkeypatch.setattr(selection, "SETS_MIN", self.bound)
                monkeypatch.setattr(word_sets, "KEPT_MIN", self.bound)
                return self.client.get(*asked, **more)

        yield Either(plain, 20_000), Either(bits, 0)  # type: ignore[misc]


def answers(client: TestClient, base: str) -> list[Any]:
    """Return what every query finds, by pages of one."""
    found = []
    for query in QUERIES:
        for start in (0, 2):
            asked: dict[str, Any] = {**query, "rows": 1, "start": start}
            answer = client.get(f"{base}/api/3/action/package_search", params=asked)
            assert 200 == answer.status_code, answer.text
            result = answer.json()["result"]
            found.append((query, start, result["count"], result["results"]))
    return found


@pytest.mark.parametrize("base", ["", "/all", "/harvest"])
def test_sets_find_what_the_index_finds(
    common: tuple[TestClient, TestClient], world: World, base: str
) -> None:
    """Counts, datasets and their order are those of SQL, also after changes."""
    plain, bits = common

    assert answers(plain, base) == answers(bits, base)

    world.publish(
        "kerman",
        "new-systems",
        "active_systems",
        example_rows("active_systems", "kerman"),
        time="2025-11-21T06:00:00Z",
        title=("سامانه‌های تازه", "New systems"),
    )
    world.withdraw("kerman", "active-systems", time="2025-11-21T07:00:00Z")

    after = answers(bits, base)
    assert answers(plain, base) == after
    assert any("kerman--new-systems" == one[3][0]["name"] for one in after if one[3])


def test_deep_pages_come_from_a_kept_list(
    common: tuple[TestClient, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies far back is walked to once, and is the same."""
    plain, bits = common
    monkeypatch.setattr(shelf, "WALKED_MAX", 0)
    monkeypatch.setattr(shelf, "LOOKUP_STEPS", 0)

    assert answers(plain, "/all") == answers(bits, "/all")


def test_every_set_equals_its_statement(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read whole, in spans, or patched: a set is what its statement gives."""
    connection = world.database.connect()
    sets = WordSets()
    findings = [
        of_owners("city", ["kerman"]),
        word_sets.LIVE,
        word_sets.of_term(1),
        *(of_match(f'{{title description}} : ("{w}")') for w in ("سامانه", "ریال")),
    ]
    monkeypatch.setattr(word_sets, "SPAN", 2)
    monkeypatch.setattr(word_sets, "KEPT_MIN", 0)
    for number in range(4):
        for one in findings:
            bits = sets.find(connection, state_of(connection), [[one]])
            rows = connection.execute(one.sql, one.values).fetchall()

            assert sorted(n for (n,) in rows) == np.flatnonzero(bits).tolist()
        monkeypatch.setattr(word_sets, "CHANGES_MAX", 0 if number == 2 else 2_000)
        world.publish(
            "kerman",
            f"more-{number}",
            "active_systems",
            example_rows("active_systems", "kerman"),
            time=f"2025-11-22T0{number}:00:00Z",
            title=("سامانه", "Systems"),
        )


def test_common_words_are_read_before_they_are_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commonest first; a catalog without common words has no thread for them."""
    read: list[Any] = []
    monkeypatch.setattr(
        WordSets, "warm", lambda _self, _base, found: read.extend(found)
    )

    shelf.Shelf().warm(world)
    nothing = [*read]
    monkeypatch.setattr(selection, "SETS_MIN", 3)
    shelf.Shelf().warm(world)

    assert [] == nothing
    assert [of_owners("city", ["kerman"]), word_sets.LIVE] == read[:2]
    assert any("ریال" in one.values[0] for one in read[2:])
