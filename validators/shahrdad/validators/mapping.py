"""From the columns of a file to the columns of a standard, by a profile or by matching.

The operations of a profile work on texts, before anything is normalised; each change of
a cell is counted under the step `profile`. Columns that nothing is said about are not
dropped silently: they are among the questions, and a finding names them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    decimal: str = "."  # the decimal mark of numbers in text
    colours: Mapping[int, Mapping[int, str]] = field(
        default_factory=dict
    )  # colour by row of the file, for each column that a rule takes colours of
    _last: dict[str, str] = field(default_factory=dict)  # text above, by column
    _trees: dict[tuple[str, ...], "_Tree"] = field(default_factory=dict)
    _placed: dict[tuple[str, ...], tuple[int, list["Place"]]] = field(
        default_factory=dict
    )  # first row and places of the batch at hand

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns after the mapping."""
        return tuple(output.name for output in self.outputs)

    def apply(self, batch: TextBatch, audit: Audit) -> TextBatch:
        """Return a batch with the columns of the standard.

        Where `has_paths` is true, `look_ahead` must have seen all batches before.
        """
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
        if rule.colour:
            made = self._colours_of(output.positions[0], batch)
        elif rule.path:
            made = self._path(output, rule.path, batch)
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
        if kind is not None and made is not before:
            changed = np.asarray(pc.fill_null(pc.not_equal(before, made), True))
            kind = np.where(changed, np.uint8(CellKind.TEXT), kind).astype(np.uint8)
        if rule.scale is not None:
            made = self._scaled(made, kind, rule.scale)
        if rule.source is not None:
            _count(audit, output.name, before, made, batch)
        return made, kind

    def _colours_of(self, position: int, batch: TextBatch) -> pa.StringArray:
        """Return the colours of a column's cells as texts."""
        colours = self.colours.get(position, {})
        return pa.array([colours.get(row, "") for row in batch.rows.tolist()])

    def _scaled(
        self, column: pa.StringArray, kind: Kinds | None, factor: Decimal
    ) -> pa.StringArray:
        """Multiply numbers; what the file typed as one has a point for its decimals."""
        texts = _per_text(column, lambda text: _scaled(text, factor, self.decimal))
        if kind is None or self.decimal == ".":
            return texts
        numbers_ = _per_text(column, lambda text: _scaled(text, factor, "."))
        return pc.if_else(pa.array(kind != CellKind.TEXT), numbers_, texts)

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

    @property
    def has_paths(self) -> bool:
        """Whether a column is made of a hierarchy: `look_ahead` must see it first."""
        return any(output.rule and output.rule.path for output in self.outputs)

    def look_ahead(self, batches: Iterable[TextBatch]) -> None:
        """Go through the rows once, to learn which of them head others."""
        for batch in batches:
            for output in self.outputs:
                rule = output.rule
                if rule is not None and rule.path and output.name == rule.to:
                    tree = self._trees.setdefault(rule.path, _Tree())
                    for levels in _levels(output, batch):
                        tree.note(levels)
        for tree in self._trees.values():
            tree.restart()

    def _places(
        self, output: Output, path: tuple[str, ...], batch: TextBatch
    ) -> list["Place"]:
        """Place the rows of a batch in a hierarchy, once for all columns made of it."""
        first = batch.first_row
        known = self._placed.get(path)
        if known is None or known[0] != first:
            tree = self._trees[path]
            known = first, [tree.add(levels) for levels in _levels(output, batch)]
            self._placed[path] = known
        return known[1]

    def _path(
        self, output: Output, path: tuple[str, ...], batch: TextBatch
    ) -> pa.StringArray:
        """Return what a column shows of the places of a hierarchy."""
        places = self._places(output, path, batch)
        if output.name == SUBTOTAL_FIELD:
            shown = ["true" if place.heads else "false" for place in places]
        elif output.name == LINE_FIELD:
            shown = [place.code for place in places]
        else:
            shown = [place.parent for place in places]
        return pa.array(shown, pa.string())


