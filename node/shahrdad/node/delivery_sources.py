"""Where a delivery comes from: a folder, an HTTP address, or a query on a database.

Each source becomes one file, as a person would have handed it in. Nothing is changed at
the source: a folder is read, an address is fetched through the dialler, which refuses
private networks that are not allowed, and a database is asked in a transaction that may
not write.
"""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import (
    DataError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.node.http.write.limits import UPLOAD_BYTES_MAX

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.config import DeliverySection

ROWS_MAX = 5_000_000
BATCH_ROWS = 2_000
QUERY_SECONDS_MAX = 600
FETCH_SECONDS_MAX = 300.0
CHUNK_BYTES = 1 << 20
READING = ("select", "with")


def fetch(node: "Node", delivery: "DeliverySection", folder: Path) -> Path:
    """Write what a source holds now into a folder, and return the file.

    Raises:
        RequestError: FILE_NOT_FOUND, ADDRESS_REFUSED, QUERY_WRITES, PACKAGE_ABSENT.
        UnavailableError: PEER_UNREACHABLE, SOURCE_AWAY.
        DataError: SOURCE_TOO_LARGE.
    """
    if delivery.folder:
        return newest_file(node.config.folder / delivery.folder)
    if delivery.url:
        return fetch_address(node, delivery, folder)
    return ask_database(node, delivery, folder)


def newest_file(folder: Path) -> Path:
    """Return the file of a folder that was changed last; hidden ones do not count.

    Raises:
        RequestError: FILE_NOT_FOUND.
    """
    files = [
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.is_file() and not path.name.startswith((".", "~"))
    ]
    if not files:
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(folder))
    return max(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


def fetch_address(node: "Node", delivery: "DeliverySection", folder: Path) -> Path:
    """Fetch a file over HTTP; no redirect is followed.

    Raises:
        RequestError: ADDRESS_REFUSED.
        UnavailableError: PEER_UNREACHABLE, SOURCE_AWAY.
        DataError: SOURCE_TOO_LARGE.
    """
    import httpx2

    from shahrdad.federation.dialler import Dialler
    from shahrdad.node.drafting import safe_name

    dialler = Dialler(node.config.federation.allow_private)
    dialler.judge_url(delivery.url)
    path = folder / safe_name(delivery.url.partition("?")[0])
    size = 0
    try:
        with (
            dialler.http_client(FETCH_SECONDS_MAX) as client,
            client.stream("GET", delivery.url) as answer,
            path.open("wb") as file,
        ):
            if answer.status_code != 200:
                raise UnavailableError(
                    Reason.SOURCE_AWAY,
                    name=delivery.name,
                    detail=f"HTTP {answer.status_code}",
                )
            for chunk in answer.iter_bytes(CHUNK_BYTES):
                size += len(chunk)
                if size > UPLOAD_BYTES_MAX:
                    raise _too_large(delivery.name, size, "bytes", UPLOAD_BYTES_MAX)
                file.write(chunk)
    except httpx2.HTTPError as error:
        raise UnavailableError(
            Reason.SOURCE_AWAY, name=delivery.name, detail=type(error).__name__
        ) from error
    return path


def ask_database(node: "Node", delivery: "DeliverySection", folder: Path) -> Path:
    """Write the rows of a query as CSV, from a transaction that may not write.

    Raises:
        RequestError: QUERY_WRITES, PACKAGE_ABSENT, FILE_NOT_FOUND.
        UnavailableError: SOURCE_AWAY.
        DataError: SOURCE_TOO_LARGE.
    """
    query = delivery.query.strip().rstrip(";").strip()
    if not query.lower().startswith(READING) or ";" in query:
        raise RequestError(Reason.QUERY_WRITES, name=delivery.name)
    try:
        import sqlalchemy
    except ImportError as error:
        raise RequestError(Reason.PACKAGE_ABSENT, package="sqlalchemy") from error
    path = folder / f"{delivery.name}.csv"
    try:
        engine = sqlalchemy.create_engine(_address(node, delivery))
        with engine.connect() as connection, path.open("w", encoding="utf-8") as file:
            for statement in read_only(connection.dialect.name):
                connection.execute(sqlalchemy.text(statement))
            streamed = connection.execution_options(
                stream_results=True, max_row_buffer=BATCH_ROWS
            )
            _write_rows(streamed.execute(sqlalchemy.text(query)), file, delivery.name)
            connection.rollback()
        engine.dispose()
    except sqlalchemy.exc.SQLAlchemyError as error:
        detail = type(error).__name__  # its text may hold the password
        raise UnavailableError(
            Reason.SOURCE_AWAY, name=delivery.name, detail=detail
        ) from error
    return path


def read_only(dialect: str) -> tuple[str, ...]:
    """Return what makes a transaction of a database read only, before the query.

    >>> read_only("sqlite")
    ('PRAGMA query_only=ON',)
    """
    milliseconds = QUERY_SECONDS_MAX * 1000
    return {
        "sqlite": ("PRAGMA query_only=ON",),
        "postgresql": (
            "SET TRANSACTION READ ONLY",
            f"SET LOCAL statement_timeout = {milliseconds}",
        ),
        "mysql": (
            f"SET SESSION max_execution_time = {milliseconds}",
            "SET SESSION TRANSACTION READ ONLY",
        ),
        "mariadb": ("SET SESSION TRANSACTION READ ONLY",),
    }.get(dialect, ())


def _write_rows(rows: Any, file: Any, name: str) -> None:
    """Write rows as CSV; an empty value is an empty cell."""
    writer = csv.writer(file)
    writer.writerow(rows.keys())
    count = 0
    while batch := rows.fetchmany(BATCH_ROWS):
        count += len(batch)
        if count > ROWS_MAX:
            raise _too_large(name, count, "rows", ROWS_MAX)
        writer.writerows(
            ["" if value is None else value for value in row] for row in batch
        )


def _address(node: "Node", delivery: "DeliverySection") -> str:
    """Return the database's address, which may hold a password: from its own file."""
    if not delivery.database_file:
        return delivery.database
    path = node.config.folder / delivery.database_file
    if not path.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(path))
    return path.read_text("utf-8").strip()


def _too_large(name: str, found: int, unit: str, bound: int) -> DataError:
    return DataError(
        Reason.SOURCE_TOO_LARGE, name=name, found=found, unit=unit, found_max=bound
    )
