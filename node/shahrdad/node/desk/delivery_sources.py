"""Where a delivery comes from: a folder, an HTTP address, S3, or a query on a database.

Each source becomes one file, as a person would have handed it in. Nothing is changed at
the source: a folder is read, an address is fetched through the dialler, which refuses
private networks that are not allowed, a bucket is listed and read, and a database is
asked in a transaction that may not write.
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

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
OBJECTS_MAX = 10_000  # that are looked through for the newest
CHUNK_BYTES = 1 << 20
READING = ("select", "with")
# A second statement, a comment that a server executes (MySQL's /*!…*/), or INTO: into a
# table, or with MySQL into a file, which a transaction that only reads does not stop.
_WRITING = re.compile(r";|/\*|\binto\b", re.IGNORECASE)


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
    if delivery.s3:
        return fetch_object(node, delivery, folder)
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
    from shahrdad.node.desk.drafting import safe_name

    dialler = Dialler(node.config.federation.allow_private)
    dialler.judge_url(delivery.url)
    path = folder / safe_name(delivery.url.partition("?")[0])
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
            _write_bytes(answer.iter_bytes(CHUNK_BYTES), file, delivery.name)
    except httpx2.HTTPError as error:
        raise UnavailableError(
            Reason.SOURCE_AWAY, name=delivery.name, detail=type(error).__name__
        ) from error
    return path


def fetch_object(node: "Node", delivery: "DeliverySection", folder: Path) -> Path:
    """Fetch the object of a bucket that was written last; it is only listed and read.

    Raises:
        RequestError: ADDRESS_REFUSED, FILE_NOT_FOUND.
        UnavailableError: PEER_UNREACHABLE, SOURCE_AWAY.
        DataError: SOURCE_TOO_LARGE.
    """
    import urllib3
    from minio import Minio
    from minio.error import MinioException

    from shahrdad.federation.dialler import Dialler
    from shahrdad.node.desk.drafting import safe_name
    from shahrdad.node.store.s3 import S3Place, connection_pool

    Dialler(node.config.federation.allow_private).judge_url(delivery.s3)
    parts = urlsplit(delivery.s3)
    bucket, _, prefix = unquote(parts.path).strip("/").partition("/")
    place = S3Place(
        parts.netloc,
        bucket,
        delivery.s3_access_key,
        _secret(node, delivery.s3_secret_key_file),
        region=delivery.s3_region,
        secure=parts.scheme == "https",
    )
    try:
        client = Minio(
            place.endpoint,
            access_key=place.access_key,
            secret_key=place.secret_key,
            secure=place.secure,
            region=place.region,
            http_client=connection_pool(place),
        )
        listed = client.list_objects(bucket, prefix=prefix, recursive=True)
        name = _newest_object(listed, delivery)
        path = folder / safe_name(name)
        with client.get_object(bucket, name) as answer, path.open("wb") as file:
            _write_bytes(answer.stream(CHUNK_BYTES), file, delivery.name)
    except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
        detail = getattr(error, "code", None) or type(error).__name__
        raise UnavailableError(
            Reason.SOURCE_AWAY, name=delivery.name, detail=str(detail)
        ) from error
    return path


def _newest_object(listed: Iterable[Any], delivery: "DeliverySection") -> str:
    """Return the name of the object that was written last; folders do not count.

    Raises:
        RequestError: FILE_NOT_FOUND.
        DataError: SOURCE_TOO_LARGE.
    """
    found: list[tuple[Any, str]] = []
    for one in listed:
        if len(found) >= OBJECTS_MAX:
            raise _too_large(delivery.name, OBJECTS_MAX + 1, "objects", OBJECTS_MAX)
        if not one.is_dir and one.object_name and one.last_modified:
            found.append((one.last_modified, one.object_name))
    if not found:
        raise RequestError(Reason.FILE_NOT_FOUND, path=delivery.s3)
    return max(found)[1]


def ask_database(node: "Node", delivery: "DeliverySection", folder: Path) -> Path:
    """Write the rows of a query as CSV, from a transaction that may not write.

    Raises:
        RequestError: QUERY_WRITES, PACKAGE_ABSENT, FILE_NOT_FOUND.
        UnavailableError: SOURCE_AWAY.
        DataError: SOURCE_TOO_LARGE.
    """
    query = delivery.query.strip().rstrip(";").strip()
    if not query.lower().startswith(READING) or _WRITING.search(query):
        raise RequestError(Reason.QUERY_WRITES, name=delivery.name)
    try:
        import sqlalchemy
    except ImportError as error:
        raise RequestError(Reason.PACKAGE_ABSENT, package="sqlalchemy") from error
    path = folder / f"{delivery.name}.csv"
    address = _address(node, delivery)
    try:
        # No pool: a connection that a fault left half read is closed with it.
        engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection, path.open("w", encoding="utf-8") as file:
            _ask(connection, query, file, delivery.name)
    except sqlalchemy.exc.SQLAlchemyError as error:
        detail = type(error).__name__  # its text may hold the password
        raise UnavailableError(
            Reason.SOURCE_AWAY, name=delivery.name, detail=detail
        ) from error
    return path


def _ask(connection: Any, query: str, file: Any, name: str) -> None:
    """Write the rows of a query, in a transaction that is rolled back."""
    from sqlalchemy import text

    maria = getattr(connection.dialect, "is_mariadb", False)
    for statement in read_only("mariadb" if maria else connection.dialect.name):
        connection.execute(text(statement))
    streamed = connection.execution_options(
        stream_results=True, max_row_buffer=BATCH_ROWS
    )
    with streamed.execute(text(query)) as rows:
        _write_rows(rows, file, name)
    connection.rollback()


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
            "START TRANSACTION READ ONLY",
        ),
        "mariadb": (
            f"SET SESSION max_statement_time = {QUERY_SECONDS_MAX}",
            "START TRANSACTION READ ONLY",
        ),
        "oracle": ("SET TRANSACTION READ ONLY",),
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


def _write_bytes(chunks: Iterable[bytes], file: Any, name: str) -> None:
    """Write what comes, as far as a file that is handed in may be long."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > UPLOAD_BYTES_MAX:
            raise _too_large(name, size, "bytes", UPLOAD_BYTES_MAX)
        file.write(chunk)


def _address(node: "Node", delivery: "DeliverySection") -> str:
    """Return the database's address, which may hold a password: from its own file."""
    if not delivery.database_file:
        return delivery.database
    return _secret(node, delivery.database_file)


def _secret(node: "Node", name: str) -> str:
    """Return what stands in a file of its own; nothing where none is named.

    Raises:
        RequestError: FILE_NOT_FOUND.
    """
    if not name:
        return ""
    path = node.config.folder / name
    if not path.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(path))
    return path.read_text("utf-8").strip()


def _too_large(name: str, found: int, unit: str, bound: int) -> DataError:
    return DataError(
        Reason.SOURCE_TOO_LARGE, name=name, found=found, unit=unit, found_max=bound
    )
