"""The city's sign-in service (OpenID Connect), as this node speaks with it.

    browser ──▶ authorization_address ──▶ service ──▶ browser ──▶ redeem ──▶ identity

The authorization code flow with PKCE (RFC 7636): what passes through the browser opens
nothing without the verifier that stays here. Whatever the node itself asks goes through
the dialler, so neither the configuration nor the service's own answers lead into a
network that `oidc.allow_private` does not name; no redirect is followed, and answers
are bounded in size and time.
"""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.node.accounts import id_token
from shahrdad.node.accounts.id_token import Expected, Identity, wrong
from shahrdad.node.accounts.limits import (
    PROVIDER_ANSWER_BYTES_MAX,
    PROVIDER_CODE_LETTERS_MAX,
    PROVIDER_SECONDS_MAX,
)

if TYPE_CHECKING:
    import httpx2

    from shahrdad.node.config import Config, OidcSection

WELL_KNOWN = "/.well-known/openid-configuration"
KEPT_SECONDS = 3600.0
KEYS_AGAIN_SECONDS = 60.0  # a service that changed its key is asked this often at most
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_JSON = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class _Known:
    """What the service says of itself, and since when it is known."""

    endpoints: Mapping[str, str]
    keys: Mapping[str, Any]
    since: float


class Provider:
    """A sign-in service.

    Args:
        section: Its configuration.
        redirect: Where the service sends browsers back to.
    """

    def __init__(self, section: "OidcSection", redirect: str) -> None:
        from shahrdad.federation.dialler import Dialler

        self._section = section
        self._redirect = redirect
        self._dialler = Dialler(section.allow_private)
        self._lock = threading.Lock()
        self._kept: _Known | None = None

    def authorization_address(
        self, state: str, nonce: str, verifier: str, age_seconds_max: int | None
    ) -> str:
        """Return where a browser is sent to.

        Args:
            state: Comes back with the answer.
            nonce: Comes back inside the token.
            verifier: Of PKCE; only its hash travels.
            age_seconds_max: See `id_token.Expected`.

        Raises:
            PeerError: PROVIDER_WRONG.
            RequestError: ADDRESS_REFUSED.
            UnavailableError: PROVIDER_AWAY.
        """
        asked = {
            "response_type": "code",
            "scope": "openid",
            "client_id": self._section.client_id,
            "redirect_uri": self._redirect,
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        if age_seconds_max is not None:
            asked |= {"prompt": "login", "max_age": str(age_seconds_max)}
        address = self._known().endpoints["authorization_endpoint"]
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"

    def redeem(
        self,
        code: str,
        verifier: str,
        nonce: str,
        age_seconds_max: int | None,
        at: datetime,
    ) -> Identity:
        """Change the code that a browser brought for a token, and judge the token.

        Raises:
            PeerError: PROVIDER_WRONG.
            RequestError: ADDRESS_REFUSED, PACKAGE_ABSENT.
            UnavailableError: PROVIDER_AWAY.
        """
        if not 1 <= len(code) <= PROVIDER_CODE_LETTERS_MAX:
            raise wrong("code")
        known = self._known()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        headers = {**_JSON, "Content-Type": "application/x-www-form-urlencoded"}
        secret = self._section.client_secret
        if secret:
            headers["Authorization"] = _basic(self._section.client_id, secret)
        else:
            form["client_id"] = self._section.client_id
        content = urlencode(form).encode()
        answer = self._ask(
            "POST", known.endpoints["token_endpoint"], headers, content=content
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise wrong("id_token")
        expected = Expected(
            self._section.issuer, self._section.client_id, nonce, age_seconds_max
        )
        keys = self._keys_for(token, known)
        return id_token.judge(token, keys, expected, at)

    def _keys_for(self, token: str, known: _Known) -> Mapping[str, Any]:
        """Return the keys, asked for again when the token names one that is new."""
        kid = _key_named(token)
        listed = known.keys.get("keys")
        names = {
            key.get("kid")
            for key in (listed if isinstance(listed, list) else ())
            if isinstance(key, dict)
        }
        old = time.monotonic() - known.since > KEYS_AGAIN_SECONDS
        if kid is None or kid in names or not old:
            return known.keys
        return self._known(fresh=True).keys

    def _known(self, *, fresh: bool = False) -> _Known:
        """Return what the service says of itself, asked for once an hour."""
        with self._lock:
            kept = self._kept
            old = kept is None or time.monotonic() - kept.since > KEPT_SECONDS
            if kept is not None and not old and not fresh:
                return kept
            self._kept = self._discover()
            return self._kept

    def _discover(self) -> _Known:
        issuer = self._section.issuer
        said = self._ask("GET", issuer.rstrip("/") + WELL_KNOWN, _JSON)
        if said.get("issuer") != issuer:
            raise wrong("issuer")
        endpoints = {}
        for name in _ENDPOINTS:
            address = said.get(name)
            if not isinstance(address, str) or len(address) > 2_000:
                raise wrong(name)
            self._dialler.judge_url(address)
            endpoints[name] = address
        keys = self._ask("GET", endpoints["jwks_uri"], _JSON)
        return _Known(endpoints, keys, time.monotonic())

    def _ask(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> dict[str, Any]:
        """Return the JSON object of an answer of at most so many bytes and seconds."""
        import httpx2

        self._dialler.judge_url(address)
        try:
            with (
                self._dialler.http_client(PROVIDER_SECONDS_MAX) as client,
                client.stream(
                    method, address, headers=dict(headers), content=content
                ) as answer,
            ):
                status, body = answer.status_code, _bounded(answer)
        except httpx2.HTTPError as error:
            raise away(type(error).__name__) from error
        if status >= 500:
            raise away(f"HTTP {status}")
        if status != 200:
            raise wrong(f"HTTP {status}")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise wrong("JSON") from error
        if not isinstance(found, dict):
            raise wrong("JSON")
        return found


def _bounded(answer: "httpx2.Response") -> bytes:
    """Return a body; one that is too long, or drips too slowly, is given up."""
    deadline = time.monotonic() + PROVIDER_SECONDS_MAX
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > PROVIDER_ANSWER_BYTES_MAX:
            raise wrong(f"> {PROVIDER_ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > deadline:
            raise away(f"> {PROVIDER_SECONDS_MAX:.0f} s")
    return body


@lru_cache(maxsize=16)
def _provider(section: "OidcSection", redirect: str) -> Provider:
    return Provider(section, redirect)


def provider_of(config: "Config") -> Provider | None:
    """Return the sign-in service of a node, or None where none is configured.

    The same one is returned each time, with what it remembers of the service.
    """
    section = config.oidc
    if not section.issuer or not section.client_id:
        return None
    return _provider(section, f"{config.public_url}/fa/publish/sign-in/back")


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _basic(client_id: str, secret: str) -> str:
    """Return the header of a confidential client (RFC 6749, 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _key_named(token: str) -> str | None:
    """Return the key that a token says it was signed with; nothing is believed yet."""
    part = token.partition(".")[0]
    try:
        head = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    kid = head.get("kid") if isinstance(head, dict) else None
    return kid if isinstance(kid, str) else None


def away(detail: str) -> UnavailableError:
    """Return the error of a service that does not answer."""
    return UnavailableError(Reason.PROVIDER_AWAY, detail=detail)


__all__ = ["Provider", "provider_of"]
