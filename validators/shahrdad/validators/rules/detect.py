"""Check digits, personal data and broken characters in texts (`standards.md` 5.5)."""

import re
import unicodedata
from collections.abc import Callable

from shahrdad.validators.normalise.digits import to_ascii

_LEGAL_WEIGHTS = (29, 27, 23, 19, 17, 29, 27, 23, 19, 17)
_MAIL_HOSTS = (
    "gmail.com googlemail.com yahoo.com ymail.com hotmail.com outlook.com live.com"
    " msn.com"
    " icloud.com me.com aol.com protonmail.com proton.me mail.com gmx.com zoho.com"
    " yandex.com"
    " mail.ru chmail.ir mailfa.com"
)


def luhn(digits: str) -> bool:
    """Return whether a number passes the Luhn check."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def is_legal_id(digits: str) -> bool:
    """Return whether 11 digits are the id of an Iranian legal person.

    >>> is_legal_id("10000000010"), is_legal_id("10000000011")
    (True, False)
    """
    if len(digits) != 11:
        return False
    offset = int(digits[9]) + 2
    total = sum(
        (offset + int(digit)) * weight
        for digit, weight in zip(digits, _LEGAL_WEIGHTS, strict=False)
    )
    return total % 11 % 10 == int(digits[10])


def is_national_id(digits: str) -> bool:
    """Return whether 10 digits are the id of an Iranian person."""
    if len(digits) != 10 or len(set(digits)) == 1:
        return False
    rest = sum(int(digits[i]) * (10 - i) for i in range(9)) % 11
    return int(digits[9]) == (rest if rest < 2 else 11 - rest)


def is_iban(text: str) -> bool:
    """Return whether a text is an IBAN, its check digits included."""
    plain = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", plain):
        return False
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _all_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


ALGORITHMS: dict[str, Callable[[str], bool]] = {
    "ir-legal-id": lambda text: _all_digits(text) and is_legal_id(text),
    "ir-national-id": lambda text: _all_digits(text) and is_national_id(text),
    "luhn": lambda text: _all_digits(text) and luhn(text),
    "iban": is_iban,
    "siren": lambda text: _all_digits(text) and len(text) == 9 and luhn(text),
    "siret": lambda text: _all_digits(text) and len(text) == 14 and luhn(text),
}


def _any(
    pattern: str, test: Callable[[str], bool] = lambda _: True
) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda text: any(test(found[0]) for found in compiled.finditer(text))


def _digits(text: str) -> str:
    return re.sub("[^0-9]", "", text)


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_PRIVATE_IP = (
    rf"(?<![0-9.])(?:(?:10|127)(?:\.{_OCTET}){{3}}|172\.(?:1[6-9]|2[0-9]|3[01])(?:\.{_OCTET}){{2}}"
    rf"|192\.168(?:\.{_OCTET}){{2}}|169\.254(?:\.{_OCTET}){{2}})(?![0-9]|\.[0-9])"
)
_HOSTS = "|".join(re.escape(host) for host in _MAIL_HOSTS.split())

DETECTORS: dict[str, Callable[[str], bool]] = {
    "national-id": _any(r"(?<![0-9])[0-9]{10}(?![0-9])", is_national_id),
    "mobile": _any(r"(?<![0-9])(?:\+98|0098|0)9[0-9]{9}(?![0-9])"),
    "card-number": _any(
        r"(?<![0-9])[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9])",
        lambda text: luhn(_digits(text)),
    ),
    "sheba": _any(r"(?<![A-Z0-9])IR ?(?:[0-9] ?){24}(?![0-9])", is_iban),
    "personal-email": _any(rf"[A-Z0-9._%+-]+@(?:{_HOSTS})(?![A-Z0-9-])"),
    "private-ip": _any(_PRIVATE_IP),
    "internal-host": _any(
        r"(?<![A-Z0-9.-])localhost(?![A-Z0-9-])"
        r"|(?<![A-Z0-9.-])[A-Z0-9-]+(?:\.[A-Z0-9-]+)*\.(?:local|lan|internal|corp|intra)(?![A-Z0-9-])"
    ),
    "credential": _any(r"(?:password|رمز عبور|رمزعبور|گذرواژه)\s*[:=]"),
}
# A text that this does not find holds nothing that a detector could (RE2, one pass).
SUSPECT = (
    r"[0-9\x{06F0}-\x{06F9}\x{0660}-\x{0669}]{3}|[.][0-9\x{06F0}-\x{06F9}\x{0660}-\x{0669}]|@"
    r"|(?i:localhost|\.local|\.lan|\.internal|\.corp|\.intra|password)|رمز|گذرواژه"
)


def detected(text: str, names: list[str]) -> str | None:
    """Return the first of some detections that a text shows, in any digits."""
    plain = to_ascii(text).replace("\u200c", " ")
    return next((name for name in names if DETECTORS[name](plain)), None)


def broken_character(text: str) -> str | None:
    """Return the first broken, private or unassigned character; None without."""
    for letter in text:
        if letter == "\ufffd" or unicodedata.category(letter) in ("Co", "Cn", "Cs"):
            return f"U+{ord(letter):04X}"
    return None


__all__ = [
    "ALGORITHMS",
    "DETECTORS",
    "SUSPECT",
    "broken_character",
    "detected",
    "is_legal_id",
    "is_national_id",
    "luhn",
]
