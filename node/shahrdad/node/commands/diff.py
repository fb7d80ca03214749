"""`diff`: what changed between two versions, row by row and cell by cell."""

import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from shahrdad.node.commands.output_file import output_file
from shahrdad.node.console import Common

if TYPE_CHECKING:
    from shahrdad.node.table.diff import Summary, TableDiff

Format = Literal["text", "json", "csv", "parquet", "arrow", "xlsx"]
CHANGES_SHOWN = 100  # to people, unless they ask for more
CELL = ("op", "column", "old", "new")


def diff(
    old: str,
    new: str | None = None,
    /,
    *,
    format: Annotated[Format, Parameter(name=["--format", "-f"])] = "text",  # noqa: A002
    limit: int = CHANGES_SHOWN,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Show what changed between two versions, two cities, or a draft and the published.

    A table is named by its dataset, and by a version or a day of either calendar after
    an @: kerman/budget-1404, kerman/budget-1404@3, kerman/budget-1404@1404-06-31; a
    draft by its number: draft:01J9Z. One name alone is compared with what was before.

    Args:
        old: The former table; alone, the later one.
        new: The later table.
        format: text is for people; the others hold every change.
        limit: Changes that text shows; the counts are of all.
        output: The file; by default stdout.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.table_changes import compare, sides, write_changes

    form = "json" if common.json else format
    with open_node(common.config) as node:
        node.projection.follow()
        pair = sides(node, old, new)
        names = (pair[0].name, pair[1].name)
        found = compare(*pair)
        if form == "text":
            show(common, found, names, limit)
            return
        if output is None:
            write_changes(found, names, form, sys.stdout.buffer, common.language)
            return
        with output_file(output) as file:
            write_changes(found, names, form, file, common.language)
        tell(common, names, found.summary)


def show(
    common: Common, found: "TableDiff", names: tuple[str, str], limit: int
) -> None:
    """Print the first changes, then the counts of all."""
    show_changes(common, found, limit)
    tell(common, names, found.summary)


def show_changes(common: Common, found: "TableDiff", limit: int) -> None:
    """Print the first changes of rows and cells, and those of columns."""
    from shahrdad.node.table_changes import rows

    changes = rows(found)
    first = list(islice(changes, limit))
    more = sum(1 for _ in changes)
    keys = varying([name for name in found.schema.names if name not in CELL], first)
    common.table(
        ["op", *keys, "column", "old", "new"],
        [
            [row[name] for name in ("op", *keys, "column", "old", "new")]
            for row in first
        ],
    )
    if more:
        common.say(
            f"… و {more} تغییر دیگر؛ همه را با --format csv بگیرید.",
            f"… and {more} more changes; --format csv has them all.",
        )
    for change in found.schema_changes:
        told = f"{change['column']}: {change['old'] or '–'} → {change['new'] or '–'}"
        common.say(f"ستون {told}", f"Column {told}")


def varying(keys: Sequence[str], shown: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the key's columns that tell the shown rows apart; at least the last."""
    several = [name for name in keys if len({str(row[name]) for row in shown}) > 1]
    return several or list(keys[-1:])


def tell(common: Common, names: tuple[str, str], summary: "Summary") -> None:
    """Say the counts: rows, then the cells and sums of each column."""
    common.say(
        f"{names[0]} → {names[1]}: {summary.added} ردیف تازه، {summary.removed} حذف‌شده،"
        f" {summary.changed} دگرگون.",
        f"{names[0]} → {names[1]}: {summary.added} rows added, {summary.removed}"
        f" removed, {summary.changed} changed.",
    )
    for name, column in sorted(summary.columns.items()):
        sums = ""
        if column.sum_old is not None and column.sum_new is not None:
            sums = f" ({column.sum_old:,f} → {column.sum_new:,f})"
        common.say(
            f"  {name}: {column.changed} خانه{sums}",
            f"  {name}: {column.changed} cells{sums}",
        )
