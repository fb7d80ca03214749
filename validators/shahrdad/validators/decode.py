r"""From bytes to UTF-8: the encoding is known, proven or asked for, never guessed.

The ladder of `standards.md` 4.1: a byte order mark; UTF-8 that is valid from the first
byte to the last; Windows-1256 by the evidence of Persian letters and words; else the
publisher is asked, with a preview. The share of letters alone proves nothing: Spanish
capitals decoded as Windows-1256 are all Arabic letters.

>>> decide(lambda: io.BytesIO("شهر,بودجه\n".encode()), name="a.csv").encoding
EncodingFacts(name='utf-8', how='valid-utf8')
"""

import codecs
import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final, cast

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.byte_facts import look_at
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.text_table import EncodingFacts, Finding

Opener = Callable[[], BinaryIO]

BLOCK_BYTES = 1 << 20
DOUBLE_SHARE_MIN = 0.2  # of letters, above which valid UTF-8 looks encoded twice
NUL_SHARE_MIN = 0.3  # of the even or the odd positions
PERSIAN_SHARE_MIN = 0.9  # of the letters that are not ASCII
TWICE = "utf-8-twice"  # UTF-8 that was taken for cp1252 and encoded once more
PREVIEW_LETTERS = 40

_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CANDIDATES: Final = ("windows-1256", "iso-8859-6", "cp1252")
_PROOF_LETTERS = frozenset("پچژگ")
_PROOF_WORDS = frozenset(["و", "در", "به", "از", "شهر", "شهرداری", "بودجه", "مبلغ"])
_ARABIC_LETTERS = re.compile(
    "[\u0621-\u063a\u0641-\u064a\u067e\u0686\u0698\u06a9\u06af\u06cc]"
)
_DECLARABLE = re.compile(
    r"utf_8(_sig)?|utf_16(_le|_be)?|cp(125[0-8]|437|720|737|85[0-8]|86[0-9]|874)"
    r"|iso8859_(1|[2-9]|1[0-6])|latin_1|ascii|mac_(roman|latin2|arabic|farsi|cyrillic|greek|turkish)"
    r"|koi8_[rutu]|gb18030|gbk|big5|shift_jis|euc_(jp|kr)|cp932"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """How to read the bytes.

    Attributes:
        encoding: The encoding and how it was decided.
        bom_bytes: Length of the byte order mark, which is left out.
        bad_byte: Offset of the first byte that a declared encoding cannot read.
    """

    encoding: EncodingFacts
    bom_bytes: int = 0
    bad_byte: int | None = None


def decide(
    opened: Opener,
    *,
    name: str,
    declared: str | None = None,
    limits: Limits = DEFAULT,
    first_bad: Callable[[], int | None] | None = None,
) -> Decision:
    """Climb the ladder.

    Args:
        opened: Opens the bytes.
        name: What errors call them.
        declared: The encoding that the publisher stated; it is not questioned.
        limits: The bounds.
        first_bad: Tells the first byte that is not UTF-8 where that is known already;
            otherwise the bytes are read for it.

    Raises:
        DataError: SOURCE_ENCODING, with the candidates and a preview of each.
    """
    sample = _sample(opened, limits.sample_bytes_max)
    if first_bad is None:
        first_bad = partial(first_bad_byte, opened)
    if declared is not None:
        return _declared(opened, declared, sample, name, first_bad)
    for bom, encoding in _BOMS:
        if sample.startswith(bom):
            if encoding == "utf-32":
                raise _asked(name, "UTF-32", "UTF-8")
            return _with_bom(opened, encoding, len(bom), first_bad)
    wide = _wide(sample)
    if wide is not None:
        raise _asked(name, "NUL", _preview(sample, (wide,)))
    bad = first_bad()
    if bad is None:
        if _is_twice(sample):
            raise _asked(name, "UTF-8 × 2", _preview(sample, (TWICE, "utf-8")))
        return Decision(EncodingFacts("utf-8", "valid-utf8"))
    evidence = (
        sample if bad < len(sample) else _sample(opened, limits.sample_bytes_max, bad)
    )
    if _is_persian(evidence):
        return Decision(EncodingFacts("windows-1256", "evidence"))
    raise _asked(name, f"byte {bad}", _preview(_line_around(evidence), _CANDIDATES))


def _asked(name: str, detail: str, candidates: str) -> DataError:
    return DataError(
        Reason.SOURCE_ENCODING, name=name, detail=detail, candidates=candidates
    )


def _sample(opened: Opener, size: int, around: int = 0) -> bytes:
    """Read the first bytes, or those around a place further on."""
    with opened() as stream:
        skip = max(0, around - size // 2)
        while skip:
            block = stream.read(min(skip, BLOCK_BYTES))
            if not block:
                return b""
            skip -= len(block)
        return stream.read(size)


def canonical_name(encoding: str) -> str | None:
    """Return our name of an encoding that may be declared; None for any other."""
    if encoding.lower() in (TWICE, "windows-1256"):
        return encoding.lower()
    try:
        found = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        return None
    if not _DECLARABLE.fullmatch(found.replace("-", "_")):
        return None
    return {"cp1256": "windows-1256", "utf-8-sig": "utf-8"}.get(found, found)


def _declared(
    opened: Opener,
    declared: str,
    sample: bytes,
    name: str,
    first_bad: Callable[[], int | None],
) -> Decision:
    """Take the publisher's word, and find the first byte that contradicts it."""
    encoding = canonical_name(declared)
    if encoding is None:
        raise _asked(name, declared, ", ".join(("utf-8", "utf-16", *_CANDIDATES)))
    bom_bytes = 0
    for bom, marked in _BOMS:
        if sample.startswith(bom) and marked.startswith(encoding):
            encoding, bom_bytes = marked, len(bom)
            break
    if encoding == "utf-16":
        encoding = _wide(sample) or "utf-16-le"
    facts = EncodingFacts(encoding, "declared")
    if encoding == "utf-8":
        return Decision(facts, bom_bytes, first_bad())
    return Decision(facts, bom_bytes, _first_undecodable(opened, encoding, bom_bytes))


def _with_bom(
    opened: Opener,
    encoding: str,
    bom_bytes: int,
    first_bad: Callable[[], int | None],
) -> Decision:
    """Take the byte order mark's word, unless the bytes contradict it."""
    bad = (
        first_bad()
        if encoding == "utf-8"
        else _first_undecodable(opened, encoding, bom_bytes)
    )
    return Decision(EncodingFacts(encoding, "bom"), bom_bytes, bad)


def _wide(sample: bytes) -> str | None:
    """Tell UTF-16 without a mark by its NUL bytes: those of ASCII are every second."""
    if len(sample) < 4 or b"\x00" not in sample:
        return None
    even, odd = sample[0::2], sample[1::2]
    even_share = even.count(0) / len(even)
    odd_share = odd.count(0) / len(odd)
    if max(even_share, odd_share) <= NUL_SHARE_MIN:
        return None
    return "utf-16-be" if even_share > odd_share else "utf-16-le"


def first_bad_byte(opened: Opener) -> int | None:
    """Return the offset of the first byte that is not UTF-8; None when all is valid."""
    with opened() as stream:
        return look_at(stream, hashed=False).bad_byte


def _first_undecodable(opened: Opener, encoding: str, bom_bytes: int) -> int | None:
    """Return the offset of the first byte that an encoding cannot read."""
    if encoding == TWICE:
        return first_bad_byte(opened)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with opened() as stream:
        stream.read(bom_bytes)
        done = bom_bytes
        while True:
            block = stream.read(BLOCK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return done - pending + error.start
            if not block:
                return None
            done += len(block)


def _is_twice(sample: bytes) -> bool:
    """Tell whether valid UTF-8 reads as Persian text that was encoded twice."""
    text = sample.decode("utf-8", "ignore")
    marks = sum(text.count(letter) for letter in "ØÙÚÛ")
    if not marks:
        return False
    letters = sum(1 for character in text if character.isalpha())
    return marks > DOUBLE_SHARE_MIN * letters


def _is_persian(sample: bytes) -> bool:
    """Tell whether bytes are Windows-1256, by letters and by proof letters or words."""
    text = sample.decode("cp1256")
    foreign = [
        character
        for character in text
        if not character.isascii() and unicodedata.category(character).startswith("L")
    ]
    if not foreign:
        return False
    arabic = sum(1 for character in foreign if _ARABIC_LETTERS.match(character))
    if arabic < PERSIAN_SHARE_MIN * len(foreign):
        return False
    if not _PROOF_LETTERS.isdisjoint(foreign):
        return True
    words = re.findall(r"\w+", forms.clean(text.replace("\x00", "")))
    return not _PROOF_WORDS.isdisjoint(words)


def _line_around(sample: bytes) -> bytes:
    """Return the text around the first byte that is not ASCII, within its line."""
    first = next((at for at, byte in enumerate(sample) if byte >= 0x80), 0)
    start = max(sample.rfind(b"\n", 0, first) + 1, first - PREVIEW_LETTERS // 2)
    end = sample.find(b"\n", first)
    return sample[start : end if end >= 0 else len(sample)][: 2 * PREVIEW_LETTERS]


def _preview(sample: bytes, encodings: tuple[str, ...]) -> str:
    """Show the beginning of a text in each encoding that can read it."""
    shown = []
    for encoding in encodings:
        try:
            if encoding == TWICE:
                text = _untwice(sample.decode("utf-8", "ignore")).decode(
                    "utf-8", "replace"
                )
            else:
                text = sample.decode(
                    encoding, "ignore" if "16" in encoding else "strict"
                )
        except UnicodeDecodeError:
            continue
        clean = " ".join(text.lstrip("\ufeff").split())[:PREVIEW_LETTERS]
        shown.append(f"{encoding} «{clean}»")
    return ", ".join(shown)


def _untwice(text: str) -> bytes:
    """Take back one encoding: characters of cp1252, else Latin-1, become bytes."""
    out = bytearray()
    for character in text:
        try:
            out += character.encode("cp1252")
        except UnicodeEncodeError:
            out += character.encode("latin-1", "replace")
    return bytes(out)


class _Utf8(io.RawIOBase):
    """Gives a stream in UTF-8; a split character is kept for the next block."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._twice = encoding == TWICE
        self._decoder = codecs.getincrementaldecoder(
            "utf-8" if self._twice else encoding
        )("replace")
        self._rest = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._rest and not self._ended:
            block = self._stream.read(BLOCK_BYTES)
            self._ended = not block
            text = self._decoder.decode(block, final=self._ended)
            self._rest = _untwice(text) if self._twice else text.encode("utf-8")
        part = self._rest[: len(view)]
        view[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)


class _Skipped(io.RawIOBase):
    """A stream whose first bytes were read already; the rest passes as it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        block = self._stream.read(len(view))
        view[: len(block)] = block
        return len(block)


def open_utf8(opened: Opener, decision: Decision) -> BinaryIO:
    """Open the text as UTF-8 without a byte order mark.

    A byte that cannot be read becomes U+FFFD; `Decision.bad_byte` says where the first
    is.
    """
    stream = opened()
    stream.read(decision.bom_bytes)
    if decision.encoding.name == "utf-8" and decision.bad_byte is None:
        if decision.bom_bytes:
            return cast(BinaryIO, io.BufferedReader(_Skipped(stream), BLOCK_BYTES))
        return stream
    encoding = decision.encoding.name
    return cast(BinaryIO, io.BufferedReader(_Utf8(stream, encoding), BLOCK_BYTES))


def bad_byte_finding(opened: Opener, decision: Decision) -> Finding | None:
    """Return the finding about the first byte that could not be read, with its line."""
    if decision.bad_byte is None:
        return None
    line, left = 1, decision.bad_byte
    with opened() as stream:
        while left and (block := stream.read(min(left, BLOCK_BYTES))):
            line += block.count(b"\n")
            left -= len(block)
    values: dict[str, str | int] = {
        "value": decision.bad_byte,
        "offset": decision.bad_byte,
        "line": line,
        "encoding": decision.encoding.name,
    }
    return Finding("source-decode", "error", values, row=line)
