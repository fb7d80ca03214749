"""From the columns of a file to the columns of a standard, by a profile or by matching.

The operations of a profile work on texts, before anything is normalised; each change of
a cell is counted under the step `profile`. Columns that nothing is said about are not
dropped silently: they are among the questions, and a finding names them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.datasets.standards import Field
from shahrdad.validators import matching
from shahrdad.validators.normalise import numbers
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.profile import ColumnRule, Profile
from shahrdad.validators.text_table import Audit, CellKind, Kinds, TextBatch

KEPT = "x_"
SUBTOTAL_FIELD = "is_subtotal"  # what `path` flags, where nothing else is mapped to it
LINE_FIELD = "line_code"  # the code of a subtotal, likewise

Use = Literal["certain", "proposed", "unknown", "profile", "kept", "ignored", "empty"]


@dataclass(frozen=True, slots=True)
class LabelUse:
    """What becomes of one column of the file.

    Attributes:
        label: Its header as read.
        position: Its place in the file, from 0.
        use: `certain` and `profile` columns are taken, `proposed` and `unknown` ones
            wait for a person, `kept` become `x_` columns.
        name: The column that it becomes, or would become; None for the others.
        score: How sure the match is.
        fiscal_year: A Jalali year in the header, which proposes `fiscal_year`.
    """

    label: str
    position: int
    use: Use
    name: str | None = None
    score: float = 0.0
    fiscal_year: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the table after the mapping.

    Attributes:
        name: Its name.
        positions: Places in the file of what it is made of.
        rule: How it is made; None for a column of the file as it is.
    """

    name: str
    positions: tuple[int, ...]
    rule: ColumnRule | None = None

    @property
    def origin(self) -> int | None:
        """The column of the file that it shows; None where it is made of others."""
        return self.positions[0] if len(self.positions) == 1 else None


@dataclass(slots=True)
class ColumnMapping:
    """How the columns of one file become those of a standard."""

    uses: tuple[LabelUse, ...]
    outputs: tuple[Output, ...]
    _last: dict[str, str] = field(default_factory=dict)  # text above, by column
    _trees: dict[str, "_Tree"] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns after the mapping."""
        return tuple(output.name for output in self.outputs)

    def apply(self, batch: TextBatch, audit: Audit) -> TextBatch:
        """Return a batch with the columns of the standard."""
        columns: list[pa.StringArray] = []
        kinds: list[Kinds | None] = []
        for output in self.outputs:
            if output.rule is None or output.rule.plain:
                columns.append(batch.columns[output.positions[0]])
                kinds.append(batch.kind(output.positions[0]))
            else:
                made, kind = self._make(output, output.rule, batch, audit)
                columns.append(made)
                kinds.append(kind)
        return TextBatch(
            batch.rows,
            tuple(columns),
            tuple(kinds) if any(kind is not None for kind in kinds) else (),
            batch.ragged,
            batch.blank,
            batch.findings,
        )

    def _make(
        self, output: Output, rule: ColumnRule, batch: TextBatch, audit: Audit
    ) -> tuple[pa.StringArray, Kinds | None]:
        """Make one column by its rule."""
        count = batch.rows_count
        if rule.constant is not None:
            return pa.array([rule.constant] * count, pa.string()), None
        sources = [batch.columns[position] for position in output.positions]
        if rule.path:
            made = self._path(output, sources, count)
        elif rule.concat:
            made = _concat(sources, rule.separator)
        else:
            made = sources[0]
        before = made
        kind = batch.kind(output.positions[0]) if rule.source else None
        if rule.fill_down:
            made = self._filled_down(output.name, made)
        for change in _changes(rule):
            made = _per_text(made, change)
        if rule.source is not None:
            _count(audit, output.name, before, made, batch)
        if kind is not None and made is not before:
            changed = np.asarray(pc.fill_null(pc.not_equal(before, made), True))
            kind = np.where(changed, np.uint8(CellKind.TEXT), kind).astype(np.uint8)
        return made, kind

    def _filled_down(self, name: str, column: pa.StringArray) -> pa.StringArray:
        """Give each empty cell the text above it, also across batches."""
        last = self._last.get(name)
        empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
        holes = pc.if_else(empty, pa.scalar(None, pa.string()), column)
        filled = pc.fill_null_forward(holes)
        if last is not None:
            filled = pc.fill_null(filled, last)
        if len(filled) and filled[-1].is_valid:
            self._last[name] = filled[-1].as_py()
        return pc.fill_null(filled, "")

    def _path(
        self, output: Output, levels: Sequence[pa.StringArray], count: int
    ) -> pa.StringArray:
        """Number the places of a hierarchy; return the code of each row's parent."""
        tree = self._trees.setdefault(output.name, _Tree())
        texts = [level.to_pylist() for level in levels]
        places = [
            tree.add([column[at] or "" for column in texts]) for at in range(count)
        ]
        if output.name == SUBTOTAL_FIELD:
            return pa.array(
                ["true" if place.own else "false" for place in places], pa.string()
            )
        if output.name == LINE_FIELD:
            return pa.array([place.own or "" for place in places], pa.string())
        return pa.array([place.parent for place in places], pa.string())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands in a hierarchy of level columns.

    Attributes:
        parent: Code of what it belongs to; "" at the top.
        own: Code of the row itself where it heads a level; None for a leaf.
    """

    parent: str
    own: str | None = None


class _Tree:
    """Gives the places of a hierarchy ordinal codes: 1, 1.1, 1.2, 2 and so on."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, ...], str] = {}
        self._children: dict[str, int] = {}
        self._above: list[str] = []

    def add(self, levels: list[str]) -> Place:
        """Place one row by its level cells; an empty cell repeats what is above it."""
        names = [forms.key(level) for level in levels]
        depth = max((at + 1 for at, name in enumerate(names) if name), default=0)
        if depth == 0:
            return Place(self._code(self._above))
        path = [
            name or (self._above[at] if at < len(self._above) else "")
            for at, name in enumerate(names[:depth])
        ]
        self._above = path
        code = self._code(path)
        if depth < len(names):
            return Place(self._code(path[:-1]), code)
        return Place(code)

    def _code(self, path: list[str]) -> str:
        if not path:
            return ""
        known = self._codes.get(tuple(path))
        if known is None:
            above = self._code(path[:-1])
            number = self._children.get(above, 0) + 1
            self._children[above] = number
            known = f"{above}.{number}" if above else str(number)
            self._codes[tuple(path)] = known
        return known


