"""Headers and fields: what is certain, proposed or asked."""

import pytest

from shahrdad.datasets.standards import families, load
from shahrdad.validators import matching

LINES = load("budget_lines").fields


@pytest.mark.parametrize(
    ("family", "label", "field", "score", "state"),
    [
        ("budget_lines", "\u0643د بودجه", "line_code", 1.00, "certain"),
        ("active_systems", "شر\u0643ت پشت\u064aبان", "vendor_name", 1.00, "certain"),
        ("budget_lines", "اصلاح\u064aه بودجه", "amended_rial", 0.65, "proposed"),
        ("budget_lines", "زیر موضوع", "line_title", 0.56, "proposed"),
        ("budget_lines", "درصد تحقق", None, 0.0, "unknown"),
        ("budget_lines", "مصوب 1404 (میلیون ریال)", "approved_rial", 1.00, "certain"),
    ],
)
def test_scores_of_the_standard(
    family: str, label: str, field: str | None, score: float, state: str
) -> None:
    """The examples of the standard have their scores, and become what they should."""
    found = matching.match([label], load(family).fields)[0]

    assert (field, state) == (found.field, found.state)
    if field is not None:
        assert score == pytest.approx(found.score, abs=0.006)


def test_year_of_a_header() -> None:
    """A year in a header is not compared, and proposes the fiscal year."""
    found = matching.match(["مصوب ۱۴۰۴"], LINES)[0]

    assert ("approved_rial", 1404) == (found.field, found.fiscal_year)
    assert matching.match(["مصوب 1403 و 1404"], LINES)[0].fiscal_year is None


def test_two_headers_never_take_one_field() -> None:
    """Equal headers are both proposed; of unequal ones only the better is taken."""
    tied = matching.match(["مصوب", "مصوب"], LINES)
    ranked = matching.match(["مصوب", "مصوب بودجه"], LINES)

    assert ["proposed", "proposed"] == [one.state for one in tied]
    assert "certain" == ranked[0].state
    assert ranked[1].state != "certain"


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("names", ["title_fa", "title_en", "name"])
def test_every_title_means_its_field(family: str, names: str) -> None:
    """A table headed as the standard titles or names it needs no question."""
    fields = load(family).fields
    labels = [
        getattr(field, names) + (" *" if field.required else "") for field in fields
    ]
    found = matching.match(labels, fields)

    assert [(field.name, "certain") for field in fields] == [
        (one.field, one.state) for one in found
    ]


def test_empty_header_matches_nothing() -> None:
    """A column without a header is asked for."""
    assert "unknown" == matching.match(["  "], LINES)[0].state
