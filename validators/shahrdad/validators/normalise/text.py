r"""The three forms of a text (`standards.md` 4.2): clean, code and key.

clean: what is published in text columns. code: what stands in code columns. key: what
labels and codes are compared by. Each is idempotent: the steps are repeated until
nothing changes, since a deleted mark can bring two letters together that compose.

A NUL stays in every form: it is an error of the cell, and the caller reports it.

>>> clean("\u0643\u0631\u0645\u0627\u0646")
'کرمان'
>>> code("۱۲‌۳"), code("a\nb")
('123', None)
>>> key("سامانه‌ها\u064a (فعال)")
'سامانه های فعال'
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from shahrdad.validators.normalise.digits import arabic_to_persian, to_ascii

PASSES_MAX = 8  # 3 are the most that any text of the tests needs

_PRESENTATION = re.compile("[\ufb50-\ufdff\ufe70-\ufefc]+")
_LETTERS = str.maketrans(
    {
        **dict.fromkeys("\u064a\u0649\u06cd\u06d0", "\u06cc"),
        **dict.fromkeys("\u0643\u06aa", "\u06a9"),
        **dict.fromkeys("\u06c1\u06be\u06d5", "\u0647"),
        **dict.fromkeys("\u06c0\u06c2", "\u0647\u0654"),
    }
)
_YEH = str.maketrans(dict.fromkeys("\u064a\u0649\u06cd\u06d0", "\u06cc"))
_KAF = str.maketrans(dict.fromkeys("\u0643\u06aa", "\u06a9"))
_HEH = str.maketrans(
    {
        **dict.fromkeys("\u06c1\u06be\u06d5", "\u0647"),
        **dict.fromkeys("\u06c0\u06c2", "\u0647\u0654"),
    }
)
# The C0 and C1 controls, but for NUL, tab and the line ends, are deleted too.
_DELETED = re.compile(
    "[\u00ad\u034f\u061c\u0640\u180e\u200b\u200d-\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u2069\ufe00-\ufe0f\ufeff\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]+"
)
_SPACES = re.compile("[\t \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_ZWNJ = re.compile("\u200c+")
_DASHES = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-")
)
_HAMZA = str.maketrans(
    {
        **dict.fromkeys("\u0622\u0623\u0625\u0671", "\u0627"),
        "\u0629": "\u0647",
        "\u0626": "\u06cc",
        "\u0624": "\u0648",
    }
)
_MARKS = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]+")

BROKEN = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")


def compose(text: str) -> str:
    """Step 1: compose letters and marks (NFC)."""
    return unicodedata.normalize("NFC", text)


def presentation(text: str) -> str:
    """Step 2: replace presentation forms by the letters they show."""
    return _PRESENTATION.sub(
        lambda found: unicodedata.normalize("NFKC", found[0]), text
    )


def yeh(text: str) -> str:
    """Step 3: Arabic yeh and its kin become the Persian letter."""
    return text.translate(_YEH)


def kaf(text: str) -> str:
    """Step 4: Arabic kaf becomes the Persian letter."""
    return text.translate(_KAF)


def heh(text: str) -> str:
    """Step 5: the other hehs become U+0647, with a hamza above where they had one."""
    return text.translate(_HEH)


def delete(text: str) -> str:
    """Step 6: delete tatweel, joiners, direction marks and controls."""
    return _DELETED.sub("", text)


def space(text: str) -> str:
    """Step 7: every sort of space becomes one space, none at the ends."""
    return _SPACES.sub(" ", text).strip(" ")


def line_end(text: str) -> str:
    """Step 8: every sort of line end becomes a line feed."""
    return _LINE_ENDS.sub("\n", text)


def zwnj(text: str) -> str:
    """Step 9: keep one ZWNJ between letters, and no other."""

    def kept(found: re.Match[str]) -> str:
        before = text[found.start() - 1 : found.start()]
        after = text[found.end() : found.end() + 1]
        joins = _is_letter_or_mark(before) and _is_letter(after)
        return "\u200c" if joins else ""

    return _ZWNJ.sub(kept, text)


def _is_letter(character: str) -> bool:
    return character != "" and unicodedata.category(character).startswith("L")


def _is_letter_or_mark(character: str) -> bool:
    return _is_letter(character) or "\u064b" <= character <= "\u0655"


def dashes(text: str) -> str:
    """Step 11: every sort of dash and minus becomes a hyphen."""
    return text.translate(_DASHES)


# The steps of the clean form in their order, by the id that the audit counts them
# under.
CLEAN_STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("compose", compose),
    ("presentation", presentation),
    ("yeh", yeh),
    ("kaf", kaf),
    ("heh", heh),
    ("delete", delete),
    ("space", space),
    ("line-end", line_end),
    ("zwnj", zwnj),
    ("digits", arabic_to_persian),
)
CODE_STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    *CLEAN_STEPS[:8],
    ("zwnj", lambda text: text.replace("\u200c", "")),
    ("digits", to_ascii),
    ("dashes", dashes),
)


def _settle(text: str, once: Callable[[str], str]) -> str:
    """Repeat the steps until nothing changes."""
    for _ in range(PASSES_MAX):
        changed = once(text)
        if changed == text:
            return text
        text = changed
    return text


def _letters(text: str) -> str:
    """Steps 1 to 7, of which 3 to 5 are one translation."""
    text = presentation(compose(text)).translate(_LETTERS)
    return space(delete(text))


def _clean_once(text: str) -> str:
    return arabic_to_persian(zwnj(line_end(_letters(text))))


def _code_once(text: str) -> str:
    return dashes(to_ascii(line_end(_letters(text)).replace("\u200c", "")))


def _key_once(text: str) -> str:
    text = _letters(unicodedata.normalize("NFKC", compose(text)))
    text = line_end(text).replace("\n", " ")
    text = zwnj(text).replace("\u200c", " ")
    text = dashes(to_ascii(text))
    text = "".join(
        " " if unicodedata.category(character).startswith("P") else character
        for character in text
    )
    text = _MARKS.sub("", text.translate(_HAMZA)).casefold()
    return space(text)


def clean(text: str) -> str:
    """Return the form that is published in text columns."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return _settle(text, _clean_once)


def code(text: str) -> str | None:
    """Return the form of code columns; None where a line end forbids it."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    settled = _settle(text, _code_once)
    return None if "\n" in settled else settled


@lru_cache(maxsize=65_536)
def key(text: str) -> str:
    """Return the form that labels and codes are compared by."""
    return _settle(text, _key_once)


def trace(
    text: str, steps: tuple[tuple[str, Callable[[str], str]], ...]
) -> tuple[str, list[tuple[str, str, str]]]:
    """Return a form together with what each step changed, for the audit.

    Args:
        text: The text of a cell.
        steps: `CLEAN_STEPS` or `CODE_STEPS`.

    Returns:
        The settled text, and for each step that changed it: id, before, after.
    """
    changes: dict[str, tuple[str, str]] = {}
    for _ in range(PASSES_MAX):
        start = text
        for step, apply in steps:
            after = apply(text)
            if after != text:
                first = changes[step][0] if step in changes else text
                changes[step] = (first, after)
                text = after
        if text == start:
            break
    return text, [(step, before, after) for step, (before, after) in changes.items()]
