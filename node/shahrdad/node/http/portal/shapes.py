"""What the drawings are made of; the templates turn it into SVG.

All positions are whole units of the drawing. On Persian pages the drawing is mirrored
here, so that text inside is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shahrdad.datasets.errors import Language
from shahrdad.node.http.portal.treemap import squarify

TREE_WIDTH, TREE_HEIGHT = 1120, 440
PARTS_MAX = 24
GAP = 3
TITLE_PX, FIGURE_PX, LINE_PX = 17, 15, 26
# Advance of one letter over the font's size, above the mean of Vazirmatn's letters.
LETTER = {"fa": 0.52, "en": 0.58}
SERIES = 6


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a treemap.

    Attributes:
        colour: 1 to 6, or 0 for the rest.
        text_x: Where its text begins: the side where reading begins.
        title: The lines of its name that fit; none where it does not fit.
        figure: Likewise of its figure.
    """

    x: int
    y: int
    width: int
    height: int
    colour: int
    text_x: int
    title: tuple[str, ...]
    figure: str
    figure_y: int
    hint: str
    link: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A part to be drawn."""

    value: int
    title: str
    figure: str
    hint: str
    link: str
    colour: int


def treemap(parts: Sequence[Drawn], language: Language) -> list[Tile]:
    """Return the tiles of the parts above 0, the largest first."""
    drawn = [part for part in parts if part.value > 0]
    boxes = squarify([part.value for part in drawn], TREE_WIDTH, TREE_HEIGHT)
    tiles = []
    for part, box in zip(drawn, boxes, strict=True):
        width, height = box.width - GAP, box.height - GAP
        if width < 1 or height < 1:
            continue
        x = box.x if language == "en" else TREE_WIDTH - box.x - width
        title = fitting(part.title, width, height, language)
        below = LINE_PX * len(title) + 28
        fits_figure = height >= below + 12 and fits(
            part.figure, FIGURE_PX, width, language
        )
        tiles.append(
            Tile(
                x,
                box.y,
                width,
                height,
                part.colour,
                x + 14 if language == "en" else x + width - 14,
                title,
                part.figure if fits_figure else "",
                box.y + below,
                part.hint,
                part.link,
            )
        )
    return tiles


def fitting(text: str, width: int, height: int, language: Language) -> tuple[str, ...]:
    """Return a title in as few lines as it fits into; none where it does not fit."""
    words = text.split(" ")
    for count in (1, 2, 3):
        if height < LINE_PX * count + 16 or count > len(words):
            break
        lines = broken(words, count)
        if all(fits(line, TITLE_PX, width, language) for line in lines):
            return tuple(lines)
    return ()


def broken(words: Sequence[str], count: int) -> list[str]:
    """Return words in so many lines of about the same length."""
    letters = sum(map(len, words)) + len(words) - 1
    lines = [""]
    for place, word in enumerate(words):
        long = len(lines[-1]) + len(word) // 2 >= letters / count
        needed = len(words) - place <= count - len(lines)
        if lines[-1] and len(lines) < count and (long or needed):
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def fits(text: str, size: int, width: int, language: Language) -> bool:
    """Tell whether a text fits into a width with its margins."""
    letters = len(text.replace("\u200c", ""))
    return letters * size * LETTER[language] <= width - 24


FLOW_WIDTH, FLOW_HEIGHT = 1120, 420
NODE_WIDTH, NODE_GAP, LABELS = 14, 10, 300
NODES_MAX = 8


@dataclass(frozen=True, slots=True)
class Node:
    """A bar of the flow with its label."""

    x: int
    y: int
    height: int
    label_x: int
    label_y: int
    colour: int
    title: str
    figure: str
    at_start: bool


@dataclass(frozen=True, slots=True)
class Band:
    """A ribbon between two bars, as an SVG path."""

    path: str
    colour: int


def flow(
    sources: Sequence[Drawn], uses: Sequence[Drawn], language: Language
) -> tuple[list[Node], list[Band]]:
    """Return the flow from sources over the city to uses.

    Both sides are drawn to one scale, that of the larger, so that a deficit is seen.
    """
    largest = max(sum(one.value for one in side) for side in (sources, uses))
    room = FLOW_HEIGHT - NODE_GAP * (max(len(sources), len(uses)) - 1)
    middle = (FLOW_WIDTH - NODE_WIDTH) // 2
    nodes: list[Node] = []
    bands: list[Band] = []
    for at_start, side in ((True, sources), (False, uses)):
        x = LABELS if at_start else FLOW_WIDTH - LABELS - NODE_WIDTH
        total = sum(one.value for one in side) * room // largest
        y, inner = 0, (FLOW_HEIGHT - total) // 2
        for one in side:
            height = max(1, one.value * room // largest)
            label_x = x - 12 if at_start else x + NODE_WIDTH + 12
            ends = (x + NODE_WIDTH, middle) if at_start else (x, middle + NODE_WIDTH)
            bands.append(Band(ribbon(ends, y, inner, height, language), one.colour))
            nodes.append(
                Node(
                    mirrored(x, NODE_WIDTH, language),
                    y,
                    height,
                    mirrored(label_x, 0, language),
                    max(y + height // 2, y + 8),
                    one.colour,
                    one.title,
                    one.figure,
                    at_start,
                )
            )
            y += height + NODE_GAP
            inner += height
    return nodes, bands


def mirrored(x: int, width: int, language: Language) -> int:
    """Return a position of the flow on a page of a language."""
    return x if language == "en" else FLOW_WIDTH - x - width


def ribbon(
    ends: tuple[int, int], outer: int, inner: int, height: int, language: Language
) -> str:
    """Return the path of a ribbon from a bar to the middle."""
    a, b = (mirrored(x, 0, language) for x in ends)
    half = (a + b) // 2
    top, bottom = outer, outer + height
    low, high = inner, inner + height
    return (
        f"M{a} {top}C{half} {top} {half} {low} {b} {low}"
        f"V{high}C{half} {high} {half} {bottom} {a} {bottom}Z"
    )


@dataclass(frozen=True, slots=True)
class Span:
    """A bar of a time line, in thousandths; widths are at least 2."""

    x: int
    width: int


TIME_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Axis:
    """A time axis in the direction of writing."""

    first: date
    last: date
    language: Language

    def at(self, day: date) -> int:
        """Return the place of a day."""
        days = max(1, (self.last - self.first).days)
        place = (min(max(day, self.first), self.last) - self.first).days
        x = place * TIME_WIDTH // days
        return x if self.language == "en" else TIME_WIDTH - x

    def span(self, start: date, end: date) -> Span:
        """Return the bar between two days."""
        a, b = sorted((self.at(start), self.at(end)))
        return Span(min(a, TIME_WIDTH - 2), max(2, b - a))


YEARS_WIDTH, YEARS_HEIGHT, YEARS_TOP = 1120, 260, 34
YEARS_MAX = 8
YEAR_BAR, YEAR_GAP = 44, 4


@dataclass(frozen=True, slots=True)
class YearBar:
    """One bar of a year: approved (series 1) or actual (series 2)."""

    x: int
    y: int
    height: int
    middle: int
    series: int


@dataclass(frozen=True, slots=True)
class YearGroup:
    """The bars of a year, and where the year's number stands."""

    place: int
    middle: int
    bars: tuple[YearBar, ...]


