"""Making the search index again: the same index, while others search and publish."""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from search_world import Shelf, make_shelf, record_of, search_set
from shahrdad.node import projection
from shahrdad.node.search import filling
from shahrdad.node.search.finding import Search

FIRST, LATER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
TABLES = (
    "SELECT rowid, * FROM search ORDER BY rowid",
    "SELECT * FROM term ORDER BY word",
    "SELECT * FROM term_key ORDER BY word",
    "SELECT dataset FROM search_change ORDER BY dataset",
)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """Return a catalog with the committed documents, one of them withdrawn."""
    found = make_shelf(tmp_path)
    documents = search_set()["documents"]
    found.put([record_of(item) for item in documents], FIRST)
    found.withdraw(documents[0]["ref"], LATER)
    yield found
    found.database.close()


def index_of(shelf: Shelf) -> list[list[tuple[object, ...]]]:
    """Return the whole index; of the changes, which datasets are live."""
    connection = shelf.database.connect()
    live = {number for (number, *_) in connection.execute(TABLES[0])}
    found = [connection.execute(sql).fetchall() for sql in TABLES]
    found[-1] = [row for row in found[-1] if row[0] in live]
    return found


def bodies_of(shelf: Shelf) -> filling.Bodies:
    """Return what reads the records."""
    return partial(projection.bodies, shelf.database.connect())


def test_the_index_is_what_publishing_left(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled in several batches, the index is row for row the one that followed."""
    monkeypatch.setattr(filling, "BATCH_DATASETS", 7)
    before = index_of(shelf)
    count = filling.fill(shelf.database, bodies_of(shelf))

    assert len(before[0]) == count > 14
    assert before == index_of(shelf)


def test_what_changes_meanwhile_is_in_it(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is filled a dataset is published, one changed and one withdrawn."""
    monkeypatch.setattr(filling, "BATCH_DATASETS", 7)
    inner = bodies_of(shelf)
    done: list[int] = []
    documents = search_set()["documents"]
    search = Search(shelf.database, shelf.catalog, "fts5")

    def meanwhile(numbers: Sequence[int]) -> dict[int, filling.Body]:
        found = dict(inner(numbers))
        if len(done) == 1:  # the first batch is written, the second is read
            late = {**record_of(documents[1]), "title": "عنوان تازه"}
            new = {**record_of(documents[2]), "ref": "kerman/comes-late"}
            shelf.put([late, new], LATER)
            shelf.withdraw(documents[3]["ref"], LATER)
            done.append(search.find("تازه").total)
        done.append(0)
        return found

    filling.fill(shelf.database, meanwhile)
    refs = {one.ref for one in search.find("تازه").datasets}

    assert 1 == max(done)
    assert {documents[1]["ref"]} == refs
    whole = index_of(shelf)
    filling.fill(shelf.database, inner)
    assert whole == index_of(shelf)
    assert documents[3]["ref"] not in {one.ref for one in search.find("").datasets}


def test_a_killed_filling_leaves_the_index_as_it_was(shelf: Shelf) -> None:
    """Until the end nobody sees the new one; the next run begins anew."""
    before = index_of(shelf)

    def killed(numbers: Sequence[int]) -> dict[int, filling.Body]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filling.fill(shelf.database, killed)

    assert before == index_of(shelf)
    filling.fill(shelf.database, bodies_of(shelf))
    assert before == index_of(shelf)
    names = shelf.database.connect().execute("SELECT name FROM sqlite_master")
    assert not [name for (name,) in names if name.startswith(filling.BESIDE)]


def test_another_connection_goes_on(shelf: Shelf) -> None:
    """A process that had the index open before finds in the new one."""
    other = sqlite3.connect(shelf.database.path)
    sql = "SELECT COUNT(*) FROM search WHERE search MATCH '\"بودجه\"'"
    (before,) = other.execute(sql).fetchone()
    filling.fill(shelf.database, bodies_of(shelf))

    assert (before,) == other.execute(sql).fetchone()
    assert before > 0
    other.close()
