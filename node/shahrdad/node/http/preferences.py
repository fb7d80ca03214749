"""The reader's choice of theme and digits: forms of every page, a cookie, no script."""

from urllib.parse import parse_qsl

from starlette.responses import RedirectResponse, Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http.answers import Call
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.rendering import DIGITS, THEMES

YEAR_SECONDS = 365 * 24 * 3600
FORM_BYTES_MAX = 4096
CHOICES = {"theme": THEMES, "digits": DIGITS}


async def choose(call: Call) -> Response:
    """Keep a choice and lead back to the page where it was made."""
    body = b""
    async for chunk in call.request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise RequestError(
                Reason.TOO_LARGE, size_bytes=len(body), size_bytes_max=FORM_BYTES_MAX
            )
    form = dict(parse_qsl(body.decode("ascii", "replace")))
    name = "digits" if "digits" in form else "theme"
    value, choices = form.get(name, ""), CHOICES[name]
    if value not in choices:
        raise RequestError(
            Reason.PARAMETER_VALUE,
            parameter=name,
            value=value[:40],
            expected=" | ".join(choices),
        )
    answer = RedirectResponse(_back(form.get("back", "/")), 303)
    answer.set_cookie(name, value, max_age=YEAR_SECONDS, httponly=True, samesite="lax")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _back(address: str) -> str:
    """Return a path of this host; anything else leads home, not elsewhere."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if inside and address.isprintable() else "/"


def operation() -> Operation:
    """Return the one operation."""
    return Operation(
        "choose", "/preferences", choose, "", methods=("POST",), tolerant=True
    )
