"""A page of the portal as one file: for a mail, an archive, a printer without the node.

Styles and fonts are put into the file and every address in it is made absolute, so it
needs nobody. The bytes are those that the node answers, so a figure in the file is the
figure on the page.
"""

import asyncio
import base64
import re
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp

from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.node.http.static_files import folder
from shahrdad.node.http.view import NodeView

FONT = re.compile(r'url\("([\w-]+\.woff2)"\)')
HEAD = re.compile(r'<link rel="(?:preload|stylesheet|icon|alternate)"[^>]*>\n?')
SCRIPT = re.compile(r"<script[^>]*></script>\n?")
ADDRESS = re.compile(r'((?:href|action|src)=")(/[^"]*)')


def standalone(node: NodeView, path: str) -> bytes:
    """Return a page as one file.

    Args:
        node: Whose page.
        path: For example `/fa/report/1404-08`.

    Raises:
        UnavailableError: INTERNAL: the page is not answered.
    """
    from shahrdad.node.http.app import create_app

    status, body = asyncio.run(answer_of(create_app(node), path))
    if status != 200:
        raise UnavailableError(Reason.INTERNAL, request_id=f"{path} {status}")
    text = SCRIPT.sub("", HEAD.sub("", body.decode()))
    root = node.config.public_url
    text = ADDRESS.sub(lambda found: f"{found[1]}{root}{found[2]}", text)
    return text.replace("</head>", f"<style>{styles()}</style>\n</head>", 1).encode()


def styles() -> str:
    """Return the style sheets with the fonts inside."""
    _, found = folder()

    def inside(match: re.Match[str]) -> str:
        content = base64.b64encode(found[match[1]].plain).decode()
        return f'url("data:font/woff2;base64,{content}")'

    return FONT.sub(inside, found["pages.css"].plain.decode())


async def answer_of(app: ASGIApp, path: str) -> tuple[int, bytes]:
    """Return status and body of an application's answer to a plain GET."""
    scope: MutableMapping[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 0),
    }
    status, parts = 0, []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(message["status"])
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)
