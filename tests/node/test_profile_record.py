"""The mapping profile that read a file is part of what is published."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from account_world import actor, settle, strict_node
from node_world import make_node
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.publish import Handed, publish, published_parts
from shahrdad.node.store.contract import Area, read_bytes
from shahrdad.validators import validate

BYTES_MAX = 1 << 20
TEXT = "شماره,پروژه,وضع\n۱,بوستان لاله,در حال اجرا\n۲,پل هوایی,تمام شده\n"
PROFILE: dict[str, Any] = {
    "profile": "kerman-projects",
    "version": 3,
    "family": "projects",
    "signature": ["شماره", "پروژه", "وضع"],
    "money_unit": "million_rial",
    "columns": [
        {"to": "project_id", "from": "شماره"},
        {"to": "title_fa", "from": "پروژه"},
        {
            "to": "status",
            "from": "وضع",
            "values": {"در حال اجرا": "implementation", "تمام شده": "suspended"},
        },
        {"to": "smart_domain", "constant": "environment"},
        {"to": "owner_unit_id", "constant": "omran"},
        {"to": "physical_progress", "constant": "40"},
        {"to": "as_of_date", "constant": "1404/06/31"},
    ],
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that is ready to publish."""
    with make_node(tmp_path) as made:
        yield made


def handed(node: Node, folder: Path, profile: dict[str, Any] = PROFILE) -> Handed:
    """Hand a city's own table in."""
    file = folder / "projects.csv"
    file.write_text(TEXT, "utf-8")
    return handed_of(node.config, file, family="projects", profile=profile)


def profile_object(node: Node, body: dict[str, Any]) -> bytes:
    """Return the profile that a record names, from where everybody may read it."""
    digest = Digest.parse(body["shahrdad"]["profile"]["sha256"])
    return read_bytes(node.store, Area.OBJECT, digest, BYTES_MAX)


def test_record_names_the_profile(node: Node, tmp_path: Path) -> None:
    """Name, version, unit, calendar and digest, the same as in the report."""
    outcome, report = publish(node, handed(node, tmp_path))
    body = node.catalog.body(node.catalog.get(outcome.ref).digest)
    said = body["shahrdad"]["profile"]
    facts = report.to_dict()["shahrdad"]["profile"]
    (item,) = [one for one in record.objects(body) if one.role == "profile"]

    assert {
        "profile": "kerman-projects",
        "version": 3,
        "money_unit": "million_rial",
        "calendar": "jalali",
        "sha256": facts["sha256"],
    } == said
    assert said["sha256"] == item.digest.hex
    assert item.public


def test_import_can_be_repeated_by_anybody(node: Node, tmp_path: Path) -> None:
    """The object of the record and the original give the same report, byte for byte."""
    wanted = handed(node, tmp_path)
    outcome, report = publish(node, wanted)
    body = node.catalog.body(node.catalog.get(outcome.ref).digest)
    profile = json.loads(profile_object(node, body))
    again = validate(
        wanted.file,
        schema="projects",
        profile=profile,
        context={
            "city_code": node.config.node.city_code,
            "release_date": body["created"][:10],
        },
    )

    assert {"to": "city_code", "constant": "1346"} in profile["columns"]
    assert report.rows == again.rows == 2
    assert again.to_json(stored=True) == report.to_json(stored=True)


def test_what_was_declared_beside_the_profile_is_in_it(
    node: Node, tmp_path: Path
) -> None:
    """A unit given as an option belongs to the profile that was used."""
    bare = {name: value for name, value in PROFILE.items() if name != "money_unit"}
    wanted = replace(handed(node, tmp_path, bare), options={"unit": "toman"})
    outcome, _ = publish(node, wanted)
    body = node.catalog.body(node.catalog.get(outcome.ref).digest)

    assert "toman" == body["shahrdad"]["profile"]["money_unit"]
    assert "toman" == json.loads(profile_object(node, body))["money_unit"]


def test_another_profile_for_the_same_table_is_no_version(
    node: Node, tmp_path: Path
) -> None:
    """What the table says decides; the record of the first version stays."""
    first, _ = publish(node, handed(node, tmp_path))
    second, _ = publish(node, handed(node, tmp_path, {**PROFILE, "version": 4}))
    body = node.catalog.body(node.catalog.get(first.ref).digest)

    assert ("published", "unchanged") == (first.state, second.state)
    assert 3 == body["shahrdad"]["profile"]["version"]


def test_profile_of_a_draft_is_private_until_it_is_approved(tmp_path: Path) -> None:
    """Nothing of a draft can be read before; then everything can."""
    with strict_node(tmp_path) as node:
        settle(node, password=None)
        edna, paul = actor(node, "edna"), actor(node, "paul")
        found = drafting.draft_file(node, handed(node, tmp_path), edna).draft
        body = json.loads(found.now.content or b"{}")
        digest = Digest.parse(body["shahrdad"]["profile"]["sha256"])
        before = node.store.stat(Area.OBJECT, digest)
        draft = drafting.submit(node, found.id, edna)
        assert draft.digest is not None
        drafting.approve(node, draft.id, draft.digest, paul)

        assert before is None
        assert "kerman-projects" == json.loads(profile_object(node, body))["profile"]
        assert published_parts(body)
