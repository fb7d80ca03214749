"""Kernels are only faster: what they say is what the reference says, for every text."""

import itertools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.validators.kernels.column import ColumnReader
from shahrdad.validators.kernels.shapes import shape_of
from shahrdad.validators.plan import FieldPlan

FIELDS = [
    FieldPlan("f", "integer", required=True, bounds={"minimum": 0}),
    FieldPlan("f", "integer", bounds={"exclusiveMinimum": "0", "maximum": 99}),
    FieldPlan("f", "integer", enum=("0", 1)),
    FieldPlan("f", "integer", group_char=","),
    FieldPlan("f", "integer", bare_number=False),
    FieldPlan("f", "number", bounds={"minimum": 0, "maximum": "99.5"}),
    FieldPlan("f", "number", bounds={"exclusiveMaximum": 0.1}),
    FieldPlan("f", "number", group_char=",", decimal_char="."),
    FieldPlan("f", "number", decimal_char=",", group_char="."),
    FieldPlan("f", "number", bare_number=False),
    FieldPlan("f", "boolean"),
    FieldPlan("f", "date", bounds={"minimum": "1921-03-21"}),
    FieldPlan("f", "date", format="%Y/%m/%d"),
    FieldPlan("f", "datetime", bounds={"maximum": "2025-01-01T00:00:00Z"}),
    FieldPlan("f", "time"),
    FieldPlan("f", "year", bounds={"minimum": 1380}),
    FieldPlan("f", "yearmonth"),
    FieldPlan("f", "duration"),
    FieldPlan("f", "geopoint"),
    FieldPlan("f", "string", format="email"),
    FieldPlan("f", "string", format="uri"),
    FieldPlan("f", "string", format="uuid"),
    FieldPlan("f", "string", pattern="[0-9]{4}"),
    FieldPlan(
        "f", "string", pattern="[A-Z]{2}-[0-9]{3}|x+", min_length=2, max_length=6
    ),
    FieldPlan("f", "string", categories=("a", "b"), missing=("", "-")),
    FieldPlan("f", "list", item_type="integer"),
    FieldPlan("f", "list"),
    FieldPlan("f", "any", missing=()),
]
NEAR = {
    "integer": (
        "0 1 -1 +1 007 99 100 1,234 12,34 1_0 ۱ 0x1F 1e3 1.0 9223372036854775807 "
        "9223372036854775808 -9223372036854775808 $5 5% - --1"
    ),
    "number": (
        "0 -0 0.0 99.5 99.50000000000000001 .5 5. 1e5 1E-2 1,234.5 1.234,5 NaN INF "
        "-INF nan inf 0.1 0.10 0.09999999999999999999 1_0 ۱ - . $5.5"
    ),
    "boolean": "true false 1 0 True FALSE yes",
    "date": (
        "1921-03-21 1921-03-20 2020-02-29 2021-02-29 2020-02-30 0000-01-01 "
        "0001-01-01 9999-12-31 1404-06-08 1404-02-31 2020-1-5 2020/02/03 2020/02/30 "
        "20200101 ۲۰۲۰-۰۱-۰۱"
    ),
    "datetime": (
        "2020-01-01T00:00:00Z 2025-01-01T00:00:00Z 2025-01-01T00:00:01Z "
        "2020-02-30T00:00:00Z 2020-01-01T24:00:00Z 2020-01-01T00:00:00 "
        "2020-01-01T00:00:00+03:30 2020-01-01T00:00:00+15:00 "
        "2020-01-01T00:00:00.1234567Z 1404-01-01T00:00:00Z 2020-01-01 "
        "0001-01-01T00:00:00+14:00"
    ),
    "time": "00:00:00 23:59:59 24:00:00 1:00:00 00:60:00",
    "year": "1380 1379 0000 999 20200 ۱۴۰۴",
    "yearmonth": "1404-01 1404-13 1404-1",
    "duration": "P1D P PT PT1H P1Y2M3DT4H5M6.7S -P1D P1S",
    "geopoint": "1,2 57.08,-30.2 181,0 0,91 a,b 1 1,2,3",
    "string": (
        "a b 1346 AB-123 AB-1234 xxxxxxx x شهر ششششششش a@b.ir A@b.ir a@b "
        "http://a.ir/x HTTP://A.ir http:// 123e4567-e89b-12d3-a456-426614174000 "
        "123E4567-e89b-12d3-a456-426614174000 -"
    ),
    "list": "1,2 1 a,b , 1,,2",
    "any": "a - 1",
}


