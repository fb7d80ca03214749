"""`shahrdad usage`: whether anybody reads what the city publishes."""

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter, validators

from shahrdad.node.console import Common, print_json

DAYS = 30


def usage(
    *,
    days: Annotated[int, Parameter(validator=validators.Number(gte=1))] = DAYS,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Show how often each dataset was read, by what sort of reader; nobody is named.

    Args:
        days: Of the last so many days.
    """
    from shahrdad.node import usage as readings
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.city import open_node

    since = (present().date() - timedelta(days=days - 1)).isoformat()
    with open_node(common.config) as node:
        rows = list(readings.read(node.database.connect(), since))
    if common.json:
        names = ("ref", "reader", "thing", "times")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    common.table(["ref", "reader", "thing", "times"], rows)
