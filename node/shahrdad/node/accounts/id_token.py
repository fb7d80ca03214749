"""Judging an ID token of the city's sign-in service: text and keys in, identity out.

No I/O and no clock: whoever calls gives both. What is asked is OpenID Connect Core
3.1.3.7: the signature by a key that the service publishes, with an algorithm of public
keys; issuer, audience, nonce and times. Nothing else of the token is used, so what a
service says of names, mail or groups gives nobody a right here.
"""

import hmac
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.node.accounts.limits import SUBJECT_LETTERS_MAX

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384")
LEEWAY_SECONDS = 60  # clocks differ


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token of one sign-in must say.

    Attributes:
        age_seconds_max: How long ago the person may have proved who they are; None asks
            nothing.
    """

    issuer: str
    client_id: str
    nonce: str
    age_seconds_max: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a service vouches for.

    Attributes:
        subject: The service's own name for the person, never used again.
        proved: When the person gave a password or the like there; None: not told.
    """

    issuer: str
    subject: str
    proved: datetime | None


def judge(
    token: str, keys: Mapping[str, Any], expected: Expected, at: datetime
) -> Identity:
    """Return the identity that a token proves.

    Args:
        token: Three parts in base64url.
        keys: The service's JSON Web Key Set.
        expected: What it must say.
        at: The present.

    Raises:
        PeerError: PROVIDER_WRONG: which part of the token does not hold.
        RequestError: PACKAGE_ABSENT.
    """
    claims = _signed(token, keys)
    if claims.get("iss") != expected.issuer:
        raise wrong("iss")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in named:
        raise wrong("aud")
    # With several audiences, `azp` must say that the token was made for this node.
    if claims.get("azp", expected.client_id) != expected.client_id or (
        len(named) > 1 and "azp" not in claims
    ):
        raise wrong("azp")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not _same(nonce, expected.nonce):
        raise wrong("nonce")
    leeway = timedelta(seconds=LEEWAY_SECONDS)
    if _moment(claims, "exp") <= at - leeway:
        raise wrong("exp")
    if _moment(claims, "iat") > at + leeway:
        raise wrong("iat")
    subject = claims.get("sub")
    if (
        not isinstance(subject, str)
        or not 1 <= len(subject) <= SUBJECT_LETTERS_MAX
        or not subject.isprintable()
    ):
        raise wrong("sub")
    return Identity(expected.issuer, subject, _proved(claims, expected, at))


def _signed(token: str, keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the claims of a token that one of the keys signed."""
    try:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet
    except ImportError as error:
        raise RequestError(Reason.PACKAGE_ABSENT, package="joserfc") from error
    try:
        with warnings.catch_warnings():  # a weak key of others is refused by its error
            warnings.simplefilter("ignore")
            known = KeySet.import_key_set({"keys": _public(keys)})
            found = jwt.decode(token, known, algorithms=[*ALGORITHMS])
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise wrong("signature") from error
    return found.claims


def _public(keys: Mapping[str, Any]) -> list[Any]:
    """Return the keys that may sign: never a symmetric one, never one for encryption.

    A key of `kty` "oct" in the set would make a signature of everybody who can read it.
    """
    listed = keys.get("keys")
    return [
        key
        for key in (listed if isinstance(listed, list) else ())
        if isinstance(key, dict)
        and key.get("kty") in {"RSA", "EC"}
        and key.get("use", "sig") == "sig"
    ]


def _proved(
    claims: Mapping[str, Any], expected: Expected, at: datetime
) -> datetime | None:
    """Return when the person proved who they are, within the age that was asked for."""
    bound = expected.age_seconds_max
    if "auth_time" not in claims:
        if bound is not None:
            raise wrong("auth_time")
        return None
    proved = _moment(claims, "auth_time")
    leeway = timedelta(seconds=LEEWAY_SECONDS)
    if proved > at + leeway:
        raise wrong("auth_time")
    if bound is not None and proved < at - timedelta(seconds=bound) - leeway:
        raise wrong("auth_time")
    return min(proved, at)


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(name)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise wrong(name) from error


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def wrong(detail: str) -> PeerError:
    """Return the error of an answer that cannot be believed."""
    return PeerError(Reason.PROVIDER_WRONG, detail=detail)


__all__ = ["Expected", "Identity", "judge", "wrong"]
