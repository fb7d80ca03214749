"""Cards: what lists send of each dataset, written with it and made again at will."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import World, example_rows, fill, make_world
from shahrdad.federation.verify import entry
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import tally_schema
from shahrdad.node.cards import Cards
from shahrdad.node.database import Database
from shahrdad.node.http.app import create_app
from shahrdad.node.projection import Projection

TABLES = (
    *("card", "card_package", "card_document", "card_resource", "card_posting"),
    *("card_term", "card_gone", "card_form"),
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A node with datasets of two cities, of which one is withdrawn."""
    return fill(make_world(tmp_path))


def cards(world: World) -> dict[str, list[Any]]:
    """Return everything that the cards are."""
    connection = world.database.connect()
    found = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
        for table in TABLES
        if table not in {"card_form", "card_gone"}
    }
    found["card_gone"] = connection.execute(
        "SELECT rowid, title FROM card_gone ORDER BY rowid"
    ).fetchall()
    found["card_count"] = connection.execute(
        "SELECT * FROM card_count WHERE datasets > 0 ORDER BY 1, 2, 3"
    ).fetchall()
    return found


def tally(world: World, *, anew: bool = False) -> list[Any]:
    """Return how many cards and datasets are of each city, standard, licence, state.

    Args:
        world: The node.
        anew: Counted, and not as it is kept.
    """
    found: list[Any] = []
    for table, more in (("card", ""), ("dataset", ", fiscal_year")):
        names = f"city, family, license, state{more}"
        sql = f"SELECT {names}, datasets FROM {table}_tally WHERE datasets > 0"
        if anew:
            sql = f"SELECT {names}, COUNT(*) FROM {table} GROUP BY {names}"
        rows = world.database.connect().execute(sql).fetchall()
        found.append(sorted(rows, key=str))
    return found


