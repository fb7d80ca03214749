"""Digits of a column: its bytes, its digits in ASCII, its whole numbers.

A digit of Persian is DB B0–B9 in UTF-8, one of Arabic D9 A0–A9, and nothing else begins
so (DB A0 is a letter, D9 B0 a vowel mark).
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]


def cell_bytes(column: pa.StringArray) -> tuple[Bytes, npt.NDArray[np.int32]]:
    """Return the bytes of a column's cells and their offsets, without copying.

    Args:
        column: n cells; a null counts as the bytes that stand there, usually none.

    Returns:
        The bytes from the first cell to the last, and n + 1 offsets into them.
    """
    offsets_buffer = column.buffers()[1]
    if offsets_buffer is None or len(column) == 0:
        return np.empty(0, np.uint8), np.zeros(len(column) + 1, np.int32)
    offsets = np.frombuffer(offsets_buffer, np.int32)[
        column.offset : column.offset + len(column) + 1
    ]
    data_buffer = column.buffers()[2]
    if data_buffer is None:
        return np.empty(0, np.uint8), offsets - offsets[0]
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return data, offsets - offsets[0]


def from_bytes(
    data: Bytes, offsets: npt.NDArray[np.int32], like: pa.StringArray
) -> pa.StringArray:
    """Make a column of bytes and offsets, with the nulls of another."""
    validity = None
    if like.null_count:
        validity = pa.array(like.is_valid()).buffers()[1]
    return pa.StringArray.from_buffers(
        len(offsets) - 1,
        pa.py_buffer(np.ascontiguousarray(offsets, dtype=np.int32)),
        pa.py_buffer(np.ascontiguousarray(data)),
        validity,
        like.null_count,
    )


def column_to_ascii(column: pa.StringArray) -> pa.StringArray:
    """Return a column with ASCII digits; the same object if it has no others.

    Full-width digits, three bytes long and rare, are left for the cell form.

    Args:
        column: n cells.

    Returns:
        n cells, each digit of Persian or Arabic now one byte.
    """
    data, offsets = cell_bytes(column)
    if not len(data) or data.max() < 0x80:
        return column
    lead, tail = data[:-1], data[1:]
    digit = ((lead == 0xDB) & (tail >= 0xB0) & (tail <= 0xB9)) | (
        (lead == 0xD9) & (tail >= 0xA0) & (tail <= 0xA9)
    )
    places = np.flatnonzero(digit)
    if not len(places):
        return column
    changed = data.copy()
    # B0–B9 and A0–A9 end in the digit's value, and 0x30 is "0".
    changed[places + 1] = (data[places + 1] & 0x0F) | 0x30
    keep = np.ones(len(data), bool)
    keep[places] = False
    dropped_before = np.searchsorted(places, offsets, side="left").astype(np.int32)
    return from_bytes(changed[keep], offsets - dropped_before, column)


def whole_numbers(column: pa.StringArray) -> pa.Int64Array | None:
    """Return a column's values where all its cells are plain whole numbers or empty.

    Plain is what an integer prints as: no plus, no leading zero, no more than int64.

    Args:
        column: n cells.

    Returns:
        n values, null where a cell is empty; None where any cell is something else.
    """
    data, offsets = cell_bytes(column)
    least = data.min() if len(data) else 0x30
    if len(data) and (data.max() > 0x39 or least < 0x2D or (data == 0x2E).any()):
        return None
    if least >= 0x30 and (data[offsets[:-1][np.diff(offsets) > 1]] == 0x30).any():
        return None
    filled = column
    if (np.diff(offsets) == 0).any():
        filled = pc.if_else(pc.equal(pc.binary_length(column), 0), None, column)
    try:
        values = filled.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    if least >= 0x30:
        return values
    plain = pc.all(pc.equal(values.cast(pa.string()), filled)).as_py()
    return values if plain is not False else None
