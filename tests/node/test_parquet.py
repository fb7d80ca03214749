"""Published tables: sorted, cut by key, the same rows always the same bytes."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, ObjectStore, put_bytes
from shahrdad.node.table import layout, limits
from shahrdad.node.table.key import key_texts, text_hashes
from shahrdad.node.table.layout import choose_m, cuts
from shahrdad.node.table.parquet import Part, Previous, WrittenTable, write_table
from shahrdad.node.table.reading import join_parts, open_table, parquet_file
from shahrdad.node.table.schema import file_facts, published_schema
from store_fixture import StoreMaker, make_store
from table_fixture import INFO, KEY, SCHEMA, budget, edited

__all__ = ["make_store"]
LONG = pytest.mark.skipif(
    os.environ.get("SHAHRDAD_LONG") != "1", reason="slow: set SHAHRDAD_LONG=1"
)
GOLDEN = {  # by what wrote them; another pyarrow may write other bytes (storage 4.4)
    "26.0.1": {
        "budget": "0379150ea4b7769050c2cf9b29efb55a12cb859a90bcdab76ad5fd2e37fd062f",
        "all types": "569af2833fe30afc4637e50c897b5f857d92d1a8ed0882f9c76a5cdfd6a2e1d5",
        "empty": "393d15a6f539e90c969f47dfa567943271521338fa776361dcee897c26a2339a",
    }
}


@pytest.fixture
def store(make_store: StoreMaker, tmp_path: Path) -> ObjectStore:
    """Return an empty store."""
    return make_store(tmp_path / "objects")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small tables too, with m = 64, so that a few thousand rows have parts."""
    monkeypatch.setattr(layout, "SINGLE_ROWS_MAX", 1_000)
    monkeypatch.setattr(layout, "CUT_ROWS_MIN", 64)


def write(
    store: ObjectStore, table: pa.Table, chunk: int = 10_000, **options: Previous
) -> WrittenTable:
    """Write a table in chunks of some rows."""
    return write_table(
        table.to_batches(chunk), table.schema, INFO, store, Area.OBJECT, **options
    )


def all_types() -> pa.Table:
    """Return a table with every type that can be published, and nulls in each."""
    instant = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC)
    return pa.table(
        {
            "code": ["b", "a", None],
            "count": [1, None, -(2**62)],
            "rate": pa.array(
                [Decimal("1.50"), None, Decimal("-0.01")], pa.decimal128(9, 2)
            ),
            "degrees": [35.5, None, -1e300],
            "day": [date(2026, 3, 21), None, date(1921, 3, 21)],
            "at": pa.array([instant, None, instant], pa.timestamp("us", "UTC")),
            "open": [True, None, False],
            "tags": pa.array([["آب", "برق"], None, []], pa.list_(pa.string())),
        }
    )


def fixtures() -> dict[str, tuple[pa.Table, tuple[str, ...]]]:
    """Return the tables with golden digests, and their keys."""
    return {
        "budget": (budget(3_000), KEY),
        "all types": (all_types(), ("code",)),
        "empty": (SCHEMA.empty_table(), KEY),
    }


@pytest.mark.parametrize("name", ["budget", "all types", "empty"])
def test_golden_digests(store: ObjectStore, name: str) -> None:
    """The same rows have the same bytes on every machine, for a pinned pyarrow."""
    golden = GOLDEN.get(pa.__version__)
    if golden is None:
        pytest.skip(f"no golden digests for pyarrow {pa.__version__}")
    table, key = fixtures()[name]
    info = replace(INFO, primary_key=key)
    written = write_table(table.to_batches(), table.schema, info, store, Area.OBJECT)

    assert [golden[name]] == [part.digest.hex for part in written.parts]