def recounted(world: World) -> list[Any]:
    """Return how many datasets have each value, counted anew."""
    return (
        world.database.connect()
        .execute(
            "SELECT p.term, c.city, c.state, COUNT(*) FROM card_posting p"
            " JOIN card c ON c.dataset=p.dataset GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        .fetchall()
    )


def listed(world: World, path: str) -> Any:
    """Return the JSON of a list."""
    with TestClient(create_app(world)) as client:
        answer = client.get(path)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_a_list_says_what_the_dataset_says(world: World) -> None:
    """An item of the list is the dataset object of its own address, to the letter."""
    with TestClient(create_app(world)) as client:
        items = client.get("/v1/datasets?limit=100").json()["items"]
        alone = [client.get(f"/v1/datasets/{item['ref']}").json() for item in items]

    assert 3 == len(items)
    assert alone == items


def test_cards_are_the_same_after_a_rebuild(world: World) -> None:
    """What was written dataset by dataset is what the logs give at once."""
    before = cards(world)
    world.projection.rebuild()
    after = cards(world)

    for table in ("card_package", "card_document", "card_gone"):
        # Row numbers are of the catalog, and other ones now.
        assert sorted(row[1] for row in before[table]) == sorted(
            row[1] for row in after[table]
        ), table
    assert _without_numbers(before["card"]) == _without_numbers(after["card"])
    assert recounted(world) == after["card_count"]
    assert tally(world, anew=True) == tally(world)


def _without_numbers(rows: list[Any]) -> list[Any]:
    """Return cards without the row numbers of datasets and logs, by reference."""
    return sorted([*row[1:18], *row[19:]] for row in rows)


def test_a_withdrawal_and_a_return_are_seen(world: World) -> None:
    """A withdrawn dataset is deleted for harvesters, and active when it comes back."""
    name = "kerman--old-projects"
    path = f"/harvest/api/3/action/package_show?id={name}"
    gone = listed(world, path)["result"]
    world.publish(
        "kerman",
        "old-projects",
        "projects",
        example_rows("projects", "kerman"),
        time="2025-11-21T06:00:00Z",
        title=("پروژه‌های کهنه", "Old projects"),
    )
    back = listed(world, path)["result"]

    assert ("deleted", "active") == (gone["state"], back["state"])
    assert back["metadata_modified"] > gone["metadata_modified"]
    assert [] == cards(world)["card_gone"]


def test_a_catalog_older_than_tallies_gets_them(world: World) -> None:
    """The migration counts what is there; from then on SQLite keeps it."""
    connection = world.database.connect()
    for table in ("card", "dataset"):
        connection.execute(f"DROP TABLE {table}_tally")
        for name in ("more", "less", "other"):
            connection.execute(f"DROP TRIGGER IF EXISTS {table}_tally_{name}")
    connection.executescript(tally_schema.MIGRATIONS[0])

    assert tally(world, anew=True) == tally(world)
    world.withdraw("kerman", "budget-1404", time="2025-11-21T06:00:00Z")
    assert tally(world, anew=True) == tally(world)


def test_a_catalog_older_than_cards_gets_them(world: World) -> None:
    """After an upgrade the first look at the logs makes what is missing."""
    before = cards(world)
    with world.database.transaction() as connection:
        for table in (*TABLES, "card_count"):
            connection.execute(f"DELETE FROM {table}")
    Projection(
        world.database, lambda origin: origin.split(".")[0], Cards(world.config)
    ).follow()

    assert before["card_package"] == cards(world)["card_package"]
    assert recounted(world) == cards(world)["card_count"]
    assert tally(world, anew=True) == tally(world)


def test_another_public_address_is_put_right_at_once(world: World) -> None:
    """Addresses are this node's, also on cards that another configuration made."""
    node = replace(world.config.node, public_url="https://opendata.example")
    world.config = replace(world.config, node=node)
    first = listed(world, "/v1/datasets")["items"][0]
    renewed = Projection(
        world.database, lambda origin: origin.split(".")[0], Cards(world.config)
    ).renew_cards()
    roots = world.database.connect().execute("SELECT root FROM card_form").fetchall()

    assert first["links"]["self"].startswith("https://opendata.example/v1/")
    assert [("https://opendata.example",)] == roots
    assert 4 == renewed
    assert first == listed(world, "/v1/datasets")["items"][0]


def test_cards_in_their_form_are_left_alone(world: World) -> None:
    """A restart without a change makes nothing again."""
    assert 0 == world.projection.renew_cards()


SPOILT: list[Any] = [
    {},
    {"resources": 5, "shahrdad": [], "title": {"fa": 1}, "licenses": "x"},
    {"resources": [{"name": "a"}, {"name": "a"}], "keywords": [1, None, {}, "x" * 500]},
    {"shahrdad": {"family": "no_such", "fiscal_year": 10**9, "quality": 5}},
    {"shahrdad": {"family": "budget_lines", "standard": {"version": ["1"]}}},
]


@pytest.mark.parametrize("body", SPOILT, ids=range(len(SPOILT)))
def test_a_spoilt_record_spoils_no_list(world: World, body: Any) -> None:
    """Another city's odd record is shown as far as it can be, or left out."""
    content = json.dumps(body).encode()
    digest = Digest.of(content)
    raw = entry.put(
        "ds/odd",
        prev=None,
        digest=digest,
        size=len(content),
        time="2025-11-21T06:00:00Z",
    )
    world.append("rasht.example/catalog", raw, {digest: content})

    names = {item["name"] for item in listed(world, "/v1/datasets")["items"]}
    packages = listed(world, "/all/api/3/action/package_search?rows=100")["result"]
    assert {"kerman--budget-1404", "rasht--active-systems"} <= names
    assert packages["count"] == len(packages["results"]) >= 3


def test_a_record_that_comes_late_is_shown_when_it_comes(world: World) -> None:
    """Before its record is held a dataset is in no list; then it is in all."""
    content = json.dumps({"title": "دیرآمده"}).encode()
    digest = Digest.of(content)
    raw = entry.put(
        "ds/late",
        prev=None,
        digest=digest,
        size=len(content),
        time="2025-11-21T06:00:00Z",
    )
    path = "/all/api/3/action/package_list"
    world.append("rasht.example/catalog", raw, {})
    before = listed(world, path)["result"]
    with world.database.transaction() as connection:
        connection.execute(
            "INSERT INTO body(sha256, content) VALUES (?, ?)", (digest.raw, content)
        )
    world.projection.follow()

    assert "rasht--late" not in before
    assert "rasht--late" in listed(world, path)["result"]


def test_a_redacted_record_leaves_no_card(world: World) -> None:
    """What is removed from the log is removed from the lists with it."""
    dataset = world.catalog.get("rasht/active-systems")
    raw = entry.redact(dataset.digest, time="2025-11-21T06:00:00Z", reason="error")
    world.append("rasht.example/catalog", raw, {})
    found = cards(world)

    assert dataset.id not in [row[0] for row in found["card_document"]]
    assert dataset.id not in [row[0] for row in found["card_package"]]
    assert 2 == len(listed(world, "/v1/datasets")["items"])


@settings(deadline=None, max_examples=8)
@given(steps=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8))
def test_counts_are_right_after_any_changes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    """Publishing, publishing again and withdrawing keep the counts of keywords."""
    world = make_world(tmp_path_factory.mktemp("counts"))
    live: set[int] = set()
    for minute, (number, put) in enumerate(steps):
        time = f"2025-11-21T06:{minute:02}:00Z"
        if put:
            _publish(world, number, time)
            live.add(number)
        elif number in live:
            world.withdraw("kerman", f"set-{number}", time=time)
            live.discard(number)

    assert recounted(world) == cards(world)["card_count"]
    assert tally(world, anew=True) == tally(world)


def _publish(world: World, number: int, time: str) -> None:
    world.publish(
        "kerman",
        f"set-{number}",
        "active_systems",
        example_rows("active_systems", "kerman"),
        time=time,
        title=(f"داده {number} {time}", "Data"),
    )


def test_the_lists_read_no_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is made of cards alone: no record is read, whatever the page's length."""
    read: list[Digest] = []
    plain: Callable[[Digest], bytes] = world.catalog.body_bytes

    def noted(digest: Digest) -> bytes:
        read.append(digest)
        return plain(digest)

    monkeypatch.setattr(world.catalog, "body_bytes", noted)
    listed(world, "/v1/datasets")
    listed(world, "/api/3/action/package_search")
    listed(world, "/api/3/action/package_list")

    assert [] == read


def test_migration_leaves_older_tables_alone(tmp_path: Path) -> None:
    """A database of before gets the tables of cards, empty."""
    database = Database(tmp_path / "node.db")
    (count,) = database.connect().execute("SELECT COUNT(*) FROM card").fetchone()

    assert 0 == count
