r"""The delimiter of a text, found by equal numbers of cells and never by likelihood.

>>> detect("شهر;کد\nکرمان;1,5\nقم;1,6\n", name="a.csv").delimiter
';'
"""

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.tokenize import Dialect, read_records

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
RECORDS_LOOKED_AT = 100
EQUAL_SHARE_MIN = 0.95


Recogniser = Callable[[Sequence[Sequence[str]]], bool]


def detect(
    sample: str,
    *,
    name: str,
    one_column: bool = False,
    recognised: Recogniser | None = None,
) -> Dialect:
    """Find the one delimiter that cuts nearly all records into equally many cells.

    Args:
        sample: The beginning of the text, whole records but for the last.
        name: What errors call the text.
        one_column: Whether the schema has a single field, so that no delimiter is right
            too.
        recognised: Tells whether records hold the header of the standard: where none or
            two cut evenly, the delimiter of the only such header is right.

    Raises:
        DataError: SOURCE_DIALECT, with the candidates.
    """
    widths = {delimiter: _width(sample, delimiter) for delimiter in DELIMITERS}
    found = [delimiter for delimiter, width in widths.items() if width is not None]
    if len(found) != 1 and recognised is not None:
        headed = [
            one for one in found or DELIMITERS if recognised(_records(sample, one))
        ]
        found = headed if len(headed) == 1 else found
    if len(found) == 1:
        return Dialect(delimiter=found[0])
    if not found and one_column:
        return Dialect()
    named = ", ".join(
        f"{DELIMITERS[one]} ({widths[one]})" if found else DELIMITERS[one]
        for one in found or DELIMITERS
    )
    raise DataError(
        Reason.SOURCE_DIALECT,
        name=name,
        detail=f"{len(found)} of {len(DELIMITERS)}",
        candidates=named,
    )


def _records(sample: str, delimiter: str) -> list[list[str]]:
    return read_records(sample, Dialect(delimiter=delimiter), RECORDS_LOOKED_AT)


def _width(sample: str, delimiter: str) -> int | None:
    """Return the number of cells that a delimiter gives nearly all records.

    A record that the sample cuts off is not looked at, and blank ones say nothing.
    """
    try:
        records = _records(sample, delimiter)
    except csv.Error:
        return None
    widths = Counter(len(record) for record in records if any(record))
    if not widths:
        return None
    width, count = widths.most_common(1)[0]
    if width < 2 or count < EQUAL_SHARE_MIN * widths.total():
        return None
    return width


def whole_records(sample: str, *, ended: bool) -> str:
    """Cut a sample after its last line end, unless the text ended there.

    A quoted cell over several lines may be cut; it then counts as one odd record.
    """
    if ended:
        return sample
    cut = max(sample.rfind("\n"), sample.rfind("\r"))
    return sample[: cut + 1] if cut >= 0 else sample
