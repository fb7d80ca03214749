"""`shahrdad doctor` shows what the probe of the store found, each with its mend."""

from pathlib import Path

import pytest

from node_world import make_config
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.operating import store_examination, upkeep
from shahrdad.node.operating.findings import Finding
from shahrdad.node.operating.store_examination import examine_store, finding_of
from shahrdad.node.store.local import MARKER
from shahrdad.node.store.probe import ProbeLine, State


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Return the configuration of a node whose folder another log has marked."""
    file = make_config(tmp_path)
    marker = load(file).data / "objects" / MARKER
    marker.unlink()
    marker.write_text("tabriz.example.ir/catalog\n", "utf-8")
    return file


def test_sound_store_is_a_few_lines(tmp_path: Path) -> None:
    """Good steps are one finding; the place and its links have their own."""
    findings = examine_store(load(make_config(tmp_path)))

    assert ["store", "store-owner", "store-hard-links"] == [
        one.subject for one in findings
    ]
    assert {"ok"} == {one.severity for one in findings}


def test_node_begins_in_no_place_of_another(foreign: Path) -> None:
    """Each would collect the other's objects: neither signing nor collection begins."""
    config = load(foreign)
    with Node(config) as node:
        with pytest.raises(RequestError) as signing:
            node.start_signing(offline=True)
        with pytest.raises(RequestError) as collecting:
            upkeep.collector(node)

    assert {Reason.STORE_FOREIGN} == {signing.value.reason, collecting.value.reason}
    owner = {one.subject: one for one in examine_store(config)}["store-owner"]
    assert "failure" == owner.severity
    assert "tabriz.example.ir/catalog" in owner.en
    assert "store.prefix" in owner.mend_en


@pytest.mark.parametrize("question", [*store_examination.WORDS, "put"])
def test_every_question_has_its_mend(question: str) -> None:
    """In both languages; none is left without what to do."""
    bad: Finding = finding_of(ProbeLine(question, State.BAD, "found"))
    good = finding_of(ProbeLine(f"{question} open-data", State.GOOD, "found"))

    assert "failure" == bad.severity
    assert "found" in bad.fa
    assert "found" in bad.en
    assert bad.mend_fa
    assert bad.mend_en
    assert ("ok", "", "") == (good.severity, good.mend_fa, good.mend_en)
