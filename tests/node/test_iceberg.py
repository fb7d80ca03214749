"""The lake: engines of others read every version, and can change nothing."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from http_world import World, example_rows, fill, make_world
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http.app import create_app
from shahrdad.node.iceberg.lake import Lake
from shahrdad.node.publish import published_parts
from shahrdad.node.store.contract import Area
from shahrdad.node.store.opening import open_store
from shahrdad.node.table.reading import open_table
from store_fixture import store_settings

pytest.importorskip("pyiceberg", reason='the lake needs the extra "iceberg"')
SUMMED = "approved_rial"
TABLE = "budget-1404"


@dataclass(frozen=True)
class Served:
    """A node and its address."""

    world: World
    url: str


def _serve(world: World) -> Iterator[Served]:
    """Serve a node on a free port of this computer."""
    bound = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    world.config = replace(
        world.config, node=replace(world.config.node, public_url=url)
    )
    server = uvicorn.Server(
        uvicorn.Config(create_app(world), log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)  # polled with a deadline: uvicorn tells it in no other way
    yield Served(world, url)
    server.should_exit = True
    thread.join(30)
    bound.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A node with two cities, on the store that the environment chooses."""
    folder: Path = tmp_path_factory.mktemp("lake")
    world = make_world(folder)
    if os.environ.get("SHAHRDAD_STORE", "local") == "s3":
        world.store = open_store(store_settings(folder / "s3"))  # type: ignore[assignment]
    fill(world)
    rows = example_rows("budget_lines", "rasht")
    world.publish(
        "rasht",
        "budget-1404",
        "budget_lines",
        rows[:-2],
        time="2025-11-21T08:30:00Z",
        title=("بودجهٔ ۱۴۰۴ رشت", "Budget 1404 of Rasht"),
        fiscal_year=1404,
    )
    yield from _serve(world)


def rows_of(world: World, ref: str, n: int) -> list[dict[str, Any]]:
    """Return a version's rows as our own reader gives them."""
    _, version = world.catalog.version(ref, n)
    parts = published_parts(world.catalog.body(version.digest))
    batches = open_table(world.store, parts).batches()
    return [row for batch in batches for row in batch.to_pylist()]


def sum_of(rows: list[dict[str, Any]]) -> int:
    """Return the sum of a money column."""
    return sum(row[SUMMED] or 0 for row in rows)


def pyiceberg_catalog(served: Served) -> Any:
    """Return PyIceberg's own catalog of the node."""
    from pyiceberg.catalog.rest import RestCatalog

    return RestCatalog("node", uri=f"{served.url}/iceberg")


def test_pyiceberg_reads_versions(served: Served) -> None:
    """PyIceberg lists, and reads both versions by their tags as our reader does."""
    catalog = pyiceberg_catalog(served)
    table = catalog.load_table(("kerman", TABLE))

    assert [("all",), ("kerman",), ("rasht",)] == catalog.list_namespaces()
    assert [("kerman", "active-systems"), ("kerman", TABLE)] == catalog.list_tables(
        "kerman"
    )
    for n in (1, 2):
        snapshot = table.snapshot_by_name(f"v{n}")
        rows = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
        assert rows_of(served.world, f"kerman/{TABLE}", n) == rows.to_pylist()
        assert str(n) == snapshot.summary["shahrdad.version"]
    assert table.current_snapshot() == table.snapshot_by_name("v2")
    assert ["2025-10-01T08:30:00", "2025-11-20T08:30:00"] == [
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(one.timestamp_ms / 1000))
        for one in table.snapshots()
    ]


def test_pyiceberg_reads_the_union(served: Served) -> None:
    """`all` has the newest rows of every city, and their own city code."""
    table = pyiceberg_catalog(served).load_table(("all", "budget_lines"))
    rows = table.scan().to_arrow().to_pylist()
    expected = [
        *rows_of(served.world, f"kerman/{TABLE}", 2),
        *rows_of(served.world, f"rasht/{TABLE}", 1),
    ]

    assert sum_of(expected) == sum_of(rows)
    assert {"1346", "1129"} == {row["city_code"] for row in rows}
    assert len(expected) == len(rows)


def union_of(world: World, *versions: tuple[str, int]) -> list[dict[str, Any]]:
    """Return the rows of some versions together."""
    return [row for ref, n in versions for row in rows_of(world, ref, n)]