@pytest.mark.parametrize("name", ["budget", "all types", "empty"])
def test_what_is_written_is_read(store: ObjectStore, name: str) -> None:
    """Every type comes back with every null, sorted by key, nulls last."""
    table, key = fixtures()[name]
    info = replace(INFO, primary_key=key)
    written = write_table(table.to_batches(), table.schema, info, store, Area.OBJECT)
    reader = open_table(store, written.parts)
    rows = pa.Table.from_batches(reader.batches(), reader.schema)
    keys = [(name, "ascending", "at_end") for name in key]
    expected = table.take(pc.sort_indices(table, sort_keys=keys)).to_pylist()

    assert expected == rows.to_pylist()
    assert len(table) == written.rows == reader.rows


@given(chunk=st.integers(1, 700), threads=st.sampled_from([1, 4]))
@settings(max_examples=12, deadline=None)
def test_chunks_and_threads_leave_no_trace(chunk: int, threads: int) -> None:
    """Neither the batches nor the number of threads is part of the bytes."""
    table = budget(700)
    before = pa.cpu_count()
    pa.set_cpu_count(threads)
    try:
        digests = digests_in_memory(table, chunk)
    finally:
        pa.set_cpu_count(before)

    assert digests_in_memory(table, 700) == digests


def digests_in_memory(table: pa.Table, chunk: int) -> list[Digest]:
    """Write a table nowhere, and return its parts' digests."""
    from tempfile import TemporaryDirectory

    from shahrdad.node.store.local import LocalStore

    with TemporaryDirectory() as folder:
        written = write(LocalStore(Path(folder)), table, chunk)
    return [part.digest for part in written.parts]


def test_dictionaries_and_large_text_leave_no_trace(store: ObjectStore) -> None:
    """However the rows come encoded in memory, the file's types are the plain ones."""
    table = budget(500)
    coded = table.set_column(
        3,
        "title",
        table["title"].dictionary_encode().cast(pa.dictionary(pa.int32(), pa.string())),
    ).set_column(4, "org_unit_id", table["org_unit_id"].cast(pa.large_string()))

    assert write(store, table).parts == write(store, coded).parts


def test_settings_of_the_file(store: ObjectStore) -> None:
    """A part is zstd, sorted by the key it names, with page index and metadata."""
    info = replace(INFO, identifiers=("org_unit_id", "city_code"))
    table = budget(70_000)
    written = write_table(table.to_batches(), SCHEMA, info, store, Area.OBJECT)
    file = open_table(store, written.parts).open(written.parts[0])
    group = file.metadata.row_group(0)
    column = group.column(KEY.index("city_code"))

    assert [65_536, 4_464] == [
        file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)
    ]
    assert "ZSTD" == column.compression
    assert column.has_offset_index
    assert column.has_column_index
    assert [0, 1, 2] == [one.column_index for one in group.sorting_columns]
    assert file_facts(file.schema_arrow).primary_key == KEY
    assert "rial" == file_facts(file.schema_arrow).columns["approved_rial"]["unit"]
    about = b'{"family":"budget_lines","family_version":"1.0.0","m":8192,'
    assert file.schema_arrow.metadata[b"shahrdad"].startswith(about)


def test_bloom_filters_are_for_identifiers(store: ObjectStore) -> None:
    """Columns that are looked up have a filter; the first key column needs none."""
    table = budget(2_000)
    plain = write(store, table).bytes
    first = replace(INFO, identifiers=("city_code",))
    other = replace(INFO, identifiers=("org_unit_id",))
    batches = table.to_batches()

    assert plain == write_table(batches, SCHEMA, first, store, Area.OBJECT).bytes
    assert plain < write_table(batches, SCHEMA, other, store, Area.OBJECT).bytes