def _concat(columns: Sequence[pa.StringArray], separator: str) -> pa.StringArray:
    """Join cells that are not empty."""
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return pa.array(
        [separator.join(cell for cell in row if cell) for row in rows], pa.string()
    )


def _changes(rule: ColumnRule) -> list[Callable[[str], str]]:
    """Return the operations of a rule in their order; what does not apply stays."""
    changes: list[Callable[[str], str]] = []
    if rule.split is not None:
        changes.append(lambda text: _part(text, rule.split or "", rule.part))
    if rule.extract is not None:
        changes.append(lambda text: _extracted(text, rule.extract or ""))
    if rule.values:
        changes.append(lambda text: rule.values.get(forms.key(text), text))
    if rule.scale is not None:
        changes.append(lambda text: _scaled(text, rule.scale or Decimal(1)))
    return changes


def _part(text: str, split: str, part: int) -> str:
    pieces = text.split(split)
    at = part - 1 if part > 0 else len(pieces) + part
    return pieces[at].strip() if 0 <= at < len(pieces) else ""


def _extracted(text: str, pattern: str) -> str:
    found = pc.extract_regex(pa.array([text]), pattern)[0].as_py()
    return text if found is None else str(found["part"])


def _scaled(text: str, factor: Decimal) -> str:
    value = numbers.parse(text).value
    return text if value is None else numbers.plain(value * factor)


