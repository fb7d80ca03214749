"""Redaction: two roles, then the content is gone from every area and every mirror."""

from dataclasses import replace
from pathlib import Path

import pytest

from account_world import actor, add_person, settle, strict_node
from federated_nodes import listening, make_cities, opened
from node_world import publish_example
from shahrdad.datasets.errors import Reason, ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node import record
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting, drafts
from shahrdad.node.desk.drafts import Draft
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.peering.rounds import run_round
from shahrdad.node.store.contract import Area, put_bytes, read_bytes

REF = "kerman/org-units"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node under four eyes that published one dataset."""
    found = strict_node(tmp_path)
    settle(found, password=None)
    by, other = actor(found, "edna"), actor(found, "paul")
    example = handed(find_example("kerman", "org-units"))
    draft = drafting.draft_file(found, example, by).draft
    draft = drafting.submit(found, draft.id, by)
    assert draft.digest is not None
    drafting.approve(found, draft.id, draft.digest, other)
    return found


def wish(node: Node, by: str) -> Draft:
    """Ask for the first version to be removed."""
    return drafting.draft_redaction(node, REF, 1, actor(node, by), reason="privacy")


def approve(node: Node, draft: Draft, by: str) -> Draft:
    """Approve a removal."""
    assert draft.digest is not None
    return drafting.approve(node, draft.id, draft.digest, actor(node, by))


def reason(node: Node, draft: Draft, by: str) -> Reason:
    """Return why an approval is refused."""
    with pytest.raises(ShahrdadError) as caught:
        approve(node, draft, by)
    return caught.value.reason


@pytest.mark.parametrize(("asks", "agrees"), [("adam", "paul"), ("petra", "adam")])
def test_content_is_gone_from_everywhere(node: Node, asks: str, agrees: str) -> None:
    """No area, no table, no file of the node holds a byte of it; the digest stays."""
    digest = node.catalog.get(REF).digest
    body = node.catalog.body_bytes(digest)
    named = record.objects(node.catalog.body(digest))
    export = put_bytes(node.store, Area.DERIVED, b"an export of it")
    draft = wish(node, asks)
    done = approve(node, draft, agrees)
    dataset, version = node.catalog.version(REF, 1)

    assert ("published", "withdrawn", "redacted") == (
        done.state,
        dataset.state,
        version.state,
    )
    assert 4 == len(named)  # original, table, report, profile
    for item in [*named, record.NamedObject(export, 0, "export", False)]:
        assert [] == [a for a in Area if node.store.stat(a, item.digest) is not None]
    assert node.store.read_named(MirrorPath.body(digest), 1 << 20) is None
    (bodies,) = (
        node.database.connect()
        .execute("SELECT COUNT(*) FROM body WHERE sha256=?", (digest.raw,))
        .fetchone()
    )
    assert 0 == bodies
    old = drafts.find(node.database.connect(), ["published"])
    assert all(one.now.content != body for one in old)
    node.database.connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert body not in node.database.path.read_bytes()
    kept = [path for path in node.config.data.rglob("*") if path.is_file()]
    assert [] == [path for path in kept if body in path.read_bytes()]
    entries = node.logs.entries(node.config.federation.origin, 0, 10)
    assert any(digest.hex.encode() in raw for raw in entries)


@pytest.mark.parametrize(
    ("asks", "agrees", "expected"),
    [
        ("adam", "adam", Reason.FOUR_EYES),
        ("petra", "petra", Reason.FOUR_EYES),
        ("petra", "paul", Reason.REDACTION_ROLES),
        ("adam", "ada", Reason.REDACTION_ROLES),
        ("adam", "edna", Reason.FORBIDDEN),
        ("adam", "aura", Reason.FORBIDDEN),
    ],
)
def test_one_role_alone_redacts_nothing(
    node: Node, asks: str, agrees: str, expected: Reason
) -> None:
    """Neither two publishers nor two administrators can, nor anybody else."""
    add_person(node, "ada", "admin", password=None)
    draft = wish(node, asks)

    assert expected is reason(node, draft, agrees)
    assert "held" == node.catalog.version(REF, 1)[1].state


def test_object_that_another_record_names_stays(node: Node) -> None:
    """The same bytes in another dataset are that dataset's too."""
    digest = node.catalog.get(REF).digest
    (table,) = [
        item
        for item in record.objects(node.catalog.body(digest))
        if item.role == "table"
    ]
    example = handed(find_example("kerman", "org-units"))
    by = actor(node, "edna")
    twin = drafting.draft_file(node, replace(example, slug="org-units-2"), by).draft
    sent = drafting.submit(node, twin.id, by)
    approve(node, wish(node, "adam"), "paul")
    approve(node, sent, "paul")
    body = node.catalog.body(node.catalog.get("kerman/org-units-2").digest)

    assert all(
        node.store.stat(Area.OBJECT if item.public else Area.PRIVATE, item.digest)
        for item in record.objects(body)
    )
    assert table.digest not in {item.digest for item in record.objects(body)} or (
        node.store.stat(Area.OBJECT, table.digest) is not None
    )


