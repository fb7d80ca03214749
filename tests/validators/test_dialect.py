"""Delimiters by equal numbers of cells."""

import pytest

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.dialect import detect, whole_records


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n2,5;3,5\n7;8\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ('a,b\n"x;y;z",2\n"p;q",3\n', ","),
        ('a;b\n"x\ny";2\n', ";"),
        ("a,b\n\n\n1,2\n", ","),
    ],
)
def test_the_one_that_cuts_evenly(sample: str, delimiter: str) -> None:
    """The one delimiter that gives nearly all records equally many cells is right."""
    assert delimiter == detect(sample, name="a").delimiter


@pytest.mark.parametrize(
    "sample", ["a\n1\n", "a,b;c\n1,2;3\n", "", '"a,b\n' + "c,d\n" * 5]
)
def test_none_or_two_is_asked(sample: str) -> None:
    """Where none or two cut evenly, the publisher is asked."""
    with pytest.raises(DataError) as caught:
        detect(sample, name="a")
    assert Reason.SOURCE_DIALECT == caught.value.reason


def test_share_of_equal_records() -> None:
    """95 of 100 equal records suffice; 94 do not."""
    even, odd = "1,2\n", "1\n"

    assert "," == detect(even * 95 + odd * 5, name="a").delimiter
    with pytest.raises(DataError):
        detect(even * 94 + odd * 6, name="a")


def test_one_column_needs_no_delimiter() -> None:
    """A table of one field is read without any delimiter."""
    assert "," == detect("a\n1\n2\n", name="a", one_column=True).delimiter


def test_header_of_the_standard_settles_it() -> None:
    """Where none or two cut evenly, that which shows the known header is right."""
    for sample in ("x;y,z\n", "x;y,z\n1\n"):
        found = detect(
            sample, name="a", recognised=lambda rows: rows[0] == ["x", "y,z"]
        )

        assert ";" == found.delimiter


def test_sample_ends_with_a_record() -> None:
    """A sample that ends in the middle of a line loses that line, and no other."""
    assert "a,b\n" == whole_records("a,b\n1,", ended=False)
    assert "a,b\n1," == whole_records("a,b\n1,", ended=True)
