"""The report of a run: what it did, or would do; stable, for people and programs."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.federation.bridge.decisions import Decision
from shahrdad.node.bridge.ledger import Ledger
from shahrdad.node.bridge.rows import Held, Run, Seen, Source
from shahrdad.node.bridge.submitting import listed

if TYPE_CHECKING:
    from shahrdad.node.city import Node

LISTED_MAX = 1_000  # datasets that a report names one by one
DONE = ("published", "withdrawn", "failed", "submitted", "waiting")


def report_of(
    node: "Node",
    source: Source,
    run: Run,
    state: str,
    fault: ShahrdadError | None = None,
) -> dict[str, Any]:
    """Return the report of a run.

    Args:
        node: The node.
        source: Whose run it is.
        run: The run.
        state: How far it is.
        fault: What cut its reading short.
    """
    ledger = Ledger(node.database.connect)
    items = ledger.seen(run.id)
    gone = [item for item in items if item.decision is Decision.GONE]
    failed = [item for item in items if item.outcome == "failed"]
    files = [{"name": item.name, **one} for item in items for one in item.faults]
    report: dict[str, Any] = {
        "source": source.name,
        "run": run.id,
        "state": state,
        "complete": run.complete,
        "brake": run.brake,
        "counts": _counts(items),
        "gone": _gone(source, gone, ledger.held(source.id)),
        "failed": [
            {
                "name": item.name,
                "link": _link(source, item.name or item.package),
                "reason": item.error,
                "detail": item.detail,
            }
            for item in failed[:LISTED_MAX]
        ],
        "files": files[:LISTED_MAX],
    }
    if node.config.publish.approval != "single":
        report |= listed(node, run.id)
    if fault is not None:
        report["fault"] = {"reason": fault.reason.value, "detail": str(fault)}
    return report


def _counts(items: Iterable[Seen]) -> dict[str, int]:
    """Return how often each thing was decided, and done."""
    counts = dict.fromkeys([*(one.value for one in Decision), *DONE], 0)
    for item in items:
        if item.decision is not None:
            counts[item.decision.value] += 1
        if item.outcome in DONE:
            counts[item.outcome] += 1
    return counts


def _gone(
    source: Source, items: Iterable[Seen], held: dict[str, Held]
) -> list[dict[str, str]]:
    return [
        {
            "slug": held[item.package].slug if item.package in held else "",
            "link": _link(source, item.package),
        }
        for item in [*items][:LISTED_MAX]
    ]


def _link(source: Source, name: str) -> str:
    return f"{source.url}/dataset/{name}"
