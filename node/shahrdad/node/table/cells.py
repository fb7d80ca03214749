"""Comparing columns cell by cell, and saying a cell in one text."""

import json

import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.node.table.schema import INSTANT

WIDEST_DECIMAL = 38


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type in which cells of two types are compared.

    >>> wider(pa.int64(), pa.float64())
    DataType(double)
    """
    if one == other:
        return one
    kinds = (one, other)
    numbers = [pa.types.is_integer(kind) or pa.types.is_decimal(kind) for kind in kinds]
    if all(numbers):
        scale = max(kind.scale for kind in kinds if pa.types.is_decimal(kind))
        return pa.decimal128(WIDEST_DECIMAL, scale)
    if all(
        number or pa.types.is_floating(kind)
        for number, kind in zip(numbers, kinds, strict=True)
    ):
        return pa.float64()
    if all(pa.types.is_date(kind) or pa.types.is_timestamp(kind) for kind in kinds):
        return INSTANT
    return pa.string()


def comparable(
    column: pa.Array | pa.ChunkedArray, kind: pa.DataType
) -> pa.ChunkedArray:
    """Return a column in the type of a comparison; what does not fit becomes text."""
    chunked = (
        column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    )
    if chunked.type == kind and not pa.types.is_list(kind):
        return chunked
    if pa.types.is_list(chunked.type) or pa.types.is_string(kind):
        return texts(chunked)
    return chunked.cast(kind)


def different(
    old: pa.Array | pa.ChunkedArray, new: pa.Array | pa.ChunkedArray
) -> pa.ChunkedArray:
    """Tell for each row whether two cells differ; null equals null, NaN equals NaN.

    Args:
        old: n cells.
        new: n cells, of the same or another type.

    Returns:
        n booleans, none of them null.
    """
    kind = wider(old.type, new.type)
    one, other = comparable(old, kind), comparable(new, kind)
    result = pc.not_equal(one, other)
    if one.null_count or other.null_count:
        absent = pc.xor(pc.is_null(one), pc.is_null(other))
        result = pc.or_(pc.fill_null(result, False), absent)
    if pa.types.is_floating(kind):
        both = pc.and_(pc.is_nan(one), pc.is_nan(other))
        result = pc.and_not(result, pc.fill_null(both, False))
    return result


def texts(column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """Return each cell as one text: ISO dates, `true`/`false`, lists as JSON.

    Returns:
        n strings, null where the cell is null.
    """
    chunked = (
        column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    )
    kind = chunked.type
    if pa.types.is_string(kind):
        return chunked
    if pa.types.is_list(kind):
        values = [
            None if cell is None else json.dumps(cell, ensure_ascii=False)
            for cell in chunked.to_pylist()
        ]
        return pa.chunked_array([pa.array(values, pa.string())])
    if pa.types.is_boolean(kind):
        return pc.if_else(chunked, "true", "false")
    if pa.types.is_timestamp(kind):
        return pc.replace_substring(chunked.cast(pa.string()), " ", "T")
    return chunked.cast(pa.string())
