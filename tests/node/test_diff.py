"""What changed between two tables: equal to a full join, and much cheaper."""

import tempfile
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fault_store import FaultStore
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.store.contract import Area, ObjectStore
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table import layout, window
from shahrdad.node.table.cells import different
from shahrdad.node.table.diff import TableDiff
from shahrdad.node.table.parquet import write_table
from shahrdad.node.table.reading import TableReader, open_table
from store_fixture import StoreMaker, make_store
from table_fixture import INFO, KEY, budget, edited

__all__ = ["make_store"]
Row = dict[str, Any]


@pytest.fixture
def store(make_store: StoreMaker, tmp_path: Path) -> ObjectStore:
    """Return an empty store."""
    return make_store(tmp_path / "objects")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small tables too, and merge them by small windows."""
    monkeypatch.setattr(layout, "SINGLE_ROWS_MAX", 1_000)
    monkeypatch.setattr(layout, "CUT_ROWS_MIN", 64)
    monkeypatch.setattr(window, "WINDOW_ROWS", 50)


def put(store: ObjectStore, table: pa.Table, key: tuple[str, ...] = KEY) -> TableReader:
    """Write a table and open it."""
    info = replace(INFO, primary_key=key, columns={})
    written = write_table(table.to_batches(), table.schema, info, store, Area.OBJECT)
    return open_table(store, written.parts)


def records(diff: TableDiff) -> list[Row]:
    """Return the records of a diff."""
    rows: list[Row] = pa.Table.from_batches(diff.records(), diff.schema).to_pylist()
    return rows


def naive(old: pa.Table, new: pa.Table, key: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Return the changes as a full join of two mappings in memory finds them."""
    before = {tuple(row[name] for name in key): row for row in old.to_pylist()}
    after = {tuple(row[name] for name in key): row for row in new.to_pylist()}
    found: list[tuple[Any, ...]] = [
        ("removed", k) for k in before.keys() - after.keys()
    ]
    found += [("added", k) for k in after.keys() - before.keys()]
    columns = [name for name in new.schema.names if name in old.schema.names]
    for k in before.keys() & after.keys():
        found += [
            ("changed", k, name)
            for name in columns
            if before[k][name] != after[k][name]
        ]
    return sorted(found, key=repr)


def told(diff: TableDiff) -> list[tuple[Any, ...]]:
    """Return the changes as the diff tells them, and check their order."""
    found: list[tuple[Any, ...]] = []
    ranks: list[list[tuple[bool, Any]]] = []
    for row in records(diff):
        key = tuple(row[name] for name in diff.key)
        ranks.append([(value is None, value or 0) for value in key])
        change = (row["op"], key)
        found.append(change if row["column"] is None else (*change, row["column"]))

    assert [repr(r) for r in sorted(ranks, key=repr_key)] == [repr(r) for r in ranks]
    return sorted(found, key=repr)


def repr_key(rank: list[tuple[bool, Any]]) -> list[tuple[bool, str]]:
    """Return something that sorts like a key of texts and small numbers."""
    return [
        (null, f"{value:04d}" if isinstance(value, int) else value)
        for null, value in rank
    ]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("cells", ["one column", "scattered", "rows", "nothing"])
def test_equal_to_a_full_join(store: ObjectStore, cells: str) -> None:
    """Whatever the way taken (equal, aligned, merged), the result is the join's."""
    old = budget(3_000)

    def edit(rows: list[Row]) -> None:
        if cells == "one column":
            for row in rows[::97]:
                row["actual_rial"] = 1
        if cells == "scattered":
            for number, row in enumerate(rows[::31]):
                row[("title", "approved_rial", "is_subtotal")[number % 3]] = None
        if cells == "rows":
            del rows[::200]
            rows += [
                {**row, "line_code": f"n{row['line_code']}"} for row in rows[::150]
            ]

    new = edited(old, edit)
    diff = TableDiff(put(store, old), put(store, new))
    expected = naive(old, new, KEY)

    assert expected == told(diff)
    assert diff.summary.added == sum(change[0] == "added" for change in expected)
    assert diff.summary.removed == sum(change[0] == "removed" for change in expected)
    assert diff.summary.changed == len({c[1] for c in expected if c[0] == "changed"})