@pytest.mark.parametrize(
    ("column", "kind", "reason"),
    [
        ("_city", pa.string(), Reason.COLUMN_NAME_FORBIDDEN),
        ("a__sum", pa.string(), Reason.COLUMN_NAME_FORBIDDEN),
        ("row_id", pa.int64(), Reason.COLUMN_NAME_FORBIDDEN),
        ("blob", pa.binary(), Reason.COLUMN_TYPE_FORBIDDEN),
        ("nested", pa.struct([("a", pa.int64())]), Reason.COLUMN_TYPE_FORBIDDEN),
        ("numbers", pa.list_(pa.int64()), Reason.COLUMN_TYPE_FORBIDDEN),
        ("big", pa.uint64(), Reason.COLUMN_TYPE_FORBIDDEN),
    ],
)
def test_columns_that_are_not_published(
    store: ObjectStore, column: str, kind: pa.DataType, reason: Reason
) -> None:
    """Names that engines reserve and types that CSV cannot carry are refused."""
    schema = pa.schema([("code", pa.string()), (column, kind)])
    info = replace(INFO, primary_key=("code",))
    with pytest.raises(DataError) as caught:
        write_table([], schema, info, store, Area.OBJECT)

    assert reason == caught.value.reason


def test_a_key_must_be_in_the_table(store: ObjectStore) -> None:
    """A key column that is missing is named."""
    with pytest.raises(DataError) as caught:
        write_table([], pa.schema([("a", pa.string())]), INFO, store, Area.OBJECT)

    assert Reason.COLUMN_UNKNOWN == caught.value.reason


def test_columns_have_a_largest_number() -> None:
    """1,024 columns are accepted, one more is not."""
    names = [f"c{number}" for number in range(limits.COLUMNS_MAX + 1)]
    info = replace(INFO, primary_key=(), columns={})
    fields = [(name, pa.bool_()) for name in names]

    assert limits.COLUMNS_MAX == len(published_schema(pa.schema(fields[:-1]), info, 1))
    with pytest.raises(DataError) as caught:
        published_schema(pa.schema(fields), info, 1)
    assert Reason.COLUMNS_TOO_MANY == caught.value.reason


def test_without_a_key_all_columns_sort(store: ObjectStore) -> None:
    """A table without a primary key has one order all the same."""
    info = replace(INFO, primary_key=())
    table = all_types()
    turned = table.take([2, 0, 1])
    one = write_table(table.to_batches(), table.schema, info, store, Area.OBJECT)
    two = write_table(turned.to_batches(), table.schema, info, store, Area.OBJECT)

    assert one.parts == two.parts


def test_one_object_up_to_131072_rows(store: ObjectStore) -> None:
    """At the limit a table is one object; one row above it has parts."""
    keys = [f"{number:07d}" for number in range(limits.SINGLE_ROWS_MAX + 1)]
    table = pa.table({"code": keys})
    info = replace(INFO, primary_key=("code",), columns={})
    shorter = table.slice(0, limits.SINGLE_ROWS_MAX)
    single = write_table(shorter.to_batches(), table.schema, info, store, Area.OBJECT)
    parted = write_table(table.to_batches(), table.schema, info, store, Area.OBJECT)

    assert 1 == len(single.parts)
    assert 1 < len(parted.parts)
    assert len(table) == sum(part.rows for part in parted.parts)
    assert all(12_288 <= part.rows <= 65_536 for part in parted.parts[:-1])


@pytest.mark.parametrize(
    ("rows", "previous", "m"),
    [
        (131_072, None, 8_192),
        (10_485_760, None, 8_192),  # 512 parts of the mean size
        (10_485_761, None, 16_384),
        (20_480_000, 8_192, 8_192),  # 1,000 parts: kept
        (20_480_001, 8_192, 16_384),
        (5_242_880, 16_384, 16_384),  # 128 parts: kept
        (5_242_879, 16_384, 8_192),
        (131_072, 16_384, 8_192),
    ],
)
def test_m_follows_the_size_slowly(rows: int, previous: int | None, m: int) -> None:
    """A dataset that grows does not lose all its parts at once (storage 4.1)."""
    assert m == choose_m(rows, previous)


