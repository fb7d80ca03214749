"""The second factor: six digits that change every 30 seconds (TOTP, RFC 6238).

A code counts once: the time step that was accepted last is remembered. Ten recovery
codes, each for one use, stand in for a lost telephone.
"""

import base64
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from shahrdad.node.accounts.keys import AccountKey
from shahrdad.node.accounts.limits import RECOVERY_CODES

SEED_BYTES = 20  # RFC 4226, 4: at least 128 bits
STEP_SECONDS = 30
STEPS_AROUND = 1  # a clock may be one step off
_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the person puts into a telephone and a drawer; shown once."""

    address: str  # otpauth://…
    recovery: tuple[str, ...]

    @property
    def key(self) -> str:
        """The seed as a person types it into a telephone: groups of four letters.

        >>> Enrolment("otpauth://totp/x?secret=ABCDEFGH&issuer=y", ()).key
        'ABCD EFGH'
        """
        (seed,) = parse_qs(urlsplit(self.address).query)["secret"]
        return " ".join(seed[at : at + 4] for at in range(0, len(seed), 4))


def enrol(
    connection: sqlite3.Connection, key: AccountKey, account: int, name: str, city: str
) -> Enrolment:
    """Give an account a new second factor; the caller commits."""
    import pyotp

    seed = secrets.token_bytes(SEED_BYTES)
    codes = tuple(secrets.token_hex(5) for _ in range(RECOVERY_CODES))
    connection.execute(
        "UPDATE account SET totp=?, totp_counter=0 WHERE id=?",
        (key.seal(seed), account),
    )
    connection.execute("DELETE FROM recovery_code WHERE account=?", (account,))
    connection.executemany(
        "INSERT INTO recovery_code VALUES (?, ?)",
        [(account, key.mac("recovery", code.encode())) for code in codes],
    )
    totp = pyotp.TOTP(base64.b32encode(seed).decode())
    address = totp.provisioning_uri(name=name, issuer_name=f"Shahrdad {city}")
    return Enrolment(address, codes)


def spend(
    connection: sqlite3.Connection,
    key: AccountKey,
    account: int,
    code: str,
    at: datetime,
) -> bool:
    """Tell whether a code is right, and use it up; the caller commits."""
    plain = code.translate(_DIGITS).replace(" ", "").replace("-", "").lower()
    if _spend_step(connection, key, account, plain, at):
        return True
    gone = connection.execute(
        "DELETE FROM recovery_code WHERE account=? AND mac=?",
        (account, key.mac("recovery", plain.encode())),
    )
    return gone.rowcount == 1


def _spend_step(
    connection: sqlite3.Connection,
    key: AccountKey,
    account: int,
    code: str,
    at: datetime,
) -> bool:
    """Accept a code of a time step later than the last accepted one."""
    import hmac

    import pyotp

    sealed, last = connection.execute(
        "SELECT totp, totp_counter FROM account WHERE id=?", (account,)
    ).fetchone()
    seed = key.open(sealed) if sealed else None
    if seed is None or not code.isascii():
        return False
    totp = pyotp.TOTP(base64.b32encode(seed).decode())
    step = int(at.timestamp()) // STEP_SECONDS
    for candidate in range(step - STEPS_AROUND, step + STEPS_AROUND + 1):
        right = hmac.compare_digest(totp.generate_otp(candidate), code)
        if right and candidate > last:
            used = connection.execute(
                "UPDATE account SET totp_counter=? WHERE id=? AND totp_counter<?",
                (candidate, account, candidate),
            )
            return used.rowcount == 1
    return False
