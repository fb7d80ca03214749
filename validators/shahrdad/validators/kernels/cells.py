"""The buffers of a text column, seen through numpy: lengths, bytes, validity.

Nothing here copies the bytes of the cells.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]


def offsets(cells: pa.StringArray) -> npt.NDArray[np.int32]:
    """Return the n + 1 offsets of n cells into the data."""
    buffer = cells.buffers()[1]
    if buffer is None or not len(cells):
        return np.zeros(1, np.int32)
    return np.frombuffer(buffer, np.int32, len(cells) + 1, cells.offset * 4)


def data(cells: pa.StringArray) -> npt.NDArray[np.uint8]:
    """Return the bytes of all cells, one after the other."""
    bounds = offsets(cells)
    buffer = cells.buffers()[2]
    if buffer is None or bounds[-1] == bounds[0]:
        return np.zeros(0, np.uint8)
    return np.frombuffer(buffer, np.uint8, int(bounds[-1] - bounds[0]), int(bounds[0]))


def lengths(cells: pa.StringArray) -> npt.NDArray[np.int32]:
    """Return the number of bytes of each cell; 0 for a null made here."""
    return np.diff(offsets(cells))


def bytes_count(cells: pa.StringArray) -> int:
    """Return the number of bytes of all cells together."""
    bounds = offsets(cells)
    return int(bounds[-1]) - int(bounds[0])


def byte_max(cells: pa.StringArray) -> int:
    """Return the greatest byte of the column; 0 without any."""
    found = data(cells)
    return int(found.max()) if len(found) else 0


def mask_array(mask: Mask) -> pa.BooleanArray:
    """Return a numpy mask as an Arrow array."""
    bits = pa.py_buffer(np.packbits(mask, bitorder="little").tobytes())
    return pa.BooleanArray.from_buffers(pa.bool_(), len(mask), [None, bits])


def as_mask(array: pa.BooleanArray) -> Mask:
    """Return an Arrow mask, null counting as false, as a numpy mask."""
    if array.null_count:
        array = array.fill_null(False)
    bits = np.frombuffer(array.buffers()[1], np.uint8)
    return np.unpackbits(bits, count=array.offset + len(array), bitorder="little")[
        array.offset :
    ].astype(bool)


def valid_mask(array: pa.Array) -> Mask | None:
    """Return which values are not null; None when all are."""
    if not array.null_count:
        return None
    return as_mask(array.is_valid())


def with_nulls(cells: pa.StringArray, null: Mask) -> pa.StringArray:
    """Return the cells with some made null; the bytes are shared."""
    bits = pa.py_buffer(np.packbits(~null, bitorder="little").tobytes())
    if cells.offset:
        shared = pa.py_buffer(offsets(cells).tobytes())
        return pa.StringArray.from_buffers(len(cells), shared, cells.buffers()[2], bits)
    _, starts, content = cells.buffers()
    return pa.StringArray.from_buffers(len(cells), starts, content, bits)


def missing_mask(cells: pa.StringArray, missing: Sequence[str]) -> Mask | None:
    """Return which cells hold no value, null or a missing text; None for none."""
    absent = None if not cells.null_count else ~as_mask(cells.is_valid())
    found: Mask
    if tuple(missing) == ("",):
        bounds = offsets(cells)
        found = bounds[1:] == bounds[:-1]
    else:
        sizes = lengths(cells)
        longest = max((len(text.encode()) for text in missing), default=-1)
        if not len(sizes) or int(sizes.min()) > longest:
            return absent
        found = as_mask(pc.is_in(cells, value_set=pa.array(list(missing), pa.string())))
    if absent is not None:
        found = found | absent
    return found if found.any() else None


__all__ = [
    "Mask",
    "as_mask",
    "byte_max",
    "bytes_count",
    "data",
    "lengths",
    "mask_array",
    "missing_mask",
    "offsets",
    "valid_mask",
    "with_nulls",
]
