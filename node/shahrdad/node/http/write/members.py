"""Reading the members of a JSON body: each by name, type and bound.

>>> from shahrdad.node.http.write.members import text
>>> text({"ref": "kerman/budget-1404"}, "ref")
'kerman/budget-1404'
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http.write.limits import TEXT_LETTERS_MAX


def text(
    body: Mapping[str, Any],
    name: str,
    default: str | None = None,
    letters_max: int = TEXT_LETTERS_MAX,
) -> str:
    """Return a text; without a default it must be there.

    Raises:
        RequestError: MEMBER_WRONG.
    """
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > letters_max or "\0" in value:
        raise wrong(name, f"text, at most {letters_max}")
    return value


def integer(body: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number, or None when it is absent.

    Raises:
        RequestError: MEMBER_WRONG.
    """
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**31:
        raise wrong(name, "an integer")
    return value


def texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of texts; () when it is absent.

    Raises:
        RequestError: MEMBER_WRONG.
    """
    value = body.get(name, [])
    if (
        not isinstance(value, list)
        or len(value) > 100
        or not all(isinstance(item, str) and len(item) <= 1_000 for item in value)
    ):
        raise wrong(name, "a list of texts")
    return tuple(value)


def mapping(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object; {} when it is absent.

    Raises:
        RequestError: MEMBER_WRONG.
    """
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise wrong(name, "an object")
    return value


def check_known(body: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse a member that nobody reads: a misspelt one would be lost in silence.

    Raises:
        RequestError: MEMBER_WRONG.
    """
    for name in body:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise wrong(name[:80], near[0] if near else ", ".join(sorted(known)))


def wrong(name: str, expected: str) -> RequestError:
    """Return the error of a member, pointed at by its JSON Pointer."""
    return RequestError(Reason.MEMBER_WRONG, pointer=f"/{name}", expected=expected)
