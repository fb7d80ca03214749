"""What `shahrdad doctor` looks at outside: the public address, and other cities.

Each check answers for itself, as in `examination`.
"""

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from shahrdad.node.accounts.moments import present
from shahrdad.node.city import Node
from shahrdad.node.config import Config
from shahrdad.node.operating.findings import Finding
from shahrdad.node.peering.clocks import clocks_ahead

CONNECT_SECONDS = 5.0
CERTIFICATE_DAYS_MIN = 14
CLOCKS_APART_SECONDS_MAX = 60


def _certificate(config: Config) -> Finding:
    """Shake hands with the public address, as a reader does."""
    parts = urlsplit(config.public_url)
    host, port = parts.hostname or "", parts.port or 443
    if parts.scheme != "https":
        return Finding("certificate", "ok", "https نیست.", "There is no https.")
    try:
        days = _days_left(host, port)
    except OSError as error:  # of which the errors of TLS are a kind
        reason = getattr(error, "verify_message", None) or error.strerror or str(error)
        return Finding(
            "certificate",
            "failure",
            f"{config.public_url} از این‌جا پاسخ نمی‌دهد: {reason}",
            f"{config.public_url} does not answer from here: {reason}",
            "نام، دیوار آتش، nginx یا Caddy و گواهی آن را ببینید.",
            "Look at the name, the firewall, nginx or Caddy, and its certificate.",
        )
    if days < CERTIFICATE_DAYS_MIN:
        return Finding(
            "certificate",
            "warning",
            f"گواهی {host} تا {days} روز دیگر به پایان می‌رسد.",
            f"The certificate of {host} ends in {days} days.",
            "گواهی را نو کنید؛ Caddy و certbot خود نو می‌کنند.",
            "Renew it; Caddy and certbot do so by themselves.",
        )
    return Finding("certificate", "ok", f"{days} روز", f"{days} days")


def _days_left(host: str, port: int) -> int:
    """Return the days that a server's certificate still holds.

    Raises:
        OSError: Nobody answers, or the certificate is not to be trusted.
    """
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=CONNECT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as shaken,
    ):
        certificate = shaken.getpeercert() or {}
    ends = datetime.fromtimestamp(
        ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC
    )
    return (ends - present()).days


def _cosignatures(config: Config) -> Finding:
    """Compare the age of the newest cosignature of the own log with what is stale."""
    hours_max = config.federation.stale_after_hours
    with Node(config) as node:
        logs = node.federation_status()["logs"]
    own = next((log for log in logs if log["origin"] == config.federation.origin), None)
    if own is None or not config.federation.peers:
        return Finding("cosignatures", "ok", "همتایی نیست.", "There are no peers.")
    newest = own.get("newest_cosignature")
    if newest is None:
        return Finding(
            "cosignatures",
            "warning",
            "هنوز هیچ شهری دفتر شما را گواهی نکرده است.",
            "No city has vouched for your log yet.",
            "shahrdad sync؛ و از همتا بخواهید شما را دنبال کند.",
            "shahrdad sync, and ask a peer to follow you.",
        )
    hours = int((present() - datetime.fromisoformat(newest)).total_seconds() // 3600)
    if hours > hours_max:
        return Finding(
            "cosignatures",
            "warning",
            f"تازه‌ترین گواهی دفتر شما از {hours} ساعت پیش است.",
            f"The newest cosignature of your log is {hours} hours old.",
            "shahrdad peers می‌گوید کدام همتا خاموش است.",
            "shahrdad peers says which peer is silent.",
        )
    return Finding("cosignatures", "ok", f"{hours} ساعت", f"{hours} hours")


def _clocks(config: Config) -> Finding:
    """Compare the clock with other cities', by what the last rounds recorded."""
    with Node(config) as node:
        found = clocks_ahead(node, present())
    apart = {who: by for who, by in found.items() if abs(by) > CLOCKS_APART_SECONDS_MAX}
    if not apart:
        return Finding(
            "clocks",
            "ok",
            "با ساعت هیچ شهری ناسازگار نیست.",
            "It contradicts no other city's.",
        )
    fa = "، ".join(
        f"{abs(by)} ثانیه {'عقب‌تر از' if by > 0 else 'جلوتر از'} {who}"
        for who, by in apart.items()
    )
    en = ", ".join(
        f"{abs(by)} s {'behind' if by > 0 else 'ahead of'} {who}"
        for who, by in apart.items()
    )
    return Finding(
        "clocks",
        "warning",
        f"ساعت این رایانه دست‌کم {fa} است.",
        f"This computer's clock is at least {en}.",
        "ساعت را با NTP میزان کنید: timedatectl set-ntp true؛ اگر میزان است به آن شهر"
        " بگویید.",
        "Set the clock by NTP: timedatectl set-ntp true; if it is set, tell that city.",
    )


CHECKS: tuple[tuple[str, Callable[[Config], Finding]], ...] = (
    ("certificate", _certificate),
    ("cosignatures", _cosignatures),
    ("clocks", _clocks),
)
