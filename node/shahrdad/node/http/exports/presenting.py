"""How a selection is presented: titles, labels, Jalali days, another unit of money.

Amounts are published in whole rial. Another unit divides by a power of ten exactly: the
digits stay, the point moves, and the column's name or title says so.

>>> import pyarrow as pa
>>> shown = Presentation(unit="toman")
>>> table = pa.table({"approved_rial": [1234567, None]})
>>> shown.present(table, {"approved_rial": Column(unit="rial")}).to_pydict()
{'approved_toman': [Decimal('123456.7'), None]}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from shahrdad.datasets.errors import Language
from shahrdad.datasets.jalali import format_iso
from shahrdad.datasets.standards import Standard

PLACES: Mapping[str, int] = {  # by how many digits the point moves from whole rial
    "rial": 0,
    "toman": 1,
    "million_rial": 6,
    "million_toman": 7,
    "milliard_rial": 9,
    "milliard_toman": 10,
    "hemmat": 13,
}
UNIT_TITLES: Mapping[str, tuple[str, str]] = {
    "rial": ("ریال", "rial"),
    "toman": ("تومان", "toman"),
    "million_rial": ("میلیون ریال", "million rial"),
    "million_toman": ("میلیون تومان", "million toman"),
    "milliard_rial": ("میلیارد ریال", "billion rial"),
    "milliard_toman": ("میلیارد تومان", "billion toman"),
    "hemmat": ("همت", "hemmat (1000 billion toman)"),
}
DIGITS_MAX = 38


@dataclass(frozen=True, slots=True)
class Column:
    """What is known of a column besides its values.

    Attributes:
        labels: By code, in both languages (fa, en).
    """

    title_fa: str = ""
    title_en: str = ""
    unit: str | None = None
    labels: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def title(self, language: Language) -> str:
        """Return the title in a language."""
        return self.title_fa if language == "fa" else self.title_en


@dataclass(frozen=True, slots=True)
class Presentation:
    """What was asked for.

    Attributes:
        language: Of titles and labels; None leaves codes as they are.
        jalali: A text column `<name>__jalali` after each day.
        unit: Of money.
        header: Whether the first row has names or titles.
    """

    language: Language | None = None
    jalali: bool = False
    unit: str = "rial"
    header: Literal["names", "titles"] = "names"

    def present(self, rows: pa.Table, known: Mapping[str, Column]) -> pa.Table:
        """Return rows as they were asked for."""
        names: list[str] = []
        columns: list[pa.Array | pa.ChunkedArray] = []
        for name in rows.schema.names:
            about = known.get(name, Column())
            column, unit = rows[name], None
            if about.unit == "rial" and self.unit != "rial":
                column, unit = moved(column, PLACES[self.unit]), self.unit
            elif self.language is not None and about.labels:
                column = labelled(column, about.labels, self.language)
            names.append(self._name(name, about, unit))
            columns.append(column)
            if self.jalali and pa.types.is_date(rows.schema.field(name).type):
                days = [day and format_iso(day) for day in rows[name].to_pylist()]
                names.append(f"{names[-1]}__jalali")
                columns.append(pa.array(days, pa.string()))
        return pa.table(columns, names=names)

    def _name(self, name: str, about: Column, unit: str | None) -> str:
        """Return what a column is called; one in another unit never keeps its name."""
        if self.header == "titles":
            language = self.language or "fa"
            title = about.title(language) or name
            place = 0 if language == "fa" else 1
            return f"{title} ({UNIT_TITLES[unit][place]})" if unit else title
        return f"{name.removesuffix('_rial')}_{unit}" if unit else name


def moved(column: pa.ChunkedArray, places: int) -> pa.Array:
    """Return whole numbers with the point moved left: exact, no digit is lost."""
    wide = column.cast(pa.decimal128(DIGITS_MAX, 0)).combine_chunks()
    chunks = wide.chunks if isinstance(wide, pa.ChunkedArray) else [wide]
    # The same digits, read with another scale.
    kind = pa.decimal128(DIGITS_MAX, places)
    shifted = [
        pa.Array.from_buffers(kind, len(one), one.buffers(), one.null_count, one.offset)
        for one in chunks
    ]
    return pa.concat_arrays(shifted) if shifted else pa.array([], kind)


def labelled(
    column: pa.ChunkedArray, labels: Mapping[str, tuple[str, str]], language: Language
) -> pa.Array:
    """Return codes as the words of a language; a code that no list has stays."""
    place = 0 if language == "fa" else 1
    words = {code: both[place] for code, both in labels.items()}
    return pa.array(
        [
            None if code is None else words.get(code, code)
            for code in column.to_pylist()
        ],
        pa.string(),
    )


def columns_of(
    fields: list[Mapping[str, object]], standard: Standard | None
) -> dict[str, Column]:
    """Return what a record and its standard say of each column."""
    known = {one.name: one for one in standard.fields} if standard else {}
    found: dict[str, Column] = {}
    for field_ in fields:
        name = str(field_.get("name"))
        one = known.get(name)
        found[name] = Column(
            title_fa=str(field_.get("title") or (one.title_fa if one else name)),
            title_en=str(field_.get("title_en") or (one.title_en if one else name)),
            unit=one.unit if one else None,
            labels={
                category.value: (category.label_fa, category.label_en)
                for category in (one.categories if one else ())
            },
        )
    return found