def year_groups(
    amounts: Sequence[tuple[int, int | None]], language: Language
) -> list[YearGroup]:
    """Return the bars of years, the earliest where reading begins, from a zero line.

    Args:
        amounts: (approved, actual) of each year; an actual amount that nobody has
            told is None and has no bar.
        language: Persian drawings are mirrored: years and the series inside one.
    """
    largest = max([1, *(one for pair in amounts for one in pair if one)])
    step = YEARS_WIDTH // max(1, len(amounts))
    groups = []
    for place, pair in enumerate(amounts):
        start = place * step + (step - 2 * YEAR_BAR - YEAR_GAP) // 2
        bars = []
        for series, amount in enumerate(pair):
            if amount is None:
                continue
            height = max(1, max(0, amount) * YEARS_HEIGHT // largest)
            x = start + series * (YEAR_BAR + YEAR_GAP)
            x = x if language == "en" else YEARS_WIDTH - x - YEAR_BAR
            y = YEARS_TOP + YEARS_HEIGHT - height
            bars.append(YearBar(x, y, height, x + YEAR_BAR // 2, series + 1))
        middle = place * step + step // 2
        middle = middle if language == "en" else YEARS_WIDTH - middle
        groups.append(YearGroup(place, middle, tuple(bars)))
    return groups


LINE_WIDTH, LINE_HEIGHT, LINE_TOP, LINE_SIDE = 1120, 220, 40, 70
LABELS_MAX = 12  # below a line; each further mark has its title


@dataclass(frozen=True, slots=True)
class Mark:
    """A value of a line: its place among all, and whether it is written beside it."""

    place: int
    x: int
    y: int
    is_told: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line over time: one path for each run of values, and the line of nought.

    Attributes:
        names: Place and x of each label below it.
    """

    paths: tuple[str, ...]
    marks: tuple[Mark, ...]
    names: tuple[tuple[int, int], ...]
    zero: int


def line(values: Sequence[Decimal | None], language: Language) -> Line:
    """Return a line from a zero line; where no value is known it is broken.

    Args:
        values: In the order of time.
        language: A Persian time axis runs from right to left.
    """
    known = [one for one in values if one is not None]
    low, high = min([Decimal(0), *known]), max([Decimal(0), *known])
    span = high - low or Decimal(1)
    last = len(values) - 1
    every = -(-len(values) // LABELS_MAX)
    largest = values.index(max(known)) if known else 0
    near_end = min(largest, last - largest) <= len(values) // LABELS_MAX
    told = {0, last} if near_end else {0, largest, last}
    marks: list[Mark] = []
    names: list[tuple[int, int]] = []
    runs: list[list[str]] = [[]]
    for place, value in enumerate(values):
        room = LINE_WIDTH - 2 * LINE_SIDE
        x = LINE_SIDE + (place * room // last if last else room // 2)
        x = x if language == "en" else LINE_WIDTH - x
        if (last - place) % every == 0:
            names.append((place, x))
        if value is None:
            runs.append([])
            continue
        y = LINE_TOP + int((high - value) * LINE_HEIGHT / span)
        runs[-1].append(f"{x} {y}")
        is_told = len(values) <= LABELS_MAX or place in told
        marks.append(Mark(place, x, y, is_told))
    return Line(
        tuple(f"M{'L'.join(run)}" for run in runs if len(run) > 1),
        tuple(marks),
        tuple(names),
        LINE_TOP + int(high * LINE_HEIGHT / span),
    )
