"""A large catalog for `bench_http.py`, made up within minutes.

Ten records are published into a small catalog by the node's own code. The large one has
copies of their rows under other names, with other words, which fall in frequency as in
real text (Zipf); the own city has half of all datasets, 399 others the rest. Some are
made again by the node's own code, which must give the same rows. Last, SQLite copies
every row `TIMES` under other identifiers; such copies keep the JSON of the first.
"""

import random
import re
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from shahrdad.datasets.alphabet import sort_key
from shahrdad.federation.log.store import LogStore
from shahrdad.federation.verify import entry, strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.tree import Frontier
from shahrdad.node import record
from shahrdad.node.cards import Cards
from shahrdad.node.config import Config
from shahrdad.node.database import Database
from shahrdad.node.http.ckan.dictionaries import city_id, moment, tag_id
from shahrdad.node.http.identity import resource_uid, uid
from shahrdad.node.projection import Projection
from shahrdad.node.search import index as search_index

OWN = "city-0"
CITIES = 400
BATCH = 5_000
CHECKED = 200
TIMES = 37
FAMILIES = ("budget_lines", "projects", "contracts", "active_systems", None)
FREQUENT = (
    "شهرداری آمار سال شهر منطقه طرح گزارش فهرست خدمات سازمان بودجه قرارداد پروژه سامانه"
    " پروانه مصوبه ایده شاخص پسماند آب هوا درخت پارک اتوبوس مترو تاکسی پل خیابان میدان"
)
LETTERS = "ابپتجچحخدرزسشصطعغفقکگلمنوهی"
WORDS = 60_000
TOKENS = ("titletoken", "descriptiontoken", "keytokena", "keytokenb", "keytokenc")
ENGLISH = ("Dataset of the municipality", "Amounts are in rial. " * 8)
FILES = ("lines", "lines.parquet", "lines.csv", "lines.xlsx")
TEXTS = ("title", "keywords", "fields", "description")


class Words:
    """Words, drawn as often as real ones; the same each time."""

    def __init__(self) -> None:
        self.drawing = random.Random(1404)
        made = dict.fromkeys(FREQUENT.split())
        while len(made) < WORDS:
            letters = self.drawing.choices(LETTERS, k=self.drawing.randint(3, 8))
            made["".join(letters)] = None
        self.all = [*made]
        self._weights = [*accumulate(1 / (rank + 1) for rank in range(WORDS))]

    def draw(self, count: int) -> list[str]:
        """Return so many words."""
        return self.drawing.choices(self.all, cum_weights=self._weights, k=count)


@dataclass(frozen=True, slots=True)
class Template:
    """A dataset that the node's own code published, with its rows."""

    number: int
    ref: str
    time: str
    content: bytes
    rows: dict[str, list[tuple[object, ...]]]
    tokens: re.Pattern[str]


def city_of(number: int, count: int) -> str:
    """Return the city of a dataset; other cities' lie side by side."""
    number %= count // TIMES
    count //= TIMES
    if number % 2 == 0:
        return OWN
    return f"city-{1 + number * (CITIES - 1) // count}"


