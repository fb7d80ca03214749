"""Who acts at the command line: a token from a file or the environment, or a password.

A secret never stands in a flag, where every user of the machine could read it: it comes
from a file, from standard input, or from systemd's credentials.
"""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.accounts import audit, sessions, tokens
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.people import Account
from shahrdad.node.accounts.roles import MACHINE, Actor

if TYPE_CHECKING:
    from shahrdad.node.city import Node

CREDENTIAL = "shahrdad-token"  # systemd: LoadCredential=shahrdad-token:…


def read_token(file: Path | None) -> str:
    """Return the token that a command was given.

    Args:
        file: Of `--token-file`; else `SHAHRDAD_TOKEN_FILE`, `SHAHRDAD_TOKEN` and the
            credential `shahrdad-token` are looked at, in this order.

    Raises:
        RequestError: TOKEN_NEEDED, FILE_NOT_FOUND, PATH_REFUSED: no token is in it.
    """
    named = file or _path("SHAHRDAD_TOKEN_FILE")
    if named is None and os.environ.get("SHAHRDAD_TOKEN"):
        return os.environ["SHAHRDAD_TOKEN"].strip()
    folder = _path("CREDENTIALS_DIRECTORY")
    if named is None and folder is not None and (folder / CREDENTIAL).is_file():
        named = folder / CREDENTIAL
    if named is None:
        raise RequestError(Reason.TOKEN_NEEDED)
    if not named.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(named))
    text = named.read_text("utf-8", "replace").strip()
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise RequestError(
            Reason.PATH_REFUSED, path=str(named), detail="it holds no token"
        )
    return text


def acting(node: "Node", file: Path | None = None) -> Actor:
    """Return whom the command acts as.

    Raises:
        RequestError: TOKEN_NEEDED, FILE_NOT_FOUND, UNAUTHENTICATED.
    """
    at = present()
    connection = node.database.connect()
    found = tokens.resolve(connection, node.account_key, read_token(file), at)
    if found is None:
        raise RequestError(Reason.UNAUTHENTICATED)
    if found.token is not None:
        tokens.note_use(connection, found.token, "", at)
    return found


def prove(node: "Node", account: Account, file: Path | None, ask: str) -> None:
    """Make sure that it is the holder of an account who asks, by password and code.

    Args:
        node: The node.
        account: A person's.
        file: Password, and code on a second line; else standard input.
        ask: What to ask for on a terminal.

    Raises:
        RequestError: LOGIN_REFUSED, PASSWORD_NEEDED, SECOND_FACTOR_NEEDED.
        UnavailableError: LOGIN_THROTTLED.
    """
    lines = read_secret(account.name, file, ask).splitlines()
    password, *rest = lines or [""]
    code = rest[0] if rest else ""
    if account.has_second_factor and not code and sys.stdin.isatty():
        code = getpass.getpass("123456? ")
    sessions.authenticate(
        node.database,
        node.account_key,
        account.name,
        password,
        code,
        asker=MACHINE,
        at=present(),
    )


def read_secret(name: str, file: Path | None, ask: str) -> str:
    """Return what a person types, or what stands in a file or on standard input.

    Raises:
        RequestError: PASSWORD_NEEDED, FILE_NOT_FOUND.
    """
    if file is not None:
        if not file.is_file():
            raise RequestError(Reason.FILE_NOT_FOUND, path=str(file))
        text = file.read_text("utf-8")
    elif sys.stdin.isatty():
        text = getpass.getpass(ask)
    else:
        text = sys.stdin.read()
    if not text.strip():
        raise RequestError(Reason.PASSWORD_NEEDED, account=name)
    return text.rstrip("\r\n")


@contextmanager
def noting_refusal(
    node: "Node", by: Actor, action: str, subject: str
) -> Iterator[None]:
    """Write an audit row when what is done inside is refused."""
    try:
        yield
    except ShahrdadError as error:
        audit.refuse(node.database, by, action, subject[:120], error, present())
        raise


def _path(name: str) -> Path | None:
    return Path(os.environ[name]) if os.environ.get(name) else None
