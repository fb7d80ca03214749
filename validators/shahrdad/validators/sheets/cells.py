"""The rows of an XLSX sheet cut into cells by their bytes, a block at a time.

A reader that makes an object of every cell costs far more than judging it. Here the
places of all tags are found at once, their order is checked against the grammar that
spreadsheets write, and the texts between them become one Arrow array without a copy.
Whatever is written in another way, though XML would allow it, is `NotPlainError`: a
slower reader takes the sheet.

>>> cells = cut(b'<row r="3"><c r="A3"><v>7</v></c><c r="C3" s="1"/></row>')
>>> cells.rows.tolist(), cells.columns.tolist(), cells.texts.to_pylist()
([3, 3], [1, 3], ['7', ''])
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.cells import as_mask, lengths, mask_array

ROW_MAX, COLUMN_MAX = 1_048_576, 16_384  # of a sheet
DISTINCT_TAGS_MAX = 10_000  # ways of writing the rest of a tag, in one block

Numbers = npt.NDArray[np.int64]


class NotPlainError(Exception):
    """The XML is written in another way than spreadsheets write it."""


class Stored(IntEnum):
    """How a cell's text is to be understood."""

    NUMBER = 0  # a date, too, where its style says so
    SHARED = 1  # the number of a shared string
    TEXT = 2
    BOOLEAN = 3
    ERROR = 4
    EMPTY = 5  # an element without a value


_STORED: Final = {
    b"n": Stored.NUMBER,
    b"s": Stored.SHARED,
    b"str": Stored.TEXT,
    b"inlineStr": Stored.TEXT,
    b"b": Stored.BOOLEAN,
    b"e": Stored.ERROR,
}


class _Tag(IntEnum):
    OTHER = 0
    ROW = 1
    ROW_ALONE = 2
    ROW_END = 3
    CELL = 4
    CELL_ALONE = 5
    CELL_END = 6
    VALUE = 7
    VALUE_ALONE = 8
    VALUE_END = 9
    INLINE = 10
    INLINE_END = 11
    TEXT = 12
    TEXT_END = 13
    FORMULA = 14
    FORMULA_ALONE = 15
    FORMULA_END = 16


_STARTS: Final = {  # the two bytes after `<`
    b"ro": _Tag.ROW, b"/r": _Tag.ROW_END, b"c ": _Tag.CELL, b"/c": _Tag.CELL_END,
    b"v>": _Tag.VALUE, b"v/": _Tag.VALUE_ALONE, b"/v": _Tag.VALUE_END,
    b"is": _Tag.INLINE, b"/i": _Tag.INLINE_END, b"t>": _Tag.TEXT, b"t ": _Tag.TEXT,
    b"/t": _Tag.TEXT_END, b"f>": _Tag.FORMULA, b"f ": _Tag.FORMULA,
    b"f/": _Tag.FORMULA_ALONE, b"/f": _Tag.FORMULA_END,
}  # fmt: skip
_WHOLE: Final = {  # how those tags go on that have no attributes
    _Tag.ROW_END: b"</row>", _Tag.CELL_END: b"</c>", _Tag.VALUE_ALONE: b"<v/>",
    _Tag.VALUE_END: b"</v>", _Tag.INLINE: b"<is>", _Tag.INLINE_END: b"</is>",
    _Tag.TEXT_END: b"</t>", _Tag.FORMULA_END: b"</f>",
}  # fmt: skip
_LONGER: Final = {
    tag: len(whole) - 1 for tag, whole in _WHOLE.items() if len(whole) > 4
}
_AFTER_CELL: Final = (_Tag.CELL, _Tag.CELL_ALONE, _Tag.ROW_END)
_AFTER_ROW: Final = (_Tag.ROW, _Tag.ROW_ALONE)
_AFTER_FORMULA: Final = (_Tag.VALUE, _Tag.VALUE_ALONE, _Tag.CELL_END)
_NEXT: Final = {  # the grammar: what may follow each tag
    _Tag.ROW: _AFTER_CELL,
    _Tag.ROW_ALONE: _AFTER_ROW,
    _Tag.ROW_END: _AFTER_ROW,
    _Tag.CELL: (
        *(_Tag.VALUE, _Tag.VALUE_ALONE, _Tag.CELL_END),
        *(_Tag.INLINE, _Tag.FORMULA, _Tag.FORMULA_ALONE),
    ),
    _Tag.CELL_ALONE: _AFTER_CELL,
    _Tag.CELL_END: _AFTER_CELL,
    _Tag.VALUE: (_Tag.VALUE_END,),
    _Tag.VALUE_ALONE: (_Tag.CELL_END,),
    _Tag.VALUE_END: (_Tag.CELL_END,),
    _Tag.INLINE: (_Tag.TEXT,),
    _Tag.INLINE_END: (_Tag.CELL_END,),
    _Tag.TEXT: (_Tag.TEXT_END,),
    _Tag.TEXT_END: (_Tag.INLINE_END,),
    _Tag.FORMULA: (_Tag.FORMULA_END,),
    _Tag.FORMULA_ALONE: _AFTER_FORMULA,
    _Tag.FORMULA_END: _AFTER_FORMULA,
}


