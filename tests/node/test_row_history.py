"""One row through the versions: what came, changed and went, with few reads."""

import json
from pathlib import Path

import pytest

from node_world import make_config, ready
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.city import Node
from shahrdad.node.commands import read as commands
from shahrdad.node.config import load
from shahrdad.node.console import Common
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import publish, published_parts
from shahrdad.node.row_history import row_history
from shahrdad.node.store.contract import Area, ObjectStore
from shahrdad.node.table import reading
from shahrdad.node.table.parquet import Part

REF = "kerman/org-units"
UNIT = {"org_unit_id": "mantaghe-2"}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a city with five versions; the fourth lacks a row, the last has all."""
    found = ready(Node(load(make_config(tmp_path))))
    example = find_example("kerman", "org-units")
    text = example.path.read_text("utf-8")
    (line,) = (one for one in text.splitlines(keepends=True) if ",خیر,319" in one)
    second = text.replace(",خیر,319", ",خیر,320")
    other_row = second.replace(",خیر,240", ",خیر,241")
    texts = (text, second, other_row, text.replace(line, ""), text)
    for number, content in enumerate(texts):
        copy = tmp_path / f"{number}.csv"
        copy.write_text(content, "utf-8")
        publish(found, handed(example, copy))
    return found


def test_the_versions_that_changed_a_row(node: Node) -> None:
    """It came, one cell changed, it went, came back; nothing is said of the third."""
    steps = list(row_history(node, REF, UNIT))
    rows = [step.row["headcount"] if step.row else None for step in steps]

    assert [(1, "added"), (2, "changed"), (4, "removed"), (5, "added")] == [
        (step.version.n, step.op) for step in steps
    ]
    assert [319, 320, None, 319] == rows
    assert (("headcount", 319, 320),) == steps[1].cells


def test_parts_of_an_earlier_version_are_not_read_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last version has the object of the first, which is read once."""
    read: list[Digest] = []
    inner = reading.read_part

    def counted(store: ObjectStore, area: Area, part: Part) -> object:
        read.append(part.digest)
        return inner(store, area, part)

    list(row_history(node, REF, UNIT))
    monkeypatch.setattr(reading, "read_part", counted)
    versions = len(list(row_history(node, REF, UNIT)))
    second = next(n for n, digest in enumerate(read) if digest != read[0])
    monkeypatch.undo()

    assert 4 == versions
    assert 4 == len(set(read))
    assert read[0] not in read[second:]


def test_a_key_of_several_rows_is_refused(node: Node) -> None:
    """Which row is meant must be clear; a column that is none is said by name."""
    with pytest.raises(RequestError) as several:
        list(row_history(node, REF, {"city_code": "1346"}))
    with pytest.raises(RequestError) as unknown:
        list(row_history(node, REF, {"nothing": "1"}))

    assert Reason.ROW_NOT_ONE is several.value.reason
    assert Reason.COLUMN_UNKNOWN is unknown.value.reason
    assert [] == list(row_history(node, REF, {"org_unit_id": "nobody"}))


def test_a_version_that_is_not_held_is_said(node: Node) -> None:
    """What this node cannot look into is neither a removal nor silence."""
    second = node.catalog.version(REF, 2)[1]
    (part,) = published_parts(node.catalog.body(second.digest))
    node.store.delete(Area.OBJECT, part.digest)
    steps = list(row_history(node, REF, UNIT))

    assert [(1, "added"), (2, "not held"), (3, "changed")] == [
        (step.version.n, step.op) for step in steps[:3]
    ]


def test_the_command(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """`history REF --key column=value`: a line a cell, or all as JSON."""
    options = Common(config=node.config.folder, lang="en")
    commands.history(REF, key=("org_unit_id=mantaghe-2",), common=options)
    text = capsys.readouterr().out
    as_json = Common(config=node.config.folder, json=True, lang="en")
    commands.history(REF, key=("org_unit_id=mantaghe-2",), common=as_json)
    steps = json.loads(capsys.readouterr().out)

    assert {"headcount", "319", "320", "removed"} <= set(text.split())
    assert {"headcount": [319, 320]} == steps[1]["cells"]
    assert "mantaghe-2" == steps[0]["row"]["org_unit_id"]
