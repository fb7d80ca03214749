"""What a draft would change: its rows against the version that is public."""

from dataclasses import dataclass
from typing import Any

from shahrdad.datasets import standards
from shahrdad.datasets.errors import ShahrdadError
from shahrdad.federation.verify import strict_json
from shahrdad.node.analysis.limits import TABLE_ROWS_MAX
from shahrdad.node.desk.drafts import Draft
from shahrdad.node.http.portal import difference
from shahrdad.node.http.previews import Cell, cell
from shahrdad.node.http.publishing.counter import Visit
from shahrdad.node.limits import RECORD_BYTES_MAX
from shahrdad.node.publish import published_parts
from shahrdad.node.store.contract import Area

ROWS_SHOWN = 50
CHANGES_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between a draft and the version before it.

    Attributes:
        version: The version that is public; None before the first.
        rows: The first changed rows.
    """

    version: int | None
    summary: Any
    columns: list[dict[str, Any]]
    keys: list[str]
    titles: dict[str, str]
    rows: list[difference.RowChange]
    more: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a draft, as they would be shown.

    Attributes:
        same: Title and value of columns that have one value in all of these rows.
    """

    titles: list[str]
    numbers: list[bool]
    rows: list[list[Cell]]
    same: list[tuple[str, str]]


def of_draft(visit: Visit, draft: Draft) -> Change | None:
    """Return what a draft changes; None where there is nothing to compare."""
    from shahrdad.node.table.diff import TableDiff
    from shahrdad.node.table.reading import open_table

    if draft.now.kind != "publish" or draft.now.content is None:
        return None
    body = strict_json.loads(draft.now.content, bytes_max=RECORD_BYTES_MAX)
    newest = visit.node.newest(f"{visit.node.config.node.city}/{draft.now.slug}")
    if newest is None or draft.state == "published":
        return None
    old, new = published_parts(newest.body), published_parts(body)
    if not old or not new or sum(part.rows for part in new) > TABLE_ROWS_MAX:
        return None
    try:
        diff = TableDiff(
            open_table(visit.node.store, old),
            open_table(visit.node.store, new, Area.PRIVATE),
        )
        rows = []  # all are read, since only then the counts are complete
        for place, one in enumerate(difference.row_changes(diff)):
            if place <= CHANGES_SHOWN:
                rows.append(one)
    except ShahrdadError:
        return None
    standard = standards.load(draft.now.family or "")
    known = {one.name: one for one in standard.fields}
    for one in rows:
        difference.complete(one, known, visit.language)
    return Change(
        newest.version.n,
        diff.summary,
        difference.column_sums(diff.summary.columns),
        difference.key_columns(diff.key, rows),
        {name: one.title(visit.language) for name, one in known.items()},
        rows[:CHANGES_SHOWN],
        len(rows) > CHANGES_SHOWN,
    )


def preview(visit: Visit, draft: Draft) -> Preview | None:
    """Return the first rows, without the columns that are empty in all of them."""
    from shahrdad.node.table.reading import open_table

    if draft.now.kind != "publish" or draft.now.content is None:
        return None
    body = strict_json.loads(draft.now.content, bytes_max=RECORD_BYTES_MAX)
    parts = published_parts(body)
    if not parts:
        return None
    area = Area.OBJECT if draft.state == "published" else Area.PRIVATE
    try:
        reader = open_table(visit.node.store, parts, area)
        batch = next(iter(reader.batches(batch_rows=ROWS_SHOWN))).slice(0, ROWS_SHOWN)
    except ShahrdadError:
        return None
    rows = batch.to_pylist()
    standard = standards.load(draft.now.family or "")
    known = {one.name: one for one in standard.fields}
    held = [
        name
        for name in batch.schema.names
        if any(row[name] is not None for row in rows)
    ]
    same = [
        name
        for name in held
        if len(rows) > 1 and all(row[name] == rows[0][name] for row in rows)
    ]
    names = [name for name in held if name not in same]

    def title(name: str) -> str:
        return known[name].title(visit.language) if name in known else name

    def shown(row: dict[str, Any], name: str) -> Cell:
        return cell(row[name], known.get(name), visit.language)

    return Preview(
        [title(name) for name in names],
        [name in known and known[name].type in {"integer", "number"} for name in names],
        [[shown(row, name) for name in names] for row in rows],
        [(title(name), shown(rows[0], name).text) for name in same],
    )