def _starts_table() -> npt.NDArray[np.uint8]:
    table = np.zeros(1 << 16, np.uint8)
    for pair, tag in _STARTS.items():
        table[int.from_bytes(pair, "little")] = tag
    return table


def _grammar_table() -> npt.NDArray[np.bool_]:
    table = np.zeros(1 << 10, bool)
    for tag, following in _NEXT.items():
        table[[tag << 5 | after for after in following]] = True
    return table


def _spelling_tables() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return the first four bytes of the tags that have no attributes, and a mask."""
    said, mask = np.zeros(32, np.uint32), np.zeros(32, np.uint32)
    for tag, whole in _WHOLE.items():
        said[tag] = int.from_bytes(whole[:4], "little")
        mask[tag] = 0xFFFFFFFF
    return said, mask


_SPELT, _SPELT_MASK = _spelling_tables()
_TAG_OF_PAIR: Final = _starts_table()
_MAY_FOLLOW: Final = _grammar_table()
_VALUE_AFTER: Final = np.zeros(32, np.int64)  # tags from a cell to its value
_VALUE_AFTER[[_Tag.VALUE, _Tag.INLINE, _Tag.FORMULA_ALONE, _Tag.FORMULA]] = 1, 2, 2, 3
_CELL_START: Final = int.from_bytes(b'<c r="', "little")
_ROW_START: Final = int.from_bytes(b'<row r="', "little")
_KEPT_SPACE: Final = b'<t xml:space="preserve">'
_PADDING: Final = b" " * 16  # so that eight bytes can be taken at any tag

_CELL_REST: Final = re.compile(
    rb'(?: s="([0-9]{1,6})")?(?: t="([A-Za-z]+)")?(?: (?:cm|vm|ph)="[0-9]+")* ?(/?)>\s*'
)
_ROW_REST: Final = re.compile(rb"""((?: [A-Za-z0-9:]+="[^"<>&]*")*) ?(/?)>\s*""")
_FORMULA_ALONE: Final = re.compile(rb'<f(?: [a-z0-9]+="[^"<>&]*")* ?/>\s*')
_FORMULA: Final = re.compile(rb'<f(?: [a-z0-9]+="[^"<>&]*")*>[^<]*', re.IGNORECASE)
# What spreadsheets write for a character that XML forbids; readers differ about it.
HIDDEN_CHARACTER: Final = re.compile(rb"_x[0-9A-Fa-f]{4}_")
_ENTITY: Final = re.compile("&([^;&]{0,32});?")
_NAMED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of consecutive rows, in the order of the sheet.

    Attributes:
        rows: Row of each of n cells, from 1, never falling.
        columns: Column of each cell, from 1, rising within a row.
        styles: Number of the style of each cell.
        stored: `Stored` of each cell.
        formulas: Whether a formula made the cell.
        open: Whether the element is not an empty one (`<c …/>`).
        inline: Whether it is a text of its own, which may be empty.
        loose: Whether that text does not say that space around it is kept.
        texts: The value as it is written; "" where there is none.
        row_numbers: Number of each of m rows, rising.
        row_attributes: What else is written of each of these rows.
    """

    rows: Numbers
    columns: Numbers
    styles: Numbers
    stored: npt.NDArray[np.uint8]
    formulas: npt.NDArray[np.bool_]
    open: npt.NDArray[np.bool_]
    inline: npt.NDArray[np.bool_]
    loose: npt.NDArray[np.bool_]
    texts: pa.StringArray
    row_numbers: Numbers
    row_attributes: pa.DictionaryArray


def cut(block: bytes) -> Cells:
    """Cut whole rows: nothing before the first `<row`, nothing after the last's end.

    Raises:
        NotPlainError: It is not surely understood.
    """
    padded = block + _PADDING
    data = np.frombuffer(padded, np.uint8)
    _check_bytes(data)
    if b"_x" in block and HIDDEN_CHARACTER.search(block):
        raise NotPlainError("a character that XML forbids")
    places = np.flatnonzero(data == ord("<"))
    words = np.ndarray((len(padded) - 8,), "<u8", padded, 0, (1,))
    starts = np.ndarray((len(padded) - 8,), "<u4", padded, 0, (1,))[places]
    tags = _TAG_OF_PAIR[(starts >> np.uint32(8)).astype(np.uint16)]
    bounds = np.append(places, len(block))

    row_tags = np.flatnonzero(tags == _Tag.ROW)
    cell_tags = np.flatnonzero(tags == _Tag.CELL)
    row_numbers, row_digits, row_rests = _rows(padded, words, bounds, row_tags)
    # The row that each cell stands in, by place.
    row_of = np.searchsorted(row_tags, cell_tags) - 1
    if len(row_of) and row_of[0] < 0:
        raise NotPlainError("a cell outside a row")
    columns, cell_rests = _addresses(
        padded, words, bounds, cell_tags, row_digits[row_of]
    )

    rows_alone = _each(row_rests, lambda rest: _row_rest(rest)[1])
    tags[row_tags[rows_alone]] = _Tag.ROW_ALONE
    kinds = [_cell_rest(rest) for rest in cell_rests.dictionary.to_pylist()]
    facts = np.array(kinds, np.int64).reshape(-1, 3)[cell_rests.indices.to_numpy()]
    closed = facts[:, 2].astype(bool)
    tags[cell_tags[closed]] = _Tag.CELL_ALONE
    _settle_formulas(padded, bounds, tags)
    _check_grammar(data, places, starts, tags)

    steps = _VALUE_AFTER[tags[np.minimum(cell_tags + 1, len(tags) - 1)]]
    steps[closed] = 0
    value_tags = np.minimum(cell_tags + steps, len(tags) - 1)
    valued = (tags[value_tags] == _Tag.VALUE) | (tags[value_tags] == _Tag.TEXT)
    first = tags[np.minimum(cell_tags + 1, len(tags) - 1)]
    formulas = ~closed & ((first == _Tag.FORMULA) | (first == _Tag.FORMULA_ALONE))
    inline = ~closed & (first == _Tag.INLINE)
    stored = facts[:, 1].astype(np.uint8)
    if (inline & (facts[:, 1] != Stored.TEXT)).any():
        raise NotPlainError("an inline text in a cell that says otherwise")
    texts, spaced = _texts(padded, data, bounds, value_tags, valued)
    if (~valued & (stored == Stored.ERROR)).any():
        raise NotPlainError("an error without a name")
    stored[~valued | ((lengths(texts) == 0) & (stored != Stored.TEXT))] = Stored.EMPTY
    rows = row_numbers[row_of]
    _check_order(row_numbers, rows, columns)
    return Cells(
        rows, columns, facts[:, 0], stored, formulas, ~closed,
        inline, inline & ~spaced, texts, row_numbers, row_rests,
    )  # fmt: skip


def _check_bytes(data: npt.NDArray[np.uint8]) -> None:
    """Refuse bytes that XML forbids, and a carriage return, which XML translates."""
    if not len(data) or data.min() >= 32:
        return
    if not np.isin(data[data < 32], (9, 10)).all():
        raise NotPlainError("a control character")


def _spans(content: bytes, starts: Numbers, ends: Numbers) -> pa.StringArray:
    """Return the texts from `starts` to `ends`, which rise and do not overlap."""
    count = len(starts)
    if not count:
        return pa.array([], pa.string())
    both = np.empty(2 * count, np.int32)
    both[0::2], both[1::2] = starts, ends
    every_second = pa.StringArray.from_buffers(
        2 * count - 1, pa.py_buffer(both), pa.py_buffer(content)
    )
    return every_second.take(pa.array(np.arange(0, 2 * count, 2)))


def _rests(content: bytes, starts: Numbers, ends: Numbers) -> pa.DictionaryArray:
    """Return the ends of tags, each distinct one once."""
    found = _spans(content, starts, ends).dictionary_encode()
    _check_utf8(found.dictionary)
    if len(found.dictionary) > DISTINCT_TAGS_MAX:
        raise NotPlainError("too many kinds of cells")
    return found


def _rows(
    content: bytes,
    words: npt.NDArray[np.uint64],
    bounds: Numbers,
    row_tags: Numbers,
) -> tuple[Numbers, Any, pa.DictionaryArray]:
    """Return the number of each row, its digits as bytes, and the rest of its tag."""
    data = np.frombuffer(content, np.uint8)
    starts = bounds[row_tags]
    if (words[starts] != _ROW_START).any():
        raise NotPlainError("a row without a number")
    numbers = np.zeros(len(starts), np.int64)
    count = np.zeros(len(starts), np.int64)
    more = np.ones(len(starts), bool)
    for place in range(7):
        digits = data[starts + 8 + place] - np.uint8(ord("0"))
        more &= digits <= 9
        numbers = np.where(more, numbers * 10 + digits, numbers)
        count += more
    quotes = starts + 8 + count
    if (count == 0).any() or (data[quotes] != ord('"')).any():
        raise NotPlainError("the number of a row")
    digits_of = np.stack([words[quotes - 8] >> (64 - 8 * count).astype(np.uint64),
                          count.astype(np.uint64)], axis=1)  # fmt: skip
    return numbers, digits_of, _rests(content, quotes + 1, bounds[row_tags + 1])


def _addresses(
    content: bytes,
    words: npt.NDArray[np.uint64],
    bounds: Numbers,
    cell_tags: Numbers,
    row_digits: npt.NDArray[np.uint64],
) -> tuple[Numbers, pa.DictionaryArray]:
    """Return the column of each cell, and the rest of its tag after the address."""
    data = np.frombuffer(content, np.uint8)
    starts = bounds[cell_tags]
    words_here = words[starts]
    if ((words_here & np.uint64(0xFFFFFFFFFFFF)) != _CELL_START).any():
        raise NotPlainError("a cell without an address")
    letters = [
        (words_here >> np.uint64(48)).astype(np.uint8) - np.uint8(64),
        (words_here >> np.uint64(56)).astype(np.uint8) - np.uint8(64),
        data[starts + 8] - np.uint8(64),
    ]
    more = np.ones(len(starts), bool)
    columns = np.zeros(len(starts), np.int64)
    count = np.zeros(len(starts), np.int64)
    for letter in letters:
        more &= (letter >= 1) & (letter <= 26)
        if not more.any():
            break
        columns = np.where(more, columns * 26 + letter, columns)
        count += more
    digits, lengths = row_digits[:, 0], row_digits[:, 1]
    quotes = starts + 6 + count + lengths.astype(np.int64)
    shift = (64 - 8 * lengths.astype(np.int64)).astype(np.uint64)
    if (
        (count == 0).any()
        or (data[quotes] != ord('"')).any()
        or (words[quotes - 8] >> shift != digits).any()
    ):
        raise NotPlainError("the address of a cell")
    return columns, _rests(content, quotes + 1, bounds[cell_tags + 1])


def _each(
    rests: pa.DictionaryArray, tell: Callable[[bytes], bool]
) -> npt.NDArray[np.bool_]:
    """Ask about each distinct text once."""
    answers = [tell(text.encode()) for text in rests.dictionary.to_pylist()]
    told: npt.NDArray[np.bool_] = np.array([*answers, False], bool)[
        rests.indices.to_numpy()
    ]
    return told


def _row_rest(rest: bytes) -> tuple[bytes, bool]:
    """Return the attributes of a row, and whether it has no cells."""
    found = _ROW_REST.fullmatch(rest)
    if found is None:
        raise NotPlainError("the attributes of a row")
    return found[1], bool(found[2])


def _cell_rest(rest: str) -> tuple[int, int, int]:
    """Return style, `Stored` and whether the element is empty."""
    found = _CELL_REST.fullmatch(rest.encode())
    stored = _STORED.get((found[2] or b"n") if found else b"")
    if found is None or stored is None:
        raise NotPlainError("the attributes of a cell")
    return int(found[1] or 0), stored, bool(found[3])


def _settle_formulas(content: bytes, bounds: Numbers, tags: Any) -> None:
    """Tell formulas that are written as one empty element from the others."""
    formulas = (tags == _Tag.FORMULA) | (tags == _Tag.FORMULA_ALONE)
    for place in np.flatnonzero(formulas).tolist():
        text = content[bounds[place] : bounds[place + 1]]
        if text.startswith(b"<f>"):
            continue
        if _FORMULA_ALONE.fullmatch(text):
            tags[place] = _Tag.FORMULA_ALONE
        elif not _FORMULA.fullmatch(text):
            raise NotPlainError("the attributes of a formula")


def _check_grammar(
    data: npt.NDArray[np.uint8],
    places: Numbers,
    starts: npt.NDArray[np.uint32],
    tags: Any,
) -> None:
    """Refuse tags that are not spelled out, or that stand where none may."""
    if not len(tags):
        return
    following = (tags[:-1].astype(np.uint16) << 5) | tags[1:]
    ends = tags[-1] in (_Tag.ROW_END, _Tag.ROW_ALONE)
    if tags[0] not in _AFTER_ROW or not ends or not _MAY_FOLLOW[following].all():
        raise NotPlainError("the order of tags")
    if ((starts & _SPELT_MASK[tags]) != _SPELT[tags]).any():
        raise NotPlainError("a tag that is not spelled out")
    for tag, end in _LONGER.items():
        if (data[places[tags == tag] + end] != ord(">")).any():
            raise NotPlainError("a tag that is not spelled out")


def _texts(
    content: bytes,
    data: npt.NDArray[np.uint8],
    bounds: Numbers,
    value_tags: Numbers,
    valued: npt.NDArray[np.bool_],
) -> tuple[pa.StringArray, npt.NDArray[np.bool_]]:
    """Return the text of each cell, and which ones say that their space is kept."""
    starts = bounds[value_tags]
    ends = np.where(valued, bounds[value_tags + 1], starts)
    spaced = valued & (data[starts + 2] == ord(" "))
    if spaced.any():
        width = len(_KEPT_SPACE)
        if (ends[spaced] - starts[spaced] < width).any():
            raise NotPlainError("the attributes of a text")
        tags = _spans(content, starts[spaced], starts[spaced] + width).unique()
        if tags.to_pylist() != [_KEPT_SPACE.decode()]:
            raise NotPlainError("the attributes of a text")
        starts = starts + np.where(spaced, width - 3, 0)
    texts = _spans(content, np.where(valued, starts + 3, starts), ends)
    _check_utf8(texts)
    return (plain_texts(texts) if b"&" in content else texts), spaced


def _check_utf8(texts: pa.StringArray) -> None:
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise NotPlainError("bytes that are no UTF-8") from error


def plain_texts(texts: pa.StringArray) -> pa.StringArray:
    """Return texts with the entities of XML undone.

    Raises:
        NotPlainError: One is unknown, or stands for a character that XML forbids.
    """
    escaped = as_mask(pc.match_substring(texts, "&"))
    if not escaped.any():
        return texts
    mask = mask_array(escaped)
    undone = [_ENTITY.sub(_character, text) for text in texts.filter(mask).to_pylist()]
    return pc.replace_with_mask(texts, mask, pa.array(undone, pa.string()))


def _character(found: "re.Match[str]") -> str:
    name = found[1]
    if not found[0].endswith(";"):
        raise NotPlainError("an ampersand alone")
    if name in _NAMED:
        return _NAMED[name]
    if re.fullmatch("#(?:x[0-9A-Fa-f]{1,6}|[0-9]{1,7})", name) is None:
        raise NotPlainError("an unknown entity")
    number = int(name[1:].replace("x", "0x"), 0 if name[1] == "x" else 10)
    if not _is_character(number):
        raise NotPlainError("a character that XML forbids")
    return chr(number)


def _is_character(number: int) -> bool:
    """Tell whether XML allows a character, and every reader takes it as it is."""
    if number in (9, 10) or 32 <= number < 0xD800:
        return True
    return 0xE000 <= number < 0xFFFE or 0x10000 <= number < 0x110000


def _check_order(row_numbers: Numbers, rows: Numbers, columns: Numbers) -> None:
    """Refuse rows and cells that do not rise, or lie outside any sheet."""
    rising = (np.diff(row_numbers) > 0).all()
    same_row = rows[1:] == rows[:-1]
    if not rising or (same_row & (columns[1:] <= columns[:-1])).any():
        raise NotPlainError("the order of rows or cells")
    highest = int(row_numbers.max(initial=1)), int(columns.max(initial=1))
    if int(row_numbers.min(initial=1)) < 1 or highest > (ROW_MAX, highest[1]):
        raise NotPlainError("a row outside the sheet")
    if highest[1] > COLUMN_MAX:
        raise NotPlainError("a column outside the sheet")


__all__ = ["HIDDEN_CHARACTER", "Cells", "NotPlainError", "Stored", "cut", "plain_texts"]
