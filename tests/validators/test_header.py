"""Headers below titles, over several rows, merged, repeated in machine names."""

from shahrdad.datasets.standards import load
from shahrdad.validators import header

FIELDS = load("budget_lines").fields
LABELS = ["کد ردیف", "شرح ردیف", "مصوب", "عملکرد"]
DATA = ["110101", "عوارض نوسازی", "1,200", "900"]


def test_first_row() -> None:
    """A header in row 1 is found there."""
    found = header.find([LABELS, DATA], FIELDS)

    assert found is not None
    assert ((1,), tuple(LABELS), 1) == (found.rows, found.labels, found.last)


def test_rows_of_titles_above() -> None:
    """Titles and blank rows above the header are passed over."""
    rows = [
        ["بودجه سال ۱۴۰۴ شهرداری", "", "", ""],
        ["", "", "", ""],
        ["", "", "", "میلیون ریال"],
        LABELS,
        DATA,
    ]
    found = header.find(rows, FIELDS)

    assert found is not None
    assert (4,) == found.rows


def test_merged_header_of_two_rows() -> None:
    """A cell merged over columns names each of them, joined with the row below."""
    rows = [["کد ردیف", "شرح ردیف", "بودجه", ""], ["", "", "مصوب", "اصلاحی"], DATA]
    merged = [((1, 3), (1, 4)), ((1, 1), (2, 1)), ((1, 2), (2, 2))]
    found = header.find(rows, FIELDS, merged)

    assert found is not None
    assert (1, 2) == found.rows
    assert ("کد ردیف", "شرح ردیف", "بودجه مصوب", "بودجه اصلاحی") == found.labels


def test_machine_names_below() -> None:
    """A second row of machine names is part of the header, not of the data."""
    names = ["line_code", "line_title", "approved_rial", "actual_rial"]
    found = header.find([LABELS, names, DATA], FIELDS)

    assert found is not None
    assert ((1, 2), tuple(LABELS), 2) == (found.rows, found.labels, found.last)


def test_share_of_named_cells() -> None:
    """Six of ten filled cells that name fields make a header; five do not."""
    strange = ["الف۱", "ب۲", "پ۳", "ت۴", "ث۵"]
    known = [*LABELS, "متمم", "تخصیص"]

    assert header.find([[*known, *strange[:4]]], FIELDS) is not None
    assert header.find([[*known[:5], *strange]], FIELDS) is None


def test_one_cell_is_no_header() -> None:
    """A single cell that names a field is a title, not a header."""
    assert header.find([["مصوب", ""], DATA], FIELDS) is None


def test_data_is_no_header() -> None:
    """Rows of figures are never a header; the nearest rows are named for the person."""
    assert header.find([DATA, DATA], FIELDS) is None
    assert header.nearest([[*LABELS[:2], "x", "y"], DATA], FIELDS).startswith("1 (50%)")


def test_declared_rows() -> None:
    """Declared rows are taken as they are, lines in a cell joined."""
    found = header.declared([["a\nb", "c"], ["", "d"], ["1", "2"]], (1, 2))

    assert (("a b", "c d"), 2) == (found.labels, found.last)
