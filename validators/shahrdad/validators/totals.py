"""Rows that are no data: those a profile skips, and rows of totals.

A row of totals is one whose codes are empty, or say «جمع» themselves, and whose first
text is a word for a total. It is never imported as a leaf: it is left out and reported.
Nobody can tell which rows it sums up, so it is no subtotal either; subtotals with their
children come from a hierarchy of level columns (`path` of a profile).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.datasets.standards import Field
from shahrdad.validators.mapping import Output
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.text_table import Finding, TextBatch

TOTAL_WORDS = (
    "جمع",
    "جمع کل",
    "مجموع",
    "مجموع کل",
    "کل",
    "total",
    "grand total",
    "sum",
)
_TOTALS = frozenset(forms.key(word) for word in TOTAL_WORDS)
_TOTAL_STARTS = tuple(forms.key(word) + " " for word in ("جمع کل", "مجموع کل"))
SHOWN_MAX = 20  # rows that findings name one by one

CITY_FIELD = "city_code"  # the same in every row, totals too; it names none

Flags = npt.NDArray[np.bool_]


def is_total(text: str) -> bool:
    """Tell whether a text is a word for a total.

    >>> is_total("جمع کل:"), is_total("جمع‌آوری پسماند")
    (True, False)
    """
    key = forms.key(text)
    return key in _TOTALS or key.startswith(_TOTAL_STARTS)


def anchors(
    outputs: Sequence[Output], fields: Sequence[Field], primary_key: Sequence[str]
) -> tuple[int, ...]:
    """Return the columns whose cells name a row: codes of the primary key.

    Args:
        outputs: The columns after the mapping.
        fields: The fields of the standard.
        primary_key: Names of its key's fields.

    Returns:
        Their places in the file.
    """
    naming = {
        field.name
        for field in fields
        if field.kind == "code"
        and field.required
        and field.import_default is None
        and field.name in primary_key
        and field.name != CITY_FIELD
    }
    return tuple(
        output.origin
        for output in outputs
        if output.name in naming and output.origin is not None
    )


@dataclass(slots=True)
class RowFilter:
    """Leaves out rows that are no data.

    Attributes:
        patterns: Patterns of the first text of rows that the profile skips.
        anchors: Columns of the file that hold the codes of a row; without any, no row
            is taken for a total.
        skipped: What was left out so far: row, first text, code of the report.
    """

    patterns: tuple[re.Pattern[str], ...] = ()
    anchors: tuple[int, ...] = ()
    skipped: list[tuple[int, str, str]] = field(default_factory=list)

    def apply(self, batch: TextBatch) -> TextBatch:
        """Return a batch without the rows that are no data."""
        out = np.zeros(batch.rows_count, bool)
        for at in self._candidates(batch):
            text = _first_text(batch, at)
            skipped = any(
                pattern.search(forms.clean(text)) for pattern in self.patterns
            )
            if skipped or (self.anchors and self._is_total_row(batch, at, text)):
                out[at] = True
                code = "row-skipped" if skipped else "row-total"
                self.skipped.append((int(batch.rows[at]), text, code))
        if not out.any():
            return batch
        keep = pa.array(~out)
        return TextBatch(
            batch.rows[~out],
            tuple(column.filter(keep) for column in batch.columns),
            tuple(None if kind is None else kind[~out] for kind in batch.kinds),
            batch.ragged,
            batch.blank,
            batch.findings,
        )

    def _candidates(self, batch: TextBatch) -> Sequence[int]:
        """Return the rows that may be no data."""
        if self.patterns:
            return range(batch.rows_count)
        if not self.anchors:
            return ()
        without = np.ones(batch.rows_count, bool)
        for anchor in self.anchors:
            column = batch.columns[anchor]
            empty: Flags = pc.equal(pc.binary_length(column), 0).to_numpy(
                zero_copy_only=False
            )
            if not empty.all():
                words = pc.match_substring_regex(
                    column, "(?i)جمع|مجموع|کل|\u0643ل|total|sum|^\\s+$"
                )
                empty = empty | words.to_numpy(zero_copy_only=False)
            without &= empty
            if not without.any():
                break
        return np.flatnonzero(without).tolist()

    def _is_total_row(self, batch: TextBatch, at: int, text: str) -> bool:
        if not is_total(text):
            return False
        cells = [batch.columns[anchor][at].as_py() or "" for anchor in self.anchors]
        return all(not cell.strip() or is_total(cell) for cell in cells)

    def findings(self) -> list[Finding]:
        """Return what the report says about the rows that were left out."""
        found = []
        for code in ("row-skipped", "row-total"):
            rows = [(row, text) for row, text, why in self.skipped if why == code]
            found += [
                Finding(code, "warning", {"value": 1}, row=row, cell=text)
                for row, text in rows[:SHOWN_MAX]
            ]
            rest = len(rows) - SHOWN_MAX
            if rest > 0:
                found.append(Finding(code, "warning", {"value": f"… (+{rest})"}))
        return found


def _first_text(batch: TextBatch, at: int) -> str:
    """Return the first text of a row that is not empty."""
    for column in batch.columns:
        text = column[at].as_py()
        if text and text.strip():
            return str(text)
    return ""
