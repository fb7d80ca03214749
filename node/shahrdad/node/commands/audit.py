"""`shahrdad audit`: what was done and refused, and whether anyone rewrote it."""

from typing import Any

from cyclopts import App

from shahrdad.node.console import Common, print_json

app = App(name="audit", help="The audit: every write and every refused write.")


@app.command
def list(  # noqa: A001
    *,
    after: int = 0,
    limit: int = 100,
    common: Common = Common(),  # noqa: B008
) -> None:
    """List rows of the audit, the oldest first.

    Args:
        after: Only rows after this one.
        limit: At most so many.
    """
    from shahrdad.node.accounts import audit
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        found = [*audit.entries(node.database.connect(), after=after, limit=limit)]
    if common.json:
        print_json([entry_json(entry) for entry in found])
        return
    common.table(
        ["seq", "time", "actor", "action", "object", "decision", "reason"],
        [
            (
                entry.seq,
                entry.row["time"],
                entry.actor,
                entry.row["action"],
                entry.row["object"],
                entry.row["decision"],
                entry.row.get("reason"),
            )
            for entry in found
        ],
    )


@app.command
def verify(*, common: Common = Common()) -> None:  # noqa: B008
    """Walk the chain, and compare it with what the signed records carry of it."""
    from shahrdad.node.accounts import audit
    from shahrdad.node.accounts.comparing import check_records
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        node.projection.follow()
        head = audit.verify(node.database.connect())
        records = check_records(node)
    if common.json:
        print_json({**head.to_dict(), "records": records})
        return
    common.say(
        f"سیاهه درست است: {head.seq} ردیف، و {records} سند امضاشده همان را می‌گویند.",
        f"The audit holds: {head.seq} rows, and {records} signed records agree.",
    )


def entry_json(entry: Any) -> dict[str, Any]:
    """Return the stable JSON shape of a row."""
    return {
        **entry.row,
        "hash": entry.hash.hex(),
        "actor_name": entry.actor,
        "address_value": entry.address,
    }
