"""The first rows of a table, as its page shows them.

Columns that are empty in all rows that were read, or the same in all, are named once
above the table instead of filling its width. Fewer rows are shown than read: a page of
a thousand cells is slow on a phone, and the page of rows is one link away.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from markupsafe import Markup

from shahrdad.datasets.errors import Language, ShahrdadError
from shahrdad.datasets.jalali import format_fa
from shahrdad.datasets.standards import Field, Standard
from shahrdad.node.http import limits
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.languages import digits
from shahrdad.node.http.record_view import TableView
from shahrdad.node.http.texts import say

KEPT_MAX = 64
LONG_LETTERS = 24  # a text column with longer cells wraps
Rows = list[dict[str, Any]]
_DIGITS_ALONE = re.compile(r"[0-9,./-]+")


@dataclass(frozen=True, slots=True)
class First:
    """What was read of a table's first object.

    Attributes:
        empty: Empty cells of each column in the whole object, where its footer tells.
    """

    rows: Rows
    empty: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what is shown, and what stands behind a label."""

    text: str
    kind: Literal["text", "number", "none"]
    title: str = ""

    @property
    def plain(self) -> bool:
        """Whether it has digits and signs alone, which may be drawn in Persian."""
        return _DIGITS_ALONE.fullmatch(self.text) is not None

    @property
    def is_long(self) -> bool:
        """Whether it is a text that wraps."""
        return self.kind == "text" and len(self.text) > LONG_LETTERS

    def classes(self, is_number: bool, is_long: bool) -> Markup:
        """Return the class attribute of its table cell; "" where it needs none."""
        names = (
            ("none", self.kind == "none"),
            ("num", is_number),
            ("text", is_long),
            ("digits", self.plain),
        )
        chosen = " ".join(name for name, holds in names if holds)
        return Markup(' class="{}"').format(chosen) if chosen else Markup()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the preview."""

    name: str
    title: str
    unit: str
    number: bool
    long: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a table.

    Attributes:
        rows: Those that are shown.
        same: (title, value) of columns that have one value in all rows that were read.
        blank: Titles of columns that are empty in all of them.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    same: tuple[tuple[str, str], ...]
    blank: tuple[str, ...]


class Previews:
    """Reads first rows and keeps the latest read ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, First] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, shown: Shown, table: TableView, language: Language) -> Preview | None:
        """Return the preview, or None where the object is absent or too large."""
        first = self._first(shown, table)
        if first is None:
            return None
        return _preview(first.rows, table, shown.standard, language)

    def empty(self, shown: Shown, table: TableView) -> Mapping[str, int]:
        """Return the empty cells of columns; none where that is not known.

        A table of several objects would have to be read whole for it.
        """
        first = self._first(shown, table) if len(table.parts) == 1 else None
        return first.empty if first else {}

    def _first(self, shown: Shown, table: TableView) -> First | None:
        """Return what the first object says; None where it is absent or too large."""
        if not table.parts or table.parts[0].bytes > limits.PREVIEW_BYTES_MAX:
            return None
        try:
            return self._read(shown, table)
        except ShahrdadError:
            return None

    def _read(self, shown: Shown, table: TableView) -> First:
        key = table.parts[0].digest.hex
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        source = reader(shown, table)
        file = source.open(source.parts[0])
        batch = next(file.iter_batches(batch_size=limits.PREVIEW_ROWS), None)
        rows = batch.to_pylist() if batch is not None else []
        found = First(rows, _empty(file.metadata))
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return found


def _empty(footer: Any) -> dict[str, int]:
    """Return the empty cells of each flat column, of which every group tells."""
    found: dict[str, int] = {}
    for place in range(footer.num_columns):
        name = footer.schema.column(place).path
        groups = [
            footer.row_group(group).column(place).statistics
            for group in range(footer.num_row_groups)
        ]
        if "." not in name and all(one and one.has_null_count for one in groups):
            found[name] = sum(one.null_count for one in groups)
    return found


def _preview(
    rows: Rows, table: TableView, standard: Standard | None, language: Language
) -> Preview:
    fields = {str(one.get("name")): one for one in table.fields}
    known = {one.name: one for one in standard.fields} if standard else {}
    names = list(rows[0]) if rows else list(fields)
    columns: list[Column] = []
    same: list[tuple[str, str]] = []
    blank: list[str] = []
    for name in names:
        title = _title(name, fields.get(name, {}), known.get(name), language)
        values = [row[name] for row in rows]
        if rows and all(value is None for value in values):
            blank.append(title)
        elif len(rows) > 1 and all(value == values[0] for value in values):
            text = cell(values[0], known.get(name), language).text
            same.append((title, digits(text, language)))
        else:
            columns.append(_column(name, title, values, known.get(name), language))
    shown = tuple(
        tuple(
            cell(row[column.name], known.get(column.name), language)
            for column in columns
        )
        for row in rows[: limits.PREVIEW_ROWS_SHOWN]
    )
    return Preview(tuple(columns), shown, tuple(same), tuple(blank))


def _title(
    name: str, field: Mapping[str, Any], known: Field | None, language: Language
) -> str:
    own = field.get("title" if language == "fa" else "title_en")
    return str(own) if own else known.title(language) if known else name


def _column(
    name: str,
    title: str,
    values: Sequence[Any],
    known: Field | None,
    language: Language,
) -> Column:
    numbers = [value for value in values if value is not None]
    is_number = bool(numbers) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        for value in numbers
    )
    unit = say(language, f"type.{known.unit}") if known and known.unit else ""
    long = any(isinstance(v, str) and len(v) > LONG_LETTERS for v in values)
    return Column(name, title, unit, is_number, long)


def cell(value: Any, known: Field | None, language: Language) -> Cell:
    """Return a cell as pages show it; codes by their label, days Jalali in Persian."""
    if value is None:
        return Cell("–", "none")
    if isinstance(value, bool):
        return Cell(say(language, "type.yes" if value else "type.no"), "text")
    if isinstance(value, int) and known is not None and known.kind != "money":
        # A year is no amount: 1404 has no thousands separator.
        plain = known.unit is None and 1000 <= value <= 9999
        return Cell(str(value) if plain else f"{value:,}", "number")
    if isinstance(value, int):
        return Cell(f"{value:,}", "number")
    if isinstance(value, float | Decimal):
        return Cell(f"{value:,.6f}".rstrip("0").rstrip("."), "number")
    if isinstance(value, datetime):
        return Cell(value.isoformat(" ", "minutes"), "text")
    if isinstance(value, date):
        iso = value.isoformat()
        return Cell(format_fa(value) if language == "fa" else iso, "text", iso)
    if isinstance(value, list):
        separator = "، " if language == "fa" else ", "
        return Cell(separator.join(map(str, value)), "text")
    for category in known.categories if known else ():
        if category.value == value:
            return Cell(category.label(language), "text", value)
    return Cell(str(value), "text")
