"""Amounts in words, as headlines and control totals have them; never table cells.

Numerals or words, scales up to 10^12, joined by «و»; adjacent scales multiply. «همت» is
10^12 toman. «بیلیون» is refused: some mean 10^9 by it and some 10^12.

>>> parse("۹ هزار و ۴۱۴ میلیارد تومان")
Amount(value=Decimal('9414000000000'), reason=None, unit='toman')
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from shahrdad.validators.normalise import numbers
from shahrdad.validators.normalise import text as forms
from shahrdad.validators.normalise.digits import to_ascii

_SCALES = {
    "هزار": 10**3,
    "میلیون": 10**6,
    "میلیارد": 10**9,
    "تریلیون": 10**12,
}
_HEMMAT = "همت"
_REFUSED = frozenset(("بیلیون", "بلیون", "billion", "trillion"))
_UNITS = {"ریال": "rial", "تومان": "toman", "تومن": "toman"}
_ONES = (
    "صفر یک دو سه چهار پنج شش هفت هشت نه ده"
    " یازده دوازده سیزده چهارده پانزده شانزده هفده هجده نوزده"
)
_TENS = "بیست سی چهل پنجاه شصت هفتاد هشتاد نود"
_HUNDREDS = "صد دویست سیصد چهارصد پانصد ششصد هفتصد هشتصد نهصد"
_WORDS = {
    **{word: number for number, word in enumerate(_ONES.split())},
    **{word: 10 * number for number, word in enumerate(_TENS.split(), start=2)},
    **{word: 100 * number for number, word in enumerate(_HUNDREDS.split(), start=1)},
    "هیجده": 18,
    "شیش": 6,
}
_NUMERAL = re.compile(r"[0-9][0-9.,\u066b\u066c\u060c]*")


@dataclass(frozen=True, slots=True)
class Amount:
    """What a headline says.

    Attributes:
        value: The amount in its unit; None when refused.
        reason: Why it was refused: `ambiguous-scale` or `not-an-amount`.
        unit: `rial`, `toman`, or None where the text names none.
    """

    value: Decimal | None = None
    reason: str | None = None
    unit: str | None = None


def parse(text: str) -> Amount:
    """Read an amount in words, numerals or both.

    Args:
        text: A headline amount, such as «۱۲ هزار میلیارد».

    Returns:
        The amount with the unit it names, or the reason for which it is none.
    """
    unit: str | None = None
    plain = to_ascii(forms.clean(text)).replace("\u200c", " ")
    words = [_singular(word) for word in plain.split()]
    if any(word.lower() in _REFUSED for word in words):
        return Amount(reason="ambiguous-scale")
    if words and words[-1] in _UNITS:
        unit = _UNITS[words.pop()]
    if _HEMMAT in words:
        if words.count(_HEMMAT) > 1 or words[-1] != _HEMMAT or unit == "rial":
            return Amount(reason="not-an-amount")
        unit = "toman"
        words = [*words[:-1], "تریلیون"]
    value = _value(words)
    if value is None:
        return Amount(reason="not-an-amount")
    return Amount(value, unit=unit)


def _singular(word: str) -> str:
    """Take the indefinite ending off a scale: «میلیاردی» is «میلیارد»."""
    stem = word.removesuffix("ی")
    return stem if stem in _SCALES or stem == _HEMMAT else word


def _value(words: list[str]) -> Decimal | None:
    """Add up the terms, each a number followed by scales that multiply.

    A term below a common scale waits for it: in «۹ هزار و ۴۱۴ میلیارد» both parts count
    milliards, since a scale that follows is larger than the one before.
    """
    terms: list[Decimal] = []  # each already multiplied by its own scales
    expected_number = True
    for word in words:
        if word == "و":
            if expected_number:
                return None
            expected_number = True
        elif word in _SCALES:
            scale = _SCALES[word]
            if not terms or (expected_number and terms):
                return None
            _multiply(terms, scale)
        else:
            number = _number(word)
            if number is None or not expected_number:
                return None
            terms.append(number)
            expected_number = False
    if not terms or expected_number:
        return None
    return sum(terms, Decimal(0))


def _multiply(terms: list[Decimal], scale: int) -> None:
    """Multiply the last term, and those before it that are smaller than the scale."""
    for place in range(len(terms) - 1, -1, -1):
        if place < len(terms) - 1 and terms[place] >= scale:
            break
        terms[place] *= scale


def _number(word: str) -> Decimal | None:
    """Return the number of a numeral or a word."""
    if word in _WORDS:
        return Decimal(_WORDS[word])
    if not _NUMERAL.fullmatch(word):
        return None
    return numbers.parse(word).value
