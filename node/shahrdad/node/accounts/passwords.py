"""Passwords: argon2id, at least twelve letters, none that everybody tries.

There are no composition rules: they make people write "Password1234!". The text is
normalised (NFC) first, since a Persian keyboard and a phone may write it differently.
"""

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.accounts.limits import PASSWORD_BYTES_MAX, PASSWORD_LETTERS_MIN

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# Of public lists of leaked passwords, those of twelve letters or more, and ours.
COMMON = frozenset(
    [
        "123456789012",
        "1234567890123",
        "12345678901234",
        "123456123456",
        "123123123123",
        "111111111111",
        "000000000000",
        "987654321098",
        "098765432109",
        "112233445566",
        "121212121212",
        "147258369147",
        "qwertyuiop123",
        "qwertyuiop12",
        "qwerty123456",
        "qwerty1234567",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "q1w2e3r4t5y6",
        "1q2w3e4r5t6y7u",
        "zaq12wsxcde3",
        "qazwsxedcrfv",
        "asdfghjkl123",
        "asdfghjkl1234",
        "zxcvbnm12345",
        "qwertyuiopas",
        "abcdefghijkl",
        "abcdef123456",
        "abc123456789",
        "a12345678910",
        "password1234",
        "password12345",
        "password123456",
        "passwordpassword",
        "passw0rd1234",
        "mypassword123",
        "iloveyou1234",
        "administrator",
        "adminadminadmin",
        "admin1234567",
        "administrator1",
        "letmein12345",
        "welcome12345",
        "changeme1234",
        "changemenow1",
        "football1234",
        "basketball12",
        "superman1234",
        "sunshine1234",
        "princess1234",
        "1234qwerasdf",
        "1234qwer1234",
        "shahrdad1234",
        "shahrdari1234",
        "shahrdari123",
        "municipality",
        "municipality1",
        "iran12345678",
        "tehran123456",
        "kerman123456",
    ]
)
_RUNS = ("0123456789" * 4, "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")


@cache
def hasher() -> "PasswordHasher":
    """Return argon2id with the second set of parameters of RFC 9106, 4."""
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _nobody() -> str:
    """Return a hash that no password has, to spend the same time on unknown names."""
    return hasher().hash("\0 nobody has this \0")


def check_strength(password: str, name: str) -> None:
    """Refuse a password that is short or widely known.

    Raises:
        RequestError: PASSWORD_WEAK.
    """
    text = _normal(password)
    plain = text.casefold()
    cause = None
    if len(text) < PASSWORD_LETTERS_MIN:
        cause = f"< {PASSWORD_LETTERS_MIN}"
    elif len(text.encode()) > PASSWORD_BYTES_MAX:
        cause = f"> {PASSWORD_BYTES_MAX} bytes"
    elif plain in COMMON or len(set(plain)) < 5:
        cause = "common"
    elif any(plain in run or plain in run[::-1] for run in _RUNS):
        cause = "a run of keys"
    elif re.sub(r"[^a-z]", "", name) == re.sub(r"[^a-z]", "", plain) != "":
        cause = "the account's name"
    if cause is not None:
        raise RequestError(Reason.PASSWORD_WEAK, cause=cause)


def make_hash(password: str) -> str:
    """Return what is stored of a password."""
    return hasher().hash(_normal(password))


def matches(stored: str | None, password: str) -> bool:
    """Tell whether a password is right; without a stored one it takes as long."""
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password.encode()) > PASSWORD_BYTES_MAX:
        return False
    try:
        hasher().verify(stored or _nobody(), _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)
