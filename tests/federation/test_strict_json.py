"""JSON that two readers could read differently is refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import INTEGER_MAX, JSON_DEPTH_MAX
from shahrdad.federation.verify.strict_json import canonical, loads

BIG = 10_000_000


def nested(depth: int, inner: str = "0") -> bytes:
    """Return an object that is `depth` levels deep."""
    arrays = depth - 1
    return f'{{"a":{"[" * arrays}{inner}{"]" * arrays}}}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf{}",
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"\\u0062":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\\udc00\\ud800"}',
        f'{{"a":{INTEGER_MAX + 1}}}'.encode(),
        f'{{"a":-{INTEGER_MAX + 1}}}'.encode(),
        b'{"a":' + b"9" * 5_000 + b"}",
        '{"a":\u06f1}'.encode(),
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":.5}',
        b'{"a":"\n"}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1}}',
        b'{"a":1} {}',
        b'{"a"',
        b"[]",
        b'"a"',
        b"null",
        b"",
        b" ",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        nested(JSON_DEPTH_MAX + 1),
        nested(JSON_DEPTH_MAX + 1, ""),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_readers_do_not_agree_on_is_refused(data: bytes) -> None:
    """Python's own reader takes several of these silently."""
    with pytest.raises(PeerError) as caught:
        loads(data, bytes_max=BIG)

    assert Reason.MALFORMED is caught.value.reason


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b' \t\r\n{"a" : [ ]}\n', {"a": []}),
        (b'{"a":-0}', {"a": 0}),
        (f'{{"a":{INTEGER_MAX}}}'.encode(), {"a": INTEGER_MAX}),
        (f'{{"a":{-INTEGER_MAX}}}'.encode(), {"a": -INTEGER_MAX}),
        (b'{"a":0.5e1}', {"a": 5.0}),
        (b'{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[":0}', {"[" * 34: 0}),
        ('{"\u0634\u0647\u0631":1}'.encode(), {"\u0634\u0647\u0631": 1}),
    ],
)
def test_strict_json_is_read(data: bytes, expected: dict[str, Any]) -> None:
    """Spelling is free: spaces, escapes, order."""
    assert expected == loads(data, bytes_max=BIG)


def test_deepest_value_is_accepted() -> None:
    """32 levels; one more is refused above."""
    assert loads(nested(JSON_DEPTH_MAX), bytes_max=BIG)
    assert loads(nested(JSON_DEPTH_MAX, ""), bytes_max=BIG)


def test_length_has_a_bound() -> None:
    """At the limit it is read, one above it is not."""
    data = b'{"a":1}'
    assert {"a": 1} == loads(data, bytes_max=len(data))

    with pytest.raises(PeerError) as caught:
        loads(data, bytes_max=len(data) - 1)

    assert Reason.TOO_LARGE is caught.value.reason


@pytest.mark.parametrize("data", [b'{"a":1.0}', b'{"a":1e2}', b'{"a":[-0.0]}'])
def test_entries_have_no_floats(data: bytes) -> None:
    """A number with a fraction or an exponent is a float, whatever its value."""
    with pytest.raises(PeerError):
        loads(data, bytes_max=BIG, floats=False)


@pytest.mark.parametrize(
    "value", [{"a": INTEGER_MAX + 1}, {"a": float("nan")}, {"a": "\ud800"}, {1: 2}]
)
def test_what_cannot_be_read_back_is_never_written(value: Any) -> None:
    """Amounts above 2^53 are written as text by those who have them."""
    with pytest.raises(ValueError):  # noqa: PT011 (the library's own words)
        canonical(value)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text(max_size=4).filter(str.isascii), VALUES, max_size=4))
def test_canonical_form_is_read_back_and_stays(value: dict[str, Any]) -> None:
    """Reading undoes writing, and other JSON readers agree."""
    data = canonical(value)

    assert value == loads(data, bytes_max=BIG) == json.loads(data)
    assert data == canonical(loads(data, bytes_max=BIG))
