"""The number grammar (`standards.md` 4.3): exact decimals, and nothing guessed.

A text either is a number in exactly one way, or it is refused with a reason. No library
parses here: each of them takes some of `1_000`, `0x1F`, `1e3` for numbers, or `1,234`
for 1.234.

>>> parse("۱٬۲۳۴٫۵").value
Decimal('1234.5')
>>> parse("12/500").reason
'ambiguous-separator'
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shahrdad.validators.normalise import text as forms
from shahrdad.validators.normalise.digits import to_ascii

DIGITS_MAX = 24

REASONS: Final = (
    "ambiguous-separator",
    "bad-grouping",
    "mixed-separators",
    "scientific-notation",
    "double-sign",
    "percent-sign",
    "unit-word",
    "not-a-number",
    "too-long",
    "float-precision",
)

_MINUS = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-") | {"\u066a": "%"}
)
# Certain to be a decimal mark, whatever else is declared: stands for U+066B inside.
_POINT = "\u066b"
_UNIT = re.compile(r" ?(ریال|irr|rials?|تومان|تومن|toman)$", re.IGNORECASE)
_TOMAN = frozenset(("تومان", "تومن", "toman"))
_SCIENTIFIC = re.compile(r"[0-9]+([.,\u066b][0-9]*)?[eE][+-]?[0-9]+")
_ALLOWED = re.compile(r"[0-9][0-9.,/ '\u2019\u066b\u066c\u060c]*")
_GROUPED_ONCE = frozenset((",", "\u066c", "\u060c"))
_SEPARATORS = frozenset(",\u066c\u060c/.'\u2019 ")


@dataclass(frozen=True, slots=True)
class Number:
    """What a text says as a number.

    Attributes:
        value: The number, its decimals as printed; None when refused.
        reason: Why it was refused, one of `REASONS`; None when not.
        unit: `rial` or `toman` where a currency word follows.
    """

    value: Decimal | None = None
    reason: str | None = None
    unit: str | None = None

    @property
    def text(self) -> str:
        """The value in plain ASCII digits, without group, exponent and plus."""
        return "" if self.value is None else plain(self.value)


def plain(value: Decimal) -> str:
    """Return a decimal without exponent; zero has no sign."""
    return format(abs(value) if value == 0 else value, "f")


def parse(
    text: str, *, money: bool = False, percent: bool = False, decimal: str = "."
) -> Number:
    """Read a number.

    Args:
        text: The cell as the publisher wrote it.
        money: A currency word may follow.
        percent: A percent sign may stand before or after; the value is its figure.
        decimal: The declared decimal mark: `.`, `,` or `/`.

    Returns:
        The number, or the reason for which it is none.
    """
    unit: str | None = None
    body = _prepare(text)
    word = _UNIT.search(body)
    if word is not None:
        if not money:
            return Number(reason="unit-word")
        unit = "toman" if word[1].lower() in _TOMAN else "rial"
        body = body[: word.start()]
    if "%" in body:
        if not percent:
            return Number(reason="percent-sign")
        stripped = _without_percent(body)
        if stripped is None:
            return Number(reason="not-a-number")
        body = stripped
    sign, core, reason = _signed(body)
    if reason is not None:
        return Number(reason=reason)
    digits, reason = _core(core, decimal)
    if reason is not None:
        return Number(reason=reason)
    if sum(character != "." for character in digits) > DIGITS_MAX:
        return Number(reason="too-long")
    return Number(Decimal(sign + digits), unit=unit)


def _prepare(text: str) -> str:
    """Apply steps 1 to 7 and 10, and give minus and percent one form."""
    if text.isascii():
        return re.sub(r"[\t ]+", " ", text).strip(" ")
    for _, step in forms.CLEAN_STEPS[:7]:
        text = step(text)
    return to_ascii(text).translate(_MINUS)


def _without_percent(body: str) -> str | None:
    """Take off one percent sign at either end; None where it stands otherwise."""
    if body.count("%") != 1:
        return None
    if body.startswith("%"):
        return body[1:].removeprefix(" ")
    return body[:-1].removesuffix(" ") if body.endswith("%") else None


def _signed(body: str) -> tuple[str, str, str | None]:
    """Split a text into its sign and its core: exactly one way to be negative.

    Returns:
        "-" or "", the core, and the reason where the signs are too many.
    """
    signs = sum(body.count(character) for character in "+-")
    parenthesised = body.startswith("(") and body.endswith(")")
    if _SCIENTIFIC.fullmatch(body.strip("()+-")):
        return "", "", "scientific-notation"
    bare = body.strip("()+-")
    if re.search(r"[()]", body) and signs and _ALLOWED.fullmatch(bare):
        return "", "", "double-sign"
    if signs > 1 and _ALLOWED.fullmatch(bare):
        return "", "", "double-sign"
    if parenthesised:
        return "-", body[1:-1], None
    if body.startswith(("+", "-")):
        return body[0].replace("+", ""), body[1:], None
    if body.endswith("-"):
        return "-", body[:-1], None
    return "", body, None


def _core(core: str, decimal: str) -> tuple[str, str | None]:
    """Read digits, groups and fraction.

    Returns:
        ASCII digits with at most one point, or "" and the reason.
    """
    if core.isascii() and core.isdigit():
        return core, None
    if not _ALLOWED.fullmatch(core) or not core[-1].isdigit():
        return "", "not-a-number"
    if re.search(r"[^0-9]{2}", core):
        return "", "not-a-number"
    whole, fraction, reason = _split_fraction(core, decimal)
    if reason is not None:
        return "", reason
    used = {character for character in whole if character in _SEPARATORS}
    if not used:
        return (f"{whole}.{fraction}" if fraction is not None else whole), None
    if len(used) > 1:
        return "", "mixed-separators"
    separator = used.pop()
    reason = _grouping(whole, separator, fraction is not None, decimal)
    if reason is not None:
        return "", reason
    whole = whole.replace(separator, "")
    return (f"{whole}.{fraction}" if fraction is not None else whole), None


def _split_fraction(core: str, decimal: str) -> tuple[str, str | None, str | None]:
    """Cut a core at its decimal mark.

    Returns:
        The whole part, the fraction if there is one, and the reason of a refusal.
    """
    if _POINT in core:
        whole, _, fraction = core.partition(_POINT)
        if not fraction.isdigit():
            return "", None, "mixed-separators"
        return whole, fraction, None
    count = core.count(decimal)
    if count == 0 or (count > 1 and decimal in "./"):
        return core, None, None
    if count > 1:
        return "", None, "bad-grouping"
    whole, _, fraction = core.partition(decimal)
    if not fraction.isdigit():
        return "", None, "mixed-separators"
    return whole, fraction, None


def _grouping(
    whole: str, separator: str, has_fraction: bool, decimal: str
) -> str | None:
    """Judge a whole part with one kind of separator; None when it is sound."""
    groups = whole.split(separator)
    sound = 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    once = separator in _GROUPED_ONCE or (separator == "." and decimal == ",")
    if not once and has_fraction:
        return "mixed-separators"
    if len(groups) == 2 and not (once and sound):
        return "bad-grouping" if has_fraction else "ambiguous-separator"
    return None if sound else "bad-grouping"