def both(field: FieldPlan, texts: list[str | None]) -> tuple[Any, Any]:
    """Return values and codes, by the kernels and by the reference alone."""
    found = []
    for kernels in (True, False):
        reader = ColumnReader(field, kernels=kernels)
        column = reader.read(pa.array(texts, pa.string()))
        verdicts = column.verdicts
        codes = [
            reader.codes[0 if verdicts is None else verdicts[n]]
            for n in range(len(texts))
        ]
        # NaN is not equal to itself; its text is.
        found.append((str(column.values.to_pylist()), codes))
    return found[0], found[1]


def named(field: FieldPlan) -> str:
    """Return a name for a test's report."""
    rest = field.pattern or field.bounds or field.enum or ""
    return f"{field.type}-{field.format}-{rest}"


@pytest.mark.parametrize("field", FIELDS, ids=named)
def test_near_valid_texts_together_and_alone(field: FieldPlan) -> None:
    """A column of near-valid texts, and each of them as a column of its own."""
    texts: list[str | None] = [
        *NEAR[field.type].split(),
        "",
        " 1",
        "1 ",
        "\u00a05",
        "\u200f5",
        None,
    ]

    for sample in (
        texts,
        *([text] for text in texts),
        *itertools.combinations(texts[:9], 2),
    ):
        expected, actual = both(field, list(sample))
        assert actual == expected, sample


@pytest.mark.parametrize(
    "field",
    [f for f in FIELDS if f.type in ("integer", "number", "date", "year")],
    ids=named,
)
def test_every_short_text_of_an_adverse_alphabet(field: FieldPlan) -> None:
    """All texts of up to four characters that casts could take by mistake."""
    letters = "0159-+.,/ eExX_" if field.type in ("integer", "number") else "0129-/ T"
    texts = [
        "".join(t) for n in range(1, 4) for t in itertools.product(letters, repeat=n)
    ]

    expected, actual = both(field, list(texts))

    assert actual == expected
    for text in texts[::7]:
        expected, actual = both(field, [text])
        assert actual == expected, text


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_texts(data: st.DataObject) -> None:
    """Mutations of near-valid texts, in one column."""
    field = data.draw(st.sampled_from(FIELDS))
    near = st.sampled_from(NEAR[field.type].split())
    noise = st.text(alphabet="0123456789-+.,:/TZ eE۱\u200f", max_size=12)
    texts = data.draw(st.lists(st.one_of(near, near, noise, st.just("")), max_size=8))

    expected, actual = both(field, list(texts))

    assert actual == expected


def test_year_zero_is_no_date() -> None:
    """Arrow takes 0000-01-01 for a date, Python does not: it is an error."""
    reader = ColumnReader(FieldPlan("f", "date"))
    column = reader.read(pa.array(["0000-01-01", "0000-12-31"]))

    assert column.verdicts is not None
    assert [("type-date",)] * 2 == [reader.codes[v] for v in column.verdicts]


def test_cells_equal_to_a_bound_are_fine() -> None:
    """Zero with minimum 0, however it is written, is no candidate for an error."""
    reader = ColumnReader(FieldPlan("f", "number", bounds={"minimum": 0}))

    assert reader.read(pa.array(["0", "0.00", "-0", "0" * 30])).verdicts is None


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[0-9]{4}", "1346", ["134a", "134", "13461", "۱۳۴۶"]),
        ("[A-Z]{2}-[0-9]{3}", "KR-123", ["KR_123", "kR-123", "KR-12"]),
        ("[A-Za-z_]{3}", "aZ_", ["a-Z", "a[b"]),
        (r"\d{2}\.x", "12.x", ["12ax", "1a.x"]),
    ],
)
def test_shapes(pattern: str, good: str, bad: list[str]) -> None:
    """A pattern of a fixed length is judged by its bytes, and never too generously."""
    shape = shape_of(pattern)

    assert shape is not None
    assert shape.all_match(pa.array([good, good, None]))
    for text in bad:
        assert not shape.all_match(pa.array([good, text])), text
        assert not shape.all_match(pa.array([text])), text


@pytest.mark.parametrize(
    "pattern", ["a+", "a|b", "(a)", "[^a]", "a?", ".", "[a-]", "^a", "شهر", ""]
)
def test_what_is_no_shape(pattern: str) -> None:
    """Everything but places and bytes is left to RE2."""
    assert shape_of(pattern) is None


def test_slices_are_read_from_their_offset() -> None:
    """A batch that is a slice of another gives the same answers."""
    texts = ["x", "1", "2", "", "y", "3"] * 5
    field = FieldPlan("f", "integer", required=True)
    whole = ColumnReader(field).read(pa.array(texts))
    part = ColumnReader(field).read(pa.array(texts).slice(7, 9))

    assert whole.values.to_pylist()[7:16] == part.values.to_pylist()
    assert whole.verdicts is not None
    assert part.verdicts is not None
    assert [v != 0 for v in whole.verdicts[7:16]] == [v != 0 for v in part.verdicts]
