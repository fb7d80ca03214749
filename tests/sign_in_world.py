"""Sign-in services on this computer: a real one in a process, and one that lies."""

import base64
import hashlib
import hmac
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

START_SECONDS_MAX = 90
Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def real_service() -> Iterator[str]:
    """Run a provider that others wrote, and give its issuer.

    It asks for a registered client and for a nonce.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"]
    options = ["--port", str(port), "-r", "true", "-n", "true"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not _answers(issuer) and time.monotonic() < deadline:
            assert process.poll() is None, "the provider ended"
            time.sleep(0.05)
        yield issuer
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


def _answers(issuer: str) -> bool:
    try:
        address = f"{issuer}/.well-known/openid-configuration"
        return httpx2.get(address, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


def register(issuer: str, redirect: str) -> tuple[str, str]:
    """Register a client at the real service: its name and its secret."""
    answer = httpx2.post(
        f"{issuer}/oauth2/clients", json={"redirect_uris": [redirect]}, trust_env=False
    )
    found = answer.json()
    return found["client_id"], found["client_secret"]


def agree(address: str, subject: str) -> str:
    """Say yes at the real service as a person; return where it leads back to."""
    answer = httpx2.post(address, data={"sub": subject}, trust_env=False)
    assert 302 == answer.status_code, answer.text
    return str(answer.headers["location"])


@dataclass
class Liar:
    """A service of our own that checks PKCE, and answers as a test tells it to.

    Attributes:
        claims: Put over the right claims of a token; None takes one out.
        sign: Makes the token of its claims.
        answers: Path → what is answered there instead.
        asked: What came to the token endpoint.
    """

    client_id: str = "shahrdad"
    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048))
    claims: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any]], str] | None = None
    said: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def reset(self) -> None:
        """Tell the truth again."""
        self.claims, self.sign, self.keys = {}, None, None
        self.said, self.answers, self.asked = {}, {}, []

    def agree(self, address: str) -> str:
        """Say yes to a sign-in, and return where the browser is led to."""
        query = {
            name: one[0] for name, one in parse_qs(urlsplit(address).query).items()
        }
        assert "S256" == query["code_challenge_method"]
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return f"{query['redirect_uri']}?code={code}&state={query['state']}"

    def get(self, path: str) -> Answer:
        """Answer a GET."""
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            said = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
            return _json({**said, **self.said})
        public = self.key.as_dict(private=False) | {"use": "sig", "kid": "one"}
        return _json({"keys": [public] if self.keys is None else self.keys})

    def token(self, form: dict[str, list[str]]) -> Answer:
        """Answer at the token endpoint; a code counts once, with its verifier."""
        self.asked.append(form)
        if "/token" in self.answers:
            return self.answers["/token"]
        query = self.codes.pop(form["code"][0], None)
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if query is None or query["code_challenge"] != challenge:
            return 400, {}, b'{"error":"invalid_grant"}'
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "4f1c",
            "nonce": query["nonce"],
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
        }
        claims |= self.claims
        claims = {name: one for name, one in claims.items() if one is not None}
        sign = self.sign or self.signed
        return _json({"id_token": sign(claims), "token_type": "Bearer"})

    def signed(self, claims: dict[str, Any]) -> str:
        """Return a token that is signed as it should be."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def signed_elsewhere(self, claims: dict[str, Any]) -> str:
        """Return a token that a stranger signed under the name of our key."""
        stranger = RSAKey.generate_key(2048)
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, stranger)

    def signed_with_a_curve(self, claims: dict[str, Any]) -> str:
        """Return a token of a key that the service does not publish."""
        return jwt.encode({"alg": "ES256"}, claims, ECKey.generate_key("P-256"))

    def hashed(self, claims: dict[str, Any]) -> str:
        """Return a token whose secret is the key that everybody may read (HS256)."""
        head = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(claims)}"
        mac = hmac.digest(self.key.as_pem(private=False), head.encode(), "sha256")
        return f"{head}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    def secret_as_a_key(self) -> dict[str, Any]:
        """Return that secret as a member of a key set."""
        pem = base64.urlsafe_b64encode(self.key.as_pem(private=False)).decode()
        return {"kty": "oct", "k": pem.rstrip("="), "kid": "one", "use": "sig"}


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token with the algorithm `none`."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _json(value: dict[str, Any]) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


@contextmanager
def lying_service() -> Iterator[Liar]:
    """Serve a service that a test commands."""
    liar = Liar()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(liar.get(self.path))

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            self._say(liar.token(parse_qs(self.rfile.read(size).decode())))

        def _say(self, answer: Answer) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    liar.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield liar
    server.shutdown()
    thread.join()
    server.server_close()


__all__ = [
    "Liar",
    "agree",
    "lying_service",
    "real_service",
    "register",
    "unsigned",
]
