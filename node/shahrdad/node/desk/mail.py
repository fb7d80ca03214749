"""Letters by SMTP: what they say, and the connection that they go out by.

A connection is encrypted, with the server's certificate checked, or leads to this
computer; a password goes over no other. Every call ends within `SECONDS_MAX`.
"""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import format_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.accounts.moments import parse
from shahrdad.node.desk.notices import Choice, Letter, Outcome
from shahrdad.node.http.texts import say

if TYPE_CHECKING:
    from shahrdad.node.config import Config, MailSection

SECONDS_MAX = 20.0
REFUSED_FOR_GOOD = 500  # SMTP: 5xx; 4xx may pass another time
Post = Callable[[EmailMessage], Outcome]


def compose(
    config: "Config", letter: Letter, choice: Choice, about: str
) -> EmailMessage:
    """Return a letter: a subject, two sentences, and the page on the desk."""
    language = choice.language
    key = letter.kind.replace("-", "_")
    host = urlsplit(config.public_url).hostname or "localhost"
    desk = f"{config.public_url}/{language}/publish"
    own = {"delivery-failed": desk, "token-ends": f"{desk}/notices"}
    page = own.get(letter.kind, f"{desk}/{letter.subject}")
    message = EmailMessage()
    message["Subject"] = say(language, f"mail.{key}_subject", about=about)
    message["From"] = config.mail.sender
    message["To"] = choice.address
    message["Date"] = format_datetime(parse(letter.at))
    message["Message-ID"] = f"<notice.{letter.seq}.{letter.account}@{host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers
    lines = (
        say(language, f"mail.{key}", about=about),
        page,
        say(language, "mail.end", page=f"{desk}/notices"),
    )
    message.set_content("\n\n".join(lines) + "\n")
    message.set_param("charset", "utf-8")
    message["Content-Language"] = language
    return message


@contextmanager
def outbox(section: "MailSection") -> Iterator[Post]:
    """Give what sends a letter; the connection is made for the first one.

    Where no connection can be made, no further one is tried: each letter waits.

    Raises:
        RequestError: CONFIG_VALUE: an open connection to another computer.
    """
    _check(section)
    server: smtplib.SMTP | None = None
    fault: Outcome | None = None

    def post(message: EmailMessage) -> Outcome:
        nonlocal server, fault
        if fault is not None:
            return fault
        try:
            server = server or _connect(section)
        except (OSError, smtplib.SMTPException) as error:
            fault = _outcome(error)
            return fault
        try:
            server.send_message(message)
        except smtplib.SMTPServerDisconnected as error:
            fault = _outcome(error)
            return fault
        except (OSError, ValueError, smtplib.SMTPException) as error:
            return _outcome(error, letter=True)
        return Outcome(sent=True)

    try:
        yield post
    finally:
        if server is not None:
            server.close()


def _connect(section: "MailSection") -> smtplib.SMTP:
    """Return a connection, encrypted and signed in as the configuration says."""
    if section.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            section.host, section.port, timeout=SECONDS_MAX, context=_context(section)
        )
    else:
        server = smtplib.SMTP(section.host, section.port, timeout=SECONDS_MAX)
    try:
        if section.security == "starttls":
            server.starttls(context=_context(section))
        if section.username:
            server.login(section.username, section.password)
    except (OSError, smtplib.SMTPException):
        server.close()
        raise
    return server


def _context(section: "MailSection") -> ssl.SSLContext:
    return ssl.create_default_context(cafile=section.ca_file or None)


def _check(section: "MailSection") -> None:
    """Refuse to send letters and a password in the open.

    Raises:
        RequestError: CONFIG_VALUE.
    """
    if section.security == "none" and not _is_here(section.host):
        raise RequestError(
            Reason.CONFIG_VALUE,
            key="mail.security",
            value="none",
            expected="starttls | tls",
        )
    if "@" not in section.sender or "\n" in section.sender:
        raise RequestError(
            Reason.CONFIG_VALUE,
            key="mail.sender",
            value=section.sender[:80],
            expected="name@example.org",
        )


def _is_here(host: str) -> bool:
    """Tell whether a host is this computer.

    >>> _is_here("127.0.0.1"), _is_here("localhost"), _is_here("mail.kerman.ir")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _outcome(error: Exception, *, letter: bool = False) -> Outcome:
    """Return what an error means; only a letter's own refusal can be for good."""
    code = 0
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = max((one[0] for one in error.recipients.values()), default=0)
    elif isinstance(error, smtplib.SMTPResponseException):
        code = error.smtp_code
    name = type(error).__name__
    final = letter and (code >= REFUSED_FOR_GOOD or isinstance(error, ValueError))
    return Outcome(sent=False, final=final, detail=f"{name} {code}" if code else name)


__all__ = ["Post", "compose", "outbox"]
