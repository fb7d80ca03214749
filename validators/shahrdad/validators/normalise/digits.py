"""Digits: Persian, Arabic and full-width ones in ASCII, one text at a time.

Of a column at a time they are changed in `kernels.digits`.

>>> to_ascii("۱۴۰۴/٠٦")
'1404/06'
"""

PERSIAN = "۰۱۲۳۴۵۶۷۸۹"
ARABIC = "".join(chr(0x0660 + digit) for digit in range(10))
FULL_WIDTH = "".join(chr(0xFF10 + digit) for digit in range(10))

_ASCII_OF = str.maketrans(PERSIAN + ARABIC + FULL_WIDTH, "0123456789" * 3)
_PERSIAN_OF_ARABIC = str.maketrans(ARABIC, PERSIAN)
_PERSIAN_OF_ASCII = str.maketrans("0123456789", PERSIAN)


def to_ascii(text: str) -> str:
    """Return a text with ASCII digits."""
    return text if text.isascii() else text.translate(_ASCII_OF)


def arabic_to_persian(text: str) -> str:
    """Return a text whose Arabic digits are Persian; ASCII digits stay."""
    return text if text.isascii() else text.translate(_PERSIAN_OF_ARABIC)


def to_persian(text: str) -> str:
    """Return a text for people to read, its ASCII digits Persian."""
    return text.translate(_PERSIAN_OF_ASCII)
