"""Guards of the kernels in compat mode: surely valid means that frictionless accepts.

All short texts over an adversarial alphabet, each alone in its column and together with
others of its length: only a homogeneous column finds a guard that is too wide.
"""

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from frictionless import Schema

from shahrdad.validators.oracle import OracleColumn

ALPHABET = "019-+.,:eE_xTZ /\u06f1\u00a0"
FIELDS: list[dict[str, Any]] = [
    {"type": "integer"},
    {"type": "integer", "bareNumber": False},
    {"type": "integer", "constraints": {"minimum": 0, "maximum": 9}},
    {"type": "number"},
    {"type": "number", "groupChar": ",", "constraints": {"minimum": "0.1"}},
    {"type": "number", "decimalChar": ","},
    {"type": "number", "bareNumber": False},
    {"type": "year"},
    {"type": "yearmonth"},
    {"type": "boolean"},
    {"type": "date"},
    {"type": "time"},
    {"type": "datetime"},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "uri"},
    {"type": "string", "constraints": {"pattern": "[0-9.]+|-", "maxLength": 2}},
]
SEEDS = {  # a valid text of which every character is replaced, left out and doubled
    "integer": ["-120", "9223372036854775807"],
    "number": ["-12.50", "1,200.5", "12,5"],
    "year": ["2020"],
    "yearmonth": ["2020-01"],
    "boolean": ["true", "False"],
    "date": ["2020-02-29", "0001-01-01"],
    "time": ["10:20:30", "23:59:59.5"],
    "datetime": ["2020-02-29T10:20:30Z", "2020-01-31T10:20:30.5+03:30"],
    "string": ["a.b@c.ir", "http://a.ir/x", "1.1"],
}


def column_of(field: dict[str, Any]) -> tuple[OracleColumn, Any]:
    """Return our column, and frictionless' reader of its cells."""
    made = Schema.from_descriptor({"fields": [{"name": "a", **field}]}).fields[0]
    column = OracleColumn(made, 1, keyed=False, valued=False)
    return column, made.create_cell_reader()


def refused(read: Any, text: str) -> bool:
    """Return whether frictionless refuses a text; raising counts."""
    try:
        return bool(read(text)[1])
    except Exception:
        return True


def judged(column: OracleColumn, texts: list[str]) -> list[bool]:
    """Return which cells of a column ours refuses."""
    wrong = column.judge(pa.array(texts, pa.string())).wrong
    return (np.zeros(len(texts), bool) if wrong is None else wrong).tolist()


def mutations(text: str) -> list[str]:
    """Return a text with each of its places changed in every way of the alphabet."""
    found = {text}
    for place, letter in itertools.product(range(len(text) + 1), ALPHABET):
        found.add(text[:place] + letter + text[place:])
        found.add(text[:place] + letter + text[place + 1 :])
        found.add(text[:place] + text[place + 1 :])
    return sorted(found)


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_short_texts(field: dict[str, Any]) -> None:
    """All texts of one to three letters, alone (up to two) and together."""
    column, read = column_of(field)
    for length in (1, 2, 3):
        texts = ["".join(t) for t in itertools.product(ALPHABET, repeat=length)]
        expected = [refused(read, text) for text in texts]

        assert expected == judged(column, texts)
        if length < 3:
            assert expected == [judged(column, [text])[0] for text in texts]
        fine = [text for text, wrong in zip(texts, expected, strict=True) if not wrong]
        assert not any(judged(column, fine))


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_near_valid_texts(field: dict[str, Any]) -> None:
    """Mutations of a valid text, alone, and by their length in one column."""
    column, read = column_of(field)
    for seed in SEEDS[field["type"]]:
        texts = mutations(seed)
        expected = {text: refused(read, text) for text in texts}

        assert expected == {text: judged(column, [text])[0] for text in texts}
        for _, group in itertools.groupby(sorted(texts, key=len), key=len):
            alike = list(group)
            assert [expected[text] for text in alike] == judged(column, alike)
