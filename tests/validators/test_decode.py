"""Encodings: proven, or asked for; never guessed."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators import decode
from shahrdad.validators.text_table import EncodingFacts
from shared_data import SHARED, needs_shared

PERSIAN = "شهر;مبلغ\nکرمان و ماهان;12\n"


def decided(content: bytes, declared: str | None = None) -> EncodingFacts | str:
    """Return the encoding of some bytes, or what is asked."""
    try:
        return decode.decide(
            lambda: io.BytesIO(content), name="a", declared=declared
        ).encoding
    except DataError as error:
        return f"{error.reason}: {error.values['candidates']}"


def decoded(content: bytes, declared: str | None = None) -> str:
    """Return the text of some bytes."""
    decision = decode.decide(lambda: io.BytesIO(content), name="a", declared=declared)
    with decode.open_utf8(lambda: io.BytesIO(content), decision) as stream:
        return stream.read().decode("utf-8")


@pytest.mark.parametrize(
    ("content", "name", "how"),
    [
        (PERSIAN.encode(), "utf-8", "valid-utf8"),
        (PERSIAN.encode("utf-8-sig"), "utf-8", "bom"),
        (b"\xff\xfe" + PERSIAN.encode("utf-16-le"), "utf-16-le", "bom"),
        (b"\xfe\xff" + PERSIAN.encode("utf-16-be"), "utf-16-be", "bom"),
        (PERSIAN.replace("ی", "\u064a").encode("cp1256"), "windows-1256", "evidence"),
        (b"a,b\n1,2\n", "utf-8", "valid-utf8"),
    ],
)
def test_ladder(content: bytes, name: str, how: str) -> None:
    """A mark, valid UTF-8, or Persian letters and words decide; the text is whole."""
    assert EncodingFacts(name, how) == decided(content)
    assert decoded(content).replace("\u064a", "ی") in (PERSIAN, "a,b\n1,2\n")


@pytest.mark.parametrize(
    ("content", "candidate"),
    [
        ("AÑO;CRÉDITO\nEDUCACIÓN;1\n".encode("cp1252"), "cp1252 «AÑO"),
        (PERSIAN.encode("utf-16-le"), "utf-16-le «شهر"),
        (b"\xff\xfe\x00\x00" + "a".encode("utf-32-le"), "UTF-8"),
        (
            "شهرداری بودجه".encode().decode("latin-1").encode(),
            "utf-8-twice «شهرداری بودجه",
        ),
    ],
)
def test_asked(content: bytes, candidate: str) -> None:
    """What is not proven is asked, with a preview of what each answer would read."""
    asked = decided(content)

    assert isinstance(asked, str)
    assert asked.startswith(Reason.SOURCE_ENCODING)
    assert candidate in asked


def test_declared_is_taken() -> None:
    """A declared encoding is not questioned; an unknown name is."""
    spanish = "AÑO".encode("cp1252")

    assert EncodingFacts("cp1252", "declared") == decided(spanish, "windows-1252")
    assert "AÑO" == decoded(spanish, "cp1252")
    assert "شهر" == decoded("شهر".encode().decode("latin-1").encode(), decode.TWICE)
    assert "utf-8" in str(decided(b"a", "rot13"))
    assert "utf-8" in str(decided(b"a", "no such"))


def test_bad_byte_is_named_and_the_rest_is_read() -> None:
    """A byte that a declared encoding cannot read is found, and shown as U+FFFD."""
    content = b"a,b\nx,\xe9\ny,2\n"
    opened = lambda: io.BytesIO(content)  # noqa: E731
    decision = decode.decide(opened, name="a", declared="utf-8")
    found = decode.bad_byte_finding(opened, decision)

    assert found is not None
    assert (6, 2) == (found.values["offset"], found.row)
    assert "a,b\nx,\ufffd\ny,2\n" == decoded(content, "utf-8")


@given(st.binary(max_size=40), st.integers(0, 4))
@settings(max_examples=200, deadline=None)
def test_first_bad_byte_is_pythons(content: bytes, split: int) -> None:
    """The fast check finds the same byte as Python's decoder, at any block length."""
    try:
        content.decode("utf-8")
        expected = None
    except UnicodeDecodeError as error:
        expected = error.start

    class Slow(io.BytesIO):
        """Gives few bytes at a time."""

        def read(self, size: int | None = -1) -> bytes:
            """Return the next bytes."""
            return super().read(split + 1)

    assert expected == decode.first_bad_byte(lambda: Slow(content))


@needs_shared
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("messy/derived/expenses1396.cp1256.csv", "windows-1256"),
        ("messy/derived/revenues1396.utf16le-bom.tsv", "utf-16-le"),
    ],
)
def test_derived_files(path: str, name: str) -> None:
    """Files in the encodings of Iranian offices are recognised."""
    assert name == getattr(decided((SHARED / "data" / path).read_bytes()), "name", None)


@needs_shared
def test_spanish_capitals_are_not_persian() -> None:
    """Madrid's capitals are Arabic letters in Windows-1256, and are asked about."""
    content = (SHARED / "data/budget/madrid/2023/gastos.csv").read_bytes()

    assert "cp1252 «" in str(decided(content))
