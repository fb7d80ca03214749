"""Deliveries from real servers: a bucket on S3, PostgreSQL, MariaDB: only read."""

import csv
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy
from minio import Minio

from account_world import settle, strict_node
from database_servers import is_here, mariadb, postgres
from s3_server import S3Server, s3_server
from shahrdad.datasets.errors import DataError, Reason
from shahrdad.node.accounts import people
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import MACHINE, Grant, Role
from shahrdad.node.city import Node
from shahrdad.node.config import DeliverySection
from shahrdad.node.desk import deliveries, delivery_sources
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.incoming.profiles import FOLDER, Profiles

__all__ = ["s3_server"]
EXAMPLE = find_example("kerman", "org-units").path
LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Return a node under four eyes that may dial this computer."""
    node = strict_node(tmp_path)
    settle(node, password=None)
    with node.database.transaction() as connection:
        grants = [Grant(Role.EDITOR, "org-units")]
        people.add(
            connection, MACHINE, "hr-system", grants, kind="service", at=present()
        )
    profile = dict(handed(find_example("kerman", "org-units")).profile)
    Profiles(node.config.data / FOLDER).save(
        {**profile, "family": "org_units", "profile": "units"}
    )
    federation = replace(node.config.federation, allow_private=LOOPBACK)
    node.config = replace(node.config, federation=federation)
    yield node
    node.close()


def delivery(**values: object) -> DeliverySection:
    """Return a delivery of units."""
    section = DeliverySection(
        name="units", family="org_units", account="hr-system", profile="units"
    )
    return replace(section, **values)  # type: ignore[arg-type]


def state_of(node: Node, section: DeliverySection) -> str:
    """Run a delivery and return what became of it."""
    done = deliveries.run(node, section)
    return f"{done.state} {done.problem or ''}".strip()


@pytest.fixture
def bucket(s3_server: S3Server, tmp_path: Path) -> tuple[Minio, str, str]:
    """Return a client that may write, a prefix of its own, and the source's address."""
    place = s3_server.place()
    client = Minio(
        place.endpoint,
        access_key=place.access_key,
        secret_key=place.secret_key,
        secure=False,
        region=place.region,
    )
    (tmp_path / "key").write_text("readsecret\n", "utf-8")
    return client, place.prefix, f"http://{place.endpoint}/closed/{place.prefix}"


def put(client: Minio, prefix: str, name: str, content: bytes) -> None:
    """Write an object as the running system would."""
    client.put_object("closed", f"{prefix}/{name}", BytesIO(content), len(content))


def test_newest_object_of_a_bucket_is_submitted_once(
    node: Node, bucket: tuple[Minio, str, str]
) -> None:
    """Read with an identity that may read alone; the same bytes again do nothing."""
    client, prefix, address = bucket
    section = delivery(
        s3=address, s3_access_key="readkey", s3_secret_key_file=str(key_of(node))
    )
    assert "failed" == state_of(node, section).partition(" ")[0]
    put(client, prefix, "old.csv", b"nothing,of,use\r\n1,2,3\r\n")
    assert "errors" == state_of(node, section).partition(" ")[0]
    put(client, prefix, "z/units.csv", EXAMPLE.read_bytes())  # of one second: by name
    assert "submitted" == state_of(node, section)
    assert "same" == state_of(node, section)


def key_of(node: Node) -> Path:
    """Return the file of the secret key, beside the node."""
    return node.config.folder.parent / "key"


def test_bucket_that_is_not_ours_is_a_sentence(
    node: Node, bucket: tuple[Minio, str, str]
) -> None:
    """A wrong key, another network, a file, no secret: told, and no secret with it."""
    section = delivery(
        s3=bucket[2], s3_access_key="readkey", s3_secret_key_file=str(key_of(node))
    )
    for values, word in (
        ({"s3_access_key": "stranger"}, "InvalidAccessKeyId"),
        ({"s3": "http://169.254.169.254/bucket/x"}, "169.254.169.254"),
        ({"s3": "https://10.0.0.1/bucket/x"}, "10.0.0.1"),
        ({"s3": "file:///etc/passwd"}, "file:///etc/passwd"),
        ({"s3_secret_key_file": "nowhere"}, "nowhere"),
    ):
        found = state_of(node, replace(section, **values))  # type: ignore[arg-type]
        assert found.startswith("failed")
        assert word in found
        assert "readsecret" not in found


