"""The primary key of a row, as text: what parts are cut by and composites matched by.

A key is the JCS array (RFC 8785) of its values: text as it is, numbers bare, dates and
instants as ISO text, decimals as text, an absent value as null.

>>> import pyarrow as pa
>>> batch = pa.record_batch({"city": ["1346", None], "year": [1404, 1403]})
>>> key_texts(batch, ["city", "year"]).to_pylist()
['["1346",1404]', '[null,1403]']
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from hashlib import blake2b
from math import isnan

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Value = str | int | bool | None
KEY_HASH_BYTES = 8
# What JSON must escape; everything else stands for itself (RFC 8785, 3.2.2.2).
ESCAPED = r'["\\\x00-\x1f]'


def hashable(kind: pa.DataType) -> bool:
    """Tell whether a column's values have one text: floats and lists do not."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_date(kind)
        or pa.types.is_timestamp(kind)
        or pa.types.is_decimal(kind)
    )


def key_texts(rows: pa.RecordBatch | pa.Table, key: Sequence[str]) -> pa.Array:
    """Return the keys of rows.

    Args:
        rows: n rows with the key's columns.
        key: Names of columns, in the key's order.

    Returns:
        n values of type large_string: JCS arrays.
    """
    count = rows.num_rows
    if not key:
        return pa.array(["[]"] * count, pa.large_string())
    texts = [column_texts(flat(rows.column(name))) for name in key]
    joined = pc.binary_join_element_wise(*texts, pa.scalar(",", pa.large_string()))
    return pc.binary_join_element_wise(
        pa.scalar("[", pa.large_string()),
        joined,
        pa.scalar("]", pa.large_string()),
        pa.scalar("", pa.large_string()),
    )


def flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    return column


def column_texts(column: pa.Array) -> pa.Array:
    """Return the JSON text of each value of a column, as large_string."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = string_texts(column)
    elif pa.types.is_integer(kind):
        texts = column.cast(pa.large_string())
    elif pa.types.is_boolean(kind):
        texts = pc.if_else(column, "true", "false").cast(pa.large_string())
    elif pa.types.is_timestamp(kind):
        iso = pc.replace_substring(column.cast(pa.large_string()), " ", "T")
        texts = quoted(iso)
    elif pa.types.is_date(kind) or pa.types.is_decimal(kind):
        texts = quoted(column.cast(pa.large_string()))
    else:
        raise ValueError(f"a column of type {kind} cannot be part of a key")
    return pc.fill_null(texts, "null")


def string_texts(column: pa.Array) -> pa.Array:
    """Return text in quotation marks, escaped where JSON needs it."""
    special = pc.any(pc.match_substring_regex(column, ESCAPED)).as_py()
    if not special:
        return quoted(column.cast(pa.large_string()))
    # Escapes are rare in keys, so the slow way is taken by whole columns.
    return pa.array(
        [
            None if text is None else json.dumps(text, ensure_ascii=False)
            for text in column.to_pylist()
        ],
        pa.large_string(),
    )


def quoted(column: pa.Array) -> pa.Array:
    """Return each value between quotation marks."""
    mark = pa.scalar('"', pa.large_string())
    return pc.binary_join_element_wise(
        mark, column, mark, pa.scalar("", pa.large_string())
    )


def text_hashes(texts: pa.Array) -> npt.NDArray[np.uint64]:
    """Return the numbers that decide where parts end (storage 4.1).

    Source: the first 8 bytes, big endian, of BLAKE2b-64 of each key's text.

    >>> text_hashes(pa.array(['["1346",1404]'])).tolist()
    [7889897426180775585]
    """
    hashed = (
        blake2b(text, digest_size=KEY_HASH_BYTES).digest()
        for text in texts.cast(pa.large_binary()).to_pylist()
    )
    return np.frombuffer(b"".join(hashed), ">u8").astype(np.uint64)


def first_values(
    row: pa.RecordBatch | pa.Table, key: Sequence[str]
) -> tuple[Value, ...]:
    """Return the key of the first row, as the record's JSON holds it."""
    if row.num_rows == 0:
        return ()
    values: list[Value] = json.loads(key_texts(row.slice(0, 1), key)[0].as_py())
    return tuple(values)


Rank = tuple[int, object]


def order(value: object, kind: pa.DataType) -> Rank:
    """Return what a value sorts by: as in the file, NaN after numbers, nulls last.

    Text of Python compares by code points, which is the order of UTF-8 bytes.
    """
    if value is None:
        return (2, 0)
    if isinstance(value, float) and isnan(value):
        return (1, 0)
    if pa.types.is_decimal(kind):
        return (0, Decimal(str(value)))
    return (0, value)
