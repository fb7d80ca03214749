"""Parquet is read by Arrow's threads, and nothing of ours stays with them."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lending_watch import lending_watched
from shahrdad.client.ranges import Ranges
from shahrdad.client.tables import Content, field, read_tables
from shahrdad.datasets.errors import PeerError, RequestError

ROWS = 20_000


def _parquet() -> bytes:
    sink = io.BytesIO()
    table = pa.table({"id": range(ROWS), "name": ["a"] * ROWS})
    pq.write_table(table, sink, row_group_size=1000)
    return sink.getvalue()


WHOLE = _parquet()
TORN = WHOLE[:5000] + bytes(5000) + WHOLE[10_000:]


def _contents(data: bytes) -> list[Content]:
    return [data, Ranges(len(data), lambda at, size: data[at : at + size])]


@pytest.mark.parametrize("content", _contents(WHOLE), ids=["bytes", "ranges"])
@pytest.mark.parametrize(
    ("columns", "where", "rows"),
    [
        (None, None, ROWS),
        (["name"], field("id") >= 15_000, 5000),
        (["name"], field("nothing") == 1, RequestError),
        (["nothing"], None, RequestError),
    ],
)
def test_arrow_holds_nothing_at_the_end(
    content: Content, columns: list[str] | None, where: Any, rows: Any
) -> None:
    """A program may end at once after reading, or after an error."""
    with lending_watched() as lent:
        if isinstance(rows, int):
            assert rows == read_tables([content, content], columns, where).num_rows / 2
        else:
            with pytest.raises(rows):
                read_tables([content], columns, where)

    assert 0 < len(lent)
    assert all(thing() is None for thing in lent)


@pytest.mark.parametrize("content", _contents(TORN), ids=["bytes", "ranges"])
def test_torn_file_is_let_go_too(content: Content) -> None:
    """A part that is no Parquet any more is refused, and not held."""
    with lending_watched() as lent, pytest.raises(PeerError):
        read_tables([content])

    assert all(thing() is None for thing in lent)
