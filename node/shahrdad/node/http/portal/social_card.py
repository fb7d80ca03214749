"""`/d/{ref}/card.png`: the picture that stands beside a link to a dataset elsewhere.

1,200 × 630 pixels, in the language of the page, drawn on the server with the fonts of
the pages. Neither font has all letters, so a line is drawn in runs: words of Latin
letters with the one, all others with the other, in the order of writing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.http import languages
from shahrdad.node.http.answers import DERIVED, Call, answer
from shahrdad.node.http.portal.limits import CARDS_KEPT_MAX
from shahrdad.node.http.portal.viewing import name_of
from shahrdad.node.http.static_files import folder
from shahrdad.node.http.texts import say

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT, EDGE = 1200, 630, 72
TITLE_LINES_MAX = 3
PAPER, SURFACE, LINE, INK, SECOND = (
    "#F8F6F1",
    "#FFFFFF",
    "#DDD8CC",
    "#16222C",
    "#4B5963",
)
PRIMARY, SAFFRON, NET = "#0B6470", "#D9961A", "#E4EDEC"
TEXT, STRONG, HEAD = 400, 600, 700  # weights
MARKS = "()[]{}«»"  # mirrored from right to left
MIRRORED = str.maketrans(MARKS, ")(][}{»«")
ARABIC = re.compile("[\u0600-\u06ff]")
PIECES = re.compile(
    "[()\\[\\]{}«»]|[\u0600-\u06ff\u200c]+|[^()\\[\\]{}«»\u0600-\u06ff\u200c]+"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card says."""

    language: Language
    title: str
    network: str
    city: str
    lines: tuple[str, ...]


def show(call: Call, language: Language) -> Response:
    """Answer with the card of the newest version of a dataset."""
    dataset = call.node.catalog.get(call.ref)
    city = name_of(call, dataset.city).name(language)
    rows = () if dataset.rows is None else (dataset.rows,)
    facts = Facts(
        language,
        dataset.title_fa if language == "fa" else dataset.title_en,
        say(language, "site.name"),
        city,
        (
            say(language, "card.published_by", city=city),
            " · ".join(
                (
                    *(say(language, "list.rows", count=count) for count in rows),
                    say(language, "dataset.version", n=dataset.version),
                    languages.day_in_words(dataset.updated, language),
                )
            ),
        ),
    )
    return answer(call, drawn(facts), "image/png", cache=DERIVED)


