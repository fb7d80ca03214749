"""Amounts of money as people read them: in words for a headline, one unit for a table.

>>> from shahrdad.node.http.portal.amounts import toman_in_words
>>> toman_in_words(120_799_197_000_000, "en")
('12.1', 'trillion toman')
"""

from decimal import ROUND_HALF_EVEN, Decimal

from shahrdad.datasets.errors import Language
from shahrdad.node.http.languages import number

STEPS = (10**12, 10**9, 10**6, 1)
WORDS = {
    "fa": ("هزار میلیارد", "میلیارد", "میلیون", ""),
    "en": ("trillion", "billion", "million", ""),
}
MONEY = {"fa": ("ریال", "تومان"), "en": ("rial", "toman")}
TABLE_STEP = 10**9  # tables of budgets are in milliard rial
SIGNIFICANT = 3


def in_words(value: int, unit: str, language: Language) -> tuple[str, str]:
    """Return an amount as (number, unit): `۱۲٫۱`, `هزار میلیارد تومان`."""
    step = next((one for one in STEPS if abs(value) >= one), 1)
    word = WORDS[language][STEPS.index(step)]
    shown = Decimal(value) / step
    places = max(0, SIGNIFICANT - len(str(abs(int(shown))))) if step > 1 else 0
    text = number_of(shown, places, language)
    return text, f"{word} {unit}".strip()


def number_of(value: Decimal, places: int, language: Language) -> str:
    """Return a decimal with separators, without zeros at its end."""
    exact = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    if places:
        exact = exact.normalize()
        places = max(0, -int(exact.as_tuple().exponent))
    text = f"{exact:,.{places}f}"
    return number_text(text, language)


def number_text(text: str, language: Language) -> str:
    """Return a number's text with the digits and separators of a language."""
    if language == "en":
        return text
    return text.translate(str.maketrans("0123456789,.%", "۰۱۲۳۴۵۶۷۸۹٬٫٪"))


def toman_in_words(rial: int, language: Language) -> tuple[str, str]:
    """Return an amount of rial as toman in words; toman is a tenth."""
    return in_words(round(Decimal(rial) / 10), MONEY[language][1], language)


def rial_in_words(rial: int, language: Language) -> tuple[str, str]:
    """Return an amount of rial in words."""
    return in_words(rial, MONEY[language][0], language)


def thousand_milliard(rial: int | None, language: Language) -> str:
    """Return an amount in thousand milliard (trillion) rial, for marks of a drawing."""
    if rial is None:
        return "–"
    shown = Decimal(rial) / STEPS[0]
    return number_of(shown, 0 if abs(shown) >= 100 else 1, language)


def milliard(rial: int | None) -> str:
    """Return an amount in milliard rial with ASCII digits, as table cells have it."""
    if rial is None:
        return "–"
    shown = Decimal(rial) / TABLE_STEP
    places = 0 if abs(shown) >= 100 or shown == int(shown) else 1
    return f"{shown.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN):,f}"


def percent(value: Decimal | None, language: Language, places: int = 1) -> str:
    """Return a percentage with its sign: `۳٫۲٪`."""
    if value is None:
        return "–"
    return f"{number_of(value, places, language)}{'٪' if language == 'fa' else '%'}"


def decimal(value: float | None, language: Language) -> str:
    """Return a measured number, such as days, with at most one place."""
    return "–" if value is None else number_of(Decimal(str(value)), 1, language)


def percent_of(value: float | None, language: Language) -> str:
    """Return a percentage that a table holds as a number."""
    return "–" if value is None else percent(Decimal(str(value)), language)


def percent_text(value: str, language: Language) -> str:
    """Return a percentage that JSON holds as text."""
    return percent(Decimal(value), language)


def signed(value: int, unit: str, language: Language) -> str:
    """Return a change with its sign; amounts in milliard rial."""
    shown = milliard(abs(value)) if unit == "rial" else f"{abs(value):,}"
    return number_text(f"{'−' if value < 0 else '+'}{shown}", language)


def exact(rial: int | None, language: Language) -> str:
    """Return every digit of an amount, for titles."""
    return f"{number(rial, language)} {MONEY[language][0]}" if rial is not None else "–"
