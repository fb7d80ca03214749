"""`shahrdad deliver`: fetch now what running systems deliver regularly."""

import sys
from typing import Annotated

from cyclopts import Parameter

from shahrdad.node.console import Common, print_json


def deliver(
    name: str | None = None,
    *,
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Fetch a delivery of the configuration now; without a name, those that are due.

    Args:
        name: The delivery, as `[[deliveries]]` calls it.
        every: All of them, due or not.
    """
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.city import open_node
    from shahrdad.node.desk import deliveries
    from shahrdad.node.exit_codes import ExitCode

    with open_node(common.config) as node:
        if name is not None:
            found = [deliveries.run(node, deliveries.find(node, name))]
        elif every:
            found = [deliveries.run(node, one) for one in node.config.deliveries]
        else:
            found = deliveries.run_due(node, present())
    if common.json:
        print_json([one.to_dict() for one in found])
    else:
        common.table(
            ["delivery", "state", "draft", "problem"],
            [
                (one.name, one.state, one.draft or "", one.problem or "")
                for one in found
            ],
        )
    if any(one.state == "failed" for one in found):
        sys.exit(ExitCode.PARTLY)