# Day of a union's snapshot → what was current at its end.
UNION_DAYS: dict[int, tuple[tuple[str, int], ...]] = {
    20251001: ((f"kerman/{TABLE}", 1),),
    20251120: ((f"kerman/{TABLE}", 2),),
    20251121: ((f"kerman/{TABLE}", 2), ("rasht/budget-1404", 1)),
}


def test_pyiceberg_travels_in_the_union(served: Served) -> None:
    """`all` has a snapshot for each day on which a city published."""
    table = pyiceberg_catalog(served).load_table(("all", "budget_lines"))
    found = {}
    for day in UNION_DAYS:
        snapshot = table.snapshot_by_name(f"v{day}")
        rows = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().to_pylist()
        found[day] = (sum_of(rows), len(rows))
    expected = {
        day: (sum_of(rows := union_of(served.world, *versions)), len(rows))
        for day, versions in UNION_DAYS.items()
    }

    assert expected == found
    assert 3 == len(set(expected.values()))
    assert len(UNION_DAYS) == len(table.snapshots())
    noon = int(datetime(2025, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)
    then = table.snapshot_as_of_timestamp(noon)
    assert then == table.snapshot_by_name("v20251120")


def test_pyiceberg_filters_by_statistics(served: Served) -> None:
    """A filter on the key reads the one row."""
    table = pyiceberg_catalog(served).load_table(("kerman", TABLE))
    wanted = rows_of(served.world, f"kerman/{TABLE}", 2)[0]
    code = wanted["line_code"]
    found = table.scan(row_filter=f"line_code == '{code}'").to_arrow()

    assert wanted in found.to_pylist()


def test_duckdb_reads_versions(served: Served) -> None:
    """DuckDB's own Iceberg extension gives the sums of two versions, and of `all`."""
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    for name in ("httpfs", "avro", "iceberg"):  # avro before iceberg, or it is fetched
        module = pytest.importorskip(f"duckdb_extension_{name}")
        folder = Path(module.__file__).parent / "extensions"
        (file,) = folder.rglob(f"{name}.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute(
        f"ATTACH '' AS n (TYPE iceberg, ENDPOINT '{served.url}/iceberg',"
        " AUTHORIZATION_TYPE 'none')"
    )
    table = pyiceberg_catalog(served).load_table(("kerman", TABLE))
    sums = []
    for n in (1, 2):
        snapshot = table.snapshot_by_name(f"v{n}").snapshot_id
        query = (
            f'SELECT SUM({SUMMED}), COUNT(*) FROM n.kerman."{TABLE}"'
            f" AT (VERSION => {snapshot})"
        )
        sums.append(connection.execute(query).fetchone())
    rows = [rows_of(served.world, f"kerman/{TABLE}", n) for n in (1, 2)]

    assert [(sum_of(one), len(one)) for one in rows] == sums
    union = connection.execute(
        f"SELECT SUM({SUMMED}) FROM n.all.budget_lines"
    ).fetchone()
    rasht = rows_of(served.world, f"rasht/{TABLE}", 1)
    assert (sum_of([*rows[1], *rasht]),) == union
    all_cities = pyiceberg_catalog(served).load_table(("all", "budget_lines"))
    for day, versions in UNION_DAYS.items():
        snapshot = all_cities.snapshot_by_name(f"v{day}").snapshot_id
        query = (
            f"SELECT SUM({SUMMED}) FROM n.all.budget_lines AT (VERSION => {snapshot})"
        )
        expected = (sum_of(union_of(served.world, *versions)),)
        assert expected == connection.execute(query).fetchone()
    with pytest.raises(duckdb.Error):
        connection.execute("CREATE TABLE n.kerman.mine AS SELECT 1 AS a")
    connection.close()


def test_writers_refuse_themselves(served: Served) -> None:
    """PyIceberg knows that the catalog has no address to write with."""
    from pyiceberg.exceptions import RESTError
    from pyiceberg.schema import Schema

    catalog = pyiceberg_catalog(served)
    with pytest.raises(
        (RESTError, NotImplementedError), match=r"(?i)endpoint|read only"
    ):
        catalog.create_table(("kerman", "mine"), Schema())
    with pytest.raises(
        (RESTError, NotImplementedError), match=r"(?i)endpoint|read only"
    ):
        catalog.drop_table(("kerman", TABLE))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_is_written(served: Served, method: str) -> None:
    """Whoever insists gets 405 of Iceberg and 403 of S3."""
    catalog = httpx2.request(method, f"{served.url}/iceberg/v1/namespaces")
    lake = httpx2.request(method, f"{served.url}/lake/kerman/{TABLE}/data/x.parquet")

    assert (405, "UnsupportedOperationException") == (
        catalog.status_code,
        catalog.json()["error"]["type"],
    )
    assert 403 == lake.status_code
    assert "<Code>AccessDenied</Code>" in lake.text


@pytest.mark.parametrize(
    "path", ["", "/", "?list-type=2&prefix=kerman/", f"kerman/{TABLE}/", "kerman"]
)
def test_the_lake_never_lists(served: Served, path: str) -> None:
    """No listing, of nothing."""
    answer = httpx2.get(f"{served.url}/lake/{path}")

    assert 403 == answer.status_code


def test_only_published_objects_of_that_table(served: Served) -> None:
    """A private digest, another table's and one that nobody has look alike: absent."""
    world = served.world
    body = world.catalog.body(world.catalog.get(f"kerman/{TABLE}").digest)
    (own,) = published_parts(body)
    other = world.catalog.get("rasht/active-systems")
    (others,) = published_parts(world.catalog.body(other.digest))
    originals = [digest for digest, _ in world.store.list(Area.PRIVATE)]
    reports = [digest for digest, _ in world.store.list(Area.OBJECT)]
    base = f"{served.url}/lake/kerman/{TABLE}/data"

    assert 200 == httpx2.get(f"{base}/{own.digest.hex}.parquet").status_code
    hidden = {*originals, *reports, others.digest, Digest.of(b"nobody")}
    versions = [
        published_parts(world.catalog.body(one.digest))[0].digest
        for one in world.catalog.versions(f"kerman/{TABLE}")
    ]
    assert len(hidden) > 4
    for digest in sorted(hidden - set(versions)):
        answer = httpx2.get(f"{base}/{digest.hex}.parquet")
        assert (404, True) == (answer.status_code, "NoSuchKey" in answer.text)
    for path in ("../../../private", "%2e%2e/x.parquet", "x", f"{own.digest.hex}"):
        assert httpx2.get(f"{base}/{path}").status_code in {403, 404}


def test_ranges_of_the_lake(served: Served) -> None:
    """HEAD tells the size; a range is a slice; metadata too."""
    world = served.world
    (part,) = published_parts(
        world.catalog.body(world.catalog.get(f"kerman/{TABLE}").digest)
    )
    url = f"{served.url}/lake/kerman/{TABLE}/data/{part.digest.hex}.parquet"
    whole, head = httpx2.get(url), httpx2.head(url)
    slice_ = httpx2.get(url, headers={"Range": "bytes=-8"})
    loaded = httpx2.get(
        f"{served.url}/iceberg/v1/namespaces/kerman/tables/{TABLE}"
    ).json()
    file = served.url + loaded["metadata-location"].removeprefix("s3:/")
    metadata = httpx2.get(file)

    assert part.digest == Digest.of(whole.content)
    assert (str(part.bytes), b"") == (head.headers["content-length"], head.content)
    assert (206, whole.content[-8:]) == (slice_.status_code, slice_.content)
    assert loaded["metadata"] == metadata.json()
    part_ = httpx2.get(file, headers={"Range": "bytes=2-5"})
    assert metadata.content[2:6] == part_.content


def test_metadata_is_the_same_everywhere(served: Served) -> None:
    """Another process makes the same bytes, so an address stays good."""
    from uuid import UUID

    from shahrdad.node.iceberg.metadata import build

    table = Lake(served.world.catalog).table("kerman", TABLE)
    first, second = (build(table, served.world.store, UUID(int=1)) for _ in range(2))

    assert first == second
    assert 5 == len(first.files)  # metadata, and for each version a list and a manifest


def test_an_old_version_keeps_its_manifest(served: Served) -> None:
    """A newer version leaves the files of the older one as they were."""
    from uuid import UUID

    from shahrdad.node.iceberg.metadata import build

    table = Lake(served.world.catalog).table("kerman", TABLE)
    before = build(
        replace(table, versions=table.versions[:1]), served.world.store, UUID(int=1)
    )
    after = build(table, served.world.store, UUID(int=1))
    avro = {name for name in before.files if name.endswith(".avro")}

    assert 2 == len(avro)
    assert {name: before.files[name] for name in avro} == {
        name: after.files[name] for name in avro
    }


@pytest.mark.parametrize(
    "path",
    [
        "namespaces/nowhere",
        "namespaces/nowhere/tables",
        "namespaces/kerman/tables/nothing",
        "namespaces/kerman/tables/old-projects",
        "namespaces/all/tables/nothing",
        "warehouses",
    ],
)
def test_unknown_and_withdrawn_are_404(served: Served, path: str) -> None:
    """What is not there, or no more, is Iceberg's own error."""
    answer = httpx2.get(f"{served.url}/iceberg/v1/{path}")

    assert 404 == answer.status_code
    assert 404 == answer.json()["error"]["code"]
    assert 404 == httpx2.head(f"{served.url}/iceberg/v1/{path}").status_code


@pytest.mark.filterwarnings("ignore")  # PySpark's own, about its dependencies
def test_sail_reads_versions(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sail, a Spark server, gives the sums of both versions through Spark Connect."""
    if os.environ.get("SHAHRDAD_LONG") != "1":
        pytest.skip("Sail starts slowly: SHAHRDAD_LONG=1")
    spark_connect = pytest.importorskip("pysail.spark")
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv(
        "SAIL_CATALOG__LIST",
        f'[{{name="n", type="iceberg-rest", uri="{served.url}/iceberg"}}]',
    )
    for name, value in (
        ("AWS_ENDPOINT", served.url),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "public"),
        ("AWS_SECRET_ACCESS_KEY", "public"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    server = spark_connect.SparkConnectServer()
    server.start(background=True)
    _, port = server.listening_address
    session = sql.SparkSession.builder.remote(f"sc://localhost:{port}").getOrCreate()
    name = f"n.kerman.`{TABLE}`"
    table = pyiceberg_catalog(served).load_table(("kerman", TABLE))
    sums = []
    for n in (1, 2):
        snapshot = table.snapshot_by_name(f"v{n}").snapshot_id
        query = f"SELECT SUM({SUMMED}) FROM {name} VERSION AS OF {snapshot}"
        sums += [row[0] for row in session.sql(query).collect()]
    (union,) = session.sql(f"SELECT SUM({SUMMED}) FROM n.`all`.budget_lines").collect()

    kerman = [rows_of(served.world, f"kerman/{TABLE}", n) for n in (1, 2)]
    assert [sum_of(rows) for rows in kerman] == sums
    rasht = rows_of(served.world, f"rasht/{TABLE}", 1)
    assert sum_of([*kerman[1], *rasht]) == union[0]
    all_cities = pyiceberg_catalog(served).load_table(("all", "budget_lines"))
    for day, versions in UNION_DAYS.items():
        snapshot = all_cities.snapshot_by_name(f"v{day}").snapshot_id
        query = f"SELECT SUM({SUMMED}) FROM n.`all`.budget_lines"
        found = session.sql(f"{query} VERSION AS OF {snapshot}").collect()
        assert sum_of(union_of(served.world, *versions)) == found[0][0]
    session.stop()
    server.stop()


def test_a_union_keeps_its_newest_days(served: Served) -> None:
    """Its snapshots have a bound; each version's own table keeps them all."""
    from shahrdad.node.iceberg import lake as lakes

    table = Lake(served.world.catalog).table("all", "budget_lines")
    assert list(UNION_DAYS) == [version.n for version in table.versions]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lakes, "UNION_DAYS_MAX", 2)
        shorter = Lake(served.world.catalog).table("all", "budget_lines")

    assert table.versions[1:] == shorter.versions


def test_a_day_is_one_of_tehran() -> None:
    """Half past nine in the evening of UTC is the next day there."""
    from shahrdad.node.iceberg.lake import day_of

    assert date(2025, 11, 20) == day_of("2025-11-20T20:29:59Z")
    assert date(2025, 11, 21) == day_of("2025-11-20T20:30:00Z")
    assert date.min == day_of("no time")
