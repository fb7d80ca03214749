"""Rows in JSON: an array of objects or of arrays, or one of them on each line.

The keys of the first object, in their order, are the labels; a key that comes later is
a surplus cell of its row. A number keeps the digits it was written with. A value that
is an object or an array stays JSON, in one cell. Row 1 is the labels, as in other
formats.

>>> import io
>>> text = b'[{"a": 1.50}, {"a": null}]'
>>> rows = JsonRows.open(lambda: io.BytesIO(text), "a.json", lines=False)
>>> rows.labels, next(rows.batches()).columns[0].to_pylist()
(('a',), ['1.50'])
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.text_table import CellKind, RaggedRow, TextBatch

BATCH_ROWS = 8_192


class _Figure(str):
    """A number as it was written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class JsonRows:
    """A table in JSON.

    Attributes:
        labels: The keys of the first row, or its cells where it is an array.
        start: Number of the first row of data.
        rows: Yields the rows with their numbers.
    """

    labels: tuple[str, ...]
    start: int
    rows: Callable[[], Iterator[tuple[int, Any]]]
    name: str
    limits: Limits

    @classmethod
    def open(
        cls,
        opened: Callable[[], BinaryIO],
        name: str,
        *,
        lines: bool,
        limits: Limits = DEFAULT,
    ) -> "JsonRows":
        """Read the labels.

        Args:
            opened: Opens UTF-8 text.
            name: What errors call it.
            lines: Whether it is JSON Lines.
            limits: The bounds.

        Raises:
            DataError: SOURCE_FORMAT where the JSON is no table; SOURCE_UNREADABLE,
                SOURCE_TOO_LARGE, ROW_TOO_LONG, SOURCE_EMPTY.
        """

        def rows() -> Iterator[tuple[int, Any]]:
            return (
                _lines(opened, name, limits) if lines else _array(opened, name, limits)
            )

        first = next(rows(), None)
        if first is None:
            raise DataError(Reason.SOURCE_EMPTY, name=name)
        row = first[1]
        if isinstance(row, dict):
            labels, start = tuple(row), 2
        elif isinstance(row, list) and row:
            labels, start = tuple(_text(cell, limits, name)[0] for cell in row), 2
        else:
            raise _no_table(name)
        if len(labels) > limits.columns_max:
            raise DataError(
                Reason.SOURCE_TOO_LARGE,
                name=name,
                found=len(labels),
                unit="columns",
                found_max=limits.columns_max,
            )
        return cls(labels, start, rows, name, limits)

    def batches(self) -> Iterator[TextBatch]:
        """Yield the rows."""
        waiting: list[tuple[int, Any]] = []
        keyed: bool | None = None
        for number, row in self.rows():
            if keyed is None:
                keyed = isinstance(row, dict)
                if not keyed:
                    continue  # the first array holds the labels
            waiting.append((number + 1 if keyed else number, row))
            if len(waiting) == BATCH_ROWS:
                yield self._batch(waiting)
                waiting = []
        if waiting:
            yield self._batch(waiting)

    def _batch(self, rows: list[tuple[int, Any]]) -> TextBatch:
        """Turn rows into columns of text."""
        numbers: list[int] = []
        texts: list[list[str]] = [[] for _ in self.labels]
        kinds: list[list[int]] = [[] for _ in self.labels]
        ragged, blank = [], []
        for number, row in rows:
            cells = self._cells(row)
            if len(cells) != len(self.labels):
                ragged.append(RaggedRow(number, tuple(text for text, _ in cells)))
            elif not any(text for text, _ in cells):
                blank.append(number)
            else:
                numbers.append(number)
                for place, (text, kind) in enumerate(cells):
                    texts[place].append(text)
                    kinds[place].append(kind)
        return TextBatch.of(
            numbers,
            [pa.array(column, pa.string()) for column in texts],
            kinds=tuple(np.array(column, np.uint8) for column in kinds),
            ragged=tuple(ragged),
            blank=tuple(blank),
        )

    def _cells(self, row: Any) -> list[tuple[str, CellKind]]:
        """Return the cells of a row in the order of the labels, surplus ones last."""
        if isinstance(row, dict):
            known = [
                _text(row.get(label), self.limits, self.name) for label in self.labels
            ]
            labels = set(self.labels)
            surplus = [key for key in row if key not in labels]
            return known + [_text(row[key], self.limits, self.name) for key in surplus]
        if isinstance(row, list):
            return [_text(cell, self.limits, self.name) for cell in row]
        raise _no_table(self.name)


