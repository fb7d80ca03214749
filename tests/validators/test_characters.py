r"""Kernels over bytes tell the same cells apart as a regular expression does."""

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shahrdad.validators.kernels.characters import clean_cells, unusual_cells

# The definitions, as regular expressions of RE2.
LETTERS = "\u0621-\u063a\u0641\u0642\u0644-\u0648\u067e\u0686\u0698\u06a9\u06af\u06cc"
SAFE = (
    f"!-~{LETTERS}\u06f0-\u06f9\u060c\u061b\u061f\u066a-\u066c\u00ab\u00bb\u2026"
    "\u2018\u2019\u201c\u201d"
)
CLEAN = rf"^(?:[{SAFE}]+(?:[ \x{{200c}}][{SAFE}]+)*)?$"
LOOSE_ZWNJ = rf"[^A-Za-z{LETTERS}]\x{{200c}}|\x{{200c}}[^A-Za-z{LETTERS}]"
CODE = rf"^(?:[{SAFE}]+(?: [{SAFE}]+)*)?$"
UNUSUAL = (
    r"[^\x{09}\x{0A}\x{0D}\x{20}-\x{7E}\x{A0}-\x{FF}\x{0600}-\x{06FF}\x{200C}-\x{200F}"
    r"\x{2010}-\x{2027}\x{2030}-\x{203A}]"
)

NEAR = (
    "aZ0!~ \t\n\r\x00\x1f\x7f\x80\x9f\u00a0\u00ab\u00bb\u00ff\u0100\u05ff\u0600\u060c"
    "\u0620\u0621\u063a\u063b\u0640\u0641\u0643\u0644\u0649\u064a\u066a\u066c\u066d"
    "\u06a9\u06cc\u06f0\u06f9\u06fa\u06ff\u0700\u200b\u200c\u200d\u200f\u2010\u2018"
    "\u201b\u2026\u2027\u2028\u202f\u2030\u203a\u203b\u204c\u218c\ue000\ufffd"
    "\U0001f600\U0010ffff"
)
CELLS = st.lists(
    st.one_of(
        st.none(),
        st.text(max_size=5),
        st.text(alphabet=NEAR, max_size=7),
        st.text(alphabet="aب \u200c۱«\u2019", max_size=7),
    ),
    max_size=9,
)


def flags(column: pa.StringArray, pattern: str) -> list[bool]:
    """Return which cells a pattern finds; a null is not found."""
    found: list[bool] = pc.match_substring_regex(column, pattern).to_pylist()
    return [bool(one) for one in found]


@given(CELLS, st.integers(0, 2))
@settings(max_examples=200, deadline=None)
@example([" "], 0)
@example(["", "a\u200cb", "\u200ca", "a\u200c", ""], 1)
def test_clean_cells_are_those_of_the_expression(
    cells: list[str | None], offset: int
) -> None:
    """A cell is clean by its bytes if and only if the expressions say so."""
    column = pa.array([*["\u200c "] * offset, *cells], pa.string()).slice(offset)
    clean, loose = flags(column, CLEAN), flags(column, LOOSE_ZWNJ)

    assert clean_cells(column).tolist() == [
        one and not other for one, other in zip(clean, loose, strict=True)
    ]
    assert clean_cells(column, joiners=False).tolist() == flags(column, CODE)


@given(CELLS, st.integers(0, 2))
@settings(max_examples=200, deadline=None)
def test_unusual_cells_are_those_of_the_expression(
    cells: list[str | None], offset: int
) -> None:
    """A cell is unusual by its bytes if and only if the expression finds it."""
    column = pa.array([*["\ufffd"] * offset, *cells], pa.string()).slice(offset)

    assert unusual_cells(column).tolist() == flags(column, UNUSUAL)


def test_every_character_alone_and_in_a_word() -> None:
    """All characters of Unicode, alone and between letters, are told as defined."""
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    for words in (every, [f"ب{one}a" for one in every]):
        column = pa.array(words, pa.string())
        clean, loose = flags(column, CLEAN), flags(column, LOOSE_ZWNJ)
        expected = [one and not other for one, other in zip(clean, loose, strict=True)]

        assert clean_cells(column).tolist() == expected
        assert unusual_cells(column).tolist() == flags(column, UNUSUAL)


def test_bytes_behind_a_null_do_not_count() -> None:
    """A cell that was made null keeps its bytes, and is neither clean nor unusual."""
    content = pa.array(["a\ufffd", "b"], pa.string())
    hidden = pa.StringArray.from_buffers(
        2, content.buffers()[1], content.buffers()[2], pa.py_buffer(b"\x02")
    )

    assert clean_cells(hidden).tolist() == [False, True]
    assert unusual_cells(hidden).tolist() == [False, False]