@given(st.lists(st.integers(0, 63), min_size=1_001, max_size=3_000))
@settings(max_examples=15, deadline=None)
def test_cuts_follow_the_rule(hashes: list[int]) -> None:
    """Each part ends at the first multiple after 1.5·m rows, or at 8·m."""
    m = 16
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "SINGLE_ROWS_MAX", 1_000)
        parts = list(cuts(len(hashes), m, lambda start, end: hashes[start:end]))
    expected = []
    start = 0
    for index in range(len(hashes)):
        size = index - start
        if size >= 8 * m or (size >= 1.5 * m and hashes[index] % m == 0):
            expected.append((start, index))
            start = index
    expected.append((start, len(hashes)))

    assert expected == parts


def test_key_texts_are_jcs() -> None:
    """Keys are the canonical JSON that every other program would hash."""
    import rfc8785

    texts = ["آ", 'quo"te', "back\\slash", "tab\t", "\x01", "", None, "\u2028", "😀"]
    table = pa.table({"t": texts, "n": list(range(len(texts))), "b": [True] * 9})
    expected = [
        rfc8785.dumps([text, number, True]).decode()
        for number, text in enumerate(texts)
    ]

    assert expected == key_texts(table, ["t", "n", "b"]).to_pylist()


def test_key_texts_of_dates_and_decimals() -> None:
    """Dates are ISO text, decimals text with all their digits."""
    rows = all_types().slice(0, 1)
    expected = '["2026-03-21","2026-11-22T09:30:00.123456Z","1.50"]'

    assert [expected] == key_texts(rows, ["day", "at", "rate"]).to_pylist()
    with pytest.raises(ValueError, match="double"):
        key_texts(rows, ["degrees"])


def test_key_hash_is_pinned() -> None:
    """The cuts of a table published years ago can be found again."""
    assert 12444308217713343689 == text_hashes(pa.array(['["1346",1404,"20301"]']))[0]


def new_bytes(old: WrittenTable, new: WrittenTable) -> float:
    """Return the share of a version's bytes that the one before does not have."""
    known = {part.digest for part in old.parts}
    fresh = sum(part.bytes for part in new.parts if part.digest not in known)
    return fresh / new.bytes


@pytest.mark.usefixtures("small_parts")
def test_an_edit_changes_the_parts_it_touches(store: ObjectStore) -> None:
    """One row inserted, deleted or changed makes one or two new parts of some 40."""
    table = budget(6_000)
    old = write(store, table)
    row = {**table.to_pylist()[0], "line_code": "05000000"}
    for edit in (
        lambda rows: rows.append(row),
        lambda rows: rows.pop(3_000),
        lambda rows: rows[77].update(actual_rial=1),
    ):
        new = write(store, edited(table, edit))
        fresh = {part.digest for part in new.parts} - {p.digest for p in old.parts}

        assert 30 < len(old.parts)
        assert 1 <= len(fresh) <= 2


@pytest.mark.usefixtures("small_parts")
def test_parts_are_chosen_by_key(store: ObjectStore) -> None:
    """A reader that wants one year of one city opens the parts that can have it."""
    table = budget(6_000)
    written = write(store, table)
    reader = open_table(store, written.parts)
    for city, year in (("1342", 1403), ("1340", 1400), ("1346", 1404), ("1", 1)):
        chosen = reader.choose((city, year), (city, year))
        where = (pc.field("city_code") == city) & (pc.field("fiscal_year") == year)
        found = sum(
            batch.num_rows for batch in reader.batches(where=where, parts=chosen)
        )

        assert found == table.filter(where).num_rows
        assert len(chosen) < len(written.parts) / 4
    assert written.parts == reader.choose()


@pytest.mark.usefixtures("small_parts")
def test_a_filter_and_columns(store: ObjectStore) -> None:
    """A filtered reading of two columns gives those rows and no others."""
    table = budget(3_000)
    reader = open_table(store, write(store, table).parts)
    where = pc.field("approved_rial") > 5 * 10**11
    batches = reader.batches(["line_code", "approved_rial"], where, batch_rows=100)
    rows = pa.Table.from_batches(batches)
    expected = table.filter(where).select(["line_code", "approved_rial"])

    assert expected.sort_by("line_code").to_pylist() == (
        rows.sort_by("line_code").to_pylist()
    )


