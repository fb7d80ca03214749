"""The catalog follows the log, shows only what is held, and can be built again."""

from pathlib import Path
from typing import Any

import pytest

from node_world import make_node, put_record
from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.federation.log.writer import PutEntry
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.city import Node
from shahrdad.node.publish import withdraw

TABLES = (
    "SELECT ref, city, slug, family, license, fiscal_year, rows, bytes, state, version,"
    " idx, first_published, updated, reason, title_fa, title_en, sort_fa, sha256"
    " FROM dataset ORDER BY ref",
    "SELECT d.ref, v.n, v.idx, v.time, v.sha256, v.rows, v.change, v.state"
    " FROM dataset_version v JOIN dataset d ON d.id=v.dataset ORDER BY d.ref, v.n",
    "SELECT facet, value, ref FROM dataset_facet f JOIN dataset d ON d.id=f.dataset"
    " ORDER BY 1, 2, 3",
    "SELECT area, sha256, kind, owner FROM object_ref WHERE kind='body' ORDER BY 2, 4",
    "SELECT word, df FROM term ORDER BY word",
    "SELECT title, keywords, fields, description, title_x FROM search ORDER BY title",
)


def world(node: Node) -> list[list[tuple[Any, ...]]]:
    """Return the whole catalog, without row numbers."""
    connection = node.database.connect()
    return [connection.execute(sql).fetchall() for sql in TABLES]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node of Kerman that has published nothing."""
    return make_node(tmp_path)


def test_published_record_is_shown(node: Node) -> None:
    """What the log says is what the catalog shows, with version and index."""
    index = put_record(node, "projects", "پروژه‌ها")
    dataset = node.catalog.get("kerman/projects")

    assert ("پروژه‌ها", 1, index, "live") == (
        dataset.title_fa,
        dataset.version,
        dataset.index,
        dataset.state,
    )
    assert dataset == node.catalog.get("kerman--projects")


def test_versions_count_the_puts_of_a_key(node: Node) -> None:
    """Versions have no gaps, whatever is published in between."""
    put_record(node, "projects", n=1)
    put_record(node, "ideas")
    put_record(node, "projects", n=2)

    assert [2, 1] == [version.n for version in node.catalog.versions("kerman/projects")]
    assert 2 == node.catalog.get("kerman/projects").version


def test_withdrawn_dataset_keeps_its_versions(node: Node) -> None:
    """A tombstone is shown with its reason; what was published stays readable."""
    put_record(node, "projects")
    withdraw(node, "projects", reason="error", by="projects-2")
    dataset = node.catalog.get("kerman/projects")

    assert ("withdrawn", "error") == (dataset.state, dataset.reason)
    assert "ds/projects-2" == dataset.replaced_by
    assert 1 == len(node.catalog.versions("kerman/projects"))
    assert [] == node.catalog.list()
    assert [dataset] == node.catalog.list(withdrawn=True)


def test_republished_dataset_is_live_again(node: Node) -> None:
    """After a withdrawal the next put is the next version."""
    put_record(node, "projects", n=1)
    withdraw(node, "projects")
    put_record(node, "projects", n=2)

    assert ("live", 2) == (
        node.catalog.get("kerman/projects").state,
        node.catalog.get("kerman/projects").version,
    )


def test_withdrawing_twice_or_for_another_city_is_refused(node: Node) -> None:
    """A city withdraws its own, once."""
    put_record(node, "projects")
    withdraw(node, "kerman/projects")

    for ref in ("projects", "shiraz/projects", "nothing"):
        with pytest.raises(ShahrdadError) as caught:
            withdraw(node, ref)
        assert caught.value.reason in {
            Reason.ALREADY_WITHDRAWN,
            Reason.NOT_OUR_DATASET,
            Reason.DATASET_UNKNOWN,
        }


def test_rebuilt_catalog_equals_the_one_that_followed(node: Node) -> None:
    """The catalog is a projection: dropped and built again, it is the same."""
    put_record(node, "projects", "پروژه‌های ۱۴۰۴", n=1)
    put_record(node, "ideas", "ایده‌ها", description={"keywords_fa": ("نوآوری", "ایده")})
    put_record(node, "projects", "پروژه‌ها", n=2)
    withdraw(node, "ideas")
    before = world(node)
    node.projection.rebuild()

    assert before == world(node)


def test_version_is_current_as_of_its_time(node: Node) -> None:
    """`as_of` gives what held then; before the first there is nothing."""
    put_record(node, "projects", n=1)
    first = node.catalog.versions("kerman/projects")[0]

    assert first == node.catalog.as_of("kerman/projects", "9999-01-01T00:00:00Z")[1]
    with pytest.raises(RequestError) as caught:
        node.catalog.as_of("kerman/projects", "2000-01-01T00:00:00Z")
    assert Reason.NOT_YET_PUBLISHED is caught.value.reason


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"not json",
        b'{"title": 5, "resources": {"a": 1}, "shahrdad": [], "licenses": "x"}',
        b'{"resources": [{"hash": "sha256:zz", "bytes": "x"}, 7, null]}',
        b'{"resources": [{"hash": "sha256:", "shahrdad": {"rows": -1, "role": []}}]}',
        b'{"title": "\\u0000\\u0000", "keywords": [1, {}], "keywords_en": "no"}',
    ],
)
def test_spoilt_record_is_a_dataset_without_a_title(node: Node, body: bytes) -> None:
    """No bytes of another city stop the catalog."""
    digest = Digest.of(body)
    node.writer.publish([PutEntry("ds/spoilt", digest)], {digest: body})
    node.projection.follow()
    dataset = node.catalog.get("kerman/spoilt")

    assert 1 == dataset.version
    assert dataset.title_en == "spoilt"


def test_keys_outside_datasets_are_no_datasets(node: Node) -> None:
    """The catalog lists `ds/…` alone."""
    body = b'{"title":"x"}'
    digest = Digest.of(body)
    node.writer.publish([PutEntry("city/kerman", digest)], {digest: body})
    node.projection.follow()

    assert [] == node.catalog.list(withdrawn=True)


def test_changes_are_told_in_order(node: Node) -> None:
    """Who asks from a cursor gets every change after it, once."""
    put_record(node, "projects", n=1)
    put_record(node, "ideas")
    withdraw(node, "projects")
    changes = node.catalog.changes(0, 100)

    assert [("kerman/projects", "put"), ("kerman/ideas", "put")] == [
        (change.ref, change.op) for change in changes[:2]
    ]
    assert ("delete", "withdrawn") == (changes[2].op, changes[2].reason)
    assert [changes[2]] == node.catalog.changes(changes[1].seq, 100)
