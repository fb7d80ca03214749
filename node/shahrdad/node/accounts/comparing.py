"""The audit against the signed log: who writes the chain anew contradicts the log."""

from typing import TYPE_CHECKING

from shahrdad.node.accounts import audit

if TYPE_CHECKING:
    from shahrdad.node.city import Node


def check_records(node: "Node") -> int:
    """Compare the chain with the head that each record of this city carries.

    Returns:
        How many records carry one.

    Raises:
        PeerError: AUDIT_BROKEN.
    """
    connection = node.database.connect()
    count = 0
    for dataset in node.catalog.list(city=node.config.node.city, withdrawn=True):
        for version in node.catalog.versions(dataset.ref):
            if version.state != "held":
                continue
            body = node.catalog.body(version.digest)
            head = body.get("shahrdad", {}).get("audit_head")
            if head is not None:
                audit.check_head(connection, int(head["seq"]), str(head["hash"]))
                count += 1
    return count