def test_object_above_the_bound_is_refused(
    node: Node,
    bucket: tuple[Minio, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As long as a file that is handed in, and no byte more; so many objects."""
    client, prefix, address = bucket
    put(client, prefix, "units.csv", b"x" * 100)
    section = delivery(
        s3=address, s3_access_key="readkey", s3_secret_key_file=str(key_of(node))
    )
    monkeypatch.setattr(delivery_sources, "UPLOAD_BYTES_MAX", 100)
    path = delivery_sources.fetch_object(node, section, tmp_path)
    assert 100 == path.stat().st_size
    monkeypatch.setattr(delivery_sources, "UPLOAD_BYTES_MAX", 99)
    with pytest.raises(DataError) as caught:
        delivery_sources.fetch_object(node, section, tmp_path)
    assert Reason.SOURCE_TOO_LARGE is caught.value.reason
    monkeypatch.setattr(delivery_sources, "UPLOAD_BYTES_MAX", 100)
    monkeypatch.setattr(delivery_sources, "OBJECTS_MAX", 0)
    with pytest.raises(DataError):
        delivery_sources.fetch_object(node, section, tmp_path)


READING = "SELECT * FROM unit ORDER BY 1"
WRITING = (
    "DELETE FROM unit",
    "SELECT 1; DELETE FROM unit",
    "WITH x AS (SELECT 1) INSERT INTO unit SELECT * FROM unit",
)
POSTGRESQL = (
    *WRITING,
    "WITH gone AS (DELETE FROM unit RETURNING *) SELECT * FROM gone",
    "SELECT * INTO copied FROM unit",
    "SELECT nextval('counter')",
    "SELECT set_config('transaction_read_only', 'off', false), nextval('counter')",
    "SELECT pg_advisory_lock(1) FROM unit; COMMIT; DROP TABLE unit",
)
MARIADB = (
    *WRITING,
    "WITH x AS (SELECT 1) DELETE FROM unit",
    "SELECT NEXTVAL(counter)",
    "SELECT * FROM unit INTO OUTFILE 'copied'",
    "SELECT * FROM unit /*!50000INTO*/ OUTFILE 'copied'",
    "SELECT 1 INTO\nDUMPFILE 'copied'",
)


def fill(engine: sqlalchemy.Engine) -> None:
    """Make a table of units and a counter, owned by the account that asks later."""
    with EXAMPLE.open(encoding="utf-8-sig", newline="") as file:
        rows = [*csv.DictReader(file)]
    columns = [sqlalchemy.Column(name, sqlalchemy.String(200)) for name in rows[0]]
    unit = sqlalchemy.Table("unit", sqlalchemy.MetaData(), *columns)
    with engine.begin() as connection:
        unit.create(connection)
        connection.execute(unit.insert(), rows)
        connection.execute(sqlalchemy.text("CREATE SEQUENCE counter"))


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[sqlalchemy.Engine]:
    """Run a server with a table of units."""
    server = {"postgresql": postgres, "mariadb": mariadb}[request.param]
    if not is_here(request.param):
        pytest.skip(f"not installed: apt-get install {request.param}")
    with server() as address:
        engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
        fill(engine)
        yield engine


def address_of(engine: sqlalchemy.Engine) -> str:
    """Return the address of a database."""
    return engine.url.render_as_string(hide_password=False)


def test_rows_of_a_server_become_a_draft(
    node: Node, database: sqlalchemy.Engine
) -> None:
    """They are handed in as a file would be; asked again, they are the same."""
    section = delivery(database=address_of(database), query=READING)
    assert "submitted" == state_of(node, section)
    assert "same" == state_of(node, section)


def test_server_is_never_written(node: Node, database: sqlalchemy.Engine) -> None:
    """The account owns the table, and the transaction still does not write."""
    queries = POSTGRESQL if database.dialect.name == "postgresql" else MARIADB
    for query in queries:
        found = state_of(node, delivery(database=address_of(database), query=query))
        assert found.startswith("failed"), query
        assert "INTO" not in query or "must" in found, (
            query
        )  # refused before it is sent
    with database.connect() as connection:
        count = connection.execute(sqlalchemy.text("SELECT COUNT(*) FROM unit"))
        tables = sqlalchemy.inspect(connection).get_table_names()
        number = connection.execute(
            sqlalchemy.text(
                "SELECT nextval('counter')"
                if database.dialect.name == "postgresql"
                else "SELECT NEXTVAL(counter)"
            )
        )

        assert count.scalar_one() > 0
        assert "copied" not in tables
        assert 1 == number.scalar_one()


def test_slow_query_is_ended_by_the_server(
    node: Node, database: sqlalchemy.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that would run for a minute ends at its bound."""
    monkeypatch.setattr(delivery_sources, "QUERY_SECONDS_MAX", 1)
    slow = "SELECT pg_sleep(60)"
    if database.dialect.name != "postgresql":
        every = "information_schema.columns"
        slow = f"SELECT COUNT(*) FROM {every} a, {every} b, {every} c"
    started = time.monotonic()
    found = state_of(node, delivery(database=address_of(database), query=slow))

    assert found.startswith("failed")
    assert time.monotonic() - started < 45


def test_password_of_a_database_is_in_no_sentence(node: Node) -> None:
    """Whoever reads the list of deliveries does not learn it."""
    address = "postgresql+psycopg://reader:a-secret@127.0.0.1:1/hr"
    found = state_of(node, delivery(database=address, query="SELECT 1"))

    assert found.startswith("failed")
    assert "a-secret" not in found
