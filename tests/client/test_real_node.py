"""The client against a node that serves: the same bytes by every way."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from client_node import make_node, publish, served, withdraw
from shahrdad.client import (
    Node,
    NotFound,
    Reason,
    Trust,
    Withdrawn,
    connect,
    saving,
    verify,
)
from shahrdad.client.web import Web

REF = "kerman/budget-1404"


class Running(NamedTuple):
    """A node that serves, and what a reader needs to trust it."""

    address: str
    policy: bytes
    folder: Path


def budget(rows: int, step: int) -> pa.Table:
    """Return a budget with a null, an empty text and figures beyond 2^53."""
    return pa.table(
        {
            "line_code": [f"{n:07}" for n in range(rows)],
            "approved_rial": pa.array(
                [None if n == 1 else n * step * 10**15 % 2**62 for n in range(rows)],
                pa.int64(),
            ),
            "title": ["" if n == 2 else f'ردیف "{n}"' for n in range(rows)],
            "approved_on": [date(2025, 3, 21)] * rows,
        }
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve a city with a budget of two versions, a long table and a withdrawn one."""
    folder = tmp_path_factory.mktemp("kerman")
    vkey = make_node(folder)
    publish(folder, "budget-1404", budget(5, 1), "2026-01-01T00:00:00Z")
    publish(folder, "budget-1404", budget(6, 2), "2026-02-01T00:00:00Z")
    publish(folder, "long", budget(140_000, 1), "2026-02-01T00:00:00Z")
    publish(folder, "mistake", budget(2, 1), "2026-02-01T00:00:00Z")
    withdraw(folder, "mistake")
    policy = f"log {vkey}\nquorum none\n".encode()
    with served(folder) as address:
        yield Running(address, policy, folder)


@pytest.fixture
def node(running: Running) -> Iterator[Node]:
    """Connect with the city's key and no cache."""
    with connect(running.address, policy=running.policy, cache=False) as found:
        yield found


def test_table_is_what_was_published(node: Node) -> None:
    """From the city's table to the reader's: the same rows, verified."""
    dataset = node.dataset(REF)
    table = dataset.table()

    assert budget(6, 2).equals(table.replace_schema_metadata(None))
    assert (2, "content") == (dataset.version, dataset.provenance.verified)
    assert Trust.SIGNED is dataset.verdict.trust
    assert "بودجهٔ ۱۴۰۴" == dataset.title.fa


def test_keys_of_the_node_alone_do_not_anchor(running: Running) -> None:
    """Without a policy the node's own list of keys is used, and named as that."""
    with connect(running.address, cache=False) as node:
        assert Trust.UNANCHORED is node.dataset(REF).verdict.trust


def test_long_table_is_read_in_parts_and_by_ranges(node: Node) -> None:
    """A condition on a long table reads few rows; the whole one is verified."""
    dataset = node.dataset("kerman/long")
    rows = dataset.table(
        columns=["line_code", "title"], where=dataset.field("line_code") >= "0139998"
    )

    assert ["0139998", "0139999"] == rows["line_code"].to_pylist()
    part = dataset.provenance
    whole = dataset.table(verify="content")
    assert (140_000, "entry") == (whole.num_rows, part.verified)
    assert "content" == dataset.provenance.verified
    assert len(dataset.provenance.files) > 1


def test_csv_is_the_node_s_csv(node: Node, running: Running) -> None:
    """The CSV that is written here and that of the node are one, byte by byte."""
    dataset = node.dataset(REF)
    web = Web(running.address)
    data = web.get(f"/d/{REF}/v/2/budget.csv", 100_000)
    web.close()

    assert data == saving.csv_bytes(dataset.table())


def test_workbook_comes_from_the_node(node: Node, tmp_path: Path) -> None:
    """What only the node makes is fetched from it."""
    path = node.dataset(REF).save(tmp_path, ["xlsx"])[0]

    assert b"PK" == path.read_bytes()[:2]


def test_saved_files_verify_offline(
    node: Node, running: Running, tmp_path: Path
) -> None:
    """What was saved verifies without the node."""
    written = node.dataset("kerman/long").save(tmp_path)
    parts = [path for path in written if path.suffix == ".parquet"]
    verdicts = [
        verify(part, receipt=written[-1], policy=running.policy) for part in parts
    ]

    assert len(parts) > 1
    assert {True} == {bool(verdict) for verdict in verdicts}


def test_history(node: Node) -> None:
    """Versions, differences and the report come from the node and are checked."""
    dataset = node.dataset(REF)

    assert [2, 1] == [version.number for version in dataset.versions()]
    assert "single" == dataset.versions()[0].approval
    assert {"added": 1, "removed": 0, "changed": 3} == dataset.diff(1, 2).counts
    assert {"valid": True, "rows": 6} == dataset.report()
    assert ["line_code"] == dataset.schema()["primaryKey"]


def test_missing_versions_and_datasets(node: Node) -> None:
    """The node's refusals arrive with its reasons."""
    with pytest.raises(NotFound) as version:
        node.dataset(REF, version=9)
    with pytest.raises(NotFound) as unknown:
        node.dataset("kerman/nothing")
    with pytest.raises(NotFound) as early:
        node.dataset(REF, as_of="1400-01-01")
    assert [
        Reason.VERSION_UNKNOWN,
        Reason.DATASET_UNKNOWN,
        Reason.NOT_YET_PUBLISHED,
    ] == [caught.value.reason for caught in (version, unknown, early)]