def _per_text(column: pa.StringArray, change: Callable[[str], str]) -> pa.StringArray:
    """Apply an operation to each distinct text of a column."""
    encoded = pc.dictionary_encode(column)
    changed = [text and change(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(changed, pa.string()).take(encoded.indices)


def _count(
    audit: Audit,
    name: str,
    before: pa.StringArray,
    after: pa.StringArray,
    batch: TextBatch,
) -> None:
    """Count what a rule changed."""
    if before is after:
        return
    changed = np.flatnonzero(
        np.asarray(pc.fill_null(pc.not_equal(before, after), False))
    )
    places = pa.array(changed)
    texts, results = before.take(places).to_pylist(), after.take(places).to_pylist()
    audit.add(
        name, "profile", zip(batch.rows[changed].tolist(), texts, results, strict=True)
    )


def build(
    labels: Sequence[str],
    fields: Sequence[Field],
    profile: Profile,
    *,
    empty: Sequence[int] = (),
) -> ColumnMapping:
    """Decide what becomes of each column of a file.

    Args:
        labels: The header as read.
        fields: The fields of the standard, in its order.
        profile: The profile; where it has columns, they decide alone.
        empty: Places of columns without header and without any cell.

    Raises:
        DataError: PROFILE_INVALID; the profile names a label or a field that is not
            there.
    """
    if profile.columns:
        uses, made = _by_profile(labels, fields, profile)
    else:
        uses, made = _by_matching(labels, fields, profile)
    uses = [
        LabelUse(use.label, use.position, "empty") if use.position in empty else use
        for use in uses
    ]
    by_name = {output.name: output for output in made}
    ordered = [by_name[one.name] for one in fields if one.name in by_name]
    known = {one.name for one in fields}
    kept = [
        Output(_kept_name(use.label, use.position, {*known, *by_name}), (use.position,))
        for use in uses
        if use.use == "kept"
    ]
    return ColumnMapping(tuple(uses), (*ordered, *_unique(kept)))


def _unique(outputs: Sequence[Output]) -> list[Output]:
    """Give kept columns of one name a number each."""
    seen: dict[str, int] = {}
    found = []
    for output in outputs:
        seen[output.name] = seen.get(output.name, 0) + 1
        again = seen[output.name]
        name = output.name if again == 1 else f"{output.name}_{again}"
        found.append(Output(name, output.positions))
    return found


def _kept_name(label: str, position: int, taken: set[str]) -> str:
    """Return the name of a kept column; one without a header is named by its place."""
    words = "_".join(forms.key(label).split())
    if label.startswith(KEPT) and label not in taken:
        return label
    return KEPT + (words or f"col_{position + 1}")


def _by_profile(
    labels: Sequence[str], fields: Sequence[Field], profile: Profile
) -> tuple[list[LabelUse], list[Output]]:
    """Follow a profile."""
    known = {one.name for one in fields}
    outputs = []
    taken: dict[int, str] = {}
    for rule in profile.columns:
        if rule.to not in known:
            raise DataError(Reason.PROFILE_INVALID, place="columns", detail=rule.to)
        positions = tuple(_position(labels, label) for label in rule.sources)
        outputs.append(Output(rule.to, positions, rule))
        if rule.path:
            mapped = {one.to for one in profile.columns}
            flagged = sorted(({SUBTOTAL_FIELD, LINE_FIELD} & known) - mapped)
            outputs += [Output(name, positions, rule) for name in flagged]
        taken.update(dict.fromkeys(positions, rule.to))
    keep = {_position(labels, label) for label in profile.keep}
    ignored = {matching.form(label) for label in profile.ignore}
    uses = []
    for position, label in enumerate(labels):
        if position in keep or (label.startswith(KEPT) and position not in taken):
            uses.append(LabelUse(label, position, "kept"))
        elif position in taken:
            uses.append(LabelUse(label, position, "profile", taken[position], 1.0))
        elif matching.form(label) in ignored or not label.strip():
            uses.append(LabelUse(label, position, "ignored"))
        else:
            uses.append(LabelUse(label, position, "unknown"))
    return uses, outputs


def _position(labels: Sequence[str], wanted: str) -> int:
    """Find the column that a profile names: letter by letter, else by its form."""
    for position, label in enumerate(labels):
        if label == wanted:
            return position
    form = matching.form(wanted)
    found = [
        at for at, label in enumerate(labels) if label and matching.form(label) == form
    ]
    if len(found) != 1:
        raise DataError(
            Reason.PROFILE_INVALID, place="columns", detail=f"{wanted}: {len(found)}"
        )
    return found[0]


def _by_matching(
    labels: Sequence[str], fields: Sequence[Field], profile: Profile
) -> tuple[list[LabelUse], list[Output]]:
    """Take the columns whose headers are certain."""
    ignored = {matching.form(label) for label in profile.ignore}
    kept = {matching.form(label) for label in profile.keep}
    uses, outputs = [], []
    for position, match in enumerate(matching.match(labels, fields)):
        form = matching.form(match.label)
        use: Use = match.state
        name = match.field
        if form and form in ignored:
            use, name = "ignored", None
        elif (form and form in kept) or (
            use != "certain" and match.label.startswith(KEPT)
        ):
            use, name = "kept", None
        if use == "certain" and name is not None:
            outputs.append(Output(name, (position,)))
        uses.append(
            LabelUse(match.label, position, use, name, match.score, match.fiscal_year)
        )
    return uses, outputs


def used(mapping: ColumnMapping) -> Mapping[str, str]:
    """Return label → column for every column of the file that is used."""
    found: dict[str, str] = {}
    for output in mapping.outputs:
        for position in output.positions:
            found.setdefault(mapping.uses[position].label, output.name)
    return found
