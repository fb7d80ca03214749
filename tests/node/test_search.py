"""Finding datasets: both engines, one suite; pages, filters, facets, near words."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search_world import Shelf, make_shelf, record_of, search_set
from shahrdad.datasets.errors import RequestError
from shahrdad.node.search.cube import Cube
from shahrdad.node.search.finding import EngineName, Filters, Order, Search
from shahrdad.node.search.fts5 import Fts5Engine
from shahrdad.node.search.index import read_query
from shahrdad.node.search.terms import Ask
from shahrdad.node.search.words import edits

ENGINES: tuple[EngineName, ...] = ("fts5", "tantivy")
FIRST, LATER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
RECALL_MIN = 0.95


@pytest.fixture(params=ENGINES)
def make_search(request: pytest.FixtureRequest) -> Callable[[Shelf], Search]:
    """Return what makes a search with one of the engines."""
    if request.param == "tantivy":
        pytest.importorskip("tantivy", reason='tantivy needs the extra "search"')
    return lambda shelf: Search(shelf.database, shelf.catalog, request.param)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """Return a catalog with the committed documents."""
    found = make_shelf(tmp_path)
    found.put([record_of(item) for item in search_set()["documents"]], FIRST)
    yield found
    found.database.close()


def refs_of(search: Search, q: str = "", **more: object) -> list[str]:
    """Return the references of all pages, two datasets a page."""
    found, cursor = [], None
    while True:
        page = search.find(q, cursor=cursor, limit=2, **more)  # type: ignore[arg-type]
        found += [dataset.ref for dataset in page.datasets]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_recall(shelf: Shelf, make_search: Callable[[Shelf], Search]) -> None:
    """Searches as people type them find what they mean: 95 of 100, of 100 and more."""
    search, found, wanted = make_search(shelf), 0, 0
    queries = search_set()["queries"]
    for item in queries:
        refs = {dataset.ref for dataset in search.find(item["q"], limit=20).datasets}
        found += len(refs & set(item["finds"]))
        wanted += len(item["finds"])

    assert len(queries) >= 100
    assert found / wanted >= RECALL_MIN


def test_misspelt_words_lead_there(
    shelf: Shelf, make_search: Callable[[Shelf], Search]
) -> None:
    """A wrong letter, a forgotten space, the other keyboard: a better query."""
    search = make_search(shelf)
    missed = []
    for item in search_set()["misspelt"]:
        nearest = search.find(item["q"]).did_you_mean
        refs = {one.ref for one in search.find(nearest or "-", limit=20).datasets}
        if not set(item["finds"]) <= refs:
            missed.append(item["q"])

    assert [] == missed


def test_nothing_is_suggested_for_a_query_that_finds(
    shelf: Shelf, make_search: Callable[[Shelf], Search]
) -> None:
    """A good query is left alone, and so is one that no word is near to."""
    search = make_search(shelf)

    assert search.find("بودجه").did_you_mean is None
    assert search.find("مترو").did_you_mean is None
    assert search.find("قسطنطنیه").did_you_mean is None


def test_facets_leave_their_own_filter_out(
    shelf: Shelf, make_search: Callable[[Shelf], Search]
) -> None:
    """Counts of a facet show what else there is; other filters hold in it."""
    search = make_search(shelf)
    found = search.find(
        "بودجه", Filters(city=("kerman",), fiscal_year=(1404, 1403)), facets=True
    )

    assert {"kerman/budget-1404", "kerman/budget-1403"} == {
        dataset.ref for dataset in found.datasets
    }
    assert 2 == found.total
    assert {"kerman": 2, "rasht": 1, "shiraz": 1} == found.facets["city"]
    assert {"1403": 1, "1404": 1} == found.facets["fiscal_year"]
    assert {"budget_lines": 2} == found.facets["family"]
    assert frozenset() == found.approximate


def test_facets_without_a_query(shelf: Shelf) -> None:
    """A list of everything has exact counts, also under a filter."""
    search = Search(shelf.database, shelf.catalog, "fts5")
    found = search.find("", Filters(city=("rasht",)), facets=True)

    assert 6 == found.total
    assert 6 == found.facets["city"]["rasht"]
    assert 9 == found.facets["city"]["kerman"]
    assert sum(found.facets["family"].values()) == 6


@pytest.mark.parametrize("order", ["ref", "-updated", "title", "relevance"])
@pytest.mark.parametrize("q", ["", "شهرداری"])
def test_pages_have_everything_once(
    shelf: Shelf, make_search: Callable[[Shelf], Search], q: str, order: Order
) -> None:
    """All pages together are the whole list, each dataset once, in order."""
    search = make_search(shelf)
    whole = [one.ref for one in search.find(q, sort=order, limit=100).datasets]

    assert whole == refs_of(search, q, sort=order)
    assert len(whole) == len(set(whole)) == search.find(q, sort=order, limit=2).total


@pytest.mark.parametrize("order", ["ref", "-updated", "title"])
def test_changes_between_pages_hide_nothing(
    shelf: Shelf, make_search: Callable[[Shelf], Search], order: Order
) -> None:
    """What is added, changed or withdrawn meanwhile hides and repeats no other one."""
    search = make_search(shelf)
    before = [one.ref for one in search.find("", sort=order, limit=100).datasets]
    first = search.find("", sort=order, limit=10)
    gone, fresh = before[3], {"ref": "arak/a-new-one", "title": "آب تازه"}
    shelf.withdraw(gone, LATER)
    shelf.put([record_of(fresh)], LATER)
    rest, cursor = [], first.next_cursor
    while cursor:
        page = search.find(cursor=cursor, limit=10)
        rest += [one.ref for one in page.datasets]
        cursor = page.next_cursor

    assert before[10:] == [ref for ref in rest if ref != "arak/a-new-one"]


def test_ranked_cursor_expires_with_its_index(
    shelf: Shelf, make_search: Callable[[Shelf], Search]
) -> None:
    """A place in a ranked list means nothing in another state of the index."""
    search = make_search(shelf)
    cursor = search.find("شهرداری", limit=2).next_cursor
    shelf.withdraw("kerman/contracts", LATER)

    with pytest.raises(RequestError) as error:
        search.find("شهرداری", cursor=cursor, limit=2)
    assert "SEARCH_CURSOR_EXPIRED" == error.value.reason


def test_cursor_alone_is_enough(
    shelf: Shelf, make_search: Callable[[Shelf], Search]
) -> None:
    """A cursor carries query and filters; another query with it is refused."""
    search = make_search(shelf)
    filters = Filters(city=("kerman", "rasht"))
    first = search.find("شهرداری", filters, limit=3)
    alone = search.find(cursor=first.next_cursor, limit=3)

    assert alone == search.find("شهرداری", filters, None, first.next_cursor, 3)
    for q, given in (("بودجه", filters), ("شهرداری", Filters(city=("qom",)))):
        with pytest.raises(RequestError) as error:
            search.find(q, given, cursor=first.next_cursor)
        assert "CURSOR_MALFORMED" == error.value.reason


@pytest.mark.parametrize("cursor", ["", "x", "W10", "bnVsbA", "WyJyZWYiLDEsMl0", "☃"])
def test_spoilt_cursors_are_refused(shelf: Shelf, cursor: str) -> None:
    """What is no cursor of ours is an error of the caller, never of the node."""
    with pytest.raises(RequestError) as error:
        Search(shelf.database, shelf.catalog).find(cursor=cursor)
    assert "CURSOR_MALFORMED" == error.value.reason


def test_index_follows_the_catalog(
    shelf: Shelf, make_search: Callable[[Shelf], Search]
) -> None:
    """New, changed and withdrawn datasets are seen at once; so is a rebuild."""
    search = make_search(shelf)
    assert ["bushehr/fishing"] == refs_of(search, "میگو")
    shelf.put([record_of({"ref": "sari/shrimp", "title": "پرورش میگو"})], LATER)
    assert {"bushehr/fishing", "sari/shrimp"} == set(refs_of(search, "میگو"))
    shelf.put([record_of({"ref": "sari/shrimp", "title": "پرورش ماهی"})], LATER)
    shelf.withdraw("bushehr/fishing", LATER)
    assert [] == refs_of(search, "میگو")
    before = {q: refs_of(search, q, sort="ref") for q in ("ماهی", "شهرداری", "آب")}
    shelf.projection.rebuild()

    assert before == {q: refs_of(search, q, sort="ref") for q in before}
    assert ["bushehr/fishing"] == refs_of(
        search, "بازار", filters=Filters(withdrawn=True)
    )


def test_index_from_an_earlier_process_goes_on(
    shelf: Shelf, make_search: Callable[[Shelf], Search]
) -> None:
    """Another process opens the same index and adds what it missed."""
    assert ["bushehr/fishing"] == refs_of(make_search(shelf), "میگو")
    shelf.put([record_of({"ref": "sari/shrimp", "title": "پرورش میگو"})], LATER)

    assert 2 == make_search(shelf).find("میگو").total


def test_updated_after(shelf: Shelf, make_search: Callable[[Shelf], Search]) -> None:
    """Only what changed after a moment, with and without a query."""
    shelf.put([record_of({"ref": "sari/shrimp", "title": "پرورش میگو"})], LATER)
    search, filters = make_search(shelf), Filters(updated_after=FIRST)

    for q in ("", "میگو"):
        found = search.find(q, filters, facets=True)
        assert ["sari/shrimp"] == [one.ref for one in found.datasets]
        assert {"sari": 1} == found.facets["city"]


def test_common_words_come_newest_first(shelf: Shelf) -> None:
    """Above the guard the newest come first, and the pages are whole."""
    connect = shelf.database.connect
    engine = Fts5Engine(connect, Cube(connect), ranked_hits_max=3)
    search = Search(shelf.database, shelf.catalog)
    search._engine = engine
    found = search.find("شهرداری", limit=3, facets=True)
    refs = refs_of(search, "شهرداری")

    assert "newest" == found.ranking
    assert 13 == found.total == len(refs) == len(set(refs))
    assert "relevance" == search.find("مترو").ranking


def test_slow_ranking_is_interrupted(shelf: Shelf) -> None:
    """When bm25 is not done in its time, the newest come first."""
    connect = shelf.database.connect
    more = [
        record_of({"ref": f"qom/many-{n}", "title": f"بودجه و هزینهٔ شمارهٔ {n}"})
        for n in range(300)
    ]
    shelf.put(more, LATER)
    engine = Fts5Engine(connect, Cube(connect), ranked_seconds_max=-1.0)
    hits = engine.page(Ask(read_query("بودجه"), Filters(), "relevance", 5))

    assert "newest" == hits.ranking
    assert 304 == hits.total


def test_suggestions(shelf: Shelf) -> None:
    """The last word is a beginning; cities, families, titles and fields are known."""
    search = Search(shelf.database, shelf.catalog)
    kinds = {one.kind for one in search.suggest("بود")}

    assert {"family", "title", "field"} <= kinds
    assert "kerman" in [one.name for one in search.suggest("کرم")]
    assert ["kerman/contracts"] == [
        one.name for one in search.suggest("قراردادهای شهرداری کر")
    ]
    assert [] == search.suggest("ب")
    assert [] == search.suggest("")
    assert 8 >= len(search.suggest("شهر"))


def test_edits_are_one_step_away() -> None:
    """A letter less, more, other, or two changed: never the word itself."""
    near = edits("بودجه")

    assert {"بوجه", "بودججه", "بودحه", "بوددجه", "بودهج"} <= near
    assert "بودجه" not in near
    assert "بوچجهه" not in near


def test_facets_of_common_words_are_counted_beside(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer says that they are about right; soon they are exact."""
    tantivy = pytest.importorskip(
        "shahrdad.node.search.tantivy", reason='tantivy needs the extra "search"'
    )
    search = Search(shelf.database, shelf.catalog, "tantivy")
    exact = search.find("بودجه", facets=True)
    other = Search(shelf.database, shelf.catalog, "tantivy")
    monkeypatch.setattr(tantivy, "COUNTED_HITS_MAX", 0)
    first = other.find("بودجه", facets=True)
    until = time.monotonic() + 20
    later = first
    while later.approximate and time.monotonic() < until:
        later = other.find("بودجه", facets=True)

    assert (frozenset(), frozenset({"facets"})) == (
        exact.approximate,
        first.approximate,
    )
    assert (exact.ids, exact.total) == (first.ids, first.total)
    assert search.find("", facets=True).facets == first.facets
    assert (exact.facets, frozenset()) == (later.facets, later.approximate)
