"""`shahrdad doctor` on people, tokens, keys and the audit: planted faults are found."""

from datetime import timedelta
from pathlib import Path

import pytest

from account_world import add_person, settle, strict_node
from shahrdad.node.accounts import tokens
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import MACHINE, parse_scope
from shahrdad.node.city import Node
from shahrdad.node.operating.accounts_examination import CHECKS


def severities(node: Node) -> dict[str, str]:
    """Return what each check says of a node."""
    found = {subject: check(node.config) for subject, check in CHECKS}
    for finding in found.values():
        assert finding.severity == "ok" or (finding.mend_fa and finding.mend_en)
    return {subject: finding.severity for subject, finding in found.items()}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node under four eyes."""
    return strict_node(tmp_path)


def test_sound_node_has_no_findings(node: Node) -> None:
    """With people, second factors and an audit, everything is well."""
    settle(node)

    assert {"ok"} == set(severities(node).values())


def test_planted_faults_are_found(node: Node) -> None:
    """Nobody to approve, a bare publisher, an ending token, open key, cut audit."""
    assert "failure" == severities(node)["people"]
    settle(node)
    add_person(node, "bare", "publisher", factor=False)
    assert "warning" == severities(node)["people"]
    with node.database.transaction() as connection:
        from shahrdad.node.accounts import people

        tokens.create(
            connection,
            node.account_key,
            MACHINE,
            people.find(connection, "edna"),
            [parse_scope("submit")],
            days=3,
            name="short",
            at=present(),
        )
    assert "warning" == severities(node)["tokens"]
    (node.config.data / "accounts.key").chmod(0o644)
    assert "failure" == severities(node)["accounts-key"]
    connection = node.database.connect()
    connection.execute("DROP TRIGGER audit_never_shrinks")
    connection.execute("DELETE FROM audit WHERE seq=2")
    assert "failure" == severities(node)["audit"]


def test_clock_that_is_behind_is_found(node: Node) -> None:
    """An entry from the future means that this clock is wrong, or that city's."""
    late = (present() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    node.database.connect().execute(
        "INSERT INTO dataset_version VALUES (1, 1, 1, 1, ?, zeroblob(32), 0, NULL,"
        " 'missing')",
        (late,),
    )

    assert "failure" == severities(node)["clock"]