@lru_cache(maxsize=CARDS_KEPT_MAX)
def drawn(facts: Facts) -> bytes:
    """Return the card as PNG."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    pen = Pen(draw, facts.language)
    net(pen)
    draw.rectangle((0, HEIGHT - 18, WIDTH, HEIGHT), fill=PRIMARY)
    star(pen, EDGE + 34, EDGE + 30, 26, PRIMARY, 5, SAFFRON)
    pen.line(EDGE + 88, EDGE + 6, [facts.network], 38, HEAD, INK)
    beside = EDGE + 88 + pen.width([facts.network], 38, HEAD) + 18
    pen.line(beside, EDGE + 12, [f"· {facts.city}"], 30, STRONG, SECOND)
    size, lines = fitted(pen, facts.title)
    top = 190
    for words in lines:
        pen.line(EDGE, top, words, size, HEAD, INK)
        top += int(size * 1.5)
    for place, text in enumerate(facts.lines[::-1]):
        pen.line(EDGE, HEIGHT - 108 - place * 52, text.split(), 30, TEXT, SECOND)
    file = BytesIO()
    image.quantize(128).save(file, "PNG", optimize=True)
    return file.getvalue()


def fitted(pen: "Pen", title: str) -> tuple[int, list[list[str]]]:
    """Return the largest size at which a title fits, and its lines."""
    words = title.split() or [""]
    for size in (68, 58, 50):
        lines = broken(pen, words, size)
        if len(lines) <= TITLE_LINES_MAX:
            return size, lines
    kept = lines[:TITLE_LINES_MAX]
    kept[-1] = [*kept[-1][:-1], "…"]
    return size, kept


def broken(pen: "Pen", words: Sequence[str], size: int) -> list[list[str]]:
    """Return words in lines that fit."""
    lines: list[list[str]] = [[]]
    for word in words:
        wider = [*lines[-1], word]
        if lines[-1] and pen.width(wider, size, HEAD) > WIDTH - 2 * EDGE:
            lines.append([word])
        else:
            lines[-1] = wider
    return lines


class Pen:
    """Draws in the direction of writing: x is counted from where reading begins."""

    def __init__(self, draw: "ImageDraw", language: Language) -> None:
        self.draw = draw
        self.rtl = language == "fa"

    def at(self, x: float, width: float = 0) -> float:
        """Return the place in the picture of something so wide."""
        return WIDTH - x - width if self.rtl else x

    def width(self, words: Sequence[str], size: int, weight: int) -> float:
        """Return how wide words are."""
        return sum(
            font(run.latin, size, weight).getlength(run.text) + gap(run, size)
            for run in runs(words)
        )

    def line(
        self, x: float, y: float, words: Sequence[str], size: int, weight: int, ink: str
    ) -> None:
        """Write words on one line, whose top is at y."""
        for run in runs(words):
            face = font(run.latin, size, weight)
            x += gap(run, size)
            wide = face.getlength(run.text)
            where = (self.at(x, wide), y + size)
            is_mark = self.rtl and run.text in MARKS
            text = run.text.translate(MIRRORED) if is_mark else run.text
            direction = "rtl" if self.rtl and not run.latin else "ltr"
            self.draw.text(where, text, ink, face, anchor="ls", direction=direction)
            x += wide


@dataclass(frozen=True, slots=True)
class Run:
    """Letters of one font; apart from the run before, or right beside it."""

    text: str
    latin: bool
    apart: bool


def gap(run: Run, size: int) -> float:
    """Return how wide the space before a run is."""
    return size * 0.26 if run.apart else 0


def runs(words: Sequence[str]) -> list[Run]:
    """Return words in runs of one font; a bracket stands alone, it may be mirrored.

    >>> [(run.text, run.apart) for run in runs(["من", "SAP", "ERP", "(تو)"])]
    [('من', False), ('SAP ERP', True), ('(', True), ('تو', False), (')', False)]
    """
    found: list[Run] = []
    for word in (piece for text in words for piece in text.split()):
        for place, text in enumerate(PIECES.findall(word)):
            apart, latin = place == 0 and bool(found), not ARABIC.match(text)
            last = found[-1] if found else None
            joins = last and apart and last.latin is latin and text not in MARKS
            if last and joins and last.text not in MARKS:
                found[-1] = Run(f"{last.text} {text}", latin, last.apart)
            else:
                found.append(Run(text, latin, apart))
    return found


@cache
def font(latin: bool, size: int, weight: int) -> "FreeTypeFont":
    """Return a font of the pages."""
    from PIL import ImageFont

    name = "vazirmatn-latin.woff2" if latin else "vazirmatn-arabic.woff2"
    found = ImageFont.truetype(BytesIO(folder()[1][name].plain), size)
    found.set_variation_by_axes([weight])
    return found


def net(pen: Pen) -> None:
    """Draw the faint net of stars at the end of the lines."""
    for column in range(5):
        for row in range(8):
            star(pen, WIDTH - 40 - column * 92, 46 + row * 92, 24, NET, 2, None)


def star(
    pen: Pen, x: int, y: int, reach: int, ink: str, wide: int, heart: str | None
) -> None:
    """Draw the eight-pointed star: two squares, one turned by half a right angle."""
    middle = pen.at(x)
    far = reach * 2**0.5
    square = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)]
    turned = [(0.0, -far), (far, 0.0), (0.0, far), (-far, 0.0)]
    for corners in (square, turned):
        points = [(middle + dx, y + dy) for dx, dy in corners]
        pen.draw.polygon(points, outline=ink, width=wide)
    if heart:
        size = reach * 0.3
        pen.draw.ellipse((middle - size, y - size, middle + size, y + size), fill=heart)
