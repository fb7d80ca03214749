"""A portal's files: kept, judged, or linked; and asked for only when they changed."""

from collections.abc import Iterator
from typing import Any

import pytest

from bridge_story import Story
from ckan_simulator import URL, File
from node_world import make_node
from shahrdad.datasets.demo_set import demo_datasets
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.bridge.rows import Conversion
from shahrdad.node.city import Node
from shahrdad.node.incoming.example_files import find_example
from shahrdad.node.store.contract import Area


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that publishes; each test reads a source of its own."""
    with make_node(tmp_path_factory.mktemp("city")) as made:
        yield made


def resource(name: str, **more: Any) -> dict[str, Any]:
    """Return a CSV resource of the portal."""
    url = f"{URL}/files/{name}"
    return {"id": f"r-{name}", "name": name, "format": "CSV", "url": url, **more}


def test_file_is_kept_once_and_asked_for_conditionally(node: Node) -> None:
    """The same bytes are fetched once; new bytes make a version by themselves."""
    story = Story(node)
    story.portal.files[f"{URL}/files/x.csv"] = File(b"a,b\n1,2\n")
    story.portal.put("f1", resources=[resource("x.csv")])

    story.run()
    second = story.run()
    asked = [v for a, v in story.portal.requests if a == "GET"]
    story.portal.files[f"{URL}/files/x.csv"] = File(b"a,b\n1,3\n")
    third = story.run()
    (kept,) = story.held()["f1"]["resources"]

    assert (0, 1) == (second["entries"], third["entries"])
    assert ["if-none-match" in values for values in asked] == [False, True]
    assert (
        f"sha256:{Digest.of(b'a,b' + bytes([10]) + b'1,3' + bytes([10])).hex}"
        == (kept["hash"])
    )
    digest = Digest.parse(kept["hash"].removeprefix("sha256:"))
    assert node.store.stat(Area.OBJECT, digest) is not None


def test_dead_and_large_files_stay_links_and_are_told(node: Node) -> None:
    """Dead links are reported, not dropped."""
    story = Story(node)
    story.portal.files[f"{URL}/files/big.csv"] = File(b"x" * 100_001)
    story.portal.files[f"{URL}/files/fits.csv"] = File(b"x" * 100_000)
    story.portal.files[f"{URL}/files/loop.csv"] = File(
        b"", 302, location=f"{URL}/files/loop.csv"
    )
    names = ["dead.csv", "big.csv", "fits.csv", "loop.csv"]
    story.portal.put("f2", resources=[resource(name) for name in names])

    report = story.run()
    roles = [one["shahrdad"]["role"] for one in story.held()["f2"]["resources"]]

    assert ["original", "link", "link", "link"] == roles
    assert ["SITE_ANSWER", "TOO_LARGE", "SITE_ANSWER"] == [
        item["reason"] for item in report["files"]
    ]


def test_failing_file_stays_as_it_was(node: Node) -> None:
    """A server that fails for an hour makes no version and loses no file."""
    story = Story(node)
    address = f"{URL}/files/y.csv"
    story.portal.files[address] = File(b"a\n1\n")
    story.portal.put("f3", resources=[resource("y.csv")])
    story.run()
    story.portal.files[address] = File(b"", 500)

    report = story.run()

    assert (0, 1) == (report["entries"], len(report["files"]))
    assert "original" == story.held()["f3"]["resources"][0]["shahrdad"]["role"]


def test_links_only_fetches_nothing(node: Node) -> None:
    """A source can be configured to keep links alone."""
    story = Story(node, files="link")
    story.portal.put("f4", resources=[resource("x.csv")])

    story.run()

    assert "GET" not in {action for action, _ in story.portal.requests}
    assert "link" == story.held()["f4"]["resources"][0]["shahrdad"]["role"]


def test_mapped_file_becomes_a_judged_table(node: Node) -> None:
    """A file of a standard is validated, and published as its table."""
    example = find_example("kerman", first_example(node))
    conversion = Conversion("systems*", example.family, example.profile or {})
    story = Story(node, maps=(conversion,))
    address = f"{URL}/files/{example.path.name}"
    suffix = example.path.suffix.removeprefix(".")
    story.portal.files[address] = File(example.path.read_bytes())
    one = {"id": "r1", "name": "table", "format": suffix, "url": address}
    story.portal.put("t1", name="systems-1404", resources=[one])

    first, second = story.run(), story.run()
    body = story.held()["t1"]

    assert (1, 0, []) == (first["entries"], second["entries"], first["files"])
    assert example.family == body["shahrdad"]["family"]
    assert ["table", "report", "original"] == [
        item["shahrdad"]["role"] for item in body["resources"]
    ]
    assert body["resources"][2]["shahrdad"]["public"] is False


def first_example(node: Node) -> str:
    """Return the name of a small example of the city."""
    names = [
        item.path.stem
        for item in demo_datasets()
        if item.published_by == node.config.node.city
        and item.family == "active_systems"
        and item.path.suffix in {".csv", ".xlsx"}
    ]
    return names[0]


def test_table_schema_of_the_portal_is_used(node: Node) -> None:
    """A resource with its own Table Schema becomes a table when it keeps to it."""
    schema = {
        "fields": [{"name": "id", "type": "integer"}, {"name": "name"}],
        "primaryKey": "id",
    }
    story = Story(node)
    story.portal.files[f"{URL}/files/good.csv"] = File(b"id,name\n2,b\n1,a\n")
    story.portal.files[f"{URL}/files/bad.csv"] = File(b"id,name\nx,b\n")
    story.portal.put(
        "t2",
        resources=[
            resource("good.csv", schema=schema),
            resource("bad.csv", schema=schema),
        ],
    )

    report = story.run()
    table, *_, link = story.held()["t2"]["resources"]

    assert ("table", 2, "link") == (
        table["shahrdad"]["role"],
        table["shahrdad"]["rows"],
        link["shahrdad"]["role"],
    )
    assert ["NOT_VALID"] == [item["reason"] for item in report["files"]]
