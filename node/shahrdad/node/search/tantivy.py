"""The engine for many datasets: a tantivy index in a folder beside the database.

It follows `search_change`, the list of datasets whose index entry changed, and keeps
how far it came in a document of its own, written in the same commit; so a kill leaves
an older index, never a wrong one. Before it answers it catches up. An index of another
catalog (another epoch), of another software's fields, or with another number of
datasets than the catalog is dropped and made again.

One process writes, under a lock; the others answer with what is committed.
"""

import fcntl
import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import tantivy

from shahrdad.node.database import Database
from shahrdad.node.search.cube import Cube
from shahrdad.node.search.fts5 import Fts5Engine
from shahrdad.node.search.index import Term
from shahrdad.node.search.terms import FACETS, Ask, Counts, Filters, Hits

FIELDS = ("title", "keywords", "fields", "description")
WEIGHTS = {"title": 8.0, "keywords": 4.0, "fields": 2.0, "description": 1.0}
SHAPE = 1  # of the index; another one is made again
HEAP_BYTES = 64 * 1024**2
COMMIT_DATASETS = 20_000
FACET_VALUES_MAX = 1_000
COUNTED_HITS_MAX = 100_000  # facets of more hits take longer than a search may
COUNTED_LISTS_MAX = 256  # kept, of common words
Name = tuple[str | None, Filters, tuple[str, int]]
_MARK = "mark"
_CHANGED = (
    "SELECT c.seq, c.dataset, d.city, d.family, d.license, d.fiscal_year, d.updated,"
    " s.title, s.keywords, s.fields, s.description, s.title_x, s.keywords_x,"
    " s.fields_x, s.description_x FROM search_change c"
    " LEFT JOIN dataset d ON d.id=c.dataset AND d.state='live'"
    " LEFT JOIN search s ON s.rowid=d.id WHERE c.seq>? AND c.seq<=? ORDER BY c.seq"
)