def test_mirror_drops_it_at_its_next_round(tmp_path: Path) -> None:
    """Another city held record and objects; one round later it holds neither."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    held = replace(configs["shiraz"].mirror, objects="all")
    shiraz_config = replace(configs["shiraz"], mirror=held)
    with opened(configs["kerman"], shiraz_config) as (kerman, shiraz):
        settle(kerman, password=None)
        publish_example(kerman, "org-units")
        digest = kerman.catalog.get(REF).digest
        named = record.objects(kerman.catalog.body(digest))
        public = [item.digest for item in named if item.public]
        with listening(kerman, shiraz):
            run_round(shiraz)
            for one in public:  # what a fetch over HTTP would have brought
                copy_object(kerman, shiraz, one)
            assert digest == shiraz.catalog.get(REF).digest
            approve(kerman, wish(kerman, "adam"), "paul")
            run_round(shiraz)
        shiraz.projection.follow()

        assert "redacted" == shiraz.catalog.version(REF, 1)[1].state
        assert shiraz.store.read_named(MirrorPath.body(digest), 1 << 20) is None
        rows = shiraz.database.connect().execute(
            "SELECT COUNT(*) FROM body WHERE sha256=?", (digest.raw,)
        )
        assert (0,) == rows.fetchone()


def copy_object(source: Node, target: Node, digest: Digest) -> None:
    """Put an object of one node into another's public area."""
    content = read_bytes(source.store, Area.OBJECT, digest, 1 << 26)
    put_bytes(target.store, Area.OBJECT, content)


def test_kill_after_the_entry_is_finished(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the redaction, the objects are still there: the next run goes on."""
    named = record.objects(node.catalog.body(node.catalog.get(REF).digest))
    draft = wish(node, "adam")

    def killed(node: Node, digests: list[Digest]) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shahrdad.node.redaction.remove_unnamed", killed)
        with pytest.raises(KeyboardInterrupt):
            approve(node, draft, "paul")
    (done,) = drafting.finish(node)

    assert "published" == done.state
    for item in named:
        assert [] == [a for a in Area if node.store.stat(a, item.digest) is not None]


def test_single_approval_redacts_nothing_alone(tmp_path: Path) -> None:
    """A city that publishes with one approval still needs two for a removal."""
    from node_world import make_node

    node = make_node(tmp_path)
    settle(node, password=None)
    publish_example(node, "org-units")
    digest = node.catalog.get(REF).digest

    with pytest.raises(ShahrdadError) as caught:
        node.append_redact("ds/org-units", digest, "privacy", newest=True)
    assert Reason.APPROVAL_NEEDED is caught.value.reason
    assert "published" == approve(node, wish(node, "adam"), "paul").state