CODES = st.sampled_from([None, "", "a", "b", "ب", "پ", "\u00e9", "😀", 'q"'])
NUMBERS = st.one_of(st.none(), st.integers(0, 5))
ROWS = st.dictionaries(
    st.tuples(CODES, NUMBERS),
    st.tuples(
        NUMBERS, CODES, st.booleans(), st.sampled_from([None, 1.5, float("nan")])
    ),
    max_size=25,
)
KINDS = {"n": pa.int64(), "m": pa.decimal128(20, 2), "s": pa.string()}


def table_of(rows: dict[Any, Any], kind: str, extra: bool) -> pa.Table:
    """Return a table: a composite key, four columns, one of them of a chosen type."""
    values = list(rows.values())
    amount: list[Any] = [value[0] for value in values]
    if kind == "m":
        amount = [None if one is None else Decimal(one) for one in amount]
    if kind == "s":
        amount = [None if one is None else str(one) for one in amount]
    columns = {
        "code": pa.array([key[0] for key in rows], pa.string()),
        "year": pa.array([key[1] for key in rows], pa.int64()),
        "amount": pa.array(amount, KINDS[kind]),
        "title": pa.array([value[1] for value in values], pa.string()),
        "open": pa.array([value[2] for value in values], pa.bool_()),
        "degrees": pa.array([value[3] for value in values], pa.float64()),
    }
    if extra:
        columns["extra"] = pa.array([1] * len(values), pa.int64())
    return pa.table(columns)


@given(
    ROWS,
    ROWS,
    st.dictionaries(st.integers(0, 24), NUMBERS),
    st.sampled_from("nms"),
    st.sampled_from("nms"),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_random_tables(
    shared: dict[Any, Any],
    fresh: dict[Any, Any],
    changes: dict[int, int | None],
    kind_old: str,
    kind_new: str,
    extra: bool,
) -> None:
    """Nulls in keys and cells, composite keys, other types, columns: as the join."""
    later = {**dict(list(shared.items())[1:]), **fresh}
    for number, key in enumerate(list(later)):
        if number in changes:
            later[key] = (changes[number], *later[key][1:])
    old, new = table_of(shared, kind_old, False), table_of(later, kind_new, extra)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "WINDOW_ROWS", 7)
        store = LocalStore(Path(folder))
        key = ("code", "year")
        diff = TableDiff(put(store, old, key), put(store, new, key))
        found = [
            (row["op"], (row["code"], row["year"]), row["column"])
            for row in records(diff)
        ]
    as_text = kind_old != kind_new and "s" in (kind_old, kind_new)
    expected = [
        (change[0], change[1], change[2] if len(change) == 3 else None)
        for change in naive(plain(old, as_text), plain(new, as_text), key)
    ]

    assert Counter(expected) == Counter(found)
    assert extra == ("extra" in {change["column"] for change in diff.schema_changes})
    assert (kind_old != kind_new) == (
        "amount" in {change["column"] for change in diff.schema_changes}
    )


def plain(table: pa.Table, as_text: bool) -> pa.Table:
    """Return a table whose amounts compare across types, and NaN with itself.

    Args:
        table: The rows.
        as_text: Whether the other table's amounts are text: then 1 is not 1.00.
    """
    end = "" if as_text else ".00"
    amount = [
        None if value is None else f"{Decimal(value):f}".removesuffix(end)
        for value in table["amount"].to_pylist()
    ]
    degrees = [None if v is None else repr(v) for v in table["degrees"].to_pylist()]
    for name, values in (("amount", amount), ("degrees", degrees)):
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, pa.array(values, pa.string()))
    return table


def test_summary_of_a_record(store: ObjectStore) -> None:
    """The record says how many rows, which columns, and by how much in sums."""
    old = budget(500)
    first, second = (
        old["actual_rial"][0].as_py() or 0,
        old["actual_rial"][1].as_py() or 0,
    )

    def edit(rows: list[Row]) -> None:
        rows[0]["actual_rial"] = 10**18
        rows[1]["actual_rial"] = 9 * 10**18
        rows[1]["title"] = "اصلاح"
        rows.append({**rows[2], "line_code": "99999999"})
        del rows[3]

    diff = TableDiff(put(store, old), put(store, edited(old, edit)))

    assert {
        "from": 6,
        "added": 1,
        "removed": 1,
        "changed": 2,
        "columns": {
            "actual_rial": {
                "changed": 2,
                "sum_old": str(first + second),
                "sum_new": str(10**19),  # beyond int64
            },
            "title": {"changed": 1},
        },
    } == diff.run().to_dict(6)


