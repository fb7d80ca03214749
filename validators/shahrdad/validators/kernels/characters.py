"""Which cells hold none but certain characters, told by their bytes, not by a regex.

A column of Persian text is long, and what is not ordinary in it is rare: the bytes that
could begin something else are found first, and those places alone are looked at. A
column of printable ASCII is known by its least and greatest byte.

>>> clean_cells(pa.array(["طرح یک", "دو  جا", None])).tolist()
[True, False, False]
>>> unusual_cells(pa.array(["طرح یک", "\ufffd", None])).tolist()
[False, True, False]
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.validators.kernels.cells import Mask, as_mask, data, offsets

Places = npt.NDArray[np.int64]

# Characters that no step of the clean form touches wherever they stand: ASCII but for
# controls and space, Persian letters and digits, and the punctuation of Persian text.
_LETTERS = "".join(
    map(
        chr,
        (
            *range(0x0621, 0x063B),
            *(0x0641, 0x0642),
            *range(0x0644, 0x0649),
            *(0x067E, 0x0686, 0x0698, 0x06A9, 0x06AF, 0x06CC),
        ),
    )
)
_MARKS = "۰۱۲۳۴۵۶۷۸۹\u060c\u061b\u061f\u066a\u066b\u066c\u00ab\u00bb"
_QUOTES = "\u2026\u2018\u2019\u201c\u201d"  # three bytes each, as ZWNJ is
_SPACE, _DELETE, _LEAD_OF_THREE, _ZWNJ_TAIL = 0x20, 0x7F, 0xE2, 0x8C


def _table_of(characters: str) -> Mask:
    """Return which of all pairs of bytes are one of some characters."""
    table = np.zeros(1 << 16, bool)
    for character in characters:
        lead, tail = character.encode()
        table[lead << 8 | tail] = True
    return table


def _unclean_pairs() -> Mask:
    """Return which pairs of bytes begin what may not be clean.

    Whatever follows a printable character, or a byte inside a character, is judged at
    its own place, but for a second space.
    """
    leads = np.arange(1 << 16) >> 8
    fine = (leads >= _SPACE) & (leads < 0xC0) & (leads != _DELETE)
    fine |= (leads == _LEAD_OF_THREE) | _table_of(_LETTERS + _MARKS)
    fine[_SPACE << 8 | _SPACE] = False
    unclean: Mask = ~fine
    return unclean


_LETTER_PAIRS = _table_of(_LETTERS)
_UNCLEAN_PAIRS = _unclean_pairs()
_ASCII_LETTERS = np.array([chr(byte).isalpha() and byte < 0x80 for byte in range(256)])
_QUOTE_TAILS = np.isin(np.arange(256), [quote.encode()[2] for quote in _QUOTES])


def clean_cells(cells: pa.StringArray, *, joiners: bool = True) -> Mask:
    """Return which cells are surely their own clean form; a null is not.

    Such a cell is empty, or words of characters that no step touches with one space or
    one ZWNJ between them, the ZWNJ between two letters.

    Args:
        cells: n cells.
        joiners: Whether ZWNJ may stand in a cell: not in a code.
    """
    clean = np.ones(len(cells), bool) if not cells.null_count else _valid(cells)
    content, bounds = data(cells), offsets(cells) - offsets(cells)[0]
    if not len(content) or (content.min() > _SPACE and content.max() < _DELETE):
        return clean
    pairs = content[:-1].astype(np.uint16) << 8 | content[1:]
    bad = [np.flatnonzero(_UNCLEAN_PAIRS[pairs])]
    if content[-1] < _SPACE or content[-1] == _DELETE:
        bad.append(np.array([len(content) - 1]))
    full = np.flatnonzero(bounds[1:] > bounds[:-1])
    starts, ends = bounds[full], bounds[full + 1] - 1
    spaced = (content[starts] == _SPACE) | (content[ends] == _SPACE)
    clean[full[spaced]] = False
    if content.max() >= _LEAD_OF_THREE:
        threes = np.flatnonzero(content == _LEAD_OF_THREE)
        bad.append(_unclean_threes(content, bounds, threes, joiners=joiners))
    clean[_cells_at(bounds, np.concatenate(bad))] = False
    return clean


def _unclean_threes(
    content: npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int32],
    places: Places,
    *,
    joiners: bool,
) -> Places:
    """Return which characters of three bytes are neither quotes nor ZWNJ in a word."""
    general = content[places + 1] == 0x80  # U+2000 to U+203F
    tails = content[places + 2]
    fine = general & _QUOTE_TAILS[tails]
    zwnj = places[general & (tails == _ZWNJ_TAIL)]
    if joiners and len(zwnj):
        owners = _cells_at(bounds, zwnj)
        inside = (zwnj > bounds[owners]) & (zwnj + 3 < bounds[owners + 1])
        zwnj = zwnj[inside]
        before, after = content[zwnj - 1], content[zwnj + 3]
        pairs = content[zwnj - 2].astype(np.uint16) << 8 | before
        follow = content[np.minimum(zwnj + 4, len(content) - 1)]
        following = after.astype(np.uint16) << 8 | follow
        joins = (_ASCII_LETTERS[before] | _LETTER_PAIRS[pairs]) & (
            _ASCII_LETTERS[after] | _LETTER_PAIRS[following]
        )
        fine |= np.isin(places, zwnj[joins], assume_unique=True)
    unclean: Places = places[~fine]
    return unclean


def unusual_cells(cells: pa.StringArray) -> Mask:
    """Return which cells hold a character that may be broken, private or unassigned.

    Surely none of these are tab and line ends, printable ASCII and Latin-1, the Arabic
    block (U+0600 to U+06FF), joiners and common punctuation (U+200C to U+2027, U+2030
    to U+203A).
    """
    unusual = np.zeros(len(cells), bool)
    content, bounds = data(cells), offsets(cells) - offsets(cells)[0]
    if not len(content) or (content.min() >= _SPACE and content.max() < _DELETE):
        return unusual
    # Unsigned bytes wrap: C0 to D7 and DC to FF, not the leads of the Arabic block.
    suspects = (content < _SPACE) | (content == _DELETE) | (content - 0xC0 < 0x18)
    if content.max() >= 0xDC:
        suspects |= content >= 0xDC
    places = np.flatnonzero(suspects)
    if not len(places):
        return unusual
    last = len(content) - 1
    lead = content[places]
    second = content[np.minimum(places + 1, last)]
    third = content[np.minimum(places + 2, last)]
    usual = (lead == 0x09) | (lead == 0x0A) | (lead == 0x0D) | (lead == 0xC3)
    usual |= (lead == 0xC2) & (second >= 0xA0)
    common = ((third >= 0x8C) & (third <= 0xA7)) | ((third >= 0xB0) & (third <= 0xBA))
    usual |= (lead == _LEAD_OF_THREE) & (second == 0x80) & common
    unusual[_cells_at(bounds, places[~usual])] = True
    return unusual & _valid(cells) if cells.null_count else unusual


def _valid(cells: pa.StringArray) -> Mask:
    """Return which cells are not null."""
    return as_mask(cells.is_valid())


def _cells_at(bounds: npt.NDArray[np.int32], places: Places) -> Places:
    """Return in which cell each place among the bytes lies."""
    return np.searchsorted(bounds, places, side="right") - 1


__all__ = ["clean_cells", "unusual_cells"]
