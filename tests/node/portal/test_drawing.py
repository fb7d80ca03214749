"""Drawings: whole units, nothing lost, mirrored on Persian pages."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.shapes import (
    PARTS_MAX,
    TREE_HEIGHT,
    TREE_WIDTH,
    Axis,
    Drawn,
    fits,
    fitting,
    flow,
    treemap,
)
from shahrdad.node.http.portal.treemap import squarify

VALUES = st.lists(st.integers(1, 10**16), min_size=1, max_size=PARTS_MAX)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_boxes_fill_the_frame_without_overlap(values: list[int]) -> None:
    """The boxes' areas make up the frame, in proportion to their values."""
    values.sort(reverse=True)
    boxes = squarify(values, TREE_WIDTH, TREE_HEIGHT)
    frame, whole = TREE_WIDTH * TREE_HEIGHT, sum(values)

    assert frame == sum(box.width * box.height for box in boxes)
    for box, value in zip(boxes, values, strict=True):
        assert 0 <= box.x <= box.x + box.width <= TREE_WIDTH
        assert 0 <= box.y <= box.y + box.height <= TREE_HEIGHT
        slack = 2 * (box.width + box.height) + 4
        ideal = value * frame // whole
        assert abs(box.width * box.height - ideal) <= max(slack, ideal // 4)
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert across <= 0 or down <= 0


def test_boxes_are_nearly_square() -> None:
    """Equal values make a grid, not stripes: that is what squarified means."""
    boxes = squarify([1] * 12, 1200, 400)

    assert all(box.width <= 3 * box.height for box in boxes)
    assert all(box.height <= 3 * box.width for box in boxes)


def drawn(value: int) -> Drawn:
    """Return a part to be drawn."""
    return Drawn(value, "نگهداری فضای سبز", "۱۲ · ۳٪", "", "?", 1)


def test_treemap_is_mirrored_in_persian() -> None:
    """The largest part stands where reading begins."""
    parts = [drawn(5), drawn(2), drawn(1), drawn(0), drawn(-3)]
    persian, english = treemap(parts, "fa"), treemap(parts, "en")

    assert 3 == len(persian) == len(english)  # nothing and less are not drawn
    assert 0 == english[0].x
    assert TREE_WIDTH == persian[0].x + persian[0].width
    assert english[0].text_x < english[0].x + english[0].width // 2
    assert persian[0].text_x > persian[0].x + persian[0].width // 2


def test_text_is_broken_or_left_out() -> None:
    """A title takes up to three lines where one is too long, else it is left out."""
    title = "توسعه مدیریت و هوشمندسازی شهر"

    assert (title,) == fitting(title, 400, 100, "fa")
    assert 2 == len(fitting(title, 170, 100, "fa"))
    assert title == " ".join(fitting(title, 170, 100, "fa"))
    assert () == fitting(title, 40, 100, "fa")
    assert () == fitting(title, 400, 20, "fa")
    assert not fits(title, 17, 100, "fa")


def test_flow_keeps_one_scale() -> None:
    """Both sides are drawn to the larger one's scale; a deficit is seen as a gap."""
    nodes, bands = flow([drawn(60), drawn(40)], [drawn(50)], "en")
    heights = [node.height for node in nodes]

    assert 3 == len(bands)
    assert abs(heights[0] + heights[1] - 2 * heights[2]) <= 2
    assert nodes[0].x < nodes[2].x
    mirrored, _ = flow([drawn(60), drawn(40)], [drawn(50)], "fa")
    assert mirrored[0].x > mirrored[2].x


def test_time_runs_with_the_writing() -> None:
    """Earlier days stand where reading begins; days outside stay inside the axis."""
    first, last = date(2024, 1, 1), date(2026, 1, 1)
    persian, english = Axis(first, last, "fa"), Axis(first, last, "en")

    assert (0, 1000) == (english.at(first), english.at(last))
    assert (1000, 0) == (persian.at(first), persian.at(last))
    assert 0 == english.at(date(2020, 1, 1))
    assert 2 <= english.span(last, last).width
    assert persian.span(first, last).width == english.span(first, last).width


@pytest.mark.parametrize(
    ("rial", "language", "expected"),
    [
        (120_000_000_000_000, "fa", ("۱۲", "هزار میلیارد تومان")),
        (223_000_000, "en", ("22.3", "million toman")),
        (-1_250, "en", ("-125", "toman")),
        (0, "fa", ("۰", "تومان")),
    ],
)
def test_toman_is_a_tenth(rial: int, language: str, expected: tuple[str, str]) -> None:
    """Amounts are told in toman and words, a tenth of the rial."""
    assert expected == amounts.toman_in_words(rial, language)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rial", "expected"),
    [(None, "–"), (0, "0"), (1_234_567_000_000, "1,235"), (5_500_000_000, "5.5")],
)
def test_table_cells_are_milliard(rial: int | None, expected: str) -> None:
    """Tables are in milliard rial with ASCII digits; unknown is a dash, not 0."""
    assert expected == amounts.milliard(rial)