def _levels(output: Output, batch: TextBatch) -> Iterator[tuple[str, ...]]:
    """Return the level cells of each row."""
    columns = [batch.columns[position].to_pylist() for position in output.positions]
    for cells in zip(*columns, strict=True):
        yield tuple(cell or "" for cell in cells)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands in a hierarchy of level columns.

    Attributes:
        code: Code of the row itself.
        parent: Code of the nearest row that it belongs to; "" where there is none.
        heads: Whether other rows belong to it, which makes it a subtotal.
    """

    code: str
    parent: str
    heads: bool


class _Tree:
    """Gives the places of a hierarchy ordinal codes: 1, 1.1, 1.2, 2 and so on.

    Whether a row heads others is known only when all rows were seen, so they are gone
    through twice: `note` for each, then `add` for each in the same order.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, ...], str] = {}
        self._children: dict[tuple[str, ...], int] = {}
        self._above: tuple[str, ...] = ()
        self._rows: set[tuple[str, ...]] = set()  # paths that rows have
        self._heads: set[tuple[str, ...]] = set()  # paths with rows below them
        self._taken: set[tuple[str, ...]] = set()  # paths whose code a row has

    def note(self, levels: Sequence[str]) -> None:
        """Take notice of a row that will be placed."""
        path, own = self._path(levels)
        above = path[:-1] if own else path
        self._heads.update(above[:depth] for depth in range(1, len(above) + 1))
        if own:
            self._rows.add(path)

    def restart(self) -> None:
        """Go back to the first row."""
        self._above = ()

    def add(self, levels: Sequence[str]) -> Place:
        """Place one row by its level cells.

        A row without any belongs to what is above it. Rows that share a path and head
        nothing get a code each; of two that would head the same rows nobody can tell
        which is the sum, so they share the code and the key tells.
        """
        path, own = self._path(levels)
        above = path[:-1] if own else path
        parent = next(
            (
                self._code(above[:depth])
                for depth in range(len(above), 0, -1)
                if above[:depth] in self._rows
            ),
            "",
        )
        if own and path in self._heads:
            return Place(self._code(path), parent, heads=True)
        if own and path not in self._taken:
            self._taken.add(path)
            return Place(self._code(path), parent, heads=False)
        return Place(self._next(above), parent, heads=False)

    def _path(self, levels: Sequence[str]) -> tuple[tuple[str, ...], bool]:
        """Return the path of a row, and whether it is its own or that above it.

        An empty cell before the last filled one repeats what is above it.
        """
        names = [forms.key(level) for level in levels]
        depth = max((at + 1 for at, name in enumerate(names) if name), default=0)
        if depth == 0:
            return self._above, False
        self._above = tuple(
            name or (self._above[at] if at < len(self._above) else "")
            for at, name in enumerate(names[:depth])
        )
        return self._above, True

    def _code(self, path: tuple[str, ...]) -> str:
        if path not in self._codes:
            self._codes[path] = self._next(path[:-1])
        return self._codes[path]

    def _next(self, above: tuple[str, ...]) -> str:
        """Return the next code below a path."""
        start = f"{self._code(above)}." if above else ""
        self._children[above] = number = self._children.get(above, 0) + 1
        return f"{start}{number}"


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
    return changes


def _part(text: str, split: str, part: int) -> str:
    pieces = text.split(split)
    at = part - 1 if part > 0 else len(pieces) + part
    return pieces[at].strip() if 0 <= at < len(pieces) else ""


def _extracted(text: str, pattern: str) -> str:
    found = pc.extract_regex(pa.array([text]), pattern)[0].as_py()
    return text if found is None else str(found["part"])


def _scaled(text: str, factor: Decimal, decimal: str) -> str:
    """Multiply a number, by the grammar that will read it; its words are kept.

    What is no number stays, for that grammar to refuse.
    """
    read = numbers.parse(text, money=True, percent=True, decimal=decimal)
    if read.value is None:
        return text
    product = numbers.plain(read.value * factor).replace(".", decimal)
    sign = "%" if "%" in text or "\u066a" in text else ""
    return f"{product}{sign} {read.unit}" if read.unit else product + sign


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
        profile: The profile; where it names columns of the file, it decides alone.
            Constants alone fill what no column of the file is matched to.
        empty: Places of columns without header and without any cell.

    Raises:
        DataError: PROFILE_INVALID; the profile names a label or a field that is not
            there.
    """
    if profile.maps:
        uses, made = _by_profile(labels, fields, profile)
    else:
        uses, made = _by_matching(labels, fields, profile)
        made += _constants(made, fields, profile)
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
    return ColumnMapping(tuple(uses), (*ordered, *_unique(kept)), profile.decimal)


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


def _constants(
    made: Sequence[Output], fields: Sequence[Field], profile: Profile
) -> list[Output]:
    """Return the constants of a profile that no column of the file stands for."""
    known = {one.name for one in fields}
    matched = {output.name for output in made}
    for rule in profile.columns:
        if rule.to not in known:
            raise DataError(Reason.PROFILE_INVALID, place="columns", detail=rule.to)
    return [
        Output(rule.to, (), rule) for rule in profile.columns if rule.to not in matched
    ]


def used(mapping: ColumnMapping) -> Mapping[str, str]:
    """Return label → column for every column of the file that is used."""
    found: dict[str, str] = {}
    for output in mapping.outputs:
        for position in output.positions:
            found.setdefault(mapping.uses[position].label, output.name)
    return found
