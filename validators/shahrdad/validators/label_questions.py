"""Texts of code columns that name no code: which they are, how often, what comes near.

A text is taken for a code only where its key form is that of a code or of a label of
one. Every other text is a question: a person says which code it is, and the answer
becomes part of the mapping profile; or the cell is wrong and is mended in the file. So
nothing is guessed, however near a label comes.

>>> from shahrdad.datasets.standards import load
>>> [near.value for near in nearest("مصرف", load("budget_lines").field("side"))]
['use', 'source']
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.standards import Category, Field
from shahrdad.validators import matching
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.normalise.cells import ColumnPlan, judge, plan_of
from shahrdad.validators.text_table import (
    CellKind,
    Finding,
    ReadingSettings,
    TextBatch,
    TextTable,
)

NEAREST_SHOWN = 3  # codes that a finding names
REFUSALS = ("value-enum", "value-category")


@dataclass(frozen=True, slots=True)
class LabelQuestion:
    """A text that names no code of its column's list.

    Attributes:
        field: The column.
        label: The text as the publisher wrote it, the first time.
        count: Number of cells with it, in whatever letters.
        row: The first row with it.
        nearest: All codes of the list, the most similar first.
    """

    field: str
    label: str
    count: int
    row: int
    nearest: tuple[Category, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the question as JSON."""
        return {
            "field": self.field,
            "label": self.label,
            "count": self.count,
            "row": self.row,
            "nearest": [
                {"code": near.value, "fa": near.label_fa, "en": near.label_en}
                for near in self.nearest
            ],
        }


def nearest(label: str, field_: Field) -> tuple[Category, ...]:
    """Return the codes of a field, those first whose code or labels are most similar.

    Codes that are equally similar keep the order of the list.
    """

    def distance(category: Category) -> float:
        names = (category.value, category.label_fa, category.label_en)
        return -max(matching.score(label, name) for name in names)

    return tuple(sorted(field_.categories, key=distance))


@dataclass(slots=True)
class _Counted:
    """The unknown texts of one column, by key form: text, count, first row."""

    column: Field
    texts: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def add(self, text: str, count: int, row: int) -> None:
        key = forms.key(text)
        first, before, row_first = self.texts.get(key, (text, 0, row))
        self.texts[key] = first, before + count, row_first

    def questions(self) -> Iterator[LabelQuestion]:
        for text, count, row in self.texts.values():
            near = nearest(text, self.column)
            yield LabelQuestion(self.column.name, text, count, row, near)


def ask(
    table: TextTable, fields: Sequence[Field], limits: Limits = DEFAULT
) -> tuple[LabelQuestion, ...]:
    """Read a table once, and return the texts of its code columns that name no code.

    A column with more such texts than the bound is no column of codes: it is left out,
    and the report refuses its cells.

    Args:
        table: The table under the columns of the standard; it is used up.
        fields: The fields of the standard.
        limits: The bounds.
    """
    by_name = {one.name: one for one in fields}
    columns = {
        at: (plan_of(by_name[name], standard=True), _Counted(by_name[name]))
        for at, name in enumerate(table.names)
        if name in by_name and by_name[name].categories
    }
    if not columns:
        return ()
    for batch in table.batches:
        for at, (plan, counted) in columns.items():
            if len(counted.texts) <= limits.labels_asked_max:
                _note(batch, at, plan, table.settings, counted)
    return tuple(
        question
        for _, counted in columns.values()
        if len(counted.texts) <= limits.labels_asked_max
        for question in counted.questions()
    )


def _note(
    batch: TextBatch,
    at: int,
    plan: ColumnPlan,
    settings: ReadingSettings,
    counted: _Counted,
) -> None:
    """Count the unknown texts of one column of a batch."""
    known = pa.array(["", *sorted(plan.codes)], pa.string())
    open_ = np.asarray(pc.invert(pc.is_in(batch.columns[at], known)))
    places = np.flatnonzero(open_)
    if not len(places):
        return
    encoded = pc.dictionary_encode(batch.columns[at].take(pa.array(places)))
    indices = np.asarray(encoded.indices)
    kinds = batch.kind(at)
    for number, text in enumerate(encoded.dictionary.to_pylist()):
        here = places[indices == number]
        kind = CellKind.TEXT if kinds is None else CellKind(int(kinds[here[0]]))
        read = judge(text, kind, plan, settings)
        if read.refused is None and read.text and read.text not in plan.codes:
            counted.add(text, len(here), int(batch.rows[here[0]]))


def findings(
    refused: pa.Table,
    names: Sequence[str],
    fields: Mapping[str, Field],
    limits: Limits = DEFAULT,
) -> Iterator[Finding]:
    """Sum up refused cells of code columns: each text once, its count, what is near.

    Args:
        refused: The findings about cells (`Findings.table`): `field` is a position in
            `names`, `cell` the text as written.
        names: The columns of the table.
        fields: The fields of the standard by name.
        limits: The bounds.
    """
    rows = refused.filter(pc.is_in(refused["code"].cast(pa.string()), _refusals()))
    if not rows.num_rows:
        return
    for at in sorted(set(rows["field"].to_pylist())):
        known = fields.get(names[at]) if at >= 0 else None
        if known is None or not known.categories:
            continue
        counted = _Counted(known)
        for text, count, row in _tally(rows.filter(pc.equal(rows["field"], at))):
            counted.add(text, count, row)
            if len(counted.texts) > limits.labels_asked_max:
                break
        yield from map(_finding, counted.questions())


def _refusals() -> pa.Array:
    return pa.array(REFUSALS, pa.string())


def _tally(rows: pa.Table) -> Iterable[tuple[str, int, int]]:
    """Return each text with its count and first row, in the order of the first rows."""
    groups = rows.group_by("cell").aggregate([("row", "count"), ("row", "min")])
    found = zip(
        groups["cell"].to_pylist(),
        groups["row_count"].to_pylist(),
        groups["row_min"].to_pylist(),
        strict=True,
    )
    return sorted((one for one in found if one[0]), key=lambda one: (one[2], one[0]))


def _finding(question: LabelQuestion) -> Finding:
    """Return what the report says of a text: a warning, since each cell is an error."""
    near = question.nearest[:NEAREST_SHOWN]
    expected = "; ".join(
        f"{one.value} ({one.label_fa} / {one.label_en})" for one in near
    )
    values: dict[str, str | int] = {"rows": question.count, "expected": expected}
    return Finding(
        "label-unknown",
        "warning",
        values,
        column=question.field,
        cell=question.label,
    )


__all__ = ["LabelQuestion", "ask", "findings", "nearest"]
