"""The picture beside a link to a dataset: its size, its words, its cost."""

from io import BytesIO

import pytest
from PIL import Image
from starlette.testclient import TestClient

from shahrdad.node.http.portal.social_card import (
    HEIGHT,
    INK,
    PAPER,
    TITLE_LINES_MAX,
    WIDTH,
    Facts,
    Pen,
    drawn,
    fitted,
    runs,
)

CARD_BYTES_MAX = 60_000


def picture(facts: Facts) -> Image.Image:
    """Return a card as pixels."""
    return Image.open(BytesIO(drawn(facts))).convert("L")


def inked(image: Image.Image, box: tuple[int, int, int, int]) -> int:
    """Return how many dark pixels a part of a card has."""
    return sum(image.crop(box).histogram()[:100])


@pytest.mark.parametrize("language", ["fa", "en"])
def test_page_names_its_card(client: TestClient, language: str) -> None:
    """The page of a dataset names a PNG of the size that it says."""
    address = f"/{language}/d/kerman/projects"
    text = client.get(address).text
    answer = client.get(f"{address}/card.png")
    again = client.get(
        f"{address}/card.png", headers={"If-None-Match": answer.headers["etag"]}
    )
    image = Image.open(BytesIO(answer.content))

    assert f'{address}/card.png">' in text
    assert (200, "image/png") == (answer.status_code, answer.headers["content-type"])
    assert (WIDTH, HEIGHT) == image.size
    assert len(answer.content) < CARD_BYTES_MAX
    assert 304 == again.status_code
    assert 404 == client.get(f"/{language}/d/kerman/nothing/card.png").status_code


def test_persian_words_begin_at_the_right() -> None:
    """A short title stands at the side where reading begins, joined and drawn."""
    persian = picture(Facts("fa", "بودجه", "شهرداد", "کرمان", ("",)))
    english = picture(Facts("en", "Budget", "Shahrdad", "Kerman", ("",)))
    right, left = (WIDTH // 2, 180, WIDTH, 330), (0, 180, WIDTH // 2, 330)

    assert inked(persian, right) > 1000 > 10 > inked(persian, left)
    assert inked(english, left) > 1000 > 10 > inked(english, right)
    assert INK < PAPER


def test_long_titles_are_cut() -> None:
    """However long a title is, it keeps to its lines and says that it was cut."""
    image = Image.new("RGB", (8, 8))
    from PIL.ImageDraw import Draw

    _, lines = fitted(Pen(Draw(image), "fa"), "بودجهٔ شهرداری " * 60)

    assert TITLE_LINES_MAX == len(lines)
    assert "…" == lines[-1][-1]


def test_every_letter_has_a_font() -> None:
    """Words of Latin letters are runs of their own; a bracket can be mirrored."""
    found = [(run.text, run.latin) for run in runs(["سامانهٔ", "SAP", "ERP", "(نو)"])]

    assert [
        ("سامانهٔ", False),
        ("SAP ERP", True),
        ("(", True),
        ("نو", False),
        (")", True),
    ] == found