def _no_table(name: str) -> DataError:
    return DataError(
        Reason.SOURCE_FORMAT,
        name=name,
        found="JSON",
        expected="an array of objects or of arrays, or one of them on each line",
    )


def _parse(text: str | bytes, name: str) -> Any:
    """Parse JSON; numbers stay text.

    Raises:
        DataError: SOURCE_UNREADABLE.
    """
    try:
        return json.loads(
            text, parse_float=_Figure, parse_int=_Figure, parse_constant=_Figure
        )
    except (ValueError, RecursionError) as error:
        detail = str(error) or type(error).__name__
        raise DataError(Reason.SOURCE_UNREADABLE, name=name, detail=detail) from error


def _array(
    opened: Callable[[], BinaryIO], name: str, limits: Limits
) -> Iterator[tuple[int, Any]]:
    """Yield the items of a JSON array, from 1."""
    with opened() as stream:
        text = stream.read(limits.json_bytes_max + 1)
    if len(text) > limits.json_bytes_max:
        raise DataError(
            Reason.SOURCE_TOO_LARGE,
            name=name,
            found=len(text),
            unit="bytes (JSON)",
            found_max=limits.json_bytes_max,
        )
    value = _parse(text, name)
    if not isinstance(value, list):
        raise _no_table(name)
    yield from enumerate(value, start=1)


def _lines(
    opened: Callable[[], BinaryIO], name: str, limits: Limits
) -> Iterator[tuple[int, Any]]:
    """Yield the values of JSON Lines, numbered by line; blank lines count."""
    with opened() as stream:
        number = 0
        while line := stream.readline(limits.row_bytes_max + 1):
            number += 1
            if len(line) > limits.row_bytes_max:
                raise DataError(
                    Reason.ROW_TOO_LONG,
                    name=name,
                    row=number,
                    size_bytes_max=limits.row_bytes_max,
                )
            if line.strip():
                yield number, _parse(line, name)


def _text(value: Any, limits: Limits, name: str) -> tuple[str, CellKind]:
    """Return a value as text, and how it was stored."""
    if value is None:
        return "", CellKind.EMPTY
    if isinstance(value, _Figure):
        return str(value), CellKind.NUMBER
    if isinstance(value, str):
        return value, CellKind.TEXT
    if isinstance(value, bool):
        return ("true" if value else "false"), CellKind.BOOLEAN
    if depth(value) > limits.json_depth_max:
        raise DataError(
            Reason.SOURCE_TOO_LARGE,
            name=name,
            found=depth(value),
            unit="levels (JSON)",
            found_max=limits.json_depth_max,
        )
    return _compact(value), CellKind.TEXT


def depth(value: Any) -> int:
    """Return how deep a JSON value is nested; a plain value has depth 0."""
    deepest, waiting = 0, [(value, 0)]
    while waiting:
        one, level = waiting.pop()
        if isinstance(one, dict | list):
            deepest = max(deepest, level + 1)
            inner = one.values() if isinstance(one, dict) else one
            waiting += [(item, level + 1) for item in inner]
    return deepest


def _compact(value: Any) -> str:
    """Write a value as JSON again, its numbers with the digits they had."""
    if isinstance(value, _Figure):
        return str(value)
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(key, ensure_ascii=False)}:{_compact(one)}"
            for key, one in value.items()
        )
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_compact(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)
