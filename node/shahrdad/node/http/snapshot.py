"""Reading one state of the database for an answer, whatever is written meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from shahrdad.node.http.view import NodeView


@contextmanager
def snapshot(node: NodeView) -> Iterator[None]:
    """Read one state of the database; inside of another snapshot, that one's."""
    connection = node.database.connect()
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")
