"""Figures that a node computed: what they rest on is looked up in the cities' logs."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from client_node import make_node, publish, served
from shahrdad.client import Node, NotFound, Reason, VerificationError, connect
from shahrdad.client import analysis as analyses
from shahrdad.client.source import Computed
from shahrdad.datasets.errors import PeerError


def budget(rows: int) -> pa.Table:
    """Return a table that calls itself a budget."""
    return pa.table({"line_code": [f"{n:07}" for n in range(rows)]})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a city with one dataset."""
    folder = tmp_path_factory.mktemp("kerman")
    make_node(folder)
    publish(folder, "budget-1404", budget(3), "2026-01-01T00:00:00Z")
    with served(folder) as found:
        yield found


@pytest.fixture
def node(address: str) -> Iterator[Node]:
    """Connect without a cache."""
    with connect(address, cache=False) as found:
        yield found


def test_inputs_stand_in_their_city_s_log(node: Node) -> None:
    """Every version that a table names is found there, with its digest."""
    found = node.analysis("budgets")

    assert "inputs" == found.verified
    assert ["kerman/budget-1404"] == [used.ref for used in found.inputs]
    assert "" not in {used.trust for used in found.inputs}
    assert "approved_rial" in found.table.schema.names
    assert f"computed by {found.node}" in repr(found)


def test_without_verification_the_answer_says_so(node: Node) -> None:
    """Nothing is called checked that was not."""
    found = node.analysis("budgets", verify=False)

    assert "nothing" == found.verified
    assert {""} == {used.trust for used in found.inputs}


def test_parameters_are_the_node_s(node: Node) -> None:
    """A wrong one is refused with its reason; a mirror computes nothing."""
    with pytest.raises(NotFound, match="galaxy"):
        node.analysis("budgets", scope="galaxy")
    with pytest.raises(NotFound):
        node.analysis("nothing")


def test_a_mirror_offers_none(tmp_path: Path) -> None:
    """Files hold no figures."""
    (tmp_path / "heads").write_bytes(b"")
    with connect(tmp_path, cache=False) as mirror, pytest.raises(NotFound) as caught:
        mirror.analysis("budgets")
    assert Reason.NOT_OFFERED is caught.value.reason


def said(node: Node, **changes: Any) -> Computed:
    """Return what the node says, with a lie in it."""
    source = node._library.first
    true = source.computed("budgets", {})
    return Computed(**{name: getattr(true, name) for name in true.__slots__} | changes)


def test_a_version_that_the_log_has_not_is_refused(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that names another digest, or a digest of other inputs, is caught."""
    ref, version, _ = said(node).inputs[0]
    lie = (ref, version, "0" * 64)
    from shahrdad.federation.verify import strict_json
    from shahrdad.federation.verify.digest import Digest

    listed = [{"ref": ref, "version": version, "digest": lie[2]}]
    pinned = Digest.of(strict_json.canonical(listed)).hex
    for answer, reason in (
        (said(node, inputs=(lie,)), Reason.NODE_ANSWER),
        (said(node, inputs=(lie,), inputs_digest=pinned), Reason.VERIFICATION_FAILED),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(
                type(node._library.first), "computed", lambda *_, found=answer: found
            )
            with pytest.raises(VerificationError) as caught:
                node.analysis("budgets")
        assert reason is caught.value.reason


def test_cells_have_the_declared_types() -> None:
    """Rial beyond 2^53, exact decimals, days; a wrong cell is the node's fault."""
    fields = [
        {"name": name, "type": kind}
        for name, kind in (
            ("city", "string"), ("rial", "integer"), ("percent", "decimal"),
            ("due", "date"), ("met", "boolean"), ("days", "number"),
        )
    ]  # fmt: skip
    row = {
        "city": "kerman", "rial": "9007199254740993", "percent": "3.16",
        "due": "2026-01-01", "met": True, "days": 1.5,
    }  # fmt: skip
    empty = dict.fromkeys(row)

    def computed(*rows: dict[str, Any]) -> Computed:
        return Computed("x", tuple(fields), rows, (), "", (), ())

    table = analyses.arrow("node", computed(row, empty))
    assert [9007199254740993, None] == table["rial"].to_pylist()
    assert [Decimal("3.160"), None] == table["percent"].to_pylist()
    assert pa.date32() == table.schema.field("due").type
    for name, wrong in (("rial", "many"), ("due", "soon"), ("met", "yes")):
        with pytest.raises(PeerError) as caught:
            analyses.arrow("node", computed({**row, name: wrong}))
        assert Reason.NODE_ANSWER is caught.value.reason