class TantivyEngine:
    """Full-text search and facets in a tantivy index.

    Args:
        database: The node's database, which the index follows.
        folder: Where the index lies.
        plain: Gives the pages of orders that have nothing to do with the query.
        cube: Counts without a query.
    """

    def __init__(
        self, database: Database, folder: Path, plain: Fts5Engine, cube: Cube
    ) -> None:
        self._database = database
        self._plain = plain
        self._cube = cube
        self._counted: dict[Name, Counts] = {}  # facets of common words
        self._counting = threading.Lock()
        self._folder = folder
        self._lock = threading.Lock()
        self._schema = _schema()
        self._index: tantivy.Index | None = None
        self._searcher: tantivy.Searcher | None = None
        self._at: tuple[str, int] = ("", -1)

    def page(self, ask: Ask) -> Hits:
        """Return a page of what matches the query and passes the filters."""
        if not replace(ask.filters, updated_after=None).is_counted:
            return self._plain.page(ask)  # the index has no such field
        searcher = self._current(ask.mark)
        query = self._query(ask, FACETS)
        total = self._plain.hits_of_word(ask)
        facets, about = self._facets(searcher, ask)
        if ask.order != "relevance":
            if total is None:
                total = _count(searcher.search(query, 1, True))
            return Hits(self._plain.in_order(ask), total, "none", facets, about)
        start = int(ask.after[0]) if ask.after else 0
        # Without a count the lists of words are read only as far as the page needs.
        found = searcher.search(query, ask.limit + 1, total is None, offset=start)
        addresses = [address for _, address in found.hits]
        ids = searcher.fast_field_values("dataset", addresses) if addresses else []
        return Hits(
            tuple(int(number) for number in ids if number is not None),
            _count(found) if total is None else total,
            "relevance",
            facets,
            about,
        )

    def follow(self) -> None:
        """Apply what the catalog has and the index has not."""
        with self._lock:
            self._catch_up(_mark(self._database.connect()))

    def _current(self, mark: tuple[str, int]) -> tantivy.Searcher:
        """Return a view of the index that is at least as new as a mark."""
        with self._lock:
            if self._searcher is None or self._at != mark:
                self._catch_up(mark)
            if self._searcher is None:
                raise RuntimeError("the index was opened and has no searcher")
            return self._searcher

    def _catch_up(self, mark: tuple[str, int]) -> None:
        """Open the index, and write to it what is missing."""
        with self._writing() as may_write:
            index = self._opened()
            done = self._done(index)
            if may_write and (done != mark):
                connection = self._database.connect()
                mark = _mark(connection)
                self._apply(index, connection, done, mark)
                if self._count(index) != _live(connection):
                    self._apply(index, connection, ("", -1), mark)
                done = mark
            index.reload()
            self._index, self._searcher, self._at = index, index.searcher(), done

    @contextmanager
    def _writing(self) -> Iterator[bool]:
        """Hold the writer's lock if it is free; tell whether it is held."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / ".lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # The first one waits for the index to be there; later ones read on.
                if self._index is None:
                    fcntl.flock(handle, fcntl.LOCK_EX)
                    yield True
                else:
                    yield False
                return
            yield True

    def _opened(self) -> tantivy.Index:
        """Return the index of this shape, empty when there was none."""
        if self._index is not None:
            self._index.reload()
            return self._index
        folder = self._folder / f"v{SHAPE}"
        try:
            folder.mkdir(exist_ok=True)
            return tantivy.Index(self._schema, str(folder))
        except ValueError:  # spoilt, or of other fields: it is only a projection
            shutil.rmtree(folder)
            folder.mkdir()
            return tantivy.Index(self._schema, str(folder))

    def _done(self, index: tantivy.Index) -> tuple[str, int]:
        """Return the mark that the index was committed with."""
        searcher = index.searcher()
        query = tantivy.Query.term_query(self._schema, "kind", _MARK)
        hits = searcher.search(query, 1).hits
        if not hits:
            return "", -1
        epoch, seq = json.loads(searcher.doc(hits[0][1])["mark"][0])
        return str(epoch), int(seq)

    def _count(self, index: tantivy.Index) -> int:
        """Return how many datasets the index has."""
        index.reload()
        query = tantivy.Query.term_query(self._schema, "kind", "dataset")
        found = index.searcher().search(query, 1, True)
        return _count(found)

    def _apply(
        self,
        index: tantivy.Index,
        connection: sqlite3.Connection,
        done: tuple[str, int],
        mark: tuple[str, int],
    ) -> None:
        """Write the datasets that changed after `done`, and the new mark."""
        writer = index.writer(HEAP_BYTES, 1)
        anew = done[0] != mark[0] or done[1] < 0
        if anew:
            writer.delete_all_documents()
            done = (mark[0], 0)
        changed = connection.execute(_CHANGED, (done[1], mark[1]))
        for number, (seq, dataset, *values) in enumerate(changed, 1):
            if not anew:
                writer.delete_documents_by_term("dataset", dataset)
            document = self._document(dataset, values)
            if document is not None:
                writer.add_document(document)
            if number % COMMIT_DATASETS == 0:
                self._commit(writer, (mark[0], seq))
        self._commit(writer, mark)
        writer.wait_merging_threads()

    def _commit(self, writer: tantivy.IndexWriter, mark: tuple[str, int]) -> None:
        """Commit, with how far the index is."""
        writer.delete_documents_by_term("kind", _MARK)
        writer.add_document(
            tantivy.Document.from_dict(
                {"kind": _MARK, "mark": json.dumps(mark)}, self._schema
            )
        )
        writer.commit()

    def _document(self, dataset: int, values: Sequence[Any]) -> tantivy.Document | None:
        """Return what the index holds of a dataset; None when it is not live."""
        city, family, license_, year, updated, *texts = values
        if updated is None or texts[0] is None:
            return None
        found = {
            "kind": "dataset",
            "dataset": dataset,
            "city": city,
            "family": family,
            "license": license_,
            "fiscal_year": year,
            "updated": seconds(updated),
        }
        found |= dict(zip(_columns(), texts, strict=True))
        known = {name: value for name, value in found.items() if value is not None}
        return tantivy.Document.from_dict(known, self._schema)

    def _query(self, ask: Ask, facets: Sequence[str]) -> tantivy.Query:
        """Return the query with the filters of these facets."""
        must, must_not = tantivy.Occur.Must, tantivy.Occur.MustNot
        parts = [(must, self._term(term)) for term in ask.query.wanted]
        parts += [(must_not, self._term(term)) for term in ask.query.unwanted]
        for facet in facets:
            chosen = ask.filters.chosen(facet)
            if chosen:
                within = tantivy.Query.term_set_query(self._schema, facet, [*chosen])
                parts.append((must, tantivy.Query.const_score_query(within, 0.0)))
        if ask.filters.updated_after is not None:
            parts.append((must, self._updated_after(ask.filters.updated_after)))
        return parts[0][1] if len(parts) == 1 else tantivy.Query.boolean_query(parts)

    def _updated_after(self, time: str) -> tantivy.Query:
        """Return what was updated after a time."""
        later = tantivy.Query.range_query(
            self._schema,
            "updated",
            tantivy.FieldType.Unsigned,
            lower_bound=seconds(time),
            include_lower=False,
        )
        return tantivy.Query.const_score_query(later, 0.0)

    def _term(self, term: Term) -> tantivy.Query:
        """Return what finds a term, weighted by where it stands."""
        should = tantivy.Occur.Should
        parts = []
        for name in FIELDS:
            found = [self._words(name, key) for key in term.keys]
            found += [self._words(f"{name}_x", word) for word in term.exact]
            weight = WEIGHTS[name]
            parts += [
                (should, tantivy.Query.boost_query(query, weight)) for query in found
            ]
        return tantivy.Query.boolean_query(parts)

    def _words(self, field: str, key: str) -> tantivy.Query:
        """Return what finds a word, or words side by side, in a field."""
        words = key.split()
        if len(words) == 1:
            return tantivy.Query.term_query(self._schema, field, key, "freq")
        return tantivy.Query.phrase_query(self._schema, field, [*words])

    def _facets(
        self, searcher: tantivy.Searcher, ask: Ask
    ) -> tuple[Counts, frozenset[str]]:
        """Return the counts of each facet, leaving its own filter out.

        Also whether they are only about right: those of a common word are counted
        beside, and are exact from the next question on.
        """
        if not ask.facets:
            return {}, frozenset()
        name = (ask.query.match, ask.filters, ask.mark)
        known = self._counted.get(name)
        if known is not None:
            return known, frozenset()
        if self._plain.hits_max(ask.query) <= COUNTED_HITS_MAX:
            return self._count_facets(searcher, ask), frozenset()
        self._count_beside(searcher, ask, name)
        return self._cube.facets(ask.mark, ask.filters), frozenset({"facets"})

    def _count_beside(self, searcher: tantivy.Searcher, ask: Ask, name: Name) -> None:
        """Count the facets on a thread, one question at a time."""

        def count() -> None:
            try:
                found = self._count_facets(searcher, ask)
                self._counted[name] = found
                while len(self._counted) > COUNTED_LISTS_MAX:
                    self._counted.pop(next(iter(self._counted)))
            finally:
                self._counting.release()

        if self._counting.acquire(blocking=False):
            threading.Thread(target=count, name="facets").start()

    def _count_facets(self, searcher: tantivy.Searcher, ask: Ask) -> Counts:
        """Count each facet, leaving its own filter out."""
        plain = [facet for facet in FACETS if not ask.filters.chosen(facet)]
        found = self._terms(searcher, ask, FACETS, plain)
        for facet in FACETS:
            if facet not in plain:
                others = [name for name in FACETS if name != facet]
                found |= self._terms(searcher, ask, others, [facet])
        return {facet: found[facet] for facet in FACETS}

    def _terms(
        self,
        searcher: tantivy.Searcher,
        ask: Ask,
        filters: Sequence[str],
        facets: Sequence[str],
    ) -> dict[str, dict[str, int]]:
        if not facets:
            return {}
        wanted = {
            facet: {"terms": {"field": facet, "size": FACET_VALUES_MAX}}
            for facet in facets
        }
        answer: dict[str, Any] = searcher.aggregate(self._query(ask, filters), wanted)
        found = {}
        for facet in facets:
            pairs = [
                (_text(bucket["key"]), int(bucket["doc_count"]))
                for bucket in answer[facet]["buckets"]
            ]
            found[facet] = dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
        return found


def _schema() -> tantivy.Schema:
    """Return the fields of the index."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("mark", stored=True, tokenizer_name="raw")
    builder.add_unsigned_field("dataset", indexed=True, fast=True)
    for name in _columns():
        builder.add_text_field(
            name,
            tokenizer_name="whitespace",
            index_option="freq" if name.endswith("_x") else "position",
        )
    for name in ("city", "family", "license"):
        builder.add_text_field(
            name, fast=True, tokenizer_name="raw", index_option="basic"
        )
    builder.add_unsigned_field("fiscal_year", indexed=True, fast=True)
    builder.add_unsigned_field("updated", indexed=True, fast=True)
    return builder.build()


def _columns() -> tuple[str, ...]:
    """Return the text fields in the order of the FTS5 index's columns."""
    return (*FIELDS, *(f"{name}_x" for name in FIELDS))


def seconds(time: str) -> int:
    """Return a time as seconds since 1970; one that is no time is the beginning."""
    try:
        return max(0, int(datetime.fromisoformat(time).timestamp()))
    except (ValueError, OverflowError):
        return 0


def _count(found: tantivy.SearchResult) -> int:
    return int(found.count)  # type: ignore[attr-defined]  # missing in its stubs


def _text(key: Any) -> str:
    return str(int(key)) if isinstance(key, float) else str(key)


def _mark(connection: sqlite3.Connection) -> tuple[str, int]:
    """Return the catalog's epoch and the last change of its index."""
    (epoch,) = connection.execute("SELECT epoch FROM feed_epoch").fetchone()
    (seq,) = connection.execute(
        "SELECT COALESCE(MAX(seq), 0) FROM search_change"
    ).fetchone()
    return str(epoch), int(seq)


def _live(connection: sqlite3.Connection) -> int:
    """Return how many datasets the index should have."""
    (count,) = connection.execute("SELECT COUNT(*) FROM search_docsize").fetchone()
    return int(count)
