"""Queries in processes of their own: the same answers, and an end for each."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.store.contract import Area
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table.grouping import answer
from shahrdad.node.table.parquet import write_table
from shahrdad.node.table.query import parse
from shahrdad.node.table.query_pool import QueryPool
from shahrdad.node.table.query_wire import store_from_json, store_to_json
from shahrdad.node.table.reading import TableReader
from shahrdad.node.table.schema import TableInfo

ROWS = 20_000


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> TableReader:
    """A table with texts that repeat and a number a row."""
    store = LocalStore(tmp_path_factory.mktemp("store"))
    rows = pa.table(
        {
            "line_code": [f"{number:06}" for number in range(ROWS)],
            "title": [f"ردیف {number % 700}" for number in range(ROWS)],
            "amount_rial": list(range(ROWS)),
        }
    )
    info = TableInfo("", "", "kerman/lines", "lines", ("line_code",))
    written = write_table(rows.to_batches(), rows.schema, info, store, Area.OBJECT)
    return TableReader(store, written.parts)


@pytest.fixture(scope="module")
def pool(table: TableReader) -> Iterator[QueryPool]:
    """A pool that is closed at the end."""
    found = QueryPool(table.store)
    yield found
    found.close()


@pytest.mark.parametrize(
    "asked",
    [
        [("limit", "3")],
        [("title__contains", "۱۲"), ("sort", "-amount_rial"), ("limit", "7")],
        [("title__groupby", ""), ("amount_rial__sum", ""), ("limit", "5")],
        [("line_code__exact", "000012")],
    ],
)
def test_answers_are_those_of_this_process(
    table: TableReader, pool: QueryPool, asked: list[tuple[str, str]]
) -> None:
    """Rows, total and cursor are the same wherever a query is answered."""
    here = answer(table, parse(asked, table.schema))
    there = pool.answer(table, asked)

    assert here.rows.to_pylist() == there.rows.to_pylist()
    assert (here.total, here.next_cursor) == (there.total, there.next_cursor)


def test_refusals_come_back_whole(table: TableReader, pool: QueryPool) -> None:
    """An error has its reason and its values, and the process lives on."""
    with pytest.raises(RequestError) as caught:
        pool.answer(table, [("amount__exact", "1")])

    assert Reason.COLUMN_UNKNOWN is caught.value.reason
    assert {"column": "amount"} == caught.value.values
    assert 1 == pool.answer(table, [("limit", "1")]).rows.num_rows


def test_query_that_overstays_is_ended(table: TableReader) -> None:
    """Its asker is refused; the next query finds a new process."""
    hasty = QueryPool(table.store, cpu_seconds=0.001)
    try:
        with pytest.raises(RequestError) as caught:
            hasty.answer(table, [("sort", "title"), ("title__contains", "1")])
    finally:
        hasty.close()

    assert Reason.QUERY_TOO_EXPENSIVE is caught.value.reason
    assert "s CPU" == caught.value.values["unit"]


def test_process_that_died_is_replaced(table: TableReader, pool: QueryPool) -> None:
    """A dead idle process costs nobody an answer."""
    pool.answer(table, [("limit", "1")])
    for worker in list(pool._alive):
        worker.kill()
        worker.wait()

    assert ROWS == pool.answer(table, [("limit", "0")]).total


def test_stores_are_described_whole(tmp_path: Path) -> None:
    """A process opens the very store."""
    found = store_from_json(store_to_json(LocalStore(tmp_path)))

    assert isinstance(found, LocalStore)
    assert tmp_path == found.root
