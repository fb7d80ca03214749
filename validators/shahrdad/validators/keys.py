"""Uniqueness of keys by 64-bit hashes; equal hashes are candidates, never a verdict.

- The hash is seeded for each run, so nobody can prepare collisions.
- Rows whose hashes are equal are read again and their values compared: a collision
  costs time and changes no report.
- Beyond `KEYS_MEMORY_MAX` keys they go to 64 files by their first bits, and each is
  sorted by itself.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shahrdad.validators.kernels.cells import as_mask, data, lengths, offsets

KEYS_MEMORY_MAX = 1 << 20  # 16 MiB with their rows; more spill to files
PARTITIONS = 64
_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_MIX = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]


def mix(values: Hashes, seed: int) -> Hashes:
    """Return well-spread hashes of 64-bit values (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(seed & (2**64 - 1))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def hash_texts(cells: pa.StringArray, seed: int) -> Hashes:
    """Return the hashes of n texts, eight bytes at a time."""
    sizes = lengths(cells).astype(np.int64)
    if len(sizes) and (sizes == sizes[0]).all():
        return _hash_equal_lengths(cells, int(sizes[0]), seed)
    starts = offsets(cells)[:-1].astype(np.int64)
    starts = starts - (int(offsets(cells)[0]) if len(cells) else 0)
    content = np.concatenate((data(cells), np.zeros(8, np.uint8)))
    words: Hashes = np.ndarray((len(content) - 7,), "<u8", content.data, 0, (1,))
    state = mix(sizes.astype(np.uint64), seed)
    longest = int(sizes.max()) if len(sizes) else 0
    # From the longest to the shortest, those that go on are always the first ones.
    order = np.argsort(-sizes, kind="stable")
    sizes, starts, state = sizes[order], starts[order], state[order]
    for step in range(0, longest, 8):
        active = int(np.searchsorted(-sizes, -step))
        whole = int(np.searchsorted(-sizes, -(step + 7)))
        word = words[starts[:active] + step]
        left = sizes[whole:active] - step
        word[whole:] &= _ALL_BITS >> ((8 - left) * 8).astype(np.uint64)
        with np.errstate(over="ignore"):
            state[:active] = mix(state[:active] ^ (word * _MIX), seed)
    hashes = np.empty_like(state)
    hashes[order] = state
    return hashes


def _hash_equal_lengths(cells: pa.StringArray, length: int, seed: int) -> Hashes:
    """Return the same hashes for texts of one length, without looking up each text."""
    state = mix(np.full(len(cells), np.uint64(length)), seed)
    if not length:
        return state
    padded = np.zeros((len(cells), -(-length // 8) * 8), np.uint8)
    padded[:, :length] = data(cells).reshape(len(cells), length)
    words = padded.view(np.uint64)
    for place in range(words.shape[1]):
        with np.errstate(over="ignore"):
            state = mix(state ^ (words[:, place] * _MIX), seed)
    return state


def hash_values(values: pa.Array, seed: int) -> Hashes:
    """Return the hashes of n typed values; equal values agree, nulls too."""
    type_ = values.type
    if pa.types.is_string(type_):
        hashes = hash_texts(values, seed)
    elif pa.types.is_list(type_):
        hashes = hash_texts(
            pa.array([repr(v) for v in values.to_pylist()], pa.string()), seed
        )
    else:
        hashes = mix(_bits(values), seed)
    if values.null_count:
        hashes[~as_mask(values.is_valid())] = mix(
            np.array([0], np.uint64), seed ^ 0x5A5A
        )[0]
    return hashes


def _bits(values: pa.Array) -> Hashes:
    """Return typed values as 64-bit patterns in which equal values are equal."""
    if pa.types.is_floating(values.type):
        floats = (
            values.fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0
        )  # -0.0 is 0.0
        return np.ascontiguousarray(floats).view(np.uint64)
    if pa.types.is_boolean(values.type):
        return as_mask(values).astype(np.uint64)
    wide = values
    if pa.types.is_date32(values.type):
        wide = values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type):
        wide = values.cast(pa.int64())
    numbers = wide.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    bits: Hashes = numbers.astype(np.int64).view(np.uint64)
    return bits


def combine(hashes: list[Hashes], seed: int) -> Hashes:
    """Return one hash for each row of several columns."""
    if len(hashes) == 1:
        return hashes[0]
    state = np.full(len(hashes[0]), np.uint64(len(hashes)), np.uint64)
    for column in hashes:
        with np.errstate(over="ignore"):
            state = mix(state * _MIX ^ column, seed)
    return state


class KeySet:
    """The keys of one uniqueness constraint, gathered batch by batch."""

    def __init__(self, memory_max: int = KEYS_MEMORY_MAX) -> None:
        self._memory_max = memory_max
        self._hashes: list[Hashes] = []
        self._rows: list[npt.NDArray[np.int64]] = []
        self._count = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, hashes: Hashes, rows: npt.NDArray[np.int64]) -> None:
        """Add the keys of some rows."""
        self._hashes.append(hashes)
        self._rows.append(rows)
        self._count += len(hashes)
        if self._count > self._memory_max:
            self._spill()

    def _spill(self) -> None:
        """Append the gathered keys to the partitions' files."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="shahrdad-keys-")
        hashes, rows = np.concatenate(self._hashes), np.concatenate(self._rows)
        parts = (hashes >> np.uint64(58)).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(PARTITIONS + 1))
        for part in range(PARTITIONS):
            chosen = order[bounds[part] : bounds[part + 1]]
            pair = np.empty((len(chosen), 2), np.uint64)
            pair[:, 0], pair[:, 1] = hashes[chosen], rows[chosen].astype(np.uint64)
            with (Path(self._folder.name) / f"{part:02}").open("ab") as file:
                pair.tofile(file)
        self._hashes, self._rows, self._count = [], [], 0

    def candidates(self) -> list[npt.NDArray[np.int64]]:
        """Return groups of rows with equal hashes, each group's rows rising."""
        if self._folder is None:
            if not self._hashes:
                return []
            return _repeated(np.concatenate(self._hashes), np.concatenate(self._rows))
        if self._hashes:
            self._spill()
        groups: list[npt.NDArray[np.int64]] = []
        for part in range(PARTITIONS):
            pair = np.fromfile(
                Path(self._folder.name) / f"{part:02}", np.uint64
            ).reshape(-1, 2)
            groups += _repeated(pair[:, 0].copy(), pair[:, 1].astype(np.int64))
        self.close()
        return sorted(groups, key=lambda group: int(group[0]))

    def close(self) -> None:
        """Remove the files."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _repeated(
    hashes: Hashes, rows: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int64]]:
    """Return the rows of each hash that occurs more than once."""
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return []
    inside = np.isin(hashes, np.unique(twice))
    hashes, rows = hashes[inside], rows[inside]
    order = np.lexsort((rows, hashes))
    hashes, rows = hashes[order], rows[order]
    cuts = np.flatnonzero(hashes[1:] != hashes[:-1]) + 1
    return sorted(np.split(rows, cuts), key=lambda group: int(group[0]))


def previous_rows(
    groups: list[npt.NDArray[np.int64]], values: dict[int, Any]
) -> dict[int, int]:
    """Compare the values of candidate rows.

    Args:
        groups: Rows with equal hashes.
        values: The key of each of these rows.

    Returns:
        For each row whose key occurred before, the last row that had it.
    """
    previous: dict[int, int] = {}
    for group in groups:
        last: dict[Any, int] = {}
        for row in group.tolist():
            key = values.get(row)
            if key is None:
                continue
            if key in last:
                previous[row] = last[key]
            last[key] = row
    return dict(sorted(previous.items()))


__all__ = ["KeySet", "combine", "hash_texts", "hash_values", "previous_rows"]
