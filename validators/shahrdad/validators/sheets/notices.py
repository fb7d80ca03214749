"""What a sheet holds beside its cells, said so that nobody overlooks it.

Hidden rows and columns are read, hidden sheets are not; merged cells of the header are
filled over their columns; a colour is lost unless a profile maps it. None of it happens
silently.

>>> spans([(2, 4), (5, 6), (9, 9)], "en"), spans([(2, 4), (9, 9)], "fa")
('2–6, 9', '۲ تا ۴، ۹')
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from shahrdad.validators.codes import Language
from shahrdad.validators.explain import column_letters, digits
from shahrdad.validators.header import Header, Merged
from shahrdad.validators.sheets.scan import SheetFacts, place_of
from shahrdad.validators.text_table import Finding

NAMED_MAX = 20  # spans, ranges or colours that a notice names; more are counted

Span = tuple[int, int]


def spans(
    found: Iterable[Span], language: Language, name: Callable[[int], str] = str
) -> str:
    """Return spans of rows or columns as people write them, adjacent ones joined."""
    joined: list[Span] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    to = " تا " if language == "fa" else "–"
    texts = [
        name(first) if first == last else f"{name(first)}{to}{name(last)}"
        for first, last in joined[:NAMED_MAX]
    ]
    if len(joined) > NAMED_MAX:
        texts.append("…")
    return digits(("، " if language == "fa" else ", ").join(texts), language)


def hidden_parts(facts: SheetFacts, *, is_hidden: bool = False) -> Iterator[Finding]:
    """Report hidden rows and columns with values, which were read.

    Args:
        facts: What the scan of the sheet found.
        is_hidden: Whether the sheet itself is hidden; then a person chose it by name.
    """
    rows = _inside(facts.hidden_rows, facts.rows)
    columns = _inside(facts.hidden_columns, facts.columns)
    parts = _parts(rows, columns, facts, is_hidden)
    if parts:
        fa = "؛ ".join(fa for fa, _ in parts)
        en = "; ".join(en for _, en in parts)
        values: dict[str, str | int] = {"value": en, "value_fa": fa}
        yield Finding("source-hidden", "warning", values)


def _inside(found: Sequence[Span], last: int) -> list[Span]:
    """Return the part of spans up to the last row or column with a cell."""
    return [(first, min(end, last)) for first, end in found if first <= last]


def _parts(
    rows: Sequence[Span], columns: Sequence[Span], facts: SheetFacts, is_hidden: bool
) -> list[tuple[str, str]]:
    """Return each kind of hidden part in Persian and English."""
    parts = []
    if is_hidden:
        parts.append(("خود برگه", "the sheet itself"))
    if rows:
        parts.append((f"ردیف {spans(rows, 'fa')}", f"rows {spans(rows, 'en')}"))
    if columns:
        named = [spans(columns, one, column_letters) for one in ("fa", "en")]
        parts.append((f"ستون {named[0]}", f"columns {named[1]}"))
    if rows and facts.filtered:
        parts.append(("با پالایه (filter)", "by a filter"))
    return parts


def hidden_sheets(names: Sequence[str]) -> Iterator[Finding]:
    """Report the hidden sheets of a workbook, which were not looked at."""
    if names:
        listed = [f"«{name}»" for name in names[:NAMED_MAX]]
        more = ["…"] if len(names) > NAMED_MAX else []
        fa, en = "، ".join([*listed, *more]), ", ".join([*listed, *more])
        values: dict[str, str | int] = {"value": en, "value_fa": fa}
        yield Finding("source-hidden-sheet", "warning", values)


def merged_header(header: Header, merged: Merged) -> Iterator[Finding]:
    """Report the merged cells of the header, whose text was filled over their range."""
    ranges = [
        f"{column_letters(left)}{top}:{column_letters(right)}{bottom}"
        for (top, left), (bottom, right) in sorted(merged)
        if top in header.rows or bottom in header.rows
    ]
    if ranges:
        more = ["…"] if len(ranges) > NAMED_MAX else []
        text = ", ".join([*ranges[:NAMED_MAX], *more])
        yield Finding("source-merged-header", "info", {"value": text})


def colours(
    facts: SheetFacts | None, header: Header, *, mapped: bool
) -> Iterator[Finding]:
    """List the colours of cells below the header, with their number and the first.

    Args:
        facts: What the scan of the sheet found; None for other formats.
        header: The header; its own colours mean nothing.
        mapped: Whether the profile maps colours, so that they are no news.
    """
    if mapped or facts is None:
        return
    listed = []
    for colour, packed in sorted(facts.colours.items()):
        places = [place_of(one) for one in packed]
        below = [place for place in places if place[0] > header.last]
        if below:
            row, column = below[0]
            more = "+" if facts.colours_cut else ""
            listed.append(
                f"{colour}: {len(below)}{more} ({column_letters(column)}{row})"
            )
    if listed:
        rest = ["…"] if len(listed) > NAMED_MAX else []
        text = "; ".join([*listed[:NAMED_MAX], *rest])
        yield Finding("source-coloured", "info", {"value": text})


__all__ = ["colours", "hidden_parts", "hidden_sheets", "merged_header", "spans"]