def test_withdrawn_dataset(node: Node) -> None:
    """A withdrawal is an error of its own; a version by number stays readable."""
    with pytest.raises(Withdrawn) as caught:
        node.dataset("kerman/mistake")
    assert Reason.DATASET_WITHDRAWN is caught.value.reason
    assert 2 == node.dataset("kerman/mistake", version=1).table().num_rows


def test_search_and_changes(node: Node) -> None:
    """Lists come from the node's index, and changes in its order."""
    hits = list(node.search("بودجه", family="budget_lines", fiscal_year=1404))
    changes = list(node.changes())

    assert {REF, "kerman/long"} == {hit.ref for hit in hits}
    assert ["kerman/mistake"] == [hit.ref for hit in node.search(withdrawn=True)]
    assert ["put", "put", "put", "put", "delete"] == [change.op for change in changes]
    assert changes[3:] == list(node.changes(after=changes[2].cursor))
    assert [] == list(node.changes(after=changes[-1].cursor))
    with pytest.raises(NotFound, match="sort"):
        list(node.search(sort="sideways"))


def test_family_over_the_node(node: Node) -> None:
    """A union names its inputs, and a city that is not here is missing."""
    union = node.family("budget_lines").table(
        cities=["kerman", "rasht"], columns=["line_code"], verify="content"
    )

    assert {REF, "kerman/long"} == {used.ref for used in union.inputs}
    assert ("rasht",) == union.missing
    assert 140_006 == union.table.num_rows


def test_short_ways_are_the_long_ones(node: Node, tmp_path: Path) -> None:
    """One call from the node: a table of a year, versions, a difference, a proof."""
    union = node.table("budget_lines", ["kerman"], year=1404, columns=["line_code"])
    dataset = node.dataset(REF)
    file, *_, receipt = dataset.save(tmp_path)

    assert {REF, "kerman/long"} == {used.ref for used in union.inputs}
    assert dataset.versions() == node.history(REF)
    assert repr(dataset.diff(1, 2)) == repr(node.diff(REF, 1, 2))
    assert node.verify(file, receipt)
    assert not node.verify(receipt, receipt)
    with pytest.raises(NotFound):
        node.table("budget_lines", year=1403)


@pytest.mark.parametrize("way", ["folder", "web"])
def test_mirror_of_the_node_is_the_same_city(way: str, running: Running) -> None:
    """The static tree, on disk or over HTTP, gives the same record and table."""
    folder = str(running.folder / "data/objects")
    place = folder if way == "folder" else f"{running.address}/mirror"
    with (
        connect(place, policy=running.policy, cache=False) as mirror,
        connect(running.address, policy=running.policy, cache=False) as node,
    ):
        ours, theirs = mirror.dataset(REF), node.dataset(REF)

        assert theirs.record == ours.record
        assert theirs.table().equals(ours.table())
        assert ("log", "node") == (
            ours.provenance.selection,
            theirs.provenance.selection,
        )
        with pytest.raises(Withdrawn):
            mirror.dataset("kerman/mistake")


def test_mirror_stands_in_for_a_node_that_is_away(running: Running) -> None:
    """A folder behind a dead address serves what the node cannot."""
    places = ["http://127.0.0.1:9", str(running.folder / "data/objects")]
    with connect(places, policy=running.policy, cache=False) as node:
        dataset = node.dataset(REF)

    assert 1 == len(dataset.provenance.refused)
    assert 2 == dataset.version


@pytest.mark.parametrize(
    "given",
    [
        "kerman--budget-1404",
        "/d/kerman/budget-1404.json",
        "https://data.kerman.ir/fa/d/kerman/budget-1404/v/1?lang=fa#rows",
    ],
)
def test_a_dataset_is_found_by_what_people_copy(node: Node, given: str) -> None:
    """Its name in one word, the address of its page or of its data."""
    assert REF == node.dataset(given).ref


def test_a_city_may_be_named_alone(node: Node) -> None:
    """A single name is one city, and not a city for each letter."""
    assert (140_006, ()) == (
        node.table("budget_lines", cities="kerman").table.num_rows,
        node.table("budget_lines", cities=["kerman"]).missing,
    )


@pytest.mark.parametrize(
    ("ask", "reason", "said"),
    [
        (lambda node: node.table("budget"), Reason.STANDARD_UNKNOWN, "budget_lines"),
        (
            lambda node: node.table("budget_lines", cities="tehran"),
            Reason.NOT_OFFERED,
            "budget_lines tehran",
        ),
        (
            lambda node: node.dataset(REF, as_of="1404-01-01"),
            Reason.NOT_YET_PUBLISHED,
            "2025-03-21T20:29:59Z",
        ),
        (lambda node: node.analysis("none"), Reason.ANALYSIS_UNKNOWN, "budgets"),
        (
            lambda node: (ds := node.dataset(REF)).table(where=ds.field("x") == "1"),
            Reason.PARAMETER_VALUE,
            "line_code",
        ),
        (lambda node: node.dataset("budget-1404"), Reason.DATASET_UNKNOWN, "/v1/"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(
    node: Node, ask: Any, reason: Reason, said: str
) -> None:
    """The error says what there is, or since when."""
    with pytest.raises(NotFound) as caught:
        ask(node)

    assert reason is caught.value.reason
    assert said in str(caught.value)