def ref_of(number: int, count: int) -> str:
    """Return the reference of a dataset."""
    copy, first = divmod(number, count // TIMES)
    slug = f"dataset-{first}-{copy}" if copy else f"dataset-{first}"
    return f"{city_of(number, count)}/{slug}"


def body(number: int, table: record.Table) -> bytes:
    """Return the record of a template."""
    family = FAMILIES[number % len(FAMILIES)]
    title, description, *keywords = TOKENS
    made = record.build(
        slug=f"dataset-x{number}",
        city="city-x",
        city_code="1346",
        publisher_fa="شهرداری city-x",
        publisher_en="Municipality of city-x",
        family=family,
        standard={"id": family, "version": "1.0.0", "sha256": "0" * 64},
        description=record.Description(
            title_fa=title,
            title_en=ENGLISH[0],
            description_fa=description,
            description_en=ENGLISH[1],
            keywords_fa=tuple(keywords),
            keywords_en=("open data",),
            fiscal_year=1395 + number,
        ),
        tables=[table],
        attachments=[],
        provenance={"approval": "four-eyes"},
        version=1,
        time=time_of(number),
    )
    return strict_json.canonical(made)


def time_of(number: int) -> str:
    """Return when the datasets of a template were published."""
    return f"2025-{1 + number:02}-20T08:30:00Z"


def publish_one(database: Database, config: Config, table: record.Table) -> None:
    """Publish a table as the own city's first dataset."""
    slug = b"dataset-0"
    content = body(0, table).replace(b"city-x", OWN.encode())
    publish(
        database, config, OWN, {slug.decode(): content.replace(b"dataset-x0", slug)}
    )


def publish(
    database: Database, config: Config, city: str, contents: Mapping[str, bytes]
) -> None:
    """Publish records, by slug, as the first of a city; nothing is signed."""
    logs = LogStore(database.connect)
    origin = f"{city}.example/catalog"
    logs.ensure_log(origin)
    raws = [entry.genesis(origin, "shahrdad/bench", time=time_of(0))]
    bodies = {}
    for number, (slug, content) in enumerate(contents.items()):
        digest = Digest.of(content)
        bodies[digest] = content
        raws.append(
            entry.put(
                f"ds/{slug}",
                prev=None,
                digest=digest,
                size=len(content),
                time=time_of(number),
            )
        )
    logs.append(grow(Frontier(), raws, origin), bodies)
    Projection(
        database, lambda origin: origin.partition(".")[0], Cards(config)
    ).follow()


def templates(folder: Path, config: Config, table: record.Table) -> list[Template]:
    """Publish the templates into a catalog of their own, and return them."""
    contents = [body(number, table) for number in range(10)]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        database = Database(Path(name) / "node.db")
        slugs = [f"dataset-x{number}" for number in range(10)]
        publish(database, config, "city-x", dict(zip(slugs, contents, strict=True)))
        found = _templates(database.connect(), contents)
        database.close()
    return found


def _templates(connection: sqlite3.Connection, contents: list[bytes]) -> list[Template]:
    return [
        _template(connection, number, content)
        for number, content in enumerate(contents)
    ]


def _template(connection: sqlite3.Connection, number: int, content: bytes) -> Template:
    ref = f"city-x/dataset-x{number}"
    (dataset,) = connection.execute(
        "SELECT id FROM dataset WHERE ref=?", (ref,)
    ).fetchone()
    rows = {
        table: connection.execute(
            f"SELECT * FROM {table} WHERE {column}=?",
            (dataset,),
        ).fetchall()
        for table, column in (
            *(("dataset", "id"), ("dataset_version", "dataset"), ("card", "dataset")),
            *(("card_package", "dataset"), ("card_document", "dataset")),
        )
    }
    rows["posting"] = connection.execute(
        "SELECT t.field, t.value FROM card_posting p JOIN card_term t ON t.id=p.term"
        " WHERE p.dataset=?",
        (dataset,),
    ).fetchall()
    old = _names(ref, number, number + 1, Digest.of(content), TOKENS)
    return Template(
        number,
        ref,
        time_of(number),
        content,
        rows,
        re.compile("|".join(re.escape(one) for one in sorted(old, key=len)[::-1])),
    )


def _names(
    ref: str, template: int, index: int, digest: Digest, texts: tuple[str, ...]
) -> list[str]:
    """Return what differs between a template and its copies, in one order."""
    city, _, slug = ref.partition("/")
    return [
        *(city, slug, str(uid(ref)), str(city_id(city)), digest.hex),
        *(str(resource_uid(ref, file)) for file in FILES),
        *(moment(time_of(template), index), f'"index":{index},'),
        *texts,
        *(tag_id(word) for word in texts[2:]),
    ]


class Builder:
    """Adds datasets to a catalog.

    Args:
        database: Of the catalog; what a run before added stays.
        config: Of the node.
        count: How many datasets the whole catalog has.
        table: What each record says of its table.
    """

    def __init__(
        self, database: Database, config: Config, count: int, table: record.Table
    ) -> None:
        self._database = database
        self._count = count
        self._cards = Cards(config)
        self._templates = templates(database.path.parent, config, table)
        self._words = Words()
        self._terms: dict[tuple[str, str], int] = {}

    @property
    def size(self) -> int:
        """How many datasets there are."""
        row = self._database.connect().execute("SELECT COUNT(*) FROM dataset")
        return int(row.fetchone()[0])

    def build(self, seconds: float) -> bool:
        """Go on for some seconds; tell whether the catalog is whole."""
        until = time.monotonic() + seconds
        connection = self._database.connect()
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        rows = connection.execute("SELECT field, value, id FROM card_term")
        self._terms = {(field, value): number for field, value, number in rows}
        start, most = self.size, self._count // TIMES
        while start < most and time.monotonic() < until:
            end = min(start + BATCH, most)
            with self._database.transaction() as writer:
                self._batch(writer, range(start, end))
            start = end
        if start == most:
            self.check()
        if start % most == 0:
            while start < self._count and time.monotonic() < until:
                with self._database.transaction() as writer:
                    _multiply(writer, start // most, start, most)
                start += most
        return start >= self._count

    def _batch(self, connection: sqlite3.Connection, numbers: range) -> None:
        self._words.drawing.seed(numbers.start)
        counts: dict[str, Counter[tuple[str, ...]]] = {
            table: Counter() for table in ("term", "term_key", "card_count")
        }
        for number in numbers:
            drawn = self._words.draw(45)
            keywords = [*dict.fromkeys([*drawn[6:12], *FREQUENT.split()])][:3]
            texts = (" ".join(drawn[:6]), " ".join(drawn[12:]), *keywords)
            self._add(connection, number, texts, counts)
        for table, marks, more in (
            ("term", "?", "(word) DO UPDATE SET df=df+excluded.df"),
            ("term_key", "?", "(word) DO UPDATE SET df=df+excluded.df"),
            (
                "card_count",
                "?, ?, ?",
                "DO UPDATE SET datasets=datasets+excluded.datasets",
            ),
        ):
            connection.executemany(
                f"INSERT INTO {table} VALUES ({marks}, ?) ON CONFLICT {more}",
                [(*name, n) for name, n in sorted(counts[table].items())],
            )

    def _add(
        self,
        connection: sqlite3.Connection,
        number: int,
        texts: tuple[str, ...],
        counts: dict[str, Counter[tuple[str, ...]]],
    ) -> None:
        """Add a copy of a template."""
        template = self._templates[number % len(self._templates)]
        ref, row = ref_of(number, self._count), number + 1
        city, _, slug = ref.partition("/")
        place = template.number
        names = dict(
            zip(
                _names(
                    template.ref, place, place + 1, template_digest(template), TOKENS
                ),
                _names(ref, place, row, Digest(bytes(32)), texts),
                strict=True,
            )
        )

        def copied(text: bytes) -> bytes:
            return template.tokens.sub(lambda m: names[m[0]], text.decode()).encode()

        content = copied(template.content)
        digest = Digest.of(content)
        names[template_digest(template).hex] = digest.hex
        connection.execute("INSERT INTO body VALUES (?, ?)", (digest.raw, content))
        log = self._log(connection, city)
        changed = _changed(row, ref, log, template.time, texts[0], digest)
        for table, values in changed.items():
            _copy(connection, table, template.rows[table][0], values)
        for table in ("card_package", "card_document"):
            (_, json), *_ = template.rows[table]
            if not isinstance(json, bytes):
                raise TypeError(table)
            connection.execute(
                f"INSERT INTO {table} VALUES (?, ?)",
                (row, copied(json)),
            )
        self._index(connection, row, slug, texts, counts)
        self._post(connection, row, city, names, template, counts["card_count"])
        connection.executemany(
            "INSERT INTO card_resource VALUES (?, ?, ?, ?)",
            [
                (
                    str(resource_uid(ref, file)),
                    row,
                    file,
                    file.partition(".")[2].upper(),
                )
                for file in FILES[1:]
            ],
        )
        connection.execute(
            "INSERT INTO change_feed(ref, op, version, log, idx, time, sha256)"
            " VALUES (?, 'put', 1, ?, ?, ?, ?)",
            (ref, log, row, template.time, digest.raw),
        )

    def _log(self, connection: sqlite3.Connection, city: str) -> int:
        origin = f"{city}.example/catalog"
        row = connection.execute(
            "SELECT id FROM log WHERE origin=?", (origin,)
        ).fetchone()
        if row is not None:
            return int(row[0])
        cursor = connection.execute(
            "INSERT INTO log(origin, seq)"
            " VALUES (?, (SELECT COALESCE(MAX(seq), 0) + 1 FROM log))",
            (origin,),
        )
        return int(cursor.lastrowid or 0)

    def _index(
        self,
        connection: sqlite3.Connection,
        row: int,
        slug: str,
        texts: tuple[str, ...],
        counts: dict[str, Counter[tuple[str, ...]]],
    ) -> None:
        """Add the words of a copy to the index."""
        stemmed, folded = words_of(slug, texts)
        connection.execute("INSERT INTO search_change(dataset) VALUES (?)", (row,))
        connection.execute(
            "INSERT INTO search(rowid, title, keywords, fields, description, title_x,"
            " keywords_x, fields_x, description_x) VALUES (?,?,?,?,?,?,?,?,?)",
            (row, *stemmed, *folded),
        )
        for table, found in (("term", folded), ("term_key", stemmed)):
            words = {word for text in found for word in text.split()}
            counts[table].update((word,) for word in words)

    def _post(
        self,
        connection: sqlite3.Connection,
        row: int,
        city: str,
        names: dict[str, str],
        template: Template,
        counts: Counter[tuple[str, ...]],
    ) -> None:
        """Add what a copy has several of."""
        for field, old in template.rows["posting"]:
            value = names.get(str(old), str(old))
            term = self._terms.get((str(field), value))
            if term is None:
                cursor = connection.execute(
                    "INSERT INTO card_term(field, value, folded) VALUES (?, ?, ?)",
                    (field, value, value.casefold()),
                )
                term = self._terms[str(field), value] = int(cursor.lastrowid or 0)
            connection.execute("INSERT INTO card_posting VALUES (?, ?)", (term, row))
            counts[str(term), city, "active"] += 1

    def check(self) -> None:
        """Make some cards again by the node's own code; the rows must be the same.

        Raises:
            RuntimeError: a row differs.
        """
        connection = self._database.connect()
        drawn = random.Random(7).sample(range(self._count // TIMES), CHECKED)
        for number in drawn:
            row = number + 1
            connection.execute("BEGIN")
            before = _rows(connection, row)
            self._cards.write(connection, row)
            after = _rows(connection, row)
            content, words = connection.execute(
                "SELECT b.content, s.title || '|' || s.keywords || '|' || s.description"
                " FROM dataset d JOIN body b ON b.sha256=d.sha256"
                " JOIN search s ON s.rowid=d.id WHERE d.id=?",
                (row,),
            ).fetchone()
            connection.execute("ROLLBACK")
            title, keywords, _, description = search_index.tokens(
                strict_json.loads(content, bytes_max=len(content))
            )[0]
            if before != after or words != f"{title}|{keywords}|{description}":
                raise RuntimeError(f"dataset {number} is not as the node makes it")


def _changed(
    row: int, ref: str, log: int, time_: str, title: str, digest: Digest
) -> dict[str, dict[str, object]]:
    """Return what differs in a copy's rows, by table and column."""
    city, _, slug = ref.partition("/")
    title_key = sort_key(title)
    return {
        "dataset": {
            "id": row,
            "log": log,
            "key": f"ds/{slug}",
            "ref": ref,
            "city": city,
            "slug": slug,
            "idx": row,
            "title_fa": title,
            "sort_fa": title_key,
            "sha256": digest.raw,
        },
        "dataset_version": {
            "dataset": row,
            "log": log,
            "idx": row,
            "sha256": digest.raw,
        },
        "card": {
            "dataset": row,
            "uid": str(uid(ref)),
            "ref": ref,
            "city": city,
            "name": f"{city}--{slug}",
            "title": title,
            "log": log,
            "title_key": title_key,
            "idx": row,
            "modified": moment(time_, row),
        },
    }


def _multiply(
    connection: sqlite3.Connection, copy: int, offset: int, most: int
) -> None:
    """Copy the first datasets under other identifiers."""
    new_uid = "lower(hex(randomblob(4))) || substr(uid, 9)"
    other = {
        "id": f"id+{offset}",
        "dataset": f"dataset+{offset}",
        "rowid": f"rowid+{offset}",
        "idx": f"idx+{offset}",
        "seq": "NULL",
        "sha256": "randomblob(32)",
        "uid": new_uid,
        **{name: f"{name} || '-{copy}'" for name in ("key", "ref", "slug", "name")},
    }
    for table in (
        *("dataset", "dataset_version", "change_feed", "search_change", "card"),
        *("card_package", "card_document", "card_resource", "card_posting"),
        "search",
    ):
        names = columns(connection, table)
        if table == "search":
            names = ["rowid", *names]
        first = {"dataset": "id", "search": "rowid", "change_feed": "seq"}
        kept = {"name"} if table == "card_resource" else set()  # a file's name
        values = ", ".join(
            name if name in kept else other.get(name, name) for name in names
        )
        connection.execute(
            f"INSERT INTO {table}({', '.join(names)}) SELECT {values} FROM {table}"
            f" WHERE {first.get(table, 'dataset')} <= {most}"
        )
    for table, column in (
        ("term", "df"),
        ("term_key", "df"),
        ("card_count", "datasets"),
    ):
        connection.execute(
            f"UPDATE {table} SET {column} = {column} * {copy + 1} / {copy}"
        )


def template_digest(template: Template) -> Digest:
    """Return the digest of a template's record."""
    return Digest.of(template.content)


def _copy(
    connection: sqlite3.Connection,
    table: str,
    row: tuple[object, ...],
    values: dict[str, object],
) -> None:
    """Insert a row with some other values."""
    names = columns(connection, table)
    marks = ",".join("?" * len(names))
    connection.execute(
        f"INSERT INTO {table} VALUES ({marks})",
        [values.get(name, old) for name, old in zip(names, row, strict=True)],
    )


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a table."""
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]


def _rows(connection: sqlite3.Connection, dataset: int) -> list[object]:
    """Return everything that a dataset's card is."""
    found: list[object] = [
        connection.execute(
            f"SELECT * FROM {table} WHERE dataset=? ORDER BY 1, 2",
            (dataset,),
        ).fetchall()
        for table in (
            *("card", "card_package", "card_document"),
            *("card_resource", "card_posting"),
        )
    ]
    return found


def words_of(slug: str, texts: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return search keys and folded words of a copy, word by word from memory."""
    title, description, *keywords = texts
    parts: tuple[tuple[list[str], str], ...] = (
        (title.split(), f"{ENGLISH[0]} {slug}"),
        (keywords, "open data"),
        ([], ""),
        (description.split(), ENGLISH[1]),
    )
    pairs = [
        [word_tokens(word) for word in (*words, *rest.split())] for words, rest in parts
    ]
    return (
        [" ".join(stem for stem, _ in part if stem) for part in pairs],
        [" ".join(fold for _, fold in part if fold) for part in pairs],
    )


@lru_cache(maxsize=100_000)
def word_tokens(word: str) -> tuple[str, str]:
    """Return search keys and folded words of one word."""
    stemmed, folded = search_index.tokens({"title": word})
    return stemmed[0], folded[0]