@pytest.mark.usefixtures("small_parts")
def test_joined_file(store: ObjectStore) -> None:
    """All parts in one file: the same rows in the same order, a row group a part."""
    written = write(store, budget(3_000))
    reader = open_table(store, written.parts)
    files = [BytesIO(), BytesIO()]
    for file in files:
        join_parts(reader, INFO, file)
    joined = pq.ParquetFile(BytesIO(files[0].getvalue()))

    assert files[0].getvalue() == files[1].getvalue()
    assert len(written.parts) == joined.num_row_groups
    assert joined.read().equals(pa.Table.from_batches(reader.batches()))


@pytest.mark.usefixtures("small_parts")
def test_equal_rows_keep_the_old_object(store: ObjectStore) -> None:
    """Another pyarrow's bytes for equal rows do not become new objects."""
    table = budget(3_000)
    written = write(store, table)
    elsewhere = []
    for part in written.parts:  # as an older pyarrow may have written them
        rows = open_table(store, [part]).open(part).read()
        file = BytesIO()
        pq.write_table(rows, file, compression="snappy")
        digest = put_bytes(store, Area.OBJECT, file.getvalue())
        elsewhere.append(Part(digest, len(file.getvalue()), part.rows, part.first))
    previous = Previous(tuple(elsewhere), written.m)
    changed = edited(table, lambda rows: rows[5].update(actual_rial=1))

    assert previous.parts == write(store, table, previous=previous).parts
    kept = set(write(store, changed, previous=previous).parts) & set(elsewhere)
    assert len(elsewhere) - 1 == len(kept)


def test_a_title_that_changed_is_a_new_part(store: ObjectStore) -> None:
    """What the file says of its columns is published too, so it is not kept back."""
    table = budget(100)
    old = write(store, table)
    info = replace(INFO, columns={"title": {"title_fa": "عنوان"}})
    previous = Previous(old.parts, old.m)
    new = write_table(
        table.to_batches(), SCHEMA, info, store, Area.OBJECT, previous=previous
    )

    assert old.parts[0].digest != new.parts[0].digest


def test_bytes_that_are_no_table(store: ObjectStore) -> None:
    """An object that is whole and yet no Parquet is named."""
    digest = put_bytes(store, Area.OBJECT, b"not a table")
    with pytest.raises(DataError) as caught:
        open_table(store, [Part(digest, 11, 1, ())]).open(Part(digest, 11, 1, ()))

    assert Reason.TABLE_UNREADABLE == caught.value.reason
    with pytest.raises(DataError):
        parquet_file(b"PAR1", digest)


@LONG
def test_a_million_rows_grow_by_little(store: ObjectStore) -> None:
    """Of a million rows, 1 % appended is ≤ 3 % new bytes, one row inserted ≤ 4 %."""
    numbers = pa.array(range(1_010_000))
    lines = pc.utf8_lpad(numbers.cast(pa.string()), 8, "0")
    mixed = pc.utf8_reverse(lines)
    table = pa.table(
        {
            "line": lines,
            "title": pc.binary_join_element_wise("ردیف", mixed, " "),
            "approved_rial": mixed.cast(pa.int64()),
        }
    )
    info = replace(INFO, primary_key=("line",), columns={})

    def written(rows: pa.Table) -> WrittenTable:
        return write_table(rows.to_batches(), rows.schema, info, store, Area.OBJECT)

    old = written(table.slice(0, 1_000_000))
    appended = written(table)
    row = pa.table({"line": ["00500000x"], "title": ["تازه"], "approved_rial": [1]})
    inserted = written(pa.concat_tables([table.slice(0, 1_000_000), row]))

    assert 0 < new_bytes(old, appended) <= 0.03
    assert 0 < new_bytes(old, inserted) <= 0.04