def test_cells_are_texts(store: ObjectStore) -> None:
    """A change says before and after as a person would read them in the CSV."""
    old = budget(50)

    def edit(rows: list[Row]) -> None:
        rows[7].update(as_of_date=date(2026, 3, 21), is_subtotal=True, title=None)

    row = old.to_pylist()[7]
    diff = TableDiff(put(store, old), put(store, edited(old, edit)))
    cells = {r["column"]: (r["old"], r["new"]) for r in records(diff)}

    assert (row["as_of_date"].isoformat(), "2026-03-21") == cells["as_of_date"]
    assert ("false", "true") == cells["is_subtotal"]
    assert (row["title"], None) == cells["title"]


def test_from_nothing(store: ObjectStore) -> None:
    """The first version added all its rows."""
    diff = TableDiff(None, put(store, budget(300)))

    assert {"added": 300, "removed": 0, "changed": 0, "columns": {}} == (
        diff.run().to_dict()
    )


@pytest.mark.usefixtures("small_parts")
def test_equal_parts_are_not_read(store: ObjectStore) -> None:
    """Of two versions that differ in one row, only the parts that differ are opened."""
    old = budget(6_000)
    counted = FaultStore(store)
    tables = [put(store, old), put(store, edited(old, lambda rows: rows.pop(9)))]
    readers = [open_table(counted, table.parts) for table in tables]
    diff = TableDiff(readers[0], readers[1])
    diff.run()

    assert (0, 1, 0) == (diff.summary.added, diff.summary.removed, diff.summary.changed)
    assert len(tables[0].parts) > 30
    assert counted.calls["open"] <= 8


def test_a_column_that_appears_is_said_once(store: ObjectStore) -> None:
    """A new or lost column is a change of the schema, not of every row."""
    old = budget(200)
    new = old.drop_columns(["title"]).append_column("x_note", pa.array(["n"] * 200))
    diff = TableDiff(put(store, old), put(store, new))

    assert [] == records(diff)
    assert (
        {"column": "x_note", "old": None, "new": "string"},
        {"column": "title", "old": "string", "new": None},
    ) == diff.schema_changes


def test_two_cities(store: ObjectStore) -> None:
    """Two cities compare by the key without the city, which is one value in each."""
    old = edited(budget(100), lambda rows: [r.update(city_code="1346") for r in rows])
    new = edited(old, lambda rows: [r.update(city_code="2001") for r in rows[:99]])
    one, two = put(store, old), put(store, new.slice(0, 99))
    diff = TableDiff(one, two, ("fiscal_year", "line_code"))

    assert (0, 1, 0) == (
        diff.run().added,
        diff.summary.removed,
        diff.summary.changed,
    )
    with pytest.raises(RequestError) as caught:
        TableDiff(one, put(store, new), ("fiscal_year", "line_code"))
    assert Reason.TABLES_NOT_COMPARABLE == caught.value.reason


def test_other_keys_are_not_compared(store: ObjectStore) -> None:
    """Tables with different primary keys have no rows in common."""
    table = budget(20)
    with pytest.raises(RequestError) as caught:
        TableDiff(put(store, table), put(store, table, ("line_code",)))

    assert Reason.TABLES_NOT_COMPARABLE == caught.value.reason


@pytest.mark.usefixtures("small_parts")
def test_without_a_key(store: ObjectStore) -> None:
    """Rows without a key are added or removed, equal ones counted."""
    rows = [{"a": "x", "b": 1}] * 120 + [{"a": "y", "b": 2}] * 3
    old = pa.Table.from_pylist(rows)
    new = pa.Table.from_pylist([*rows[5:], {"a": "y", "b": None}])
    diff = TableDiff(put(store, old, ()), put(store, new, ()))
    found = Counter((row["op"], row["a"], row["b"]) for row in records(diff))

    assert {("removed", "x", 1): 5, ("added", "y", None): 1} == found
    other = TableDiff(put(store, old, ()), put(store, new.drop_columns(["b"]), ()))
    assert {
        "removed": 5,
        "added": 1,
        "changed": 0,
        "columns": {},
    } == other.run().to_dict()


def test_null_and_nan() -> None:
    """Null equals null and NaN equals NaN; neither equals anything else."""
    nan = float("nan")
    old = pa.array([None, nan, nan, 1.0, None])
    new = pa.array([None, nan, None, nan, 1.0])

    assert [False, False, True, True, True] == different(old, new).to_pylist()
    lists = pa.array([["a"], [], None]), pa.array([["a"], None, []])
    assert [False, True, True] == different(*lists).to_pylist()
